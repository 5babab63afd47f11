// SPDX-License-Identifier: MIT
//
// Floating point modes as hosts set them, for a scope.
#pragma once

#include <cfenv>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ufb_test {

/// What a host makes of its threads: nothing, subnormal numbers flushed to zero where they are read and written, or
/// another rounding direction.
enum class host_modes : std::uint8_t { plain, flush, upward };

/// Whether subnormal numbers can be flushed on this processor.
[[nodiscard]] constexpr bool can_flush() noexcept {
#if defined(__x86_64__) || defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

/// Gives modes to the calling thread until the end of the scope.
class modes_scope {
 public:
  explicit modes_scope(host_modes modes) {
    std::fegetenv(&before_);
#if defined(__x86_64__)
    vectors_before_ = _mm_getcsr();
#endif
    if (modes == host_modes::upward) std::fesetround(FE_UPWARD);
    if (modes == host_modes::flush) flush();
  }
  modes_scope(const modes_scope&) = delete;
  modes_scope& operator=(const modes_scope&) = delete;
  ~modes_scope() {
    std::fesetenv(&before_);
#if defined(__x86_64__)
    _mm_setcsr(vectors_before_);  // which fesetenv leaves alone on Windows
#endif
  }

 private:
  static void flush() noexcept {
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040U);  // what it writes, and what it reads
#elif defined(__aarch64__)
    std::uint64_t control = 0;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    asm volatile("msr fpcr, %0" ::"r"(control | (std::uint64_t{1} << 24U)));
#endif
  }

  std::fenv_t before_{};
#if defined(__x86_64__)
  unsigned vectors_before_ = 0;
#endif
};

/// What the calling thread's modes make of 2^-130 times 1: 0 where it is flushed.
[[nodiscard]] inline float subnormal_product() {
  const volatile float small = 0x1p-130F;
  const volatile float one = 1.0F;
  return small * one;
}

}  // namespace ufb_test
