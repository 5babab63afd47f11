// SPDX-License-Identifier: MIT
//
// DistilBERT: BERT's encoder without token types and pooler, under names of its own.
// Source: Sanh et al., arXiv 1910.01108; the configuration files and tensor names of published checkpoints.
// Layer: model.
#pragma once

#include <array>
#include <string>

#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/model/families/family.hpp"
#include "ultrafastbert/model/families/hub_encoder.hpp"
#include "ultrafastbert/model/families/hub_names.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"

namespace ultrafastbert::models::distilbert {

inline constexpr std::array<hub::name_pair, 3> encoder_names{{
    {"encoder.embedding.word_embedding.", "embeddings.word_embeddings."},
    {"encoder.embedding.pos_embedding.embedding.", "embeddings.position_embeddings."},
    {"encoder.embedding.norm.", "embeddings.LayerNorm."},
}};

inline constexpr std::array<hub::name_pair, 8> layer_names{{
    {"attn.self_attention.query.", "attention.q_lin."},
    {"attn.self_attention.key.", "attention.k_lin."},
    {"attn.self_attention.value.", "attention.v_lin."},
    {"attn.dense.", "attention.out_lin."},
    {"norm1.", "sa_layer_norm."},
    {"ffn.dense_in.", "ffn.lin1."},
    {"ffn.dense_out.", "ffn.lin2."},
    {"norm2.", "output_layer_norm."},
}};

inline constexpr std::array<hub::name_pair, 3> head_names{{
    {"prediction_head.dense.", "vocab_transform."},
    {"prediction_head.norm.", "vocab_layer_norm."},
    {"pooler.dense.", "pre_classifier."},
}};

inline constexpr hub::name_table names{.prefix = "distilbert.",
                                       .layer = "transformer.layer.",
                                       .encoder = encoder_names,
                                       .in_layer = layer_names,
                                       .heads = head_names,
                                       .decoder = "vocab_projector.weight",
                                       .decoder_bias = "vocab_projector.bias",
                                       .other_decoder_bias = {}};

inline constexpr hub::config_keys keys{.width = {"dim", 768},
                                       .layers = {"n_layers", 6},
                                       .heads = {"n_heads", 12},
                                       .intermediate = {"hidden_dim", 3072},
                                       .positions = {"max_position_embeddings", 512},
                                       .activation = "activation"};

/// Files of this family name the type, or have two keys that together only they have.
[[nodiscard]] inline bool matches(const json_value& config) {
  if (find_set(config, "model_type")) return hub::has_type(config, {"distilbert"});
  return config.find("n_layers").has_value() && config.find("hidden_dim").has_value();
}

/// relu(dense(state of the first token)).
[[nodiscard]] inline pooler_shape read_pooler(const json_value& /*config*/, const model_description& description) {
  return hub::first_token_pooler(description.encoder.hidden_size(), activation_kind::relu);
}

[[nodiscard]] inline model_description describe(const json_value& config, const tensor_source& weights) {
  const hub::tensor_names where = hub::find_names(config, names, weights);
  encoder_config encoder = hub::read_encoder(config, keys, weights, where);
  encoder.block.norm.epsilon = 1e-12;  // no key changes it
  encoder.embedding.norm = encoder.block.norm;
  model_description out = hub::describe(config, weights, where, encoder);
  out.family = "DistilBERT";
  return out;
}

inline constexpr std::array<written_class, 4> classes{{
    {"DistilBertModel", "an encoder without a head", "encoder_model"},
    {"DistilBertForMaskedLM", "a masked language model", "masked_lm"},
    {"DistilBertForSequenceClassification", "a classifier of sequences", "sequence_classifier"},
    {"DistilBertForTokenClassification", "a classifier of tokens", "token_classifier"},
}};

}  // namespace ultrafastbert::models::distilbert

namespace ultrafastbert::models {

inline constexpr model_family distilbert_family{.name = "DistilBERT",
                                                .classes = distilbert::classes,
                                                .matches = distilbert::matches,
                                                .architecture = named_class,
                                                .describe = distilbert::describe,
                                                .pooler = distilbert::read_pooler};

}  // namespace ultrafastbert::models
