// SPDX-License-Identifier: MIT
//
// From config.json or model_config.json to an encoder_config. Whatever this version cannot compute is refused with the
// key's path and the values it accepts; keys without effect on inference are ignored.
// Layer: model.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/layers/embedding.hpp"
#include "ultrafastbert/layers/norm.hpp"

namespace ultrafastbert {

/// What a checkpoint's configuration says.
struct checkpoint_config {
  encoder_config encoder{};
  bool vocabulary_size_known = false;  ///< false: the configuration leaves it open, the word matrix's rows tell
  std::string architecture{};          ///< class that wrote the checkpoint, or empty
  bool use_bias = false;               ///< whether dense layers have biases, also that of a prediction head
  bool head_transform = false;         ///< whether a masked language model has a prediction head before its decoder
  bool decoder_bias = false;           ///< whether its decoder has a bias
};

namespace models {

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

/// A boolean member; null counts as false, as it does in the training code.
[[nodiscard]] inline bool read_flag(const json_value& object, std::string_view key, bool if_absent) {
  const auto member = object.find(key);
  if (!member) return if_absent;
  return !member->is_null() && member->as_boolean();
}

[[nodiscard]] inline std::size_t size_of(const json_value& value, std::uint64_t largest) {
  return static_cast<std::size_t>(value.as_unsigned(1, largest));
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
  constexpr std::array kinds{activation_kind::gelu, activation_kind::relu, activation_kind::silu,
                             activation_kind::tanh};
  for (const activation_kind kind : kinds) {
    if (word == name(kind)) return {kind, gated};
  }
  value.fail_value("'GELU', 'ReLU', 'SiLU' or 'Tanh', or one of them followed by 'glu'", excerpt(value.as_string()));
}

[[nodiscard]] inline norm_kind read_norm(const json_value& arch) {
  const auto member = find_set(arch, "norm");
  if (!member || member->as_string() == "LayerNorm") return norm_kind::layer_norm;
  if (member->as_string() == "RMSNorm") return norm_kind::rms_norm;
  if (member->as_string() == "ScaleNorm") return norm_kind::scale_norm;
  member->fail_value("'LayerNorm', 'RMSNorm' or 'ScaleNorm'", excerpt(member->as_string()));
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

[[nodiscard]] inline dense_feedforward_config read_dense_feedforward(const json_value& arch, bool gated) {
  const json_value size = arch.at("intermed_size");
  const std::size_t intermediate = size_of(size, max_width);
  if (gated && intermediate % 2 != 0) {
    size.fail_value("an even number, half of it for each part of a gated layer", std::to_string(intermediate));
  }
  return {.intermediate_size = intermediate, .bias = read_flag(arch, "use_bias", false), .gated = gated};
}

inline void read_feedforward(const json_value& arch, encoder_config& config) {
  const json_value nonlin = arch.at("nonlin");
  const named_activation activation = read_activation(nonlin);
  config.activation = activation.kind;
  const auto type = find_set(arch, "intermed_type");
  if (type && type->as_string() == "fff") {
    if (activation.gated) {
      nonlin.fail_unsupported("an activation without 'glu' for fast feedforward layers", excerpt(nonlin.as_string()));
    }
    config.feedforward = read_fast_feedforward(arch);
  } else if (!type || type->as_string() == "ff") {
    config.feedforward = read_dense_feedforward(arch, activation.gated);
  } else {
    type->fail_value("'fff' or 'ff'", excerpt(type->as_string()));
  }
}

/// Rotary positions: `true` makes the training code rotate and discard the result, and fail where its table ends.
inline void read_rotary(const json_value& attention, encoder_config& config) {
  constexpr std::size_t table_length = 128;
  const auto rotary = find_set(attention, "rotary_embedding");
  if (!rotary) return;
  if (!rotary->is_boolean()) {
    rotary->fail_unsupported("false or true", rotary->is_string() ? excerpt(rotary->as_string()) : "another value");
  }
  if (rotary->as_boolean()) config.longest_sequence = table_length;
}

inline void read_attention(const json_value& attention, encoder_config& config) {
  const json_value heads = attention.at("num_attention_heads");
  config.heads = size_of(heads, max_width);
  if (config.hidden_size % config.heads != 0) {
    heads.fail_value("a divisor of hidden_size " + std::to_string(config.hidden_size), std::to_string(config.heads));
  }
  expect_word(attention, "type", "self-attention");
  expect_word(attention, "sequence_op", "torch-softmax");
  config.causal = read_flag(attention, "causal_attention", false);
  config.query_key_value_bias = read_flag(attention, "qkv_bias", false);
  config.output_projection = !read_flag(attention, "skip_output_projection", false);
  read_rotary(attention, config);
}

/// Position schemes; the training code adds no positions for any word that it does not know.
[[nodiscard]] inline position_kind read_positions(const json_value& positions, const encoder_config& config) {
  const bool off = positions.is_null() || (positions.is_boolean() && !positions.as_boolean());
  const std::string word = off ? std::string() : positions.as_string();
  if (word == "learned") return position_kind::learned;
  if (word != "sinusoidal" && word != "scaled-sinusoidal") return position_kind::none;
  if (config.hidden_size % 2 != 0) positions.fail_value("an even hidden_size", std::to_string(config.hidden_size));
  return word == "sinusoidal" ? position_kind::sinusoidal : position_kind::scaled_sinusoidal;
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
  config.positions = read_positions(embedding.at("pos_embedding"), config);
  config.embedding_norm = read_flag(embedding, "normalization", true);
}

/// The architecture dictionary, which config.json keeps under "arch" and model_config.json is.
inline void read_architecture(const json_value& arch, checkpoint_config& out) {
  encoder_config& config = out.encoder;
  config.hidden_size = size_of(arch.at("hidden_size"), max_width);
  config.layers = size_of(arch.at("num_transformer_layers"), max_layers);
  config.norm_epsilon = read_epsilon(arch.at("norm_eps"));
  config.norm = read_norm(arch);
  read_feedforward(arch, config);
  read_attention(arch.at("attention"), config);
  read_embedding(arch.at("embedding"), out);
  config.final_norm = read_flag(arch, "final_norm", true);
  out.use_bias = read_flag(arch, "use_bias", false);
  config.output_bias = out.use_bias;
  out.decoder_bias = read_flag(arch, "decoder_bias", false);
  out.head_transform = !read_flag(arch, "skip_head_transform", true);
}

}  // namespace models

/// Reads a configuration in either published form: config.json keeps the architecture under "arch", the local form is
/// the architecture itself.
/// Throws: bad_json, duplicate_key, limit_exceeded (text over 1 MiB), missing_key, bad_type, bad_value (which names the
///   key and what is accepted), unsupported (valid for the training code, but not for this library).
/// Source: the configuration files of UltraFastBERT-1x11-long and of crammed BERT checkpoints.
[[nodiscard]] inline checkpoint_config read_checkpoint_config(const json_document& document) {
  checkpoint_config config;
  const json_value root = document.root();
  const auto arch = root.find("arch");
  if (const auto type = models::find_set(root, "model_type"); type && type->as_string() != "crammedBERT") {
    type->fail_unsupported("'crammedBERT'", excerpt(type->as_string()), std::string(models::other_model_advice));
  }
  if (arch) {
    if (const auto classes = models::find_set(root, "architectures")) {
      for (const json_value& entry : classes->elements()) config.architecture = entry.as_string();
    }
  }
  models::read_architecture(arch ? *arch : root, config);
  return config;
}

namespace models {

/// Throws unsupported unless the class that wrote a checkpoint is one of `accepted` or was left out. `file`: the
/// configuration's, for the message.
inline void expect_architecture(const checkpoint_config& config, const std::string& file,
                                std::initializer_list<std::string_view> accepted) {
  std::string list;
  for (const std::string_view name : accepted) {
    if (config.architecture.empty() || config.architecture == name) return;
    list += (list.empty() ? "" : " or ") + excerpt(name);
  }
  fail(error_code::unsupported, {.file = file,
                                 .where = "$.architectures",
                                 .expected = std::move(list),
                                 .found = excerpt(config.architecture),
                                 .reason = std::string(other_model_advice)});
}

}  // namespace models

}  // namespace ultrafastbert
