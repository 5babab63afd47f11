// SPDX-License-Identifier: MIT
//
// Finds entities, such as persons and places, in texts that are given on the command line or line by line on standard
// input:
//   ner --model FOLDER --aggregation simple "Ada Lovelace lived in London."
// Its JSON has for each text a list of entities with score, word and place in code points. Words, scores and groups are
// those of the token classification pipeline of the Python package transformers.
#include <CLI/CLI.hpp>
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
#include "truncation.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;

struct options {
  std::string model{};
  std::vector<std::string> texts{};
  ufb::entity_aggregation aggregation = ufb::entity_aggregation::simple;
  std::string ignored = "O";
  bool json = false;
  bool skip_bad = false;
  std::size_t threads = 1;
  examples::truncation truncation{};
};

// A token by itself has its full label and its number, a group has a type.
ordered_json to_json(const ufb::text_entity& entity, ufb::entity_aggregation how) {
  const bool grouped = how != ufb::entity_aggregation::none;
  ordered_json out{{grouped ? "entity_group" : "entity", entity.label}, {"score", entity.score}};
  if (!grouped) out["index"] = entity.position;
  out["word"] = entity.word;
  out["start"] = entity.offsets.begin;
  out["end"] = entity.offsets.end;
  return out;
}

// One line per entity, and an empty one behind each text.
void print_plain(const std::vector<ufb::text_entity>& entities) {
  for (const auto& entity : entities) {
    std::cout << entity.label << '\t' << std::fixed << std::setprecision(4) << entity.score << '\t' << entity.word
              << '\t' << entity.offsets.begin << '-' << entity.offsets.end << '\n';
  }
  std::cout << '\n' << std::flush;
}

void run(options wanted) {
  const auto ignored = examples::split(wanted.ignored, ',');
  const ufb::entity_options how{.aggregation = wanted.aggregation, .ignored = {ignored.begin(), ignored.end()}};
  const auto model = ufb::token_classifier<float>::load(wanted.model, examples::with_loading_line());
  ufb::thread_pool threads(wanted.threads);
  auto workspace = model.make_workspace();
  examples::bad_texts bad(wanted.skip_bad, wanted.json);
  std::size_t truncated = 0;
  const auto answer = [&](const std::string& text, std::size_t /*number*/) {
    ufb::text_report report;
    const auto entities = model.entities(text, how, workspace, wanted.truncation.options(report), threads);
    truncated += report.truncated;
    if (!wanted.json) return print_plain(entities);
    ordered_json line{{"entities", ordered_json::array()}};
    for (const auto& entity : entities) line["entities"].push_back(to_json(entity, how.aggregation));
    if (wanted.truncation.wanted) line["truncated"] = report.truncated != 0;
    examples::print_line(line);
  };
  const std::size_t texts = examples::answer_each(std::move(wanted.texts), bad, answer);
  if (wanted.truncation.wanted) examples::print_truncated(truncated, texts);
  bad.print(texts);
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Finds entities in texts", "ner"};
  app.add_option("--model", wanted.model, "checkpoint folder of a token classifier")->required();
  examples::add_texts(app, "texts", "texts; the lines of standard input if none is given");
  examples::add_word(
      app, "--aggregation", wanted.aggregation, "simple",
      "none: a line for each token; simple: groups of tokens; first, average, max: groups of words, labeled by their "
      "tokens",
      [](const std::string& word) { return ufb::find_entity_aggregation(word); });
  app.add_option("--ignore", wanted.ignored, "labels or types that are left out, with commas between them")
      ->capture_default_str();
  app.add_flag("--json", wanted.json, "one JSON line per text: entities, with --truncate truncated");
  examples::add_threads(app, wanted.threads);
  examples::bad_texts::add_option(app, wanted.skip_bad);
  examples::add_truncation(app, wanted.truncation, true);
  app.final_callback([&] { wanted.texts = examples::texts_of(app); });
  return examples::run_program(app, argc, argv,
                               {"@ --model FOLDER --aggregation simple \"Ada Lovelace lived in London.\""},
                               [&] { run(std::move(wanted)); });
}
