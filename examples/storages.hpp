// SPDX-License-Identifier: MIT
//
// Storages of weights, by the names that options take.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include "ultrafastbert/core/storage.hpp"

namespace examples {

/// What an option may be set to. Weights of attention and dense layers know no float16.
inline constexpr std::initializer_list<ultrafastbert::weight_storage> plain_storages{
    ultrafastbert::weight_storage::float32, ultrafastbert::weight_storage::float16,
    ultrafastbert::weight_storage::bfloat16, ultrafastbert::weight_storage::int8};
inline constexpr std::initializer_list<ultrafastbert::weight_storage> projection_storages{
    ultrafastbert::weight_storage::float32, ultrafastbert::weight_storage::bfloat16,
    ultrafastbert::weight_storage::int8};

/// The storage of a name. Throws: std::runtime_error if it is none of those that the option takes.
inline ultrafastbert::weight_storage find_storage(const std::string& option, const std::string& wanted,
                                                  std::initializer_list<ultrafastbert::weight_storage> taken) {
  std::string names;
  std::size_t left = taken.size();
  for (const auto storage : taken) {
    if (wanted == ultrafastbert::name(storage)) return storage;
    names += ultrafastbert::name(storage);
    --left;
    names += left > 1 ? ", " : left == 1 ? " or " : "";
  }
  throw std::runtime_error(option + " takes " + names);
}

}  // namespace examples
