// SPDX-License-Identifier: MIT
//
// The workspace: frames that nest, memory that is kept, growth that ends, exceptions on the way.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/workspace.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;

static_assert(!std::is_copy_constructible_v<ufb::workspace> && !std::is_copy_assignable_v<ufb::workspace>);
static_assert(std::is_nothrow_move_constructible_v<ufb::workspace> &&
              std::is_nothrow_move_assignable_v<ufb::workspace>);
static_assert(!std::is_copy_constructible_v<ufb::workspace::lease> &&
              !std::is_copy_constructible_v<ufb::workspace::frame>);

namespace {

bool aligned(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory) % 64 == 0; }

// Takes arrays of random sizes to a random depth, marks each, and says whether all marks are still there at the end.
bool marks_survive(ufb::workspace& scratch, random_numbers& random, int depth) {
  ufb::workspace::frame frame(scratch);
  std::vector<std::span<std::uint32_t>> arrays;
  std::vector<std::uint32_t> marks;
  bool good = true;
  for (std::size_t i = random.size(0, 6); i > 0; --i) {
    arrays.push_back(frame.take<std::uint32_t>(random.size(0, 400)));
    marks.push_back(static_cast<std::uint32_t>(random.bits()));
    std::fill(arrays.back().begin(), arrays.back().end(), marks.back());
    good = good && aligned(arrays.back().data());
    if (depth > 0) good = marks_survive(scratch, random, depth - 1) && good;
  }
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    good = good && std::all_of(arrays[i].begin(), arrays[i].end(), [&](std::uint32_t v) { return v == marks[i]; });
  }
  return good;
}

void use(ufb::workspace& scratch) {
  ufb::workspace::frame outer(scratch);
  (void)outer.take<double>(1000);
  for (int i = 0; i < 3; ++i) {
    ufb::workspace::frame inner(scratch);
    (void)inner.take_matrix<float>(33, 77);
    (void)inner.take<std::uint8_t>(5);
  }
  (void)outer.take<float>(20'000);
}

}  // namespace

TEST_CASE("Arrays of open frames are aligned and never share memory", "[workspace]") {
  ufb::workspace scratch;
  random_numbers random(1);
  for (int round = 0; round < 200; ++round) REQUIRE(marks_survive(scratch, random, 3));
}

TEST_CASE("A matrix from a frame has rows without gaps", "[workspace]") {
  ufb::workspace scratch;
  ufb::workspace::frame frame(scratch);
  const auto m = frame.take_matrix<float>(3, 5);
  CHECK(m.rows() == 3);
  CHECK(m.cols() == 5);
  CHECK(m.stride() == 5);
  CHECK(aligned(m.data()));
  CHECK(frame.take_matrix<float>(0, 5).empty());
  CHECK(frame.take_matrix<float>(5, 0).empty());
  CHECK(frame.take<float>(0).empty());
}

TEST_CASE("A frame gives its memory back to the one around it", "[workspace]") {
  ufb::workspace scratch(4096);
  ufb::workspace::frame outer(scratch);
  const float* const first = outer.take<float>(10).data();
  const float* inner_memory = nullptr;
  {
    ufb::workspace::frame inner(scratch);
    inner_memory = inner.take<float>(10).data();
    CHECK(inner_memory != first);
  }
  CHECK(outer.take<float>(10).data() == inner_memory);
}

TEST_CASE("Memory that is in use stays where it is while the workspace grows", "[workspace]") {
  ufb::workspace scratch;
  ufb::workspace::frame frame(scratch);
  const auto early = frame.take<int>(100);
  std::fill(early.begin(), early.end(), 7);
  for (std::size_t size = 100; size < 200'000; size *= 3) {
    const auto later = frame.take<int>(size);
    std::fill(later.begin(), later.end(), -1);
  }
  CHECK(std::all_of(early.begin(), early.end(), [](int value) { return value == 7; }));
}

