// SPDX-License-Identifier: MIT
//
// Token classifiers: labels of tokens and their places, entities, batches, pairs, and what is refused.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/model/auto_model.hpp"
#include "ultrafastbert/model/heads/entities.hpp"
#include "ultrafastbert/model/tasks/token_classifier.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

// The golden token classifier has no tokenizer and a small vocabulary, so it gets a tokenizer of seven words.
void add_tokenizer(const folder_copy& folder) {
  auto document = ordered_json::parse(text_of(golden_model("e2e_fff") / "tokenizer.json"));
  ordered_json vocabulary = ordered_json::object();
  for (const char* word : {"<pad>", "<unk>", "<cls>", "<sep>", "<mask>", "<s>", "</s>", "the", "cat", "sat", "##s"}) {
    const std::size_t id = vocabulary.size();
    vocabulary[word] = id;
  }
  document["model"]["vocab"] = vocabulary;
  folder.write("tokenizer.json", document.dump());
}

bool equal(const std::vector<token_label>& a, const std::vector<token_label>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const token_label& x, const token_label& y) {
    return x.position == y.position && x.id == y.id && x.token == y.token && x.offsets == y.offsets &&
           x.scores == y.scores && x.best.label == y.best.label && x.best.logit == y.best.logit &&
           x.best.score == y.best.score;
  });
}

const std::vector<std::string> person_and_place{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};

constexpr token_id other = 1'000'000;  // no token of the vocabulary, so that the spelling counts

tokenizer wordpiece_reader() {
  return tokenizer::load(std::filesystem::path(UFB_TEST_DATA_DIR) / "tokenizers" / "bert_uncased");
}

token_label piece(std::string spelling, std::uint32_t begin, std::uint32_t end, std::vector<double> scores,
                  token_id id = other) {
  return {.position = begin + 1,
          .id = id,
          .token = std::move(spelling),
          .offsets = {.begin = begin, .end = end},
          .byte_offsets = {.begin = begin, .end = end},
          .scores = std::move(scores)};
}

struct found_entity {
  std::string label{};
  std::string word{};
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  double score = 0.0;
};

void check_entities(std::string_view text, const std::vector<token_label>& tokens, entity_aggregation how,
                    const std::vector<found_entity>& expected,
                    const std::vector<std::string>& labels = person_and_place) {
  INFO(text << ", " << entity_aggregation_names[static_cast<std::size_t>(how)]);
  const auto found = find_entities(wordpiece_reader(), text, tokens, labels, {.aggregation = how});
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].label == expected[i].label);
    CHECK(found[i].word == expected[i].word);
    CHECK(found[i].offsets == text_span{.begin = expected[i].begin, .end = expected[i].end});
    CHECK(found[i].byte_offsets == found[i].offsets);
    CHECK(found[i].score == Approx(expected[i].score));
  }
}

}  // namespace

TEST_CASE("Pieces of a word get one label: their first's, that of the mean, or the highest one's") {
  using enum entity_aggregation;
  // "Ned" is PER, "##ham" is LOC with more certainty, and their means are equal.
  const std::string_view text = "Nedham saw";
  const std::vector<token_label> tokens{piece("ned", 0, 3, {0.1, 0.5, 0.0, 0.4, 0.0}),
                                        piece("##ham", 3, 6, {0.1, 0.2, 0.0, 0.0, 0.7}),
                                        piece("saw", 7, 10, {0.9, 0.1, 0.0, 0.0, 0.0})};
  check_entities(text, tokens, none, {{"B-PER", "ned", 0, 3, 0.5}, {"I-LOC", "##ham", 3, 6, 0.7}});
  check_entities(text, tokens, simple, {{"PER", "ned", 0, 3, 0.5}, {"LOC", "##ham", 3, 6, 0.7}});
  check_entities(text, tokens, first, {{"PER", "nedham", 0, 6, 0.5}});
  check_entities(text, tokens, entity_aggregation::max, {{"LOC", "nedham", 0, 6, 0.7}});
  check_entities(text, tokens, average, {{"PER", "nedham", 0, 6, 0.35}});  // 0.35 each: the first class wins
}

