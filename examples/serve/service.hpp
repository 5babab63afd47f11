// SPDX-License-Identifier: MIT
//
// A model that answers requests: which endpoint it has, what its requests hold and what its answers look like. The
// texts of concurrent requests go through one batcher.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "../route_corpus.hpp"
#include "batcher.hpp"
#include "messages.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace serve {

namespace ufb = ultrafastbert;

/// Options that all texts of one call of a model share.
struct call_options {
  bool truncate = false;
  bool pairs = false;
  std::size_t top_k = 5;
  std::size_t dimensions = 0;
  std::string prompt_name{};

  bool operator==(const call_options&) const = default;
};

/// How a model is served.
struct service_options {
  batch_limits batches{};
  std::size_t most_texts = 256;  ///< of a request
  /// Bytes of the pairs that a request to rank makes, each with a copy of the query.
  std::size_t most_pair_bytes = std::size_t{16} << 20U;
  bool truncate = false;    ///< whether requests that do not say anything cut long texts
  std::size_t threads = 1;  ///< that compute a batch
};

/// What the server knows of a model.
class service {
 public:
  explicit service(std::string name) : name_(std::move(name)) {}
  virtual ~service() = default;
  service(const service&) = delete;
  service& operator=(const service&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }  ///< what requests call it
  [[nodiscard]] virtual std::string_view endpoint() const noexcept = 0;     ///< path, or empty for none of its own
  [[nodiscard]] virtual std::string describe() const = 0;                   ///< one line for people
  [[nodiscard]] virtual const ufb::tokenizer& reader() const = 0;           ///< its tokenizer
  [[nodiscard]] virtual batch_counts counts() const { return {}; }          ///< of its batcher
  [[nodiscard]] virtual bool has_routes() const noexcept { return false; }  ///< whether it has trees
  /// What its scores are: "probability", from 0 to 1, or "raw", any number; of embeddings how they are compared.
  [[nodiscard]] virtual std::string_view scores() const noexcept { return "probability"; }
  /// The answer to a request for its endpoint, as JSON. Throws: bad_request, what the batcher throws.
  [[nodiscard]] virtual std::string answer(const fields& request) = 0;
  /// A drawing of the trees of a layer and of the ways that a text's tokens take. Throws: bad_request.
  [[nodiscard]] virtual std::string draw_routes(const std::string& text, std::size_t layer) = 0;

 private:
  std::string name_;
};

/// What the library says of a text, as an answer to the request that holds it.
inline bad_request text_problem(const ufb::error& problem, const std::string& field) {
  std::string message = problem.reason();
  if (!problem.expected().empty()) message.append(message.empty() ? "" : ": ").append("expected " + problem.expected());
  if (!problem.found().empty()) message.append("; found ").append(problem.found());
  return {422, std::string(ufb::name(problem.code())), message, field};
}

// What each kind of model makes of texts. The pairs of a request for single texts have no second ones.

inline std::vector<std::string_view> first_texts(std::span<const ufb::text_pair> texts) {
  std::vector<std::string_view> views;
  for (const ufb::text_pair& text : texts) views.push_back(text.first);
  return views;
}

inline auto compute(const ufb::masked_lm<float>& model, const call_options& how, std::span<const ufb::text_pair> texts,
                    ufb::workspace& scratch, ufb::executor_ref threads) {
  return model.try_fill_mask(first_texts(texts), {.top_k = how.top_k, .texts = {.truncation = how.truncate}}, scratch,
                             threads);
}

template <class Classifier>
auto compute(const Classifier& model, const call_options& how, std::span<const ufb::text_pair> texts,
             ufb::workspace& scratch, ufb::executor_ref threads) {
  const ufb::text_options options{.truncation = how.truncate};
  if (how.pairs) return model.try_classify(texts, scratch, options, threads);
  const auto views = first_texts(texts);
  return model.try_classify(std::span<const std::string_view>(views), scratch, options, threads);
}

/// A vector, and the tokens that were computed for it, those of the prompt among them.
struct embedding {
  std::vector<float> vector{};
  std::size_t tokens = 0;
};

