// SPDX-License-Identifier: MIT
//
// Batches that are cut into passes by a token budget: the same bits as in one pass, in memory that the budget bounds.
#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "encoder/reference_stack.hpp"
#include "encoder/support.hpp"
#include "support/allocation_counter.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/encoder/schedule.hpp"

using namespace ufb_test;

namespace {

using problem_type = encoder_problem<float, ufb::default_backend<float>>;

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

token_batch equal_sequences(std::size_t count, std::size_t length, random_numbers& random) {
  token_batch batch;
  for (std::size_t i = 0; i < count; ++i) batch.append(random_ids(length, random));
  return batch;
}

std::size_t bytes_for(const problem_type& problem, const token_batch& batch, ufb::executor_ref threads) {
  ufb::workspace scratch;
  for (int round = 0; round < 3; ++round) static_cast<void>(states_of(problem.model, batch, scratch, threads));
  return scratch.capacity();
}

}  // namespace

TEST_CASE("Every token budget gives the bits of a single pass, in the caller's order", "[encoder]") {
  random_numbers random(201);
  ufb::workspace scratch;
  for (const bool fast : {true, false}) {
    for (const bool masked : {true, false}) {
      auto config = small_config(fast);
      config.block.attention.causal = masked;
      const problem_type whole(config, 202, {.token_budget = no_limit});
      const auto sequences = random_sequences(20, random);
      const auto batch = masked ? padded(sequences, 24, 5) : joined(sequences);
      const auto expected = states_of(whole.model, batch, scratch);
      for (const std::size_t budget : {1U, 7U, 24U, 64U, 100000U}) {
        INFO("budget " << budget);
        const problem_type cut(config, 202, {.token_budget = budget});
        CHECK(same_bits(states_of(cut.model, batch, scratch), expected));
      }
      for (std::size_t i = 0; i < sequences.size(); ++i) {
        auto alone = masked ? padded({sequences[i]}, 24, 5) : joined({sequences[i]});
        CHECK(same_rows(states_of(whole.model, alone, scratch), 0, expected, batch.offsets[i], sequences[i].size()));
      }
    }
  }
}

TEST_CASE("Masks per token go along when a batch is cut and sorted", "[encoder]") {
  random_numbers random(203);
  ufb::workspace scratch;
  ufb::thread_pool pool(2);
  auto batch = joined(random_sequences(9, random));
  batch.query_mask = guarded_matrix<float>(batch.ids.size(), 30, 1);
  for (std::size_t t = 0; t < batch.ids.size(); ++t) {
    for (std::size_t s = 0; s < 30; ++s) batch.query_mask(t, s) = random.pick({0.0F, 1.0F, 1.0F, 0.9999F});
  }
  const problem_type whole(small_config(true), 204, {.token_budget = no_limit});
  const problem_type cut(small_config(true), 204, {.token_budget = 30});
  const auto got = run(whole, batch, scratch);
  const auto expected = expected_of(whole.config, whole.source, batch, got.trace, start::recorded);
  CHECK(worst_of(got, expected) <= 1);
  CHECK(same_bits(states_of(cut.model, batch, scratch), got.states));
  CHECK(same_bits(states_of(whole.model, batch, scratch, pool), got.states));
}

TEST_CASE("The workspace grows to the token budget, however many sequences there are", "[encoder]") {
  random_numbers random(205);
  ufb::thread_pool pool(2);
  const problem_type problem(small_config(true), 206, {.token_budget = 64});
  const problem_type unlimited(small_config(true), 206, {.token_budget = no_limit});
  const auto few = equal_sequences(8, 16, random);
  const auto many = equal_sequences(4 * 8, 16, random);
  for (const ufb::executor_ref threads : {ufb::executor_ref(), ufb::executor_ref(pool)}) {
    CHECK(bytes_for(problem, many, threads) == bytes_for(problem, few, threads));
    CHECK(bytes_for(unlimited, many, threads) > 3 * bytes_for(problem, many, threads));
  }
  // Mixed lengths meet in passes of other sizes; memory is at most what is left over when it doubles.
  const auto mixed = joined(random_sequences(100, random));
  CHECK(bytes_for(problem, mixed, {}) <= 2 * bytes_for(problem, equal_sequences(4, 16, random), {}));
}

