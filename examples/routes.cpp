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
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "lists.hpp"
#include "loading.hpp"
#include "program.hpp"
#include "route_corpus.hpp"
#include "storages.hpp"
#include "streaming.hpp"
#include "texts.hpp"
#include "truncation.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;
using model_type = ufb::encoder_model<float>;

struct options {
  std::string model{};
  std::vector<std::string> texts{};
  ufb::weight_storage storage = ufb::weight_storage::float32;
  std::string svg{};
  std::size_t words = 6;
  bool json = false;
  bool skip_bad = false;
  std::size_t threads = 1;
  examples::truncation truncation{};
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

ordered_json to_json(const std::string& name, const examples::traced_text& text, const examples::route_corpus& all,
                     bool certified) {
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
void print_plain(const std::string& name, const examples::traced_text& text, const examples::route_corpus& all) {
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
  ufb::load_options how;
  how.fast_feedforward.storage_in = wanted.storage;
  const bool certified = ufb::is_certified(how.fast_feedforward.storage_in);
  const auto model = model_type::load(wanted.model, examples::with_loading_line(how));
  examples::route_corpus all(model.stack().config(), wanted.words);
  if (!wanted.svg.empty()) {
    examples::refuse_overwriting(wanted.svg, examples::standard_input);
    if (!std::ofstream(wanted.svg)) throw std::runtime_error(wanted.svg + ": cannot be written");  // before the work
  }
  ufb::thread_pool threads(wanted.threads);
  auto workspace = model.make_workspace();
  examples::bad_texts bad(wanted.skip_bad, wanted.json);
  std::size_t truncated = 0;
  const auto answer = [&](const std::string& text, std::size_t /*number*/) {
    ufb::text_report report;
    const auto traced = examples::trace_text(model, text, wanted.truncation.options(report), workspace, threads);
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
    all.print(std::cout, certified);
  }
  if (!wanted.svg.empty()) {
    std::ofstream out(wanted.svg);
    all.draw(out);
    if (!out.flush()) throw std::runtime_error(wanted.svg + ": cannot be written");
  }
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
      ->type_name("FILE");
  app.add_option("--words", wanted.words, "tokens that the summary names of each leaf, the most frequent ones")
      ->check(examples::positive)
      ->capture_default_str();
  examples::add_storage(app, "--storage", wanted.storage, examples::all_storages,
                        "matrix that decides the paths: f32, f16, bf16, int8, cf16, ci8 or split");
  examples::add_threads(app, wanted.threads);
  examples::bad_texts::add_option(app, wanted.skip_bad);
  examples::add_truncation(app, wanted.truncation, true);
  app.final_callback([&] { wanted.texts = examples::texts_of(app); });
  return examples::run_program(app, argc, argv,
                               {"@ --model examples/models/tiny-mlm \"The cat sat on the mat.\"",
                                "@ --model examples/models/tiny-mlm --json --svg trees.svg < FILE"},
                               [&] { run(std::move(wanted)); });
}
