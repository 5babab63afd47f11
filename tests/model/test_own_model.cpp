// SPDX-License-Identifier: MIT
//
// Models of somebody else, from the public headers alone: one with a head that its checkpoint holds, derived from
// text_model, and one that puts a head of its own over the states of an encoder.
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace host {

namespace ufb = ultrafastbert;

/// Rates texts: the mean of a text's states, a linear layer of the checkpoint, one number.
class rater : public ufb::text_model<float> {
 public:
  [[nodiscard]] static rater load(const std::filesystem::path& folder, const ufb::load_options& options = {}) {
    ufb::model_loader loader(folder, options, {"HostRater"});
    rater model(loader);
    model.finish_loading(loader);
    return model;
  }

  /// A number for each text.
  [[nodiscard]] std::vector<float> rate(std::span<const std::string_view> texts, ufb::workspace& scratch,
                                        const ufb::text_options& options = {}, ufb::executor_ref threads = {}) const {
    const ufb::tokenizer& reader = text_tokenizer();
    std::vector<float> ratings;
    for_each_pass(
        texts.size(), options,
        [&](std::size_t i, const ufb::encode_options& how) { return reader.encode(texts[i], how); },
        [&](const ufb::packed_texts& pass) {
          ufb::workspace::frame frame(scratch);
          const auto states = frame.take_matrix<float>(pass.ids.size(), hidden_size());
          const auto pooled = frame.take_matrix<float>(pass.size(), hidden_size());
          const auto rating = frame.take_matrix<float>(pass.size(), 1);
          encode_packed(pass, states, scratch, threads);
          for (std::size_t r = 0; r < pass.size(); ++r) {
            mean(states.rows_from(pass.offsets[r], pass.length(r)), pooled.row_span(r));
          }
          head_.forward(pooled, rating, scratch, threads);
          for (std::size_t r = 0; r < pass.size(); ++r) ratings.push_back(rating(r, 0));
        });
    return ratings;
  }

  static void mean(const ufb::matrix_view<const float>& states, std::span<float> out) {
    std::fill(out.begin(), out.end(), 0.0F);
    for (std::size_t s = 0; s < states.rows(); ++s) {
      for (std::size_t k = 0; k < out.size(); ++k) out[k] += states(s, k) / static_cast<float>(states.rows());
    }
  }

 private:
  explicit rater(ufb::model_loader& loader)
      : text_model(loader),
        head_({.output_width = 1, .input_width = hidden_size(), .bias = true}, loader.head_options()) {
    head_.parameters("rating.", loader.parameters());
  }

  ufb::linear<float> head_;
};

}  // namespace host

using namespace ufb_test;
namespace ufb = ultrafastbert;

namespace {

constexpr std::size_t width = 32;  // of the golden model

std::vector<float> head_weight() {
  std::vector<float> values(width);
  for (std::size_t k = 0; k < width; ++k) values[k] = k % 3 == 0 ? 0.5F : -0.25F;
  return values;
}

folder_copy rater_folder() {
  folder_copy folder(golden_model("e2e_fff"));
  folder.add_tensor("rating.weight", {1, width}, head_weight());
  folder.add_tensor("rating.bias", {1}, {3.0F});
  folder.edit_json("config.json", [](ordered_json& config) { config["architectures"] = {"HostRater"}; });
  return folder;
}

}  // namespace

