// SPDX-License-Identifier: MIT
//
// Small tokenizers for tests, written as JSON documents that a test may bend before it reads them.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/scratch_folder.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ufb_test {

using json = nlohmann::json;

/// An entry of `added_tokens` without any flag.
inline json added_token(int id, const std::string& content, bool special = true) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

/// A complete tokenizer.json of the crammed form with a handful of words. Ids are those of the order below.
inline json small_tokenizer() {
  json vocabulary = json::object();
  int next = 0;
  for (const char* token : {"<pad>", "<unk>", "<cls>", "<sep>",    "<mask>", "the", "cat", "##s", "sat", "on",
                            ".",     "\"",    "un",    "##believ", "##able", "##a", "a",   "b",   "'",   "##'"}) {
    vocabulary[token] = next++;
  }
  const auto special = [](const char* id) { return json{{"SpecialToken", {{"id", id}, {"type_id", 0}}}}; };
  const auto text = [](const char* id) { return json{{"Sequence", {{"id", id}, {"type_id", 0}}}}; };
  const auto replace = [](const char* kind, const char* pattern, const char* content) {
    return json{{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
  };
  json out;
  out["version"] = "1.0";
  out["truncation"] = nullptr;
  out["padding"] = nullptr;
  out["added_tokens"] = json::array({added_token(0, "<pad>"), added_token(1, "<unk>"), added_token(2, "<cls>"),
                                     added_token(3, "<sep>"), added_token(4, "<mask>")});
  out["normalizer"] = {{"type", "Sequence"},
                       {"normalizers", json::array({replace("String", "``", "\""),
                                                    replace("String", "''", "\""),
                                                    {{"type", "NFD"}},
                                                    {{"type", "Lowercase"}},
                                                    {{"type", "StripAccents"}},
                                                    replace("Regex", " {2,}", " "),
                                                    replace("Regex", "[^\\x00-\\x7F]+", "")})}};
  out["pre_tokenizer"] = {{"type", "Whitespace"}};
  out["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", json::array({text("A"), special("<sep>")})},
      {"pair", json::array({special("<cls>"), text("A"), special("<sep>"), text("B"), special("<sep>")})},
      {"special_tokens",
       {{"<cls>", {{"id", "<cls>"}, {"ids", {2}}, {"tokens", {"<cls>"}}}},
        {"<sep>", {{"id", "<sep>"}, {"ids", {3}}, {"tokens", {"<sep>"}}}}}}};
  out["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  out["model"] = {{"type", "WordPiece"},
                  {"unk_token", "<unk>"},
                  {"continuing_subword_prefix", "##"},
                  {"max_input_chars_per_word", 100},
                  {"vocab", std::move(vocabulary)}};
  return out;
}

/// Reads `document` under the name "tokenizer.json".
inline ultrafastbert::tokenizer parse(const json& document) {
  return ultrafastbert::tokenizer::parse(document.dump(), "tokenizer.json");
}

/// The small tokenizer after a change.
inline ultrafastbert::tokenizer parse_changed(const std::function<void(json&)>& change) {
  json document = small_tokenizer();
  change(document);
  return parse(document);
}

/// The error that an action throws, or nothing.
inline std::optional<ultrafastbert::error> error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ultrafastbert::error& error) {
    return error;
  }
  return std::nullopt;
}

/// Offsets as pairs of numbers, as JSON and failure messages show them.
inline std::vector<std::pair<std::uint32_t, std::uint32_t>> spans(const ultrafastbert::encoding& encoding) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> out;
  for (const auto& span : encoding.offsets) out.emplace_back(span.begin, span.end);
  return out;
}

using strings = std::vector<std::string>;
using span_list = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

/// `count` copies of `part`.
inline std::string repeat(std::string_view part, std::size_t count) {
  std::string out;
  out.reserve(part.size() * count);
  for (std::size_t i = 0; i < count; ++i) out += part;
  return out;
}

}  // namespace ufb_test
