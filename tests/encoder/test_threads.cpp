// SPDX-License-Identifier: MIT
//
// One constant encoder, several threads, a workspace each: every result has the bits of a run alone.
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "encoder/support.hpp"
#include "support/backends.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;

TEMPLATE_LIST_TEST_CASE("Threads that share an encoder do not change each other's bits", "[encoder]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  const encoder_problem<Scalar, typename TestType::backend> problem(small_config(true), 161);
  random_numbers random(162);
  std::vector<token_batch> batches;
  std::vector<guarded_matrix<Scalar>> alone;
  for (std::size_t i = 0; i < 6; ++i) {
    batches.push_back(joined(random_sequences(random.size(1, 6), random)));
    ufb::workspace scratch;
    alone.emplace_back(batches.back().ids.size(), 16);
    problem.model.forward(batches.back().ids, batches.back().view(), alone.back().view(), scratch);
  }
  std::atomic<std::size_t> different{0};
  std::atomic<std::size_t> runs{0};
  std::vector<std::thread> threads;
  for (std::size_t number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      ufb::workspace scratch;
      for (std::size_t i = 0; i < 40; ++i) {
        const std::size_t which = (number + i) % batches.size();
        const token_batch& batch = batches[which];
        guarded_matrix<Scalar> states(batch.ids.size(), 16);
        problem.model.forward(batch.ids, batch.view(), states.view(), scratch);
        if (!same_rows(states, 0, alone[which], 0, batch.ids.size())) ++different;
        ++runs;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(runs == 160);
  CHECK(different == 0);
}

TEST_CASE("Threads that share a workspace by mistake get right results or in_use, with and without a pool",
          "[encoder]") {
  const encoder_problem<float, ufb::default_backend<float>> problem(small_config(true), 163);
  random_numbers random(164);
  const token_batch batch =
      joined({random_ids(20, random), random_ids(16, random), random_ids(20, random), random_ids(20, random)});
  ufb::workspace alone;
  const auto expected = states_of(problem.model, batch, alone);
  for (const std::size_t pool_threads : {1U, 3U}) {
    ufb::thread_pool pool(pool_threads);
    ufb::workspace shared;
    std::atomic<std::size_t> different{0};
    std::atomic<std::size_t> right{0};
    std::atomic<std::size_t> refused{0};
    std::vector<std::thread> threads;
    for (std::size_t number = 0; number < 4; ++number) {
      threads.emplace_back([&] {
        for (std::size_t i = 0; i < 100; ++i) {
          try {
            guarded_matrix<float> states(batch.ids.size(), 16);
            problem.model.forward(batch.ids, batch.view(), states.view(), shared, pool);
            ++(same_bits(states, expected) ? right : different);
          } catch (const ufb::error& problem_found) {
            if (problem_found.code() == ufb::error_code::in_use) ++refused;
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(different == 0);
    CHECK(right + refused == 400);
    CHECK(same_bits(states_of(problem.model, batch, shared, pool), expected));  // still of use
  }
}
