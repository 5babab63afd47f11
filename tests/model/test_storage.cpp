// SPDX-License-Identifier: MIT
//
// Models whose FFF layers are stored narrow: what they predict beside the float32 model, and what they weigh.
#include <algorithm>
#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

using model_type = masked_lm<float>;

const std::filesystem::path folder = std::filesystem::path(UFB_EXAMPLE_MODEL_DIR) / "tiny-mlm";

model_type load(const std::filesystem::path& from, weight_storage in, weight_storage out) {
  // The engine by name, because a build without a BLAS would take plain loops, which round nothing.
  return model_type::load(from,
                          {.fast_feedforward = {.engine = fff_engine::grouped, .storage_in = in, .storage_out = out}});
}

std::vector<float> logits_at(const model_type& model, const std::vector<token_id>& ids, std::size_t row) {
  auto workspace = model.make_workspace();
  const auto states = model.encode({ids.data(), {1, ids.size()}}, {}, workspace);
  std::vector<float> logits(model.vocabulary_size());
  model.logits(states.view(), std::vector<std::size_t>{row}, {logits.data(), {1, logits.size()}}, workspace);
  return logits;
}

// |a - b| / |b|, Euclidean norms.
double relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0.0;
  double norm = 0.0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const auto expected = static_cast<double>(b[i]);
    difference += std::pow(static_cast<double>(a[i]) - expected, 2.0);
    norm += expected * expected;
  }
  return std::sqrt(difference / norm);
}

struct agreement {
  std::size_t same_word = 0;  // texts whose first candidate is the float32 model's
  double mean = 0.0;          // relative difference of the mask's logits
  double worst = 0.0;
};

agreement compare_models(const model_type& model, const model_type& exact) {
  const auto recorded =
      ordered_json::parse(text_of(std::filesystem::path(UFB_TEST_DATA_DIR) / "tiny_mlm.expected.json"));
  const auto& examples = recorded.at("examples");
  agreement result;
  for (const auto& example : examples) {
    const auto ids = example.at("ids").get<std::vector<token_id>>();
    const auto mask = example.at("mask_position").get<std::size_t>();
    const auto got = logits_at(model, ids, mask);
    const auto expected = logits_at(exact, ids, mask);
    result.same_word += std::max_element(got.begin(), got.end()) - got.begin() ==
                                std::max_element(expected.begin(), expected.end()) - expected.begin()
                            ? 1U
                            : 0U;
    const double difference = relative_difference(got, expected);
    result.mean += difference / static_cast<double>(examples.size());
    result.worst = std::max(result.worst, difference);
  }
  return result;
}

}  // namespace

TEST_CASE("The shipped model fills its masks in every storage") {
  constexpr auto f32 = weight_storage::float32;
  const auto exact = load(folder, f32, f32);
  // Its checkpoint is float16 already, so that nothing is rounded.
  const auto half = compare_models(load(folder, weight_storage::float16, weight_storage::float16), exact);
  CHECK(half.same_word == 20);
  CHECK(half.worst <= 1e-6);
  // An error of an output moves logits by about as much. A token that leaves its path changes one neuron of eight in
  // one layer, which moves them by a few hundredths; it happens to about one token and layer in a hundred with int8.
  for (const auto storage : {weight_storage::bfloat16, weight_storage::int8}) {
    for (const auto in : {f32, storage}) {
      INFO(name(in) << ' ' << name(storage));
      const auto got = compare_models(load(folder, in, storage), exact);
      CHECK(got.same_word >= 18);
      CHECK(got.worst > 0.0);
      CHECK(got.mean <= 0.01);
      CHECK(got.worst <= 0.1);
    }
  }
}

TEST_CASE("Storage of each matrix is a choice of its own and reaches every layer") {
  const auto path = golden_model("mlm_fff_d4_p1");
  const auto exact = load(path, weight_storage::float32, weight_storage::float32);
  const auto narrow = load(path, weight_storage::float16, weight_storage::int8);
  const auto& tree = std::get<fast_feedforward_shape>(exact.stack().config().block.feedforward);
  const std::size_t width = exact.hidden_size();
  const std::size_t nodes = cmm::tree::total_nodes(tree.depth, tree.parallel_size);
  // float32 takes 4 bytes a weight, float16 2, int8 1 and 4 for each row's scale.
  const std::size_t saved = nodes * (2 * width + 3 * width - sizeof(float));
  REQUIRE(exact.stack().layers().size() > 1);
  for (std::size_t i = 0; i < exact.stack().layers().size(); ++i) {
    CHECK(exact.stack().layers()[i].bytes() - narrow.stack().layers()[i].bytes() == saved);
  }
  CHECK(exact.bytes() - narrow.bytes() == saved * exact.stack().layers().size());
  CHECK(exact.bytes() > exact.vocabulary_size() * width * sizeof(float));
  const std::vector<token_id> ids{1, 5, 9, 2, 7};
  const double difference = relative_difference(logits_at(narrow, ids, 2), logits_at(exact, ids, 2));
  CHECK(difference > 1e-5);
  CHECK(difference < 0.2);
}

TEST_CASE("A layer of one model is compared with the same layer of another") {
  const auto exact = load(folder, weight_storage::float32, weight_storage::float32);
  const auto narrow = load(folder, weight_storage::int8, weight_storage::int8);
  const auto layer = [](const model_type& model) -> const auto& {
    return std::get<0>(model.stack().layers()[2].ffn());
  };
  const auto ids =
      exact.text_tokenizer().encode("she went to the market every day and bought bread for her mother .").ids;
  auto workspace = exact.make_workspace();
  encoder_trace<float> trace{.states = true};
  matrix<float> states({ids.size(), exact.hidden_size()});
  exact.encode({ids.data(), {1, ids.size()}}, {}, states.view(), workspace, {}, &trace);
  const auto got = compare_layers(layer(exact), layer(narrow), trace.layers[2].norm2.view(), workspace);
  CHECK(got.tokens == ids.size());
  CHECK(got.tokens_on_other_paths < ids.size() / 2);
  CHECK(got.relative_error > 1e-3);
  CHECK(got.relative_error < 0.03);
}

TEST_CASE("A level that the processor lacks is refused when the model is loaded") {
  for (const isa_level isa : {isa_level::neon, isa_level::avx2, isa_level::avx512}) {
    if (supported(isa)) continue;
    const auto e = error_of([&] {
      static_cast<void>(model_type::load(folder, {.fast_feedforward = {.engine = fff_engine::fused, .isa = isa}}));
    });
    REQUIRE(e);
    CHECK(e->code() == error_code::unsupported);
    CHECK(e->found() == name(isa));
  }
}

TEST_CASE("Dense models take no notice of how FFF layers are stored") {
  const auto model =
      model_type::load(golden_model("mlm_ff_gelu"), {.fast_feedforward = {.storage_in = weight_storage::int8}});
  CHECK(model.bytes() == model_type::load(golden_model("mlm_ff_gelu")).bytes());
}
