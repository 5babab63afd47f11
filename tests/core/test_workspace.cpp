// SPDX-License-Identifier: MIT
//
// The workspace: frames that nest, memory that is kept, growth that ends, exceptions on the way.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/workspace.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;

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

TEST_CASE("The capacity counts what the parts hold", "[workspace]") {
  ufb::workspace scratch(1000);
  const std::size_t alone = scratch.capacity();
  scratch.reserve_parts(2);
  CHECK(scratch.capacity() == alone);
  scratch.part(1).reserve(5000);
  CHECK(scratch.capacity() >= alone + 5000);
  scratch.reserve(alone + 64);
  CHECK(scratch.capacity() >= alone + 5000);
}
