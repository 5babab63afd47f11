// SPDX-License-Identifier: MIT
//
// Embeddings, rerankers and the choice of a class, over a small BERT with a vocabulary of its own. Vectors are judged
// by plain double arithmetic over the states that the encoder gives.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/support.hpp"
#include "support/random.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

constexpr std::size_t width = 32;
using vector_of = std::vector<double>;

// The golden classifier with words, as a folder of the sentence-transformers package keeps it: the words "a" to "z",
// and "A" to "Z" for those who look for lower case.
folder_copy sentence_folder(const char* architecture = "BertModel") {
  folder_copy folder(golden_model("bert_seq_3"));
  std::string words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (const char first : {'a', 'A'}) {
    for (char letter = first; letter < first + 26; ++letter) words.append(1, letter).append("\n");
  }
  folder.write("vocab.txt", words);
  folder.write("tokenizer_config.json", R"({"do_lower_case": false})");
  folder.edit_json("config.json", [&](ordered_json& config) { config["architectures"] = {architecture}; });
  return folder;
}

void write_modules(const folder_copy& folder, const std::vector<std::pair<std::string, std::string>>& modules) {
  ordered_json list = ordered_json::array();
  for (std::size_t i = 0; i < modules.size(); ++i) {
    list.push_back({{"idx", i},
                    {"name", std::to_string(i)},
                    {"path", modules[i].second},
                    {"type", "sentence_transformers.models." + modules[i].first}});
    if (!modules[i].second.empty()) std::filesystem::create_directories(folder.path() / modules[i].second);
  }
  folder.write("modules.json", list.dump());
}

folder_copy pooled_folder(const ordered_json& pooling, bool normalized = false) {
  folder_copy folder = sentence_folder();
  std::vector<std::pair<std::string, std::string>> modules{{"Transformer", ""}, {"Pooling", "1_Pooling"}};
  if (normalized) modules.emplace_back("Normalize", "2_Normalize");
  write_modules(folder, modules);
  folder.write("1_Pooling/config.json", pooling.dump());
  return folder;
}

vector_of pooled_by_hand(const std::string& mode, const matrix_view<const float>& states, std::size_t first = 0) {
  vector_of out(width);
  for (std::size_t k = 0; k < width; ++k) {
    double sum = 0;
    double weights = 0;
    double largest = -1e300;
    for (std::size_t t = first; t < states.rows(); ++t) {
      const double weight = mode == "weightedmean" ? static_cast<double>(t) + 1 : 1;
      sum += weight * static_cast<double>(states(t, k));
      weights += weight;
      largest = std::max(largest, static_cast<double>(states(t, k)));
    }
    out[k] = mode == "cls"                    ? static_cast<double>(states(0, k))
             : mode == "lasttoken"            ? static_cast<double>(states(states.rows() - 1, k))
             : mode == "max"                  ? largest
             : mode == "mean_sqrt_len_tokens" ? sum / std::sqrt(weights)
                                              : sum / weights;
  }
  return out;
}

void normalize(vector_of& values) {
  double square = 0;
  for (const double value : values) square += value * value;
  for (double& value : values) value /= std::sqrt(square);
}

void check_near(std::span<const float> got, const vector_of& expected, double tolerance = 1e-5) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(std::abs(static_cast<double>(got[i]) - expected[i]) < tolerance);
}

const std::vector<std::string> texts{"a b c", "", "z y x w v u t s r q", "b"};

std::string message(const std::function<void()>& action) {
  const auto problem = error_of(action);
  return problem ? problem->what() : "";
}

