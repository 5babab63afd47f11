// SPDX-License-Identifier: MIT
//
// One forward spread over threads, by whole sequences or within each: the bits of one thread, whatever the executor.
#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "encoder/support.hpp"
#include "support/allocation_counter.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;

namespace {

using problem_type = encoder_problem<float, ufb::default_backend<float>>;

// Lengths of up to 200 tokens, so that a single sequence has rows for many tasks.
ufb::encoder_config long_config(bool fast) {
  auto config = small_config(fast);
  config.embedding.max_sequence_length = 400;
  return config;
}

// From the last task to the first, on the calling thread.
struct backward_executor {
  [[nodiscard]] std::size_t concurrency() const { return 4; }
  template <class Task>
  void run(std::size_t count, const Task& task) {
    ++runs;
    for (std::size_t i = count; i > 0; --i) task(i - 1);
  }
  std::size_t runs = 0;
};

// Throws in the middle of one of its runs.
struct failing_executor {
  [[nodiscard]] std::size_t concurrency() const { return 3; }
  template <class Task>
  void run(std::size_t count, const Task& task) {
    const bool fails = runs_left-- == 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (fails && i == count / 2) throw std::runtime_error("no more threads");
      task(i);
    }
  }
  std::size_t runs_left = 0;
};

// A few long sequences, which threads share; many short ones, which they deal out; one; both kinds; single tokens.
std::vector<token_batch> batches_of_all_kinds(random_numbers& random) {
  const std::vector<std::vector<std::size_t>> lengths{{400, 150, 30},
                                                      std::vector<std::size_t>(32, 9),
                                                      {400},
                                                      {3, 120, 8, 8, 200, 1, 77, 77, 5},
                                                      {1},
                                                      {1, 1, 1, 1},
                                                      {17}};
  std::vector<token_batch> batches;
  for (const auto& each : lengths) {
    token_batch batch;
    for (const std::size_t length : each) batch.append(random_ids(length, random));
    batches.push_back(std::move(batch));
  }
  batches.push_back(padded(random_sequences(8, random), 24, 3));
  return batches;
}

}  // namespace

TEST_CASE("Any number of threads gives the bits of one", "[encoder]") {
  random_numbers random(211);
  const auto batches = batches_of_all_kinds(random);
  std::vector<ufb::weight_storage> storages{ufb::weight_storage::float32, ufb::weight_storage::bfloat16,
                                            ufb::weight_storage::int8};
  for (const bool fast : {true, false}) {
    for (const auto storage : storages) {
      const problem_type problem(long_config(fast), 212, {.projections = {.storage = storage}, .token_budget = 500});
      std::vector<guarded_matrix<float>> expected;
      ufb::workspace scratch;
      for (const auto& batch : batches) expected.push_back(states_of(problem.model, batch, scratch));
      for (const std::size_t threads : {1U, 2U, 3U, 4U}) {
        ufb::thread_pool pool(threads);
        ufb::workspace shared;
        for (std::size_t i = 0; i < batches.size(); ++i) {
          INFO(threads << " threads, batch " << i << ", " << name(storage));
          CHECK(same_bits(states_of(problem.model, batches[i], shared, pool), expected[i]));
        }
      }
    }
  }
}

TEST_CASE("So few tokens that threads share the products themselves have the bits of one thread", "[encoder]") {
  random_numbers random(217);
  token_batch batch;
  batch.append(random_ids(14, random));
  for (const bool fast : {true, false}) {
    for (const auto storage :
         {ufb::weight_storage::float32, ufb::weight_storage::bfloat16, ufb::weight_storage::int8}) {
      const problem_type problem(config_of_width(384, fast), 218, {.projections = {.storage = storage}});
      ufb::workspace scratch;
      const auto expected = states_of(problem.model, batch, scratch);
      backward_executor counted;
      ufb::thread_pool pool(3);
      INFO(name(storage));
      CHECK(same_bits(states_of(problem.model, batch, scratch, counted), expected));
      CHECK(counted.runs >= 2);  // queries, keys and values of two layers
      CHECK(same_bits(states_of(problem.model, batch, scratch, pool), expected));
    }
  }
}

TEST_CASE("Paths and states that are recorded over threads are those of one", "[encoder]") {
  random_numbers random(213);
  const problem_type problem(long_config(true), 214, {.token_budget = 50});
  ufb::thread_pool pool(3);
  for (const auto& batch : batches_of_all_kinds(random)) {
    ufb::workspace scratch;
    const auto expected = run(problem, batch, scratch);
    guarded_matrix<float> states(batch.ids.size(), 16);
    ufb::encoder_trace<float> trace{.states = true};
    problem.model.forward(batch.ids, batch.view(), states.view(), scratch, &trace, pool);
    CHECK(same_bits(states, expected.states));
    REQUIRE(trace.layers.size() == 2);
    const auto same = [&](const auto& a, const auto& b) {
      bool all = a.rows() == batch.ids.size() && b.rows() == a.rows();
      for (std::size_t r = 0; all && r < a.rows(); ++r) {
        all = std::memcmp(a.row(r), b.row(r), a.cols() * sizeof(*a.row(r))) == 0;
      }
      return all;
    };
    CHECK(same(trace.embedding, expected.trace.embedding));
    for (std::size_t i = 0; i < 2; ++i) {
      const auto& got = trace.layers[i];
      const auto& should_be = expected.trace.layers[i];
      CHECK(same(got.paths, should_be.paths));
      CHECK(same(got.norm1, should_be.norm1));
      CHECK(same(got.attn, should_be.attn));
      CHECK(same(got.norm2, should_be.norm2));
      CHECK(same(got.ffn, should_be.ffn));
      CHECK(same(got.output, should_be.output));
    }
  }
}

