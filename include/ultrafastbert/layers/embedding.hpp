// SPDX-License-Identifier: MIT
//
// The embedding of tokens: word vectors, positions of the kind that a checkpoint names, token types, normalization.
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
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/parts.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/row_operations.hpp"
#include "ultrafastbert/layers/norm.hpp"
#include "ultrafastbert/layers/sequences.hpp"
#include "ultrafastbert/layers/storing.hpp"

namespace ultrafastbert {

/// What is added to a word vector: nothing, a learned row, a sinusoidal row, or that times a learned factor.
enum class position_kind : std::uint8_t { none, learned, sinusoidal, scaled_sinusoidal };

/// An embedding.
struct embedding_shape {
  std::size_t vocabulary_size = 0;
  std::size_t width = 0;                ///< even for sinusoidal positions
  std::size_t max_sequence_length = 0;  ///< rows of the position table
  std::size_t longest_sequence = 0;     ///< tokens of a sequence, if fewer; 0 for as many as positions
  position_kind positions = position_kind::scaled_sinusoidal;
  std::size_t token_types = 0;  ///< rows of the table of token types; 0 for none
  /// Where it is set, positions do not count from 0: the tokens of a sequence that are not this id take the rows behind
  /// its number, one after the other, and it takes the row of its own number, as RoBERTa does.
  std::optional<token_id> padding{};
  std::optional<norm_shape> norm{};  ///< of the sum; its width is the embedding's
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

/// Word vectors plus positions and token types, normalized. Immutable; safe from any number of threads.
template <class Scalar>
class embedding {
 public:
  /// Sizes alone: `parameters` says what fills them. Float runs kernels of the level `isa`.
  /// Throws: invalid_input (sinusoidal positions of an odd width, a padding id without positions or without a row
  ///   behind it), shape_mismatch (a norm of another width), unsupported (the processor lacks the level).
  explicit embedding(const embedding_shape& shape, isa_level isa = isa_level::automatic) : shape_(shape), rows_(isa) {
    const bool sinusoidal =
        shape.positions == position_kind::sinusoidal || shape.positions == position_kind::scaled_sinusoidal;
    if (sinusoidal && shape.width % 2 != 0) {
      fail_input("width", "an even width for sinusoidal positions", std::to_string(shape.width));
    }
    if (shape.padding && shape.positions == position_kind::none) {
      fail_input("padding", "none, as the embedding adds no positions", std::to_string(*shape.padding));
    }
    if (shape.padding && (*shape.padding < 0 || max_sequence_length() == 0)) {
      fail_input("padding", "an id with a row behind its own, of " + std::to_string(shape.max_sequence_length),
                 std::to_string(*shape.padding));
    }
    if (!shape.norm) return;
    if (shape.norm->width != shape.width) {
      fail(error_code::shape_mismatch, {.where = "norm",
                                        .expected = "the width " + std::to_string(shape.width),
                                        .found = std::to_string(shape.norm->width)});
    }
    norm_.emplace(*shape.norm, isa);
  }

  /// Loads the parameters below `prefix`, the word matrix from `word_name`.
  /// Throws: missing_tensor, what the source throws, as the constructor, std::bad_alloc.
  [[nodiscard]] static embedding load(const tensor_source& source, const std::string& prefix,
                                      const std::string& word_name, const embedding_shape& shape,
                                      isa_level isa = isa_level::automatic) {
    embedding layer(shape, isa);
    parameter_list list;
    layer.parameters(prefix, word_name, list);
    list.load(source);
    return layer;
  }

  /// Notes the word matrix by the name `word_name` (tied models store it under either of two names). Below `prefix`
  /// follow, as the shape asks for them, `pos_embedding.scale_factor`, `pos_embedding.embedding.weight`,
  /// `token_type_embedding.weight` and `norm.*`. Throws: std::bad_alloc.
  void parameters(const std::string& prefix, const std::string& word_name, parameter_list& list) {
    list.add(word_name, {shape_.vocabulary_size, shape_.width}, [this](const tensor& from) {
      auto words = std::make_shared<matrix<Scalar>>(matrix_extents{shape_.vocabulary_size, shape_.width});
      layers::read_matrix(from, words->view());
      word_embedding_ = std::move(words);
      if (shape_.positions == position_kind::sinusoidal) make_positions(1);
    });
    if (shape_.positions == position_kind::scaled_sinusoidal) {
      list.add(prefix + "pos_embedding.scale_factor", {1}, [this](const tensor& from) {
        float scale = 1;
        from.read(0, std::span<float>(&scale, 1));
        make_positions(scale);
      });
    } else if (shape_.positions == position_kind::learned) {
      list.add(prefix + "pos_embedding.embedding.weight", {shape_.max_sequence_length, shape_.width},
               [this](const tensor& from) { read_table(from, shape_.max_sequence_length, positions_); });
    }
    if (shape_.token_types != 0) {
      list.add(prefix + "token_type_embedding.weight", {shape_.token_types, shape_.width},
               [this](const tensor& from) { read_table(from, shape_.token_types, token_types_); });
    }
    if (norm_) norm_->parameters(prefix + "norm.", list);
  }

