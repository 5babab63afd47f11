// SPDX-License-Identifier: MIT
//
// What requests may hold and what answers to bad ones look like: JSON objects whose fields are all known, and errors in
// the form that clients of OpenAI's interface read.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/model/texts/text_options.hpp"

namespace serve {

using nlohmann::ordered_json;

/// A request that is answered by an error.
struct bad_request : std::runtime_error {
  bad_request(int http_status, std::string code_name, const std::string& message, std::string field = {})
      : std::runtime_error(message), status(http_status), code(std::move(code_name)), where(std::move(field)) {}

  int status;         ///< of HTTP
  std::string code;   ///< stable word for programs
  std::string where;  ///< the field that is to blame, or empty
};

/// Appends numbers as an array of JSON, each in the fewest digits that give it back; what is no number is null.
template <class Number>
void append_numbers(std::string& text, std::span<const Number> numbers) {
  std::array<char, 48> digits{};
  text.append("[");
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    text.append(i == 0 ? "" : ",");
    if (!std::isfinite(static_cast<double>(numbers[i]))) {
      text.append("null");
      continue;
    }
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), numbers[i]);
    text.append(digits.data(), end.ptr);
  }
  text.append("]");
}
template <class Number>
void append_numbers(std::string& text, const std::vector<Number>& numbers) {
  append_numbers(text, std::span<const Number>(numbers));
}

