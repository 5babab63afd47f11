// SPDX-License-Identifier: MIT
//
// Lists within a text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace examples {

/// The parts of a text between separators; one more than there are separators. They point into the text.
inline std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// Strings as one, with a separator between them.
template <class Strings>
std::string join(const Strings& strings, std::string_view separator) {
  std::string out;
  for (bool first = true; const auto& each : strings) {
    if (!first) out += separator;
    first = false;
    out += each;
  }
  return out;
}

}  // namespace examples
