// SPDX-License-Identifier: MIT
//
// Named arrays for tests: read from and written to safetensors files, compared with tolerances.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ultrafastbert/io/safetensors.hpp"

namespace ufb_test {

/// An array of float or std::int32_t with its sizes.
template <class T>
struct tensor {
  std::string name{};
  std::vector<std::size_t> shape{};
  std::vector<T> values{};
};

/// What a case computed.
struct tensor_set {
  std::vector<tensor<float>> reals{};
  std::vector<tensor<std::int32_t>> integers{};
};

/// All elements of a tensor of `file`, converted.
template <class T>
[[nodiscard]] tensor<T> read(const ultrafastbert::safetensors& file, std::string_view name) {
  const auto* entry = file.find(name);
  if (entry == nullptr) throw std::runtime_error("no tensor " + std::string(name) + " in " + file.name());
  tensor<T> out;
  out.name = name;
  out.shape.assign(entry->shape.begin(), entry->shape.end());
  std::size_t count = 1;
  for (const std::size_t size : out.shape) count *= size;
  out.values.resize(count);
  file.read<T>(*entry, 0, std::span<T>(out.values));
  return out;
}

/// Writes all arrays as F32 and I32.
inline void write(const tensor_set& tensors, const std::filesystem::path& path) {
  static_assert(std::endian::native == std::endian::little);
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::size_t offset = 0;
  const auto announce = [&](const auto& list, const char* dtype) {
    for (const auto& t : list) {
      const std::size_t bytes = t.values.size() * sizeof(t.values[0]);
      header[t.name] = {{"dtype", dtype}, {"shape", t.shape}, {"data_offsets", {offset, offset + bytes}}};
      offset += bytes;
    }
  };
  announce(tensors.reals, "F32");
  announce(tensors.integers, "I32");
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::ofstream out(path, std::ios::binary);
  const std::uint64_t length = text.size();
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << text;
  const auto store = [&out](const auto& list) {
    for (const auto& t : list) {
      out.write(reinterpret_cast<const char*>(t.values.data()),
                static_cast<std::streamsize>(t.values.size() * sizeof(t.values[0])));
    }
  };
  store(tensors.reals);
  store(tensors.integers);
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

/// Largest |a - b|; NaN anywhere counts as infinite. Throws if the sizes differ.
template <class T, class U>
[[nodiscard]] double largest_difference(std::span<const T> a, std::span<const U> b) {
  if (a.size() != b.size()) {
    throw std::runtime_error("sizes differ: " + std::to_string(a.size()) + " and " + std::to_string(b.size()));
  }
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (std::isnan(difference)) return HUGE_VAL;
    largest = std::max(largest, difference);
  }
  return largest;
}

}  // namespace ufb_test
