// SPDX-License-Identifier: MIT
//
// Byte-pair encoding: each piece of a text starts as its characters, and merges join them.
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

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/models/bpe_merges.hpp"
#include "ultrafastbert/tokenizer/models/byte_tokens.hpp"
#include "ultrafastbert/tokenizer/models/token_model.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// What a BPE model says beside its vocabulary and its merges.
struct bpe_options {
  std::optional<std::string> unknown_token{};  ///< without one, what the vocabulary lacks is dropped
  std::string continuing_prefix{};             ///< stands in front of characters that do not start a piece
  std::string end_suffix{};                    ///< stands behind the last character of a piece
  bool fuse_unknown = false;                   ///< one unknown token for neighbors that are unknown
  bool byte_fallback = false;                  ///< what the vocabulary lacks is written byte by byte
  bool ignore_merges = false;                  ///< a piece that is a token needs no merges
};

class bpe : public token_model {
 public:
  /// `file` names the tokenizer in errors.
  bpe(bpe_options options, bpe_merge_table merges, std::shared_ptr<const vocabulary> tokens, std::string file)
      : options_(std::move(options)), merges_(std::move(merges)), tokens_(std::move(tokens)), file_(std::move(file)) {
    if (options_.unknown_token) unknown_ = find(*options_.unknown_token);
    if (options_.byte_fallback) bytes_ = byte_tokens(*tokens_);
    is_plain_ = options_.continuing_prefix.empty() && options_.end_suffix.empty();
    if (!is_plain_) return;
    std::string spelling;
    for (std::size_t c = 0; c < first_characters; ++c) {
      spelling.clear();
      append_utf8(spelling, static_cast<char32_t>(c));
      characters_.push_back(find(spelling));
    }
  }

  [[nodiscard]] std::unique_ptr<model_scratch> make_scratch() const override { return std::make_unique<bpe_scratch>(); }
  [[nodiscard]] bool marks_continuations() const noexcept override { return !options_.continuing_prefix.empty(); }

  /// Complexity: n log n in the piece.
  void tokenize(std::string_view piece, model_scratch& scratch) const override {
    auto& symbols = static_cast<bpe_scratch&>(scratch).symbols;
    scratch.tokens.clear();
    if (options_.ignore_merges) {
      if (const auto id = find(piece)) {
        scratch.tokens.emplace_back(*id, byte_range{.begin = 0, .end = piece.size()});
        return;
      }
    }
    symbols.restart(count_code_points(piece));
    add_characters(piece, static_cast<bpe_scratch&>(scratch));
    symbols.merge(merges_);
    scratch.tokens.reserve(symbols.left());
    // Characters that were dropped, and bytes of prefixes, shift what follows them, as in the reference.
    std::size_t at = 0;
    symbols.for_each([&](token_id id, std::size_t bytes) {
      const std::size_t begin = (std::min)(at, piece.size() - 1);
      at += bytes;
      const std::size_t end = (std::min)((std::max)(at, begin + 1), piece.size());
      scratch.tokens.emplace_back(id, byte_range{.begin = begin, .end = end});
    });
    symbols.trim();
  }

  [[nodiscard]] std::optional<std::string> unknown_token() const override { return options_.unknown_token; }

 private:
  /// Characters below this number have their ids in a table; it holds all that byte-level tokenizers use.
  static constexpr std::size_t first_characters = 0x180;

  struct bpe_scratch : model_scratch {
    bpe_symbols symbols{};
    std::string spelling{};
  };

  [[nodiscard]] std::optional<token_id> find(std::string_view spelling) const noexcept {
    return tokens_->model_id(token_hash(spelling), {}, spelling);
  }

  /// Makes symbols of the characters of a piece. The unknown token of a row of unknown characters waits until a known
  /// one follows; bytes do not end the wait.
  void add_characters(std::string_view piece, bpe_scratch& scratch) const {
    std::size_t unknown_bytes = 0;
    const auto end_unknown = [&] {
      if (unknown_bytes > 0) scratch.symbols.add(*unknown_, unknown_bytes);
      unknown_bytes = 0;
    };
    for (std::size_t at = 0, end = 0; at < piece.size(); at = end) {
      const utf8_step step = decode_utf8(piece, at);
      end = at + step.length;
      const std::string_view spelling = spell(piece, at, end, scratch.spelling);
      if (const auto id = find_character(step.code_point, spelling)) {
        end_unknown();
        scratch.symbols.add(*id, step.length);
      } else if (options_.byte_fallback && bytes_.cover(spelling)) {
        for (const char byte : spelling) scratch.symbols.add(bytes_.id(byte), 1);
      } else if (options_.unknown_token) {
        static_cast<void>(need_unknown(unknown_, file_, "$.model.unk_token", *options_.unknown_token));
        if (!options_.fuse_unknown) end_unknown();
        unknown_bytes += step.length;
      }
    }
    end_unknown();
  }

  /// The spelling of the character [begin, end) of a piece, with the prefix and the suffix.
  [[nodiscard]] std::string_view spell(std::string_view piece, std::size_t begin, std::size_t end,
                                       std::string& memory) const {
    const std::string_view character = piece.substr(begin, end - begin);
    if (is_plain_) return character;
    memory.clear();
    if (begin > 0) memory.append(options_.continuing_prefix);
    memory.append(character);
    if (end == piece.size()) memory.append(options_.end_suffix);
    return memory;
  }

  [[nodiscard]] std::optional<token_id> find_character(char32_t c, std::string_view spelling) const noexcept {
    return is_plain_ && c < first_characters ? characters_[c] : find(spelling);
  }

