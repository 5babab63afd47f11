// SPDX-License-Identifier: MIT
//
// Normalizers: a sequence of steps, each a small struct with its own `apply`. Case mapping comes from utf8proc.
// Layer: tokenizer.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/tokenizer/normalized_text.hpp"
#include "ultrafastbert/tokenizer/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/unicode_form.hpp"
#include "ultrafastbert/tokenizer/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Bytes [begin, end) of a text; empty: no match.
struct byte_range {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Replaces the matches that `next_match(text, from)` finds by `content`, which takes the place of a match's last
/// code point.
template <class NextMatch>
void replace_matches(normalized_text& text, std::string_view content, const NextMatch& next_match) {
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
void rewrite_non_ascii(normalized_text& text, const Rewrite& rewrite) {
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

  void apply(normalized_text& text) const {
    replace_matches(text, content, [this](std::string_view all, std::size_t from) -> byte_range {
      const std::size_t at = all.find(pattern, from);
      return at == std::string_view::npos ? byte_range{} : byte_range{.begin = at, .end = at + pattern.size()};
    });
  }
};

/// Replaces runs of two and more U+0020 (`Replace` with the pattern ` {2,}`).
struct replace_space_runs {
  std::string content{};

  void apply(normalized_text& text) const {
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

  void apply(normalized_text& text) const {
    if (text.ascii()) return;
    replace_matches(text, content, [](std::string_view all, std::size_t from) -> byte_range {
      const std::size_t begin = from + ascii_prefix(all.substr(from));
      std::size_t end = begin;
      while (end < all.size() && static_cast<unsigned char>(all[end]) >= 0x80U) ++end;
      return begin == end ? byte_range{} : byte_range{.begin = begin, .end = end};
    });
  }
};

/// Lower case of each code point on its own, without regard to context (`Lowercase`).
struct lower_case {
  static void apply(normalized_text& text) {
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
  static void apply(normalized_text& text) {
    if (text.ascii()) return;
    rewrite_non_ascii(text, [&text](char32_t c, std::size_t begin, std::size_t end) {
      if (!is_mark(c)) text.keep(begin, end);
    });
  }
};

/// Drops control characters and makes every white space U+0020 (`clean_text` of `BertNormalizer`).
struct clean_bert_text {
  static void apply(normalized_text& text) {
    const std::string_view all = text.text();
    std::size_t done = 0;
    for (std::size_t at = 0; at < all.size();) {
      const utf8_step step = decode_utf8(all, at);
      const std::size_t begin = at;
      at += step.length;
      const bool space = is_white_space(step.code_point) && step.code_point != U' ';
      const bool control = is_bert_control(step.code_point);
      if (!space && !control) continue;
      if (done < begin) text.keep(done, begin);
      if (!control) text.put(" ", text.origin(begin));
      done = at;
    }
    if (done == 0) return;
    text.keep(done, all.size());
    text.commit();
  }
};

/// Puts spaces around each ideograph (`handle_chinese_chars` of `BertNormalizer`).
struct space_bert_ideographs {
  static void apply(normalized_text& text) {
    if (text.ascii()) return;
    rewrite_non_ascii(text, [&text](char32_t c, std::size_t begin, std::size_t end) {
      const bool ideograph = is_bert_ideograph(c);
      if (ideograph) text.put(" ", text.origin(begin));
      text.keep(begin, end);
      if (ideograph) text.put(" ", text.origin(begin));
    });
  }
};

/// Drops combining marks of category Mn (`strip_accents` of `BertNormalizer`, after NFD).
struct strip_bert_accents {
  static void apply(normalized_text& text) {
    if (text.ascii()) return;
    rewrite_non_ascii(text, [&text](char32_t c, std::size_t begin, std::size_t end) {
      if (!is_bert_accent(c)) text.keep(begin, end);
    });
  }
};

using normalizer_step =
    std::variant<replace_string, replace_space_runs, replace_non_ascii_runs, unicode_form, lower_case, strip_accents,
                 clean_bert_text, space_bert_ideographs, strip_bert_accents>;

/// A sequence of steps; empty: text stays as it is. Immutable, shareable between threads.
class normalizer {
 public:
  normalizer() = default;
  explicit normalizer(std::vector<normalizer_step> steps) : steps_(std::move(steps)) {}

  /// Applies all steps in order.
  /// Throws: limit_exceeded (replacements let the text grow out of proportion).
  /// Complexity: linear in the text for each step.
  void apply(normalized_text& text) const {
    for (const auto& step : steps_) {
      std::visit([&text](const auto& action) { action.apply(text); }, step);
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return steps_.size(); }  ///< number of steps

 private:
  std::vector<normalizer_step> steps_{};
};

}  // namespace ultrafastbert::tokenizers
