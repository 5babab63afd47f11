// SPDX-License-Identifier: MIT
//
// A tensor source without a file: tensors of random numbers that are made again whenever they are read, so that layers
// and encoders of any size can be loaded.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "random.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/tensor_source.hpp"

namespace ufb_bench {

/// Named streams of normal numbers, each with a shape and a number that is added to all of its elements.
class generated_source final : public ultrafastbert::tensor_source {
 public:
  void add(std::string name, std::vector<std::size_t> shape, const normal_stream& values, float mean = 0.0F) {
    tensors_.push_back({std::move(name), std::move(shape), values, mean});
  }

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::size_t size() const noexcept override { return tensors_.size(); }
  [[nodiscard]] std::optional<std::size_t> find(std::string_view tensor_name) const override {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (tensors_[i].name == tensor_name) return i;
    }
    return std::nullopt;
  }
  [[nodiscard]] std::string_view tensor_name(std::size_t tensor) const override { return tensors_[tensor].name; }
  [[nodiscard]] std::vector<std::size_t> shape(std::size_t tensor) const override { return tensors_[tensor].shape; }

  void read(std::size_t tensor, std::size_t first_element, std::span<float> out) const override {
    tensors_[tensor].values.read(first_element, out);
    for (float& value : out) value += tensors_[tensor].mean;
  }
  void read(std::size_t tensor, std::size_t first_element, std::span<double> out) const override {
    std::vector<float> values(out.size());
    read(tensor, first_element, std::span(values));
    std::copy(values.begin(), values.end(), out.begin());
  }

 private:
  struct entry {
    std::string name{};
    std::vector<std::size_t> shape{};
    normal_stream values;
    float mean = 0.0F;
  };

  std::string name_ = "random numbers";
  std::vector<entry> tensors_{};
};

/// Weights for the parameters of an encoder, which depend on their names and the seed alone. Matrices are normal with
/// the deviation 1 / sqrt(columns), so that states keep their size from layer to layer; norms are close to the
/// identity; biases of nodes are small; attention has heads of 64 columns.
[[nodiscard]] inline generated_source random_weights(std::span<const ultrafastbert::parameter> parameters,
                                                     std::uint64_t seed) {
  constexpr float norm_factor = 0.125F;  // 1 / sqrt(64)
  generated_source source;
  for (const auto& [name, shape, take] : parameters) {
    const bool is_norm = name.find("norm.") != std::string::npos || name.find("norm1.") != std::string::npos ||
                         name.find("norm2.") != std::string::npos || name.find("LayerNorm.") != std::string::npos;
    const double deviation = shape.size() == 2 ? 1.0 / std::sqrt(static_cast<double>(shape[1])) : 0.05;
    const bool is_factor = name.ends_with("norm_factor");
    source.add(name, shape,
               {seed + std::hash<std::string_view>{}(name), is_factor ? 0.0F : static_cast<float>(deviation)},
               is_factor                             ? norm_factor
               : is_norm && name.ends_with("weight") ? 1.0F
                                                     : 0.0F);
  }
  return source;
}

}  // namespace ufb_bench
