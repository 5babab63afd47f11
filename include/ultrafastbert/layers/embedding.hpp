// SPDX-License-Identifier: MIT
//
// The embedding of tokens: word vectors, positions of the kind that a checkpoint names, normalization.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/row_operations.hpp"
#include "ultrafastbert/layers/load.hpp"
#include "ultrafastbert/layers/norm.hpp"
#include "ultrafastbert/layers/sequences.hpp"

namespace ultrafastbert {

/// What is added to a word vector: nothing, a learned row, a sinusoidal row, or that times a learned factor.
enum class position_kind : std::uint8_t { none, learned, sinusoidal, scaled_sinusoidal };

/// Sizes and parts of an embedding.
struct embedding_shape {
  std::size_t vocabulary_size = 0;
  std::size_t width = 0;                ///< even for sinusoidal positions
  std::size_t max_sequence_length = 0;  ///< rows of the position table
  std::size_t longest_sequence = 0;     ///< tokens of a sequence, if fewer; 0 for as many as positions
  double norm_epsilon = 1e-12;
  position_kind positions = position_kind::scaled_sinusoidal;
  bool normalization = true;
  norm_kind norm = norm_kind::layer_norm;
};

namespace layers {

/// Sinusoidal position table: even columns sin, odd columns cos of s * exp(2 j c), c = -ln(10000) / width, times
/// `scale`. Shapes: out: (positions, width), width even. Computed in float32 step by step, as the training code does: a
/// table in double differs from the trained one by up to positions * 6e-8. Source: crammed BERT's scaled sinusoidal
/// embedding.
template <class Scalar>
void sinusoidal_positions(float scale, const matrix_view<Scalar>& out) noexcept {
  const auto step = static_cast<float>(-std::log(10000.0) / static_cast<double>(out.cols()));
  for (std::size_t j = 0; j < out.cols(); j += 2) {
    const float frequency = std::exp(static_cast<float>(j) * step);
    for (std::size_t s = 0; s < out.rows(); ++s) {
      const float angle = static_cast<float>(s) * frequency;
      out(s, j) = static_cast<Scalar>(std::sin(angle) * scale);
      out(s, j + 1) = static_cast<Scalar>(std::cos(angle) * scale);
    }
  }
}

}  // namespace layers

/// Word vectors plus positions, normalized. Immutable; safe from any number of threads.
template <class Scalar>
class embedding {
 public:
  /// Takes the word matrix from the tensor `word_name` (tied models store it under either of two names) and, as the
  /// shape asks for them, `pos_embedding.scale_factor`, `pos_embedding.embedding.weight` and `norm.*` below `prefix`;
  /// float runs kernels of the level `isa`. Shapes: (vocabulary_size, width), (1), (max_sequence_length, width).
  /// Throws: what the source throws, invalid_input (sinusoidal positions of an odd width), unsupported (the processor
  /// lacks the level), std::bad_alloc.
  template <tensor_source Source>
  [[nodiscard]] static embedding load(const Source& source, const std::string& prefix, const std::string& word_name,
                                      const embedding_shape& shape, isa_level isa = isa_level::automatic) {
    embedding layer;
    layer.rows_ = row_operations<Scalar>(isa);
    auto words = std::make_shared<matrix<Scalar>>(matrix_extents{shape.vocabulary_size, shape.width});
    layers::load_matrix(source, word_name, words->view());
    layer.word_embedding_ = std::move(words);
    layer.max_sequence_length_ = shape.longest_sequence == 0
                                     ? shape.max_sequence_length
                                     : std::min(shape.longest_sequence, shape.max_sequence_length);
    layer.load_positions(source, prefix + "pos_embedding.", shape);
    if (shape.normalization) layer.norm_ = norm<Scalar>::load(source, prefix + "norm.", norm_sizes(shape), isa);
    return layer;
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const std::string& word_name, const embedding_shape& shape,
                              Visitor&& visit) {
    visit(word_name, {shape.vocabulary_size, shape.width});
    if (shape.positions == position_kind::scaled_sinusoidal) {
      visit(prefix + "pos_embedding.scale_factor", {std::size_t{1}});
    } else if (shape.positions == position_kind::learned) {
      visit(prefix + "pos_embedding.embedding.weight", {shape.max_sequence_length, shape.width});
    }
    if (shape.normalization) norm<Scalar>::for_each_tensor(prefix + "norm.", norm_sizes(shape), visit);
  }