  [[nodiscard]] const embedding_shape& shape() const noexcept { return shape_; }                 ///< as given
  [[nodiscard]] std::size_t width() const noexcept { return shape_.width; }                      ///< columns of y
  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return shape_.vocabulary_size; }  ///< word vectors
  /// The most tokens that a sequence may have.
  [[nodiscard]] std::size_t max_sequence_length() const noexcept {
    const std::size_t before = shape_.padding ? static_cast<std::size_t>(*shape_.padding) + 1 : 0;
    const std::size_t most = shape_.max_sequence_length - (std::min)(before, shape_.max_sequence_length);
    return shape_.longest_sequence == 0 ? most : (std::min)(shape_.longest_sequence, most);
  }
  /// The position table of (the shape's max_sequence_length, width), without rows if there are no positions.
  [[nodiscard]] matrix_view<const Scalar> positions() const noexcept { return positions_.view(); }
  /// The word vectors (vocabulary_size, width), shared with a tied decoder.
  [[nodiscard]] std::shared_ptr<const matrix<Scalar>> word_embedding() const noexcept { return word_embedding_; }
  /// Memory held by words, positions and norm. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return word_embedding_->bytes() + positions_.bytes() + token_types_.bytes() + (norm_ ? norm_->bytes() : 0);
  }

  /// y = norm(word_embedding[ids] + positions + token types), without what the model has not, spread over an executor's
  /// threads. Shapes: ids: (tokens); y: (tokens, width), overwritten; `batch` covers all tokens.
  /// Throws: invalid_input (an id, token type, position or length out of range, shapes; y is untouched then), what the
  ///   executor throws. Complexity: tokens * width.
  void forward(std::span<const token_id> ids, const matrix_view<Scalar>& y, const sequence_batch& batch,
               executor_ref threads = {}) const {
    check(ids, batch);
    core::check_extents(y, ids.size(), width(), "y");
    core::for_each_part(batch.size(), 1, threads, [&](const core::index_range& sequences) {
      for (std::size_t i = sequences.first; i < sequences.last; ++i) {
        forward_sequence(ids, batch, i, y.rows_from(batch.offsets[i], batch.length(i)));
      }
    });
  }

  /// The same for sequence i of a batch, unchecked. Shapes: ids: those of the batch; y: (length, width), overwritten.
  void forward_sequence(std::span<const token_id> ids, const sequence_batch& batch, std::size_t i,
                        const matrix_view<Scalar>& y) const noexcept {
    const std::size_t first = batch.offsets[i];
    const auto padding = static_cast<std::size_t>(shape_.padding.value_or(0));
    std::size_t next = shape_.padding ? padding + 1 : 0;
    for (std::size_t s = 0; s < y.rows(); ++s) {
      const token_id id = ids[first + s];
      std::size_t position = shape_.padding == id ? padding : next++;
      if (!batch.positions.empty()) position = batch.positions[first + s];
      forward_row(static_cast<std::size_t>(id), position, batch.type_ids.empty() ? 0 : batch.type_ids[first + s],
                  y.row(s));
    }
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
    check_numbers("type_ids", batch.type_ids, (std::max<std::size_t>)(shape_.token_types, 1));
    if (shape_.positions == position_kind::none && !batch.positions.empty()) {
      fail_input("positions", "none, as the embedding adds no positions", std::to_string(batch.positions.size()));
    }
    check_numbers("positions", batch.positions, shape_.max_sequence_length);
  }

 private:
  static void check_numbers(const char* name, std::span<const std::uint32_t> numbers, std::size_t bound) {
    for (std::size_t t = 0; t < numbers.size(); ++t) {
      if (numbers[t] < bound) continue;
      fail_input(std::string(name) + '[' + std::to_string(t) + ']', "0 to " + std::to_string(bound - 1),
                 std::to_string(numbers[t]));
    }
  }

  // Row by row, so that a row is normalized while it is in the nearest cache.
  void forward_row(std::size_t id, std::size_t position, std::size_t type, Scalar* y) const noexcept {
    const Scalar* word = word_embedding_->row(id);
    if (positions_.rows() == 0) {
      std::copy_n(word, width(), y);
    } else {
      rows_.sum(width(), word, positions_.row(position), y);
    }
    if (token_types_.rows() != 0) rows_.sum(width(), y, token_types_.row(type), y);
    if (norm_) norm_->forward_row(y, y);
  }

  void read_table(const tensor& from, std::size_t rows, matrix<Scalar>& table) const {
    table = matrix<Scalar>({rows, width()});
    layers::read_matrix(from, table.view());
  }

  void make_positions(float scale) {
    positions_ = matrix<Scalar>({shape_.max_sequence_length, shape_.width});
    layers::sinusoidal_positions(scale, positions_.view());
  }

  embedding_shape shape_;
  std::shared_ptr<const matrix<Scalar>> word_embedding_{};
  matrix<Scalar> positions_{};
  matrix<Scalar> token_types_{};
  std::optional<norm<Scalar>> norm_{};
  row_operations<Scalar> rows_{};
};

}  // namespace ultrafastbert