TEST_CASE("A group ends where another begins: at B-, at another type, at O") {
  using enum entity_aggregation;
  const std::vector<double> begin_person{0.1, 0.6, 0.1, 0.1, 0.1};
  const std::vector<double> in_person{0.1, 0.1, 0.8, 0.0, 0.0};
  const std::vector<double> in_place{0.1, 0.0, 0.0, 0.2, 0.7};
  const std::vector<double> outside{0.9, 0.1, 0.0, 0.0, 0.0};
  for (const entity_aggregation how : {simple, first, average, entity_aggregation::max}) {
    check_entities("bo al cy",
                   {piece("bo", 0, 2, begin_person), piece("al", 3, 5, in_person), piece("cy", 6, 8, begin_person)},
                   how, {{"PER", "bo al", 0, 5, 0.7}, {"PER", "cy", 6, 8, 0.6}});
    check_entities("rio bo al",
                   {piece("rio", 0, 3, in_place), piece("bo", 4, 6, in_person), piece("al", 7, 9, in_place)}, how,
                   {{"LOC", "rio", 0, 3, 0.7}, {"PER", "bo", 4, 6, 0.8}, {"LOC", "al", 7, 9, 0.7}});
    check_entities("bo x bo", {piece("bo", 0, 2, in_person), piece("x", 3, 4, outside), piece("bo", 5, 7, in_person)},
                   how, {{"PER", "bo", 0, 2, 0.8}, {"PER", "bo", 5, 7, 0.8}});
    check_entities("x y", {piece("x", 0, 1, outside), piece("y", 2, 3, outside)}, how, {});
    check_entities("", {}, how, {});
  }
}

TEST_CASE("Labels without B- and I- go on, lose what is before their dash, and O is known by its name alone") {
  using enum entity_aggregation;
  const std::vector<token_label> tokens{piece("bo", 0, 2, {0.6, 0.4}), piece("al", 3, 5, {0.8, 0.2}),
                                        piece("cy", 6, 8, {0.3, 0.7})};
  check_entities("bo al cy", tokens, simple, {{"PER", "bo al", 0, 5, 0.7}, {"ORG", "cy", 6, 8, 0.7}}, {"PER", "ORG"});
  check_entities("bo al cy", tokens, simple, {{"PER", "bo al", 0, 5, 0.7}, {"b", "cy", 6, 8, 0.7}}, {"PER", "a-b"});
  check_entities("bo al cy", tokens, none,
                 {{"B-O", "bo", 0, 2, 0.6}, {"B-O", "al", 3, 5, 0.8}, {"I-X", "cy", 6, 8, 0.7}}, {"B-O", "I-X"});
  check_entities("bo al cy", tokens, simple, {{"X", "cy", 6, 8, 0.7}}, {"B-O", "I-X"});
}

TEST_CASE("An unknown token is what the text has there, and begins a word") {
  using enum entity_aggregation;
  const tokenizer reader = wordpiece_reader();
  const token_id unk = reader.need_special_id(special_role::unk);
  const std::vector<double> person{0.1, 0.1, 0.8, 0.0, 0.0};
  check_entities("al \xE2\x98\x83x", {piece("al", 0, 2, person), piece("[UNK]", 3, 7, person, unk)}, first,
                 {{"PER", "al \xE2\x98\x83x", 0, 7, 0.8}});
  const auto missing = error_of(
      [&] { static_cast<void>(find_entities(reader, "al", std::vector{piece("al", 0, 2, {1.0})}, person_and_place)); });
  REQUIRE(missing);
  CHECK(missing->where() == "tokens[0]");
  token_label second = piece("al", 0, 2, person);
  second.sequence = 1;
  CHECK(error_of([&] { static_cast<void>(find_entities(reader, "al", std::vector{second}, person_and_place)); }));
  CHECK(error_of([] { static_cast<void>(find_entity_aggregation("maximum")); }));
}

TEST_CASE("Every token of a text gets its best label, template tokens do not") {
  const folder_copy folder(golden_model("tok_fff_5"));
  add_tokenizer(folder);
  const auto model = token_classifier<float, plain_backend>::load(folder.path());
  REQUIRE(model.labels().size() == 5);
  auto workspace = model.make_workspace();
  const auto tokens = model.classify("the cats sat", workspace);
  REQUIRE(tokens.size() == 4);
  CHECK(tokens[1].token == "cat");
  CHECK(tokens[2].token == "##s");
  CHECK(tokens[2].offsets == text_span{.begin = 7, .end = 8});
  const std::vector<token_id> ids{7, 8, 10, 9, 3};  // with <sep>
  std::vector<float> logits(ids.size() * 5);
  model.logits({ids.data(), {1, 5}}, {}, {logits.data(), {5, 5}}, workspace);
  for (const token_label& token : tokens) {
    CHECK(token.id == ids[token.position]);
    const float* const row = logits.data() + 5 * token.position;
    CHECK(token.best.index == static_cast<std::size_t>(std::max_element(row, row + 5) - row));
    CHECK(token.best.logit == static_cast<double>(row[token.best.index]));
    CHECK(token.best.label == "LABEL_" + std::to_string(token.best.index));
    CHECK(token.best.score > 0.2);
    REQUIRE(token.scores.size() == 5);
    CHECK(token.scores[token.best.index] == Approx(token.best.score).epsilon(1e-6));
    CHECK(std::accumulate(token.scores.begin(), token.scores.end(), 0.0) == Approx(1.0));
  }
}

