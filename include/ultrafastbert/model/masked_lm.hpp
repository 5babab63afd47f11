// SPDX-License-Identifier: MIT
//
// The masked language model: a checkpoint folder in, predictions for <mask> tokens out.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/prediction_head.hpp"
#include "ultrafastbert/encoder/tied_decoder.hpp"
#include "ultrafastbert/layers/load.hpp"
#include "ultrafastbert/model/checkpoint_reader.hpp"
#include "ultrafastbert/model/load_options.hpp"
#include "ultrafastbert/model/tensor_names.hpp"
#include "ultrafastbert/model/text_model.hpp"
#include "ultrafastbert/model/top_k.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/special_role.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert {

/// What `masked_lm::fill_mask` returns for each mask.
struct fill_mask_options {
  std::size_t top_k = 5;  ///< candidates per mask, at least 1; a vocabulary's size at most is returned
};

/// One word that may stand where the mask is.
struct mask_candidate {
  std::size_t position = 0;  ///< token index of the mask, special tokens counted
  token_id id = 0;
  std::string token{};  ///< as the vocabulary spells it
  double logit = 0.0;
  double probability = 0.0;  ///< softmax over the whole vocabulary
};

/// A masked language model with a tied decoder. Immutable after loading: share one between any number of threads, and
/// give each thread its own workspace.
template <class Scalar = float, class Backend = default_backend>
class masked_lm : public text_model<Scalar, Backend> {
  using base = text_model<Scalar, Backend>;

 public:
  using base::hidden_size;
  using base::tokenizer;
  using base::vocabulary_size;

