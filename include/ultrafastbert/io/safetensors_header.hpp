// SPDX-License-Identifier: MIT
//
// Parses the JSON header of a safetensors file through bounded events straight into entries, each checked as it ends.
// Unknown fields are skipped, but their keys are still checked for duplicates.
// Layer: io.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/dtype.hpp"
#include "ultrafastbert/io/json_events.hpp"
#include "ultrafastbert/io/json_parser.hpp"
#include "ultrafastbert/io/tensor_entry.hpp"

namespace ultrafastbert {

namespace io {

/// Receives the header's JSON events. Holds one tensor in the making; finished ones are checked and kept.
class safetensors_header_parser final : public json_event_handler {
 public:
  safetensors_header_parser(const safetensors_layout& layout, const safetensors_limits& limits)
      : layout_(layout), limits_(limits) {}

  void on_key(std::string_view key) override {
    if (place_ == place::root) {
      begin_member(key);
    } else if (place_ == place::metadata) {
      if (header_.metadata.size() == limits_.metadata) {
        fail_limit(layout_.file, std::string(metadata_key), "keys", limits_.metadata);
      }
      header_.metadata.emplace_back(key, std::string());
    } else {
      add_field(key);
      if (place_ == place::entry) begin_field(key);
    }
  }

  void on_scalar(const json_scalar& scalar) override {
    switch (place_) {
      case place::outside:
      case place::root:
        // Writers that have nothing to say write null, which the reference reads as no metadata.
        if (in_metadata_ && std::holds_alternative<std::monostate>(scalar)) return;
        fail_member(describe(scalar));
      case place::metadata: return set_metadata(scalar);
      case place::entry: return set_field(scalar);
      case place::numbers: return add_number(scalar);
      case place::ignored: return ignore_value();
    }
  }

  void on_begin(bool object) override {
    const char* found = object ? "an object" : "an array";
    switch (place_) {
      case place::outside: place_ = place::root; return;
      case place::root:
        if (!object) fail_member(found);
        place_ = in_metadata_ ? place::metadata : place::entry;
        if (!in_metadata_) fields_.emplace_back();
        return;
      case place::metadata: fail_metadata(found);
      case place::entry:
        if (field_ == field::other) break;
        if (object || field_ == field::type) fail_field(found);
        place_ = place::numbers;
        return;
      case place::numbers: fail_field("an element that is " + std::string(found));
      case place::ignored: break;
    }
    ignore_value();
    place_ = place::ignored;
    fields_.emplace_back();
  }

  void on_end(bool /*object*/) override {
    switch (place_) {
      case place::ignored:
        fields_.pop_back();
        if (fields_.size() == 1) place_ = place::entry;
        return;
      case place::numbers:
        if (field_ == field::offsets && offsets_.size() != 2) fail_field(std::to_string(offsets_.size()) + " of them");
        place_ = place::entry;
        return;
      case place::entry:
        fields_.pop_back();
        finish_entry();
        place_ = place::root;
        return;
      case place::metadata: place_ = place::root; return;
      case place::root:
      case place::outside: place_ = place::outside; return;
    }
  }

  /// The finished header.
  /// Throws: duplicate_key, bad_offsets, truncated, trailing_bytes.
  [[nodiscard]] safetensors_header take() {
    index_names(layout_, header_);
    check_metadata_keys(layout_, header_);
    check_tiling(layout_, header_);
    return std::move(header_);
  }

 private:
  enum class place : std::uint8_t { outside, root, metadata, entry, numbers, ignored };
  enum class field : std::uint8_t { type, shape, offsets, other };

  void begin_member(std::string_view key) {
    in_metadata_ = key == metadata_key;
    if (in_metadata_) {
      if (has_metadata_) fail_twice(layout_, excerpt(key), "the key");
      has_metadata_ = true;
      return;
    }
    entry_ = tensor_entry{.name = std::string(key)};
    has_type_ = has_shape_ = has_offsets_ = false;
    offsets_.clear();
    if (key.size() > limits_.name_bytes) fail_limit(layout_.file, where(), "bytes in a name", limits_.name_bytes);
    if (header_.tensors.size() == limits_.tensors) fail_limit(layout_.file, where(), "tensors", limits_.tensors);
  }

