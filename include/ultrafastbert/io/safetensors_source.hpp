// SPDX-License-Identifier: MIT
//
// Safetensors containers as one `tensor_source`: weights by name, checked for shape and for NaN and infinity.
// A prefix `module.`, which wrapped training code leaves on every name, is dropped.
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

/// Weights of one container or of several, and a note of which were read.
/// `read` takes that note: one thread at a time uses a source.
class safetensors_source {
 public:
  /// Pre: `file` outlives the source and stays where it is.
  explicit safetensors_source(const safetensors& file, safetensors_source_options options = {})
      : safetensors_source(std::span(&file, 1), file.name(), options) {}
  explicit safetensors_source(const safetensors&&, safetensors_source_options = {}) = delete;

  /// Pre: `weights` outlives the source and stays where it is.
  explicit safetensors_source(const weight_files& weights, safetensors_source_options options = {})
      : safetensors_source(weights.files(), weights.name(), options) {}
  explicit safetensors_source(const weight_files&&, safetensors_source_options = {}) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return *name_; }                    ///< for messages
  [[nodiscard]] bool contains(std::string_view name) const { return find(name).has_value(); }  ///< without `module.`

  /// Sizes of a tensor. Throws: missing_tensor.
  [[nodiscard]] std::vector<std::size_t> shape(std::string_view name) const {
    const tensor_entry& entry = entry_at(at(name, [] { return std::string("the tensor to be present"); }));
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
    return select([](bool /*was_read*/) { return true; });
  }

  /// Names of the tensors that were never read, in the same form.
  [[nodiscard]] std::vector<std::string_view> unused() const {
    return select([](bool was_read) { return !was_read; });
  }

  /// Calls `visit(name, entry, file, was_read)` for every tensor, in the same order and form; `file` is its container.
  template <class Visitor>
  void for_each(Visitor&& visit) const {
    for (std::size_t f = 0; f < files_.size(); ++f) {
      const auto tensors = files_[f].tensors();
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        visit(std::string_view(tensors[i].name).substr(prefix_.size()), tensors[i], files_[f], bool{was_read_[f][i]});
      }
    }
  }

 private:
  static constexpr std::string_view wrapper_prefix = "module.";

  struct place {
    std::size_t file = 0;
    std::size_t tensor = 0;
  };

  safetensors_source(std::span<const safetensors> files, const std::string& name, safetensors_source_options options)
      : files_(files), name_(&name), options_(options) {
    std::size_t tensors = 0;
    std::size_t wrapped = 0;
    for (const safetensors& file : files) {
      was_read_.emplace_back(file.tensors().size(), false);
      tensors += file.tensors().size();
      wrapped += static_cast<std::size_t>(
          std::count_if(file.tensors().begin(), file.tensors().end(),
                        [](const tensor_entry& entry) { return entry.name.starts_with(wrapper_prefix); }));
    }
    if (tensors > 0 && wrapped == tensors) prefix_ = wrapper_prefix;
  }

  [[nodiscard]] const tensor_entry& entry_at(const place& at) const { return files_[at.file].tensors()[at.tensor]; }

  [[nodiscard]] std::optional<place> find(std::string_view name) const {
    const std::string stored = std::string(prefix_) + std::string(name);
    for (std::size_t f = 0; f < files_.size(); ++f) {
      if (const tensor_entry* entry = files_[f].find(stored)) {
        return place{.file = f, .tensor = static_cast<std::size_t>(entry - files_[f].tensors().data())};
      }
    }
    return std::nullopt;
  }

  // `expected` makes the text of the error, which the many calls that succeed need not pay for.
  template <class Expected>
  [[nodiscard]] place at(std::string_view name, const Expected& expected) const {
    if (const auto found = find(name)) return *found;
    fail(error_code::missing_tensor,
         {.file = *name_, .where = excerpt(name), .expected = expected(), .found = "no such tensor"});
  }

  template <class Predicate>
  [[nodiscard]] std::vector<std::string_view> select(const Predicate& wanted) const {
    std::vector<std::string_view> out;
    for_each([&](std::string_view name, const tensor_entry&, const safetensors&, bool was_read) {
      if (wanted(was_read)) out.push_back(name);
    });
    return out;
  }

  template <class Scalar>
  void check_finite(const place& at, std::uint64_t first_element, std::span<const Scalar> values) const {
    const std::size_t index = io::find_non_finite(values);
    if (index == values.size()) return;
    const std::uint64_t element = first_element + index;
    fail(error_code::non_finite, {.file = files_[at.file].name(),
                                  .where = excerpt(entry_at(at).name),
                                  .expected = "finite weights",
                                  .found = std::to_string(values[index]) + " at element " + std::to_string(element)});
  }

  std::span<const safetensors> files_;
  const std::string* name_;
  safetensors_source_options options_;
  std::string_view prefix_{};
  mutable std::vector<std::vector<bool>> was_read_{};  // by file and tensor
};

template <class Scalar>
requires std::same_as<Scalar, float> || std::same_as<Scalar, double>
void safetensors_source::read(std::string_view name, std::span<const std::size_t> shape, std::size_t first_element,
                              std::span<Scalar> out) const {
  const auto expected = [&] { return "shape " + shape_text(std::vector<std::uint64_t>(shape.begin(), shape.end())); };
  const place found = at(name, expected);
  const safetensors& file = files_[found.file];
  const tensor_entry& entry = entry_at(found);
  if (!std::equal(shape.begin(), shape.end(), entry.shape.begin(), entry.shape.end())) {
    fail(error_code::missing_tensor,
         {.file = file.name(), .where = excerpt(entry.name), .expected = expected(), .found = shape_text(entry.shape)});
  }
  // Checked in pieces that are still in the cache when they are looked at.
  constexpr std::size_t piece = 65'536;
  for (std::size_t done = 0; done == 0 || done < out.size(); done += piece) {
    const auto part = out.subspan(done, std::min(piece, out.size() - done));
    file.read(entry, std::uint64_t{first_element} + done, part);
    if (!options_.allow_non_finite) check_finite<Scalar>(found, std::uint64_t{first_element} + done, part);
  }
  was_read_[found.file][found.tensor] = true;
}

static_assert(tensor_source<safetensors_source, float> && tensor_source<safetensors_source, double>);

}  // namespace ultrafastbert
