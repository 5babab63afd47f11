// SPDX-License-Identifier: MIT
//
// Measures the memory of a program that links memory_peak.cpp: the bytes that operator new has given out and not got
// back, and the most there were.
#pragma once

#include <cstddef>

namespace ufb_test {

/// Whether anything is measured: not in sanitizer builds, which bring their own allocator, nor without the GNU C
/// library, which tells how long a block is.
[[nodiscard]] bool memory_is_measured() noexcept;

/// Bytes in use.
[[nodiscard]] std::size_t memory_in_use() noexcept;

/// Most bytes in use since `restart_memory_peak`.
[[nodiscard]] std::size_t memory_peak() noexcept;

/// Forgets the peak so far.
void restart_memory_peak() noexcept;

/// Most bytes that `action` had in use at a time, without those that were in use before.
template <class Action>
[[nodiscard]] std::size_t memory_peak_of(Action&& action) {
  const std::size_t before = memory_in_use();
  restart_memory_peak();
  action();
  return memory_peak() - before;
}

}  // namespace ufb_test
