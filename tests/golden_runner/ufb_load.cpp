// SPDX-License-Identifier: MIT
//
// Loads whatever it is given and says in one line how that went: `ufb_load FILE_OR_DIR` prints `ok ...` or
// `error CODE: MESSAGE`, and succeeds in both cases. A folder is a model, or else a tokenizer; a file is JSON of a
// known name, a vocabulary, or a safetensors container.
#include <algorithm>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <system_error>

#include "ultrafastbert/core/memory_source.hpp"
#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/io/safetensors.hpp"
#include "ultrafastbert/io/weight_files.hpp"
#include "ultrafastbert/model/families/families.hpp"
#include "ultrafastbert/model/families/family.hpp"
#include "ultrafastbert/model/loading/load_report.hpp"
#include "ultrafastbert/model/tasks/encoder_model.hpp"
#include "ultrafastbert/model/tasks/masked_lm.hpp"
#include "ultrafastbert/model/tasks/sequence_classifier.hpp"
#include "ultrafastbert/model/tasks/token_classifier.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace {

namespace ufb = ultrafastbert;
using std::filesystem::path;

std::string count(std::uint64_t number, const std::string& thing) {
  return std::to_string(number) + ' ' + thing + (number == 1 ? "" : "s");
}

// What a configuration says by itself, without weights.
ufb::model_description read_config(const path& file) {
  constexpr ufb::json_limits limits{};
  const std::string text = ufb::read_text_file(file, limits.max_bytes);
  const auto document = ufb::json_document::parse(text, file.string(), limits);
  return ufb::models::family_of(document.root()).describe(document.root(), ufb::memory_source{});
}

std::string describe(const ufb::model_description& config) {
  return (config.architecture.empty() ? "local form" : config.architecture) + ", " +
         count(config.encoder.layers, "layer") + ", width " + std::to_string(config.encoder.hidden_size());
}

std::string describe(const ufb::weight_files& weights) {
  std::uint64_t bytes = 0;
  for (const ufb::safetensors& file : weights.files()) {
    for (const ufb::tensor_entry& entry : file.tensors()) bytes += entry.end - entry.begin;
  }
  return count(weights.files().size(), "file") + ", " + count(weights.size(), "tensor") + ", " + count(bytes, "byte");
}

std::string describe(const ufb::tokenizer& tokenizer) {
  return "tokenizer, " + count(tokenizer.vocabulary_size(), "token");
}

template <class Model>
void load(const path& folder, ufb::load_report& report) {
  static_cast<void>(Model::load(folder, {.report = &report}));
}

// Chooses the class by what wrote the checkpoint; what does not say so is a masked language model.
void load_as(std::string_view loader, const path& folder, ufb::load_report& report) {
  if (loader == "sequence_classifier") {
    load<ufb::sequence_classifier<float>>(folder, report);
  } else if (loader == "token_classifier") {
    load<ufb::token_classifier<float>>(folder, report);
  } else if (loader == "encoder_model") {
    load<ufb::encoder_model<float>>(folder, report);
  } else {
    load<ufb::masked_lm<float>>(folder, report);
  }
}

std::string_view loader_of(std::string_view architecture) {
  for (const ufb::model_family* family : ufb::models::all_families()) {
    for (const ufb::written_class& known : family->classes) {
      if (known.name == architecture) return known.loader;
    }
  }
  return {};
}

std::string load_model(const path& folder) {
  const auto config = read_config(ufb::checkpoint_folder::open(folder).config());
  ufb::load_report report;
  load_as(loader_of(config.architecture), folder, report);
  return "model, " + describe(config) + "; tensors: " + std::to_string(report.used.size()) + " used, " +
         std::to_string(report.redundant.size()) + " redundant, " + std::to_string(report.unused.size()) + " unused";
}

bool has(const path& folder, const char* name) {
  std::error_code ignored;
  return std::filesystem::symlink_status(folder / name, ignored).type() != std::filesystem::file_type::not_found;
}

std::string load_folder(const path& folder) {
  const bool model = has(folder, "config.json") || has(folder, "model_config.json");
  const bool text = has(folder, "tokenizer.json") || has(folder, "vocab.txt");
  return text && !model ? describe(ufb::tokenizer::load(folder)) : load_model(folder);
}

std::string load_file(const path& file) {
  const std::string name = file.filename().string();
  if (name.ends_with("tokenizer.json") || name.ends_with("vocab.txt")) return describe(ufb::tokenizer::load(file));
  if (name.ends_with(".index.json")) return "index, " + describe(ufb::weight_files::open_index(file));
  if (name.ends_with("config.json") && name != "tokenizer_config.json") {
    return "configuration, " + describe(read_config(file));
  }
  if (name.ends_with(".json")) {
    constexpr ufb::json_limits limits{};
    static_cast<void>(ufb::json_document::parse(ufb::read_text_file(file, limits.max_bytes), file.string(), limits));
    return "JSON";
  }
  return "safetensors, " + describe(ufb::weight_files::open(file));
}

std::string load_any(const path& place) {
  std::error_code ignored;
  return std::filesystem::is_directory(place, ignored) ? load_folder(place) : load_file(place);
}

std::string outcome(const char* place) {
  try {
    return "ok " + load_any(place);
  } catch (const ufb::error& problem) {
    std::string_view message = problem.what();
    message.remove_prefix(ufb::name(problem.code()).size());
    message.remove_prefix(std::min(message.find_first_not_of(":; "), message.size()));
    return "error " + std::string(ufb::name(problem.code())) + ": " + std::string(message);
  } catch (const std::bad_alloc&) {
    return "error bad_alloc: not enough memory";
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: ufb_load FILE_OR_DIR\n";
    return 2;
  }
  try {
    std::string line = outcome(argv[1]);
    // Paths may hold anything, but the answer is one line.
    std::replace_if(
        line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    std::cout << line << '\n';
    return 0;
  } catch (const std::exception& problem) {
    std::cerr << "unexpected: " << problem.what() << '\n';
    return 1;
  }
}
