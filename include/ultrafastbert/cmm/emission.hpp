// SPDX-License-Identifier: MIT
//
// From logits and leaves to outputs: the rows of the nodes on a token's path, weighted and summed in path order.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ultrafastbert/cmm/packed_tree.hpp"
#include "ultrafastbert/cmm/routing.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert::detail {

/// Levels of the deepest tree that the engines take.
inline constexpr std::size_t max_levels = tree::max_depth + 1;

/// The rows of a path. Shapes: rows: (depth + 1).
template <class Weight>
void path_rows(const output_weights<Weight>& w, std::size_t first_row, std::uint32_t leaf,
               std::array<const Weight*, max_levels>& rows) noexcept {
  for (std::size_t level = 0; level <= w.depth; ++level) {
    const std::size_t node = tree::first_of_level(level) + (std::size_t{leaf} >> (w.depth - level));
    rows[level] = w.rows + (first_row + node) * w.stride;
  }
}

/// Multiplies activations by the scales of their rows, where the storage has any.
template <class Weight>
void scale_coefficients(const output_weights<Weight>& w, std::size_t first_row, const routes& from,
                        std::size_t tokens) noexcept {
  if (w.scale == nullptr) return;
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t level = 0; level <= w.depth; ++level) {
      const std::size_t node = tree::first_of_level(level) + (std::size_t{from.position[t]} >> (w.depth - level));
      from.logits[t * from.stride + level] *= w.scale[first_row + node];
    }
  }
}

/// One token at a time. Shapes: y: (tokens, output_width), overwritten or added to.
template <class Weight>
void emit_each(const output_weights<Weight>& w, std::size_t first_row, const routes& from, const matrix_view<float>& y,
               bool add) noexcept {
  std::array<const Weight*, max_levels> rows{};
  for (std::size_t t = 0; t < y.rows(); ++t) {
    path_rows(w, first_row, from.position[t], rows);
    w.kernels.one(rows.data(), from.logits.data() + t * from.stride, w.depth + 1, w.width, add, y.row(t));
  }
}

/// Asks for the rows in which a path leaves that of its predecessor.
template <class Weight>
void prefetch_path(const output_weights<Weight>& w, std::size_t first_row, std::uint32_t previous,
                   std::uint32_t leaf) noexcept {
  const auto differing = static_cast<std::size_t>(std::bit_width(previous ^ leaf));
  for (std::size_t up = 0; up < differing; ++up) {
    const std::size_t node = tree::first_of_level(w.depth - up) + (std::size_t{leaf} >> up);
    prefetch(w.rows + (first_row + node) * w.stride, w.stride * sizeof(Weight));
  }
}

/// Four tokens at a time, in the order of their leaves, so that neighbours share the upper part of their paths. While
/// four are summed, the rows of the next four are on their way.
template <class Weight>
void emit_sorted(const output_weights<Weight>& w, std::size_t first_row, const routes& from,
                 std::span<const std::uint32_t> order, const matrix_view<float>& y, bool add) noexcept {
  std::array<std::array<const Weight*, max_levels>, 4> rows{};
  std::array<const Weight* const*, 4> row{};
  std::array<const float*, 4> coefficients{};
  std::array<float*, 4> out{};
  for (std::size_t i = 0; i < order.size(); i += 4) {
    const std::size_t count = std::min<std::size_t>(4, order.size() - i);
    for (std::size_t t = i + 4; t < std::min(i + 8, order.size()); ++t) {
      prefetch_path(w, first_row, from.position[order[t - 1]], from.position[order[t]]);
    }
    for (std::size_t t = 0; t < count; ++t) {
      const std::uint32_t token = order[i + t];
      path_rows(w, first_row, from.position[token], rows[t]);
      row[t] = rows[t].data();
      coefficients[t] = from.logits.data() + token * from.stride;
      out[t] = y.row(token);
    }
    if (count == 4) {
      const auto differing = std::bit_width(from.position[order[i]] ^ from.position[order[i + 3]]);
      w.kernels.four(row.data(), coefficients.data(), w.depth + 1 - static_cast<std::size_t>(differing), w.depth + 1,
                     w.width, add, out.data());
    } else {
      for (std::size_t t = 0; t < count; ++t) {
        w.kernels.one(row[t], coefficients[t], w.depth + 1, w.width, add, out[t]);
      }
    }
  }
}

/// The second matrix behind one interface, so that routing is compiled per storage of the first matrix alone.
class emitter {
 public:
  virtual ~emitter() = default;

  /// See `emit_each`.
  virtual void each(std::size_t first_row, const routes& from, const matrix_view<float>& y, bool add) const = 0;
  /// See `emit_sorted`.
  virtual void sorted(std::size_t first_row, const routes& from, std::span<const std::uint32_t> order,
                      const matrix_view<float>& y, bool add) const = 0;
  /// See `scale_coefficients`.
  virtual void scale(std::size_t first_row, const routes& from, std::size_t tokens) const = 0;
  /// Hints that a node's row will be read soon.
  virtual void fetch(std::size_t row) const noexcept = 0;
};

template <class Weight>
class typed_emitter final : public emitter {
 public:
  explicit typed_emitter(const output_weights<Weight>& weights) : w_(weights) {}

  void each(std::size_t first_row, const routes& from, const matrix_view<float>& y, bool add) const override {
    emit_each(w_, first_row, from, y, add);
  }
  void sorted(std::size_t first_row, const routes& from, std::span<const std::uint32_t> order,
              const matrix_view<float>& y, bool add) const override {
    emit_sorted(w_, first_row, from, order, y, add);
  }
  void scale(std::size_t first_row, const routes& from, std::size_t tokens) const override {
    scale_coefficients(w_, first_row, from, tokens);
  }
  void fetch(std::size_t row) const noexcept override {
    prefetch(w_.rows + row * w_.stride, w_.stride * sizeof(Weight));
  }

 private:
  output_weights<Weight> w_;
};

}  // namespace ultrafastbert::detail
