// SPDX-License-Identifier: MIT
//
// How far loading and calls with texts have come, and how a caller stops them.
#include <cstddef>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "model/support.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

using steps = std::vector<std::pair<std::size_t, std::size_t>>;

// Notes each call, and says no at call number `last`.
progress_callback noted(steps& to, std::size_t last = static_cast<std::size_t>(-1)) {
  return [&to, last](std::size_t done, std::size_t total) {
    to.emplace_back(done, total);
    return to.size() < last;
  };
}

// Whether `done` never falls, the total stays, and the end is reached once.
bool complete(const steps& calls, std::size_t total) {
  std::size_t before = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const auto [done, all] = calls[i];
    if (done < before || all != total || (done == total) != (i + 1 == calls.size())) return false;
    before = done;
  }
  return !calls.empty();
}

const std::vector<std::string> five_texts{"the old bridge", "a", "she went to the market every day", "In winter!",
                                          "a day"};

}  // namespace

TEST_CASE("Loading says how many of the model's numbers have been read") {
  steps calls;
  const auto model = masked_lm<float>::load(golden_model("e2e_fff"), {.progress = noted(calls)});
  REQUIRE(calls.size() > 10);
  CHECK(complete(calls, calls.front().second));
  CHECK(calls.back().first * sizeof(float) >= model.bytes() / 2);
}

TEST_CASE("A load that its caller stops is canceled, and the models there are stay as they were") {
  auto model = masked_lm<float>::load(golden_model("e2e_fff"));
  auto scratch = model.make_workspace();
  const auto expected = model.fill_mask("she <mask> to the market", {.top_k = 3}, scratch);
  steps calls;
  const auto problem =
      error_of([&] { model = masked_lm<float>::load(golden_model("e2e_fff"), {.progress = noted(calls, 3)}); });
  REQUIRE(problem);
  CHECK(problem->code() == error_code::canceled);
  CHECK(problem->where() == "progress");
  CHECK(problem->found() ==
        "false after " + std::to_string(calls[2].first) + " of " + std::to_string(calls[2].second) + " numbers");
  CHECK(problem->file().find("model.safetensors") != std::string::npos);
  CHECK(calls.size() == 3);
  const auto after = model.fill_mask("she <mask> to the market", {.top_k = 3}, scratch);
  REQUIRE(after.size() == expected.size());
  for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i].logit == expected[i].logit);
}

TEST_CASE("Calls with texts say how many texts are done, pass by pass, and are stopped between passes") {
  const auto model = encoder_model<float>::load(golden_model("e2e_fff"), {.token_budget = 8});
  auto scratch = model.make_workspace();
  const auto expected = model.encode(five_texts, scratch);
  thread_pool pool(2);
  steps calls;
  const auto caller = std::this_thread::get_id();
  bool same_thread = true;
  const text_options options{.progress = [&](std::size_t done, std::size_t total) {
    same_thread = same_thread && std::this_thread::get_id() == caller;
    return noted(calls)(done, total);
  }};
  const auto got = model.encode(five_texts, scratch, options, pool);
  CHECK(calls.size() > 2);
  CHECK(complete(calls, five_texts.size()));
  CHECK(same_thread);
  CHECK(got.offsets == expected.offsets);

  steps stopped;
  const auto message = error_text_of([&] { (void)model.encode(five_texts, scratch, {.progress = noted(stopped, 2)}); });
  REQUIRE(stopped.size() == 2);
  CHECK(message ==
        "canceled: progress: true, to go on: false after " + std::to_string(stopped[1].first) + " of 5 texts");
  // Nothing of a text's own: calls that keep the errors of single texts are stopped as a whole.
  const std::vector<std::string_view> views(five_texts.begin(), five_texts.end());
  steps tried;
  CHECK(error_text_of([&] {
          (void)model.try_encode(views, scratch, {.progress = noted(tried, 1)});
        }).starts_with("canceled"));
  CHECK(model.encode(five_texts, scratch).offsets == expected.offsets);
}

TEST_CASE("The last answer changes nothing, and an exception of the callback leaves the call") {
  const auto model = masked_lm<float>::load(golden_model("e2e_fff"));
  auto scratch = model.make_workspace();
  steps calls;
  fill_mask_options options{.top_k = 1, .texts = {.progress = noted(calls, 1)}};
  CHECK(model.fill_mask({"a <mask>", "no mask"}, options, scratch).size() == 2);
  CHECK(calls == steps{{2, 2}});
  CHECK(model.fill_mask(std::vector<std::string>{}, options, scratch).empty());
  options.texts.progress = [](std::size_t, std::size_t) -> bool { throw std::runtime_error("enough"); };
  CHECK_THROWS_AS(model.fill_mask({"a <mask>"}, options, scratch), std::runtime_error);
  CHECK(model.fill_mask({"a <mask>"}, {.top_k = 1}, scratch).size() == 1);
}
