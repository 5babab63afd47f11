// SPDX-License-Identifier: MIT
//
// A safetensors container as a `tensor_source`: weights by name, checked for shape and for NaN and infinity.
// A prefix `module.`, which wrapped training code leaves on every name, is dropped.
// Layer: io.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/io/safetensors.hpp"

namespace ultrafastbert {

/// How weights are taken.
struct safetensors_source_options {
  bool allow_non_finite = false;  ///< accept NaN and infinite weights
};

namespace detail {

/// Index of the first NaN or infinity, or the size. Tests the bits, which -ffast-math cannot optimise away.
template <std::floating_point Scalar>
[[nodiscard]] std::size_t find_non_finite(std::span<const Scalar> values) noexcept {
  using word = std::conditional_t<sizeof(Scalar) == sizeof(std::uint32_t), std::uint32_t, std::uint64_t>;
  constexpr word exponent = std::bit_cast<word>(std::numeric_limits<Scalar>::infinity());
  const auto is_bad = [](Scalar value) { return (std::bit_cast<word>(value) & exponent) == exponent; };
  bool any = false;  // no early exit: this loop is vectorised, and bad values are the exception
  for (const Scalar value : values) any |= is_bad(value);
  if (!any) return values.size();
  return static_cast<std::size_t>(std::find_if(values.begin(), values.end(), is_bad) - values.begin());
}

}  // namespace detail

/// Weights of one container, and a note of which were read.
/// `read` takes that note: one thread at a time uses a source.
class safetensors_source {
 public:
  /// Pre: `file` outlives the source and stays where it is.
  explicit safetensors_source(const safetensors& file, safetensors_source_options options = {})
      : file_(&file), options_(options), was_read_(file.tensors().size(), false) {
    const auto tensors = file.tensors();
    const bool wrapped = !tensors.empty() && std::all_of(tensors.begin(), tensors.end(), [](const tensor_entry& entry) {
      return entry.name.starts_with(wrapper_prefix);
    });
    if (wrapped) prefix_ = wrapper_prefix;
  }
  explicit safetensors_source(const safetensors&&, safetensors_source_options = {}) = delete;

  [[nodiscard]] bool contains(std::string_view name) const { return find(name) != nullptr; }  ///< without `module.`

  /// Sizes of a tensor. Throws: missing_tensor.
  [[nodiscard]] std::vector<std::size_t> shape(std::string_view name) const {
    const tensor_entry& entry = at(name, "the tensor to be present");
    return {entry.shape.begin(), entry.shape.end()};
  }

  /// Fills `out` with row-major elements of a tensor, from `first_element` on.
  /// Shapes: out: any number of the tensor's elements.
  /// Throws: missing_tensor (absent or of another shape), unsupported (no floating tensor), non_finite (at a NaN or
  ///   infinity, also one that `Scalar` cannot represent), invalid_input (the range leaves the tensor), truncated,
  ///   io_error.
  template <class Scalar>
  requires std::same_as<Scalar, float> || std::same_as<Scalar, double>
  void read(std::string_view name, std::span<const std::size_t> shape, std::size_t first_element,
            std::span<Scalar> out) const;

  /// Names of all tensors, in file order and without `module.`.
  [[nodiscard]] std::vector<std::string_view> names() const {
    return select([](std::size_t) { return true; });
  }

  /// Names of the tensors that were never read, in the same form.
  [[nodiscard]] std::vector<std::string_view> unused() const {
    return select([this](std::size_t index) { return !was_read_[index]; });
  }

 private:
  static constexpr std::string_view wrapper_prefix = "module.";

  [[nodiscard]] const tensor_entry* find(std::string_view name) const {
    return prefix_.empty() ? file_->find(name) : file_->find(std::string(prefix_) + std::string(name));
  }

  [[nodiscard]] const tensor_entry& at(std::string_view name, std::string expected) const {
    if (const tensor_entry* entry = find(name)) return *entry;
    fail(error_code::missing_tensor,
         {.file = file_->name(), .where = excerpt(name), .expected = std::move(expected), .found = "no such tensor"});
  }

  template <class Predicate>
  [[nodiscard]] std::vector<std::string_view> select(const Predicate& wanted) const {
    std::vector<std::string_view> out;
    const auto tensors = file_->tensors();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (wanted(i)) out.push_back(std::string_view(tensors[i].name).substr(prefix_.size()));
    }
    return out;
  }

  template <class Scalar>
  void check_finite(const tensor_entry& entry, std::uint64_t first_element, std::span<const Scalar> values) const {
    const std::size_t index = detail::find_non_finite(values);
    if (index == values.size()) return;
    const std::uint64_t element = first_element + index;
    fail(error_code::non_finite, {.file = file_->name(),
                                  .where = excerpt(entry.name),
                                  .expected = "finite weights",
                                  .found = std::to_string(values[index]) + " at element " + std::to_string(element)});
  }

  const safetensors* file_;
  safetensors_source_options options_;
  std::string_view prefix_{};
  mutable std::vector<bool> was_read_;
};

template <class Scalar>
requires std::same_as<Scalar, float> || std::same_as<Scalar, double>
void safetensors_source::read(std::string_view name, std::span<const std::size_t> shape, std::size_t first_element,
                              std::span<Scalar> out) const {
  const std::vector<std::uint64_t> wanted(shape.begin(), shape.end());
  const tensor_entry& entry = at(name, "shape " + shape_text(wanted));
  if (entry.shape != wanted) {
    fail(error_code::missing_tensor, {.file = file_->name(),
                                      .where = excerpt(entry.name),
                                      .expected = "shape " + shape_text(wanted),
                                      .found = shape_text(entry.shape)});
  }
  // Checked in pieces that are still in the cache when they are looked at.
  constexpr std::size_t piece = 65'536;
  for (std::size_t done = 0; done == 0 || done < out.size(); done += piece) {
    const auto part = out.subspan(done, std::min(piece, out.size() - done));
    file_->read(entry, std::uint64_t{first_element} + done, part);
    if (!options_.allow_non_finite) check_finite<Scalar>(entry, std::uint64_t{first_element} + done, part);
  }
  was_read_[static_cast<std::size_t>(&entry - file_->tensors().data())] = true;
}

static_assert(tensor_source<safetensors_source, float> && tensor_source<safetensors_source, double>);

}  // namespace ultrafastbert
