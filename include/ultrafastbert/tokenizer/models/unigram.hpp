// SPDX-License-Identifier: MIT
//
// Unigram: each piece of a text is covered by the tokens whose scores have the largest sum.
// Source: Kudo, arXiv 1804.10959; the penalty of unknown characters and the order among equal sums are the reference's.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/models/byte_tokens.hpp"
#include "ultrafastbert/tokenizer/models/piece_automaton.hpp"
#include "ultrafastbert/tokenizer/models/piece_trie.hpp"
#include "ultrafastbert/tokenizer/models/token_model.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"
#include "ultrafastbert/tokenizer/vocabulary_builder.hpp"

namespace ultrafastbert::tokenizers {

/// What a Unigram model says beside its tokens.
struct unigram_options {
  std::vector<double> scores{};          ///< of the tokens, in their order
  std::optional<token_id> unknown_id{};  ///< without one, a text with an unknown character is an error
  bool byte_fallback = false;            ///< unknown stretches are written byte by byte
};

class unigram : public token_model {
 public:
  /// Pre: the ids of the tokens are their numbers; `unknown_id` is one of them; there are as many scores as tokens.
  ///   `file` names the tokenizer in errors.
  /// Throws: limit_exceeded (tokens with more than `piece_trie::most_nodes` different beginnings).
  unigram(unigram_options options, std::shared_ptr<const vocabulary> tokens, std::string file)
      : options_(std::move(options)),
        tokens_(std::move(tokens)),
        file_(std::move(file)),
        automaton_(piece_trie(*tokens_, file_)) {
    constexpr double unknown_penalty = 10;
    double smallest = std::numeric_limits<double>::infinity();
    for (const double score : options_.scores) smallest = (std::min)(smallest, score);
    unknown_score_ = smallest - unknown_penalty;
    if (options_.byte_fallback) bytes_ = byte_tokens(*tokens_);
  }

  [[nodiscard]] std::unique_ptr<model_scratch> make_scratch() const override {
    return std::make_unique<unigram_scratch>();
  }

  /// Complexity: linear in the piece and in the tokens that stand anywhere in it.
  void tokenize(std::string_view piece, model_scratch& scratch) const override {
    auto& ends = static_cast<unigram_scratch&>(scratch).ends;
    find_best_paths(piece, ends);
    auto& tokens = scratch.tokens;
    tokens.clear();
    for (std::size_t end = piece.size(); end > 0;) {
      std::size_t begin = ends[end].begin;
      const token_id id = ends[end].id;
      if (options_.unknown_id == id) {
        while (begin > 0 && ends[begin].id == id) begin = ends[begin].begin;
        add_unknown(piece, {.begin = begin, .end = end}, tokens);
      } else {
        tokens.emplace_back(id, byte_range{.begin = begin, .end = end});
      }
      end = begin;
    }
    std::reverse(tokens.begin(), tokens.end());
  }

  [[nodiscard]] std::optional<std::string> unknown_token() const override {
    if (!options_.unknown_id) return std::nullopt;
    return std::string(tokens_->model_token(static_cast<std::size_t>(*options_.unknown_id)));
  }

 private:
  /// The best cover of a piece up to one place: its sum, and its last token with the place where that begins.
  struct best_end {
    double score = 0;
    std::uint32_t begin = no_path;
    token_id id = 0;
  };
  static constexpr std::uint32_t no_path = (std::numeric_limits<std::uint32_t>::max)();

  struct unigram_scratch : model_scratch {
    std::vector<best_end> ends{};
  };

