// SPDX-License-Identifier: MIT
//
// What is checked about a JSON text before a parser sees it, in one pass over its bytes: nesting, lengths of strings
// and runs, NUL bytes. And where a byte of a text stands, with what the grammar accepts there, which is worked out for
// errors only.
// Layer: io.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_events.hpp"

namespace ultrafastbert::io {

/// A JSON text as a part of a file.
struct json_text {
  std::string_view bytes;
  std::string_view file;         ///< name of the file, for messages
  std::uint64_t first_byte = 0;  ///< the text's position in the file
};

/// Bytes that no literal and no number holds.
inline constexpr std::string_view json_token_ends = " \t\n\r{}[],:\"";

/// Where a byte stands in a text that is valid JSON up to there.
struct json_place {
  std::size_t line = 1;
  std::size_t column = 1;          // in characters
  std::size_t token_begin = 0;     // of the token that the byte belongs to; the text's size at its end
  std::size_t token_end = 0;       // one past its last byte
  std::string_view expected = {};  // instead of that token
};

/// Reads the tokens before a byte and keeps what decides which token may follow. It does not judge the tokens.
class json_place_finder {
 public:
  explicit json_place_finder(std::string_view text) : text_(text) {}

  [[nodiscard]] json_place find(std::size_t offset) {
    std::size_t at = text_.starts_with("\xef\xbb\xbf") ? 3 : 0;
    json_place place;
    for (;;) {
      at = (std::min)(text_.find_first_not_of(" \t\n\r", at), text_.size());
      const std::size_t end = token_end(at);
      if (at == text_.size() || offset < end) {
        place.token_begin = at;
        place.token_end = end;
        break;
      }
      take(text_[at]);
      at = end;
    }
    place.expected = expected();
    const std::string_view before = text_.substr(0, offset);
    place.line = 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
    const std::size_t line_begin = before.rfind('\n') + 1;  // 0 without a line before
    place.column = 1 + static_cast<std::size_t>(
                           std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line_begin), before.end(),
                                         [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
    return place;
  }

 private:
  enum class last : std::uint8_t { nothing, open, comma, colon, key, value };

  [[nodiscard]] std::size_t token_end(std::size_t begin) const {
    constexpr std::string_view marks = "{}[],:";
    if (begin == text_.size()) return begin;
    if (text_[begin] == '"') {
      std::size_t at = begin + 1;
      while (at < text_.size() && text_[at] != '"') at += text_[at] == '\\' ? 2U : 1U;
      return (std::min)(at + 1, text_.size());
    }
    if (marks.find(text_[begin]) != std::string_view::npos) return begin + 1;
    return (std::min)(text_.find_first_of(json_token_ends, begin), text_.size());
  }

  void take(char first) {
    if (first == '{' || first == '[') {
      open_ += first;
      last_ = last::open;
    } else if (first == '}' || first == ']') {
      if (!open_.empty()) open_.pop_back();
      last_ = last::value;
    } else if (first == ',' || first == ':') {
      last_ = first == ',' ? last::comma : last::colon;
    } else {
      const bool is_key = in_object() && (last_ == last::open || last_ == last::comma);
      last_ = is_key ? last::key : last::value;
    }
  }

  [[nodiscard]] bool in_object() const { return !open_.empty() && open_.back() == '{'; }

  [[nodiscard]] std::string_view expected() const {
    switch (last_) {
      case last::nothing: return "a value";
      case last::open: return in_object() ? "a key in double quotes or '}'" : "a value or ']'";
      case last::comma: return in_object() ? "a key in double quotes" : "a value";
      case last::colon: return "a value";
      case last::key: return "':'";
      case last::value: break;
    }
    return open_.empty() ? "the end of the text" : in_object() ? "',' or '}'" : "',' or ']'";
  }

  std::string_view text_;
  std::string open_{};  // the brackets that have not been closed
  last last_ = last::nothing;
};

/// Line and column for messages.
[[nodiscard]] inline std::string place_text(const json_place& place, std::uint64_t first_byte) {
  const std::string text = "line " + std::to_string(place.line) + ", column " + std::to_string(place.column);
  return first_byte == 0 ? text : text + " of the JSON text that begins at byte " + std::to_string(first_byte);
}

/// What a text does wrong at one byte, in words.
struct json_complaint {
  error_code code = error_code::bad_json;
  std::size_t offset = 0;  // in the text
  std::string reason{};
  std::string expected{};
  std::string found{};
};

/// Throws about one byte of a text, with its line and column.
[[noreturn, gnu::cold, gnu::noinline]] inline void fail_json(const json_text& text, json_complaint what) {
  fail(what.code, {.file = std::string(text.file),
                   .where = place_text(json_place_finder(text.bytes).find(what.offset), text.first_byte),
                   .expected = std::move(what.expected),
                   .found = std::move(what.found),
                   .reason = std::move(what.reason),
                   .byte_offset = text.first_byte + what.offset});
}

/// Throws bad_json about the token that a parser stopped in or behind, with what the grammar allows instead, or about
/// the byte that it stopped at, if that is inside a string. `reason` is the parser's, or empty.
[[noreturn, gnu::cold, gnu::noinline]] inline void fail_grammar(const json_text& text, std::size_t offset,
                                                                std::string reason) {
  constexpr std::size_t most_shown = 40;
  const bool invalid = reason.starts_with("invalid ");
  // Of a literal or a number that is none, the parser has read the byte that shows it, which may be the next token's.
  const bool behind = invalid && offset > 0 && json_token_ends.find(text.bytes[offset - 1]) == std::string_view::npos &&
                      !reason.starts_with("invalid string");
  const json_place place = json_place_finder(text.bytes).find(behind ? offset - 1 : offset);
  const std::string_view token = text.bytes.substr(place.token_begin, place.token_end - place.token_begin);
  json_complaint what{
      .offset = place.token_begin, .reason = std::move(reason), .expected = std::string(place.expected)};
  if (token.empty()) {
    what.found = "the end of the text";
  } else if (token.front() == '"' && invalid) {
    const std::size_t begin = (std::max)(place.token_begin + 1, offset - (std::min<std::size_t>)(offset, 7));
    what.offset = offset;
    what.expected = "valid UTF-8 with control characters, quotes and backslashes escaped";
    what.found = excerpt(text.bytes.substr(begin, (std::max)(offset + 1, begin) - begin));  // up to the byte
  } else {
    what.found = excerpt(token, most_shown);
  }
  fail_json(text, std::move(what));
}

/// Characters outside strings without punctuation between them. The parser collects such a run, blanks included, and
/// spells it out several times when it complains; numbers and words of real texts are far shorter.
inline constexpr std::size_t max_json_run = 65'536;

/// Throws limit_exceeded if the bytes from `begin` to `end` are too many for a run.
inline void check_json_run(const json_text& text, std::size_t begin, std::size_t end) {
  if (end - begin <= max_json_run) return;
  fail_json(text, {.code = error_code::limit_exceeded,
                   .offset = begin,
                   .expected = "at most " + std::to_string(max_json_run) + " characters without punctuation",
                   .found = std::to_string(end - begin)});
}

/// Whether a byte matters to `check_json_bounds`. A table, because that loop looks at every byte of large texts.
inline constexpr std::array<bool, 256> json_marks = [] {
  std::array<bool, 256> marks{};
  for (const char c : {'\0', '"', '\\', '{', '}', '[', ']', ',', ':'}) marks[static_cast<unsigned char>(c)] = true;
  return marks;
}();

[[noreturn, gnu::cold]] inline void fail_nesting(const json_text& text, std::size_t offset, std::size_t limit) {
  fail_json(text, {.offset = offset,
                   .reason = "nested too deeply",
                   .expected = "at most " + std::to_string(limit) + " arrays and objects inside each other",
                   .found = "more"});
}

/// Checks nesting, string lengths, runs and NUL bytes (which the parser would take for the end of the text).
/// Throws: bad_json, limit_exceeded.
inline void check_json_bounds(const json_text& text, const json_limits& limits) {
  const std::string_view bytes = text.bytes;
  std::size_t depth = 0;
  std::size_t start = 0;  // of the current string or run
  bool in_string = false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (!json_marks[static_cast<unsigned char>(c)]) continue;
    if (c == '\0') {
      fail_json(text,
                {.offset = i, .reason = "NUL byte", .expected = "no NUL byte in JSON", .found = excerpt({&c, 1})});
    }
    if (c == '"') {
      if (!in_string) {
        check_json_run(text, start, i);
      } else if (i - start > limits.max_string_bytes) {
        fail_json(text, {.code = error_code::limit_exceeded,
                         .offset = start,
                         .expected = "at most " + std::to_string(limits.max_string_bytes) + " bytes in one string",
                         .found = std::to_string(i - start)});
      }
      in_string = !in_string;
      start = i + 1;
    } else if (in_string) {
      if (c == '\\') ++i;
    } else if (c != '\\') {
      check_json_run(text, start, i);
      start = i + 1;
      if ((c == '{' || c == '[') && ++depth > limits.max_depth) fail_nesting(text, i, limits.max_depth);
      if ((c == '}' || c == ']') && depth > 0) --depth;
    }
  }
  if (in_string) {
    fail_json(text, {.offset = start - 1,
                     .reason = "unterminated string",
                     .expected = "double quotes at its end",
                     .found = "the end of the text"});
  }
  check_json_run(text, start, bytes.size());
}

}  // namespace ultrafastbert::io
