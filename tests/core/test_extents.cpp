// SPDX-License-Identifier: MIT
//
// Sizes in a type and sizes in an object.
#include <cstddef>
#include <type_traits>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/core/extents.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;

namespace {

template <std::size_t A, std::size_t B>
struct two_sizes {
  [[no_unique_address]] ufb::extent<A> a{};
  [[no_unique_address]] ufb::extent<B> b{};
  char rest = 0;
};

static_assert(std::is_empty_v<ufb::extent<7>>);
static_assert(sizeof(two_sizes<3, 5>) == 1, "static sizes take no storage");
static_assert(sizeof(two_sizes<3, ufb::dynamic_extent>) == 2 * sizeof(std::size_t));
static_assert(ufb::extent<7>::is_static && !ufb::extent<ufb::dynamic_extent>::is_static);
static_assert(ufb::extent<7>::value() == 7);
static_assert(ufb::extent<7>(7, "size").value() == 7);
static_assert(ufb::extent<ufb::dynamic_extent>(9, "size").value() == 9);
static_assert(ufb::extent<ufb::dynamic_extent>().value() == 0);

}  // namespace

TEST_CASE("A static extent takes its own size, or 0 for it, and refuses others", "[extents]") {
  CHECK(ufb::extent<7>(0, "depth").value() == 7);
  CHECK(ufb::extent<7>(7, "depth").value() == 7);
  CHECK(error_text_of([] { (void)ufb::extent<7>(8, "depth"); }) == "shape_mismatch: depth: 7, as the type states: 8");
  CHECK(error_text_of([] { (void)ufb::extent<0>(1, "depth"); }) == "shape_mismatch: depth: 0, as the type states: 1");
}

TEST_CASE("A dynamic extent takes any size", "[extents]") {
  CHECK(ufb::extent<ufb::dynamic_extent>(0, "depth").value() == 0);
  CHECK(ufb::extent<ufb::dynamic_extent>(123, "depth").value() == 123);
}
