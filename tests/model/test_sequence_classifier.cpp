// SPDX-License-Identifier: MIT
//
// Sequence classifiers: the shipped one against its recorded texts, batches, pairs, and what is refused.
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "model/support.hpp"
#include "support/tensors.hpp"
#include "ultrafastbert/model/tasks/sequence_classifier.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

const std::filesystem::path shipped = std::filesystem::path(UFB_EXAMPLE_MODEL_DIR) / "tiny-classifier";

// The recorded values have seven digits and are a float32 reference's own.
constexpr double tolerance = 5e-5;

const std::vector<std::string> some_texts{"Play some jazz music on Spotify", "rain?", "",
                                          "Book a table for two at an Italian restaurant tonight"};

bool equal(const std::vector<label_score>& a, const std::vector<label_score>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const label_score& x, const label_score& y) {
    return x.index == y.index && x.label == y.label && x.logit == y.logit && x.score == y.score;
  });
}

template <class Backend>
void check_recorded_texts() {
  const auto model = sequence_classifier<float, Backend>::load(shipped);
  const ordered_json recorded =
      ordered_json::parse(text_of(std::filesystem::path(UFB_TEST_DATA_DIR) / "tiny_classifier.expected.json"));
  REQUIRE(recorded.at("examples").size() == 20);
  auto workspace = model.make_workspace();
  for (const ordered_json& example : recorded.at("examples")) {
    const auto text = example.at("text").get<std::string>();
    const auto logits = example.at("logits").get<std::vector<double>>();
    const auto probabilities = example.at("probs").get<std::vector<double>>();
    INFO(text);
    CHECK(model.text_tokenizer().encode(text).ids == example.at("ids").get<std::vector<token_id>>());
    const std::vector<label_score> scores = model.classify(text, workspace);
    REQUIRE(scores.size() == 7);
    CHECK(scores.front().label == example.at("label").get<std::string>());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      CHECK(scores[i].label == model.labels()[scores[i].index]);
      CHECK(scores[i].logit == Approx(logits.at(scores[i].index)).margin(tolerance));
      CHECK(scores[i].score == Approx(probabilities.at(scores[i].index)).margin(tolerance));
      if (i > 0) CHECK(scores[i].score <= scores[i - 1].score);
    }
  }
}

// A change of a checkpoint's configuration, and the error it has to lead to.
struct refusal {
  const char* pointer;  // JSON pointer of the changed value
  ordered_json value;   // null: erased
  error_code code;
  const char* path;  // JSON path that the message names
};

}  // namespace

TEST_CASE("The shipped classifier says what was recorded, on both backends") {
  check_recorded_texts<default_backend<float>>();
  check_recorded_texts<plain_backend>();
}

TEST_CASE("A batch gives every text and every pair the scores that it gets alone, bit by bit on the plain backend") {
  const auto model = sequence_classifier<float, plain_backend>::load(shipped);
  auto workspace = model.make_workspace();
  const auto together = model.classify(some_texts, workspace);
  REQUIRE(together.size() == some_texts.size());
  std::vector<text_pair> pairs;
  for (std::size_t i = 0; i < some_texts.size(); ++i) {
    CHECK(equal(together[i], model.classify(some_texts[i], workspace)));
    pairs.push_back({.first = some_texts[i], .second = some_texts[some_texts.size() - 1 - i]});
  }
  const auto paired = model.classify(pairs, workspace);
  REQUIRE(paired.size() == pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    CHECK(equal(paired[i], model.classify(pairs[i].first, pairs[i].second, workspace)));
  }
  CHECK(model.classify(std::vector<std::string>{}, workspace).empty());
}

TEST_CASE("Long lists of texts are classified in several passes without a visible seam") {
  const auto model = sequence_classifier<float, plain_backend>::load(shipped);
  auto workspace = model.make_workspace();
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 400; ++i) texts.push_back(some_texts[i % some_texts.size()]);
  const auto results = model.classify(texts, workspace);
  REQUIRE(results.size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) CHECK(equal(results[i], results[i % some_texts.size()]));
}

