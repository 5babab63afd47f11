// SPDX-License-Identifier: MIT
//
// WordLevel: each piece of a text is a token, or it is unknown.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/models/token_model.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

class word_level : public token_model {
 public:
  /// `file` names the tokenizer in errors.
  word_level(std::string unknown_token, std::shared_ptr<const vocabulary> tokens, std::string file)
      : unknown_token_(std::move(unknown_token)), tokens_(std::move(tokens)), file_(std::move(file)) {
    unknown_ = find(unknown_token_);
  }

  [[nodiscard]] std::unique_ptr<model_scratch> make_scratch() const override {
    return std::make_unique<model_scratch>();
  }

  void tokenize(std::string_view piece, model_scratch& scratch) const override {
    const auto id = find(piece);
    const token_id token = id ? *id : need_unknown(unknown_, file_, "$.model.unk_token", unknown_token_);
    scratch.tokens.assign(1, piece_token(token, {.begin = 0, .end = piece.size()}));
  }

  [[nodiscard]] std::optional<std::string> unknown_token() const override { return unknown_token_; }

 private:
  [[nodiscard]] std::optional<token_id> find(std::string_view spelling) const noexcept {
    return tokens_->model_id(token_hash(spelling), {}, spelling);
  }

  std::string unknown_token_;
  std::shared_ptr<const vocabulary> tokens_;
  std::string file_;
  std::optional<token_id> unknown_{};
};

/// Whether a model that names no type is a WordLevel model: it has an object as vocabulary and is no other kind.
[[nodiscard]] inline bool is_untyped_word_level(const json_value& json) {
  const auto tokens = json.find("vocab");
  return tokens && tokens->is_streamed();
}

/// Makes a WordLevel model. Throws: bad_type, missing_key.
[[nodiscard]] inline std::unique_ptr<const token_model> read_word_level(const model_source& source) {
  return std::make_unique<const word_level>(source.json.at("unk_token").as_string(), source.tokens, source.file);
}

}  // namespace ultrafastbert::tokenizers
