// SPDX-License-Identifier: MIT
//
// What narrow weights cost a masked language model on given texts, beside the same model in float32:
//   compare_precision --model examples/models/tiny-mlm --storage-in int8 --storage-out int8 --projection bf16
#include <CLI/CLI.hpp>
#include <charconv>
#include <cstddef>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loading.hpp"
#include "program.hpp"
#include "storages.hpp"
#include "truncation.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;

struct options {
  std::string model{};
  std::string file{};
  ufb::weight_storage storage_in = ufb::weight_storage::int8;
  ufb::weight_storage storage_out = ufb::weight_storage::int8;
  ufb::weight_storage projection = ufb::weight_storage::float32;
  bool json = false;
  examples::truncation truncation{};
};

// Texts, and where they stand in the file that they are from, if they are from one.
struct text_list {
  std::vector<std::string> texts{};
  std::vector<std::string> places{};
};

text_list built_in_texts() {
  return {{"The old bridge across the river was closed for repairs all summer.",
           "She put the letter on the kitchen table and went out without a word.",
           "Most birds of this island cannot fly, because nothing ever hunted them.",
           "When the train finally arrived, only two people were waiting on the platform.",
           "He asked the doctor whether the medicine could be taken with milk.",
           "In winter the village is cut off from the valley for several weeks.",
           "The committee will vote on the new budget at its next meeting.",
           "Bread, cheese and a bottle of water were all that they had left."}};
}

// The lines that are not empty.
text_list read_file(const std::string& name) {
  std::ifstream in(name, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + name);
  text_list found;
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    found.texts.push_back(std::move(line));
    found.places.push_back(name + ", line " + std::to_string(number) + ": ");
  }
  if (in.bad()) throw std::runtime_error("cannot read " + name);
  if (found.texts.empty()) throw std::runtime_error("no text in " + name);
  return found;
}

// Where the text stands that an error is about. The library counts texts, of which an empty line is none.
std::string place_of(const ufb::error& problem, const text_list& from) {
  constexpr std::string_view mark = "texts[";
  const std::string_view where = problem.where();
  if (!where.starts_with(mark)) return {};
  std::size_t text = 0;
  std::from_chars(where.data() + mark.size(), where.data() + where.size(), text);
  return text < from.places.size() ? from.places[text] : std::string{};
}

double percent(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void print_json(const ufb::model_comparison& cost, std::optional<std::size_t> truncated) {
  ordered_json line{{"tokens", cost.tokens},
                    {"tokens_on_other_paths", cost.tokens_on_other_paths},
                    {"largest_state_difference", cost.largest_state_difference},
                    {"mean_state_difference", cost.mean_state_difference},
                    {"same_best", cost.same_best},
                    {"top_1_agreement", cost.top_1_agreement()},
                    {"largest_logit_difference", cost.largest_logit_difference}};
  if (truncated) line["truncated_texts"] = *truncated;
  examples::print_line(line);
}

void print_table(const ufb::model_comparison& cost) {
  std::cout << "layer  tokens of " << cost.tokens << " on other paths\n" << std::fixed << std::setprecision(2);
  for (std::size_t i = 0; i < cost.tokens_on_other_paths.size(); ++i) {
    const std::size_t tokens = cost.tokens_on_other_paths[i];
    std::cout << std::setw(5) << i << std::setw(8) << tokens << std::setw(9) << percent(tokens, cost.tokens) << " %\n";
  }
  std::cout << "same best word: " << cost.same_best << (cost.same_best == 1 ? " token, " : " tokens, ")
            << percent(cost.same_best, cost.tokens) << " %\n"
            << std::defaultfloat << std::setprecision(3)
            << "largest difference of a logit: " << cost.largest_logit_difference << '\n'
            << "largest difference of a state: " << cost.largest_state_difference << ", mean "
            << cost.mean_state_difference << '\n';
}

void run(const options& wanted) {
  ufb::load_options narrow;
  narrow.fast_feedforward.storage_in = wanted.storage_in;
  narrow.fast_feedforward.storage_out = wanted.storage_out;
  narrow.projections.storage = wanted.projection;
  const text_list list = wanted.file.empty() ? built_in_texts() : read_file(wanted.file);
  const auto reference = ufb::masked_lm<float>::load(wanted.model, examples::with_loading_line());
  const auto candidate = ufb::masked_lm<float>::load(wanted.model, examples::with_loading_line(narrow));
  auto workspace = reference.make_workspace();
  ufb::text_report report;
  const bool truncate = wanted.truncation.wanted;
  ufb::model_comparison cost;
  try {
    cost = ufb::compare_models(reference, candidate, list.texts, workspace, wanted.truncation.options(report));
  } catch (const ufb::error& problem) {
    throw std::runtime_error(place_of(problem, list) + problem.what());
  }
  if (truncate) examples::print_truncated(report.truncated, list.texts.size());
  if (!wanted.json) return print_table(cost);
  print_json(cost, truncate ? std::optional<std::size_t>(report.truncated) : std::nullopt);
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Compares a masked language model in narrow weights with the same in float32", "compare_precision"};
  app.add_option("--model", wanted.model, "checkpoint folder")->required();
  app.add_option("--file", wanted.file, "file with a text on every line; a few sentences if none is given");
  examples::add_storage(app, "--storage-in", wanted.storage_in, examples::all_storages,
                        "first matrix of the fast feedforward layers: f32, f16, bf16, int8, cf16, ci8, split");
  examples::add_storage(app, "--storage-out", wanted.storage_out, examples::plain_storages,
                        "their second matrix: f32, f16, bf16, int8");
  examples::add_storage(app, "--projection", wanted.projection, examples::projection_storages,
                        "attention and dense feedforward layers: f32, bf16, int8");
  app.add_flag("--json", wanted.json, "one JSON object instead of a table");
  examples::add_truncation(app, wanted.truncation, true);
  return examples::run_program(app, argc, argv,
                               {"@ --model examples/models/tiny-mlm --storage-in int8 --projection bf16"},
                               [&] { run(wanted); });
}