bool says(const std::string& text, std::string_view words) { return text.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("Every pooling is what its formula gives over the tokens, also joined", "[embedder]") {
  struct form {
    ordered_json config;
    std::vector<std::string> modes;
  };
  const std::vector<form> forms{
      {{{"word_embedding_dimension", width}, {"pooling_mode_mean_tokens", true}, {"pooling_mode_cls_token", false}},
       {"mean"}},
      {{{"pooling_mode_lasttoken", true}, {"pooling_mode_mean_tokens", true}, {"pooling_mode_cls_token", true}},
       {"cls", "mean", "lasttoken"}},
      {{{"pooling_mode_weightedmean_tokens", true},
        {"pooling_mode_mean_tokens", false},
        {"pooling_mode_mean_sqrt_len_tokens", true},
        {"pooling_mode_max_tokens", true}},
       {"max", "mean_sqrt_len_tokens", "weightedmean"}},
      {{{"embedding_dimension", width}, {"pooling_mode", "lasttoken"}, {"include_prompt", true}}, {"lasttoken"}},
      {{{"pooling_mode", {"mean", "max", "mean_sqrt_len_tokens"}}}, {"mean", "max", "mean_sqrt_len_tokens"}},
      {{{"word_embedding_dimension", width}}, {"mean"}},
      {{{"pooling_mode_cls_token", false}, {"pooling_mode_mean_tokens", false}}, {"mean"}}};
  for (const form& each : forms) {
    for (const bool normalized : {false, true}) {
      const folder_copy folder = pooled_folder(each.config, normalized);
      const auto model = embedder<float>::load(folder.path());
      CHECK(model.dimensions() == each.modes.size() * width);
      workspace scratch;
      const auto states = model.encode(texts, scratch);
      CHECK(states.encodings[1].ids == std::vector<token_id>{2, 3});
      const auto vectors = model.embed(texts, scratch);
      REQUIRE(vectors.rows() == texts.size());
      for (std::size_t i = 0; i < texts.size(); ++i) {
        vector_of expected;
        for (const std::string& mode : each.modes) {
          const vector_of part = pooled_by_hand(mode, states.row(i));
          expected.insert(expected.end(), part.begin(), part.end());
        }
        if (normalized) normalize(expected);
        check_near(vectors.view().row_span(i), expected);
      }
    }
  }
}

TEST_CASE("A text's vector has the same bits whatever the other texts, their order and the threads", "[embedder]") {
  const folder_copy folder = pooled_folder({{"pooling_mode", {"mean", "max"}}}, true);
  const auto model = embedder<float>::load(folder.path(), {.token_budget = 7});
  workspace scratch;
  thread_pool threads(2);
  std::vector<std::string> many;
  random_numbers random(91);
  for (int i = 0; i < 40; ++i) many.push_back(texts[random.size(0, texts.size() - 1)]);
  const auto vectors = model.embed(many, scratch, {}, threads);
  for (std::size_t i = 0; i < many.size(); ++i) {
    const auto alone = model.embed({std::string_view(many[i])}, scratch);
    CHECK(std::memcmp(alone.view().row(0), vectors.view().row(i), alone.cols() * sizeof(float)) == 0);
  }
}

TEST_CASE("Dense modules follow the pooling in their order, each with its activation", "[embedder]") {
  const folder_copy folder = sentence_folder();
  write_modules(folder, {{"Transformer", ""},
                         {"Pooling", "1_Pooling"},
                         {"Dense", "2_Dense"},
                         {"Dense", "3_Dense"},
                         {"Normalize", "4_Normalize"}});
  folder.write("1_Pooling/config.json", R"({"pooling_mode": "cls"})");
  random_numbers random(92);
  const auto write_dense = [&](const std::string& name, std::size_t in, std::size_t out, const char* function,
                               bool bias) {
    const auto weight = random.reals<float>(out * in);
    const auto shift = random.reals<float>(bias ? out : 0);
    ordered_json header{
        {"linear.weight", {{"dtype", "F32"}, {"shape", {out, in}}, {"data_offsets", {0, 4 * out * in}}}}};
    if (bias) {
      header["linear.bias"] = {
          {"dtype", "F32"}, {"shape", {out}}, {"data_offsets", {4 * out * in, 4 * out * in + 4 * out}}};
    }
    const std::string text = header.dump();
    const std::uint64_t length = text.size();
    std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
    bytes.append(text).append(reinterpret_cast<const char*>(weight.data()), 4 * weight.size());
    bytes.append(reinterpret_cast<const char*>(shift.data()), 4 * shift.size());
    folder.write(name + "/model.safetensors", bytes);
    folder.write(
        name + "/config.json",
        ordered_json{{"in_features", in}, {"out_features", out}, {"bias", bias}, {"activation_function", function}}
            .dump());
    return [=](const vector_of& x) {
      vector_of y(out);
      for (std::size_t r = 0; r < out; ++r) {
        y[r] = bias ? static_cast<double>(shift[r]) : 0.0;
        for (std::size_t k = 0; k < in; ++k) y[r] += static_cast<double>(weight[r * in + k]) * x[k];
      }
      return y;
    };
  };
  const auto first = write_dense("2_Dense", width, 12, "torch.nn.modules.activation.Tanh", true);
  const auto second = write_dense("3_Dense", 12, 5, "torch.nn.modules.linear.Identity", false);
  const auto model = embedder<float>::load(folder.path());
  CHECK(model.dimensions() == 5);
  workspace scratch;
  const auto states = model.encode(texts, scratch);
  const auto vectors = model.embed(texts, scratch);
  const auto cut = model.embed(texts, scratch, {.dimensions = 3});
  for (std::size_t i = 0; i < texts.size(); ++i) {
    vector_of hidden = first(pooled_by_hand("cls", states.row(i)));
    for (double& value : hidden) value = std::tanh(value);
    vector_of expected = second(hidden);
    normalize(expected);
    check_near(vectors.view().row_span(i), expected);
    expected.resize(3);
    normalize(expected);
    check_near(cut.view().row_span(i), expected);
  }
  CHECK(says(model.describe(), "pooling cls, dense to 12 with Tanh, dense to 5, length 1; 5 dimensions"));
  std::vector<std::string_view> many(20, texts[2]);
  many.insert(many.end(), texts.begin(), texts.end());
  const auto together = model.embed(many, scratch);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto alone = model.embed({std::string_view(texts[i])}, scratch);
    CHECK(std::memcmp(alone.view().row(0), together.view().row(20 + i), alone.cols() * sizeof(float)) == 0);
  }
  load_report report;
  static_cast<void>(embedder<float>::load(folder.path(), {.report = &report}));
  CHECK(std::count_if(report.used.begin(), report.used.end(),
                      [](const reported_tensor& tensor) { return tensor.name.starts_with("linear."); }) == 3);

  const auto refused = [&] { return message([&] { static_cast<void>(embedder<float>::load(folder.path())); }); };
  write_dense("3_Dense", 12, 5, "torch.nn.modules.linear.Identity", true);
  folder.edit_json("3_Dense/config.json", [](ordered_json& config) { config["bias"] = false; });
  const std::string strict =
      message([&] { static_cast<void>(embedder<float>::load(folder.path(), {.strict = true})); });
  CHECK(says(strict, "linear.bias"));
  folder.edit_json("3_Dense/config.json", [](ordered_json& config) { config["in_features"] = 13; });
  CHECK(says(refused(), "$.in_features; expected 12, the columns before it; found 13"));
  folder.edit_json("3_Dense/config.json", [](ordered_json& config) {
    config["in_features"] = 12;
    config["activation_function"] = "torch.nn.modules.activation.Mish";
  });
  CHECK(says(refused(), "found 'torch.nn.modules.activation.Mish'"));
}

