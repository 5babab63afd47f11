// SPDX-License-Identifier: MIT
//
// A tensor source without files: named arrays in memory, and a record of what was read.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/random.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/tensor_source.hpp"

namespace ufb_test {

using tensor_shape = std::vector<std::size_t>;

[[nodiscard]] inline std::size_t element_count(const tensor_shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

/// Named arrays whose values are exact in float, so that every scalar type reads the same numbers.
class memory_source {
 public:
  struct entry {
    tensor_shape shape{};
    std::vector<float> values{};
  };

  void add(const std::string& name, const tensor_shape& shape, std::vector<float> values) {
    tensors_[name] = {shape, std::move(values)};
  }

  /// Random values of a size that suits the tensor: norm weights and scales around 1, matrix rows of length around 1.
  void add_random(const std::string& name, const tensor_shape& shape, random_numbers& random) {
    const bool is_matrix = shape.size() == 2;
    double scale = is_matrix ? std::exp2(std::ceil(std::log2(1.5 / std::sqrt(static_cast<double>(shape[1]))))) : 0.25;
    if (name.find("word_embedding") != std::string::npos) scale = 1;
    std::vector<float> values = random.reals<float>(element_count(shape), scale);
    const bool around_one = !is_matrix && name.size() >= 6 && name.substr(name.size() - 6) == "weight";
    for (float& value : values) value += around_one || name.find("scale") != std::string::npos ? 1.0F : 0.0F;
    if (name.find("norm_factor") != std::string::npos) values.at(0) = 0.5F;
    add(name, shape, std::move(values));
  }

  [[nodiscard]] const entry& at(const std::string& name) const { return tensors_.at(name); }
  [[nodiscard]] entry& at(const std::string& name) { return tensors_.at(name); }
  void remove(const std::string& name) { tensors_.erase(name); }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, tensor] : tensors_) out.push_back(name);
    return out;
  }

  /// Names that were never read.
  [[nodiscard]] std::vector<std::string> unread() const {
    std::vector<std::string> out = names();
    out.erase(std::remove_if(out.begin(), out.end(), [this](const auto& name) { return read_.count(name) != 0; }),
              out.end());
    return out;
  }

  [[nodiscard]] bool contains(std::string_view name) const { return tensors_.count(std::string(name)) != 0; }

  [[nodiscard]] tensor_shape shape(std::string_view name) const { return find(name).shape; }

  template <class Scalar>
  void read(std::string_view name, std::span<const std::size_t> shape, std::size_t first_element,
            std::span<Scalar> out) const {
    const entry& tensor = find(name);
    if (!std::equal(shape.begin(), shape.end(), tensor.shape.begin(), tensor.shape.end()) ||
        first_element + out.size() > tensor.values.size()) {
      ultrafastbert::fail(ultrafastbert::error_code::missing_tensor, {.where = std::string(name), .found = "a shape"});
    }
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<Scalar>(tensor.values[first_element + i]);
    read_.insert(std::string(name));
  }

 private:
  const entry& find(std::string_view name) const {
    const auto found = tensors_.find(std::string(name));
    if (found == tensors_.end()) {
      ultrafastbert::fail(ultrafastbert::error_code::missing_tensor, {.where = std::string(name)});
    }
    return found->second;
  }

  std::map<std::string, entry> tensors_{};
  mutable std::set<std::string> read_{};
};

static_assert(ultrafastbert::tensor_source<memory_source> && ultrafastbert::tensor_source<memory_source, double>);

/// What a layer's `for_each_tensor` reports, by name.
using tensor_list = std::map<std::string, tensor_shape>;

/// A source with random values for every tensor of `list`.
[[nodiscard]] inline memory_source random_source(const tensor_list& list, std::uint64_t seed) {
  memory_source source;
  random_numbers random(seed);
  for (const auto& [name, shape] : list) source.add_random(name, shape, random);
  return source;
}

}  // namespace ufb_test
