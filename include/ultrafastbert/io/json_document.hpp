// SPDX-License-Identifier: MIT
//
// A small JSON document for configuration files: values that know their path, so that every reader's complaint names
// it. Large objects (vocabularies) are streamed past the tree to a receiver of the caller's; large arrays (merges) are
// packed.
// Layer: io.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_events.hpp"
#include "ultrafastbert/io/json_node.hpp"
#include "ultrafastbert/io/json_parser.hpp"

namespace ultrafastbert {

/// One member of a streamed object: its key, its scalar value and its JSON path (built only when asked for).
using json_member_sink = std::function<void(std::string_view key, const json_scalar& value)>;

/// What may be so large that it is not kept in the tree: members of an object at `path` go to `sink`, if there is one,
/// in file order, and an array there is packed. Neither counts for `json_limits::max_values`, but each element of the
/// array is held to it.
struct json_stream {
  std::string path;  ///< such as "$.model.vocab"
  json_member_sink sink{};
};

namespace io {

/// JSON path of a member. Keys that are no plain words are quoted, so that no key can pass for a path.
[[nodiscard]] inline std::string member_path(std::string parent, std::string_view key) {
  const bool plain = !key.empty() && key.size() <= 64 && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (plain) {
    parent.append(".").append(key);
  } else {
    parent.append("[").append(excerpt(key)).append("]");
  }
  return parent;
}

}  // namespace io

/// A value inside a `json_document`, with its place in it. Cheap to copy; valid while the document lives.
/// The `as_` functions throw bad_type or bad_value naming file, path, expected and found.
class json_value {
 public:
  /// Its JSON path, such as "$.arch.hidden_size". It is put together when it is asked for, so that a deep array of many
  /// values does not take the memory of as many long paths. Complexity: linear in its length.
  [[nodiscard]] std::string path() const {
    if (parent_ == nullptr) return "$";
    if (key_ != nullptr) return io::member_path(parent_->path(), *key_);
    return parent_->path() + '[' + std::to_string(index_) + ']';
  }
  [[nodiscard]] const std::string& file() const noexcept { return *file_; }  ///< name of the text
  [[nodiscard]] bool is_null() const noexcept { return node_->value.index() == 0; }
  [[nodiscard]] bool is_string() const noexcept { return std::holds_alternative<std::string>(node_->value); }
  [[nodiscard]] bool is_boolean() const noexcept { return std::holds_alternative<bool>(node_->value); }
  [[nodiscard]] bool is_object() const noexcept { return std::holds_alternative<io::json_object>(node_->value); }
  [[nodiscard]] bool is_array() const noexcept {
    return std::holds_alternative<io::json_array>(node_->value) || packed() != nullptr;
  }

  /// Whether this is an object whose members went to a `json_stream`.
  [[nodiscard]] bool is_streamed() const noexcept { return std::holds_alternative<io::json_streamed>(node_->value); }

  /// Member of an object, or nothing. Throws bad_type unless this is an object.
  [[nodiscard]] std::optional<json_value> find(std::string_view key) const {
    for (const auto& [name, node] : as<io::json_object>("an object")) {
      if (name == key) return json_value(node, as_parent(), &name, 0);
    }
    return std::nullopt;
  }

  /// Member of an object. Throws missing_key, bad_type.
  [[nodiscard]] json_value at(std::string_view key) const {
    if (auto member = find(key)) return *std::move(member);
    fail_missing(key);
  }

  /// Members of an object in file order. Throws bad_type.
  [[nodiscard]] std::vector<std::pair<std::string, json_value>> members() const {
    std::vector<std::pair<std::string, json_value>> out;
    const auto& object = as<io::json_object>("an object");
    const auto parent = as_parent();
    out.reserve(object.size());
    for (const auto& [name, node] : object) out.emplace_back(name, json_value(node, parent, &name, 0));
    return out;
  }

  /// Number of elements of an array. Throws bad_type.
  [[nodiscard]] std::size_t size() const {
    return packed() != nullptr ? packed()->size() : as<io::json_array>("an array").size();
  }

  /// Calls `visit(element)` for the elements of an array, packed or not. They are valid during the call.
  /// Throws: bad_type, and whatever `visit` throws.
  template <class Visit>
  void for_each_element(const Visit& visit) const {
    const auto parent = as_parent();
    const auto pass = [&](const io::json_node& node, std::size_t i) { visit(json_value(node, parent, nullptr, i)); };
    if (packed() != nullptr) return packed()->for_each(pass);
    const auto& array = as<io::json_array>("an array");
    for (std::size_t i = 0; i < array.size(); ++i) pass(array[i], i);
  }

  /// Elements of an array that is not packed. Throws bad_type.
  [[nodiscard]] std::vector<json_value> elements() const {
    std::vector<json_value> out;
    const auto& array = as<io::json_array>("an array");
    const auto parent = as_parent();
    out.reserve(array.size());
    for (std::size_t i = 0; i < array.size(); ++i) out.push_back(json_value(array[i], parent, nullptr, i));
    return out;
  }

