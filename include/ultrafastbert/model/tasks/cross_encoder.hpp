// SPDX-License-Identifier: MIT
//
// Reranking: a sequence classifier that reads a query and a document together and says how well they fit.
// Source: Nogueira & Cho, arXiv 1901.04085; the CrossEncoder of the sentence-transformers package.
// Layer: model.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/model/heads/labels.hpp"
#include "ultrafastbert/model/heads/top_k.hpp"
#include "ultrafastbert/model/loading/load_options.hpp"
#include "ultrafastbert/model/tasks/sequence_classifier.hpp"
#include "ultrafastbert/model/texts/text_options.hpp"

namespace ultrafastbert {

/// What a cross-encoder says about a pair.
struct pair_score {
  double raw = 0.0;      ///< the logit of the only label, or of the best of several
  double sigmoid = 0.0;  ///< of the only label; 0 where there are several
  /// All labels by falling logit. Their scores are a sigmoid where there is one label, a softmax where there are more.
  std::vector<label_score> labels{};
};

/// A document and how well it fits the query.
struct ranked_document {
  std::size_t index = 0;  ///< its number in the call
  double raw = 0.0;       ///< the logit
  double sigmoid = 0.0;   ///< of the logit, from 0 to 1
};

/// A sequence classifier for pairs. Immutable after loading: share one between any number of threads, and give each
/// thread its own workspace.
template <class Scalar = float, class Backend = default_backend<Scalar>>
class cross_encoder {
 public:
  using classifier_type = sequence_classifier<Scalar, Backend>;

  /// Loads a folder as `sequence_classifier::load` does. Throws: as there. Nothing is kept of a failed load.
  [[nodiscard]] static cross_encoder load(const std::filesystem::path& folder, const load_options& options = {}) {
    return cross_encoder(classifier_type::load(folder, options));
  }

  [[nodiscard]] const classifier_type& classifier() const noexcept { return classifier_; }  ///< the model itself
  [[nodiscard]] std::size_t bytes() const noexcept { return classifier_.bytes(); }  ///< memory held by the weights
  /// Scratch memory for this model's calls; it grows to the largest call and is then reused.
  [[nodiscard]] workspace make_workspace() const { return classifier_.make_workspace(); }

  /// The scores of pairs, spread over an executor's threads; result i belongs to pair i. Pairs that are too long lose
  /// tokens of the longer text unless the options say otherwise. Nothing is padded.
  /// Throws: as `sequence_classifier::classify`; pair i is called texts[i] in the message.
  [[nodiscard]] std::vector<pair_score> predict(std::span<const text_pair> pairs, workspace& scratch,
                                                const text_options& options = {}, executor_ref threads = {}) const {
    refuse_overflow(options);
    std::vector<pair_score> scores;
    for (auto& labels : classifier_.classify(pairs, scratch, cut(options), threads)) {
      scores.push_back(score(std::move(labels)));
    }
    return scores;
  }
  /// The same for pairs in braces, each in its own `text_pair{}`. Throws: as above.
  [[nodiscard]] std::vector<pair_score> predict(std::initializer_list<text_pair> pairs, workspace& scratch,
                                                const text_options& options = {}, executor_ref threads = {}) const {
    return predict(std::span<const text_pair>(pairs.begin(), pairs.size()), scratch, options, threads);
  }

  /// The same, where a pair that cannot be computed leaves its error and does no harm to the others.
  /// Throws: invalid_input (no tokenizer, contradicting options), what the executor throws, std::bad_alloc.
  [[nodiscard]] std::vector<text_outcome<pair_score>> try_predict(std::span<const text_pair> pairs, workspace& scratch,
                                                                  const text_options& options = {},
                                                                  executor_ref threads = {}) const {
    std::vector<text_outcome<pair_score>> outcomes;
    for (auto& each : classifier_.try_classify(pairs, scratch, cut(options), threads)) {
      text_outcome<pair_score> outcome{.problem = std::move(each.problem)};
      if (each.result) outcome.result = score(*std::move(each.result));
      outcomes.push_back(std::move(outcome));
    }
    return outcomes;
  }

  /// Documents by falling raw score; those with equal scores keep their order, and what is no number comes last.
  /// `top_k` of them, or all for 0.
  /// Throws: as `predict`; unsupported (the model has more than one label, so that there is no order).
  [[nodiscard]] std::vector<ranked_document> rank(std::string_view query, std::span<const std::string_view> documents,
                                                  workspace& scratch, std::size_t top_k = 0,
                                                  const text_options& options = {}, executor_ref threads = {}) const {
    if (classifier_.labels().size() != 1) {
      fail(error_code::unsupported, {.where = "rank",
                                     .expected = "a model with one label",
                                     .found = std::to_string(classifier_.labels().size()) + " labels",
                                     .reason = "predict gives the scores of all of them"});
    }
    refuse_overflow(options);
    std::vector<pair_score> scores;
    std::vector<double> raw;
    for (auto& labels : classifier_.classify_each(query, documents, scratch, cut(options), threads)) {
      raw.push_back(scores.emplace_back(score(std::move(labels))).raw);
    }
    std::vector<ranked_document> ranked;
    for (const scored_index& best : ultrafastbert::top_k<double>(raw, top_k == 0 ? raw.size() : top_k)) {
      ranked.push_back({.index = best.index, .raw = best.logit, .sigmoid = scores[best.index].sigmoid});
    }
    return ranked;
  }
  /// The same for strings that own their text. Throws: as above.
  [[nodiscard]] std::vector<ranked_document> rank(std::string_view query, std::span<const std::string> documents,
                                                  workspace& scratch, std::size_t top_k = 0,
                                                  const text_options& options = {}, executor_ref threads = {}) const {
    const std::vector<std::string_view> views(documents.begin(), documents.end());
    return rank(query, std::span<const std::string_view>(views), scratch, top_k, options, threads);
  }

 private:
  explicit cross_encoder(classifier_type classifier) : classifier_(std::move(classifier)) {}

  static void refuse_overflow(const text_options& options) {
    if (options.overflow) fail_input("overflow", "false, as each pair has one score", "true");
  }

  // Cut unless the caller says otherwise, and where the folder says, as far as the model takes as many tokens.
  text_options cut(const text_options& options) const {
    text_options how = models::cutting(options);
    const std::size_t most = classifier_.text_tokenizer().defaults().max_length;
    if (*how.truncation && how.max_length == 0) how.max_length = (std::min)(most, classifier_.max_sequence_length());
    return how;
  }

  // Whatever the configuration's problem_type is.
  static pair_score score(std::vector<label_score> labels) {
    pair_score out{.raw = labels.front().logit};
    if (labels.size() == 1) {
      out.sigmoid = 1.0 / (1.0 + std::exp(-out.raw));
      labels.front().score = out.sigmoid;
    } else {
      double sum = 0.0;
      for (const label_score& each : labels) sum += std::exp(each.logit - out.raw);
      for (label_score& each : labels) each.score = std::exp(each.logit - out.raw) / sum;
    }
    out.labels = std::move(labels);
    return out;
  }

  classifier_type classifier_;
};

UFB_COMPILED_CLASS(cross_encoder<float>);

}  // namespace ultrafastbert
