// SPDX-License-Identifier: MIT
//
// The list of model families.
// Layer: model.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/model/families/bert.hpp"
#include "ultrafastbert/model/families/crammed.hpp"
#include "ultrafastbert/model/families/distilbert.hpp"
#include "ultrafastbert/model/families/family.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"
#include "ultrafastbert/model/families/roberta.hpp"
#include "ultrafastbert/model/families/unnamed.hpp"

namespace ultrafastbert::models {

/// Every family, in the order in which configurations are tried.
[[nodiscard]] inline std::array<const model_family*, 4> all_families() noexcept {
  return {&crammed_family, &bert_family, &distilbert_family, &roberta_family};
}

/// What a class that a family wrote checkpoints with is, or null if the family has no such class.
[[nodiscard]] inline const written_class* find_class(const model_family& family, std::string_view architecture) {
  for (const written_class& known : family.classes) {
    if (known.name == architecture) return &known;
  }
  return nullptr;
}

/// The family of a configuration: the one of its type; where it has none, the one that its class or its keys tell.
/// Throws: unsupported (no family's; the message says what the configuration calls itself), bad_type.
[[nodiscard]] inline const model_family& family_of(const json_value& config) {
  const auto type = find_set(config, "model_type");
  const auto guess = type ? std::nullopt : guess_family(config);
  std::string names;
  for (const model_family* family : all_families()) {
    if (guess ? guess->family == family->name : family->matches(config)) return *family;
    names += (names.empty() ? "" : ", ") + std::string(family->name);
  }
  const std::string advice =
      "this library runs models of the families " + names +
      "; use the software that wrote this one, or train and save it with the published code of one of them";
  if (type) type->fail_unsupported(names, excerpt(type->as_string()), advice);
  fail(error_code::unsupported, {.file = config.file(),
                                 .where = config.path(),
                                 .expected = "a configuration of " + names,
                                 .found = describe_unnamed(config, guess),
                                 .reason = advice});
}

}  // namespace ultrafastbert::models
