// SPDX-License-Identifier: MIT
//
// Bounded JSON reading: nlohmann-json's SAX parser behind limits, so that a hostile text costs little memory and time.
// One pass over the raw bytes checks nesting, string lengths and NUL bytes before the parser sees them.
// Layer: io.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "ultrafastbert/core/error.hpp"

namespace ultrafastbert {

/// Bounds on a JSON text. Exceeding `max_depth` is `bad_json`, the others are `limit_exceeded`.
struct json_limits {
  std::size_t max_bytes = std::size_t{1} << 20U;         ///< length of the text
  std::size_t max_depth = 64;                            ///< nesting of arrays and objects
  std::size_t max_string_bytes = std::size_t{8} << 20U;  ///< length of one string as written
  std::size_t max_values = 250'000;                      ///< values that a document tree may hold
};

/// A JSON number with a fraction or an exponent, or one too large for 64 bits.
struct json_real {
  double value = 0.0;
  std::string_view text{};  ///< as written; valid during the event only
};

/// A JSON value that is neither array nor object. Strings are valid during the event only.
using json_scalar = std::variant<std::monostate, bool, std::uint64_t, std::int64_t, json_real, std::string_view>;

/// What a receiver of JSON events offers. Each member may throw; the exception leaves the parse.
template <class Handler>
concept json_event_handler = requires(Handler& handler, const json_scalar& scalar, std::string_view key) {
  handler.on_scalar(scalar);
  handler.on_key(key);
  handler.on_begin(true);  // true: object, false: array
  handler.on_end(true);
};

namespace io {

[[noreturn, gnu::cold]] inline void fail_json(std::string_view file, std::uint64_t offset, std::string reason) {
  fail(error_code::bad_json, {.file = std::string(file), .reason = std::move(reason), .byte_offset = offset});
}

[[noreturn, gnu::cold]] inline void fail_limit(std::string_view file, std::string where, std::string what,
                                               std::size_t limit) {
  fail(error_code::limit_exceeded, {.file = std::string(file),
                                    .where = std::move(where),
                                    .expected = "at most " + std::to_string(limit) + ' ' + what});
}

/// Characters outside strings without punctuation between them. The parser collects such a run, blanks included, and
/// spells it out several times when it complains; numbers and words of real texts are far shorter.
inline constexpr std::size_t max_json_run = 65'536;

inline void check_json_run(std::size_t length, std::uint64_t end, std::string_view file) {
  if (length > max_json_run) {
    fail_limit(file, "byte " + std::to_string(end), "characters without punctuation before it", max_json_run);
  }
}

/// Whether a byte matters to `check_json_bounds`. A table, because that loop looks at every byte of large texts.
inline constexpr std::array<bool, 256> json_marks = [] {
  std::array<bool, 256> marks{};
  for (const char c : {'\0', '"', '\\', '{', '}', '[', ']', ',', ':'}) marks[static_cast<unsigned char>(c)] = true;
  return marks;
}();

/// Checks nesting, string lengths, runs and NUL bytes (which the parser would take for the end of the text).
inline void check_json_bounds(std::string_view text, std::string_view file, const json_limits& limits,
                              std::uint64_t first_byte) {
  std::size_t depth = 0;
  std::size_t start = 0;  // of the current string or run
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!json_marks[static_cast<unsigned char>(c)]) continue;
    if (c == '\0') fail_json(file, first_byte + i, "NUL byte");
    if (c == '"') {
      if (!in_string) {
        check_json_run(i - start, first_byte + i, file);
      } else if (i - start > limits.max_string_bytes) {
        fail_limit(file, "byte " + std::to_string(first_byte + start), "bytes in one string", limits.max_string_bytes);
      }
      in_string = !in_string;
      start = i + 1;
    } else if (in_string) {
      if (c == '\\') ++i;
    } else if (c != '\\') {
      check_json_run(i - start, first_byte + i, file);
      start = i + 1;
      if ((c == '{' || c == '[') && ++depth > limits.max_depth) {
        fail_json(file, first_byte + i, "nested deeper than " + std::to_string(limits.max_depth));
      }
      if ((c == '}' || c == ']') && depth > 0) --depth;
    }
  }
  if (in_string) fail_json(file, first_byte + start - 1, "unterminated string");
  check_json_run(text.size() - start, first_byte + text.size(), file);
}

/// Translates nlohmann-json's events into those of `json_event_handler`.
template <json_event_handler Handler>
class json_sax_adapter {
 public:
  using json = nlohmann::json;

  json_sax_adapter(Handler& handler, std::string_view file, std::uint64_t first_byte)
      : handler_(handler), file_(file), first_byte_(first_byte) {}

  bool null() { return scalar(std::monostate{}); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(json::number_integer_t value) { return scalar(std::int64_t{value}); }
  bool number_unsigned(json::number_unsigned_t value) { return scalar(std::uint64_t{value}); }
  bool number_float(json::number_float_t value, const json::string_t& text) {
    return scalar(json_real{.value = value, .text = text});
  }
  bool string(const json::string_t& value) { return scalar(std::string_view(value)); }
  bool binary(const json::binary_t& /*value*/) { return false; }
  bool start_object(std::size_t /*size*/) { return handler_.on_begin(true), true; }
  bool key(const json::string_t& value) { return handler_.on_key(value), true; }
  bool end_object() { return handler_.on_end(true), true; }
  bool start_array(std::size_t /*size*/) { return handler_.on_begin(false), true; }
  bool end_array() { return handler_.on_end(false), true; }

  template <class Exception>
  bool parse_error(std::size_t position, const std::string& token, const Exception& /*exception*/) {
    if constexpr (std::is_same_v<Exception, json::out_of_range>) {
      // The parser stops at a number too large for a double. A receiver that refuses such numbers says so better.
      scalar(json_real{.value = std::numeric_limits<double>::infinity(), .text = token});
    }
    fail_json(file_, first_byte_ + (position == 0 ? 0 : position - 1), "near " + excerpt(token, 40));
  }

 private:
  bool scalar(const json_scalar& value) { return handler_.on_scalar(value), true; }

  Handler& handler_;
  std::string_view file_;
  std::uint64_t first_byte_;
};

}  // namespace io

/// Parses one JSON text and sends its events to `handler`.
/// Pre: `file` names the text in errors; `first_byte` is the text's position in that file, added to byte offsets.
/// Throws: bad_json (with byte offset), limit_exceeded, and whatever the handler throws.
/// Complexity: linear in the text; memory for the longest string.
template <json_event_handler Handler>
void parse_json_events(std::string_view text, std::string_view file, const json_limits& limits, Handler& handler,
                       std::uint64_t first_byte = 0) {
  if (text.size() > limits.max_bytes) io::fail_limit(file, "$", "bytes of JSON", limits.max_bytes);
  text = text.substr(0, text.find_last_not_of(" \t\n\r") + 1);  // padding of any length costs the parser nothing
  io::check_json_bounds(text, file, limits, first_byte);
  io::json_sax_adapter<Handler> adapter(handler, file, first_byte);
  nlohmann::json::sax_parse(text.begin(), text.end(), &adapter);
}

}  // namespace ultrafastbert
