// SPDX-License-Identifier: MIT
//
// The FFF layer: static and dynamic sizes, both layouts, its accessors, and its values.
#include <Eigen/Core>
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "layers/support.hpp"
#include "support/backends.hpp"

using namespace ufb_test;

namespace {

using dynamic_layer = ufb::fast_feedforward<float>;
using static_layer = ufb::fast_feedforward<float, 24, 20, 4, 3>;
using half_static_layer = ufb::fast_feedforward<float, 24, ufb::dynamic_extent, 4>;

static_assert(sizeof(static_layer) < sizeof(dynamic_layer), "static sizes take no storage");
static_assert(sizeof(half_static_layer) < sizeof(dynamic_layer));
static_assert(std::is_nothrow_move_constructible_v<dynamic_layer> && !std::is_copy_constructible_v<dynamic_layer>);

constexpr ufb::fast_feedforward_shape tree_shape{.input_width = 24, .output_width = 20, .depth = 4, .parallel_size = 3};

template <class Layer>
guarded_matrix<float> output_of(const Layer& layer, const guarded_matrix<float>& x) {
  guarded_matrix<float> y(x.rows(), layer.output_width(), 5);
  ufb::workspace scratch;
  layer.forward(x.view(), y.view(), scratch);
  CHECK(y.surroundings_intact());
  return y;
}

}  // namespace

