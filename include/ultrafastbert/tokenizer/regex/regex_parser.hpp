// SPDX-License-Identifier: MIT
//
// Reads the regular expressions that published tokenizers use, in the syntax of Ruby as Oniguruma has it: alternatives,
// groups, sets, categories, quantifiers of single characters, lookahead. What is beyond that is refused by name.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/regex/character_set.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Longest pattern and longest replacement in bytes.
inline constexpr std::size_t longest_pattern = 1024;

/// Most ranges of code points in the sets of a pattern. A class such as `\w` has several hundred of them, so that a
/// short pattern could ask for much memory; the longest published ones have about a quarter of this.
inline constexpr std::size_t most_ranges = 32'768;

/// A string of at most `longest_pattern` bytes. Throws: bad_type, limit_exceeded.
[[nodiscard]] inline const std::string& bounded_string(const json_value& value) {
  const std::string& text = value.as_string();
  if (text.size() > longest_pattern) io::fail_limit(value.file(), value.path(), "bytes", longest_pattern);
  return text;
}

/// How a quantifier chooses the number of repetitions.
enum class regex_greed : std::uint8_t {
  greedy,      ///< as many as possible, and fewer if the rest does not match
  lazy,        ///< as few as possible, and more if the rest does not match
  possessive,  ///< as many as possible, whatever the rest does
};

/// What a piece of an expression is.
enum class regex_kind : std::uint8_t { characters, group, lookahead, line_start, line_end };

struct regex_item;
using regex_sequence = std::vector<regex_item>;

/// One piece of an expression.
struct regex_item {
  regex_kind kind = regex_kind::characters;
  character_set characters{};                  ///< for `characters`
  std::vector<regex_sequence> alternatives{};  ///< for groups and lookaheads
  bool negative = false;                       ///< for lookaheads
  std::size_t least = 1;                       ///< number of repetitions; those of a group are 0 or 1
  std::size_t most = 1;
  regex_greed greed = regex_greed::greedy;
};

/// The fewest characters that a text needs to match. Lookaheads take none.
[[nodiscard]] inline std::size_t shortest_match(const regex_sequence& sequence) {
  std::size_t sum = 0;
  for (const regex_item& item : sequence) {
    std::size_t own = item.kind == regex_kind::characters ? 1 : 0;
    if (item.kind == regex_kind::group) {
      own = (std::numeric_limits<std::uint16_t>::max)();
      for (const auto& each : item.alternatives) own = (std::min)(own, shortest_match(each));
    }
    sum += own * item.least;
  }
  return sum;
}

class regex_parser {
 public:
  static constexpr std::size_t unbounded = (std::numeric_limits<std::size_t>::max)();

  /// `pattern` is the value that holds the expression.
  explicit regex_parser(const json_value& pattern) : value_(pattern), text_(bounded_string(pattern)) {}

  /// The alternatives of the whole expression.
  /// Throws: unsupported (a construct that this version does not implement, an expression that matches nothing at all),
  ///   limit_exceeded.
  [[nodiscard]] std::vector<regex_sequence> parse() {
    auto out = read_alternatives(0);
    if (at_ < text_.size()) refuse("a group for each ')'");
    for (const auto& each : out) {
      if (shortest_match(each) == 0) refuse("an expression that matches at least one character");
    }
    return out;
  }

 private:
  static constexpr std::size_t deepest = 16;

  [[noreturn]] void refuse(std::string expected) const {
    value_.fail_unsupported(std::move(expected), excerpt(text_) + " at byte " + std::to_string(at_));
  }

  [[nodiscard]] bool next_is(std::string_view text) const noexcept { return text_.substr(at_).starts_with(text); }
  bool take(std::string_view text) noexcept {
    if (!next_is(text)) return false;
    at_ += text.size();
    return true;
  }

  char32_t take_character() {
    if (at_ >= text_.size()) refuse("a character");
    const utf8_step step = decode_utf8(text_, at_);
    if (!step.valid) refuse("UTF-8");
    at_ += step.length;
    return step.code_point;
  }

