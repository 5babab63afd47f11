// SPDX-License-Identifier: MIT
//
// DistilBERT and RoBERTa folders, made of golden BERT folders under the other family's names: their states have to be
// BERT's bits where the arithmetic is the same, and their heads what double arithmetic makes of the states.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "invariance/batches.hpp"
#include "model/support.hpp"
#include "support/family_folders.hpp"
#include "support/random.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

constexpr std::size_t width = 32;  // of the golden models

void without_types(const folder_copy& folder,
                   const std::string& name = "bert.embeddings.token_type_embeddings.weight") {
  for (std::size_t k = 0; k < 2 * width; ++k) folder.poke(name, k, 0.0F);
}

const std::vector<token_id> ids{2, 17, 33, 8, 1, 41, 3, 60, 1, 3};  // two of them are RoBERTa's padding
const matrix_view<const token_id> id_view(ids.data(), {1, 10});

template <class Model>
matrix<float> states_of(const Model& model, const sequence_batch& extra = {}) {
  const std::vector<std::size_t> offsets{0, ids.size()};
  sequence_batch batch = extra;
  batch.offsets = offsets;
  matrix<float> states({ids.size(), model.hidden_size()});
  workspace scratch;
  model.stack().forward(ids, batch, states.view(), scratch);
  return states;
}

bool equal(const matrix<float>& a, const matrix<float>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         std::memcmp(a.view().data(), b.view().data(), a.rows() * a.cols() * sizeof(float)) == 0;
}

std::vector<float> tensor_of(const std::filesystem::path& folder, const std::string& name) {
  const auto file = safetensors::open(folder / "model.safetensors");
  const safetensors_source source(file);
  const auto number = source.find(name);
  REQUIRE(number);
  const auto& entry = source.entry(*number);
  std::vector<float> values((entry.end - entry.begin) / sizeof(float));
  source.read(*number, 0, std::span<float>(values));
  return values;
}

/// W x + b in double.
std::vector<double> linear_of(const std::filesystem::path& folder, const std::string& name,
                              const std::vector<double>& x) {
  const auto weight = tensor_of(folder, name + ".weight");
  const auto bias = tensor_of(folder, name + ".bias");
  std::vector<double> y(bias.begin(), bias.end());
  for (std::size_t r = 0; r < y.size(); ++r) {
    for (std::size_t k = 0; k < x.size(); ++k) y[r] += static_cast<double>(weight[r * x.size() + k]) * x[k];
  }
  return y;
}

std::vector<double> row_of(const matrix<float>& states, std::size_t r) {
  return {states.view().row(r), states.view().row(r) + states.cols()};
}

void check_near(std::span<const float> got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(std::abs(static_cast<double>(got[i]) - expected[i]) < 1e-5);
}

template <class Model>
std::string load_error(const folder_copy& folder) {
  const auto problem = error_of([&] { static_cast<void>(Model::load(folder.path())); });
  return problem ? problem->what() : "";
}

}  // namespace

TEST_CASE("A DistilBERT folder is BERT's encoder and head under other names", "[hub]") {
  const folder_copy bert(golden_model("bert_mlm_full_names"));
  without_types(bert);
  const auto expected = masked_lm<float>::load(bert.path());
  folder_copy folder = renamed("bert_mlm_full_names", to_distilbert);
  as_distilbert(folder, "DistilBertForMaskedLM");
  load_report report;
  const auto model = masked_lm<float>::load(folder.path(), {.report = &report});
  CHECK(equal(states_of(model), states_of(expected)));
  CHECK(std::none_of(report.unused.begin(), report.unused.end(), [](const reported_tensor& tensor) {
    return tensor.name.find("distilbert.transformer") != std::string::npos;
  }));

  const std::vector<std::size_t> rows{0, 3, 9};
  const auto logits_of = [&](const masked_lm<float>& of) {
    matrix<float> logits({rows.size(), of.vocabulary_size()});
    workspace scratch;
    const auto states = states_of(of);
    of.logits(states.view(), rows, logits.view(), scratch);
    return logits;
  };
  CHECK(equal(logits_of(model), logits_of(expected)));

  folder.rename_tensors([](std::string name) {
    const std::size_t at = name.find("distilbert.");
    return at == 0 ? name.substr(11) : name;
  });
  CHECK(equal(states_of(encoder_model<float>::load(folder.path())), states_of(expected)));
  CHECK(load_error<sequence_classifier<float>>(folder).find("load it with masked_lm") != std::string::npos);
  folder.edit_json("config.json", [](ordered_json& config) {  // of the first versions
    config.erase("model_type");
    config.erase("architectures");
  });
  CHECK(equal(states_of(masked_lm<float>::load(folder.path())), states_of(expected)));
}

