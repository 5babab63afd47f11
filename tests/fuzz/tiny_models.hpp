// SPDX-License-Identifier: MIT
//
// Tiny models of every family out of the bytes of an input: the configuration, the tensors that the family's own
// description asks for, and their numbers.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "fuzz/fuzz_input.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/memory_source.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_fuzz {

/// A model before it is loaded.
struct tiny_model {
  std::string config{};  ///< text of config.json
  std::string family{};  ///< such as "crammedBERT"
  ufb::memory_source tensors{"tiny"};
  std::size_t labels = 0;  ///< of a classifier
  /// Whether all numbers and constants are of usual size, so that whatever is computed is finite.
  bool usual = true;
};

/// Words of the vocabulary that tiny models have.
inline constexpr std::size_t tiny_words = 11;

/// What a tiny model is for.
enum class tiny_task : std::uint8_t { encoder, masked_lm, sequences, tokens };

namespace tiny {

inline nlohmann::json crammed_config(byte_stream& input, tiny_task task, bool& usual) {
  nlohmann::json arch;
  const std::size_t heads = input.pick<std::size_t>({1, 2, 4});
  const std::size_t width = heads * input.pick<std::size_t>({2, 4, 6});
  arch["hidden_size"] = width;
  arch["num_transformer_layers"] = input.size(1, 3);
  arch["norm"] = input.pick({"LayerNorm", "RMSNorm", "ScaleNorm"});
  const double epsilon = input.pick({1e-12, 1e-5, 1e-2, 0.0, 3.0});
  arch["norm_eps"] = epsilon;
  usual = usual && epsilon > 0;
  const bool fast = input.coin();
  const bool gated = !fast && input.coin();
  arch["nonlin"] =
      std::string(input.pick({"GELU", "ReLU", "SiLU", "Tanh", "relu2", "Identity"})) + (gated ? "glu" : "");
  arch["intermed_type"] = fast ? "fff" : "ff";
  arch["intermed_depth"] = input.size(0, 4);
  arch["intermed_size"] = fast ? input.size(1, 3) : 2 * input.size(1, 8);
  arch["use_bias"] = input.coin();
  arch["final_norm"] = input.coin();
  arch["skip_head_transform"] = input.coin();
  arch["decoder_bias"] = input.coin();
  auto& attention = arch["attention"];
  attention["type"] = "self-attention";
  attention["num_attention_heads"] = heads;
  attention["qkv_bias"] = input.coin();
  attention["skip_output_projection"] = input.coin();
  attention["causal_attention"] = input.coin();
  attention["sequence_op"] =
      input.pick({"torch-softmax", "torch-softmax", "none", "cumsum", "cumsumexp", "torch-norm"});
  switch (input.size(0, 3)) {
    case 0: attention["rotary_embedding"] = "llama"; break;
    case 1: attention["rotary_embedding"] = "sanity"; break;
    default: attention["rotary_embedding"] = input.coin();
  }
  auto& embedding = arch["embedding"];
  if (input.coin()) embedding["vocab_size"] = tiny_words;
  embedding["max_seq_length"] = 16;
  embedding["pos_embedding"] = input.pick({"scaled-sinusoidal", "sinusoidal", "learned", "none"});
  embedding["normalization"] = input.coin();
  auto& head = arch["classification_head"];
  head["pooler"] = input.pick({"zero_index", "avg", "max", "lse"});
  head["nonlin"] = input.pick({"Tanh", "GELU", "ReLU"});
  head["include_ff_layer"] = input.coin();
  head["head_dim"] = input.size(1, 9);
  constexpr const char* classes[] = {"ScriptableLM", "ScriptableLMForPreTraining",
                                     "ScriptableLMForSequenceClassification", "ScriptableLMForTokenClassification"};
  nlohmann::json config;
  config["model_type"] = "crammedBERT";
  config["architectures"] = {classes[static_cast<std::size_t>(task)]};
  config["arch"] = std::move(arch);
  return config;
}

inline nlohmann::json hub_config(byte_stream& input, tiny_task task, const std::string& family, bool& usual) {
  const bool distil = family == "DistilBERT";
  nlohmann::json config;
  const std::size_t heads = input.pick<std::size_t>({1, 2, 4});
  config["model_type"] = distil ? "distilbert" : family == "BERT" ? "bert" : "roberta";
  const std::string stem = distil ? "DistilBert" : family == "BERT" ? "Bert" : "Roberta";
  constexpr const char* classes[] = {"Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification"};
  config["architectures"] = {stem + classes[static_cast<std::size_t>(task)]};
  config[distil ? "dim" : "hidden_size"] = heads * input.pick<std::size_t>({2, 4, 6});
  config[distil ? "n_layers" : "num_hidden_layers"] = input.size(1, 3);
  config[distil ? "n_heads" : "num_attention_heads"] = heads;
  config[distil ? "hidden_dim" : "intermediate_size"] = input.size(1, 16);
  config["max_position_embeddings"] = 18;
  config["vocab_size"] = tiny_words;
  config[distil ? "activation" : "hidden_act"] = input.pick({"gelu", "gelu_new", "relu", "silu", "tanh"});
  if (!distil) {
    const double epsilon = input.pick({1e-12, 1e-5, 1e-2, 0.0, 3.0});
    config["layer_norm_eps"] = epsilon;
    usual = usual && epsilon > 0;
    config["type_vocab_size"] = input.size(1, 2);
  }
  if (family == "RoBERTa") config["pad_token_id"] = 1;
  if (input.coin()) {
    config["intermed_type"] = "fff";
    config["intermed_depth"] = input.size(0, 4);
    config["intermed_size"] = input.size(1, 3);
  }
  config["tie_word_embeddings"] = input.coin();
  return config;
}

/// Numbers of one tensor. Scales and weights of norms are around 1.
inline std::vector<float> values_of(const std::string& name, const std::vector<std::size_t>& shape, byte_stream& input,
                                    ufb_test::random_numbers& random, bool& usual) {
  std::size_t count = 1;
  for (const std::size_t size : shape) count *= size;
  const std::uint8_t kind = input.byte();
  constexpr double scales[] = {0.5, 0.5, 0.5, 0.1, 1, 4, 0, 0.02};
  const double scale = scales[kind % 8];
  std::vector<float> values(count);
  const bool around_one = shape.size() < 2 && (name.ends_with("weight") || name.find("scale") != std::string::npos);
  for (float& value : values) value = random.real<float>(scale) + (around_one ? 1.0F : 0.0F);
  if (name.find("norm_factor") != std::string::npos) std::fill(values.begin(), values.end(), 0.5F);
  if (kind / 8 == 31 && count > 0) {
    using limits = std::numeric_limits<float>;
    values[random.size(0, count - 1)] = random.pick({(limits::max)(), limits::lowest(), limits::denorm_min(), 1e20F,
                                                     -0.0F, limits::quiet_NaN(), limits::infinity()});
    usual = false;
  }
  return values;
}

}  // namespace tiny

