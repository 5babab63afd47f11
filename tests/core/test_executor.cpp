// SPDX-License-Identifier: MIT
//
// Executors by reference, and the cutting of work into parts.
#include <atomic>
#include <cstddef>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "ultrafastbert/core/executor.hpp"

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

}  // namespace
