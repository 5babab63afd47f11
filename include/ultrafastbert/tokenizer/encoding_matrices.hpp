// SPDX-License-Identifier: MIT
//
// Encodings side by side as matrices, in the form in which calls with padded batches take them.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"

namespace ultrafastbert {

/// The ids, masks and types of encodings: one row for each encoding and, right behind it, one for each encoding of its
/// `overflow`. Rows lie behind each other without gaps. It owns its memory and can be moved, not copied.
class encoding_matrices {
 public:
  /// No rows.
  encoding_matrices() noexcept = default;

  /// Copies encodings. What they do not fill is padding: `pad` among the ids, and 0 in the mask and the types.
  /// Shapes: every matrix gets `length` columns.
  /// Throws: invalid_input (an encoding is longer, or its vectors differ in length), overflow (the sizes do not fit),
  ///   std::bad_alloc.
  /// Complexity: linear in the size of the matrices.
  encoding_matrices(std::span<const encoding> encodings, std::size_t length, token_id pad) {
    std::size_t rows = 0;
    for (const encoding& each : encodings) rows += 1 + each.overflow.size();
    const matrix_extents extents{.rows = rows, .cols = length, .stride = length};
    ids_ = matrix<token_id>(extents);
    mask_ = matrix<float>(extents);
    type_ids_ = matrix<std::uint32_t>(extents);
    texts_.reserve(rows);
    for (std::size_t i = 0; i < encodings.size(); ++i) {
      add(encodings[i], i, pad);
      for (const encoding& further : encodings[i].overflow) add(further, i, pad);
    }
  }

  [[nodiscard]] std::size_t rows() const noexcept { return texts_.size(); }  ///< number of encodings
  [[nodiscard]] std::size_t length() const noexcept { return ids_.cols(); }  ///< number of columns

  /// Rows of the word embedding. Shapes: (rows, length). Valid while this lives.
  [[nodiscard]] matrix_view<const token_id> ids() const noexcept { return ids_.view(); }
  /// 1 for tokens and 0 for padding. Shapes: (rows, length). Valid while this lives.
  [[nodiscard]] matrix_view<const float> mask() const noexcept { return mask_.view(); }
  /// Types of the tokens. Shapes: (rows, length). Valid while this lives.
  [[nodiscard]] matrix_view<const std::uint32_t> type_ids() const noexcept { return type_ids_.view(); }
  /// For each row the number of the encoding that it belongs to, from 0 on.
  [[nodiscard]] std::span<const std::size_t> texts() const noexcept { return texts_; }

 private:
  void add(const encoding& each, std::size_t text, token_id pad) {
    const std::size_t row = texts_.size();
    if (each.size() > length() || each.attention_mask.size() != each.size() || each.type_ids.size() != each.size()) {
      fail_input("encodings[" + std::to_string(text) + ']',
                 "as many ids as masks and types, and at most " + std::to_string(length()),
                 std::to_string(each.size()) + " ids, " + std::to_string(each.attention_mask.size()) + " masks, " +
                     std::to_string(each.type_ids.size()) + " types");
    }
    std::copy(each.ids.begin(), each.ids.end(), ids_.row(row));
    std::fill(ids_.row(row) + each.size(), ids_.row(row) + length(), pad);
    std::transform(each.attention_mask.begin(), each.attention_mask.end(), mask_.row(row),
                   [](std::uint8_t attends) { return static_cast<float>(attends); });
    std::copy(each.type_ids.begin(), each.type_ids.end(), type_ids_.row(row));
    texts_.push_back(text);
  }

  matrix<token_id> ids_{};
  matrix<float> mask_{};
  matrix<std::uint32_t> type_ids_{};
  std::vector<std::size_t> texts_{};
};

}  // namespace ultrafastbert
