// SPDX-License-Identifier: MIT
//
// Classic BERT folders: names with and without prefixes, old names of norms, FFF layers in place of dense ones, token
// types, and configurations that are refused.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "model/support.hpp"
#include "support/random.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

constexpr std::size_t width = 32;  // of both golden models

folder_copy copy_of(const char* id) { return folder_copy(golden_model(id)); }

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

const std::vector<token_id> ids{2, 17, 33, 8, 41, 3, 60, 3};
const std::vector<std::uint32_t> types{0, 0, 0, 0, 0, 0, 1, 1};

template <class Model>
std::vector<float> states_of(const Model& model, bool with_types = true) {
  std::vector<float> states(ids.size() * model.hidden_size());
  auto scratch = model.make_workspace();
  const padded_batch_options options{.type_ids = with_types ? matrix_view<const std::uint32_t>(types.data(), {1, 8})
                                                            : matrix_view<const std::uint32_t>{}};
  model.encode({ids.data(), {1, ids.size()}}, {}, {states.data(), {ids.size(), model.hidden_size()}}, scratch, options);
  return states;
}

std::optional<error> load_error(const folder_copy& folder) {
  return error_of([&] { static_cast<void>(encoder_model<float>::load(folder.path())); });
}

}  // namespace

TEST_CASE("Names with and without the model's prefix, of today and of TensorFlow, are the same encoder", "[bert]") {
  const auto expected = states_of(encoder_model<float>::load(golden_model("bert_mlm_full_names")));
  CHECK(expected != states_of(encoder_model<float>::load(golden_model("bert_mlm_full_names")), false));
  const folder_copy bare = copy_of("bert_mlm_full_names");
  bare.rename_tensors([](const std::string& name) { return replaced(name, "bert.", ""); });
  CHECK(states_of(encoder_model<float>::load(bare.path())) == expected);
  const folder_copy old = copy_of("bert_mlm_full_names");
  old.rename_tensors([](const std::string& name) {
    return replaced(replaced(name, "LayerNorm.weight", "LayerNorm.gamma"), "LayerNorm.bias", "LayerNorm.beta");
  });
  CHECK(states_of(masked_lm<float>::load(old.path())) == expected);
  const folder_copy wrapped = copy_of("bert_mlm_full_names");
  wrapped.rename_tensors([](const std::string& name) { return "module." + name; });
  CHECK(states_of(masked_lm<float>::load(wrapped.path())) == expected);
  // A configuration of 2018, without a type and with the defaults of then.
  const folder_copy early = copy_of("bert_mlm_full_names");
  early.edit_json("config.json", [](ordered_json& config) {
    for (const char* key : {"model_type", "architectures", "layer_norm_eps", "type_vocab_size", "pad_token_id"}) {
      config.erase(key);
    }
  });
  CHECK(states_of(masked_lm<float>::load(early.path())) == expected);
}

TEST_CASE("A BERT classifier takes token types, and says which class loads which folder", "[bert]") {
  const auto model = sequence_classifier<float>::load(golden_model("bert_seq_3"), {.strict = true});
  CHECK(model.labels().size() == 3);
  auto scratch = model.make_workspace();
  std::vector<float> with(3);
  std::vector<float> without(3);
  model.logits({ids.data(), {1, 8}}, {}, matrix_view<const std::uint32_t>(types.data(), {1, 8}), {with.data(), {1, 3}},
               scratch);
  model.logits({ids.data(), {1, 8}}, {}, {without.data(), {1, 3}}, scratch);
  CHECK(with != without);
  const std::vector<std::uint32_t> beyond(8, 2);
  CHECK(error_text_of([&] {
          model.logits({ids.data(), {1, 8}}, {}, matrix_view<const std::uint32_t>(beyond.data(), {1, 8}),
                       {with.data(), {1, 3}}, scratch);
        }).find("invalid_input: type_ids") == 0);
  const auto wrong = error_of([&] { static_cast<void>(masked_lm<float>::load(golden_model("bert_seq_3"))); });
  REQUIRE(wrong);
  CHECK(wrong->reason() ==
        "this folder holds a classifier of sequences: load it with sequence_classifier, or its encoder alone with "
        "encoder_model");
}

