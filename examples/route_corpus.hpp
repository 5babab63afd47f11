// SPDX-License-Identifier: MIT
//
// Which ways the tokens of texts take through the trees of a model, and which words share a leaf.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lists.hpp"
#include "tree_drawing.hpp"
#include "ultrafastbert/cmm/route_usage.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/model/texts/text_model.hpp"

namespace examples {

/// What one text's tokens did.
struct traced_text {
  std::vector<std::string> tokens{};
  ultrafastbert::encoder_trace<float> trace{};
};

/// Runs one text through a model and notes the ways of its tokens. Throws: what `Model::for_each_pass` throws.
template <class Model>
traced_text trace_text(const Model& model, std::string_view text, const ultrafastbert::text_options& options,
                       ultrafastbert::workspace& scratch, ultrafastbert::executor_ref threads = {}) {
  traced_text traced;
  traced.trace.margins = true;
  model.for_each_pass(
      1, options,
      [&](std::size_t, const ultrafastbert::encode_options& how) { return model.text_tokenizer().encode(text, how); },
      [&](ultrafastbert::packed_texts& pass) {
        ultrafastbert::matrix<float> states({pass.ids.size(), model.hidden_size()});
        model.encode_packed(pass, states.view(), scratch, threads, &traced.trace);
        traced.tokens = std::move(pass.encodings.front().tokens);
      });
  return traced;
}

/// What a corpus did in one layer: visits, and how often each token reached each leaf.
struct layer_summary {
  explicit layer_summary(const ultrafastbert::fast_feedforward_shape& shape)
      : usage(shape.depth, shape.trees()), words(shape.trees()) {}

  ultrafastbert::route_usage usage;
  std::vector<std::map<std::size_t, std::map<std::string, std::uint64_t>>> words;  // by tree and leaf
};

/// What the tokens of several texts did in every layer.
class route_corpus {
 public:
  /// `most_words`: tokens that are named of each leaf, the most frequent ones. Throws: std::runtime_error (the model
  /// has no trees).
  route_corpus(const ultrafastbert::encoder_config& model, std::size_t most_words) : most_words_(most_words) {
    const auto* fast = std::get_if<ultrafastbert::fast_feedforward_shape>(&model.block.feedforward);
    if (fast == nullptr) {
      throw std::runtime_error("the model has dense feedforward layers; only fast feedforward layers have routes");
    }
    shape_ = *fast;
    layers_.assign(model.layers, layer_summary(shape_));
  }

  [[nodiscard]] std::size_t layers() const { return layers_.size(); }
  [[nodiscard]] std::size_t trees() const { return shape_.trees(); }
  [[nodiscard]] std::size_t levels() const { return ultrafastbert::cmm::tree::levels(shape_.depth); }
  [[nodiscard]] std::size_t leaf(const ultrafastbert::matrix<std::int32_t>& paths, std::size_t token,
                                 std::size_t p) const {
    return ultrafastbert::cmm::tree::leaf_index(static_cast<std::size_t>(paths(token, p * levels() + shape_.depth)),
                                                shape_.depth);
  }

  /// Counts the tokens of one more text.
  void add(const traced_text& text) {
    ++texts_;
    tokens_ += text.tokens.size();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const auto& record = text.trace.layers[i];
      layers_[i].usage.add(record.paths.view(), record.second_looks.view());
      for (std::size_t p = 0; p < trees(); ++p) {
        for (std::size_t t = 0; t < text.tokens.size(); ++t) {
          ++layers_[i].words[p][leaf(record.paths, t, p)][text.tokens[t]];
        }
      }
    }
  }

  /// The most frequent tokens of a leaf, the first of the alphabet first among equals.
  [[nodiscard]] std::vector<std::string> words(std::size_t layer, std::size_t p, std::size_t leaf) const {
    const auto& counts = layers_[layer].words[p].at(leaf);
    std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    std::vector<std::string> out;
    for (std::size_t i = 0; i < std::min(sorted.size(), most_words_); ++i) out.push_back(sorted[i].first);
    return out;
  }

  /// The summary of routes --json.
  [[nodiscard]] nlohmann::ordered_json summary(bool certified) const {
    nlohmann::ordered_json layers = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const auto& usage = layers_[i].usage;
      nlohmann::ordered_json layer{{"trees", nlohmann::ordered_json::array()}};
      if (certified) layer["second_look_share"] = usage.second_look_share();
      for (std::size_t p = 0; p < trees(); ++p) {
        const auto counts = usage.leaf_visits(p);
        nlohmann::ordered_json words_of_leaves = nlohmann::ordered_json::array();
        for (const auto& [leaf, counted] : layers_[i].words[p]) {
          words_of_leaves.push_back({{"leaf", leaf}, {"tokens", words(i, p, leaf)}});
        }
        layer["trees"].push_back({{"leaves", std::vector<std::uint64_t>(counts.begin(), counts.end())},
                                  {"used_leaves", usage.used_leaves(p)},
                                  {"entropy_bits", usage.leaf_entropy(p)},
                                  {"words", std::move(words_of_leaves)}});
      }
      layers.push_back(std::move(layer));
    }
    return {{"summary", {{"texts", texts_}, {"tokens", tokens_}, {"layers", std::move(layers)}}}};
  }

  /// The words of each leaf as lines of text.
  void print(std::ostream& out, bool certified) const {
    out << texts_ << (texts_ == 1 ? " text, " : " texts, ") << tokens_ << " tokens\n";
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      for (std::size_t p = 0; p < trees(); ++p) {
        out << title(i, p) << '\n';
        for (const auto& [leaf, counted] : layers_[i].words[p]) {
          out << "  leaf " << leaf << '\t' << join(words(i, p, leaf), " ")
              << (counted.size() > most_words_ ? " ..." : "") << '\n';
        }
      }
      if (!certified) continue;
      out << "layer " << i << ": " << std::fixed << std::setprecision(2) << 100 * layers_[i].usage.second_look_share()
          << " % of the decisions looked at twice\n";
    }
    out << std::flush;
  }

  /// Draws the trees of all layers, or of one.
  void draw(std::ostream& out, std::optional<std::size_t> only = {}) const {
    std::vector<drawn_tree> trees_drawn;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (only && *only != i) continue;
      for (std::size_t p = 0; p < trees(); ++p) {
        const auto visits = layers_[i].usage.visits(p);
        drawn_tree drawn{.title = title(i, p),
                         .depth = shape_.depth,
                         .visits = {visits.begin(), visits.end()},
                         .leaf_words = std::vector<std::string>(ultrafastbert::cmm::tree::leaf_count(shape_.depth))};
        for (const auto& [leaf, counted] : layers_[i].words[p]) {
          drawn.leaf_words[leaf] = join(words(i, p, leaf), " ");
        }
        trees_drawn.push_back(std::move(drawn));
      }
    }
    tree_drawing(trees_drawn).write(out);
  }

 private:
  [[nodiscard]] std::string title(std::size_t layer, std::size_t p) const {
    const auto& usage = layers_[layer].usage;
    std::ostringstream text;
    text << "layer " << layer << ", tree " << p << ": " << usage.used_leaves(p) << " of "
         << ultrafastbert::cmm::tree::leaf_count(shape_.depth) << " leaves, entropy " << std::fixed
         << std::setprecision(2) << usage.leaf_entropy(p) << " of " << shape_.depth << " bits";
    return text.str();
  }

  std::size_t most_words_;
  ultrafastbert::fast_feedforward_shape shape_{};
  std::vector<layer_summary> layers_{};
  std::size_t texts_ = 0;
  std::size_t tokens_ = 0;
};

}  // namespace examples
