// SPDX-License-Identifier: MIT
//
// The names of the special tokens, from special_tokens_map.json or tokenizer_config.json. Their ids are arbitrary
// and come from the tokenizer alone.
// Layer: model.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/json_document.hpp"

namespace ultrafastbert {

namespace models {

/// Text of a special token: a string, or an object whose "content" is one. Null and absent are nothing.
[[nodiscard]] inline std::optional<std::string> read_special_token(const std::filesystem::path& file,
                                                                   std::string_view key) {
  constexpr json_limits limits{};
  const auto document = json_document::parse(read_text_file(file, limits.max_bytes), file.string(), limits);
  const auto member = document.root().find(key);
  if (!member || member->is_null()) return std::nullopt;
  return member->is_object() ? member->at("content").as_string() : member->as_string();
}

}  // namespace models

/// The token that stands for a word to be predicted; `<mask>` if no file of the folder names one.
/// Throws: io_error, bad_json, duplicate_key, limit_exceeded, bad_type, missing_key.
[[nodiscard]] inline std::string read_mask_token(const checkpoint_folder& folder) {
  for (const auto* file : {&folder.special_tokens_map(), &folder.tokenizer_config()}) {
    if (!file->has_value()) continue;
    if (auto token = models::read_special_token(**file, "mask_token")) return *std::move(token);
  }
  return "<mask>";
}

}  // namespace ultrafastbert
