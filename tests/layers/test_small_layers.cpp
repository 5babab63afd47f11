// SPDX-License-Identifier: MIT
//
// Layers whose sizes are all static and small: the bits of layers of dynamic sizes at every level, without a workspace
// and without allocation, and the options that they have no use for.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "layers/support.hpp"
#include "support/allocation_counter.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;

namespace {

template <std::size_t InputWidth, std::size_t OutputWidth, std::size_t Depth, std::size_t Trees,
          class TieRule = ufb::positive_goes_right>
struct sizes {
  using fixed = ufb::fast_feedforward<float, InputWidth, OutputWidth, Depth, Trees, TieRule>;
  using dynamic = ufb::fast_feedforward<float, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent,
                                        ufb::dynamic_extent, TieRule>;
  static constexpr ufb::fast_feedforward_shape shape{
      .input_width = InputWidth, .output_width = OutputWidth, .depth = Depth, .parallel_size = Trees};
};

using small = sizes<32, 32, 4, 1>;
// Of one column and one node to the largest of everything; vectors of every level are cut.
using all_sizes =
    std::tuple<small, sizes<1, 1, 0, 1>, sizes<7, 64, 6, 1>, sizes<64, 5, 3, 2, ufb::non_negative_goes_right>,
               sizes<17, 33, 1, 16>, sizes<48, 31, 2, 3>>;

static_assert(small::fixed::is_small && sizes<64, 64, 6, 16>::fixed::is_small);
static_assert(!sizes<65, 64, 6, 1>::fixed::is_small && !sizes<64, 65, 6, 1>::fixed::is_small);
static_assert(!sizes<64, 64, 7, 1>::fixed::is_small && !sizes<64, 64, 6, 17>::fixed::is_small);
static_assert(!small::dynamic::is_small && !ufb::fast_feedforward<float, 8, 8, 2>::is_small);
static_assert(!ufb::fast_feedforward<double, 8, 8, 2, 1>::is_small);
static_assert(!ufb::fast_feedforward<float, 8, 8, 2, 1, ufb::positive_goes_right, ufb::plain_backend>::is_small);

/// Outputs and paths.
struct result {
  guarded_matrix<float> y;
  reference::grid<std::int32_t> path;
};

template <class Layer, class... Rest>
result run(const Layer& layer, const guarded_matrix<float>& x, Rest&... rest) {
  result out{.y = guarded_matrix<float>(x.rows(), layer.output_width(), 3),
             .path = reference::grid<std::int32_t>(x.rows(), layer.path_length())};
  const ufb::matrix_view<std::int32_t> paths(out.path.cells.data(), {out.path.rows, out.path.cols});
  layer.forward(x.view(), out.y.view(), rest..., paths);
  CHECK(out.y.surroundings_intact());
  return out;
}

bool equal(const result& a, const result& b) { return a.path.cells == b.path.cells && same_bits(a.y, b.y); }

constexpr ufb::activation_kind kinds[] = {ufb::activation_kind::gelu, ufb::activation_kind::relu,
                                          ufb::activation_kind::silu, ufb::activation_kind::tanh};

}  // namespace

TEMPLATE_LIST_TEST_CASE("A small static layer has the bits of the dynamic one at every level", "[static]", all_sizes) {
  random_numbers random(421);
  ufb::workspace scratch;
  for (const auto isa :
       {ufb::isa_level::portable, ufb::isa_level::neon, ufb::isa_level::avx2, ufb::isa_level::avx512}) {
    if (!ufb::supported(isa)) continue;
    for (const auto kind : kinds) {
      for (const bool with_bias : {false, true}) {
        INFO(name(isa) << ", " << name(kind));
        auto shape = TestType::shape;
        shape.activation = kind;
        const fff_tensors<float> w(shape, random);
        const auto bias = with_bias ? w.bias_in : std::vector<float>();
        const typename TestType::fixed fixed(shape, w.linear_in.view(), bias, w.linear_out.view(), {.isa = isa});
        CHECK(fixed.isa() == isa);
        CHECK(fixed.engine(1000) == ufb::fff_engine::fused);
        CHECK(fixed.workspace_bytes(1000) == 0);
        const typename TestType::dynamic dynamic(shape, w.linear_in.view(), bias, w.linear_out.view(),
                                                 {.engine = ufb::fff_engine::fused, .isa = isa});
        const guarded_matrix<float> x(37, shape.input_width, 1, random, 2);
        const auto expected = run(dynamic, x, scratch);
        CHECK(equal(run(fixed, x), expected));
        CHECK(equal(run(fixed, x, scratch), expected));
      }
    }
  }
}

TEST_CASE("A small static layer follows the reference, ties either way", "[static]") {
  random_numbers random(422);
  const fff_tensors<float> w(small::shape, random);
  const small::fixed layer({}, w.linear_in.view(), w.bias_in, w.linear_out_by_row.view(), {},
                           ufb::linear_out_layout::row_per_node);
  const guarded_matrix<float> x(100, 32, 0, random);
  const auto got = run(layer, x);
  const auto expected = reference::arithmetic::of<float>().fff(reference::table_of(reference::exact_of(x.view())),
                                                               w.reference_weights(), got.path);
  CHECK(expected.wrong_turns == 0);
  CHECK(reference::worst_ratio(got.y.view(), expected.y) <= 1);

  const std::vector<float> zeros(7, 0.0F);
  const std::vector<float> out{1, 2, 3, 4, 5, 6, 7};
  guarded_matrix<float> one(1, 1);
  one(0, 0) = 5;
  const ufb::fast_feedforward<float, 1, 1, 2, 1> trained({}, {zeros.data(), {7, 1}}, {}, {out.data(), {1, 7}});
  CHECK(run(trained, one).path.cells == std::vector<std::int32_t>{0, 1, 3});
  const ufb::fast_feedforward<float, 1, 1, 2, 1, ufb::non_negative_goes_right> benchmark({}, {zeros.data(), {7, 1}}, {},
                                                                                         {out.data(), {1, 7}});
  CHECK(run(benchmark, one).path.cells == std::vector<std::int32_t>{0, 2, 6});
}

