// SPDX-License-Identifier: MIT
//
// The masked language model: a checkpoint folder in, predictions for <mask> tokens out.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/encoder.hpp"
#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/io/weight_files.hpp"
#include "ultrafastbert/model/config_json.hpp"
#include "ultrafastbert/model/load_report.hpp"
#include "ultrafastbert/model/requirements.hpp"
#include "ultrafastbert/model/special_tokens.hpp"
#include "ultrafastbert/model/top_k.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert {

/// How a model is loaded.
struct load_options {
  bool allow_non_finite = false;      ///< accept NaN and infinite weights
  bool strict = false;                ///< refuse tensors that the model has no place for; see load_report::unused
  load_report* report = nullptr;      ///< takes what became of each tensor, if the load succeeds
  feedforward_choices feedforward{};  ///< storage, engine and instruction set level of the FFF layers
};

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
class masked_lm {
 public:
  /// Loads a folder as the hub or the training code lays it out: config.json (or model_config.json), model.safetensors
  /// and, for calls with text, tokenizer.json.
  /// Throws: io_error, unsupported (also an instruction set level that the processor lacks), the codes of the JSON,
  ///   safetensors and tokenizer readers, missing_tensor (one error that lists all absent or wrongly shaped tensors),
  ///   unused_tensor (under `strict`), non_finite, std::bad_alloc. Nothing is kept of a failed load.
  /// Complexity: one pass over the weights; peak memory is the model's plus one block of rows.
  [[nodiscard]] static masked_lm load(const std::filesystem::path& folder, const load_options& options = {}) {
    const auto checkpoint = checkpoint_folder::open(folder);
    auto config = read_config(checkpoint);
    const weight_files weights = checkpoint.open_weights();
    const safetensors_source source(weights, {.allow_non_finite = options.allow_non_finite});
    const std::string word_name = tied_name(source);
    if (!config.vocabulary_size_known && source.contains(word_name)) {
      const auto shape = source.shape(word_name);
      config.encoder.vocabulary_size = shape.empty() ? 0 : shape.front();
    }
    detail::tensor_requirements needed;
    const auto visit = [&needed](std::string name, std::initializer_list<std::size_t> shape) {
      needed.add(std::move(name), shape);
    };
    encoder_type::for_each_tensor("encoder.", word_name, config.encoder, visit);
    if (word_name != embedding_name && source.contains(embedding_name)) {
      needed.add(std::string(embedding_name), {config.encoder.vocabulary_size, config.encoder.hidden_size});
    }
    needed.check(source, weights.name());

    std::optional<ultrafastbert::tokenizer> text;
    if (checkpoint.tokenizer()) text = ultrafastbert::tokenizer::load(*checkpoint.tokenizer());
    masked_lm model(encoder_type::load(source, "encoder.", word_name, config.encoder, options.feedforward),
                    std::move(text), read_mask_token(checkpoint));
    detail::finish_loading(source, options.strict, options.report);
    return model;
  }

