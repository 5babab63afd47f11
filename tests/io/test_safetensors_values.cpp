// SPDX-License-Identifier: MIT
//
// Reading tensor data: conversions against independent bit arithmetic, parts, alignment, and refusals.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "support.hpp"

using namespace ufb_test;

namespace {

template <class Scalar>
std::vector<Scalar> read_all(const std::string& block) {
  const auto file = parse(block);
  std::vector<Scalar> out(static_cast<std::size_t>(ufb::element_count(file.tensors()[0])));
  file.read<Scalar>(file.tensors()[0], 0, out);
  return out;
}

template <class Scalar, class Stored>
std::string read_code(const std::string& dtype, const std::vector<Stored>& values) {
  const std::string block = one_tensor("a", dtype, values);
  return code_of([&] { (void)read_all<Scalar>(block); });
}

/// The value of a number with the given fields, by the definition of the format.
double value_of(bool negative, int exponent, int fraction, int fraction_bits, int bias) {
  const int significand = exponent == 0 ? fraction : fraction + (1 << fraction_bits);
  const double size = std::ldexp(static_cast<double>(significand), std::max(exponent, 1) - bias - fraction_bits);
  return negative ? -size : size;
}

/// Bits of the float with that value, NaNs quiet, as hardware may make them.
std::uint32_t expected_bits(std::uint32_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits;
  const bool negative = (bits >> 15U) != 0;
  const int exponent = static_cast<int>(bits >> static_cast<unsigned>(fraction_bits)) & ((1 << exponent_bits) - 1);
  const int fraction = static_cast<int>(bits) & ((1 << fraction_bits) - 1);
  const std::uint32_t sign = negative ? 0x8000'0000U : 0U;
  if (exponent == (1 << exponent_bits) - 1) {
    if (fraction == 0) return sign | 0x7f80'0000U;
    return sign | 0x7fc0'0000U | (static_cast<std::uint32_t>(fraction) << static_cast<unsigned>(23 - fraction_bits));
  }
  const double value = value_of(negative, exponent, fraction, fraction_bits, (1 << (exponent_bits - 1)) - 1);
  return std::bit_cast<std::uint32_t>(static_cast<float>(value));
}

std::uint32_t quiet(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return (bits & 0x7fff'ffffU) > 0x7f80'0000U ? bits | 0x0040'0000U : bits;
}

void check_half_type(const std::string& dtype, int exponent_bits) {
  std::vector<std::uint16_t> stored(65'536);
  std::iota(stored.begin(), stored.end(), std::uint16_t{0});
  const std::string block = one_tensor("a", dtype, stored);
  const auto floats = read_all<float>(block);
  const auto doubles = read_all<double>(block);
  std::size_t wrong = 0;
  for (std::uint32_t bits = 0; bits < 65'536; ++bits) {
    const std::uint32_t expected = expected_bits(bits, exponent_bits);
    const double expected_double = static_cast<double>(std::bit_cast<float>(expected));
    const bool same_double = std::isnan(expected_double) ? std::isnan(doubles[bits])
                                                         : std::bit_cast<std::uint64_t>(doubles[bits]) ==
                                                               std::bit_cast<std::uint64_t>(expected_double);
    if (quiet(floats[bits]) != expected || !same_double) ++wrong;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("All 65,536 values of F16 widen exactly", "[safetensors]") { check_half_type("F16", 5); }

TEST_CASE("All 65,536 values of BF16 widen exactly", "[safetensors]") { check_half_type("BF16", 8); }

TEST_CASE("F32 and F64 are copied, widened or rounded", "[safetensors]") {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> floats = {0.0F, -0.0F, 1.5F, 1e-45F, 3.4028235e38F, inf, -inf};
  CHECK(data_of(read_all<float>(one_tensor("a", "F32", floats))) == data_of(floats));
  CHECK(read_all<double>(one_tensor("a", "F32", floats)) == std::vector<double>(floats.begin(), floats.end()));
  const std::vector<double> doubles = {0.1, -2.5, 1e-320, 1.0 + 0x1p-24, 1.0 + 0x1.8p-23};
  CHECK(data_of(read_all<double>(one_tensor("a", "F64", doubles))) == data_of(doubles));
  CHECK(read_all<float>(one_tensor("a", "F64", doubles)) ==
        std::vector<float>{0.1F, -2.5F, 0.0F, 1.0F, 1.0F + 0x1p-22F});
}

TEST_CASE("Integer types convert to integers and refuse what does not fit", "[safetensors]") {
  using limits32 = std::numeric_limits<std::int32_t>;
  using limits64 = std::numeric_limits<std::int64_t>;
  const std::vector<std::int64_t> wide = {0, -1, limits64::min(), limits64::max()};
  CHECK(read_all<std::int64_t>(one_tensor("a", "I64", wide)) == wide);
  CHECK(read_all<std::int32_t>(one_tensor<std::int64_t>("a", "I64", {limits32::min(), limits32::max()})) ==
        std::vector<std::int32_t>{limits32::min(), limits32::max()});
  CHECK(read_all<std::int64_t>(one_tensor<std::int32_t>("a", "I32", {-7, 7})) == std::vector<std::int64_t>{-7, 7});
  CHECK(read_all<std::int32_t>(one_tensor<std::int16_t>("a", "I16", {-300, 300})) ==
        std::vector<std::int32_t>{-300, 300});
  CHECK(read_all<std::int32_t>(one_tensor<std::uint16_t>("a", "U16", {65'535})) == std::vector<std::int32_t>{65'535});
  CHECK(read_all<std::int32_t>(one_tensor<std::int8_t>("a", "I8", {-128})) == std::vector<std::int32_t>{-128});
  CHECK(read_all<std::int32_t>(one_tensor<std::uint8_t>("a", "U8", {255})) == std::vector<std::int32_t>{255});
  CHECK(read_all<std::int64_t>(one_tensor<std::uint32_t>("a", "U32", {0xffff'ffffU})) ==
        std::vector<std::int64_t>{0xffff'ffff});
  CHECK(read_all<std::int32_t>(one_tensor<std::uint8_t>("a", "BOOL", {0, 1})) == std::vector<std::int32_t>{0, 1});

  CHECK(read_code<std::int32_t, std::int64_t>("I64", {0, std::int64_t{limits32::max()} + 1}) == "bad_value");
  CHECK(read_code<std::int32_t, std::int64_t>("I64", {std::int64_t{limits32::min()} - 1}) == "bad_value");
  CHECK(read_code<std::int64_t, std::uint64_t>("U64", {std::uint64_t{1} << 63U}) == "bad_value");
  CHECK(read_code<std::int32_t, std::uint32_t>("U32", {0x8000'0000U}) == "bad_value");
  CHECK(read_code<std::int32_t, std::uint8_t>("BOOL", {2}) == "bad_value");
}

TEST_CASE("Conversions that make no sense are unsupported and name what is accepted", "[safetensors]") {
  const std::string block = one_tensor<std::int64_t>("ids", "I64", {1});
  const auto file = parse(block);
  float value = 7.0F;
  const auto problem = error_of([&] { file.read<float>(*file.find("ids"), 0, std::span(&value, 1)); });
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::unsupported);
  CHECK(problem->where() == "'ids'");
  CHECK(problem->expected() == "F16, BF16, F32 or F64");
  CHECK(problem->found() == "I64");
  CHECK(value == 7.0F);
  CHECK(read_code<std::int32_t, float>("F32", {1.0F}) == "unsupported");
  CHECK(read_code<double, std::uint8_t>("F8_E4M3", {1}) == "unsupported");
  CHECK(read_code<float, std::uint8_t>("BOOL", {1}) == "unsupported");
  CHECK(read_code<float, std::uint64_t>("C64", {1}) == "unsupported");
  const std::string packed = container(R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", "1");
  CHECK(code_of([&] { (void)read_all<float>(packed); }) == "unsupported");
  CHECK(code_of([&] { (void)read_all<std::int32_t>(packed); }) == "unsupported");
}

TEST_CASE("Any part of a tensor can be read, also across the converter's pieces", "[safetensors]") {
  std::vector<std::int32_t> stored(50'000);
  std::iota(stored.begin(), stored.end(), -20'000);
  const std::string block = one_tensor("a", "I32", stored);
  const auto file = parse(block);
  const auto& entry = file.tensors()[0];
  for (const std::size_t first : {0U, 1U, 8'191U, 8'192U, 31'234U, 50'000U}) {
    std::vector<std::int64_t> out(stored.size() - first);
    file.read<std::int64_t>(entry, first, out);
    CHECK(std::equal(out.begin(), out.end(), stored.begin() + static_cast<std::ptrdiff_t>(first)));
  }
  std::vector<std::byte> bytes(3);
  file.read_bytes(entry, 5, bytes);
  CHECK(std::memcmp(bytes.data(), data_of(stored).data() + 5, 3) == 0);
}

TEST_CASE("Ranges that leave the tensor are invalid_input and leave the output alone", "[safetensors]") {
  const std::string block = one_tensor<float>("a", "F32", {1.0F, 2.0F, 3.0F});
  const auto file = parse(block);
  const auto& entry = file.tensors()[0];
  std::vector<float> out(2, -1.0F);
  const auto problem = error_of([&] { file.read<float>(entry, 2, out); });
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::invalid_input);
  CHECK(problem->where() == "'a'");
  CHECK(problem->expected() == "a range inside its 3 elements");
  CHECK(problem->found() == "2 elements from 2");
  CHECK(out == std::vector<float>(2, -1.0F));
  const auto huge = ~std::uint64_t{0};
  CHECK(code_of([&] { file.read<float>(entry, huge, out); }) == "invalid_input");
  CHECK(code_of([&] { file.read<float>(entry, (std::uint64_t{1} << 62U) + 1, out); }) == "invalid_input");
  CHECK(code_of([&] { file.read<float>(entry, 4, std::span<float>()); }) == "invalid_input");
  CHECK(code_of([&] { file.read<float>(entry, 3, std::span<float>()); }) == "none");
  std::vector<std::byte> bytes(4);
  CHECK(code_of([&] { file.read_bytes(entry, 9, bytes); }) == "invalid_input");
  CHECK(code_of([&] { file.read_bytes(entry, huge - 2, bytes); }) == "invalid_input");
  CHECK(code_of([&] { file.read_bytes(entry, 8, bytes); }) == "none");
  const ufb::tensor_entry foreign{.name = "b", .type = ufb::dtype::f32, .shape = {4}, .begin = 0, .end = 16};
  CHECK(code_of([&] { file.read<float>(foreign, 0, out); }) == "invalid_input");
}

TEST_CASE("A block at any alignment gives the same values", "[safetensors]") {
  const std::vector<double> stored = {1.0, -2.5, 3e300};
  const std::string block = one_tensor("a", "F64", stored);
  const std::vector<std::int64_t> integers = {1, -2, 3};
  const std::string integer_block = one_tensor("a", "I64", integers);
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const std::string shifted = std::string(shift, 'x') + block;
    const auto file = ufb::safetensors::from_memory(bytes_of(shifted).subspan(shift), "shifted");
    std::vector<double> out(3);
    file.read<double>(file.tensors()[0], 0, out);
    CHECK(out == stored);
    const std::string shifted_integers = std::string(shift, 'x') + integer_block;
    const auto integer_file = ufb::safetensors::from_memory(bytes_of(shifted_integers).subspan(shift), "shifted");
    std::vector<std::int32_t> narrow(3);
    integer_file.read<std::int32_t>(integer_file.tensors()[0], 0, narrow);
    CHECK(narrow == std::vector<std::int32_t>{1, -2, 3});
  }
}