TEST_CASE("A model with a head of its own loads, reports and computes as those of the library") {
  const folder_copy folder = rater_folder();
  ufb::load_report report;
  const auto model = host::rater::load(folder.path(), {.strict = true, .report = &report});
  CHECK(report.unused.empty());
  CHECK(std::any_of(report.used.begin(), report.used.end(),
                    [](const ufb::reported_tensor& tensor) { return tensor.name == "rating.weight"; }));
  auto scratch = model.make_workspace();
  const std::vector<std::string_view> texts{"the old bridge", "in winter", "a"};
  const auto ratings = model.rate(texts, scratch);
  REQUIRE(ratings.size() == texts.size());

  // The same by hand, over the states of the library's own encoder.
  const auto encoder = ufb::encoder_model<float>::load(golden_model("e2e_fff"));
  const auto states = encoder.encode(texts, scratch);
  ufb::memory_source weights("weights");
  weights.add("weight", {1, width}, head_weight());
  const auto head = ufb::linear<float>::load(weights, "", {.output_width = 1, .input_width = width});
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ufb::matrix<float> pooled({1, width});
    ufb::matrix<float> rating({1, 1});
    host::rater::mean(states.row(i), {pooled.row(0), width});
    head.forward(pooled.view(), rating.view(), scratch);
    CHECK(ratings[i] == Approx(static_cast<double>(rating(0, 0)) + 3.0));
  }
  CHECK(ratings[0] != ratings[1]);
  ufb::thread_pool pool(2);
  CHECK(model.rate(texts, scratch, {}, pool) == ratings);
}

TEST_CASE("A model with a head of its own gets the errors, options and calls of the others") {
  const folder_copy folder = rater_folder();
  const auto model = host::rater::load(folder.path(), {.token_budget = 10});
  auto scratch = model.make_workspace();
  std::string long_one;
  for (int i = 0; i < 80; ++i) long_one += "the ";
  const std::vector<std::string_view> texts{"a", long_one};
  CHECK(error_text_of([&] { static_cast<void>(model.rate(texts, scratch)); }) ==
        "invalid_input: texts[1]: at most 64 tokens, or truncation: 81");
  ufb::text_report report;
  CHECK(model.rate(texts, scratch, {.truncation = true, .report = &report}).size() == 2);
  CHECK(report.truncated == 1);
  CHECK(model.encode({"the old bridge"}, scratch).row(0).cols() == width);

  const folder_copy incomplete(golden_model("e2e_fff"));
  const auto wrong_class = error_of([&] { static_cast<void>(host::rater::load(incomplete.path())); });
  REQUIRE(wrong_class);
  CHECK(wrong_class->expected() == "a folder for HostRater");
  CHECK(wrong_class->reason().find("this folder holds a masked language model") == 0);
  incomplete.edit_json("config.json", [](ordered_json& config) { config["architectures"] = {"HostRater"}; });
  const auto missing = error_of([&] { static_cast<void>(host::rater::load(incomplete.path())); });
  REQUIRE(missing);
  CHECK(name(missing->code()) == "missing_tensor");
  CHECK(missing->found() == "rating.weight (1, 32) is missing; rating.bias (1) is missing");
  // The library's own classes do not take it for one of theirs.
  const auto foreign = error_of([&] { static_cast<void>(ufb::masked_lm<float>::load(folder.path())); });
  REQUIRE(foreign);
  CHECK(foreign->found() == "'HostRater'");
}

TEST_CASE("A head of somebody else stands over the states of texts") {
  const auto model = ufb::encoder_model<float>::load(golden_model("e2e_fff"));
  auto scratch = model.make_workspace();
  const auto states = model.encode({"the old bridge", "in winter"}, scratch);
  ufb::memory_source weights("weights");
  weights.add("weight", {2, width}, std::vector<float>(2 * width, 0.125F));
  weights.add("bias", {2}, {1.0F, -1.0F});
  const auto head = ufb::linear<float>::load(weights, "", {.output_width = 2, .input_width = width, .bias = true});
  ufb::matrix<float> scores({states.states.rows(), 2});
  head.forward(states.states.view(), scores.view(), scratch);
  for (std::size_t r = 0; r < states.texts.size(); ++r) {
    for (std::size_t t = states.offsets[r]; t < states.offsets[r + 1]; ++t) {
      const float* const row = states.states.row(t);
      double sum = 0;
      for (std::size_t k = 0; k < width; ++k) sum += static_cast<double>(row[k]) / 8;
      CHECK(scores(t, 0) == Approx(sum + 1).margin(1e-5));
      CHECK(scores(t, 1) == Approx(sum - 1).margin(1e-5));
    }
  }
}
