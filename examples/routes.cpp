// SPDX-License-Identifier: MIT
//
// Shows which ways tokens take through the trees of a model with fast feedforward layers, for texts on the command line
// or line by line on standard input, and which words share a leaf:
//   routes --model examples/models/tiny-mlm --svg trees.svg "The cat sat on the mat." "A dog lay on the sofa."
// With --json there is one line for each text,
//   {"text", "tokens": [...], "layers": [{"trees": [{"paths": [[0, 2, 5], ...], "leaf": [2, ...], "margins": [[...],
//   ...], "second_looks": [[...], ...]}]}]},
// where paths are node numbers from the root (0; the children of k are 2k + 1 and 2k + 2), leaf counts the leaves from
// the left, and a margin above 0 leads to the right; each has one entry per token. second_looks is there for certified
// storage alone: 1 where a decision was taken from the float32 weights. The last line is
//   {"summary": {"texts", "tokens", "layers": [{"trees": [{"leaves": [...], "used_leaves", "entropy_bits",
//   "words": [{"leaf", "tokens": [...]}]}]}]}},
// where leaves counts how many tokens reached each leaf, and words lists the most frequent tokens of each used leaf.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lists.hpp"
#include "program.hpp"
#include "storages.hpp"
#include "streaming.hpp"
#include "texts.hpp"
#include "tree_drawing.hpp"
#include "truncation.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;
namespace tree = ultrafastbert::cmm::tree;
using nlohmann::ordered_json;
using model_type = ufb::encoder_model<float>;

struct options {
  std::string model{};
  std::vector<std::string> texts{};
  std::string storage = "f32";
  std::string svg{};
  std::size_t words = 6;
  bool json = false;
  bool skip_bad = false;
  std::size_t threads = 1;
  examples::truncation truncation{};
};

/// What one text's tokens did.
struct traced_text {
  std::vector<std::string> tokens{};
  ufb::encoder_trace<float> trace{};
};

/// What a corpus did in one layer: visits, and how often each token reached each leaf.
struct layer_summary {
  explicit layer_summary(const ufb::fast_feedforward_shape& shape)
      : usage(shape.depth, shape.trees()), words(shape.trees()) {}

  ufb::route_usage usage;
  std::vector<std::map<std::size_t, std::map<std::string, std::uint64_t>>> words;  // by tree and leaf
};

class corpus {
 public:
  corpus(const model_type& model, std::size_t most_words) : most_words_(most_words) {
    const auto* fast = std::get_if<ufb::fast_feedforward_shape>(&model.stack().config().block.feedforward);
    if (fast == nullptr) {
      throw std::runtime_error("the model has dense feedforward layers; only fast feedforward layers have routes");
    }
    shape_ = *fast;
    layers_.assign(model.stack().config().layers, layer_summary(shape_));
  }

  [[nodiscard]] std::size_t trees() const { return shape_.trees(); }
  [[nodiscard]] std::size_t levels() const { return tree::levels(shape_.depth); }
  [[nodiscard]] std::size_t leaf(const ufb::matrix<std::int32_t>& paths, std::size_t token, std::size_t p) const {
    return tree::leaf_index(static_cast<std::size_t>(paths(token, p * levels() + shape_.depth)), shape_.depth);
  }

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

  // The most frequent tokens of a leaf, the first of the alphabet first among equals.
  [[nodiscard]] std::vector<std::string> words(std::size_t layer, std::size_t p, std::size_t leaf) const {
    const auto& counts = layers_[layer].words[p].at(leaf);
    std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    std::vector<std::string> out;
    for (std::size_t i = 0; i < std::min(sorted.size(), most_words_); ++i) out.push_back(sorted[i].first);
    return out;
  }

