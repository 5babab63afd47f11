// SPDX-License-Identifier: MIT
//
// Orders documents by how well they fit a query, the best first:
//   rerank --model FOLDER "how tall is everest" "Everest is 8849 m tall." "Cats sleep a lot."
// On standard input every line is a query and its documents with tabs between them, or a JSON object with "query" and
// "documents"; its answer comes before the next line is read. A model with several labels gives all of them for each
// document, in the order of the input.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <exception>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "streaming.hpp"
#include "texts.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
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

request read_request(const std::string& line) {
  request out;
  if (line.starts_with('{')) {
    const ordered_json object = ordered_json::parse(line);
    out.query = object.at("query").get<std::string>();
    out.documents = object.at("documents").get<std::vector<std::string>>();
  } else {
    for (std::size_t begin = 0; begin <= line.size();) {
      const std::size_t end = std::min(line.find('\t', begin), line.size());
      (begin == 0 ? out.query : out.documents.emplace_back()) = line.substr(begin, end - begin);
      begin = end + 1;
    }
  }
  if (out.documents.empty()) throw std::runtime_error("expected a query and at least one document, a tab between them");
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
      : wanted_(wanted), model_(ufb::cross_encoder<float>::load(wanted.model)), threads_(wanted.threads) {}

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
    std::cout << out.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << std::endl;
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
    if (wanted.texts.size() < 2) throw std::runtime_error("expected a query and at least one document");
    return program.run({.query = wanted.texts.front(), .documents = {wanted.texts.begin() + 1, wanted.texts.end()}}, 0);
  }
  examples::line_reader reader({}, 1);
  examples::bad_lines bad(wanted.skip_bad);
  examples::progress progress;
  for (examples::line_group group; reader.next(group);) {
    try {
      program.run(read_request(group.lines.front()), group.first);
    } catch (const std::exception& problem) {
      bad.note(group.first, problem.what());
    }
    progress.add(1);
  }
  bad.report();
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Orders documents by how well they fit a query"};
  app.add_option("--model", wanted.model, "folder of a cross-encoder: a classifier of sequences")->required();
  examples::add_texts(app, "texts", "a query and its documents; the lines of standard input if none is given");
  app.add_flag("--json", wanted.json,
               "one JSON line per query: index, query, results with index, document, raw, score");
  app.add_option("--top-k", wanted.top_k, "the best documents alone")->check(CLI::PositiveNumber);
  app.add_option("--max-length", wanted.max_length, "tokens at which pairs are cut (as many as the model takes)")
      ->check(CLI::PositiveNumber);
  app.add_flag("--refuse-long", wanted.refuse_long, "an error for pairs that would be cut")->excludes("--max-length");
  app.add_flag("--skip-bad", wanted.skip_bad, "pass over lines that cannot be computed, and say how many");
  app.add_option("--threads", wanted.threads, "threads that share the work")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.final_callback([&] { wanted.texts = examples::texts_of(app); });
  CLI11_PARSE(app, argc, argv);
  try {
    run(wanted);
  } catch (const std::exception& e) {
    std::cout.flush();
    std::cerr << "rerank: " << e.what() << '\n';
    return 1;
  }
}
