// SPDX-License-Identifier: MIT
//
// Padding that is computed or left out: the states of tokens are the same bits either way and those of the ragged
// batch.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "encoder/reference_stack.hpp"
#include "encoder/support.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/layers/attention.hpp"
#include "ultrafastbert/model/texts/padded_batch.hpp"

using namespace ufb_test;

namespace {

using problem_type = encoder_problem<float, ufb::default_backend<float>>;

guarded_matrix<float> encode(const problem_type& problem, const token_batch& batch, ufb::workspace& scratch,
                             const ufb::padded_batch_options& options, ufb::encoder_trace<float>* trace = nullptr,
                             ufb::executor_ref threads = {}) {
  const std::size_t sequences = batch.offsets.size() - 1;
  guarded_matrix<float> states(batch.ids.size(), problem.config.hidden_size(), 2);
  ufb::models::encode_padded(problem.model, {batch.ids.data(), {sequences, batch.ids.size() / sequences}},
                             batch.view().mask, states.view(), scratch, options, trace, threads);
  CHECK(states.surroundings_intact());
  return states;
}

bool zeros(const guarded_matrix<float>& states, std::size_t first, std::size_t count) {
  for (std::size_t r = first; r < first + count; ++r) {
    if (std::any_of(states.row(r), states.row(r) + states.cols(), [](float v) { return v != 0.0F; })) return false;
  }
  return true;
}

token_batch masked(const std::vector<std::vector<float>>& masks, random_numbers& random) {
  token_batch batch;
  batch.mask = guarded_matrix<float>(masks.size(), masks[0].size());
  for (std::size_t i = 0; i < masks.size(); ++i) {
    batch.append(random_ids(masks[i].size(), random));
    std::copy(masks[i].begin(), masks[i].end(), batch.mask.row(i));
  }
  return batch;
}

std::size_t visible(const std::vector<float>& mask, bool causal) { return ufb::layers::visible_keys(mask, causal); }

}  // namespace

TEST_CASE("Keys are left out only behind the last one seen, and only if another is surely seen", "[encoder]") {
  for (const bool causal : {false, true}) {
    CHECK(visible({1, 1, 1}, causal) == 3);
    CHECK(visible({1, 1, 0, 0}, causal) == 2);
    CHECK(visible({1, 0, 1, 0}, causal) == 3);
    CHECK(visible({1, 0, 0, 0.001F}, causal) == 4);
    CHECK(visible({0.51F, 0, 0}, causal) == 1);
    CHECK(visible({1, -0.0F}, causal) == 1);
    CHECK(visible({0, 0, 0}, causal) == 3);
    CHECK(visible({0.5F, 0, 0}, causal) == 3);
    CHECK(visible({0.4F, 0.4F, 0}, causal) == 3);
    CHECK(visible({}, causal) == 0);
    CHECK(visible({0}, causal) == 1);
    CHECK(visible({1}, causal) == 1);
  }
  // The first query of a causal layer sees the first key alone.
  CHECK(visible({0, 1, 0, 0}, false) == 2);
  CHECK(visible({0, 1, 0, 0}, true) == 4);
  CHECK(visible({0.4F, 1, 0.2F, 0}, false) == 3);
  CHECK(visible({0.4F, 1, 0.2F, 0}, true) == 4);
}

TEST_CASE("Padding on the right changes no bit of a token, left out or computed", "[encoder]") {
  random_numbers random(231);
  ufb::workspace scratch;
  ufb::thread_pool pool(2);
  for (const bool fast : {true, false}) {
    for (const bool causal : {false, true}) {
      auto config = small_config(fast);
      config.block.attention.causal = causal;
      const problem_type problem(config, 232, {.token_budget = 60});
      const auto sequences = random_sequences(9, random);
      for (const std::size_t length : {24U, 30U}) {  // beyond the model's positions only where nothing is computed
        const auto batch = padded(sequences, length, 7);
        const auto without = encode(problem, batch, scratch, {});
        CHECK(same_bits(encode(problem, batch, scratch, {}, nullptr, pool), without));
        for (std::size_t i = 0; i < sequences.size(); ++i) {
          const std::size_t tokens = sequences[i].size();
          const auto alone = states_of(problem.model, padded({sequences[i]}, tokens, 7), scratch);
          CHECK(same_rows(without, i * length, alone, 0, tokens));
          CHECK(zeros(without, i * length + tokens, length - tokens));
        }
        if (length > 24) continue;
        const auto with = encode(problem, batch, scratch, {.padding_states = true});
        CHECK(same_bits(with, states_of(problem.model, batch, scratch)));
        CHECK(same_bits(encode(problem, batch, scratch, {.padding_states = true}, nullptr, pool), with));
        for (std::size_t i = 0; i < sequences.size(); ++i) {
          CHECK(same_rows(with, i * length, without, i * length, sequences[i].size()));
          if (sequences[i].size() < length) CHECK_FALSE(zeros(with, i * length + sequences[i].size(), 1));
        }
      }
    }
  }
}