TEST_CASE("Texts are cut where the folder says, and put into lower case where it says so", "[embedder]") {
  const folder_copy folder = pooled_folder({{"pooling_mode", "mean"}});
  workspace scratch;
  CHECK(embedder<float>::load(folder.path()).max_tokens() == 64);
  folder.write("tokenizer_config.json", R"({"do_lower_case": false, "model_max_length": 9})");
  CHECK(embedder<float>::load(folder.path()).max_tokens() == 9);
  folder.write("tokenizer_config.json",
               R"({"do_lower_case": false, "model_max_length": 1000000000000000019884624838656})");
  CHECK(embedder<float>::load(folder.path()).max_tokens() == 64);
  folder.write("sentence_bert_config.json", R"({"max_seq_length": 5, "do_lower_case": true})");
  const auto model = embedder<float>::load(folder.path());
  CHECK(model.max_tokens() == 5);
  CHECK(says(model.describe(), "texts are cut at 5 tokens, as sentence_bert_config.json says"));
  const auto same = [](const matrix<float>& a, std::size_t i, std::size_t j) {
    return std::memcmp(a.view().row(i), a.view().row(j), a.cols() * sizeof(float)) == 0;
  };
  text_report report;
  const auto vectors = model.embed({"a b c d e", "a b c", "A b C", "a b d"}, scratch,
                                   {.texts = {.truncation = true, .report = &report}});
  CHECK(same(vectors, 0, 1));
  CHECK(same(vectors, 1, 2));
  CHECK_FALSE(same(vectors, 1, 3));
  CHECK(report.truncated == 1);
  CHECK(report.left_out == 2);
  CHECK(says(message([&] {
               static_cast<void>(model.embed({"a", "a b c d"}, scratch, {.texts = {.truncation = false}}));
             }),
             "texts[1]; expected at most 5 tokens, or truncation; found 6"));
  const std::vector<std::string_view> mixed{"a", "a b c d", "b"};
  const auto outcomes = model.try_embed(mixed, scratch, {.texts = {.truncation = false}});
  CHECK(outcomes[0].result);
  CHECK(outcomes[1].problem);
  CHECK(outcomes[2].result->size() == width);
  CHECK(says(message([&] { static_cast<void>(model.embed({"a"}, scratch, {.dimensions = 33})); }), "at most 32"));
}

TEST_CASE("Sigmas at the ends of words become final ones, as Python has it", "[embedder]") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"\316\237\316\224\316\237\316\243", "\316\277\316\264\316\277\317\202"},
      {"\316\243\316\221\316\243 \316\243\316\221\316\243", "\317\203\316\261\317\202 \317\203\316\261\317\202"},
      {"\316\221'\316\243", "\316\261'\317\202"},
      {"\316\243", "\317\203"},
      {"\316\221\316\243.", "\316\261\317\202."},
      {"\316\221\316\243.\316\221", "\316\261\317\203.\316\261"},
      {"\316\221\316\243-\316\221", "\316\261\317\202-\316\261"},
      {"\316\221\314\201\316\243", "\316\261\314\201\317\202"},
      {"\316\221\316\243\302\255", "\316\261\317\202\302\255"},
      {"1\316\243", "1\317\203"},
      {"\316\221\316\243\316\243", "\316\261\317\203\317\202"},
      {"\302\252\316\243", "\302\252\317\202"},
      {"\342\205\257\316\243", "\342\205\277\317\202"},
      {"\312\260\316\243", "\312\260\317\203"},
      {"\312\260A\316\243\312\260", "\312\260a\317\202\312\260"},
      {"a\316\243", "a\317\202"},
      {"\316\221\316\243\315\205\315\205\316\243", "\316\261\317\203\315\205\315\205\317\202"},
      {"\316\243 \316\243", "\317\203 \317\203"},
      {"A:\316\243:", "a:\317\202:"},
  };
  for (const auto& [large, small] : cases) {
    CHECK(models::sentence_text(large, true) == small);
    CHECK(models::sentence_text(large, false) == large);
  }
}

TEST_CASE("White space at the ends of texts does not count, also where the tokenizer keeps it", "[embedder]") {
  for (const bool counts : {true, false}) {
    const folder_copy folder = pooled_folder({{"pooling_mode", "mean"}, {"include_prompt", counts}});
    folder.write("tokenizer.json", R"({"version": "1.0", "added_tokens": [], "normalizer": null,
      "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "Isolated", "invert": false},
      "post_processor": null, "decoder": null,
      "model": {"type": "WordLevel", "vocab": {"?": 0, " ": 1, "a": 2, "b": 3, "q": 4}, "unk_token": "?"}})");
    const auto model = embedder<float>::load(folder.path());
    workspace scratch;
    const auto states = model.encode({" a b ", "a b", "q a b"}, scratch);
    CHECK(states.encodings[0].size() == states.encodings[1].size() + 2);
    const auto vectors = model.embed({" a b ", "a b\xE2\x80\x83", "a b"}, scratch);
    for (std::size_t i = 0; i < 3; ++i) {
      check_near(vectors.view().row_span(i), pooled_by_hand("mean", states.row(1)));
    }
    // The package counts a prompt's tokens without the space behind it, and takes the last one for the template's.
    check_near(model.embed({"a b "}, scratch, {.prompt = "q "}).view().row_span(0),
               pooled_by_hand("mean", states.row(2)));
  }
}

