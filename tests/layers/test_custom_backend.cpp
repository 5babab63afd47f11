// SPDX-License-Identifier: MIT
//
// A backend that somebody outside wrote, named in a layer's type: it is what runs, for float as for double, and nothing
// runs beside it. The library's own kernels stand for it only where their options say "blas".
#include <atomic>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "layers/support.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;

namespace {

/// How often each operation of the backend was called since the last look.
struct calls {
  std::size_t transposed = 0;
  std::size_t plain = 0;
  std::size_t products = 0;
  std::size_t sums = 0;

  bool operator==(const calls&) const = default;
};

/// Plain loops that count; the layers' threads count, too.
struct counting_backend {
  static constexpr std::string_view name = "counting";
  static inline std::atomic<std::size_t> transposed{0};
  static inline std::atomic<std::size_t> plain{0};
  static inline std::atomic<std::size_t> products{0};
  static inline std::atomic<std::size_t> sums{0};

  template <class Scalar>
  static void multiply_transposed(Scalar alpha, const ufb::matrix_view<const Scalar>& a,
                                  const ufb::matrix_view<const Scalar>& b, const ufb::matrix_view<Scalar>& c) {
    ++transposed;
    ufb::plain_backend::multiply_transposed(alpha, a, b, c);
  }
  template <class Scalar>
  static void multiply(Scalar alpha, const ufb::matrix_view<const Scalar>& a, const ufb::matrix_view<const Scalar>& b,
                       const ufb::matrix_view<Scalar>& c) {
    ++plain;
    ufb::plain_backend::multiply(alpha, a, b, c);
  }
  template <class Scalar>
  static void multiply_batch(const ufb::gemv_batch<Scalar>& batch) {
    ++products;
    ufb::plain_backend::multiply_batch(batch);
  }
  template <class Scalar>
  static void accumulate_batch(const ufb::axpy_batch<Scalar>& batch) {
    ++sums;
    ufb::plain_backend::accumulate_batch(batch);
  }

  static calls take() {
    return {.transposed = transposed.exchange(0),
            .plain = plain.exchange(0),
            .products = products.exchange(0),
            .sums = sums.exchange(0)};
  }
};
static_assert(ufb::layer_backend<counting_backend, float> && ufb::layer_backend<counting_backend, double>);

/// The library's own kernels, with the counting backend behind the word "blas".
using kernels_beside_counting = ufb::basic_kernel_backend<counting_backend>;

template <class Scalar, class Backend>
using fff = ufb::fast_feedforward<Scalar, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent,
                                  ufb::dynamic_extent, ufb::positive_goes_right, Backend>;

template <class Scalar, class Forward>
guarded_matrix<Scalar> output(std::size_t rows, std::size_t cols, const Forward& forward) {
  guarded_matrix<Scalar> y(rows, cols, 3);
  ufb::workspace scratch;
  counting_backend::take();
  forward(y.view(), scratch);
  CHECK(y.surroundings_intact());
  return y;
}

}  // namespace

