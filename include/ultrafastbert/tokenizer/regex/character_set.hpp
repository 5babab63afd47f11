// SPDX-License-Identifier: MIT
//
// Sets of characters for regular expressions.
// Source: the engine Oniguruma, which the reference uses; its categories stand in a fixed table.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/unicode/category_table.hpp"
#include "ultrafastbert/tokenizer/unicode/code_point_range.hpp"
#include "ultrafastbert/tokenizer/unicode/word_table.hpp"

namespace ultrafastbert::tokenizers {

/// Names of the general categories, by the numbers that `category_runs` has for them.
inline constexpr std::array<std::string_view, 29> category_names{
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe",
    "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn"};

inline constexpr char32_t last_code_point = 0x10FFFF;

/// A set of code points. It is built with `add` and `invert`; `finish` prepares it for `contains`.
class character_set {
 public:
  void add(char32_t first, char32_t last) { ranges_.push_back({first, last}); }
  void add(const character_set& other) { ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end()); }

  /// Turns the set into that of all other code points.
  void invert() {
    merge();
    std::vector<code_point_range> out;
    char32_t next = 0;
    for (const auto& range : ranges_) {
      if (next < range.first) out.push_back({next, range.first - 1});
      next = range.last + 1;
    }
    if (next <= last_code_point) out.push_back({next, last_code_point});
    ranges_ = std::move(out);
  }

  /// Makes the set ready to be asked.
  void finish() {
    merge();
    ascii_ = {};
    for (char32_t c = 0; c < 0x80; ++c) {
      if (tokenizers::contains(ranges_, c)) ascii_[c / 64] |= std::uint64_t{1} << (c % 64);
    }
  }

  /// Whether the set has a code point. Pre: it is finished.
  [[nodiscard]] bool contains(char32_t c) const noexcept {
    return c < 0x80 ? ((ascii_[c / 64] >> (c % 64)) & 1U) != 0 : tokenizers::contains(ranges_, c);
  }

  /// Whether the set has any code point outside ASCII. Pre: it is finished.
  [[nodiscard]] bool exceeds_ascii() const noexcept { return !ranges_.empty() && ranges_.back().last >= 0x80; }

  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }         ///< whether nothing is in it
  [[nodiscard]] std::size_t ranges() const noexcept { return ranges_.size(); }  ///< number of ranges that it holds

 private:
  /// Sorts the ranges and joins those that touch.
  void merge() {
    std::sort(ranges_.begin(), ranges_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::size_t kept = 0;
    for (const code_point_range range : ranges_) {
      if (kept > 0 && range.first <= ranges_[kept - 1].last + 1) {
        ranges_[kept - 1].last = (std::max)(ranges_[kept - 1].last, range.last);
      } else {
        ranges_[kept++] = range;
      }
    }
    ranges_.resize(kept);
    ranges_.shrink_to_fit();
  }

  std::vector<code_point_range> ranges_{};
  std::array<std::uint64_t, 2> ascii_{};
};

/// The category of an ASCII character.
[[nodiscard]] constexpr std::string_view ascii_category(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return "Lu";
  if (c >= 'a' && c <= 'z') return "Ll";
  if (c >= '0' && c <= '9') return "Nd";
  if (c < ' ' || c == 0x7F) return "Cc";
  switch (c) {
    case ' ': return "Zs";
    case '_': return "Pc";
    case '-': return "Pd";
    case '(':
    case '[':
    case '{': return "Ps";
    case ')':
    case ']':
    case '}': return "Pe";
    case '+':
    case '<':
    case '=':
    case '>':
    case '|':
    case '~': return "Sm";
    case '$': return "Sc";
    case '^':
    case '`': return "Sk";
    default: return "Po";
  }
}

/// The characters of a category such as "Lu", or of all categories that start with a letter such as "L". The set is
/// empty if there is none of that name.
[[nodiscard]] inline character_set characters_of(std::string_view name) {
  character_set out;
  if (name.empty() || name.size() > 2) return out;
  const auto wanted = [name](std::string_view category) { return category.substr(0, name.size()) == name; };
  for (char32_t c = 0; c < 0x80; ++c) {
    if (wanted(ascii_category(static_cast<char>(c)))) out.add(c, c);
  }
  for (std::size_t i = 0; i < category_runs.size(); ++i) {
    const char32_t first = category_runs[i] / 32;
    const char32_t last = i + 1 < category_runs.size() ? category_runs[i + 1] / 32 - 1 : last_code_point;
    const std::size_t category = category_runs[i] % 32;
    if (category < category_names.size()) {
      if (wanted(category_names[category])) out.add(first, last);
      continue;
    }
    const std::size_t capital_at = category - category_names.size();  // 0 if the first letter of the run is a capital
    for (char32_t c = first; c <= last; ++c) {
      if (wanted((c - first) % 2 == capital_at ? "Lu" : "Ll")) out.add(c, c);
    }
  }
  return out;
}

/// White space: `\s`.
[[nodiscard]] inline character_set white_space_characters() {
  character_set out;
  for (char32_t c = 0; c <= 0x3000; ++c) {
    if (is_white_space(c)) out.add(c, c);
  }
  return out;
}

/// Word characters: `\w`. Oniguruma has no zero-width joiners among them. It has superscripts and fractions of Latin-1
/// among them, but not where `\w` stands in a set.
[[nodiscard]] inline character_set word_characters(bool in_set) {
  character_set out;
  out.add('0', '9');
  out.add('A', 'Z');
  out.add('_', '_');
  out.add('a', 'z');
  constexpr std::array<char32_t, 6> latin1_numbers{U'\u00B2', U'\u00B3', U'\u00B9', U'\u00BC', U'\u00BD', U'\u00BE'};
  if (!in_set) {
    for (const char32_t c : latin1_numbers) out.add(c, c);
  }
  for (const auto& range : word_ranges) {
    if (range.first != 0x200C) out.add(range.first, range.last);
  }
  return out;
}

}  // namespace ultrafastbert::tokenizers