TEST_CASE("FFF layers stand in place of a BERT's dense ones, told by the configuration or by their tensors", "[bert]") {
  constexpr std::size_t nodes = 15;
  random_numbers random(601);
  const folder_copy folder = copy_of("bert_mlm_full_names");
  for (const std::string layer : {"bert.encoder.layer.0.", "bert.encoder.layer.1."}) {
    folder.add_tensor(layer + "ffn.linear_in.weight", {nodes, width}, random.reals<float>(nodes * width));
    folder.add_tensor(layer + "ffn.linear_in.bias", {nodes}, random.reals<float>(nodes));
    folder.add_tensor(layer + "ffn.linear_out.weight", {width, nodes}, random.reals<float>(width * nodes));
  }
  const auto told_by_tensors = masked_lm<float>::load(folder.path());
  const auto& shape = std::get<fast_feedforward_shape>(told_by_tensors.stack().config().block.feedforward);
  CHECK(shape.depth == 3);
  CHECK(shape.trees() == 1);
  const auto expected = states_of(told_by_tensors);
  folder.edit_json("config.json", [](ordered_json& config) {
    config["intermed_type"] = "fff";
    config["intermed_depth"] = 3;
    config["intermed_size"] = 1;
  });
  CHECK(states_of(masked_lm<float>::load(folder.path())) == expected);
  const auto narrow =
      masked_lm<float>::load(folder.path(), {.fast_feedforward = {.storage_in = weight_storage::certified_float16}});
  CHECK(states_of(narrow).size() == expected.size());
  folder.edit_json("config.json", [](ordered_json& config) { config["intermed_type"] = "ff"; });
  CHECK(states_of(masked_lm<float>::load(folder.path())) ==
        states_of(masked_lm<float>::load(golden_model("bert_mlm_full_names"))));
}

TEST_CASE("FFF layers whose rows are no one tree need a configuration", "[bert]") {
  random_numbers random(604);
  const folder_copy folder = copy_of("bert_mlm_full_names");
  folder.add_tensor("bert.encoder.layer.0.ffn.linear_in.weight", {6, width}, random.reals<float>(6 * width));
  const auto problem = load_error(folder);
  REQUIRE(problem);
  CHECK(name(problem->code()) == "missing_key");
  CHECK(problem->where() == "$");
  CHECK(problem->expected() == "intermed_type, intermed_depth and intermed_size");
  CHECK(problem->found() == "FFF layers of 6 nodes, which are no one tree");
}

TEST_CASE("FFF layers that claim more rows than any tree has are refused by name", "[bert]") {
  random_numbers random(605);
  const folder_copy folder = copy_of("bert_mlm_full_names");
  const std::string rows = "bert.encoder.layer.0.ffn.linear_in.weight";
  folder.add_tensor(rows, {1, 0}, std::vector<float>{});
  folder.edit_header([&](ordered_json& header) { header[rows]["shape"] = {std::uint64_t{0xffffffff}, 0}; });
  const auto problem = load_error(folder);
  REQUIRE(problem);
  CHECK(name(problem->code()) == "bad_value");
  CHECK(problem->file() == (folder.path() / "model.safetensors").string());
  CHECK(problem->where() == rows);
  CHECK(problem->expected() == "a row for each node of a tree of depth 30 at most");
}

