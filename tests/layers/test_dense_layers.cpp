// SPDX-License-Identifier: MIT
//
// Linear, layer norm and dense feedforward against the reference, and what they refuse.
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "layers/support.hpp"
#include "support/backends.hpp"
#include "support/reference_forms.hpp"

using namespace ufb_test;

namespace {

template <class Scalar>
reference::table table_of(const guarded_matrix<Scalar>& matrix) {
  return reference::table_of(reference::exact_of(matrix.view()));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("A linear layer multiplies and adds its bias", "[linear]", every_layer_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(81);
  for (int round = 0; round < 60; ++round) {
    const std::size_t out = random.size(1, 50);
    const std::size_t in = random.size(1, 50);
    const guarded_matrix<Scalar> weight(out, in, 2, random);
    const auto bias = random.coin() ? random.reals<Scalar>(out) : std::vector<Scalar>();
    const ufb::linear<Scalar, typename TestType::backend> layer(weight.view(), bias);
    REQUIRE(layer.input_width() == in);
    REQUIRE(layer.output_width() == out);
    const guarded_matrix<Scalar> x(random.size(0, 40), in, 1, random);
    guarded_matrix<Scalar> y(x.rows(), out, 3);
    ufb::workspace scratch;
    layer.forward(x.view(), y.view(), scratch);
    const auto expected = reference::arithmetic::of<Scalar>().linear(table_of(x), reference::exact_of(weight.view()),
                                                                     std::vector<double>(bias.begin(), bias.end()));
    REQUIRE(reference::worst_ratio(y.view(), expected) <= 1);
    REQUIRE(y.surroundings_intact());
  }
}

TEST_CASE("A linear layer refuses other sizes and leaves the output alone", "[linear]") {
  random_numbers random(82);
  const guarded_matrix<float> weight(3, 4, 0, random);
  const auto bias = random.reals<float>(2);
  CHECK(error_text_of([&] { (void)ufb::linear<float>(weight.view(), bias); }) ==
        "shape_mismatch: bias: 3 elements, or none: 2");
  const ufb::linear<float> layer(weight.view(), {});
  const guarded_matrix<float> x(5, 4, 0, random);
  guarded_matrix<float> y(5, 3);
  ufb::workspace scratch;
  CHECK(error_text_of([&] { layer.forward(x.view().cols_from(0, 3), y.view(), scratch); }) ==
        "invalid_input: x: (5, 4): (5, 3)");
  CHECK(error_text_of([&] { layer.forward(x.view(), y.view().rows_from(0, 4), scratch); }) ==
        "invalid_input: y: (5, 3): (4, 3)");
  CHECK(y.untouched());
}

TEMPLATE_TEST_CASE("Layer norm follows the reference, also in place", "[layer_norm]", float, double) {
  random_numbers random(83);
  for (int round = 0; round < 100; ++round) {
    const std::size_t width = random.size(1, 80);
    const double epsilon = random.pick({1e-12, 1e-5, 0.25});
    const guarded_matrix<TestType> weight(1, width, 0, random);
    const guarded_matrix<TestType> bias(1, width, 0, random);
    const ufb::norm<TestType> layer({.width = width, .epsilon = epsilon}, {weight.row(0), width}, {bias.row(0), width});
    REQUIRE(layer.width() == width);
    const guarded_matrix<TestType> x{random.size(0, 5), width, 2, random, random.pick({0.01, 1.0, 100.0})};
    guarded_matrix<TestType> y(x.rows(), width, 1);
    layer.forward(x.view(), y.view());
    const auto rounded = static_cast<double>(static_cast<TestType>(epsilon));
    const auto expected = reference::arithmetic::of<TestType>().layer_norm(
        table_of(x), reference::exact_of(weight.view()), reference::exact_of(bias.view()), rounded);
    if (width > 1) REQUIRE(reference::worst_ratio(y.view(), expected) <= 1);
    REQUIRE(y.surroundings_intact());

    guarded_matrix<TestType> in_place = x;
    layer.forward(in_place.view(), in_place.view());
    REQUIRE(same_bits(in_place, y));
    REQUIRE(in_place.surroundings_intact());
  }
}

TEST_CASE("Rows of equal numbers are normalized to the bias", "[layer_norm]") {
  const std::vector<float> weight(24, 3.0F);
  const std::vector<float> bias(24, 0.75F);
  const ufb::norm<float> layer({.width = 24}, weight, bias);
  std::vector<float> x(24, 0.5F);
  layer.forward({x.data(), {1, 24}}, {x.data(), {1, 24}});
  CHECK(x == bias);
}

TEST_CASE("The constant of a layer norm is added to the variance", "[layer_norm]") {
  const std::vector<float> weight{1, 1};
  const std::vector<float> bias{0, 0};
  const std::vector<float> x{-1, 1};  // variance 1
  std::vector<float> y(2);
  ufb::norm<float>({.width = 2, .epsilon = 3.0}, weight, bias).forward({x.data(), {1, 2}}, {y.data(), {1, 2}});
  CHECK(y == std::vector<float>{-0.5F, 0.5F});
}

TEST_CASE("Layer norm refuses other sizes and leaves the output alone", "[layer_norm]") {
  const std::vector<float> four(4, 1.0F);
  const std::vector<float> three(3, 1.0F);
  CHECK(error_text_of([&] { (void)ufb::norm<float>({.width = 4}, four, three); }) ==
        "shape_mismatch: bias: 4 elements: 3");
  const ufb::norm<float> layer({.width = 4, .epsilon = 0.1}, four, four);
  random_numbers random(84);
  const guarded_matrix<float> x(2, 4, 0, random);
  guarded_matrix<float> y(2, 4);
  CHECK(error_text_of([&] { layer.forward(x.view().cols_from(0, 3), y.view()); }) ==
        "invalid_input: x: (2, 4): (2, 3)");
  CHECK(error_text_of([&] { layer.forward(x.view(), y.view().rows_from(0, 1)); }) ==
        "invalid_input: y: (2, 4): (1, 4)");
  CHECK(y.untouched());
}

TEMPLATE_LIST_TEST_CASE("Dense feedforward follows the reference, also in several chunks", "[feedforward]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  using linear_type = ufb::linear<Scalar, typename TestType::backend>;
  random_numbers random(85);
  ufb::workspace scratch;
  for (const std::size_t tokens : {0U, 1U, 30U, 511U, 512U, 513U, 1030U}) {
    const auto kind = random.pick({ufb::activation_kind::gelu, ufb::activation_kind::relu, ufb::activation_kind::silu,
                                   ufb::activation_kind::tanh, ufb::activation_kind::gelu_tanh});
    const std::size_t width = random.size(1, 12);
    const std::size_t hidden = random.size(1, 20);
    const guarded_matrix<Scalar> dense_in(hidden, width, 0, random);
    const guarded_matrix<Scalar> dense_out(width, hidden, 0, random);
    const ufb::feedforward<Scalar, typename TestType::backend> layer(linear_type(dense_in.view(), {}),
                                                                     linear_type(dense_out.view(), {}), kind);
    const guarded_matrix<Scalar> x(tokens, width, 1, random);
    guarded_matrix<Scalar> y(tokens, width, 2);
    layer.forward(x.view(), y.view(), scratch);
    const auto expected = reference::arithmetic::of<Scalar>().feedforward(
        table_of(x), reference::exact_of(dense_in.view()), reference::exact_of(dense_out.view()), kind);
    INFO(tokens << " tokens");
    CHECK(reference::worst_ratio(y.view(), expected) <= 1);
    CHECK(y.surroundings_intact());
  }
}

TEST_CASE("Dense feedforward may have biases and another output width", "[feedforward]") {
  random_numbers random(86);
  const guarded_matrix<double> dense_in(7, 3, 0, random);
  const guarded_matrix<double> dense_out(4, 7, 0, random);
  const auto bias_in = random.reals<double>(7);
  const auto bias_out = random.reals<double>(4);
  const ufb::feedforward<double> layer(ufb::linear<double>(dense_in.view(), bias_in),
                                       ufb::linear<double>(dense_out.view(), bias_out), ufb::activation_kind::relu);
  CHECK(layer.input_width() == 3);
  CHECK(layer.output_width() == 4);
  const guarded_matrix<double> x(6, 3, 0, random);
  guarded_matrix<double> y(6, 4);
  ufb::workspace scratch;
  layer.forward(x.view(), y.view(), scratch);
  const auto arithmetic = reference::arithmetic::of<double>();
  auto hidden = arithmetic.linear(table_of(x), reference::exact_of(dense_in.view()), bias_in);
  for (auto& cell : hidden.cells) cell = arithmetic.activate(ufb::activation_kind::relu, cell);
  const auto expected = arithmetic.linear(hidden, reference::exact_of(dense_out.view()), bias_out);
  CHECK(reference::worst_ratio(y.view(), expected) <= 1);
}

TEMPLATE_LIST_TEST_CASE("Gated feedforward multiplies the first half by the activated second", "[feedforward]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  using linear_type = ufb::linear<Scalar, typename TestType::backend>;
  random_numbers random(88);
  ufb::workspace scratch;
  for (const std::size_t tokens : {0U, 1U, 30U, 513U}) {
    const std::size_t width = random.size(1, 12);
    const std::size_t half = random.size(1, 20);
    const guarded_matrix<Scalar> dense_in(2 * half, width, 0, random);
    const guarded_matrix<Scalar> dense_out(width, half, 0, random);
    const auto bias_in = random.reals<Scalar>(2 * half);
    const auto bias_out = random.reals<Scalar>(width);
    const auto kind = random.pick({ufb::activation_kind::gelu, ufb::activation_kind::silu, ufb::activation_kind::tanh});
    const ufb::feedforward<Scalar, typename TestType::backend> layer(
        linear_type(dense_in.view(), bias_in), linear_type(dense_out.view(), bias_out), kind, true);
    const guarded_matrix<Scalar> x(tokens, width, 1, random);
    guarded_matrix<Scalar> y(tokens, width, 2);
    layer.forward(x.view(), y.view(), scratch);
    const auto expected =
        reference::feedforward<Scalar>(table_of(x), {.dense_in = reference::exact_of(dense_in.view()),
                                                     .bias_in = std::vector<double>(bias_in.begin(), bias_in.end()),
                                                     .dense_out = reference::exact_of(dense_out.view()),
                                                     .bias_out = std::vector<double>(bias_out.begin(), bias_out.end()),
                                                     .activation = kind,
                                                     .gated = true});
    INFO(tokens << " tokens");
    CHECK(reference::worst_ratio(y.view(), expected) <= 1);
    CHECK(y.surroundings_intact());
  }
}

TEST_CASE("Feedforward of every activation, plain and gated, follows the reference at every level", "[feedforward]") {
  random_numbers random(90);
  ufb::workspace scratch;
  constexpr std::size_t width = 13;
  constexpr std::size_t half = 21;
  const guarded_matrix<float> dense_in(2 * half, width, 0, random);
  const guarded_matrix<float> dense_out(width, 2 * half, 0, random);
  const guarded_matrix<float> x(70, width, 1, random, 2);
  for (const auto isa :
       {ufb::isa_level::portable, ufb::isa_level::neon, ufb::isa_level::avx2, ufb::isa_level::avx512}) {
    if (!ufb::supported(isa)) continue;
    for (const auto kind : {ufb::activation_kind::gelu, ufb::activation_kind::relu, ufb::activation_kind::silu,
                            ufb::activation_kind::tanh}) {
      for (const bool gated : {false, true}) {
        INFO(name(isa) << ", " << name(kind) << (gated ? ", gated" : ""));
        const auto out = dense_out.view().cols_from(0, gated ? half : 2 * half);
        const ufb::feedforward<float> layer(ufb::linear<float>(dense_in.view(), {}, {.isa = isa}),
                                            ufb::linear<float>(out, {}, {.isa = isa}), kind, gated);
        guarded_matrix<float> y(70, width);
        layer.forward(x.view(), y.view(), scratch);
        const auto expected =
            reference::feedforward<float>(table_of(x), {.dense_in = reference::exact_of(dense_in.view()),
                                                        .dense_out = reference::exact_of(out),
                                                        .activation = kind,
                                                        .gated = gated});
        CHECK(reference::worst_ratio(y.view(), expected) <= 1);
        // A row has the same bits alone and among others.
        for (const std::size_t t : {std::size_t{0}, std::size_t{69}}) {
          guarded_matrix<float> alone(1, width);
          layer.forward(x.view().rows_from(t, 1), alone.view(), scratch);
          CHECK(std::equal(alone.row(0), alone.row(0) + width, y.row(t)));
        }
      }
    }
  }
}

TEST_CASE("Gated feedforward needs an output layer of half the columns", "[feedforward]") {
  random_numbers random(89);
  const guarded_matrix<float> dense_in(7, 3, 0, random);
  const guarded_matrix<float> dense_out(3, 7, 0, random);
  const auto text = [&](std::size_t rows, std::size_t cols) {
    return error_text_of([&] {
      (void)ufb::feedforward<float>(ufb::linear<float>(dense_in.view().rows_from(0, rows), {}),
                                    ufb::linear<float>(dense_out.view().cols_from(0, cols), {}),
                                    ufb::activation_kind::gelu, true);
    });
  };
  CHECK(text(6, 3) == "none");
  CHECK(text(6, 6) == "shape_mismatch: dense_out: 6 / 2 input columns: 6");
  CHECK(text(7, 3) == "shape_mismatch: dense_out: 7 / 2 input columns: 3");
  const auto from_shape = [](std::size_t intermediate) {
    return error_text_of(
        [&] { (void)ufb::feedforward<float>({.width = 3, .intermediate = intermediate, .gated = true}); });
  };
  CHECK(from_shape(6) == "none");
  CHECK(from_shape(7) == "shape_mismatch: dense_out: 7 / 2 input columns: 3");
}

TEST_CASE("Dense feedforward refuses other sizes and leaves the output alone", "[feedforward]") {
  random_numbers random(87);
  const guarded_matrix<float> dense_in(7, 3, 0, random);
  const guarded_matrix<float> dense_out(3, 7, 0, random);
  const auto make = [&](std::size_t cols) {
    return ufb::feedforward<float>(ufb::linear<float>(dense_in.view(), {}),
                                   ufb::linear<float>(dense_out.view().cols_from(0, cols), {}),
                                   ufb::activation_kind::gelu);
  };
  CHECK(error_text_of([&] { (void)make(6); }) == "shape_mismatch: dense_out: 7 input columns: 6");
  const auto layer = make(7);
  const guarded_matrix<float> x(5, 3, 0, random);
  guarded_matrix<float> y(5, 3);
  ufb::workspace scratch;
  CHECK(error_text_of([&] { layer.forward(x.view().cols_from(0, 2), y.view(), scratch); }) ==
        "invalid_input: x: (5, 3): (5, 2)");
  CHECK(error_text_of([&] { layer.forward(x.view(), y.view().rows_from(0, 4), scratch); }) ==
        "invalid_input: y: (5, 3): (4, 3)");
  CHECK(y.untouched());
  layer.forward(x.view(), y.view(), scratch);
  CHECK_FALSE(y.untouched());
}