  [[nodiscard]] ordered_json summary(bool certified) const {
    ordered_json layers = ordered_json::array();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const auto& usage = layers_[i].usage;
      ordered_json layer{{"trees", ordered_json::array()}};
      if (certified) layer["second_look_share"] = usage.second_look_share();
      for (std::size_t p = 0; p < trees(); ++p) {
        const auto counts = usage.leaf_visits(p);
        ordered_json words_of_leaves = ordered_json::array();
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

  void print(bool certified) const {
    std::cout << texts_ << (texts_ == 1 ? " text, " : " texts, ") << tokens_ << " tokens\n";
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      for (std::size_t p = 0; p < trees(); ++p) {
        std::cout << title(i, p) << '\n';
        for (const auto& [leaf, counted] : layers_[i].words[p]) {
          std::cout << "  leaf " << leaf << '\t' << examples::join(words(i, p, leaf), " ")
                    << (counted.size() > most_words_ ? " ..." : "") << '\n';
        }
      }
      if (!certified) continue;
      std::cout << "layer " << i << ": " << std::fixed << std::setprecision(2)
                << 100 * layers_[i].usage.second_look_share() << " % of the decisions looked at twice\n";
    }
    std::cout << std::flush;
  }

  void draw(const std::string& file) const {
    std::vector<examples::drawn_tree> trees_drawn;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      for (std::size_t p = 0; p < trees(); ++p) {
        const auto visits = layers_[i].usage.visits(p);
        examples::drawn_tree drawn{.title = title(i, p),
                                   .depth = shape_.depth,
                                   .visits = {visits.begin(), visits.end()},
                                   .leaf_words = std::vector<std::string>(tree::leaf_count(shape_.depth))};
        for (const auto& [leaf, counted] : layers_[i].words[p]) {
          drawn.leaf_words[leaf] = examples::join(words(i, p, leaf), " ");
        }
        trees_drawn.push_back(std::move(drawn));
      }
    }
    std::ofstream out(file);
    examples::tree_drawing(trees_drawn).write(out);
    if (!out.flush()) throw std::runtime_error(file + ": cannot be written");
  }

 private:
  [[nodiscard]] std::string title(std::size_t layer, std::size_t p) const {
    const auto& usage = layers_[layer].usage;
    std::ostringstream text;
    text << "layer " << layer << ", tree " << p << ": " << usage.used_leaves(p) << " of "
         << tree::leaf_count(shape_.depth) << " leaves, entropy " << std::fixed << std::setprecision(2)
         << usage.leaf_entropy(p) << " of " << shape_.depth << " bits";
    return text.str();
  }

  std::size_t most_words_;
  ufb::fast_feedforward_shape shape_{};
  std::vector<layer_summary> layers_{};
  std::size_t texts_ = 0;
  std::size_t tokens_ = 0;
};

// The columns of one tree, a row per token.
template <class Element>
ordered_json columns(const ufb::matrix<Element>& from, std::size_t p, std::size_t levels) {
  ordered_json rows = ordered_json::array();
  for (std::size_t t = 0; t < from.rows(); ++t) {
    const auto first = from.row(t) + p * levels;
    rows.push_back(std::vector<Element>(first, first + levels));
  }
  return rows;
}

ordered_json to_json(const std::string& name, const traced_text& text, const corpus& all, bool certified) {
  ordered_json layers = ordered_json::array();
  for (const auto& record : text.trace.layers) {
    ordered_json trees = ordered_json::array();
    for (std::size_t p = 0; p < all.trees(); ++p) {
      ordered_json leaves = ordered_json::array();
      for (std::size_t t = 0; t < record.paths.rows(); ++t) leaves.push_back(all.leaf(record.paths, t, p));
      ordered_json one{{"paths", columns(record.paths, p, all.levels())},
                       {"leaf", std::move(leaves)},
                       {"margins", columns(record.margins, p, all.levels())}};
      if (certified) one["second_looks"] = columns(record.second_looks, p, all.levels());
      trees.push_back(std::move(one));
    }
    layers.push_back({{"trees", std::move(trees)}});
  }
  return {{"text", name}, {"tokens", text.tokens}, {"layers", std::move(layers)}};
}

