// SPDX-License-Identifier: MIT
//
// How a thread computes with floating point numbers: its rounding direction, whether it flushes subnormal numbers to
// zero, and which exceptions trap. A program sets these for each thread by itself, so that threads which work for
// another one have to be given that one's modes.
// Layer: core.
#pragma once

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <cfenv>
#endif
#include <cstdint>

namespace ultrafastbert::core {

/// The floating point modes of a thread: MXCSR without its exception flags and the x87's control word on x86-64, FPCR
/// on 64-bit ARM, the rounding direction elsewhere. Reading them takes a few cycles.
class floating_point_modes {
 public:
  /// Those of the calling thread.
  [[nodiscard]] static floating_point_modes current() noexcept { return floating_point_modes(read() & modes); }

  /// Gives these modes to the calling thread, which keeps its exception flags. Writes nothing if it has them already,
  /// because writing takes longer than reading.
  void use() const noexcept {
    const word now = read();
    if ((now & modes) != bits_) write((now & ~modes) | bits_);
  }

  friend bool operator==(const floating_point_modes&, const floating_point_modes&) = default;

 private:
#if defined(__x86_64__)
  // MXCSR below the control word of the x87, which long double obeys, and `std::fegetround` reads.
  using word = std::uint64_t;
  static constexpr word modes = ~word{0x3F};  // bits 0 to 5 are the flags of exceptions that have happened

  // Not the intrinsics: a compiler may move those across arithmetic as it likes, and these not across calls.
  static word read() noexcept {
    std::uint32_t vectors = 0;
    std::uint16_t x87 = 0;
    asm volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(vectors), "=m"(x87)::"memory");
    return vectors | word{x87} << 32U;
  }
  static void write(word next) noexcept {
    const auto vectors = static_cast<std::uint32_t>(next);
    const auto x87 = static_cast<std::uint16_t>(next >> 32U);
    asm volatile("ldmxcsr %0\n\tfldcw %1" ::"m"(vectors), "m"(x87) : "memory");
  }
#elif defined(__aarch64__)
  using word = std::uint64_t;
  static constexpr word modes = ~word{0};  // the flags are in a register of their own

  static word read() noexcept {
    word now = 0;
    asm volatile("mrs %0, fpcr" : "=r"(now)::"memory");
    return now;
  }
  static void write(word next) noexcept { asm volatile("msr fpcr, %0" ::"r"(next) : "memory"); }
#else
  using word = std::uint32_t;
  static constexpr word modes = ~word{0};

  static word read() noexcept { return static_cast<word>(std::fegetround()); }
  static void write(word next) noexcept { std::fesetround(static_cast<int>(next)); }
#endif

  explicit floating_point_modes(word bits) noexcept : bits_(bits) {}

  word bits_;
};

}  // namespace ultrafastbert::core
