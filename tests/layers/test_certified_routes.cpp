// SPDX-License-Identifier: MIT
//
// Certified storage: narrow rows, and the very paths of float32 rows, for tokens of every kind.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "layers/support.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

using namespace ufb_test;
using ufb::fff_engine;
using ufb::weight_storage;

namespace {

using layer_type = ufb::fast_feedforward<float>;
using benchmark_layer = ufb::fast_feedforward<float, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent,
                                              ufb::dynamic_extent, ufb::non_negative_goes_right>;

constexpr weight_storage certified[] = {weight_storage::certified_float16, weight_storage::certified_int8,
                                        weight_storage::split_float32};
constexpr fff_engine walks[] = {fff_engine::fused, fff_engine::interleaved, fff_engine::grouped};

std::vector<ufb::isa_level> levels_here() {
  std::vector<ufb::isa_level> levels;
  for (const auto level :
       {ufb::isa_level::portable, ufb::isa_level::avx2, ufb::isa_level::avx512, ufb::isa_level::neon}) {
    if (ufb::supported(level)) levels.push_back(level);
  }
  return levels;
}

template <class Layer = layer_type>
Layer build(const fff_tensors<float>& w, const ufb::fast_feedforward_options& options, bool with_bias = true) {
  return Layer(w.shape, w.linear_in.view(), with_bias ? std::span<const float>(w.bias_in) : std::span<const float>(),
               w.linear_out.view(), options);
}

struct outcome {
  std::vector<float> y{};
  std::vector<std::int32_t> path{};
};

template <class Layer>
outcome run(const Layer& layer, const ufb::matrix_view<const float>& x, ufb::workspace& scratch) {
  outcome out{.y = std::vector<float>(x.rows() * layer.output_width()),
              .path = std::vector<std::int32_t>(x.rows() * layer.path_length())};
  layer.forward(x, {out.y.data(), {x.rows(), layer.output_width()}}, scratch,
                {out.path.data(), {x.rows(), layer.path_length()}});
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Tokens that stand within a few units in the last place of a hyperplane of their own path, on either side of it.
ufb::matrix<float> near_hyperplanes(const fff_tensors<float>& w, const layer_type& layer, bool with_bias,
                                    std::size_t tokens, random_numbers& random) {
  const std::size_t width = layer.input_width();
  ufb::matrix<float> x({tokens, width});
  ufb::workspace scratch;
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto start = random.reals<float>(width);
    std::copy(start.begin(), start.end(), x.row(t));
    const auto path = run(layer, x.view().rows_from(t, 1), scratch).path;
    const std::size_t place = random.size(0, layer.path_length() - 1);
    const std::size_t per_tree = layer.nodes() / layer.parallel_size();
    const std::size_t node = place / (layer.depth() + 1) * per_tree + static_cast<std::size_t>(path[place]);
    const float* row = w.linear_in.view().row(node);
    for (int step = 0; step < 4; ++step) {
      double z = with_bias ? static_cast<double>(w.bias_in[node]) : 0.0;
      double square = 0;
      for (std::size_t k = 0; k < width; ++k) {
        z += static_cast<double>(row[k]) * static_cast<double>(x(t, k));
        square += static_cast<double>(row[k]) * static_cast<double>(row[k]);
      }
      if (square == 0) break;
      for (std::size_t k = 0; k < width; ++k) {
        x(t, k) = static_cast<float>(static_cast<double>(x(t, k)) - z * static_cast<double>(row[k]) / square);
      }
    }
    const std::size_t k = random.size(0, width - 1);
    for (std::size_t i = random.size(0, 3); i > 0; --i) {
      x(t, k) = std::nextafter(x(t, k), random.coin() ? 100.0F : -100.0F);
    }
  }
  return x;
}

}  // namespace