TEST_CASE("Prompts go before texts by name, by default, or as given, and may be left out of the mean", "[embedder]") {
  for (const bool counts : {true, false}) {
    const folder_copy folder = pooled_folder({{"pooling_mode", "mean"}, {"include_prompt", counts}});
    folder.write("config_sentence_transformers.json",
                 R"({"prompts": {"query": "q q ", "document": ""}, "default_prompt_name": null})");
    const auto model = embedder<float>::load(folder.path());
    workspace scratch;
    const auto states = model.encode({"q q a b", "a b"}, scratch);
    const auto named = model.embed({"a b"}, scratch, {.prompt_name = "query"});
    const vector_of expected = pooled_by_hand("mean", states.row(0), counts ? 0 : 3);
    check_near(named.view().row_span(0), expected);
    check_near(model.embed({"a b"}, scratch, {.prompt = "q q "}).view().row_span(0), expected);
    check_near(model.embed({"a b"}, scratch).view().row_span(0), pooled_by_hand("mean", states.row(1)));
    check_near(model.embed({"a b"}, scratch, {.prompt_name = "document"}).view().row_span(0),
               pooled_by_hand("mean", states.row(1)));
    CHECK(says(message([&] { static_cast<void>(model.embed({"a"}, scratch, {.prompt_name = "passage"})); }),
               "prompt_name; expected 'query', 'document'; found 'passage'"));
    CHECK(
        says(message([&] { static_cast<void>(model.embed({"a"}, scratch, {.prompt_name = "query", .prompt = "q"})); }),
             "prompt_name; expected empty, as there is a prompt; found query"));
    folder.edit_json("config_sentence_transformers.json",
                     [](ordered_json& config) { config["default_prompt_name"] = "query"; });
    check_near(embedder<float>::load(folder.path()).embed({"a b"}, scratch).view().row_span(0), expected);
    folder.edit_json("config_sentence_transformers.json",
                     [](ordered_json& config) { config["default_prompt_name"] = "passage"; });
    CHECK(says(message([&] { static_cast<void>(embedder<float>::load(folder.path())); }),
               "$.default_prompt_name; expected the name of one of the prompts; found 'passage'"));
  }
}

TEST_CASE("Texts are cut unless the options refuse it, whatever else they ask for", "[embedder]") {
  const folder_copy folder = pooled_folder({{"pooling_mode", "mean"}});
  const auto model = embedder<float>::load(folder.path());
  workspace scratch;
  std::string long_text;
  for (int i = 0; i < 100; ++i) long_text += "a b ";
  const std::vector<std::string> both{long_text, "a"};
  text_report report;
  const auto cut = model.embed(both, scratch, {.texts = {.report = &report}});
  CHECK(report.truncated == 1);
  const auto shorter = model.embed(both, scratch, {.texts = {.max_length = 5, .report = &report}});
  CHECK(report.left_out == 202 - 5);
  CHECK(std::memcmp(cut.row(0), shorter.row(0), width * sizeof(float)) != 0);
  CHECK(std::memcmp(cut.row(1), shorter.row(1), width * sizeof(float)) == 0);
  const auto outcomes = model.try_embed(both, scratch, {.texts = {.truncation = false}});
  CHECK(outcomes.at(0).problem);
  REQUIRE(outcomes.at(1).result);
  CHECK(std::memcmp(outcomes[1].result->data(), cut.row(1), width * sizeof(float)) == 0);
  CHECK(model.try_encode(both, scratch).problems.at(0));
  const folder_copy scores = sentence_folder("BertForSequenceClassification");
  const auto pairs = cross_encoder<float>::load(scores.path());
  CHECK(pairs.predict({text_pair{long_text, "b"}}, scratch, {.report = &report}).size() == 1);
  CHECK(report.truncated == 1);
  CHECK(error_of([&] {
    static_cast<void>(pairs.predict({text_pair{long_text, "b"}}, scratch, {.truncation = false}));
  }));
  const auto classifier = sequence_classifier<float>::load(scores.path());
  const auto classified = classifier.try_classify(both, scratch);
  CHECK(classified.at(0).problem);
  CHECK(classified.at(1).result);
  CHECK(error_of([&] { static_cast<void>(classifier.classify(long_text, scratch, {.report = &report})); }));
}

TEST_CASE("Calls with one result for each text refuse further rows, and sequences without tokens", "[embedder]") {
  const folder_copy folder = pooled_folder({{"pooling_mode", "mean"}});
  const auto model = embedder<float>::load(folder.path());
  workspace scratch;
  text_report report;
  const text_options further{.truncation = true, .overflow = true, .report = &report};
  CHECK(says(message([&] { static_cast<void>(model.embed({"a"}, scratch, {.texts = further})); }),
             "overflow; expected false, as each text has one vector; found true"));
  const auto states = model.encode({"a b"}, scratch);
  const std::vector<std::size_t> offsets{0, 2, 2};
  CHECK(says(message([&] { static_cast<void>(model.pool(states.states.view().rows_from(0, 2), offsets, scratch)); }),
             "sequence 1; expected at least one token; found none"));
  const folder_copy scores = sentence_folder("BertForSequenceClassification");
  const auto classifier = sequence_classifier<float>::load(scores.path());
  CHECK(says(message([&] { static_cast<void>(classifier.classify("a", scratch, further)); }),
             "overflow; expected false for calls with one result for each text; found true"));
}

