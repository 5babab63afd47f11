// SPDX-License-Identifier: MIT
//
// Token classifiers: labels of tokens and their places, batches, pairs, and what is refused.
#include <algorithm>
#include <string>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/model/tasks/token_classifier.hpp"

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
           x.best.label == y.best.label && x.best.logit == y.best.logit && x.best.score == y.best.score;
  });
}

}  // namespace

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
  }
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
