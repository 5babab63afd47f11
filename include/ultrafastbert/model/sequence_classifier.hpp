// SPDX-License-Identifier: MIT
//
// The sequence classifier: a checkpoint folder in, a score for every label of a text or a pair of texts out.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/model/checkpoint_reader.hpp"
#include "ultrafastbert/model/classification_json.hpp"
#include "ultrafastbert/model/labels.hpp"
#include "ultrafastbert/model/load_options.hpp"
#include "ultrafastbert/model/pooler.hpp"
#include "ultrafastbert/model/text_classifier.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert {

/// A classifier of texts: encoder, pooler, linear head. Immutable after loading: share one between any number of
/// threads, and give each thread its own workspace.
template <class Scalar = float, class Backend = default_backend>
class sequence_classifier
    : public text_classifier<sequence_classifier<Scalar, Backend>, std::vector<label_score>, Scalar, Backend> {
  using base = text_classifier<sequence_classifier, std::vector<label_score>, Scalar, Backend>;
  friend base;

 public:
  using base::hidden_size;

  /// Loads a folder as `masked_lm::load` does, of the class ScriptableLMForSequenceClassification. The number of
  /// classes is the head's; `id2label` names them, `problem_type` says what their scores are.
  /// Throws: what `masked_lm::load` throws; missing_key, bad_type and bad_value also for `classification_head`,
  ///   `id2label` and `problem_type`. Nothing is kept of a failed load.
  /// Complexity: one pass over the weights; peak memory is the model's plus one block of rows.
  [[nodiscard]] static sequence_classifier load(const std::filesystem::path& folder, const load_options& options = {}) {
    models::checkpoint_reader checkpoint(folder, options, {"ScriptableLMForSequenceClassification"});
    const std::string& root = checkpoint.names().root;
    const pooler_shape pooling = models::read_pooler(checkpoint.arch(), checkpoint.config().encoder.hidden_size);
    const linear_shape classes = models::head_shape(checkpoint, pooling.head_dim.value_or(pooling.width));
    checkpoint.prefer_embedding();
    checkpoint.template need_encoder<encoder_type>();
    checkpoint.template need<pooler_type>(root + "pooler.", pooling);
    checkpoint.template need<head_type>(root + "head.", classes);
    checkpoint.check();
    auto labels = models::read_labels(checkpoint.config_json(), classes.output_width);
    const auto function = models::read_score_function(checkpoint.config_json(), classes.output_width);
    auto text = checkpoint.load_tokenizer();
    sequence_classifier model(
        checkpoint.template load_encoder<encoder_type>(), std::move(text),
        pooler_type::load(checkpoint.source(), root + "pooler.", pooling, checkpoint.head_choices()),
        head_type::load(checkpoint.source(), root + "head.", classes, checkpoint.head_choices()), std::move(labels),
        function);
    checkpoint.finish();
    return model;
  }

  [[nodiscard]] score_function scoring() const noexcept { return function_; }  ///< the scores' kind
  [[nodiscard]] const ultrafastbert::pooler<Scalar, Backend>& pooler() const noexcept {
    return pooler_;
  }  ///< as loaded
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return this->encoder().bytes() + pooler_.bytes() + head_.bytes(); }

  /// Logits of a padded batch. Poolers other than `zero_index` take the padding in, as the training code does: a row
  /// with padding has other logits than the same row without.
  /// Shapes: ids: (batch, length); mask: as `encode` takes it, or empty for none; logits: (batch, labels), overwritten.
  /// Throws: invalid_input (an id, length, mask or shape out of range; logits is untouched then), std::bad_alloc while
  ///   the workspace grows. Complexity: see `encoder::forward`; no allocation after warm-up.
  void logits(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
              const matrix_view<Scalar>& logits, workspace& scratch, executor_ref threads = {}) const {
    core::check_extents(logits, ids.rows(), this->labels().size(), "logits");
    workspace::frame frame(scratch);
    const auto states = frame.take_matrix<Scalar>(ids.rows() * ids.cols(), hidden_size());
    const auto offsets = frame.take<std::size_t>(ids.rows() + 1);
    for (std::size_t b = 0; b < offsets.size(); ++b) offsets[b] = b * ids.cols();
    this->encode(ids, mask, states, scratch,
                 {.threads = threads, .padding_states = pooler_.shape().kind != pooler_kind::zero_index});
    forward_head(states, offsets, logits, scratch);
  }

  /// All labels of a text or a pair by falling score, the best first; see `text_classifier`.
  /// Source: the scores are those of the text classification pipeline of the transformers package.
  using base::classify;

 private:
  using encoder_type = typename base::encoder_type;
  using packed_texts = typename base::packed_texts;
  using pooler_type = ultrafastbert::pooler<Scalar, Backend>;
  using head_type = linear<Scalar, Backend>;

  sequence_classifier(encoder_type encoder, std::optional<ultrafastbert::tokenizer> text, pooler_type pooler,
                      head_type head, std::vector<std::string> labels, score_function function)
      : base(std::move(encoder), std::move(text), std::move(labels)),
        pooler_(std::move(pooler)),
        head_(std::move(head)),
        function_(function) {}

  void forward_head(const matrix_view<const Scalar>& states, std::span<const std::size_t> offsets,
                    const matrix_view<Scalar>& logits, workspace& scratch) const {
    workspace::frame frame(scratch);
    const auto pooled = frame.take_matrix<Scalar>(logits.rows(), pooler_.output_width());
    pooler_.forward(states, offsets, pooled, scratch);
    head_.forward(pooled, logits, scratch);
  }

  void classify_pass(const packed_texts& pass, std::vector<std::vector<label_score>>& results, workspace& scratch,
                     executor_ref threads) const {
    workspace::frame frame(scratch);
    const auto states = frame.take_matrix<Scalar>(pass.ids.size(), hidden_size());
    const auto logits = frame.take_matrix<Scalar>(pass.size(), this->labels().size());
    this->encode_packed(pass, states, scratch, threads);
    forward_head(states, pass.offsets, logits, scratch);
    for (std::size_t i = 0; i < pass.size(); ++i) {
      results.push_back(models::score_labels<Scalar>(logits.row_span(i), this->labels(), function_));
    }
  }

  pooler_type pooler_;
  head_type head_;
  score_function function_;
};

}  // namespace ultrafastbert
