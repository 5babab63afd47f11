// SPDX-License-Identifier: MIT
//
// Reading configurations: both forms, and every value that is wrong or not implemented.
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/core/memory_source.hpp"
#include "ultrafastbert/model/families/families.hpp"

using namespace ultrafastbert;
using nlohmann::ordered_json;
using ufb_test::error_of;

namespace {

ordered_json published() {
  return ordered_json::parse(ufb_test::text_of(ufb_test::golden_model("mlm_fff_d4_p1") / "config.json"));
}

model_description read(const ordered_json& config, const tensor_source& weights = memory_source("weights")) {
  const auto document = json_document::parse(config.dump(), "config.json");
  return models::family_of(document.root()).describe(document.root(), weights);
}

void add(memory_source& weights, const std::string& name, const std::vector<std::size_t>& shape) {
  std::size_t count = 1;
  for (const std::size_t size : shape) count *= size;
  weights.add(name, shape, std::vector<float>(count));
}

struct refusal {
  const char* pointer;  // JSON pointer of the changed value
  ordered_json value;
  error_code code;
  const char* path;  // JSON path that the message names
};

}  // namespace

TEST_CASE("The hub's form of a configuration is read") {
  const auto got = read(published());
  CHECK(got.family == "crammed");
  CHECK(got.architecture == "ScriptableLMForPreTraining");
  CHECK(got.encoder.embedding.vocabulary_size == 211);
  CHECK(got.encoder.embedding.max_sequence_length == 128);
  CHECK(got.encoder.embedding.token_types == 0);
  CHECK(got.encoder.hidden_size() == 64);
  CHECK(got.encoder.layers == 3);
  CHECK(got.encoder.block.placement == norm_placement::before);
  CHECK(got.encoder.block.attention.heads == 4);
  CHECK(got.encoder.block.attention.layout == attention_layout::interleaved);
  CHECK(got.encoder.block.norm.epsilon == 1e-12);
  REQUIRE(got.encoder.final_norm);
  CHECK(got.encoder.final_norm->width == 64);
  const auto fast = std::get<fast_feedforward_shape>(got.encoder.block.feedforward);
  CHECK(fast.depth == 4);
  CHECK(fast.trees() == 1);
  CHECK(fast.activation == activation_kind::gelu);
  CHECK(got.encoder_prefix == "encoder.");
  CHECK_FALSE(got.prediction_head);
  CHECK(got.decoder_bias.empty());
}

TEST_CASE("The local form is the architecture itself and may leave the vocabulary size open") {
  const auto text = ufb_test::text_of(ufb_test::golden_model("mlm_fff_local_form") / "model_config.json");
  memory_source weights("weights");
  CHECK(read(ordered_json::parse(text), weights).encoder.embedding.vocabulary_size == 0);
  add(weights, "decoder.weight", {100, 32});
  const auto got = read(ordered_json::parse(text), weights);
  CHECK(got.encoder.embedding.vocabulary_size == 100);
  CHECK(got.words == "decoder.weight");
  CHECK(got.encoder.hidden_size() == 32);
  CHECK(got.architecture.empty());
}

TEST_CASE("Where the encoder is the model, its names have no prefix") {
  memory_source weights("weights");
  add(weights, "embedding.word_embedding.weight", {211, 64});
  const auto got = read(published(), weights);
  CHECK(got.encoder_prefix.empty());
  CHECK(got.words == "embedding.word_embedding.weight");
}

TEST_CASE("A missing feedforward type means dense") {
  auto config = published();
  config["arch"].erase("intermed_type");
  config["arch"]["intermed_size"] = 96;
  CHECK(std::get<feedforward_shape>(read(config).encoder.block.feedforward).intermediate == 96);
}

TEST_CASE("The number of nodes of the first layer tells what a wrong depth or number of trees would have to be") {
  memory_source weights("weights");
  add(weights, "encoder.layers.0.ffn.linear_in.bias", {31});
  auto config = published();
  CHECK(read(config, weights).advice.empty());
  config["arch"]["intermed_depth"] = 11;
  CHECK(read(config, weights).advice == "the first layer has 31 nodes: intermed_depth would have to be 4, not 11");
  config["arch"]["intermed_depth"] = 3;
  config["arch"]["intermed_size"] = 2;
  CHECK(read(config, weights).advice ==
        "the first layer has 31 nodes, which no intermed_depth with intermed_size 2 gives");
  config["arch"]["intermed_size"] = 30;
  config["arch"]["intermed_depth"] = 4;
  CHECK(read(config, weights).advice == "the first layer has 31 nodes: intermed_size would have to be 1, not 30");
}

