// SPDX-License-Identifier: MIT
//
// The sizes of a classifier's head: its pooler from `classification_head`, its classes from the weights.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/model/checkpoint_reader.hpp"
#include "ultrafastbert/model/config_json.hpp"
#include "ultrafastbert/model/pooler.hpp"

namespace ultrafastbert::detail {

[[nodiscard]] inline pooler_kind read_pooler_kind(const json_value& value) {
  const std::string& word = value.as_string();
  for (const auto kind : {pooler_kind::zero_index, pooler_kind::avg, pooler_kind::max, pooler_kind::lse}) {
    if (word == name(kind)) return kind;
  }
  value.fail_value("'zero_index', 'avg', 'max' or 'lse'", excerpt(word));
}

/// The activation of a pooler, which has no gate: a word with "glu" behind it means the same without.
[[nodiscard]] inline activation_kind read_ungated_activation(const json_value& value) {
  std::string_view word = value.as_string();
  if (word.ends_with("glu")) word.remove_suffix(3);
  for (const auto kind : {activation_kind::gelu, activation_kind::relu, activation_kind::silu, activation_kind::tanh}) {
    if (word == name(kind)) return kind;
  }
  value.fail_value("'GELU', 'ReLU', 'SiLU' or 'Tanh', each also with 'glu' behind it", excerpt(value.as_string()));
}

/// The pooler that an architecture asks for. `width`: columns of a state.
/// Throws: missing_key, bad_type, bad_value.
[[nodiscard]] inline pooler_shape read_pooler(const json_value& arch, std::size_t width) {
  const json_value head = arch.at("classification_head");
  pooler_shape shape{.kind = read_pooler_kind(head.at("pooler")),
                     .width = width,
                     .activation = read_ungated_activation(head.at("nonlin"))};
  if (head.at("include_ff_layer").as_boolean()) shape.head_dim = size_of(head.at("head_dim"), max_width);
  return shape;
}

/// The head's sizes. It has as many classes as rows, whatever the configuration says.
[[nodiscard]] inline linear_shape head_shape(const checkpoint_reader& checkpoint, std::size_t input_width) {
  const std::size_t classes = checkpoint.rows_of(checkpoint.names().root + "head.weight");
  return {.output_width = std::max<std::size_t>(classes, 1), .input_width = input_width, .bias = true};
}

}  // namespace ultrafastbert::detail