TEST_CASE("Texts without a token and token types that the model lacks are refused by the text", "[embedder]") {
  const folder_copy folder = sentence_folder();
  const auto with_template = [&](const ordered_json& steps) {
    const ordered_json tokenizer{
        {"version", "1.0"},
        {"added_tokens", ordered_json::array()},
        {"normalizer", nullptr},
        {"pre_tokenizer", {{"type", "Whitespace"}}},
        {"post_processor", steps},
        {"decoder", nullptr},
        {"model", {{"type", "WordLevel"}, {"unk_token", "[UNK]"}, {"vocab", {{"[UNK]", 1}, {"a", 5}}}}}};
    folder.write("tokenizer.json", tokenizer.dump());
    return encoder_model<float>::load(folder.path());
  };
  workspace scratch;
  const auto bare = with_template(nullptr);
  CHECK(bare.encode({"a"}, scratch).states.rows() == 1);
  CHECK(says(message([&] {
               static_cast<void>(bare.encode({"a", ""}, scratch));
             }),
             "texts[1]; expected at least one token; found none"));
  const ordered_json text{{"Sequence", {{"id", "A"}, {"type_id", 2}}}};
  const auto typed = with_template({{"type", "TemplateProcessing"},
                                    {"single", {text}},
                                    {"pair", {text, {{"Sequence", {{"id", "B"}, {"type_id", 0}}}}}},
                                    {"special_tokens", ordered_json::object()}});
  CHECK(says(message([&] { static_cast<void>(typed.encode({"a"}, scratch)); }),
             "texts[0]; expected token types below 2, which the model has; found type 2 of 'a'"));
}

TEST_CASE("Without a modules.json embeddings are means, and the report says so", "[embedder]") {
  const folder_copy folder = sentence_folder();
  load_report report;
  const auto model = embedder<float>::load(folder.path(), {.report = &report});
  REQUIRE(report.notes.size() == 1);
  CHECK(says(report.notes.front(), "no modules.json"));
  CHECK(says(model.describe(), "no modules.json: pooling mean; 32 dimensions"));
  workspace scratch;
  const auto states = model.encode(texts, scratch);
  const auto vectors = model.embed(texts, scratch);
  check_near(vectors.view().row_span(2), pooled_by_hand("mean", states.row(2)));
  const folder_copy classifier = sentence_folder("BertForSequenceClassification");
  CHECK(says(message([&] { static_cast<void>(embedder<float>::load(classifier.path())); }),
             "load it with sequence_classifier"));
}

TEST_CASE("Modules that this version does not have, and those out of place, are refused by name", "[embedder]") {
  const folder_copy folder = pooled_folder({{"pooling_mode", "mean"}});
  const auto refused = [&] { return message([&] { static_cast<void>(embedder<float>::load(folder.path())); }); };
  write_modules(folder, {{"Transformer", ""}, {"CNN", "1_CNN"}});
  CHECK(says(refused(), "$[1].type; expected a Pooling behind the encoder; found 'sentence_transformers.models.CNN'"));
  write_modules(folder, {{"Transformer", ""}, {"Pooling", "1_Pooling"}, {"LSTM", "2_LSTM"}});
  CHECK(
      says(refused(), "expected Transformer, Pooling, Dense or Normalize; found 'sentence_transformers.models.LSTM'"));
  write_modules(folder, {{"Transformer", ""}, {"Normalize", "2_Normalize"}});
  CHECK(says(refused(), "expected a Pooling behind the encoder"));
  write_modules(folder, {{"Transformer", ""}});
  CHECK(says(refused(), "found no Pooling"));
  write_modules(folder, {{"Pooling", "1_Pooling"}, {"Transformer", ""}});
  CHECK(says(refused(), "expected an encoder first"));
  folder.write("modules.json", R"([{"path": "", "type": "Transformer"}, {"path": "../x", "type": "Pooling"}])");
  CHECK(says(refused(), "bad_path"));
  // Whatever a folder brings itself may compute something else, whatever it is called.
  for (const char* type : {"custom_st.Transformer", "my_code.latent.Pooling", "evil.Normalize"}) {
    folder.write("modules.json", R"([{"path": "", "type": ")" + std::string(type) + R"("}])");
    CHECK(says(refused(), "expected a module of sentence_transformers; found '" + std::string(type) + '\''));
  }
  const auto wrong = [](const ordered_json& pooling) {
    const folder_copy bad = pooled_folder(pooling);
    return message([&] { static_cast<void>(embedder<float>::load(bad.path())); });
  };
  CHECK(says(wrong({{"pooling_mode", "median"}}), "found 'median'"));
  CHECK(says(wrong({{"pooling_mode_median_tokens", true}}), "found 'pooling_mode_median_tokens'"));
  CHECK(says(wrong({{"word_embedding_dimension", 16}}), "expected the encoder's hidden size 32; found 16"));
  CHECK(says(wrong({{"pooling_mode", ordered_json::array()}}), "at least one pooling"));
  CHECK(says(wrong({{"pooling_mode", {"mean", "max", "mean"}}}), "expected each pooling once; found 'mean'"));
  const std::vector<std::pair<std::string, std::string>> many(17, {"Normalize", ""});
  write_modules(folder, many);
  CHECK(says(refused(), "expected at most 16 modules; found 17"));
}