TEST_CASE("Keys without effect on inference are ignored") {
  auto config = published();
  config["arch"]["tie_weights"] = false;
  config["arch"]["norm_scheme"] = "post";
  config["arch"]["embedding"]["pad_token_id"] = 17;
  config["arch"]["something_new"] = {1, 2, 3};
  CHECK(read(config).encoder.layers == 3);
}

TEST_CASE("Wrong and unimplemented values are refused with path, expectation and finding") {
  using enum error_code;
  const refusal refusals[] = {
      {"/arch/hidden_size", 0, bad_value, "$.arch.hidden_size"},
      {"/arch/hidden_size", -64, bad_value, "$.arch.hidden_size"},
      {"/arch/hidden_size", 64.0, bad_type, "$.arch.hidden_size"},
      {"/arch/hidden_size", "64", bad_type, "$.arch.hidden_size"},
      {"/arch/hidden_size", 18446744073709551615U, bad_value, "$.arch.hidden_size"},
      {"/arch/num_transformer_layers", 0, bad_value, "$.arch.num_transformer_layers"},
      {"/arch/num_transformer_layers", 1000000, bad_value, "$.arch.num_transformer_layers"},
      {"/arch/intermed_depth", 31, bad_value, "$.arch.intermed_depth"},
      {"/arch/intermed_depth", -1, bad_value, "$.arch.intermed_depth"},
      {"/arch/intermed_size", 0, bad_value, "$.arch.intermed_size"},
      {"/arch/intermed_type", "moe", bad_value, "$.arch.intermed_type"},
      {"/arch/norm_eps", -1e-12, bad_value, "$.arch.norm_eps"},
      {"/arch/norm_eps", "small", bad_type, "$.arch.norm_eps"},
      {"/arch/nonlin", "Swish", bad_value, "$.arch.nonlin"},
      {"/arch/nonlin", "GELUglu", unsupported, "$.arch.nonlin"},
      {"/arch/nonlin", "glu", bad_value, "$.arch.nonlin"},
      {"/arch/norm", "BatchNorm", bad_value, "$.arch.norm"},
      {"/arch/norm", 3, bad_type, "$.arch.norm"},
      {"/arch/final_norm", "no", bad_type, "$.arch.final_norm"},
      {"/arch/use_bias", 0, bad_type, "$.arch.use_bias"},
      {"/arch/decoder_bias", "true", bad_type, "$.arch.decoder_bias"},
      {"/arch/skip_head_transform", 1, bad_type, "$.arch.skip_head_transform"},
      {"/arch/attention/num_attention_heads", 5, bad_value, "$.arch.attention.num_attention_heads"},
      {"/arch/attention/type", "flash-attention-impl", unsupported, "$.arch.attention.type"},
      {"/arch/attention/sequence_op", "softmax", unsupported, "$.arch.attention.sequence_op"},
      {"/arch/attention/causal_attention", 1, bad_type, "$.arch.attention.causal_attention"},
      {"/arch/attention/qkv_bias", "yes", bad_type, "$.arch.attention.qkv_bias"},
      {"/arch/attention/skip_output_projection", {true}, bad_type, "$.arch.attention.skip_output_projection"},
      {"/arch/attention/sequence_op", 1, bad_type, "$.arch.attention.sequence_op"},
      {"/arch/attention/rotary_embedding", "LLAMA", unsupported, "$.arch.attention.rotary_embedding"},
      {"/arch/attention/rotary_embedding", "v2", unsupported, "$.arch.attention.rotary_embedding"},
      {"/arch/attention/rotary_embedding", 1, unsupported, "$.arch.attention.rotary_embedding"},
      {"/arch/embedding/vocab_size", 0, bad_value, "$.arch.embedding.vocab_size"},
      {"/arch/embedding/max_seq_length", 1000000000, bad_value, "$.arch.embedding.max_seq_length"},
      {"/arch/embedding/embedding_dim", 32, unsupported, "$.arch.embedding.embedding_dim"},
      {"/arch/embedding/pos_embedding", 7, bad_type, "$.arch.embedding.pos_embedding"},
      {"/arch/embedding/pos_embedding", true, bad_type, "$.arch.embedding.pos_embedding"},
      {"/arch/embedding/pos_embedding", "whatever", bad_value, "$.arch.embedding.pos_embedding"},
      {"/arch/embedding/pos_embedding", "sinusoid", bad_value, "$.arch.embedding.pos_embedding"},
      {"/arch/embedding/normalization", 1, bad_type, "$.arch.embedding.normalization"},
      {"/arch/embedding", 3, bad_type, "$.arch.embedding"},
      {"/arch/attention", nullptr, bad_type, "$.arch.attention"},
      {"/architectures", "ScriptableLM", bad_type, "$.architectures"},
      {"/model_type", "gpt2", unsupported, "$.model_type"},
  };
  for (const refusal& r : refusals) {
    auto config = published();
    config[ordered_json::json_pointer(r.pointer)] = r.value;
    INFO(r.pointer << " = " << r.value.dump());
    const auto e = error_of([&] { static_cast<void>(read(config)); });
    REQUIRE(e);
    CHECK(name(e->code()) == name(r.code));
    CHECK(e->where() == r.path);
    CHECK(e->file() == "config.json");
    CHECK_FALSE(e->expected().empty());
    CHECK_FALSE(e->found().empty());
  }
}

