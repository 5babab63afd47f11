// SPDX-License-Identifier: MIT
//
// The tokenizer: text to ids with their places in the text, and back. It reads tokenizer.json, vocab.txt and
// vocab.json with merges.txt, and follows the reference implementation of those formats to the last offset.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/tokenizer/assembly.hpp"
#include "ultrafastbert/tokenizer/call_defaults.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/encoding_matrices.hpp"
#include "ultrafastbert/tokenizer/padding.hpp"
#include "ultrafastbert/tokenizer/special_role.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"
#include "ultrafastbert/tokenizer/tokenizer_json.hpp"
#include "ultrafastbert/tokenizer/tokenizer_parts.hpp"
#include "ultrafastbert/tokenizer/tokenizer_report.hpp"
#include "ultrafastbert/tokenizer/vocabulary_json.hpp"
#include "ultrafastbert/tokenizer/vocabulary_text.hpp"

namespace ultrafastbert {

/// Turns text into ids and ids into text. Immutable, so that one object serves any number of threads. Copies are cheap,
/// because they share everything.
class tokenizer {
 public:
  /// Reads a tokenizer.json, a vocab.txt (any name that ends in .txt), a vocab.json with the merges.txt beside it, or
  /// what a folder has of them, where the first of these wins. How a vocab.txt is read stands in vocabulary_text.hpp,
  /// how a vocab.json is in vocabulary_json.hpp. Calls say themselves how to truncate and pad; what a tokenizer.json
  /// says about it is in `file_truncation` and `file_padding`. The files special_tokens_map.json and
  /// tokenizer_config.json beside either say which token plays which role, in the order that stands in
  /// special_tokens.hpp, which further special tokens there are, and how models call the tokenizer (`defaults`); how
  /// texts become tokens stands in a tokenizer.json alone, and what contradicts it is in the report.
  /// Throws: io_error (also a folder with neither file), truncated, limit_exceeded (more than 64 MiB), missing_token (a
  ///   vocab.txt without the tokens at the ends of every text), and what `parse` throws.
  /// Complexity: n log n in the number of tokens.
  [[nodiscard]] static tokenizer load(const std::filesystem::path& folder_or_file) {
    const auto path = tokenizers::find_tokenizer_file(folder_or_file);
    if (path.extension() == ".txt") return tokenizer(tokenizers::read_vocabulary_text(path));
    if (path.filename() == "vocab.json") return tokenizer(tokenizers::read_vocabulary_json(path));
    const auto text = read_text_file(path, tokenizers::largest_tokenizer_file);
    const auto beside = tokenizers::side_files::beside(path);
    return tokenizer(tokenizers::read_tokenizer_json(text, path.string(), &beside));
  }

  /// Reads the text of a tokenizer.json.
  /// Pre: `name` names it in errors.
  /// Throws: bad_json, duplicate_key, limit_exceeded, bad_type, bad_value, missing_key, bad_vocabulary, unsupported (a
  ///   component that this version does not implement; the error has its JSON path).
  /// Complexity: n log n in the number of tokens.
  [[nodiscard]] static tokenizer parse(std::string_view json, std::string name) {
    return tokenizer(tokenizers::read_tokenizer_json(json, std::move(name), nullptr));
  }

  // Copies only: a tokenizer that was moved from would be one that cannot be used.
  tokenizer(const tokenizer&) = default;
  tokenizer& operator=(const tokenizer&) = default;
  ~tokenizer() = default;

  /// Encodes a text. Invalid UTF-8 is read as U+FFFD, one for each maximal bad part.
  /// Throws: invalid_input (the options contradict each other, `max_length` leaves no room for the template, the text
  ///   has 4 GiB and more), missing_token (a word is unknown and there is no unknown token), limit_exceeded (the
  ///   steps multiply the text or take too much work for its size, there are too many encodings or tokens in
  ///   `overflow`, or spellings out of proportion to the text).
  /// Complexity: linear in the text and in the encodings.
  [[nodiscard]] encoding encode(std::string_view text, const encode_options& options = {}) const {
    check_options(options, false);
    // Its scratch memory is free again before an encoding is made, which may take several times that of the text.
    const tokenizers::text_tokens tokens = tokenize(text);
    return tokenizers::assembly(parts_->templates, *parts_->tokens, tokens, nullptr, options).build();
  }

