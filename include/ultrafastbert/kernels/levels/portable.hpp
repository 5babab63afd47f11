// SPDX-License-Identifier: MIT
//
// The portable level: the vector vocabulary over the compiler's own vectors of four floats, and its tables. A product
// is always rounded before it is added, whatever processor the including program is compiled for, so that the bits are
// the same on every machine.
// Layer: kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/constants.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/rounding.hpp"
#include "ultrafastbert/kernels/tables.hpp"

// Compilers must not fuse a * b + c. On x86 the functions do without AVX, on which every fused instruction builds, so
// they are the same instructions in every program. Elsewhere g++ is asked per function; clang fuses even across
// statements where it was told to, so that products pass through `rounded`.
#if UFB_KERNELS_X86
#define UFB_KERNEL [[gnu::target("no-avx")]]
#define UFB_KERNEL_INLINE [[gnu::always_inline, gnu::target("no-avx")]] inline
#elif defined(__GNUC__) && !defined(__clang__)
#define UFB_KERNEL [[gnu::optimize("fp-contract=off")]]
#define UFB_KERNEL_INLINE [[gnu::always_inline, gnu::optimize("fp-contract=off")]] inline
#else
#define UFB_KERNEL
#define UFB_KERNEL_INLINE [[gnu::always_inline]] inline
#endif

