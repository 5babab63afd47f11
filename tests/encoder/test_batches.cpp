// SPDX-License-Identifier: MIT
//
// What a batch is made of: padding, order, nothing at all, and what is refused.
#include <algorithm>
#include <cstddef>
#include <string>

#include "encoder/reference_stack.hpp"
#include "encoder/support.hpp"
#include "support/backends.hpp"

using namespace ufb_test;

TEMPLATE_LIST_TEST_CASE("A padded and masked batch gives the real tokens what the ragged one gives them", "[encoder]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  ufb::workspace scratch;
  random_numbers random(151);
  for (const bool fast : {true, false}) {
    const encoder_problem<Scalar, typename TestType::backend> problem(small_config(fast), 152);
    const auto sequences = random_sequences(5, random);
    const auto ragged = joined(sequences);
    const auto filled = padded(sequences, 24, 7);
    const auto filled_run = run(problem, filled, scratch);
    std::vector<std::size_t> real_rows;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      for (std::size_t s = 0; s < sequences[i].size(); ++s) real_rows.push_back(filled.offsets[i] + s);
    }
    // The real tokens' part of the padded run, judged by the reference of the ragged batch.
    const auto real = select(filled_run, real_rows);
    const auto expected = expected_of(problem.config, problem.source, ragged, real.trace, start::recorded);
    CHECK(expected.wrong_turns == 0);
    CHECK(worst_of(real, expected) <= 1);
    const auto ragged_run = run(problem, ragged, scratch);
    const bool same_bits = same_rows(real.states, 0, ragged_run.states, 0, ragged.ids.size());
    constexpr bool own_kernels = ufb::blas::backend_traits<typename TestType::backend>::has_kernels;
    if (own_kernels || std::is_same_v<typename TestType::backend, ufb::plain_backend>) CHECK(same_bits);
  }
}

TEMPLATE_TEST_CASE("With the plain backend a sequence's bits depend neither on its place nor on its neighbors",
                   "[encoder]", float, double) {
  ufb::workspace scratch;
  random_numbers random(153);
  for (const bool fast : {true, false}) {
    const encoder_problem<TestType, ufb::plain_backend> problem(small_config(fast), 154);
    const auto sequences = random_sequences(12, random);
    const auto batch = joined(sequences);
    const auto all = run(problem, batch, scratch);
    for (int round = 0; round < 10; ++round) {
      auto order = random.permutation(sequences.size());
      order.resize(round == 0 ? 1 : random.size(1, 12));
      token_batch part;
      for (const std::size_t i : order) part.append(sequences[i]);
      const auto some = run(problem, part, scratch);
      for (std::size_t i = 0; i < order.size(); ++i) {
        REQUIRE(
            same_rows(some.states, part.offsets[i], all.states, batch.offsets[order[i]], sequences[order[i]].size()));
      }
    }
  }
}

TEST_CASE("A trace that was used before keeps nothing of it", "[encoder]") {
  const encoder_problem<float, ufb::default_backend<float>> problem(small_config(true), 158);
  random_numbers random(159);
  ufb::workspace scratch;
  ufb::encoder_trace<float> trace{.states = true};
  const auto batch = joined(random_sequences(3, random));
  guarded_matrix<float> states(batch.ids.size(), 16);
  problem.model.forward(batch.ids, batch.view(), states.view(), scratch, &trace);
  CHECK(trace.embedding.rows() == batch.ids.size());
  CHECK(trace.layers.at(1).paths.rows() == batch.ids.size());
  problem.model.forward({}, {}, {nullptr, {0, 16}}, scratch, &trace);
  CHECK(trace.embedding.rows() == 0);
  REQUIRE(trace.layers.size() == 2);
  CHECK(trace.layers[1].paths.rows() == 0);
  CHECK(trace.layers[1].output.rows() == 0);
  trace.states = false;
  problem.model.forward(batch.ids, batch.view(), states.view(), scratch, &trace);
  CHECK(trace.embedding.rows() == 0);
  CHECK(trace.layers.at(0).paths.rows() == batch.ids.size());
}

TEST_CASE("An empty batch is an empty result", "[encoder]") {
  for (const bool fast : {true, false}) {
    const encoder_problem<float, ufb::default_backend<float>> problem(small_config(fast), 155);
    ufb::workspace scratch;
    token_batch nothing;
    CHECK(run(problem, nothing, scratch).states.rows() == 0);
    nothing.offsets.clear();
    CHECK(run(problem, nothing, scratch).states.rows() == 0);
    problem.model.forward({}, {}, {nullptr, {0, 16}}, scratch);
  }
}

TEST_CASE("Bad calls are invalid input; states are untouched and the workspace can be used again", "[encoder]") {
  const encoder_problem<float, ufb::default_backend<float>> problem(small_config(true), 156);
  ufb::workspace scratch;
  guarded_matrix<float> states(30, 16, 2);
  const std::vector<float> mask(200, 1.0F);
  const auto text = [&](const std::vector<std::int32_t>& ids, const std::vector<std::size_t>& offsets,
                        const ufb::matrix_view<float>& out, const ufb::matrix_view<const float>& mask_view = {}) {
    return error_text_of([&] { problem.model.forward(ids, {.offsets = offsets, .mask = mask_view}, out, scratch); });
  };
  const auto rows = [&](std::size_t count) { return states.view().rows_from(0, count); };
  CHECK(text({1, -1}, {0, 2}, rows(2)) == "invalid_input: ids[1]: 0 to 36: -1");
  CHECK(text({37, 0}, {0, 2}, rows(2)) == "invalid_input: ids[0]: 0 to 36: 37");
  CHECK(text(std::vector<std::int32_t>(26, 1), {0, 1, 26}, rows(26)) ==
        "invalid_input: sequence 1: at most 24 tokens: 25");
  CHECK(text({1, 2}, {0, 2, 2}, rows(2)) == "invalid_input: sequence 1: at least one token: none");
  CHECK(text({1, 2}, {0, 0, 2}, rows(2)) == "invalid_input: sequence 0: at least one token: none");
  CHECK(text({1, 2}, {1, 2}, rows(2)) == "invalid_input: offsets: 0 first: 1");
  CHECK(text({1, 2}, {0, 3}, rows(2)) == "invalid_input: ids: 3 tokens: 2");
  CHECK(text({1, 2}, {}, rows(2)) == "invalid_input: ids: 0 tokens: 2");
  CHECK(text({1, 2}, {0, 2}, rows(3)) == "invalid_input: states: (2, 16): (3, 16)");
  CHECK(text({1, 2}, {0, 2}, rows(2).cols_from(0, 15)) == "invalid_input: states: (2, 16): (2, 15)");
  CHECK(text({1, 2, 3}, {0, 2, 3}, rows(3), {mask.data(), {2, 1}}) == "invalid_input: mask: 2 columns: 1");
  CHECK(text({1, 2, 3}, {0, 2, 3}, rows(3), {mask.data(), {1, 2}}) == "invalid_input: mask: 2 rows: 1");
  CHECK(states.untouched());

  CHECK(text({1, 2, 3}, {0, 2, 3}, rows(3), {mask.data(), {2, 2}}) == "none");
  CHECK_FALSE(states.untouched());
  CHECK(states.surroundings_intact());
}

TEST_CASE("Both ends of the vocabulary and the longest sequence are accepted", "[encoder]") {
  const encoder_problem<float, ufb::default_backend<float>> problem(small_config(true), 157);
  ufb::workspace scratch;
  token_batch batch;
  batch.append(std::vector<std::int32_t>(24, 36));
  batch.append({0});
  CHECK(run(problem, batch, scratch).states.rows() == 25);
}
