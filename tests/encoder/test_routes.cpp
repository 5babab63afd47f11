// SPDX-License-Identifier: MIT
//
// Traces of routes through an encoder, and encoders on the paths of another one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "encoder/support.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;

namespace {

using problem_type = encoder_problem<float, ufb::default_backend<float>>;

template <class Element>
bool same_cells(const ufb::matrix<Element>& a, const ufb::matrix<Element>& b) {
  bool same = a.rows() == b.rows() && a.cols() == b.cols();
  for (std::size_t r = 0; same && r < a.rows(); ++r) {
    same = std::memcmp(a.row(r), b.row(r), a.cols() * sizeof(Element)) == 0;
  }
  return same;
}

guarded_matrix<float> forward(const problem_type& problem, const token_batch& batch, ufb::encoder_trace<float>& trace,
                              ufb::executor_ref threads = {}) {
  ufb::workspace scratch;
  guarded_matrix<float> states(batch.ids.size(), problem.config.hidden_size(), 3);
  problem.model.forward(batch.ids, batch.view(), states.view(), scratch, &trace, threads);
  return states;
}

}  // namespace

TEST_CASE("A trace has margins that point along its paths, and leaves states and paths as they are", "[encoder]") {
  random_numbers random(511);
  const problem_type problem(small_config(true), 512);
  const auto batch = joined(random_sequences(6, random));
  ufb::workspace scratch;
  const auto expected = states_of(problem.model, batch, scratch);
  ufb::encoder_trace<float> plain;
  CHECK(same_bits(forward(problem, batch, plain), expected));
  CHECK(plain.layers[0].margins.rows() == 0);
  ufb::encoder_trace<float> trace;
  trace.margins = true;
  CHECK(same_bits(forward(problem, batch, trace), expected));
  const std::size_t levels = 4;
  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    const auto& layer = trace.layers[i];
    CHECK(same_cells(layer.paths, plain.layers[i].paths));
    REQUIRE(layer.margins.rows() == batch.ids.size());
    std::size_t wrong = 0;
    for (std::size_t t = 0; t < layer.paths.rows(); ++t) {
      for (std::size_t c = 0; c + 1 < layer.paths.cols(); ++c) {
        if ((c + 1) % levels == 0) continue;
        const bool right = layer.paths(t, c + 1) == 2 * layer.paths(t, c) + 2;
        wrong += right != (layer.margins(t, c) > 0) ? 1U : 0U;
      }
    }
    CHECK(wrong == 0);
  }
  ufb::thread_pool threads(3);
  ufb::encoder_trace<float> spread;
  spread.margins = true;
  CHECK(same_bits(forward(problem, batch, spread, threads), expected));
  CHECK(same_cells(spread.layers[1].margins, trace.layers[1].margins));
}

TEST_CASE("Certified storage says which decisions it looked at twice", "[encoder]") {
  random_numbers random(513);
  const auto batch = joined(random_sequences(8, random));
  const problem_type exact(small_config(true), 514);
  const problem_type certified(small_config(true), 514,
                               {.fast_feedforward = {.storage_in = ufb::weight_storage::certified_int8}});
  ufb::encoder_trace<float> expected;
  ufb::encoder_trace<float> trace;
  expected.margins = trace.margins = true;
  static_cast<void>(forward(exact, batch, expected));
  static_cast<void>(forward(certified, batch, trace));
  // Of the first layer, whose inputs are the same; what certified rows give differs in the last bits.
  CHECK(same_cells(trace.layers[0].paths, expected.layers[0].paths));
  std::size_t looks = 0;
  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    const auto& twice = trace.layers[i].second_looks;
    const auto& never = expected.layers[i].second_looks;
    REQUIRE(twice.rows() == batch.ids.size());
    for (std::size_t t = 0; t < twice.rows(); ++t) {
      looks += static_cast<std::size_t>(std::count(twice.row(t), twice.row(t) + twice.cols(), 1));
      CHECK(std::count(never.row(t), never.row(t) + never.cols(), 0) == static_cast<std::ptrdiff_t>(never.cols()));
    }
  }
  CHECK(looks > 0);
}

TEST_CASE("On its own paths an encoder gives its own bits; on those of another one it takes them", "[encoder]") {
  random_numbers random(515);
  const auto batch = joined(random_sequences(12, random));
  const problem_type exact(small_config(true), 516);
  const problem_type narrow(
      small_config(true), 516,
      {.fast_feedforward = {.storage_in = ufb::weight_storage::int8, .storage_out = ufb::weight_storage::int8}});
  ufb::encoder_trace<float> trace;
  trace.margins = true;
  const auto own = forward(exact, batch, trace);
  std::vector<ufb::matrix<std::int32_t>> paths;
  for (auto& layer : trace.layers) paths.push_back(ufb::encoders::recorded(layer.paths.view()));
  trace.follow = true;
  CHECK(same_bits(forward(exact, batch, trace), own));
  ufb::encoder_trace<float> free;
  const auto elsewhere = forward(narrow, batch, free);
  const auto equal_paths = forward(narrow, batch, trace);
  std::size_t left = 0;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    CHECK(same_cells(trace.layers[i].paths, paths[i]));
    CHECK(trace.layers[i].followed);
    left += same_cells(free.layers[i].paths, paths[i]) ? 0U : 1U;
  }
  CHECK(left > 0);  // int8 by itself takes other ways
  CHECK(!same_bits(elsewhere, equal_paths));
  ufb::thread_pool threads(3);
  CHECK(same_bits(forward(narrow, batch, trace, threads), equal_paths));
}

TEST_CASE("Traces that ask for what there is not, and paths of other tokens, are refused", "[encoder]") {
  random_numbers random(517);
  const auto batch = joined({random_ids(4, random), random_ids(3, random)});
  const problem_type dense(small_config(false), 518);
  const problem_type fast(small_config(true), 518);
  ufb::encoder_trace<float> trace;
  trace.margins = true;
  CHECK(error_text_of([&] { static_cast<void>(forward(dense, batch, trace)); }) ==
        "invalid_input: trace.margins: false for dense feedforward layers: true");
  trace = {};
  trace.follow = true;
  CHECK(error_text_of([&] { static_cast<void>(forward(dense, batch, trace)); }) ==
        "invalid_input: trace.follow: false for dense feedforward layers: true");
  CHECK(error_text_of([&] { static_cast<void>(forward(fast, batch, trace)); }) ==
        "invalid_input: trace.layers: 2 layers: 0");
  trace.follow = false;
  static_cast<void>(forward(fast, batch, trace));
  trace.follow = true;
  trace.layers[1].paths(2, 6) = 0;
  CHECK(error_text_of([&] {
          static_cast<void>(forward(fast, batch, trace));
        }).starts_with("invalid_input: trace.layers[1].paths(2, 6): "));
  const auto longer = joined({random_ids(9, random)});
  CHECK(error_text_of([&] { static_cast<void>(forward(fast, longer, trace)); }) ==
        "invalid_input: trace.layers[0].paths: (9, 8): (7, 8)");
}
