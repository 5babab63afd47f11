// SPDX-License-Identifier: MIT
//
// From labels of tokens to entities of a text: pieces become words, words become groups such as "New York" PER, ORG or
// LOC. Labels are in the form B-TYPE and I-TYPE, where B begins an entity next to another one of its type, and O for
// what belongs to none.
// Source: TokenClassificationPipeline of the Python package transformers, rule by rule.
// Layer: model.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/model/heads/labels.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/special_role.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert {

/// A token of a text and its best label.
struct token_label {
  std::size_t position = 0;  ///< token index, special tokens counted
  token_id id = 0;
  std::string token{};           ///< as the vocabulary spells it
  text_span offsets{};           ///< code points of its own text
  text_span byte_offsets{};      ///< bytes of its own text
  std::int8_t sequence = 0;      ///< its own text: 0 for the first or only one, 1 for the second
  std::uint32_t type_id = 0;     ///< token type, as the tokenizer's template gives it
  label_score best{};            ///< its score is a softmax over the labels
  std::vector<double> scores{};  ///< (labels): softmax, by class
};

/// How labels of tokens become entities.
enum class entity_aggregation : std::uint8_t {
  none,     ///< each token by itself
  simple,   ///< neighboring tokens of one type are a group
  first,    ///< neighboring words are a group; a word has the label of its first token
  average,  ///< the same; a word has the best label of its tokens' mean scores
  max,      ///< the same; a word has the label of the token with the highest score
};

/// Names of the aggregations, in the order of their values.
inline constexpr std::array<std::string_view, 5> entity_aggregation_names{"none", "simple", "first", "average", "max"};

/// The aggregation of a name. Throws: invalid_input.
[[nodiscard]] inline entity_aggregation find_entity_aggregation(std::string_view word) {
  const auto& names = entity_aggregation_names;
  const auto at = std::find(names.begin(), names.end(), word);
  if (at == names.end()) fail_input("aggregation", "none, simple, first, average or max", excerpt(word));
  return static_cast<entity_aggregation>(at - names.begin());
}

/// What to return of a text's entities.
struct entity_options {
  entity_aggregation aggregation = entity_aggregation::none;
  std::vector<std::string> ignored{"O"};  ///< labels, or types of groups, that are left out
};

/// A stretch of a text and what it is.
struct text_entity {
  std::string label{};       ///< the label of a token, or the type of a group: its label without B- and I-
  double score = 0.0;        ///< of the label; the mean over a group
  std::string word{};        ///< the tokens, joined as the tokenizer decodes them
  text_span offsets{};       ///< code points
  text_span byte_offsets{};  ///< bytes
  std::size_t position = 0;  ///< index of the first token, special tokens counted
};

namespace models {

/// A token, or the tokens of a word, on the way to an entity.
struct entity_piece {
  std::string word{};
  std::span<const double> scores{};  // of the token
  text_span offsets{};
  text_span byte_offsets{};
  std::size_t position = 0;
  bool continues = false;  ///< whether it belongs to the word of the piece before it
};

/// The class of the highest score, the first one of equals, and that score. Pre: there is one.
[[nodiscard]] inline std::pair<std::size_t, double> best_score(std::span<const double> scores) {
  const auto best = std::max_element(scores.begin(), scores.end());
  return {static_cast<std::size_t>(best - scores.begin()), *best};
}

/// A tokenizer whose model marks continuing tokens tells words apart by that: a token that is spelled longer than its
/// text continues a word. Others leave only the space between words to go by. Unknown tokens begin words.
[[nodiscard]] inline entity_piece make_piece(const tokenizer& reader, std::string_view text, const token_label& token) {
  entity_piece piece{.word = std::string(reader.id_to_token(token.id).value_or(token.token)),
                     .scores = token.scores,
                     .offsets = token.offsets,
                     .byte_offsets = token.byte_offsets,
                     .position = token.position};
  const std::size_t begin = (std::min<std::size_t>)(token.byte_offsets.begin, text.size());
  const std::size_t end =
      (std::min<std::size_t>)((std::max)(token.byte_offsets.end, token.byte_offsets.begin), text.size());
  if (reader.special_id(special_role::unk) == token.id) {
    piece.word = std::string(text.substr(begin, end - begin));
  } else if (reader.marks_continuations()) {
    piece.continues = tokenizers::count_code_points(piece.word) != token.offsets.end - token.offsets.begin;
  } else {
    piece.continues =
        token.offsets.begin > 0 && begin > 0 && text[begin - 1] != ' ' && (begin == text.size() || text[begin] != ' ');
  }
  return piece;
}

/// The label of one word's tokens.
[[nodiscard]] inline std::pair<std::size_t, double> label_of_word(std::span<const entity_piece> pieces,
                                                                  entity_aggregation how) {
  if (how == entity_aggregation::first) return best_score(pieces.front().scores);
  if (how == entity_aggregation::max) {
    const auto highest = std::max_element(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) {
      return best_score(a.scores).second < best_score(b.scores).second;
    });
    return best_score(highest->scores);
  }
  std::vector<double> mean(pieces.front().scores.size(), 0.0);
  for (const entity_piece& piece : pieces) {
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += piece.scores[i];
  }
  for (double& score : mean) score /= static_cast<double>(pieces.size());
  return best_score(mean);
}

