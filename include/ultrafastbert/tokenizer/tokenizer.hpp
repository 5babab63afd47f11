// SPDX-License-Identifier: MIT
//
// The tokenizer: text to ids with their places in the text, and back. Reads tokenizer.json and vocab.txt; follows the
// reference implementation of those formats to the last offset.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/normalized_text.hpp"
#include "ultrafastbert/tokenizer/tokenizer_json.hpp"
#include "ultrafastbert/tokenizer/utf8.hpp"
#include "ultrafastbert/tokenizer/vocabulary_text.hpp"

namespace ultrafastbert {

/// Turns text into ids and ids into text. Immutable; one object serves any number of threads. Copies share the
/// vocabulary.
class tokenizer {
 public:
  /// Reads a tokenizer.json, a vocab.txt (any name that ends in .txt), or what a folder has of them; tokenizer.json
  /// wins. Its `truncation` and `padding` members have no effect: calls say what they want. A vocab.txt makes BERT's
  /// tokenizer, as vocabulary_text.hpp says.
  /// Throws: io_error, truncated, limit_exceeded (more than 64 MiB), missing_token (a vocab.txt without the tokens at
  ///   the ends of every text), and what `parse` throws.
  /// Complexity: n log n in the number of tokens.
  [[nodiscard]] static tokenizer load(const std::filesystem::path& folder_or_file) {
    std::error_code ignored;
    auto path = folder_or_file;
    if (std::filesystem::is_directory(path, ignored)) {
      path /= "tokenizer.json";
      const auto list = folder_or_file / "vocab.txt";
      if (!std::filesystem::exists(path, ignored) && std::filesystem::exists(list, ignored)) path = list;
    }
    if (path.extension() == ".txt") return tokenizer(tokenizers::read_vocabulary_text(path));
    return parse(read_text_file(path, tokenizers::largest_tokenizer_file), path.string());
  }

  /// Reads the text of a tokenizer.json.
  /// Pre: `name` names it in errors.
  /// Throws: bad_json, duplicate_key, limit_exceeded, bad_type, bad_value, missing_key, bad_vocabulary, unsupported (a
  ///   component this version does not implement; the error has its JSON path).
  /// Complexity: n log n in the number of tokens.
  [[nodiscard]] static tokenizer parse(std::string_view json, std::string name) {
    return tokenizer(tokenizers::read_tokenizer_json(json, std::move(name)));
  }

  /// Encodes a text. Invalid UTF-8 is read as U+FFFD, one for each maximal bad part.
  /// Units: `offsets` count code points of `text`.
  /// Throws: invalid_input (`max_length` leaves no room for the template, `strategy` cannot be obeyed, a text over
  ///   4 GiB), missing_token (an unknown word and no unknown token), limit_exceeded (a normalizer that multiplies its
  ///   text).
  /// Complexity: linear in the text.
  /// Source: the pipeline of the Rust crate `tokenizers`: added tokens, normalizer, pre-tokenizer, model, template.
  [[nodiscard]] encoding encode(std::string_view text, const encode_options& options = {}) const {
    return finish(tokens_of(text), {}, false, options);
  }

  /// Encodes a pair of texts. Offsets of each text count its own code points. Throws as for one text.
  [[nodiscard]] encoding encode(std::string_view text, std::string_view pair,
                                const encode_options& options = {}) const {
    return finish(tokens_of(text), tokens_of(pair), true, options);
  }

  /// Encodes texts and pads the encodings on the right to one length: pad token, type 0, attention 0, special 1.
  /// Throws: what `encode` throws; missing_token (the vocabulary lacks the pad token), invalid_input (an encoding is
  ///   longer than a fixed length; nothing is cut but by `max_length`).
  /// Complexity: linear in the texts and the padding.
  [[nodiscard]] std::vector<encoding> encode_batch(std::span<const std::string> texts,
                                                   const encode_options& options = {},
                                                   const padding_options& padding = {}) const {
    std::vector<encoding> batch;
    if (texts.empty()) return batch;
    const token_id pad = pad_id(padding.pad_token);
    batch.reserve(texts.size());
    std::size_t longest = 0;
    for (const std::string& text : texts) {
      batch.push_back(encode(text, options));
      longest = std::max(longest, batch.back().size());
    }
    const std::size_t length = padding.length == 0 ? longest : padding.length;
    if (longest > length) {
      fail_input("padding.length", "at least " + std::to_string(longest) + ", the length of the longest encoding",
                 std::to_string(length));
    }
    for (encoding& each : batch) {
      each.ids.resize(length, pad);
      each.type_ids.resize(length, 0);
      each.tokens.resize(length, padding.pad_token);
      each.offsets.resize(length);
      each.attention_mask.resize(length, 0);
      each.special_tokens_mask.resize(length, 1);
    }
    return batch;
  }