TEST_CASE("A pair is read as the tokenizer's template puts it together") {
  const auto model = sequence_classifier<float, plain_backend>::load(shipped);
  auto workspace = model.make_workspace();
  const auto ids = model.text_tokenizer().encode("play", "some jazz").ids;
  std::vector<float> logits(7);
  model.logits({ids.data(), {1, ids.size()}}, {}, {logits.data(), {1, 7}}, workspace);
  for (const auto& each : model.classify("play", "some jazz", workspace)) {
    CHECK(each.logit == static_cast<double>(logits[each.index]));
  }
}

TEST_CASE("Texts over the model's positions are refused by their number, never cut") {
  const auto model = sequence_classifier<float>::load(shipped);
  auto workspace = model.make_workspace();
  std::string text;
  for (int i = 0; i < 127; ++i) text += " the";
  CHECK(model.classify(text, workspace).size() == 7);
  const std::vector<std::string> texts{"fine", text + " the"};
  const auto e = error_of([&] { static_cast<void>(model.classify(texts, workspace)); });
  REQUIRE(e);
  CHECK(name(e->code()) == "invalid_input");
  CHECK(e->where() == "texts[1]");
  CHECK(e->found() == "129");
}

TEST_CASE("Calls with ids check shapes first and leave the logits alone") {
  const auto model = sequence_classifier<float>::load(golden_model("seq_fff_avg_3"));
  auto workspace = model.make_workspace();
  const std::vector<token_id> ids{1, 2, 3, 400};
  std::vector<float> logits(6, 7.0F);
  const auto refused = [&](std::size_t length, std::size_t classes) {
    const auto e = error_of([&] {
      model.logits({ids.data(), {1, length}}, {}, {logits.data(), {1, classes}}, workspace);
    });
    REQUIRE(e);
    CHECK(name(e->code()) == "invalid_input");
    CHECK(logits == std::vector<float>(6, 7.0F));
  };
  refused(4, 3);
  refused(0, 3);
  refused(3, 2);
  CHECK_NOTHROW(model.logits({ids.data(), {1, 3}}, {}, {logits.data(), {1, 3}}, workspace));
  CHECK_NOTHROW(model.logits({ids.data(), {0, 3}}, {}, {logits.data(), {0, 3}}, workspace));
  const auto e = error_of([&] { static_cast<void>(model.classify("no tokenizer", workspace)); });
  REQUIRE(e);
  CHECK(e->where() == "tokenizer");
}

TEST_CASE("The pooler takes padding in, the zero index does not") {
  const std::vector<token_id> ids{5, 6, 7, 0, 0};
  const std::vector<float> mask{1, 1, 1, 0, 0};
  for (const char* id : {"seq_fff_avg_3", "seq_ff_max_4", "seq_ff_lse_1", "seq_fff_zero_2"}) {
    INFO(id);
    const auto model = sequence_classifier<float, plain_backend>::load(golden_model(id));
    auto workspace = model.make_workspace();
    const std::size_t classes = model.labels().size();
    std::vector<float> alone(classes);
    std::vector<float> padded(classes);
    model.logits({ids.data(), {1, 3}}, {}, {alone.data(), {1, classes}}, workspace);
    model.logits({ids.data(), {1, 5}}, {mask.data(), {1, 5}}, {padded.data(), {1, classes}}, workspace);
    const bool zero_index = model.pooling().shape().kind == pooler_kind::zero_index;
    CHECK((largest_difference<float, float>(alone, padded) < 1e-6) == zero_index);
  }
}

TEST_CASE("The head says how many classes there are, and labels are all of them or numbered") {
  const folder_copy folder(golden_model("seq_fff_avg_3"));
  folder.edit_json("config.json", [](ordered_json& config) {
    config["arch"]["num_labels"] = 17;  // which the training code does not look at
    config["num_labels"] = 3;
    config["id2label"] = {{"2", "good"}, {"0", "bad"}, {"1", "so-so"}};
  });
  const std::vector<std::string> named{"bad", "so-so", "good"};
  const auto model = sequence_classifier<float>::load(folder.path());
  CHECK(std::vector<std::string>(model.labels().begin(), model.labels().end()) == named);
  folder.edit_json("config.json", [](ordered_json& config) { config.erase("id2label"); });
  const auto bare = sequence_classifier<float>::load(folder.path());
  CHECK(bare.labels()[2] == "LABEL_2");
  CHECK(bare.labels().size() == 3);
}

