// SPDX-License-Identifier: MIT
//
// What tokenizer_config.json says about a model's calls with texts: where they are cut, at which end, and whether the
// model gets token types.
// Source: `PreTrainedTokenizerBase` of the Python package transformers.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"

namespace ultrafastbert {

/// What a folder wants where a call says nothing. It is for models: `tokenizer::encode` does what its options say.
struct call_defaults {
  std::size_t max_length = 0;  ///< most tokens of a text that is cut, those of the template included; 0: not said
  truncation_direction direction = truncation_direction::right;  ///< which end of a text that is cut is cut off
  bool token_types = true;  ///< whether the model gets the types of the tokens; otherwise all of them are 0
};

namespace tokenizers {

/// Reads `model_max_length`, `truncation_side` and `model_input_names`.
/// Throws: bad_type, bad_value, unsupported (`split_special_tokens`, with which special tokens in texts are none).
[[nodiscard]] inline call_defaults read_call_defaults(const side_file& config) {
  constexpr double most = 1e9;  // larger numbers stand for none
  call_defaults out;
  if (const auto length = config.find("model_max_length")) {
    const double number = length->as_number();
    if (number >= 1.0 && number <= most) out.max_length = static_cast<std::size_t>(number);
  }
  if (const auto side = config.find("truncation_side")) {
    const std::string& word = side->as_string();
    if (word != "left" && word != "right") side->fail_value("'left' or 'right'", excerpt(word));
    if (word == "left") out.direction = truncation_direction::left;
  }
  if (const auto names = config.find("model_input_names")) {
    const auto list = names->elements();
    out.token_types =
        std::any_of(list.begin(), list.end(), [](const auto& each) { return each.as_string() == "token_type_ids"; });
  }
  if (const auto split = config.find("split_special_tokens"); split && split->as_boolean()) {
    split->fail_unsupported("false", "true");
  }
  return out;
}

}  // namespace tokenizers

}  // namespace ultrafastbert
