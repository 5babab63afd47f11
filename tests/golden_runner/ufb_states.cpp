// SPDX-License-Identifier: MIT
//
// States and logits of whatever folder it is given, as JSON lines, for comparisons with other programs:
//   ufb_states --model DIR
// A line of standard input is one of
//   {"ids": [..], "type_ids": [..], "attention_mask": [..]}   the last two may be left out
//   {"text": .., "pair": ..}                                  the second may be left out
//   {"batch": [..]}                                           of such, padded together
// and its answer is {"ids", "last_hidden_state", "pooler_output", "logits"} with null for what the model has not,
// {"batch": [..]} of such for a batch, where padding is left out again, or {"error": CODE, "message": ..}.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;
using floats = ufb::matrix_view<const float>;

// The tokens of one text. Shapes: all (tokens), or empty for none.
struct item {
  std::vector<ufb::token_id> ids{};
  std::vector<std::uint32_t> types{};
  std::vector<float> mask{};
};

// Items filled up to one length. Shapes: all (items * length); types and mask may be empty.
struct padded_items {
  std::size_t count = 0;
  std::size_t length = 0;
  item all{};

  [[nodiscard]] ufb::matrix_view<const ufb::token_id> ids() const { return {all.ids.data(), {count, length}}; }
  [[nodiscard]] ufb::matrix_view<const float> mask() const {
    return all.mask.empty() ? ufb::matrix_view<const float>{} : floats(all.mask.data(), {count, length});
  }
  [[nodiscard]] ufb::matrix_view<const std::uint32_t> types() const {
    return all.types.empty() ? ufb::matrix_view<const std::uint32_t>{}
                             : ufb::matrix_view<const std::uint32_t>(all.types.data(), {count, length});
  }
};

// What answers are made of; a model without one of them leaves it out. Shapes: (rows, columns) of all items.
struct results {
  ufb::matrix<float> states{};
  std::optional<ufb::matrix<float>> pooled{};
  std::optional<ufb::matrix<float>> logits{};
  bool logits_of_tokens = false;
};

ordered_json row_json(const floats& rows, std::size_t r) {
  ordered_json out = ordered_json::array();
  for (const float value : rows.row_span(r)) out.push_back(static_cast<double>(value));
  return out;
}

ordered_json rows_json(const floats& rows) {
  ordered_json out = ordered_json::array();
  for (std::size_t r = 0; r < rows.rows(); ++r) out.push_back(row_json(rows, r));
  return out;
}

template <class T>
std::vector<T> numbers(const ordered_json& line, const char* key, std::size_t count) {
  if (!line.contains(key) || line.at(key).is_null()) return {};
  auto values = line.at(key).get<std::vector<T>>();
  if (values.size() != count) ufb::fail_input(key, std::to_string(count) + " numbers", std::to_string(values.size()));
  return values;
}

// The states of a folder, and the logits of its task.
class states_program {
 public:
  explicit states_program(const std::filesystem::path& folder)
      : task_(ufb::auto_model<float>::load(folder)),
        encoder_(ufb::encoder_model<float>::load(
            ufb::models::lists_modules(folder) ? ufb::models::read_sentence_modules(folder).encoder : folder)) {}

  [[nodiscard]] ordered_json answer(const std::string& text) {
    try {
      const ordered_json line = ordered_json::parse(text);
      if (!line.contains("batch")) return compute({read(line)}).front();
      std::vector<item> items;
      for (const ordered_json& each : line.at("batch")) items.push_back(read(each));
      if (items.empty()) ufb::fail_input("batch", "at least one text", "none");
      return {{"batch", compute(items)}};
    } catch (const ufb::error& problem) {
      return {{"error", std::string(name(problem.code()))}, {"message", problem.what()}};
    } catch (const nlohmann::json::exception& problem) {
      return {{"error", "bad_request"}, {"message", problem.what()}};
    }
  }

 private:
  [[nodiscard]] item read(const ordered_json& line) const {
    item out;
    if (line.contains("text")) {
      const auto& reader = encoder_.text_tokenizer();
      const auto text = line.at("text").get<std::string>();
      const bool pair = line.contains("pair") && !line.at("pair").is_null();
      const ufb::encoding tokens = pair ? reader.encode(text, line.at("pair").get<std::string>()) : reader.encode(text);
      out.ids = tokens.ids;
      if (encoder_.stack().config().embedding.token_types != 0) out.types = tokens.type_ids;
    } else {
      out.ids = line.at("ids").get<std::vector<ufb::token_id>>();
      out.types = numbers<std::uint32_t>(line, "type_ids", out.ids.size());
      out.mask = numbers<float>(line, "attention_mask", out.ids.size());
    }
    if (out.ids.empty()) ufb::fail_input("ids", "at least one token", "none");
    return out;
  }

