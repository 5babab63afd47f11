// SPDX-License-Identifier: MIT
//
// The added tokens that the files of a tokenizer list, and how they are prepared for the search.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/added_tokens.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"
#include "ultrafastbert/tokenizer/tokenizer_parts.hpp"

namespace ultrafastbert::tokenizers {

/// An added token as a file lists it.
struct added_token_entry {
  added_token token{};   ///< its id is set once the vocabulary accepted it
  std::uint64_t id = 0;  ///< as the file has it; the vocabulary checks that it is a token_id
  bool normalized = false;
  bool special = false;
  std::string path{};  ///< where it stands
};

/// Reads an entry whose id is known. Throws: bad_type, missing_key.
[[nodiscard]] inline added_token_entry read_added_token(const json_value& value, std::uint64_t id) {
  return {.token = {.content = value.at("content").as_string(),
                    .single_word = value.at("single_word").as_boolean(),
                    .lstrip = value.at("lstrip").as_boolean(),
                    .rstrip = value.at("rstrip").as_boolean()},
          .id = id,
          .normalized = value.at("normalized").as_boolean(),
          .special = value.at("special").as_boolean(),
          .path = value.path()};
}

/// Reads `added_tokens` of a tokenizer.json. Throws: bad_type, bad_value, missing_key.
[[nodiscard]] inline std::vector<added_token_entry> read_added_tokens(const json_value& root) {
  std::vector<added_token_entry> out;
  if (const auto list = root.find("added_tokens")) {
    for (const json_value& value : list->elements()) {
      out.push_back(read_added_token(value, value.at("id").as_unsigned()));
    }
  }
  return out;
}

/// Reads `added_tokens_decoder` of a tokenizer_config.json, whose keys are the ids.
/// Throws: bad_type, bad_value, missing_key.
[[nodiscard]] inline std::vector<added_token_entry> read_added_tokens_decoder(const json_value& list) {
  std::vector<added_token_entry> out;
  for (const auto& [key, value] : list.members()) {
    const bool number = !key.empty() && key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!number) value.fail_value("an id as key", excerpt(key));
    out.push_back(read_added_token(value, std::stoull(key)));
  }
  return out;
}

/// Reads an added_tokens.json, an object of ids. Throws: bad_type.
[[nodiscard]] inline std::vector<added_token_entry> read_added_tokens_object(const json_value& ids) {
  std::vector<added_token_entry> out;
  for (const auto& [content, id] : ids.members()) {
    added_token_entry& entry = out.emplace_back();
    entry.token.content = content;
    entry.id = id.as_unsigned();
    entry.normalized = true;
    entry.path = id.path();
  }
  return out;
}

/// Added tokens of several files, by their contents.
class added_token_collection {
 public:
  explicit added_token_collection(std::vector<added_token_entry> entries) : entries_(std::move(entries)) {
    for (std::size_t i = 0; i < entries_.size(); ++i) places_.emplace(entries_[i].token.content, i);
  }

  [[nodiscard]] const std::vector<added_token_entry>& entries() const noexcept { return entries_; }
  [[nodiscard]] bool has(const std::string& content) const { return places_.find(content) != places_.end(); }

  /// Adds a special token that a file describes, or marks it as special where it is listed. Returns whether it is new.
  bool add_special(const described_token& token, std::uint64_t id) {
    const auto [place, added] = places_.emplace(token.spelling, entries_.size());
    if (!added) {
      entries_[place->second].special = true;
      return false;
    }
    added_token_entry& entry = entries_.emplace_back();
    entry.token.content = token.spelling;
    entry.token.single_word = token.single_word;
    entry.token.lstrip = token.lstrip;
    entry.token.rstrip = token.rstrip;
    entry.id = id;
    entry.normalized = token.normalized;
    entry.special = true;
    entry.path = token.path;
    return true;
  }

  /// The tokens. This cannot be used afterwards.
  [[nodiscard]] std::vector<added_token_entry> take() { return std::move(entries_); }

 private:
  std::vector<added_token_entry> entries_;
  std::map<std::string, std::size_t> places_{};  // no hash, as files choose the contents
};

/// Refuses tokens whose meaning would depend on the order in which the reference looks for them.
/// Throws: unsupported.
inline void check_added_tokens(const std::vector<added_token_entry>& entries, const std::string& file) {
  std::unordered_set<std::string_view> normalized;
  const auto strips = std::find_if(entries.begin(), entries.end(), [](const auto& e) { return e.token.rstrip; });
  for (const auto& entry : entries) {
    const std::string& content = entry.token.content;
    const auto refuse = [&](std::string_view member, std::string expected, std::string found) {
      fail(error_code::unsupported, {.file = file,
                                     .where = entry.path + std::string(member),
                                     .expected = std::move(expected),
                                     .found = std::move(found)});
    };
    if (content.empty()) refuse(".normalized", "a token that the normalizer leaves something of", "nothing is left");
    if (strips != entries.end() && is_white_space(decode_utf8(content, 0).code_point)) {
      refuse(".content", "no white space at the start while " + strips->path + " has rstrip", excerpt(content));
    }
    if (entry.normalized && !normalized.insert(content).second) {
      refuse(".normalized", "a token that differs from the others after normalization", excerpt(content) + " again");
    }
  }
}

/// Distributes the added tokens over the two searches for them. Those of the second search are normalized, as the text
/// is there. A token of no bytes has its id but is not looked for.
/// Pre: the vocabulary accepted them; the normalizers are in place.
/// Throws: unsupported, limit_exceeded (many tokens go through many steps or grow out of
///   proportion, or very many are long).
inline void place_added_tokens(std::vector<added_token_entry> entries, tokenizer_parts& parts) {
  normalized_text content(parts.file);
  std::size_t bytes = 0;
  for (const auto& entry : entries) bytes += entry.token.content.size();
  constexpr std::size_t most_work = std::size_t{1} << 28U;  // 20,000 tokens of usual lengths through a hundred steps
  content.restart(bytes, most_work, "$.added_tokens");
  for (auto& entry : entries) {
    entry.token.id = static_cast<token_id>(entry.id);
    if (entry.special) parts.special_ids.push_back(entry.token.id);
    if (!entry.normalized || entry.token.content.empty()) continue;
    content.assign(entry.token.content, 0);
    apply_all(parts.normalizers, content);
    entry.token.content = content.text();
    if (entry.token.content.empty()) check_added_tokens({entry}, parts.file);
  }
  std::erase_if(entries, [](const auto& entry) { return entry.token.content.empty(); });
  check_added_tokens(entries, parts.file);
  std::vector<added_token> raw;
  std::vector<added_token> normalized;
  for (auto& entry : entries) (entry.normalized ? normalized : raw).push_back(std::move(entry.token));
  std::sort(parts.special_ids.begin(), parts.special_ids.end());
  parts.raw_tokens = added_token_matcher(std::move(raw), parts.file);
  parts.normalized_tokens = added_token_matcher(std::move(normalized), parts.file);
}

}  // namespace ultrafastbert::tokenizers
