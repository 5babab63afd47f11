// SPDX-License-Identifier: MIT
//
// Safetensors containers as one `tensor_source`: weights by name, checked for NaN and infinity. Here, and nowhere else,
// the forms of a name become one: a prefix `module.`, which wrapped training code leaves on some names or on all, is
// dropped, as the loader of the published training code does.
// Layer: io.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/io/safetensors.hpp"
#include "ultrafastbert/io/tensor_entry.hpp"
#include "ultrafastbert/io/weight_files.hpp"

namespace ultrafastbert {

/// How weights are taken.
struct safetensors_source_options {
  bool allow_non_finite = false;  ///< accept NaN and infinite weights
};

namespace io {

/// Index of the first NaN or infinity, or the size. Tests the bits, which -ffast-math cannot optimize away.
template <std::floating_point Scalar>
[[nodiscard]] std::size_t find_non_finite(std::span<const Scalar> values) noexcept {
  using word = std::conditional_t<sizeof(Scalar) == sizeof(std::uint32_t), std::uint32_t, std::uint64_t>;
  constexpr word exponent = std::bit_cast<word>(std::numeric_limits<Scalar>::infinity());
  const auto is_bad = [](Scalar value) { return (std::bit_cast<word>(value) & exponent) == exponent; };
  bool any = false;  // no early exit: this loop is vectorized, and bad values are the exception
  for (const Scalar value : values) any |= is_bad(value);
  if (!any) return values.size();
  return static_cast<std::size_t>(std::find_if(values.begin(), values.end(), is_bad) - values.begin());
}

}  // namespace io

/// Weights of one container or of several, and a note of which were read. Tensors are numbered in file order.
class safetensors_source final : public tensor_source {
 public:
  /// Pre: `file` outlives the source and stays where it is.
  /// Throws: duplicate_key (a name with and without `module.`), std::bad_alloc.
  explicit safetensors_source(const safetensors& file, safetensors_source_options options = {})
      : safetensors_source(std::span(&file, 1), file.name(), options) {}
  explicit safetensors_source(const safetensors&&, safetensors_source_options = {}) = delete;

  /// Pre: `weights` outlives the source and stays where it is. Throws: as above.
  explicit safetensors_source(const weight_files& weights, safetensors_source_options options = {})
      : safetensors_source(weights.files(), weights.name(), options) {}
  explicit safetensors_source(const weight_files&&, safetensors_source_options = {}) = delete;

  [[nodiscard]] const std::string& name() const noexcept override { return *name_; }    ///< for messages
  [[nodiscard]] std::size_t size() const noexcept override { return tensors_.size(); }  ///< number of tensors

  /// The number of a tensor by its name without `module.`, or nothing.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view tensor_name) const override {
    const auto at = std::lower_bound(
        by_name_.begin(), by_name_.end(), tensor_name,
        [this](std::size_t tensor, std::string_view wanted) { return tensors_[tensor].name < wanted; });
    if (at == by_name_.end() || tensors_[*at].name != tensor_name) return std::nullopt;
    return *at;
  }

  /// The name without `module.`. Pre: tensor < size().
  [[nodiscard]] std::string_view tensor_name(std::size_t tensor) const override { return tensors_[tensor].name; }
  /// The sizes. Pre: tensor < size().
  [[nodiscard]] std::vector<std::size_t> shape(std::size_t tensor) const override {
    const auto& sizes = entry(tensor).shape;
    return {sizes.begin(), sizes.end()};
  }
  /// What the container says of a tensor, with its full name. Pre: tensor < size().
  [[nodiscard]] const tensor_entry& entry(std::size_t tensor) const noexcept { return *tensors_[tensor].entry; }
  /// The container of a tensor. Pre: tensor < size().
  [[nodiscard]] const safetensors& file(std::size_t tensor) const noexcept { return files_[tensors_[tensor].file]; }
  /// Whether a tensor was read. Pre: tensor < size().
  [[nodiscard]] bool was_read(std::size_t tensor) const noexcept { return was_read_[tensor]; }

  /// Fills `out` with row-major elements of a tensor, from `first_element` on.
  /// Shapes: out: any number of the tensor's elements. Pre: tensor < size().
  /// Throws: unsupported (no floating tensor), non_finite (at a NaN or infinity, also one that the type of `out` cannot
  ///   represent), invalid_input (the range leaves the tensor), truncated, io_error.
  void read(std::size_t tensor, std::size_t first_element, std::span<float> out) const override {
    read_checked(tensor, first_element, out);
  }
  /// The same in double. Shapes, Pre, Throws: as above.
  void read(std::size_t tensor, std::size_t first_element, std::span<double> out) const override {
    read_checked(tensor, first_element, out);
  }

 private:
  struct place {
    std::string_view name{};  // without the prefix
    const tensor_entry* entry = nullptr;
    std::size_t file = 0;
  };

  safetensors_source(std::span<const safetensors> files, const std::string& name, safetensors_source_options options)
      : files_(files), name_(&name), options_(options) {
    constexpr std::string_view wrapper = "module.";
    for (std::size_t f = 0; f < files.size(); ++f) {
      for (const tensor_entry& entry : files[f].tensors()) {
        std::string_view plain = entry.name;
        if (plain.starts_with(wrapper)) plain.remove_prefix(wrapper.size());
        tensors_.push_back({.name = plain, .entry = &entry, .file = f});
        by_name_.push_back(by_name_.size());
      }
    }
    was_read_.resize(tensors_.size(), false);
    std::sort(by_name_.begin(), by_name_.end(),
              [this](std::size_t a, std::size_t b) { return tensors_[a].name < tensors_[b].name; });
    const auto twice = std::adjacent_find(by_name_.begin(), by_name_.end(), [this](std::size_t a, std::size_t b) {
      return tensors_[a].name == tensors_[b].name;
    });
    if (twice != by_name_.end()) {
      fail(error_code::duplicate_key, {.file = name,
                                       .where = excerpt(tensors_[*twice].name),
                                       .expected = "every tensor once",
                                       .found = "the same name with and without 'module.'"});
    }
  }

  template <class Scalar>
  void read_checked(std::size_t tensor, std::size_t first_element, std::span<Scalar> out) const {
    // Checked in pieces that are still in the cache when they are looked at.
    constexpr std::size_t piece = 65'536;
    for (std::size_t done = 0; done == 0 || done < out.size(); done += piece) {
      const auto part = out.subspan(done, (std::min)(piece, out.size() - done));
      file(tensor).read(entry(tensor), std::uint64_t{first_element} + done, part);
      if (!options_.allow_non_finite) check_finite<Scalar>(tensor, std::uint64_t{first_element} + done, part);
    }
    was_read_[tensor] = true;
  }

  template <class Scalar>
  void check_finite(std::size_t tensor, std::uint64_t first_element, std::span<const Scalar> values) const {
    const std::size_t index = io::find_non_finite(values);
    if (index == values.size()) return;
    const std::uint64_t element = first_element + index;
    fail(error_code::non_finite, {.file = file(tensor).name(),
                                  .where = excerpt(entry(tensor).name),
                                  .expected = "finite weights",
                                  .found = std::to_string(values[index]) + " at element " + std::to_string(element)});
  }

  std::span<const safetensors> files_;
  const std::string* name_;
  safetensors_source_options options_;
  std::vector<place> tensors_{};        // in file order
  std::vector<std::size_t> by_name_{};  // numbers, sorted by name
  mutable std::vector<bool> was_read_{};
};

}  // namespace ultrafastbert
