// SPDX-License-Identifier: MIT
//
// Classic BERT as the Hugging Face hub stores it: norms behind the sub-blocks, learned positions, token types, separate
// query, key and value. Its feedforward layers may be fast ones: `intermed_type` "fff" with `intermed_depth` and
// `intermed_size` as in the crammed family, or tensors named linear_in and linear_out in place of the dense ones.
// Source: Devlin et al., arXiv 1810.04805; the configuration files and tensor names of published checkpoints.
// Layer: model.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/model/families/family.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"
#include "ultrafastbert/model/families/unnamed.hpp"

namespace ultrafastbert::models::bert {

/// Files of this family name the type. Those of 2018 do not, but have a key that no other family had then; those of
/// its relatives of 2019 have it, too, and name another class or have keys of their own.
[[nodiscard]] inline bool matches(const json_value& config) {
  if (const auto type = find_set(config, "model_type")) return type->as_string() == "bert";
  return config.find("num_hidden_layers").has_value() && guess_family(config).empty();
}

/// The last of the classes that the configuration names.
[[nodiscard]] inline std::string written_by(const json_value& config) {
  std::string name;
  if (const auto classes = find_set(config, "architectures")) {
    for (const json_value& entry : classes->elements()) name = entry.as_string();
  }
  return name;
}

[[nodiscard]] inline activation_kind read_activation(const json_value& value) {
  const std::string& word = value.as_string();
  if (word == "gelu") return activation_kind::gelu;
  if (word == "relu") return activation_kind::relu;
  if (word == "silu" || word == "swish") return activation_kind::silu;
  if (word == "tanh") return activation_kind::tanh;
  value.fail_unsupported("'gelu', 'relu', 'silu' or 'tanh'", excerpt(word));
}

/// A member, or what stands for it where it is absent or null.
[[nodiscard]] inline std::size_t size_or(const json_value& config, std::string_view key, std::uint64_t largest,
                                         std::size_t if_absent) {
  const auto member = find_set(config, key);
  return member ? size_of(*member, largest) : if_absent;
}

/// What follows "encoder.layer.0." in the name of a tensor that ends in `ending`, without the ending; or nothing.
[[nodiscard]] inline std::optional<std::string> place_in_layer(const tensor_source& weights, const std::string& prefix,
                                                               std::string_view ending) {
  const std::string layer = prefix + "encoder.layer.0.";
  for (std::size_t i = 0; i < weights.size(); ++i) {
    std::string_view name = weights.tensor_name(i);
    if (!name.starts_with(layer) || !name.ends_with(ending)) continue;
    name.remove_prefix(layer.size());
    name.remove_suffix(ending.size());
    return std::string(name);
  }
  return std::nullopt;
}

/// Where a folder keeps its tensors.
struct tensor_names {
  std::string prefix{};      ///< before all names of the encoder: "bert." or nothing
  bool old_norms = false;    ///< "gamma" and "beta", as TensorFlow calls them
  std::string linear_in{};   ///< of FFF layers, behind "encoder.layer.N."
  std::string linear_out{};  ///< of FFF layers, behind "encoder.layer.N."
  std::string bias{};        ///< of the decoder

  /// The file's name for a layer's name.
  [[nodiscard]] std::string stored(const std::string& name) const {
    for (const auto& [ours, theirs] : outside) {
      if (std::string_view(name).starts_with(ours)) {
        return norm_words(std::string(theirs) + name.substr(ours.size()));
      }
    }
    if (name == "decoder.bias") return bias;
    if (name == "decoder.weight") return "cls.predictions.decoder.weight";
    if (std::string_view(name).starts_with("pooler.")) return prefix + name;
    constexpr std::string_view layers = "encoder.layers.";
    if (!std::string_view(name).starts_with(layers)) {
      for (const auto& [ours, theirs] : embeddings) {
        if (std::string_view(name).starts_with(ours)) {
          return norm_words(prefix + std::string(theirs) + name.substr(ours.size()));
        }
      }
      return name;
    }
    const std::size_t number_end = name.find('.', layers.size());
    const std::string layer = prefix + "encoder.layer." + name.substr(layers.size(), number_end + 1 - layers.size());
    const std::string rest = name.substr(number_end + 1);
    if (rest.starts_with("ffn.linear_in")) return layer + linear_in + rest.substr(4);
    if (rest.starts_with("ffn.linear_out")) return layer + linear_out + rest.substr(4);
    for (const auto& [ours, theirs] : in_layer) {
      if (rest.starts_with(ours)) return norm_words(layer + std::string(theirs) + rest.substr(ours.size()));
    }
    return name;
  }

