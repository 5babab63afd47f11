// SPDX-License-Identifier: MIT
//
// Runs the golden cases of a folder: `ufb_golden DIR [--group G] [--case ID]` compares, `ufb_golden DIR --dump OUT`
// computes without looking at expected values and writes what it got.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

#include "golden_runner/golden_case.hpp"
#include "ultrafastbert/io/file.hpp"

namespace {

using namespace ufb_test;

// Cases of later stages are skipped, but for those of groups that are built already.
constexpr int built_stage = 2;
constexpr std::array<std::string_view, 3> built_groups{"hf_bert_OWN_FORMULATION", "tokenizer", "orig_fff"};

struct group_functions {
  golden_result (*compute)(const golden_case&);
  void (*compare)(const golden_case&, const golden_result&);
};

const std::map<std::string, group_functions, std::less<>>& groups() {
  static const std::map<std::string, group_functions, std::less<>> table{
      {"fff", {compute_layer, compare_layer}},
      {"fff_generated", {compute_layer, compare_layer}},
      {"fff_benchmark", {compute_layer, compare_layer}},
      {"orig_fff", {compute_leaf_layer, compare_leaf_layer}},
      {"crammed_model", {compute_model, compare_model}},
      {"hf_bert_OWN_FORMULATION", {compute_model, compare_model}},
      {"end_to_end", {compute_end_to_end, compare_end_to_end}},
      {"tokenizer", {compute_tokenizer, compare_tokenizer}},
      {"container", {compute_container, compare_container}},
  };
  return table;
}

struct options {
  std::filesystem::path folder{};
  std::string group{};
  std::string id{};
  std::filesystem::path dump{};
};

struct tally {
  int passed = 0;
  int failed = 0;
  int skipped = 0;
};

void store(const golden_case& golden, const golden_result& result, const std::filesystem::path& folder) {
  if (result.document) {
    std::ofstream out(folder / (golden.id() + ".json"));
    out << result.document->dump(1, ' ', true) << '\n';
    if (!out.flush()) throw std::runtime_error("cannot write the dump");
  } else {
    write(result.tensors, folder / (golden.id() + ".safetensors"));
  }
}

void run_case(const golden_case& golden, const options& wanted, json& skipped, tally& counts) {
  if (golden.stage() > built_stage &&
      std::find(built_groups.begin(), built_groups.end(), golden.group()) == built_groups.end()) {
    const std::string reason = "stage " + std::to_string(golden.stage()) + " is not built yet";
    std::cout << "skip " << golden.id() << ": " << reason << '\n';
    skipped[golden.id()] = reason;
    ++counts.skipped;
    return;
  }
  try {
    const group_functions& group = groups().at(golden.group());
    const golden_result result = group.compute(golden);
    if (wanted.dump.empty()) {
      group.compare(golden, result);
    } else {
      store(golden, result, wanted.dump);
    }
    std::cout << "ok " << golden.id() << '\n';
    ++counts.passed;
  } catch (const std::exception& e) {
    std::cout << "FAIL " << golden.id() << ": " << e.what() << '\n';
    ++counts.failed;
  }
}

int run(const options& wanted) {
  const json index =
      parse_python_json(ultrafastbert::read_text_file(wanted.folder / "index.json", std::size_t{1} << 26U));
  if (!wanted.dump.empty()) std::filesystem::create_directories(wanted.dump);
  tally counts;
  json skipped = json::object();
  for (const json& entry : index.at("cases")) {
    const golden_case golden{.root = wanted.folder, .entry = entry};
    if (!wanted.group.empty() && golden.group() != wanted.group) continue;
    if (!wanted.id.empty() && golden.id() != wanted.id) continue;
    run_case(golden, wanted, skipped, counts);
  }
  if (!wanted.dump.empty()) std::ofstream(wanted.dump / "skipped.json") << skipped.dump(1) << '\n';
  std::cout << counts.passed << " passed, " << counts.failed << " failed, " << counts.skipped << " skipped\n";
  return counts.failed == 0 && counts.passed + counts.skipped > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Runs the golden cases of a folder"};
  app.add_option("dir", wanted.folder, "folder with index.json")->required();
  app.add_option("--group", wanted.group, "only the cases of this group");
  app.add_option("--case", wanted.id, "only the case with this id");
  app.add_option("--dump", wanted.dump, "write what was computed to this folder instead of comparing");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(wanted);
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
