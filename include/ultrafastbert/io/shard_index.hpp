// SPDX-License-Identifier: MIT
//
// model.safetensors.index.json: which file of a folder holds which tensor. Names that could lead out of the folder are
// refused before anything is opened.
// Layer: io.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/io/json_events.hpp"
#include "ultrafastbert/io/tensor_entry.hpp"

namespace ultrafastbert::io {

/// What an index says.
struct shard_index {
  std::vector<std::string> shards{};                           // file names, each once, in order of first mention
  std::vector<std::pair<std::string, std::size_t>> tensors{};  // name and index into shards, sorted by name
};

inline constexpr std::string_view weight_map_path = "$.weight_map";

/// JSON path of a tensor's entry.
[[nodiscard]] inline std::string weight_map_path_of(std::string_view tensor) {
  return member_path(std::string(weight_map_path), tensor);
}

/// Takes the members of `weight_map` one by one.
class shard_index_reader {
 public:
  shard_index_reader(const std::string& file, const safetensors_limits& limits) : file_(file), limits_(limits) {}

  void add(std::string_view tensor, const json_scalar& value) {
    const auto* shard = std::get_if<std::string_view>(&value);
    if (shard == nullptr) fail_at(error_code::bad_type, tensor, "a string", describe(value));
    check_name(tensor, *shard);
    if (tensor.size() > limits_.name_bytes) {
      fail_limit(file_, weight_map_path_of(tensor), "bytes in a name", limits_.name_bytes);
    }
    if (index_.tensors.size() == limits_.tensors) {
      fail_limit(file_, weight_map_path_of(tensor), "tensors", limits_.tensors);
    }
    const auto [known, is_new] = numbers_.try_emplace(std::string(*shard), index_.shards.size());
    if (is_new) {
      if (index_.shards.size() == limits_.shards) {
        fail_limit(file_, weight_map_path_of(tensor), "files", limits_.shards);
      }
      index_.shards.push_back(known->first);
    }
    index_.tensors.emplace_back(tensor, known->second);
  }

  /// Throws: duplicate_key.
  [[nodiscard]] shard_index take() {
    auto& tensors = index_.tensors;
    std::sort(tensors.begin(), tensors.end());
    const auto twice = std::adjacent_find(tensors.begin(), tensors.end(),
                                          [](const auto& a, const auto& b) { return a.first == b.first; });
    if (twice != tensors.end()) {
      fail(error_code::duplicate_key, {.file = file_,
                                       .where = std::string(weight_map_path),
                                       .expected = "every key once",
                                       .found = excerpt(twice->first) + " twice"});
    }
    return std::move(index_);
  }

 private:
  [[noreturn]] void fail_at(error_code code, std::string_view tensor, std::string expected, std::string found) const {
    fail(code, {.file = file_,
                .where = weight_map_path_of(tensor),
                .expected = std::move(expected),
                .found = std::move(found)});
  }

  void check_name(std::string_view tensor, std::string_view shard) const {
    const bool inside = stays_inside(shard) && shard.find('/') == std::string_view::npos;
    if (!inside) fail_at(error_code::bad_path, tensor, "the plain name of a file in the same folder", excerpt(shard));
  }

  const std::string& file_;
  const safetensors_limits& limits_;
  std::map<std::string, std::size_t, std::less<>> numbers_{};
  shard_index index_{};
};

/// Reads an index of at most 1 MiB. `metadata` is not looked at, but has to be an object.
/// Throws: io_error, truncated, limit_exceeded, bad_json, duplicate_key, missing_key, bad_type, bad_value (no tensors),
///   bad_path.
[[nodiscard]] inline shard_index read_shard_index(const std::filesystem::path& path, const safetensors_limits& limits) {
  constexpr json_limits json{};
  const std::string file = path.string();
  shard_index_reader reader(file, limits);
  const auto document = json_document::parse(
      read_text_file(path, json.max_bytes), file, json,
      {{.path = std::string(weight_map_path),
        .sink = [&reader](std::string_view tensor, const json_scalar& shard) { reader.add(tensor, shard); }}});
  const json_value map = document.root().at("weight_map");
  if (!map.is_streamed()) map.fail_type("an object");
  if (const auto metadata = document.root().find("metadata"); metadata && !metadata->is_object()) {
    metadata->fail_type("an object");
  }
  shard_index index = reader.take();
  if (index.tensors.empty()) map.fail_value("at least one tensor", "none");
  return index;
}

}  // namespace ultrafastbert::io