  /// Encodes a pair of texts. The offsets of each text count from its own start. Throws: as for one text; also
  /// invalid_input where `strategy` names a text that is too short for what has to go.
  [[nodiscard]] encoding encode(std::string_view text, std::string_view pair,
                                const encode_options& options = {}) const {
    check_options(options, true);
    tokenizers::text_tokens first;
    tokenizers::text_tokens second;
    {
      tokenizers::call_scratch scratch(*parts_);
      tokenizers::tokenize_text(*parts_, text, scratch, first);
      tokenizers::tokenize_text(*parts_, pair, scratch, second);
    }
    return tokenizers::assembly(parts_->templates, *parts_->tokens, first, &second, options).build();
  }

  /// Tokenizes the first text of many pairs, for the call below. Throws: as `encode` for one text.
  [[nodiscard]] tokenizers::text_tokens tokenize(std::string_view text) const {
    tokenizers::text_tokens tokens;
    tokenizers::call_scratch scratch(*parts_);
    tokenizers::tokenize_text(*parts_, text, scratch, tokens);
    return tokens;
  }

  /// Encodes a pair whose first text was tokenized before. Pre: `tokenize` of this tokenizer or of a copy did that.
  /// Throws: as for two texts.
  [[nodiscard]] encoding encode(const tokenizers::text_tokens& first, std::string_view pair,
                                const encode_options& options = {}) const {
    check_options(options, true);
    const tokenizers::text_tokens second = tokenize(pair);
    return tokenizers::assembly(parts_->templates, *parts_->tokens, first, &second, options).build();
  }

  // Two strings in braces would be taken for the two ends of one. Several texts are a matter of `encode_batch`.
  encoding encode(std::initializer_list<std::string_view> texts, const encode_options& options = {}) const = delete;
  encoding encode(std::initializer_list<std::string_view> text, std::string_view pair,
                  const encode_options& options = {}) const = delete;
  encoding encode(std::string_view text, std::initializer_list<std::string_view> pair,
                  const encode_options& options = {}) const = delete;

  /// Encodes texts and pads the encodings, those of their `overflow` included, to one length: with the pad token, no
  /// place in the text, attention 0 and a special token's mark.
  /// Throws: what `encode` throws, where the message names the text by its number; missing_token (padding is needed and
  ///   there is no pad token), invalid_input (an encoding is longer than `padding.length`, which cuts nothing),
  ///   limit_exceeded (padding that takes memory out of proportion).
  /// Complexity: linear in the texts, the encodings and the padding.
  [[nodiscard]] std::vector<encoding> encode_batch(std::span<const std::string_view> texts,
                                                   const encode_options& options = {},
                                                   const padding_options& padding = {}) const {
    check_options(options, false);
    tokenizers::call_scratch scratch(*parts_);
    std::vector<encoding> batch;
    batch.reserve(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      try {
        batch.push_back(encode_one(texts[i], options, scratch));
      } catch (const error& e) {
        error_details details = e.details();
        details.where = "texts[" + std::to_string(i) + "]: " + details.where;
        fail(e.code(), std::move(details));
      }
    }
    pad(batch, padding);
    return batch;
  }

  /// The same for strings that own their text. Throws: as above.
  [[nodiscard]] std::vector<encoding> encode_batch(std::span<const std::string> texts,
                                                   const encode_options& options = {},
                                                   const padding_options& padding = {}) const {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return encode_batch(std::span<const std::string_view>(views), options, padding);
  }

  /// The same for texts in braces. Throws: as above.
  [[nodiscard]] std::vector<encoding> encode_batch(std::initializer_list<std::string_view> texts,
                                                   const encode_options& options = {},
                                                   const padding_options& padding = {}) const {
    return encode_batch(std::span<const std::string_view>(texts.begin(), texts.size()), options, padding);
  }

