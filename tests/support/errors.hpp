// SPDX-License-Identifier: MIT
//
// The library's errors caught as values, so that a test can look at every field.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "ultrafastbert/core/error.hpp"

namespace ufb_test {

/// The library's error that `action` throws, or nothing. Any other exception fails the test by leaving this function.
template <class Action>
[[nodiscard]] std::optional<ultrafastbert::error> error_of(Action&& action) {
  try {
    std::forward<Action>(action)();
  } catch (const ultrafastbert::error& problem) {
    return problem;
  }
  return std::nullopt;
}

/// "code: where: expected: found" of the error that `action` throws, "none" if it throws nothing.
template <class Action>
[[nodiscard]] std::string error_text_of(Action&& action) {
  const auto problem = error_of(std::forward<Action>(action));
  if (!problem) return "none";
  return std::string(name(problem->code())) + ": " + problem->where() + ": " + problem->expected() + ": " +
         problem->found();
}

}  // namespace ufb_test
