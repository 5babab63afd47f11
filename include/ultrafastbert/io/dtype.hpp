// SPDX-License-Identifier: MIT
//
// Element types of safetensors files: names, sizes, and the decoding of stored elements into C++ numbers.
// Half-precision values widen exactly; stored bytes are copied, never reinterpreted, so their alignment is free.
// Layer: io.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace ultrafastbert {

static_assert(std::endian::native == std::endian::little, "safetensors data is read without swapping bytes");

/// Element types that the container format defines.
enum class dtype : std::uint8_t {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64,
};

namespace io {

struct dtype_facts {
  std::string_view name;
  unsigned bits;
};

/// Indexed by `dtype`.
inline constexpr std::array<dtype_facts, 22> dtype_table = {{
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
}};

}  // namespace io

/// Spelling inside files, such as "BF16".
[[nodiscard]] constexpr std::string_view name(dtype type) noexcept {
  return io::dtype_table[static_cast<std::size_t>(type)].name;
}

/// Bits of one element.
[[nodiscard]] constexpr unsigned bits(dtype type) noexcept {
  return io::dtype_table[static_cast<std::size_t>(type)].bits;
}

/// Bytes of one element; 0 for the packed types, whose elements are smaller than a byte.
[[nodiscard]] constexpr std::size_t bytes(dtype type) noexcept { return bits(type) / 8; }

/// The type of that spelling, or nothing.
[[nodiscard]] constexpr std::optional<dtype> find_dtype(std::string_view spelling) noexcept {
  for (std::size_t i = 0; i < io::dtype_table.size(); ++i) {
    if (io::dtype_table[i].name == spelling) return static_cast<dtype>(i);
  }
  return std::nullopt;
}

/// C++ types that tensors can be read into.
template <class Scalar>
concept tensor_scalar = std::same_as<Scalar, float> || std::same_as<Scalar, double> ||
    std::same_as<Scalar, std::int32_t> || std::same_as<Scalar, std::int64_t>;

namespace io {

/// Bytes that `elements` elements occupy, or nothing if that is no whole number of bytes.
/// Pre: elements * bytes(type) fits.
[[nodiscard]] constexpr std::optional<std::uint64_t> packed_bytes(dtype type, std::uint64_t elements) noexcept {
  const std::uint64_t rest_bits = elements % 8 * bits(type);
  if (rest_bits % 8 != 0) return std::nullopt;
  return elements / 8 * bits(type) + rest_bits / 8;
}

/// Whether an element's bytes are those of a `Scalar`.
template <tensor_scalar Scalar>
[[nodiscard]] constexpr bool is_stored_as(dtype type) noexcept {
  if constexpr (std::same_as<Scalar, float>) return type == dtype::f32;
  if constexpr (std::same_as<Scalar, double>) return type == dtype::f64;
  if constexpr (std::same_as<Scalar, std::int32_t>) return type == dtype::i32;
  if constexpr (std::same_as<Scalar, std::int64_t>) return type == dtype::i64;
}

/// What `decode` converts to a `Scalar`, for messages.
template <tensor_scalar Scalar>
[[nodiscard]] constexpr std::string_view decodable_names() noexcept {
  return std::floating_point<Scalar> ? "F16, BF16, F32 or F64" : "BOOL, U8, I8, U16, I16, U32, I32, U64 or I64";
}

/// Whether `decode` converts elements of this type to a `Scalar`.
template <tensor_scalar Scalar>
[[nodiscard]] constexpr bool is_decodable(dtype type) noexcept {
  switch (type) {
    case dtype::f16:
    case dtype::bf16:
    case dtype::f32:
    case dtype::f64: return std::floating_point<Scalar>;
    case dtype::boolean:
    case dtype::u8:
    case dtype::i8:
    case dtype::u16:
    case dtype::i16:
    case dtype::u32:
    case dtype::i32:
    case dtype::u64:
    case dtype::i64: return std::integral<Scalar>;
    default: return false;
  }
}

template <class Stored>
[[nodiscard]] Stored load_element(const std::byte* stored, std::size_t index) noexcept {
  Stored value{};
  std::memcpy(&value, stored + index * sizeof(Stored), sizeof(Stored));
  return value;
}

/// IEEE binary16 to binary32, exactly. Infinities and NaN keep their sign and payload.
[[nodiscard]] constexpr float widen_half(std::uint16_t stored) noexcept {
  const std::uint32_t sign = (stored & 0x8000U) << 16U;
  const std::uint32_t magnitude = stored & 0x7fffU;
  // Subnormal numbers are multiples of 2^-24, which float holds as normal ones.
  if (magnitude < 0x400U) {
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-24F));
  }
  constexpr std::uint32_t bias = (127U - 15U) << 23U;  // of the exponents against each other
  return std::bit_cast<float>(sign | ((magnitude << 13U) + (magnitude < 0x7c00U ? bias : 2 * bias)));
}

