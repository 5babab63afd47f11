// SPDX-License-Identifier: MIT
//
// What the reference made of texts with many configurations: every step with its options, models of all kinds, and the
// regular expressions of published tokenizers. reference/record.js records it.
#include <fstream>
#include <string>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

using ufb_test::json;

json read(const std::string& name) {
  std::ifstream file(name);
  REQUIRE(file);
  return json::parse(file);
}

// The tokenizer.json of a recorded configuration.
json document_of(const json& recorded) {
  json out = read(std::string(UFB_TEST_DATA_DIR) + "/tokenizers/" + recorded.at("base").get<std::string>() +
                  "/tokenizer.json");
  for (const auto& [key, value] : recorded.at("members").items()) out[key] = value;
  for (const auto& key : recorded.at("dropped")) out["model"].erase(key.get<std::string>());
  for (const auto& [key, value] : recorded.at("model").items()) out["model"][key] = value;
  return out;
}

}  // namespace

TEST_CASE("Texts become the tokens that the reference makes of them, whatever the steps", "[tokenizer][recorded]") {
  const json recorded = read(std::string(UFB_TEST_DATA_DIR) + "/../tokenizer/reference/recorded.json");
  REQUIRE(recorded.size() > 60);
  for (const json& configuration : recorded) {
    const auto tokenizer = ultrafastbert::tokenizer::parse(document_of(configuration).dump(), "tokenizer.json");
    for (const json& item : configuration.at("cases")) {
      const auto text = item.at("text").at(0).get<std::string>();
      INFO(configuration.at("name") << ' ' << item.at("text").dump());
      const auto found = item.at("text").size() > 1 ? tokenizer.encode(text, item.at("text").at(1).get<std::string>())
                                                    : tokenizer.encode(text);
      CHECK(json(found.ids) == item.at("ids"));
      CHECK(json(found.tokens) == item.at("tokens"));
      CHECK(json(found.type_ids) == item.at("types"));
      CHECK(json(ufb_test::spans(found)) == item.at("offsets"));
      CHECK(tokenizer.decode(found.ids) == item.at("decoded").get<std::string>());
    }
  }
}
