// SPDX-License-Identifier: MIT
//
// What an FFF layer refuses: weights of wrong sizes at construction, arguments of wrong sizes in a call.
#include <cstddef>
#include <cstdint>
#include <limits>

#include "layers/support.hpp"

using namespace ufb_test;

namespace {

using layer_type = ufb::fast_feedforward<float>;
using static_layer = ufb::fast_feedforward<float, 6, 5, 2, 2>;

constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();
constexpr ufb::fast_feedforward_shape shape{.input_width = 6, .output_width = 5, .depth = 2, .parallel_size = 2};

/// Weights of the right sizes for `shape`: 14 nodes.
struct memory {
  std::vector<float> floats = std::vector<float>(200, 1.0F);
  std::vector<float> bias_in = std::vector<float>(14, 1.0F);

  ufb::matrix_view<const float> view(std::size_t rows, std::size_t cols) const { return {floats.data(), {rows, cols}}; }
};

template <class Layer = layer_type>
std::string text(const ufb::fast_feedforward_shape& sizes, const ufb::matrix_view<const float>& linear_in,
                 std::span<const float> bias_in, const ufb::matrix_view<const float>& linear_out,
                 ufb::linear_out_layout layout = ufb::linear_out_layout::column_per_node) {
  return error_text_of([&] { (void)Layer(sizes, linear_in, bias_in, linear_out, {}, layout); });
}

}  // namespace

TEST_CASE("Weights of other sizes are a shape mismatch that states both", "[fff]") {
  const memory m;
  CHECK(text(shape, m.view(14, 6), m.bias_in, m.view(5, 14)) == "none");
  CHECK(text(shape, m.view(13, 6), m.bias_in, m.view(5, 14)) == "shape_mismatch: linear_in: (14, 6): (13, 6)");
  CHECK(text(shape, m.view(14, 5), m.bias_in, m.view(5, 14)) == "shape_mismatch: linear_in: (14, 6): (14, 5)");
  CHECK(text(shape, m.view(6, 14), m.bias_in, m.view(5, 14)) == "shape_mismatch: linear_in: (14, 6): (6, 14)");
  CHECK(text(shape, m.view(14, 6), m.bias_in, m.view(14, 5)) == "shape_mismatch: linear_out: (5, 14): (14, 5)");
  CHECK(text(shape, m.view(14, 6), m.bias_in, m.view(5, 14), ufb::linear_out_layout::row_per_node) ==
        "shape_mismatch: linear_out: (14, 5): (5, 14)");
  CHECK(text(shape, m.view(14, 6), m.bias_in, m.view(14, 5), ufb::linear_out_layout::row_per_node) == "none");
  CHECK(text(shape, m.view(14, 6), std::span(m.bias_in).first(13), m.view(5, 14)) ==
        "shape_mismatch: bias_in: 14 elements, or none: 13");
  CHECK(text(shape, m.view(14, 6), {}, m.view(5, 14)) == "none");
}

TEST_CASE("Sizes that differ from those in the type are a shape mismatch", "[fff]") {
  const memory m;
  const auto with = [&](const ufb::fast_feedforward_shape& sizes) {
    return text<static_layer>(sizes, m.view(14, 6), m.bias_in, m.view(5, 14));
  };
  CHECK(with({}) == "none");
  CHECK(with(shape) == "none");
  CHECK(with({.input_width = 7}) == "shape_mismatch: input_width: 6, as the type states: 7");
  CHECK(with({.output_width = 6}) == "shape_mismatch: output_width: 5, as the type states: 6");
  CHECK(with({.depth = 3}) == "shape_mismatch: depth: 2, as the type states: 3");
  CHECK(with({.parallel_size = 3}) == "shape_mismatch: parallel_size: 2, as the type states: 3");
  CHECK(with({.parallel_size = 1}) == "shape_mismatch: parallel_size: 2, as the type states: 1");
  CHECK(with({.parallel_size = 0}) == "invalid_input: parallel_size: at least 1: 0");
  using four_trees = ufb::fast_feedforward<float, 6, 5, 2, 4>;
  const noted_source nothing;
  CHECK(error_text_of([&] { (void)four_trees::load(nothing, "", {.parallel_size = 1}); }) ==
        "shape_mismatch: parallel_size: 4, as the type states: 1");
}