TEST_CASE("Padding is computed where scores are so large that a mask of 0 does not hide it", "[encoder]") {
  random_numbers random(241);
  ufb::workspace scratch;
  ufb::thread_pool pool(2);
  std::size_t counted = 0;  // tokens that padding changes
  for (const double factor : {1.0, 300.0, 1e4, 1e5}) {
    for (const bool causal : {false, true}) {
      auto config = small_config(false);
      config.block.attention.causal = causal;
      config.block.attention.norm_factor = factor;
      const problem_type problem(config, 242, {.token_budget = 60});
      const auto sequences = random_sequences(9, random);
      const auto batch = padded(sequences, 24, 7);
      const auto got = encode(problem, batch, scratch, {});
      CHECK(same_bits(encode(problem, batch, scratch, {}, nullptr, pool), got));
      ufb::encoder_trace<float> of_tokens{.states = true};
      ufb::encoder_trace<float> of_all{.states = true};
      CHECK(same_bits(encode(problem, batch, scratch, {}, &of_tokens), got));
      const auto whole = encode(problem, batch, scratch, {.padding_states = true}, &of_all);
      for (std::size_t i = 0, traced = 0; i < sequences.size(); traced += sequences[i].size(), ++i) {
        const std::size_t tokens = sequences[i].size();
        CHECK(same_rows(of_tokens.embedding, traced, of_all.embedding, i * 24, tokens));
        for (std::size_t layer = 0; layer < of_all.layers.size(); ++layer) {
          CHECK(same_rows(of_tokens.layers.at(layer).attn, traced, of_all.layers[layer].attn, i * 24, tokens));
          CHECK(same_rows(of_tokens.layers[layer].output, traced, of_all.layers[layer].output, i * 24, tokens));
        }
        CHECK(same_rows(got, i * 24, whole, i * 24, tokens));
        CHECK(zeros(got, i * 24 + tokens, 24 - tokens));
        const auto alone = states_of(problem.model, padded({sequences[i]}, tokens, 7), scratch);
        if (factor == 1.0) CHECK(same_rows(got, i * 24, alone, 0, tokens));
        for (std::size_t t = 0; t < tokens; ++t) counted += same_rows(got, i * 24 + t, alone, t, 1) ? 0U : 1U;
      }
      CHECK(of_tokens.embedding.rows() == joined(sequences).ids.size());
      // Beyond the positions there are no states that could count.
      const auto longer = padded(sequences, 30, 7);
      CHECK(zeros(encode(problem, longer, scratch, {}), sequences[0].size(), 30 - sequences[0].size()));
    }
  }
  CHECK(counted > 20);
}

TEST_CASE("A trace has rows for the computed tokens alone", "[encoder]") {
  random_numbers random(233);
  ufb::workspace scratch;
  const problem_type problem(small_config(true), 234);
  const auto sequences = random_sequences(5, random);
  const auto ragged = run(problem, joined(sequences), scratch);
  ufb::encoder_trace<float> trace{.states = true};
  static_cast<void>(encode(problem, padded(sequences, 24, 1), scratch, {}, &trace));
  REQUIRE(trace.layers.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& got = trace.layers[i];
    const auto& expected = ragged.trace.layers[i];
    REQUIRE(got.paths.rows() == expected.paths.rows());
    REQUIRE(got.output.rows() == expected.output.rows());
    CHECK(
        std::equal(got.paths.row(0), got.paths.row(0) + got.paths.rows() * got.paths.stride(), expected.paths.row(0)));
    CHECK(std::equal(got.output.row(0), got.output.row(0) + got.output.rows() * got.output.stride(),
                     expected.output.row(0)));
  }
}

