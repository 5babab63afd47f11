// SPDX-License-Identifier: MIT
//
// What every model of texts has: an encoder, a tokenizer, states of padded batches and of texts, and texts packed for
// passes of the encoder. A model with a head of its own derives from it, as those of this library do.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/progress.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/encoder.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/model/loading/model_loader.hpp"
#include "ultrafastbert/model/texts/packed_texts.hpp"
#include "ultrafastbert/model/texts/padded_batch.hpp"
#include "ultrafastbert/model/texts/text_options.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert {

/// The final states of texts, row after row and each row's tokens one behind another.
template <class Scalar>
struct text_states {
  matrix<Scalar> states{};              ///< (tokens of all rows, hidden_size)
  std::vector<std::size_t> offsets{0};  ///< (rows + 1): row r owns the states [offsets[r], offsets[r + 1])
  std::vector<std::size_t> texts{};     ///< (rows): number of its text; equal to r unless there is overflow
  std::vector<encoding> encodings{};    ///< (rows): tokens, with their places in the texts
  /// (number of texts) from `try_encode`: what stands in the way of a text, which has no rows then. Else empty.
  std::vector<std::optional<error>> problems{};

  /// The states of a row. Pre: r < texts.size().
  [[nodiscard]] matrix_view<const Scalar> row(std::size_t r) const noexcept {
    return states.view().rows_from(offsets[r], offsets[r + 1] - offsets[r]);
  }
};

/// An encoder and its tokenizer, the base of the models with a head. Immutable after loading: share one between any
/// number of threads, and give each thread its own workspace.
template <class Scalar = float, class Backend = default_backend<Scalar>>
class text_model {
 public:
  using scalar_type = Scalar;
  using encoder_type = encoder<Scalar, Backend>;

  /// Leaves a model behind that cannot be used; assigning one to itself changes nothing.
  text_model(text_model&& other) noexcept = default;
  text_model& operator=(text_model&& other) noexcept {
    if (this != &other) {  // a string that is moved onto itself may be empty
      encoder_ = std::move(other.encoder_);
      tokenizer_ = other.tokenizer_;
      folder_ = std::move(other.folder_);
      head_ = other.head_;
    }
    return *this;
  }
  text_model(const text_model&) = delete;
  text_model& operator=(const text_model&) = delete;

