// SPDX-License-Identifier: MIT
//
// The list of model families.
// Layer: model.
#pragma once

#include <array>
#include <string>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/model/families/bert.hpp"
#include "ultrafastbert/model/families/crammed.hpp"
#include "ultrafastbert/model/families/family.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"
#include "ultrafastbert/model/families/unnamed.hpp"

namespace ultrafastbert::models {

/// Every family, in the order in which configurations are tried.
[[nodiscard]] inline std::array<const model_family*, 2> all_families() noexcept {
  return {&crammed_family, &bert_family};
}

/// The family of a configuration.
/// Throws: unsupported (no family's; the message says what the configuration calls itself), bad_type.
[[nodiscard]] inline const model_family& family_of(const json_value& config) {
  std::string names;
  for (const model_family* family : all_families()) {
    if (family->matches(config)) return *family;
    names += (names.empty() ? "" : ", ") + std::string(family->name);
  }
  const std::string advice =
      "this library runs models of the families " + names +
      "; use the software that wrote this one, or train and save it with the published code of one of them";
  if (const auto type = find_set(config, "model_type"))
    type->fail_unsupported(names, excerpt(type->as_string()), advice);
  fail(error_code::unsupported, {.file = config.file(),
                                 .where = config.path(),
                                 .expected = "a configuration of " + names,
                                 .found = describe_unnamed(config),
                                 .reason = advice});
}

}  // namespace ultrafastbert::models
