// SPDX-License-Identifier: MIT
//
// What a JSON document is made of: values in a tree, and long arrays in a form that takes about the room of their text.
// Layer: io.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace ultrafastbert::io {

struct json_node;
using json_object = std::vector<std::pair<std::string, json_node>>;
using json_array = std::vector<json_node>;
struct json_streamed {};  // stands where a member was streamed past the tree

/// The elements of a long array, packed. A tree takes forty bytes and more for a value of two characters; this takes at
/// most three times the text. Elements are unpacked one at a time.
class json_packed {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }  ///< number of elements

  void append(const json_node& element);  ///< packs a further element

  /// Calls `visit(element, index)` for the elements in order.
  template <class Visit>
  void for_each(const Visit& visit) const;

 private:
  // A value is the index of its kind in json_node, and behind it the eight bytes of a fraction, or a number of variable
  // length: the value itself, or how many bytes, elements or members follow.
  void put(const json_node& node);
  void put_number(std::uint64_t number);
  void put_text(std::string_view text);

  struct reader {
    std::string_view rest;

    [[nodiscard]] json_node node();
    [[nodiscard]] std::uint64_t number() noexcept;
    [[nodiscard]] std::string_view bytes(std::size_t count) noexcept;
  };

  std::string bytes_{};
  std::size_t size_ = 0;
};

struct json_node {
  std::variant<std::monostate, bool, std::uint64_t, std::int64_t, double, std::string, json_array, json_object,
               json_streamed, json_packed>
      value{};
};

[[nodiscard]] inline std::string_view type_name(const json_node& node) {
  constexpr std::string_view names[] = {"null",     "a boolean", "an integer", "a negative integer", "a fraction",
                                        "a string", "an array",  "an object",  "an object",          "an array"};
  return names[node.value.index()];
}

template <class Visit>
void json_packed::for_each(const Visit& visit) const {
  reader from{bytes_};
  for (std::size_t i = 0; i < size_; ++i) visit(from.node(), i);
}

inline void json_packed::append(const json_node& element) {
  put(element);
  ++size_;
}

inline void json_packed::put(const json_node& node) {
  bytes_.push_back(static_cast<char>(node.value.index()));
  std::visit(
      [this](const auto& value) {
        using value_type = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<value_type, bool> || std::is_same_v<value_type, std::uint64_t>) {
          put_number(value);
        } else if constexpr (std::is_same_v<value_type, std::int64_t>) {
          put_number(~static_cast<std::uint64_t>(value));  // negative: small numbers stay small
        } else if constexpr (std::is_same_v<value_type, double>) {
          char bytes[sizeof(double)];
          std::memcpy(bytes, &value, sizeof(double));
          bytes_.append(bytes, sizeof(double));
        } else if constexpr (std::is_same_v<value_type, std::string>) {
          put_text(value);
        } else if constexpr (std::is_same_v<value_type, json_array>) {
          put_number(value.size());
          for (const json_node& element : value) put(element);
        } else if constexpr (std::is_same_v<value_type, json_object>) {
          put_number(value.size());
          for (const auto& [key, member] : value) {
            put_text(key);
            put(member);
          }
        }
      },
      node.value);
}

inline void json_packed::put_number(std::uint64_t number) {
  for (; number >= 0x80U; number >>= 7U) bytes_.push_back(static_cast<char>((number & 0x7FU) | 0x80U));
  bytes_.push_back(static_cast<char>(number));
}

inline void json_packed::put_text(std::string_view text) {
  put_number(text.size());
  bytes_.append(text);
}

inline std::uint64_t json_packed::reader::number() noexcept {
  std::uint64_t out = 0;
  for (unsigned shift = 0;; shift += 7U) {
    const auto next = static_cast<unsigned char>(bytes(1).front());
    out |= std::uint64_t{next & 0x7FU} << shift;
    if (next < 0x80U) return out;
  }
}

inline std::string_view json_packed::reader::bytes(std::size_t count) noexcept {
  const std::string_view out = rest.substr(0, count);
  rest.remove_prefix(count);
  return out;
}

inline json_node json_packed::reader::node() {
  using kinds = decltype(json_node::value);
  static_assert(std::is_same_v<std::variant_alternative_t<1, kinds>, bool> &&
                    std::is_same_v<std::variant_alternative_t<7, kinds>, json_object>,
                "the cases below are the places of the kinds in json_node");
  json_node out;
  switch (static_cast<unsigned char>(bytes(1).front())) {
    case 1: out.value = number() != 0; break;
    case 2: out.value = number(); break;
    case 3: out.value = static_cast<std::int64_t>(~number()); break;
    case 4: std::memcpy(&out.value.emplace<double>(), bytes(sizeof(double)).data(), sizeof(double)); break;
    case 5: out.value = std::string(bytes(number())); break;
    case 6: {
      json_array& elements = out.value.emplace<json_array>();
      for (std::uint64_t left = number(); left > 0; --left) elements.push_back(node());
      break;
    }
    case 7: {
      json_object& members = out.value.emplace<json_object>();
      for (std::uint64_t left = number(); left > 0; --left) {
        std::string key(bytes(number()));
        members.emplace_back(std::move(key), node());
      }
      break;
    }
    default: break;  // null
  }
  return out;
}

}  // namespace ultrafastbert::io
