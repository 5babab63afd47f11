// SPDX-License-Identifier: MIT
//
// Fuzz target: an input chooses sizes, storage, level, engine and kinds of numbers of a layer. Conditional matrix
// multiplication, FFF layers and layers with leaf networks are compared with the plain reference, engines with each
// other bit by bit, certified paths with those of float32. All arrays lie in memory of just their size.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <Eigen/Core>

#include "cmm/support.hpp"
#include "fuzz/fuzz_input.hpp"
#include "support/backends.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"
#include "ultrafastbert/layers.hpp"

namespace {

using namespace ufb_fuzz;
namespace reference = ufb_test::reference;
using reference::arithmetic;
using reference::estimate;
using reference::exact;
using ufb::activation_kind;
using ufb::fff_engine;
using ufb::weight_storage;

/// A matrix in memory that ends with its last element.
template <class T>
struct heap_matrix {
  heap_matrix(std::size_t row_count, std::size_t col_count, std::size_t gap = 0)
      : rows(row_count),
        cols(col_count),
        stride(col_count + gap),
        cells(row_count == 0 ? 0 : (row_count - 1) * stride + col_count) {}

  T& operator()(std::size_t r, std::size_t c) { return cells[r * stride + c]; }
  const T& operator()(std::size_t r, std::size_t c) const { return cells[r * stride + c]; }
  ufb::matrix_view<T> view() { return {cells.data(), {rows, cols, stride}}; }
  ufb::matrix_view<const T> view() const { return {cells.data(), {rows, cols, stride}}; }

  std::size_t rows;
  std::size_t cols;
  std::size_t stride;
  std::vector<T> cells;
};

/// What the numbers of a layer are.
enum class numbers : std::uint8_t {
  random,    ///< uniform, judged by bounds on rounding
  integers,  ///< small ones, whose sums are exact: results are equal, and logits are often 0
  special,   ///< inputs that are no numbers, or at the ends of their range: paths and engines alone are judged
};

struct choices {
  explicit choices(byte_stream& input)
      : kind(input.pick({numbers::random, numbers::random, numbers::integers, numbers::special})),
        zero_goes_right(input.coin()),
        with_bias(input.coin()),
        tokens(input.size(0, 40)),
        in(input.size(1, 80)),
        out(input.size(1, 80)),
        depth(input.size(0, 5)),
        trees(input.size(1, 4)),
        activation(kind == numbers::integers
                       ? input.pick({activation_kind::relu, activation_kind::identity})
                       : input.pick({activation_kind::gelu, activation_kind::relu, activation_kind::silu,
                                     activation_kind::tanh, activation_kind::gelu_tanh, activation_kind::relu_squared,
                                     activation_kind::identity})),
        storage_in(input.pick(
            {weight_storage::float32, weight_storage::float16, weight_storage::bfloat16, weight_storage::int8})),
        storage_out(input.pick(
            {weight_storage::float32, weight_storage::float16, weight_storage::bfloat16, weight_storage::int8})),
        isa(input.pick({ufb::isa_level::automatic, ufb::isa_level::portable, ufb::isa_level::avx2,
                        ufb::isa_level::avx512, ufb::isa_level::neon})),
        gap(input.size(0, 3)),
        scale(std::ldexp(1.0, static_cast<int>(input.size(0, 12)) - 8)),
        random(input.word()) {
    if (!ufb::supported(isa)) isa = ufb::isa_level::automatic;
  }

  float number() {
    if (kind == numbers::integers) return static_cast<float>(static_cast<int>(random.size(0, 4)) - 2);
    return random.real<float>(scale);
  }
  float input_number() {
    if (kind != numbers::special || random.size(0, 5) != 0) return number();
    using limits = std::numeric_limits<float>;
    return random.pick({limits::quiet_NaN(), limits::infinity(), -limits::infinity(), (limits::max)(), limits::lowest(),
                        limits::denorm_min(), -0.0F, limits::epsilon()});
  }

  numbers kind;
  bool zero_goes_right;
  bool with_bias;
  std::size_t tokens;
  std::size_t in;
  std::size_t out;
  std::size_t depth;
  std::size_t trees;
  activation_kind activation;
  weight_storage storage_in;
  weight_storage storage_out;
  ufb::isa_level isa;
  std::size_t gap;
  double scale;
  ufb_test::random_numbers random;
};

heap_matrix<float> filled(choices& c, std::size_t rows, std::size_t cols, bool inputs = false) {
  heap_matrix<float> out(rows, cols, c.gap);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t k = 0; k < cols; ++k) out(r, k) = inputs ? c.input_number() : c.number();
  }
  return out;
}