TEST_CASE("DistilBERT classifies by relu of its own layer, and tokens without it", "[hub]") {
  const folder_copy folder = renamed("bert_seq_3", to_distilbert);
  as_distilbert(folder, "DistilBertForSequenceClassification");
  const auto model = sequence_classifier<float>::load(folder.path());
  const auto states = states_of(model);
  auto pooled = linear_of(folder.path(), "pre_classifier", row_of(states, 0));
  for (double& value : pooled) value = std::max(value, 0.0);
  workspace scratch;
  matrix<float> logits({1, 3});
  model.logits(id_view, {}, logits.view(), scratch);
  check_near(logits.view().row_span(0), linear_of(folder.path(), "classifier", pooled));

  folder.edit_json("config.json", [](ordered_json& config) {
    config["architectures"] = {"DistilBertForTokenClassification"};
    config["id2label"] = {{"0", "A"}, {"1", "B"}, {"2", "C"}};
  });
  const auto tokens = token_classifier<float>::load(folder.path());
  matrix<float> of_tokens({ids.size(), 3});
  tokens.logits(id_view, {}, of_tokens.view(), scratch);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    check_near(of_tokens.view().row_span(t), linear_of(folder.path(), "classifier", row_of(states, t)));
  }
  const std::vector<std::uint32_t> types(ids.size(), 1);
  const std::string problem = error_text_of([&] {
    tokens.logits(id_view, {}, {types.data(), {1, 10}}, of_tokens.view(), scratch);
  });
  CHECK(problem.find("invalid_input: type_ids") == 0);
}

TEST_CASE("RoBERTa counts positions from behind its padding token, which takes the row of its number", "[hub]") {
  const auto bert = masked_lm<float>::load(golden_model("bert_mlm_full_names"));
  for (const char* architecture : {"RobertaForMaskedLM", "XLMRobertaForMaskedLM"}) {
    const folder_copy folder = renamed("bert_mlm_full_names", to_roberta);
    as_roberta(folder, architecture);
    const auto model = masked_lm<float>::load(folder.path());
    CHECK(model.max_sequence_length() == 62);
    const std::vector<std::uint32_t> positions{2, 3, 4, 5, 1, 6, 7, 8, 1, 9};
    const auto states = states_of(model);
    CHECK(equal(states, states_of(bert, {.positions = positions})));
    CHECK_FALSE(equal(states, states_of(bert)));

    const std::vector<std::size_t> rows{1, 8};
    workspace scratch;
    matrix<float> logits({rows.size(), model.vocabulary_size()});
    matrix<float> expected({rows.size(), model.vocabulary_size()});
    model.logits(states.view(), rows, logits.view(), scratch);
    bert.logits(states.view(), rows, expected.view(), scratch);
    CHECK(equal(logits, expected));

    const std::vector<token_id> longest(62, 5);
    CHECK(model.encode({longest.data(), {1, 62}}, {}, scratch).rows() == 62);
    const std::vector<token_id> too_long(63, 5);
    const std::string problem = error_text_of([&] {
      static_cast<void>(model.encode({too_long.data(), {1, 63}}, {}, scratch));
    });
    CHECK(problem.find("at most 62 tokens") != std::string::npos);
  }
  const folder_copy no_room = renamed("bert_mlm_full_names", to_roberta);
  as_roberta(no_room, "RobertaForMaskedLM", 63);
  CHECK(load_error<masked_lm<float>>(no_room).find("at least 65, as pad_token_id is 63") != std::string::npos);
}

