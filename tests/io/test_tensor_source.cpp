// SPDX-License-Identifier: MIT
//
// Weights of containers as a source: names with and without a wrapper's prefix, finite values, what was read.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "support.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/io/weight_files.hpp"

using namespace ufb_test;

namespace {

static_assert(std::is_base_of_v<ufb::tensor_source, ufb::safetensors_source>);
static_assert(!std::is_constructible_v<ufb::safetensors_source, ufb::safetensors>);   // would dangle
static_assert(!std::is_constructible_v<ufb::safetensors_source, ufb::weight_files>);  // as well

using sizes = std::vector<std::size_t>;

std::string two_tensors(const std::string& first, const std::string& second) {
  return container("{\"" + first + R"(":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},")" + second +
                       R"(":{"dtype":"F16","shape":[],"data_offsets":[16,18]}})",
                   data_of<float>({1, 2, 3, 4}) + data_of<std::uint16_t>({0x3c00}));
}

}  // namespace

TEST_CASE("Weights are found by name and read in parts, widened", "[source]") {
  const std::string block = two_tensors("w", "s");
  const auto file = parse(block);
  const ufb::safetensors_source source(file);
  CHECK(source.name() == "block");
  CHECK(source.contains("w"));
  CHECK_FALSE(source.contains("module.w"));
  CHECK_FALSE(source.find("v"));
  CHECK(shape_of(source, "w") == sizes{2, 2});
  CHECK(shape_of(source, "s").empty());
  CHECK(read<float>(source, "w", 1, 2) == std::vector<float>{2, 3});
  CHECK(read<double>(source, "s", 0, 1) == std::vector<double>{1});
  CHECK(read<float>(source, "w", 4, 0).empty());
  const auto outside = error_of([&] { read<float>(source, "w", 3, 2); });
  REQUIRE(outside);
  CHECK(outside->code() == ufb::error_code::invalid_input);
  CHECK(outside->file() == "block");
}

TEST_CASE("The prefix of a wrapped model is dropped from every name that carries it", "[source]") {
  const std::string wrapped_block = two_tensors("module.w", "module.s");
  const auto wrapped_file = parse(wrapped_block);
  const ufb::safetensors_source wrapped(wrapped_file);
  CHECK(wrapped.contains("w"));
  CHECK_FALSE(wrapped.contains("module.w"));
  CHECK(names_of(wrapped) == std::vector<std::string_view>{"w", "s"});
  CHECK(wrapped.entry(wrapped.find("w").value()).name == "module.w");
  CHECK(read<float>(wrapped, "w", 0, 1) == std::vector<float>{1});

  // Parts of a model may have been wrapped alone.
  const std::string mixed_block = two_tensors("module.w", "s");
  const auto mixed_file = parse(mixed_block);
  CHECK(names_of(ufb::safetensors_source(mixed_file)) == std::vector<std::string_view>{"w", "s"});

  const std::string twice_block = two_tensors("module.w", "w");
  const auto twice_file = parse(twice_block);
  const auto twice = error_of([&] { ufb::safetensors_source{twice_file}; });
  REQUIRE(twice);
  CHECK(twice->code() == ufb::error_code::duplicate_key);
  CHECK(twice->where() == "'w'");
  CHECK(twice->found() == "the same name with and without 'module.'");

  const std::string empty_block = container("{}");
  const auto empty_file = parse(empty_block);
  CHECK(ufb::safetensors_source(empty_file).size() == 0);
}

TEST_CASE("What was read is noted, not what was looked at", "[source]") {
  const std::string block = two_tensors("module.w", "module.s");
  const auto file = parse(block);
  const ufb::safetensors_source source(file);
  (void)source.contains("w");
  (void)shape_of(source, "w");
  CHECK(names_of(source, true) == std::vector<std::string_view>{"w", "s"});
  CHECK(code_of([&] { read<float>(source, "w", 0, 5); }) == "invalid_input");
  CHECK(names_of(source, true).size() == 2);
  (void)read<float>(source, "w", 0, 4);
  CHECK(names_of(source, true) == std::vector<std::string_view>{"s"});
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
      const auto problem = error_of([&] { read<float>(strict, "w", 0, 100'000); });
      REQUIRE(problem);
      CHECK(problem->code() == ufb::error_code::non_finite);
      CHECK(problem->where() == "'w'");
      CHECK_THAT(problem->found(), EndsWith(" at element " + std::to_string(index)));
      CHECK(code_of([&] { read<double>(strict, "w", 0, 100'000); }) == "non_finite");
      CHECK(names_of(strict, true).size() == 1);
      const ufb::safetensors_source lenient(file, {.allow_non_finite = true});
      CHECK(data_of(read<float>(lenient, "w", 0, 100'000)) == data_of(stored));
    }
  }
}

TEST_CASE("Non-finite half-precision weights, and doubles beyond float, are refused", "[source]") {
  const std::string half_block = one_tensor<std::uint16_t>("w", "F16", {0x7bff, 0x7c00});
  const auto half_file = parse(half_block);
  const ufb::safetensors_source half(half_file);
  const auto problem = error_of([&] { read<float>(half, "w", 1, 1); });
  REQUIRE(problem);
  CHECK(problem->found() == "inf at element 1");
  CHECK(read<float>(half, "w", 0, 1) == std::vector<float>{65'504.0F});

  const std::string wide_block = one_tensor<double>("w", "F64", {1e300});
  const auto wide_file = parse(wide_block);
  const ufb::safetensors_source wide(wide_file);
  CHECK(read<double>(wide, "w", 0, 1) == std::vector<double>{1e300});
  CHECK(code_of([&] { read<float>(wide, "w", 0, 1); }) == "non_finite");
}

TEST_CASE("Integer tensors are no weights, but hurt only whoever asks for them", "[source]") {
  const std::string block = one_tensor<std::int64_t>("position_ids", "I64", {0, 1});
  const auto file = parse(block);
  const ufb::safetensors_source source(file);
  CHECK(source.contains("position_ids"));
  CHECK(code_of([&] { read<float>(source, "position_ids", 0, 2); }) == "unsupported");
}
