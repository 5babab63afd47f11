// SPDX-License-Identifier: MIT
//
// Recorded encodings of the reference implementation, compared field by field.
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

using ufb_test::json;
using ultrafastbert::encode_options;
using ultrafastbert::encoding;
using ultrafastbert::token_id;
using ultrafastbert::tokenizer;
using ultrafastbert::truncation_strategy;

const std::vector<std::string> folders{"crammed_wordpiece", "crammed_wordpiece_setorder", "bert_uncased",
                                       "crammed_bytebpe", "crammed_unigram"};

std::string folder_of(const std::string& id) { return std::string(UFB_TEST_DATA_DIR) + "/tokenizers/" + id; }

json cases_of(const std::string& id, const char* section) {
  std::ifstream file(folder_of(id) + "/cases.json");
  REQUIRE(file);
  json cases = json::parse(file).at(section);
  REQUIRE(!cases.empty());
  return cases;
}

/// Which of the recorded fields differ from the encoding; empty if none do.
std::string differences(const json& expected, const encoding& got) {
  std::string out;
  const auto compare = [&](const char* field, const auto& value) {
    using recorded = std::decay_t<decltype(value)>;
    if (expected.contains(field) && expected.at(field).get<recorded>() != value) out += std::string(field) + ' ';
  };
  compare("ids", got.ids);
  compare("tokens", std::vector<std::string>(got.tokens));
  compare("type_ids", got.type_ids);
  compare("offsets", ufb_test::spans(got));
  compare("special_tokens_mask", got.special_tokens_mask);
  const std::size_t size = got.ids.size();
  const bool aligned = got.tokens.size() == size && got.type_ids.size() == size && got.offsets.size() == size &&
                       got.special_tokens_mask.size() == size && got.sequence_ids.size() == size &&
                       got.byte_offsets.size() == size && got.attention_mask == std::vector<std::uint8_t>(size, 1);
  return aligned ? out : out + "lengths";
}

encoding encode(const tokenizer& t, const json& item, const encode_options& options = {}) {
  const auto text = item.at("text").get<std::string>();
  if (!item.contains("pair") || item.at("pair").is_null()) return t.encode(text, options);
  return t.encode(text, item.at("pair").get<std::string>(), options);
}

truncation_strategy strategy_of(const json& item) {
  const auto name = item.at("strategy").get<std::string>();
  if (name == "only_first") return truncation_strategy::only_first;
  if (name == "only_second") return truncation_strategy::only_second;
  REQUIRE(name == "longest_first");
  return truncation_strategy::longest_first;
}

}  // namespace

TEST_CASE("Recorded single texts get the recorded tokens and decode to the recorded text", "[tokenizer][golden]") {
  for (const auto& id : folders) {
    const auto t = tokenizer::load(folder_of(id));
    for (const json& item : cases_of(id, "single")) {
      INFO(id << ": " << item.dump());
      const encoding got = encode(t, item);
      CHECK(differences(item, got).empty());
      CHECK_FALSE(got.truncated);
      CHECK(t.decode(got.ids) == item.at("decoded_skip_special").get<std::string>());
      const encoding bare = encode(t, item, {.add_special_tokens = false});
      CHECK(bare.ids == item.at("ids_no_special").get<std::vector<token_id>>());
    }
  }
}

TEST_CASE("Byte offsets of recorded texts lead to the recorded code points", "[tokenizer][golden]") {
  using ultrafastbert::tokenizers::count_code_points;
  for (const auto& id : folders) {
    const auto t = tokenizer::load(folder_of(id));
    for (const json& item : cases_of(id, "single")) {
      INFO(id << ": " << item.dump());
      const auto text = item.at("text").get<std::string>();
      const encoding got = t.encode(text, {.add_special_tokens = false});
      for (std::size_t i = 0; i < got.size(); ++i) {
        const auto& bytes = got.byte_offsets[i];
        REQUIRE(bytes.end <= text.size());
        CHECK(count_code_points(text.substr(0, bytes.begin)) == got.offsets[i].begin);
        CHECK(count_code_points(text.substr(0, bytes.end)) == got.offsets[i].end);
        CHECK(got.sequence_ids[i] == 0);
      }
    }
  }
}

TEST_CASE("Recorded pairs get the recorded tokens", "[tokenizer][golden]") {
  for (const auto& id : folders) {
    const auto t = tokenizer::load(folder_of(id));
    for (const json& item : cases_of(id, "pairs")) {
      INFO(id << ": " << item.dump());
      CHECK(differences(item, encode(t, item)).empty());
    }
  }
}

TEST_CASE("Recorded truncations keep the recorded tokens", "[tokenizer][golden]") {
  for (const auto& id : folders) {
    const auto t = tokenizer::load(folder_of(id));
    for (const json& item : cases_of(id, "truncation")) {
      INFO(id << ": " << item.dump());
      const auto max_length = item.at("max_length").get<std::size_t>();
      const encoding got = encode(t, item, {.max_length = max_length, .strategy = strategy_of(item)});
      CHECK(differences(item, got).empty());
      CHECK(got.truncated == (encode(t, item).size() > max_length));
    }
  }
}

TEST_CASE("Recorded batches are padded as recorded", "[tokenizer][golden]") {
  for (const auto& id : folders) {
    const auto t = tokenizer::load(folder_of(id));
    for (const json& item : cases_of(id, "padded_batches")) {
      INFO(id << ": " << item.dump());
      const auto texts = item.at("texts").get<std::vector<std::string>>();
      const auto batch = t.encode_batch(texts);
      REQUIRE(batch.size() == item.at("ids").size());
      for (std::size_t i = 0; i < batch.size(); ++i) {
        CHECK(batch[i].ids == item.at("ids")[i].get<decltype(batch[i].ids)>());
        CHECK(batch[i].type_ids == item.at("type_ids")[i].get<decltype(batch[i].type_ids)>());
        CHECK(batch[i].attention_mask == item.at("attention_mask")[i].get<decltype(batch[i].attention_mask)>());
      }
    }
  }
}

TEST_CASE("A vocab.txt gives the recorded tokens of the tokenizer.json beside it", "[tokenizer][golden]") {
  const auto t = tokenizer::load(folder_of("bert_uncased") + "/vocab.txt");
  for (const char* section : {"single", "pairs"}) {
    for (const json& item : cases_of("bert_uncased", section)) {
      INFO(item.dump());
      const encoding got = encode(t, item);
      CHECK(differences(item, got).empty());
      if (item.contains("decoded_skip_special")) {
        CHECK(t.decode(got.ids) == item.at("decoded_skip_special").get<std::string>());
      }
    }
  }
}
