// SPDX-License-Identifier: MIT
//
// The masked language model: a checkpoint folder in, predictions for masked words out.
// Layer: model.
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

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tasks.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/prediction_head.hpp"
#include "ultrafastbert/encoder/tied_decoder.hpp"
#include "ultrafastbert/layers/storing.hpp"
#include "ultrafastbert/model/heads/top_k.hpp"
#include "ultrafastbert/model/loading/load_options.hpp"
#include "ultrafastbert/model/loading/model_loader.hpp"
#include "ultrafastbert/model/texts/text_model.hpp"
#include "ultrafastbert/model/texts/text_options.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/special_role.hpp"

namespace ultrafastbert {

/// What `masked_lm::fill_mask` returns for each mask.
struct fill_mask_options {
  std::size_t top_k = 5;  ///< candidates per mask, at least 1; a vocabulary's size at most is returned
  /// What becomes of texts that are too long; they cannot overflow into further rows. A mask that is cut off has no
  /// candidates; the report counts its text.
  text_options texts{};
};

/// One word that may stand where the mask is.
struct mask_candidate {
  std::size_t position = 0;  ///< token index of the mask, special tokens counted
  token_id id = 0;
  std::string token{};  ///< as the vocabulary spells it
  double logit = 0.0;
  double probability = 0.0;  ///< softmax over the whole vocabulary
};

/// A masked language model, whose decoder is mostly the word matrix. Immutable after loading: share one between any
/// number of threads, and give each thread its own workspace.
template <class Scalar = float, class Backend = default_backend<Scalar>>
class masked_lm : public text_model<Scalar, Backend> {
  using base = text_model<Scalar, Backend>;

 public:
  using base::hidden_size;
  using base::text_tokenizer;
  using base::vocabulary_size;

  /// The candidates of each mask of a text, masks from left to right.
  using candidates = std::vector<mask_candidate>;

  /// Loads a folder as `encoder_model::load` does, of a class that is a masked language model.
  /// Throws: as there. Nothing is kept of a failed load.
  /// Complexity: one pass over the weights; peak memory is the model's plus one block of rows.
  [[nodiscard]] static masked_lm load(const std::filesystem::path& folder, const load_options& options = {});

  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return this->stack().bytes() + (head_ ? head_->bytes() : 0) + decoder_->bytes() +
           (own_words_ ? own_words_->bytes() : 0);
  }
  /// The token that stands for a word to be predicted. Throws: missing_token, invalid_input (no tokenizer).
  [[nodiscard]] token_id mask_id() const { return text_tokenizer().need_special_id(special_role::mask); }

  /// Logits over the vocabulary for chosen rows of the final states: the prediction head, if there is one, and the
  /// decoder.
  /// Shapes: states: (tokens, hidden_size); rows: (n), each below tokens; logits: (n, vocabulary_size), overwritten.
  /// Throws: invalid_input (shapes, a row out of range; logits is untouched then), std::bad_alloc while the workspace
  ///   grows, what the executor throws. Complexity: n * hidden_size * vocabulary_size.
  void logits(const matrix_view<const Scalar>& states, std::span<const std::size_t> rows,
              const matrix_view<Scalar>& logits, workspace& scratch, executor_ref threads = {}) const;

  /// Candidates for every mask of a text: `top_k` per mask by falling probability, masks from left to right. A text
  /// without a mask has none. The work is spread over an executor's threads.
  /// Throws: invalid_input (top_k is 0, no tokenizer, more tokens than the model takes and no truncation),
  ///   missing_token (the vocabulary has no mask token; or a word is unknown, and no unknown token), bad_vocabulary (a
  ///   word without a row in the word matrix), what the executor throws, std::bad_alloc.
  [[nodiscard]] candidates fill_mask(std::string_view text, const fill_mask_options& options, workspace& scratch,
                                     executor_ref threads = {}) const;

  /// The same for several texts at once; result i belongs to text i. Throws: as above; the message names the text.
  [[nodiscard]] std::vector<candidates> fill_mask(std::span<const std::string_view> texts,
                                                  const fill_mask_options& options, workspace& scratch,
                                                  executor_ref threads = {}) const;
  /// The same for strings that own their text. Throws: as above.
  [[nodiscard]] std::vector<candidates> fill_mask(std::span<const std::string> texts, const fill_mask_options& options,
                                                  workspace& scratch, executor_ref threads = {}) const;
  /// The same for texts in braces. Throws: as above.
  [[nodiscard]] std::vector<candidates> fill_mask(std::initializer_list<std::string_view> texts,
                                                  const fill_mask_options& options, workspace& scratch,
                                                  executor_ref threads = {}) const;

  // Two strings in braces within braces would be taken for the two ends of one.
  std::vector<candidates> fill_mask(std::initializer_list<text_pair> texts, const fill_mask_options& options,
                                    workspace& scratch, executor_ref threads = {}) const = delete;

