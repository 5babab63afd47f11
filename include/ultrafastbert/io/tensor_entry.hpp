// SPDX-License-Identifier: MIT
//
// What a safetensors header says: its tensors, its metadata, the bounds put on both, and the checks that need the whole
// header: unique names, and tensors that tile the data section without holes or overlap.
// Layer: io.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/dtype.hpp"

namespace ultrafastbert {

/// One tensor of a file.
struct tensor_entry {
  std::string name;
  dtype type = dtype::f32;
  std::vector<std::uint64_t> shape{};  ///< row-major; empty: a scalar
  std::uint64_t begin = 0;             ///< first byte inside the data section
  std::uint64_t end = 0;               ///< one past the last byte
};

/// Number of elements of a parsed tensor: the product of its shape.
[[nodiscard]] inline std::uint64_t element_count(const tensor_entry& entry) noexcept {
  return std::accumulate(entry.shape.begin(), entry.shape.end(), std::uint64_t{1}, std::multiplies<>());
}

/// Bounds on a container. `header_bytes` exceeded is bad_header_length, `nesting` bad_json, the others limit_exceeded.
struct safetensors_limits {
  std::uint64_t header_bytes = 100'000'000;
  std::size_t tensors = 100'000;
  std::size_t rank = 32;
  std::size_t name_bytes = 1024;                     ///< length of a tensor's name, or of a key in its entry
  std::size_t nesting = 16;                          ///< objects and arrays inside each other, the outermost included
  std::size_t fields = 64;                           ///< keys of a tensor's entry, or of an object that is ignored
  std::size_t ignored = 100'000;                     ///< values in unknown fields of the whole header
  std::size_t metadata = 100'000;                    ///< keys of `__metadata__`
  std::size_t string_bytes = std::size_t{8} << 20U;  ///< length of any string as written
  std::size_t shards = 256;                          ///< files of one index; each stays open while it is in use
};

namespace io {

/// Shape as text, such as "[3, 768]".
[[nodiscard]] inline std::string shape_text(const std::vector<std::uint64_t>& shape) {
  std::string text = "[";
  for (const std::uint64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ']';
}

struct safetensors_header {
  std::vector<tensor_entry> tensors{};                          // in header order
  std::vector<std::pair<std::string, std::string>> metadata{};  // in header order
  std::vector<std::uint32_t> by_name{};                         // indices into tensors, sorted by name
};

/// Where in its file a header stands, for messages and for checking offsets.
struct safetensors_layout {
  std::string_view file;
  std::uint64_t data_start = 0;
  std::uint64_t data_bytes = 0;
};

inline constexpr std::string_view metadata_key = "__metadata__";
inline constexpr std::uint64_t largest_size = (std::uint64_t{1} << 63U) - 1;

[[noreturn, gnu::cold]] inline void fail_twice(const safetensors_layout& layout, std::string where,
                                               std::string_view what) {
  fail(error_code::duplicate_key, {.file = std::string(layout.file),
                                   .where = std::move(where),
                                   .expected = "every key once",
                                   .found = std::string(what) + " twice"});
}

[[noreturn, gnu::cold]] inline void fail_offsets(const safetensors_layout& layout, const tensor_entry& entry,
                                                 std::string expected) {
  fail(error_code::bad_offsets,
       {.file = std::string(layout.file),
        .where = excerpt(entry.name),
        .expected = std::move(expected),
        .found = "data_offsets [" + std::to_string(entry.begin) + ", " + std::to_string(entry.end) + ']',
        .byte_offset = layout.data_start + entry.begin});
}

/// Sorts the tensors' names. Throws: duplicate_key.
inline void index_names(const safetensors_layout& layout, safetensors_header& header) {
  auto& order = header.by_name;
  const auto& tensors = header.tensors;
  order.resize(tensors.size());
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return tensors[a].name < tensors[b].name; });
  const auto twice = std::adjacent_find(order.begin(), order.end(),
                                        [&](auto a, auto b) { return tensors[a].name == tensors[b].name; });
  if (twice != order.end()) fail_twice(layout, excerpt(tensors[*twice].name), "the tensor");
}

/// Throws: duplicate_key.
inline void check_metadata_keys(const safetensors_layout& layout, const safetensors_header& header) {
  std::vector<std::string_view> keys;
  keys.reserve(header.metadata.size());
  for (const auto& member : header.metadata) keys.emplace_back(member.first);
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end()) fail_twice(layout, std::string(metadata_key), excerpt(*twice));
}

/// Sorted by position, each tensor begins where the one before ends, and the last ends with the file.
/// Throws: bad_offsets, truncated, trailing_bytes.
inline void check_tiling(const safetensors_layout& layout, const safetensors_header& header) {
  std::vector<const tensor_entry*> order;
  order.reserve(header.tensors.size());
  for (const auto& entry : header.tensors) order.push_back(&entry);
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
  const tensor_entry* before = nullptr;
  for (const auto* entry : order) {
    const std::uint64_t expected = before != nullptr ? before->end : 0;
    if (entry->begin != expected) {
      fail_offsets(layout, *entry,
                   "a begin of " + std::to_string(expected) + ", where " +
                       (before != nullptr ? excerpt(before->name) + " ends" : "the data section begins"));
    }
    before = entry;
  }
  const std::uint64_t needed = before != nullptr ? before->end : 0;
  if (needed == layout.data_bytes) return;
  fail(layout.data_bytes > needed ? error_code::trailing_bytes : error_code::truncated,
       {.file = std::string(layout.file),
        .where = before != nullptr ? excerpt(before->name) : std::string(),
        .expected = std::to_string(needed) + " bytes of tensor data",
        .found = std::to_string(layout.data_bytes),
        .byte_offset = layout.data_start + (std::min)(needed, layout.data_bytes)});
}

}  // namespace io

}  // namespace ultrafastbert
