// SPDX-License-Identifier: MIT
//
// The normalizer `Precompiled`: a map of characters that SentencePiece stores as a trie.
// Source: SentencePiece's normalizer and the double arrays of darts-clone. As in the reference, the map is asked about
// short user-perceived characters as wholes, of which the shortest match decides, and about code points otherwise.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/base64.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_form.hpp"
#include "ultrafastbert/tokenizer/steps/user_character.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// The map: a trie of what is replaced, whose leaves say where in a text the replacements stand.
class character_map {
 public:
  /// Reads a map: four bytes for the size of the trie, the trie, the replacements with a NUL behind each.
  /// Pre: `place` is where the file has it.
  /// Throws: bad_value.
  character_map(std::string_view bytes, const json_value& place) {
    if (bytes.size() < 4) place.fail_value("at least 4 bytes", std::to_string(bytes.size()));
    const std::size_t size = number_at(bytes, 0);
    if (size % 4 != 0 || size > bytes.size() - 4) {
      place.fail_value("a trie of whole units within its " + std::to_string(bytes.size() - 4) + " bytes",
                       std::to_string(size) + " bytes");
    }
    for (std::size_t at = 4; at < size + 4; at += 4) units_.push_back(number_at(bytes, at));
    replacements_ = bytes.substr(size + 4);
    if (units_.empty()) place.fail_value("a trie with at least one unit", "none");
    if (!is_valid_utf8(replacements_)) place.fail_value("replacements in UTF-8", "bytes that are no UTF-8");
  }

  /// What the shortest beginning of `text` that the map knows is replaced by, or nothing.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view text) const noexcept {
    std::size_t at = offset(units_[0]);
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte == 0) return std::nullopt;
      at ^= byte;
      if (at >= units_.size() || (units_[at] & 0x800000FFU) != byte) return std::nullopt;
      const std::uint32_t unit = units_[at];
      at ^= offset(unit);
      if (((unit >> 8U) & 1U) != 0) return at < units_.size() ? replacement(units_[at] & 0x7FFFFFFFU) : std::nullopt;
    }
    return std::nullopt;
  }

 private:
  static std::uint32_t number_at(std::string_view bytes, std::size_t at) noexcept {
    std::uint32_t out = 0;
    for (std::size_t i = 4; i > 0; --i) out = (out << 8U) | static_cast<unsigned char>(bytes[at + i - 1]);
    return out;
  }

  static std::size_t offset(std::uint32_t unit) noexcept {
    return static_cast<std::size_t>(unit >> 10U) << ((unit & (1U << 9U)) >> 6U);
  }

  /// A leaf that does not point at the start of a character counts as none.
  [[nodiscard]] std::optional<std::string_view> replacement(std::size_t begin) const noexcept {
    const std::string_view all = replacements_;
    if (begin > all.size() || (begin < all.size() && is_utf8_continuation(all[begin]))) return std::nullopt;
    return all.substr(begin, (std::min)(all.find('\0', begin), all.size()) - begin);
  }

  std::vector<std::uint32_t> units_{};
  std::string replacements_{};
};

/// Writes the parts of a text one behind, because what is dropped concerns the part before it.
class delayed_form_writer {
 public:
  explicit delayed_form_writer(normalized_text& text) : text_(text.text()), writer_(text) {}

  /// Takes over the first `bytes` bytes, which are whole code points. Pre: nothing was put yet.
  void keep(std::size_t bytes) {
    if (bytes == 0) return;
    std::size_t last = bytes - 1;
    while (is_utf8_continuation(text_[last])) --last;
    if (last > 0) writer_.keep(last);
    last_ = {.code_point = decode_utf8(text_, last).code_point};
  }

  void put(const form_part& part) {
    finish();
    last_ = part;
  }

  /// Lets the last part take the place of `count` more code points. If there is none, what follows moves to their
  /// place.
  void drop(std::size_t count) {
    if (last_) last_->change -= static_cast<std::int64_t>(count);
  }

  void finish() {
    if (last_) writer_.put(*last_);
  }

 private:
  std::string_view text_;
  form_writer writer_;
  std::optional<form_part> last_{};
};

class precompiled : public normalizer {
 public:
  [[nodiscard]] std::size_t cost() const noexcept override { return 32; }
  explicit precompiled(character_map map) : map_(std::move(map)) {}

  void apply(normalized_text& text) const override {
    const std::string_view all = text.text();
    delayed_form_writer writer(text);
    bool changed = false;  // what comes before the first change is kept as a whole
    const auto replace = [&](std::size_t begin, std::size_t end) {
      const std::string_view part = all.substr(begin, end - begin);
      const auto content = map_.find(part);
      if (!content) return false;
      if (!changed) writer.keep(begin);
      changed = true;
      put(*content, count_code_points(part), writer);
      return true;
    };
    constexpr std::size_t longest_whole = 5;
    for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
      end = end_of_user_character(all, begin);
      if (end - begin <= longest_whole && replace(begin, end)) continue;
      for (std::size_t at = begin, next = 0; at < end; at = next) {
        const utf8_step step = decode_utf8(all, at);
        next = at + step.length;
        if (!replace(at, next) && changed) writer.put({step.code_point, 0});
      }
    }
    if (!changed) return;
    writer.finish();
    text.commit();
  }

 private:
  /// Writes `content` in the place of `count` code points: one for one, and what is left over in the place of the last.
  /// The code points for which nothing is left go with those before them, as in the reference.
  static void put(std::string_view content, std::size_t count, delayed_form_writer& writer) {
    std::size_t added = 0;
    for (std::size_t at = 0; at < content.size(); ++added) {
      const utf8_step step = decode_utf8(content, at);
      writer.put({step.code_point, added < count ? 0 : 1});
      at += step.length;
    }
    if (added < count) writer.drop(count - added);
  }

  character_map map_;
};

/// Reads a `Precompiled`. A map that is empty or null replaces nothing.
/// Throws: bad_type, bad_value (no base64, or no such map), missing_key.
inline void read_precompiled(const json_value& value, normalizer_list& steps) {
  const json_value map = value.at("precompiled_charsmap");
  if (map.is_null() || map.as_string().empty()) return;
  const auto bytes = decode_base64(map.as_string());
  if (!bytes) map.fail_value("base64", excerpt(map.as_string()));
  steps.push_back(std::make_unique<const precompiled>(character_map(*bytes, map)));
}

}  // namespace ultrafastbert::tokenizers
