// SPDX-License-Identifier: MIT
//
// Executors by reference, and the cutting of work into parts.
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/floating_point.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/parts.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;

namespace {

namespace ufb = ultrafastbert;

TEST_CASE("A reference runs what its executor runs", "[executor]") {
  ufb::thread_pool pool(3);
  const ufb::executor_ref threads = pool;
  CHECK(threads.concurrency() == 3);
  std::vector<std::atomic<int>> calls(100);
  threads.run(calls.size(), [&](std::size_t i) { ++calls[i]; });
  for (const auto& count : calls) CHECK(count == 1);
  CHECK_THROWS_AS(threads.run(5, [](std::size_t) { throw std::runtime_error("task"); }), std::runtime_error);
}

TEST_CASE("A reference to nothing runs on the calling thread", "[executor]") {
  const ufb::executor_ref threads;
  CHECK(threads.concurrency() == 1);
  std::vector<std::size_t> order;
  threads.run(4, [&](std::size_t i) { order.push_back(i); });
  CHECK(order == std::vector<std::size_t>{0, 1, 2, 3});
}

// As a host writes one over an interface that is compiled once.
class virtual_executor {
 public:
  virtual_executor() = default;
  virtual_executor(const virtual_executor&) = delete;
  virtual_executor& operator=(const virtual_executor&) = delete;
  virtual ~virtual_executor() = default;
  [[nodiscard]] virtual std::size_t concurrency() const = 0;
  virtual void run(std::size_t count, const ufb::task_ref& task) = 0;
};
static_assert(ufb::executor<virtual_executor>);

class backward_executor : public virtual_executor {
 public:
  [[nodiscard]] std::size_t concurrency() const override { return 1; }
  void run(std::size_t count, const ufb::task_ref& task) override {
    for (std::size_t i = count; i > 0; --i) task(i - 1);
  }
};

TEST_CASE("An executor may be compiled once, for tasks of any type", "[executor]") {
  backward_executor backward;
  virtual_executor& any = backward;
  std::vector<std::size_t> order;
  ufb::executor_ref(any).run(3, [&](std::size_t i) { order.push_back(i); });
  CHECK(order == std::vector<std::size_t>{2, 1, 0});
  ufb::task_ref nothing;
  nothing(5);
}

TEST_CASE("Numbers of threads that no pool can have are refused with the range", "[executor]") {
  for (const std::size_t threads : {std::size_t{0}, ufb::most_threads + 1, std::numeric_limits<std::size_t>::max() - 1,
                                    std::numeric_limits<std::size_t>::max()}) {
    CHECK(error_text_of([&] { ufb::thread_pool pool(threads); }) ==
          "invalid_input: threads: from 1 to 4096: " + std::to_string(threads));
  }
}

const std::string nested =
    "in_use: thread_pool::run: a call from outside of this pool's tasks: a call from inside one of them, which would "
    "wait for itself";

TEST_CASE("A task that calls its own pool is refused, and the pool goes on", "[executor]") {
  for (const std::size_t threads : {1U, 2U, 4U}) {
    ufb::thread_pool pool(threads);
    for (const std::size_t inner : {0U, 1U, 5U}) {
      for (const std::size_t outer : {1U, 2U, 8U}) {
        INFO(threads << " threads, " << outer << " tasks, each with " << inner);
        const auto text =
            error_text_of([&] { pool.run(outer, [&](std::size_t) { pool.run(inner, [](std::size_t) {}); }); });
        CHECK(text == nested);
        std::atomic<int> calls{0};
        pool.run(20, [&](std::size_t) { ++calls; });
        CHECK(calls == 20);
      }
    }
  }
}

TEST_CASE("A task may call another pool, but not come back to its own", "[executor]") {
  ufb::thread_pool a(2);
  ufb::thread_pool b(3);
  ufb::thread_pool c(1);
  std::atomic<int> calls{0};
  a.run(4, [&](std::size_t) {
    b.run(5, [&](std::size_t) { c.run(2, [&](std::size_t) { ++calls; }); });
    b.run(3, [&](std::size_t) { ++calls; });
  });
  CHECK(calls == 4 * (5 * 2 + 3));
  const auto around = [&] {
    a.run(4, [&](std::size_t) {
      b.run(5, [&](std::size_t) { c.run(2, [&](std::size_t) { a.run(2, [](std::size_t) {}); }); });
    });
  };
  CHECK(error_text_of(around) == nested);
  CHECK(error_text_of(around) == nested);
  calls = 0;
  a.run(7, [&](std::size_t) { b.run(2, [&](std::size_t) { ++calls; }); });  // both pools go on
  CHECK(calls == 14);
}

TEST_CASE("Callers on several threads take turns", "[executor]") {
  ufb::thread_pool pool(2);
  std::atomic<int> calls{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int repetition = 0; repetition < 50; ++repetition) pool.run(3, [&](std::size_t) { ++calls; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(calls == 4 * 50 * 3);
}

TEST_CASE("Calls that come one upon another and calls after a rest find every worker", "[executor]") {
  ufb::thread_pool pool(3);
  std::atomic<std::size_t> sum{0};
  std::size_t expected = 0;
  for (std::size_t round = 0; round < 3000; ++round) {
    const std::size_t count = 1 + round % 7;
    if (round % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the workers fall asleep
    pool.run(count, [&](std::size_t i) {
      if (round % 500 == 7) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // and the caller
      sum += i + 1;
    });
    expected += count * (count + 1) / 2;
    REQUIRE(sum == expected);
  }
}

TEST_CASE("Tasks have the floating point modes of the caller, whenever the pool was made", "[executor]") {
  constexpr std::size_t threads = 3;
  ufb::thread_pool pool(threads);
  const auto see = [&](int rounding, bool flushes) {
    std::atomic<std::size_t> inside{0};
    std::atomic<std::size_t> different{0};
    pool.run(threads, [&](std::size_t) {
      for (++inside; inside < threads;) std::this_thread::yield();  // until every thread has one
      const bool flushed = subnormal_product() == 0.0F;
      if (std::fegetround() != rounding || flushed != flushes) ++different;
    });
    CHECK(different == 0);
  };
  for (int repetition = 0; repetition < 2; ++repetition) {
    see(FE_TONEAREST, false);
    {
      const modes_scope upward(host_modes::upward);
      see(FE_UPWARD, false);
      CHECK(std::fegetround() == FE_UPWARD);
    }
    if (can_flush()) {
      const modes_scope flush(host_modes::flush);
      see(FE_TONEAREST, true);
    }
  }
}

TEST_CASE("Callers on several threads keep their own floating point modes on a shared pool", "[executor]") {
  ufb::thread_pool pool(3);
  std::atomic<std::size_t> different{0};
  std::vector<std::thread> callers;
  for (const int rounding : {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    callers.emplace_back([&pool, &different, rounding] {
      std::fesetround(rounding);
      for (int repetition = 0; repetition < 200; ++repetition) {
        pool.run(5, [&](std::size_t) {
          if (std::fegetround() != rounding) ++different;
        });
      }
      if (std::fegetround() != rounding) ++different;
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(different == 0);
}

TEST_CASE("Executors that cannot run are not taken", "[executor]") {
  STATIC_REQUIRE(std::is_convertible_v<ufb::thread_pool&, ufb::executor_ref>);
  STATIC_REQUIRE(std::is_convertible_v<ufb::sequential_executor&, ufb::executor_ref>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<const ufb::thread_pool&, ufb::executor_ref>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<const ufb::sequential_executor&, ufb::executor_ref>);
}

TEST_CASE("Parts cover every number once and differ by one at most", "[executor]") {
  for (const std::size_t size : {0U, 1U, 7U, 96U, 1000U}) {
    for (const std::size_t parts : {1U, 2U, 7U, 13U}) {
      std::size_t next = 0;
      for (std::size_t i = 0; i < parts; ++i) {
        const auto part = ufb::core::part_of(size, parts, i);
        CHECK(part.first == next);
        CHECK(part.size() - size / parts <= 1);
        next = part.last;
      }
      CHECK(next == size);
    }
  }
}

TEST_CASE("A product is cut into no more parts than are worth a thread", "[executor]") {
  constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();
  CHECK(ufb::core::product_parts(16, 768, 768, 2) == 2);
  CHECK(ufb::core::product_parts(16, 768, 768, 100) == 7);
  CHECK(ufb::core::product_parts(1, 384, 768, 2) == 1);
  CHECK(ufb::core::product_parts(1, 768, 768, 2) == 2);  // reading the weights counts
  CHECK(ufb::core::product_parts(16, 16, 16, 8) == 1);
  CHECK(ufb::core::product_parts(0, 0, 0, 8) == 1);
  CHECK(ufb::core::product_parts(1000, 4095, 768, 1) == 1);
  CHECK(ufb::core::product_parts(largest, largest, largest, largest) == largest);
}

TEST_CASE("Parts of sizes whose products do not fit cover every number too", "[executor]") {
  constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();
  for (const std::size_t size : {largest, largest - 1, largest / 2 + 3}) {
    for (const std::size_t parts : {1U, 2U, 3U, 7U, 4096U}) {
      std::size_t next = 0;
      for (std::size_t i = 0; i < parts; ++i) {
        const auto part = ufb::core::part_of(size, parts, i);
        REQUIRE(part.first == next);
        REQUIRE(part.size() - size / parts <= 1);
        next = part.last;
      }
      REQUIRE(next == size);
    }
  }
}

}  // namespace
