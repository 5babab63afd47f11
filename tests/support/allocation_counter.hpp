// SPDX-License-Identifier: MIT
//
// Counts the allocations of a program that links allocation_counter.cpp: operator new in all its forms and, where the C
// library allows it, malloc and its relatives, also when a shared library calls them.
#pragma once

#include <cstddef>

namespace ufb_test {

/// Whether anything is counted: not in sanitizer builds, which bring their own allocator.
[[nodiscard]] bool allocations_are_counted() noexcept;

/// Allocations of all threads since the program began.
[[nodiscard]] std::size_t allocations() noexcept;

/// Allocations while `action` runs.
template <class Action>
[[nodiscard]] std::size_t allocations_in(Action&& action) {
  const std::size_t before = allocations();
  action();
  return allocations() - before;
}

}  // namespace ufb_test
