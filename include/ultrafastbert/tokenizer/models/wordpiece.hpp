// SPDX-License-Identifier: MIT
//
// WordPiece: each piece of a text is covered from the left by the longest tokens there are, or it is unknown as a
// whole.
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

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/models/longest_matches.hpp"
#include "ultrafastbert/tokenizer/models/token_model.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// What a WordPiece model says beside its vocabulary.
struct wordpiece_options {
  std::string unknown_token{};
  std::string unknown_place = "$.model.unk_token";  ///< what says so, as errors name it
  std::string continuing_prefix{};                  ///< stands in front of tokens that do not start a piece
  std::uint64_t max_code_points = 100;              ///< longer pieces are unknown
};

class wordpiece : public token_model {
 public:
  /// `file` names the tokenizer in errors. Throws: limit_exceeded (very many long tokens).
  wordpiece(wordpiece_options options, std::shared_ptr<const vocabulary> tokens, std::string file)
      : options_(std::move(options)), tokens_(std::move(tokens)), file_(std::move(file)) {
    continuing_hash_.add(options_.continuing_prefix);
    unknown_ = tokens_->model_id(token_hash(options_.unknown_token), {}, options_.unknown_token);
    fill_prefix_filter();
    make_table();
  }

  [[nodiscard]] std::unique_ptr<model_scratch> make_scratch() const override {
    return std::make_unique<wordpiece_scratch>();
  }

  /// Complexity: linear in the piece, times the length of the longest token or 64 bytes at most.
  void tokenize(std::string_view piece, model_scratch& scratch) const override {
    auto& own = static_cast<wordpiece_scratch&>(scratch);
    own.tokens.clear();
    std::size_t begin = too_long(piece) ? piece.size() + 1 : 0;
    const bool has_table = table_ && piece.size() > long_token && begin == 0;
    if (has_table) table_->find(piece, own.found);
    while (begin < piece.size()) {
      const auto token = has_table && begin > 0 ? table_match(piece, begin, own.found[begin])
                                                : longest_match(piece, begin, own.candidates);
      if (!token) break;
      own.tokens.push_back(*token);
      begin = token->end;
    }
    if (begin == piece.size()) return;
    const token_id unknown = need_unknown(unknown_, file_, options_.unknown_place, options_.unknown_token);
    own.tokens.assign(1, piece_token(unknown, {.begin = 0, .end = piece.size()}));
  }

  [[nodiscard]] std::optional<std::string> unknown_token() const override { return options_.unknown_token; }
  [[nodiscard]] bool marks_continuations() const noexcept override { return !options_.continuing_prefix.empty(); }

 private:
  /// A beginning of the rest of a piece that may be a token.
  struct candidate {
    token_hash hash{};
    std::size_t end = 0;
  };

  struct wordpiece_scratch : model_scratch {
    std::vector<candidate> candidates{};
    std::vector<std::uint32_t> found{};  // by the table, for each byte of a piece
  };

  static constexpr std::size_t long_token = 64;  // bytes

  /// Makes a table of the tokens that continue a piece, if some are so long that a walk along them from every place of
  /// a piece would take long.
  void make_table() {
    if (longest_ <= long_token || options_.max_code_points <= long_token) return;
    std::vector<std::string> spellings(tokens_->model_size());  // empty for the others, which are never found
    for (std::size_t i = 0; i < spellings.size(); ++i) {
      const std::string_view token = tokens_->model_token(i);
      if (token.starts_with(options_.continuing_prefix)) spellings[i] = token.substr(options_.continuing_prefix.size());
    }
    table_.emplace(std::move(spellings), spelling_source{.file = file_, .where = "tokens that continue a word"});
  }

  /// The token that the table found at `begin`, which is not the start of the piece.
  [[nodiscard]] std::optional<piece_token> table_match(std::string_view piece, std::size_t begin,
                                                       std::uint32_t found) const noexcept {
    if (found == longest_matches::none) return std::nullopt;
    const std::size_t length = tokens_->model_token(found).size() - options_.continuing_prefix.size();
    const std::string_view written = piece.substr(begin, length);
    token_hash hash = continuing_hash_;
    hash.add(written);
    const auto id = tokens_->model_id(hash, options_.continuing_prefix, written);
    if (!id) return std::nullopt;
    return piece_token(*id, {.begin = begin, .end = begin + written.size()});
  }