/// The numbers that a storage type makes of rows, written without the library.
exact rounded(const heap_matrix<float>& from, weight_storage storage) {
  exact out(from.rows, from.cols);
  for (std::size_t r = 0; r < from.rows; ++r) {
    float largest = 0;
    for (std::size_t k = 0; k < from.cols; ++k) largest = std::max(largest, std::abs(from(r, k)));
    const float step = largest / 127.0F;
    for (std::size_t k = 0; k < from.cols; ++k) {
      const float value = from(r, k);
      double& to = out(r, k);
      to = static_cast<double>(value);
      if (storage == weight_storage::float16) to = static_cast<double>(static_cast<float>(Eigen::half(value)));
      if (storage == weight_storage::bfloat16) to = static_cast<double>(static_cast<float>(Eigen::bfloat16(value)));
      if (storage == weight_storage::int8) {
        // Quotients are of type float, which makes ties of some.
        to = step > 0 ? static_cast<double>(std::nearbyint(value / step)) * static_cast<double>(step) : 0;
      }
    }
  }
  return out;
}

struct outcome {
  heap_matrix<float> y;
  heap_matrix<std::int32_t> path;
};

bool same(const outcome& a, const outcome& b) {
  if (a.path.cells != b.path.cells) return false;
  for (std::size_t r = 0; r < a.y.rows; ++r) {
    for (std::size_t k = 0; k < a.y.cols; ++k) {
      const bool neither = std::isnan(a.y(r, k)) && std::isnan(b.y(r, k));
      if (!neither && std::memcmp(&a.y(r, k), &b.y(r, k), sizeof(float)) != 0) return false;
    }
  }
  return true;
}

/// Every step is a child of the one before it.
void check_path(const heap_matrix<std::int32_t>& path, std::size_t depth) {
  for (std::size_t t = 0; t < path.rows; ++t) {
    for (std::size_t i = 0; i < path.cols; ++i) {
      const std::int64_t node = path(t, i);
      if (i % (depth + 1) == 0) {
        require(node == 0, "a path does not begin at the root");
      } else {
        const std::int64_t before = path(t, i - 1);
        require(node == 2 * before + 1 || node == 2 * before + 2, "a path leaves its tree");
      }
    }
  }
}

void check_with_reference(const choices& c, const heap_matrix<float>& x, const reference::fff_weights& weights,
                          const outcome& got, std::string_view who) {
  check_path(got.path, c.depth);
  if (c.kind == numbers::special) return;
  reference::grid<std::int32_t> taken(got.path.rows, got.path.cols);
  taken.cells = got.path.cells;
  const auto rounding = c.kind == numbers::integers ? arithmetic::without_rounding() : arithmetic::of<float>();
  const auto expected = rounding.fff(reference::table_of(reference::exact_of(x.view())), weights, taken);
  require(expected.wrong_turns == 0, std::string(who) + " takes a wrong turn");
  const double worst = reference::worst_ratio(got.y.view(), expected.y);
  require(worst <= 1,
          std::string(who) + " is farther from the reference than rounding explains: " + std::to_string(worst));
}