inline auto compute(const ufb::embedder<float>& model, const call_options& how, std::span<const ufb::text_pair> texts,
                    ufb::workspace& scratch, ufb::executor_ref threads) {
  ufb::text_report report;
  auto vectors = model.try_embed(first_texts(texts), scratch,
                                 {.prompt_name = how.prompt_name,
                                  .dimensions = how.dimensions,
                                  .texts = {.truncation = how.truncate, .report = &report}},
                                 threads);
  std::vector<ufb::text_outcome<embedding>> outcomes(vectors.size());
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    outcomes[i].problem = std::move(vectors[i].problem);
    if (vectors[i].result) outcomes[i].result = embedding{.vector = std::move(*vectors[i].result)};
  }
  for (std::size_t row = 0; row < report.texts.size(); ++row) {
    auto& result = outcomes[report.texts[row]].result;
    if (result) result->tokens = report.tokens[row];
  }
  return outcomes;
}

inline auto compute(const ufb::cross_encoder<float>& model, const call_options& how,
                    std::span<const ufb::text_pair> texts, ufb::workspace& scratch, ufb::executor_ref threads) {
  return model.try_predict(texts, scratch, {.truncation = how.truncate}, threads);
}

/// A model of some class, its threads and its queue.
template <class Model>
class model_service final : public service {
  using outcome = typename decltype(compute(std::declval<const Model&>(), {}, {}, std::declval<ufb::workspace&>(),
                                            std::declval<ufb::executor_ref>()))::value_type;

 public:
  model_service(std::string name, Model model, std::string description, const service_options& options)
      : service(std::move(name)),
        model_(std::move(model)),
        description_(std::move(description)),
        most_texts_(options.most_texts),
        most_pair_bytes_(options.most_pair_bytes),
        truncate_(options.truncate),
        threads_(options.threads),
        batches_(options.batches, [this](const call_options& how, std::vector<ufb::text_pair> texts) {
          return compute(model_, how, texts, scratch_, threads_);
        }) {}

  [[nodiscard]] std::string_view endpoint() const noexcept override {
    if constexpr (std::is_same_v<Model, ufb::masked_lm<float>>) return "/fill_mask";
    if constexpr (std::is_same_v<Model, ufb::sequence_classifier<float>>) return "/classify";
    if constexpr (std::is_same_v<Model, ufb::token_classifier<float>>) return "/entities";
    if constexpr (std::is_same_v<Model, ufb::embedder<float>>) return "/v1/embeddings";
    if constexpr (std::is_same_v<Model, ufb::cross_encoder<float>>) return "/rerank";
  }
  [[nodiscard]] std::string describe() const override { return description_; }
  [[nodiscard]] const ufb::tokenizer& reader() const override { return base().text_tokenizer(); }
  [[nodiscard]] batch_counts counts() const override { return batches_.counts(); }
  [[nodiscard]] bool has_routes() const noexcept override {
    return std::holds_alternative<ufb::fast_feedforward_shape>(base().stack().config().block.feedforward);
  }

  [[nodiscard]] std::string_view scores() const noexcept override {
    if constexpr (std::is_same_v<Model, ufb::sequence_classifier<float>>) {
      return model_.scoring() == ufb::score_function::none ? "raw" : "probability";
    }
    if constexpr (std::is_same_v<Model, ufb::cross_encoder<float>>) {
      return model_.classifier().labels().size() == 1 ? "probability" : "raw";
    }
    if constexpr (std::is_same_v<Model, ufb::embedder<float>>) return model_.similarity();
    return service::scores();
  }

  [[nodiscard]] std::string answer(const fields& request) override { return as_text(answer_as(model_, request)); }

  [[nodiscard]] std::string draw_routes(const std::string& text, std::size_t layer) override {
    if (!has_routes()) throw bad_request(422, "unsupported", "the model has dense layers; only trees have routes");
    examples::route_corpus corpus(base().stack().config(), 4);
    if (layer >= corpus.layers()) {
      throw bad_request(422, "bad_value", "expected a layer below " + std::to_string(corpus.layers()), "layer");
    }
    const std::lock_guard lock(drawing_);
    try {
      corpus.add(examples::trace_text(base(), text, {.truncation = true}, drawing_scratch_));
    } catch (const ufb::error& problem) {
      throw text_problem(problem, "input");
    }
    std::ostringstream out;
    corpus.draw(out, layer);
    return out.str();
  }

 private:
  [[nodiscard]] const auto& base() const {
    if constexpr (std::is_same_v<Model, ufb::cross_encoder<float>>) {
      return model_.classifier();
    } else {
      return model_;
    }
  }

