// SPDX-License-Identifier: MIT
//
// What every classifier has: labels, and calls with a text, a pair of texts, or many of either.
// Layer: model.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/model/texts/packed_texts.hpp"
#include "ultrafastbert/model/texts/text_model.hpp"
#include "ultrafastbert/model/texts/text_options.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"

namespace ultrafastbert {

/// The base of the classifiers: what a `Result` is, and how texts get theirs, is the matter of `Derived`. Its
///   void classify_pass(const packed_texts& pass, std::vector<Result>& results, workspace& scratch, executor_ref
///   threads) const
/// computes the rows of a pass and appends the result of each, in their order. Immutable after loading: share one
/// between any number of threads, and give each thread its own workspace.
template <class Derived, class Result, class Scalar, class Backend>
class text_classifier : public text_model<Scalar, Backend> {
  using base = text_model<Scalar, Backend>;

 public:
  using base::text_tokenizer;

  /// Assigning a classifier to itself changes nothing.
  text_classifier(text_classifier&& other) noexcept = default;
  text_classifier& operator=(text_classifier&& other) noexcept {
    if (this != &other) {  // a vector that is moved onto itself would be empty
      base::operator=(std::move(other));
      labels_ = std::move(other.labels_);
    }
    return *this;
  }
  text_classifier(const text_classifier&) = delete;
  text_classifier& operator=(const text_classifier&) = delete;

  [[nodiscard]] std::span<const std::string> labels() const noexcept { return labels_; }  ///< by class

  /// What the classifier makes of a text, spread over an executor's threads. Nothing is padded.
  /// Throws: invalid_input (no tokenizer, no tokens, more tokens than the model takes and no truncation, overflow,
  ///   which a single text cannot have), missing_token (a word that is unknown, and no unknown token), bad_vocabulary
  ///   (a word without a row in the word matrix), limit_exceeded (too many scores in the results), what the executor
  ///   throws, std::bad_alloc.
  [[nodiscard]] Result classify(std::string_view text, workspace& scratch, const text_options& options = {},
                                executor_ref threads = {}) const;

  /// The same for two texts that are read together. Throws: as above.
  [[nodiscard]] Result classify(std::string_view first, std::string_view second, workspace& scratch,
                                const text_options& options = {}, executor_ref threads = {}) const;

  /// The same for several texts at once; result i belongs to text i, or with overflow to the text that the report
  /// names.
  /// Throws: as above; the message names the text.
  [[nodiscard]] std::vector<Result> classify(std::span<const std::string_view> texts, workspace& scratch,
                                             const text_options& options = {}, executor_ref threads = {}) const;
  /// The same for strings that own their text. Throws: as above.
  [[nodiscard]] std::vector<Result> classify(std::span<const std::string> texts, workspace& scratch,
                                             const text_options& options = {}, executor_ref threads = {}) const;
  /// The same for texts in braces. Throws: as above.
  [[nodiscard]] std::vector<Result> classify(std::initializer_list<std::string_view> texts, workspace& scratch,
                                             const text_options& options = {}, executor_ref threads = {}) const;
  /// The same for pairs. Throws: as above; the message names the pair.
  [[nodiscard]] std::vector<Result> classify(std::span<const text_pair> pairs, workspace& scratch,
                                             const text_options& options = {}, executor_ref threads = {}) const;

  /// The same for pairs, each in its own `text_pair{}`. Throws: as above; the message names the pair.
  [[nodiscard]] std::vector<Result> classify(std::initializer_list<text_pair> pairs, workspace& scratch,
                                             const text_options& options = {}, executor_ref threads = {}) const;

  /// The same for one text and each of several others, which it is read with: result i is that of the pair of `first`
  /// and seconds[i]. Throws: as above; the message names the number of the pair.
  [[nodiscard]] std::vector<Result> classify_each(std::string_view first, std::span<const std::string_view> seconds,
                                                  workspace& scratch, const text_options& options = {},
                                                  executor_ref threads = {}) const;