TEST_CASE("Rotary positions have the kind, the table and the even width that the training code gives them") {
  auto config = published();
  auto& arch = config["arch"];
  arch["embedding"]["max_seq_length"] = 512;
  arch["attention"]["rotary_embedding"] = "llama";
  auto got = read(config);
  CHECK(got.encoder.block.attention.rotary.kind == rotary_kind::neighbors);
  CHECK(got.encoder.block.attention.rotary.positions == 512);
  CHECK(got.encoder.embedding.longest_sequence == 1024);
  arch["attention"]["rotary_embedding"] = "sanity";
  got = read(config);
  CHECK(got.encoder.block.attention.rotary.kind == rotary_kind::halves);
  CHECK(got.encoder.block.attention.rotary.positions == 128);
  CHECK(got.encoder.embedding.longest_sequence == 128);
  arch["attention"]["num_attention_heads"] = arch["hidden_size"];  // heads of width 1
  const auto e = error_of([&] { static_cast<void>(read(config)); });
  REQUIRE(e);
  CHECK(name(e->code()) == "bad_value");
  CHECK(e->where() == "$.arch.attention.rotary_embedding");
}

TEST_CASE("Sequence operations are read, and those that know no mask are never causal") {
  for (const auto operation : {score_operation::softmax, score_operation::identity, score_operation::cumsum,
                               score_operation::cumsumexp, score_operation::layer_norm}) {
    auto config = published();
    config["arch"]["attention"]["sequence_op"] = name(operation);
    config["arch"]["attention"]["causal_attention"] = true;
    const auto got = read(config);
    CHECK(got.encoder.block.attention.operation == operation);
    CHECK(got.encoder.block.attention.causal == (operation == score_operation::softmax));
  }
}

TEST_CASE("Every form that the training code can write is read") {
  auto config = published();
  auto& arch = config["arch"];
  arch["intermed_type"] = "ff";
  arch["intermed_size"] = 96;
  arch["nonlin"] = "SiLUglu";
  arch["use_bias"] = true;
  arch["norm"] = "ScaleNorm";
  arch["final_norm"] = false;
  arch["decoder_bias"] = true;
  arch["skip_head_transform"] = false;
  arch["attention"]["qkv_bias"] = true;
  arch["attention"]["causal_attention"] = true;
  arch["attention"]["skip_output_projection"] = true;
  arch["attention"]["rotary_embedding"] = true;
  arch["embedding"]["normalization"] = nullptr;  // false in the training code
  arch["embedding"]["pos_embedding"] = "learned";
  arch["embedding"]["max_seq_length"] = 512;
  const auto got = read(config);
  const auto& block = got.encoder.block;
  const auto dense = std::get<feedforward_shape>(block.feedforward);
  CHECK(dense.intermediate == 96);
  CHECK(dense.bias);
  CHECK(dense.gated);
  CHECK(dense.activation == activation_kind::silu);
  CHECK(block.norm.kind == norm_kind::scale_norm);
  CHECK_FALSE(got.encoder.final_norm);
  CHECK_FALSE(got.encoder.embedding.norm);
  CHECK(block.attention.query_key_value_bias);
  CHECK(block.attention.output_bias);
  CHECK(block.attention.causal);
  CHECK_FALSE(block.attention.output_projection);
  CHECK(got.encoder.embedding.positions == position_kind::learned);
  CHECK(got.encoder.embedding.max_sequence_length == 512);
  CHECK(got.encoder.embedding.longest_sequence == 128);
  CHECK(got.decoder_bias == "decoder.bias");
  REQUIRE(got.prediction_head);
  CHECK(got.prediction_head->bias);
  CHECK(got.prediction_head->activation == activation_kind::silu);
  CHECK(got.prediction_head->norm.kind == norm_kind::scale_norm);
}