/// bfloat16, the upper half of binary32, to binary32, exactly.
[[nodiscard]] constexpr float widen_bfloat16(std::uint16_t stored) noexcept {
  return std::bit_cast<float>(std::uint32_t{stored} << 16U);
}

template <std::floating_point Scalar>
void decode_floating(dtype type, const std::byte* stored, std::span<Scalar> out) noexcept {
  const auto fill = [&](const auto& element) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<Scalar>(element(i));
  };
  switch (type) {
    case dtype::f16:
      return fill([stored](std::size_t i) { return widen_half(load_element<std::uint16_t>(stored, i)); });
    case dtype::bf16:
      return fill([stored](std::size_t i) { return widen_bfloat16(load_element<std::uint16_t>(stored, i)); });
    case dtype::f32: return fill([stored](std::size_t i) { return load_element<float>(stored, i); });
    default: return fill([stored](std::size_t i) { return load_element<double>(stored, i); });
  }
}

/// Index of the first element that does not fit, or out.size().
template <class Stored, std::integral Scalar>
[[nodiscard]] std::size_t decode_integers(const std::byte* stored, std::span<Scalar> out) noexcept {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto value = load_element<Stored>(stored, i);
    if (!std::in_range<Scalar>(value)) return i;
    out[i] = static_cast<Scalar>(value);
  }
  return out.size();
}

/// Converts out.size() stored elements. Floating numbers widen exactly or round to nearest.
/// Pre: is_decodable<Scalar>(type); `stored` holds that many elements, at any alignment.
/// Returns the index of the first element that a `Scalar` cannot hold (a boolean must be 0 or 1), or out.size().
template <tensor_scalar Scalar>
[[nodiscard]] std::size_t decode(dtype type, const std::byte* stored, std::span<Scalar> out) noexcept {
  if constexpr (std::floating_point<Scalar>) {
    decode_floating(type, stored, out);
    return out.size();
  } else {
    switch (type) {
      case dtype::boolean: {
        for (std::size_t i = 0; i < out.size(); ++i) {
          out[i] = load_element<std::uint8_t>(stored, i);
          if (out[i] > 1) return i;
        }
        return out.size();
      }
      case dtype::u8: return decode_integers<std::uint8_t>(stored, out);
      case dtype::i8: return decode_integers<std::int8_t>(stored, out);
      case dtype::u16: return decode_integers<std::uint16_t>(stored, out);
      case dtype::i16: return decode_integers<std::int16_t>(stored, out);
      case dtype::u32: return decode_integers<std::uint32_t>(stored, out);
      case dtype::i32: return decode_integers<std::int32_t>(stored, out);
      case dtype::u64: return decode_integers<std::uint64_t>(stored, out);
      default: return decode_integers<std::int64_t>(stored, out);
    }
  }
}

}  // namespace io

}  // namespace ultrafastbert
