// SPDX-License-Identifier: MIT
//
// What every classifier has: labels, and calls with a text, a pair of texts, or many of either.
// Layer: model.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/model/text_model.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert {

/// The base of the classifiers: what a `Result` is, and how texts get theirs, is the matter of `Derived`. Its
///   void classify_pass(const packed_texts& pass, std::vector<Result>& results, workspace& scratch, executor_ref
///   threads) const
/// computes the texts of a pass and appends the result of each, in their order. Immutable after loading: share one
/// between any number of threads, and give each thread its own workspace.
template <class Derived, class Result, class Scalar, class Backend>
class text_classifier : public text_model<Scalar, Backend> {
  using base = text_model<Scalar, Backend>;

 public:
  using base::tokenizer;

  [[nodiscard]] std::span<const std::string> labels() const noexcept { return labels_; }  ///< by class

  /// What the classifier makes of a text, spread over an executor's threads. Nothing is padded.
  /// Throws: invalid_input (no tokenizer, no tokens, more tokens than the model has positions), missing_token (a
  ///   word that is unknown, and no unknown token), std::bad_alloc, what the executor throws.
  [[nodiscard]] Result classify(std::string_view text, workspace& scratch, executor_ref threads = {}) const {
    const auto encode = [&](std::size_t) { return tokenizer().encode(text); };
    return std::move(classify_all(1, encode, scratch, threads).front());
  }

  /// The same for two texts that are read together. Throws: as above.
  [[nodiscard]] Result classify(std::string_view first, std::string_view second, workspace& scratch,
                                executor_ref threads = {}) const {
    const auto encode = [&](std::size_t) { return tokenizer().encode(first, second); };
    return std::move(classify_all(1, encode, scratch, threads).front());
  }

  /// The same for several texts at once; result i belongs to text i. Throws: as above; the message names the text.
  [[nodiscard]] std::vector<Result> classify(std::span<const std::string> texts, workspace& scratch,
                                             executor_ref threads = {}) const {
    const auto encode = [&](std::size_t i) { return tokenizer().encode(texts[i]); };
    return classify_all(texts.size(), encode, scratch, threads);
  }

  /// The same for several pairs at once; result i belongs to pair i. Throws: as above; the message names the pair.
  [[nodiscard]] std::vector<Result> classify(std::span<const text_pair> pairs, workspace& scratch,
                                             executor_ref threads = {}) const {
    const auto encode = [&](std::size_t i) { return tokenizer().encode(pairs[i].first, pairs[i].second); };
    return classify_all(pairs.size(), encode, scratch, threads);
  }

 protected:
  text_classifier(typename base::encoder_type encoder, std::optional<ultrafastbert::tokenizer> text,
                  std::vector<std::string> labels)
      : base(std::move(encoder), std::move(text)), labels_(std::move(labels)) {}

 private:
  template <class Encode>
  std::vector<Result> classify_all(std::size_t count, const Encode& encode, workspace& scratch,
                                   executor_ref threads) const {
    std::vector<Result> results;
    results.reserve(count);
    const auto wanted = [](std::size_t i, const encoding& text) {
      if (text.size() == 0) base::fail_text(i, "at least one token", "none");
      return true;
    };
    this->for_each_pass(count, encode, wanted, [&](const typename base::packed_texts& pass) {
      static_cast<const Derived&>(*this).classify_pass(pass, results, scratch, threads);
    });
    return results;
  }

  std::vector<std::string> labels_;
};

}  // namespace ultrafastbert