namespace ultrafastbert::kernels::portable {

using vector [[gnu::vector_size(16)]] = float;
using integers [[gnu::vector_size(16)]] = std::int32_t;
using words_4 [[gnu::vector_size(16)]] = std::uint32_t;
inline constexpr std::size_t lanes = 4;
inline constexpr std::size_t dot_vectors = 4;
inline constexpr std::size_t dot_chains = 1;
inline constexpr bool tiles_dots = false;
inline constexpr std::size_t rows_in_registers = 0;
inline constexpr bool prefetches = false;        // what comes next, within rows
inline constexpr bool prefetches_tiles = false;  // and within tiles of rows and inputs
inline constexpr bool streams = false;
inline constexpr std::size_t panel_vectors = 2;

UFB_KERNEL_INLINE void keep(vector& /*v*/) noexcept {}
UFB_KERNEL_INLINE void keep(integers& /*v*/) noexcept {}

UFB_KERNEL_INLINE vector splat(float c) noexcept { return vector{c, c, c, c}; }
UFB_KERNEL_INLINE vector load(const float* p) noexcept {
  vector v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
UFB_KERNEL_INLINE vector load_some(const float* p, std::size_t n) noexcept {
  vector v{};
  for (std::size_t l = 0; l < n; ++l) v[l] = p[l];
  return v;
}
UFB_KERNEL_INLINE void store(float* p, vector v) noexcept { __builtin_memcpy(p, &v, sizeof v); }
UFB_KERNEL_INLINE void store_some(float* p, std::size_t n, vector v) noexcept {
  for (std::size_t l = 0; l < n; ++l) p[l] = v[l];
}
UFB_KERNEL_INLINE void stream(float* p, vector v) noexcept { store(p, v); }
UFB_KERNEL_INLINE void fence() noexcept {}

UFB_KERNEL_INLINE words_4 bits_of(vector v) noexcept { return __builtin_bit_cast(words_4, v); }
UFB_KERNEL_INLINE vector from_bits(words_4 bits) noexcept { return __builtin_bit_cast(vector, bits); }
UFB_KERNEL_INLINE words_4 splat_bits(std::uint32_t c) noexcept { return words_4{c, c, c, c}; }
// All bits where the condition holds, none elsewhere.
UFB_KERNEL_INLINE words_4 all_if(integers condition) noexcept { return __builtin_bit_cast(words_4, condition); }
UFB_KERNEL_INLINE vector choose(words_4 mask, vector a, vector b) noexcept {
  return from_bits((bits_of(a) & mask) | (bits_of(b) & ~mask));
}

UFB_KERNEL_INLINE vector load_weights(const float* p) noexcept { return load(p); }
UFB_KERNEL_INLINE words_4 load_halves(const void* p) noexcept {
  using halves_4 [[gnu::vector_size(8)]] = std::uint16_t;
  halves_4 halves;
  __builtin_memcpy(&halves, p, sizeof halves);
  return __builtin_convertvector(halves, words_4);
}
UFB_KERNEL_INLINE vector load_weights(const bfloat16_bits* p) noexcept {
  return from_bits(load_halves(p) << splat_bits(16));
}
UFB_KERNEL_INLINE vector load_joined(const bfloat16_bits* upper, const std::int16_t* lower) noexcept {
  // A lower half of 0x8000 and more is negative: it takes 1 from the upper one.
  const words_4 low = load_halves(lower);
  return from_bits(((load_halves(upper) - (low >> splat_bits(15))) << splat_bits(16)) + low);
}
UFB_KERNEL_INLINE vector load_weights(const float16_bits* p) noexcept {
  constexpr std::uint32_t bias = 127 - 15;  // between the exponents of the two formats
  const words_4 first_normal = splat_bits((bias + 1) << 23U);
  const words_4 whole = load_halves(p);
  const words_4 sign = (whole & splat_bits(0x8000U)) << splat_bits(16);
  const words_4 magnitude = (whole & splat_bits(0x7fffU)) << splat_bits(13);
  // Infinity and NaN take the bias twice, from exponent 31 to 255.
  const words_4 is_special = all_if(__builtin_bit_cast(integers, magnitude) >= integers{} + (31 << 23));
  const words_4 normal = magnitude + splat_bits(bias << 23U) + (is_special & splat_bits(bias << 23U));
  // Subnormals count in units of 2^-24: made the fraction of a number from 2^-14 on, which is then taken off again.
  const words_4 subnormal = bits_of(from_bits(magnitude + first_normal) - from_bits(first_normal));
  const words_4 is_subnormal = all_if(__builtin_bit_cast(integers, magnitude) < integers{} + (1 << 23));
  return from_bits(sign | (subnormal & is_subnormal) | (normal & ~is_subnormal));
}
UFB_KERNEL_INLINE vector load_weights(const std::int8_t* p) noexcept {
  const integers v{p[0], p[1], p[2], p[3]};
  return __builtin_convertvector(v, vector);
}

UFB_KERNEL_INLINE vector first_of(vector v, std::size_t n, vector rest) noexcept {
  for (std::size_t l = 0; l < n; ++l) rest[l] = v[l];
  return rest;
}
UFB_KERNEL_INLINE vector rounded(vector v) noexcept {
#if defined(__clang__) && defined(__aarch64__)
  asm("" : "+w"(v));
#elif defined(__clang__) && !UFB_KERNELS_X86
  asm("" : "+m"(v));
#endif
  return v;
}
UFB_KERNEL_INLINE vector add(vector a, vector b) noexcept { return a + b; }
UFB_KERNEL_INLINE vector subtract(vector a, vector b) noexcept { return a - b; }
UFB_KERNEL_INLINE vector multiply(vector a, vector b) noexcept { return rounded(a * b); }
UFB_KERNEL_INLINE vector divide(vector a, vector b) noexcept { return a / b; }
UFB_KERNEL_INLINE vector multiply_add(vector a, vector b, vector c) noexcept { return multiply(a, b) + c; }
UFB_KERNEL_INLINE vector subtract_product(vector c, vector a, vector b) noexcept { return c - multiply(a, b); }
UFB_KERNEL_INLINE vector largest(vector a, vector b) noexcept { return choose(all_if(a < b), b, a); }
// The second operand where one of them is NaN.
UFB_KERNEL_INLINE vector smallest(vector a, vector b) noexcept { return choose(all_if(a < b), a, b); }
UFB_KERNEL_INLINE vector magnitude(vector v) noexcept { return from_bits(bits_of(v) & splat_bits(0x7fffffffU)); }
// NaN, whatever its sign, passes through.
UFB_KERNEL_INLINE vector positive_part(vector v) noexcept { return choose(all_if(v <= vector{}), vector{}, v); }
UFB_KERNEL_INLINE vector with_sign_of(vector v, vector sign) noexcept {
  return from_bits(bits_of(v) | (bits_of(sign) & splat_bits(0x80000000U)));
}
UFB_KERNEL_INLINE vector choose_below(vector x, vector limit, vector below, vector otherwise) noexcept {
  return choose(all_if(x < limit), below, otherwise);
}
UFB_KERNEL_INLINE vector zero_below(vector x, vector limit, vector v) noexcept {
  return from_bits(bits_of(v) & ~all_if(x < limit));
}
UFB_KERNEL_INLINE vector nearest(vector v) noexcept { return (v + splat(rounding_shift)) - splat(rounding_shift); }
UFB_KERNEL_INLINE vector add_to_exponent(vector v, vector n) noexcept {
  return from_bits(bits_of(v) + (bits_of(n + splat(rounding_shift)) << splat_bits(23)));
}
UFB_KERNEL_INLINE vector power_of_two(vector t) noexcept {
  return from_bits((bits_of(t) << splat_bits(23)) + splat_bits(0x3f800000U));
}

UFB_KERNEL_INLINE float lane_0(vector v) noexcept { return v[0]; }
UFB_KERNEL_INLINE float sum_of(vector v) noexcept { return (v[0] + v[2]) + (v[1] + v[3]); }
UFB_KERNEL_INLINE float largest_of(vector v) noexcept {
  float most = v[0];
  for (std::size_t l = 1; l < lanes; ++l) most = most < v[l] ? v[l] : most;
  return most;
}
// Lane l of sixteen is added to lane l + 8, the sum to that of l + 4, and so on.
UFB_KERNEL_INLINE float dot_total(const vector* a) noexcept { return sum_of((a[0] + a[2]) + (a[1] + a[3])); }
UFB_KERNEL_INLINE void dot_totals(const vector* a, const vector* b, const vector* c, const vector* d,
                                  float* z) noexcept {
  z[0] = sum_of((a[0] + a[2]) + (a[1] + a[3]));
  z[1] = sum_of((b[0] + b[2]) + (b[1] + b[3]));
  z[2] = sum_of((c[0] + c[2]) + (c[1] + c[3]));
  z[3] = sum_of((d[0] + d[2]) + (d[1] + d[3]));
}

UFB_KERNEL_INLINE integers load_words(const void* p) noexcept {
  integers v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
UFB_KERNEL_INLINE integers splat_words(std::uint32_t word) noexcept {
  return __builtin_bit_cast(integers, splat_bits(word));
}
UFB_KERNEL_INLINE vector as_floats(integers words) noexcept { return __builtin_bit_cast(vector, words); }
UFB_KERNEL_INLINE integers as_words(vector v) noexcept { return __builtin_bit_cast(integers, v); }
UFB_KERNEL_INLINE vector to_floats(integers v) noexcept { return __builtin_convertvector(v, vector); }
// Only the low bytes matter, and only of numbers of up to 2^22.
UFB_KERNEL_INLINE integers nearest_integers(vector v) noexcept {
  return __builtin_bit_cast(integers, bits_of(v + splat(rounding_shift)) - bits_of(splat(rounding_shift)));
}
UFB_KERNEL_INLINE integers bits_and(integers a, integers b) noexcept { return a & b; }
UFB_KERNEL_INLINE integers bits_or(integers a, integers b) noexcept { return a | b; }
// Wraps around.
UFB_KERNEL_INLINE integers add(integers a, integers b) noexcept {
  return __builtin_bit_cast(integers, __builtin_bit_cast(words_4, a) + __builtin_bit_cast(words_4, b));
}
UFB_KERNEL_INLINE integers largest(integers a, integers b) noexcept {
  const integers below = a < b;
  return (b & below) | (a & ~below);
}
UFB_KERNEL_INLINE integers up_16(integers v) noexcept {
  return __builtin_bit_cast(integers, __builtin_bit_cast(words_4, v) << splat_bits(16));
}
UFB_KERNEL_INLINE integers down_16(integers v) noexcept {
  return __builtin_bit_cast(integers, __builtin_bit_cast(words_4, v) >> splat_bits(16));
}
UFB_KERNEL_INLINE integers choose_nan(vector v, integers if_nan, integers otherwise) noexcept {
  const integers nan = v != v;  // NOLINT(misc-redundant-expression): not equal to itself
  return (if_nan & nan) | (otherwise & ~nan);
}
UFB_KERNEL_INLINE std::uint32_t largest_of(integers v) noexcept {
  std::int32_t most = v[0];
  for (std::size_t l = 1; l < lanes; ++l) most = most < v[l] ? v[l] : most;
  return static_cast<std::uint32_t>(most);
}
// The low halves and the low bytes of sixteen words.
UFB_KERNEL_INLINE void store_halves(std::uint32_t* to, const integers (&words)[4]) noexcept {
  for (std::size_t i = 0; i < 8; ++i) {
    const auto low = static_cast<std::uint32_t>(words[i / 2][2 * i % 4]) & 0xffffU;
    to[i] = low | static_cast<std::uint32_t>(words[i / 2][2 * i % 4 + 1]) << 16U;
  }
}
UFB_KERNEL_INLINE void store_bytes(std::uint32_t* to, const integers (&words)[4]) noexcept {
  for (std::size_t i = 0; i < 4; ++i) {
    to[i] = 0;
    for (std::size_t l = 0; l < lanes; ++l) {
      to[i] |= (static_cast<std::uint32_t>(words[i][l]) & 0xffU) << static_cast<unsigned>(8 * l);
    }
  }
}
// s + the four products of bytes of each word; wraps around.
UFB_KERNEL_INLINE integers add_byte_products(integers s, integers x, integers b) noexcept {
  words_4 sum = __builtin_bit_cast(words_4, s);
  for (int up = 24; up >= 0; up -= 8) {
    const integers x_term = (x << (integers{} + up)) >> (integers{} + 24);
    const integers b_term = (b << (integers{} + up)) >> (integers{} + 24);
    sum += __builtin_bit_cast(words_4, x_term * b_term);
  }
  return __builtin_bit_cast(integers, sum);
}

// In this order: some build on others.
// clang-format off
#include "ultrafastbert/kernels/algorithms/dots.inc"
#include "ultrafastbert/kernels/algorithms/sums.inc"
#include "ultrafastbert/kernels/algorithms/rows.inc"
#include "ultrafastbert/kernels/algorithms/activations.inc"
#include "ultrafastbert/kernels/algorithms/small_walk.inc"
#include "ultrafastbert/kernels/algorithms/products.inc"
#include "ultrafastbert/kernels/algorithms/conversions.inc"
#include "ultrafastbert/kernels/algorithms/byte_products.inc"
// clang-format on

inline constexpr gemm_kernels float32_products =
    products_of<float32_product>({.name = "portable"}, std::make_index_sequence<4>{}, std::index_sequence<>{});
inline constexpr gemm_kernels bfloat16_products =
    products_of<bfloat16_product>({.name = "portable", .terms = 2, .convert = to_wide_bfloat16, .input_words = 2},
                                  std::make_index_sequence<4>{}, std::index_sequence<>{});
inline constexpr gemm_kernels int8_products = products_of<int8_product>(
    {.name = "portable", .terms = 4, .convert = to_int8<0>}, std::make_index_sequence<4>{}, std::index_sequence<>{});

}  // namespace ultrafastbert::kernels::portable

#undef UFB_KERNEL
#undef UFB_KERNEL_INLINE