/// JSON as bytes; what is no UTF-8 in it becomes U+FFFD.
inline std::string to_text(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

/// The body of an error.
inline std::string error_body(int status, std::string_view code, std::string_view message, std::string_view where) {
  // Piece by piece: where memory is short, the end of a tree of JSON would need some, and without it end the program.
  std::string out = R"({"error":{"message":)" + to_text(message) + R"(,"type":)";
  out.append(status < 500 ? R"("invalid_request_error")" : R"("server_error")");
  out.append(R"(,"param":)").append(where.empty() ? "null" : to_text(where));
  return out.append(R"(,"code":)").append(to_text(code)).append("}}");
}

/// A request's JSON object. Whoever reads it names every field that it may have; others are refused.
class fields {
 public:
  /// Throws: bad_request (no JSON, no object).
  explicit fields(const std::string& body) {
    try {
      object_ = ordered_json::parse(body, check());
    } catch (const ordered_json::exception& problem) {
      throw bad_request(400, "bad_json", problem.what());
    }
    if (!object_.is_object()) throw bad_request(422, "bad_type", "expected a JSON object");
  }

  /// Throws: bad_request unless the object has no other fields than these.
  void allow(std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : object_.items()) {
      bool found = false;
      std::string names;
      for (const std::string_view name : known) {
        found = found || name == key;
        names.append(names.empty() ? "" : ", ").append(name);
      }
      if (!found) throw bad_request(422, "unknown_field", "expected one of " + names, key);
    }
  }

  /// The field, or a default if it is missing or null. Throws: bad_request (another type).
  [[nodiscard]] std::string text(const std::string& name, std::string otherwise) const {
    const ordered_json* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_string()) throw bad_request(422, "bad_type", "expected a text", name);
    return value->get<std::string>();
  }
  [[nodiscard]] bool flag(const std::string& name, bool otherwise) const {
    const ordered_json* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) throw bad_request(422, "bad_type", "expected true or false", name);
    return value->get<bool>();
  }
  [[nodiscard]] std::size_t number(const std::string& name, std::size_t otherwise, std::size_t least,
                                   std::size_t most) const {
    const ordered_json* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() < least || value->get<std::uint64_t>() > most) {
      throw bad_request(422, "bad_value",
                        "expected a whole number from " + std::to_string(least) + " to " + std::to_string(most), name);
    }
    return value->get<std::size_t>();
  }

  /// A text, or a list of texts, or where pairs are allowed of objects with "text" and "text_pair".
  /// Throws: bad_request (another type, too many texts, none).
  [[nodiscard]] std::vector<ultrafastbert::text_pair> texts(const std::string& name, std::size_t most,
                                                            bool pairs = false) const {
    const ordered_json* value = find(name);
    if (value == nullptr) throw bad_request(422, "missing_field", "expected a text or a list of texts", name);
    std::vector<ultrafastbert::text_pair> texts;
    if (!value->is_array()) {
      texts.push_back(one(*value, name, pairs));
      return texts;
    }
    if (value->empty()) throw bad_request(422, "bad_value", "expected at least one text", name);
    if (value->size() > most) {
      throw bad_request(422, "too_many_texts", "expected at most " + std::to_string(most) + " texts", name);
    }
    for (std::size_t i = 0; i < value->size(); ++i) {
      texts.push_back(one((*value)[i], name + '[' + std::to_string(i) + ']', pairs));
    }
    return texts;
  }

  /// Whether all texts of a field are pairs, or none of them; nothing if they are mixed. Pre: `texts` took the field.
  [[nodiscard]] std::optional<bool> all_pairs(const std::string& name) const {
    const ordered_json& value = *find(name);
    if (!value.is_array()) return value.is_object();
    const auto pairs = std::count_if(value.begin(), value.end(), [](const auto& each) { return each.is_object(); });
    if (pairs != 0 && static_cast<std::size_t>(pairs) != value.size()) return {};
    return pairs != 0;
  }

 private:
  /// Bounds what a body of some megabytes may become. Objects keep their keys in a list, which is searched for each new
  /// one: there may be few, and each only once. Each level of an array takes a hundred times the byte that opens it.
  /// What it returns throws: bad_request.
  static ordered_json::parser_callback_t check() {
    constexpr std::size_t most = 32;
    constexpr int deepest = 8;
    return [keys = std::vector<std::vector<std::string>>()](int depth, ordered_json::parse_event_t event,
                                                            ordered_json& parsed) mutable {
      if (depth > deepest) {
        throw bad_request(422, "bad_value", "values are nested at most " + std::to_string(deepest) + " times");
      }
      if (event == ordered_json::parse_event_t::object_start) keys.emplace_back();
      if (event == ordered_json::parse_event_t::object_end) keys.pop_back();
      if (event == ordered_json::parse_event_t::key) {
        const auto& key = parsed.get_ref<const std::string&>();
        auto& of_object = keys.back();
        if (of_object.size() == most) {
          throw bad_request(422, "unknown_field", "an object has at most " + std::to_string(most) + " fields");
        }
        if (std::find(of_object.begin(), of_object.end(), key) != of_object.end()) {
          throw bad_request(400, "bad_json", "a field stands twice", key);
        }
        of_object.push_back(key);
      }
      return true;
    };
  }

  [[nodiscard]] const ordered_json* find(const std::string& name) const {
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  static ultrafastbert::text_pair one(const ordered_json& value, const std::string& where, bool pairs) {
    if (value.is_string()) return {.first = value.get<std::string>(), .second = {}};
    const bool has_texts = pairs && value.is_object() && value.size() == 2 && value.contains("text") &&
                           value.contains("text_pair") && value["text"].is_string() && value["text_pair"].is_string();
    if (!has_texts) {
      const bool is_id = value.is_number() || (value.is_array() && !value.empty() && value.front().is_number());
      if (is_id) throw bad_request(422, "bad_type", "expected a text, as ids of tokens are not taken", where);
      throw bad_request(422, "bad_type",
                        pairs ? "expected a text, or an object with text and text_pair" : "expected a text", where);
    }
    return {.first = value["text"].get<std::string>(), .second = value["text_pair"].get<std::string>()};
  }

  ordered_json object_;
};

/// Standard base64 with padding. Source: RFC 4648, section 4.
inline std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8U | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k <= bytes.size() ? digits[group >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return out;
}

}  // namespace serve
