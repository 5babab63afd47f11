// SPDX-License-Identifier: MIT
//
// Parses JSON texts into events through nlohmann-json's SAX interface. This is the only header that includes the JSON
// library, which takes the compiler longer than everything else in io/ together; where the library is compiled apart,
// it is not included.
// Layer: io.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>

#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_bounds.hpp"
#include "ultrafastbert/io/json_events.hpp"
#if UFB_WITH_BODIES
#include <nlohmann/json.hpp>
#endif

namespace ultrafastbert {

/// Parses one JSON text and sends its events to `handler`.
/// Pre: `file` names the text in errors; `first_byte` is the text's position in that file, added to byte offsets.
/// Throws: bad_json (with byte offset, line, column and what would have been accepted), limit_exceeded, and whatever
///   the handler throws.
/// Complexity: linear in the text; memory for the longest string.
UFB_FUNCTION void parse_json_events(std::string_view text, std::string_view file, const json_limits& limits,
                                    json_event_handler& handler, std::uint64_t first_byte = 0);

#if UFB_WITH_BODIES

namespace io {

/// The parser's own words about a mistake, without what its message quotes from the text; empty if it has none.
[[nodiscard]] inline std::string parser_words(std::string_view message) {
  constexpr std::string_view before =
      " - ";  // "... syntax error while parsing value - invalid literal; last read: ..."
  constexpr std::size_t longest = 120;
  const std::size_t begin = message.find(before);
  if (begin == std::string_view::npos) return {};
  message.remove_prefix(begin + before.size());
  const std::size_t quote = message.find("; last read:");
  message =
      message.substr(0, (std::min)(quote != std::string_view::npos ? quote : message.find("; expected "), longest));
  const bool plain = std::all_of(message.begin(), message.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  return plain ? std::string(message) : std::string();
}

/// Translates nlohmann-json's events into those of `json_event_handler`.
class json_sax_adapter {
 public:
  using json = nlohmann::json;

  json_sax_adapter(json_event_handler& handler, const json_text& text) : handler_(handler), text_(text) {}

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

  /// `position` counts the bytes that were read, the offending one included.
  [[noreturn]] bool parse_error(std::size_t position, const std::string& token, const json::exception& problem) {
    const std::size_t offset = (std::min)(position == 0 ? 0 : position - 1, text_.bytes.size());
    if (problem.id / 100 == 4) {  // out_of_range, as the library numbers its exceptions
      // The parser stops at a number too large for a double. A receiver that refuses such numbers says so better.
      scalar(json_real{.value = std::numeric_limits<double>::infinity(), .text = token});
      fail_json(text_, {.offset = offset,
                        .reason = "number too large",
                        .expected = "a number that a double can hold",
                        .found = excerpt(token, 40)});
    }
    fail_grammar(text_, offset, parser_words(problem.what()));
  }

 private:
  bool scalar(const json_scalar& value) { return handler_.on_scalar(value), true; }

  json_event_handler& handler_;
  const json_text& text_;
};

}  // namespace io

#endif  // UFB_WITH_BODIES

}  // namespace ultrafastbert

#if UFB_WITH_BODIES

UFB_FUNCTION void ultrafastbert::parse_json_events(std::string_view text, std::string_view file,
                                                   const json_limits& limits, json_event_handler& handler,
                                                   std::uint64_t first_byte) {
  if (text.size() > limits.max_bytes) {
    ultrafastbert::fail(ultrafastbert::error_code::limit_exceeded,
                        {.file = std::string(file),
                         .where = "$",
                         .expected = "at most " + std::to_string(limits.max_bytes) + " bytes of JSON",
                         .found = std::to_string(text.size())});
  }
  // Padding of any length costs the parser nothing.
  const ultrafastbert::io::json_text trimmed{
      .bytes = text.substr(0, text.find_last_not_of(" \t\n\r") + 1), .file = file, .first_byte = first_byte};
  ultrafastbert::io::check_json_bounds(trimmed, limits);
  ultrafastbert::io::json_sax_adapter adapter(handler, trimmed);
  nlohmann::json::sax_parse(trimmed.bytes.begin(), trimmed.bytes.end(), &adapter);
}

#endif  // UFB_WITH_BODIES