TEST_CASE("Labels that do not fit the head are refused with what is missing") {
  const struct {
    ordered_json labels;
    std::string found;
  } cases[] = {
      {{{"0", "a"}, {"2", "c"}}, "2 labels, none for class 1"},
      {{{"0", "a"}, {"1", "b"}}, "2 labels, none for class 2"},
      {{{"0", "a"}, {"1", "b"}, {"3", "d"}}, "3 labels, none for class 2"},
      {{{"0", "a"}, {"1", "b"}, {"2", "c"}, {"3", "d"}}, "4 labels"},
      {ordered_json::object(), "0 labels, none for class 0"},
  };
  const folder_copy folder(golden_model("seq_fff_avg_3"));
  for (const auto& each : cases) {
    folder.edit_json("config.json", [&](ordered_json& config) { config["id2label"] = each.labels; });
    const auto e = error_of([&] { static_cast<void>(sequence_classifier<float>::load(folder.path())); });
    REQUIRE(e);
    CHECK(name(e->code()) == "bad_value");
    CHECK(e->where() == "$.id2label");
    CHECK(e->found() == each.found);
  }
  folder.edit_json("config.json", [&](ordered_json& config) {
    config["id2label"] = {{"0", "a"}, {"1", std::string(models::longest_label + 1, 'b')}, {"2", "c"}};
  });
  const auto longer = error_of([&] { static_cast<void>(sequence_classifier<float>::load(folder.path())); });
  REQUIRE(longer);
  CHECK(name(longer->code()) == "limit_exceeded");
  CHECK(longer->where() == "$.id2label.1");
  for (const char* key : {"num_labels", "_num_labels"}) {
    folder.edit_json("config.json", [&](ordered_json& config) {
      config.erase("id2label");
      config.erase("num_labels");
      config[key] = 2;
    });
    const auto e = error_of([&] { static_cast<void>(sequence_classifier<float>::load(folder.path())); });
    REQUIRE(e);
    CHECK(name(e->code()) == "bad_value");
    CHECK(e->where() == "$." + std::string(key));
    CHECK(e->found() == "2");
  }
}

TEST_CASE("Results with very many scores together are refused") {
  const auto refused = [](std::size_t rows, std::size_t classes) {
    return error_of([&] { models::check_scores(rows, classes, models::most_label_scores); }).has_value();
  };
  CHECK_FALSE(refused(models::most_label_scores, 1));
  CHECK(refused(models::most_label_scores + 1, 1));
  CHECK_FALSE(refused(64, models::most_sequence_classes));
  CHECK(refused(65, models::most_sequence_classes));
  CHECK_FALSE(refused(0, 0));
}

TEST_CASE("Scores are probabilities over several classes, of one class by itself, or logits") {
  const std::vector<float> logits{0.5F, 2.0F, -1.0F};
  const std::vector<std::string> labels{"a", "b", "c"};
  const auto soft = models::score_labels<float>(logits, labels, score_function::softmax);
  CHECK(soft[0].label == "b");
  CHECK(soft[0].score + soft[1].score + soft[2].score == Approx(1.0));
  const auto apart = models::score_labels<float>(logits, labels, score_function::sigmoid);
  CHECK(apart[2].score == Approx(1.0 / (1.0 + std::exp(1.0))));
  CHECK(models::score_labels<float>(logits, labels, score_function::none)[1].score == 0.5);
  CHECK(sequence_classifier<float>::load(golden_model("seq_ff_lse_1")).scoring() == score_function::sigmoid);
  CHECK(sequence_classifier<float>::load(golden_model("seq_fff_zero_2")).scoring() == score_function::softmax);
  const folder_copy folder(golden_model("seq_ff_lse_1"));
  folder.edit_json("config.json", [](ordered_json& config) { config["problem_type"] = "regression"; });
  CHECK(sequence_classifier<float>::load(folder.path()).scoring() == score_function::none);
  CHECK(name(score_function::softmax) == "softmax");
  CHECK(name(score_function::sigmoid) == "sigmoid");
  CHECK(name(score_function::none) == "none");
}