TEST_CASE("A layer of dynamic sizes has one tree where the shape does not say how many", "[fff]") {
  const memory m;
  CHECK(text({.input_width = 6, .output_width = 5, .depth = 2}, m.view(7, 6), {}, m.view(5, 7)) == "none");
  CHECK(text({.input_width = 6, .output_width = 5, .depth = 2}, m.view(14, 6), {}, m.view(5, 14)) ==
        "shape_mismatch: linear_in: (7, 6): (14, 6)");
}

TEST_CASE("Empty sizes and trees that are too deep are invalid", "[fff]") {
  const memory m;
  const auto with = [&](const ufb::fast_feedforward_shape& sizes) {
    return text(sizes, m.view(14, 6), m.bias_in, m.view(5, 14));
  };
  CHECK(with({.input_width = 0, .output_width = 5}) == "invalid_input: input_width: at least 1: 0");
  CHECK(with({.input_width = 6, .output_width = 0}) == "invalid_input: output_width: at least 1: 0");
  CHECK(with({.input_width = 6, .output_width = 5, .parallel_size = 0}) ==
        "invalid_input: parallel_size: at least 1: 0");
  CHECK(with({.input_width = 6, .output_width = 5, .depth = 31}) == "invalid_input: depth: at most 30: 31");
  CHECK(with({.input_width = 6, .output_width = 5, .depth = largest}) ==
        "invalid_input: depth: at most 30: 18446744073709551615");
}

TEST_CASE("Sizes whose products do not fit are refused before anything is allocated", "[fff]") {
  const memory m;
  CHECK(text({.input_width = 6, .output_width = 5, .depth = 2, .parallel_size = largest - 1}, m.view(14, 6), {},
             m.view(5, 14)) == "overflow: parallel_size: : 18446744073709551614");
  CHECK(text({.input_width = largest, .output_width = 5, .depth = 30}, m.view(14, 6), {}, m.view(5, 14)) ==
        "shape_mismatch: linear_in: (2147483647, 18446744073709551615): (14, 6)");
  const noted_source nothing;
  const auto problem = error_of(
      [&] { (void)layer_type::load(nothing, "ffn.", {.input_width = largest / 4, .output_width = 5, .depth = 30}); });
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::missing_tensor);  // no source has it
}

TEST_CASE("Arguments of other sizes are invalid; the output is untouched, the workspace can be used again", "[fff]") {
  const memory m;
  const layer_type layer(shape, m.view(14, 6), m.bias_in, m.view(5, 14));
  random_numbers random(71);
  const guarded_matrix<float> x(4, 6, 0, random);
  guarded_matrix<float> y(4, 5, 3);
  std::vector<std::int32_t> path(100, -1);
  ufb::workspace scratch;
  const auto with = [&](const ufb::matrix_view<const float>& in, const ufb::matrix_view<float>& out,
                        const ufb::matrix_view<std::int32_t>& paths = {}) {
    return error_text_of([&] { layer.forward(in, out, scratch, paths); });
  };
  CHECK(with(x.view().cols_from(0, 5), y.view()) == "invalid_input: x: (4, 6): (4, 5)");
  CHECK(with(x.view().rows_from(0, 3), y.view()) == "invalid_input: y: (3, 5): (4, 5)");
  CHECK(with(x.view(), y.view().rows_from(0, 3)) == "invalid_input: y: (4, 5): (3, 5)");
  CHECK(with(x.view(), y.view().cols_from(0, 4)) == "invalid_input: y: (4, 5): (4, 4)");
  CHECK(with(x.view(), y.view(), {path.data(), {4, 5}}) == "invalid_input: paths: (4, 6): (4, 5)");
  CHECK(with(x.view(), y.view(), {path.data(), {3, 6}}) == "invalid_input: paths: (4, 6): (3, 6)");
  CHECK(y.untouched());
  CHECK(path == std::vector<std::int32_t>(100, -1));

  std::vector<float> shared(24 + 19, 2.0F);
  const ufb::matrix_view<float> in(shared.data(), {4, 6});
  CHECK(with(in, {shared.data() + 23, {4, 5}}) == "invalid_input: y: memory apart from x: an overlap");
  CHECK(with(in, {shared.data(), {4, 5}}) == "invalid_input: y: memory apart from x: an overlap");
  CHECK(shared == std::vector<float>(24 + 19, 2.0F));

  CHECK(with(x.view(), y.view(), {path.data(), {4, 6}}) == "none");
  CHECK_FALSE(y.untouched());
  CHECK(y.surroundings_intact());
}