TEST_CASE("The order in which an executor runs tasks changes no bit", "[encoder]") {
  random_numbers random(215);
  const problem_type problem(long_config(true), 216);
  for (const auto& batch : batches_of_all_kinds(random)) {
    ufb::workspace scratch;
    backward_executor backward;
    const auto expected = states_of(problem.model, batch, scratch);
    CHECK(same_bits(states_of(problem.model, batch, scratch, backward), expected));
    if (batch.ids.size() >= 64) CHECK(backward.runs > 0);  // fewer rows are not worth a thread
  }
}

TEST_CASE("Equal sequences are dealt out in one run, unequal ones share the steps of each layer", "[encoder]") {
  random_numbers random(217);
  const problem_type problem(long_config(true), 218);
  ufb::workspace scratch;
  const auto runs = [&](const std::vector<std::size_t>& lengths) {
    token_batch batch;
    for (const std::size_t length : lengths) batch.append(random_ids(length, random));
    backward_executor executor;
    static_cast<void>(states_of(problem.model, batch, scratch, executor));
    return executor.runs;
  };
  CHECK(runs(std::vector<std::size_t>(8, 20)) == 1);
  CHECK(runs({400}) == 2 + 3);  // attention of two layers, the rows before, between and behind
  CHECK(runs({400, 10}) == 2 + 3);
  CHECK(runs({100, 100}) == 3);  // equal, but fewer than threads; too short to share attention
  CHECK(runs({40}) == 0);        // too short for anything
}

TEST_CASE("What an executor throws leaves forward, and the workspace can be used again", "[encoder]") {
  random_numbers random(219);
  const problem_type problem(long_config(true), 220);
  ufb::thread_pool pool(2);
  for (const auto& batch : batches_of_all_kinds(random)) {
    if (batch.ids.size() < 64) continue;
    ufb::workspace fresh;
    const auto expected = states_of(problem.model, batch, fresh);
    ufb::workspace scratch;
    std::size_t failures = 0;
    for (std::size_t runs = 0; runs < 6; ++runs) {
      failing_executor failing{.runs_left = runs};
      guarded_matrix<float> states(batch.ids.size(), 16);
      try {
        problem.model.forward(batch.ids, batch.view(), states.view(), scratch, failing);
      } catch (const std::runtime_error&) {
        ++failures;
      }
      CHECK(same_bits(states_of(problem.model, batch, scratch), expected));
      CHECK(same_bits(states_of(problem.model, batch, scratch, pool), expected));
    }
    CHECK(failures > 0);
  }
}

TEST_CASE("Callers with a workspace each share a model and a pool", "[encoder]") {
  random_numbers random(221);
  const problem_type problem(long_config(true), 222, {.token_budget = 300});
  const auto batches = batches_of_all_kinds(random);
  std::vector<guarded_matrix<float>> expected;
  ufb::workspace alone;
  for (const auto& batch : batches) expected.push_back(states_of(problem.model, batch, alone));
  ufb::thread_pool pool(2);
  std::atomic<std::size_t> different{0};
  std::atomic<std::size_t> runs{0};
  std::vector<std::thread> callers;
  for (std::size_t number = 0; number < 4; ++number) {
    callers.emplace_back([&, number] {
      ufb::workspace scratch;
      for (std::size_t i = 0; i < 2 * batches.size(); ++i) {
        const std::size_t which = (number + i) % batches.size();
        guarded_matrix<float> states(batches[which].ids.size(), 16);
        problem.model.forward(batches[which].ids, batches[which].view(), states.view(), scratch, pool);
        if (!same_bits(states, expected[which])) ++different;
        ++runs;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(runs == 4 * 2 * batches.size());
  CHECK(different == 0);
}

TEST_CASE("With threads, too, no smaller call allocates after two of the largest size", "[encoder]") {
  random_numbers random(223);
  const problem_type problem(long_config(true), 224);
  std::vector<token_batch> batches;
  guarded_matrix<float> states(16 * 128, 16);
  for (const auto& [sequences, length] : std::vector<std::pair<std::size_t, std::size_t>>{
           {16, 128}, {7, 119}, {1, 400}, {16, 1}, {16, 7}, {3, 300}, {1, 31}, {1, 63}, {2, 63}, {4, 64}, {5, 190}}) {
    token_batch batch;
    for (std::size_t i = 0; i < sequences; ++i) batch.append(random_ids(length, random));
    batches.push_back(std::move(batch));
  }
  for (const std::size_t threads : {1U, 2U, 3U, 4U}) {
    ufb::thread_pool pool(threads);
    ufb::workspace scratch;
    const auto run = [&](const token_batch& batch) {
      problem.model.forward(batch.ids, batch.view(), states.view().rows_from(0, batch.ids.size()), scratch, pool);
    };
    // The largest call, and the longest sequence, which grows what attention takes.
    for (const std::size_t which : {0U, 2U, 0U, 2U}) run(batches[which]);
    for (std::size_t i = 0; i < batches.size(); ++i) {
      INFO(threads << " threads, batch " << i);
      CHECK(allocations_in([&] { run(batches[i]); }) == 0);
    }
  }
}