TEST_CASE("Wrong configurations of classifiers are refused with code and path") {
  using enum error_code;
  const refusal refusals[] = {
      {"/arch/classification_head", nullptr, missing_key, "$.arch.classification_head"},
      {"/arch/classification_head/pooler", nullptr, missing_key, "$.arch.classification_head.pooler"},
      {"/arch/classification_head/pooler", "median", bad_value, "$.arch.classification_head.pooler"},
      {"/arch/classification_head/pooler", 3, bad_type, "$.arch.classification_head.pooler"},
      {"/arch/classification_head/nonlin", "Swish", bad_value, "$.arch.classification_head.nonlin"},
      {"/arch/classification_head/include_ff_layer", "yes", bad_type, "$.arch.classification_head.include_ff_layer"},
      {"/arch/classification_head/head_dim", 0, bad_value, "$.arch.classification_head.head_dim"},
      {"/id2label", {"a", "b", "c"}, bad_type, "$.id2label"},
      {"/id2label/1", 7, bad_type, "$.id2label.1"},
      {"/id2label/x", "label", bad_value, "$.id2label.x"},
      {"/id2label/01", "label", bad_value, "$.id2label.01"},
      {"/id2label/-1", "label", bad_value, "$.id2label.-1"},
      {"/problem_type", "guessing", bad_value, "$.problem_type"},
      {"/architectures/0", "ScriptableLMForPreTraining", unsupported, "$.architectures"},
      {"/architectures/0", "ScriptableLMForTokenClassification", unsupported, "$.architectures"},
  };
  for (const refusal& r : refusals) {
    INFO(r.pointer << " = " << r.value.dump());
    const folder_copy folder(golden_model("seq_fff_avg_3"));
    folder.edit_json("config.json", [&](ordered_json& config) {
      const ordered_json::json_pointer place(r.pointer);
      if (r.value.is_null()) {
        config[place.parent_pointer()].erase(place.back());
      } else if (std::string_view(r.pointer).starts_with("/id2label/")) {
        config["id2label"][place.back()] = r.value;
      } else {
        config[place] = r.value;
      }
    });
    const auto e = error_of([&] { static_cast<void>(sequence_classifier<float>::load(folder.path())); });
    REQUIRE(e);
    CHECK(name(e->code()) == name(r.code));
    CHECK(e->where() == r.path);
    CHECK(e->file() == (folder.path() / "config.json").string());
    CHECK_FALSE(e->expected().empty());
  }
}

TEST_CASE("Missing and wrongly shaped tensors of pooler and head are listed with those of the encoder") {
  const folder_copy folder(golden_model("seq_fff_avg_3"));
  folder.edit_header([](ordered_json& header) {
    header["pooler.dense.bias_"] = header["pooler.dense.bias"];
    header.erase("pooler.dense.bias");
    header["head.weight"]["shape"] = {3 * 64};
  });
  const auto e = error_of([&] { static_cast<void>(sequence_classifier<float>::load(folder.path())); });
  REQUIRE(e);
  CHECK(name(e->code()) == "missing_tensor");
  CHECK(e->found().find("pooler.dense.bias (64) is missing") != std::string::npos);
  CHECK(e->found().find("head.weight (1, 64) is (192)") != std::string::npos);
}

TEST_CASE("Every tensor of a classifier is used or known to be redundant") {
  for (const char* id : {"seq_fff_avg_3", "seq_ff_lse_1"}) {
    load_report report;
    CHECK_NOTHROW(
        static_cast<void>(sequence_classifier<float>::load(golden_model(id), {.strict = true, .report = &report})));
    CHECK(report.unused.empty());
  }
}
