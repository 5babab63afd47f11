// SPDX-License-Identifier: MIT
//
// The token classifier: a checkpoint folder in, the best label of every token of a text or a pair of texts out.
// Layer: model.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/model/heads/entities.hpp"
#include "ultrafastbert/model/heads/labels.hpp"
#include "ultrafastbert/model/heads/top_k.hpp"
#include "ultrafastbert/model/loading/load_options.hpp"
#include "ultrafastbert/model/loading/model_loader.hpp"
#include "ultrafastbert/model/texts/text_classifier.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"

namespace ultrafastbert {

/// A classifier of tokens: encoder, linear head. Immutable after loading: share one between any number of threads, and
/// give each thread its own workspace.
template <class Scalar = float, class Backend = default_backend<Scalar>>
class token_classifier
    : public text_classifier<token_classifier<Scalar, Backend>, std::vector<token_label>, Scalar, Backend> {
  using base = text_classifier<token_classifier, std::vector<token_label>, Scalar, Backend>;
  friend base;

 public:
  using base::hidden_size;

  /// Loads a folder as `encoder_model::load` does, of a class that classifies tokens. The number of classes is the
  /// head's; `id2label` names them, all of them or none.
  /// Throws: as there; bad_type and bad_value also for `id2label` and `num_labels`; limit_exceeded (more than
  ///   `models::most_token_classes`). Nothing is kept of a failed load.
  /// Complexity: one pass over the weights; peak memory is the model's plus one block of rows.
  [[nodiscard]] static token_classifier load(const std::filesystem::path& folder, const load_options& options = {});

  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return this->stack().bytes() + head_.bytes(); }

  /// Logits of every position of a padded batch.
  /// Shapes: ids: (batch, length); mask: as `encode` takes it, or empty for none; logits: (batch * length, labels),
  ///   overwritten, row b * length + s.
  /// Throws: invalid_input (an id, length, mask or shape out of range; logits is untouched then), std::bad_alloc while
  ///   the workspace grows. Complexity: see `encoder::forward`; no allocation after warm-up.
  void logits(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
              const matrix_view<Scalar>& logits, workspace& scratch, executor_ref threads = {}) const {
    this->logits(ids, mask, matrix_view<const std::uint32_t>{}, logits, scratch, threads);
  }

  /// The same with token types. Shapes: type_ids: (batch, length), or empty for all 0; else as above.
  /// Throws: as above, and invalid_input (a token type that the model does not have).
  void logits(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
              const matrix_view<const std::uint32_t>& type_ids, const matrix_view<Scalar>& logits, workspace& scratch,
              executor_ref threads = {}) const;

  /// The tokens of a text or a pair, from left to right, each with its best label; see `text_classifier`. The
  /// template's own tokens are left out, all others are there, whatever their label.
  using base::classify;

  /// The entities of a text, such as persons and places, from left to right; see `find_entities`.
  /// Throws: as `classify`, invalid_input. Source: the token classification pipeline of the transformers package.
  [[nodiscard]] std::vector<text_entity> entities(std::string_view text, const entity_options& wanted,
                                                  workspace& scratch, const text_options& options = {},
                                                  executor_ref threads = {}) const {
    return find_entities(this->text_tokenizer(), text, classify(text, scratch, options, threads), this->labels(),
                         wanted);
  }

 private:
  using head_type = linear<Scalar, Backend>;

  explicit token_classifier(model_loader& loader)
      : base(loader, models::labels_of(loader, models::most_token_classes)),
        head_({.output_width = models::class_count(loader), .input_width = base::hidden_size(), .bias = true},
              loader.head_options()) {
    this->note_head_memory({.held = hidden_size() * sizeof(Scalar)});
    head_.parameters(loader.description().head_prefix, loader.parameters());
  }

  void check_results(std::size_t /*rows*/, std::size_t tokens) const {
    models::check_scores(tokens, this->labels().size(), models::most_token_scores);
  }
  void classify_pass(const packed_texts& pass, std::vector<std::vector<token_label>>& results, workspace& scratch,
                     executor_ref threads) const;

  static std::vector<double> softmax(std::span<const Scalar> logits, double largest) {
    std::vector<double> scores;
    double sum = 0.0;
    for (const Scalar logit : logits) sum += scores.emplace_back(std::exp(static_cast<double>(logit) - largest));
    for (double& score : scores) score /= sum;
    return scores;
  }

  std::vector<token_label> label_tokens(const encoding& text, const matrix_view<const Scalar>& logits) const {
    std::vector<token_label> tokens;
    for (std::size_t t = 0; t < text.size(); ++t) {
      if (text.special_tokens_mask[t] != 0) continue;
      const scored_index best = top_k<Scalar>(logits.row_span(t), 1).front();
      tokens.push_back({.position = t,
                        .id = text.ids[t],
                        .token = text.tokens[t],
                        .offsets = text.offsets[t],
                        .byte_offsets = text.byte_offsets[t],
                        .sequence = text.sequence_ids[t],
                        .type_id = text.type_ids[t],
                        .best = {.index = best.index,
                                 .label = this->labels()[best.index],
                                 .logit = best.logit,
                                 .score = best.probability},
                        .scores = softmax(logits.row_span(t), best.logit)});
    }
    return tokens;
  }

  head_type head_;
};

template <class Scalar, class Backend>
auto token_classifier<Scalar, Backend>::load(const std::filesystem::path& folder, const load_options& options)
    -> token_classifier {
  model_loader loader(folder, options, {"token_classifier"});
  loader.prefer_embedding();
  token_classifier model(loader);
  model.finish_loading(loader);
  return model;
}

template <class Scalar, class Backend>
void token_classifier<Scalar, Backend>::logits(const matrix_view<const token_id>& ids,
                                               const matrix_view<const float>& mask,
                                               const matrix_view<const std::uint32_t>& type_ids,
                                               const matrix_view<Scalar>& logits, workspace& scratch,
                                               executor_ref threads) const {
  core::check_extents(logits, ids.rows() * ids.cols(), this->labels().size(), "logits");
  workspace::frame frame(scratch);
  const auto states = frame.take_matrix<Scalar>(ids.rows() * ids.cols(), hidden_size());
  this->encode(ids, mask, states, scratch, {.padding_states = true, .type_ids = type_ids}, nullptr, threads);
  head_.forward(states, logits, scratch, threads);
}

template <class Scalar, class Backend>
void token_classifier<Scalar, Backend>::classify_pass(const packed_texts& pass,
                                                      std::vector<std::vector<token_label>>& results,
                                                      workspace& scratch, executor_ref threads) const {
  workspace::frame frame(scratch);
  const auto states = frame.take_matrix<Scalar>(pass.ids.size(), hidden_size());
  const auto logits = frame.take_matrix<Scalar>(pass.ids.size(), this->labels().size());
  this->encode_packed(pass, states, scratch, threads);
  head_.forward(states, logits, scratch, threads);
  for (std::size_t i = 0; i < pass.size(); ++i) {
    results.push_back(label_tokens(pass.encodings[i], logits.rows_from(pass.offsets[i], pass.length(i))));
  }
}

UFB_COMPILED_CLASS(text_classifier<token_classifier<float>, std::vector<token_label>, float, default_backend<float>>);
UFB_COMPILED_CLASS(token_classifier<float>);

}  // namespace ultrafastbert
