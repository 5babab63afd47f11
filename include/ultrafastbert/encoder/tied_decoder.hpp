// SPDX-License-Identifier: MIT
//
// The decoder of masked language models: a logit for every word of the vocabulary, over the embedding's own matrix,
// which stays as the embedding needs it. With the own kernels a state's logits do not depend on the other states.
// Layer: encoder.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/kernels/fff_dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/linear.hpp"

namespace ultrafastbert {

/// y = x W^T + bias, where W is the word matrix. Immutable after construction; safe from any number of threads.
template <class Scalar, class Backend = default_backend>
class tied_decoder {
 public:
  /// Shapes: words: (vocabulary_size, width), shared; bias: (vocabulary_size), or empty for none.
  /// Throws: unsupported (the processor lacks the level asked for).
  tied_decoder(std::shared_ptr<const matrix<Scalar>> words, aligned_buffer<Scalar> bias,
               const projection_choices& choices = {})
      : words_(std::move(words)),
        bias_(std::move(bias)),
        own_kernels_(has_own_kernels<Scalar, Backend>(choices)),
        isa_(own_kernels_ ? resolve(choices.isa) : isa_level::portable) {}

  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return words_->rows(); }  ///< columns of y
  /// Memory held besides the words. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return bias_.size() * sizeof(Scalar); }

  /// Shapes: x: (tokens, width) row-major; y: (tokens, vocabulary_size), overwritten.
  /// Pre: y overlaps neither x nor the words. Throws: invalid_input (shapes), overflow from the backend, what the
  ///   executor throws. Complexity: tokens * width * vocabulary_size.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, executor_ref threads = {}) const {
    core::check_extents(x, x.rows(), words_->cols(), "x");
    core::check_extents(y, x.rows(), words_->rows(), "y");
    if constexpr (std::same_as<Scalar, float>) {
      if (own_kernels_) return forward_by_dots(x, y, threads);
    }
    Backend::multiply_transposed(Scalar{1}, x, words_->view(), y);
    add_bias(y, {.first = 0, .last = words_->rows()});
  }

 private:
  static constexpr std::size_t words_at_once = 3;
  static constexpr std::size_t states_at_once = 4;

  void forward_by_dots(const matrix_view<const float>& x, const matrix_view<float>& y, executor_ref threads) const {
    constexpr std::size_t fewest_words = 1024;  // fewer are not worth a thread
    const std::size_t tasks = threads.concurrency() < 2 ? 1
                                                        : std::clamp<std::size_t>(words_->rows() / fewest_words, 1,
                                                                                  4 * threads.concurrency());
    threads.run(tasks, [&](std::size_t i) {
      const auto words = core::part_of(words_->rows(), tasks, i);
      multiply(x, y, words);
      add_bias(y, words);
    });
  }

  // The words pass by once; the states stay in a cache.
  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, const core::index_range& words) const {
    const auto dots = kernels::dots_of<float>(isa_);
    std::array<float, words_at_once * states_at_once> z{};
    std::size_t word = words.first;
    for (; word + words_at_once <= words.last; word += words_at_once) {
      for (std::size_t first = 0; first < x.rows(); first += states_at_once) {
        std::array<const float*, states_at_once> states{};
        for (std::size_t t = 0; t < states_at_once; ++t) states[t] = x.row(std::min(first + t, x.rows() - 1));
        dots.rows_3_inputs_4(words_->row(word), words_->stride(), states.data(), x.cols(), z.data(), {});
        for (std::size_t t = 0; t < std::min(states_at_once, x.rows() - first); ++t) {
          for (std::size_t r = 0; r < words_at_once; ++r) y(first + t, word + r) = z[r * states_at_once + t];
        }
      }
    }
    for (; word < words.last; ++word) {
      for (std::size_t t = 0; t < x.rows(); ++t) dots.pair(words_->row(word), x.row(t), x.cols(), &y(t, word));
    }
  }

  void add_bias(const matrix_view<Scalar>& y, const core::index_range& words) const noexcept {
    for (std::size_t t = 0; t < y.rows() && bias_.size() != 0; ++t) {
      for (std::size_t j = words.first; j < words.last; ++j) y(t, j) += bias_[j];
    }
  }

  std::shared_ptr<const matrix<Scalar>> words_;
  aligned_buffer<Scalar> bias_;
  bool own_kernels_;
  isa_level isa_;
};

}  // namespace ultrafastbert