TEST_CASE("RoBERTa has one type of tokens, and a second one is refused", "[hub]") {
  const std::string types = "roberta.embeddings.token_type_embeddings.weight";
  const folder_copy folder = renamed("bert_mlm_full_names", to_roberta);
  folder.rename_tensors([&](const std::string& name) { return name == types ? "two_types" : name; });
  folder.add_tensor(types, {1, width}, random_numbers(5).reals<float>(width));
  as_roberta(folder, "RobertaModel");
  folder.edit_json("config.json", [](ordered_json& config) { config["type_vocab_size"] = 1; });
  const auto model = encoder_model<float>::load(folder.path());
  const std::vector<std::uint32_t> second(ids.size(), 1);
  workspace scratch;
  CHECK(error_text_of([&] {
          static_cast<void>(model.encode(id_view, {}, scratch, {.type_ids = {second.data(), {1, 10}}}));
        }).find("invalid_input: type_ids[0]: 0 to 0: 1") == 0);
}

TEST_CASE("RoBERTa's classifiers have a head of two layers for sequences and of one for tokens", "[hub]") {
  const folder_copy folder = renamed("bert_seq_3", to_roberta);
  as_roberta(folder, "RobertaForSequenceClassification");
  const auto model = sequence_classifier<float>::load(folder.path(), {.strict = true});
  const auto states = states_of(model);
  auto pooled = linear_of(folder.path(), "classifier.dense", row_of(states, 0));
  for (double& value : pooled) value = std::tanh(value);
  workspace scratch;
  matrix<float> logits({1, 3});
  model.logits(id_view, {}, logits.view(), scratch);
  check_near(logits.view().row_span(0), linear_of(folder.path(), "classifier.out_proj", pooled));
  CHECK(load_error<token_classifier<float>>(folder).find("load it with sequence_classifier") != std::string::npos);

  const folder_copy of_tokens = renamed("bert_seq_3", {{"bert.", "roberta."}});
  as_roberta(of_tokens, "XLMRobertaForTokenClassification");
  const auto tokens = token_classifier<float>::load(of_tokens.path());
  matrix<float> all({ids.size(), 3});
  tokens.logits(id_view, {}, all.view(), scratch);
  check_near(all.view().row_span(4), linear_of(of_tokens.path(), "classifier", row_of(states_of(tokens), 4)));
}

TEST_CASE("FFF layers stand in place of the dense ones of every family", "[hub]") {
  constexpr std::size_t nodes = 7;
  const auto planted = [&](folder_copy folder, const std::string& stem) {
    random_numbers random(77);
    for (const char* layer : {"0.", "1."}) {
      folder.add_tensor(stem + layer + "ffn.linear_in.weight", {nodes, width}, random.reals<float>(nodes * width));
      folder.add_tensor(stem + layer + "ffn.linear_in.bias", {nodes}, random.reals<float>(nodes));
      folder.add_tensor(stem + layer + "ffn.linear_out.weight", {width, nodes}, random.reals<float>(width * nodes));
    }
    return folder;
  };
  for (const char* activation : {"gelu", "gelu_new"}) {
    const folder_copy bert = planted(folder_copy(golden_model("bert_mlm_full_names")), "bert.encoder.layer.");
    bert.edit_json("config.json", [&](ordered_json& config) { config["hidden_act"] = activation; });
    without_types(bert);
    const auto expected = masked_lm<float>::load(bert.path());
    CHECK(expected.stack().layers().front().path_length() == 3);
    folder_copy distilbert = planted(renamed("bert_mlm_full_names", to_distilbert), "distilbert.transformer.layer.");
    as_distilbert(distilbert, "DistilBertForMaskedLM");
    distilbert.edit_json("config.json", [&](ordered_json& config) { config["activation"] = activation; });
    CHECK(equal(states_of(masked_lm<float>::load(distilbert.path())), states_of(expected)));
    distilbert.edit_json("config.json", [](ordered_json& config) {
      config["intermed_type"] = "fff";
      config["intermed_depth"] = 2;
      config["intermed_size"] = 1;
    });
    CHECK(equal(states_of(masked_lm<float>::load(distilbert.path())), states_of(expected)));
    const folder_copy roberta = planted(renamed("bert_mlm_full_names", to_roberta), "roberta.encoder.layer.");
    as_roberta(roberta, "RobertaForMaskedLM");
    CHECK(masked_lm<float>::load(roberta.path()).stack().layers().front().path_length() == 3);
  }
}

