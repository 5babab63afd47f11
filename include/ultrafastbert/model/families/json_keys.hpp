// SPDX-License-Identifier: MIT
//
// Reading the keys of configurations, and the largest sizes that one may ask for.
// Layer: model.
#pragma once

#include <array>
#include <charconv>
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

/// A number as JSON writes it, in the fewest digits that give it back, whatever the host's locale.
[[nodiscard]] inline std::string number_text(double number) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  return {digits.data(), end.ptr};
}

/// A constant of a norm. Throws: bad_type, bad_value.
[[nodiscard]] inline double read_epsilon(const json_value& value) {
  const double epsilon = value.as_number();
  if (!(epsilon >= 0.0 && epsilon < 1e30)) value.fail_value("a number of at least 0", number_text(epsilon));
  return epsilon;
}

/// Refuses what changes a hub model and is not done here: heads that were taken out, and weights in codes that are
/// read back by rules of their own. Throws: bad_type, unsupported.
inline void check_changes(const json_value& config) {
  if (const auto pruned = find_set(config, "pruned_heads"); pruned && !pruned->members().empty()) {
    pruned->fail_unsupported("no pruned heads", "heads of " + std::to_string(pruned->members().size()) + " layers");
  }
  if (const auto codes = find_set(config, "quantization_config")) {
    codes->fail_unsupported("weights of floating-point numbers, and no quantization_config", "one");
  }
}

}  // namespace ultrafastbert::models
