// SPDX-License-Identifier: MIT
//
// The library's source over memory, and a record of what was read; random weights for a list of parameters.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/memory_source.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/tensor_source.hpp"

namespace ufb_test {

using tensor_shape = std::vector<std::size_t>;

[[nodiscard]] inline std::size_t element_count(const tensor_shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

/// Named arrays whose values are exact in float, so that every scalar type reads the same numbers.
class noted_source final : public ultrafastbert::tensor_source {
 public:
  struct entry {
    tensor_shape shape{};
    std::vector<float> values{};
  };

  void add(std::string_view name, const tensor_shape& shape, std::vector<float> values) {
    store_.add(name, shape, std::move(values));
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

  [[nodiscard]] entry at(std::string_view tensor) const {
    const auto number = store_.find(tensor);
    if (!number) throw std::runtime_error("no tensor " + std::string(tensor));
    const auto values = store_.values(*number);
    return {.shape = store_.shape(*number), .values = {values.begin(), values.end()}};
  }

  void remove(std::string_view tensor) {
    ultrafastbert::memory_source rest(store_.name());
    for (const std::string& other : names()) {
      if (other != tensor) rest.add(other, at(other).shape, at(other).values);
    }
    store_ = std::move(rest);
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < store_.size(); ++i) out.emplace_back(store_.tensor_name(i));
    return out;
  }

  /// Names that were never read.
  [[nodiscard]] std::vector<std::string> unread() const {
    std::vector<std::string> out;
    for (const std::string& tensor : names()) {
      if (read_.count(tensor) == 0) out.push_back(tensor);
    }
    return out;
  }

  [[nodiscard]] const std::string& name() const noexcept override { return store_.name(); }
  [[nodiscard]] std::size_t size() const noexcept override { return store_.size(); }
  [[nodiscard]] std::optional<std::size_t> find(std::string_view tensor) const override { return store_.find(tensor); }
  [[nodiscard]] std::string_view tensor_name(std::size_t tensor) const override { return store_.tensor_name(tensor); }
  [[nodiscard]] tensor_shape shape(std::size_t tensor) const override { return store_.shape(tensor); }
  void read(std::size_t tensor, std::size_t first_element, std::span<float> out) const override {
    note(tensor, first_element, out);
  }
  void read(std::size_t tensor, std::size_t first_element, std::span<double> out) const override {
    note(tensor, first_element, out);
  }

 private:
  template <class Scalar>
  void note(std::size_t tensor, std::size_t first_element, std::span<Scalar> out) const {
    read_.emplace(store_.tensor_name(tensor));
    store_.read(tensor, first_element, out);
  }

  ultrafastbert::memory_source store_{};
  mutable std::set<std::string> read_{};
};

/// Names and shapes of parameters.
using tensor_list = std::map<std::string, tensor_shape>;

/// What a layer or model notes by `parameters(arguments...)`; a name that comes twice fails the test.
template <class Layer, class... Arguments>
[[nodiscard]] tensor_list parameters_of(Layer& layer, const Arguments&... arguments) {
  ultrafastbert::parameter_list list;
  layer.parameters(arguments..., list);
  tensor_list out;
  for (const auto& [name, shape, take] : list.parameters()) {
    if (!out.emplace(name, shape).second) FAIL_CHECK("noted twice: " << name);
  }
  return out;
}

/// A source with random values for every tensor of `list`.
[[nodiscard]] inline noted_source random_source(const tensor_list& list, std::uint64_t seed) {
  noted_source source;
  random_numbers random(seed);
  for (const auto& [name, shape] : list) source.add_random(name, shape, random);
  return source;
}

}  // namespace ufb_test