// One line per layer and tree: the leaves that tokens of this text reached, and the tokens that share each of them.
void print_plain(const std::string& name, const traced_text& text, const corpus& all) {
  std::cout << name << '\n';
  for (std::size_t i = 0; i < text.trace.layers.size(); ++i) {
    for (std::size_t p = 0; p < all.trees(); ++p) {
      std::map<std::size_t, std::vector<std::string>> leaves;
      for (std::size_t t = 0; t < text.tokens.size(); ++t) {
        leaves[all.leaf(text.trace.layers[i].paths, t, p)].push_back(text.tokens[t]);
      }
      std::cout << "  layer " << i << ", tree " << p << ':';
      for (const auto& [leaf, tokens] : leaves) std::cout << "  " << leaf << ": " << examples::join(tokens, " ");
      std::cout << '\n';
    }
  }
  std::cout << std::flush;
}

void run(options wanted) {
  using enum ufb::weight_storage;
  ufb::load_options how;
  how.fast_feedforward.storage_in =
      examples::find_storage("--storage", wanted.storage,
                             {float32, float16, bfloat16, int8, certified_float16, certified_int8, split_float32});
  const bool certified = ufb::is_certified(how.fast_feedforward.storage_in);
  const auto model = model_type::load(wanted.model, how);
  corpus all(model, wanted.words);
  if (!wanted.svg.empty() && !std::ofstream(wanted.svg)) {
    throw std::runtime_error(wanted.svg + ": cannot be written");  // before anything is computed for it
  }
  const auto& tokenizer = model.text_tokenizer();
  ufb::thread_pool threads(wanted.threads);
  auto workspace = model.make_workspace();
  examples::bad_texts bad(wanted.skip_bad, wanted.json);
  std::size_t truncated = 0;
  const auto answer = [&](const std::string& text, std::size_t /*number*/) {
    ufb::text_report report;
    traced_text traced;
    model.for_each_pass(
        1, wanted.truncation.options(report),
        [&](std::size_t, const ufb::encode_options& options) { return tokenizer.encode(text, options); },
        [&](ufb::packed_texts& pass) {
          ufb::matrix<float> states({pass.ids.size(), model.hidden_size()});
          traced.trace.margins = true;
          model.encode_packed(pass, states.view(), workspace, threads, &traced.trace);
          traced.tokens = std::move(pass.encodings.front().tokens);
        });
    truncated += report.truncated;
    all.add(traced);
    if (!wanted.json) return print_plain(text, traced, all);
    ordered_json line = to_json(text, traced, all, certified);
    if (wanted.truncation.wanted) line["truncated"] = report.truncated != 0;
    examples::print_line(line);
  };
  const std::size_t texts = examples::answer_each(std::move(wanted.texts), bad, answer);
  if (wanted.json) {
    examples::print_line(all.summary(certified));
  } else {
    all.print(certified);
  }
  if (!wanted.svg.empty()) all.draw(wanted.svg);
  if (wanted.truncation.wanted) examples::print_truncated(truncated, texts);
  bad.print(texts);
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{
      "Shows which ways tokens take through the trees of fast feedforward layers, and which words share a leaf",
      "routes"};
  app.add_option("--model", wanted.model, "checkpoint folder of a model with fast feedforward layers")->required();
  examples::add_texts(app, "texts", "texts; the lines of standard input if none is given");
  app.add_flag(
      "--json", wanted.json,
      "one JSON line per text: text, tokens and layers, each with trees of paths, leaf and margins, a row for "
      "each token (with cf16, ci8 and split also second_looks, with --truncate truncated); then one line with a "
      "summary: texts, tokens and layers, each with trees of leaves (visits from left to right), used_leaves, "
      "entropy_bits and words (tokens that share a leaf)");
  app.add_option("--svg", wanted.svg, "write a drawing of all trees and what was visited to this file")
      ->type_name("FILE")
      ->check(examples::not_empty);
  app.add_option("--words", wanted.words, "tokens that the summary names of each leaf, the most frequent ones")
      ->check(examples::positive)
      ->capture_default_str();
  app.add_option("--storage", wanted.storage, "matrix that decides the paths: f32, f16, bf16, int8, cf16, ci8 or split")
      ->capture_default_str();
  examples::add_threads(app, wanted.threads);
  examples::bad_texts::add_option(app, wanted.skip_bad);
  examples::add_truncation(app, wanted.truncation, true);
  app.final_callback([&] { wanted.texts = examples::texts_of(app); });
  return examples::run_program(app, argc, argv, [&] { run(std::move(wanted)); });
}