TEST_CASE("Norms and positions are read by name") {
  auto config = published();
  config["arch"]["norm"] = "RMSNorm";
  CHECK(read(config).encoder.block.norm.kind == norm_kind::rms_norm);
  const std::pair<ordered_json, position_kind> schemes[] = {{"learned", position_kind::learned},
                                                            {"sinusoidal", position_kind::sinusoidal},
                                                            {"scaled-sinusoidal", position_kind::scaled_sinusoidal},
                                                            {"none", position_kind::none},
                                                            {"", position_kind::none},
                                                            {nullptr, position_kind::none},
                                                            {false, position_kind::none}};
  for (const auto& [word, kind] : schemes) {
    config["arch"]["embedding"]["pos_embedding"] = word;
    INFO(word.dump());
    CHECK(read(config).encoder.embedding.positions == kind);
  }
}

TEST_CASE("A gated layer of an odd size is refused") {
  auto config = published();
  config["arch"]["intermed_type"] = "ff";
  config["arch"]["intermed_size"] = 97;
  config["arch"]["nonlin"] = "ReLUglu";
  CHECK(ufb_test::error_text_of([&] { static_cast<void>(read(config)); }) ==
        "bad_value: $.arch.intermed_size: an even number, half of it for each part of a gated layer: 97");
}

TEST_CASE("Missing keys are named") {
  for (const char* key : {"hidden_size", "num_transformer_layers", "nonlin", "norm_eps", "attention", "embedding",
                          "intermed_size", "intermed_depth"}) {
    auto config = published();
    config["arch"].erase(key);
    INFO(key);
    const auto e = error_of([&] { static_cast<void>(read(config)); });
    REQUIRE(e);
    CHECK(name(e->code()) == "missing_key");
    CHECK(e->where() == std::string("$.arch.") + key);
  }
}

TEST_CASE("An odd width has no sinusoidal positions") {
  auto config = published();
  config["arch"]["hidden_size"] = 63;
  config["arch"]["embedding"]["embedding_dim"] = 63;
  config["arch"]["attention"]["num_attention_heads"] = 1;
  const auto e = error_of([&] { static_cast<void>(read(config)); });
  REQUIRE(e);
  CHECK(name(e->code()) == "bad_value");
  CHECK(e->where() == "$.arch.embedding.pos_embedding");
}

TEST_CASE("A configuration over its size limit is refused before parsing") {
  const std::string text(std::size_t{2} << 20U, ' ');
  const auto e = error_of([&] { static_cast<void>(json_document::parse(text, "config.json")); });
  REQUIRE(e);
  CHECK(name(e->code()) == "limit_exceeded");
}

TEST_CASE("A configuration that names no type is refused by the family that its class or its keys tell") {
  const struct {
    const char* config;
    const char* found;
  } cases[] = {
      {R"({"architectures":["ElectraForMaskedLM"],"num_hidden_layers":2,"hidden_size":8})",
       "one of ELECTRA, as the class 'ElectraForMaskedLM' tells"},
      {R"({"num_hidden_layers":2,"num_hidden_groups":1,"embedding_size":8})",
       "one of ALBERT, as the key num_hidden_groups tells"},
      {R"({"n_layer":2,"n_embd":8,"n_head":2})", "one of GPT-2, as the key n_embd tells"},
      {R"({"architectures":["MyModel"],"layers":2})", "one of 'MyModel'"},
      {R"({"layers":2})", "none of the keys that tell one"},
  };
  for (const auto& each : cases) {
    INFO(each.config);
    const auto document = json_document::parse(each.config, "config.json");
    const auto e = error_of([&] { static_cast<void>(models::family_of(document.root())); });
    REQUIRE(e);
    CHECK(name(e->code()) == "unsupported");
    CHECK(e->where() == "$");
    CHECK(e->found() == each.found);
  }
  const auto own = json_document::parse(R"({"architectures":["MyModel"],"num_hidden_layers":2})", "config.json");
  CHECK(models::family_of(own.root()).name == "BERT");
  const auto named =
      json_document::parse(R"({"architectures":["RobertaForMaskedLM"],"num_hidden_layers":2})", "config.json");
  CHECK(models::family_of(named.root()).name == "RoBERTa");
  const struct {
    const char* architecture;
    const char* family;
  } classes[] = {{"BertForQuestionAnswering", "BERT"},
                 {"DistilBertForQuestionAnswering", "DistilBERT"},
                 {"RobertaForMultipleChoice", "RoBERTa"},
                 {"XLMRobertaForQuestionAnswering", "RoBERTa"},
                 {"ScriptableCrammedBERT", "crammedBERT"}};
  for (const auto& each : classes) {  // also of a class that the library lacks, which then says so
    const std::string text = std::string(R"({"architectures":[")") + each.architecture + R"("]})";
    CHECK(models::family_of(json_document::parse(text, "config.json").root()).name == each.family);
  }
}
