// SPDX-License-Identifier: MIT
//
// Fills the masks of sentences, given on the command line or line by line on standard input:
//   fill_mask --model examples/models/tiny-mlm "I would like a cup of <mask>, please."
#include <CLI/CLI.hpp>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
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
  std::vector<std::string> sentences{};
  std::size_t top_k = 5;
  bool json = false;
  std::string ids{};
  std::string dump_logits{};
  std::string storage = "f32";
  std::string projection = "f32";
  std::size_t threads = 1;
  examples::truncation truncation{};
};

// Candidates go to standard output and nothing else does; the sentences they belong to go to standard error.
void print_plain(const std::string& text, const std::vector<ufb::mask_candidate>& candidates,
                 std::optional<bool> truncated) {
  std::cerr << text << std::endl;
  if (candidates.empty()) {
    std::cerr << "  (no mask in " << (truncated.value_or(false) ? "what is left of " : "") << "this sentence)"
              << std::endl;
  }
  for (const auto& c : candidates) {
    std::cout << c.token << '\t' << std::fixed << std::setprecision(4) << c.probability << std::endl;
  }
}

// One line per mask; the candidates of a mask stand together.
void print_json(const std::string& text, const std::vector<ufb::mask_candidate>& candidates,
                std::optional<bool> truncated) {
  for (std::size_t first = 0; first < candidates.size();) {
    ordered_json line{{"text", text}, {"position", candidates[first].position}, {"candidates", ordered_json::array()}};
    std::size_t c = first;
    for (; c < candidates.size() && candidates[c].position == candidates[first].position; ++c) {
      line["candidates"].push_back({{"token", candidates[c].token},
                                    {"id", candidates[c].id},
                                    {"logit", candidates[c].logit},
                                    {"probability", candidates[c].probability}});
    }
    first = c;
    if (truncated) line["truncated"] = *truncated;
    std::cout << line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
  }
}

// The logits of every token of one sequence of ids: [tokens, vocabulary] float32, raw little-endian.
void dump_logits(const ufb::masked_lm<float>& model, const options& wanted) {
  std::vector<ufb::token_id> ids;
  std::istringstream words(wanted.ids);
  for (ufb::token_id id = 0; words >> id;) ids.push_back(id);
  if (!words.eof()) throw std::runtime_error("--ids takes integers separated by blanks");

  auto workspace = model.make_workspace();
  const auto states = model.encode({ids.data(), {1, ids.size()}}, {}, workspace);
  std::vector<std::size_t> rows(ids.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  ufb::matrix<float> logits({rows.size(), model.vocabulary_size(), model.vocabulary_size()});
  model.logits(states.view(), rows, logits.view(), workspace);

  std::ofstream out(wanted.dump_logits, std::ios::binary);
  out.write(reinterpret_cast<const char*>(logits.row(0)), static_cast<std::streamsize>(logits.bytes()));
  if (!out.flush()) throw std::runtime_error("cannot write " + wanted.dump_logits);
}

ufb::weight_storage storage_of(const std::string& wanted) {
  using enum ufb::weight_storage;
  for (const auto storage : {float32, float16, bfloat16, int8}) {
    if (wanted == name(storage)) return storage;
  }
  throw std::runtime_error("--storage takes f32, f16, bf16 or int8, --projection all but f16");
}

void run(options wanted) {
  ufb::load_options how;
  how.fast_feedforward.storage_in = how.fast_feedforward.storage_out = storage_of(wanted.storage);
  how.projections.storage = storage_of(wanted.projection);
  const auto model = ufb::masked_lm<float>::load(wanted.model, how);
  if (!wanted.dump_logits.empty()) return dump_logits(model, wanted);
  if (wanted.sentences.empty()) wanted.sentences = examples::read_lines(std::cin);
  ufb::thread_pool threads(wanted.threads);
  auto workspace = model.make_workspace();
  const auto& [truncate, max_length] = wanted.truncation;
  const auto results = model.fill_mask(
      wanted.sentences, {.top_k = wanted.top_k, .texts = {.truncation = truncate, .max_length = max_length}}, workspace,
      threads);
  std::vector<bool> truncated;
  if (truncate) {
    truncated = examples::find_truncated(model.text_tokenizer(), wanted.sentences,
                                         max_length != 0 ? max_length : model.max_sequence_length());
    examples::print_truncated(truncated);
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    (wanted.json ? print_json : print_plain)(wanted.sentences[i], results[i],
                                             truncate ? std::optional<bool>(truncated[i]) : std::nullopt);
  }
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Fills the masks of sentences"};
  app.add_option("--model", wanted.model, "checkpoint folder")->required();
  examples::add_texts(app, "sentences", "sentences with masks; the lines of standard input if none is given");
  app.add_option("--top-k", wanted.top_k, "candidates per mask")->capture_default_str();
  app.add_flag("--json", wanted.json, "one JSON line per mask: text, position, candidates, with --truncate truncated");
  auto* ids = app.add_option("--ids", wanted.ids, "token ids instead of sentences, for --dump-logits");
  auto* dump = app.add_option("--dump-logits", wanted.dump_logits, "file for the logits of all tokens of --ids");
  ids->needs(dump);
  dump->needs(ids);
  app.add_option("--storage", wanted.storage, "weights of the fast feedforward layers: f32, f16, bf16 or int8")
      ->capture_default_str();
  app.add_option("--projection", wanted.projection, "weights of attention and dense layers: f32, bf16 or int8")
      ->capture_default_str();
  app.add_option("--threads", wanted.threads, "threads that share the work")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  examples::add_truncation(app, wanted.truncation, true);
  app.final_callback([&] {
    wanted.sentences = examples::texts_of(app);
    if (!wanted.ids.empty() && !wanted.sentences.empty()) throw CLI::ExcludesError("sentences", "--ids");
  });
  CLI11_PARSE(app, argc, argv);
  try {
    run(std::move(wanted));
  } catch (const std::exception& e) {
    std::cerr << "fill_mask: " << e.what() << '\n';
    return 1;
  }
}