  /// The same, where a text that cannot be computed leaves its error and does no harm to the others.
  /// Throws: invalid_input (top_k is 0, no tokenizer, contradicting options), missing_token (no mask token), what the
  ///   executor throws, std::bad_alloc.
  [[nodiscard]] std::vector<text_outcome<candidates>> try_fill_mask(std::span<const std::string_view> texts,
                                                                    const fill_mask_options& options,
                                                                    workspace& scratch,
                                                                    executor_ref threads = {}) const;
  /// The same for strings that own their text. Throws: as above.
  [[nodiscard]] std::vector<text_outcome<candidates>> try_fill_mask(std::span<const std::string> texts,
                                                                    const fill_mask_options& options,
                                                                    workspace& scratch,
                                                                    executor_ref threads = {}) const {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return try_fill_mask(std::span<const std::string_view>(views), options, scratch, threads);
  }

 private:
  using head_type = prediction_head<Scalar, Backend>;

  static constexpr std::size_t masks_at_a_time = 16;  // bounds the memory of their logits

  struct mask_place {
    std::size_t text = 0;      // its number in the call
    std::size_t position = 0;  // in the text
    std::size_t row = 0;       // of the pass's states
  };

  explicit masked_lm(model_loader& loader) : base(loader) {
    this->note_head_memory({.behind = 2 * hidden_size() * sizeof(Scalar)});
    const model_description& description = loader.description();
    if (!description.prediction_head) return;
    head_.emplace(*description.prediction_head, loader.head_options());
    head_->parameters(description.prediction_head_prefix, loader.parameters());
  }

  [[nodiscard]] std::vector<candidates> fill_all(std::span<const std::string_view> texts,
                                                 const fill_mask_options& options, workspace& scratch,
                                                 executor_ref threads, std::span<std::optional<error>> problems) const {
    if (options.top_k == 0) fail_input("top_k", "at least 1", "0");
    if (options.texts.overflow) fail_input("overflow", "false, as the masks of a text are one result", "true");
    const token_id mask = mask_id();
    std::vector<candidates> results(texts.size());
    this->for_each_pass(
        texts.size(), options.texts,
        [&](std::size_t i, const encode_options& how) { return text_tokenizer().encode(texts[i], how); },
        [&](const packed_texts& pass) { fill_pass(pass, masks_of(pass, mask), options, results, scratch, threads); },
        problems,
        [mask](const encoding& text) { return std::find(text.ids.begin(), text.ids.end(), mask) != text.ids.end(); });
    return results;
  }

  static std::vector<mask_place> masks_of(const packed_texts& pass, token_id mask) {
    std::vector<mask_place> masks;
    for (std::size_t i = 0; i < pass.size(); ++i) {
      for (std::size_t row = pass.offsets[i]; row < pass.offsets[i + 1]; ++row) {
        if (pass.ids[row] != mask) continue;
        masks.push_back({.text = pass.texts[i], .position = row - pass.offsets[i], .row = row});
      }
    }
    return masks;
  }

  // Computes a pass and appends its masks' candidates to the texts' results.
  void fill_pass(const packed_texts& pass, std::span<const mask_place> masks, const fill_mask_options& options,
                 std::vector<candidates>& results, workspace& scratch, executor_ref threads) const {
    workspace::frame frame(scratch);
    const auto states = frame.take_matrix<Scalar>(pass.ids.size(), hidden_size());
    this->encode_packed(pass, states, scratch, threads);
    const std::size_t most = (std::min)(masks.size(), masks_at_a_time);
    const auto scores = frame.take_matrix<Scalar>(most, vocabulary_size());
    const auto rows = frame.take<std::size_t>(most);
    for (std::size_t first = 0; first < masks.size(); first += masks_at_a_time) {
      const auto part = masks.subspan(first, (std::min)(masks.size() - first, masks_at_a_time));
      for (std::size_t i = 0; i < part.size(); ++i) rows[i] = part[i].row;
      logits(states, rows.first(part.size()), scores.rows_from(0, part.size()), scratch, threads);
      std::vector<std::vector<scored_index>> best(part.size());
      core::run_tasks(part.size(), scratch, threads, [&](std::size_t i, workspace& /*scratch*/) {
        best[i] = top_k<Scalar>(scores.row_span(i), options.top_k, this->stack().options().isa);
      });
      for (std::size_t i = 0; i < part.size(); ++i) append(part[i], best[i], results);
    }
  }

  void append(const mask_place& place, std::span<const scored_index> found, std::vector<candidates>& results) const {
    for (const scored_index& best : found) {
      const auto id = static_cast<token_id>(best.index);
      results[place.text].push_back({.position = place.position,
                                     .id = id,
                                     .token = std::string(text_tokenizer().id_to_token(id).value_or("")),
                                     .logit = best.logit,
                                     .probability = best.probability});
    }
  }

