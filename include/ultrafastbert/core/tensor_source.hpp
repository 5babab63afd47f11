// SPDX-License-Identifier: MIT
//
// The concept that layers load their weights through, so that they know nothing of files.
// Layer: core.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace ultrafastbert {

/// Where layers take their weights from.
///   contains(name)  whether there is a tensor of that name.
///   shape(name)     its sizes; throws missing_tensor.
///   read(name, shape, first_element, out)  fills `out` with the row-major elements from `first_element` on, converted
///     to `Scalar`; throws missing_tensor when the tensor is absent or has another shape.
template <class Source, class Scalar = float>
concept tensor_source = requires(const Source& source, std::string_view name, std::span<const std::size_t> shape,
                                 std::size_t first_element, std::span<Scalar> out) {
  { source.contains(name) } -> std::convertible_to<bool>;
  { source.shape(name) } -> std::convertible_to<std::vector<std::size_t>>;
  source.read(name, shape, first_element, out);
};

}  // namespace ultrafastbert
