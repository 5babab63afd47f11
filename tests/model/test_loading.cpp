// SPDX-License-Identifier: MIT
//
// Loading checkpoint folders: where tied weights, storage types and sizes come from, and what is refused.
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "model/support.hpp"
#include "support/tensors.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

// Final states and logits of batch b0 of a golden model, against the float64 reference.
struct errors {
  double states = 0;
  double logits = 0;
};

template <class Scalar, class Backend = default_backend<Scalar>>
errors errors_of(const std::filesystem::path& folder, const std::filesystem::path& golden) {
  const auto model = masked_lm<Scalar, Backend>::load(folder);
  const auto file = safetensors::open(golden / "golden.safetensors");
  const auto ids = ufb_test::read<std::int32_t>(file, "b0.input_ids");
  auto workspace = model.make_workspace();
  const std::size_t tokens = ids.values.size();
  matrix<Scalar> states({tokens, model.hidden_size(), model.hidden_size()});
  model.encode({ids.values.data(), {ids.shape[0], ids.shape[1]}}, {}, states.view(), workspace);
  std::vector<std::size_t> rows(tokens);
  for (std::size_t i = 0; i < tokens; ++i) rows[i] = i;
  matrix<Scalar> logits({tokens, model.vocabulary_size(), model.vocabulary_size()});
  model.logits(states.view(), rows, logits.view(), workspace);
  const auto want_states = ufb_test::read<double>(file, "b0.final_f64").values;
  const auto want_logits = ufb_test::read<double>(file, "b0.logits_f64").values;
  return {largest_difference<Scalar, double>({states.row(0), want_states.size()}, want_states),
          largest_difference<Scalar, double>({logits.row(0), want_logits.size()}, want_logits)};
}

}  // namespace

TEST_CASE("Models are loaded from float32 and float16, from either tied copy, from both configuration forms") {
  for (const char* id : {"mlm_fff_d4_p1", "mlm_fff_f16", "mlm_fff_decoder_only", "mlm_fff_embedding_only",
                         "mlm_fff_local_form", "mlm_ff_gelu", "mlm_fff_bf16"}) {
    INFO(id);
    const auto got = errors_of<float>(golden_model(id), golden_model(id));
    CHECK(got.states < 3e-5);
    CHECK(got.logits < 2e-4);
  }
}

TEST_CASE("Both backends compute the same model") {
  const auto plain = errors_of<float, plain_backend>(golden_model("mlm_fff_d4_p1"), golden_model("mlm_fff_d4_p1"));
  CHECK(plain.states < 3.5e-5);
  CHECK(plain.logits < 2.1e-4);
}

TEST_CASE("A model in double precision agrees with the float64 reference to rounding") {
  const auto got = errors_of<double>(golden_model("mlm_fff_d4_p1"), golden_model("mlm_fff_d4_p1"));
  // What is left is the last bit of the float32 position table, which differs between mathematics libraries.
  CHECK(got.states < 1e-6);
  CHECK(got.logits < 1e-5);
}

TEST_CASE("Where both tied copies exist and differ, the decoder's wins") {
  const folder_copy folder(golden_model("mlm_fff_d4_p1"));
  folder.poke("encoder.embedding.word_embedding.weight", 0, 1000.0F);
  const auto got = errors_of<float>(folder.path(), golden_model("mlm_fff_d4_p1"));
  CHECK(got.states < 3.5e-5);
  CHECK(got.logits < 2.1e-4);
}

TEST_CASE("A model is immutable, movable and shareable") {
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<workspace>);
  STATIC_REQUIRE(std::is_move_constructible_v<masked_lm<float>>);
  auto first = masked_lm<float>::load(golden_model("mlm_fff_d4_p1"));
  const auto second = std::move(first);
  CHECK(second.vocabulary_size() == 211);
}

TEST_CASE("All missing and wrongly shaped tensors are listed in one error") {
  const folder_copy folder(golden_model("mlm_fff_d4_p1"));
  folder.edit_header([](ordered_json& header) {
    header["encoder.layers.0.norm1.bias_"] = header["encoder.layers.0.norm1.bias"];
    header.erase("encoder.layers.0.norm1.bias");
    header["encoder.layers.2.ffn.linear_in.weight"]["shape"] = {64, 31};
  });
  const auto e = error_of([&] { static_cast<void>(masked_lm<float>::load(folder.path())); });
  REQUIRE(e);
  CHECK(name(e->code()) == "missing_tensor");
  CHECK(e->file() == (folder.path() / "model.safetensors").string());
  CHECK(e->found().find("encoder.layers.0.norm1.bias (64) is missing") != std::string::npos);
  CHECK(e->found().find("encoder.layers.2.ffn.linear_in.weight (31, 64) is (64, 31)") != std::string::npos);
}

