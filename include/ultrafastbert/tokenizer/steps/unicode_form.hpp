// SPDX-License-Identifier: MIT
//
// The normalizers `NFC`, `NFD`, `NFKC` and `NFKD`, which keep the origin of every code point.
// Source: Unicode standard annex 15. Origins follow the reference: a code point that replaces others takes the place of
// the first of them, and one that is inserted shares the place of what came before it. Which code points decompose,
// compose or reorder stands in fixed tables; how they do is the same in all versions of utf8proc.
// Layer: tokenizer.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"
#include "ultrafastbert/tokenizer/unicode/code_point_range.hpp"
#include "ultrafastbert/tokenizer/unicode/form_tables.hpp"

namespace ultrafastbert::tokenizers {

/// Which of the four forms is meant.
struct unicode_form_options {
  bool compatibility = false;  ///< NFKC and NFKD
  bool composed = false;       ///< NFC and NFKC
};

/// A code point of the next text. Where `change` is 1, it is inserted; otherwise it replaces the next code point of the
/// text and takes the place of -change more.
struct form_part {
  char32_t code_point = 0;
  std::int64_t change = 0;
};

/// Writes parts to the next text.
class form_writer {
 public:
  explicit form_writer(normalized_text& text) : text_(text) {}

  void put(const form_part& part) {
    std::uint32_t origin = last_origin_;
    if (part.change <= 0) {
      origin = text_.origin(next_);
      for (std::int64_t i = part.change; i <= 0; ++i) skip();
      text_.make_room(next_);
    }
    text_.put(part.code_point, origin);
  }

  /// Puts the beginning of what a code point becomes, in the place of that code point, and then the last of it.
  void put_all(std::string_view head, char32_t last) {
    put_head(head);
    text_.put(last, last_origin_);
  }

  /// Puts the first of it only; the rest is inserted behind it.
  void put_head(std::string_view head) {
    const std::uint32_t origin = text_.origin(next_);
    skip();
    text_.make_room(next_);
    text_.put(head, origin);
  }

  /// Takes over the next bytes, which are whole code points and at least one.
  void keep(std::size_t bytes, char /*last*/ = 0) {
    text_.keep(next_, next_ + bytes);
    next_ += bytes;
    last_origin_ = text_.origin(next_ - 1);
  }

  void finish() {}

 private:
  void skip() {
    last_origin_ = text_.origin(next_++);
    while (next_ < text_.text().size() && is_utf8_continuation(text_.text()[next_])) ++next_;
  }

  normalized_text& text_;
  std::size_t next_ = 0;
  std::uint32_t last_origin_ = 0;
};

/// The canonical combining class of a code point, which is 0 for marks that the reference does not know. The class of
/// those that it knows never changes.
[[nodiscard]] inline int combining_class(char32_t c) noexcept {
  const int rank = c < 0x80 ? 0 : ::utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
  return rank == 0 || !contains(combining_ranges, c) ? 0 : rank;
}

/// Composes decomposed parts again: each starter takes in the marks that no other mark blocks.
class form_composer {
 public:
  explicit form_composer(normalized_text& text) : writer_(text) {}

  void put(const form_part& part) {
    const int rank = combining_class(part.code_point);
    if (!starter_) {
      if (rank == 0) {
        starter_ = part;
      } else {
        writer_.put(part);
      }
      return;
    }
    const bool blocked = !marks_.empty() && last_rank_ >= rank;
    if (!blocked && (rank != 0 || may_be_second(part.code_point))) {
      if (const auto composed = compose(starter_->code_point, part.code_point)) {
        starter_ = form_part{*composed, starter_->change + part.change - 1};
        return;
      }
    }
    if (rank == 0) {
      finish();
      starter_ = part;
    } else {
      marks_.push_back(part);
      last_rank_ = rank;
    }
  }

  /// The same as `put` for each code point of `head` and for `last`. Pre: none of them is a mark or composes with what
  /// is before it.
  void put_all(std::string_view head, char32_t last) {
    finish();
    writer_.put_head(head);
    starter_ = form_part{last, 1};
  }

  /// Whether a code point that is no mark may compose with the one before it: vowel signs of Brahmic scripts, and
  /// Hangul letters.
  static bool may_be_second(char32_t c) noexcept { return (c >= 0x900 && c < 0x1C00) || (c >= 0x11000 && c < 0x12000); }

  /// Takes over the next bytes, which are all ASCII. The last of them may still compose with a mark that follows.
  void keep(std::size_t bytes, char last) {
    finish();
    if (bytes > 1) writer_.keep(bytes - 1);
    starter_ = form_part{static_cast<unsigned char>(last), 0};
  }

  void finish() {
    if (starter_) writer_.put(*starter_);
    for (const form_part& mark : marks_) writer_.put(mark);
    starter_.reset();
    marks_.clear();
  }

 private:
  static std::optional<char32_t> compose(char32_t first, char32_t second) noexcept {
    std::array<utf8proc_int32_t, 2> pair{static_cast<utf8proc_int32_t>(first), static_cast<utf8proc_int32_t>(second)};
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (::utf8proc_normalize_utf32(pair.data(), 2, options) != 1) return std::nullopt;
    const auto composed = static_cast<char32_t>(pair[0]);
    return contains(canonical_ranges, composed) ? std::optional(composed) : std::nullopt;
  }

