// SPDX-License-Identifier: MIT
//
// Classifies sentences, given on the command line, line by line on standard input, or with their labels in a file:
//   classify --model examples/models/tiny-classifier "Will it rain in London tomorrow?"
// Its JSON has, for each sentence, the best label, all classes with their scores, the best first, and the scores once
// more by label; where several classes have one label, that of the best of them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lists.hpp"
#include "loading.hpp"
#include "program.hpp"
#include "storages.hpp"
#include "streaming.hpp"
#include "texts.hpp"
#include "truncation.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;

struct options {
  std::string model{};
  std::string file{};
  std::vector<std::string> sentences{};
  bool json = false;
  ufb::weight_storage projection = ufb::weight_storage::float32;
  std::size_t threads = 1;
  examples::truncation truncation{};
};

// Sentences, and the labels that a file gives them.
struct data_set {
  std::vector<std::string> texts{};
  std::vector<std::string> labels{};  // empty, or one for each text
};

// Every label has to be one of the model's: a header line, or labels of another model, would count as wrong answers.
data_set read_file(const std::string& name, std::span<const std::string> known) {
  std::ifstream in(name, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + name);
  data_set data;
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    const auto tab = line.rfind('\t');
    if (tab == std::string::npos) {
      throw std::runtime_error(name + ", line " + std::to_string(number) + ": expected a text, a tab and a label");
    }
    data.texts.push_back(line.substr(0, tab));
    data.labels.push_back(line.substr(tab + 1));
    if (std::find(known.begin(), known.end(), data.labels.back()) == known.end()) {
      throw std::runtime_error(
          name + ", line " + std::to_string(number) + ": the model has no label " + ufb::excerpt(data.labels.back()) +
          (number == 1 ? ", unless this line is a header" : "") + "; it has " + examples::join(known, ", "));
    }
  }
  if (in.bad()) throw std::runtime_error("cannot read " + name);
  if (data.texts.empty()) throw std::runtime_error("no text in " + name);
  return data;
}

void print_json(const std::vector<ufb::label_score>& scores, std::optional<bool> truncated) {
  ordered_json line{
      {"label", scores.front().label}, {"classes", ordered_json::array()}, {"scores", ordered_json::object()}};
  for (const auto& each : scores) {
    line["classes"].push_back({{"label", each.label}, {"score", each.score}});
    if (!line["scores"].contains(each.label)) line["scores"][each.label] = each.score;
  }
  if (truncated) line["truncated"] = *truncated;
  examples::print_line(line);
}

void print_plain(const std::string& text, const std::vector<ufb::label_score>& scores) {
  std::cout << scores.front().label << '\t' << std::fixed << std::setprecision(4) << scores.front().score << '\t'
            << text << '\n';
}

void print_accuracy(std::size_t right, std::size_t n, bool json) {
  const double accuracy = static_cast<double>(right) / static_cast<double>(n);
  if (json) return examples::print_line({{"accuracy", accuracy}, {"n", n}});
  std::cout << std::fixed << std::setprecision(1) << 100 * accuracy << " % of " << n << " labels are right\n";
}

void run(options wanted) {
  const auto model = ufb::sequence_classifier<float>::load(
      wanted.model, examples::with_loading_line({.projections = {.storage = wanted.projection}}));
  data_set data{.texts = std::move(wanted.sentences)};
  if (!wanted.file.empty()) data = read_file(wanted.file, model.labels());
  ufb::thread_pool threads(wanted.threads);
  auto workspace = model.make_workspace();
  const auto& [truncate, max_length] = wanted.truncation;
  const std::size_t most = max_length != 0 ? max_length : model.max_sequence_length();
  std::size_t texts = 0;
  std::size_t truncated = 0;
  std::size_t right = 0;
  examples::text_reader reader(std::move(data.texts));
  examples::bad_texts bad(false);
  for (examples::text_group group; reader.next(group);) {
    const std::vector<std::string_view> views(group.texts.begin(), group.texts.end());
    const auto outcomes =
        model.try_classify(views, workspace, {.truncation = truncate, .max_length = max_length}, threads);
    for (std::size_t i = 0; i < outcomes.size(); ++i, ++texts) {
      if (outcomes[i].problem) bad.add(*outcomes[i].problem, reader.name(texts));
      const auto& scores = *outcomes[i].result;
      std::optional<bool> cut;
      if (truncate) cut = examples::is_truncated(model.text_tokenizer(), group.texts[i], most);
      truncated += std::size_t{cut.value_or(false)};
      if (!data.labels.empty()) right += std::size_t{scores.front().label == data.labels[texts]};
      if (wanted.json) {
        print_json(scores, cut);
      } else {
        print_plain(group.texts[i], scores);
      }
    }
    std::cout.flush();
  }
  if (truncate) examples::print_truncated(truncated, texts);
  if (!wanted.file.empty()) print_accuracy(right, texts, wanted.json);
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Classifies sentences", "classify"};
  app.add_option("--model", wanted.model, "checkpoint folder")->required();
  examples::add_texts(app, "sentences", "sentences; the lines of standard input if none is given");
  app.add_option("--file", wanted.file,
                 "file with a sentence, a tab and its label on every line, instead of sentences");
  app.add_flag("--json", wanted.json,
               "one JSON line per sentence: label, classes, scores, with --truncate truncated; and one for a file: "
               "accuracy, n");
  examples::add_storage(app, "--projection", wanted.projection, examples::projection_storages,
                        "weights of attention and dense layers: f32, bf16 or int8");
  examples::add_threads(app, wanted.threads);
  examples::add_truncation(app, wanted.truncation, true);
  app.final_callback([&] {
    wanted.sentences = examples::texts_of(app);
    if (!wanted.file.empty() && !wanted.sentences.empty()) throw CLI::ExcludesError("sentences", "--file");
  });
  return examples::run_program(app, argc, argv,
                               {"@ --model examples/models/tiny-classifier \"Will it rain in London tomorrow?\"",
                                "@ --model examples/models/tiny-classifier --json < FILE"},
                               [&] { run(std::move(wanted)); });
}
