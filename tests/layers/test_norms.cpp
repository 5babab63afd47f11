// SPDX-License-Identifier: MIT
//
// RMSNorm, ScaleNorm and the norm of any kind against the references, and what they refuse.
#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "layers/support.hpp"
#include "support/reference_forms.hpp"

using namespace ufb_test;

namespace {

template <class Scalar>
reference::table table_of(const guarded_matrix<Scalar>& matrix) {
  return reference::table_of(reference::exact_of(matrix.view()));
}

}  // namespace

TEMPLATE_TEST_CASE("Every kind of norm follows its reference, also in place", "[norm]", float, double) {
  random_numbers random(171);
  for (int round = 0; round < 150; ++round) {
    const ufb::norm_shape shape{
        .kind = random.pick({ufb::norm_kind::layer_norm, ufb::norm_kind::rms_norm, ufb::norm_kind::scale_norm}),
        .width = random.size(2, 80),
        .epsilon = random.pick({1e-12, 1e-5, 0.25, 30.0})};
    tensor_list list;
    ufb::norm<TestType>::for_each_tensor(
        "n.", shape, [&list](const std::string& name, const tensor_shape& sizes) { list[name] = sizes; });
    const auto source = random_source(list, 172 + static_cast<std::uint64_t>(round));
    const auto layer = ufb::norm<TestType>::load(source, "n.", shape);
    REQUIRE(layer.width() == shape.width);
    REQUIRE(layer.layer().index() == static_cast<std::size_t>(shape.kind));
    REQUIRE(source.unread().empty());
    const guarded_matrix<TestType> x{random.size(0, 5), shape.width, 2, random, random.pick({0.01, 1.0, 100.0})};
    guarded_matrix<TestType> y(x.rows(), shape.width, 1);
    layer.forward(x.view(), y.view());
    const auto expected = reference::norm_of<TestType>(shape.kind, table_of(x), source, "n.", shape.epsilon);
    INFO("kind " << layer.layer().index() << ", epsilon " << shape.epsilon);
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
  ufb::rms_norm<float>(scale, 3.5).forward({x.data(), {1, 2}}, {y.data(), {1, 2}});  // mean square 12.5
  CHECK(y == std::vector<float>{1.5F, 1.0F});
  ufb::scale_norm<float>(2, 10.0F, 1.0).forward({x.data(), {1, 2}}, {y.data(), {1, 2}});
  CHECK(y == std::vector<float>{6.0F, 8.0F});
  ufb::scale_norm<float>(2, 10.0F, 20.0).forward({x.data(), {1, 2}}, {y.data(), {1, 2}});
  CHECK(y == std::vector<float>{1.5F, 2.0F});
}

TEST_CASE("A row of zeros stays zero where the constant is not", "[norm]") {
  const std::vector<float> scale(5, 2.0F);
  std::vector<float> x(5, 0.0F);
  ufb::rms_norm<float>(scale, 1e-6).forward({x.data(), {1, 5}}, {x.data(), {1, 5}});
  CHECK(x == std::vector<float>(5, 0.0F));
  ufb::scale_norm<float>(5, 3.0F, 1e-6).forward({x.data(), {1, 5}}, {x.data(), {1, 5}});
  CHECK(x == std::vector<float>(5, 0.0F));
}

TEST_CASE("Norms refuse other sizes and leave the output alone", "[norm]") {
  const std::vector<float> four(4, 1.0F);
  random_numbers random(173);
  const guarded_matrix<float> x(2, 4, 0, random);
  guarded_matrix<float> y(2, 4);
  const ufb::norm<float> layers[] = {ufb::norm<float>(ufb::rms_norm<float>(four, 0.1)),
                                     ufb::norm<float>(ufb::scale_norm<float>(4, 1.0F, 0.1))};
  for (const auto& layer : layers) {
    CHECK(error_text_of([&] { layer.forward(x.view().cols_from(0, 3), y.view()); }) ==
          "invalid_input: x: (2, 4): (2, 3)");
    CHECK(error_text_of([&] { layer.forward(x.view(), y.view().rows_from(0, 1)); }) ==
          "invalid_input: y: (2, 4): (1, 4)");
  }
  CHECK(y.untouched());
}