 private:
  using pair = std::pair<std::string_view, std::string_view>;

  static constexpr std::array<pair, 2> outside{{
      {"prediction_head.dense.", "cls.predictions.transform.dense."},
      {"prediction_head.norm.", "cls.predictions.transform.LayerNorm."},
  }};
  static constexpr std::array<pair, 4> embeddings{{
      {"encoder.embedding.word_embedding.", "embeddings.word_embeddings."},
      {"encoder.embedding.pos_embedding.embedding.", "embeddings.position_embeddings."},
      {"encoder.embedding.token_type_embedding.", "embeddings.token_type_embeddings."},
      {"encoder.embedding.norm.", "embeddings.LayerNorm."},
  }};
  static constexpr std::array<pair, 6> in_layer{{
      {"attn.self_attention.", "attention.self."},
      {"attn.dense.", "attention.output.dense."},
      {"norm1.", "attention.output.LayerNorm."},
      {"ffn.dense_in.", "intermediate.dense."},
      {"ffn.dense_out.", "output.dense."},
      {"norm2.", "output.LayerNorm."},
  }};

  // Norms of old files have other names for their two rows.
  [[nodiscard]] std::string norm_words(std::string name) const {
    constexpr std::string_view norm = ".LayerNorm.";
    const std::size_t at = name.find(norm);
    if (!old_norms || at == std::string::npos) return name;
    return name.substr(0, at + norm.size()) + (name.ends_with("weight") ? "gamma" : "beta");
  }
};

[[nodiscard]] inline tensor_names find_names(const tensor_source& weights) {
  tensor_names names;
  if (weights.contains("bert.embeddings.word_embeddings.weight")) names.prefix = "bert.";
  names.old_norms = weights.contains(names.prefix + "embeddings.LayerNorm.gamma");
  names.linear_in = place_in_layer(weights, names.prefix, "linear_in.weight").value_or("ffn.");
  names.linear_out = place_in_layer(weights, names.prefix, "linear_out.weight").value_or("ffn.");
  names.bias = weights.contains("cls.predictions.bias") || !weights.contains("cls.predictions.decoder.bias")
                   ? "cls.predictions.bias"
                   : "cls.predictions.decoder.bias";
  return names;
}

/// An FFF layer where the configuration asks for one or the tensors are there. Tensors without a configuration are one
/// tree: their rows tell its depth.
[[nodiscard]] inline std::optional<fast_feedforward_shape> read_fast_feedforward(const json_value& config,
                                                                                 const tensor_source& weights,
                                                                                 const tensor_names& names,
                                                                                 std::size_t width,
                                                                                 activation_kind activation) {
  fast_feedforward_shape shape{.input_width = width, .output_width = width, .activation = activation};
  const auto type = find_set(config, "intermed_type");
  if (type && type->as_string() != "fff" && type->as_string() != "ff") {
    type->fail_value("'fff' or 'ff'", excerpt(type->as_string()));
  }
  if (type && type->as_string() == "fff") {
    shape.depth = static_cast<std::size_t>(config.at("intermed_depth").as_unsigned(0, cmm::tree::max_depth));
    shape.parallel_size = size_of(config.at("intermed_size"), max_parallel_size);
    return shape;
  }
  const auto rows = weights.find(names.prefix + "encoder.layer.0." + names.linear_in + "linear_in.weight");
  if (type || !rows) return std::nullopt;
  const auto sizes = weights.shape(*rows);
  const std::size_t nodes = sizes.empty() ? 0 : sizes.front();
  if (nodes == 0 || !std::has_single_bit(nodes + 1)) {
    fail(error_code::missing_key,
         {.file = config.file(),
          .where = config.path(),
          .expected = "intermed_type, intermed_depth and intermed_size",
          .found = "FFF layers of " + std::to_string(nodes) + " nodes, which are no one tree"});
  }
  shape.depth = static_cast<std::size_t>(std::bit_width(nodes + 1)) - 2;
  shape.parallel_size = 1;
  return shape;
}

[[nodiscard]] inline encoder_config read_encoder(const json_value& config, const tensor_source& weights,
                                                 const tensor_names& names) {
  if (read_flag(config, "is_decoder", false)) {
    config.at("is_decoder").fail_unsupported("false", "true");
  }
  expect_word(config, "position_embedding_type", "absolute");
  encoder_config model;
  const std::size_t width = size_of(config.at("hidden_size"), max_width);
  const json_value heads = config.at("num_attention_heads");
  const auto epsilon = find_set(config, "layer_norm_eps");
  const norm_shape norm{.width = width, .epsilon = epsilon ? read_epsilon(*epsilon) : 1e-12};
  model.layers = size_of(config.at("num_hidden_layers"), max_layers);
  model.embedding = {.vocabulary_size = size_of(config.at("vocab_size"), max_vocabulary),
                     .width = width,
                     .max_sequence_length = size_of(config.at("max_position_embeddings"), max_positions),
                     .positions = position_kind::learned,
                     .token_types = size_or(config, "type_vocab_size", max_vocabulary, 2),
                     .norm = norm};
  attention_shape& attention = model.block.attention;
  attention = {.width = width,
               .heads = size_of(heads, max_width),
               .query_key_value_bias = true,
               .output_bias = true,
               .layout = attention_layout::separate};
  if (width % attention.heads != 0) {
    heads.fail_value("a divisor of hidden_size " + std::to_string(width), std::to_string(attention.heads));
  }
  attention.norm_factor = 1.0 / std::sqrt(static_cast<double>(width / attention.heads));
  model.block.norm = norm;
  model.block.placement = norm_placement::after;
  const auto word = find_set(config, "hidden_act");
  const activation_kind activation = word ? read_activation(*word) : activation_kind::gelu;
  if (const auto fast = read_fast_feedforward(config, weights, names, width, activation)) {
    model.block.feedforward = *fast;
  } else {
    model.block.feedforward = feedforward_shape{.width = width,
                                                .intermediate = size_of(config.at("intermediate_size"), max_width),
                                                .bias = true,
                                                .activation = activation};
  }
  return model;
}

[[nodiscard]] inline model_description describe(const json_value& config, const tensor_source& weights) {
  const tensor_names names = find_names(weights);
  model_description out{.family = "BERT", .buffers = {"position_ids", "token_type_ids"}};
  out.architecture = written_by(config);
  out.encoder = read_encoder(config, weights, names);
  out.encoder_prefix = "encoder.";
  out.words = "encoder.embedding.word_embedding.weight";
  out.word_copies = {out.words, "decoder.weight"};
  out.stored_name = [names](const std::string& name) { return names.stored(name); };
  out.prediction_head_prefix = "prediction_head.";
  const auto* dense = std::get_if<feedforward_shape>(&out.encoder.block.feedforward);
  out.prediction_head = prediction_head_shape{
      .width = out.encoder.hidden_size(),
      .bias = true,
      .activation = dense != nullptr ? dense->activation
                                     : std::get<fast_feedforward_shape>(out.encoder.block.feedforward).activation,
      .norm = out.encoder.block.norm};
  out.decoder_bias = "decoder.bias";
  out.pooler_prefix = "pooler.";
  out.head_prefix = "classifier.";
  if (const auto tied = find_set(config, "tie_word_embeddings");
      tied && !tied->as_boolean() && weights.contains("cls.predictions.decoder.weight")) {
    tied->fail_unsupported("true: the decoder and the embedding share their words", "false");
  }
  return out;
}

/// tanh(dense(state of the first token)).
[[nodiscard]] inline pooler_shape read_pooler(const json_value& /*config*/, const model_description& description) {
  const std::size_t width = description.encoder.hidden_size();
  return {.kind = pooler_kind::zero_index, .width = width, .head_dim = width, .activation = activation_kind::tanh};
}

inline constexpr std::array<written_class, 5> classes{{
    {"BertModel", "an encoder without a head", "encoder_model"},
    {"BertForMaskedLM", "a masked language model", "masked_lm"},
    {"BertForPreTraining", "a masked language model", "masked_lm"},
    {"BertForSequenceClassification", "a classifier of sequences", "sequence_classifier"},
    {"BertForTokenClassification", "a classifier of tokens", "token_classifier"},
}};

}  // namespace ultrafastbert::models::bert

namespace ultrafastbert::models {

inline constexpr model_family bert_family{.name = "BERT",
                                          .classes = bert::classes,
                                          .matches = bert::matches,
                                          .architecture = bert::written_by,
                                          .describe = bert::describe,
                                          .pooler = bert::read_pooler};

}  // namespace ultrafastbert::models
