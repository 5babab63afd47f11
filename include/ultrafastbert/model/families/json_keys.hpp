// SPDX-License-Identifier: MIT
//
// Reading the keys of configurations, and the largest sizes that one may ask for.
// Layer: model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"

namespace ultrafastbert::models {

/// Largest sizes that a configuration may ask for; far above any published model.
inline constexpr std::uint64_t max_width = std::uint64_t{1} << 20U;
inline constexpr std::uint64_t max_layers = 4096;
inline constexpr std::uint64_t max_vocabulary = std::uint64_t{1} << 27U;
inline constexpr std::uint64_t max_positions = 16'384;
inline constexpr std::uint64_t max_parallel_size = std::uint64_t{1} << 24U;

/// A member that is neither absent nor null. Throws: bad_type (no object).
[[nodiscard]] inline std::optional<json_value> find_set(const json_value& object, std::string_view key) {
  auto member = object.find(key);
  if (member && member->is_null()) member.reset();
  return member;
}

/// Refuses a string member unless it has the one accepted value or is left out. Throws: unsupported, bad_type.
inline void expect_word(const json_value& object, std::string_view key, std::string_view accepted) {
  if (const auto member = find_set(object, key); member && member->as_string() != accepted) {
    member->fail_unsupported(excerpt(accepted), excerpt(member->as_string()));
  }
}

/// A boolean member; null counts as false, as it does in the published training code. Throws: bad_type.
[[nodiscard]] inline bool read_flag(const json_value& object, std::string_view key, bool if_absent) {
  const auto member = object.find(key);
  if (!member) return if_absent;
  return !member->is_null() && member->as_boolean();
}

/// The last of the classes that a configuration names, or empty. Throws: bad_type.
[[nodiscard]] inline std::string named_class(const json_value& config) {
  std::string name;
  if (const auto classes = find_set(config, "architectures")) {
    for (const json_value& entry : classes->elements()) name = entry.as_string();
  }
  return name;
}

/// A size from 1 to `largest`. Throws: bad_type, bad_value.
[[nodiscard]] inline std::size_t size_of(const json_value& value, std::uint64_t largest) {
  return static_cast<std::size_t>(value.as_unsigned(1, largest));
}

/// A constant of a norm. Throws: bad_type, bad_value.
[[nodiscard]] inline double read_epsilon(const json_value& value) {
  const double epsilon = value.as_number();
  if (!(epsilon >= 0.0 && epsilon < 1e30)) value.fail_value("a number of at least 0", std::to_string(epsilon));
  return epsilon;
}

}  // namespace ultrafastbert::models
