// SPDX-License-Identifier: MIT
//
// Where layers take their weights from: named tensors whose elements are handed out as float or double. A base class,
// not a template parameter: what loads weights is compiled once, whatever they come from.
// Layer: core.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ultrafastbert {

/// A set of named tensors. Tensors are numbered from 0 to size() - 1; a number is looked up once and used for all
/// reads. A source may note what was read: one thread at a time uses it.
class tensor_source {
 public:
  virtual ~tensor_source() = default;

  [[nodiscard]] virtual const std::string& name() const noexcept = 0;  ///< of the file or the memory, for messages
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;         ///< number of tensors

  /// The number of a tensor, or nothing.
  [[nodiscard]] virtual std::optional<std::size_t> find(std::string_view tensor_name) const = 0;
  /// The name that `find` finds a tensor by. Valid while the source lives. Pre: tensor < size().
  [[nodiscard]] virtual std::string_view tensor_name(std::size_t tensor) const = 0;
  /// The sizes of a tensor, row-major; none for a scalar. Pre: tensor < size().
  [[nodiscard]] virtual std::vector<std::size_t> shape(std::size_t tensor) const = 0;

  /// Fills `out` with row-major elements of a tensor, from `first_element` on.
  /// Shapes: out: any number of the tensor's elements. Pre: tensor < size().
  /// Throws: what the source documents, at least invalid_input (the range leaves the tensor).
  virtual void read(std::size_t tensor, std::size_t first_element, std::span<float> out) const = 0;
  /// The same in double. Shapes, Pre, Throws: as above.
  virtual void read(std::size_t tensor, std::size_t first_element, std::span<double> out) const = 0;

  /// Whether there is a tensor of that name.
  [[nodiscard]] bool contains(std::string_view tensor_name) const { return find(tensor_name).has_value(); }

 protected:
  tensor_source() = default;
  tensor_source(const tensor_source&) = default;
  tensor_source(tensor_source&&) = default;
  tensor_source& operator=(const tensor_source&) = default;
  tensor_source& operator=(tensor_source&&) = default;
};

/// One tensor of a source, found and checked. Cheap to copy; valid while the source lives.
class tensor {
 public:
  /// Pre: number < source.size().
  tensor(const tensor_source& source, std::size_t number) noexcept : source_(&source), number_(number) {}

  [[nodiscard]] std::string_view name() const { return source_->tensor_name(number_); }     ///< in the source
  [[nodiscard]] std::vector<std::size_t> shape() const { return source_->shape(number_); }  ///< row-major
  [[nodiscard]] const tensor_source& source() const noexcept { return *source_; }           ///< where it is from

  /// Fills `out` with row-major elements from `first_element` on; `Scalar` is float or double.
  /// Shapes: out: any number of the tensor's elements. Throws: what the source's `read` throws.
  template <class Scalar>
  void read(std::size_t first_element, std::span<Scalar> out) const {
    source_->read(number_, first_element, out);
  }

 private:
  const tensor_source* source_;
  std::size_t number_;
};

}  // namespace ultrafastbert
