// SPDX-License-Identifier: MIT
//
// From config.json or model_config.json to an encoder_config. Whatever this version cannot compute is refused with the
// key's path and the values it accepts; keys without effect on inference are ignored.
// Layer: model.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/kernels/activation.hpp"

namespace ultrafastbert {

/// What a checkpoint's configuration says.
struct checkpoint_config {
  encoder_config encoder{};
  bool vocabulary_size_known = false;  ///< false: the configuration leaves it open, the word matrix's rows tell
  std::string architecture{};          ///< class that wrote the checkpoint, or empty
};

namespace detail {

/// Largest sizes that a configuration may ask for; far above any published model.
inline constexpr std::uint64_t max_width = std::uint64_t{1} << 20U;
inline constexpr std::uint64_t max_layers = 4096;
inline constexpr std::uint64_t max_vocabulary = std::uint64_t{1} << 27U;
inline constexpr std::uint64_t max_positions = 16'384;
inline constexpr std::uint64_t max_parallel_size = std::uint64_t{1} << 24U;

/// What to do with a checkpoint of another architecture.
inline constexpr std::string_view other_model_advice =
    "this library runs models of the UltraFastBERT and crammedBERT training code; "
    "use the software that wrote this one, or train and save it with that code";

/// A member that is neither absent nor null.
[[nodiscard]] inline std::optional<json_value> find_set(const json_value& object, std::string_view key) {
  auto member = object.find(key);
  if (member && member->is_null()) member.reset();
  return member;
}

/// Refuses a string member unless it has the one accepted value or is left out.
inline void expect_word(const json_value& object, std::string_view key, std::string_view accepted) {
  if (const auto member = find_set(object, key); member && member->as_string() != accepted) {
    member->fail_unsupported(excerpt(accepted), excerpt(member->as_string()));
  }
}

/// Refuses a boolean member unless it has the one accepted value or is left out.
inline void expect_flag(const json_value& object, std::string_view key, bool accepted) {
  if (const auto member = find_set(object, key); member && member->as_boolean() != accepted) {
    member->fail_unsupported(accepted ? "true" : "false", accepted ? "false" : "true");
  }
}

[[nodiscard]] inline std::size_t size_of(const json_value& value, std::uint64_t largest) {
  return static_cast<std::size_t>(value.as_unsigned(1, largest));
}

[[nodiscard]] inline activation_kind read_activation(const json_value& value) {
  const std::string& word = value.as_string();
  constexpr std::array kinds{activation_kind::gelu, activation_kind::relu, activation_kind::silu,
                             activation_kind::tanh};
  for (const activation_kind kind : kinds) {
    if (word == name(kind)) return kind;
  }
  const std::string accepted = "'GELU', 'ReLU', 'SiLU' or 'Tanh'";
  if (word.ends_with("glu")) value.fail_unsupported(accepted, excerpt(word));
  value.fail_value(accepted, excerpt(word));
}

[[nodiscard]] inline double read_epsilon(const json_value& value) {
  const double epsilon = value.as_number();
  if (!(epsilon >= 0.0 && epsilon < 1e30)) value.fail_value("a number of at least 0", std::to_string(epsilon));
  return epsilon;
}

[[nodiscard]] inline fast_feedforward_config read_fast_feedforward(const json_value& arch) {
  return {.depth = static_cast<std::size_t>(arch.at("intermed_depth").as_unsigned(0, tree::max_depth)),
          .parallel_size = size_of(arch.at("intermed_size"), max_parallel_size)};
}

inline void read_feedforward(const json_value& arch, encoder_config& config) {
  const auto type = find_set(arch, "intermed_type");
  if (type && type->as_string() == "fff") {
    config.feedforward = read_fast_feedforward(arch);
  } else if (!type || type->as_string() == "ff") {
    config.feedforward = dense_feedforward_config{.intermediate_size = size_of(arch.at("intermed_size"), max_width)};
  } else {
    type->fail_value("'fff' or 'ff'", excerpt(type->as_string()));
  }
}

inline void read_attention(const json_value& attention, encoder_config& config) {
  const json_value heads = attention.at("num_attention_heads");
  config.heads = size_of(heads, max_width);
  if (config.hidden_size % config.heads != 0) {
    heads.fail_value("a divisor of hidden_size " + std::to_string(config.hidden_size), std::to_string(config.heads));
  }
  expect_word(attention, "type", "self-attention");
  expect_word(attention, "sequence_op", "torch-softmax");
  expect_flag(attention, "causal_attention", false);
  expect_flag(attention, "qkv_bias", false);
  expect_flag(attention, "skip_output_projection", false);
  if (const auto rotary = find_set(attention, "rotary_embedding"); rotary) {
    if (!rotary->is_boolean() || rotary->as_boolean()) {
      rotary->fail_unsupported("false", rotary->is_string() ? excerpt(rotary->as_string()) : "another value");
    }
  }
}

inline void read_embedding(const json_value& embedding, checkpoint_config& out) {
  encoder_config& config = out.encoder;
  if (const auto vocabulary = find_set(embedding, "vocab_size")) {
    config.vocabulary_size = size_of(*vocabulary, max_vocabulary);
    out.vocabulary_size_known = true;
  }
  config.max_sequence_length = size_of(embedding.at("max_seq_length"), max_positions);
  if (const auto width = find_set(embedding, "embedding_dim");
      width && size_of(*width, max_width) != config.hidden_size) {
    width->fail_unsupported("hidden_size " + std::to_string(config.hidden_size), std::to_string(width->as_unsigned()));
  }
  const json_value positions = embedding.at("pos_embedding");
  if (positions.is_null() || positions.as_string() != "scaled-sinusoidal") {
    positions.fail_unsupported("'scaled-sinusoidal'", positions.is_null() ? "null" : excerpt(positions.as_string()));
  }
  if (config.hidden_size % 2 != 0) positions.fail_value("an even hidden_size", std::to_string(config.hidden_size));
  expect_flag(embedding, "normalization", true);
}

/// The architecture dictionary, which config.json keeps under "arch" and model_config.json is.
inline void read_architecture(const json_value& arch, checkpoint_config& out) {
  encoder_config& config = out.encoder;
  config.hidden_size = size_of(arch.at("hidden_size"), max_width);
  config.layers = size_of(arch.at("num_transformer_layers"), max_layers);
  config.activation = read_activation(arch.at("nonlin"));
  config.norm_epsilon = read_epsilon(arch.at("norm_eps"));
  read_feedforward(arch, config);
  read_attention(arch.at("attention"), config);
  read_embedding(arch.at("embedding"), out);
  expect_word(arch, "norm", "LayerNorm");
  expect_flag(arch, "final_norm", true);
  expect_flag(arch, "use_bias", false);
  expect_flag(arch, "decoder_bias", false);
  expect_flag(arch, "skip_head_transform", true);
}

}  // namespace detail

/// Reads a configuration in either published form: config.json keeps the architecture under "arch", the local form is
/// the architecture itself. Throws: bad_json, duplicate_key, limit_exceeded (text over 1 MiB), missing_key, bad_type,
/// bad_value (naming the key
///   and what is accepted), unsupported (valid for the training code, not implemented here).
/// Source: the configuration files of UltraFastBERT-1x11-long and of crammed BERT checkpoints.
[[nodiscard]] inline checkpoint_config read_checkpoint_config(const json_document& document) {
  checkpoint_config config;
  const json_value root = document.root();
  const auto arch = root.find("arch");
  if (const auto type = detail::find_set(root, "model_type"); type && type->as_string() != "crammedBERT") {
    type->fail_unsupported("'crammedBERT'", excerpt(type->as_string()), std::string(detail::other_model_advice));
  }
  if (arch) {
    if (const auto classes = detail::find_set(root, "architectures")) {
      for (const json_value& entry : classes->elements()) config.architecture = entry.as_string();
      constexpr std::string_view accepted = "ScriptableLMForPreTraining";
      if (!config.architecture.empty() && config.architecture != accepted) {
        classes->fail_unsupported(excerpt(accepted), excerpt(config.architecture));
      }
    }
  }
  detail::read_architecture(arch ? *arch : root, config);
  return config;
}

}  // namespace ultrafastbert
