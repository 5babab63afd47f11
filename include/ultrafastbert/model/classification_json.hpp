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
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/model/checkpoint_reader.hpp"
#include "ultrafastbert/model/config_json.hpp"
#include "ultrafastbert/model/pooler.hpp"

namespace ultrafastbert::models {

[[nodiscard]] inline pooler_kind read_pooler_kind(const json_value& value) {
  const std::string& word = value.as_string();
  for (const auto kind : {pooler_kind::zero_index, pooler_kind::avg, pooler_kind::max, pooler_kind::lse}) {
    if (word == name(kind)) return kind;
  }
  value.fail_value("'zero_index', 'avg', 'max' or 'lse'", excerpt(word));
}

/// The pooler that an architecture asks for. It has no gate: "glu" behind its activation means nothing. `width`:
/// columns of a state. Throws: missing_key, bad_type, bad_value.
[[nodiscard]] inline pooler_shape read_pooler(const json_value& arch, std::size_t width) {
  const json_value head = arch.at("classification_head");
  pooler_shape shape{.kind = read_pooler_kind(head.at("pooler")),
                     .width = width,
                     .activation = read_activation(head.at("nonlin")).kind};
  if (head.at("include_ff_layer").as_boolean()) shape.head_dim = size_of(head.at("head_dim"), max_width);
  return shape;
}

/// The head's sizes. It has as many classes as rows, whatever the configuration says.
[[nodiscard]] inline linear_shape head_shape(const checkpoint_reader& checkpoint, std::size_t input_width) {
  const std::size_t classes = checkpoint.rows_of(checkpoint.names().root + "head.weight");
  return {.output_width = std::max<std::size_t>(classes, 1), .input_width = input_width, .bias = true};
}

}  // namespace ultrafastbert::models