TEST_CASE("Certified routes are those of float32 at every level, in every engine, with equal bits", "[certified]") {
  random_numbers random(501);
  ufb::workspace scratch;
  for (int round = 0; round < 6; ++round) {
    const ufb::fast_feedforward_shape shape{.input_width = random.size(1, 130),
                                            .output_width = random.size(1, 40),
                                            .depth = random.size(0, 7),
                                            .parallel_size = random.size(1, 3)};
    const fff_tensors<float> w(shape, random);
    const guarded_matrix<float> x(700, shape.input_width, 2, random);
    const bool with_bias = random.coin();
    for (const auto level : levels_here()) {
      const auto expected = run(build(w, {.engine = fff_engine::fused, .isa = level}, with_bias), x.view(), scratch);
      for (const auto storage : certified) {
        INFO(ufb::name(level) << ' ' << ufb::name(storage) << ", round " << round);
        std::vector<outcome> all;
        for (const auto engine : walks) {
          all.push_back(
              run(build(w, {.engine = engine, .storage_in = storage, .isa = level}, with_bias), x.view(), scratch));
          CHECK(all.back().path == expected.path);
          CHECK(same_bits(all.back().y, all.front().y));
        }
        // The coefficients are those of the narrow rows.
        double error = 0;
        double norm = 0;
        for (std::size_t i = 0; i < expected.y.size(); ++i) {
          const double difference = static_cast<double>(all[0].y[i]) - static_cast<double>(expected.y[i]);
          error += difference * difference;
          norm += static_cast<double>(expected.y[i]) * static_cast<double>(expected.y[i]);
        }
        const double limit = storage == weight_storage::certified_float16 ? 1e-6
                             : storage == weight_storage::split_float32   ? 5e-5
                                                                          : 1e-3;
        CHECK(error <= limit * norm);
      }
    }
  }
}

TEST_CASE("Tokens within a few units of a hyperplane go where float32 sends them", "[certified]") {
  random_numbers random(502);
  ufb::workspace scratch;
  for (const std::size_t width : {3U, 16U, 64U, 200U}) {
    for (const bool with_bias : {true, false}) {
      const fff_tensors<float> w({.input_width = width, .output_width = 8, .depth = 5, .parallel_size = 2}, random);
      for (const auto level : levels_here()) {
        const auto exact = build(w, {.engine = fff_engine::fused, .isa = level}, with_bias);
        const auto x = near_hyperplanes(w, exact, with_bias, 500, random);
        const auto expected = run(exact, x.view(), scratch);
        for (const auto storage : certified) {
          INFO(ufb::name(level) << ' ' << ufb::name(storage) << ", width " << width);
          const auto layer = build(w, {.storage_in = storage, .isa = level}, with_bias);
          CHECK(run(layer, x.view(), scratch).path == expected.path);
          CHECK(layer.second_looks(x.view(), scratch) > 250);  // most tokens have a logit in doubt
          // Both ties, whichever is the layer's.
          const auto other = build<benchmark_layer>(w, {.storage_in = storage, .isa = level}, with_bias);
          const auto other_exact = build<benchmark_layer>(w, {.engine = fff_engine::fused, .isa = level}, with_bias);
          CHECK(run(other, x.view(), scratch).path == run(other_exact, x.view(), scratch).path);
        }
      }
    }
  }
}

TEST_CASE("Numbers of every size and kind keep certified routes those of float32", "[certified]") {
  random_numbers random(503);
  ufb::workspace scratch;
  constexpr std::size_t width = 48;
  fff_tensors<float> w({.input_width = width, .output_width = 8, .depth = 4, .parallel_size = 3}, random);
  const auto set_row = [&](std::size_t node, auto value) {
    for (std::size_t k = 0; k < width; ++k) w.linear_in(node, k) = value(k);
  };
  set_row(0, [](std::size_t) { return 0.0F; });
  w.bias_in[0] = 0;
  set_row(1, [&](std::size_t) { return random.reals<float>(1)[0] * 1e-39F; });  // below the normal numbers
  set_row(2, [&](std::size_t) { return random.reals<float>(1)[0] * 1e30F; });   // above those of float16
  set_row(31, [&](std::size_t k) { return k == 0 ? 70000.0F : 1e-6F; });
  set_row(62, [&](std::size_t k) { return k % 2 == 0 ? 1e-8F : -1e-8F; });  // float16 makes zeros of them
  guarded_matrix<float> x(600, width, 0, random);
  for (std::size_t t = 0; t < x.rows(); ++t) {
    const float scale = random.pick({1.0F, 1e-6F, 1e-20F, 1e-30F, 1e-41F, 1e10F, 1e25F, 0.0F});
    for (std::size_t k = 0; k < width; ++k) x(t, k) *= scale;
    if (t % 3 == 0) {
      x(t, random.size(0, width - 1)) =
          random.pick({std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity(), (std::numeric_limits<float>::max)(),
                       std::numeric_limits<float>::denorm_min()});
    }
  }
  const auto check = [&] {
    for (const auto level : levels_here()) {
      const auto expected = run(build(w, {.engine = fff_engine::fused, .isa = level}), x.view(), scratch);
      for (const auto storage : certified) {
        for (const auto engine : walks) {
          INFO(ufb::name(level) << ' ' << ufb::name(storage) << ' ' << ufb::name(engine));
          CHECK(run(build(w, {.engine = engine, .storage_in = storage, .isa = level}), x.view(), scratch).path ==
                expected.path);
        }
      }
    }
  };
  check();
#if defined(__SSE2__)
  // As in hosts that flush small numbers to zero.
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040U);
  check();
  _mm_setcsr(before);
