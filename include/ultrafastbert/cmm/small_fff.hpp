// SPDX-License-Identifier: MIT
//
// The weights of a layer whose sizes are all known to the compiler and small: one function takes a token from the root
// to its output, in the bits of the level that was chosen when the layer was built.
// Layer: cmm.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "ultrafastbert/cmm/engine.hpp"
#include "ultrafastbert/cmm/fff_weights.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/extents.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/tables.hpp"

namespace ultrafastbert::cmm {

/// Whether a layer of these sizes is small: its trees fit the first-level cache, or nearly so. `dynamic_extent`, which
/// is larger than any size, is not.
[[nodiscard]] constexpr bool is_small(std::size_t input_width, std::size_t output_width, std::size_t depth,
                                      std::size_t trees) noexcept {
  return input_width <= 64 && output_width <= 64 && depth <= 6 && trees <= 16;
}

/// Refuses options that a small layer has no use for. Throws: invalid_input.
inline void check_small(const fff_shape& shape, fff_engine engine) {
  constexpr const char* who = " for a layer whose sizes are static and small";
  if (engine != fff_engine::automatic) {
    fail_input("fast_feedforward.engine", "auto" + std::string(who), std::string(name(engine)));
  }
  if (shape.storage_in != weight_storage::float32) {
    fail_input("fast_feedforward.storage_in", "f32" + std::string(who), std::string(name(shape.storage_in)));
  }
  if (shape.storage_out != weight_storage::float32) {
    fail_input("fast_feedforward.storage_out", "f32" + std::string(who), std::string(name(shape.storage_out)));
  }
  if (shape.with_thresholds) fail_input("fast_feedforward.node_thresholds", "false" + std::string(who), "true");
}

/// The weights.
template <std::size_t InputWidth, std::size_t OutputWidth, std::size_t Depth, std::size_t Trees>
class small_fff final : public fff_weights<float> {
  static_assert(is_small(InputWidth, OutputWidth, Depth, Trees));

 public:
  /// All weights zero. Throws: unsupported (the processor lacks the level asked for), std::bad_alloc.
  explicit small_fff(const fff_shape& shape)
      : isa_(resolve(shape.isa)),
        in_({nodes, InputWidth, in_stride}),
        out_({nodes, OutputWidth, out_stride}),
        bias_(nodes) {
    std::fill_n(in_.row(0), nodes * in_stride, 0.0F);
    std::fill_n(out_.row(0), nodes * out_stride, 0.0F);
    std::fill_n(bias_.data(), nodes, 0.0F);
    tables_ = {.in = in_.row(0),
               .bias = bias_.data(),
               .out = out_.row(0),
               .in_stride = in_stride,
               .out_stride = out_stride,
               .right_too = shape.zero_goes_right ? 0.0F : std::numeric_limits<float>::quiet_NaN(),
               .activate = kernels::kernel_of(kernels::activations_of(isa_), shape.activation)};
    walk_ = walk_of(isa_);
  }

  [[nodiscard]] fff_engine engine(std::size_t /*tokens*/) const noexcept override { return fff_engine::fused; }
  [[nodiscard]] isa_level isa() const noexcept override { return isa_; }
  [[nodiscard]] std::size_t bytes() const noexcept override {
    return nodes * (in_stride + out_stride + 1) * sizeof(float);
  }

  void store_in(std::size_t node, const float* row) noexcept override { std::copy_n(row, InputWidth, in_.row(node)); }
  void store_out(std::size_t node, const float* row) noexcept override {
    std::copy_n(row, OutputWidth, out_.row(node));
  }
  void store_bias(std::size_t node, float bias) noexcept override { bias_[node] = bias; }
  void store_threshold(std::size_t /*node*/, float /*threshold*/) noexcept override {}  // `check_small` refuses them
  [[nodiscard]] matrix_view<float> plain_out() noexcept override { return out_.view(); }