  [[nodiscard]] padded_items pad(const std::vector<item>& items) const {
    padded_items out{.count = items.size()};
    bool masked = false;
    bool typed = false;
    for (const item& each : items) {
      masked = masked || !each.mask.empty() || each.ids.size() != items.front().ids.size();
      typed = typed || !each.types.empty();
      out.length = std::max(out.length, each.ids.size());
    }
    for (const item& each : items) {
      const std::size_t padding = out.length - each.ids.size();
      const auto fill = [&](auto& to, const auto& from, auto token, auto rest) {
        if (from.empty()) to.insert(to.end(), each.ids.size(), token);
        to.insert(to.end(), from.begin(), from.end());
        to.insert(to.end(), padding, rest);
      };
      fill(out.all.ids, each.ids, ufb::token_id{0}, padding_id());
      if (masked) fill(out.all.mask, each.mask, 1.0F, 0.0F);
      if (typed) fill(out.all.types, each.types, std::uint32_t{0}, std::uint32_t{0});
    }
    return out;
  }

  [[nodiscard]] ufb::token_id padding_id() const { return encoder_.stack().config().embedding.padding.value_or(0); }

  [[nodiscard]] std::vector<ordered_json> compute(const std::vector<item>& items) {
    const padded_items batch = pad(items);
    const results found = run(batch);
    std::vector<ordered_json> answers;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::size_t first = i * batch.length;
      const std::size_t count = items[i].ids.size();
      ordered_json answer{{"ids", items[i].ids},
                          {"last_hidden_state", rows_json(found.states.view().rows_from(first, count))},
                          {"pooler_output", nullptr},
                          {"logits", nullptr}};
      if (found.pooled) answer["pooler_output"] = row_json(found.pooled->view(), i);
      if (found.logits) {
        const floats logits = found.logits->view();
        answer["logits"] = found.logits_of_tokens ? rows_json(logits.rows_from(first, count)) : row_json(logits, i);
      }
      answers.push_back(std::move(answer));
    }
    return answers;
  }

  [[nodiscard]] results run(const padded_items& batch) {
    results out;
    out.states =
        encoder_.encode(batch.ids(), batch.mask(), scratch_, {.padding_states = true, .type_ids = batch.types()});
    if (const auto* pooler = encoder_.pooling()) {
      std::vector<std::size_t> offsets;
      for (std::size_t i = 0; i <= batch.count; ++i) offsets.push_back(i * batch.length);
      out.pooled.emplace(ufb::matrix_extents{batch.count, pooler->output_width()});
      pooler->forward(out.states.view(), offsets, out.pooled->view(), scratch_);
    }
    std::visit([&](const auto& model) { add_logits(model, batch, out); }, task_.model());
    return out;
  }

  void add_logits(const ufb::encoder_model<float>& /*model*/, const padded_items& /*batch*/, results& /*out*/) {}
  void add_logits(const ufb::embedder<float>& /*model*/, const padded_items& /*batch*/, results& /*out*/) {}
  void add_logits(const ufb::masked_lm<float>& model, const padded_items& batch, results& out) {
    std::vector<std::size_t> rows(batch.count * batch.length);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
    out.logits_of_tokens = true;
    out.logits.emplace(ufb::matrix_extents{rows.size(), model.vocabulary_size()});
    model.logits(out.states.view(), rows, out.logits->view(), scratch_);
  }
  void add_logits(const ufb::sequence_classifier<float>& model, const padded_items& batch, results& out) {
    out.logits.emplace(ufb::matrix_extents{batch.count, model.labels().size()});
    model.logits(batch.ids(), batch.mask(), batch.types(), out.logits->view(), scratch_);
  }
  void add_logits(const ufb::cross_encoder<float>& model, const padded_items& batch, results& out) {
    add_logits(model.classifier(), batch, out);
  }
  void add_logits(const ufb::token_classifier<float>& model, const padded_items& batch, results& out) {
    out.logits_of_tokens = true;
    out.logits.emplace(ufb::matrix_extents{batch.count * batch.length, model.labels().size()});
    model.logits(batch.ids(), batch.mask(), batch.types(), out.logits->view(), scratch_);
  }

  ufb::auto_model<float> task_;
  ufb::encoder_model<float> encoder_;  // for its states, and its pooler where the task has none
  ufb::workspace scratch_{};
};

}  // namespace

int main(int argc, char** argv) {
  std::string folder;
  CLI::App app{"Prints states, pooler output and logits of JSON lines"};
  app.add_option("--model", folder, "checkpoint folder")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    states_program program(folder);
    for (std::string line; std::getline(std::cin, line);) {
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      std::cout << program.answer(line).dump(-1, ' ', false, ordered_json::error_handler_t::replace) << std::endl;
    }
    return 0;
  } catch (const ufb::error& problem) {
    std::cout << ordered_json{{"error", std::string(name(problem.code()))}, {"message", problem.what()}}.dump(
                     -1, ' ', false, ordered_json::error_handler_t::replace)
              << '\n';
    return 1;
  } catch (const std::exception& problem) {
    std::cerr << "ufb_states: " << problem.what() << '\n';
    return 1;
  }
}
