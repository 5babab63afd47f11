// SPDX-License-Identifier: MIT
//
// A level of its own in one file, as somebody would add one: vectors of two floats over plain loops, with as few of
// everything as the algorithms allow. Every name that an algorithm needs is here, and nothing else is.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "kernels/support.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/constants.hpp"
#include "ultrafastbert/kernels/rounding.hpp"
#include "ultrafastbert/kernels/tables.hpp"

#define UFB_KERNEL
#define UFB_KERNEL_INLINE inline

namespace ultrafastbert::kernels::toy {

inline constexpr std::size_t lanes = 2;
inline constexpr std::size_t dot_vectors = 2;
inline constexpr std::size_t dot_chains = 2;
inline constexpr bool tiles_dots = true;
inline constexpr std::size_t rows_in_registers = 12;
inline constexpr bool prefetches = true;
inline constexpr bool prefetches_tiles = true;
inline constexpr bool streams = true;
inline constexpr std::size_t panel_vectors = 1;

template <class Lane>
struct pair_of {
  Lane lane[lanes];
};
using vector = pair_of<float>;
using integers = pair_of<std::uint32_t>;

template <class To, class Function, class... From>
To each(const Function& function, const From&... from) noexcept {
  To to{};
  for (std::size_t l = 0; l < lanes; ++l) to.lane[l] = function(from.lane[l]...);
  return to;
}
template <class Function, class... From>
vector floats(const Function& function, const From&... from) noexcept {
  return each<vector>(function, from...);
}
inline std::uint32_t bits(float v) noexcept { return std::bit_cast<std::uint32_t>(v); }
inline float number(std::uint32_t v) noexcept { return std::bit_cast<float>(v); }

inline void keep(vector& /*v*/) noexcept {}
inline void keep(integers& /*v*/) noexcept {}
inline vector splat(float c) noexcept { return {{c, c}}; }
inline vector load(const float* p) noexcept { return {{p[0], p[1]}}; }
inline vector load_some(const float* p, std::size_t n) noexcept { return {{n > 0 ? p[0] : 0, n > 1 ? p[1] : 0}}; }
inline void store(float* p, vector v) noexcept { std::copy_n(v.lane, lanes, p); }
inline void store_some(float* p, std::size_t n, vector v) noexcept { std::copy_n(v.lane, n, p); }
inline void stream(float* p, vector v) noexcept { store(p, v); }
inline void fence() noexcept {}
template <class Weight>
vector load_weights(const Weight* p) noexcept {
  return {{static_cast<float>(ufb_test::exact(p[0])), static_cast<float>(ufb_test::exact(p[1]))}};
}

inline vector load_joined(const bfloat16_bits* upper, const std::int16_t* lower) noexcept {
  const auto join = [&](std::size_t l) {
    return number((std::uint32_t{upper[l].bits} << 16U) + static_cast<std::uint32_t>(std::int32_t{lower[l]}));
  };
  return {{join(0), join(1)}};
}

inline vector first_of(vector v, std::size_t n, vector rest) noexcept {
  std::copy_n(v.lane, n, rest.lane);
  return rest;
}
inline vector rounded(vector v) noexcept { return v; }
inline vector add(vector a, vector b) noexcept {
  return floats([](float x, float y) { return x + y; }, a, b);
}
inline vector subtract(vector a, vector b) noexcept {
  return floats([](float x, float y) { return x - y; }, a, b);
}
inline vector multiply(vector a, vector b) noexcept {
  return floats([](float x, float y) { return x * y; }, a, b);
}
inline vector divide(vector a, vector b) noexcept {
  return floats([](float x, float y) { return x / y; }, a, b);
}
inline vector multiply_add(vector a, vector b, vector c) noexcept {
  return floats([](float x, float y, float z) { return std::fma(x, y, z); }, a, b, c);
}
inline vector subtract_product(vector c, vector a, vector b) noexcept {
  return floats([](float z, float x, float y) { return std::fma(-x, y, z); }, c, a, b);
}
inline vector largest(vector a, vector b) noexcept {
  return floats([](float x, float y) { return x > y ? x : y; }, a, b);
}
inline vector smallest(vector a, vector b) noexcept {
  return floats([](float x, float y) { return x < y ? x : y; }, a, b);
}
inline vector magnitude(vector v) noexcept {
  return floats([](float x) { return std::abs(x); }, v);
}
inline vector positive_part(vector v) noexcept {
  return floats([](float x) { return x <= 0 ? 0.0F : x; }, v);
}
inline vector with_sign_of(vector v, vector sign) noexcept {
  return floats([](float x, float s) { return std::copysign(x, s); }, v, sign);
}
inline vector choose_below(vector x, vector limit, vector below, vector otherwise) noexcept {
  return floats([](float v, float m, float a, float b) { return v < m ? a : b; }, x, limit, below, otherwise);
}
inline vector zero_below(vector x, vector limit, vector v) noexcept { return choose_below(x, limit, splat(0), v); }
inline vector nearest(vector v) noexcept {
  return floats([](float x) { return std::nearbyint(x); }, v);
}
inline vector add_to_exponent(vector v, vector n) noexcept {
  return floats([](float x, float m) { return std::ldexp(x, static_cast<int>(m)); }, v, n);
}
inline vector power_of_two(vector t) noexcept {
  return floats([](float x) { return number((bits(x) << 23U) + 0x3f800000U); }, t);
}
inline float lane_0(vector v) noexcept { return v.lane[0]; }
inline float sum_of(vector v) noexcept { return v.lane[0] + v.lane[1]; }
inline float largest_of(vector v) noexcept { return std::max(v.lane[0], v.lane[1]); }
inline float dot_total(const vector* a) noexcept { return sum_of(add(a[0], a[1])); }
inline void dot_totals(const vector* a, const vector* b, const vector* c, const vector* d, float* z) noexcept {
  for (const vector* each_of : {a, b, c, d}) *z++ = dot_total(each_of);
}

inline integers load_words(const std::uint32_t* p) noexcept { return {{p[0], p[1]}}; }
inline integers load_words(const std::int32_t* p) noexcept {
  return {{static_cast<std::uint32_t>(p[0]), static_cast<std::uint32_t>(p[1])}};
}
inline integers splat_words(std::uint32_t word) noexcept { return {{word, word}}; }
inline vector as_floats(integers words) noexcept { return floats(number, words); }
inline integers as_words(vector v) noexcept { return each<integers>(bits, v); }
inline vector to_floats(integers v) noexcept {
  return floats([](std::uint32_t x) { return static_cast<float>(static_cast<std::int32_t>(x)); }, v);
}
inline integers nearest_integers(vector v) noexcept {
  return each<integers>([](float x) { return static_cast<std::uint32_t>(std::lrint(x)); }, v);
}
inline integers bits_and(integers a, integers b) noexcept {
  return each<integers>([](std::uint32_t x, std::uint32_t y) { return x & y; }, a, b);
}
inline integers bits_or(integers a, integers b) noexcept {
  return each<integers>([](std::uint32_t x, std::uint32_t y) { return x | y; }, a, b);
}
inline integers add(integers a, integers b) noexcept {
  return each<integers>([](std::uint32_t x, std::uint32_t y) { return x + y; }, a, b);
}
inline integers largest(integers a, integers b) noexcept {
  return each<integers>([](std::uint32_t x, std::uint32_t y) { return std::max(x, y); }, a, b);
}
inline integers up_16(integers v) noexcept {
  return each<integers>([](std::uint32_t x) { return x << 16U; }, v);
}
inline integers down_16(integers v) noexcept {
  return each<integers>([](std::uint32_t x) { return x >> 16U; }, v);
}
inline integers choose_nan(vector v, integers if_nan, integers otherwise) noexcept {
  return each<integers>([](float x, std::uint32_t a, std::uint32_t b) { return std::isnan(x) ? a : b; }, v, if_nan,
                        otherwise);
}
inline std::uint32_t largest_of(integers v) noexcept { return std::max(v.lane[0], v.lane[1]); }
inline void store_halves(std::uint32_t* to, const integers (&words)[8]) noexcept {
  for (std::size_t i = 0; i < 8; ++i) to[i] = (words[i].lane[0] & 0xffffU) | words[i].lane[1] << 16U;
}
inline void store_bytes(std::uint32_t* to, const integers (&words)[8]) noexcept {
  for (std::size_t i = 0; i < 4; ++i) {
    to[i] = (words[2 * i].lane[0] & 0xffU) | (words[2 * i].lane[1] & 0xffU) << 8U |
            (words[2 * i + 1].lane[0] & 0xffU) << 16U | words[2 * i + 1].lane[1] << 24U;
  }
}
inline integers add_byte_products(integers s, integers x, integers b) noexcept {
  return each<integers>(
      [](std::uint32_t sum, std::uint32_t v, std::uint32_t w) {
        for (unsigned shift = 0; shift < 32; shift += 8) {
          const int product =
              static_cast<std::int8_t>(v >> shift & 0xffU) * static_cast<std::int8_t>(w >> shift & 0xffU);
          sum += static_cast<std::uint32_t>(product);
        }
        return sum;
      },
      s, x, b);
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
    products_of<float32_product>({.name = "toy"}, std::make_index_sequence<3>{}, std::make_index_sequence<2>{});
inline constexpr gemm_kernels bfloat16_products =
    products_of<bfloat16_product>({.name = "toy", .terms = 2, .convert = to_wide_bfloat16, .input_words = 2},
                                  std::make_index_sequence<3>{}, std::make_index_sequence<2>{});
inline constexpr gemm_kernels int8_products = products_of<int8_product>(
    {.name = "toy", .terms = 4, .convert = to_int8<0>}, std::make_index_sequence<3>{}, std::make_index_sequence<2>{});

}  // namespace ultrafastbert::kernels::toy

#undef UFB_KERNEL
#undef UFB_KERNEL_INLINE