  std::vector<regex_sequence> read_alternatives(std::size_t depth) {
    if (depth > deepest) refuse("at most " + std::to_string(deepest) + " groups in one another");
    std::vector<regex_sequence> out(1);
    while (at_ < text_.size() && !next_is(")")) {
      if (take("|")) {
        out.emplace_back();
      } else {
        out.back().push_back(read_item(depth));
      }
    }
    return out;
  }

  regex_item read_item(std::size_t depth) {
    regex_item item;
    if (take("(")) {
      read_group(item, depth);
    } else if (take("^")) {
      item.kind = regex_kind::line_start;
    } else if (take("$")) {
      item.kind = regex_kind::line_end;
    } else {
      item.characters = read_characters();
      item.characters.finish();
      ranges_ += item.characters.ranges();
      if (ranges_ > most_ranges) io::fail_limit(value_.file(), value_.path(), "ranges of characters", most_ranges);
    }
    read_quantifier(item);
    return item;
  }

  void read_group(regex_item& item, std::size_t depth) {
    const bool outer = ignore_case_;
    item.kind = regex_kind::group;
    if (take("?=")) {
      item.kind = regex_kind::lookahead;
    } else if (take("?!")) {
      item.kind = regex_kind::lookahead;
      item.negative = true;
    } else if (take("?i:")) {
      ignore_case_ = true;
    } else if (!take("?:") && next_is("?")) {
      refuse("(, (?:, (?i:, (?= or (?!");
    }
    item.alternatives = read_alternatives(depth + 1);
    if (!take(")")) refuse("')'");
    ignore_case_ = outer;
  }

