// SPDX-License-Identifier: MIT
//
// Which tensors a model needs, compared with those a checkpoint has, before any memory is set aside for them.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/model/nearest_name.hpp"

namespace ultrafastbert::models {

/// A list of names and shapes; `add` fits the visitors of `for_each_tensor`.
class tensor_requirements {
 public:
  void add(std::string name, std::initializer_list<std::size_t> shape) {
    wanted_.emplace_back(std::move(name), std::vector<std::size_t>(shape));
  }

  /// Throws one missing_tensor that lists every tensor `source` lacks or has in another shape; a missing one with the
  /// most similar name among those that nothing else needs.
  template <class Source>
  void check(const Source& source, const std::string& file) const {
    std::vector<const requirement*> wrong;
    for (const requirement& wanted : wanted_) {
      if (!source.contains(wanted.first) || source.shape(wanted.first) != wanted.second) wrong.push_back(&wanted);
    }
    if (wrong.empty()) return;
    constexpr std::size_t listed = 20;
    const std::vector<std::string_view> spare = spare_names(source);
    nearest_name_search search(spare);
    std::string list;
    for (std::size_t i = 0; i < std::min(wrong.size(), listed); ++i) {
      const auto& [name, shape] = *wrong[i];
      list += (i == 0 ? "" : "; ") + name + ' ' + text(shape);
      if (source.contains(name)) {
        list += " is " + text(source.shape(name));
        continue;
      }
      const std::string_view nearest = search.find(name);
      list += nearest.empty()
                  ? " is missing"
                  : " is missing, but there is " + excerpt(nearest, 120) + ' ' + text(source.shape(nearest));
    }
    if (wrong.size() > listed) list += "; and " + std::to_string(wrong.size() - listed) + " more";
    fail(error_code::missing_tensor,
         {.file = file,
          .where = std::to_string(wrong.size()) + " of " + std::to_string(wanted_.size()) + " tensors",
          .expected = "every tensor that the configuration calls for",
          .found = std::move(list)});
  }

 private:
  using requirement = std::pair<std::string, std::vector<std::size_t>>;

  template <class Source>
  [[nodiscard]] std::vector<std::string_view> spare_names(const Source& source) const {
    std::vector<std::string_view> needed;
    needed.reserve(wanted_.size());
    for (const requirement& wanted : wanted_) needed.emplace_back(wanted.first);
    std::sort(needed.begin(), needed.end());
    std::vector<std::string_view> spare = source.names();
    std::erase_if(spare, [&](std::string_view name) { return std::binary_search(needed.begin(), needed.end(), name); });
    return spare;
  }

  static std::string text(const std::vector<std::size_t>& shape) {
    std::string out = "(";
    for (const std::size_t size : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(size);
    return out + ')';
  }

  std::vector<requirement> wanted_{};
};

}  // namespace ultrafastbert::models