TEST_CASE("Thresholds and shared rows of a BERT's FFF layers are found by their tensors", "[bert]") {
  random_numbers random(602);
  const folder_copy folder = copy_of("bert_mlm_full_names");
  for (const std::string layer : {"bert.encoder.layer.0.ffn.", "bert.encoder.layer.1.ffn."}) {
    folder.add_tensor(layer + "linear_in.weight", {7, width}, random.reals<float>(7 * width));
    folder.add_tensor(layer + "linear_in.bias", {7}, random.reals<float>(7));
    folder.add_tensor(layer + "linear_out.weight", {width, 7}, random.reals<float>(width * 7));
  }
  const auto plain = states_of(masked_lm<float>::load(folder.path()));
  for (const std::string layer : {"bert.encoder.layer.0.ffn.", "bert.encoder.layer.1.ffn."}) {
    folder.add_tensor(layer + "linear_in.threshold", {7}, std::vector<float>(7, -1e9F));
  }
  const auto model = masked_lm<float>::load(folder.path());
  CHECK(std::get<fast_feedforward_shape>(model.stack().config().block.feedforward).node_thresholds);
  const auto rightmost = states_of(model);
  CHECK(rightmost != plain);
  for (const std::string layer : {"bert.encoder.layer.0.ffn.", "bert.encoder.layer.1.ffn."}) {
    folder.add_tensor(layer + "linear_in.shared.weight", {3, width}, random.reals<float>(3 * width));
    folder.add_tensor(layer + "linear_in.shared.bias", {3}, random.reals<float>(3));
    folder.add_tensor(layer + "linear_out.shared.weight", {width, 3}, random.reals<float>(width * 3));
  }
  const auto shared = masked_lm<float>::load(folder.path());
  CHECK(std::get<fast_feedforward_shape>(shared.stack().config().block.feedforward).shared_rows == 3);
  CHECK(states_of(shared) != rightmost);
}

TEST_CASE("FFF layers with leaf networks are refused by a BERT, which names their class", "[bert]") {
  random_numbers random(603);
  const folder_copy folder = copy_of("bert_mlm_full_names");
  for (const std::string layer : {"bert.encoder.layer.0.ffn.", "bert.encoder.layer.1.ffn."}) {
    folder.add_tensor(layer + "node_weights", {1, width}, random.reals<float>(width));
    folder.add_tensor(layer + "w1s", {2, width, 4}, random.reals<float>(8 * width));
  }
  const auto is_refused = [&] {
    const auto problem = load_error(folder);
    REQUIRE(problem);
    CHECK(name(problem->code()) == "unsupported");
    CHECK(problem->where() == "bert.encoder.layer.0.ffn.w1s");
    CHECK(problem->reason().find("leaf_feedforward") != std::string::npos);
  };
  is_refused();
  folder.edit_json("config.json", [](ordered_json& config) {
    config["intermed_type"] = "fff";
    config["intermed_depth"] = 1;
    config["intermed_size"] = 1;
  });
  is_refused();
}

TEST_CASE("What a BERT configuration asks for and this version does not compute is refused by name", "[bert]") {
  struct refusal {
    const char* key;
    ordered_json value;
    const char* code;
  };
  const std::vector<refusal> refusals{
      {"is_decoder", true, "unsupported"},         {"position_embedding_type", "relative_key", "unsupported"},
      {"hidden_act", "quick_gelu", "unsupported"}, {"num_attention_heads", 5, "bad_value"},
      {"hidden_size", "32", "bad_type"},           {"intermed_type", "moe", "bad_value"},
      {"layer_norm_eps", -1, "bad_value"}};
  for (const refusal& refused : refusals) {
    INFO(refused.key);
    const folder_copy folder = copy_of("bert_mlm_full_names");
    folder.edit_json("config.json", [&](ordered_json& config) { config[refused.key] = refused.value; });
    const auto problem = load_error(folder);
    REQUIRE(problem);
    CHECK(name(problem->code()) == refused.code);
    CHECK(problem->where().find(refused.key) != std::string::npos);
  }
  const folder_copy missing = copy_of("bert_mlm_full_names");
  missing.rename_tensors([](const std::string& name) {
    return replaced(name, "bert.encoder.layer.1.attention.self.key.bias", "something");
  });
  const auto problem = load_error(missing);
  REQUIRE(problem);
  CHECK(name(problem->code()) == "missing_tensor");
  CHECK(problem->found().find("bert.encoder.layer.1.attention.self.key.bias (32) is missing") != std::string::npos);
}