/// Adds the tensors that a configuration's family asks for. Throws: ultrafastbert::error (the family refuses it).
inline void add_tensors(tiny_model& out, tiny_task task, byte_stream& input) {
  const auto document = ufb::json_document::parse(out.config, "config.json");
  const ufb::model_family& reader = ufb::models::family_of(document.root());
  require(reader.name == out.family, "a tiny configuration is taken for another family's");
  // Where the vocabulary's size is left open it is the word matrix's.
  ufb::memory_source words("words");
  const std::size_t width = reader.describe(document.root(), words).encoder.hidden_size();
  if (out.family == "crammedBERT") {
    for (const char* name : {"encoder.embedding.word_embedding.weight", "decoder.weight"}) {
      words.add(name, {tiny_words, width}, std::vector<float>(tiny_words * width));
    }
  }
  const ufb::model_description found = reader.describe(document.root(), words);
  ufb::parameter_list list;
  ufb::encoder<float> encoder(found.encoder);
  encoder.parameters(found.encoder_prefix, found.words, list);
  std::optional<ufb::prediction_head<float>> head;
  std::optional<ufb::pooler<float>> pooler;
  const auto note = [&](const std::string& name, std::vector<std::size_t> shape) {
    list.add(name, std::move(shape), [](const ufb::tensor&) {});
  };
  if (task == tiny_task::masked_lm) {
    if (found.prediction_head) {
      head.emplace(*found.prediction_head);
      head->parameters(found.prediction_head_prefix, list);
    }
    if (!found.decoder_bias.empty()) note(found.decoder_bias, {tiny_words});
    if (!found.decoder.empty()) note(found.decoder, {tiny_words, width});
  }
  if (task == tiny_task::sequences) {
    pooler.emplace(reader.pooler(document.root(), found));
    pooler->parameters(found.pooler_prefix, list);
  }
  if (out.labels != 0) {
    const bool of_sequences = task == tiny_task::sequences && !found.sequence_head_prefix.empty();
    const std::string& prefix = of_sequences ? found.sequence_head_prefix : found.head_prefix;
    note(prefix + "weight", {out.labels, pooler ? pooler->output_width() : width});
    note(prefix + "bias", {out.labels});
  }
  if (found.stored_name) list.rename(found.stored_name);
  ufb_test::random_numbers random(input.word());
  for (const ufb::parameter& each : list.parameters()) {
    out.tensors.add(each.name, each.shape, tiny::values_of(each.name, each.shape, input, random, out.usual));
  }
}