TEMPLATE_TEST_CASE("A fast feedforward layer walks its trees by the backend of its type", "[backend]", float, double) {
  random_numbers random(401);
  constexpr std::size_t tokens = 130;  // three batches of pointers
  // Deep trees, and shallow ones that the library's own kernels would multiply densely.
  for (const auto& [depth, trees] : {std::pair<std::size_t, std::size_t>{4, 2}, {1, 20}}) {
    const fff_tensors<TestType> w({.input_width = 9, .output_width = 7, .depth = depth, .parallel_size = trees},
                                  random);
    const guarded_matrix<TestType> x(tokens, 9, 1, random);
    const fff<TestType, counting_backend> layer(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
    CHECK(layer.engine(tokens) == ufb::fff_engine::blas);
    CHECK(layer.isa() == ufb::isa_level::portable);
    const auto y =
        output<TestType>(tokens, 7, [&](const auto& to, auto& scratch) { layer.forward(x.view(), to, scratch); });
    const std::size_t steps = 3 * trees * (depth + 1);
    CHECK(counting_backend::take() == calls{.products = steps, .sums = steps});
    const fff<TestType, ufb::plain_backend> plain(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
    CHECK(same_bits(
        y, output<TestType>(tokens, 7, [&](const auto& to, auto& scratch) { plain.forward(x.view(), to, scratch); })));
    CHECK(counting_backend::take() == calls{});
  }
}

TEST_CASE("A layer that is spread over threads runs the backend of its type on all of them", "[backend]") {
  random_numbers random(402);
  constexpr std::size_t tokens = 600;
  const fff_tensors<float> w({.input_width = 200, .output_width = 200, .depth = 7}, random);
  const guarded_matrix<float> x(tokens, 200, 0, random);
  const fff<float, counting_backend> layer(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  ufb::thread_pool pool(3);
  const auto y =
      output<float>(tokens, 200, [&](const auto& to, auto& scratch) { layer.forward(x.view(), to, scratch, pool); });
  const auto count = counting_backend::take();
  CHECK(count.products >= 10 * 8);  // ten batches of 64 tokens or more, eight levels
  CHECK(count.products == count.sums);
  CHECK(same_bits(
      y, output<float>(tokens, 200, [&](const auto& to, auto& scratch) { layer.forward(x.view(), to, scratch); })));
}

TEMPLATE_TEST_CASE("Linear and dense feedforward layers multiply by the backend of their type", "[backend]", float,
                   double) {
  using linear_type = ufb::linear<TestType, counting_backend>;
  random_numbers random(403);
  const guarded_matrix<TestType> weight(11, 6, 0, random);
  const auto bias = random.reals<TestType>(11);
  const guarded_matrix<TestType> back(6, 11, 0, random);
  const guarded_matrix<TestType> x(513, 6, 0, random);
  const linear_type layer(weight.view(), bias);
  CHECK(layer.engine() == ufb::projection_engine::blas);
  const auto y =
      output<TestType>(513, 11, [&](const auto& to, auto& scratch) { layer.forward(x.view(), to, scratch); });
  CHECK(counting_backend::take() == calls{.transposed = 1});
  const ufb::linear<TestType, ufb::plain_backend> plain(weight.view(), bias);
  CHECK(same_bits(
      y, output<TestType>(513, 11, [&](const auto& to, auto& scratch) { plain.forward(x.view(), to, scratch); })));

  const ufb::feedforward<TestType, counting_backend> dense(linear_type(weight.view(), bias),
                                                           linear_type(back.view(), {}), ufb::activation_kind::silu);
  output<TestType>(513, 6, [&](const auto& to, auto& scratch) { dense.forward(x.view(), to, scratch); });
  CHECK(counting_backend::take() == calls{.transposed = 4});  // two products of 512 tokens, two of the last one
  const guarded_matrix<TestType> half(6, 5, 0, random);
  const ufb::feedforward<TestType, counting_backend> gated(
      linear_type(weight.view().rows_from(0, 10), {}), linear_type(half.view(), {}), ufb::activation_kind::gelu, true);
  output<TestType>(7, 6, [&](const auto& to, auto& scratch) { gated.forward(x.view().rows_from(0, 7), to, scratch); });
  CHECK(counting_backend::take() == calls{.transposed = 2});
}

TEMPLATE_TEST_CASE("Attention multiplies by the backend of its type, its scores and values too", "[backend]", float,
                   double) {
  random_numbers random(404);
  constexpr std::size_t width = 12;
  const auto source = random_source(
      tensors_of<ufb::attention<TestType, counting_backend>>(ufb::attention_shape{.width = width, .heads = 3}, ""),
      405);
  const auto layer = ufb::attention<TestType, counting_backend>::load(source, "", {.width = width, .heads = 3});
  const auto plain = ufb::attention<TestType, ufb::plain_backend>::load(source, "", {.width = width, .heads = 3});
  const guarded_matrix<TestType> x(26, width, 0, random);
  const std::vector<std::size_t> offsets{0, 6, 7, 26};
  const auto y = output<TestType>(
      26, width, [&](const auto& to, auto& scratch) { layer.forward(x.view(), to, {.offsets = offsets}, scratch); });
  // Two projections, and for each head of each sequence the scores and the values.
  CHECK(counting_backend::take() == calls{.transposed = 2 + 3 * 3, .plain = 3 * 3});
  CHECK(same_bits(y, output<TestType>(26, width, [&](const auto& to, auto& scratch) {
                    plain.forward(x.view(), to, {.offsets = offsets}, scratch);
                  })));
}

TEST_CASE("The library's own kernels run a named BLAS where the options say so, and only there", "[backend]") {
  random_numbers random(406);
  const fff_tensors<float> w({.input_width = 9, .output_width = 7, .depth = 4, .parallel_size = 2}, random);
  const guarded_matrix<float> x(5, 9, 0, random);
  const auto run_fff = [&](ufb::fff_engine engine) {
    const fff<float, kernels_beside_counting> layer(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view(),
                                                    {.engine = engine});
    output<float>(5, 7, [&](const auto& to, auto& scratch) { layer.forward(x.view(), to, scratch); });
    return counting_backend::take();
  };
  CHECK(run_fff(ufb::fff_engine::automatic) == calls{});
  CHECK(run_fff(ufb::fff_engine::dense) == calls{});
  CHECK(run_fff(ufb::fff_engine::blas) == calls{.products = 10, .sums = 10});

  const guarded_matrix<float> weight(9, 9, 0, random);
  const auto run_linear = [&](ufb::projection_engine engine) {
    const ufb::linear<float, kernels_beside_counting> layer(weight.view(), {}, {.engine = engine});
    output<float>(5, 9, [&](const auto& to, auto& scratch) { layer.forward(x.view(), to, scratch); });
    return counting_backend::take();
  };
  CHECK(run_linear(ufb::projection_engine::automatic) == calls{});
  CHECK(run_linear(ufb::projection_engine::packed) == calls{});
  CHECK(run_linear(ufb::projection_engine::blas) == calls{.transposed = 1});

  using attention_type = ufb::attention<float, kernels_beside_counting>;
  const ufb::attention_shape shape{.width = 9, .heads = 3, .norm_factor = 0.5};
  const auto source = random_source(tensors_of<attention_type>(shape, ""), 407);
  const std::vector<std::size_t> offsets{0, 5};
  const auto run_attention = [&](ufb::projection_engine engine) {
    const auto layer = attention_type::load(source, "", shape, {.engine = engine});
    output<float>(5, 9,
                  [&](const auto& to, auto& scratch) { layer.forward(x.view(), to, {.offsets = offsets}, scratch); });
    return counting_backend::take();
  };
  CHECK(run_attention(ufb::projection_engine::automatic) == calls{});
  CHECK(run_attention(ufb::projection_engine::blas) == calls{.transposed = 2 + 3, .plain = 3});
}