TEST_CASE("An untied decoder matters to masked language models alone", "[hub]") {
  const folder_copy folder(golden_model("bert_mlm_full_names"));
  const auto tied = masked_lm<float>::load(folder.path());
  constexpr std::size_t word = 7;
  for (std::size_t k = 0; k < width; ++k) {
    folder.poke("cls.predictions.decoder.weight", word * width + k, k == 0 ? 1.0F : 0.0F);
  }
  const auto states = states_of(tied);
  const std::vector<std::size_t> rows{2};
  workspace scratch;
  const auto logits_of = [&](const masked_lm<float>& model) {
    matrix<float> logits({1, model.vocabulary_size()});
    model.logits(states.view(), rows, logits.view(), scratch);
    return logits;
  };
  const auto before = logits_of(tied);
  load_report report;
  const auto contradicting = masked_lm<float>::load(folder.path(), {.report = &report});
  CHECK(equal(logits_of(contradicting), before));  // the configuration ties them
  CHECK(std::any_of(report.redundant.begin(), report.redundant.end(),
                    [](const reported_tensor& tensor) { return tensor.name == "cls.predictions.decoder.weight"; }));
  CHECK(std::any_of(report.redundant.begin(), report.redundant.end(),
                    [](const reported_tensor& tensor) { return tensor.name == "cls.predictions.decoder.bias"; }));

  folder.edit_json("config.json", [](ordered_json& config) { config["tie_word_embeddings"] = false; });
  const auto untied = masked_lm<float>::load(folder.path());
  const auto after = logits_of(untied);
  CHECK(untied.bytes() > tied.bytes());
  for (std::size_t j = 0; j < untied.vocabulary_size(); ++j) {
    if (j != word) CHECK(after.view()(0, j) == before.view()(0, j));
  }
  CHECK(after.view()(0, word) != before.view()(0, word));
  CHECK(equal(states_of(encoder_model<float>::load(folder.path())), states));

  // Such a decoder has its own bias, too.
  folder.poke("cls.predictions.decoder.bias", 3, 100.0F);
  CHECK(logits_of(masked_lm<float>::load(folder.path())).view()(0, 3) > after.view()(0, 3) + 50);
  folder.edit_json("config.json", [](ordered_json& config) { config["tie_word_embeddings"] = nullptr; });
  CHECK(equal(logits_of(masked_lm<float>::load(folder.path())), before));
  folder.edit_json("config.json", [](ordered_json& config) { config["tie_word_embeddings"] = false; });

  folder.rename_tensors([](const std::string& name) {
    return name == "cls.predictions.decoder.weight" ? std::string("elsewhere") : name;
  });
  CHECK(load_error<masked_lm<float>>(folder).find("cls.predictions.decoder.weight (90, 32) is missing") !=
        std::string::npos);
  CHECK(equal(states_of(encoder_model<float>::load(folder.path())), states));
}

TEST_CASE("The word matrix may be stored under the decoder's name alone", "[hub]") {
  const folder_copy folder(golden_model("bert_mlm_full_names"));
  const auto expected = states_of(masked_lm<float>::load(folder.path()));
  folder.rename_tensors([](const std::string& name) {
    return name == "bert.embeddings.word_embeddings.weight" ? std::string("elsewhere") : name;
  });
  CHECK(equal(states_of(masked_lm<float>::load(folder.path())), expected));
  CHECK(equal(states_of(encoder_model<float>::load(folder.path())), expected));
}

TEST_CASE("Norms may be called gamma and beta each by itself, and today's name wins where both are there", "[hub]") {
  const std::string norm = "bert.encoder.layer.1.output.LayerNorm.";
  const auto expected = states_of(encoder_model<float>::load(golden_model("bert_mlm_full_names")));
  const folder_copy mixed(golden_model("bert_mlm_full_names"));
  mixed.rename_tensors([&](const std::string& name) { return name == norm + "weight" ? norm + "gamma" : name; });
  CHECK(equal(states_of(encoder_model<float>::load(mixed.path())), expected));
  const folder_copy both(golden_model("bert_mlm_full_names"));
  both.add_tensor(norm + "gamma", {width}, std::vector<float>(width, 3.0F));
  load_report report;
  CHECK(equal(states_of(encoder_model<float>::load(both.path(), {.report = &report})), expected));
  CHECK(std::any_of(report.unused.begin(), report.unused.end(),
                    [&](const reported_tensor& tensor) { return tensor.name == norm + "gamma"; }));
}