/// What spans from one entity or piece to another.
template <class Part>
[[nodiscard]] text_entity span_of(const tokenizer& reader, std::span<const Part> parts) {
  std::vector<std::string> words;
  for (const Part& part : parts) words.push_back(part.word);
  text_entity out{.word = reader.join(std::move(words)),
                  .offsets = parts.front().offsets,
                  .byte_offsets = parts.front().byte_offsets,
                  .position = parts.front().position};
  out.offsets.end = parts.back().offsets.end;
  out.byte_offsets.end = parts.back().byte_offsets.end;
  return out;
}

/// Tokens by themselves.
[[nodiscard]] inline std::vector<text_entity> entities_of_tokens(std::vector<entity_piece> pieces,
                                                                 std::span<const std::string> labels) {
  std::vector<text_entity> out;
  for (entity_piece& piece : pieces) {
    const auto [best, score] = best_score(piece.scores);
    out.push_back({.label = labels[best],
                   .score = score,
                   .word = std::move(piece.word),
                   .offsets = piece.offsets,
                   .byte_offsets = piece.byte_offsets,
                   .position = piece.position});
  }
  return out;
}

/// Words, whatever their label.
[[nodiscard]] inline std::vector<text_entity> entities_of_words(const tokenizer& reader,
                                                                std::span<const entity_piece> pieces,
                                                                std::span<const std::string> labels,
                                                                entity_aggregation how) {
  std::vector<text_entity> out;
  for (std::size_t begin = 0; begin < pieces.size();) {
    std::size_t end = begin + 1;
    while (end < pieces.size() && pieces[end].continues) ++end;
    const auto word = pieces.subspan(begin, end - begin);
    const auto [best, score] = label_of_word(word, how);
    text_entity& entity = out.emplace_back(span_of(reader, word));
    entity.label = labels[best];
    entity.score = score;
    begin = end;
  }
  return out;
}

/// A label's type, and whether it begins an entity. What has neither B- nor I- in front is taken for one that goes on.
[[nodiscard]] inline std::pair<std::string_view, bool> type_of(std::string_view label) {
  const bool begins = label.starts_with("B-");
  if (begins || label.starts_with("I-")) label.remove_prefix(2);
  return {label, begins};
}

/// Neighbors of one type, joined.
[[nodiscard]] inline std::vector<text_entity> group_entities(const tokenizer& reader,
                                                             std::span<const text_entity> entities) {
  std::vector<text_entity> out;
  for (std::size_t begin = 0; begin < entities.size();) {
    std::size_t end = begin + 1;
    double sum = entities[begin].score;
    for (; end < entities.size(); ++end) {
      const auto [type, begins] = type_of(entities[end].label);
      if (begins || type != type_of(entities[end - 1].label).first) break;
      sum += entities[end].score;
    }
    text_entity& group = out.emplace_back(span_of(reader, entities.subspan(begin, end - begin)));
    const std::string& label = entities[begin].label;
    const std::size_t dash = label.find('-');  // also in labels without B- and I-, as in the reference
    group.label = dash == std::string::npos ? label : label.substr(dash + 1);
    group.score = sum / static_cast<double>(end - begin);
    begin = end;
  }
  return out;
}

}  // namespace models

/// The entities of a text whose tokens have labels, from left to right.
/// Shapes: tokens: those of a text as `token_classifier::classify` gives them, from left to right; labels: (classes).
/// Units: offsets count as those of the tokens do. Pre: `reader` made the tokens of `text`.
/// Throws: invalid_input (a token without a score for each label, or of the second text of a pair), std::bad_alloc.
/// Complexity: linear in the tokens times the labels. Source: see the head of this file.
[[nodiscard]] inline std::vector<text_entity> find_entities(const tokenizer& reader, std::string_view text,
                                                            std::span<const token_label> tokens,
                                                            std::span<const std::string> labels,
                                                            const entity_options& options = {}) {
  std::vector<models::entity_piece> pieces;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string place = "tokens[" + std::to_string(i) + ']';
    if (tokens[i].scores.size() != labels.size() || labels.empty()) {
      fail_input(place, std::to_string(labels.size()) + " scores, one for each label",
                 std::to_string(tokens[i].scores.size()));
    }
    if (tokens[i].sequence != 0) fail_input(place, "a token of the one text", "one of the second text of a pair");
    pieces.push_back(models::make_piece(reader, text, tokens[i]));
  }
  const entity_aggregation how = options.aggregation;
  const bool by_token = how == entity_aggregation::none || how == entity_aggregation::simple;
  std::vector<text_entity> found = by_token ? models::entities_of_tokens(std::move(pieces), labels)
                                            : models::entities_of_words(reader, pieces, labels, how);
  if (how != entity_aggregation::none) found = models::group_entities(reader, found);
  std::erase_if(found, [&](const text_entity& entity) {
    return std::find(options.ignored.begin(), options.ignored.end(), entity.label) != options.ignored.end();
  });
  return found;
}

}  // namespace ultrafastbert