  [[nodiscard]] const ultrafastbert::encoder<Scalar, Backend>& encoder() const noexcept {
    return encoder_;
  }  ///< the stack
  [[nodiscard]] std::size_t hidden_size() const noexcept {
    return encoder_.config().hidden_size;
  }  ///< columns of a state
  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return encoder_.config().vocabulary_size; }  ///< logits
  [[nodiscard]] std::size_t bytes() const noexcept { return encoder_.bytes(); }         ///< memory held by the weights
  [[nodiscard]] const std::string& mask_token() const noexcept { return mask_token_; }  ///< such as "<mask>"

  /// The folder's tokenizer. Throws: invalid_input if the folder has none.
  [[nodiscard]] const ultrafastbert::tokenizer& tokenizer() const {
    if (!tokenizer_) fail_input("tokenizer", "a tokenizer.json in the checkpoint folder", "none");
    return *tokenizer_;
  }

  /// Scratch memory for this model's calls; it grows to the largest call and is then reused.
  [[nodiscard]] workspace make_workspace() const { return workspace{}; }

  /// Final states of a padded batch.
  /// Shapes: ids: (batch, length); mask: (batch, length) with 1 for tokens and 0 for padding, or empty for none;
  ///   states: (batch * length, hidden_size), overwritten, row b * length + s; `trace` may be null.
  /// Throws: invalid_input (an id, length, mask or shape out of range; states is untouched then), std::bad_alloc while
  ///   the workspace grows. Complexity: see `encoder::forward`; no allocation after warm-up.
  void encode(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
              const matrix_view<Scalar>& states, workspace& scratch, encoder_trace<Scalar>* trace = nullptr) const {
    workspace::frame frame(scratch);
    const auto flat = frame.take<token_id>(ids.rows() * ids.cols());
    const auto offsets = frame.take<std::size_t>(ids.rows() + 1);
    for (std::size_t b = 0; b < ids.rows(); ++b) {
      std::copy_n(ids.row(b), ids.cols(), flat.begin() + static_cast<std::ptrdiff_t>(b * ids.cols()));
    }
    for (std::size_t b = 0; b <= ids.rows(); ++b) offsets[b] = b * ids.cols();
    if (mask.data() != nullptr) detail::check_extents(mask, ids.rows(), ids.cols(), "mask");
    encoder_.forward(flat, {.offsets = offsets, .mask = mask}, states, scratch, trace);
  }

  /// As above, into a matrix of its own. Shapes: result: (batch * length, hidden_size). Throws: as above,
  /// std::bad_alloc.
  [[nodiscard]] matrix<Scalar> encode(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
                                      workspace& scratch) const {
    matrix<Scalar> states({ids.rows() * ids.cols(), hidden_size()});
    encode(ids, mask, states.view(), scratch);
    return states;
  }

  /// Logits over the vocabulary for chosen rows of the final states.
  /// Shapes: states: (tokens, hidden_size); rows: (n), each below tokens; logits: (n, vocabulary_size), overwritten.
  /// Throws: invalid_input (shapes, a row out of range; logits is untouched then), std::bad_alloc while the workspace
  ///   grows. Complexity: n * hidden_size * vocabulary_size.
  void logits(const matrix_view<const Scalar>& states, std::span<const std::size_t> rows,
              const matrix_view<Scalar>& logits, workspace& scratch) const {
    detail::check_extents(states, states.rows(), hidden_size(), "states");
    detail::check_extents(logits, rows.size(), vocabulary_size(), "logits");
    for (const std::size_t row : rows) {
      if (row >= states.rows()) {
        fail_input("rows", "rows below " + std::to_string(states.rows()), std::to_string(row));
      }
    }
    workspace::frame frame(scratch);
    const auto chosen = frame.take_matrix<Scalar>(rows.size(), hidden_size());
    for (std::size_t i = 0; i < rows.size(); ++i) std::copy_n(states.row(rows[i]), hidden_size(), chosen.row(i));
    Backend::multiply_transposed(Scalar{1}, matrix_view<const Scalar>(chosen), decoder_->view(), logits);
  }

  /// Candidates for every mask of a text: `top_k` per mask by falling probability, masks from left to right. A text
  /// without a mask has none.
  /// Throws: invalid_input (top_k is 0, no tokenizer, more tokens than the model has positions), missing_token (the
  ///   vocabulary has no mask token), std::bad_alloc.
  [[nodiscard]] std::vector<mask_candidate> fill_mask(std::string_view text, const fill_mask_options& options,
                                                      workspace& scratch) const {
    const std::string copy(text);
    return std::move(fill_mask(std::span<const std::string>(&copy, 1), options, scratch).front());
  }

  /// The same for several texts at once; result i belongs to text i. Throws: as above; the message names the text.
  [[nodiscard]] std::vector<std::vector<mask_candidate>> fill_mask(std::span<const std::string> texts,
                                                                   const fill_mask_options& options,
                                                                   workspace& scratch) const {
    if (options.top_k == 0) fail_input("top_k", "at least 1", "0");
    const token_id mask = mask_id();
    std::vector<std::vector<mask_candidate>> results(texts.size());
    text_batch batch;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::vector<token_id> ids = tokenizer().encode(texts[i]).ids;
      if (ids.size() > encoder_.config().max_sequence_length) {
        fail_input("texts[" + std::to_string(i) + ']',
                   "at most " + std::to_string(encoder_.config().max_sequence_length) + " tokens",
                   std::to_string(ids.size()));
      }
      if (std::find(ids.begin(), ids.end(), mask) == ids.end()) continue;
      if (batch.ids.size() + ids.size() > tokens_at_a_time) fill_batch(batch, options, scratch, results);
      for (std::size_t s = 0; s < ids.size(); ++s) {
        if (ids[s] == mask) batch.masks.push_back({.text = i, .position = s, .row = batch.ids.size() + s});
      }
      batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
      batch.offsets.push_back(batch.ids.size());
    }
    fill_batch(batch, options, scratch, results);
    return results;
  }

 private:
  using encoder_type = ultrafastbert::encoder<Scalar, Backend>;
  static constexpr std::string_view embedding_name = "encoder.embedding.word_embedding.weight";
  static constexpr std::string_view decoder_name = "decoder.weight";
  static constexpr std::size_t tokens_at_a_time = 2048;  // bounds the workspace of long lists of texts

  static constexpr std::size_t masks_at_a_time = 16;  // bounds the memory of their logits

  struct mask_place {
    std::size_t text = 0;
    std::size_t position = 0;
    std::size_t row = 0;  // of the batch's states
  };

  struct text_batch {
    std::vector<token_id> ids{};
    std::vector<std::size_t> offsets{0};
    std::vector<mask_place> masks{};
  };

  masked_lm(encoder_type encoder, std::optional<ultrafastbert::tokenizer> text, std::string mask_token)
      : encoder_(std::move(encoder)),
        decoder_(encoder_.embedding_layer().word_embedding()),
        tokenizer_(std::move(text)),
        mask_token_(std::move(mask_token)) {}

  static checkpoint_config read_config(const checkpoint_folder& checkpoint) {
    constexpr json_limits limits{};
    const std::string text = read_text_file(checkpoint.config(), limits.max_bytes);
    return read_checkpoint_config(json_document::parse(text, checkpoint.config().string(), limits));
  }

  // Word embedding and decoder are one parameter; where a file has both, the training code's loader ends with the
  // decoder's copy.
  static std::string tied_name(const safetensors_source& source) {
    return std::string(source.contains(decoder_name) ? decoder_name : embedding_name);
  }

  [[nodiscard]] token_id mask_id() const {
    const auto id = tokenizer().token_to_id(mask_token_);
    if (!id) {
      fail(error_code::missing_token, {.where = "mask token", .expected = excerpt(mask_token_) + " in the vocabulary"});
    }
    return *id;
  }

  // Computes the batch, appends its candidates to the texts' results, and empties it.
  void fill_batch(text_batch& batch, const fill_mask_options& options, workspace& scratch,
                  std::vector<std::vector<mask_candidate>>& results) const {
    workspace::frame frame(scratch);
    const auto states = frame.take_matrix<Scalar>(batch.ids.size(), hidden_size());
    encoder_.forward(batch.ids, {.offsets = batch.offsets}, states, scratch);
    const std::size_t most = std::min(batch.masks.size(), masks_at_a_time);
    const auto scores = frame.take_matrix<Scalar>(most, vocabulary_size());
    const auto rows = frame.take<std::size_t>(most);
    for (std::size_t first = 0; first < batch.masks.size(); first += masks_at_a_time) {
      const auto masks = std::span<const mask_place>(batch.masks).subspan(first);
      const std::size_t count = std::min(masks.size(), masks_at_a_time);
      for (std::size_t i = 0; i < count; ++i) rows[i] = masks[i].row;
      logits(states, rows.first(count), scores.rows_from(0, count), scratch);
      for (std::size_t i = 0; i < count; ++i) append(masks[i], scores.row_span(i), options.top_k, results);
    }
    batch = text_batch{};
  }

  void append(const mask_place& place, std::span<const Scalar> scores, std::size_t k,
              std::vector<std::vector<mask_candidate>>& results) const {
    for (const scored_index& best : top_k<Scalar>(scores, k)) {
      const auto id = static_cast<token_id>(best.index);
      results[place.text].push_back({.position = place.position,
                                     .id = id,
                                     .token = std::string(tokenizer_->id_to_token(id).value_or("")),
                                     .logit = best.logit,
                                     .probability = best.probability});
    }
  }

  encoder_type encoder_;
  std::shared_ptr<const matrix<Scalar>> decoder_;
  std::optional<ultrafastbert::tokenizer> tokenizer_;
  std::string mask_token_;
};

}  // namespace ultrafastbert