  [[nodiscard]] std::size_t width() const noexcept { return word_embedding_->cols(); }             ///< columns of y
  [[nodiscard]] std::size_t max_sequence_length() const noexcept { return max_sequence_length_; }  ///< most tokens
  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return word_embedding_->rows(); }   ///< word vectors
  /// The position table of (the shape's max_sequence_length, width), without rows if there are no positions.
  [[nodiscard]] matrix_view<const Scalar> positions() const noexcept { return positions_.view(); }
  /// The word vectors (vocabulary_size, width), shared with a tied decoder.
  [[nodiscard]] std::shared_ptr<const matrix<Scalar>> word_embedding() const noexcept { return word_embedding_; }
  /// Memory held by words, positions and norm. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return word_embedding_->bytes() + positions_.bytes() + (norm_ ? norm_->bytes() : 0);
  }

  /// y = norm(word_embedding[ids] + positions), without what the model has not.
  /// Shapes: ids: (tokens); y: (tokens, width), overwritten; `batch` covers all tokens.
  /// Throws: invalid_input (an id or a length out of range, shapes; y is untouched then). Complexity: tokens * width.
  void forward(std::span<const token_id> ids, const matrix_view<Scalar>& y, const sequence_batch& batch) const {
    check(ids, batch);
    core::check_extents(y, ids.size(), width(), "y");
    for (std::size_t i = 0; i < batch.size(); ++i) {
      forward_sequence(ids.subspan(batch.offsets[i], batch.length(i)), y.rows_from(batch.offsets[i], batch.length(i)));
    }
  }

  /// The same for one sequence, unchecked. Shapes: ids: (length); y: (length, width), overwritten.
  void forward_sequence(std::span<const token_id> ids, const matrix_view<Scalar>& y) const noexcept {
    for (std::size_t s = 0; s < ids.size(); ++s) forward_row(static_cast<std::size_t>(ids[s]), s, y.row(s));
  }

  /// Throws invalid_input unless every id is a row of the word matrix and every sequence fits the positions.
  void check(std::span<const token_id> ids, const sequence_batch& batch) const {
    layers::check_sequences(batch);
    if (ids.size() != batch.total_rows()) {
      fail_input("ids", std::to_string(batch.total_rows()) + " tokens", std::to_string(ids.size()));
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch.length(i) > max_sequence_length()) {
        fail_input("sequence " + std::to_string(i), "at most " + std::to_string(max_sequence_length()) + " tokens",
                   std::to_string(batch.length(i)));
      }
    }
    for (std::size_t t = 0; t < ids.size(); ++t) {
      if (ids[t] < 0 || static_cast<std::size_t>(ids[t]) >= vocabulary_size()) {
        fail_input("ids[" + std::to_string(t) + ']', "0 to " + std::to_string(vocabulary_size() - 1),
                   std::to_string(ids[t]));
      }
    }
  }

 private:
  static norm_shape norm_sizes(const embedding_shape& s) {
    return {.kind = s.norm, .width = s.width, .epsilon = s.norm_epsilon};
  }

  // Row by row, so that a row is normalized while it is in the nearest cache.
  void forward_row(std::size_t id, std::size_t position, Scalar* y) const noexcept {
    const Scalar* word = word_embedding_->row(id);
    if (positions_.rows() == 0) {
      std::copy_n(word, width(), y);
    } else {
      rows_.sum(width(), word, positions_.row(position), y);
    }
    if (norm_) norm_->forward_row(y, y);
  }

  template <class Source>
  void load_positions(const Source& source, const std::string& prefix, const embedding_shape& shape) {
    if (shape.positions == position_kind::none) return;
    if (shape.positions != position_kind::learned && shape.width % 2 != 0) {
      fail_input("width", "an even width for sinusoidal positions", std::to_string(shape.width));
    }
    positions_ = matrix<Scalar>({shape.max_sequence_length, shape.width});
    if (shape.positions == position_kind::learned) {
      layers::load_matrix(source, prefix + "embedding.weight", positions_.view());
      return;
    }
    float scale = 1;
    if (shape.positions == position_kind::scaled_sinusoidal) {
      layers::load_vector(source, prefix + "scale_factor", std::span<float>(&scale, 1));
    }
    layers::sinusoidal_positions(scale, positions_.view());
  }

  std::shared_ptr<const matrix<Scalar>> word_embedding_{};
  std::size_t max_sequence_length_ = 0;
  matrix<Scalar> positions_{};
  std::optional<norm<Scalar>> norm_{};
  row_operations<Scalar> rows_{};
};

}  // namespace ultrafastbert
