// SPDX-License-Identifier: MIT
//
// Storages of weights, by the names that options take.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include "program.hpp"
#include "ultrafastbert/core/storage.hpp"

namespace examples {

/// What an option may be set to. Weights of attention and dense layers know no float16.
inline constexpr std::initializer_list<ultrafastbert::weight_storage> plain_storages{
    ultrafastbert::weight_storage::float32, ultrafastbert::weight_storage::float16,
    ultrafastbert::weight_storage::bfloat16, ultrafastbert::weight_storage::int8};
inline constexpr std::initializer_list<ultrafastbert::weight_storage> all_storages{
    ultrafastbert::weight_storage::float32,           ultrafastbert::weight_storage::float16,
    ultrafastbert::weight_storage::bfloat16,          ultrafastbert::weight_storage::int8,
    ultrafastbert::weight_storage::certified_float16, ultrafastbert::weight_storage::certified_int8,
    ultrafastbert::weight_storage::split_float32};
inline constexpr std::initializer_list<ultrafastbert::weight_storage> projection_storages{
    ultrafastbert::weight_storage::float32, ultrafastbert::weight_storage::bfloat16,
    ultrafastbert::weight_storage::int8};

/// The storage of a name. Throws: std::runtime_error if it is none of those that the option takes.
inline ultrafastbert::weight_storage find_storage(const std::string& wanted,
                                                  std::initializer_list<ultrafastbert::weight_storage> taken) {
  std::string names;
  std::size_t left = taken.size();
  for (const auto storage : taken) {
    if (wanted == ultrafastbert::name(storage)) return storage;
    names += ultrafastbert::name(storage);
    --left;
    names += left > 1 ? ", " : left == 1 ? " or " : "";
  }
  throw std::runtime_error("takes " + names);
}

/// Adds an option that takes the names of some storages.
inline CLI::Option* add_storage(CLI::App& app, const std::string& option, ultrafastbert::weight_storage& to,
                                std::initializer_list<ultrafastbert::weight_storage> taken, const std::string& text) {
  return add_word(app, option, to, std::string(ultrafastbert::name(to)), text,
                  [taken](const std::string& word) { return find_storage(word, taken); });
}

}  // namespace examples
