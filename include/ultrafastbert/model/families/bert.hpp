// SPDX-License-Identifier: MIT
//
// Classic BERT as the Hugging Face hub stores it. What it shares with other families is in hub_encoder.hpp.
// Source: Devlin et al., arXiv 1810.04805; the configuration files and tensor names of published checkpoints.
// Layer: model.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/model/families/family.hpp"
#include "ultrafastbert/model/families/hub_encoder.hpp"
#include "ultrafastbert/model/families/hub_names.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"

namespace ultrafastbert::models::bert {

/// The parts of an embedding, as RoBERTa calls them, too.
inline constexpr std::array<hub::name_pair, 5> encoder_names{{
    {"encoder.embedding.word_embedding.", "embeddings.word_embeddings."},
    {"encoder.embedding.pos_embedding.embedding.", "embeddings.position_embeddings."},
    {"encoder.embedding.token_type_embedding.", "embeddings.token_type_embeddings."},
    {"encoder.embedding.norm.", "embeddings.LayerNorm."},
    {"pooler.", "pooler."},
}};

/// The parts of a layer, as RoBERTa calls them, too.
inline constexpr std::array<hub::name_pair, 6> layer_names{{
    {"attn.self_attention.", "attention.self."},
    {"attn.dense.", "attention.output.dense."},
    {"norm1.", "attention.output.LayerNorm."},
    {"ffn.dense_in.", "intermediate.dense."},
    {"ffn.dense_out.", "output.dense."},
    {"norm2.", "output.LayerNorm."},
}};

inline constexpr std::array<hub::name_pair, 2> head_names{{
    {"prediction_head.dense.", "cls.predictions.transform.dense."},
    {"prediction_head.norm.", "cls.predictions.transform.LayerNorm."},
}};

inline constexpr hub::name_table names{.prefix = "bert.",
                                       .layer = "encoder.layer.",
                                       .encoder = encoder_names,
                                       .in_layer = layer_names,
                                       .heads = head_names,
                                       .decoder = "cls.predictions.decoder.weight",
                                       .decoder_bias = "cls.predictions.bias",
                                       .other_decoder_bias = "cls.predictions.decoder.bias"};

/// The keys of BERT, which RoBERTa has, too.
inline constexpr hub::config_keys keys{.width = {"hidden_size", 768},
                                       .layers = {"num_hidden_layers", 12},
                                       .heads = {"num_attention_heads", 12},
                                       .intermediate = {"intermediate_size", 3072},
                                       .positions = {"max_position_embeddings", 512},
                                       .activation = "hidden_act"};

/// Files of this family name the type. Those of 2018 do not, but have a key that no other family had then; relatives of
/// 2019 that have it, too, are told by unnamed.hpp.
[[nodiscard]] inline bool matches(const json_value& config) {
  if (find_set(config, "model_type")) return hub::has_type(config, {"bert"});
  return config.find("num_hidden_layers").has_value();
}

/// Sizes and token types. Throws: bad_type, bad_value, missing_key, unsupported.
[[nodiscard]] inline encoder_config read_encoder(const json_value& config, const tensor_source& weights,
                                                 const hub::tensor_names& where) {
  expect_word(config, "position_embedding_type", "absolute");
  encoder_config model = hub::read_encoder(config, keys, weights, where);
  model.embedding.token_types = hub::read_size(config, {"type_vocab_size", 2}, max_vocabulary);
  return model;
}

/// tanh(dense(state of the first token)), in RoBERTa, too.
[[nodiscard]] inline pooler_shape read_pooler(const json_value& /*config*/, const model_description& description) {
  return hub::first_token_pooler(description.encoder.hidden_size(), activation_kind::tanh);
}

[[nodiscard]] inline model_description describe(const json_value& config, const tensor_source& weights) {
  const hub::tensor_names where = hub::find_names(config, names, weights);
  model_description out = hub::describe(config, weights, where, read_encoder(config, weights, where));
  out.family = "BERT";
  out.encoder_pooler = read_pooler(config, out);
  return out;
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
                                          .architecture = named_class,
                                          .describe = bert::describe,
                                          .pooler = bert::read_pooler};

}  // namespace ultrafastbert::models
