// SPDX-License-Identifier: MIT
//
// The weights of an FFF layer packed for the library's own kernels, and the choice of engine.
// Layer: cmm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <variant>

#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/packed_rows.hpp"
#include "ultrafastbert/cmm/packed_tree.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/fff_dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ultrafastbert {

/// What a packed layer is built from, sizes and choices.
struct packed_fff_shape {
  std::size_t input_width = 0;
  std::size_t output_width = 0;
  std::size_t depth = 0;
  std::size_t parallel_size = 1;
  activation_kind activation = activation_kind::gelu;
  weight_storage storage_in = weight_storage::float32;
  weight_storage storage_out = weight_storage::float32;
  isa_level isa = isa_level::automatic;

  /// Of all trees.
  [[nodiscard]] constexpr std::size_t nodes() const noexcept { return parallel_size * tree::node_count(depth); }
};

/// Packed FFF weights. Nodes are numbered tree after tree, level by level, as checkpoints number them.
/// Filled once, then immutable; `multiply` is const and safe from any number of threads.
class packed_fff {
 public:
  /// All weights zero. Throws: unsupported (the processor lacks the level asked for), overflow, std::bad_alloc.
  packed_fff(const packed_fff_shape& shape, bool with_bias)
      : shape_(shape),
        isa_(resolve(shape.isa)),
        in_(make_packed_rows(shape.storage_in, shape_.nodes(), shape.input_width)),
        out_(make_packed_rows(shape.storage_out, shape_.nodes(), shape.output_width)),
        bias_(with_bias ? shape_.nodes() : 0) {}

  [[nodiscard]] isa_level isa() const noexcept { return isa_; }  ///< level of the kernels that run
  /// Memory held. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    const auto held = [](const auto& rows) { return rows.bytes(); };
    return std::visit(held, in_) + std::visit(held, out_) + bias_.size() * sizeof(float);
  }

  /// Rounds a row of the first matrix into place. Shapes: row: (input_width).
  void store_in(std::size_t node, const float* row) noexcept {
    std::visit([&](auto& rows) { rows.store(blocked_row(node), row); }, in_);
  }
  /// Rounds a row of the second matrix (a column of the checkpoint's) into place. Shapes: row: (output_width).
  void store_out(std::size_t node, const float* row) noexcept {
    std::visit([&](auto& rows) { rows.store(node, row); }, out_);
  }
  /// Sets a node's bias. Pre: built with_bias.
  void store_bias(std::size_t node, float bias) noexcept { bias_[blocked_row(node)] = bias; }
  /// The second matrix itself, if it is stored as float: (nodes, output_width); else an empty view.
  [[nodiscard]] matrix_view<float> float_out() noexcept {
    auto* rows = std::get_if<packed_rows<float>>(&out_);
    return rows != nullptr ? rows->view() : matrix_view<float>{};
  }

  /// Which engine computes `tokens` tokens when the choice is automatic: the fastest of each range as measured for 1x11
  /// trees of width 768. Narrow rows leave less for `grouped` to save.
  [[nodiscard]] static constexpr fff_engine chosen(std::size_t tokens, weight_storage storage_in) noexcept {
    const std::size_t many = storage_in == weight_storage::float32 ? 96
                             : storage_in == weight_storage::int8  ? 4096
                                                                   : 512;
    return tokens < 4 ? fff_engine::fused : tokens < many ? fff_engine::interleaved : fff_engine::grouped;
  }

  /// y = the sum over trees and levels, as `conditional_matrix_multiply` defines it.
  /// Shapes: x: (tokens, input_width); y: (tokens, output_width), overwritten; paths: (tokens, trees * levels) or
  /// empty. Pre: the sizes agree; y overlaps nothing else; `engine` is not `blas`. Throws: std::bad_alloc while scratch
  /// grows.
  template <tie_rule TieRule>
  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
                const matrix_view<std::int32_t>& paths, fff_engine engine) const {
    if (engine == fff_engine::automatic) engine = chosen(x.rows(), shape_.storage_in);
    std::visit(
        [&](const auto& out) {
          using weight = typename std::remove_cvref_t<decltype(out)>::weight_type;
          const cmm::typed_emitter<weight> emit({.rows = out.data(),
                                                 .scale = out.scale(),
                                                 .stride = out.stride(),
                                                 .width = shape_.output_width,
                                                 .depth = shape_.depth,
                                                 .kernels = kernels::sums_of<weight>(isa_)});
          multiply_into<TieRule>(emit, x, y, scratch, paths, engine);
        },
        out_);
  }

 private:
  [[nodiscard]] std::size_t blocked_row(std::size_t node) const noexcept {
    const std::size_t per_tree = tree::node_count(shape_.depth);
    const std::size_t local = node % per_tree;
    const std::size_t level = tree::level_of(local);
    return node - local + blocked_order::row(level, local - tree::first_of_level(level), shape_.depth);
  }

  template <class TieRule>
  void multiply_into(const cmm::emitter& emit, const matrix_view<const float>& x, const matrix_view<float>& y,
                     workspace& scratch, const matrix_view<std::int32_t>& paths, fff_engine engine) const {
    std::visit(
        [&](const auto& in) {
          using weight = typename std::remove_cvref_t<decltype(in)>::weight_type;
          const routing_weights<weight> routing{.rows = in.data(),
                                                .bias = bias_.empty() ? nullptr : bias_.data(),
                                                .scale = in.scale(),
                                                .stride = in.stride(),
                                                .width = shape_.input_width,
                                                .depth = shape_.depth,
                                                .kernels = kernels::dots_of<weight>(isa_)};
          const cmm::engine_call<weight> call{.in = routing,
                                              .out = emit,
                                              .parallel_size = shape_.parallel_size,
                                              .activation = shape_.activation,
                                              .gelu = kernels::gelu_of(isa_),
                                              .scratch = scratch,
                                              .paths = paths};
          if (engine == fff_engine::grouped) {
            cmm::run_grouped<TieRule>(call, x, y);
          } else {
            cmm::run_small<TieRule>(call, x, y, engine == fff_engine::interleaved);
          }
        },
        in_);
  }

  packed_fff_shape shape_;
  isa_level isa_;
  any_packed_rows in_;          // in blocked order
  any_packed_rows out_;         // level by level
  aligned_buffer<float> bias_;  // in blocked order, or empty
};

}  // namespace ultrafastbert
