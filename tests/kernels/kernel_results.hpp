// SPDX-License-Identifier: MIT
//
// Defines one function, UFB_RESULTS_FUNCTION, which the including file names: what every kernel of every level of the
// machine computes from fixed random operands. Compiled several times with different options.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/generator.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/products/head_attention.hpp"
#include "ultrafastbert/products/packed_matrix.hpp"

namespace ufb_test {

/// Declared here for the files that call it.
std::vector<float> UFB_RESULTS_FUNCTION();

namespace {

using namespace ultrafastbert;

struct result_collector {
  static constexpr std::size_t width = 203;
  static constexpr std::size_t stride = 208;

  template <class Weight>
  struct alignas(64) rows_of {
    std::array<Weight, 8 * stride> values{};
  };

  static void fill(float& w, std::uint64_t bits) { w = static_cast<float>(bits >> 40U) * 0x1p-23F - 1.0F; }
  // Signs, fractions and eight exponents, down to subnormal numbers in binary16.
  static void fill(float16_bits& w, std::uint64_t bits) { w.bits = static_cast<std::uint16_t>(bits & 0x9fffU); }
  static void fill(bfloat16_bits& w, std::uint64_t bits) {
    w.bits = static_cast<std::uint16_t>((bits & 0x83ffU) | 0x3c00U);
  }
  static void fill(std::int8_t& w, std::uint64_t bits) {
    w = static_cast<std::int8_t>(static_cast<int>(bits % 255) - 127);
  }

  template <class Weight>
  void collect(isa_level level, weight_storage storage) {
    rows_of<Weight> weights;
    std::array<const std::byte*, 8> rows{};
    std::array<const float*, 8> x{};
    const std::vector<float> inputs = uniform(2, 8 * width, 0);
    for (std::size_t i = 0; i < 8; ++i) {
      for (std::size_t k = 0; k < width; ++k) fill(weights.values[i * stride + k], splitmix64(1, i * width + k));
      rows[i] = reinterpret_cast<const std::byte*>(weights.values.data() + i * stride);
      x[i] = inputs.data() + i * width;
    }
    std::array<float, 21> z{};
    const kernels::dot_kernels& dots = kernels::dots_of(level, storage);
    dots.rows_3_inputs_4(rows[0], stride * sizeof(Weight), x.data(), width, z.data(), {});
    dots.pairs_8(rows.data(), x.data(), width, z.data() + 12);
    dots.pair(rows[7], x[0], width, z.data() + 20, {});
    all.insert(all.end(), z.begin(), z.end());

    std::vector<float> y(2 * width);
    const kernels::sum_kernels& sums = kernels::sums_of(level, storage);
    sums.sum(rows.data(), x[4], 8, {0, width}, kernels::sum_target::overwrite, y.data(), {});
    sums.sum(rows.data(), x[5], 8, {64, width}, kernels::sum_target::add, y.data() + width, {});
    all.insert(all.end(), y.begin(), y.end());
  }

  // Whole and cut panels, one and several rows.
  void collect_products(isa_level level, weight_storage storage) {
    constexpr std::size_t outputs = 75;
    const std::vector<float> inputs = uniform(4, 15 * width, 0);
    const std::vector<float> matrix = uniform(5, outputs * width, 0);
    const packed_matrix weights({matrix.data(), {outputs, width}}, storage, level);
    workspace scratch;
    for (const std::size_t rows : {std::size_t{1}, std::size_t{15}}) {
      std::vector<float> y(rows * outputs);
      weights.multiply({inputs.data(), {rows, width}}, {y.data(), {rows, outputs}}, scratch,
                       {.bias = {inputs.data(), outputs}});
      all.insert(all.end(), y.begin(), y.end());
    }
  }

  void collect_rows(isa_level level) {
    const kernels::row_kernels& rows = kernels::rows_of(level);
    const std::vector<float> operands = uniform(6, 3 * width, 1);
    const float* x = operands.data();
    std::vector<float> y(6 * width);
    rows.layer_norm(width, 1e-5F, x + width, x + 2 * width, x, y.data());
    rows.rms_norm(width, 1e-5F, x + width, x, y.data() + width);
    rows.scale_norm(width, 1e-5F, 3.0F, x, y.data() + 2 * width);
    rows.sum(width, x, x + width, y.data() + 3 * width);
    for (std::size_t i = 4; i < 6; ++i) {
      std::copy_n(x, width, y.data() + i * width);
      kernels::running_softmax state;
      const float* bias = i == 4 ? nullptr : x + width;
      rows.softmax({.scores = y.data() + i * width, .count = 100, .factor = 0.7F, .bias = bias}, state);
      all.push_back(rows.softmax({.scores = y.data() + i * width + 100, .count = width - 100, .factor = 9.0F}, state));
      all.push_back(state.sum);
    }
    all.insert(all.end(), y.begin(), y.end());
  }

  // Two blocks of keys, a cut panel, a mask that has to be computed.
  void collect_attention(isa_level level) {
    constexpr std::size_t length = 300;
    constexpr std::size_t head_width = 20;
    const std::vector<float> rows = uniform(7, length * 3 * head_width, 0);
    const std::vector<float> mask = uniform(8, length * length, -10);
    const matrix_view<const float> operands(rows.data(), {length, 3 * head_width});
    workspace scratch;
    for (const bool masked : {false, true}) {
      std::vector<float> context(length * head_width);
      head_attention(level).forward(
          {.queries = operands.cols_from(0, head_width),
           .keys = operands.cols_from(head_width, head_width),
           .values = operands.cols_from(2 * head_width, head_width),
           .norm_factor = 0.3F,
           .visible_keys = length,
           .query_mask = masked ? matrix_view<const float>(mask.data(), {length, length}) : matrix_view<const float>{},
           .causal = masked},
          {context.data(), {length, head_width}}, scratch);
      all.insert(all.end(), context.begin(), context.end());
    }
  }

  void collect_all() {
    for (const isa_level level : {isa_level::portable, isa_level::neon, isa_level::avx2, isa_level::avx512}) {
      if (!supported(level)) continue;
      collect<float>(level, weight_storage::float32);
      collect<float16_bits>(level, weight_storage::float16);
      collect<bfloat16_bits>(level, weight_storage::bfloat16);
      collect<std::int8_t>(level, weight_storage::int8);
      collect_products(level, weight_storage::float32);
      collect_products(level, weight_storage::bfloat16);
      collect_products(level, weight_storage::int8);
      collect_rows(level);
      collect_attention(level);
      const kernels::activation_kernels& table = kernels::activations_of(level);
      for (const auto activate :
           {table.gelu, table.silu, table.tanh, table.relu, table.gelu_tanh, table.relu_squared, table.identity}) {
        std::vector<float> values = uniform(3, 1003, 3);
        activate(values.size(), values.data());
        all.insert(all.end(), values.begin(), values.end());
      }
    }
  }

  std::vector<float> all{};
};

}  // namespace

std::vector<float> UFB_RESULTS_FUNCTION() {
  result_collector results;
  results.collect_all();
  return results.all;
}

}  // namespace ufb_test