TEST_CASE("A sequence whose mask is 0 everywhere is computed in full", "[encoder]") {
  random_numbers random(235);
  ufb::workspace scratch;
  const problem_type problem(small_config(true), 236);
  const auto batch = masked({{1, 1, 0, 0, 0}, {0, 0, 0, 0, 0}, {1, 1, 1, 1, 1}}, random);
  const auto got = encode(problem, batch, scratch, {});
  CHECK(zeros(got, 2, 3));
  const auto whole = run(problem, batch, scratch);
  CHECK(same_rows(got, 5, whole.states, 5, 10));
  CHECK(worst_of(whole, expected_of(problem.config, problem.source, batch, whole.trace, start::recorded)) <= 1);
}

TEMPLATE_TEST_CASE("Masks between 0 and 1 follow the reference, and leaving keys out changes no bit", "[encoder]",
                   ufb::plain_backend, ufb::default_backend<float>) {
  random_numbers random(237);
  ufb::workspace scratch;
  for (const bool causal : {false, true}) {
    auto config = small_config(true);
    config.block.attention.causal = causal;
    const encoder_problem<float, TestType> problem(config, 238);
    auto batch = masked({{1, 0.9999F, 0.5F, 0, 0, 0},
                         {0.4F, 0, 0, 0, 0, 0},  // no key is surely seen: nothing may be left out
                         {0.4F, 0.3F, 0.49F, 0.5F, 0, 0},
                         {0, 1, 0, 0.25F, 0, 0},
                         {0, 0, 0, 0, 0, 0.9995F},
                         {0.51F, 0, 0, 0, 0, 0}},
                        random);
    const auto got = run(problem, batch, scratch);
    const auto expected = expected_of(config, problem.source, batch, got.trace, start::recorded);
    CHECK(expected.wrong_turns == 0);
    CHECK(worst_of(got, expected) <= 1);
    const auto whole = states_of(problem.model, batch, scratch);
    CHECK(same_bits(whole, got.states));
    for (std::size_t i = 0; i < 6; ++i) {
      batch.lengths.push_back(ufb::layers::visible_keys({batch.mask.row(i), 6}, causal));
    }
    CHECK(batch.lengths ==
          (causal ? std::vector<std::size_t>{3, 6, 6, 6, 6, 1} : std::vector<std::size_t>{3, 6, 6, 4, 6, 1}));
    const auto cut = states_of(problem.model, batch, scratch);
    for (std::size_t i = 0; i < 6; ++i) CHECK(same_rows(cut, 6 * i, whole, 6 * i, batch.lengths[i]));
  }
}

TEST_CASE("Lengths that are no lengths are refused, and states stay as they are", "[encoder]") {
  const problem_type problem(small_config(true), 239);
  ufb::workspace scratch;
  ufb::thread_pool pool(2);
  guarded_matrix<float> states(5, 16);
  const std::array<std::int32_t, 5> ids{1, 2, 3, 4, 5};
  const std::array<std::size_t, 3> offsets{0, 3, 5};
  const auto text = [&](const std::vector<std::size_t>& lengths, ufb::executor_ref threads) {
    return error_text_of(
        [&] { problem.model.forward(ids, {.offsets = offsets, .lengths = lengths}, states.view(), scratch, threads); });
  };
  for (const ufb::executor_ref threads : {ufb::executor_ref(), ufb::executor_ref(pool)}) {
    CHECK(text({3, 0}, threads) == "invalid_input: sequence 1: at least one token: none");
    CHECK(text({4, 2}, threads) == "invalid_input: sequence 0: at most 3 tokens: 4");
    CHECK(text({3, 3}, threads) == "invalid_input: sequence 1: at most 2 tokens: 3");
    CHECK(text({3}, threads) == "invalid_input: lengths: 2 or none: 1");
    CHECK(text({3, 2, 1}, threads) == "invalid_input: lengths: 2 or none: 3");
  }
  CHECK(states.untouched());
  CHECK(text({2, 1}, {}) == "none");
  CHECK(zeros(states, 2, 1));
  CHECK(zeros(states, 4, 1));
  CHECK_FALSE(zeros(states, 1, 1));
}

TEST_CASE("A layer by itself takes no room behind tokens", "[encoder]") {
  const problem_type problem(small_config(true), 240);
  ufb::workspace scratch;
  guarded_matrix<float> states(5, 16);
  const std::array<std::size_t, 3> offsets{0, 3, 5};
  const std::array<std::size_t, 2> lengths{3, 2};
  CHECK(error_text_of([&] {
          problem.model.layers()[0].forward(states.view(), {.offsets = offsets, .lengths = lengths}, scratch);
        }) == "invalid_input: lengths: none: 2");
  CHECK(states.untouched());
}
