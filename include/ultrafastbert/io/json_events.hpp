// SPDX-License-Identifier: MIT
//
// What a JSON text is read into: a series of events for a receiver, within bounds that keep a hostile text from costing
// much memory or time. Values of any kind are scalars or begin and end; nothing is kept in between.
// json_parser.hpp produces the events; this header needs no JSON library.
// Layer: io.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "ultrafastbert/core/error.hpp"

namespace ultrafastbert {

/// Bounds on a JSON text. Exceeding `max_depth` is `bad_json`, the others are `limit_exceeded`.
struct json_limits {
  std::size_t max_bytes = std::size_t{1} << 20U;         ///< length of the text
  std::size_t max_depth = 64;                            ///< nesting of arrays and objects
  std::size_t max_string_bytes = std::size_t{8} << 20U;  ///< length of one string as written
  std::size_t max_values = 250'000;                      ///< values that a document tree may hold
  std::size_t max_elements = std::size_t{1} << 21U;      ///< elements of a packed array
};

/// A JSON number with a fraction or an exponent, or one too large for 64 bits.
struct json_real {
  double value = 0.0;
  std::string_view text{};  ///< as written; valid during the event only
};

/// A JSON value that is neither array nor object. Strings are valid during the event only.
using json_scalar = std::variant<std::monostate, bool, std::uint64_t, std::int64_t, json_real, std::string_view>;

/// A receiver of JSON events, which arrive in the order of the text. Each function may throw; the exception leaves the
/// parse.
class json_event_handler {
 public:
  json_event_handler(const json_event_handler&) = delete;
  json_event_handler& operator=(const json_event_handler&) = delete;
  virtual ~json_event_handler() = default;

  virtual void on_scalar(const json_scalar& scalar) = 0;  ///< a value that is complete
  virtual void on_key(std::string_view key) = 0;          ///< before the value of an object's member
  virtual void on_begin(bool object) = 0;                 ///< an object, or else an array
  virtual void on_end(bool object) = 0;                   ///< the innermost one that has begun

 protected:
  json_event_handler() = default;
};

namespace io {

/// Throws limit_exceeded about one place of a file.
[[noreturn, gnu::cold, gnu::noinline]] inline void fail_limit(std::string_view file, std::string where,
                                                              std::string_view what, std::size_t limit) {
  fail(error_code::limit_exceeded, {.file = std::string(file),
                                    .where = std::move(where),
                                    .expected = "at most " + std::to_string(limit) + ' ' + std::string(what),
                                    .found = "more"});
}

/// A scalar in words, for messages.
[[nodiscard]] inline std::string describe(const json_scalar& scalar) {
  if (std::holds_alternative<std::monostate>(scalar)) return "null";
  if (const auto* value = std::get_if<bool>(&scalar)) return *value ? "true" : "false";
  if (const auto* value = std::get_if<std::string_view>(&scalar)) return "the string " + excerpt(*value);
  if (const auto* value = std::get_if<json_real>(&scalar)) return "the number " + excerpt(value->text, 40);
  if (const auto* value = std::get_if<std::uint64_t>(&scalar)) return "the number " + std::to_string(*value);
  const std::int64_t value = std::get<std::int64_t>(scalar);  // negative, or -0: positive ones are unsigned
  return "the number " + (value == 0 ? "-0" : std::to_string(value));
}

}  // namespace io

}  // namespace ultrafastbert
