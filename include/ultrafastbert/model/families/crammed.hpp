// SPDX-License-Identifier: MIT
//
// The crammed family: UltraFastBERT and crammedBERT, from config.json, which keeps the architecture under "arch", or
// model_config.json, which is the architecture. Whatever this version cannot compute is refused with the key's path and
// the values it accepts; keys without effect on inference are ignored.
// Source: the configuration files of UltraFastBERT-1x11-long and of crammed BERT checkpoints.
// Layer: model.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/model/families/family.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"

namespace ultrafastbert::models::crammed {

/// The architecture dictionary.
[[nodiscard]] inline json_value architecture_of(const json_value& config) {
  return config.find("arch").value_or(config);
}

/// Files of this family name the type, or have the keys of an architecture.
[[nodiscard]] inline bool matches(const json_value& config) {
  if (const auto type = find_set(config, "model_type")) return type->as_string() == "crammedBERT";
  return config.find("arch").has_value() || config.find("num_transformer_layers").has_value();
}

/// An activation; "glu" behind its name makes dense feedforward layers gated.
struct named_activation {
  activation_kind kind = activation_kind::gelu;
  bool gated = false;
};

[[nodiscard]] inline named_activation read_activation(const json_value& value) {
  constexpr std::string_view suffix = "glu";
  std::string_view word = value.as_string();
  const bool gated = word.ends_with(suffix);
  if (gated) word.remove_suffix(suffix.size());
  constexpr std::array kinds{activation_kind::gelu, activation_kind::relu,         activation_kind::silu,
                             activation_kind::tanh, activation_kind::relu_squared, activation_kind::identity};
  for (const activation_kind kind : kinds) {
    if (word == name(kind)) return {kind, gated};
  }
  value.fail_value("'GELU', 'ReLU', 'SiLU', 'Tanh', 'relu2' or 'Identity', or one of them followed by 'glu'",
                   excerpt(value.as_string()));
}

[[nodiscard]] inline norm_shape read_norm(const json_value& arch, std::size_t width) {
  norm_shape shape{.width = width, .epsilon = read_epsilon(arch.at("norm_eps"))};
  const auto member = find_set(arch, "norm");
  if (!member || member->as_string() == "LayerNorm") return shape;
  if (member->as_string() == "RMSNorm") {
    shape.kind = norm_kind::rms_norm;
  } else if (member->as_string() == "ScaleNorm") {
    shape.kind = norm_kind::scale_norm;
  } else {
    member->fail_value("'LayerNorm', 'RMSNorm' or 'ScaleNorm'", excerpt(member->as_string()));
  }
  return shape;
}

[[nodiscard]] inline fast_feedforward_shape read_fast_feedforward(const json_value& arch, std::size_t width,
                                                                  activation_kind activation) {
  return {.input_width = width,
          .output_width = width,
          .depth = static_cast<std::size_t>(arch.at("intermed_depth").as_unsigned(0, cmm::tree::max_depth)),
          .parallel_size = size_of(arch.at("intermed_size"), max_parallel_size),
          .activation = activation};
}

[[nodiscard]] inline feedforward_shape read_dense_feedforward(const json_value& arch, std::size_t width,
                                                              const named_activation& activation) {
  const json_value size = arch.at("intermed_size");
  const std::size_t intermediate = size_of(size, max_width);
  if (activation.gated && intermediate % 2 != 0) {
    size.fail_value("an even number, half of it for each part of a gated layer", std::to_string(intermediate));
  }
  return {.width = width,
          .intermediate = intermediate,
          .bias = read_flag(arch, "use_bias", false),
          .gated = activation.gated,
          .activation = activation.kind};
}

[[nodiscard]] inline std::variant<fast_feedforward_shape, feedforward_shape> read_feedforward(const json_value& arch,
                                                                                              std::size_t width) {
  const json_value nonlin = arch.at("nonlin");
  const named_activation activation = read_activation(nonlin);
  const auto type = find_set(arch, "intermed_type");
  if (!type || type->as_string() == "ff") return read_dense_feedforward(arch, width, activation);
  if (type->as_string() != "fff") type->fail_value("'fff' or 'ff'", excerpt(type->as_string()));
  if (activation.gated) {
    nonlin.fail_unsupported("an activation without 'glu' for fast feedforward layers", excerpt(nonlin.as_string()));
  }
  return read_fast_feedforward(arch, width, activation.kind);
}

/// Rotary positions: `true` makes the training code rotate and discard the result, and fail where its table ends.
/// Returns the longest sequence that is allowed, or 0 for no such limit.
[[nodiscard]] inline std::size_t read_rotary(const json_value& attention) {
  constexpr std::size_t table_length = 128;
  const auto rotary = find_set(attention, "rotary_embedding");
  if (!rotary) return 0;
  if (!rotary->is_boolean()) {
    rotary->fail_unsupported("false or true", rotary->is_string() ? excerpt(rotary->as_string()) : "another value");
  }
  return rotary->as_boolean() ? table_length : 0;
}

[[nodiscard]] inline attention_shape read_attention(const json_value& attention, std::size_t width) {
  const json_value heads = attention.at("num_attention_heads");
  attention_shape shape{.width = width, .heads = size_of(heads, max_width)};
  if (width % shape.heads != 0) {
    heads.fail_value("a divisor of hidden_size " + std::to_string(width), std::to_string(shape.heads));
  }
  expect_word(attention, "type", "self-attention");
  expect_word(attention, "sequence_op", "torch-softmax");
  shape.causal = read_flag(attention, "causal_attention", false);
  shape.query_key_value_bias = read_flag(attention, "qkv_bias", false);
  shape.output_projection = !read_flag(attention, "skip_output_projection", false);
  return shape;
}

/// Position schemes. Absent is not allowed, null, false and "none" mean none; the training code adds none for words
/// that it does not know, which would hide a misspelling and is refused here.
[[nodiscard]] inline position_kind read_positions(const json_value& positions, std::size_t width) {
  if (positions.is_null() || (positions.is_boolean() && !positions.as_boolean())) return position_kind::none;
  const std::string& word = positions.as_string();
  if (word.empty() || word == "none") return position_kind::none;
  if (word == "learned") return position_kind::learned;
  if (word != "sinusoidal" && word != "scaled-sinusoidal") {
    positions.fail_value("'learned', 'sinusoidal', 'scaled-sinusoidal', 'none' or null", excerpt(word));
  }
  if (width % 2 != 0) positions.fail_value("an even hidden_size", std::to_string(width));
  return word == "sinusoidal" ? position_kind::sinusoidal : position_kind::scaled_sinusoidal;
}

[[nodiscard]] inline embedding_shape read_embedding(const json_value& embedding, const norm_shape& norm) {
  embedding_shape shape{.width = norm.width};
  if (const auto vocabulary = find_set(embedding, "vocab_size")) {
    shape.vocabulary_size = size_of(*vocabulary, max_vocabulary);
  }
  shape.max_sequence_length = size_of(embedding.at("max_seq_length"), max_positions);
  if (const auto width = find_set(embedding, "embedding_dim"); width && size_of(*width, max_width) != norm.width) {
    width->fail_unsupported("hidden_size " + std::to_string(norm.width), std::to_string(width->as_unsigned()));
  }
  shape.positions = read_positions(embedding.at("pos_embedding"), norm.width);
  if (read_flag(embedding, "normalization", true)) shape.norm = norm;
  return shape;
}

[[nodiscard]] inline encoder_config read_encoder(const json_value& arch) {
  encoder_config config;
  const std::size_t width = size_of(arch.at("hidden_size"), max_width);
  config.layers = size_of(arch.at("num_transformer_layers"), max_layers);
  config.block.norm = read_norm(arch, width);
  config.block.feedforward = read_feedforward(arch, width);
  config.block.attention = read_attention(arch.at("attention"), width);
  config.block.attention.output_bias = read_flag(arch, "use_bias", false);
  config.embedding = read_embedding(arch.at("embedding"), config.block.norm);
  config.embedding.longest_sequence = read_rotary(arch.at("attention"));
  if (read_flag(arch, "final_norm", true)) config.final_norm = config.block.norm;
  return config;
}

/// Where the names are: below "encoder." unless the encoder is the model. Word embedding and decoder are one parameter;
/// where a file has both, the training code's loader ends with the decoder's copy.
inline void choose_names(const tensor_source& weights, model_description& out) {
  const std::string embedding = "embedding.word_embedding.weight";
  const std::string decoder = "decoder.weight";
  const bool bare = weights.contains(embedding) && !weights.contains("encoder." + embedding);
  out.encoder_prefix = bare ? "" : "encoder.";
  out.words = weights.contains(decoder) ? decoder : out.encoder_prefix + embedding;
  out.word_copies = {decoder, out.encoder_prefix + embedding};
  out.prediction_head_prefix = "prediction_head.";
  out.pooler_prefix = "pooler.";
  out.head_prefix = "head.";
}

/// Takes from the tensors what they tell better than the configuration: the vocabulary size where it is left open, and
/// biases that are there although the configuration denies them.
inline void complete(const tensor_source& weights, model_description& out) {
  encoder_config& model = out.encoder;
  if (const auto words = weights.find(out.words); words && model.embedding.vocabulary_size == 0) {
    const auto shape = weights.shape(*words);
    model.embedding.vocabulary_size = shape.empty() ? 0 : shape.front();
  }
  auto* dense = std::get_if<feedforward_shape>(&model.block.feedforward);
  if (auto* fast = std::get_if<fast_feedforward_shape>(&model.block.feedforward)) {
    *fast = fast->with_tensors_of(weights, out.encoder_prefix + "layers.0.ffn.");
  }
  attention_shape& attention = model.block.attention;
  for (std::size_t i = 0; i < model.layers; ++i) {
    const std::string layer = out.encoder_prefix + "layers." + std::to_string(i) + '.';
    const auto has = [&](const char* name) { return weights.contains(layer + name); };
    attention.query_key_value_bias = attention.query_key_value_bias || has("attn.self_attention.query_key_value.bias");
    attention.output_bias = attention.output_bias || has("attn.dense.bias");
    if (dense != nullptr) dense->bias = dense->bias || has("ffn.dense_in.bias") || has("ffn.dense_out.bias");
  }
}

/// The number of nodes of the first layer's trees often tells a wrong depth or number of trees.
[[nodiscard]] inline std::string depth_advice(const tensor_source& weights, const model_description& description) {
  const auto* fast = std::get_if<fast_feedforward_shape>(&description.encoder.block.feedforward);
  const auto rows = weights.find(description.encoder_prefix + "layers.0.ffn.linear_in.bias");
  if (fast == nullptr || !rows) return {};
  const auto shape = weights.shape(*rows);
  const std::size_t nodes = shape.empty() ? 0 : shape.front();
  if (nodes == 0 || nodes == fast->trees() * cmm::tree::node_count(fast->depth)) return {};
  std::string advice = "the first layer has " + std::to_string(nodes) + " nodes";
  if (nodes % fast->trees() == 0 && std::has_single_bit(nodes / fast->trees() + 1) && nodes / fast->trees() > 0) {
    const auto depth = static_cast<std::size_t>(std::bit_width(nodes / fast->trees() + 1)) - 2;
    return advice + ": intermed_depth would have to be " + std::to_string(depth) + ", not " +
           std::to_string(fast->depth);
  }
  const std::size_t per_tree = cmm::tree::node_count(fast->depth);
  if (nodes % per_tree == 0) {
    return advice + ": intermed_size would have to be " + std::to_string(nodes / per_tree) + ", not " +
           std::to_string(fast->trees());
  }
  return advice + ", which no intermed_depth with intermed_size " + std::to_string(fast->trees()) + " gives";
}

/// The class that config.json names; model_config.json names none that this library knows. Throws: bad_type.
[[nodiscard]] inline std::string written_by(const json_value& config) {
  return config.find("arch") ? named_class(config) : std::string();
}

[[nodiscard]] inline model_description describe(const json_value& config, const tensor_source& weights) {
  const json_value arch = architecture_of(config);
  model_description out{.family = "crammed", .buffers = {"position_ids", "norm_factor", "inv_freq", "freqs_cis"}};
  out.architecture = written_by(config);
  out.encoder = read_encoder(arch);
  choose_names(weights, out);
  complete(weights, out);
  if (!read_flag(arch, "skip_head_transform", true)) {
    const bool bias = read_flag(arch, "use_bias", false) || weights.contains(out.prediction_head_prefix + "dense.bias");
    out.prediction_head = prediction_head_shape{.width = out.encoder.hidden_size(),
                                                .bias = bias,
                                                .activation = read_activation(arch.at("nonlin")).kind,
                                                .norm = out.encoder.block.norm};
  }
  constexpr std::string_view decoder_bias = "decoder.bias";
  if (read_flag(arch, "decoder_bias", false) || weights.contains(decoder_bias)) out.decoder_bias = decoder_bias;
  out.advice = depth_advice(weights, out);
  return out;
}

/// The pooler that `classification_head` asks for. It has no gate: "glu" behind its activation means nothing.
[[nodiscard]] inline pooler_shape read_pooler(const json_value& config, const model_description& description) {
  const json_value head = architecture_of(config).at("classification_head");
  const json_value kind = head.at("pooler");
  pooler_shape shape{.width = description.encoder.hidden_size(), .activation = read_activation(head.at("nonlin")).kind};
  bool known = false;
  for (const auto each : {pooler_kind::zero_index, pooler_kind::avg, pooler_kind::max, pooler_kind::lse}) {
    if (kind.as_string() != name(each)) continue;
    shape.kind = each;
    known = true;
  }
  if (!known) kind.fail_value("'zero_index', 'avg', 'max' or 'lse'", excerpt(kind.as_string()));
  if (head.at("include_ff_layer").as_boolean()) shape.head_dim = size_of(head.at("head_dim"), max_width);
  return shape;
}

inline constexpr std::array<written_class, 4> classes{{
    {"ScriptableLM", "an encoder without a head", "encoder_model"},
    {"ScriptableLMForPreTraining", "a masked language model", "masked_lm"},
    {"ScriptableLMForSequenceClassification", "a classifier of sequences", "sequence_classifier"},
    {"ScriptableLMForTokenClassification", "a classifier of tokens", "token_classifier"},
}};

}  // namespace ultrafastbert::models::crammed

namespace ultrafastbert::models {

inline constexpr model_family crammed_family{.name = "crammedBERT",
                                             .classes = crammed::classes,
                                             .matches = crammed::matches,
                                             .architecture = crammed::written_by,
                                             .describe = crammed::describe,
                                             .pooler = crammed::read_pooler};

}  // namespace ultrafastbert::models