template <class TieRule>
void try_layers(choices& c) {
  const std::size_t nodes = c.trees * ((std::size_t{2} << c.depth) - 1);
  const auto linear_in = filled(c, nodes, c.in);
  const auto linear_out = filled(c, nodes, c.out);
  std::vector<float> bias(c.with_bias ? nodes : 0);
  for (float& each : bias) each = c.number();
  const auto x = filled(c, c.tokens, c.in, true);
  const auto weights = [&](weight_storage in, weight_storage out) {
    return reference::fff_weights{.linear_in = rounded(linear_in, in),
                                  .bias_in = std::vector<double>(bias.begin(), bias.end()),
                                  .linear_out = rounded(linear_out, out),
                                  .depth = c.depth,
                                  .parallel_size = c.trees,
                                  .activation = c.activation,
                                  .zero_goes_right = c.zero_goes_right};
  };
  const auto exact_weights = weights(weight_storage::float32, weight_storage::float32);
  const auto empty = [&] {
    return outcome{.y = heap_matrix<float>(c.tokens, c.out, c.gap),
                   .path = heap_matrix<std::int32_t>(c.tokens, c.trees * (c.depth + 1))};
  };
  ufb::workspace scratch;

  // The multiplication by itself.
  const auto multiply = [&](auto backend, std::string_view who) {
    outcome got = empty();
    const ufb::cmm_weights<float> from{.linear_in = linear_in.view(),
                                       .bias_in = bias,
                                       .linear_out = linear_out.view(),
                                       .depth = c.depth,
                                       .parallel_size = c.trees,
                                       .activation = c.activation};
    ufb::conditional_matrix_multiply<TieRule, decltype(backend), float>(from, x.view(), got.y.view(), scratch,
                                                                        got.path.view());
    check_with_reference(c, x, exact_weights, got, who);
  };
  multiply(ufb::plain_backend{}, "plain loops");
  multiply(ufb::default_blas{}, "the BLAS");

  using layer_type = ufb::fast_feedforward<float, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent,
                                           ufb::dynamic_extent, TieRule>;
  const ufb::fast_feedforward_shape shape{.input_width = c.in,
                                          .output_width = c.out,
                                          .depth = c.depth,
                                          .parallel_size = c.trees,
                                          .activation = c.activation};
  const auto build = [&](fff_engine engine, weight_storage in, weight_storage out) {
    const ufb::isa_level isa = engine == fff_engine::blas ? ufb::isa_level::automatic : c.isa;
    return layer_type(shape, linear_in.view(), bias, linear_out.view(),
                      {.engine = engine, .storage_in = in, .storage_out = out, .isa = isa},
                      ufb::linear_out_layout::row_per_node);
  };
  const auto run = [&](const layer_type& layer) {
    outcome got = empty();
    layer.forward(x.view(), got.y.view(), scratch, got.path.view());
    return got;
  };
  for (const auto engine : {fff_engine::blas, fff_engine::dense}) {
    check_with_reference(c, x, exact_weights, run(build(engine, weight_storage::float32, weight_storage::float32)),
                         name(engine));
  }
  // Engines that walk: the reference of the rounded weights, and the bits of each other.
  const auto expected = run(build(fff_engine::fused, c.storage_in, c.storage_out));
  const bool exact_storage =
      c.kind != numbers::integers || (c.storage_in != weight_storage::int8 && c.storage_out != weight_storage::int8);
  if (exact_storage) check_with_reference(c, x, weights(c.storage_in, c.storage_out), expected, "a walk");
  for (const auto engine : {fff_engine::interleaved, fff_engine::grouped}) {
    require(same(run(build(engine, c.storage_in, c.storage_out)), expected),
            std::string(name(engine)) + " has other bits than fused");
  }
  // Given paths, margins, and what they say of the turns.
  {
    const auto layer = build(fff_engine::grouped, c.storage_in, c.storage_out);
    outcome along = empty();
    heap_matrix<float> margins(c.tokens, along.path.cols);
    layer.forward_along(x.view(), along.y.view(), expected.path.view(), scratch, {.margins = margins.view()});
    along.path.cells = expected.path.cells;
    require(same(along, expected), "given paths have other bits than chosen ones");
    for (std::size_t t = 0; t < c.tokens; ++t) {
      for (std::size_t i = 0; i + 1 < along.path.cols; ++i) {
        if ((i + 1) % (c.depth + 1) == 0) continue;
        const float margin = margins(t, i);
        const bool right = margin > 0.0F || (c.zero_goes_right && margin == 0.0F);
        require(expected.path(t, i + 1) == 2 * expected.path(t, i) + (right ? 2 : 1), "a margin denies its turn");
      }
    }
  }
  // Certified storage.
  const auto plain = run(build(fff_engine::fused, weight_storage::float32, c.storage_out));
  for (const auto storage :
       {weight_storage::certified_float16, weight_storage::certified_int8, weight_storage::split_float32}) {
    const auto first = run(build(fff_engine::fused, storage, c.storage_out));
    require(first.path.cells == plain.path.cells, std::string(name(storage)) + " takes another path than float32");
    for (const auto engine : {fff_engine::interleaved, fff_engine::grouped}) {
      require(same(run(build(engine, storage, c.storage_out)), first),
              std::string(name(storage)) + " has other bits in " + std::string(name(engine)));
    }
  }
}

