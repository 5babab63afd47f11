// SPDX-License-Identifier: MIT
//
// The files of a tokenizer: which one describes it, and those that may stand beside it, special_tokens_map.json,
// tokenizer_config.json and added_tokens.json.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/special_role.hpp"

namespace ultrafastbert::tokenizers {

inline constexpr std::size_t largest_tokenizer_file = std::size_t{64} << 20U;
inline constexpr std::size_t largest_side_file = std::size_t{1} << 20U;

/// A file of a folder, if there is one of that name. A link that leads nowhere counts as a file, because opening it
/// then says what is wrong with it.
[[nodiscard]] inline std::optional<std::filesystem::path> find_in_folder(const std::filesystem::path& folder,
                                                                         std::string_view name) {
  std::error_code ignored;
  auto file = folder / name;
  const auto status = std::filesystem::symlink_status(file, ignored);
  return std::filesystem::exists(status) ? std::optional(std::move(file)) : std::nullopt;
}

/// The file to read: the path itself, or what a folder has, where tokenizer.json comes before vocab.txt, and that
/// before vocab.json.
/// Throws: io_error (a folder with neither; the error names the folder).
[[nodiscard]] inline std::filesystem::path find_tokenizer_file(const std::filesystem::path& folder_or_file) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder_or_file, ignored)) return folder_or_file;
  if (auto file = find_in_folder(folder_or_file, "tokenizer.json")) return *std::move(file);
  if (auto file = find_in_folder(folder_or_file, "vocab.txt")) return *std::move(file);
  if (auto file = find_in_folder(folder_or_file, "vocab.json")) return *std::move(file);
  // A folder that is called like a file was most likely meant to be one.
  const auto extension = folder_or_file.extension();
  const bool meant_as_file = extension == ".json" || extension == ".txt";
  fail(error_code::io_error,
       {.file = folder_or_file.string(),
        .expected = meant_as_file ? "a file" : "tokenizer.json, vocab.txt or vocab.json in the folder",
        .found = meant_as_file ? "a folder" : "none of them",
        .reason = meant_as_file ? std::make_error_code(std::errc::is_a_directory).message() : std::string()});
}

/// A member that may be absent or null.
[[nodiscard]] inline std::optional<json_value> find_non_null(const json_value& object, std::string_view key) {
  auto member = object.find(key);
  if (member && member->is_null()) member.reset();
  return member;
}

/// A special token as a file describes it, or as it is known by convention.
struct described_token {
  std::string spelling{};
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;
  std::string file{};  ///< the file that says so; empty for a convention
  std::string path{};  ///< where it says so
};

/// Reads a special token, which is a string, or an object with the string under `content` and flags beside it.
/// Throws: bad_type, missing_key.
[[nodiscard]] inline described_token read_described_token(const json_value& value) {
  described_token out{.file = value.file(), .path = value.path()};
  if (!value.is_object()) {
    if (!value.is_string()) value.fail_type("a string or an object with the key content");
    out.spelling = value.as_string();
    return out;
  }
  const auto flag = [&value](std::string_view key) {
    const auto member = find_non_null(value, key);
    return member && member->as_boolean();
  };
  out.spelling = value.at("content").as_string();
  out.single_word = flag("single_word");
  out.lstrip = flag("lstrip");
  out.rstrip = flag("rstrip");
  out.normalized = flag("normalized");
  return out;
}

/// One of the JSON files that may stand beside a tokenizer.
class side_file {
 public:
  side_file() = default;

  /// Reads the file of that name, if there is one.
  /// Throws: io_error, truncated, bad_json, duplicate_key, limit_exceeded, bad_type (it is no object).
  side_file(const std::filesystem::path& folder, std::string_view name) {
    const auto file = find_in_folder(folder, name);
    if (!file) return;
    document_ = json_document::parse(read_text_file(*file, largest_side_file), file->string(),
                                     {.max_bytes = largest_side_file});
    if (!document_->root().is_object()) document_->root().fail_type("an object");
  }

  /// A member that is there and is not null.
  [[nodiscard]] std::optional<json_value> find(std::string_view key) const {
    return document_ ? find_non_null(document_->root(), key) : std::nullopt;
  }

  /// All of it, if the file is there.
  [[nodiscard]] std::optional<json_value> root() const {
    return document_ ? std::optional(document_->root()) : std::nullopt;
  }

  /// A flag, or what holds where the file says nothing. Throws: bad_type.
  [[nodiscard]] bool flag(std::string_view key, bool otherwise) const {
    const auto value = find(key);
    return value ? value->as_boolean() : otherwise;
  }

  /// The tokens of `additional_special_tokens`. Throws: bad_type, missing_key.
  [[nodiscard]] std::vector<described_token> further_tokens() const {
    std::vector<described_token> out;
    const auto list = find("additional_special_tokens");
    if (!list) return out;
    for (const json_value& each : list->elements()) {
      if (auto token = read_described_token(each); !token.spelling.empty()) out.push_back(std::move(token));
    }
    return out;
  }

  /// The special token of a role, such as that under `mask_token`. An empty spelling counts as none.
  /// Throws: bad_type, missing_key.
  [[nodiscard]] std::optional<described_token> token(special_role role) const {
    const auto value = find(std::string(name(role)) + "_token");
    if (!value) return std::nullopt;
    auto described = read_described_token(*value);
    return described.spelling.empty() ? std::nullopt : std::optional(std::move(described));
  }

 private:
  std::optional<json_document> document_{};
};

/// The files that may stand beside a tokenizer. A tokenizer that was read from memory has none.
struct side_files {
  side_file special_map{};  ///< special_tokens_map.json
  side_file config{};       ///< tokenizer_config.json
  side_file added{};        ///< added_tokens.json

  /// Those beside `file`. Throws: as the constructor of `side_file`.
  [[nodiscard]] static side_files beside(const std::filesystem::path& file) {
    const auto folder = file.parent_path();
    return {.special_map = side_file(folder, "special_tokens_map.json"),
            .config = side_file(folder, "tokenizer_config.json")};
  }

  /// The same with added_tokens.json, which counts beside a vocab.txt and a vocab.json alone. Throws: as above.
  [[nodiscard]] static side_files beside_vocabulary(const std::filesystem::path& file) {
    side_files out = beside(file);
    out.added = side_file(file.parent_path(), "added_tokens.json");
    return out;
  }

  /// The special tokens without a role, of the first file that lists some. Throws: as `side_file::further_tokens`.
  [[nodiscard]] std::vector<described_token> further_tokens() const {
    auto out = special_map.further_tokens();
    return out.empty() ? config.further_tokens() : out;
  }
};

}  // namespace ultrafastbert::tokenizers
