// SPDX-License-Identifier: MIT
//
// Values in a configuration that no model can have, in the words of every family.
#include <string>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/core/memory_source.hpp"
#include "ultrafastbert/model/families/families.hpp"

using namespace ultrafastbert;
using nlohmann::ordered_json;
using ufb_test::error_of;

namespace {

// The smallest configuration of a family, and its words for what all families have.
struct family_words {
  ordered_json config;
  std::string width;
  std::string layers;
  std::string heads;
  std::string intermediate;
  std::string activation;
};

std::vector<family_words> hub_families() {
  std::vector<family_words> all;
  for (const char* type : {"bert", "roberta"}) {
    all.push_back({{{"model_type", type},
                    {"vocab_size", 40},
                    {"hidden_size", 12},
                    {"num_hidden_layers", 2},
                    {"num_attention_heads", 3},
                    {"intermediate_size", 20},
                    {"max_position_embeddings", 16},
                    {"hidden_act", "gelu"},
                    {"pad_token_id", 1},
                    {"type_vocab_size", 1}},
                   "hidden_size",
                   "num_hidden_layers",
                   "num_attention_heads",
                   "intermediate_size",
                   "hidden_act"});
  }
  all.push_back({{{"model_type", "distilbert"},
                  {"vocab_size", 40},
                  {"dim", 12},
                  {"n_layers", 2},
                  {"n_heads", 3},
                  {"hidden_dim", 20},
                  {"max_position_embeddings", 16},
                  {"activation", "gelu"}},
                 "dim",
                 "n_layers",
                 "n_heads",
                 "hidden_dim",
                 "activation"});
  return all;
}

model_description read(const std::string& text) {
  const auto document = json_document::parse(text, "config.json");
  return models::family_of(document.root()).describe(document.root(), memory_source("weights"));
}

// The code of a configuration's refusal, which has to name the file, the key, and both sides.
std::string refusal(const std::string& text, const std::string& key) {
  const auto e = error_of([&] { static_cast<void>(read(text)); });
  if (!e) return "none";
  CHECK(e->file() == "config.json");
  CHECK(e->where() == "$." + key);
  CHECK_FALSE(e->expected().empty());
  CHECK_FALSE(e->found().empty());
  return std::string(name(e->code()));
}

}  // namespace

TEST_CASE("Values that no model can have are refused in every family") {
  for (const family_words& family : hub_families()) {
    REQUIRE(refusal(family.config.dump(), "") == "none");
    const auto code = [&family](const std::string& key, const ordered_json& value) {
      ordered_json config = family.config;
      config[key] = value;
      INFO(config.dump());
      return refusal(config.dump(), key);
    };
    for (const std::string& size : {family.width, family.layers, family.heads, family.intermediate,
                                    std::string("vocab_size"), std::string("max_position_embeddings")}) {
      CHECK(code(size, 0) == "bad_value");
      CHECK(code(size, -12) == "bad_value");
      CHECK(code(size, 18446744073709551615U) == "bad_value");
      CHECK(code(size, 9223372036854775807U) == "bad_value");
      CHECK(code(size, 12.5) == "bad_type");
      CHECK(code(size, "12") == "bad_type");
      CHECK(code(size, true) == "bad_type");
      CHECK(code(size, {12}) == "bad_type");
    }
    CHECK(code(family.heads, 5) == "bad_value");   // no divisor of the width
    CHECK(code(family.heads, 24) == "bad_value");  // more than the width
    CHECK(code(family.activation, "geluglu") == "unsupported");
    CHECK(code(family.activation, 1) == "bad_type");
    CHECK(code("layer_norm_eps", -1e-12) == "bad_value");
    CHECK(code("layer_norm_eps", "1e-12") == "bad_type");
    CHECK(code("is_decoder", "no") == "bad_type");
    CHECK(code("intermed_type", "moe") == "bad_value");
    CHECK(code("tie_word_embeddings", 1) == "bad_type");
  }
}

TEST_CASE("Numbers that no double holds are refused where constants are expected") {
  for (const family_words& family : hub_families()) {
    for (const char* number : {"1e400", "-1e400", "NaN", "Infinity"}) {
      std::string text = family.config.dump();
      text.insert(1, std::string(R"("layer_norm_eps": )") + number + ", ");
      const auto e = error_of([&] { static_cast<void>(read(text)); });
      INFO(text);
      REQUIRE(e);
      CHECK((e->code() == error_code::bad_json || e->code() == error_code::bad_value));
      CHECK(e->file() == "config.json");
    }
  }
}

TEST_CASE("FFF layers of a hub's family have a depth and a number of trees that fit") {
  for (const family_words& family : hub_families()) {
    const auto code = [&family](const std::string& key, const ordered_json& value) {
      ordered_json config = family.config;
      config["intermed_type"] = "fff";
      config["intermed_depth"] = 3;
      config["intermed_size"] = 1;
      config[key] = value;
      INFO(config.dump());
      return refusal(config.dump(), key);
    };
    REQUIRE(code("intermed_size", 2) == "none");
    CHECK(code("intermed_depth", 31) == "bad_value");  // 2^(depth + 1) - 1 nodes
    CHECK(code("intermed_depth", 63) == "bad_value");
    CHECK(code("intermed_depth", -1) == "bad_value");
    CHECK(code("intermed_depth", 1.5) == "bad_type");
    CHECK(code("intermed_size", 0) == "bad_value");
    CHECK(code("intermed_size", 9223372036854775807U) == "bad_value");
  }
}
