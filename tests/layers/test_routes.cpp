// SPDX-License-Identifier: MIT
//
// Route traces and forced routing of FFF layers against the plain reference, and against the layers themselves.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "layers/support.hpp"
#include "support/backends.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;
using ufb::fff_engine;
using ufb::weight_storage;

namespace {

template <class Scalar>
struct traced {
  guarded_matrix<Scalar> y;
  guarded_matrix<Scalar> margins;
  ufb::matrix<std::int32_t> paths;
  ufb::matrix<std::uint8_t> second_looks;
};

template <class Layer, class Scalar>
traced<Scalar> trace(const Layer& layer, const guarded_matrix<Scalar>& x, ufb::executor_ref threads = {}) {
  ufb::workspace scratch;
  traced<Scalar> out{.y = guarded_matrix<Scalar>(x.rows(), layer.output_width(), 3),
                     .margins = guarded_matrix<Scalar>(x.rows(), layer.path_length(), 2),
                     .paths = ufb::matrix<std::int32_t>({x.rows(), layer.path_length()}),
                     .second_looks = ufb::matrix<std::uint8_t>({x.rows(), layer.path_length()})};
  layer.forward_traced(
      x.view(), out.y.view(), scratch,
      {.paths = out.paths.view(), .margins = out.margins.view(), .second_looks = out.second_looks.view()}, threads);
  CHECK(out.y.surroundings_intact());
  CHECK(out.margins.surroundings_intact());
  return out;
}

template <class Layer, class Scalar>
guarded_matrix<Scalar> along(const Layer& layer, const guarded_matrix<Scalar>& x,
                             const ufb::matrix<std::int32_t>& paths, const ufb::route_record<Scalar>& routes = {},
                             ufb::executor_ref threads = {}) {
  ufb::workspace scratch;
  guarded_matrix<Scalar> y(x.rows(), layer.output_width(), 3);
  layer.forward_along(x.view(), y.view(), paths.view(), scratch, routes, threads);
  CHECK(y.surroundings_intact());
  return y;
}

ufb::matrix<std::int32_t> random_paths(std::size_t tokens, std::size_t depth, std::size_t trees,
                                       random_numbers& random) {
  ufb::matrix<std::int32_t> paths({tokens, trees * (depth + 1)});
  for (std::size_t t = 0; t < tokens; ++t) {
    std::int32_t node = 0;
    for (std::size_t i = 0; i < paths.cols(); ++i) {
      node = i % (depth + 1) == 0 ? 0 : 2 * node + (random.coin() ? 2 : 1);
      paths(t, i) = node;
    }
  }
  return paths;
}

bool same_paths(const ufb::matrix<std::int32_t>& a, const ufb::matrix<std::int32_t>& b) {
  bool same = a.rows() == b.rows() && a.cols() == b.cols();
  for (std::size_t t = 0; same && t < a.rows(); ++t) same = std::equal(a.row(t), a.row(t) + a.cols(), b.row(t));
  return same;
}

/// Logits and outputs along given paths, in bounds of Scalar's arithmetic.
struct reference_walk {
  reference::table margins;
  reference::table y;
};

template <class Scalar>
reference_walk walk(const fff_tensors<Scalar>& w, const guarded_matrix<Scalar>& x,
                    const ufb::matrix<std::int32_t>& paths) {
  const auto arithmetic = reference::arithmetic::of<Scalar>();
  const auto weights = w.reference_weights();
  const auto inputs = reference::table_of(reference::exact_of(x.view()));
  const std::size_t tree_size = (std::size_t{2} << w.shape.depth) - 1;
  reference_walk out{.margins = reference::table(x.rows(), paths.cols()),
                     .y = reference::table(x.rows(), w.shape.output_width)};
  for (std::size_t t = 0; t < x.rows(); ++t) {
    std::vector<reference::estimate> activated;
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < paths.cols(); ++i) {
      const std::size_t row = i / (w.shape.depth + 1) * tree_size + static_cast<std::size_t>(paths(t, i));
      out.margins(t, i) = arithmetic.dot(
          x.cols(), [&](std::size_t k) { return inputs(t, k); },
          [&](std::size_t k) { return reference::estimate{weights.linear_in(row, k)}; }, weights.bias_in[row]);
      activated.push_back(arithmetic.activate(w.shape.activation, out.margins(t, i)));
      rows.push_back(row);
    }
    for (std::size_t k = 0; k < out.y.cols; ++k) {
      out.y(t, k) = arithmetic.dot(
          rows.size(), [&](std::size_t i) { return activated[i]; },
          [&](std::size_t i) { return reference::estimate{weights.linear_out(rows[i], k)}; });
    }
  }
  return out;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Margins are the logits of the nodes on the path, and their signs are the path", "[fff]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  using layer_type = ufb::fast_feedforward<Scalar, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent,
                                           ufb::dynamic_extent, ufb::positive_goes_right, typename TestType::backend>;
  random_numbers random(411);
  for (int round = 0; round < 8; ++round) {
    const fff_tensors<Scalar> w({.input_width = random.size(1, 40),
                                 .output_width = random.size(1, 40),
                                 .depth = random.size(0, 7),
                                 .parallel_size = random.size(1, 3)},
                                random);
    const layer_type layer(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
    const guarded_matrix<Scalar> x(random.size(1, 90), w.shape.input_width, 1, random);
    const auto found = trace(layer, x);
    ufb::workspace scratch;
    guarded_matrix<Scalar> plain(x.rows(), w.shape.output_width);
    layer.forward(x.view(), plain.view(), scratch);
    CHECK(same_bits(found.y, plain));
    const auto expected = walk(w, x, found.paths);
    CHECK(reference::worst_ratio(found.margins.view(), expected.margins) <= 1);
    std::size_t wrong = 0;
    for (std::size_t t = 0; t < x.rows(); ++t) {
      for (std::size_t i = 0; i + 1 < found.paths.cols(); ++i) {
        if ((i + 1) % (w.shape.depth + 1) == 0) continue;
        const bool right = found.paths(t, i + 1) == 2 * found.paths(t, i) + 2;
        wrong += right != (found.margins(t, i) > 0) ? 1U : 0U;
      }
    }
    CHECK(wrong == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("Along given paths the outputs are those of the reference on them", "[fff]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  using layer_type = ufb::fast_feedforward<Scalar, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent,
                                           ufb::dynamic_extent, ufb::positive_goes_right, typename TestType::backend>;
  random_numbers random(412);
  for (int round = 0; round < 8; ++round) {
    const fff_tensors<Scalar> w({.input_width = random.size(1, 40),
                                 .output_width = random.size(1, 40),
                                 .depth = random.size(0, 7),
                                 .parallel_size = round == 0 ? 12 : random.size(1, 3)},
                                random);
    const layer_type layer(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
    const guarded_matrix<Scalar> x(random.size(1, 300), w.shape.input_width, 1, random);
    const auto paths = random_paths(x.rows(), w.shape.depth, w.shape.trees(), random);
    guarded_matrix<Scalar> margins(x.rows(), paths.cols(), 4);
    const auto expected = walk(w, x, paths);
    CHECK(reference::worst_ratio(along<layer_type, Scalar>(layer, x, paths, {.margins = margins.view()}).view(),
                                 expected.y) <= 1);
    CHECK(reference::worst_ratio(margins.view(), expected.margins) <= 1);
  }
}

TEST_CASE("Forced onto its own paths a layer gives its own bits, whatever engine, storage, level and threads",
          "[fff]") {
  random_numbers random(413);
  ufb::thread_pool threads(3);
  for (int round = 0; round < 6; ++round) {
    const fff_tensors<float> w({.input_width = random.size(1, 90),
                                .output_width = random.size(1, 90),
                                .depth = random.size(0, 8),
                                .parallel_size = random.size(1, 3)},
                               random);
    const guarded_matrix<float> x(450, w.shape.input_width, 1, random);
    for (const auto isa : {ufb::isa_level::portable, ufb::isa_level::avx2, ufb::isa_level::avx512}) {
      if (!ufb::supported(isa)) continue;
      for (const auto engine : {fff_engine::fused, fff_engine::interleaved, fff_engine::grouped, fff_engine::dense}) {
        for (const auto storage : {weight_storage::float32, weight_storage::bfloat16, weight_storage::int8,
                                   weight_storage::certified_float16, weight_storage::certified_int8}) {
          if (engine == fff_engine::dense && storage != weight_storage::float32) continue;
          const bool narrow = storage == weight_storage::int8;
          const ufb::fast_feedforward<float> layer(
              w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view(),
              {.engine = engine,
               .storage_in = storage,
               .storage_out = narrow ? weight_storage::int8 : weight_storage::float32,
               .isa = isa});
          INFO(name(isa) << ' ' << name(engine) << ' ' << name(storage));
          const auto own = trace(layer, x);
          guarded_matrix<float> margins(x.rows(), layer.path_length());
          CHECK(same_bits(along(layer, x, own.paths, {.margins = margins.view()}), own.y));
          CHECK(same_bits(margins, own.margins));
          CHECK(same_bits(along(layer, x, own.paths, {}, threads), own.y));
          const auto spread = trace(layer, x, threads);
          CHECK(same_bits(spread.margins, own.margins));
          CHECK(same_paths(spread.paths, own.paths));
          std::size_t looks = 0;
          for (std::size_t t = 0; t < x.rows(); ++t) {
            looks += static_cast<std::size_t>(
                std::count(own.second_looks.row(t), own.second_looks.row(t) + own.second_looks.cols(), 1));
          }
          ufb::workspace scratch;
          CHECK(looks == layer.second_looks(x.view(), scratch));
          if (storage == weight_storage::certified_int8) CHECK(looks > 0);
        }
      }
    }
  }
}

TEST_CASE("A small layer of static sizes follows paths with the bits of its dynamic twin", "[fff]") {
  random_numbers random(414);
  const fff_tensors<float> w({.input_width = 12, .output_width = 20, .depth = 4, .parallel_size = 2}, random);
  const ufb::fast_feedforward<float, 12, 20, 4, 2> small(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  const ufb::fast_feedforward<float> dynamic(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  const guarded_matrix<float> x(77, 12, 0, random);
  const auto own = trace(small, x);
  CHECK(same_bits(own.margins, trace(dynamic, x).margins));
  CHECK(same_bits(along(small, x, own.paths), own.y));
  const auto paths = random_paths(77, 4, 2, random);
  CHECK(same_bits(along(small, x, paths), along(dynamic, x, paths)));
}

TEST_CASE("What is no path of the trees, or of another size, is refused", "[fff]") {
  random_numbers random(415);
  const fff_tensors<float> w({.input_width = 8, .output_width = 8, .depth = 2, .parallel_size = 2}, random);
  const ufb::fast_feedforward<float> layer(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  const guarded_matrix<float> x(3, 8, 0, random);
  guarded_matrix<float> y(3, 8);
  ufb::workspace scratch;
  const auto refused = [&](const ufb::matrix<std::int32_t>& paths, const ufb::route_record<float>& routes = {}) {
    return error_text_of([&] { layer.forward_along(x.view(), y.view(), paths.view(), scratch, routes); });
  };
  auto paths = random_paths(3, 2, 2, random);
  paths(1, 3) = 1;
  CHECK(refused(paths) == "invalid_input: paths(1, 3): 0, the root of a tree: 1");
  paths(1, 3) = 0;
  paths(1, 4) = 1;
  for (const std::int32_t wrong : {5, 0, -1, 2, 1 << 30}) {
    paths(1, 5) = wrong;
    CHECK(refused(paths) == "invalid_input: paths(1, 5): 3 or 4, a child of the node: " + std::to_string(wrong));
  }
  CHECK(refused(random_paths(2, 2, 2, random)) == "invalid_input: paths: (3, 6): (2, 6)");
  CHECK(refused(random_paths(3, 2, 1, random)) == "invalid_input: paths: (3, 6): (3, 3)");
  paths(1, 5) = 3;
  guarded_matrix<float> margins(3, 5);
  CHECK(refused(paths, {.margins = margins.view()}) == "invalid_input: margins: (3, 6): (3, 5)");
  CHECK(refused(paths, {.paths = paths.view()}) ==
        "invalid_input: routes.paths: none, as the paths are given: a matrix");
  CHECK(y.untouched());
  CHECK_NOTHROW(layer.forward_along(x.view(), y.view(), paths.view(), scratch));
}