  /// Shapes: x: (tokens, InputWidth); y: (tokens, OutputWidth), overwritten; paths: (tokens, path length) or empty.
  /// Pre: the sizes agree; y overlaps neither x nor the weights.
  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y,
                const matrix_view<std::int32_t>& paths) const noexcept {
    for (std::size_t t = 0; t < x.rows(); ++t) {
      walk_(tables_, x.row(t), y.row(t), paths.data() != nullptr ? paths.row(t) : nullptr);
    }
  }
  void multiply(const matrix_view<const float>& x, const matrix_view<float>& y, workspace& /*scratch*/,
                const matrix_view<std::int32_t>& paths) const override {
    multiply(x, y, paths);
  }
  [[nodiscard]] std::size_t workspace_bytes(std::size_t /*tokens*/) const noexcept override { return 0; }

 private:
  static constexpr std::size_t nodes = Trees * ((std::size_t{2} << Depth) - 1);
  [[nodiscard]] static constexpr std::size_t padded(std::size_t width) noexcept {
    return (width + kernels::row_padding - 1) / kernels::row_padding * kernels::row_padding;
  }
  static constexpr std::size_t in_stride = padded(InputWidth);
  static constexpr std::size_t out_stride = padded(OutputWidth);

#if UFB_WITH_BODIES
  using walk = void (*)(const kernels::small_fff& weights, const float* x, float* y, std::int32_t* path);

  [[nodiscard]] static walk walk_of(isa_level level) noexcept {
#if UFB_KERNELS_X86
    if (level == isa_level::avx512) return kernels::avx512::walk_small<InputWidth, OutputWidth, Depth, Trees>;
    if (level == isa_level::avx2) return kernels::avx2::walk_small<InputWidth, OutputWidth, Depth, Trees>;
#elif UFB_KERNELS_NEON
    if (level == isa_level::neon) return kernels::neon::walk_small<InputWidth, OutputWidth, Depth, Trees>;
#endif
    static_cast<void>(level);
    return kernels::portable::walk_small<InputWidth, OutputWidth, Depth, Trees>;
  }
#else
  // The kernels are compiled apart, without knowing the sizes: the same steps through their tables, and the same bits.
  struct walk {
    const kernels::dot_kernels* dots = nullptr;
    const kernels::sum_kernels* sums = nullptr;

    void operator()(const kernels::small_fff& weights, const float* x, float* y, std::int32_t* path) const {
      constexpr std::size_t tree_size = (std::size_t{2} << Depth) - 1;
      constexpr std::size_t visited = Trees * (Depth + 1);
      std::array<float, visited> values{};
      std::array<const std::byte*, visited> rows{};
      for (std::size_t i = 0, node = 0; i < visited; ++i) {
        if (i % (Depth + 1) == 0) node = 0;
        const std::size_t place = i / (Depth + 1) * tree_size + node;
        dots->pair(reinterpret_cast<const std::byte*>(weights.in + place * in_stride), x, InputWidth, &values[i], {});
        values[i] += weights.bias[place];
        rows[i] = reinterpret_cast<const std::byte*>(weights.out + place * out_stride);
        if (path != nullptr) path[i] = static_cast<std::int32_t>(node);
        node = 2 * node + (values[i] > 0.0F || values[i] == weights.right_too ? 2 : 1);
      }
      weights.activate(visited, values.data());
      sums->sum(rows.data(), values.data(), visited, {.first = 0, .last = OutputWidth}, kernels::sum_target::overwrite,
                y, {});
    }
  };
  [[nodiscard]] static walk walk_of(isa_level level) noexcept {
    return {.dots = &kernels::dots_of(level, weight_storage::float32),
            .sums = &kernels::sums_of(level, weight_storage::float32)};
  }
#endif

  isa_level isa_;
  walk walk_{};
  matrix<float> in_;
  matrix<float> out_;
  aligned_buffer<float> bias_;
  kernels::small_fff tables_{};  // refers to the buffers, which do not move with the weights
};

}  // namespace ultrafastbert::cmm
