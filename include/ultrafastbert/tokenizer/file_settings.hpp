// SPDX-License-Identifier: MIT
//
// What a tokenizer.json says about truncation and padding. It has no effect by itself: calls say what they want, and
// may pass on what the file says.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"

namespace ultrafastbert::tokenizers {

/// The object under `key`, or nothing if it is null or absent. Throws: bad_type.
[[nodiscard]] inline std::optional<json_value> find_settings(const json_value& root, std::string_view key) {
  auto value = find_non_null(root, key);
  if (value && !value->is_object()) value->fail_type("null or an object");
  return value;
}

/// Whether a direction is `Left` and not `Right`, which it is where none is named. Throws: bad_type, bad_value.
[[nodiscard]] inline bool is_left(const std::optional<json_value>& direction) {
  if (!direction) return false;
  const std::string& word = direction->as_string();
  if (word != "Left" && word != "Right") direction->fail_value("Left or Right", excerpt(word));
  return word == "Left";
}

/// Reads `truncation`. What is cut off is asked for as `overflow` where the file repeats some of it, with a stride.
/// Throws: bad_type, bad_value, missing_key.
[[nodiscard]] inline std::optional<encode_options> read_file_truncation(const json_value& root) {
  const auto value = find_settings(root, "truncation");
  if (!value) return std::nullopt;
  encode_options out{.max_length = value->at("max_length").as_unsigned(1), .stride = value->at("stride").as_unsigned()};
  const json_value strategy = value->at("strategy");
  const std::string& word = strategy.as_string();
  if (word == "OnlyFirst") {
    out.strategy = truncation_strategy::only_first;
  } else if (word == "OnlySecond") {
    out.strategy = truncation_strategy::only_second;
  } else if (word != "LongestFirst") {
    strategy.fail_value("LongestFirst, OnlyFirst or OnlySecond", excerpt(word));
  }
  if (is_left(value->find("direction"))) out.direction = truncation_direction::left;
  out.overflow = out.stride != 0;
  return out;
}

/// The longest padding that a file may ask for: no model takes so many tokens.
inline constexpr std::uint64_t most_padding = std::uint64_t{1} << 20U;

/// Reads `padding`. Throws: bad_type, bad_value, missing_key.
[[nodiscard]] inline std::optional<padding_options> read_file_padding(const json_value& root) {
  const auto value = find_settings(root, "padding");
  if (!value) return std::nullopt;
  constexpr auto most_types = (std::numeric_limits<std::uint32_t>::max)();
  constexpr auto last_id = static_cast<std::uint64_t>((std::numeric_limits<token_id>::max)());
  padding_options out{.pad_token = value->at("pad_token").as_string(),
                      .type_id = static_cast<std::uint32_t>(value->at("pad_type_id").as_unsigned(0, most_types)),
                      .pad_id = static_cast<token_id>(value->at("pad_id").as_unsigned(0, last_id))};
  if (const json_value strategy = value->at("strategy"); strategy.is_object()) {
    out.length = strategy.at("Fixed").as_unsigned(1, most_padding);
    out.keep_longer = true;
  } else if (strategy.as_string() != "BatchLongest") {
    strategy.fail_value("BatchLongest or an object with the key Fixed", excerpt(strategy.as_string()));
  }
  if (is_left(value->at("direction"))) out.direction = padding_direction::left;
  if (const auto multiple = find_non_null(*value, "pad_to_multiple_of")) {
    // As in the reference, a multiple of 0 is none.
    const std::uint64_t wanted = multiple->as_unsigned(0, most_padding);
    out.multiple = wanted == 0 ? 1 : wanted;
  }
  return out;
}

}  // namespace ultrafastbert::tokenizers