  form_writer writer_;
  std::optional<form_part> starter_{};
  std::vector<form_part> marks_{};  // those behind the starter that do not compose with it
  int last_rank_ = 0;
};

/// A combining mark and its combining class.
struct form_mark {
  form_part part{};
  int rank = 0;
};

/// Decomposes a text and hands the parts to a `Sink`, with the marks behind a starter sorted by class.
template <class Sink>
class form_decomposer {
 public:
  form_decomposer(normalized_text& text, bool compatibility)
      : text_(text.text()), compatibility_(compatibility), sink_(text) {}

  void run() {
    for (std::size_t at = 0; at < text_.size();) {
      if (const std::size_t plain = ascii_prefix(text_.substr(at)); plain > 0) {
        flush_marks();
        sink_.keep(plain, text_[at + plain - 1]);
        at += plain;
      } else {
        const utf8_step step = decode_utf8(text_, at);
        if (is_plain(step.code_point)) {
          flush_marks();
          sink_.put({step.code_point, 0});
        } else {
          decompose(step.code_point);
        }
        at += step.length;
      }
    }
    flush_marks();
    sink_.finish();
  }

 private:
  /// Whether a code point is a starter that stays as it is.
  static bool is_plain(char32_t c) noexcept {
    constexpr char32_t first_hangul = 0xAC00;
    constexpr char32_t last_hangul = 0xD7A3;  // Hangul syllables are decomposed by rule, not by table
    const auto* property = ::utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
    return property->combining_class == 0 && property->decomp_seqindex == (std::numeric_limits<std::uint16_t>::max)() &&
           (c < first_hangul || c > last_hangul);
  }

  /// What a code point became when it was last met, where all of it are starters that compose with nothing before them:
  /// all but its last code point, in UTF-8, and that one.
  struct expansion {
    char32_t code_point = 0;
    char32_t last = 0;
    std::string head{};
  };

  void decompose(char32_t code_point) {
    const expansion& met = met_[code_point % met_.size()];
    if (met.code_point == code_point) {
      flush_marks();
      return sink_.put_all(met.head, met.last);
    }
    const bool known =
        contains(canonical_ranges, code_point) || (compatibility_ && contains(compatibility_ranges, code_point));
    if (!known) return add({code_point, 0});
    std::array<utf8proc_int32_t, 32> parts{};  // no decomposition is longer than 18 code points
    int boundary = 0;
    const auto options = UTF8PROC_DECOMPOSE | UTF8PROC_STABLE | (compatibility_ ? UTF8PROC_COMPAT : 0);
    const auto count = ::utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code_point), parts.data(),
                                                 static_cast<utf8proc_ssize_t>(parts.size()),
                                                 static_cast<utf8proc_option_t>(options), &boundary);
    note_expansion(code_point,
                   std::span(parts).first(static_cast<std::size_t>((std::max)(count, utf8proc_ssize_t{0}))));
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      add({static_cast<char32_t>(parts[static_cast<std::size_t>(i)]), i > 0 ? 1 : 0});
    }
  }

  void note_expansion(char32_t code_point, std::span<const utf8proc_int32_t> parts) {
    const bool simple = parts.size() > 1 && std::all_of(parts.begin(), parts.end(), [](utf8proc_int32_t part) {
                          const auto c = static_cast<char32_t>(part);
                          return combining_class(c) == 0 && !form_composer::may_be_second(c);
                        });
    if (!simple) return;
    expansion& met = met_[code_point % met_.size()];
    met.code_point = code_point;
    met.last = static_cast<char32_t>(parts.back());
    met.head.clear();
    for (const utf8proc_int32_t part : parts.first(parts.size() - 1))
      append_utf8(met.head, static_cast<char32_t>(part));
  }

  void add(const form_part& part) {
    const int rank = combining_class(part.code_point);
    if (rank != 0) {
      marks_.push_back({part, rank});
    } else {
      flush_marks();
      sink_.put(part);
    }
  }

  void flush_marks() {
    if (marks_.empty()) return;
    std::stable_sort(marks_.begin(), marks_.end(),
                     [](const form_mark& a, const form_mark& b) { return a.rank < b.rank; });
    for (const form_mark& each : marks_) sink_.put(each.part);
    marks_.clear();
  }

  std::string_view text_;
  bool compatibility_;
  Sink sink_;
  std::vector<form_mark> marks_{};
  std::array<expansion, 16> met_{};
};

/// Brings a text into one of the four forms. Takes n log n time in the length of a run of combining marks, and is
/// linear otherwise.
class unicode_form : public normalizer {
 public:
  [[nodiscard]] std::size_t cost() const noexcept override { return 32; }
  explicit unicode_form(const unicode_form_options& options = {}) : options_(options) {}

  void apply(normalized_text& text) const override {
    if (text.ascii()) return;
    if (options_.composed) {
      form_decomposer<form_composer>(text, options_.compatibility).run();
    } else {
      form_decomposer<form_writer>(text, options_.compatibility).run();
    }
    text.commit();
  }

 private:
  unicode_form_options options_;
};

/// Reads an `NFC`, `NFD`, `NFKC` or `NFKD`; the type says which form it is, and there are no options.
inline void read_unicode_form(const json_value& value, normalizer_list& steps) {
  const std::string& type = value.at("type").as_string();
  steps.push_back(std::make_unique<const unicode_form>(
      unicode_form_options{.compatibility = type.find('K') != std::string::npos, .composed = type.back() == 'C'}));
}

}  // namespace ultrafastbert::tokenizers
