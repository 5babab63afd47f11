// SPDX-License-Identifier: MIT
//
// Says what a checkpoint folder holds and what this library makes of it: architecture, tensors, tokenizer, bytes by
// storage, and what would be refused and why:
//   inspect examples/models/tiny-mlm
// Each part is read by itself, so that one that is refused does not hide the others.
#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "loading.hpp"
#include "program.hpp"
#include "ultrafastbert/core/memory_source.hpp"
#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/model/families/families.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;

struct options {
  std::string folder{};
  bool json = false;
};

// What is known of a folder so far.
class inspection {
 public:
  explicit inspection(const std::string& folder) : folder_(ufb::checkpoint_folder::open(folder)) {
    out_ = {{"folder", folder},
            {"config", folder_.config().filename().string()},
            {"architecture", nullptr},
            {"weights", nullptr},
            {"tokenizer", nullptr},
            {"load", nullptr},
            {"refused", ordered_json::array()}};
    attempt("weights", [&] { read_weights(); });
    attempt("config", [&] { read_config(); });
    if (folder_.tokenizer()) attempt("tokenizer", [&] { read_tokenizer(); });
    if (readable_) attempt("load", [&] { load(); });
  }

  [[nodiscard]] const ordered_json& result() const { return out_; }

 private:
  void attempt(const char* part, const std::function<void()>& read) {
    try {
      read();
    } catch (const ufb::error& problem) {
      // A model cannot be loaded whose parts cannot be read: that is said once.
      for (const ordered_json& known : out_["refused"]) {
        if (known["message"] == problem.what()) return;
      }
      out_["refused"].push_back({{"part", part}, {"error", name(problem.code())}, {"message", problem.what()}});
    }
  }

  void read_weights() {
    weights_.emplace(folder_.open_weights());
    std::map<std::string, std::pair<std::size_t, std::uint64_t>> storage;
    ordered_json tensors = ordered_json::array();
    std::uint64_t total = 0;
    for (const ufb::safetensors& file : weights_->files()) {
      for (const ufb::tensor_entry& entry : file.tensors()) {
        const std::string type(name(entry.type));
        tensors.push_back({{"name", entry.name}, {"dtype", type}, {"shape", entry.shape}});
        ++storage[type].first;
        storage[type].second += entry.end - entry.begin;
        total += entry.end - entry.begin;
      }
    }
    ordered_json by_storage = ordered_json::object();
    for (const auto& [type, sizes] : storage) by_storage[type] = {{"tensors", sizes.first}, {"bytes", sizes.second}};
    out_["weights"] = {{"files", weights_->files().size()},
                       {"tensors", tensors.size()},
                       {"bytes", total},
                       {"by_storage", by_storage},
                       {"list", tensors}};
  }

  // The architecture is completed by the tensors, as far as there are any.
  void read_config() {
    constexpr ufb::json_limits limits{};
    const auto document = ufb::json_document::parse(ufb::read_text_file(folder_.config(), limits.max_bytes),
                                                    folder_.config().string(), limits);
    const ufb::model_family& family = ufb::models::family_of(document.root());
    const std::string written_by = family.architecture(document.root());
    out_["architecture"] = {
        {"family", family.name}, {"class", nullptr}, {"what", nullptr}, {"loader", "encoder_model"}};
    readable_ = true;
    if (!written_by.empty()) out_["architecture"]["class"] = written_by;
    for (const ufb::written_class& known : family.classes) {
      if (known.name != written_by) continue;
      out_["architecture"]["what"] = known.what;
      out_["architecture"]["loader"] = known.loader;
    }
    const ufb::memory_source none("weights");
    std::optional<ufb::safetensors_source> source;
    if (weights_) source.emplace(*weights_);
    const ufb::tensor_source& tensors = source ? static_cast<const ufb::tensor_source&>(*source) : none;
    add_sizes(family.describe(document.root(), tensors).encoder);
  }

  void add_sizes(const ufb::encoder_config& encoder) {
    ordered_json& out = out_["architecture"];
    out["layers"] = encoder.layers;
    out["hidden_size"] = encoder.hidden_size();
    out["heads"] = encoder.block.attention.heads;
    out["vocabulary_size"] = encoder.embedding.vocabulary_size;
    out["max_sequence_length"] = encoder.embedding.max_sequence_length;
    out["token_types"] = encoder.embedding.token_types;
    out["norms"] = encoder.block.placement == ufb::norm_placement::before ? "before" : "after";
    if (const auto* fast = std::get_if<ufb::fast_feedforward_shape>(&encoder.block.feedforward)) {
      const std::size_t nodes = fast->trees() * ufb::cmm::tree::node_count(fast->depth);
      out["feedforward"] = {{"kind", "fast"},
                            {"trees", fast->trees()},
                            {"depth", fast->depth},
                            {"neurons", nodes},
                            {"neurons_per_token", fast->trees() * (fast->depth + 1)},
                            {"activation", name(fast->activation)}};
    } else if (const auto* dense = std::get_if<ufb::feedforward_shape>(&encoder.block.feedforward)) {
      out["feedforward"] = {{"kind", "dense"},
                            {"neurons", dense->intermediate},
                            {"gated", dense->gated},
                            {"activation", name(dense->activation)}};
    }
  }

