// SPDX-License-Identifier: MIT
//
// A tensor source over the memory of the program: for weights that a host made itself or took from a format of its own.
// Layer: core.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/tensor_source.hpp"

namespace ultrafastbert {

/// Named arrays of floats, owned. Adding is for one thread at a time; afterwards any number of threads may read.
class memory_source final : public tensor_source {
 public:
  /// An empty source that errors call `name`.
  explicit memory_source(std::string name = "memory") : name_(std::move(name)) {}

  /// Adds a tensor, or replaces the one of that name. Shapes: values: as many as the product of `shape`.
  /// Throws: shape_mismatch (another number of values), std::bad_alloc.
  void add(std::string_view tensor_name, std::vector<std::size_t> shape, std::vector<float> values) {
    std::size_t count = 1;
    for (const std::size_t size : shape) {
      const bool fits = size == 0 || count <= (std::numeric_limits<std::size_t>::max)() / size;
      count = fits ? count * size : (std::numeric_limits<std::size_t>::max)();
    }
    if (count != values.size()) {
      fail(error_code::shape_mismatch, {.file = name_,
                                        .where = excerpt(tensor_name),
                                        .expected = "the elements of " + shape_text(shape),
                                        .found = std::to_string(values.size())});
    }
    const auto place = place_of(tensor_name);
    if (place != sorted_.end() && tensors_[*place].name == tensor_name) {
      tensors_[*place] = {std::string(tensor_name), std::move(shape), std::move(values)};
      return;
    }
    sorted_.insert(place, tensors_.size());
    tensors_.push_back({std::string(tensor_name), std::move(shape), std::move(values)});
  }

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }     ///< for messages
  [[nodiscard]] std::size_t size() const noexcept override { return tensors_.size(); }  ///< number of tensors
  /// The number of a tensor, or nothing.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view tensor_name) const override {
    const auto place = place_of(tensor_name);
    return place == sorted_.end() || tensors_[*place].name != tensor_name ? std::nullopt : std::optional(*place);
  }
  /// Its name. Pre: tensor < size().
  [[nodiscard]] std::string_view tensor_name(std::size_t tensor) const override { return tensors_[tensor].name; }
  /// Its sizes. Pre: tensor < size().
  [[nodiscard]] std::vector<std::size_t> shape(std::size_t tensor) const override { return tensors_[tensor].shape; }

  /// Copies elements. Shapes: out: any number of the tensor's. Pre: tensor < size().
  /// Throws: invalid_input (the range leaves the tensor).
  void read(std::size_t tensor, std::size_t first_element, std::span<float> out) const override {
    copy(tensor, first_element, out);
  }
  /// The same in double. Shapes, Pre, Throws: as above.
  void read(std::size_t tensor, std::size_t first_element, std::span<double> out) const override {
    copy(tensor, first_element, out);
  }

  /// All elements of a tensor. Pre: tensor < size().
  [[nodiscard]] std::span<const float> values(std::size_t tensor) const noexcept { return tensors_[tensor].values; }

 private:
  struct entry {
    std::string name{};
    std::vector<std::size_t> shape{};
    std::vector<float> values{};
  };

  // Where a name is, or would be, in the sorted numbers.
  [[nodiscard]] std::vector<std::size_t>::const_iterator place_of(std::string_view tensor_name) const {
    return std::lower_bound(
        sorted_.begin(), sorted_.end(), tensor_name,
        [this](std::size_t number, std::string_view wanted) { return tensors_[number].name < wanted; });
  }

  template <class Scalar>
  void copy(std::size_t tensor, std::size_t first_element, std::span<Scalar> out) const {
    const std::vector<float>& from = tensors_[tensor].values;
    if (first_element > from.size() || out.size() > from.size() - first_element) {
      fail(error_code::invalid_input,
           {.file = name_,
            .where = excerpt(tensors_[tensor].name),
            .expected = "a range inside its " + std::to_string(from.size()) + " elements",
            .found = std::to_string(out.size()) + " elements from " + std::to_string(first_element)});
    }
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(first_element), out.size(), out.begin());
  }

  std::string name_;
  std::vector<entry> tensors_{};
  std::vector<std::size_t> sorted_{};  // numbers of the tensors, by name
};

}  // namespace ultrafastbert
