// SPDX-License-Identifier: MIT
//
// What the tests of io/ share: containers built in memory, and errors caught as values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/scratch_folder.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/safetensors.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"

namespace ufb_test {

namespace ufb = ultrafastbert;

/// Code of the error that `action` throws, "none" if it throws nothing.
template <class Action>
std::string code_of(Action&& action) {
  const auto problem = error_of(std::forward<Action>(action));
  return problem ? std::string(ufb::name(problem->code())) : "none";
}

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// A container: the header's length, the header, the data.
inline std::string container(std::string_view header, const std::string& data = {}) {
  const std::uint64_t length = header.size();
  std::array<char, 8> prefix{};
  std::memcpy(prefix.data(), &length, sizeof(length));
  return std::string(prefix.data(), prefix.size()) + std::string(header) + data;
}

/// Parses a block that the caller keeps.
inline ufb::safetensors parse(const std::string& block, const ufb::safetensors_limits& limits = {}) {
  return ufb::safetensors::from_memory(bytes_of(block), "block", limits);
}

/// The bytes of an array of numbers.
template <class T>
std::string data_of(const std::vector<T>& values) {
  std::string out(values.size() * sizeof(T), '\0');
  if (!out.empty()) std::memcpy(out.data(), values.data(), out.size());
  return out;
}

/// A container that holds one tensor of one dimension.
template <class T>
std::string one_tensor(const std::string& name, const std::string& dtype, const std::vector<T>& values) {
  const std::string data = data_of(values);
  return container("{\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + std::to_string(values.size()) +
                       "],\"data_offsets\":[0," + std::to_string(data.size()) + "]}}",
                   data);
}

/// What Git LFS leaves in place of a file of `size` bytes.
inline std::string lfs_pointer(std::size_t size) {
  return "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') + "\nsize " +
         std::to_string(size) + '\n';
}

/// Elements of a tensor that is there.
template <class Scalar>
std::vector<Scalar> read(const ufb::safetensors_source& source, std::string_view name, std::size_t first,
                         std::size_t count) {
  std::vector<Scalar> out(count);
  source.read(source.find(name).value(), first, std::span<Scalar>(out));
  return out;
}

/// The sizes of a tensor that is there.
inline std::vector<std::size_t> shape_of(const ufb::safetensors_source& source, std::string_view name) {
  return source.shape(source.find(name).value());
}

/// Names in their order, all or those that were not read.
inline std::vector<std::string_view> names_of(const ufb::safetensors_source& source, bool unread_only = false) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (!unread_only || !source.was_read(i)) names.push_back(source.tensor_name(i));
  }
  return names;
}

}  // namespace ufb_test
