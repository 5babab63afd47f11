// SPDX-License-Identifier: MIT
//
// Which tensors a model needs, compared with those a checkpoint has, before any memory is set aside for them.
// Layer: model.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"

namespace ultrafastbert::detail {

/// A list of names and shapes; `add` fits the visitors of `for_each_tensor`.
class tensor_requirements {
 public:
  void add(std::string name, std::initializer_list<std::size_t> shape) {
    wanted_.emplace_back(std::move(name), std::vector<std::size_t>(shape));
  }

  /// Throws one missing_tensor that lists every tensor `source` lacks or has in another shape.
  template <class Source>
  void check(const Source& source, const std::string& file) const {
    constexpr std::size_t listed = 20;
    std::size_t wrong = 0;
    std::string list;
    for (const auto& [name, shape] : wanted_) {
      const bool present = source.contains(name);
      if (present && source.shape(name) == shape) continue;
      if (++wrong > listed) continue;
      list += (list.empty() ? "" : "; ") + name + ' ' + text(shape) +
              (present ? " is " + text(source.shape(name)) : " is missing");
    }
    if (wrong == 0) return;
    if (wrong > listed) list += "; and " + std::to_string(wrong - listed) + " more";
    fail(error_code::missing_tensor,
         {.file = file,
          .where = std::to_string(wrong) + " of " + std::to_string(wanted_.size()) + " tensors",
          .expected = "every tensor that the configuration calls for",
          .found = std::move(list)});
  }

 private:
  static std::string text(const std::vector<std::size_t>& shape) {
    std::string out = "(";
    for (const std::size_t size : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(size);
    return out + ')';
  }

  std::vector<std::pair<std::string, std::vector<std::size_t>>> wanted_{};
};

}  // namespace ultrafastbert::detail