  [[nodiscard]] const encoder_type& stack() const noexcept { return encoder_; }  ///< the encoder
  /// Columns of a state.
  [[nodiscard]] std::size_t hidden_size() const noexcept { return encoder_.config().hidden_size(); }
  /// Rows of the word matrix.
  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return encoder_.config().embedding.vocabulary_size; }
  /// The most tokens that a text may have, those of the tokenizer's template included.
  [[nodiscard]] std::size_t max_sequence_length() const noexcept {
    return encoder_.embedding_layer().max_sequence_length();
  }

  /// The folder's tokenizer. Throws: invalid_input if the folder has none.
  [[nodiscard]] const tokenizer& text_tokenizer() const {
    if (!tokenizer_) {
      fail(error_code::invalid_input,
           {.file = folder_,
            .where = "tokenizer",
            .expected = "a tokenizer.json, a vocab.txt, or a vocab.json with merges.txt in the checkpoint folder",
            .found = "none"});
    }
    return *tokenizer_;
  }

  /// Scratch memory for this model's calls; it grows to the largest call and is then reused.
  [[nodiscard]] workspace make_workspace() const { return workspace{}; }
  /// The same with all memory that calls with ids, `encode` and a head's `logits`, take for up to `tokens` tokens,
  /// padding included, on up to `threads` threads, for hosts that must not allocate later. Batches with a mask for each
  /// token take more, and calls with texts allocate their results. Throws: overflow, invalid_input (more than
  /// `most_threads`), std::bad_alloc.
  [[nodiscard]] workspace make_workspace(std::size_t tokens, std::size_t threads = 1) const;
  /// Bytes of the workspace that `make_workspace(tokens, threads)` makes. Pre: it makes one.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens, std::size_t threads = 1) const noexcept;

  /// Final states of a padded batch, spread over an executor's threads. Padding, the positions behind the last one
  /// whose mask is not 0, is not computed unless the options ask for it; its states are 0.
  /// Shapes: ids: (batch, length); mask: (batch, length) with 1 for tokens and 0 for padding, or (batch * length,
  ///   length) with a row of its own for each token, or empty for none; states: (batch * length, hidden_size),
  ///   overwritten, row b * length + s; `trace` may be null.
  /// Throws: invalid_input (an id, length, mask or shape out of range; states is untouched then), what the executor
  ///   throws, std::bad_alloc while the workspace grows.
  /// Complexity: see `encoder::forward`; no allocation after warm-up.
  void encode(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
              const matrix_view<Scalar>& states, workspace& scratch, const padded_batch_options& options = {},
              encoder_trace<Scalar>* trace = nullptr, executor_ref threads = {}) const;

  /// As above, into a matrix of its own. Shapes: result: (batch * length, hidden_size). Throws: as above,
  /// std::bad_alloc.
  [[nodiscard]] matrix<Scalar> encode(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
                                      workspace& scratch, const padded_batch_options& options = {},
                                      executor_ref threads = {}) const;

  /// Final states of texts, with the tokens and where they stand in the texts. Nothing is padded. The work is spread
  /// over an executor's threads.
  /// Throws: invalid_input (no tokenizer, a text without tokens, or with more than the model takes and no truncation;
  ///   the message names the text), missing_token (a word that is unknown, and no unknown token), bad_vocabulary (a
  ///   word without a row in the word matrix), what the executor throws, std::bad_alloc.
  [[nodiscard]] text_states<Scalar> encode(std::span<const std::string_view> texts, workspace& scratch,
                                           const text_options& options = {}, executor_ref threads = {}) const;
  /// The same for strings that own their text. Throws: as above.
  [[nodiscard]] text_states<Scalar> encode(std::span<const std::string> texts, workspace& scratch,
                                           const text_options& options = {}, executor_ref threads = {}) const;
  /// The same for texts in braces. Throws: as above.
  [[nodiscard]] text_states<Scalar> encode(std::initializer_list<std::string_view> texts, workspace& scratch,
                                           const text_options& options = {}, executor_ref threads = {}) const;
  // Two strings in braces within braces would be taken for the two ends of one.
  text_states<Scalar> encode(std::initializer_list<text_pair> texts, workspace& scratch,
                             const text_options& options = {}, executor_ref threads = {}) const = delete;

  /// The same, where a text that cannot be computed leaves its error in the result and does no harm to the others.
  /// Throws: invalid_input (no tokenizer, options that contradict each other), what the executor throws,
  ///   std::bad_alloc.
  [[nodiscard]] text_states<Scalar> try_encode(std::span<const std::string_view> texts, workspace& scratch,
                                               const text_options& options = {}, executor_ref threads = {}) const {
    std::vector<std::optional<error>> problems(texts.size());
    text_states<Scalar> result = encode_all(texts, scratch, options, threads, problems);
    result.problems = std::move(problems);
    return result;
  }
  /// The same for strings that own their text. Throws: as above.
  [[nodiscard]] text_states<Scalar> try_encode(std::span<const std::string> texts, workspace& scratch,
                                               const text_options& options = {}, executor_ref threads = {}) const {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return try_encode(std::span<const std::string_view>(views), scratch, options, threads);
  }

  /// Tokenizes texts and calls `pass(packed_texts&)` for as many rows at a time as the token budget allows; rows keep
  /// the order of the texts. `encode(i, encode_options)` tokenizes text i, and texts for which `wanted(encoding)` is
  /// false are passed over. Where `problems` is given, a text that cannot be computed leaves its error there.
  /// Shapes: problems: (count), or empty. Throws: invalid_input (options that contradict each other; without `problems`
  ///   also a text without tokens or with too many), bad_vocabulary and what `encode` throws about a text (the message
  ///   names its number), canceled, what `pass` throws, std::bad_alloc.
  template <class Encode, class Pass, class Wanted = models::every_text>
  void for_each_pass(std::size_t count, const text_options& options, const Encode& encode, const Pass& pass,
                     std::span<std::optional<error>> problems = {}, const Wanted& wanted = {}) const {
    const call_defaults folder = tokenizer_ ? tokenizer_->defaults() : call_defaults{};
    const encode_options how = models::encode_options_for(options, max_sequence_length(), folder.direction);
    text_report noticed;
    packed_texts packed;
    const auto add = [&](std::size_t i, encoding row) {
      if (packed.size() != 0 && packed.ids.size() + row.size() > encoder_.options().token_budget) {
        pass(packed);
        packed = packed_texts{};
        core::report_progress(options.progress, folder_, " texts", i, count);
      }
      noticed.texts.push_back(i);
      noticed.tokens.push_back(row.size());
      packed.add(i, std::move(row));
    };
    for (std::size_t i = 0; i < count; ++i) {
      std::optional<encoding> text = checked_encoding(i, encode, how, problems, wanted);
      if (!text) continue;
      std::vector<encoding> further = std::move(text->overflow);
      text->overflow.clear();
      if (text->truncated) ++noticed.truncated;  // also where what was wanted of the text was cut off
      if (further.empty()) noticed.left_out += text->left_out;
      if (!wanted(std::as_const(*text))) continue;
      add(i, std::move(*text));
      for (encoding& row : further) add(i, std::move(row));
    }
    if (packed.size() != 0) pass(packed);
    core::report_progress(options.progress, folder_, " texts", count, count);
    if (options.report != nullptr) *options.report = std::move(noticed);
  }

  /// Final states of packed texts. A causal encoder gets a mask, without which it would look ahead; masks of ones
  /// change nothing else. Shapes: states: (tokens, hidden_size), overwritten; `trace` may be null.
  /// Throws: as `encoder::forward`.
  void encode_packed(const packed_texts& texts, const matrix_view<Scalar>& states, workspace& scratch,
                     executor_ref threads = {}, encoder_trace<Scalar>* trace = nullptr) const {
    workspace::frame frame(scratch);
    sequence_batch batch{.offsets = texts.offsets};
    if (encoder_.config().embedding.token_types != 0) batch.type_ids = texts.type_ids;
    if (encoder_.config().block.attention.causal) {
      std::size_t longest = 0;
      for (std::size_t i = 0; i < texts.size(); ++i) longest = (std::max)(longest, texts.length(i));
      const auto mask = frame.take_matrix<float>(texts.size(), longest);
      for (std::size_t i = 0; i < texts.size(); ++i) std::fill_n(mask.row(i), longest, 1.0F);
      batch.mask = mask;
    }
    encoder_.forward(texts.ids, batch, states, scratch, trace, threads);
  }

 protected:
  /// Bytes for each token that the calls of a head take from the workspace.
  struct head_memory {
    std::size_t held = 0;    ///< while the encoder runs
    std::size_t behind = 0;  ///< behind the encoder
  };

  /// Takes sizes and options from a loader and notes the encoder's parameters.
  /// Pre: the model stays where it is until `finish_loading`. Throws: as the constructor of `encoder`.
  explicit text_model(model_loader& loader)
      : encoder_(loader.description().encoder, loader.options().encoder()), folder_(loader.folder().path().string()) {
    loader.note_encoder(encoder_);
  }
  ~text_model() = default;

  /// Says what the head's calls take, for `make_workspace`.
  void note_head_memory(const head_memory& bytes) noexcept { head_ = bytes; }

  /// Checks what was noted, loads the tokenizer, and reads the weights. Throws: as `model_loader::check`,
  /// `tokenizer::load` and `model_loader::read`.
  void finish_loading(model_loader& loader) {
    loader.check();
    tokenizer_ = loader.load_tokenizer();
    loader.read(tokenizer_ ? &*tokenizer_ : nullptr);
  }

 private:
  [[nodiscard]] std::size_t own_bytes(std::size_t tokens) const noexcept {
    constexpr std::size_t arrays = 16;  // of a padded batch and of a head, each rounded up to whole cache lines
    const auto need = encoder_.workspace_bytes(tokens);
    const std::size_t padded = need.own + tokens * (sizeof(token_id) + 4 * sizeof(std::size_t));
    return arrays * buffer_alignment + tokens * head_.held + (std::max)(padded, tokens * head_.behind + need.part);
  }

  // Shapes: problems: (texts), or empty.
  [[nodiscard]] text_states<Scalar> encode_all(std::span<const std::string_view> texts, workspace& scratch,
                                               const text_options& options, executor_ref threads,
                                               std::span<std::optional<error>> problems) const {
    const tokenizer& reader = text_tokenizer();
    text_states<Scalar> result;
    std::vector<matrix<Scalar>> parts;
    for_each_pass(
        texts.size(), options, [&](std::size_t i, const encode_options& how) { return reader.encode(texts[i], how); },
        [&](packed_texts& pass) {
          matrix<Scalar> states({pass.ids.size(), hidden_size()});
          encode_packed(pass, states.view(), scratch, threads);
          parts.push_back(std::move(states));
          const std::size_t before = result.offsets.back();
          for (std::size_t r = 0; r < pass.size(); ++r) {
            result.offsets.push_back(before + pass.offsets[r + 1]);
            result.texts.push_back(pass.texts[r]);
            result.encodings.push_back(std::move(pass.encodings[r]));
          }
        },
        problems);
    result.states = joined(std::move(parts), result.offsets.back());
    return result;
  }

  // A text's encoding if it can be computed, or if nothing of it is wanted; else its error is thrown, or kept.
  template <class Encode, class Wanted>
  [[nodiscard]] std::optional<encoding> checked_encoding(std::size_t i, const Encode& encode, const encode_options& how,
                                                         std::span<std::optional<error>> problems,
                                                         const Wanted& wanted) const {
    const std::string where = "texts[" + std::to_string(i) + ']';
    try {
      encoding text = encode(i, how);
      if (tokenizer_ && !tokenizer_->defaults().token_types) models::drop_types(text);
      if (text.size() > max_sequence_length()) {
        fail_input(where, "at most " + std::to_string(max_sequence_length()) + " tokens, or truncation",
                   std::to_string(text.size()));
      }
      if (!wanted(std::as_const(text))) return text;
      if (text.size() == 0) fail_input(where, "at least one token", "none");
      check_words(text, where);
      for (const encoding& further : text.overflow) check_words(further, where);
      return text;
    } catch (const error& problem) {
      error_details details = problem.details();
      if (details.where != where) details.where = details.where.empty() ? where : where + ": " + details.where;
      if (problems.empty()) fail(problem.code(), std::move(details));
      problems[i].emplace(problem.code(), std::move(details));
      return std::nullopt;
    }
  }

  // Published tokenizers have a few words more than the word matrix has rows, and templates may give types that the
  // model lacks.
  void check_words(const encoding& text, const std::string& where) const {
    const std::size_t types = encoder_.config().embedding.token_types;
    for (std::size_t t = 0; t < text.size() && types != 0; ++t) {
      if (text.type_ids[t] < types) continue;
      fail_input(where, "token types below " + std::to_string(types) + ", which the model has",
                 "type " + std::to_string(text.type_ids[t]) + " of " + excerpt(text.tokens[t]));
    }
    const std::size_t words = vocabulary_size();
    for (std::size_t t = 0; t < text.size(); ++t) {
      if (static_cast<std::size_t>(text.ids[t]) < words) continue;
      fail(error_code::bad_vocabulary,
           {.file = text_tokenizer().name(),
            .where = where,
            .expected = "words with a row in the word matrix, ids below " + std::to_string(words),
            .found = excerpt(text.tokens[t]) + " with id " + std::to_string(text.ids[t])});
    }
  }

  // The rows of all parts one behind another. Pre: they are `rows`.
  [[nodiscard]] matrix<Scalar> joined(std::vector<matrix<Scalar>> parts, std::size_t rows) const {
    if (parts.size() == 1) return std::move(parts.front());
    matrix<Scalar> all({rows, hidden_size()});
    std::size_t next = 0;
    for (const matrix<Scalar>& part : parts) {
      for (std::size_t r = 0; r < part.rows(); ++r) std::copy_n(part.row(r), part.cols(), all.row(next++));
    }
    return all;
  }

  encoder_type encoder_;
  std::optional<tokenizer> tokenizer_{};
  std::string folder_;
  head_memory head_{};
};