  /// Pads encodings, for example those of pairs, as `encode_batch` does.
  /// Throws: missing_token (padding is needed and there is no pad token), invalid_input (an encoding is longer than
  ///   `padding.length`, or that is out of range), limit_exceeded (padding that takes memory out of proportion); the
  ///   encodings are untouched then. std::bad_alloc.
  /// Complexity: linear in the padding.
  void pad(std::span<encoding> encodings, const padding_options& padding = {}) const {
    if (encodings.empty()) return;
    const auto [shortest, longest] = tokenizers::lengths_of(encodings);
    const std::size_t length = tokenizers::padded_length(longest, padding);
    const auto token = pad_token(shortest < length, padding);
    tokenizers::check_padding(encodings, length, token);
    tokenizers::for_each_encoding(encodings, [&](encoding& each) { tokenizers::pad_to(each, length, token); });
  }

  /// The ids, masks and types of encodings as matrices, padded as `pad` does. The encodings may be padded already.
  /// Throws: as `pad`; overflow (the sizes do not fit).
  /// Complexity: linear in the size of the matrices.
  [[nodiscard]] encoding_matrices to_matrices(std::span<const encoding> encodings,
                                              const padding_options& padding = {}) const {
    if (encodings.empty()) return {};
    const auto [shortest, longest] = tokenizers::lengths_of(encodings);
    const std::size_t columns = (std::max)(tokenizers::padded_length(longest, padding), longest);
    const auto token = pad_token(shortest < columns, padding);
    tokenizers::check_padding(encodings, columns, token);
    if (padding.direction == padding_direction::right && padding.type_id == 0) {
      return encoding_matrices(encodings, columns, token.id);
    }
    std::vector<encoding> padded(encodings.begin(), encodings.end());
    tokenizers::for_each_encoding(std::span(padded), [&](encoding& each) { tokenizers::pad_to(each, columns, token); });
    return encoding_matrices(padded, columns, token.id);
  }

  /// How the file itself asks for texts to be truncated, or nothing. It has no effect unless it is given to `encode`.
  [[nodiscard]] const std::optional<encode_options>& file_truncation() const noexcept { return parts_->truncation; }

  /// How the file itself asks for encodings to be padded, or nothing. It has no effect unless it is given to
  /// `encode_batch` or `pad`. An encoding that is longer than a fixed length stays as it is.
  [[nodiscard]] const std::optional<padding_options>& file_padding() const noexcept { return parts_->padding; }

  /// What tokenizer_config.json says about a model's calls with texts. It has no effect on those of a tokenizer.
  [[nodiscard]] const call_defaults& defaults() const noexcept { return parts_->defaults; }

  /// Joins the spellings of ids to a text.
  /// Shapes: ids: (tokens).
  /// Throws: invalid_input (an id that no token has), limit_exceeded (a decoder multiplies the text).
  /// Complexity: linear in the length of the text.
  [[nodiscard]] std::string decode(std::span<const token_id> ids,
                                   const decode_options& options = {.skip_special_tokens = true}) const {
    std::vector<std::string> spellings;
    spellings.reserve(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto spelling = parts_->tokens->token(ids[i]);
      if (!spelling) {
        fail_input("ids[" + std::to_string(i) + ']',
                   "an id of the vocabulary, from 0 to " + std::to_string(parts_->tokens->id_bound() - 1),
                   std::to_string(ids[i]));
      }
      if (!options.skip_special_tokens || !is_special(ids[i])) spellings.emplace_back(*spelling);
    }
    return join(std::move(spellings));
  }

  /// Joins spellings of tokens to a text, as `decode` does.
  /// Shapes: spellings: (tokens).
  /// Throws: limit_exceeded (a decoder multiplies the text). Complexity: linear in the length of the text.
  [[nodiscard]] std::string join(std::vector<std::string> spellings) const {
    return tokenizers::join_decoded(parts_->decoders, std::move(spellings), name());
  }

  /// Whether tokens that continue a word are spelled with a mark in front, such as "##".
  [[nodiscard]] bool marks_continuations() const noexcept { return parts_->model->marks_continuations(); }

  /// Id of a token, added tokens included, or nothing. Of equal lines of a vocab.txt the last one counts.
  [[nodiscard]] std::optional<token_id> token_to_id(std::string_view token) const { return parts_->tokens->id(token); }