TEST_CASE("A text's entities are those of its labeled tokens") {
  const folder_copy folder(golden_model("tok_fff_5"));
  add_tokenizer(folder);
  folder.edit_json("config.json", [](ordered_json& config) {
    config["id2label"] = {{"0", "O"}, {"1", "B-PER"}, {"2", "I-PER"}, {"3", "B-LOC"}, {"4", "I-LOC"}};
  });
  const auto model = token_classifier<float>::load(folder.path());
  auto workspace = model.make_workspace();
  const std::string_view text = "the cats sat the cat sats";
  const auto tokens = model.classify(text, workspace);
  const auto alone = model.entities(text, {.ignored = {}}, workspace);
  REQUIRE(alone.size() == tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    CHECK(alone[i].label == tokens[i].best.label);
    CHECK(alone[i].word == tokens[i].token);
    CHECK(alone[i].offsets == tokens[i].offsets);
    CHECK(alone[i].position == tokens[i].position);
  }
  const auto words = model.entities(text, {.aggregation = entity_aggregation::first, .ignored = {}}, workspace);
  REQUIRE_FALSE(words.empty());
  CHECK(words.front().offsets.begin == 0);
  CHECK(words.back().offsets.end == text.size());
}

TEST_CASE("A batch labels texts and pairs as each alone, bit by bit on the plain backend") {
  const folder_copy folder(golden_model("tok_fff_5"));
  add_tokenizer(folder);
  const auto model = token_classifier<float, plain_backend>::load(folder.path());
  auto workspace = model.make_workspace();
  const std::vector<std::string> texts{"the cat", "", "the cats sat the cats sat", "dog"};
  std::vector<text_pair> pairs;
  const auto together = model.classify(texts, workspace);
  REQUIRE(together.size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    CHECK(equal(together[i], model.classify(texts[i], workspace)));
    pairs.push_back({.first = texts[i], .second = texts[0]});
  }
  CHECK(together[1].empty());
  const auto paired = model.classify(pairs, workspace);
  REQUIRE(paired.size() == pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    CHECK(paired[i].size() == together[i].size() + together[0].size());
    CHECK(equal(paired[i], model.classify(pairs[i].first, pairs[i].second, workspace)));
  }
}

TEST_CASE("Token classifiers need no classification head's configuration, but the right class and head") {
  const folder_copy folder(golden_model("tok_fff_5"));
  folder.edit_json("config.json", [](ordered_json& config) { config["arch"].erase("classification_head"); });
  CHECK(token_classifier<float>::load(folder.path()).labels().size() == 5);
  folder.edit_json("config.json", [](ordered_json& config) { config["id2label"]["five"] = "x"; });
  const auto label = error_of([&] { static_cast<void>(token_classifier<float>::load(folder.path())); });
  REQUIRE(label);
  CHECK(name(label->code()) == "bad_value");
  CHECK(label->where() == "$.id2label.five");
  const auto e = error_of([] { static_cast<void>(token_classifier<float>::load(golden_model("seq_fff_avg_3"))); });
  REQUIRE(e);
  CHECK(name(e->code()) == "unsupported");
  CHECK(e->where() == "$.architectures");
}

TEST_CASE("A head of very many classes is refused, as every token would get a score for each") {
  for (const auto& [model, classes] : {std::pair{"tok_fff_5", 16'385}, std::pair{"bert_seq_3", 131'073}}) {
    INFO(model);
    const folder_copy folder(golden_model(model));
    std::string head;
    folder.edit_header([&](ordered_json& header) {
      for (const auto& [key, value] : header.items()) {
        if (key == "head.weight" || key == "classifier.weight") head = key;
      }
      REQUIRE(!head.empty());
      header["spare"] = header[head];
      header.erase(head);
    });
    folder.add_tensor(head, {static_cast<std::size_t>(classes), 1},
                      std::vector<float>(static_cast<std::size_t>(classes)));
    const auto problem = error_of([&] { static_cast<void>(auto_model<float>::load(folder.path())); });
    REQUIRE(problem);
    CHECK(name(problem->code()) == "limit_exceeded");
    CHECK(problem->where() == head);
    CHECK(problem->found() == std::to_string(classes));
  }
}
