// SPDX-License-Identifier: MIT
//
// RoBERTa and XLM-RoBERTa: BERT's encoder under other names, with positions that count from behind the padding token's
// number and heads of their own.
// Source: Liu et al., arXiv 1907.11692; Conneau et al., arXiv 1911.02116; the configuration files and tensor names of
// published checkpoints.
// Layer: model.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/model/families/bert.hpp"
#include "ultrafastbert/model/families/family.hpp"
#include "ultrafastbert/model/families/hub_encoder.hpp"
#include "ultrafastbert/model/families/hub_names.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"

namespace ultrafastbert::models::roberta {

inline constexpr std::array<hub::name_pair, 2> head_names{{
    {"prediction_head.dense.", "lm_head.dense."},
    {"prediction_head.norm.", "lm_head.layer_norm."},
}};

inline constexpr hub::name_table names{.prefix = "roberta.",
                                       .layer = "encoder.layer.",
                                       .encoder = bert::encoder_names,
                                       .in_layer = bert::layer_names,
                                       .heads = head_names,
                                       .decoder = "lm_head.decoder.weight",
                                       .decoder_bias = "lm_head.bias",
                                       .other_decoder_bias = "lm_head.decoder.bias"};

[[nodiscard]] inline bool matches(const json_value& config) {
  return hub::has_type(config, {"roberta", "xlm-roberta"});
}

/// BERT's, with one row of the position table for each id up to the padding token's before those of tokens.
/// Throws: bad_type, bad_value, missing_key, unsupported.
[[nodiscard]] inline encoder_config read_encoder(const json_value& config, const tensor_source& weights,
                                                 const hub::tensor_names& where) {
  encoder_config model = bert::read_encoder(config, weights, where);
  const auto padding = find_set(config, "pad_token_id");
  const std::size_t id = padding ? static_cast<std::size_t>(padding->as_unsigned(0, max_vocabulary)) : 1;
  if (model.embedding.max_sequence_length < id + 2) {
    const auto rows = find_set(config, bert::keys.positions.name);
    rows.value_or(config).fail_value(
        "at least " + std::to_string(id + 2) + ", as pad_token_id is " + std::to_string(id),
        std::to_string(model.embedding.max_sequence_length));
  }
  model.embedding.padding = static_cast<token_id>(id);
  return model;
}

[[nodiscard]] inline model_description describe(const json_value& config, const tensor_source& weights) {
  const hub::tensor_names where = hub::find_names(config, names, weights);
  model_description out = hub::describe(config, weights, where, read_encoder(config, weights, where));
  out.family = "RoBERTa";
  out.prediction_head->activation = activation_kind::gelu;  // whatever the layers have
  out.encoder_pooler = bert::read_pooler(config, out);
  out.pooler_prefix = "classifier.";  // a classifier's pooler is the first layer of its head
  out.sequence_head_prefix = "classifier.out_proj.";
  return out;
}

inline constexpr std::array<written_class, 8> classes{{
    {"RobertaModel", "an encoder without a head", "encoder_model"},
    {"RobertaForMaskedLM", "a masked language model", "masked_lm"},
    {"RobertaForSequenceClassification", "a classifier of sequences", "sequence_classifier"},
    {"RobertaForTokenClassification", "a classifier of tokens", "token_classifier"},
    {"XLMRobertaModel", "an encoder without a head", "encoder_model"},
    {"XLMRobertaForMaskedLM", "a masked language model", "masked_lm"},
    {"XLMRobertaForSequenceClassification", "a classifier of sequences", "sequence_classifier"},
    {"XLMRobertaForTokenClassification", "a classifier of tokens", "token_classifier"},
}};

}  // namespace ultrafastbert::models::roberta

namespace ultrafastbert::models {

inline constexpr model_family roberta_family{.name = "RoBERTa",
                                             .classes = roberta::classes,
                                             .matches = roberta::matches,
                                             .architecture = named_class,
                                             .describe = roberta::describe,
                                             .pooler = bert::read_pooler};

}  // namespace ultrafastbert::models