TEST_CASE("Of the flags of old poolings that of the mean is set unless it says otherwise", "[embedder]") {
  const auto dimensions = [](const ordered_json& pooling) {
    const folder_copy folder = pooled_folder(pooling);
    return embedder<float>::load(folder.path()).dimensions();
  };
  CHECK(dimensions({{"word_embedding_dimension", 32}}) == width);
  CHECK(dimensions({{"pooling_mode_cls_token", true}}) == 2 * width);
  CHECK(dimensions({{"pooling_mode_cls_token", true}, {"pooling_mode_mean_tokens", false}}) == width);
  CHECK(dimensions({{"pooling_mode_mean_tokens", false}}) == width);
}

TEST_CASE("What a folder asks for and would be computed otherwise is refused by name", "[embedder]") {
  const auto refused = [](const char* file, const char* text) {
    const folder_copy folder = pooled_folder({{"pooling_mode", "mean"}});
    folder.write(file, text);
    return message([&] { static_cast<void>(embedder<float>::load(folder.path())); });
  };
  constexpr const char* encoder = "sentence_bert_config.json";
  CHECK(says(refused(encoder, R"({"transformer_task": "fill-mask"})"), "$.transformer_task"));
  CHECK(says(refused(encoder, R"({"module_output_name": "logits"})"), "$.module_output_name"));
  CHECK(says(refused(encoder, R"({"modality_config": {"text": {"method_output_name": "logits"}}})"),
             "$.modality_config.text.method_output_name"));
  CHECK(says(refused(encoder, R"({"config_args": {"num_hidden_layers": 1}})"), "$.config_args"));
  CHECK(says(refused(encoder, R"({"tokenizer_args": {"truncation_side": "left"}})"), "$.tokenizer_args"));
  CHECK(refused(encoder, R"({"transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}, "config_args": {},
    "max_seq_length": 20, "do_lower_case": false})")
            .empty());
  CHECK(says(refused("config_sentence_transformers.json", R"({"model_type": "SparseEncoder"})"), "$.model_type"));
  CHECK(refused("config_sentence_transformers.json", R"({"model_type": "SentenceTransformer"})").empty());
  CHECK(says(refused("adapter_config.json", R"({"peft_type": "LORA"})"), "an adapter"));
  CHECK(says(refused("tokenizer_config.json", R"({"split_special_tokens": true})"), "$.split_special_tokens"));
  CHECK(says(refused("tokenizer_config.json", R"({"truncation_side": "middle"})"), "$.truncation_side"));
  const folder_copy folder = pooled_folder({{"pooling_mode", "mean"}});
  folder.edit_json("config.json", [](ordered_json& config) { config["pruned_heads"] = {{"0", {1}}}; });
  CHECK(says(message([&] { static_cast<void>(embedder<float>::load(folder.path())); }), "$.pruned_heads"));
  folder.edit_json("config.json", [](ordered_json& config) {
    config["pruned_heads"] = ordered_json::object();
    config["quantization_config"] = {{"quant_method", "gptq"}};
  });
  CHECK(says(message([&] { static_cast<void>(embedder<float>::load(folder.path())); }), "$.quantization_config"));
  folder.edit_json("config.json", [](ordered_json& config) { config.erase("quantization_config"); });
  CHECK(message([&] { static_cast<void>(embedder<float>::load(folder.path())); }).empty());
}

TEST_CASE("Texts lose the end that the folder says, unless the caller says which", "[embedder]") {
  const folder_copy folder = pooled_folder({{"pooling_mode", "mean"}});
  folder.write("tokenizer_config.json",
               R"({"do_lower_case": false, "model_max_length": 4, "truncation_side": "left"})");
  const auto model = embedder<float>::load(folder.path());
  workspace scratch;
  const auto same = [&](const char* text, const embed_options& options, const char* what_is_left) {
    const auto a = model.embed({text}, scratch, options);
    const auto b = model.embed({what_is_left}, scratch);
    return std::memcmp(a.view().row(0), b.view().row(0), a.cols() * sizeof(float)) == 0;
  };
  CHECK(same("a b c d", {}, "c d"));
  CHECK(same("a b c d", {.texts = {.truncation = true, .direction = truncation_direction::left}}, "c d"));
  CHECK(same("a b c d", {.texts = {.truncation = true, .direction = truncation_direction::right}}, "a b"));
}

