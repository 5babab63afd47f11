// SPDX-License-Identifier: MIT
//
// RMSNorm, ScaleNorm and the norm of any kind against the references, and what they refuse.
#include <cstddef>
#include <string>
#include <vector>

#include "layers/support.hpp"
#include "support/reference_forms.hpp"

using namespace ufb_test;

namespace {

template <class Scalar>
reference::table table_of(const guarded_matrix<Scalar>& matrix) {
  return reference::table_of(reference::exact_of(matrix.view()));
}

ufb::norm_shape rms(std::size_t width, double epsilon) {
  return {.kind = ufb::norm_kind::rms_norm, .width = width, .epsilon = epsilon};
}
ufb::norm_shape by_length(std::size_t width, double epsilon) {
  return {.kind = ufb::norm_kind::scale_norm, .width = width, .epsilon = epsilon};
}

}  // namespace

TEMPLATE_TEST_CASE("Every kind of norm follows its reference, also in place", "[norm]", float, double) {
  random_numbers random(171);
  for (int round = 0; round < 150; ++round) {
    const ufb::norm_shape shape{
        .kind = random.pick({ufb::norm_kind::layer_norm, ufb::norm_kind::rms_norm, ufb::norm_kind::scale_norm}),
        .width = random.size(2, 80),
        .epsilon = random.pick({1e-12, 1e-5, 0.25, 30.0})};
    const auto source =
        random_source(tensors_of<ufb::norm<TestType>>(shape, "n."), 172 + static_cast<std::uint64_t>(round));
    const auto layer = ufb::norm<TestType>::load(source, "n.", shape);
    REQUIRE(layer.width() == shape.width);
    REQUIRE(layer.shape().kind == shape.kind);
    REQUIRE(source.unread().empty());
    const guarded_matrix<TestType> x{random.size(0, 5), shape.width, 2, random, random.pick({0.01, 1.0, 100.0})};
    guarded_matrix<TestType> y(x.rows(), shape.width, 1);
    layer.forward(x.view(), y.view());
    const auto expected = reference::norm_of<TestType>(shape.kind, table_of(x), source, "n.", shape.epsilon);
    INFO("kind " << static_cast<int>(shape.kind) << ", epsilon " << shape.epsilon);
    REQUIRE(reference::worst_ratio(y.view(), expected) <= 1);
    REQUIRE(y.surroundings_intact());
    guarded_matrix<TestType> in_place = x;
    layer.forward(in_place.view(), in_place.view());
    REQUIRE(same_bits(in_place, y));
  }
}

TEST_CASE("RMSNorm adds its constant to the mean square, ScaleNorm takes it for the least length", "[norm]") {
  const std::vector<float> x{3, 4};
  std::vector<float> y(2);
  const std::vector<float> scale{2, 1};
  const std::vector<float> ten{10};
  ufb::norm<float>(rms(2, 3.5), scale).forward({x.data(), {1, 2}}, {y.data(), {1, 2}});  // mean square 12.5
  CHECK(y == std::vector<float>{1.5F, 1.0F});
  ufb::norm<float>(by_length(2, 1.0), ten).forward({x.data(), {1, 2}}, {y.data(), {1, 2}});
  CHECK(y == std::vector<float>{6.0F, 8.0F});
  ufb::norm<float>(by_length(2, 20.0), ten).forward({x.data(), {1, 2}}, {y.data(), {1, 2}});
  CHECK(y == std::vector<float>{1.5F, 2.0F});
}

TEST_CASE("A row of zeros stays zero where the constant is not", "[norm]") {
  const std::vector<float> scale(5, 2.0F);
  const std::vector<float> three{3};
  std::vector<float> x(5, 0.0F);
  ufb::norm<float>(rms(5, 1e-6), scale).forward({x.data(), {1, 5}}, {x.data(), {1, 5}});
  CHECK(x == std::vector<float>(5, 0.0F));
  ufb::norm<float>(by_length(5, 1e-6), three).forward({x.data(), {1, 5}}, {x.data(), {1, 5}});
  CHECK(x == std::vector<float>(5, 0.0F));
}

TEST_CASE("Norms refuse other sizes and leave the output alone", "[norm]") {
  const std::vector<float> four(4, 1.0F);
  random_numbers random(173);
  const guarded_matrix<float> x(2, 4, 0, random);
  guarded_matrix<float> y(2, 4);
  const std::vector<float> one(1, 1.0F);
  const ufb::norm<float> layers[] = {{rms(4, 0.1), four}, {by_length(4, 0.1), one}, {{.width = 4}, four, four}};
  for (const auto& layer : layers) {
    CHECK(error_text_of([&] { layer.forward(x.view().cols_from(0, 3), y.view()); }) ==
          "invalid_input: x: (2, 4): (2, 3)");
    CHECK(error_text_of([&] { layer.forward(x.view(), y.view().rows_from(0, 1)); }) ==
          "invalid_input: y: (2, 4): (1, 4)");
  }
  CHECK(y.untouched());
}

TEST_CASE("Norms take as many parameters as their kind has", "[norm]") {
  const std::vector<float> four(4, 1.0F);
  const std::vector<float> one(1, 1.0F);
  const auto text = [&](const ufb::norm_shape& shape, const std::vector<float>& scale, const std::vector<float>& bias) {
    return error_text_of([&] { (void)ufb::norm<float>(shape, scale, bias); });
  };
  CHECK(text({.width = 4}, four, four) == "none");
  CHECK(text({.width = 4}, one, four) == "shape_mismatch: scale: 4 elements: 1");
  CHECK(text({.width = 4}, four, {}) == "shape_mismatch: bias: 4 elements: 0");
  CHECK(text(rms(4, 0.1), four, {}) == "none");
  CHECK(text(rms(4, 0.1), one, {}) == "shape_mismatch: scale: 4 elements: 1");
  CHECK(text(rms(4, 0.1), four, four) == "shape_mismatch: bias: 0 elements: 4");
  CHECK(text(by_length(4, 0.1), one, {}) == "none");
  CHECK(text(by_length(4, 0.1), four, {}) == "shape_mismatch: scale: 1 elements: 4");
  CHECK(text(by_length(4, 0.1), one, one) == "shape_mismatch: bias: 0 elements: 1");
}
