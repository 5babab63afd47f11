// SPDX-License-Identifier: MIT
//
// Usage of nodes and leaves over a corpus, against numbers that were worked out by hand.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/cmm/route_usage.hpp"

using namespace ufb_test;
using ultrafastbert::matrix_view;
using ultrafastbert::route_usage;

namespace {

matrix_view<const std::int32_t> rows_of(const std::vector<std::int32_t>& cells, std::size_t cols) {
  return {cells.data(), {cells.size() / cols, cols}};
}

std::vector<std::uint64_t> numbers(std::span<const std::uint64_t> from) { return {from.begin(), from.end()}; }

}  // namespace

TEST_CASE("Visits, used leaves and entropy of a corpus are those worked out by hand", "[cmm]") {
  route_usage usage(2, 2);
  CHECK(usage.leaf_entropy(0) == 0);
  CHECK(usage.second_look_share() == 0);
  // Tree 0: leaves 3, 3, 5, 6; tree 1: always 4.
  const std::vector<std::int32_t> paths{0, 1, 3, 0, 1, 4, 0, 1, 3, 0, 1, 4, 0, 2, 5, 0, 1, 4, 0, 2, 6, 0, 1, 4};
  usage.add(rows_of(paths, 6));
  CHECK(usage.tokens() == 4);
  CHECK(usage.parallel_size() == 2);
  CHECK(numbers(usage.visits(0)) == std::vector<std::uint64_t>{4, 2, 2, 2, 0, 1, 1});
  CHECK(numbers(usage.visits(1)) == std::vector<std::uint64_t>{4, 4, 0, 0, 4, 0, 0});
  CHECK(numbers(usage.leaf_visits(0)) == std::vector<std::uint64_t>{2, 0, 1, 1});
  CHECK(usage.used_leaves(0) == 3);
  CHECK(usage.used_leaves(1) == 1);
  CHECK(std::abs(usage.leaf_entropy(0) - 1.5) < 1e-12);  // 1/2 log2 2 + 2 * 1/4 log2 4
  CHECK(usage.leaf_entropy(1) == 0);
}

TEST_CASE("Merged counts are those of all tokens in one", "[cmm]") {
  route_usage first(1, 1);
  route_usage second(1, 1);
  first.add(rows_of({0, 1, 0, 1, 0, 2}, 2));
  const std::vector<std::uint8_t> looks{1, 0};
  second.add(rows_of({0, 2}, 2), {looks.data(), {1, 2}});
  second.merge(first);
  CHECK(second.tokens() == 4);
  CHECK(numbers(second.visits(0)) == std::vector<std::uint64_t>{4, 2, 2});
  CHECK(second.leaf_entropy(0) == 1);
  CHECK(second.second_look_share() == 0.5);  // of the logits of which it is known
  first.merge(second);
  CHECK(first.tokens() == 7);
  CHECK(first.second_look_share() == 0.5);
}

TEST_CASE("All leaves used alike have as many bits as there are decisions", "[cmm]") {
  route_usage usage(3, 1);
  for (std::int32_t leaf = 0; leaf < 8; ++leaf) {
    usage.add(rows_of({0, 1 + leaf / 4, 3 + leaf / 2, 7 + leaf}, 4));
  }
  CHECK(std::abs(usage.leaf_entropy(0) - 3) < 1e-12);
  CHECK(usage.used_leaves(0) == 8);
}

TEST_CASE("Usage refuses what is not of its trees, and counts nothing of it", "[cmm]") {
  route_usage usage(1, 2);
  CHECK(error_text_of([&] { usage.add(rows_of({0, 1}, 2)); }) == "invalid_input: paths: (1, 4): (1, 2)");
  CHECK(error_text_of([&] {
          usage.add(rows_of({0, 1, 0, 2, 0, 1, 0, 3}, 4));
        }) == "invalid_input: paths(1, 3): 1 or 2, a child of the node: 3");
  const std::vector<std::uint8_t> looks{1, 0};
  CHECK(error_text_of([&] {
          usage.add(rows_of({0, 1, 0, 2}, 4), {looks.data(), {1, 2}});
        }) == "invalid_input: second_looks: (1, 4): (1, 2)");
  CHECK(usage.tokens() == 0);
  CHECK(usage.visits(0)[0] == 0);
  CHECK(error_text_of([&] { usage.merge(route_usage(2, 2)); }) ==
        "shape_mismatch: route_usage: 2 trees of depth 1: 2 trees of depth 2");
  CHECK(error_text_of([] { route_usage(31, 1); }) == "invalid_input: depth: at most 30: 31");
  CHECK(error_text_of([] { route_usage(3, 0); }) == "invalid_input: parallel_size: at least 1: 0");
}
