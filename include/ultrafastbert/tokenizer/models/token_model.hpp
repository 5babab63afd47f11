// SPDX-License-Identifier: MIT
//
// What a tokenizer's model is: it turns each piece of a text into tokens of a vocabulary. A new kind of model is one
// file in this folder and one line in components.hpp.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"
#include "ultrafastbert/tokenizer/vocabulary_builder.hpp"

namespace ultrafastbert::tokenizers {

/// A token that covers the bytes [begin, end) of a piece. Long pieces have millions of them, so that they are small.
struct piece_token {
  /// Pre: the piece has fewer than 2^32 bytes.
  piece_token(token_id token, const byte_range& bytes, bool is_as_written = false) noexcept
      : id(token),
        begin(static_cast<std::uint32_t>(bytes.begin)),
        end(static_cast<std::uint32_t>(bytes.end)),
        as_written(is_as_written) {}

  token_id id;
  std::uint32_t begin;
  std::uint32_t end;
  bool as_written;  ///< whether the encoding shows these bytes instead of the spelling in the vocabulary
};

/// Memory that a model reuses from piece to piece. Each model makes its own kind; one serves one thread at a time.
class model_scratch {
 public:
  virtual ~model_scratch() = default;

  std::vector<piece_token> tokens{};  ///< the tokens of the last piece, from left to right
};

/// A model, called once for each piece. Immutable, so that threads can share it.
class token_model {
 public:
  virtual ~token_model() = default;

  /// Memory for `tokenize`.
  [[nodiscard]] virtual std::unique_ptr<model_scratch> make_scratch() const = 0;

  /// Writes the tokens of one piece to `scratch.tokens`.
  /// Pre: `piece` is valid UTF-8, not empty, and has fewer than 2^32 bytes; this model made `scratch`.
  /// Throws: missing_token (the piece needs an unknown token, and the vocabulary has none).
  virtual void tokenize(std::string_view piece, model_scratch& scratch) const = 0;

  /// Spelling of the token that stands for what the model does not know, or nothing if it names none.
  [[nodiscard]] virtual std::optional<std::string> unknown_token() const = 0;

  /// Whether tokens that continue a word are spelled with a mark in front.
  [[nodiscard]] virtual bool marks_continuations() const noexcept { return false; }
};

/// What the reader of a model gets.
struct model_source {
  const json_value& json;                      ///< `$.model`; a vocabulary that is an object of ids is not in it
  std::shared_ptr<const vocabulary> tokens{};  ///< the model's tokens and the added ones
  std::string file{};                          ///< names the tokenizer in errors
};

/// How a kind of model is recognized and read.
struct model_reader {
  /// Whether a model that names no type is of this kind.
  bool (*recognizes)(const json_value& json) = nullptr;

  /// Adds the tokens of `$.model.vocab`. Where it is an object of ids, its members are in the builder already, and all
  /// that is left to do is to insist that it is one.
  /// Throws: bad_type, missing_key, bad_vocabulary, limit_exceeded.
  void (*read_vocabulary)(const json_value& json, vocabulary::builder& tokens) = nullptr;

  /// Makes the model.
  /// Throws: bad_type, bad_value, missing_key, bad_vocabulary, limit_exceeded, unsupported.
  std::unique_ptr<const token_model> (*read)(const model_source& source) = nullptr;
};

/// The id of the unknown token, which a text needs now.
/// Throws: missing_token (there is none; `place` says where the file should have named it).
[[nodiscard]] inline token_id need_unknown(const std::optional<token_id>& id, const std::string& file,
                                           std::string_view place, std::string_view spelling) {
  if (!id) {
    fail(error_code::missing_token,
         {.file = file,
          .where = std::string(place),
          .expected = spelling.empty() ? "an unknown token" : "the vocabulary to contain " + excerpt(spelling),
          .found = "no such token",
          .reason = "the text has a word that needs the unknown token"});
  }
  return *id;
}

/// For the kinds whose vocabulary is an object of ids. Throws: bad_type, missing_key.
inline void expect_vocabulary_object(const json_value& json, vocabulary::builder& /*tokens*/) {
  if (const json_value tokens = json.at("vocab"); !tokens.is_streamed()) tokens.fail_type("an object");
}

}  // namespace ultrafastbert::tokenizers
