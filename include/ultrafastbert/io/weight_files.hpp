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
    const io::shard_index listed = io::read_shard_index(index, limits);
    for (std::size_t i = 0; i < listed.shards.size(); ++i) {
      weights.files_.push_back(weights.open_shard(index, listed, i, limits));
      // At once, so that no header beyond the first wrong one takes memory.
      weights.check_agreement(index, listed, i, limits);
    }
    return weights;
  }

  /// Leaves no files behind; assigning weights to themselves changes nothing.
  weight_files(weight_files&& other) noexcept
      : name_(std::exchange(other.name_, {})), files_(std::exchange(other.files_, {})) {}
  weight_files& operator=(weight_files&& other) noexcept {
    if (this != &other) {
      name_ = std::exchange(other.name_, {});
      files_ = std::exchange(other.files_, {});
    }
    return *this;
  }
  weight_files(const weight_files&) = delete;
  weight_files& operator=(const weight_files&) = delete;
  ~weight_files() = default;

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

  [[nodiscard]] safetensors open_shard(const std::filesystem::path& index, const io::shard_index& listed,
                                       std::size_t number, const safetensors_limits& limits) const {
    try {
      return safetensors::open(index.parent_path() / listed.shards[number], limits);
    } catch (const error& problem) {
      if (problem.code() != error_code::io_error) throw;
      error_details details = problem.details();
      const auto user = std::find_if(listed.tensors.begin(), listed.tensors.end(),
                                     [number](const auto& tensor) { return tensor.second == number; });
      details.expected = (details.expected.empty() ? "the file" : details.expected) + " that " + name_ + " names at " +
                         io::weight_map_path_of(user->first);
      fail(error_code::io_error, std::move(details));
    }
  }

  /// Compares the newest shard with the index.
  void check_agreement(const std::filesystem::path& index, const io::shard_index& listed, std::size_t number,
                       const safetensors_limits& limits) const {
    const safetensors& shard = files_[number];
    for (const auto& [tensor, place] : listed.tensors) {
      if (place == number && shard.find(tensor) == nullptr) fail_absent(tensor, shard);
    }
    for (const tensor_entry& entry : shard.tensors()) {
      const auto at =
          std::lower_bound(listed.tensors.begin(), listed.tensors.end(), entry.name,
                           [](const auto& tensor, const std::string& wanted) { return tensor.first < wanted; });
      if (at == listed.tensors.end() || at->first != entry.name) {
        fail(error_code::missing_key, {.file = name_,
                                       .where = io::weight_map_path_of(entry.name),
                                       .expected = "an entry for every tensor of " + excerpt(listed.shards[number]),
                                       .found = "none"});
      }
      if (at->second == number) continue;
      if (at->second > number) {
        const safetensors other = open_shard(index, listed, at->second, limits);
        if (other.find(entry.name) == nullptr) fail_absent(entry.name, other);
      }
      fail(error_code::duplicate_key,
           {.file = name_,
            .where = io::weight_map_path_of(entry.name),
            .expected = "every tensor in one file",
            .found = excerpt(listed.shards[at->second]) + " and " + excerpt(listed.shards[number])});
    }
  }

  [[noreturn]] void fail_absent(std::string_view tensor, const safetensors& shard) const {
    fail(error_code::missing_tensor, {.file = shard.name(),
                                      .where = excerpt(tensor),
                                      .expected = "the tensor that " + name_ + " places here",
                                      .found = "no such tensor"});
  }

  std::string name_;
  std::vector<safetensors> files_{};
};

}  // namespace ultrafastbert
