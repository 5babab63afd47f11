// SPDX-License-Identifier: MIT
//
// After warm-up no layer's forward allocates, neither through operator new nor through malloc; and no call takes more
// scratch memory than its layer says beforehand.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "layers/support.hpp"
#include "support/allocation_counter.hpp"
#include "support/backends.hpp"
#include "support/blas_allocation.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;

TEST_CASE("The counter sees operator new and malloc", "[allocation]") {
  if (!allocations_are_counted()) return;
  CHECK(allocations_in([] { ::operator delete(::operator new(8)); }) > 0);
  CHECK(allocations_in([] { ::operator delete (::operator new (64, std::align_val_t{64}), std::align_val_t{64}); }) >
        0);
#if defined(__GLIBC__)
  CHECK(allocations_in([] {
          void* volatile memory = std::malloc(8);
          std::free(memory);
        }) == 1);
  CHECK(allocations_in([] {
          void* volatile memory = std::aligned_alloc(64, 64);
          std::free(memory);
        }) == 1);
#endif
  CHECK(allocations_in([] {}) == 0);
}

TEMPLATE_LIST_TEST_CASE("Forward allocates nothing once a call of its size was repeated", "[allocation]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  using backend = typename TestType::backend;
  if (!runs_on_one_thread<backend>()) {
    WARN("not checked: OPENBLAS_NUM_THREADS is not 1");
    return;
  }
  if (allocates_by_itself<backend, Scalar>()) {
    WARN("not checked: this BLAS allocates in small products on this processor");
    return;
  }
  using linear_type = ufb::linear<Scalar, backend>;
  constexpr auto any = ufb::dynamic_extent;
  random_numbers random(121);
  constexpr std::size_t width = 48;
  constexpr std::size_t tokens = 130;
  const fff_tensors<Scalar> w({.input_width = width, .output_width = width, .depth = 5, .parallel_size = 2}, random);
  const ufb::fast_feedforward<Scalar, any, any, any, any, ufb::positive_goes_right, backend> fast(
      w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  const guarded_matrix<Scalar> projection(3 * width, width, 0, random);
  const guarded_matrix<Scalar> square(width, width, 0, random);
  const ufb::attention<Scalar, backend> attention(linear_type(projection.view(), {}), linear_type(square.view(), {}), 4,
                                                  Scalar{0.25});
  const guarded_matrix<Scalar> back(width, 3 * width, 0, random);
  const ufb::feedforward<Scalar, backend> dense(linear_type(projection.view(), {}), linear_type(back.view(), {}),
                                                ufb::activation_kind::gelu);
  // Four leaves of so many neurons as the matrices at hand have rows for.
  const guarded_matrix<Scalar> leaf_in(4 * width, 9, 0, random);
  const guarded_matrix<Scalar> leaf_out(4 * 9, width, 0, random);
  const ufb::leaf_feedforward<Scalar, ufb::non_negative_goes_right, backend> leaves(
      {.input_width = width, .leaf_width = 9, .output_width = width, .depth = 2},
      {.node_weights = square.view().rows_from(0, 3), .w1s = leaf_in.view(), .w2s = leaf_out.view()});
  const auto ones = std::vector<Scalar>(width, Scalar{1});
  const ufb::norm<Scalar> norm({.width = width}, ones, ones);

  const guarded_matrix<Scalar> x(tokens, width, 0, random);
  guarded_matrix<Scalar> y(tokens, width);
  std::vector<std::int32_t> path(tokens * fast.path_length());
  const std::vector<std::size_t> offsets{0, 1, 100, 130};
  const std::vector<float> mask(3 * 99, 1.0F);
  ufb::workspace scratch;
  const auto run = [&] {
    norm.forward(x.view(), y.view());
    fast.forward(x.view(), y.view(), scratch);
    fast.forward(x.view(), y.view(), scratch, {path.data(), {tokens, fast.path_length()}});
    fast.forward(x.view().rows_from(0, 3), y.view().rows_from(0, 3), scratch);
    leaves.forward(x.view(), y.view(), scratch, std::span(path).first(tokens));
    attention.forward(x.view(), y.view(), {.offsets = offsets}, scratch);
    attention.forward(x.view(), y.view(), {.offsets = offsets, .mask = {mask.data(), {3, 99}}}, scratch);
    dense.forward(x.view(), y.view(), scratch);
  };
  run();
  run();
  CHECK(allocations_in(run) == 0);
}

TEST_CASE("With threads, too, no smaller call allocates after two of the largest size", "[allocation]") {
  random_numbers random(122);
  constexpr std::size_t width = 64;
  constexpr std::size_t most = 8192;
  constexpr auto any = ufb::dynamic_extent;
  const fff_tensors<float> deep({.input_width = width, .output_width = width, .depth = 8, .parallel_size = 1}, random);
  const fff_tensors<float> shallow({.input_width = width, .output_width = width, .depth = 1, .parallel_size = 32},
                                   random);
  using fff_type = ufb::fast_feedforward<float, any, any, any, any>;
  const fff_type tree(deep.shape, deep.linear_in.view(), deep.bias_in, deep.linear_out.view());
  const fff_type dense(shallow.shape, shallow.linear_in.view(), shallow.bias_in, shallow.linear_out.view());
  const guarded_matrix<float> square(width, width, 0, random);
  const guarded_matrix<float> projection(3 * width, width, 0, random);
  const ufb::attention<float> attention(ufb::linear<float>(projection.view(), {}),
                                        ufb::linear<float>(square.view(), {}), 4, 0.25F);
  const ufb::packed_matrix product(projection.view(), ufb::weight_storage::int8);
  const guarded_matrix<float> x(most, width, 0, random);
  const guarded_matrix<float> wide(most, 3 * width, 0, random);
  guarded_matrix<float> y(most, width);
  guarded_matrix<float> wide_y(most, 3 * width);
  for (const std::size_t threads : {2U, 3U, 4U}) {
    ufb::thread_pool pool(threads);
    ufb::workspace scratch;
    const auto run = [&](std::size_t tokens) {
      const auto some = x.view().rows_from(0, tokens);
      const std::array<std::size_t, 2> offsets{0, std::min<std::size_t>(tokens, 512)};
      tree.forward(some, y.view().rows_from(0, tokens), scratch, pool);
      dense.forward(some, y.view().rows_from(0, tokens), scratch, pool);
      product.multiply(some, wide_y.view().rows_from(0, tokens), scratch, pool);
      ufb::workspace::frame frame(scratch);
      const auto masks = ufb::layers::resolve_masks({.offsets = offsets}, false, frame);
      attention.attend(wide.view().rows_from(0, offsets[1]), y.view().rows_from(0, offsets[1]), offsets, masks, scratch,
                       pool);
    };
    run(most);
    run(most);
    for (const std::size_t tokens : {8192U, 8192U, 1000U, 63U,  64U,   65U,   96U,   97U,   190U,  192U, 193U, 384U,
                                     385U,  512U,  600U,  768U, 2000U, 2049U, 4096U, 5000U, 8191U, 7U,   1U}) {
      INFO(threads << " threads, " << tokens << " tokens");
      CHECK(allocations_in([&] { run(tokens); }) == 0);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("No call takes more scratch memory than its layer announces", "[allocation]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  using backend = typename TestType::backend;
  using linear_type = ufb::linear<Scalar, backend>;
  constexpr auto any = ufb::dynamic_extent;
  random_numbers random(123);
  constexpr std::size_t width = 40;
  constexpr std::size_t most = 1100;
  const guarded_matrix<Scalar> x(most, 3 * width, 0, random);
  guarded_matrix<Scalar> y(most, 3 * width);
  const auto in = [&](std::size_t tokens) { return x.view().rows_from(0, tokens).cols_from(0, width); };
  const auto out = [&](std::size_t tokens) { return y.view().rows_from(0, tokens).cols_from(0, width); };
  const auto check = [](std::size_t announced, const auto& call) {
    for (const std::size_t tokens : {1U, 7U, 64U, 193U, 1100U}) {
      ufb::workspace scratch;
      call(tokens, scratch);
      CHECK(scratch.needed().bytes <= announced);
    }
  };
  for (const auto& [depth, trees] : {std::pair<std::size_t, std::size_t>{7, 2}, {1, 16}}) {
    const fff_tensors<Scalar> w({.input_width = width, .output_width = width, .depth = depth, .parallel_size = trees},
                                random);
    const ufb::fast_feedforward<Scalar, any, any, any, any, ufb::positive_goes_right, backend> layer(
        w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
    check(layer.workspace_bytes(most),
          [&](std::size_t tokens, auto& scratch) { layer.forward(in(tokens), out(tokens), scratch); });
  }
  const guarded_matrix<Scalar> projection(3 * width, width, 0, random);
  const guarded_matrix<Scalar> square(width, width, 0, random);
  const guarded_matrix<Scalar> back(width, 3 * width, 0, random);
  const linear_type linear(projection.view(), {});
  check(linear.workspace_bytes(most),
        [&](std::size_t tokens, auto& scratch) { linear.forward(in(tokens), y.view().rows_from(0, tokens), scratch); });
  const ufb::feedforward<Scalar, backend> dense(linear_type(projection.view(), {}), linear_type(back.view(), {}),
                                                ufb::activation_kind::gelu);
  check(dense.workspace_bytes(most),
        [&](std::size_t tokens, auto& scratch) { dense.forward(in(tokens), out(tokens), scratch); });
  const ufb::attention<Scalar, backend> attention(linear_type(projection.view(), {}), linear_type(square.view(), {}), 4,
                                                  Scalar{0.25});
  check(attention.projection_bytes(most), [&](std::size_t tokens, auto& scratch) {
    attention.project(in(tokens), y.view().rows_from(0, tokens), scratch);
    attention.combine(in(tokens), out(tokens), scratch);
  });
  check(attention.attend_bytes(most), [&](std::size_t tokens, auto& scratch) {
    const std::array<std::size_t, 2> offsets{0, tokens};
    const std::array<ufb::layers::sequence_mask, 1> masks{{{.keys = tokens}}};
    attention.attend(x.view().rows_from(0, tokens), out(tokens), offsets, masks, scratch);
  });
}