  /// Notes a key of the innermost object.
  void add_field(std::string_view key) {
    auto& fields = fields_.back();
    if (key.size() > limits_.name_bytes) fail_limit(layout_.file, where(), "bytes in a key", limits_.name_bytes);
    if (std::find(fields.begin(), fields.end(), key) != fields.end()) fail_twice(layout_, where(), excerpt(key));
    if (fields.size() == limits_.fields) fail_limit(layout_.file, where(), "keys in one object", limits_.fields);
    fields.emplace_back(key);
  }

  void begin_field(std::string_view key) {
    field_ = key == "dtype"          ? field::type
             : key == "shape"        ? field::shape
             : key == "data_offsets" ? field::offsets
                                     : field::other;
    has_type_ = has_type_ || field_ == field::type;
    has_shape_ = has_shape_ || field_ == field::shape;
    has_offsets_ = has_offsets_ || field_ == field::offsets;
  }

  void ignore_value() {
    if (++ignored_ > limits_.ignored) fail_limit(layout_.file, where(), "values in unknown fields", limits_.ignored);
  }

  void set_metadata(const json_scalar& scalar) {
    const auto* text = std::get_if<std::string_view>(&scalar);
    if (text == nullptr) fail_metadata(describe(scalar));
    header_.metadata.back().second = std::string(*text);
  }

  void set_field(const json_scalar& scalar) {
    if (field_ == field::other) return ignore_value();
    const auto* text = std::get_if<std::string_view>(&scalar);
    if (field_ != field::type || text == nullptr) fail_field(describe(scalar));
    const auto type = find_dtype(*text);
    if (!type) fail_entry(error_code::unknown_dtype, "a dtype of the format, such as F32, F16 or I64", excerpt(*text));
    entry_.type = *type;
  }

  void add_number(const json_scalar& scalar) {
    const auto* number = std::get_if<std::uint64_t>(&scalar);
    if (number == nullptr || *number > largest_size) {
      const bool numeric = number != nullptr || std::holds_alternative<std::int64_t>(scalar) ||
                           std::holds_alternative<json_real>(scalar);
      if (!numeric) fail_field("an element that is " + describe(scalar));
      fail_entry(error_code::bad_integer, field_text() + " of plain integers from 0 to " + std::to_string(largest_size),
                 describe(scalar));
    }
    auto& numbers = field_ == field::shape ? entry_.shape : offsets_;
    if (field_ == field::shape && numbers.size() == limits_.rank) {
      fail_limit(layout_.file, where(), "dimensions", limits_.rank);
    }
    if (field_ == field::offsets && numbers.size() == 2) fail_field("more than two");
    numbers.push_back(*number);
  }

  void finish_entry() {
    const char* missing = !has_type_ ? "dtype" : !has_shape_ ? "shape" : !has_offsets_ ? "data_offsets" : nullptr;
    if (missing != nullptr)
      fail_entry(error_code::bad_entry, "the keys dtype, shape and data_offsets", "no " + std::string(missing));
    const auto size = stored_bytes();
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    if (entry_.end < entry_.begin) fail_offsets(layout_, entry_, "an end not before the begin");
    if (!size) fail_offsets(layout_, entry_, "a shape whose elements fill whole bytes, not " + storage_text());
    if (entry_.end - entry_.begin != *size) {
      fail_offsets(layout_, entry_, std::to_string(*size) + " bytes for " + storage_text());
    }
    header_.tensors.push_back(std::move(entry_));
  }