/// The original form: a tree of decisions and a network at each leaf.
template <class TieRule>
void try_leaves(choices& c) {
  const std::size_t leaves = std::size_t{1} << c.depth;
  const std::size_t width = 1 + c.trees * 3;
  const auto node_weights = filled(c, leaves - 1, c.in);
  std::vector<float> node_biases(c.with_bias ? leaves - 1 : 0);
  for (float& each : node_biases) each = c.number();
  const auto w1s = filled(c, leaves * c.in, width);
  const auto b1s = filled(c, leaves, width);
  const auto w2s = filled(c, leaves * width, c.out);
  const auto b2s = filled(c, leaves, c.out);
  const auto x = filled(c, c.tokens, c.in, true);
  ufb::workspace scratch;
  std::vector<outcome> all;
  for (const auto engine : {ufb::leaf_engine::blas, ufb::leaf_engine::single, ufb::leaf_engine::grouped}) {
    const bool blas = engine == ufb::leaf_engine::blas;
    const ufb::leaf_feedforward<float, TieRule> layer(
        {.input_width = c.in,
         .leaf_width = width,
         .output_width = c.out,
         .depth = c.depth,
         .activation = c.activation,
         .output_bias = true},
        {.node_weights = node_weights.view(),
         .node_biases = node_biases,
         .w1s = w1s.view(),
         .b1s = b1s.view(),
         .w2s = w2s.view(),
         .b2s = b2s.view()},
        {.engine = engine, .isa = blas ? ufb::isa_level::automatic : c.isa});
    all.push_back({.y = heap_matrix<float>(c.tokens, c.out, c.gap), .path = heap_matrix<std::int32_t>(c.tokens, 1)});
    layer.forward(x.view(), all.back().y.view(), scratch, all.back().path.cells);
  }
  require(same(all[1], all[2]), "leaf networks have other bits in another engine");
  const auto rounding = c.kind == numbers::integers ? arithmetic::without_rounding() : arithmetic::of<float>();
  for (const outcome& got : all) {
    for (std::size_t t = 0; t < c.tokens; ++t) {
      const auto leaf = static_cast<std::size_t>(got.path(t, 0));
      require(leaf < leaves, "a leaf that there is not");
      if (c.kind == numbers::special) continue;
      const auto from = [&](std::size_t k) { return estimate{static_cast<double>(x(t, k))}; };
      std::size_t node = 0;
      for (std::size_t level = 0; level < c.depth; ++level) {
        const estimate logit = rounding.dot(
            c.in, from, [&](std::size_t k) { return estimate{static_cast<double>(node_weights(node, k))}; },
            c.with_bias ? static_cast<double>(node_biases[node]) : 0);
        const bool right = logit.value > 0 || (c.zero_goes_right && logit.value == 0);
        const bool taken = ((leaf >> (c.depth - 1 - level)) & 1U) != 0;
        require(taken == right || std::abs(logit.value) < logit.error, "a leaf behind a wrong turn");
        node = 2 * node + (taken ? 2 : 1);
      }
      std::vector<estimate> hidden(width);
      for (std::size_t i = 0; i < width; ++i) {
        const estimate sum = rounding.dot(
            c.in, from, [&](std::size_t k) { return estimate{static_cast<double>(w1s(leaf * c.in + k, i))}; },
            static_cast<double>(b1s(leaf, i)));
        hidden[i] = rounding.activate(c.activation, sum);
      }
      for (std::size_t j = 0; j < c.out; ++j) {
        const estimate y = rounding.dot(
            width, [&](std::size_t i) { return hidden[i]; },
            [&](std::size_t i) { return estimate{static_cast<double>(w2s(leaf * width + i, j))}; },
            static_cast<double>(b2s(leaf, j)));
        const double difference = std::abs(static_cast<double>(got.y(t, j)) - y.value);
        if (difference <= y.error) continue;
        fault("a leaf network is farther from the reference than rounding explains: " +
              std::to_string(difference / y.error) + " times, " + std::to_string(got.y(t, j)) + " for " +
              std::to_string(y.value) + " in engine " + std::to_string(&got - all.data()) + " with activation " +
              std::string(name(c.activation)));
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  byte_stream input(data, size);
  const bool leaves = input.size(0, 3) == 3;
  choices c(input);
  const auto problem = attempt([&] {
    if (leaves && c.zero_goes_right) return try_leaves<ufb::non_negative_goes_right>(c);
    if (leaves) return try_leaves<ufb::positive_goes_right>(c);
    if (c.zero_goes_right) return try_layers<ufb::non_negative_goes_right>(c);
    return try_layers<ufb::positive_goes_right>(c);
  });
  require(!problem, "valid sizes and numbers are refused");
  return 0;
}