TEST_CASE("Sizes that only the configuration claims cost no memory") {
  const folder_copy folder(golden_model("mlm_fff_d4_p1"));
  folder.edit_json("config.json", [](ordered_json& config) {
    config["arch"]["intermed_depth"] = 30;
    config["arch"]["intermed_size"] = 1000;
  });
  const auto e = error_of([&] { static_cast<void>(masked_lm<float>::load(folder.path())); });
  REQUIRE(e);
  CHECK(name(e->code()) == "missing_tensor");
}

TEST_CASE("NaN and infinite weights are refused unless they are allowed") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const folder_copy folder(golden_model("mlm_fff_d4_p1"));
    folder.poke("encoder.layers.1.ffn.linear_out.weight", 70, bad);
    const auto e = error_of([&] { static_cast<void>(masked_lm<float>::load(folder.path())); });
    REQUIRE(e);
    CHECK(name(e->code()) == "non_finite");
    CHECK(e->where().find("encoder.layers.1.ffn.linear_out.weight") != std::string::npos);
    CHECK(e->found().find("70") != std::string::npos);
    CHECK_NOTHROW(static_cast<void>(masked_lm<float>::load(folder.path(), {.allow_non_finite = true})));
  }
}

TEST_CASE("A folder that is no checkpoint is refused") {
  CHECK(error_of([] { static_cast<void>(masked_lm<float>::load("/no/such/folder")); })->code() == error_code::io_error);
  const folder_copy folder(golden_model("mlm_fff_d4_p1"));
  std::filesystem::remove(folder.path() / "model.safetensors");
  folder.write("pytorch_model.bin", "pickle");
  const auto e = error_of([&] { static_cast<void>(masked_lm<float>::load(folder.path())); });
  REQUIRE(e);
  CHECK(name(e->code()) == "unsupported");
  CHECK(std::string(e->what()).find("safetensors") != std::string::npos);
}

TEST_CASE("Calls with text need a tokenizer, calls with ids do not") {
  const auto model = masked_lm<float>::load(golden_model("mlm_fff_d4_p1"));
  auto workspace = model.make_workspace();
  const auto e = error_of([&] { static_cast<void>(model.fill_mask("a <mask>", {}, workspace)); });
  REQUIRE(e);
  CHECK(name(e->code()) == "invalid_input");
  const std::vector<token_id> ids{1, 2, 3};
  CHECK(model.encode({ids.data(), {1, 3}}, {}, workspace).rows() == 3);
}

TEST_CASE("Calls outside the documented ranges leave outputs untouched and the workspace usable") {
  const auto model = masked_lm<float>::load(golden_model("mlm_fff_d4_p1"));
  auto workspace = model.make_workspace();
  std::vector<token_id> ids(140, 5);
  matrix<float> states({140, 64});
  states(0, 0) = 7.0F;
  const auto refused = [&](const matrix_view<const token_id>& input, const matrix_view<const float>& mask) {
    const auto e = error_of(
        [&] { model.encode(input, mask, states.view().rows_from(0, input.rows() * input.cols()), workspace); });
    REQUIRE(e);
    CHECK(name(e->code()) == "invalid_input");
    CHECK(states(0, 0) == 7.0F);
  };
  refused({ids.data(), {1, 140}}, {});
  refused({ids.data(), {3, 0}}, {});
  const std::vector<float> mask(8, 1.0F);
  refused({ids.data(), {2, 3}}, {mask.data(), {2, 4}});
  ids[3] = 211;
  refused({ids.data(), {1, 6}}, {});
  ids[3] = -1;
  refused({ids.data(), {1, 6}}, {});
  ids[3] = 5;
  CHECK(model.encode({ids.data(), {0, 4}}, {}, workspace).rows() == 0);
  CHECK_NOTHROW(static_cast<void>(model.encode({ids.data(), {1, 6}}, {}, workspace)));

  matrix<float> logits({1, model.vocabulary_size()});
  const std::vector<std::size_t> row{140};
  CHECK(error_of([&] { model.logits(states.view(), row, logits.view(), workspace); })->code() ==
        error_code::invalid_input);
}
