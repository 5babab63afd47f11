// SPDX-License-Identifier: MIT
//
// Counts the allocations of a program that links allocation_counter.cpp, and lets them fail: operator new in all its
// forms and, where the C library allows it, malloc and its relatives, also when a shared library calls them.
#pragma once

#include <cstddef>

namespace ufb_test {

/// Whether anything is counted: not in sanitizer builds, which bring their own allocator. Where UFB_REPLACE_OPERATORS
/// is 1, operator new is counted there nevertheless, and can fail.
[[nodiscard]] bool allocations_are_counted() noexcept;

/// Allocations of all threads since the program began.
[[nodiscard]] std::size_t allocations() noexcept;

/// Allocations that are not freed yet.
[[nodiscard]] std::size_t live_allocations() noexcept;

/// Lets one allocation fail, or one and all later ones, of whatever thread, until the end of the scope.
class failing_allocation {
 public:
  enum class kind { one, all_from_there };

  /// Allocation `number` from now fails; the next one has number 1. Pre: there is no other such scope.
  failing_allocation(std::size_t number, kind which) noexcept;
  failing_allocation(const failing_allocation&) = delete;
  failing_allocation& operator=(const failing_allocation&) = delete;
  ~failing_allocation();

  /// Allocations that failed.
  [[nodiscard]] static std::size_t failures() noexcept;
};

/// Allocations while `action` runs.
template <class Action>
[[nodiscard]] std::size_t allocations_in(Action&& action) {
  const std::size_t before = allocations();
  action();
  return allocations() - before;
}

}  // namespace ufb_test