TEST_CASE("Passes over threads allocate nothing once a call of their size was repeated", "[encoder]") {
  random_numbers random(207);
  ufb::thread_pool pool(3);
  const problem_type problem(small_config(true), 208, {.token_budget = 100});
  const auto many = joined(random_sequences(40, random));
  const auto masked = padded(random_sequences(7, random), 24, 1);
  const auto single = joined({random_ids(24, random)});
  ufb::workspace scratch;
  guarded_matrix<float> states(many.ids.size() + masked.ids.size(), 16);
  const auto forward = [&] {
    for (const auto* batch : {&many, &masked, &single}) {
      problem.model.forward(batch->ids, batch->view(), states.view().rows_from(0, batch->ids.size()), scratch, pool);
    }
  };
  for (int round = 0; round < 3; ++round) forward();
  CHECK(allocations_in(forward) == 0);
}

TEST_CASE("A pass takes the sequences that fit into the budget, and one at least", "[encoder]") {
  const std::vector<std::size_t> offsets{0, 5, 7, 17, 18};
  const ufb::sequence_batch batch{.offsets = offsets};
  const auto last = [&](std::size_t first, std::size_t budget) {
    const auto pass = ufb::encoders::next_pass(batch, first, budget);
    CHECK(pass.first == first);
    return pass.last;
  };
  CHECK(last(0, 0) == 1);
  CHECK(last(0, 6) == 1);
  CHECK(last(0, 7) == 2);
  CHECK(last(0, 16) == 2);
  CHECK(last(0, 17) == 3);
  CHECK(last(0, no_limit) == 4);
  CHECK(last(2, 3) == 3);
  CHECK(last(2, 11) == 4);
  CHECK(last(3, 100) == 4);
  // Room behind tokens is not counted.
  const std::vector<std::size_t> lengths{2, 1, 4, 1};
  const ufb::sequence_batch roomy{.offsets = offsets, .lengths = lengths};
  CHECK(ufb::encoders::next_pass(roomy, 0, 7).last == 3);
  CHECK(ufb::encoders::next_pass(roomy, 0, 8).last == 4);
}

TEST_CASE("A pass's sequences are sorted by length, those of equal length by number", "[encoder]") {
  const std::vector<std::size_t> offsets{0, 9, 11, 14, 16, 19};  // lengths 9 2 3 2 3
  std::vector<std::size_t> members(4);
  ufb::encoders::sort_by_length({.offsets = offsets}, {.first = 1, .last = 5}, members);
  CHECK(members == std::vector<std::size_t>{2, 4, 1, 3});
  const std::vector<std::size_t> lengths{1, 2, 1, 1, 3};
  ufb::encoders::sort_by_length({.offsets = offsets, .lengths = lengths}, {.first = 1, .last = 5}, members);
  CHECK(members == std::vector<std::size_t>{4, 1, 2, 3});
}

TEST_CASE("Sequences are dealt to groups of about the same work, or not at all", "[encoder]") {
  const auto deal = [](const std::vector<std::size_t>& lengths, std::size_t groups, std::vector<std::size_t>& group) {
    std::vector<std::size_t> offsets{0};
    std::vector<std::size_t> members;
    for (const std::size_t length : lengths) {
      members.push_back(members.size());
      offsets.push_back(offsets.back() + length);
    }
    group.assign(members.size(), groups);
    std::vector<std::size_t> load(groups);
    return ufb::encoders::deal({.offsets = offsets}, 16, members, group, load);
  };
  std::vector<std::size_t> group;
  CHECK(deal({8, 8, 8, 8}, 2, group));
  CHECK(std::count(group.begin(), group.end(), 0U) == 2);
  CHECK(std::count(group.begin(), group.end(), 1U) == 2);
  CHECK(deal({10, 9, 8, 7, 6, 5}, 2, group));
  CHECK(group == std::vector<std::size_t>{0, 1, 1, 0, 1, 0});
  CHECK_FALSE(deal({8, 8, 8}, 2, group));
  CHECK_FALSE(deal({24, 1, 1, 1}, 2, group));
  CHECK_FALSE(deal({24, 24}, 3, group));
  CHECK(deal({24, 24, 23}, 3, group));
}

TEST_CASE("Dealt and shared passes use the same memory, and not much more than they need", "[encoder]") {
  const problem_type problem(config_of_width(64, true), 208);
  random_numbers random(209);
  ufb::thread_pool threads(2);
  const auto shared = joined({random_ids(24, random)});
  const auto dealt = equal_sequences(2, 24, random);
  const std::size_t one_kind = bytes_for(problem, dealt, threads);
  ufb::workspace scratch;
  for (int round = 0; round < 3; ++round) {
    for (const auto* batch : {&shared, &dealt}) static_cast<void>(states_of(problem.model, *batch, scratch, threads));
  }
  CHECK(scratch.capacity() <= one_kind + one_kind / 2);
}