TEST_CASE("A BERT query whose keys are all masked attends to all of them alike", "[hub]") {
  const folder_copy folder(golden_model("bert_mlm_full_names"));
  const auto model = encoder_model<float>::load(folder.path());
  const std::vector<float> nothing(ids.size(), 0.0F);
  workspace scratch;
  const auto masked = model.encode(id_view, {nothing.data(), {1, 10}}, scratch, {.padding_states = true});
  for (const char* layer : {"0", "1"}) {
    const std::string query = std::string("bert.encoder.layer.") + layer + ".attention.self.query.";
    for (std::size_t k = 0; k < width * width; ++k) folder.poke(query + "weight", k, 0.0F);
    for (std::size_t k = 0; k < width; ++k) folder.poke(query + "bias", k, 0.0F);
  }
  const auto uniform = encoder_model<float>::load(folder.path()).encode(id_view, {}, scratch);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    check_near(masked.view().row_span(t), row_of(uniform, t));
  }
}

TEST_CASE("A bare BERT gives its pooler where the folder has it", "[hub]") {
  const folder_copy folder(golden_model("bert_seq_3"));
  const auto classifier = sequence_classifier<float>::load(folder.path());
  folder.edit_json("config.json", [](ordered_json& config) { config["architectures"] = {"BertModel"}; });
  const auto model = encoder_model<float>::load(folder.path());
  REQUIRE(model.pooling() != nullptr);
  const auto states = states_of(model);
  const std::vector<std::size_t> offsets{0, ids.size()};
  matrix<float> pooled({1, width});
  workspace scratch;
  model.pooling()->forward(states.view(), offsets, pooled.view(), scratch);
  auto expected = linear_of(folder.path(), "bert.pooler.dense", row_of(states, 0));
  for (double& value : expected) value = std::tanh(value);
  check_near(pooled.view().row_span(0), expected);
  CHECK(encoder_model<float>::load(golden_model("bert_mlm_full_names")).pooling() == nullptr);
}

TEST_CASE("Keys that are absent have the defaults of the package that wrote the files", "[hub]") {
  const folder_copy folder(golden_model("bert_mlm_full_names"));
  const auto expected = states_of(masked_lm<float>::load(folder.path()));
  folder.edit_json("config.json", [](ordered_json& config) {
    for (const char* key :
         {"hidden_act", "layer_norm_eps", "type_vocab_size", "position_embedding_type", "vocab_size"}) {
      config.erase(key);
    }
  });
  CHECK(equal(states_of(masked_lm<float>::load(folder.path())), expected));
  folder.edit_json("config.json", [](ordered_json& config) { config.erase("num_attention_heads"); });
  CHECK(load_error<masked_lm<float>>(folder).find("expected a divisor of hidden_size 32; found 12, the default") !=
        std::string::npos);
}

TEST_CASE("Sequences of the families keep their bits in every company", "[hub]") {
  thread_pool threads(3);
  folder_copy distilbert = renamed("bert_mlm_full_names", to_distilbert);
  as_distilbert(distilbert, "DistilBertForMaskedLM");
  folder_copy roberta = renamed("bert_mlm_full_names", to_roberta);
  as_roberta(roberta, "RobertaForMaskedLM");
  for (const folder_copy* folder : {&distilbert, &roberta}) {
    for (const weight_storage storage : {weight_storage::float32, weight_storage::int8}) {
      const auto model = masked_lm<float>::load(folder->path(), {.projections = {.storage = storage}});
      random_numbers random(85);
      const auto pool = random_pool(model.stack().config(), 10, 30, random);
      const auto alone = run_alone(model.stack(), pool);
      workspace scratch;
      for (int round = 0; round < 12; ++round) {
        const company drawn = random_company(pool.size(), random);
        const batch_choices choices{.padding_states = random.coin(), .shift = random.size(0, 15)};
        const auto ragged = run_ragged(model.stack(), pool, drawn, choices, threads, scratch);
        const auto padded = run_padded(model.stack(), pool, drawn, choices, threads, scratch);
        for (std::size_t i = 0; i < drawn.size(); ++i) {
          CHECK_FALSE(first_difference(ragged, i, alone[drawn[i]]));
          CHECK_FALSE(first_difference(padded, i, alone[drawn[i]]));
        }
      }
    }
  }
}
