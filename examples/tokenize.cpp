// SPDX-License-Identifier: MIT
//
// Shows how texts, given on the command line or line by line on standard input, become tokens:
//   tokenize --tokenizer examples/models/tiny-mlm "I would like a cup of tea, please."
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "program.hpp"
#include "streaming.hpp"
#include "texts.hpp"
#include "truncation.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;

struct options {
  std::string tokenizer{};
  std::vector<std::string> texts{};
  bool json = false;
  bool pair = false;
  bool file_settings = false;
  bool reports = false;  // whether the output says what was cut
  ufb::encode_options how{};
};

ufb::truncation_strategy strategy_of(std::string_view word) {
  if (word == "longest_first") return ufb::truncation_strategy::longest_first;
  if (word == "only_first") return ufb::truncation_strategy::only_first;
  if (word == "only_second") return ufb::truncation_strategy::only_second;
  throw std::runtime_error("takes longest_first, only_first or only_second");
}

ufb::truncation_direction direction_of(std::string_view word) {
  if (word == "right") return ufb::truncation_direction::right;
  if (word == "left") return ufb::truncation_direction::left;
  throw std::runtime_error("takes right or left");
}

// A pair is cut at the first tab; a line without one is a pair with an empty second text.
ufb::encoding encode(const ufb::tokenizer& tokenizer, std::string_view line, const options& wanted) {
  ufb::encode_options how = wanted.how;
  if (wanted.file_settings) how = tokenizer.file_truncation().value_or(how);
  const std::size_t tab = wanted.pair ? std::min(line.find('\t'), line.size()) : line.size();
  ufb::encoding out = wanted.pair
                          ? tokenizer.encode(line.substr(0, tab), line.substr(std::min(tab + 1, line.size())), how)
                          : tokenizer.encode(line, how);
  if (wanted.file_settings && tokenizer.file_padding()) tokenizer.pad({&out, 1}, *tokenizer.file_padding());
  return out;
}

// One line per token: spelling, id, type and place in its text.
void print_plain(const ufb::encoding& encoding) {
  for (std::size_t i = 0; i < encoding.size(); ++i) {
    std::cout << encoding.tokens[i] << '\t' << encoding.ids[i] << '\t' << encoding.type_ids[i] << '\t'
              << encoding.offsets[i].begin << '-' << encoding.offsets[i].end << '\n';
  }
  std::cout << '\n';
}

ordered_json describe(const ufb::encoding& encoding, const options& wanted) {
  ordered_json line{{"ids", encoding.ids},
                    {"tokens", encoding.tokens},
                    {"type_ids", encoding.type_ids},
                    {"offsets", ordered_json::array()}};
  for (const auto& span : encoding.offsets) line["offsets"].push_back({span.begin, span.end});
  if (wanted.file_settings) line["attention_mask"] = encoding.attention_mask;
  return line;
}

// One line per text.
void print_json(const ufb::encoding& encoding, const options& wanted) {
  ordered_json line = describe(encoding, wanted);
  if (wanted.reports) line["truncated"] = encoding.truncated;
  for (const auto& further : encoding.overflow) line["overflow"].push_back(describe(further, wanted));
  examples::print_line(line);
}

void run(options wanted) {
  const auto tokenizer = ufb::tokenizer::load(wanted.tokenizer);
  std::size_t texts = 0;
  std::size_t truncated = 0;
  const auto print = [&](const std::string& text) {
    const ufb::encoding tokens = encode(tokenizer, text, wanted);
    ++texts;
    if (tokens.truncated) ++truncated;
    if (wanted.json) {
      print_json(tokens, wanted);
    } else {
      print_plain(tokens);
      for (const auto& further : tokens.overflow) print_plain(further);
    }
  };
  examples::text_reader reader(std::move(wanted.texts));
  for (examples::text_group group; reader.next(group);) {
    for (const std::string& text : group.texts) print(text);
    std::cout.flush();
  }
  if (wanted.reports) examples::print_truncated(truncated, texts);
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Shows how texts become tokens", "tokenize"};
  app.add_option("--tokenizer,--model", wanted.tokenizer,
                 "folder with tokenizer.json, vocab.txt or vocab.json, or such a file")
      ->required();
  examples::add_texts(app, "texts", "texts; the lines of standard input if none is given");
  app.add_flag(
      "--json", wanted.json,
      "one JSON line per text: ids, tokens, type_ids, offsets in code points; truncated where texts may be cut, "
      "overflow with --stride, attention_mask with --file-settings");
  app.add_flag("--pair", wanted.pair, "each text is two, with a tab between them");
  auto* file_settings = app.add_flag("--file-settings", wanted.file_settings,
                                     "truncate and pad as the tokenizer.json says, one text at a time");
  auto* length = app.add_option("--max-length", wanted.how.max_length,
                                "most tokens of a text or pair, special ones included; others are cut")
                     ->check(examples::positive)
                     ->excludes(file_settings);
  bool truncate = false;  // --max-length says so already
  app.add_flag("--truncate", truncate, "texts may be cut, which --max-length says, too")->needs(length);
  examples::add_word(app, "--strategy", wanted.how.strategy, "longest_first",
                     "which text of a pair is cut: longest_first, only_first or only_second", strategy_of)
      ->needs(length);
  examples::add_word(app, "--direction", wanted.how.direction, "right", "which end is cut off: right or left",
                     direction_of)
      ->needs(length);
  auto* stride = app.add_option("--stride", wanted.how.stride,
                                "shows what was cut off, too, in further encodings that repeat so many tokens")
                     ->check(CLI::NonNegativeNumber)
                     ->needs(length);
  app.final_callback([&] {
    wanted.texts = examples::texts_of(app);
    if (wanted.how.strategy == ufb::truncation_strategy::only_second && !wanted.pair) {
      throw CLI::RequiresError("--strategy only_second", "--pair");
    }
  });
  return examples::run_program(
      app, argc, argv, {"@ --model examples/models/tiny-mlm \"a cup of tea\"", "@ --tokenizer FOLDER --json < FILE"},
      [&] {
        wanted.reports = length->count() > 0 || file_settings->count() > 0;
        wanted.how.overflow = stride->count() > 0;
        run(std::move(wanted));
      });
}
