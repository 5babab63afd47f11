// SPDX-License-Identifier: MIT
//
// Normalisers: a sequence of steps, each a small struct with its own `apply`. Case mapping, decomposition and
// categories come from utf8proc.
// Layer: tokenizer.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/tokenizer/normalised_text.hpp"
#include "ultrafastbert/tokenizer/utf8.hpp"

namespace ultrafastbert::detail {

/// Bytes [begin, end) of a text; empty: no match.
struct byte_range {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Replaces the matches that `next_match(text, from)` finds by `content`, which takes the place of a match's last
/// code point.
template <class NextMatch>
void replace_matches(normalised_text& text, std::string_view content, const NextMatch& next_match) {
  byte_range match = next_match(text.text(), 0);
  if (match.begin == match.end) return;
  std::size_t done = 0;
  while (match.begin != match.end) {
    text.keep(done, match.begin);
    text.put(content, text.origin(match.end - 1));
    done = match.end;
    match = next_match(text.text(), done);
  }
  text.keep(done, text.text().size());
  text.commit();
}

/// Keeps ASCII and hands each other code point, with the bytes [begin, end) it stands at, to `rewrite`.
template <class Rewrite>
void rewrite_non_ascii(normalised_text& text, const Rewrite& rewrite) {
  const std::string_view all = text.text();
  for (std::size_t at = 0; at < all.size();) {
    if (const std::size_t plain = ascii_prefix(all.substr(at)); plain > 0) {
      text.keep(at, at + plain);
      at += plain;
    } else {
      const utf8_step step = decode_utf8(all, at);
      rewrite(step.code_point, at, at + step.length);
      at += step.length;
    }
  }
  text.commit();
}

/// Replaces a fixed string (`Replace` with a `String` pattern).
/// Pre: `pattern` is not empty.
struct replace_string {
  std::string pattern{};
  std::string content{};

  void apply(normalised_text& text) const {
    replace_matches(text, content, [this](std::string_view all, std::size_t from) -> byte_range {
      const std::size_t at = all.find(pattern, from);
      return at == std::string_view::npos ? byte_range{} : byte_range{.begin = at, .end = at + pattern.size()};
    });
  }
};

/// Replaces runs of two and more U+0020 (`Replace` with the pattern ` {2,}`).
struct replace_space_runs {
  std::string content{};

  void apply(normalised_text& text) const {
    replace_matches(text, content, [](std::string_view all, std::size_t from) -> byte_range {
      const std::size_t at = all.find("  ", from);
      if (at == std::string_view::npos) return {};
      return {.begin = at, .end = std::min(all.find_first_not_of(' ', at), all.size())};
    });
  }
};

/// Replaces runs of code points outside ASCII (`Replace` with the pattern `[^\x00-\x7F]+`).
struct replace_non_ascii_runs {
  std::string content{};

  void apply(normalised_text& text) const {
    if (text.ascii()) return;
    replace_matches(text, content, [](std::string_view all, std::size_t from) -> byte_range {
      const std::size_t begin = from + ascii_prefix(all.substr(from));
      std::size_t end = begin;
      while (end < all.size() && static_cast<unsigned char>(all[end]) >= 0x80U) ++end;
      return begin == end ? byte_range{} : byte_range{.begin = begin, .end = end};
    });
  }
};

/// Canonical decomposition (`NFD`), n log n in the length of the longest run of combining marks.
/// Origins after reordering follow the reference: kept characters hand out their places in order, and a character
/// that a decomposition inserts shares the place handed out last.
struct canonical_decomposition {
  static void apply(normalised_text& text);
};

/// Lower case of each code point on its own, without regard to context (`Lowercase`).
struct lower_case {
  static void apply(normalised_text& text) {
    for (char& c : text.bytes()) c = lower_ascii(c);
    if (text.ascii()) return;
    rewrite_non_ascii(text, [&text](char32_t c, std::size_t begin, std::size_t /*end*/) {
      // The only code point whose lower case is two code points whatever its context.
      constexpr char32_t capital_i_with_dot = 0x130;
      if (c == capital_i_with_dot) {
        text.put("i\xCC\x87", text.origin(begin));
      } else {
        text.put(static_cast<char32_t>(::utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), text.origin(begin));
      }
    });
  }

