// SPDX-License-Identifier: MIT
//
// The decoder of masked language models: a logit for every word of the vocabulary, over the embedding's own matrix,
// which stays as the embedding needs it. With the own kernels a state's logits do not depend on the other states.
// Layer: encoder.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parts.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/products/shared_rows.hpp"

namespace ultrafastbert {

/// y = x W^T + bias, where W is the word matrix. Immutable after construction; safe from any number of threads.
template <class Scalar, class Backend = default_backend<Scalar>>
class tied_decoder {
 public:
  /// Shapes: words: (vocabulary_size, width), shared; bias: (vocabulary_size), or empty for none.
  /// Throws: unsupported (the processor lacks the level asked for), invalid_input (options that contradict each other
  ///   or the backend).
  tied_decoder(std::shared_ptr<const matrix<Scalar>> words, aligned_buffer<Scalar> bias,
               const projection_options& options = {})
      : words_(std::move(words)),
        bias_(std::move(bias)),
        runs_kernels_(layers::runs_kernels<Backend>(options)),
        isa_(runs_kernels_ ? resolve(options.isa) : isa_level::portable) {}

  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return words_->rows(); }  ///< columns of y
  /// Memory held besides the words. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return bias_.size() * sizeof(Scalar); }

  /// Logits, spread over an executor's threads.
  /// Shapes: x: (tokens, width) row-major; y: (tokens, vocabulary_size), overwritten.
  /// Pre: y overlaps neither x nor the words. Throws: invalid_input (shapes), overflow from the backend, what the
  ///   executor throws. Complexity: tokens * width * vocabulary_size.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, executor_ref threads = {}) const {
    core::check_extents(x, x.rows(), words_->cols(), "x");
    core::check_extents(y, x.rows(), words_->rows(), "y");
    if constexpr (std::same_as<Scalar, float>) {
      if (runs_kernels_) {
        constexpr std::size_t words_per_task = 1024;  // fewer are not worth a thread
        return core::for_each_part(words_->rows(), words_per_task, threads, [&](const core::index_range& words) {
          products::multiply_shared_rows(isa_, x, words_->view(), y, words);
          add_bias(y, words);
        });
      }
    }
    blas::backend_traits<Backend>::blas::multiply_transposed(Scalar{1}, x, words_->view(), y);
    add_bias(y, {.first = 0, .last = words_->rows()});
  }

 private:
  void add_bias(const matrix_view<Scalar>& y, const core::index_range& words) const noexcept {
    for (std::size_t t = 0; t < y.rows() && bias_.size() != 0; ++t) {
      for (std::size_t j = words.first; j < words.last; ++j) y(t, j) += bias_[j];
    }
  }

  std::shared_ptr<const matrix<Scalar>> words_;
  aligned_buffer<Scalar> bias_;
  bool runs_kernels_;
  isa_level isa_;
};

}  // namespace ultrafastbert