  std::optional<std::size_t> take_number() {
    std::size_t value = 0;
    const std::size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && at_ < begin + 4; ++at_) {
      value = value * 10 + static_cast<std::size_t>(text_[at_] - '0');
    }
    return at_ == begin ? std::nullopt : std::optional(value);
  }

  void read_quantifier(regex_item& item) {
    bool range = false;
    if (take("?")) {
      item.least = 0;
    } else if (take("*")) {
      item.least = 0;
      item.most = unbounded;
    } else if (take("+")) {
      item.most = unbounded;
    } else if (take("{")) {
      range = true;
      const auto least = take_number();
      item.least = least.value_or(0);
      if (take(",")) {
        item.most = take_number().value_or(unbounded);
      } else {
        item.most = item.least;
      }
      if (!take("}") || (!least && item.most == unbounded) || item.least > item.most || item.most == 0) {
        refuse("a quantifier like {2}, {2,} or {1,3}");
      }
    } else {
      return;
    }
    read_greed(item, range);
    const bool single = item.kind == regex_kind::characters;
    const bool optional = item.kind == regex_kind::group && item.least == 0 && item.most == 1;
    if (!single && !(optional && item.greed != regex_greed::possessive)) {
      refuse("'*', '+' and '{' behind a single character or a set, and nothing but '?' behind a group");
    }
  }

  /// Behind a range, `+` is a quantifier of its own: (x{1,3})+.
  void read_greed(regex_item& item, bool range) {
    if (take("?")) {
      if (range && item.least == item.most) refuse("no '?' behind {" + std::to_string(item.least) + "}");
      item.greed = regex_greed::lazy;
    } else if (take("+")) {
      if (!range) {
        item.greed = regex_greed::possessive;
      } else if (item.least > 1) {
        refuse("no '+' behind a range that starts above 1");
      } else {
        item.most = unbounded;
      }
    }
    if (next_is("*") || next_is("+") || next_is("?")) refuse("one quantifier");
  }

  /// A set, an escape, a dot or a literal character.
  character_set read_characters() {
    character_set out;
    if (take("[")) return read_set();
    if (take(".")) {
      out.add('\n', '\n');
      out.invert();
      return out;
    }
    if (next_is("*") || next_is("+") || next_is("?") || next_is("{")) refuse("something to repeat");
    if (next_is("\\")) {
      char32_t single = 0;
      if (!read_escape(out, single, false)) add_literal(out, single);
      return out;
    }
    add_literal(out, take_character());
    return out;
  }

  character_set read_set() {
    character_set out;
    const bool inverted = take("^");
    if (next_is("]")) refuse("a set that is not empty");
    while (!take("]")) {
      // Ranges are joined only in the end.
      if (out.ranges() > most_ranges) io::fail_limit(value_.file(), value_.path(), "ranges of characters", most_ranges);
      if (next_is("[") || next_is("&&")) refuse("a set without sets in it");
      char32_t first = 0;
      if (next_is("\\")) {
        if (read_escape(out, first, true)) continue;
      } else {
        first = take_character();
      }
      if (!next_is("-") || text_.substr(at_).starts_with("-]")) {
        add_literal(out, first);
        continue;
      }
      at_ += 1;
      character_set several;
      char32_t last = 0;
      if (next_is("\\")) {
        if (read_escape(several, last, true)) refuse("a character at the end of a range");
      } else {
        last = take_character();
      }
      if (last < first || last == '[') refuse("a range in ascending order");
      if (ignore_case_) refuse("no range where the case is ignored");
      out.add(first, last);
    }
    if (inverted) out.invert();
    return out;
  }

  /// Adds a character, and where the case is ignored the others that differ from it in nothing else.
  void add_literal(character_set& out, char32_t c) const {
    out.add(c, c);
    if (!ignore_case_) return;
    if (c >= 0x80) refuse("ASCII where the case is ignored");
    const bool capital = c >= 'A' && c <= 'Z';
    if (!capital && (c < 'a' || c > 'z')) return;
    const char32_t other = capital ? c + ('a' - 'A') : c - ('a' - 'A');
    out.add(other, other);
    constexpr char32_t long_s = 0x17F;
    constexpr char32_t kelvin_sign = 0x212A;
    if (c == 's' || c == 'S') out.add(long_s, long_s);
    if (c == 'k' || c == 'K') out.add(kelvin_sign, kelvin_sign);
  }

  char32_t take_hexadecimal(std::size_t digits) {
    char32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const char c = at_ < text_.size() ? text_[at_] : ' ';
      const bool digit = c >= '0' && c <= '9';
      if (!digit && (c < 'a' || c > 'f') && (c < 'A' || c > 'F')) refuse("hexadecimal digits");
      value = value * 16 + static_cast<char32_t>(digit ? c - '0' : (c | 0x20) - 'a' + 10);
      ++at_;
    }
    return value;
  }

  /// Reads an escape. Where it stands for several characters, it adds them and returns true; otherwise it sets
  /// `single`.
  bool read_escape(character_set& out, char32_t& single, bool in_set) {
    ++at_;
    const char32_t c = take_character();
    switch (c) {
      case 'n': single = '\n'; return false;
      case 'r': single = '\r'; return false;
      case 't': single = '\t'; return false;
      case 'f': single = '\f'; return false;
      case 'v': single = '\v'; return false;
      case 'x': single = take_hexadecimal(2); break;
      case 'u': single = take_hexadecimal(4); break;
      case 's':
      case 'S': return add_class(out, white_space_characters(), c == 'S');
      case 'd':
      case 'D': return add_class(out, characters_of("Nd"), c == 'D');
      case 'w':
      case 'W': return add_class(out, word_characters(in_set), c == 'W');
      case 'p':
      case 'P': return add_property(out, c == 'P');
      default:
        single = c;
        if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') refuse("an escape of n r t f v x u s S d D w W p P");
        if (c >= '0' && c <= '9') refuse("no reference to a group and no octal number");
    }
    if (c == 'x' && single >= 0x80) refuse("\\u for characters outside ASCII");
    return false;
  }

  static bool add_class(character_set& out, character_set characters, bool inverted) {
    if (inverted) characters.invert();
    out.add(characters);
    return true;
  }

  bool add_property(character_set& out, bool inverted) {
    if (!take("{")) refuse("'{' behind \\p");
    if (ignore_case_) refuse("no category where the case is ignored");
    if (take("^")) inverted = !inverted;
    const std::size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) refuse("'}'");
    character_set characters = characters_of(text_.substr(at_, end - at_));
    if (characters.empty()) refuse("a general category, such as L or Lu");
    at_ = end + 1;
    return add_class(out, std::move(characters), inverted);
  }

  const json_value& value_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t ranges_ = 0;  // of all sets so far
  bool ignore_case_ = false;
};

}  // namespace ultrafastbert::tokenizers
