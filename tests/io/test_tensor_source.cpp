// SPDX-License-Identifier: MIT
//
// The weight source: its concept, names with and without a wrapper's prefix, shapes, finite values, the load report.
#include <array>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"

using namespace ufb_test;

namespace {

/// As little as a source can be.
struct archetype {
  bool contains(std::string_view) const { return true; }
  std::vector<std::size_t> shape(std::string_view) const { return {}; }
  void read(std::string_view, std::span<const std::size_t>, std::size_t, std::span<float>) const {}
};

struct without_shape {
  bool contains(std::string_view) const { return true; }
  void read(std::string_view, std::span<const std::size_t>, std::size_t, std::span<float>) const {}
};

struct reads_only_mutable {
  bool contains(std::string_view) const { return true; }
  std::vector<std::size_t> shape(std::string_view) const { return {}; }
  void read(std::string_view, std::span<const std::size_t>, std::size_t, std::span<float>) {}
};

static_assert(ufb::tensor_source<archetype>);
static_assert(!ufb::tensor_source<archetype, double>);
static_assert(!ufb::tensor_source<without_shape>);
static_assert(!ufb::tensor_source<reads_only_mutable>);
static_assert(!ufb::tensor_source<ufb::safetensors>);
static_assert(ufb::tensor_source<ufb::safetensors_source>);
static_assert(ufb::tensor_source<ufb::safetensors_source, double>);
static_assert(!std::is_constructible_v<ufb::safetensors_source, ufb::safetensors>);  // would dangle

using sizes = std::vector<std::size_t>;

std::string two_tensors(const std::string& first, const std::string& second) {
  return container("{\"" + first + R"(":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},")" + second +
                       R"(":{"dtype":"F16","shape":[],"data_offsets":[16,18]}})",
                   data_of<float>({1, 2, 3, 4}) + data_of<std::uint16_t>({0x3c00}));
}

template <class Scalar>
std::vector<Scalar> read(const ufb::safetensors_source& source, std::string_view name, const sizes& shape,
                         std::size_t first, std::size_t count) {
  std::vector<Scalar> out(count);
  source.read<Scalar>(name, shape, first, out);
  return out;
}

}  // namespace

TEST_CASE("Weights are found by name and read in parts, widened", "[source]") {
  const std::string block = two_tensors("w", "s");
  const auto file = parse(block);
  const ufb::safetensors_source source(file);
  CHECK(source.contains("w"));
  CHECK_FALSE(source.contains("module.w"));
  CHECK(source.shape("w") == sizes{2, 2});
  CHECK(source.shape("s").empty());
  CHECK(read<float>(source, "w", {2, 2}, 1, 2) == std::vector<float>{2, 3});
  CHECK(read<double>(source, "s", {}, 0, 1) == std::vector<double>{1});
  CHECK(read<float>(source, "w", {2, 2}, 4, 0).empty());
}

TEST_CASE("Absent tensors and other shapes are missing_tensor", "[source]") {
  const std::string block = two_tensors("w", "s");
  const auto file = parse(block);
  const ufb::safetensors_source source(file);
  const auto absent = error_of([&] { read<float>(source, "v", {3, 1}, 0, 1); });
  REQUIRE(absent);
  CHECK(absent->code() == ufb::error_code::missing_tensor);
  CHECK(absent->file() == "block");
  CHECK(absent->where() == "'v'");
  CHECK(absent->expected() == "shape [3, 1]");
  CHECK(absent->found() == "no such tensor");
  CHECK(code_of([&] { (void)source.shape("v"); }) == "missing_tensor");
  for (const sizes& shape : {sizes{4}, sizes{2, 2, 1}, sizes{}, sizes{2, 3}}) {
    const auto other = error_of([&] { read<float>(source, "w", shape, 0, 1); });
    REQUIRE(other);
    CHECK(other->code() == ufb::error_code::missing_tensor);
    CHECK(other->found() == "[2, 2]");
  }
  CHECK(code_of([&] { read<float>(source, "w", {2, 2}, 3, 2); }) == "invalid_input");
}