  /// Bytes of the current entry, or nothing if no whole number. Zero sizes do not excuse an overflow among the others.
  [[nodiscard]] std::optional<std::uint64_t> stored_bytes() const {
    const std::uint64_t largest = largest_size / (std::max<std::uint64_t>)(bytes(entry_.type), 1);
    std::uint64_t elements = 1;
    bool empty = false;
    for (const std::uint64_t size : entry_.shape) {
      empty = empty || size == 0;
      if (size > 1 && elements > largest / size) {
        fail_entry(error_code::overflow, "at most " + std::to_string(largest_size) + " elements and bytes",
                   storage_text());
      }
      elements *= (std::max<std::uint64_t>)(size, 1);
    }
    return packed_bytes(entry_.type, empty ? 0 : elements);
  }

  [[nodiscard]] std::string where() const { return excerpt(entry_.name); }

  [[nodiscard]] std::string storage_text() const {
    return "shape " + shape_text(entry_.shape) + " of " + std::string(name(entry_.type));
  }

  [[nodiscard]] std::string field_text() const {
    return field_ == field::type    ? "dtype: a string"
           : field_ == field::shape ? "shape: an array"
                                    : "data_offsets: a pair";
  }

  [[noreturn, gnu::cold]] void fail_entry(error_code code, std::string expected, std::string found) const {
    fail(code, {.file = std::string(layout_.file),
                .where = where(),
                .expected = std::move(expected),
                .found = std::move(found)});
  }

  [[noreturn]] void fail_field(std::string found) const {
    fail_entry(error_code::bad_entry, field_text() + (field_ == field::type ? "" : " of integers"), std::move(found));
  }

  [[noreturn, gnu::cold]] void fail_metadata(std::string found) const {
    const std::string key = header_.metadata.empty() ? std::string() : '.' + excerpt(header_.metadata.back().first);
    fail(error_code::bad_metadata, {.file = std::string(layout_.file),
                                    .where = std::string(metadata_key) + key,
                                    .expected = "a string",
                                    .found = std::move(found)});
  }

  [[noreturn]] void fail_member(std::string found) const {
    if (!in_metadata_) fail_entry(error_code::bad_entry, "an object", std::move(found));
    fail(error_code::bad_metadata, {.file = std::string(layout_.file),
                                    .where = std::string(metadata_key),
                                    .expected = "an object of strings, or null",
                                    .found = std::move(found)});
  }

  const safetensors_layout& layout_;
  const safetensors_limits& limits_;
  place place_ = place::outside;
  field field_ = field::other;
  bool in_metadata_ = false;
  bool has_metadata_ = false;
  bool has_type_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
  std::size_t ignored_ = 0;
  tensor_entry entry_{};
  std::vector<std::uint64_t> offsets_{};
  std::vector<std::vector<std::string>> fields_{};  // keys of the entry and of the ignored objects inside it
  safetensors_header header_{};
};

/// Parses a header.
/// Pre: `text` begins 8 bytes into the file.
/// Throws: bad_json, duplicate_key, bad_metadata, bad_entry, bad_integer, unknown_dtype, overflow, bad_offsets,
///   truncated, trailing_bytes, limit_exceeded.
[[nodiscard]] inline safetensors_header parse_safetensors_header(std::string_view text,
                                                                 const safetensors_layout& layout,
                                                                 const safetensors_limits& limits) {
  constexpr std::uint64_t first_byte = 8;
  if (!text.starts_with('{')) {
    fail(error_code::bad_json, {.file = std::string(layout.file),
                                .expected = "a header that begins with '{'",
                                .found = text.empty() ? "no header" : excerpt(text.substr(0, 1)),
                                .byte_offset = first_byte});
  }
  const json_limits json{
      .max_bytes = text.size(), .max_depth = limits.nesting, .max_string_bytes = limits.string_bytes};
  safetensors_header_parser parser(layout, limits);
  parse_json_events(text, layout.file, json, parser, first_byte);
  return parser.take();
}

}  // namespace io

}  // namespace ultrafastbert
