// SPDX-License-Identifier: MIT
//
// Tasks with scratch memory of their own: no allocation after warm-up, however work is cut and dealt, and host
// executors of every kind.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/tasks.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;

namespace {

// Takes scratch memory as layers do: a few arrays in frames inside each other, in all in proportion to the rows.
void use_rows(ufb::workspace& scratch, std::size_t rows) {
  ufb::workspace::frame outer(scratch);
  (void)outer.take_matrix<float>(rows, 48);
  ufb::workspace::frame inner(scratch);
  (void)inner.take<std::uint8_t>(std::min<std::size_t>(rows, 192));
  (void)inner.take_matrix<double>(rows, 5);
}

// A call of `rows` rows that are cut into few or many tasks, as layers cut them.
void call(std::size_t rows, ufb::workspace& scratch, ufb::executor_ref threads) {
  ufb::workspace::frame frame(scratch);
  (void)frame.take<float>(rows);
  const std::size_t tasks = std::clamp<std::size_t>(rows / 32, 1, 4 * threads.concurrency());
  ufb::core::run_tasks(tasks, scratch, threads, [&](std::size_t i, ufb::workspace& mine) {
    use_rows(mine, ufb::core::part_of(rows, tasks, i).size());
  });
}

// Runs every task on the calling thread, but says that it runs four at a time.
struct lone_executor {
  [[nodiscard]] std::size_t concurrency() const { return 4; }
  template <class Task>
  void run(std::size_t count, const Task& task) {
    for (std::size_t i = 0; i < count; ++i) task(count - 1 - i);
  }
};

// Runs all tasks at once, each on a thread of its own, though it says that it runs two at a time.
struct crowded_executor {
  [[nodiscard]] std::size_t concurrency() const { return 2; }
  template <class Task>
  void run(std::size_t count, const Task& task) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&task, i] { task(i); });
    for (std::thread& thread : threads) thread.join();
  }
};

// Answers any number for its concurrency.
struct boasting_executor {
  std::size_t number = 0;
  [[nodiscard]] std::size_t concurrency() const { return number; }
  template <class Task>
  void run(std::size_t count, const Task& task) {
    ufb::sequential_executor::run(count, task);
  }
};

}  // namespace

TEST_CASE("After two calls of the largest size no smaller call allocates, whatever the threads", "[tasks]") {
  for (const std::size_t threads : {1U, 2U, 3U, 4U}) {
    ufb::thread_pool pool(threads);
    ufb::workspace scratch;
    call(8192, scratch, pool);
    call(8192, scratch, pool);
    CHECK(allocations_in([&] {
            for (int repetition = 0; repetition < 3; ++repetition) call(8192, scratch, pool);
            for (std::size_t rows = 0; rows < 2000; rows += 7) call(rows, scratch, pool);
            for (std::size_t rows = 8192; rows > 0; rows /= 2) call(rows, scratch, pool);
          }) == 0);
  }
}

TEST_CASE("A call that is cut into small tasks warms those of calls that are not cut", "[tasks]") {
  for (const std::size_t largest : {64U, 65U, 95U, 127U, 200U, 400U}) {
    lone_executor executor;
    ufb::workspace scratch;
    call(largest, scratch, executor);
    call(largest, scratch, executor);
    CHECK(allocations_in([&] {
            for (std::size_t rows = 1; rows <= largest; ++rows) call(rows, scratch, executor);
          }) == 0);
  }
}

TEST_CASE("What a workspace needed can be reserved in another, which then allocates nothing", "[tasks]") {
  ufb::thread_pool pool(3);
  ufb::workspace first;
  call(3000, first, pool);
  const ufb::workspace_sizes needed = first.needed();
  CHECK(needed.parts == 3);
  CHECK(needed.bytes >= 3000 * sizeof(float));
  CHECK(needed.bytes_per_part >= 250 * 48 * sizeof(float));
  ufb::workspace second(needed);
  CHECK(allocations_in([&] {
          call(3000, second, pool);
          call(10, second, pool);
          call(70, second, pool);
        }) == 0);
  CHECK(second.capacity() < 4 * (needed.bytes + 3 * needed.bytes_per_part));
}

TEST_CASE("An executor of one thread lends the caller's own workspace", "[tasks]") {
  ufb::workspace scratch;
  std::size_t calls = 0;
  ufb::core::run_tasks(3, scratch, {}, [&](std::size_t i, ufb::workspace& mine) {
    CHECK(i == calls++);
    CHECK(&mine == &scratch);
  });
  CHECK(calls == 3);
  CHECK(scratch.needed().parts == 0);
}

TEST_CASE("Executors that run more tasks at a time than they say are served", "[tasks]") {
  crowded_executor executor;
  ufb::workspace scratch;
  std::atomic<std::size_t> wrong{0};
  for (int repetition = 0; repetition < 5; ++repetition) {
    std::atomic<std::size_t> waiting{0};
    ufb::core::run_tasks(6, scratch, executor, [&](std::size_t i, ufb::workspace& mine) {
      ufb::workspace::frame frame(mine);
      const auto array = frame.take<std::size_t>(1000);
      std::fill(array.begin(), array.end(), i);
      ++waiting;
      while (waiting < 6) std::this_thread::yield();  // until all of them are under way
      for (const std::size_t value : array) wrong += value == i ? 0U : 1U;
    });
  }
  CHECK(wrong == 0);
  CHECK(scratch.needed().parts == 6);
}

TEST_CASE("A concurrency of nothing or beyond reason is taken for 1 or for the most there is", "[tasks]") {
  boasting_executor none{.number = 0};
  boasting_executor all{.number = std::numeric_limits<std::size_t>::max()};
  CHECK(ufb::executor_ref(none).concurrency() == 1);
  CHECK(ufb::executor_ref(all).concurrency() == ufb::most_threads);
  ufb::workspace scratch;
  call(100, scratch, none);
  call(100, scratch, all);
  CHECK(scratch.needed().parts == ufb::most_threads);
}

TEST_CASE("An exception of a task gives its part back", "[tasks]") {
  ufb::thread_pool pool(2);
  ufb::workspace scratch;
  for (int repetition = 0; repetition < 3; ++repetition) {
    CHECK_THROWS_AS(ufb::core::run_tasks(8, scratch, pool,
                                         [](std::size_t i, ufb::workspace& mine) {
                                           use_rows(mine, 10);
                                           if (i == 3) throw std::runtime_error("task");
                                         }),
                    std::runtime_error);
  }
  CHECK(scratch.needed().parts == 2);
  call(500, scratch, pool);
  CHECK(scratch.needed().parts == 2);
}

TEST_CASE("A workspace that is lent to tasks is in use until all of them have ended", "[tasks]") {
  ufb::thread_pool pool(2);
  ufb::workspace scratch;
  std::atomic<std::size_t> refused{0};
  ufb::core::run_tasks(4, scratch, pool, [&](std::size_t, ufb::workspace&) {
    std::thread([&] {
      if (error_text_of([&] { ufb::workspace::frame frame(scratch); }).rfind("in_use: workspace", 0) == 0) ++refused;
    }).join();
  });
  CHECK(refused == 4);
  CHECK(error_text_of([&] { ufb::workspace::frame frame(scratch); }) == "none");
}