TEST_CASE("The prefix of a wrapped model is dropped only if every name carries it", "[source]") {
  const std::string wrapped_block = two_tensors("module.w", "module.s");
  const auto wrapped_file = parse(wrapped_block);
  const ufb::safetensors_source wrapped(wrapped_file);
  CHECK(wrapped.contains("w"));
  CHECK_FALSE(wrapped.contains("module.w"));
  CHECK(wrapped.names() == std::vector<std::string_view>{"w", "s"});
  CHECK(read<float>(wrapped, "w", {2, 2}, 0, 1) == std::vector<float>{1});

  const std::string mixed_block = two_tensors("module.w", "s");
  const auto mixed_file = parse(mixed_block);
  const ufb::safetensors_source mixed(mixed_file);
  CHECK_FALSE(mixed.contains("w"));
  CHECK(mixed.contains("module.w"));

  const std::string empty_block = container("{}");
  const auto empty_file = parse(empty_block);
  CHECK(ufb::safetensors_source(empty_file).names().empty());
}

TEST_CASE("Weights that were never read are listed", "[source]") {
  const std::string block = two_tensors("module.w", "module.s");
  const auto file = parse(block);
  const ufb::safetensors_source source(file);
  (void)source.contains("w");
  (void)source.shape("w");
  CHECK(source.unused() == std::vector<std::string_view>{"w", "s"});
  CHECK(code_of([&] { read<float>(source, "w", {4}, 0, 1); }) == "missing_tensor");
  CHECK(source.unused().size() == 2);
  (void)read<float>(source, "w", {2, 2}, 0, 4);
  CHECK(source.unused() == std::vector<std::string_view>{"s"});
}

TEST_CASE("NaN and infinity are refused with tensor and index unless allowed", "[source]") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::signaling_NaN(),
                          std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    for (const std::size_t index : {0U, 65'535U, 65'536U, 99'999U}) {
      std::vector<float> stored(100'000, std::numeric_limits<float>::max());
      stored[index] = bad;
      const std::string block = one_tensor("w", "F32", stored);
      const auto file = parse(block);
      const ufb::safetensors_source strict(file);
      const auto problem = error_of([&] { read<float>(strict, "w", {100'000}, 0, 100'000); });
      REQUIRE(problem);
      CHECK(problem->code() == ufb::error_code::non_finite);
      CHECK(problem->where() == "'w'");
      CHECK_THAT(problem->found(), EndsWith(" at element " + std::to_string(index)));
      CHECK(code_of([&] { read<double>(strict, "w", {100'000}, 0, 100'000); }) == "non_finite");
      CHECK(strict.unused().size() == 1);
      const ufb::safetensors_source lenient(file, {.allow_non_finite = true});
      CHECK(data_of(read<float>(lenient, "w", {100'000}, 0, 100'000)) == data_of(stored));
    }
  }
}

TEST_CASE("Non-finite half-precision weights, and doubles beyond float, are refused", "[source]") {
  const std::string half_block = one_tensor<std::uint16_t>("w", "F16", {0x7bff, 0x7c00});
  const auto half_file = parse(half_block);
  const ufb::safetensors_source half(half_file);
  const auto problem = error_of([&] { read<float>(half, "w", {2}, 1, 1); });
  REQUIRE(problem);
  CHECK(problem->found() == "inf at element 1");
  CHECK(read<float>(half, "w", {2}, 0, 1) == std::vector<float>{65'504.0F});

  const std::string wide_block = one_tensor<double>("w", "F64", {1e300});
  const auto wide_file = parse(wide_block);
  const ufb::safetensors_source wide(wide_file);
  CHECK(read<double>(wide, "w", {1}, 0, 1) == std::vector<double>{1e300});
  CHECK(code_of([&] { read<float>(wide, "w", {1}, 0, 1); }) == "non_finite");
}

TEST_CASE("Integer tensors are no weights, but hurt only whoever asks for them", "[source]") {
  const std::string block = one_tensor<std::int64_t>("position_ids", "I64", {0, 1});
  const auto file = parse(block);
  const ufb::safetensors_source source(file);
  CHECK(source.contains("position_ids"));
  CHECK(code_of([&] { read<float>(source, "position_ids", {2}, 0, 2); }) == "unsupported");
}