  /// Tokens are UTF-8, as pieces are, so that they begin and end between characters. Among equal sums the longest last
  /// token counts.
  void find_best_paths(std::string_view piece, std::vector<best_end>& ends) const {
    ends.resize(piece.size() + 1);
    ends.front() = {};
    std::uint32_t node = piece_automaton::start;
    for (std::size_t begin = 0, end = 0; begin < piece.size(); begin = end) {
      end = begin + decode_utf8(piece, begin).length;
      for (std::size_t at = begin; at < end; ++at) node = automaton_.step(node, static_cast<unsigned char>(piece[at]));
      best_end best;
      const auto offer = [&best](double sum, std::size_t from, token_id id) {
        if (best.begin != no_path && !(sum > best.score)) return;
        best = {.score = sum, .begin = static_cast<std::uint32_t>(from), .id = id};
      };
      bool is_known = false;  // whether the character is a token
      automaton_.endings(node, [&](std::uint32_t token) {
        const std::size_t from = end - tokens_->model_token(token).size();
        offer(ends[from].score + options_.scores[token], from, static_cast<token_id>(token));
        is_known = is_known || from == begin;
      });
      const double unknown = ends[begin].score + unknown_score_;
      if (!is_known && (best.begin == no_path || unknown > best.score)) {
        offer(unknown, begin, need_unknown(options_.unknown_id, file_, "$.model.unk_id", {}));
      }
      ends[end] = best;
    }
  }

  /// Adds the tokens of an unknown stretch, the last one first. Joined, its characters may be a token after all.
  void add_unknown(std::string_view piece, const byte_range& bytes, std::vector<piece_token>& tokens) const {
    const std::string_view stretch = piece.substr(bytes.begin, bytes.end - bytes.begin);
    if (const auto id = tokens_->model_id(token_hash(stretch), {}, stretch)) {
      tokens.emplace_back(*id, bytes);
    } else if (options_.byte_fallback && bytes_.cover(stretch)) {
      for (std::size_t i = stretch.size(); i > 0; --i) {
        tokens.emplace_back(bytes_.id(stretch[i - 1]), bytes);
      }
    } else {
      tokens.emplace_back(*options_.unknown_id, bytes, true);
    }
  }

  unigram_options options_;
  std::shared_ptr<const vocabulary> tokens_;
  std::string file_;
  piece_automaton automaton_;
  byte_tokens bytes_{};
  double unknown_score_ = 0;
};

/// Whether a model that names no type is a Unigram model: no other kind has an array as its vocabulary.
[[nodiscard]] inline bool is_untyped_unigram(const json_value& json) {
  const auto tokens = json.find("vocab");
  return tokens && tokens->is_array();
}

/// Adds the tokens of `$.model.vocab`, an array of arrays of a token and its score. Of equal tokens the last one
/// counts. Throws: bad_type, bad_value, missing_key, bad_vocabulary, limit_exceeded.
inline void read_unigram_vocabulary(const json_value& json, vocabulary::builder& tokens) {
  tokens.accept_repeats();
  std::uint64_t id = 0;
  json.at("vocab").for_each_element([&](const json_value& pair) {
    const auto parts = pair.elements();
    if (parts.size() != 2) pair.fail_value("a token and its score", std::to_string(parts.size()) + " elements");
    tokens.add_model_token(parts[0].as_string(), id++);
  });
}

/// Makes a Unigram model. Throws: bad_type, bad_value, missing_key, limit_exceeded (very many long tokens).
[[nodiscard]] inline std::unique_ptr<const token_model> read_unigram(const model_source& source) {
  unigram_options options;
  source.json.at("vocab").for_each_element(
      [&options](const json_value& pair) { options.scores.push_back(pair.elements().at(1).as_number()); });
  if (const auto unknown = find_non_null(source.json, "unk_id")) {
    const std::uint64_t id = unknown->as_unsigned();
    if (id >= options.scores.size()) {
      unknown->fail_value("an id below " + std::to_string(options.scores.size()) + ", the number of tokens",
                          std::to_string(id));
    }
    options.unknown_id = static_cast<token_id>(id);
  }
  if (const auto fallback = find_non_null(source.json, "byte_fallback")) options.byte_fallback = fallback->as_boolean();
  return std::make_unique<const unigram>(std::move(options), source.tokens, source.file);
}

}  // namespace ultrafastbert::tokenizers
