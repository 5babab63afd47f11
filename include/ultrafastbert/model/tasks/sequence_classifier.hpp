// SPDX-License-Identifier: MIT
//
// The sequence classifier: a checkpoint folder in, a score for every label of a text or a pair of texts out.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/model/heads/labels.hpp"
#include "ultrafastbert/model/heads/pooler.hpp"
#include "ultrafastbert/model/loading/load_options.hpp"
#include "ultrafastbert/model/loading/model_loader.hpp"
#include "ultrafastbert/model/texts/text_classifier.hpp"

namespace ultrafastbert {

/// A classifier of texts: encoder, pooler, linear head. Immutable after loading: share one between any number of
/// threads, and give each thread its own workspace.
template <class Scalar = float, class Backend = default_backend<Scalar>>
class sequence_classifier
    : public text_classifier<sequence_classifier<Scalar, Backend>, std::vector<label_score>, Scalar, Backend> {
  using base = text_classifier<sequence_classifier, std::vector<label_score>, Scalar, Backend>;
  friend base;

 public:
  using base::hidden_size;

  /// Loads a folder as `encoder_model::load` does, of a class that classifies sequences. The number of classes is the
  /// head's; `id2label` names all of them or is absent, `problem_type` says what their scores are.
  /// Throws: as there; missing_key, bad_type and bad_value also for `classification_head`, `id2label`, `num_labels` and
  ///   `problem_type`; limit_exceeded (more than `models::most_sequence_classes`). Nothing is kept of a failed load.
  /// Complexity: one pass over the weights; peak memory is the model's plus one block of rows.
  [[nodiscard]] static sequence_classifier load(const std::filesystem::path& folder, const load_options& options = {});

  [[nodiscard]] score_function scoring() const noexcept { return function_; }                ///< the scores' kind
  [[nodiscard]] const pooler<Scalar, Backend>& pooling() const noexcept { return pooler_; }  ///< as loaded
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return this->stack().bytes() + pooler_.bytes() + head_.bytes(); }

  /// Logits of a padded batch. Poolers other than `zero_index` take the padding in, as the training code does: a row
  /// with padding has other logits than the same row without.
  /// Shapes: ids: (batch, length); mask: as `encode` takes it, or empty for none; logits: (batch, labels), overwritten.
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

  /// All labels of a text or a pair by falling score, the best first; see `text_classifier`.
  /// Source: the scores are those of the text classification pipeline of the transformers package.
  using base::classify;

 private:
  using pooler_type = pooler<Scalar, Backend>;
  using head_type = linear<Scalar, Backend>;

  sequence_classifier(model_loader& loader, const pooler_shape& pooling)
      : base(loader, models::labels_of(loader, models::most_sequence_classes)),
        pooler_(pooling, loader.head_options()),
        head_({.output_width = models::class_count(loader), .input_width = pooler_.output_width(), .bias = true},
              loader.head_options()),
        function_(models::read_score_function(loader.config(), models::class_count(loader))) {
    this->note_head_memory({.held = hidden_size() * sizeof(Scalar) + sizeof(std::size_t),
                            .behind = (hidden_size() + pooler_.output_width()) * sizeof(Scalar)});
    pooler_.parameters(loader.description().pooler_prefix, loader.parameters());
    head_.parameters(loader.description().head_prefix, loader.parameters());
  }

  void forward_head(const matrix_view<const Scalar>& states, std::span<const std::size_t> offsets,
                    const matrix_view<Scalar>& logits, workspace& scratch, executor_ref threads) const {
    workspace::frame frame(scratch);
    const auto pooled = frame.take_matrix<Scalar>(logits.rows(), pooler_.output_width());
    pooler_.forward(states, offsets, pooled, scratch, threads);
    head_.forward(pooled, logits, scratch, threads);
  }

  void check_results(std::size_t rows, std::size_t /*tokens*/) const {
    models::check_scores(rows, this->labels().size(), models::most_label_scores);
  }
  void classify_pass(const packed_texts& pass, std::vector<std::vector<label_score>>& results, workspace& scratch,
                     executor_ref threads) const;

  pooler_type pooler_;
  head_type head_;
  score_function function_;
};

template <class Scalar, class Backend>
auto sequence_classifier<Scalar, Backend>::load(const std::filesystem::path& folder, const load_options& options)
    -> sequence_classifier {
  model_loader loader(folder, options, {"sequence_classifier"});
  const pooler_shape pooling = loader.pooler();
  loader.prefer_embedding();
  loader.prefer_sequence_head();
  sequence_classifier model(loader, pooling);
  model.finish_loading(loader);
  return model;
}

template <class Scalar, class Backend>
void sequence_classifier<Scalar, Backend>::logits(const matrix_view<const token_id>& ids,
                                                  const matrix_view<const float>& mask,
                                                  const matrix_view<const std::uint32_t>& type_ids,
                                                  const matrix_view<Scalar>& logits, workspace& scratch,
                                                  executor_ref threads) const {
  core::check_extents(logits, ids.rows(), this->labels().size(), "logits");
  workspace::frame frame(scratch);
  const auto states = frame.take_matrix<Scalar>(ids.rows() * ids.cols(), hidden_size());
  const auto offsets = frame.take<std::size_t>(ids.rows() + 1);
  for (std::size_t b = 0; b < offsets.size(); ++b) offsets[b] = b * ids.cols();
  this->encode(ids, mask, states, scratch,
               {.padding_states = pooler_.shape().kind != pooler_kind::zero_index, .type_ids = type_ids}, nullptr,
               threads);
  forward_head(states, offsets, logits, scratch, threads);
}

template <class Scalar, class Backend>
void sequence_classifier<Scalar, Backend>::classify_pass(const packed_texts& pass,
                                                         std::vector<std::vector<label_score>>& results,
                                                         workspace& scratch, executor_ref threads) const {
  workspace::frame frame(scratch);
  const auto states = frame.take_matrix<Scalar>(pass.ids.size(), hidden_size());
  const auto logits = frame.take_matrix<Scalar>(pass.size(), this->labels().size());
  this->encode_packed(pass, states, scratch, threads);
  forward_head(states, pass.offsets, logits, scratch, threads);
  for (std::size_t i = 0; i < pass.size(); ++i) {
    results.push_back(models::score_labels<Scalar>(logits.row_span(i), this->labels(), function_));
  }
}

UFB_COMPILED_CLASS(
    text_classifier<sequence_classifier<float>, std::vector<label_score>, float, default_backend<float>>);
UFB_COMPILED_CLASS(sequence_classifier<float>);

}  // namespace ultrafastbert
