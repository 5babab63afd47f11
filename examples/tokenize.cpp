// SPDX-License-Identifier: MIT
//
// Shows how texts, given on the command line or line by line on standard input, become tokens:
//   tokenize --tokenizer examples/models/tiny-mlm "I would like a cup of tea, please."
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  examples::truncation truncation{};
};

// A pair is cut at the first tab; a line without one is a pair with an empty second text.
ufb::encoding encode(const ufb::tokenizer& tokenizer, std::string_view line, const options& wanted) {
  const ufb::encode_options how{.max_length = wanted.truncation.max_length};
  if (!wanted.pair) return tokenizer.encode(line, how);
  const std::size_t tab = std::min(line.find('\t'), line.size());
  return tokenizer.encode(line.substr(0, tab), line.substr(std::min(tab + 1, line.size())), how);
}

// One line per token: spelling, id, type and place in its text.
void print_plain(const ufb::encoding& encoding) {
  for (std::size_t i = 0; i < encoding.size(); ++i) {
    std::cout << encoding.tokens[i] << '\t' << encoding.ids[i] << '\t' << encoding.type_ids[i] << '\t'
              << encoding.offsets[i].begin << '-' << encoding.offsets[i].end << '\n';
  }
  std::cout << '\n';
}

// One line per text.
void print_json(const ufb::encoding& encoding, bool truncation) {
  ordered_json line{{"ids", encoding.ids},
                    {"tokens", encoding.tokens},
                    {"type_ids", encoding.type_ids},
                    {"offsets", ordered_json::array()}};
  for (const auto& span : encoding.offsets) line["offsets"].push_back({span.begin, span.end});
  if (truncation) line["truncated"] = encoding.truncated;
  std::cout << line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
}

void run(const options& wanted) {
  const auto tokenizer = ufb::tokenizer::load(wanted.tokenizer);
  std::size_t texts = 0;
  std::size_t truncated = 0;
  const auto print = [&](const std::string& text) {
    const ufb::encoding tokens = encode(tokenizer, text, wanted);
    ++texts;
    if (tokens.truncated) ++truncated;
    wanted.json ? print_json(tokens, wanted.truncation.wanted) : print_plain(tokens);
  };
  for (const std::string& text : wanted.texts) print(text);
  if (wanted.texts.empty()) {
    for (std::string line; std::getline(std::cin, line);) print(line);
  }
  if (wanted.truncation.wanted) examples::print_truncated(truncated, texts);
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Shows how texts become tokens"};
  app.add_option("--tokenizer", wanted.tokenizer, "folder with tokenizer.json or vocab.txt, or such a file")
      ->required();
  examples::add_texts(app, "texts", "texts; the lines of standard input if none is given");
  app.add_flag("--json", wanted.json,
               "one JSON line per text: ids, tokens, type_ids, offsets in code points, with --truncate truncated");
  app.add_flag("--pair", wanted.pair, "each text is two, with a tab between them");
  examples::add_truncation(app, wanted.truncation, false);
  app.final_callback([&] { wanted.texts = examples::texts_of(app); });
  CLI11_PARSE(app, argc, argv);
  try {
    run(wanted);
  } catch (const std::exception& e) {
    std::cerr << "tokenize: " << e.what() << '\n';
    return 1;
  }
}
