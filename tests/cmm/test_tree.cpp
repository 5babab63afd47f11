// SPDX-License-Identifier: MIT
//
// Tree arithmetic at compile time and over all nodes, and the two tie rules.
#include <concepts>
#include <cstddef>
#include <limits>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;
namespace tree = ultrafastbert::cmm::tree;

namespace {

static_assert(tree::levels(0) == 1 && tree::levels(11) == 12);
static_assert(tree::node_count(0) == 1 && tree::node_count(1) == 3 && tree::node_count(11) == 4095);
static_assert(tree::node_count(tree::max_depth) == 2'147'483'647, "the last node number fits 32 bits with sign");
static_assert(tree::leaf_count(0) == 1 && tree::leaf_count(11) == 2048);
static_assert(tree::first_of_level(0) == 0 && tree::first_of_level(3) == 7);
static_assert(tree::child(0, false) == 1 && tree::child(0, true) == 2 && tree::child(5, true) == 12);
static_assert(tree::parent(1) == 0 && tree::parent(2) == 0 && tree::parent(12) == 5);
static_assert(tree::level_of(0) == 0 && tree::level_of(2) == 1 && tree::level_of(3) == 2 && tree::level_of(4094) == 11);
static_assert(tree::leaf_index(3, 2) == 0 && tree::leaf_index(6, 2) == 3);
static_assert(tree::total_nodes(11, 1) == 4095 && tree::total_nodes(3, 5) == 75 && tree::total_nodes(3, 0) == 0);

/// As little as a rule can be.
struct archetype {
  static constexpr bool zero_goes_right = true;
};
struct not_constant {
  [[maybe_unused]] static inline bool zero_goes_right =
      true;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
};
struct needs_an_object {
  bool zero_goes_right = true;
};
struct is_a_function {
  static constexpr bool zero_goes_right() { return true; }
};
struct not_a_decision {
  static constexpr int zero_goes_right = 2;
};
struct known_too_late {
  [[maybe_unused]] static const bool zero_goes_right;
};
struct says_nothing {};

static_assert(ufb::tie_rule<archetype>);
static_assert(!ufb::tie_rule<not_constant> && !ufb::tie_rule<needs_an_object> && !ufb::tie_rule<is_a_function>);
static_assert(!ufb::tie_rule<not_a_decision> && !ufb::tie_rule<known_too_late> && !ufb::tie_rule<says_nothing>);
const bool known_too_late::zero_goes_right = true;

}  // namespace

TEST_CASE("Children, parents and levels agree over a whole tree", "[tree]") {
  constexpr std::size_t depth = 12;
  std::size_t wrong = 0;
  for (std::size_t node = 0; node < tree::node_count(depth - 1); ++node) {
    for (const bool right : {false, true}) {
      const std::size_t child = tree::child(node, right);
      if (tree::parent(child) != node || tree::level_of(child) != tree::level_of(node) + 1) ++wrong;
    }
    if (tree::child(node, true) != tree::child(node, false) + 1) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("A level begins where the tree above it ends", "[tree]") {
  for (std::size_t level = 1; level <= tree::max_depth; ++level) {
    CHECK(tree::first_of_level(level) == tree::node_count(level - 1));
    CHECK(tree::level_of(tree::first_of_level(level)) == level);
    CHECK(tree::level_of(tree::first_of_level(level) - 1) == level - 1);
    CHECK(tree::leaf_index(tree::node_count(level) - 1, level) == tree::leaf_count(level) - 1);
  }
}

TEST_CASE("Trees that are too deep or too many are refused", "[tree]") {
  CHECK(tree::total_nodes(tree::max_depth, 2) == 4'294'967'294U);
  CHECK(error_text_of([] { (void)tree::total_nodes(31, 1); }) == "invalid_input: depth: at most 30: 31");
  CHECK(error_text_of([] { (void)tree::total_nodes(std::numeric_limits<std::size_t>::max(), 1); }) ==
        "invalid_input: depth: at most 30: 18446744073709551615");
  CHECK(error_text_of([] { (void)tree::total_nodes(1, std::numeric_limits<std::size_t>::max()); }) ==
        "overflow: parallel_size: : 18446744073709551615");
  CHECK(tree::total_nodes(1, std::numeric_limits<std::size_t>::max() / 3) > 0);
}

TEMPLATE_TEST_CASE("The tie rules differ at zero and nowhere else", "[tree]", float, double) {
  using limits = std::numeric_limits<TestType>;
  constexpr ufb::cmm::direction<TestType> trained(ufb::positive_goes_right::zero_goes_right);
  constexpr ufb::cmm::direction<TestType> benchmark(ufb::non_negative_goes_right::zero_goes_right);
  for (const TestType right : {TestType{1}, limits::denorm_min(), limits::min(), limits::max(), limits::infinity()}) {
    CHECK(trained.right(right));
    CHECK(benchmark.right(right));
    CHECK_FALSE(trained.right(-right));
    CHECK_FALSE(benchmark.right(-right));
  }
  for (const TestType zero : {TestType{0}, -TestType{0}}) {
    CHECK_FALSE(trained.right(zero));
    CHECK(benchmark.right(zero));
  }
  for (const TestType nan : {limits::quiet_NaN(), -limits::quiet_NaN()}) {
    CHECK_FALSE(trained.right(nan));
    CHECK_FALSE(benchmark.right(nan));
  }
}
