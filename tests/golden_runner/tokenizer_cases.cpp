// SPDX-License-Identifier: MIT
//
// Golden cases of tokenizers: single texts, pairs, truncation, padded batches.
#include <array>
#include <utility>

#include "golden_runner/golden_case.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ufb_test {

namespace {

namespace ufb = ultrafastbert;

json cases_of(const golden_case& golden) {
  const auto path = golden.file("dir") / golden.entry.at("cases").get<std::string>();
  return parse_python_json(ufb::read_text_file(path, std::size_t{1} << 28U));
}

ufb::encode_options options_of(const json& entry) {
  ufb::encode_options options{.max_length = entry.value("max_length", std::size_t{0})};
  const auto strategy = entry.value("strategy", std::string("longest_first"));
  if (strategy == "only_first") options.strategy = ufb::truncation_strategy::only_first;
  if (strategy == "only_second") options.strategy = ufb::truncation_strategy::only_second;
  return options;
}

json describe(const ufb::tokenizer& tokenizer, const json& entry, bool decode) {
  const auto text = entry.at("text").get<std::string>();
  const auto options = options_of(entry);
  const ufb::encoding encoding = entry.contains("pair")
                                     ? tokenizer.encode(text, entry.at("pair").get<std::string>(), options)
                                     : tokenizer.encode(text, options);
  json offsets = json::array();
  for (const auto& span : encoding.offsets) offsets.push_back({span.begin, span.end});
  json out{{"ids", encoding.ids},
           {"type_ids", encoding.type_ids},
           {"tokens", encoding.tokens},
           {"offsets", std::move(offsets)},
           {"special_tokens_mask", encoding.special_tokens_mask}};
  if (decode) {
    auto bare = options;
    bare.add_special_tokens = false;
    out["ids_no_special"] = tokenizer.encode(text, bare).ids;
    out["decoded_skip_special"] = tokenizer.decode(encoding.ids, {.skip_special_tokens = true});
  }
  return out;
}

json describe_batch(const ufb::tokenizer& tokenizer, const json& entry) {
  const auto texts = entry.at("texts").get<std::vector<std::string>>();
  json out{{"ids", json::array()}, {"attention_mask", json::array()}, {"type_ids", json::array()}};
  for (const ufb::encoding& encoding : tokenizer.encode_batch(texts)) {
    out["ids"].push_back(encoding.ids);
    out["attention_mask"].push_back(encoding.attention_mask);
    out["type_ids"].push_back(encoding.type_ids);
  }
  return out;
}

constexpr std::array sections{"single", "pairs", "truncation"};

}  // namespace

golden_result compute_tokenizer(const golden_case& golden) {
  const auto tokenizer = ufb::tokenizer::load(golden.file("dir") / golden.entry.at("tokenizer").get<std::string>());
  const json cases = cases_of(golden);
  json document = json::object();
  for (const char* section : sections) {
    document[section] = json::array();
    for (const json& entry : cases.value(section, json::array())) {
      document[section].push_back(describe(tokenizer, entry, std::string_view(section) == "single"));
    }
  }
  document["padded_batches"] = json::array();
  for (const json& entry : cases.value("padded_batches", json::array())) {
    document["padded_batches"].push_back(describe_batch(tokenizer, entry));
  }
  return {.document = std::move(document)};
}

void compare_tokenizer(const golden_case& golden, const golden_result& result) {
  const json cases = cases_of(golden);
  std::size_t compared = 0;
  for (const auto& [section, entries] : result.document->items()) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      for (const auto& [key, value] : entries[i].items()) {
        const json& expected = cases.at(section).at(i);
        if (!expected.contains(key)) continue;
        ++compared;
        if (expected.at(key) != value) {
          throw mismatch(section + '[' + std::to_string(i) + "]." + key + " is " + value.dump().substr(0, 200) +
                         " instead of " + expected.at(key).dump().substr(0, 200));
        }
      }
    }
  }
  if (compared == 0) throw mismatch("nothing was compared");
}

}  // namespace ufb_test
