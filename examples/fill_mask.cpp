// SPDX-License-Identifier: MIT
//
// Fills the masks of sentences, given on the command line or line by line on standard input:
//   fill_mask --model examples/models/tiny-mlm "I would like a cup of <mask>, please."
#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  std::vector<std::string> sentences{};
  std::size_t top_k = 5;
  bool json = false;
  std::vector<ufb::token_id> ids{};
  std::string dump_logits{};
  ufb::weight_storage storage = ufb::weight_storage::float32;
  ufb::weight_storage projection = ufb::weight_storage::float32;
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
    examples::print_line(line);
  }
}

std::vector<ufb::token_id> read_ids(const std::string& text) {
  std::vector<ufb::token_id> ids;
  std::istringstream words(text);
  for (ufb::token_id id = 0; words >> id;) ids.push_back(id);
  if (!words.eof() || ids.empty()) throw std::runtime_error("takes integers separated by blanks");
  return ids;
}

// The logits of every token of one sequence of ids: [tokens, vocabulary] float32, raw little-endian.
void dump_logits(const ufb::masked_lm<float>& model, const options& wanted) {
  const auto& ids = wanted.ids;
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

void run(options wanted) {
  ufb::load_options how;
  how.fast_feedforward.storage_in = how.fast_feedforward.storage_out = wanted.storage;
  how.projections.storage = wanted.projection;
  const auto model = ufb::masked_lm<float>::load(wanted.model, examples::with_loading_line(how));
  if (!wanted.dump_logits.empty()) return dump_logits(model, wanted);
  ufb::thread_pool threads(wanted.threads);
  auto workspace = model.make_workspace();
  const auto& [truncate, max_length] = wanted.truncation;
  const std::size_t most = max_length != 0 ? max_length : model.max_sequence_length();
  std::size_t texts = 0;
  std::size_t truncated = 0;
  examples::text_reader reader(std::move(wanted.sentences));
  examples::bad_texts bad(false);
  for (examples::text_group group; reader.next(group);) {
    const std::vector<std::string_view> views(group.texts.begin(), group.texts.end());
    const auto outcomes =
        model.try_fill_mask(views, {.top_k = wanted.top_k, .texts = {.truncation = truncate, .max_length = max_length}},
                            workspace, threads);
    for (std::size_t i = 0; i < outcomes.size(); ++i, ++texts) {
      if (outcomes[i].problem) bad.add(*outcomes[i].problem, reader.name(texts));
      std::optional<bool> cut;
      if (truncate) cut = examples::is_truncated(model.text_tokenizer(), group.texts[i], most);
      truncated += std::size_t{cut.value_or(false)};
      (wanted.json ? print_json : print_plain)(group.texts[i], *outcomes[i].result, cut);
    }
  }
  if (truncate) examples::print_truncated(truncated, texts);
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Fills the masks of sentences", "fill_mask"};
  app.add_option("--model", wanted.model, "checkpoint folder")->required();
  examples::add_texts(app, "sentences", "sentences with masks; the lines of standard input if none is given");
  auto* top_k =
      app.add_option("--top-k", wanted.top_k, "candidates per mask")->check(examples::positive)->capture_default_str();
  auto* json = app.add_flag("--json", wanted.json,
                            "one JSON line per mask: text, position, candidates, with --truncate truncated");
  auto* ids =
      examples::add_word(app, "--ids", wanted.ids, "", "token ids instead of sentences, for --dump-logits", read_ids);
  auto* dump = app.add_option("--dump-logits", wanted.dump_logits, "file for the logits of all tokens of --ids");
  ids->needs(dump);
  dump->needs(ids);
  examples::add_storage(app, "--storage", wanted.storage, examples::plain_storages,
                        "weights of the fast feedforward layers: f32, f16, bf16 or int8");
  examples::add_storage(app, "--projection", wanted.projection, examples::projection_storages,
                        "weights of attention and dense layers: f32, bf16 or int8");
  auto* threads = examples::add_threads(app, wanted.threads);
  auto* truncate = examples::add_truncation(app, wanted.truncation, true);
  for (auto* other : {top_k, json, threads, truncate}) ids->excludes(other);
  app.final_callback([&] {
    wanted.sentences = examples::texts_of(app);
    if (!wanted.ids.empty() && !wanted.sentences.empty()) throw CLI::ExcludesError("sentences", "--ids");
  });
  return examples::run_program(app, argc, argv,
                               {"@ --model examples/models/tiny-mlm \"I would like a cup of <mask>, please.\"",
                                "@ --model examples/models/tiny-mlm --json --top-k 3 < FILE"},
                               [&] { run(std::move(wanted)); });
}