 private:
  static char lower_ascii(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
};

/// Drops combining marks: categories Mn, Mc and Me (`StripAccents`).
struct strip_accents {
  static void apply(normalised_text& text) {
    if (text.ascii()) return;
    rewrite_non_ascii(text, [&text](char32_t c, std::size_t begin, std::size_t end) {
      if (!is_mark(c)) text.keep(begin, end);
    });
  }

 private:
  static bool is_mark(char32_t c) noexcept {
    const auto category = ::utf8proc_category(static_cast<utf8proc_int32_t>(c));
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
  }
};

using normaliser_step = std::variant<replace_string, replace_space_runs, replace_non_ascii_runs,
                                     canonical_decomposition, lower_case, strip_accents>;

/// A sequence of steps; empty: text stays as it is. Immutable, shareable between threads.
class normaliser {
 public:
  normaliser() = default;
  explicit normaliser(std::vector<normaliser_step> steps) : steps_(std::move(steps)) {}

  /// Applies all steps in order.
  /// Throws: limit_exceeded (replacements let the text grow out of proportion).
  /// Complexity: linear in the text for each step.
  void apply(normalised_text& text) const {
    for (const auto& step : steps_) {
      std::visit([&text](const auto& action) { action.apply(text); }, step);
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return steps_.size(); }  ///< number of steps

 private:
  std::vector<normaliser_step> steps_{};
};

/// The work of `canonical_decomposition`: collects the combining marks after a starter and sorts them by class.
class canonical_decomposer {
 public:
  explicit canonical_decomposer(normalised_text& text) : text_(text) {}

  void run() {
    const std::string_view all = text_.text();
    for (std::size_t at = 0; at < all.size();) {
      if (const std::size_t plain = ascii_prefix(all.substr(at)); plain > 0) {
        flush_marks();
        last_origin_ = text_.origin(at + plain - 1);
        text_.keep(at, at + plain);
        at += plain;
      } else {
        const utf8_step step = decode_utf8(all, at);
        if (is_plain(step.code_point)) {
          flush_marks();
          last_origin_ = text_.origin(at);
          text_.keep(at, at + step.length);
        } else {
          decompose(step.code_point, text_.origin(at));
        }
        at += step.length;
      }
    }
    flush_marks();
    text_.commit();
  }

 private:
  struct mark {
    char32_t code_point = 0;
    int combining_class = 0;
    bool inserted = false;
  };

  /// Whether a code point is a starter that stays as it is.
  static bool is_plain(char32_t c) noexcept {
    constexpr char32_t first_hangul = 0xAC00;
    constexpr char32_t last_hangul = 0xD7A3;  // syllables are decomposed by rule, not by table
    const auto* property = ::utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
    return property->combining_class == 0 && property->decomp_seqindex == std::numeric_limits<std::uint16_t>::max() &&
           (c < first_hangul || c > last_hangul);
  }

  void decompose(char32_t code_point, std::uint32_t origin) {
    std::array<utf8proc_int32_t, 32> parts{};  // canonical decompositions have at most four code points
    int boundary = 0;
    const auto count = ::utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(code_point), parts.data(), static_cast<utf8proc_ssize_t>(parts.size()),
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE), &boundary);
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const utf8proc_int32_t part = parts[static_cast<std::size_t>(i)];
      const int combining_class = ::utf8proc_get_property(part)->combining_class;
      const bool inserted = i > 0;
      if (combining_class != 0) {
        marks_.push_back({static_cast<char32_t>(part), combining_class, inserted});
        if (!inserted) origins_.push_back(origin);
      } else {
        flush_marks();
        if (!inserted) last_origin_ = origin;
        text_.put(static_cast<char32_t>(part), last_origin_);
      }
    }
  }

  void flush_marks() {
    if (marks_.empty()) return;
    std::stable_sort(marks_.begin(), marks_.end(),
                     [](const mark& a, const mark& b) { return a.combining_class < b.combining_class; });
    std::size_t next = 0;
    for (const mark& each : marks_) {
      if (!each.inserted) last_origin_ = origins_[next++];
      text_.put(each.code_point, last_origin_);
    }
    marks_.clear();
    origins_.clear();
  }

  normalised_text& text_;
  std::vector<mark> marks_{};
  std::vector<std::uint32_t> origins_{};  // of the marks that no decomposition inserted, in text order
  std::uint32_t last_origin_ = 0;
};

inline void canonical_decomposition::apply(normalised_text& text) {
  if (!text.ascii()) canonical_decomposer(text).run();
}

}  // namespace ultrafastbert::detail
