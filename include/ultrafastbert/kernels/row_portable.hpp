// SPDX-License-Identifier: MIT
//
// Kernels of single rows in plain C++, four elements at a time. A product is always rounded before it is added,
// whatever processor the including program is compiled for.
// Layer: kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "ultrafastbert/kernels/exp_constants.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/row_kernels.hpp"

// See fff_portable.hpp.
#if UFB_KERNELS_X86
#define UFB_ROW [[gnu::target("no-avx")]]
#define UFB_ROW_INLINE [[gnu::always_inline, gnu::target("no-avx")]] inline
#elif defined(__GNUC__) && !defined(__clang__)
#define UFB_ROW [[gnu::optimize("fp-contract=off")]]
#define UFB_ROW_INLINE [[gnu::always_inline, gnu::optimize("fp-contract=off")]] inline
#else
#define UFB_ROW
#define UFB_ROW_INLINE inline
#endif
#if defined(__clang__)
#define UFB_NOT_FUSED _Pragma("STDC FP_CONTRACT OFF")
#else
#define UFB_NOT_FUSED
#endif

namespace ultrafastbert::kernels::row_portable {

inline constexpr std::size_t lanes = 4;

struct vector {
  float a[lanes];
};

UFB_ROW_INLINE vector splat(float c) noexcept { return {{c, c, c, c}}; }
UFB_ROW_INLINE vector load(const float* p) noexcept { return {{p[0], p[1], p[2], p[3]}}; }
UFB_ROW_INLINE void store(float* p, const vector& v) noexcept {
  for (std::size_t l = 0; l < lanes; ++l) p[l] = v.a[l];
}
UFB_ROW_INLINE vector load_some(const float* p, std::size_t n) noexcept {
  vector v{};
  for (std::size_t l = 0; l < n; ++l) v.a[l] = p[l];
  return v;
}
UFB_ROW_INLINE void store_some(float* p, std::size_t n, const vector& v) noexcept {
  for (std::size_t l = 0; l < n; ++l) p[l] = v.a[l];
}
UFB_ROW_INLINE vector first_of(const vector& v, std::size_t n, vector rest) noexcept {
  for (std::size_t l = 0; l < n; ++l) rest.a[l] = v.a[l];
  return rest;
}
UFB_ROW_INLINE vector add(vector a, const vector& b) noexcept {
  UFB_NOT_FUSED
  for (std::size_t l = 0; l < lanes; ++l) a.a[l] += b.a[l];
  return a;
}
UFB_ROW_INLINE vector subtract(vector a, const vector& b) noexcept {
  UFB_NOT_FUSED
  for (std::size_t l = 0; l < lanes; ++l) a.a[l] -= b.a[l];
  return a;
}
UFB_ROW_INLINE vector multiply(vector a, const vector& b) noexcept {
  UFB_NOT_FUSED
  for (std::size_t l = 0; l < lanes; ++l) a.a[l] *= b.a[l];
  return a;
}
UFB_ROW_INLINE vector largest(vector a, const vector& b) noexcept {
  for (std::size_t l = 0; l < lanes; ++l) a.a[l] = a.a[l] < b.a[l] ? b.a[l] : a.a[l];
  return a;
}
UFB_ROW_INLINE vector multiply_add(const vector& a, const vector& b, const vector& c) noexcept {
  return add(multiply(a, b), c);
}
UFB_ROW_INLINE vector subtract_product(const vector& c, const vector& a, const vector& b) noexcept {
  return subtract(c, multiply(a, b));
}
UFB_ROW_INLINE vector rounded(const vector& v) noexcept { return v; }
UFB_ROW_INLINE vector power_of_two(vector t) noexcept {
  for (float& value : t.a) {
    value = __builtin_bit_cast(float, (__builtin_bit_cast(std::uint32_t, value) << 23U) + 0x3f800000U);
  }
  return t;
}
UFB_ROW_INLINE vector zero_below(const vector& x, const vector& limit, vector v) noexcept {
  for (std::size_t l = 0; l < lanes; ++l) v.a[l] = x.a[l] < limit.a[l] ? 0.0F : v.a[l];
  return v;
}
UFB_ROW_INLINE float lane_0(const vector& v) noexcept { return v.a[0]; }
UFB_ROW_INLINE float sum_of(const vector& v) noexcept { return (v.a[0] + v.a[2]) + (v.a[1] + v.a[3]); }
UFB_ROW_INLINE float largest_of(const vector& v) noexcept {
  float most = v.a[0];
  for (std::size_t l = 1; l < lanes; ++l) most = most < v.a[l] ? v.a[l] : most;
  return most;
}

#include "ultrafastbert/kernels/row_algorithms.inc"

}  // namespace ultrafastbert::kernels::row_portable

#undef UFB_ROW
#undef UFB_ROW_INLINE
#undef UFB_NOT_FUSED