  void read_tokenizer() {
    const auto tokenizer = ufb::tokenizer::load(*folder_.tokenizer());
    ordered_json special = ordered_json::object();
    for (const ufb::special_role role : ufb::special_roles) {
      if (const auto token = tokenizer.special_token(role)) {
        const auto id = tokenizer.special_id(role);
        special[std::string(name(role))] = {{"token", *token}, {"id", id ? ordered_json(*id) : ordered_json(nullptr)}};
      }
    }
    const ufb::tokenizer_report& report = tokenizer.report();
    out_["tokenizer"] = {{"file", folder_.tokenizer()->filename().string()},
                         {"tokens", tokenizer.vocabulary_size()},
                         {"special", special},
                         {"blank", report.blank.count},
                         {"repeated", report.repeated.count},
                         {"conflicts", report.conflicts.size()},
                         {"settings", ordered_json::array()}};
    for (const auto& each : report.settings) {
      out_["tokenizer"]["settings"].push_back({{"key", each.key},
                                               {"used", each.used},
                                               {"ignored_in", std::filesystem::path(each.file).filename().string()}});
    }
  }

  void load() {
    ufb::load_report report;
    const auto model = ufb::auto_model<float>::load(folder_.path(), examples::with_loading_line({.report = &report}));
    out_["load"] = {{"class", model.task()}, {"reason", model.reason()}, {"what", model.describe()}};
    std::visit([this](const auto& loaded) { add_loaded(loaded); }, model.model());
    ordered_json unused = ordered_json::array();
    for (const auto& tensor : report.unused) unused.push_back(tensor.name);
    out_["load"]["used"] = report.used.size();
    out_["load"]["redundant"] = report.redundant.size();
    out_["load"]["unused"] = unused;
    out_["load"]["words_without_row"] = report.words_without_row;
  }

  template <class Model>
  void add_loaded(const Model& model) {
    if constexpr (requires { model.bytes(); }) out_["load"]["bytes"] = model.bytes();
    if constexpr (requires { model.labels(); }) {
      out_["load"]["labels"] = ordered_json::array();
      for (const std::string& label : model.labels()) out_["load"]["labels"].push_back(label);
    }
  }

  ufb::checkpoint_folder folder_;
  std::optional<ufb::weight_files> weights_{};
  bool readable_ = false;  // the configuration is of a family of this library
  ordered_json out_{};
};

std::string text_of(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// Paths and values, one below the other.
void print_plain(const ordered_json& value, const std::string& path) {
  if (!value.is_structured() || value.empty() || (value.is_array() && !value.front().is_structured())) {
    std::cout << path << ": " << (value.is_string() ? value.get<std::string>() : text_of(value)) << '\n';
    return;
  }
  for (const auto& [key, member] : value.items()) {
    if (value.is_array() && member.contains("shape")) {
      std::cout << "  " << member["name"].get<std::string>() << ' ' << member["dtype"].get<std::string>() << ' '
                << text_of(member["shape"]) << '\n';
    } else {
      std::string below = path;
      if (!path.empty()) below.append(value.is_array() ? " " : ".");
      print_plain(member, below.append(key));
    }
  }
}

void run(const options& wanted) {
  const inspection folder(wanted.folder);
  if (wanted.json) {
    examples::print_line(folder.result());
  } else {
    print_plain(folder.result(), "");
  }
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Says what a checkpoint folder holds, and what would be refused and why", "inspect"};
  auto* folder = app.add_option("folder", wanted.folder, "checkpoint folder");
  auto* model = app.add_option("--model", wanted.folder, "the same, as other programs take it")->excludes(folder);
  app.add_flag("--json", wanted.json, "one JSON line: folder, config, architecture, weights, tokenizer, load, refused");
  app.final_callback([&] {
    if (folder->count() + model->count() == 0) throw CLI::RequiredError("folder or --model");
  });
  return examples::run_program(app, argc, argv,
                               {"@ examples/models/tiny-mlm", "@ --model examples/models/tiny-mlm --json"},
                               [&] { run(wanted); });
}