  bpe_options options_;
  bpe_merge_table merges_;
  std::shared_ptr<const vocabulary> tokens_;
  std::string file_;
  byte_tokens bytes_{};
  std::optional<token_id> unknown_{};
  std::vector<std::optional<token_id>> characters_{};
  bool is_plain_ = true;
};

/// The two tokens of a merge, by their spellings.
struct bpe_pair {
  std::string_view left;
  std::string_view right;
};

/// The two words of a line of merges, or nothing if it has not exactly one space.
[[nodiscard]] inline std::optional<bpe_pair> split_merge(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) return std::nullopt;
  return bpe_pair{.left = line.substr(0, space), .right = line.substr(space + 1)};
}

/// Most merges of a file, as many as a packed array may have elements: the table sets memory aside for all of them.
inline constexpr std::size_t most_merges = json_limits{}.max_elements;

/// Collects merges in the order of their ranks.
class bpe_merge_reader {
 public:
  /// `count` is the most merges there will be; `prefix` is the model's continuing prefix, which a merge drops from its
  /// right token. Pre: the vocabulary and the prefix outlive this.
  bpe_merge_reader(const vocabulary& tokens, std::string_view prefix, std::size_t count)
      : tokens_(tokens), prefix_(prefix), table_(count) {}

  /// Adds a merge. `refuse(expected, found)` is called with what is wrong with it and does not return.
  template <class Refuse>
  void add(const bpe_pair& pair, const Refuse& refuse) {
    const auto need = [&](std::string_view spelling) {
      const auto id = tokens_.model_id(token_hash(spelling), {}, spelling);
      if (!id) refuse("the vocabulary to contain " + excerpt(spelling), std::string("no such token"));
      return *id;
    };
    const token_id left = need(pair.left);
    const token_id right = need(pair.right);
    if (pair.right.size() < prefix_.size()) {
      refuse("a right token that starts with " + excerpt(prefix_), excerpt(pair.right));
    }
    merged_.assign(pair.left).append(pair.right.substr(prefix_.size()));
    table_.add(left, right, {.rank = rank_++, .merged = need(merged_)});
  }

  /// The table. This cannot be used afterwards.
  [[nodiscard]] bpe_merge_table take() {
    table_.seal();
    return std::move(table_);
  }

 private:
  const vocabulary& tokens_;
  std::string_view prefix_;
  bpe_merge_table table_;
  std::string merged_{};
  std::uint32_t rank_ = 0;
};

/// Reads `$.model.merges`: strings of two words, or arrays of two strings.
/// Throws: bad_type, bad_value, missing_key, bad_vocabulary (a merge of or to a token that there is not).
[[nodiscard]] inline bpe_merge_table read_merges(const json_value& model, std::string_view prefix,
                                                 const vocabulary& tokens) {
  const json_value merges = model.at("merges");
  bpe_merge_reader reader(tokens, prefix, merges.size());
  std::optional<bool> arrays;  // the first merge tells
  merges.for_each_element([&](const json_value& merge) {
    const auto refuse = [&merge](std::string expected, std::string found) {
      fail(error_code::bad_vocabulary,
           {.file = merge.file(), .where = merge.path(), .expected = std::move(expected), .found = std::move(found)});
    };
    if (!arrays) arrays = merge.is_array();
    if (*arrays) {
      const auto words = merge.elements();
      if (words.size() != 2) merge.fail_value("two tokens", std::to_string(words.size()) + " elements");
      return reader.add({.left = words[0].as_string(), .right = words[1].as_string()}, refuse);
    }
    const std::string& line = merge.as_string();
    if (line.starts_with("#version")) return;
    const auto pair = split_merge(line);
    if (!pair) merge.fail_value("two tokens with one space between them", excerpt(line));
    reader.add(*pair, refuse);
  });
  return reader.take();
}

/// Whether a model that names no type is a BPE model: no other kind has merges.
[[nodiscard]] inline bool is_untyped_bpe(const json_value& json) { return json.find("merges").has_value(); }

/// Makes a BPE model. `dropout` has no effect: it is for training, and would make the ids of a text a matter of chance.
/// Throws: bad_type, bad_value, missing_key, bad_vocabulary, limit_exceeded (a long prefix or suffix).
[[nodiscard]] inline std::unique_ptr<const token_model> read_bpe(const model_source& source) {
  const auto find = [&source](std::string_view key) { return find_non_null(source.json, key); };
  const auto flag = [&find](std::string_view key) {
    const auto member = find(key);
    return member && member->as_boolean();
  };
  // With byte fallback, every character of a text may need a token for each byte that is put before or behind it.
  const std::size_t longest = flag("byte_fallback") ? 8 : 64;
  const auto text = [&find, longest](std::string_view key) {
    const auto member = find(key);
    if (!member) return std::string();
    if (member->as_string().size() > longest) io::fail_limit(member->file(), member->path(), "bytes", longest);
    return member->as_string();
  };
  bpe_options options{.continuing_prefix = text("continuing_subword_prefix"),
                      .end_suffix = text("end_of_word_suffix"),
                      .fuse_unknown = flag("fuse_unk"),
                      .byte_fallback = flag("byte_fallback"),
                      .ignore_merges = flag("ignore_merges")};
  if (const auto unknown = find("unk_token")) options.unknown_token = unknown->as_string();
  if (const auto dropout = find("dropout")) static_cast<void>(dropout->as_number());
  auto merges = read_merges(source.json, options.continuing_prefix, *source.tokens);
  return std::make_unique<const bpe>(std::move(options), std::move(merges), source.tokens, source.file);
}

}  // namespace ultrafastbert::tokenizers