template <class Scalar, class Backend>
auto text_model<Scalar, Backend>::make_workspace(std::size_t tokens, std::size_t threads) const -> workspace {
  models::check_workspace(tokens, threads, own_bytes(1));
  return workspace(workspace_sizes{.bytes = own_bytes(tokens),
                                   .parts = threads > 1 ? threads : 0,
                                   .bytes_per_part = encoder_.workspace_bytes(tokens).part});
}

template <class Scalar, class Backend>
auto text_model<Scalar, Backend>::workspace_bytes(std::size_t tokens, std::size_t threads) const noexcept
    -> std::size_t {
  return own_bytes(tokens) + (threads > 1 ? threads * encoder_.workspace_bytes(tokens).part : 0);
}

template <class Scalar, class Backend>
void text_model<Scalar, Backend>::encode(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
                                         const matrix_view<Scalar>& states, workspace& scratch,
                                         const padded_batch_options& options, encoder_trace<Scalar>* trace,
                                         executor_ref threads) const {
  models::encode_padded(encoder_, ids, mask, states, scratch, options, trace, threads);
}

template <class Scalar, class Backend>
auto text_model<Scalar, Backend>::encode(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
                                         workspace& scratch, const padded_batch_options& options,
                                         executor_ref threads) const -> matrix<Scalar> {
  matrix<Scalar> states({ids.rows() * ids.cols(), hidden_size()});
  encode(ids, mask, states.view(), scratch, options, nullptr, threads);
  return states;
}

template <class Scalar, class Backend>
auto text_model<Scalar, Backend>::encode(std::span<const std::string_view> texts, workspace& scratch,
                                         const text_options& options, executor_ref threads) const
    -> text_states<Scalar> {
  return encode_all(texts, scratch, options, threads, {});
}

template <class Scalar, class Backend>
auto text_model<Scalar, Backend>::encode(std::span<const std::string> texts, workspace& scratch,
                                         const text_options& options, executor_ref threads) const
    -> text_states<Scalar> {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return encode_all(views, scratch, options, threads, {});
}

template <class Scalar, class Backend>
auto text_model<Scalar, Backend>::encode(std::initializer_list<std::string_view> texts, workspace& scratch,
                                         const text_options& options, executor_ref threads) const
    -> text_states<Scalar> {
  return encode_all({texts.begin(), texts.size()}, scratch, options, threads, {});
}

UFB_COMPILED_CLASS(text_model<float>);

}  // namespace ultrafastbert
