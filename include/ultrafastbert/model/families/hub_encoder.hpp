// SPDX-License-Identifier: MIT
//
// What the hub's families of encoders share: norms behind the sub-blocks, learned positions, separate query, key and
// value, biases everywhere. Their feedforward layers may be fast ones: `intermed_type` "fff" with `intermed_depth` and
// `intermed_size` as in the crammed family, or tensors named linear_in and linear_out in place of the dense ones.
// Source: Devlin et al., arXiv 1810.04805; the configuration files of published checkpoints.
// Layer: model.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
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
#include "ultrafastbert/model/families/hub_names.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"

namespace ultrafastbert::models::hub {

/// A key of a configuration, and what stands for it where it is absent or null.
struct size_key {
  std::string_view name{};
  std::size_t if_absent = 0;
};

/// The keys by which a family's configurations give the sizes, with the defaults of the transformers package.
struct config_keys {
  size_key width{};
  size_key layers{};
  size_key heads{};
  size_key intermediate{};
  size_key positions{};
  std::string_view activation{};
};

/// Whether the decoder is the word matrix, as it is unless a configuration says otherwise. Throws: bad_type.
[[nodiscard]] inline bool is_tied(const json_value& config) {
  const auto tied = find_set(config, "tie_word_embeddings");
  return !tied || tied->as_boolean();
}

/// Where a folder keeps its tensors. Throws: bad_type, std::bad_alloc.
[[nodiscard]] inline tensor_names find_names(const json_value& config, const name_table& table,
                                             const tensor_source& weights) {
  return tensor_names(table, weights, !is_tied(config));
}

/// The activation that a word of the transformers package stands for. Throws: bad_type, unsupported.
[[nodiscard]] inline activation_kind read_activation(const json_value& value) {
  struct meaning {
    std::string_view word;
    activation_kind kind;
  };
  constexpr meaning meanings[] = {
      {"gelu", activation_kind::gelu},
      {"gelu_python", activation_kind::gelu},
      {"gelu_new", activation_kind::gelu_tanh},
      {"gelu_fast", activation_kind::gelu_tanh},
      {"gelu_pytorch_tanh", activation_kind::gelu_tanh},
      {"gelu_accurate", activation_kind::gelu_tanh},
      {"relu", activation_kind::relu},
      {"silu", activation_kind::silu},
      {"swish", activation_kind::silu},
      {"tanh", activation_kind::tanh},
      {"relu2", activation_kind::relu_squared},
      {"linear", activation_kind::identity},
  };
  for (const meaning& known : meanings) {
    if (value.as_string() == known.word) return known.kind;
  }
  value.fail_unsupported(
      "'gelu', the tanh form 'gelu_new', 'gelu_fast' or 'gelu_pytorch_tanh', 'relu', 'relu2', 'silu', 'tanh' or "
      "'linear'",
      excerpt(value.as_string()));
}

/// A size, or its default. Throws: bad_type, bad_value.
[[nodiscard]] inline std::size_t read_size(const json_value& config, const size_key& key, std::uint64_t largest) {
  const auto member = find_set(config, key.name);
  return member ? size_of(*member, largest) : key.if_absent;
}

/// An FFF layer where the configuration asks for one or the tensors are there. Tensors without a configuration are one
/// tree: their rows tell its depth. Throws: missing_key, bad_type, bad_value, unsupported (leaf networks).
[[nodiscard]] inline std::optional<fast_feedforward_shape> read_fast_feedforward(const json_value& config,
                                                                                 const tensor_source& weights,
                                                                                 const tensor_names& names,
                                                                                 std::size_t width,
                                                                                 activation_kind activation) {
  fast_feedforward_shape shape{.input_width = width, .output_width = width, .activation = activation};
  const auto type = find_set(config, "intermed_type");
  const std::string stored_rows = names.stored("encoder.layers.0.ffn.linear_in.weight");
  const std::string first_layer = stored_rows.substr(0, stored_rows.rfind("linear_in"));
  if (type && type->as_string() != "fff" && type->as_string() != "ff") {
    type->fail_value("'fff' or 'ff'", excerpt(type->as_string()));
  }
  if (type && type->as_string() == "fff") {
    shape.depth = static_cast<std::size_t>(config.at("intermed_depth").as_unsigned(0, cmm::tree::max_depth));
    shape.parallel_size = size_of(config.at("intermed_size"), max_parallel_size);
    return shape.with_tensors_of(weights, first_layer);
  }
  const std::string leaves = names.stored("encoder.layers.0.ffn.w1s");
  if (!type && weights.contains(leaves)) {
    fail(error_code::unsupported, {.file = config.file(),
                                   .where = leaves,
                                   .expected = "dense feedforward layers, or fast ones with neurons at the nodes",
                                   .found = "fast feedforward layers with leaf networks",
                                   .reason = "such a layer by itself is loaded with leaf_feedforward"});
  }
  const auto rows = weights.find(stored_rows);
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
  if (nodes > (std::size_t{2} << cmm::tree::max_depth) - 1) {
    fail(error_code::bad_value,
         {.file = weights.name(),
          .where = stored_rows,
          .expected = "a row for each node of a tree of depth " + std::to_string(cmm::tree::max_depth) + " at most",
          .found = std::to_string(nodes) + " rows"});
  }
  shape.depth = static_cast<std::size_t>(std::bit_width(nodes + 1)) - 2;
  shape.parallel_size = 1;
  return shape.with_tensors_of(weights, first_layer);
}

/// The sizes that the families share; token types and the forms of positions are left to the family. The vocabulary's
/// size is the word matrix's where the configuration leaves it open. Throws: bad_type, bad_value, missing_key,
/// unsupported.
[[nodiscard]] inline encoder_config read_encoder(const json_value& config, const config_keys& keys,
                                                 const tensor_source& weights, const tensor_names& names) {
  check_changes(config);
  if (read_flag(config, "is_decoder", false)) config.at("is_decoder").fail_unsupported("false", "true");
  encoder_config model;
  const std::size_t width = read_size(config, keys.width, max_width);
  const auto epsilon = find_set(config, "layer_norm_eps");
  const norm_shape norm{.width = width, .epsilon = epsilon ? read_epsilon(*epsilon) : 1e-12};
  model.layers = read_size(config, keys.layers, max_layers);
  model.embedding = {.width = width,
                     .max_sequence_length = read_size(config, keys.positions, max_positions),
                     .positions = position_kind::learned,
                     .norm = norm};
  if (const auto words = find_set(config, "vocab_size")) {
    model.embedding.vocabulary_size = size_of(*words, max_vocabulary);
  } else if (const auto matrix = weights.find(names.stored("encoder.embedding.word_embedding.weight"))) {
    const auto shape = weights.shape(*matrix);
    model.embedding.vocabulary_size = shape.empty() ? 0 : shape.front();
  }
  attention_shape& attention = model.block.attention;
  attention = {.width = width,
               .heads = read_size(config, keys.heads, max_width),
               .query_key_value_bias = true,
               .output_bias = true,
               .layout = attention_layout::separate,
               .masked_score = std::numeric_limits<float>::lowest()};
  if (width % attention.heads != 0) {
    const json_value named = find_set(config, keys.heads.name).value_or(config);
    named.fail_value("a divisor of " + std::string(keys.width.name) + ' ' + std::to_string(width),
                     std::to_string(attention.heads) + (find_set(config, keys.heads.name) ? "" : ", the default"));
  }
  const std::size_t head_width = width / attention.heads;
  attention.norm_factor = 1.0 / std::sqrt(static_cast<double>(head_width));
  model.block.norm = norm;
  model.block.placement = norm_placement::after;
  const auto word = find_set(config, keys.activation);
  const activation_kind activation = word ? read_activation(*word) : activation_kind::gelu;
  if (const auto fast = read_fast_feedforward(config, weights, names, width, activation)) {
    model.block.feedforward = *fast;
  } else {
    model.block.feedforward = feedforward_shape{.width = width,
                                                .intermediate = read_size(config, keys.intermediate, max_width),
                                                .bias = true,
                                                .activation = activation};
  }
  return model;
}

/// The activation of an encoder's feedforward layers.
[[nodiscard]] inline activation_kind activation_of(const encoder_config& model) {
  return std::visit([](const auto& layer) { return layer.activation; }, model.block.feedforward);
}

/// tanh(dense(state of the first token)), or another activation.
[[nodiscard]] inline pooler_shape first_token_pooler(std::size_t width, activation_kind activation) {
  return {.kind = pooler_kind::zero_index, .width = width, .head_dim = width, .activation = activation};
}

/// Whether a configuration gives one of some types. Throws: bad_type.
[[nodiscard]] inline bool has_type(const json_value& config, std::initializer_list<std::string_view> types) {
  const auto type = find_set(config, "model_type");
  if (!type) return false;
  for (const std::string_view known : types) {
    if (type->as_string() == known) return true;
  }
  return false;
}

/// The description of a checkpoint but for what the family adds: its name, the pooler of the bare encoder.
/// The decoder is the word matrix unless `tie_word_embeddings` is false; then the matrix under the decoder's name is.
/// Throws: bad_type.
[[nodiscard]] inline model_description describe(const json_value& config, const tensor_source& weights,
                                                const tensor_names& names, const encoder_config& encoder) {
  model_description out{.buffers = {"position_ids", "token_type_ids"}};
  out.architecture = named_class(config);
  out.encoder = encoder;
  out.encoder_prefix = "encoder.";
  const std::string embedding = "encoder.embedding.word_embedding.weight";
  const std::string decoder = "decoder.weight";
  out.words = embedding;
  if (is_tied(config)) {
    if (const std::string other = names.other_bias(); !other.empty()) out.copies.push_back(other);
    out.word_copies = {embedding, decoder};
    if (!weights.contains(names.stored(embedding)) && weights.contains(names.stored(decoder))) out.words = decoder;
  } else {
    out.decoder = decoder;
  }
  out.stored_name = [names](const std::string& name) { return names.stored(name); };
  out.prediction_head_prefix = "prediction_head.";
  out.prediction_head = prediction_head_shape{.width = out.encoder.hidden_size(),
                                              .bias = true,
                                              .activation = activation_of(out.encoder),
                                              .norm = out.encoder.block.norm};
  out.decoder_bias = "decoder.bias";
  out.pooler_prefix = "pooler.";
  out.head_prefix = "classifier.";
  return out;
}

}  // namespace ultrafastbert::models::hub