TEST_CASE("A cross-encoder cuts where its folder says, and leaves token types out where that does", "[embedder]") {
  const folder_copy folder = sentence_folder("BertForSequenceClassification");
  workspace scratch;
  const auto whole = cross_encoder<float>::load(folder.path());
  text_report report;
  const std::vector<text_pair> long_pair{{"a b c", "d e f g h i j"}};
  const auto tokens_of = [&](const cross_encoder<float>& model, std::size_t most) {
    static_cast<void>(model.predict(long_pair, scratch, {.truncation = true, .max_length = most, .report = &report}));
    return report.tokens.front();
  };
  CHECK(tokens_of(whole, 0) == 13);
  folder.write("tokenizer_config.json", R"({"do_lower_case": false, "model_max_length": 10})");
  const auto cut = cross_encoder<float>::load(folder.path());
  CHECK(tokens_of(cut, 0) == 10);
  CHECK(tokens_of(cut, 12) == 12);
  CHECK(cut.predict(long_pair, scratch).front().raw ==
        whole.predict(long_pair, scratch, {.truncation = true, .max_length = 10}).front().raw);
  CHECK(cut.predict(long_pair, scratch, {.truncation = false}).front().raw ==
        whole.predict(long_pair, scratch).front().raw);

  folder.write("tokenizer_config.json", R"({"do_lower_case": false, "model_input_names": ["input_ids"]})");
  const auto typeless = cross_encoder<float>::load(folder.path());
  const auto& classifier = typeless.classifier();
  const encoding tokens = classifier.text_tokenizer().encode("a b", "c");
  matrix<float> logits({1, 3});
  classifier.logits({tokens.ids.data(), {1, tokens.size()}}, {}, logits.view(), scratch);
  const std::vector<text_pair> pair{{"a b", "c"}};
  const auto scores = typeless.predict(pair, scratch);
  CHECK(scores.front().raw == static_cast<double>(logits.view()(0, scores.front().labels.front().index)));
  CHECK(scores.front().raw != whole.predict(pair, scratch).front().raw);
}

TEST_CASE("One text is read with each of many, and tokenized once", "[embedder]") {
  const folder_copy folder = sentence_folder("BertForSequenceClassification");
  const auto model = sequence_classifier<float>::load(folder.path());
  workspace scratch;
  const std::vector<std::string_view> others{"x", "", "a b c d e f", "a \xF0\x9F\x98\x80"};
  for (const bool truncation : {false, true}) {
    const text_options options{.truncation = truncation, .max_length = truncation ? std::size_t{9} : 0};
    const auto together = model.classify_each("q \xC3\xA9 z", others, scratch, options);
    REQUIRE(together.size() == others.size());
    for (std::size_t i = 0; i < others.size(); ++i) {
      const auto alone = model.classify("q \xC3\xA9 z", others[i], scratch, options);
      CHECK(together[i].front().index == alone.front().index);
      CHECK(together[i].front().logit == alone.front().logit);
    }
  }
  CHECK(model.classify_each("a", {}, scratch).empty());
}

TEST_CASE("Offsets that do not divide the states are refused before any state is read", "[embedder]") {
  const auto model = embedder<float>::load(pooled_folder({{"pooling_mode", "mean"}}).path());
  const folder_copy folder = sentence_folder("BertForSequenceClassification");
  const auto classifier = sequence_classifier<float>::load(folder.path());
  const auto& pooler = classifier.pooling();
  workspace scratch;
  const matrix<float> states({8, width});
  const std::vector<std::vector<std::size_t>> wrong{
      {}, {0}, {0, 7}, {0, 9}, {3, 8}, {8, 0}, {0, 1000, 8}, {0, 1UL << 40, 8}, {0, 8, 8}, {0, 0, 8}};
  for (const auto& offsets : wrong) {
    const std::size_t rows = offsets.empty() ? 0 : offsets.size() - 1;
    matrix<float> y({rows, pooler.output_width()});
    for (const auto& action :
         {std::function<void()>([&] { pooler.forward(states.view(), offsets, y.view(), scratch); }),
          std::function<void()>([&] { static_cast<void>(model.pool(states.view(), offsets, scratch)); })}) {
      const auto problem = error_of(action);
      REQUIRE(problem);
      CHECK(problem->code() == error_code::invalid_input);
    }
  }
  CHECK(model.pool(states.view(), std::vector<std::size_t>{0, 3, 8}, scratch).rows() == 2);
}

