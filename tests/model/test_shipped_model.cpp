// SPDX-License-Identifier: MIT
//
// The model that ships with the library against its 20 recorded texts: ids, leaves of every layer, logits, top five.
#include <cmath>
#include <string>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

// The recorded values have seven digits and are a float32 reference's own.
constexpr double tolerance = 5e-5;

struct outputs {
  matrix<float> logits{};
  encoder_trace<float> trace{};
};

template <class Model>
outputs run(const Model& model, const std::vector<token_id>& ids) {
  auto workspace = model.make_workspace();
  outputs out;
  matrix<float> states({ids.size(), model.hidden_size()});
  model.encode({ids.data(), {1, ids.size()}}, {}, states.view(), workspace, {}, &out.trace);
  std::vector<std::size_t> rows(ids.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  out.logits = matrix<float>({rows.size(), model.vocabulary_size()});
  model.logits(states.view(), rows, out.logits.view(), workspace);
  return out;
}

void check_logits(const ordered_json& example, const outputs& got) {
  const auto mask = example.at("mask_position").get<std::size_t>();
  double sum = 0;
  double squares = 0;
  for (std::size_t v = 0; v < got.logits.cols(); ++v) {
    const auto logit = static_cast<double>(got.logits(mask, v));
    sum += logit;
    squares += logit * logit;
  }
  CHECK(sum / static_cast<double>(got.logits.cols()) ==
        Approx(example.at("logits_mean").get<double>()).margin(tolerance));
  CHECK(std::sqrt(squares) == Approx(example.at("logits_l2").get<double>()).epsilon(1e-5));
  for (std::size_t v = 0; v < example.at("logits_first8").size(); ++v) {
    CHECK(static_cast<double>(got.logits(mask, v)) ==
          Approx(example.at("logits_first8").at(v).get<double>()).margin(tolerance));
  }
  for (std::size_t t = 0; t < got.logits.rows(); ++t) {
    const auto best = top_k<float>({got.logits.row(t), got.logits.cols()}, 1).front().index;
    CHECK(best == example.at("all_positions_argmax").at(t).get<std::size_t>());
  }
}

void check_leaves(const ordered_json& example, const outputs& got) {
  const auto& leaves = example.at("leaf_per_layer");
  REQUIRE(leaves.size() == got.trace.layers.size());
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const auto& paths = got.trace.layers[i].paths;
    REQUIRE(leaves.at(i).size() == paths.rows());
    for (std::size_t t = 0; t < paths.rows(); ++t) {
      const auto leaf = cmm::tree::leaf_index(static_cast<std::size_t>(paths(t, paths.cols() - 1)), paths.cols() - 1);
      CHECK(leaf == leaves.at(i).at(t).get<std::size_t>());
    }
  }
}

void check_top_five(const ordered_json& example, const std::vector<mask_candidate>& candidates) {
  REQUIRE(candidates.size() == 5);
  for (std::size_t c = 0; c < 5; ++c) {
    const auto& expected = example.at("top5").at(c);
    CHECK(candidates[c].id == expected.at("id").get<token_id>());
    CHECK(candidates[c].token == expected.at("token").get<std::string>());
    CHECK(candidates[c].logit == Approx(expected.at("logit").get<double>()).margin(tolerance));
    CHECK(candidates[c].probability == Approx(expected.at("prob").get<double>()).margin(tolerance));
    CHECK(candidates[c].position == example.at("mask_position").get<std::size_t>());
  }
}

template <class Backend>
void check_all(const load_options& options = {}) {
  const auto model =
      masked_lm<float, Backend>::load(std::filesystem::path(UFB_EXAMPLE_MODEL_DIR) / "tiny-mlm", options);
  const auto recorded =
      ordered_json::parse(text_of(std::filesystem::path(UFB_TEST_DATA_DIR) / "tiny_mlm.expected.json"));
  REQUIRE(recorded.at("examples").size() == 20);
  auto workspace = model.make_workspace();
  for (const auto& example : recorded.at("examples")) {
    const auto text = example.at("text").get<std::string>();
    INFO(text);
    const auto encoding = model.text_tokenizer().encode(text);
    CHECK(encoding.ids == example.at("ids").get<std::vector<token_id>>());
    CHECK(encoding.tokens == example.at("tokens").get<std::vector<std::string>>());
    const outputs got = run(model, encoding.ids);
    check_leaves(example, got);
    check_logits(example, got);
    check_top_five(example, model.fill_mask(text, {.top_k = 5}, workspace));
  }
}

}  // namespace

TEST_CASE("The shipped model predicts what was recorded, on the default backend") {
  check_all<default_backend<float>>();
}

TEST_CASE("The shipped model predicts what was recorded, on the plain backend") { check_all<plain_backend>(); }

TEST_CASE("The shipped model predicts what was recorded, with every engine and at every level of this processor") {
  for (const fff_engine engine : {fff_engine::blas, fff_engine::fused, fff_engine::interleaved, fff_engine::grouped}) {
    INFO(name(engine));
    check_all<default_backend<float>>({.fast_feedforward = {.engine = engine}});
  }
  for (const isa_level isa : {isa_level::portable, isa_level::neon, isa_level::avx2, isa_level::avx512}) {
    if (!supported(isa)) continue;
    INFO(name(isa));
    check_all<default_backend<float>>({.fast_feedforward = {.engine = fff_engine::grouped, .isa = isa}});
  }
}