TEST_CASE("Nothing that a small static layer does allocates, with a workspace or without", "[static]") {
  random_numbers random(423);
  const fff_tensors<float> w(small::shape, random);
  const small::fixed layer({}, w.linear_in.view(), w.bias_in, w.linear_out.view());
  const guarded_matrix<float> x(50, 32, 0, random);
  guarded_matrix<float> y(50, 32);
  std::vector<std::int32_t> path(50 * 5);
  ufb::workspace scratch;
  CHECK(allocations_in([&] {
          layer.forward(x.view(), y.view());
          layer.forward(x.view().rows_from(3, 1), y.view().rows_from(3, 1), {path.data(), {1, 5}});
          layer.forward(x.view(), y.view(), scratch);
          layer.forward(x.view(), y.view(), scratch, {path.data(), {50, 5}});
        }) == 0);
  CHECK(scratch.capacity() == 0);
}

TEST_CASE("A small static layer may be moved, spread over threads, and loaded", "[static]") {
  random_numbers random(424);
  const auto source = random_source(tensors_of<small::fixed>(ufb::fast_feedforward_shape{}, "f."), 425);
  auto loaded = small::fixed::load(source, "f.", {});
  CHECK(source.unread().empty());
  const guarded_matrix<float> x(3000, 32, 0, random);
  ufb::workspace scratch;
  const auto expected =
      run(small::dynamic::load(source, "f.", small::shape, {.engine = ufb::fff_engine::grouped}), x, scratch);
  CHECK(equal(run(loaded, x), expected));
  const small::fixed moved = std::move(loaded);
  CHECK(equal(run(moved, x), expected));
  ufb::thread_pool pool(3);
  result spread{.y = guarded_matrix<float>(3000, 32, 3), .path = reference::grid<std::int32_t>(3000, 5)};
  moved.forward(x.view(), spread.y.view(), scratch, {spread.path.cells.data(), {3000, 5}}, pool);
  CHECK(equal(spread, expected));
}

TEST_CASE("Numbers that are none keep a small static layer inside its trees", "[static]") {
  random_numbers random(426);
  ufb::workspace scratch;
  const fff_tensors<float> w(small::shape, random);
  const small::fixed fixed({}, w.linear_in.view(), w.bias_in, w.linear_out.view());
  const small::dynamic dynamic(small::shape, w.linear_in.view(), w.bias_in, w.linear_out.view(),
                               {.engine = ufb::fff_engine::fused});
  guarded_matrix<float> x(64, 32, 0, random);
  for (std::size_t t = 0; t < 64; ++t) {
    x(t, random.size(0, 31)) =
        random.pick({std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                     -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::max()});
  }
  const auto got = run(fixed, x);
  const auto expected = run(dynamic, x, scratch);
  CHECK(got.path.cells == expected.path.cells);
  std::size_t different = 0;
  for (std::size_t t = 0; t < 64; ++t) {
    for (std::size_t k = 0; k < 32; ++k) {
      if (got.y(t, k) != expected.y(t, k) && !(std::isnan(got.y(t, k)) && std::isnan(expected.y(t, k)))) ++different;
    }
  }
  CHECK(different == 0);
}

TEST_CASE("Options and arguments that a small static layer has no use for are refused", "[static]") {
  random_numbers random(427);
  const fff_tensors<float> w(small::shape, random);
  const auto text = [&](const ufb::fast_feedforward_options& options) {
    return error_text_of([&] { (void)small::fixed({}, w.linear_in.view(), w.bias_in, w.linear_out.view(), options); });
  };
  const std::string who = " for a layer whose sizes are static and small: ";
  CHECK(text({}) == "none");
  CHECK(text({.isa = ufb::isa_level::portable}) == "none");
  CHECK(text({.engine = ufb::fff_engine::grouped}) == "invalid_input: fast_feedforward.engine: auto" + who + "grouped");
  CHECK(text({.engine = ufb::fff_engine::blas}) == "invalid_input: fast_feedforward.engine: auto" + who + "blas");
  CHECK(text({.storage_in = ufb::weight_storage::int8}) ==
        "invalid_input: fast_feedforward.storage_in: f32" + who + "int8");
  CHECK(text({.storage_out = ufb::weight_storage::float16}) ==
        "invalid_input: fast_feedforward.storage_out: f32" + who + "f16");
  const small::fixed layer({}, w.linear_in.view(), w.bias_in, w.linear_out.view());
  const guarded_matrix<float> x(4, 32, 0, random);
  guarded_matrix<float> y(4, 32);
  std::vector<std::int32_t> path(20);
  CHECK(error_text_of([&] { layer.forward(x.view().cols_from(0, 31), y.view()); }) ==
        "invalid_input: x: (4, 32): (4, 31)");
  CHECK(error_text_of([&] { layer.forward(x.view(), y.view().rows_from(0, 3)); }) ==
        "invalid_input: y: (4, 32): (3, 32)");
  CHECK(error_text_of([&] {
          layer.forward(x.view(), y.view(), {path.data(), {4, 4}});
        }) == "invalid_input: paths: (4, 5): (4, 4)");
  CHECK(error_text_of([&] { layer.forward(y.view(), y.view()); }) ==
        "invalid_input: y: memory apart from x: an overlap");
  CHECK(y.untouched());
  layer.forward({nullptr, {0, 32}}, {nullptr, {0, 32}});
}
