// SPDX-License-Identifier: MIT
//
// What narrow weights cost a whole model: tokens of given texts that leave the reference's paths, layer by layer, and
// what becomes of states, logits and the best word at every position.
//
//   const auto cost = compare_models(model_in_float32, model_in_int8, texts, workspace);
//   std::cout << cost.same_best << " of " << cost.tokens << " tokens have the same best word\n";
//
// Layer: model.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/model/heads/top_k.hpp"
#include "ultrafastbert/model/tasks/masked_lm.hpp"
#include "ultrafastbert/model/texts/packed_texts.hpp"
#include "ultrafastbert/model/texts/padded_batch.hpp"
#include "ultrafastbert/model/texts/text_options.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert {

/// How a masked language model compares with a reference on the same texts, all of whose tokens count. Differences are
/// absolute, and NaN if a state or logit is.
struct model_comparison {
  std::size_t tokens = 0;
  /// By layer: tokens that visit another node in any of its trees. All 0 where the feedforward layers are dense.
  std::vector<std::size_t> tokens_on_other_paths{};
  double largest_state_difference = 0.0;  ///< over all elements of the final states
  double mean_state_difference = 0.0;
  std::size_t same_best = 0;  ///< tokens at whose position both models rate the same word highest
  double largest_logit_difference = 0.0;

  /// The share of tokens with the same best word; 1 if there are no tokens.
  [[nodiscard]] double top_1_agreement() const noexcept {
    return tokens == 0 ? 1.0 : static_cast<double>(same_best) / static_cast<double>(tokens);
  }
};

namespace models {

/// The sizes that two models must share to be compared, in words.
[[nodiscard]] inline std::string sizes_of(const encoder_config& config) {
  std::string text = std::to_string(config.layers) + " layers of width " + std::to_string(config.hidden_size()) + ", ";
  if (const auto* trees = std::get_if<fast_feedforward_shape>(&config.block.feedforward)) {
    text += std::to_string(trees->trees()) + 'x' + std::to_string(trees->depth) + " trees";
  } else {
    text += std::to_string(std::get<feedforward_shape>(config.block.feedforward).intermediate) + " neurons";
  }
  return text + ", " + std::to_string(config.embedding.vocabulary_size) + " words";
}

/// Largest and mean of absolute differences; NaN once one of them is.
class difference_sums {
 public:
  /// Shapes: a, b: (n).
  template <class Scalar, class ReferenceScalar>
  void add(const Scalar* a, const ReferenceScalar* b, std::size_t n) noexcept {
    for (std::size_t k = 0; k < n; ++k) {
      const double difference = std::abs(static_cast<double>(a[k]) - static_cast<double>(b[k]));
      if (difference > largest_ || std::isnan(difference)) largest_ = difference;
      sum_ += difference;
    }
    count_ += n;
  }

  [[nodiscard]] double largest() const noexcept { return std::isnan(sum_) ? sum_ : largest_; }
  [[nodiscard]] double mean() const noexcept { return count_ == 0 ? 0.0 : sum_ / static_cast<double>(count_); }

 private:
  double largest_ = 0.0;
  double sum_ = 0.0;
  std::size_t count_ = 0;
};

/// Compares two models text by text.
template <class Reference, class Candidate>
class model_comparer {
 public:
  /// Throws: shape_mismatch unless both models have the same sizes, std::bad_alloc.
  model_comparer(const Reference& reference, const Candidate& candidate)
      : reference_(reference), candidate_(candidate) {
    std::string expected = sizes_of(reference.stack().config());
    std::string found = sizes_of(candidate.stack().config());
    if (expected != found) {
      fail(error_code::shape_mismatch,
           {.where = "candidate", .expected = std::move(expected), .found = std::move(found)});
    }
    result_.tokens_on_other_paths.resize(reference.stack().config().layers);
  }

  /// One text. Throws: invalid_input (more tokens than the models have positions), what the executor throws,
  /// std::bad_alloc.
  void add(const encoding& text, workspace& scratch, executor_ref threads) {
    workspace::frame frame(scratch);
    const auto expected = frame.take_matrix<typename Reference::scalar_type>(text.size(), reference_.hidden_size());
    const auto states = frame.take_matrix<typename Candidate::scalar_type>(text.size(), candidate_.hidden_size());
    add_paths(encode(reference_, text, expected, scratch, threads), encode(candidate_, text, states, scratch, threads));
    for (std::size_t t = 0; t < text.size(); ++t) states_.add(states.row(t), expected.row(t), states.cols());
    result_.tokens += text.size();
    add_logits(expected, states, scratch, threads);
  }

  /// Of all texts so far. Throws: std::bad_alloc.
  [[nodiscard]] model_comparison result() const {
    model_comparison all = result_;
    all.largest_state_difference = states_.largest();
    all.mean_state_difference = states_.mean();
    all.largest_logit_difference = logits_.largest();
    return all;
  }

 private:
  static constexpr std::size_t rows_at_a_time = 16;  // bounds the memory of their logits

  // The mask lets all tokens be seen; without one, causal models would look ahead.
  template <class Model>
  static auto encode(const Model& model, const encoding& text, const matrix_view<typename Model::scalar_type>& states,
                     workspace& scratch, executor_ref threads) {
    workspace::frame frame(scratch);
    const auto mask = frame.take_matrix<float>(1, text.size());
    std::fill_n(mask.row(0), text.size(), 1.0F);
    padded_batch_options options;
    if (model.stack().config().embedding.token_types != 0) options.type_ids = {text.type_ids.data(), {1, text.size()}};
    encoder_trace<typename Model::scalar_type> trace;
    model.encode({text.ids.data(), {1, text.size()}}, mask, states, scratch, options, &trace, threads);
    return trace;
  }

