// SPDX-License-Identifier: MIT
//
// The weights of one checkpoint, in one safetensors container or in several that an index lists, as one set of tensors.
// An index and its shards have to agree on every tensor: where they do not, they come from different saves.
// Layer: io.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/safetensors.hpp"
#include "ultrafastbert/io/shard_index.hpp"

namespace ultrafastbert {

/// Open containers with distinct tensors. Immutable; its const members may be called from several threads.
class weight_files {
 public:
  /// Opens a single container.
  /// Throws: as safetensors::open.
  [[nodiscard]] static weight_files open(const std::filesystem::path& file, const safetensors_limits& limits = {}) {
    weight_files weights(file.string());
    weights.files_.push_back(safetensors::open(file, limits));
    return weights;
  }

  /// Opens an index and every container that it names, which lie beside it.
  /// Throws: io_error (also for a missing shard, naming it and the index), limit_exceeded (also an index over 1 MiB),
  ///   bad_json, duplicate_key (also a tensor in two shards), missing_key (also a tensor that the index leaves out),
  ///   bad_type, bad_value, bad_path (a shard outside the folder), missing_tensor (a tensor that is not in its shard),
  ///   and whatever safetensors::open throws.
  /// Complexity: n log n in the number of tensors; tensor data is not touched.
  [[nodiscard]] static weight_files open_index(const std::filesystem::path& index,
                                               const safetensors_limits& limits = {}) {
    weight_files weights(index.string());
    const detail::shard_index listed = detail::read_shard_index(index, limits);
    for (std::size_t i = 0; i < listed.shards.size(); ++i) weights.open_shard(index, listed, i, limits);
    weights.check_agreement(listed);
    return weights;
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }              ///< the container, or the index
  [[nodiscard]] std::span<const safetensors> files() const noexcept { return files_; }  ///< one, or the shards

  /// Number of tensors in all files.
  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t sum = 0;
    for (const safetensors& file : files_) sum += file.tensors().size();
    return sum;
  }

  /// The tensor of that name, or nullptr. Logarithmic in the number of tensors of each file.
  [[nodiscard]] const tensor_entry* find(std::string_view name) const noexcept {
    for (const safetensors& file : files_) {
      if (const tensor_entry* entry = file.find(name)) return entry;
    }
    return nullptr;
  }

 private:
  explicit weight_files(std::string name) : name_(std::move(name)) {}

  void open_shard(const std::filesystem::path& index, const detail::shard_index& listed, std::size_t number,
                  const safetensors_limits& limits) {
    try {
      files_.push_back(safetensors::open(index.parent_path() / listed.shards[number], limits));
    } catch (const error& problem) {
      if (problem.code() != error_code::io_error) throw;
      error_details details = problem.details();
      const auto user = std::find_if(listed.tensors.begin(), listed.tensors.end(),
                                     [number](const auto& tensor) { return tensor.second == number; });
      details.expected = (details.expected.empty() ? "the file" : details.expected) + " that " + name_ + " names at " +
                         detail::weight_map_path_of(user->first);
      fail(error_code::io_error, std::move(details));
    }
  }

  void check_agreement(const detail::shard_index& listed) const {
    for (const auto& [tensor, number] : listed.tensors) {
      if (files_[number].find(tensor) != nullptr) continue;
      fail(error_code::missing_tensor, {.file = files_[number].name(),
                                        .where = excerpt(tensor),
                                        .expected = "the tensor that " + name_ + " places here",
                                        .found = "no such tensor"});
    }
    for (std::size_t i = 0; i < files_.size(); ++i) {
      for (const tensor_entry& entry : files_[i].tensors()) check_listed(listed, entry, i);
    }
  }

  void check_listed(const detail::shard_index& listed, const tensor_entry& entry, std::size_t number) const {
    const auto at =
        std::lower_bound(listed.tensors.begin(), listed.tensors.end(), entry.name,
                         [](const auto& tensor, const std::string& wanted) { return tensor.first < wanted; });
    const std::string& shard = listed.shards[number];
    if (at == listed.tensors.end() || at->first != entry.name) {
      fail(error_code::missing_key, {.file = name_,
                                     .where = detail::weight_map_path_of(entry.name),
                                     .expected = "an entry for every tensor of " + excerpt(shard),
                                     .found = "none"});
    }
    if (at->second != number) {
      fail(error_code::duplicate_key, {.file = name_,
                                       .where = detail::weight_map_path_of(entry.name),
                                       .expected = "every tensor in one file",
                                       .found = excerpt(listed.shards[at->second]) + " and " + excerpt(shard)});
    }
  }

  std::string name_;
  std::vector<safetensors> files_{};
};

}  // namespace ultrafastbert