  [[nodiscard]] bool as_boolean() const { return as<bool>("a boolean"); }                     ///< true or false
  [[nodiscard]] const std::string& as_string() const { return as<std::string>("a string"); }  ///< UTF-8

  static constexpr std::uint64_t largest_integer = (std::uint64_t{1} << 63U) - 1;  ///< bound on every integer read

  /// A non-negative integer of at most `largest`. Throws bad_type, bad_value.
  [[nodiscard]] std::uint64_t as_unsigned(std::uint64_t smallest = 0, std::uint64_t largest = largest_integer) const {
    const auto expected = [&] {
      return "an integer from " + std::to_string(smallest) + " to " + std::to_string(largest);
    };
    if (const auto* negative = std::get_if<std::int64_t>(&node_->value)) {
      fail_value(expected(), std::to_string(*negative));
    }
    if (!std::holds_alternative<std::uint64_t>(node_->value)) fail_type(expected());
    const auto value = std::get<std::uint64_t>(node_->value);
    if (value < smallest || value > largest) fail_value(expected(), std::to_string(value));
    return value;
  }

  /// A number of any form. Throws bad_type.
  [[nodiscard]] double as_number() const {
    if (const auto* value = std::get_if<std::uint64_t>(&node_->value)) return static_cast<double>(*value);
    if (const auto* value = std::get_if<std::int64_t>(&node_->value)) return static_cast<double>(*value);
    return as<double>("a number");
  }

  /// Throws missing_key about a member of this object.
  [[noreturn]] void fail_missing(std::string_view key) const {
    fail(error_code::missing_key,
         {.file = *file_, .where = member_path(key), .expected = "the key to be present", .found = "none"});
  }

  /// Throws bad_value about this value: what would have been accepted and what was found.
  [[noreturn]] void fail_value(std::string expected, std::string found) const {
    fail(error_code::bad_value,
         {.file = *file_, .where = path(), .expected = std::move(expected), .found = std::move(found)});
  }

  /// Throws unsupported about this value: what this version accepts here, what was found, and what to do about it.
  [[noreturn]] void fail_unsupported(std::string expected, std::string found, std::string reason = {}) const {
    fail(error_code::unsupported, {.file = *file_,
                                   .where = path(),
                                   .expected = std::move(expected),
                                   .found = std::move(found),
                                   .reason = std::move(reason)});
  }

  /// Throws bad_type about this value.
  [[noreturn]] void fail_type(std::string expected) const {
    fail(error_code::bad_type, {.file = *file_,
                                .where = path(),
                                .expected = std::move(expected),
                                .found = std::string(io::type_name(*node_))});
  }

 private:
  friend class json_document;

  json_value(const io::json_node& root, const std::string& file) : node_(&root), file_(&file) {}
  json_value(const io::json_node& node, std::shared_ptr<const json_value> parent, const std::string* key,
             std::size_t index)
      : node_(&node), file_(parent->file_), parent_(std::move(parent)), key_(key), index_(index) {}

  [[nodiscard]] const io::json_packed* packed() const noexcept { return std::get_if<io::json_packed>(&node_->value); }

  [[nodiscard]] std::shared_ptr<const json_value> as_parent() const {
    return std::make_shared<const json_value>(*this);
  }

  template <class Value>
  [[nodiscard]] const Value& as(const char* expected) const {
    if (const auto* value = std::get_if<Value>(&node_->value)) return *value;
    fail_type(expected);
  }

  [[nodiscard]] std::string member_path(std::string_view key) const { return io::member_path(path(), key); }

  const io::json_node* node_;
  const std::string* file_;
  std::shared_ptr<const json_value> parent_{};  // what it stands in; null for the root
  const std::string* key_ = nullptr;            // its name in an object, which the document holds
  std::size_t index_ = 0;                       // its place in an array
};

/// An immutable JSON document. Reading it from several threads is safe; one that was moved from has no root.
class json_document {
 public:
  /// Parses `text`.
  /// Pre: `file` names the text in errors; members of the objects in `streams` are scalars.
  /// Throws: bad_json, duplicate_key, limit_exceeded, bad_type (a streamed place is no object of scalars), and whatever
  ///   a sink throws. Duplicate keys of a streamed object are its sink's business.
  /// Complexity: n log n in the number of keys of the largest object.
  [[nodiscard]] static json_document parse(std::string_view text, std::string file, const json_limits& limits = {},
                                           const std::vector<json_stream>& streams = {});

  [[nodiscard]] json_value root() const { return json_value(*root_, *file_); }  ///< the outermost value

 private:
  json_document() = default;

  std::unique_ptr<const std::string> file_;
  std::unique_ptr<const io::json_node> root_;
};

namespace io {

/// Builds the tree from events; keeps one frame per open array or object, so its depth is the JSON's.
class json_tree_builder final : public json_event_handler {
 public:
  json_tree_builder(const std::string& file, const json_limits& limits, const std::vector<json_stream>& streams)
      : file_(file), limits_(limits), streams_(streams) {}