/// The model that the next bytes stand for. Throws: ultrafastbert::error (the family refuses what was chosen).
inline tiny_model make_tiny_model(byte_stream& input) {
  tiny_model out;
  const auto task = static_cast<tiny_task>(input.size(0, 3));
  out.family = input.pick({"crammedBERT", "crammedBERT", "BERT", "DistilBERT", "RoBERTa"});
  nlohmann::json config = out.family == "crammedBERT" ? tiny::crammed_config(input, task, out.usual)
                                                      : tiny::hub_config(input, task, out.family, out.usual);
  if (task == tiny_task::sequences || task == tiny_task::tokens) out.labels = input.size(1, 4);
  for (std::size_t i = 0; i < out.labels; ++i) {
    config["id2label"][std::to_string(i)] = std::string("label ").append(std::to_string(i));
  }
  out.config = config.dump();
  add_tensors(out, task, input);
  return out;
}

/// A safetensors container of tensors, each in a type that a byte of the input chooses.
inline std::string container_of(const ufb::memory_source& tensors, byte_stream& input) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::string data;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::size_t begin = data.size();
    const char* const type = input.pick({"F32", "F32", "F16", "BF16", "F64"});
    const auto append = [&](auto value) { data.append(reinterpret_cast<const char*>(&value), sizeof value); };
    for (const float value : tensors.values(i)) {
      if (type == std::string_view("F32")) append(value);
      if (type == std::string_view("F16")) append(Eigen::half(value));
      if (type == std::string_view("BF16")) append(Eigen::bfloat16(value));
      if (type == std::string_view("F64")) append(static_cast<double>(value));
    }
    header[std::string(tensors.tensor_name(i))] = {
        {"dtype", type}, {"shape", tensors.shape(i)}, {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  std::string out(reinterpret_cast<const char*>(&length), sizeof length);
  return out.append(text).append(data);
}

/// A tokenizer.json for the vocabulary of 11 words that tiny models have.
inline std::string tiny_tokenizer() {
  nlohmann::json out = nlohmann::json::parse(R"({
    "version": "1.0",
    "added_tokens": [],
    "normalizer": {"type": "Lowercase"},
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": {"type": "BertProcessing", "sep": ["<sep>", 3], "cls": ["<cls>", 2]},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "model": {"type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##",
      "max_input_chars_per_word": 100,
      "vocab": {"<pad>": 0, "<unk>": 1, "<cls>": 2, "<sep>": 3, "<mask>": 4, "the": 5, "cat": 6, "##s": 7, "sat": 8,
        ".": 9, "on": 10}}})");
  int id = 0;
  for (const char* special : {"<pad>", "<unk>", "<cls>", "<sep>", "<mask>"}) {
    out["added_tokens"].push_back({{"id", id++},
                                   {"content", special},
                                   {"single_word", false},
                                   {"lstrip", false},
                                   {"rstrip", false},
                                   {"normalized", false},
                                   {"special", true}});
  }
  return out.dump();
}

/// How a tiny model is stored and computed.
inline ufb::load_options tiny_options(byte_stream& input) {
  using ufb::weight_storage;
  ufb::load_options out;
  if (input.coin()) return out;
  out.fast_feedforward.engine = input.pick(
      {ufb::fff_engine::automatic, ufb::fff_engine::fused, ufb::fff_engine::interleaved, ufb::fff_engine::grouped});
  out.fast_feedforward.storage_in =
      input.pick({weight_storage::float32, weight_storage::float16, weight_storage::bfloat16, weight_storage::int8,
                  weight_storage::certified_float16, weight_storage::certified_int8, weight_storage::split_float32});
  out.fast_feedforward.storage_out =
      input.pick({weight_storage::float32, weight_storage::float16, weight_storage::bfloat16, weight_storage::int8});
  out.projections.storage = input.pick({weight_storage::float32, weight_storage::bfloat16, weight_storage::int8});
  out.isa = input.pick({ufb::isa_level::automatic, ufb::isa_level::portable, ufb::isa_level::avx2,
                        ufb::isa_level::avx512, ufb::isa_level::neon});
  if (!ufb::supported(out.isa)) out.isa = ufb::isa_level::automatic;
  out.token_budget = input.pick<std::size_t>({2048, 1, 7, 64});
  return out;
}

inline bool all_finite(const ufb::matrix_view<const float>& numbers) {
  for (std::size_t r = 0; r < numbers.rows(); ++r) {
    for (std::size_t k = 0; k < numbers.cols(); ++k) {
      if (!std::isfinite(numbers(r, k))) return false;
    }
  }
  return true;
}

}  // namespace ufb_fuzz