  /// The same for texts, where one that cannot be computed leaves its error and does no harm to the others.
  /// Throws: invalid_input (no tokenizer, contradicting options, overflow), limit_exceeded (too many scores in the
  ///   results), what the executor throws, std::bad_alloc.
  [[nodiscard]] std::vector<text_outcome<Result>> try_classify(std::span<const std::string_view> texts,
                                                               workspace& scratch, const text_options& options = {},
                                                               executor_ref threads = {}) const;
  /// The same for strings that own their text. Throws: as above.
  [[nodiscard]] std::vector<text_outcome<Result>> try_classify(std::span<const std::string> texts, workspace& scratch,
                                                               const text_options& options = {},
                                                               executor_ref threads = {}) const;
  /// The same for pairs. Throws: as above.
  [[nodiscard]] std::vector<text_outcome<Result>> try_classify(std::span<const text_pair> pairs, workspace& scratch,
                                                               const text_options& options = {},
                                                               executor_ref threads = {}) const;

 protected:
  ~text_classifier() = default;
  text_classifier(model_loader& loader, std::vector<std::string> labels) : base(loader), labels_(std::move(labels)) {}

  /// Called before each pass with the rows and the tokens of a call so far: a class whose results grow with its labels
  /// has one of its own, which refuses more than memory is for.
  void check_results(std::size_t /*rows*/, std::size_t /*tokens*/) const {}

 private:
  template <class Text>
  [[nodiscard]] auto encode_texts(std::span<const Text> texts) const {
    return [&reader = text_tokenizer(), texts](std::size_t i, const encode_options& how) {
      return reader.encode(texts[i], how);
    };
  }
  [[nodiscard]] auto encode_pairs(std::span<const text_pair> pairs) const {
    return [&reader = text_tokenizer(), pairs](std::size_t i, const encode_options& how) {
      return reader.encode(pairs[i].first, pairs[i].second, how);
    };
  }

  static void refuse_overflow(const text_options& options) {
    if (options.overflow) fail_input("overflow", "false for calls with one result for each text", "true");
  }

  template <class Encode>
  Result one(const text_options& options, workspace& scratch, executor_ref threads, const Encode& encode) const {
    refuse_overflow(options);
    return std::move(all(1, options, scratch, threads, encode).front());
  }

  template <class Encode>
  std::vector<Result> all(std::size_t count, const text_options& options, workspace& scratch, executor_ref threads,
                          const Encode& encode, std::span<std::optional<error>> problems = {}) const {
    std::vector<Result> results;
    results.reserve(count);
    std::size_t rows = 0;
    std::size_t tokens = 0;
    this->for_each_pass(
        count, options, encode,
        [&](const packed_texts& pass) {
          rows += pass.size();
          tokens += pass.ids.size();
          static_cast<const Derived&>(*this).check_results(rows, tokens);
          static_cast<const Derived&>(*this).classify_pass(pass, results, scratch, threads);
        },
        problems);
    return results;
  }

  template <class Encode>
  std::vector<text_outcome<Result>> outcomes(std::size_t count, const text_options& options, workspace& scratch,
                                             executor_ref threads, const Encode& encode) const {
    refuse_overflow(options);
    std::vector<std::optional<error>> problems(count);
    std::vector<Result> results = all(count, options, scratch, threads, encode, problems);
    std::vector<text_outcome<Result>> out(count);
    std::size_t next = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (problems[i]) {
        out[i].problem = std::move(problems[i]);
      } else {
        out[i].result = std::move(results[next++]);
      }
    }
    return out;
  }

  std::vector<std::string> labels_;
};

template <class Derived, class Result, class Scalar, class Backend>
auto text_classifier<Derived, Result, Scalar, Backend>::classify(std::string_view text, workspace& scratch,
                                                                 const text_options& options,
                                                                 executor_ref threads) const -> Result {
  return one(options, scratch, threads, encode_texts(std::span<const std::string_view>(&text, 1)));
}