  /// Loads a folder as the hub or the training code lays it out: config.json (or model_config.json), model.safetensors
  /// and, for calls with text, tokenizer.json.
  /// Throws: io_error, unsupported (also an instruction set level that the processor lacks), the codes of the JSON,
  ///   safetensors and tokenizer readers, missing_tensor (one error that lists all absent or wrongly shaped tensors),
  ///   unused_tensor (under `strict`), non_finite, std::bad_alloc. Nothing is kept of a failed load.
  /// Complexity: one pass over the weights; peak memory is the model's plus one block of rows.
  [[nodiscard]] static masked_lm load(const std::filesystem::path& folder, const load_options& options = {}) {
    models::checkpoint_reader checkpoint(folder, options, {"ScriptableLMForPreTraining"});
    const checkpoint_config& config = checkpoint.config();
    const std::string head_prefix = checkpoint.names().root + "prediction_head.";
    const std::string bias_name = checkpoint.names().root + "decoder.bias";
    const auto head_shape = models::head_shape_of(checkpoint.source(), checkpoint.names(), config);
    checkpoint.template need_encoder<encoder_type>();
    if (head_shape) checkpoint.template need<head_type>(head_prefix, *head_shape);
    if (config.decoder_bias) checkpoint.need_tensor(bias_name, {config.encoder.vocabulary_size});
    checkpoint.check();
    auto text = checkpoint.load_tokenizer();
    aligned_buffer<Scalar> bias(config.decoder_bias ? config.encoder.vocabulary_size : 0);
    if (config.decoder_bias) layers::load_vector(checkpoint.source(), bias_name, bias.span());
    masked_lm model(checkpoint.template load_encoder<encoder_type>(), std::move(text), std::move(bias),
                    checkpoint.head_choices());
    if (head_shape) {
      model.head_ = head_type::load(checkpoint.source(), head_prefix, *head_shape, checkpoint.head_choices());
    }
    checkpoint.finish();
    return model;
  }

  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return this->encoder().bytes() + (head_ ? head_->bytes() : 0) + decoder_.bytes();
  }

  /// Spelling of the token that stands for a word to be predicted, such as "<mask>", as the tokenizer has it; empty if
  /// it has none. Throws: invalid_input (no tokenizer).
  [[nodiscard]] std::string mask_token() const {
    return std::string(tokenizer().special_token(special_role::mask).value_or(""));
  }

  /// Logits over the vocabulary for chosen rows of the final states: the prediction head, if there is one, and the
  /// decoder.
  /// Shapes: states: (tokens, hidden_size); rows: (n), each below tokens; logits: (n, vocabulary_size), overwritten.
  /// Throws: invalid_input (shapes, a row out of range; logits is untouched then), std::bad_alloc while the workspace
  ///   grows, what the executor throws. Complexity: n * hidden_size * vocabulary_size.
  void logits(const matrix_view<const Scalar>& states, std::span<const std::size_t> rows,
              const matrix_view<Scalar>& logits, workspace& scratch, executor_ref threads = {}) const {
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
      head_->forward(chosen, transformed, scratch);
      chosen = transformed;
    }
    decoder_.forward(chosen, logits, threads);
  }

  /// Candidates for every mask of a text: `top_k` per mask by falling probability, masks from left to right. A text
  /// without a mask has none. The work is spread over an executor's threads.
  /// Throws: invalid_input (top_k is 0, no tokenizer, more tokens than the model has positions), missing_token (the
  ///   vocabulary has no mask token; or a word is unknown, and no unknown token), std::bad_alloc, what the executor
  ///   throws.
  [[nodiscard]] std::vector<mask_candidate> fill_mask(std::string_view text, const fill_mask_options& options,
                                                      workspace& scratch, executor_ref threads = {}) const {
    const std::string copy(text);
    return std::move(fill_mask(std::span<const std::string>(&copy, 1), options, scratch, threads).front());
  }

  /// The same for several texts at once; result i belongs to text i. Throws: as above; the message names the text.
  [[nodiscard]] std::vector<std::vector<mask_candidate>> fill_mask(std::span<const std::string> texts,
                                                                   const fill_mask_options& options, workspace& scratch,
                                                                   executor_ref threads = {}) const {
    if (options.top_k == 0) fail_input("top_k", "at least 1", "0");
    const token_id mask = tokenizer().need_special_id(special_role::mask);
    std::vector<std::vector<mask_candidate>> results(texts.size());
    const auto encode = [&](std::size_t i) { return tokenizer().encode(texts[i]); };
    const auto has_mask = [&](std::size_t, const encoding& text) {
      return std::find(text.ids.begin(), text.ids.end(), mask) != text.ids.end();
    };
    this->for_each_pass(texts.size(), encode, has_mask, [&](const packed_texts& pass) {
      fill_pass(pass, masks_of(pass, mask), options, results, scratch, threads);
    });
    return results;
  }

 private:
  using encoder_type = typename base::encoder_type;
  using packed_texts = typename base::packed_texts;
  using head_type = prediction_head<Scalar, Backend>;

  static constexpr std::size_t masks_at_a_time = 16;  // bounds the memory of their logits

  struct mask_place {
    std::size_t text = 0;      // its number in the call
    std::size_t position = 0;  // in the text
    std::size_t row = 0;       // of the pass's states
  };

  masked_lm(encoder_type encoder, std::optional<ultrafastbert::tokenizer> text, aligned_buffer<Scalar> decoder_bias,
            const projection_choices& choices)
      : base(std::move(encoder), std::move(text)),
        decoder_(this->encoder().embedding_layer().word_embedding(), std::move(decoder_bias), choices) {}

  static std::vector<mask_place> masks_of(const packed_texts& pass, token_id mask) {
    std::vector<mask_place> masks;
    for (std::size_t i = 0; i < pass.size(); ++i) {
      for (std::size_t row = pass.offsets[i]; row < pass.offsets[i + 1]; ++row) {
        if (pass.ids[row] != mask) continue;
        masks.push_back({.text = pass.numbers[i], .position = row - pass.offsets[i], .row = row});
      }
    }
    return masks;
  }

  // Computes a pass and appends its masks' candidates to the texts' results.
  void fill_pass(const packed_texts& pass, std::span<const mask_place> masks, const fill_mask_options& options,
                 std::vector<std::vector<mask_candidate>>& results, workspace& scratch, executor_ref threads) const {
    workspace::frame frame(scratch);
    const auto states = frame.take_matrix<Scalar>(pass.ids.size(), hidden_size());
    this->encode_packed(pass, states, scratch, threads);
    const std::size_t most = std::min(masks.size(), masks_at_a_time);
    const auto scores = frame.take_matrix<Scalar>(most, vocabulary_size());
    const auto rows = frame.take<std::size_t>(most);
    for (std::size_t first = 0; first < masks.size(); first += masks_at_a_time) {
      const auto part = masks.subspan(first, std::min(masks.size() - first, masks_at_a_time));
      for (std::size_t i = 0; i < part.size(); ++i) rows[i] = part[i].row;
      logits(states, rows.first(part.size()), scores.rows_from(0, part.size()), scratch, threads);
      for (std::size_t i = 0; i < part.size(); ++i) append(part[i], scores.row_span(i), options.top_k, results);
    }
  }

  void append(const mask_place& place, std::span<const Scalar> scores, std::size_t k,
              std::vector<std::vector<mask_candidate>>& results) const {
    for (const scored_index& best : top_k<Scalar>(scores, k)) {
      const auto id = static_cast<token_id>(best.index);
      results[place.text].push_back({.position = place.position,
                                     .id = id,
                                     .token = std::string(tokenizer().id_to_token(id).value_or("")),
                                     .logit = best.logit,
                                     .probability = best.probability});
    }
  }

  std::optional<head_type> head_{};
  tied_decoder<Scalar, Backend> decoder_;
};

}  // namespace ultrafastbert
