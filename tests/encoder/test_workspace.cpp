// SPDX-License-Identifier: MIT
//
// What a forward takes from its workspace: as much as `workspace_bytes` says, and never more for a smaller call.
#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "encoder/support.hpp"
#include "support/allocation_counter.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;

namespace {

using problem_type = encoder_problem<float, ufb::default_backend<float>>;

ufb::encoder_config config_of_long_sequences(bool fast) {
  auto config = small_config(fast);
  config.embedding.max_sequence_length = 200;
  return config;
}

token_batch of_lengths(const std::vector<std::size_t>& lengths, random_numbers& random) {
  token_batch batch;
  for (const std::size_t length : lengths) batch.append(random_ids(length, random));
  return batch;
}

// Batches of up to `tokens` tokens: even, uneven, many single tokens, one long one; with and without masks.
std::vector<token_batch> batches_of(std::size_t tokens, random_numbers& random) {
  std::vector<token_batch> batches;
  const std::size_t longest = std::min<std::size_t>(tokens, 200);
  batches.push_back(of_lengths(std::vector<std::size_t>(tokens, 1), random));
  batches.push_back(of_lengths({longest}, random));
  std::vector<std::size_t> uneven{longest / 2 + 1};
  for (std::size_t left = tokens - uneven.front(); left > 0; --left) uneven.push_back(1);
  batches.push_back(of_lengths(uneven, random));
  std::vector<std::size_t> mixed;
  for (std::size_t left = tokens; left > 0; left -= mixed.back()) {
    mixed.push_back(std::min(left, random.size(1, longest)));
  }
  batches.push_back(of_lengths(mixed, random));
  for (std::size_t i = 0; i < 4; ++i) {
    token_batch masked = batches[i];
    const std::size_t sequences = masked.offsets.size() - 1;
    std::size_t widest = 0;
    for (std::size_t s = 0; s < sequences; ++s) widest = std::max(widest, masked.offsets[s + 1] - masked.offsets[s]);
    masked.mask = guarded_matrix<float>(sequences, widest);
    for (std::size_t s = 0; s < sequences; ++s) std::fill_n(masked.mask.row(s), widest, 1.0F);
    batches.push_back(std::move(masked));
  }
  return batches;
}

}  // namespace

TEST_CASE("A workspace of the stated sizes is enough for every batch of so many tokens, on any number of threads",
          "[encoder]") {
  random_numbers random(421);
  for (const bool fast : {true, false}) {
    for (const std::size_t budget : {2048U, 100U, 7U}) {
      for (const bool causal : {false, true}) {
        auto config = config_of_long_sequences(fast);
        config.block.attention.causal = causal;
        const problem_type problem(config, 422, {.token_budget = budget});
        for (const std::size_t tokens : {1U, 31U, 200U, 700U}) {
          const auto need = problem.model.workspace_bytes(tokens);
          const auto batches = batches_of(tokens, random);
          guarded_matrix<float> states(tokens, 16);
          for (const std::size_t threads : {1U, 2U, 3U}) {
            ufb::thread_pool pool(threads);
            ufb::workspace scratch(ufb::workspace_sizes{
                .bytes = need.own, .parts = threads > 1 ? threads : 0, .bytes_per_part = need.part});
            for (std::size_t i = 0; i < batches.size(); ++i) {
              INFO(tokens << " tokens, budget " << budget << ", batch " << i << ", " << threads << " threads");
              const auto& batch = batches[i];
              const auto to = states.view().rows_from(0, batch.ids.size());
              CHECK(allocations_in([&] { problem.model.forward(batch.ids, batch.view(), to, scratch, pool); }) == 0);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("A call over the budget leaves room for every smaller one, wherever its passes ended", "[encoder]") {
  random_numbers random(423);
  const problem_type problem(config_of_long_sequences(true), 424, {.token_budget = 200});
  // Passes of 150, 150, 150 and 110 tokens; then calls that fill passes of 200.
  const auto larger = of_lengths({150, 150, 150, 110}, random);
  const std::vector<token_batch> smaller{of_lengths({100, 100, 100, 100}, random), of_lengths({150}, random),
                                         of_lengths(std::vector<std::size_t>(200, 1), random),
                                         of_lengths(std::vector<std::size_t>(8, 25), random)};
  guarded_matrix<float> states(larger.ids.size(), 16);
  ufb::thread_pool one(1);
  ufb::workspace scratch;
  const auto forward = [&](const token_batch& batch) {
    problem.model.forward(batch.ids, batch.view(), states.view().rows_from(0, batch.ids.size()), scratch, one);
  };
  forward(larger);
  forward(larger);  // joins what the first call left apart
  for (std::size_t i = 0; i < smaller.size(); ++i) {
    INFO("batch " << i);
    CHECK(allocations_in([&] { forward(smaller[i]); }) == 0);
  }
}

TEST_CASE("The stated sizes do not grow beyond the budget or the longest sequence", "[encoder]") {
  const problem_type problem(config_of_long_sequences(true), 425, {.token_budget = 64});
  const auto at = [&](std::size_t tokens) { return problem.model.workspace_bytes(tokens); };
  CHECK(at(0).own < at(10).own);
  CHECK(at(10).own < at(64).own);
  CHECK(at(64).own < at(200).own);  // a sequence is never cut
  CHECK(at(200).own == at(100000).own);
  CHECK(at(200).part == at(100000).part);
}