  std::shared_ptr<matrix<Scalar>> own_words_{};  // the decoder's, where it is not the embedding's
  std::optional<head_type> head_{};
  std::optional<tied_decoder<Scalar, Backend>> decoder_{};  // set when loading ends
};

template <class Scalar, class Backend>
auto masked_lm<Scalar, Backend>::load(const std::filesystem::path& folder, const load_options& options) -> masked_lm {
  model_loader loader(folder, options, {"masked_lm"});
  masked_lm model(loader);
  aligned_buffer<Scalar> bias;
  const model_description& description = loader.description();
  const std::size_t words = description.encoder.embedding.vocabulary_size;
  if (!description.decoder.empty()) {
    loader.parameters().add(description.decoder, {words, model.hidden_size()}, [&model, words](const tensor& from) {
      model.own_words_ = std::make_shared<matrix<Scalar>>(matrix_extents{words, model.hidden_size()});
      layers::read_matrix(from, model.own_words_->view());
    });
  }
  if (!description.decoder_bias.empty()) {
    loader.parameters().add(description.decoder_bias, {words}, [&bias, words](const tensor& from) {
      bias = aligned_buffer<Scalar>(words);
      from.read(0, bias.span());
    });
  }
  model.finish_loading(loader);
  std::shared_ptr<const matrix<Scalar>> decoder = model.own_words_;
  if (!decoder) decoder = model.stack().embedding_layer().word_embedding();
  model.decoder_.emplace(std::move(decoder), std::move(bias), loader.head_options());
  return model;
}

template <class Scalar, class Backend>
void masked_lm<Scalar, Backend>::logits(const matrix_view<const Scalar>& states, std::span<const std::size_t> rows,
                                        const matrix_view<Scalar>& logits, workspace& scratch,
                                        executor_ref threads) const {
  core::check_extents(states, states.rows(), hidden_size(), "states");
  core::check_extents(logits, rows.size(), vocabulary_size(), "logits");
  for (const std::size_t row : rows) {
    if (row >= states.rows()) {
      fail_input("rows", "rows below " + std::to_string(states.rows()), std::to_string(row));
    }
  }
  workspace::frame frame(scratch);
  auto chosen = frame.take_matrix<Scalar>(rows.size(), hidden_size());
  for (std::size_t i = 0; i < rows.size(); ++i) std::copy_n(states.row(rows[i]), hidden_size(), chosen.row(i));
  if (head_) {
    const auto transformed = frame.take_matrix<Scalar>(rows.size(), hidden_size());
    head_->forward(chosen, transformed, scratch, threads);
    chosen = transformed;
  }
  decoder_->forward(chosen, logits, threads);
}

template <class Scalar, class Backend>
auto masked_lm<Scalar, Backend>::fill_mask(std::string_view text, const fill_mask_options& options, workspace& scratch,
                                           executor_ref threads) const -> candidates {
  return std::move(fill_mask(std::span<const std::string_view>(&text, 1), options, scratch, threads).front());
}

template <class Scalar, class Backend>
auto masked_lm<Scalar, Backend>::fill_mask(std::span<const std::string_view> texts, const fill_mask_options& options,
                                           workspace& scratch, executor_ref threads) const -> std::vector<candidates> {
  return fill_all(texts, options, scratch, threads, {});
}

template <class Scalar, class Backend>
auto masked_lm<Scalar, Backend>::fill_mask(std::span<const std::string> texts, const fill_mask_options& options,
                                           workspace& scratch, executor_ref threads) const -> std::vector<candidates> {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return fill_all(views, options, scratch, threads, {});
}

template <class Scalar, class Backend>
auto masked_lm<Scalar, Backend>::fill_mask(std::initializer_list<std::string_view> texts,
                                           const fill_mask_options& options, workspace& scratch,
                                           executor_ref threads) const -> std::vector<candidates> {
  return fill_all({texts.begin(), texts.size()}, options, scratch, threads, {});
}

template <class Scalar, class Backend>
auto masked_lm<Scalar, Backend>::try_fill_mask(std::span<const std::string_view> texts,
                                               const fill_mask_options& options, workspace& scratch,
                                               executor_ref threads) const -> std::vector<text_outcome<candidates>> {
  std::vector<std::optional<error>> problems(texts.size());
  std::vector<candidates> results = fill_all(texts, options, scratch, threads, problems);
  std::vector<text_outcome<candidates>> outcomes(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    outcomes[i].problem = std::move(problems[i]);
    if (!outcomes[i].problem) outcomes[i].result = std::move(results[i]);
  }
  return outcomes;
}

UFB_COMPILED_CLASS(masked_lm<float>);

}  // namespace ultrafastbert
