// SPDX-License-Identifier: MIT
//
// Kernels of the packed matrix product in plain C++: panels of 8 columns, up to 4 rows. A product is always rounded
// before it is added, whatever processor the including program is compiled for.
// Layer: kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ultrafastbert/kernels/gemm_kernels.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/rounding.hpp"

// See fff_portable.hpp.
#if UFB_KERNELS_X86
#define UFB_PORTABLE [[gnu::target("no-avx")]]
#define UFB_PORTABLE_INLINE [[gnu::always_inline, gnu::target("no-avx")]] inline
#elif defined(__GNUC__) && !defined(__clang__)
#define UFB_PORTABLE [[gnu::optimize("fp-contract=off")]]
#define UFB_PORTABLE_INLINE [[gnu::always_inline, gnu::optimize("fp-contract=off")]] inline
#else
#define UFB_PORTABLE
#define UFB_PORTABLE_INLINE inline
#endif
#if defined(__clang__)
#define UFB_NOT_FUSED _Pragma("STDC FP_CONTRACT OFF")
#else
#define UFB_NOT_FUSED
#endif

namespace ultrafastbert::kernels::gemm_portable {

inline constexpr std::size_t columns = 8;

UFB_PORTABLE_INLINE float from_bits(std::uint32_t bits) noexcept { return __builtin_bit_cast(float, bits); }
UFB_PORTABLE_INLINE std::uint32_t to_bits(float value) noexcept { return __builtin_bit_cast(std::uint32_t, value); }

// Sums in float of one row, from their beginning to their end.
struct float_sums {
  float a[columns];

  UFB_PORTABLE_INLINE void begin(const gemm_tile& t, std::size_t row) noexcept {
    for (std::size_t l = 0; l < columns; ++l) a[l] = t.add ? t.y[row * t.y_stride + l] : 0.0F;
  }
  UFB_PORTABLE_INLINE void end(const gemm_tile& t, std::size_t row) const noexcept {
    float* y = t.y + row * t.y_stride;
    for (std::size_t l = 0; l < columns; ++l) y[l] = t.bias != nullptr ? a[l] + t.bias[l] : a[l];
  }
};

struct float32 : float_sums {
  using word = float;

  UFB_PORTABLE_INLINE void add(const std::uint32_t* b, word x) noexcept {
    UFB_NOT_FUSED
    for (std::size_t l = 0; l < columns; ++l) a[l] += from_bits(b[l]) * x;
  }
};

// The second terms of the words come first, as the AVX512-BF16 instruction takes them. Products have no more bits than
// a float, so that nothing depends on whether they are rounded before they are added.
struct bfloat16 : float_sums {
  using word = std::uint32_t;

  UFB_PORTABLE_INLINE void add(const std::uint32_t* b, word x) noexcept {
    UFB_NOT_FUSED
    const float second = from_bits(x & 0xffff0000U);
    const float first = from_bits(x << 16U);
    for (std::size_t l = 0; l < columns; ++l) a[l] += from_bits(b[l] & 0xffff0000U) * second;
    for (std::size_t l = 0; l < columns; ++l) a[l] += from_bits(b[l] << 16U) * first;
  }
};

struct int8 {
  using word = std::uint32_t;
  std::int32_t a[columns];

  UFB_PORTABLE_INLINE static std::int32_t term(std::uint32_t word, std::size_t i) noexcept {
    return static_cast<std::int32_t>(word << static_cast<unsigned>(24 - 8 * i)) >> 24;
  }
  UFB_PORTABLE_INLINE void begin(const gemm_tile& t, std::size_t /*row*/) noexcept {
    for (std::size_t l = 0; l < columns; ++l) a[l] = t.start[l];
  }
  UFB_PORTABLE_INLINE void add(const std::uint32_t* b, word x) noexcept {
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t l = 0; l < columns; ++l) a[l] += term(b[l], i) * term(x, i);
    }
  }
  UFB_PORTABLE_INLINE void end(const gemm_tile& t, std::size_t row) const noexcept {
    UFB_NOT_FUSED
    float* y = t.y + row * t.y_stride;
    for (std::size_t l = 0; l < columns; ++l) {
      float v = static_cast<float>(a[l]) * t.column_scale[l] * t.row_scale[row];
      if (t.add) v = y[l] + v;
      y[l] = t.bias != nullptr ? v + t.bias[l] : v;
    }
  }
};

template <class Operation, std::size_t Rows>
UFB_PORTABLE void kernel(const gemm_tile& t) {
  Operation s[Rows];
  const auto* x = static_cast<const typename Operation::word*>(t.x);
  for (std::size_t r = 0; r < Rows; ++r) s[r].begin(t, r);
  for (std::size_t k = 0; k < t.inner; ++k) {
    for (std::size_t r = 0; r < Rows; ++r) s[r].add(t.panel + k * columns, x[r * t.x_stride + k]);
  }
  for (std::size_t r = 0; r < Rows; ++r) s[r].end(t, r);
}

UFB_PORTABLE inline float to_bfloat16(const float* row, std::size_t count, std::uint32_t* words) {
  for (std::size_t k = 0; k < count; k += 2) {
    const std::uint32_t first = round_to_bfloat16(row[k]).bits;
    const std::uint32_t second = k + 1 < count ? round_to_bfloat16(row[k + 1]).bits : 0U;
    words[k / 2] = first | second << 16U;
  }
  return 1.0F;
}

UFB_PORTABLE inline float to_int8(const float* row, std::size_t count, std::uint32_t* words) {
  UFB_NOT_FUSED
  std::uint32_t largest = 0;
  for (std::size_t k = 0; k < count; ++k) {
    const std::uint32_t magnitude = to_bits(row[k]) & 0x7fffffffU;
    largest = largest < magnitude ? magnitude : largest;
  }
  const int8_factors factors = int8_factors_of(largest);
  // Added to 1.5 * 2^23, a number leaves its nearest integer in the low bits.
  constexpr float shifter = 12'582'912.0F;
  for (std::size_t k = 0; k < count; k += 4) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 4 && k + i < count; ++i) {
      const float ratio = row[k + i] * factors.inverse;
      word |= (to_bits(ratio + shifter) & 0xffU) << static_cast<unsigned>(8 * i);
    }
    words[k / 4] = word;
  }
  return factors.scale;
}

template <class Operation>
constexpr gemm_kernels table_of(const gemm_kernels& rest) noexcept {
  gemm_kernels table = rest;
  table.name = "portable";
  table.columns = columns;
  table.rows = 4;
  table.single = {kernel<Operation, 1>, kernel<Operation, 2>, kernel<Operation, 3>, kernel<Operation, 4>};
  return table;
}

inline constexpr gemm_kernels table = table_of<float32>({});
inline constexpr gemm_kernels bfloat16_table = table_of<bfloat16>({.terms = 2, .convert = to_bfloat16});
inline constexpr gemm_kernels int8_table = table_of<int8>({.terms = 4, .convert = to_int8});

}  // namespace ultrafastbert::kernels::gemm_portable

#undef UFB_PORTABLE
#undef UFB_PORTABLE_INLINE
#undef UFB_NOT_FUSED