  void on_scalar(const json_scalar& scalar) override {
    if (sink_ != nullptr) {
      (*sink_)(key_, scalar);
      return;
    }
    json_node node;
    std::visit(
        [&node](const auto& value) {
          using value_type = std::decay_t<decltype(value)>;
          if constexpr (std::same_as<value_type, json_real>) {
            node.value = value.value;
          } else if constexpr (std::same_as<value_type, std::string_view>) {
            node.value = std::string(value);
          } else {
            node.value = value;
          }
        },
        scalar);
    add(std::move(node));
  }

  void on_key(std::string_view key) override { key_ = key; }

  void on_begin(bool object) override {
    if (sink_ != nullptr) fail_streamed();
    frame next;
    next.key = key_;
    next.outer_path = path_.size();
    next.values = values_;
    if (frames_.empty()) {
      path_ = "$";
    } else if (const auto count = element_count(frames_.back().node)) {
      path_.append("[").append(std::to_string(*count)).append("]");
    } else {
      path_ = member_path(std::move(path_), key_);
    }
    if (object) {
      next.node.value = json_object{};
    } else {
      next.node.value = json_array{};
    }
    for (const auto& stream : streams_) {
      if (stream.path != path_) continue;
      if (!object) {
        next.node.value = json_packed{};
      } else if (stream.sink) {
        next.node.value = json_streamed{};
        sink_ = &stream.sink;
      }
    }
    frames_.push_back(std::move(next));
  }

  void on_end(bool object) override {
    frame done = std::move(frames_.back());
    frames_.pop_back();
    if (std::holds_alternative<json_streamed>(done.node.value)) {
      sink_ = nullptr;
    } else if (object) {
      check_unique(std::get<json_object>(done.node.value), path_);
    }
    path_.resize(done.outer_path);
    key_ = std::move(done.key);
    add(std::move(done.node));
  }

  [[nodiscard]] json_node take() { return std::move(root_); }

 private:
  struct frame {
    std::string key{};           // key of this container inside its parent
    std::size_t outer_path = 0;  // length of the parent's path
    std::size_t values = 0;      // in the document before it
    json_node node{};
  };

  void add(json_node node) {
    if (++values_ > limits_.max_values) fail_limit(file_, "$", "JSON values", limits_.max_values);
    if (frames_.empty()) {
      root_ = std::move(node);
    } else if (auto* array = std::get_if<json_array>(&frames_.back().node.value)) {
      array->push_back(std::move(node));
    } else if (auto* packed = std::get_if<json_packed>(&frames_.back().node.value)) {
      if (packed->size() == limits_.max_elements) fail_limit(file_, path_, "elements", limits_.max_elements);
      packed->append(node);
      values_ = frames_.back().values;
    } else {
      std::get<json_object>(frames_.back().node.value).emplace_back(key_, std::move(node));
    }
  }

  /// Number of elements so far, or nothing for an object.
  [[nodiscard]] static std::optional<std::size_t> element_count(const json_node& node) {
    if (const auto* array = std::get_if<json_array>(&node.value)) return array->size();
    if (const auto* packed = std::get_if<json_packed>(&node.value)) return packed->size();
    return std::nullopt;
  }

  void check_unique(const json_object& object, const std::string& path) const {
    std::vector<std::string_view> keys;
    keys.reserve(object.size());
    for (const auto& member : object) keys.push_back(member.first);
    std::sort(keys.begin(), keys.end());
    if (const auto twice = std::adjacent_find(keys.begin(), keys.end()); twice != keys.end()) {
      fail(error_code::duplicate_key,
           {.file = file_, .where = path, .expected = "every key once", .found = excerpt(*twice) + " twice"});
    }
  }

  [[noreturn]] void fail_streamed() const {
    fail(error_code::bad_type, {.file = file_,
                                .where = member_path(path_, key_),
                                .expected = "a number or a string",
                                .found = "an array or an object"});
  }

  const std::string& file_;
  const json_limits& limits_;
  const std::vector<json_stream>& streams_;
  const json_member_sink* sink_ = nullptr;
  std::vector<frame> frames_{};
  std::string path_{};  // JSON path of the innermost container
  std::string key_{};
  std::size_t values_ = 0;
  json_node root_{};
};

}  // namespace io

inline json_document json_document::parse(std::string_view text, std::string file, const json_limits& limits,
                                          const std::vector<json_stream>& streams) {
  json_document document;
  document.file_ = std::make_unique<const std::string>(std::move(file));
  io::json_tree_builder builder(*document.file_, limits, streams);
  parse_json_events(text, *document.file_, limits, builder);
  document.root_ = std::make_unique<const io::json_node>(builder.take());
  return document;
}

}  // namespace ultrafastbert
