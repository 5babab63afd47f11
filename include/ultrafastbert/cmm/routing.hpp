// SPDX-License-Identifier: MIT
//
// Walking tokens from root to leaf, three ways: one token at a time, eight tokens side by side, and in groups that
// share nodes. All give equal bits, because every logit is the same chain of operations.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "ultrafastbert/cmm/certificate.hpp"
#include "ultrafastbert/cmm/packed_tree.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"

namespace ultrafastbert::cmm {

/// Where the walk of one tree leaves its findings, by token.
struct routes {
  std::span<float> logits{};  // (tokens, stride): one per level
  std::size_t stride = 0;
  std::span<std::uint32_t> position{};  // (tokens): position on the level reached; at the end, the leaf's
  std::span<const float> norm{};        // (tokens): at least the norms of the inputs, or empty

  [[nodiscard]] routed_token token(const matrix_view<const float>& x, std::size_t t) const noexcept {
    return {.x = x.row(t), .norm = norm.empty() ? 0.0F : norm[t]};
  }
};

/// The norms that certified routes need, or nothing. Shapes: x: (tokens, input_width); to: (at least tokens).
inline std::span<const float> norms_of(const routing_weights& w, const matrix_view<const float>& x,
                                       std::span<float> to) noexcept {
  if (w.error == nullptr) return {};
  for (std::size_t t = 0; t < x.rows(); ++t) to[t] = norm_bound(x.row(t), x.cols());
  return to.first(x.rows());
}

/// One token at a time. The rows of `out` that a token will need are asked for on the way.
inline void route_fused(const routing_weights& w, const output_weights& out, std::size_t first_row,
                        const matrix_view<const float>& x, const routes& to) noexcept {
  for (std::size_t t = 0; t < x.rows(); ++t) {
    std::size_t position = 0;
    for (std::size_t level = 0;; ++level) {
      const std::size_t row = first_row + blocked_order::row(level, position, w.depth);
      float dot = 0;
      w.kernels.pair(w.row(row), x.row(t), w.width, &dot, out.later(first_row, level, position));
      const float logit = w.logit(row, dot, to.token(x, t));
      to.logits[t * to.stride + level] = logit;
      if (level == w.depth) break;
      position *= 2;
      if (w.right(row, logit)) {
        // Keeps the branch: processors guess it and fetch the likely child while they still wait for the node's row.
        asm volatile("");
        ++position;
      }
    }
    to.position[t] = static_cast<std::uint32_t>(position);
  }
}

/// Logits of up to eight tokens, each with a row of its own.
inline void multiply_pairs(const routing_weights& w, std::span<const std::size_t> rows,
                           std::span<const routed_token> tokens, float* logits) noexcept {
  std::array<const std::byte*, 8> row{};
  std::array<const float*, 8> input{};
  for (std::size_t i = 0; i < 8; ++i) {
    const std::size_t source = (std::min)(i, rows.size() - 1);
    row[i] = w.row(rows[source]);
    input[i] = tokens[source].x;
  }
  std::array<float, 8> dots{};
  if (rows.size() == 1) {
    w.kernels.pair(row[0], input[0], w.width, dots.data(), {});
  } else {
    w.kernels.pairs_8(row.data(), input.data(), w.width, dots.data());
  }
  for (std::size_t i = 0; i < rows.size(); ++i) logits[i] = w.logit(rows[i], dots[i], tokens[i]);
}

/// Eight tokens side by side, level by level.
inline void route_interleaved(const routing_weights& w, std::size_t first_row, const matrix_view<const float>& x,
                              const routes& to) noexcept {
  for (std::size_t t = 0; t < x.rows(); t += 8) {
    const std::size_t count = (std::min<std::size_t>)(8, x.rows() - t);
    std::array<std::size_t, 8> position{};
    std::array<std::size_t, 8> row{};
    std::array<routed_token, 8> input{};
    for (std::size_t i = 0; i < count; ++i) input[i] = to.token(x, t + i);
    for (std::size_t level = 0; level <= w.depth; ++level) {
      for (std::size_t i = 0; i < count; ++i) row[i] = first_row + blocked_order::row(level, position[i], w.depth);
      std::array<float, 8> logit{};
      multiply_pairs(w, std::span(row).first(count), std::span(std::as_const(input)).first(count), logit.data());
      for (std::size_t i = 0; i < count; ++i) {
        to.logits[(t + i) * to.stride + level] = logit[i];
        if (level < w.depth) position[i] = 2 * position[i] + static_cast<std::size_t>(w.right(row[i], logit[i]));
      }
    }
    for (std::size_t i = 0; i < count; ++i) to.position[t + i] = static_cast<std::uint32_t>(position[i]);
  }
}

/// Routes a group of tokens that stand at one node through pairs of levels, and leaves them sorted by where they end.
class grouped_router {
 public:
  /// Scratch for groups of up to `tokens`.
  grouped_router(const routing_weights& w, std::size_t first_row, const matrix_view<const float>& x, const routes& to,
                 std::size_t tokens, workspace::frame& frame)
      : w_(w),
        first_row_(first_row),
        x_(x),
        to_(to),
        next_(frame.take<std::uint32_t>(tokens)),
        digit_(frame.take<std::uint8_t>(tokens)),
        single_(frame.take<std::uint32_t>(tokens)),
        groups_(frame.take<group>(tokens)),
        next_groups_(frame.take<group>(tokens)) {}