  template <class ReferenceTrace, class Trace>
  void add_paths(const ReferenceTrace& expected, const Trace& got) {
    for (std::size_t i = 0; i < result_.tokens_on_other_paths.size(); ++i) {
      const auto& a = expected.layers[i].paths;
      const auto& b = got.layers[i].paths;
      for (std::size_t t = 0; t < a.rows(); ++t) {
        if (!std::equal(a.row(t), a.row(t) + a.cols(), b.row(t))) ++result_.tokens_on_other_paths[i];
      }
    }
  }

  template <class ReferenceScalar, class Scalar>
  void add_logits(const matrix_view<ReferenceScalar>& expected_states, const matrix_view<Scalar>& states,
                  workspace& scratch, executor_ref threads) {
    workspace::frame frame(scratch);
    const std::size_t most = (std::min)(states.rows(), rows_at_a_time);
    const auto rows = frame.take<std::size_t>(most);
    const auto expected = frame.take_matrix<ReferenceScalar>(most, reference_.vocabulary_size());
    const auto logits = frame.take_matrix<Scalar>(most, candidate_.vocabulary_size());
    for (std::size_t first = 0; first < states.rows(); first += most) {
      const std::size_t count = (std::min)(most, states.rows() - first);
      std::iota(rows.begin(), rows.end(), first);
      reference_.logits(expected_states, rows.first(count), expected.rows_from(0, count), scratch, threads);
      candidate_.logits(states, rows.first(count), logits.rows_from(0, count), scratch, threads);
      for (std::size_t r = 0; r < count; ++r) {
        logits_.add(logits.row(r), expected.row(r), logits.cols());
        const auto best = top_k<ReferenceScalar>(expected.row_span(r), 1).front().index;
        if (top_k<Scalar>(logits.row_span(r), 1).front().index == best) ++result_.same_best;
      }
    }
  }

  const Reference& reference_;
  const Candidate& candidate_;
  model_comparison result_{};
  difference_sums states_{};
  difference_sums logits_{};
};

}  // namespace models

/// Sends texts through two masked language models of the same sizes and compares paths, final states and logits: one
/// checkpoint in two storages, at two instruction set levels, or in float and double. Every text is read alone, by the
/// reference's tokenizer. The work is spread over an executor's threads.
/// Throws: shape_mismatch (sizes differ), invalid_input (no tokenizer, a text without tokens, or with more than the
///   models have positions and no truncation), missing_token (a word that is unknown, and no unknown token),
///   bad_vocabulary (a word without a row in the word matrix); the message names the text. What the executor throws,
///   std::bad_alloc.
/// Complexity: both encoders' forward, and the logits of every token; the scratch memory is that of the longest text.
template <class ReferenceScalar, class ReferenceBackend, class Scalar, class Backend>
[[nodiscard]] model_comparison compare_models(const masked_lm<ReferenceScalar, ReferenceBackend>& reference,
                                              const masked_lm<Scalar, Backend>& candidate,
                                              std::span<const std::string_view> texts, workspace& scratch,
                                              const text_options& options = {}, executor_ref threads = {}) {
  models::model_comparer comparer(reference, candidate);
  const tokenizer& reader = reference.text_tokenizer();
  const std::size_t most = candidate.max_sequence_length();
  reference.for_each_pass(
      texts.size(), options, [&](std::size_t i, const encode_options& how) { return reader.encode(texts[i], how); },
      [&](const packed_texts& pass) {
        for (std::size_t r = 0; r < pass.size(); ++r) {
          if (pass.length(r) > most) {
            fail_input("texts[" + std::to_string(pass.texts[r]) + ']',
                       "at most " + std::to_string(most) + " tokens, the positions of the candidate",
                       std::to_string(pass.length(r)));
          }
          comparer.add(pass.encodings[r], scratch, threads);
        }
      });
  return comparer.result();
}

/// The same for strings that own their text. Throws: as above.
template <class ReferenceScalar, class ReferenceBackend, class Scalar, class Backend>
[[nodiscard]] model_comparison compare_models(const masked_lm<ReferenceScalar, ReferenceBackend>& reference,
                                              const masked_lm<Scalar, Backend>& candidate,
                                              std::span<const std::string> texts, workspace& scratch,
                                              const text_options& options = {}, executor_ref threads = {}) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return compare_models(reference, candidate, std::span<const std::string_view>(views), scratch, options, threads);
}

/// The same for texts in braces. Throws: as above.
template <class ReferenceScalar, class ReferenceBackend, class Scalar, class Backend>
[[nodiscard]] model_comparison compare_models(const masked_lm<ReferenceScalar, ReferenceBackend>& reference,
                                              const masked_lm<Scalar, Backend>& candidate,
                                              std::initializer_list<std::string_view> texts, workspace& scratch,
                                              const text_options& options = {}, executor_ref threads = {}) {
  return compare_models(reference, candidate, std::span<const std::string_view>(texts.begin(), texts.size()), scratch,
                        options, threads);
}

}  // namespace ultrafastbert
