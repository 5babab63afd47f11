// SPDX-License-Identifier: MIT
//
// A folder's configuration, read and checked for the class that wants to load it.
// Layer: model.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/model/config_json.hpp"

namespace ultrafastbert::detail {

/// The configuration of a folder whose class is one of `accepted`. Throws: what reading the file and the configuration
/// throws, unsupported (another class).
[[nodiscard]] inline checkpoint_config read_checkpoint_config(const checkpoint_folder& checkpoint,
                                                              std::initializer_list<std::string_view> accepted) {
  constexpr json_limits limits{};
  const std::string file = checkpoint.config().string();
  const std::string text = read_text_file(checkpoint.config(), limits.max_bytes);
  auto config = ultrafastbert::read_checkpoint_config(json_document::parse(text, file, limits));
  expect_architecture(config, file, accepted);
  return config;
}

}  // namespace ultrafastbert::detail