  static std::string as_text(std::string text) { return text; }
  static std::string as_text(const ordered_json& json) { return to_text(json); }

  [[nodiscard]] bool truncates(const fields& request) const { return request.flag("truncate", truncate_); }

  // The results for a request's texts, none of which may be bad.
  auto results(const call_options& how, std::vector<ufb::text_pair> texts, const std::string& field) {
    auto outcomes = batches_(how, std::move(texts));
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].problem) throw text_problem(*outcomes[i].problem, field + '[' + std::to_string(i) + ']');
    }
    return outcomes;
  }

  // Each mask gets as many candidates as the request wants. Throws: bad_request.
  void refuse_many_masks(const std::vector<ufb::text_pair>& texts, std::size_t top_k) const {
    constexpr std::size_t most = 65'536;
    const auto mask = reader().special_token(ufb::special_role::mask);
    std::size_t masks = 0;
    for (const ufb::text_pair& text : texts) {
      for (std::size_t at = 0; mask && (at = text.first.find(*mask, at)) != std::string::npos; at += mask->size())
        ++masks;
    }
    if (masks <= most / top_k) return;
    throw bad_request(422, "too_many_candidates",
                      "expected at most " + std::to_string(most) + " candidates in all, found " +
                          std::to_string(masks) + " masks with " + std::to_string(top_k) + " each",
                      "top_k");
  }

  ordered_json answer_as(const ufb::masked_lm<float>& /*model*/, const fields& request) {
    request.allow({"model", "input", "top_k", "truncate"});
    auto texts = request.texts("input", most_texts_);
    const call_options how{.truncate = truncates(request), .top_k = request.number("top_k", 5, 1, 1000)};
    refuse_many_masks(texts, how.top_k);
    ordered_json all = ordered_json::array();
    for (const auto& each : results(how, std::move(texts), "input")) {
      ordered_json masks = ordered_json::array();
      for (const ufb::mask_candidate& candidate : *each.result) {
        if (masks.empty() || masks.back()["position"] != candidate.position) {
          masks.push_back({{"position", candidate.position}, {"candidates", ordered_json::array()}});
        }
        masks.back()["candidates"].push_back({{"token", candidate.token},
                                              {"id", candidate.id},
                                              {"probability", candidate.probability},
                                              {"logit", candidate.logit}});
      }
      all.push_back({{"masks", std::move(masks)}});
    }
    return {{"model", name()}, {"results", std::move(all)}};
  }

  static ordered_json to_json(const std::vector<ufb::label_score>& labels, std::size_t most) {
    ordered_json scores = ordered_json::array();
    for (const auto& each : labels) {
      if (scores.size() == most) break;
      scores.push_back({{"label", each.label}, {"score", each.score}});
    }
    return {{"label", labels.front().label}, {"score", labels.front().score}, {"scores", std::move(scores)}};
  }

  ordered_json answer_as(const ufb::sequence_classifier<float>& /*model*/, const fields& request) {
    request.allow({"model", "input", "top_k", "truncate"});
    auto texts = request.texts("input", most_texts_, true);
    call_options how{.truncate = truncates(request)};
    const std::size_t most = request.number("top_k", 1000, 1, 1000);
    how.pairs = has_pairs(request);
    ordered_json all = ordered_json::array();
    for (const auto& each : results(how, std::move(texts), "input")) all.push_back(to_json(*each.result, most));
    return {{"model", name()}, {"results", std::move(all)}};
  }

  static bool has_pairs(const fields& request) {
    const std::optional<bool> pairs = request.all_pairs("input");
    if (!pairs) throw bad_request(422, "bad_value", "expected either texts or pairs of texts, not both", "input");
    return *pairs;
  }

  ordered_json answer_as(const ufb::token_classifier<float>& model, const fields& request) {
    request.allow({"model", "input", "aggregation", "truncate"});
    const auto texts = request.texts("input", most_texts_);
    ufb::entity_options wanted;
    try {
      wanted.aggregation = ufb::find_entity_aggregation(request.text("aggregation", "simple"));
    } catch (const ufb::error& problem) {
      throw text_problem(problem, "aggregation");
    }
    const auto labeled = results({.truncate = truncates(request)}, texts, "input");
    ordered_json all = ordered_json::array();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ordered_json entities = ordered_json::array();
      for (const auto& entity :
           ufb::find_entities(reader(), texts[i].first, *labeled[i].result, model.labels(), wanted)) {
        entities.push_back({{"entity", entity.label},
                            {"score", entity.score},
                            {"word", entity.word},
                            {"start", entity.offsets.begin},
                            {"end", entity.offsets.end}});
      }
      all.push_back({{"entities", std::move(entities)}});
    }
    return {{"model", name()}, {"results", std::move(all)}};
  }

  std::string answer_as(const ufb::embedder<float>& model, const fields& request) {
    request.allow({"model", "input", "encoding_format", "dimensions", "user", "prompt_name", "truncate"});
    auto texts = request.texts("input", most_texts_);
    const std::string format = request.text("encoding_format", "float");
    if (format != "float" && format != "base64") {
      throw bad_request(422, "bad_value", "expected float or base64", "encoding_format");
    }
    const call_options how{.truncate = truncates(request),
                           .dimensions = request.number("dimensions", 0, 1, model.dimensions()),
                           .prompt_name = request.text("prompt_name", {})};
    std::vector<outcome> vectors;
    try {
      vectors = results(how, std::move(texts), "input");
    } catch (const ufb::error& problem) {
      throw text_problem(problem, problem.where());  // no such prompt
    }
    // Written at once: a tree of all numbers would take many times their memory.
    std::string text = R"({"object":"list","data":[)";
    std::size_t tokens = 0;
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      const std::vector<float>& vector = vectors[i].result->vector;
      text.append(i == 0 ? "" : ",").append(R"({"object":"embedding","index":)").append(std::to_string(i));
      text.append(R"(,"embedding":)");
      if (format == "float") {
        append_numbers(text, vector);
      } else {
        // Clients read little-endian float32, as it lies in memory here.
        text.append("\"");
        text.append(base64({reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)})).append("\"");
      }
      text.append("}");
      tokens += vectors[i].result->tokens;
    }
    text.append(R"(],"model":)").append(to_text(name()));
    const std::string count = std::to_string(tokens);
    return text.append(R"(,"usage":{"prompt_tokens":)").append(count).append(R"(,"total_tokens":)").append(count) +
           "}}";
  }

  ordered_json answer_as(const ufb::cross_encoder<float>& /*model*/, const fields& request) {
    request.allow({"model", "query", "documents", "top_n", "return_documents", "truncate"});
    const auto query = request.texts("query", 1);
    std::vector<ufb::text_pair> pairs = request.texts("documents", most_texts_);
    const std::size_t most = request.number("top_n", pairs.size(), 1, most_texts_);
    const bool with_text = request.flag("return_documents", false);
    std::vector<std::string> documents;
    std::size_t bytes = 0;
    for (ufb::text_pair& pair : pairs) {
      bytes += query.front().first.size() + pair.first.size();
      if (with_text) documents.push_back(pair.first);
    }
    if (bytes > most_pair_bytes_) {
      throw bad_request(422, "too_large",
                        "expected pairs of the query and a document of at most " + std::to_string(most_pair_bytes_) +
                            " bytes together, found " + std::to_string(bytes),
                        "query");
    }
    for (ufb::text_pair& pair : pairs) pair = {.first = query.front().first, .second = std::move(pair.first)};
    const auto scores = results({.truncate = truncates(request)}, std::move(pairs), "documents");
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return scores[a].result->raw > scores[b].result->raw; });
    ordered_json all = ordered_json::array();
    for (const std::size_t i : order) {
      if (all.size() == most) break;
      const ufb::pair_score& score = *scores[i].result;
      ordered_json one{{"index", i}, {"relevance_score", score.labels.size() == 1 ? score.sigmoid : score.raw}};
      if (with_text) one["document"] = {{"text", documents[i]}};
      all.push_back(std::move(one));
    }
    return {{"model", name()}, {"results", std::move(all)}};
  }

  Model model_;
  std::string description_;
  std::size_t most_texts_;
  std::size_t most_pair_bytes_;
  bool truncate_;
  ufb::thread_pool threads_;
  ufb::workspace scratch_{};  // of the batcher's thread
  std::mutex drawing_{};
  ufb::workspace drawing_scratch_{};
  batcher<call_options, ufb::text_pair, outcome> batches_;  // last: its thread uses all of the above
};

}  // namespace serve