  [[nodiscard]] bool too_long(std::string_view piece) const noexcept {
    return piece.size() > options_.max_code_points && count_code_points(piece) > options_.max_code_points;
  }

  /// Walks forward while some token may start like this, then backward to the longest that is one.
  [[nodiscard]] std::optional<piece_token> longest_match(std::string_view piece, std::size_t begin,
                                                         std::vector<candidate>& candidates) const {
    const std::string_view head = begin == 0 ? std::string_view{} : std::string_view(options_.continuing_prefix);
    token_hash hash = begin == 0 ? token_hash{} : continuing_hash_;
    const std::size_t room = longest_ - (std::min)(longest_, head.size());
    const std::size_t last = begin + (std::min)(room, piece.size() - begin);
    candidates.clear();
    for (std::size_t end = begin; end < last;) {
      do hash.add(piece[end++]);
      while (end < piece.size() && is_utf8_continuation(piece[end]));
      if (!may_start_token(hash)) break;
      candidates.push_back({.hash = hash, .end = end});
    }
    for (; !candidates.empty(); candidates.pop_back()) {
      const auto& [candidate_hash, end] = candidates.back();
      if (const auto id = tokens_->model_id(candidate_hash, head, piece.substr(begin, end - begin))) {
        return piece_token(*id, {.begin = begin, .end = end});
      }
    }
    return std::nullopt;
  }

  /// Fills a set of bits with the hashes of all beginnings of tokens. Where a bit is not set, no token starts like
  /// this; where it is set, one may.
  void fill_prefix_filter() {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < tokens_->model_size(); ++i) {
      longest_ = (std::max)(longest_, tokens_->model_token(i).size());
      bytes += tokens_->model_token(i).size();
    }
    constexpr std::size_t most_bits = std::size_t{1} << 24U;
    std::size_t bits = 1024;
    while (bits < 4 * bytes && bits < most_bits) bits *= 2;
    filter_mask_ = static_cast<std::uint32_t>(bits - 1);
    filter_.assign(bits / 64, 0);
    for (std::size_t i = 0; i < tokens_->model_size(); ++i) {
      const std::string_view token = tokens_->model_token(i);
      token_hash hash;
      for (std::size_t end = 0; end < token.size();) {
        do hash.add(token[end++]);
        while (end < token.size() && is_utf8_continuation(token[end]));
        const std::uint32_t bit = hash.value() & filter_mask_;
        filter_[bit / 64] |= std::uint64_t{1} << (bit % 64);
      }
    }
  }

  [[nodiscard]] bool may_start_token(const token_hash& hash) const noexcept {
    const std::uint32_t bit = hash.value() & filter_mask_;
    return ((filter_[bit / 64] >> (bit % 64)) & 1U) != 0;
  }

  wordpiece_options options_;
  std::shared_ptr<const vocabulary> tokens_;
  std::string file_;
  token_hash continuing_hash_{};
  std::optional<token_id> unknown_{};
  std::size_t longest_ = 0;  // number of bytes of the longest token
  std::vector<std::uint64_t> filter_{};
  std::uint32_t filter_mask_ = 0;
  std::optional<longest_matches> table_{};  // of the tokens that continue a piece, without their prefix
};

/// Whether a model of an early file, which names no type, is a WordPiece model: no other kind has either key.
[[nodiscard]] inline bool is_untyped_wordpiece(const json_value& json) {
  return json.find("max_input_chars_per_word") || json.find("continuing_subword_prefix");
}

/// Makes a WordPiece model. One that names no type may lack one of the keys by which it is recognized.
/// Throws: bad_type, bad_value, missing_key, limit_exceeded (very many long tokens).
[[nodiscard]] inline std::unique_ptr<const token_model> read_wordpiece(const model_source& source) {
  const bool typed = source.json.find("type").has_value();
  wordpiece_options options{.unknown_token = source.json.at("unk_token").as_string(), .continuing_prefix = "##"};
  if (typed || source.json.find("continuing_subword_prefix")) {
    options.continuing_prefix = source.json.at("continuing_subword_prefix").as_string();
  }
  if (typed || source.json.find("max_input_chars_per_word")) {
    options.max_code_points = source.json.at("max_input_chars_per_word").as_unsigned();
  }
  return std::make_unique<const wordpiece>(std::move(options), source.tokens, source.file);
}

}  // namespace ultrafastbert::tokenizers
