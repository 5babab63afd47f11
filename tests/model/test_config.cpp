// SPDX-License-Identifier: MIT
//
// Reading configurations: both forms, and every value that is wrong or not implemented.
#include <string>
#include <utility>
#include <variant>

#include "model/support.hpp"
#include "ultrafastbert/model/config_json.hpp"

using namespace ultrafastbert;
using nlohmann::ordered_json;
using ufb_test::error_of;

namespace {

ordered_json published() {
  return ordered_json::parse(ufb_test::text_of(ufb_test::golden_model("mlm_fff_d4_p1") / "config.json"));
}

checkpoint_config read(const ordered_json& config) {
  return read_checkpoint_config(json_document::parse(config.dump(), "config.json"));
}

struct refusal {
  const char* pointer;  // JSON pointer of the changed value
  ordered_json value;
  error_code code;
  const char* path;  // JSON path that the message names
};

}  // namespace

TEST_CASE("The hub's form of a configuration is read") {
  const auto config = read(published());
  CHECK(config.architecture == "ScriptableLMForPreTraining");
  CHECK(config.vocabulary_size_known);
  CHECK(config.encoder.vocabulary_size == 211);
  CHECK(config.encoder.hidden_size == 64);
  CHECK(config.encoder.layers == 3);
  CHECK(config.encoder.heads == 4);
  CHECK(config.encoder.max_sequence_length == 128);
  CHECK(config.encoder.norm_epsilon == 1e-12);
  CHECK(config.encoder.activation == activation_kind::gelu);
  const auto fast = std::get<fast_feedforward_config>(config.encoder.feedforward);
  CHECK(fast.depth == 4);
  CHECK(fast.parallel_size == 1);
}

TEST_CASE("The local form is the architecture itself and may leave the vocabulary size open") {
  const auto text = ufb_test::text_of(ufb_test::golden_model("mlm_fff_local_form") / "model_config.json");
  const auto config = read_checkpoint_config(json_document::parse(text, "model_config.json"));
  CHECK_FALSE(config.vocabulary_size_known);
  CHECK(config.encoder.hidden_size == 32);
}

TEST_CASE("The class that wrote a checkpoint is reported, and every model names those that it loads") {
  auto config = published();
  config["architectures"] = {"ScriptableLMForSequenceClassification"};
  const auto got = read(config);
  CHECK(got.architecture == "ScriptableLMForSequenceClassification");
  const auto expect = [&got] { models::expect_architecture(got, "config.json", {"ScriptableLM", "Other"}); };
  CHECK(ufb_test::error_text_of(expect) ==
        "unsupported: $.architectures: 'ScriptableLM' or 'Other': 'ScriptableLMForSequenceClassification'");
  CHECK(error_of(expect)->file() == "config.json");
  models::expect_architecture(got, "config.json", {"Other", "ScriptableLMForSequenceClassification"});
  config.erase("architectures");
  models::expect_architecture(read(config), "config.json", {"Other"});
}

TEST_CASE("A missing feedforward type means dense") {
  auto config = published();
  config["arch"].erase("intermed_type");
  config["arch"]["intermed_size"] = 96;
  CHECK(std::get<dense_feedforward_config>(read(config).encoder.feedforward).intermediate_size == 96);
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
      {"/arch/attention/sequence_op", "cumsum", unsupported, "$.arch.attention.sequence_op"},
      {"/arch/attention/causal_attention", 1, bad_type, "$.arch.attention.causal_attention"},
      {"/arch/attention/qkv_bias", "yes", bad_type, "$.arch.attention.qkv_bias"},
      {"/arch/attention/skip_output_projection", {true}, bad_type, "$.arch.attention.skip_output_projection"},
      {"/arch/attention/rotary_embedding", "llama", unsupported, "$.arch.attention.rotary_embedding"},
      {"/arch/attention/rotary_embedding", "sanity", unsupported, "$.arch.attention.rotary_embedding"},
      {"/arch/attention/rotary_embedding", "v2", unsupported, "$.arch.attention.rotary_embedding"},
      {"/arch/attention/rotary_embedding", 1, unsupported, "$.arch.attention.rotary_embedding"},
      {"/arch/embedding/vocab_size", 0, bad_value, "$.arch.embedding.vocab_size"},
      {"/arch/embedding/max_seq_length", 1000000000, bad_value, "$.arch.embedding.max_seq_length"},
      {"/arch/embedding/embedding_dim", 32, unsupported, "$.arch.embedding.embedding_dim"},
      {"/arch/embedding/pos_embedding", 7, bad_type, "$.arch.embedding.pos_embedding"},
      {"/arch/embedding/pos_embedding", true, bad_type, "$.arch.embedding.pos_embedding"},
      {"/arch/embedding/normalization", 1, bad_type, "$.arch.embedding.normalization"},
      {"/arch/embedding", 3, bad_type, "$.arch.embedding"},
      {"/arch/attention", nullptr, bad_type, "$.arch.attention"},
      {"/architectures", "ScriptableLM", bad_type, "$.architectures"},
      {"/model_type", "bert", unsupported, "$.model_type"},
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
  const auto dense = std::get<dense_feedforward_config>(got.encoder.feedforward);
  CHECK(dense.intermediate_size == 96);
  CHECK(dense.bias);
  CHECK(dense.gated);
  CHECK(got.encoder.activation == activation_kind::silu);
  CHECK(got.encoder.norm == norm_kind::scale_norm);
  CHECK_FALSE(got.encoder.final_norm);
  CHECK_FALSE(got.encoder.embedding_norm);
  CHECK(got.encoder.query_key_value_bias);
  CHECK(got.encoder.output_bias);
  CHECK(got.encoder.causal);
  CHECK_FALSE(got.encoder.output_projection);
  CHECK(got.encoder.positions == position_kind::learned);
  CHECK(got.encoder.max_sequence_length == 512);
  CHECK(got.encoder.longest_sequence == 128);
  CHECK(got.use_bias);
  CHECK(got.decoder_bias);
  CHECK(got.head_transform);
}

TEST_CASE("Norms and positions are read by name, and unknown positions are none") {
  auto config = published();
  config["arch"]["norm"] = "RMSNorm";
  CHECK(read(config).encoder.norm == norm_kind::rms_norm);
  const std::pair<ordered_json, position_kind> schemes[] = {{"learned", position_kind::learned},
                                                            {"sinusoidal", position_kind::sinusoidal},
                                                            {"scaled-sinusoidal", position_kind::scaled_sinusoidal},
                                                            {"none", position_kind::none},
                                                            {"whatever", position_kind::none},
                                                            {nullptr, position_kind::none},
                                                            {false, position_kind::none}};
  for (const auto& [word, kind] : schemes) {
    config["arch"]["embedding"]["pos_embedding"] = word;
    INFO(word.dump());
    CHECK(read(config).encoder.positions == kind);
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
