// SPDX-License-Identifier: MIT
//
// Orders documents by how well they fit a query, the best first:
//   rerank --model FOLDER "how tall is everest" "Everest is 8849 m tall." "Cats sleep a lot."
// On standard input every line is a query and its documents with tabs between them, or a JSON object with "query" and
// "documents"; its answer comes before the input ends. A model with several labels gives all of them for each
// document, in the order of the input.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "lists.hpp"
#include "loading.hpp"
#include "program.hpp"
#include "streaming.hpp"
#include "texts.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;

struct options {
  std::string model{};
  std::vector<std::string> texts{};
  bool json = false;
  bool refuse_long = false;
  bool skip_bad = false;
  std::size_t max_length = 0;
  std::size_t top_k = 0;
  std::size_t threads = 1;
};

struct request {
  std::string query{};
  std::vector<std::string> documents{};
};

[[noreturn]] void fail_request(const std::string& found) {
  ufb::fail_input("request", "a query and at least one document", found);
}

// Throws: ufb::error.
request read_request(const std::string& line) {
  request out;
  if (line.starts_with('{')) {
    const auto document = ufb::json_document::parse(line, "", {.max_bytes = line.size()});
    out.query = document.root().at("query").as_string();
    for (const auto& each : document.root().at("documents").elements()) out.documents.push_back(each.as_string());
  } else {
    const auto fields = examples::split(line, '\t');
    out.query = fields.front();
    out.documents.assign(fields.begin() + 1, fields.end());
  }
  if (out.documents.empty()) fail_request("no document");
  return out;
}

// A document's answer: its place in the request, its logit and score, or all labels with theirs.
struct answer {
  std::size_t index = 0;
  ufb::pair_score score{};
};

class rerank_program {
 public:
  explicit rerank_program(const options& wanted)
      : wanted_(wanted),
        model_(ufb::cross_encoder<float>::load(wanted.model, examples::with_loading_line())),
        threads_(wanted.threads) {
    if (wanted.top_k != 0 && !has_order()) {
      ufb::fail_input("--top-k", "a model with one label, as only that orders documents",
                      std::to_string(model_.classifier().labels().size()) + " labels");
    }
  }

  void run(const request& wanted, std::size_t line) {
    std::vector<ufb::text_pair> pairs;
    for (const std::string& document : wanted.documents) pairs.push_back({.first = wanted.query, .second = document});
    const ufb::text_options how{.truncation = !wanted_.refuse_long, .max_length = wanted_.max_length};
    std::vector<answer> answers;
    for (auto& score : model_.predict(pairs, workspace_, how, threads_)) {
      answers.push_back({.index = answers.size(), .score = std::move(score)});
    }
    if (has_order()) {
      std::stable_sort(answers.begin(), answers.end(),
                       [](const answer& a, const answer& b) { return a.score.raw > b.score.raw; });
      if (wanted_.top_k != 0 && wanted_.top_k < answers.size()) answers.resize(wanted_.top_k);
    }
    wanted_.json ? print_json(wanted, line, answers) : print_plain(wanted, answers);
  }

 private:
  [[nodiscard]] bool has_order() const { return model_.classifier().labels().size() == 1; }

  void print_json(const request& wanted, std::size_t line, const std::vector<answer>& answers) const {
    ordered_json out{{"index", line}, {"query", wanted.query}, {"results", ordered_json::array()}};
    for (const answer& each : answers) {
      ordered_json result{{"index", each.index}, {"document", wanted.documents[each.index]}};
      if (has_order()) {
        result["raw"] = each.score.raw;
        result["score"] = each.score.sigmoid;
      } else {
        result["labels"] = ordered_json::array();
        for (const auto& label : each.score.labels) {
          result["labels"].push_back({{"label", label.label}, {"raw", label.logit}, {"score", label.score}});
        }
      }
      out["results"].push_back(std::move(result));
    }
    examples::print_line(out);
  }

  void print_plain(const request& wanted, const std::vector<answer>& answers) const {
    std::cout << std::fixed << std::setprecision(4);
    for (const answer& each : answers) {
      if (has_order()) {
        std::cout << each.score.raw << '\t' << each.score.sigmoid;
      } else {
        std::cout << each.score.labels.front().label << '\t' << each.score.labels.front().score;
      }
      std::cout << '\t' << wanted.documents[each.index] << '\n';
    }
    std::cout << std::flush;
  }

  options wanted_;
  ufb::cross_encoder<float> model_;
  ufb::thread_pool threads_;
  ufb::workspace workspace_{};
};

void run(const options& wanted) {
  rerank_program program(wanted);
  if (!wanted.texts.empty()) {
    if (wanted.texts.size() < 2) fail_request("no document");
    return program.run({.query = wanted.texts.front(), .documents = {wanted.texts.begin() + 1, wanted.texts.end()}}, 0);
  }
  examples::bad_texts bad(wanted.skip_bad);
  bad.print(examples::answer_each(
      {}, bad, [&](const std::string& line, std::size_t number) { program.run(read_request(line), number); }));
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Orders documents by how well they fit a query", "rerank"};
  app.add_option("--model", wanted.model, "folder of a cross-encoder: a classifier of sequences")->required();
  examples::add_texts(app, "texts", "a query and its documents; the lines of standard input if none is given");
  app.add_flag("--json", wanted.json,
               "one JSON line per query: index, query, results with index, document, raw, score");
  app.add_option("--top-k", wanted.top_k, "the best documents alone")->check(examples::positive);
  app.add_option("--max-length", wanted.max_length, "tokens at which pairs are cut (as many as the model takes)")
      ->check(examples::positive);
  app.add_flag("--refuse-long", wanted.refuse_long, "an error for pairs that would be cut")->excludes("--max-length");
  examples::bad_texts::add_option(app, wanted.skip_bad);
  examples::add_threads(app, wanted.threads);
  app.final_callback([&] {
    wanted.texts = examples::texts_of(app);
    if (wanted.skip_bad && !wanted.texts.empty()) throw CLI::ExcludesError("texts", "--skip-bad");
  });
  return examples::run_program(
      app, argc, argv,
      {"@ --model FOLDER \"how tall is everest\" \"Everest is 8849 m tall.\" \"Cats sleep a lot.\"",
       "@ --model FOLDER --json --top-k 1 < FILE"},
      [&] { run(wanted); });
}