  /// Spelling of an id, or nothing. Valid while the tokenizer or a copy lives.
  [[nodiscard]] std::optional<std::string_view> id_to_token(token_id id) const { return parts_->tokens->token(id); }

  /// Id of the token that plays a role, or nothing. Ids are arbitrary: that of the pad token need not be 0.
  [[nodiscard]] std::optional<token_id> special_id(special_role role) const noexcept {
    return parts_->roles[tokenizers::index_of(role)].id;
  }

  /// Spelling of the token that plays a role, or nothing. A file may name one that the vocabulary lacks; it has no id
  /// then. Valid while the tokenizer or a copy lives.
  [[nodiscard]] std::optional<std::string_view> special_token(special_role role) const noexcept {
    const std::string& spelling = parts_->roles[tokenizers::index_of(role)].spelling;
    return spelling.empty() ? std::nullopt : std::optional<std::string_view>(spelling);
  }

  /// Id of the token that plays a role.
  /// Throws: missing_token (there is none; the message says what was looked for).
  [[nodiscard]] token_id need_special_id(special_role role) const {
    if (const auto id = special_id(role)) return *id;
    const auto named = special_token(role);
    fail(error_code::missing_token,
         {.file = name(),
          .where = std::string(ultrafastbert::name(role)) + "_token",
          .expected = (named ? excerpt(*named) : tokenizers::list_common_spellings(role)) + " in the vocabulary",
          .found = "no such token",
          .reason = named ? "the token that the files name is not in the vocabulary"
                          : "no file names this special token, and the vocabulary has none of the common ones"});
  }

  /// Whether an id is that of an added token that is marked as special.
  [[nodiscard]] bool is_special(token_id id) const noexcept {
    return std::binary_search(parts_->special_ids.begin(), parts_->special_ids.end(), id);
  }

  /// What is odd about the files, though they load.
  [[nodiscard]] const tokenizer_report& report() const noexcept { return parts_->report; }

  /// Number of different tokens, added ones included.
  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return parts_->tokens->size(); }
  /// One past the largest id.
  [[nodiscard]] std::size_t id_bound() const noexcept { return parts_->tokens->id_bound(); }
  /// The file, or the name that was given to `parse`.
  [[nodiscard]] const std::string& name() const noexcept { return parts_->file; }

 private:
  explicit tokenizer(std::shared_ptr<const tokenizers::tokenizer_parts> parts) : parts_(std::move(parts)) {}

  void check_options(const encode_options& options, bool is_pair) const {
    tokenizers::check_truncation(options,
                                 options.add_special_tokens ? parts_->templates.added_tokens(is_pair) : std::size_t{0});
  }

  [[nodiscard]] encoding encode_one(std::string_view text, const encode_options& options,
                                    tokenizers::call_scratch& scratch) const {
    tokenizers::text_tokens tokens;
    tokenizers::tokenize_text(*parts_, text, scratch, tokens);
    return tokenizers::assembly(parts_->templates, *parts_->tokens, tokens, nullptr, options).build();
  }

  /// The token to pad with. Where none is needed and none is named, it may be any.
  [[nodiscard]] tokenizers::pad_token pad_token(bool needed, const padding_options& padding) const {
    tokenizers::pad_token out{
        .spelling = padding.pad_token, .type_id = padding.type_id, .direction = padding.direction};
    if (padding.pad_id) {
      out.id = *padding.pad_id;
      if (padding.pad_token.empty()) out.spelling = parts_->tokens->token(out.id).value_or(std::string_view{});
      return out;
    }
    if (padding.pad_token.empty()) {
      if (!needed) return out;
      out.id = need_special_id(special_role::pad);
      out.spelling = special_token(special_role::pad).value_or(std::string_view{});
      return out;
    }
    const auto id = parts_->tokens->id(padding.pad_token);
    if (!id) {
      fail(error_code::missing_token, {.file = name(),
                                       .where = "padding.pad_token",
                                       .expected = "a token of the vocabulary",
                                       .found = excerpt(padding.pad_token)});
    }
    out.id = *id;
    return out;
  }

  std::shared_ptr<const tokenizers::tokenizer_parts> parts_;
};

}  // namespace ultrafastbert
