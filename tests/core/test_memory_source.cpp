// SPDX-License-Identifier: MIT
//
// The source over memory: what it holds, what it hands out in either type, and the ranges and shapes that it refuses.
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/core/memory_source.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;

namespace {

static_assert(std::is_base_of_v<ufb::tensor_source, ufb::memory_source>);
static_assert(std::is_abstract_v<ufb::tensor_source>);

ufb::memory_source small_source() {
  ufb::memory_source source("weights of the game");
  source.add("a.weight", {2, 3}, {0, 1, 2, 3, 4, 5});
  source.add("scale", {}, {0.25F});
  source.add("nothing", {0, 7}, {});
  return source;
}

}  // namespace

TEST_CASE("Tensors are numbered in the order in which they came, and found by name", "[memory_source]") {
  const auto source = small_source();
  CHECK(source.name() == "weights of the game");
  CHECK(ufb::memory_source().name() == "memory");
  REQUIRE(source.size() == 3);
  CHECK(source.tensor_name(0) == "a.weight");
  CHECK(source.shape(0) == std::vector<std::size_t>{2, 3});
  CHECK(source.shape(1).empty());
  CHECK(source.shape(2) == std::vector<std::size_t>{0, 7});
  CHECK(source.find("scale") == std::optional<std::size_t>(1));
  CHECK(source.find("a.weigh") == std::nullopt);
  CHECK(source.contains("nothing"));
  CHECK_FALSE(source.contains(""));
  CHECK(source.values(0).size() == 6);
}

TEST_CASE("Elements are handed out from any place, as float or as double", "[memory_source]") {
  const auto source = small_source();
  std::vector<float> floats(3);
  source.read(0, 2, floats);
  CHECK(floats == std::vector<float>{2, 3, 4});
  std::vector<double> doubles(6);
  source.read(0, 0, doubles);
  CHECK(doubles == std::vector<double>{0, 1, 2, 3, 4, 5});
  source.read(0, 6, std::span<float>{});
  source.read(2, 0, std::span<double>{});
  const ufb::tensor scale(source, 1);
  double value = 0;
  scale.read(0, std::span<double>(&value, 1));
  CHECK(value == 0.25);
  CHECK(scale.name() == "scale");
  CHECK(scale.shape().empty());
  CHECK(&scale.source() == &source);
}

TEST_CASE("A range that leaves its tensor is invalid and names source, tensor and range", "[memory_source]") {
  const auto source = small_source();
  std::vector<float> floats(4, 7.0F);
  const auto problem = error_of([&] { source.read(0, 3, std::span<float>(floats)); });
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::invalid_input);
  CHECK(problem->file() == "weights of the game");
  CHECK(problem->where() == "'a.weight'");
  CHECK(problem->expected() == "a range inside its 6 elements");
  CHECK(problem->found() == "4 elements from 3");
  CHECK(floats == std::vector<float>(4, 7.0F));
  std::vector<double> one(1);
  CHECK(error_of([&] { source.read(1, 1, one); }));
  CHECK(error_of([&] { source.read(1, std::numeric_limits<std::size_t>::max(), one); }));
  CHECK(error_of([&] { source.read(2, 0, one); }));
}

TEST_CASE("A tensor needs as many values as its shape has, also where the product does not fit", "[memory_source]") {
  constexpr std::size_t huge = std::numeric_limits<std::size_t>::max() / 2 + 1;
  ufb::memory_source source;
  const auto text = [&](const std::vector<std::size_t>& shape, std::size_t values) {
    return error_text_of([&] { source.add("w", shape, std::vector<float>(values)); });
  };
  CHECK(text({2, 3}, 5) == "shape_mismatch: 'w': the elements of (2, 3): 5");
  CHECK(text({}, 0) == "shape_mismatch: 'w': the elements of (): 0");
  CHECK(text({0}, 1) == "shape_mismatch: 'w': the elements of (0): 1");
  CHECK(text({huge, 2}, 0) == "shape_mismatch: 'w': the elements of (9223372036854775808, 2): 0");
  CHECK(source.size() == 0);
  CHECK(text({huge, 2, 0}, 0) == "none");
  CHECK(text({6}, 6) == "none");
}

TEST_CASE("Adding a name once more replaces the tensor and keeps its number", "[memory_source]") {
  auto source = small_source();
  source.add("a.weight", {1}, {9});
  CHECK(source.size() == 3);
  CHECK(source.find("a.weight") == std::optional<std::size_t>(0));
  CHECK(source.shape(0) == std::vector<std::size_t>{1});
  CHECK(source.values(0)[0] == 9.0F);
  CHECK(error_of([&] { source.add("scale", {2}, {1}); }));
  CHECK(source.values(1)[0] == 0.25F);  // a refused one leaves the old
  const ufb::memory_source moved = std::move(source);
  CHECK(moved.size() == 3);
  CHECK(moved.find("scale") == std::optional<std::size_t>(1));
}
