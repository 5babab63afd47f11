// SPDX-License-Identifier: MIT
//
// Texts one behind another, as one pass of an encoder takes them: never padded, each at its own length.
// Layer: model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"

namespace ultrafastbert {

/// The rows of one pass. A text has one row, or with overflow several.
struct packed_texts {
  std::vector<token_id> ids{};
  std::vector<std::uint32_t> type_ids{};
  std::vector<std::size_t> offsets{0};  ///< (rows + 1): where each row's tokens begin
  std::vector<std::size_t> texts{};     ///< (rows): number of its text in the call
  std::vector<encoding> encodings{};    ///< (rows)

  [[nodiscard]] std::size_t size() const noexcept { return texts.size(); }  ///< number of rows
  [[nodiscard]] std::size_t length(std::size_t row) const noexcept { return offsets[row + 1] - offsets[row]; }

  /// Appends a row. Throws: std::bad_alloc.
  void add(std::size_t text, encoding row) {
    ids.insert(ids.end(), row.ids.begin(), row.ids.end());
    type_ids.insert(type_ids.end(), row.type_ids.begin(), row.type_ids.end());
    offsets.push_back(ids.size());
    texts.push_back(text);
    encodings.push_back(std::move(row));
  }
};

}  // namespace ultrafastbert