  /// Scratch for each token. Units: bytes.
  static constexpr std::size_t bytes_per_token = 2 * sizeof(std::uint32_t) + 1 + 2 * 3 * sizeof(std::uint32_t);

  /// Takes the tokens in `order`, all at `position` of the even level `first_level`, through the levels before
  /// `last_level`; afterwards `order` is sorted by position and `to.position` holds it.
  void route(std::span<std::uint32_t> order, std::size_t first_level, std::size_t last_level, std::size_t position) {
    if (order.empty()) return;
    groups_[0] = {.first = 0,
                  .count = static_cast<std::uint32_t>(order.size()),
                  .position = static_cast<std::uint32_t>(position)};
    std::size_t groups = 1;
    for (std::size_t level = first_level; level < last_level; level += 2) {
      if (level == w_.depth) {
        last_level_alone(order, level, groups);
      } else {
        singles_ = 0;
        for (std::size_t g = 0; g < groups; ++g) {
          multiply_group(order, level, groups_[g], g + 1 < groups ? block(level, groups_[g + 1].position) : nullptr);
        }
        multiply_singles(order, level);
      }
      groups = partition(order, level, groups);
    }
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t i = 0; i < groups_[g].count; ++i) {
        // Past the deepest level a digit too many was appended.
        to_.position[order[groups_[g].first + i]] = groups_[g].position >> (last_level > w_.depth ? 1U : 0U);
      }
    }
  }

 private:
  struct group {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t position = 0;
  };

  [[nodiscard]] std::size_t row_of_block(std::size_t level, std::size_t position) const noexcept {
    return first_row_ + blocked_order::block(level, position, w_.depth);
  }
  [[nodiscard]] const std::byte* block(std::size_t level, std::size_t position) const noexcept {
    return w_.row(row_of_block(level, position));
  }

  // Stores the logits of both levels and the two decisions of the token in place `at`.
  void decide(std::uint32_t token, std::size_t at, std::size_t level, std::size_t row, float node, float left,
              float right) noexcept {
    const routed_token input = to_.token(x_, token);
    const float z0 = w_.logit(row, node, input);
    const bool r0 = w_.right(row, z0);
    const float z1 = r0 ? w_.logit(row + 2, right, input) : w_.logit(row + 1, left, input);
    const bool r1 = w_.right(row + (r0 ? 2 : 1), z1);
    float* z = to_.logits.data() + token * to_.stride + level;
    z[0] = z0;
    z[1] = z1;
    digit_[at] = static_cast<std::uint8_t>(2U * (r0 ? 1U : 0U) + (r1 ? 1U : 0U));
  }

  // Quads of a group; what is left over goes to the singles. `next` is the block of the next group, or null.
  void multiply_group(std::span<const std::uint32_t> order, std::size_t level, const group& g,
                      const std::byte* next) noexcept {
    const std::size_t row = row_of_block(level, g.position);
    const std::uint32_t end = g.first + g.count;
    std::uint32_t i = g.first;
    while (end - i >= 3) {
      const std::uint32_t count = (std::min<std::uint32_t>)(4, end - i);
      std::array<const float*, 4> x{};
      std::array<const float*, 4> next_x{};
      for (std::uint32_t t = 0; t < 4; ++t) {
        x[t] = x_.row(order[i + (std::min)(t, count - 1)]);
        next_x[t] = x_.row(order[(std::min<std::size_t>)(i + count + t, order.size() - 1)]);
      }
      std::array<float, 12> z{};
      w_.kernels.rows_3_inputs_4(w_.row(row), w_.stride, x.data(), w_.width, z.data(),
                                 {.block = end - i < count + 3 ? next : nullptr, .x = next_x.data()});
      for (std::uint32_t t = 0; t < count; ++t) decide(order[i + t], i + t, level, row, z[t], z[4 + t], z[8 + t]);
      i += count;
    }
    for (; i < end; ++i) {
      to_.position[order[i]] = g.position;
      single_[singles_++] = i;
    }
  }

  // Tokens that share their node with nobody: eight at a time, first the nodes, then the children that were chosen.
  void multiply_singles(std::span<const std::uint32_t> order, std::size_t level) noexcept {
    for (std::size_t s = 0; s < singles_; s += 8) {
      const std::size_t count = (std::min<std::size_t>)(8, singles_ - s);
      std::array<std::size_t, 8> row{};
      std::array<routed_token, 8> x{};
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t token = order[single_[s + i]];
        row[i] = row_of_block(level, to_.position[token]);
        x[i] = to_.token(x_, token);
      }
      std::array<float, 8> node{};
      std::array<float, 8> child{};
      multiply_pairs(w_, std::span(row).first(count), std::span(std::as_const(x)).first(count), node.data());
      std::array<bool, 8> went_right{};
      for (std::size_t i = 0; i < count; ++i) {
        went_right[i] = w_.right(row[i], node[i]);
        row[i] += went_right[i] ? 2U : 1U;
      }
      multiply_pairs(w_, std::span(row).first(count), std::span(std::as_const(x)).first(count), child.data());
      for (std::size_t i = 0; i < count; ++i) {
        float* z = to_.logits.data() + order[single_[s + i]] * to_.stride + level;
        z[0] = node[i];
        z[1] = child[i];
        digit_[single_[s + i]] =
            static_cast<std::uint8_t>(2U * (went_right[i] ? 1U : 0U) + (w_.right(row[i], child[i]) ? 1U : 0U));
      }
    }
  }

  // The deepest level of a tree of even depth: one row per group.
  void last_level_alone(std::span<const std::uint32_t> order, std::size_t level, std::size_t groups) noexcept {
    std::array<std::size_t, 8> row{};
    std::array<routed_token, 8> x{};
    std::array<std::uint32_t, 8> at{};
    std::size_t count = 0;
    const auto flush = [&] {
      std::array<float, 8> z{};
      multiply_pairs(w_, std::span(row).first(count), std::span(std::as_const(x)).first(count), z.data());
      for (std::size_t i = 0; i < count; ++i) {
        to_.logits[order[at[i]] * to_.stride + level] = z[i];
        digit_[at[i]] = 0;
      }
      count = 0;
    };
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::uint32_t i = groups_[g].first; i < groups_[g].first + groups_[g].count; ++i) {
        row[count] = row_of_block(level, groups_[g].position);
        x[count] = to_.token(x_, order[i]);
        at[count++] = i;
        if (count == 8) flush();
      }
    }
    if (count > 0) flush();
  }

  // Splits every group in four by the tokens' digits, keeping their order; returns the number of groups that are left.
  std::size_t partition(std::span<std::uint32_t> order, std::size_t level, std::size_t groups) noexcept {
    std::size_t made = 0;
    for (std::size_t g = 0; g < groups; ++g) {
      const group from = groups_[g];
      std::array<std::uint32_t, 4> count{};
      for (std::uint32_t i = from.first; i < from.first + from.count; ++i) ++count[digit_[i]];
      std::array<std::uint32_t, 4> place{};
      std::uint32_t first = from.first;
      for (std::uint32_t d = 0; d < 4; ++d) {
        place[d] = first;
        if (count[d] > 0)
          next_groups_[made++] = {.first = first, .count = count[d], .position = child(from.position, d, level)};
        first += count[d];
      }
      for (std::uint32_t i = from.first; i < from.first + from.count; ++i) next_[place[digit_[i]]++] = order[i];
    }
    std::copy_n(next_.begin(), order.size(), order.begin());
    std::swap(groups_, next_groups_);
    return made;
  }

  // A level that stands alone appends one digit too many, not two: see `route`.
  [[nodiscard]] std::uint32_t child(std::uint32_t position, std::uint32_t digit, std::size_t level) const noexcept {
    return level == w_.depth ? 2 * position : 4 * position + digit;
  }

  const routing_weights& w_;
  std::size_t first_row_;
  matrix_view<const float> x_;
  routes to_;
  std::span<std::uint32_t> next_;
  std::span<std::uint8_t> digit_;
  std::span<std::uint32_t> single_;
  std::span<group> groups_;
  std::span<group> next_groups_;
  std::size_t singles_ = 0;
};

}  // namespace ultrafastbert::cmm
