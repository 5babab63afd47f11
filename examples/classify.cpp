// SPDX-License-Identifier: MIT
//
// Classifies sentences, given on the command line, line by line on standard input, or with their labels in a file:
//   classify --model examples/models/tiny-classifier "Will it rain in London tomorrow?"
// Its JSON has, for each sentence, the best label, all classes with their scores, the best first, and the scores once
// more by label; where several classes have one label, that of the best of them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

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
  std::string projection = "f32";
  std::size_t threads = 1;
  examples::truncation truncation{};
};

// Sentences, and the labels that a file gives them.
struct data_set {
  std::vector<std::string> texts{};
  std::vector<std::string> labels{};  // empty, or one for each text
};

std::string list_of(std::span<const std::string> labels) {
  std::string list;
  for (const std::string& label : labels) list += (list.empty() ? "" : ", ") + label;
  return list;
}

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
      throw std::runtime_error(name + ", line " + std::to_string(number) + ": the model has no label " +
                               ufb::excerpt(data.labels.back()) +
                               (number == 1 ? ", unless this line is a header" : "") + "; it has " + list_of(known));
    }
  }
  if (in.bad()) throw std::runtime_error("cannot read " + name);
  return data;
}

void print_line(const ordered_json& line) {
  std::cout << line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
}

void print_json(const std::vector<ufb::label_score>& scores, std::optional<bool> truncated) {
  ordered_json line{
      {"label", scores.front().label}, {"classes", ordered_json::array()}, {"scores", ordered_json::object()}};
  for (const auto& each : scores) {
    line["classes"].push_back({{"label", each.label}, {"score", each.score}});
    if (!line["scores"].contains(each.label)) line["scores"][each.label] = each.score;
  }
  if (truncated) line["truncated"] = *truncated;
  print_line(line);
}

void print_plain(const std::string& text, const std::vector<ufb::label_score>& scores) {
  std::cout << scores.front().label << '\t' << std::fixed << std::setprecision(4) << scores.front().score << '\t'
            << text << '\n';
}

void print_accuracy(std::size_t right, std::size_t n, bool json) {
  const double accuracy = n == 0 ? 0.0 : static_cast<double>(right) / static_cast<double>(n);
  if (json) return print_line({{"accuracy", accuracy}, {"n", n}});
  std::cout << std::fixed << std::setprecision(1) << 100 * accuracy << " % of " << n << " labels are right\n";
}

ufb::weight_storage storage_of(const std::string& wanted) {
  using enum ufb::weight_storage;
  for (const auto storage : {float32, bfloat16, int8}) {
    if (wanted == name(storage)) return storage;
  }
  throw std::runtime_error("--projection takes f32, bf16 or int8");
}

void run(options wanted) {
  const auto model =
      ufb::sequence_classifier<float>::load(wanted.model, {.projections = {.storage = storage_of(wanted.projection)}});
  data_set data;
  if (!wanted.file.empty()) {
    data = read_file(wanted.file, model.labels());
  } else if (!wanted.sentences.empty()) {
    data.texts = std::move(wanted.sentences);
  } else {
    data.texts = examples::read_lines(std::cin);
  }
  ufb::thread_pool threads(wanted.threads);
  auto workspace = model.make_workspace();
  const auto& [truncate, max_length] = wanted.truncation;
  const ufb::text_options how{.truncation = truncate, .max_length = max_length};
  const auto results = model.classify(data.texts, workspace, how, threads);
  std::vector<bool> truncated;
  if (truncate) {
    truncated = examples::find_truncated(model.text_tokenizer(), data.texts,
                                         max_length != 0 ? max_length : model.max_sequence_length());
    examples::print_truncated(truncated);
  }
  std::size_t right = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!data.labels.empty() && results[i].front().label == data.labels[i]) ++right;
    if (wanted.json) {
      print_json(results[i], truncate ? std::optional<bool>(truncated[i]) : std::nullopt);
    } else {
      print_plain(data.texts[i], results[i]);
    }
  }
  if (!wanted.file.empty()) print_accuracy(right, results.size(), wanted.json);
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Classifies sentences"};
  app.add_option("--model", wanted.model, "checkpoint folder")->required();
  examples::add_texts(app, "sentences", "sentences; the lines of standard input if none is given");
  app.add_option("--file", wanted.file,
                 "file with a sentence, a tab and its label on every line, instead of sentences");
  app.add_flag("--json", wanted.json,
               "one JSON line per sentence: label, classes, scores, with --truncate truncated; and one for a file: "
               "accuracy, n");
  app.add_option("--projection", wanted.projection, "weights of attention and dense layers: f32, bf16 or int8")
      ->capture_default_str();
  app.add_option("--threads", wanted.threads, "threads that share the work")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  examples::add_truncation(app, wanted.truncation, true);
  app.final_callback([&] {
    wanted.sentences = examples::texts_of(app);
    if (!wanted.file.empty() && !wanted.sentences.empty()) throw CLI::ExcludesError("sentences", "--file");
  });
  CLI11_PARSE(app, argc, argv);
  try {
    run(std::move(wanted));
  } catch (const std::exception& e) {
    std::cerr << "classify: " << e.what() << '\n';
    return 1;
  }
}