TEST_CASE("A cross-encoder scores pairs, and ranks documents where it has one label", "[embedder]") {
  const folder_copy folder = sentence_folder("BertForSequenceClassification");
  const auto three = cross_encoder<float>::load(folder.path());
  workspace scratch;
  const std::vector<text_pair> pairs{{"a b", "c d e"}, {"a b", "x"}, {"c d e", "a b"}};
  const auto scores = three.predict(pairs, scratch);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const encoding tokens = three.classifier().text_tokenizer().encode(pairs[i].first, pairs[i].second);
    matrix<float> logits({1, 3});
    three.classifier().logits({tokens.ids.data(), {1, tokens.size()}}, {}, {tokens.type_ids.data(), {1, tokens.size()}},
                              logits.view(), scratch);
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k) sum += std::exp(static_cast<double>(logits.view()(0, k)));
    for (const label_score& label : scores[i].labels) {
      CHECK(label.logit == static_cast<double>(logits.view()(0, label.index)));
      CHECK(std::abs(label.score - std::exp(label.logit) / sum) < 1e-9);
    }
    CHECK(scores[i].raw == scores[i].labels.front().logit);
  }
  text_report report;
  const text_options further{.truncation = true, .overflow = true, .report = &report};
  CHECK(says(message([&] { static_cast<void>(three.predict(pairs, scratch, further)); }),
             "overflow; expected false, as each pair has one score; found true"));
  const std::vector<std::string> documents{"c d e", "x", "y z", "c d e", "b"};
  CHECK(says(message([&] { static_cast<void>(three.rank("a b", documents, scratch)); }), "a model with one label"));

  random_numbers random(93);
  folder.rename_tensors([](const std::string& name) { return name.starts_with("classifier.") ? "old." + name : name; });
  folder.add_tensor("classifier.weight", {1, width}, random.reals<float>(width));
  folder.add_tensor("classifier.bias", {1}, {0.25F});
  folder.edit_json("config.json", [](ordered_json& config) {
    config["id2label"] = {{"0", "LABEL_0"}};
    config["label2id"] = {{"LABEL_0", 0}};
    config["problem_type"] = "regression";
  });
  const auto one = cross_encoder<float>::load(folder.path());
  const auto ranked = one.rank("a b", documents, scratch);
  REQUIRE(ranked.size() == documents.size());
  for (std::size_t r = 0; r < ranked.size(); ++r) {
    const auto alone = one.predict(std::vector<text_pair>{{"a b", documents[ranked[r].index]}}, scratch);
    CHECK(ranked[r].raw == alone.front().raw);
    CHECK(std::abs(ranked[r].sigmoid - 1 / (1 + std::exp(-ranked[r].raw))) < 1e-12);
    if (r > 0) CHECK(ranked[r - 1].raw >= ranked[r].raw);
    const std::vector<std::string_view> views(documents.begin(), documents.end());
    CHECK(one.rank("a b", views, scratch).at(r).index == ranked[r].index);
    if (r > 0 && ranked[r - 1].raw == ranked[r].raw) CHECK(ranked[r - 1].index < ranked[r].index);
  }
  CHECK(one.rank("a b", documents, scratch, 2).size() == 2);
  std::string many;
  for (int i = 0; i < 80; ++i) many += "b ";
  CHECK(one.predict(std::vector<text_pair>{{"a", many}}, scratch).size() == 1);
  const auto outcomes =
      one.try_predict(std::vector<text_pair>{{"a", many}, {"a", "b"}}, scratch, {.truncation = false});
  CHECK(outcomes[0].problem);
  CHECK(outcomes[1].result);
}

TEST_CASE("The class of a folder is chosen by modules, by the named class, or by tensors, and the choice explained",
          "[embedder]") {
  const auto chosen = [](const folder_copy& folder) {
    const auto any = auto_model<float>::load(folder.path());
    return any.task() + ": " + any.reason();
  };
  CHECK(chosen(folder_copy(golden_model("bert_mlm"))) == "masked_lm: architectures names BertForMaskedLM");
  CHECK(chosen(folder_copy(golden_model("tok_fff_5"))) ==
        "token_classifier: architectures names ScriptableLMForTokenClassification");
  CHECK(chosen(folder_copy(golden_model("mlm_fff_local_form"))).starts_with("masked_lm: no class is named"));
  CHECK(chosen(pooled_folder({{"pooling_mode", "mean"}})) == "embedder: there is a modules.json");
  const folder_copy folder = sentence_folder("BertForSequenceClassification");
  const auto any = auto_model<float>::load(folder.path());
  REQUIRE(any.get_if<sequence_classifier<float>>() != nullptr);
  CHECK(any.get_if<masked_lm<float>>() == nullptr);
  CHECK(any.describe() ==
        "sequence_classifier, because architectures names BertForSequenceClassification; 2 layers of width 32 with "
        "dense layers, 90 words; 3 labels");
  folder.edit_json("config.json", [](ordered_json& config) {
    config["sbert_ce_default_activation_function"] = "torch.nn.modules.linear.Identity";
  });
  CHECK(chosen(folder) ==
        "cross_encoder: architectures names BertForSequenceClassification, and sbert_ce_default_activation_function is "
        "set");
  folder.edit_json("config.json", [](ordered_json& config) { config.erase("architectures"); });
  CHECK(chosen(folder) == "sequence_classifier: no class is named, but there is classifier.weight");
  folder.rename_tensors([](const std::string& name) { return name.find("pooler") == 5 ? "old." + name : name; });
  CHECK(chosen(folder) == "token_classifier: no class is named, but there is classifier.weight");
  folder.rename_tensors([](const std::string& name) { return name.starts_with("classifier") ? "old." + name : name; });
  CHECK(chosen(folder) == "encoder_model: no class is named, and there are no tensors of a head");
  folder.edit_json("config.json", [](ordered_json& config) { config["architectures"] = {"BertForQuestionAnswering"}; });
  CHECK(says(message([&] { static_cast<void>(auto_model<float>::load(folder.path())); }), "BertForQuestionAnswering"));
  folder.edit_json("config.json", [](ordered_json& config) { config["model_type"] = "gpt2"; });
  CHECK(says(message([&] { static_cast<void>(auto_model<float>::load(folder.path())); }),
             "expected crammedBERT, BERT, DistilBERT, RoBERTa; found 'gpt2'"));
}

TEST_CASE("Classes refuse each other's folders by naming the right one", "[embedder]") {
  const folder_copy sentences = pooled_folder({{"pooling_mode", "mean"}});
  CHECK(
      says(message([&] { static_cast<void>(masked_lm<float>::load(sentences.path())); }),
           "this folder holds a model of embeddings: load it with embedder, or its encoder alone with encoder_model"));
  CHECK(
      says(message([&] { static_cast<void>(cross_encoder<float>::load(sentences.path())); }), "load it with embedder"));
  CHECK(encoder_model<float>::load(sentences.path()).pooling() != nullptr);
  CHECK(says(message([&] { static_cast<void>(cross_encoder<float>::load(golden_model("bert_mlm"))); }),
             "load it with masked_lm"));
}
