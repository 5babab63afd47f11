// SPDX-License-Identifier: MIT
//
// The header of a matrix of float32 in NumPy's format.
// Source: NEP 1, a simple file format for NumPy arrays, version 1.0.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace examples {

inline constexpr std::size_t npy_header_bytes = 128;  ///< whatever the shape

/// The bytes before the numbers, which lie row after row. Shapes: (rows, columns).
inline std::string npy_header(std::size_t rows, std::size_t columns) {
  constexpr std::string_view magic("\x93NUMPY\x01\x00\x76\x00", 10);
  std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                     std::to_string(columns) + "), }";
  text.resize(npy_header_bytes - magic.size() - 1, ' ');
  return std::string(magic) + text + '\n';
}

}  // namespace examples