  /// Joins the spellings of ids to text.
  /// Shapes: ids: (tokens).
  /// Throws: invalid_input (an id that no token has).
  /// Complexity: linear in the length of the text.
  [[nodiscard]] std::string decode(std::span<const token_id> ids,
                                   const decode_options& options = {.skip_special_tokens = true}) const {
    std::string out;
    bool first = true;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto spelling = parts_.tokens->token(ids[i]);
      if (!spelling) {
        fail_input("ids[" + std::to_string(i) + ']',
                   "an id of the vocabulary, from 0 to " + std::to_string(parts_.tokens->id_bound() - 1),
                   std::to_string(ids[i]));
      }
      if (options.skip_special_tokens && is_special(ids[i])) continue;
      std::visit([&](const auto& decoder) { decoder.append(out, *spelling, first); }, parts_.decode);
      first = false;
    }
    return out;
  }

  /// Id of a token, added tokens included, or nothing.
  [[nodiscard]] std::optional<token_id> token_to_id(std::string_view token) const { return parts_.tokens->id(token); }

  /// Spelling of an id, or nothing. Valid while the tokenizer or a copy lives.
  [[nodiscard]] std::optional<std::string_view> id_to_token(token_id id) const { return parts_.tokens->token(id); }

  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return parts_.tokens->size(); }  ///< number of tokens
  [[nodiscard]] std::size_t id_bound() const noexcept { return parts_.tokens->id_bound(); }     ///< past the largest id
  [[nodiscard]] const std::string& name() const noexcept { return parts_.file; }  ///< file, or the name given to parse

  /// Whether an id is an added token marked as special.
  [[nodiscard]] bool is_special(token_id id) const noexcept {
    return std::binary_search(parts_.special_ids.begin(), parts_.special_ids.end(), id);
  }

 private:
  explicit tokenizer(tokenizers::tokenizer_parts parts) : parts_(std::move(parts)) {}

  /// Tokens of one text, without the template's.
  [[nodiscard]] tokenizers::located_tokens tokens_of(std::string_view text) const {
    constexpr std::size_t longest = std::numeric_limits<std::uint32_t>::max() - 1;
    if (text.size() > longest) {
      fail_input("text", "at most " + std::to_string(longest) + " bytes", std::to_string(text.size()));
    }
    std::string repaired;
    if (!tokenizers::is_valid_utf8(text)) {
      repaired = tokenizers::repair_utf8(text);
      text = repaired;
    }
    tokenizers::located_tokens out;
    tokenizers::normalized_text segment;
    tokenizers::model_scratch scratch;
    std::uint32_t code_points = 0;
    parts_.raw_tokens.split(text, [&](std::size_t begin, std::size_t end, std::optional<token_id> id) {
      const std::string_view part = text.substr(begin, end - begin);
      const auto length = static_cast<std::uint32_t>(tokenizers::count_code_points(part));
      if (id) {
        out.add_spelled(*id, {.begin = code_points, .end = code_points + length}, part, *parts_.tokens);
      } else {
        segment.assign(part, code_points);
        add_segment(segment, scratch, out);
      }
      code_points += length;
    });
    return out;
  }

  /// Tokens of a stretch of text between added tokens.
  void add_segment(tokenizers::normalized_text& segment, tokenizers::model_scratch& scratch,
                   tokenizers::located_tokens& out) const {
    parts_.normalize.apply(segment);
    const std::string_view text = segment.text();
    parts_.normalized_tokens.split(text, [&](std::size_t begin, std::size_t end, std::optional<token_id> id) {
      if (id) {
        out.add_spelled(*id, segment.span(begin, end), text.substr(begin, end - begin), *parts_.tokens);
        return;
      }
      const auto add_piece = [&, begin](std::size_t first, std::size_t last) {
        const std::size_t start = begin + first;
        parts_.model->tokenize(text.substr(start, last - first), scratch);
        for (const auto& token : scratch.tokens) {
          out.tokens.push_back({.id = token.id, .span = segment.span(start + token.begin, start + token.end)});
        }
      };
      std::visit([&](const auto& splitter) { splitter.split(text.substr(begin, end - begin), add_piece); },
                 parts_.pre_tokenize);
    });
  }

  /// Truncation and template.
  [[nodiscard]] encoding finish(tokenizers::located_tokens first, tokenizers::located_tokens second, bool is_pair,
                                const encode_options& options) const {
    const std::size_t added = options.add_special_tokens ? parts_.post_process.added_tokens(is_pair) : 0;
    bool truncated = false;
    if (options.max_length != 0) {
      if (options.max_length < added) {
        fail_input("max_length", "0 or at least " + std::to_string(added) + ", the tokens of the template",
                   std::to_string(options.max_length));
      }
      const auto kept = tokenizers::truncate_lengths({.first = first.size(), .second = second.size()},
                                                     options.max_length - added, options.strategy, is_pair);
      truncated = kept.first < first.size() || kept.second < second.size();
      first.tokens.resize(kept.first);
      second.tokens.resize(kept.second);
    }
    encoding out = parts_.post_process.assemble(*parts_.tokens, first, second, is_pair, options.add_special_tokens);
    out.truncated = truncated;
    return out;
  }

  [[nodiscard]] token_id pad_id(const std::string& pad_token) const {
    const auto id = parts_.tokens->id(pad_token);
    if (!id) {
      fail(error_code::missing_token, {.file = parts_.file,
                                       .where = "padding.pad_token",
                                       .expected = "a token of the vocabulary",
                                       .found = excerpt(pad_token)});
    }
    return *id;
  }

  tokenizers::tokenizer_parts parts_;
};

}  // namespace ultrafastbert
