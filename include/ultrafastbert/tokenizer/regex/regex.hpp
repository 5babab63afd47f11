// SPDX-License-Identifier: MIT
//
// Finds the matches of a regular expression: the leftmost first, and there the one that the order of the alternatives
// and the greed of the quantifiers choose.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/regex/character_set.hpp"
#include "ultrafastbert/tokenizer/regex/regex_parser.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// A regular expression that matches at least one character. Immutable, so that threads can share it.
///
/// Repetitions stand behind single characters only, so that the depth of the search is that of the expression. The
/// published expressions take a bounded number of steps for each character; others may not, and are stopped.
class regex {
  static constexpr std::size_t no_match = std::string_view::npos;

  enum class node_kind : std::uint8_t { accept, characters, branch, lookahead, line_start, line_end };

  struct node {
    node_kind kind = node_kind::accept;
    std::size_t next = 0;  // the node behind this one
    std::size_t set = 0;   // of `characters`
    std::size_t least = 1;
    std::size_t most = 1;
    regex_greed greed = regex_greed::greedy;
    bool negative = false;
    std::vector<std::size_t> branches{};
    std::bitset<256> starts_with_set{};  // bytes with which a character of the set may start
    std::bitset<256> starts{};           // bytes with which a match from here on may start
  };

 public:
  /// Reads the expression that is the string `pattern`. Throws: unsupported, limit_exceeded, bad_type.
  explicit regex(const json_value& pattern) : place_(pattern.path()), file_(pattern.file()) {
    const auto alternatives = regex_parser(pattern).parse();
    nodes_.push_back({.kind = node_kind::accept});
    root_ = compile(alternatives, 0);
    for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i].starts = starts_of(i);
  }

  /// The way of a text, or of all its parts, through an expression: it counts the steps.
  class search {
   public:
    /// `bytes` is the size of all parts together. Pre: the expression outlives this.
    search(const regex& expression, std::size_t bytes)
        : expression_(expression), bytes_(bytes), steps_left_(steps_per_byte * bytes + free_steps) {}

    /// The way of the pieces of a text, whose work it shares.
    search(const regex& expression, normalized_text& text) : search(expression, text.text().size()) {
      text_work_ = {
          .text = &text, .steps = (std::min)(steps_left_, text.work_left()), .decides = text.work_left() < steps_left_};
      steps_left_ = text_work_.steps;
    }

    search(const search&) = delete;
    search& operator=(const search&) = delete;
    ~search() {
      if (text_work_.text != nullptr) text_work_.text->note_work(text_work_.steps - steps_left_);
    }

    /// The first match in `text` from `from` on, or an empty range.
    /// Pre: `from` is not within a character.
    /// Throws: limit_exceeded (the expression takes too many steps).
    [[nodiscard]] byte_range next(std::string_view text, std::size_t from) {
      text_ = text;
      const auto& starts = expression_.nodes_[expression_.root_].starts;
      for (std::size_t at = from; at < text_.size(); ++at) {
        if (!starts[static_cast<unsigned char>(text_[at])]) continue;
        const std::size_t end = match(expression_.root_, at);
        if (end != no_match) return {.begin = at, .end = end};
      }
      return {};
    }

   private:
    static constexpr std::size_t steps_per_byte = 256;
    // So that a line of some hundred letters may take steps by its square.
    static constexpr std::size_t free_steps = std::size_t{1} << 20U;

    /// Where a match that starts at `at` with node `number` ends.
    [[nodiscard]] std::size_t match(std::size_t number, std::size_t at) {
      while (true) {
        step();
        const node& here = expression_.nodes_[number];
        switch (here.kind) {
          case node_kind::accept: return at;
          case node_kind::characters:
            if (here.least != 1 || here.most != 1) return match_repeated(here, at);
            if (!advance(here, at)) return no_match;
            break;
          case node_kind::branch: return match_branch(here, at);
          case node_kind::lookahead:
            if ((match(here.branches.front(), at) == no_match) != here.negative) return no_match;
            break;
          case node_kind::line_start:
            if (at > 0 && text_[at - 1] != '\n') return no_match;
            break;
          case node_kind::line_end:
            if (at < text_.size() && text_[at] != '\n') return no_match;
            break;
        }
        number = here.next;
      }
    }

    [[nodiscard]] std::size_t match_branch(const node& here, std::size_t at) {
      for (const std::size_t branch : here.branches) {
        if (at < text_.size() && !expression_.nodes_[branch].starts[static_cast<unsigned char>(text_[at])]) continue;
        const std::size_t end = match(branch, at);
        if (end != no_match) return end;
      }
      return no_match;
    }

    [[nodiscard]] std::size_t match_repeated(const node& here, std::size_t at) {
      std::size_t count = 0;
      const std::size_t wanted = here.greed == regex_greed::lazy ? here.least : here.most;
      while (count < wanted && advance(here, at)) ++count;
      if (count < here.least) return no_match;
      if (here.greed == regex_greed::possessive) return match(here.next, at);
      while (true) {
        const std::size_t end = match(here.next, at);
        if (end != no_match) return end;
        if (here.greed == regex_greed::lazy) {
          if (count == here.most || !advance(here, at)) return no_match;
          ++count;
        } else {
          if (count == here.least) return no_match;
          --count;
          do --at;
          while (is_utf8_continuation(text_[at]));
        }
      }
    }

    /// Moves behind the character at `at` if the set of the node has it.
    [[nodiscard]] bool advance(const node& here, std::size_t& at) {
      step();
      if (at >= text_.size()) return false;
      const auto byte = static_cast<unsigned char>(text_[at]);
      if (!here.starts_with_set[byte]) return false;
      if (byte < 0x80) {
        ++at;
        return true;
      }
      const utf8_step character = decode_utf8(text_, at);
      if (!expression_.sets_[here.set].contains(character.code_point)) return false;
      at += character.length;
      return true;
    }

    void step() {
      if (steps_left_ == 0 && text_work_.decides) text_work_.text->fail_work();
      if (steps_left_ == 0) expression_.fail_steps(bytes_);
      --steps_left_;
    }

    struct shared_work {
      normalized_text* text = nullptr;
      std::size_t steps = 0;  // that were left in the beginning
      bool decides = false;   // whether it is the text that allows no more
    };

    const regex& expression_;
    std::size_t bytes_;
    std::size_t steps_left_;
    shared_work text_work_{};
    std::string_view text_{};
  };

 private:
  [[noreturn]] void fail_steps(std::size_t bytes) const {
    fail(error_code::limit_exceeded, {.file = file_,
                                      .where = place_,
                                      .expected = "an expression that takes a bounded number of steps for each byte",
                                      .found = "too many steps for a text of " + std::to_string(bytes) + " bytes"});
  }

  /// Adds the nodes for some alternatives, which end at node `next`, and returns the number of the first of them.
  std::size_t compile(const std::vector<regex_sequence>& alternatives, std::size_t next) {
    if (alternatives.size() == 1) return compile(alternatives.front(), next);
    node branch{.kind = node_kind::branch};
    for (const auto& each : alternatives) branch.branches.push_back(compile(each, next));
    return add(std::move(branch));
  }

  std::size_t compile(const regex_sequence& sequence, std::size_t next) {
    for (auto item = sequence.rbegin(); item != sequence.rend(); ++item) next = compile(*item, next);
    return next;
  }

  std::size_t compile(const regex_item& item, std::size_t next) {
    node out{.next = next, .least = item.least, .most = item.most, .greed = item.greed, .negative = item.negative};
    switch (item.kind) {
      case regex_kind::characters:
        out.kind = node_kind::characters;
        out.set = sets_.size();
        out.starts_with_set = first_bytes(item.characters);
        sets_.push_back(item.characters);
        break;
      case regex_kind::group: {
        const std::size_t inner = compile(item.alternatives, next);
        if (item.least == 1) return inner;
        out.kind = node_kind::branch;
        out.branches = item.greed == regex_greed::lazy ? std::vector{next, inner} : std::vector{inner, next};
        break;
      }
      case regex_kind::lookahead:
        out.kind = node_kind::lookahead;
        out.branches.push_back(compile(item.alternatives, 0));
        break;
      case regex_kind::line_start: out.kind = node_kind::line_start; break;
      case regex_kind::line_end: out.kind = node_kind::line_end; break;
    }
    return add(std::move(out));
  }

  std::size_t add(node out) {
    nodes_.push_back(std::move(out));
    return nodes_.size() - 1;
  }

  static std::bitset<256> first_bytes(const character_set& characters) {
    std::bitset<256> out;
    for (unsigned byte = 0; byte < 0x80; ++byte) out[byte] = characters.contains(byte);
    for (unsigned byte = 0xC2; byte < 0xF5; ++byte) out[byte] = characters.exceeds_ascii();
    return out;
  }

  /// Pre: the nodes behind this one have their `starts`: they were added before it.
  [[nodiscard]] std::bitset<256> starts_of(std::size_t number) const {
    const node& here = nodes_[number];
    std::bitset<256> out;
    switch (here.kind) {
      case node_kind::accept: return out.set();
      case node_kind::characters:
        return here.least > 0 ? here.starts_with_set : here.starts_with_set | nodes_[here.next].starts;
      case node_kind::branch:
        for (const std::size_t branch : here.branches) out |= nodes_[branch].starts;
        return out;
      case node_kind::lookahead:
      case node_kind::line_start:
      case node_kind::line_end: return nodes_[here.next].starts;
    }
    return out;
  }

  std::string place_;
  std::string file_;
  std::vector<node> nodes_{};  // the first one accepts
  std::vector<character_set> sets_{};
  std::size_t root_ = 0;
};

/// What a step looks for: a fixed string, which is not empty, or an expression.
using text_pattern = std::variant<std::string, regex>;

/// Reads a `pattern`. Throws: bad_type, bad_value, limit_exceeded, unsupported (also an empty string).
[[nodiscard]] inline text_pattern read_pattern(const json_value& value) {
  if (const auto text = value.find("String")) {
    if (text->as_string().empty()) text->fail_unsupported("a string of at least one byte", "an empty string");
    return bounded_string(*text);
  }
  const auto expression = value.find("Regex");
  if (!expression) value.fail_value("an object with the key String or Regex", "neither");
  return regex(*expression);
}

}  // namespace ultrafastbert::tokenizers