TEST_CASE("Static and dynamic sizes, both layouts of the second matrix: the same bits", "[fff]") {
  random_numbers random(61);
  const fff_tensors<float> w(tree_shape, random);
  const guarded_matrix<float> x(70, 24, 2, random);
  const dynamic_layer by_column(tree_shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  const guarded_matrix<float> y = output_of(by_column, x);

  const dynamic_layer by_row(tree_shape, w.linear_in.view(), w.bias_in, w.linear_out_by_row.view(), {},
                             ufb::linear_out_layout::row_per_node);
  CHECK(same_bits(output_of(by_row, x), y));
  const static_layer fixed(tree_shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  CHECK(same_bits(output_of(fixed, x), y));
  const static_layer fixed_by_row({}, w.linear_in.view(), w.bias_in, w.linear_out_by_row.view(), {},
                                  ufb::linear_out_layout::row_per_node);
  CHECK(same_bits(output_of(fixed_by_row, x), y));
  const half_static_layer half({.output_width = 20, .parallel_size = 3}, w.linear_in.view(), w.bias_in,
                               w.linear_out.view());
  CHECK(same_bits(output_of(half, x), y));
}

TEST_CASE("A layer knows its sizes and the memory it holds", "[fff]") {
  random_numbers random(62);
  const fff_tensors<float> w(tree_shape, random);
  const auto check = [](const auto& layer) {
    CHECK(layer.input_width() == 24);
    CHECK(layer.output_width() == 20);
    CHECK(layer.depth() == 4);
    CHECK(layer.parallel_size() == 3);
    CHECK(layer.nodes() == 93);
    CHECK(layer.path_length() == 15);
  };
  const dynamic_layer layer(tree_shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  check(layer);
  check(static_layer({}, w.linear_in.view(), w.bias_in, w.linear_out.view()));
  // Rows of 24 and 20 floats are padded to 32 each.
  CHECK(layer.bytes() == (93 * 32 + 93 * 32 + 93) * sizeof(float));
  const dynamic_layer without_bias(tree_shape, w.linear_in.view(), {}, w.linear_out.view());
  CHECK(without_bias.bytes() == (93 * 32 + 93 * 32) * sizeof(float));
}

TEMPLATE_LIST_TEST_CASE("The layer's values follow the reference, with and without bias", "[fff]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  constexpr auto any = ufb::dynamic_extent;
  using layer_type =
      ufb::fast_feedforward<Scalar, any, any, any, any, ufb::positive_goes_right, typename TestType::backend>;
  random_numbers random(63);
  ufb::workspace scratch;
  for (int round = 0; round < 40; ++round) {
    const fff_tensors<Scalar> w({.input_width = random.size(1, 40),
                                 .output_width = random.size(1, 40),
                                 .depth = random.size(0, 6),
                                 .parallel_size = random.size(1, 4)},
                                random);
    const bool with_bias = random.coin();
    const layer_type layer(w.shape, w.linear_in.view(), with_bias ? w.bias_in : std::vector<Scalar>(),
                           w.linear_out.view());
    const guarded_matrix<Scalar> x(random.size(0, 130), w.shape.input_width, 1, random);
    guarded_matrix<Scalar> y(x.rows(), w.shape.output_width, 1);
    reference::grid<std::int32_t> path(x.rows(), layer.path_length());
    layer.forward(x.view(), y.view(), scratch, {path.cells.data(), {path.rows, path.cols}});
    auto weights = w.reference_weights();
    if (!with_bias) weights.bias_in.clear();
    const auto expected =
        reference::arithmetic::of<Scalar>().fff(reference::table_of(reference::exact_of(x.view())), weights, path);
    REQUIRE(expected.wrong_turns == 0);
    REQUIRE(reference::worst_ratio(y.view(), expected.y) <= 1);
  }
}

TEST_CASE("A single tree of depth 0 is one neuron", "[fff]") {
  const std::vector<float> in{2, -1};
  const std::vector<float> bias{0.5F};
  const std::vector<float> out{3, 4, 5};
  const dynamic_layer layer({.input_width = 2, .output_width = 3, .activation = ufb::activation_kind::relu},
                            {in.data(), {1, 2}}, bias, {out.data(), {3, 1}});
  CHECK(layer.nodes() == 1);
  guarded_matrix<float> x(2, 2);
  x(0, 0) = 1;
  x(0, 1) = 0.5F;
  x(1, 0) = -1;
  x(1, 1) = 3;
  const auto y = output_of(layer, x);
  CHECK((y(0, 0) == 6 && y(0, 1) == 8 && y(0, 2) == 10));
  CHECK((y(1, 0) == 0 && y(1, 1) == 0 && y(1, 2) == 0));
}

TEST_CASE("Eigen's row-major matrices and blocks of them go in and out without a copy", "[fff]") {
  using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  random_numbers random(64);
  const fff_tensors<float> w(tree_shape, random);
  const row_major linear_in =
      Eigen::Map<const row_major, 0, Eigen::OuterStride<>>(w.linear_in.row(0), 93, 24, Eigen::OuterStride<>(27));
  const row_major linear_out =
      Eigen::Map<const row_major, 0, Eigen::OuterStride<>>(w.linear_out.row(0), 20, 93, Eigen::OuterStride<>(94));
  const dynamic_layer layer(tree_shape, linear_in, w.bias_in, linear_out);
  const guarded_matrix<float> x(9, 24, 0, random);
  row_major input = row_major::Constant(11, 30, -7);
  input.block(1, 3, 9, 24) = Eigen::Map<const row_major>(x.row(0), 9, 24);
  row_major output = row_major::Constant(11, 30, -7);
  ufb::workspace scratch;
  layer.forward(input.block(1, 3, 9, 24), output.block(1, 3, 9, 20), scratch);
  const auto expected = output_of(layer, x);
  std::size_t different = 0;
  for (std::size_t r = 0; r < 11; ++r) {
    for (std::size_t c = 0; c < 30; ++c) {
      const bool inside = r >= 1 && r < 10 && c >= 3 && c < 23;
      const float value = output(static_cast<Eigen::Index>(r), static_cast<Eigen::Index>(c));
      if (value != (inside ? expected(r - 1, c - 3) : -7.0F)) ++different;
    }
  }
  CHECK(different == 0);
}

TEST_CASE("The tie rule is part of the layer's type", "[fff]") {
  constexpr auto any = ufb::dynamic_extent;
  using benchmark_layer = ufb::fast_feedforward<float, any, any, any, any, ufb::non_negative_goes_right>;
  const std::vector<float> in(3, 1.0F);
  const std::vector<float> out{1, 10, 100};
  const std::vector<float> zero{0};
  std::vector<float> y(1);
  std::vector<std::int32_t> path(2);
  ufb::workspace scratch;
  const ufb::fast_feedforward_shape one_level{.input_width = 1, .output_width = 1, .depth = 1};
  const dynamic_layer trained(one_level, {in.data(), {3, 1}}, {}, {out.data(), {1, 3}});
  trained.forward({zero.data(), {1, 1}}, {y.data(), {1, 1}}, scratch, {path.data(), {1, 2}});
  CHECK(path == std::vector<std::int32_t>{0, 1});
  const benchmark_layer benchmark(one_level, {in.data(), {3, 1}}, {}, {out.data(), {1, 3}});
  benchmark.forward({zero.data(), {1, 1}}, {y.data(), {1, 1}}, scratch, {path.data(), {1, 2}});
  CHECK(path == std::vector<std::int32_t>{0, 2});
}

TEST_CASE("No tokens in, no tokens out", "[fff]") {
  random_numbers random(65);
  const fff_tensors<float> w(tree_shape, random);
  const dynamic_layer layer(tree_shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  ufb::workspace scratch;
  std::vector<float> guard(40, 3.0F);
  layer.forward({nullptr, {0, 24}}, {nullptr, {0, 20}}, scratch);
  layer.forward({guard.data(), {0, 24}}, {guard.data(), {0, 20}}, scratch);
  CHECK(guard == std::vector<float>(40, 3.0F));
}