TEST_CASE("A repeated use grows the workspace no more and allocates nothing", "[workspace]") {
  ufb::workspace scratch;
  CHECK(scratch.capacity() == 0);
  use(scratch);
  use(scratch);
  const std::size_t capacity = scratch.capacity();
  CHECK(capacity >= 1000 * sizeof(double) + 20'000 * sizeof(float));
  CHECK(allocations_in([&] { use(scratch); }) == 0);
  CHECK(scratch.capacity() == capacity);
  // All of it is one piece by now.
  CHECK(allocations_in([&] {
          ufb::workspace::frame frame(scratch);
          (void)frame.take<char>(capacity);
        }) == 0);
  if (allocations_are_counted()) CHECK(allocations_in([] { ufb::workspace fresh(10); }) > 0);
}

TEST_CASE("Reserved bytes can be taken without allocating", "[workspace]") {
  ufb::workspace scratch(100);
  CHECK(scratch.capacity() >= 100);
  CHECK(allocations_in([&] {
          ufb::workspace::frame frame(scratch);
          (void)frame.take<char>(100);
        }) == 0);
  scratch.reserve(50);
  const std::size_t capacity = scratch.capacity();
  scratch.reserve(10'000);
  CHECK(scratch.capacity() >= 10'000);
  CHECK(scratch.capacity() > capacity);
  CHECK(allocations_in([&] {
          ufb::workspace::frame frame(scratch);
          (void)frame.take_matrix<double>(125, 10);
        }) == 0);
}

TEST_CASE("Reserving joins what growth left in pieces", "[workspace]") {
  ufb::workspace scratch;
  use(scratch);
  scratch.reserve(1);
  CHECK(allocations_in([&] { use(scratch); }) == 0);
  CHECK(error_text_of([&] { scratch.reserve(std::numeric_limits<std::size_t>::max()); }) ==
        "overflow: buffer: : " + std::to_string(std::numeric_limits<std::size_t>::max()) + " elements");
  CHECK(allocations_in([&] { use(scratch); }) == 0);
}

TEST_CASE("Reserving while a frame is open leaves its memory alone", "[workspace]") {
  ufb::workspace scratch;
  ufb::workspace::frame frame(scratch);
  const auto held = frame.take<int>(10);
  std::fill(held.begin(), held.end(), 3);
  scratch.reserve(1'000'000);
  CHECK(std::all_of(held.begin(), held.end(), [](int value) { return value == 3; }));
}

TEST_CASE("An exception gives the frames' memory back", "[workspace]") {
  ufb::workspace scratch;
  use(scratch);
  use(scratch);
  const std::size_t capacity = scratch.capacity();
  const float* first = nullptr;
  {
    ufb::workspace::frame frame(scratch);
    first = frame.take<float>(1).data();
  }
  try {
    ufb::workspace::frame outer(scratch);
    (void)outer.take<float>(500);
    ufb::workspace::frame inner(scratch);
    (void)inner.take<float>(500);
    throw std::runtime_error("on the way");
  } catch (const std::runtime_error&) {
  }
  CHECK(scratch.capacity() == capacity);
  ufb::workspace::frame frame(scratch);
  CHECK(frame.take<float>(1).data() == first);
}

TEST_CASE("Sizes that do not fit are an overflow and leave the workspace usable", "[workspace]") {
  constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();
  ufb::workspace scratch;
  ufb::workspace::frame frame(scratch);
  const auto held = frame.take<int>(4);
  CHECK(error_text_of([&] { (void)frame.take<double>(largest); }) ==
        "overflow: workspace: : " + std::to_string(largest) + " elements");
  CHECK(error_text_of([&] { (void)frame.take<double>(largest / 8); }) ==
        "overflow: workspace: : " + std::to_string(largest / 8) + " elements");
  CHECK(error_text_of([&] { (void)frame.take_matrix<float>(largest / 2, 3); }) ==
        "overflow: workspace: : " + std::to_string(largest / 2) + " rows");
  const auto next = frame.take<int>(4);
  CHECK(aligned(next.data()));
  CHECK(next.data() != held.data());
}

TEST_CASE("A moved workspace takes its memory along", "[workspace]") {
  ufb::workspace a;
  use(a);
  use(a);
  const std::size_t capacity = a.capacity();
  ufb::workspace b = std::move(a);
  CHECK(b.capacity() == capacity);
  CHECK(allocations_in([&] { use(b); }) == 0);
}

TEST_CASE("A workspace that was moved from is empty and can be used again", "[workspace]") {
  ufb::workspace a({.bytes = 1000, .parts = 2, .bytes_per_part = 500});
  use(a);
  ufb::workspace b;
  b = std::move(a);
  CHECK(a.capacity() == 0);  // NOLINT(bugprone-use-after-move): what is left behind is documented
  CHECK(a.needed().parts == 0);
  use(a);
  CHECK(b.needed().parts == 2);
  const std::size_t capacity = b.capacity();
  auto& same = b;
  b = std::move(same);
  CHECK(b.capacity() == capacity);
  CHECK(b.needed().parts == 2);
}

TEST_CASE("A frame that another thread has open is in_use, and no longer when it ends", "[workspace]") {
  ufb::workspace scratch;
  const auto from_another_thread = [&] {
    std::string text;
    std::thread([&] {
      text = error_text_of([&] { ufb::workspace::frame frame(scratch); });
      if (text == "none") text = error_text_of([&] { use(scratch); });
    }).join();
    return text;
  };
  const std::string in_use =
      "in_use: workspace: one workspace for each thread that calls: a call of another thread that is still using this "
      "one";
  CHECK(from_another_thread() == "none");
  {
    ufb::workspace::frame outer(scratch);
    CHECK(from_another_thread() == in_use);
    {
      ufb::workspace::frame inner(scratch);
      const auto array = inner.take<int>(10);
      std::fill(array.begin(), array.end(), 7);
      CHECK(from_another_thread() == in_use);
      CHECK(std::all_of(array.begin(), array.end(), [](int value) { return value == 7; }));
    }
    CHECK(from_another_thread() == in_use);  // an inner frame's end does not give the workspace away
    std::thread([&] {
      CHECK(error_text_of([&] { scratch.reserve(100'000); }) == in_use);
      CHECK(error_text_of([&] { scratch.reserve({.parts = 1}); }) == in_use);
    }).join();
  }
  CHECK(from_another_thread() == "none");
  use(scratch);
}

TEST_CASE("A frame that could not be opened leaves the workspace to others", "[workspace]") {
  ufb::workspace scratch;
  try {
    ufb::workspace::frame frame(scratch);
    throw std::runtime_error("on the way");
  } catch (const std::runtime_error&) {
  }
  std::thread([&] { CHECK(error_text_of([&] { use(scratch); }) == "none"); }).join();
}

TEST_CASE("Threads that share a workspace by mistake get errors, never each other's memory", "[workspace]") {
  ufb::workspace scratch;
  std::atomic<std::size_t> wrong{0};
  std::atomic<std::size_t> used{0};
  std::atomic<std::size_t> refused{0};
  std::vector<std::thread> threads;
  for (std::uint32_t number = 1; number <= 4; ++number) {
    threads.emplace_back([&, number] {
      for (int round = 0; round < 2000 || (number == 1 && refused == 0 && round < 2'000'000); ++round) {
        try {
          ufb::workspace::frame outer(scratch);
          const auto array = outer.take<std::uint32_t>(200);
          std::fill(array.begin(), array.end(), number);
          ufb::workspace::frame inner(scratch);
          const auto other = inner.take<std::uint32_t>(50);
          std::fill(other.begin(), other.end(), 0U);
          for (const std::uint32_t value : array) wrong += value == number ? 0U : 1U;
          ++used;
        } catch (const ufb::error& problem) {
          if (problem.code() != ufb::error_code::in_use) throw;
          ++refused;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(used > 0);
}

TEST_CASE("The capacity counts what the parts hold", "[workspace]") {
  ufb::workspace scratch(1000);
  const std::size_t alone = scratch.capacity();
  scratch.reserve({.parts = 3});
  CHECK(scratch.capacity() == alone);
  scratch.reserve({.parts = 2, .bytes_per_part = 5000});
  CHECK(scratch.capacity() >= alone + 3 * 5000);
  CHECK(scratch.capacity() < alone + 3 * 5100);
  scratch.reserve(alone + 64);
  CHECK(scratch.capacity() >= alone + 3 * 5000);
}

TEST_CASE("Tasks that run at a time have parts apart, and give them back", "[workspace]") {
  ufb::workspace scratch;
  ufb::workspace::parts parts(scratch, 2);
  ufb::workspace* first = nullptr;
  {
    const auto a = parts.borrow();
    const auto b = parts.borrow();
    const auto c = parts.borrow();  // more than were made ready
    first = &*a;
    CHECK(&*a != &*b);
    CHECK(&*b != &*c);
    CHECK(&*a != &*c);
    CHECK(&*a != &scratch);
    use(*a);
    use(*c);
  }
  const auto again = parts.borrow();
  const auto more = parts.borrow();
  const auto most = parts.borrow();
  CHECK((&*again == first || &*more == first || &*most == first));
  CHECK(scratch.needed().parts == 3);
}

TEST_CASE("A size that parts cannot have is refused and forgotten", "[workspace]") {
  constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();
  ufb::workspace scratch;
  CHECK(error_text_of([&] { scratch.reserve({.parts = 2, .bytes_per_part = largest}); }) ==
        "overflow: buffer: : " + std::to_string(largest) + " elements");
  scratch.reserve({.parts = 2, .bytes_per_part = 100});
  CHECK(scratch.needed().parts == 2);
  CHECK(scratch.needed().bytes_per_part == 100);
}
