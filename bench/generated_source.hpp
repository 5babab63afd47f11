// SPDX-License-Identifier: MIT
//
// A tensor source without a file: every tensor of an encoder, of random numbers that depend on its name alone.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "random.hpp"

namespace ufb_bench {

/// Models ultrafastbert's tensor_source. Weight matrices are normal with the deviation 1 / sqrt(columns), so that
/// states keep their size from layer to layer; norms are close to the identity; biases of nodes are small.
class generated_source {
 public:
  explicit generated_source(std::uint64_t seed) : seed_(seed) {}

  [[nodiscard]] static bool contains(std::string_view /*name*/) noexcept { return true; }
  [[nodiscard]] static std::vector<std::size_t> shape(std::string_view /*name*/) { return {}; }

  template <class Scalar>
  void read(std::string_view name, std::span<const std::size_t> shape, std::size_t first, std::span<Scalar> out) const {
    const bool is_matrix = shape.size() == 2;
    const bool is_norm = name.find("norm.") != std::string_view::npos ||
                         name.find("norm1.") != std::string_view::npos || name.find("norm2.") != std::string_view::npos;
    const double deviation = is_matrix ? 1.0 / std::sqrt(static_cast<double>(shape[1])) : 0.05;
    const normal_stream values(seed_ + std::hash<std::string_view>{}(name), static_cast<float>(deviation));
    const Scalar base = is_norm && name.ends_with("weight") ? Scalar{1} : Scalar{0};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = base + static_cast<Scalar>(values[first + i]);
    if (name.ends_with("norm_factor")) out[0] = static_cast<Scalar>(head_factor);
  }

 private:
  static constexpr double head_factor = 0.125;  // 1 / sqrt(64)

  std::uint64_t seed_;
};

}  // namespace ufb_bench
