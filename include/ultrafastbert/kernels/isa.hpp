// SPDX-License-Identifier: MIT
//
// Instruction set levels: which kernels a layer runs. Decided when the layer is built, never while it runs, so that one
// layer always gives the same bits.
// Layer: kernels.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ultrafastbert/core/error.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define UFB_KERNELS_X86 1
#include <cpuid.h>
#else
#define UFB_KERNELS_X86 0
#endif
#if defined(__aarch64__) && defined(__GNUC__)
#define UFB_KERNELS_NEON 1
#else
#define UFB_KERNELS_NEON 0
#endif

namespace ultrafastbert {

/// A set of kernels. Results are equal bit by bit within a level, not between levels.
enum class isa_level : std::uint8_t {
  automatic,  ///< the best level of the processor the program runs on
  portable,   ///< plain C++
  neon,       ///< 64-bit ARM
  avx2,       ///< AVX2, FMA and F16C
  avx512,     ///< AVX-512 F, BW, DQ and VL
};

/// Stable spelling of a level, equal to the enumerator's name.
[[nodiscard]] constexpr std::string_view name(isa_level level) noexcept {
  switch (level) {
    case isa_level::automatic: return "automatic";
    case isa_level::portable: return "portable";
    case isa_level::neon: return "neon";
    case isa_level::avx2: return "avx2";
    case isa_level::avx512: return "avx512";
  }
  return "unknown";
}

#if UFB_KERNELS_X86
namespace kernels {

/// Half precision conversions; clang's __builtin_cpu_supports has no name for them.
[[nodiscard]] inline bool has_f16c() noexcept {
  unsigned int a = 0;
  unsigned int b = 0;
  unsigned int c = 0;
  unsigned int d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & static_cast<unsigned int>(bit_F16C)) != 0;
}

/// Dot products of four bytes; compilers disagree on the name. Pre: AVX-512 is supported, also by the system.
[[nodiscard]] inline bool has_avx512_vnni() noexcept {
  unsigned int a = 0;
  unsigned int b = 0;
  unsigned int c = 0;
  unsigned int d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (c >> 11U & 1U) != 0;
}

/// Dot products of two bfloat16. Pre: as above.
[[nodiscard]] inline bool has_avx512_bf16() noexcept {
  unsigned int a = 0;
  unsigned int b = 0;
  unsigned int c = 0;
  unsigned int d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || a < 1) return false;  // a: the last page of leaf 7
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 5U & 1U) != 0;
}

}  // namespace kernels
#endif

/// Whether this processor runs a level's kernels.
[[nodiscard]] inline bool supported(isa_level level) noexcept {
  switch (level) {
    case isa_level::automatic:
    case isa_level::portable: return true;
    case isa_level::neon: return UFB_KERNELS_NEON != 0;
#if UFB_KERNELS_X86
    case isa_level::avx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && kernels::has_f16c();
    case isa_level::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && supported(isa_level::avx2);
#else
    default: break;
#endif
  }
  return false;
}

/// The level that `wanted` stands for on this processor.
/// Throws: unsupported if the processor lacks a level that was asked for by name.
[[nodiscard]] inline isa_level resolve(isa_level wanted) {
  if (wanted == isa_level::automatic) {
    for (const isa_level level : {isa_level::avx512, isa_level::avx2, isa_level::neon}) {
      if (supported(level)) return level;
    }
    return isa_level::portable;
  }
  if (!supported(wanted)) {
    fail(error_code::unsupported,
         {.where = "isa", .expected = "a level of this processor", .found = std::string(name(wanted))});
  }
  return wanted;
}

}  // namespace ultrafastbert
