// SPDX-License-Identifier: MIT
//
// Sizes that are known to the compiler or only at run time, so that one class serves both.
// Layer: core.
#pragma once

#include <cstddef>
#include <string>

#include "ultrafastbert/core/error.hpp"

namespace ultrafastbert {

/// Stands for a size that is given at run time.
inline constexpr std::size_t dynamic_extent = static_cast<std::size_t>(-1);

/// One size: a static extent occupies no storage, a dynamic one holds its value.
template <std::size_t Extent>
class extent {
 public:
  static constexpr bool is_static = true;

  constexpr extent() noexcept = default;

  /// Accepts the size that the type already states, or 0 for "as the type says".
  /// Throws: shape_mismatch naming `what`.
  constexpr extent(std::size_t size, const char* what) {
    if (size != Extent && size != 0) {
      fail(error_code::shape_mismatch,
           {.where = what, .expected = std::to_string(Extent) + ", as the type states", .found = std::to_string(size)});
    }
  }

  [[nodiscard]] static constexpr std::size_t value() noexcept { return Extent; }  ///< the size
};

template <>
class extent<dynamic_extent> {
 public:
  static constexpr bool is_static = false;

  constexpr extent() noexcept = default;
  constexpr extent(std::size_t size, const char* /*what*/) noexcept : size_(size) {}

  [[nodiscard]] constexpr std::size_t value() const noexcept { return size_; }  ///< the size

 private:
  std::size_t size_ = 0;
};

}  // namespace ultrafastbert
