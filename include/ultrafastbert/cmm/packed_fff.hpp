// SPDX-License-Identifier: MIT
//
// The weights of an FFF layer packed for the engines that walk trees: fused, interleaved, grouped.
// Layer: cmm.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/fff_weights.hpp"
#include "ultrafastbert/cmm/packed_nodes.hpp"
#include "ultrafastbert/cmm/packed_rows.hpp"
#include "ultrafastbert/cmm/packed_tree.hpp"
#include "ultrafastbert/cmm/walk.hpp"
#include "ultrafastbert/core/cache_sizes.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ultrafastbert::cmm {

/// Packed FFF weights.
class packed_fff final : public fff_weights<float> {
 public:
  /// All weights zero. `engine`: automatic, fused, interleaved or grouped.
  /// Throws: unsupported (the processor lacks the level asked for), overflow, std::bad_alloc.
  packed_fff(const fff_shape& shape, fff_engine engine)
      : shape_(shape),
        engine_(engine),
        isa_(resolve(shape.isa)),
        in_(shape, isa_),
        out_(shape.storage_out, shape_.nodes(), shape.output_width),
        cold_level_(first_cold_level(shape_.depth, shape_.parallel_size, out_.stride(), cache_)) {}

  [[nodiscard]] fff_engine engine(std::size_t tokens) const noexcept override {
    return engine_ == fff_engine::automatic ? choose_walk(shape_, tokens, cache_) : engine_;
  }
  [[nodiscard]] isa_level isa() const noexcept override { return isa_; }
  [[nodiscard]] std::size_t bytes() const noexcept override { return in_.bytes() + out_.bytes(); }

  void store_in(std::size_t node, const float* row) noexcept override { in_.store(node, row); }
  void store_out(std::size_t node, const float* row) noexcept override { out_.store(node, row); }
  void store_bias(std::size_t node, float bias) noexcept override { in_.store_bias(node, bias); }
  void store_threshold(std::size_t node, float threshold) noexcept override { in_.store_threshold(node, threshold); }
  [[nodiscard]] matrix_view<float> plain_out() noexcept override { return out_.floats(); }

  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
                const matrix_view<std::int32_t>& paths) const override {
    multiply(x, y, scratch, paths, nullptr);
  }

  [[nodiscard]] std::size_t second_looks(const matrix_view<const float>& x, workspace& scratch) const override {
    if (!in_.is_certified()) return 0;
    std::size_t count = 0;
    workspace::frame frame(scratch);
    multiply(x, frame.take_matrix<float>(x.rows(), shape_.output_width), scratch, {}, &count);
    return count;
  }

  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept override {
    return walk_bytes(shape_.depth, tokens);
  }

 private:
  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& scratch,
                const matrix_view<std::int32_t>& paths, std::size_t* second_looks) const {
    const routing_weights in = in_.routing(second_looks);
    const output_weights out{.rows = out_.data(),
                             .scale = out_.scale(),
                             .stride = out_.stride(),
                             .width = shape_.output_width,
                             .depth = shape_.depth,
                             .kernels = kernels::sums_of(isa_, shape_.storage_out),
                             .cold_level = cold_level_};
    const engine_call call{.in = in,
                           .out = out,
                           .parallel_size = shape_.parallel_size,
                           .activate = kernels::kernel_of(kernels::activations_of(isa_), shape_.activation),
                           .scratch = scratch,
                           .paths = paths,
                           .cache = cache_};
    const fff_engine now = engine(x.rows());
    if (now == fff_engine::grouped) {
      run_grouped(call, x, y);
    } else {
      run_small(call, x, y, now == fff_engine::interleaved);
    }
  }

  fff_shape shape_;
  fff_engine engine_;
  isa_level isa_;
  std::size_t cache_ = core::second_level_cache();
  packed_nodes in_;
  packed_rows out_;         // level by level
  std::size_t cold_level_;  // of out_
};

}  // namespace ultrafastbert::cmm
