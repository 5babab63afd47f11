// SPDX-License-Identifier: MIT
//
// Prints what becomes of texts, for a comparison with the reference: reads the tokenizer.json that is named, and from
// standard input one JSON array per line, of a text or of a text and its pair; writes one JSON object per line.
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;

ordered_json describe(const ufb::tokenizer& tokenizer, const ordered_json& texts) {
  const auto text = texts.at(0).get<std::string>();
  const ufb::encoding found =
      texts.size() > 1 ? tokenizer.encode(text, texts.at(1).get<std::string>()) : tokenizer.encode(text);
  ordered_json out{{"ids", found.ids}, {"tokens", found.tokens}, {"types", found.type_ids}};
  out["offsets"] = ordered_json::array();
  for (const auto& span : found.offsets) out["offsets"].push_back({span.begin, span.end});
  out["special"] = found.special_tokens_mask;
  out["decoded"] = tokenizer.decode(found.ids);
  out["decoded_all"] = tokenizer.decode(found.ids, {.skip_special_tokens = false});
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto tokenizer = ufb::tokenizer::load(argc > 1 ? argv[1] : "tokenizer.json");
    for (std::string line; std::getline(std::cin, line);) {
      ordered_json out;
      try {
        out = describe(tokenizer, ordered_json::parse(line));
      } catch (const ufb::error& e) {
        out = {{"error", e.what()}};
      }
      std::cout << out.dump() << '\n';
    }
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