template <class Derived, class Result, class Scalar, class Backend>
auto text_classifier<Derived, Result, Scalar, Backend>::classify(std::string_view first, std::string_view second,
                                                                 workspace& scratch, const text_options& options,
                                                                 executor_ref threads) const -> Result {
  return one(options, scratch, threads, [&, &reader = text_tokenizer()](std::size_t, const encode_options& how) {
    return reader.encode(first, second, how);
  });
}

template <class Derived, class Result, class Scalar, class Backend>
auto text_classifier<Derived, Result, Scalar, Backend>::classify(std::span<const std::string_view> texts,
                                                                 workspace& scratch, const text_options& options,
                                                                 executor_ref threads) const -> std::vector<Result> {
  return all(texts.size(), options, scratch, threads, encode_texts(texts));
}

template <class Derived, class Result, class Scalar, class Backend>
auto text_classifier<Derived, Result, Scalar, Backend>::classify(std::span<const std::string> texts, workspace& scratch,
                                                                 const text_options& options,
                                                                 executor_ref threads) const -> std::vector<Result> {
  return all(texts.size(), options, scratch, threads, encode_texts(texts));
}

template <class Derived, class Result, class Scalar, class Backend>
auto text_classifier<Derived, Result, Scalar, Backend>::classify(std::initializer_list<std::string_view> texts,
                                                                 workspace& scratch, const text_options& options,
                                                                 executor_ref threads) const -> std::vector<Result> {
  const std::span<const std::string_view> views(texts.begin(), texts.size());
  return all(views.size(), options, scratch, threads, encode_texts(views));
}

template <class Derived, class Result, class Scalar, class Backend>
auto text_classifier<Derived, Result, Scalar, Backend>::classify(std::span<const text_pair> pairs, workspace& scratch,
                                                                 const text_options& options,
                                                                 executor_ref threads) const -> std::vector<Result> {
  return all(pairs.size(), options, scratch, threads, encode_pairs(pairs));
}

template <class Derived, class Result, class Scalar, class Backend>
auto text_classifier<Derived, Result, Scalar, Backend>::classify(std::initializer_list<text_pair> pairs,
                                                                 workspace& scratch, const text_options& options,
                                                                 executor_ref threads) const -> std::vector<Result> {
  return classify(std::span<const text_pair>(pairs.begin(), pairs.size()), scratch, options, threads);
}

template <class Derived, class Result, class Scalar, class Backend>
auto text_classifier<Derived, Result, Scalar, Backend>::classify_each(std::string_view first,
                                                                      std::span<const std::string_view> seconds,
                                                                      workspace& scratch, const text_options& options,
                                                                      executor_ref threads) const
    -> std::vector<Result> {
  const tokenizer& reader = text_tokenizer();
  const auto tokens = reader.tokenize(first);  // once, however many others there are
  return all(seconds.size(), options, scratch, threads,
             [&](std::size_t i, const encode_options& how) { return reader.encode(tokens, seconds[i], how); });
}

template <class Derived, class Result, class Scalar, class Backend>
auto text_classifier<Derived, Result, Scalar, Backend>::try_classify(std::span<const std::string_view> texts,
                                                                     workspace& scratch, const text_options& options,
                                                                     executor_ref threads) const
    -> std::vector<text_outcome<Result>> {
  return outcomes(texts.size(), options, scratch, threads, encode_texts(texts));
}

template <class Derived, class Result, class Scalar, class Backend>
auto text_classifier<Derived, Result, Scalar, Backend>::try_classify(std::span<const std::string> texts,
                                                                     workspace& scratch, const text_options& options,
                                                                     executor_ref threads) const
    -> std::vector<text_outcome<Result>> {
  return outcomes(texts.size(), options, scratch, threads, encode_texts(texts));
}

template <class Derived, class Result, class Scalar, class Backend>
auto text_classifier<Derived, Result, Scalar, Backend>::try_classify(std::span<const text_pair> pairs,
                                                                     workspace& scratch, const text_options& options,
                                                                     executor_ref threads) const
    -> std::vector<text_outcome<Result>> {
  return outcomes(pairs.size(), options, scratch, threads, encode_pairs(pairs));
}

}  // namespace ultrafastbert