#endif
}

TEST_CASE("Second looks are few for tokens of no special kind, and none with other storage", "[certified]") {
  random_numbers random(504);
  ufb::workspace scratch;
  const fff_tensors<float> w({.input_width = 256, .output_width = 8, .depth = 7, .parallel_size = 1}, random);
  const guarded_matrix<float> x(2000, 256, 0, random);
  const auto half = build(w, {.storage_in = weight_storage::certified_float16});
  const auto byte = build(w, {.storage_in = weight_storage::certified_int8});
  const auto halves = build(w, {.storage_in = weight_storage::split_float32});
  CHECK(half.second_looks(x.view(), scratch) < 2000 * 8 / 50);
  CHECK(byte.second_looks(x.view(), scratch) < 2000 * 8 / 2);
  CHECK(halves.second_looks(x.view(), scratch) < 2000 * 8 / 10);
  CHECK(halves.second_looks(x.view(), scratch) > half.second_looks(x.view(), scratch));
  CHECK(byte.second_looks(x.view(), scratch) > halves.second_looks(x.view(), scratch));
  CHECK(build(w, {.storage_in = weight_storage::float16}).second_looks(x.view(), scratch) == 0);
  CHECK(error_text_of([&] { (void)half.second_looks(x.view().cols_from(0, 255), scratch); }) ==
        "invalid_input: x: (2000, 256): (2000, 255)");

  // Memory: the narrow rows beside the float32 ones, and a bound for each; of the split nothing but the bounds.
  const auto exact = build(w, {});
  CHECK(half.bytes() == exact.bytes() + 255 * (256 * 2 + 4));
  CHECK(byte.bytes() == exact.bytes() + 255 * (256 + 4 + 4));
  CHECK(halves.bytes() == exact.bytes() + 255 * 4);
}

TEST_CASE("Certified storage is spread over threads with the bits of one", "[certified]") {
  random_numbers random(505);
  ufb::workspace scratch;
  const fff_tensors<float> w({.input_width = 96, .output_width = 96, .depth = 8, .parallel_size = 2}, random);
  const guarded_matrix<float> x(3000, 96, 0, random);
  for (const auto storage : certified) {
    const auto layer = build(w, {.storage_in = storage, .storage_out = weight_storage::float16});
    const auto expected = run(layer, x.view(), scratch);
    ufb::workspace enough(layer.workspace_bytes(3000));
    const std::size_t capacity = enough.capacity();
    CHECK(same_bits(run(layer, x.view(), enough).y, expected.y));
    CHECK(enough.capacity() == capacity);
    ufb::thread_pool pool(3);
    std::vector<float> y(expected.y.size());
    layer.forward(x.view(), {y.data(), {3000, 96}}, scratch, pool);
    CHECK(same_bits(y, expected.y));
  }
}

TEST_CASE("Certified storage is for the first matrix of layers that walk", "[certified][errors]") {
  random_numbers random(506);
  const fff_tensors<float> w({.input_width = 8, .output_width = 8, .depth = 2, .parallel_size = 1}, random);
  const auto text = [&](const ufb::fast_feedforward_options& options) {
    return error_text_of([&] { (void)build(w, options); });
  };
  CHECK(text({.storage_out = weight_storage::certified_float16}) ==
        "invalid_input: fast_feedforward.storage_out: f32, f16, bf16 or int8, as certificates are for paths: cf16");
  CHECK(text({.engine = fff_engine::blas, .storage_in = weight_storage::certified_int8}) ==
        "invalid_input: fast_feedforward.storage_in: f32 with the engine blas, which rounds nothing: ci8");
  CHECK(text({.engine = fff_engine::dense, .storage_in = weight_storage::certified_int8}) ==
        "invalid_input: fast_feedforward.storage_in: f32 with the engine dense, which rounds nothing: ci8");
  CHECK(error_text_of([&] {
          (void)ufb::packed_matrix({4, 4}, weight_storage::certified_int8);
        }) == "unsupported: packed matrix: f32, bf16 or int8: ci8");
}
