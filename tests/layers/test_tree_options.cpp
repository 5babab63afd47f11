// SPDX-License-Identifier: MIT
//
// What trees may have beside plain nodes: thresholds, rows that every token uses, ReLU squared and identity. Every
// engine against a plain twin, and bit by bit against each other and against layers without the options.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "support.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/memory_source.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/layers.hpp"

namespace ufb_test {

namespace {

using ufb::fff_engine;
using ufb::weight_storage;

struct optional_tensors {
  optional_tensors(const ufb::fast_feedforward_shape& shape, random_numbers& random)
      : trees(shape, random),
        thresholds(shape.node_thresholds ? random.reals<float>(trees.nodes, 0.8) : std::vector<float>()),
        shared_in(shape.shared_rows, shape.input_width, 2, random),
        shared_bias(random.reals<float>(shape.shared_rows)),
        shared_out(shape.output_width, shape.shared_rows, 1, random) {}

  [[nodiscard]] ufb::fast_feedforward<float> layer(const ufb::fast_feedforward_options& options = {}) const {
    const bool shares = trees.shape.shared_rows != 0;
    return ufb::fast_feedforward<float>(trees.shape, trees.linear_in.view(), trees.bias_in, trees.linear_out.view(),
                                        options, ufb::linear_out_layout::column_per_node,
                                        {.thresholds = thresholds,
                                         .shared_in = shares ? shared_in.view() : ufb::matrix_view<const float>(),
                                         .shared_bias_in = shared_bias,
                                         .shared_out = shares ? shared_out.view() : ufb::matrix_view<const float>()});
  }

  fff_tensors<float> trees;
  std::vector<float> thresholds;
  guarded_matrix<float> shared_in;
  std::vector<float> shared_bias;
  guarded_matrix<float> shared_out;
};

struct tree_result {
  guarded_matrix<float> y;
  reference::grid<std::int32_t> path;

  [[nodiscard]] bool operator==(const tree_result& other) const {
    return same_bits(y, other.y) && path.cells == other.path.cells;
  }
};

template <class Layer>
tree_result run(const Layer& layer, const guarded_matrix<float>& x, ufb::workspace& scratch,
                ufb::executor_ref threads = {}) {
  tree_result out{.y = guarded_matrix<float>(x.rows(), layer.output_width(), 3),
                  .path = reference::grid<std::int32_t>(x.rows(), layer.path_length())};
  layer.forward(x.view(), out.y.view(), scratch, {out.path.cells.data(), {x.rows(), out.path.cols}}, threads);
  return out;
}

double activated(ufb::activation_kind kind, double z) {
  return ufb::visit_activation(kind, [z](auto f) { return f(z); });
}

double logit(const guarded_matrix<float>& rows, const std::vector<float>& bias, std::size_t r, const float* x) {
  double z = static_cast<double>(bias[r]);
  for (std::size_t k = 0; k < rows.cols(); ++k) z += static_cast<double>(rows(r, k)) * static_cast<double>(x[k]);
  return z;
}

/// Largest deviation from the layer written down in double, as a part of `bound`; infinite if a turn is wrong.
double deviation(const optional_tensors& w, const guarded_matrix<float>& x, const tree_result& got) {
  const auto& s = w.trees.shape;
  const std::size_t levels = s.depth + 1;
  const std::size_t per_tree = (std::size_t{2} << s.depth) - 1;
  double worst = 0;
  for (std::size_t t = 0; t < x.rows(); ++t) {
    std::vector<double> y(s.output_width);
    std::vector<double> size(s.output_width);
    const auto add = [&](double z, const guarded_matrix<float>& columns, std::size_t c) {
      for (std::size_t k = 0; k < y.size(); ++k) {
        const double term = activated(s.activation, z) * static_cast<double>(columns(k, c));
        y[k] += term;
        size[k] += std::max(1.0, std::abs(z)) * static_cast<double>(s.input_width + 1);
      }
    };
    for (std::size_t i = 0; i < got.path.cols; ++i) {
      const auto local = static_cast<std::size_t>(got.path(t, i));
      const std::size_t node = i / levels * per_tree + local;
      const double z = logit(w.trees.linear_in, w.trees.bias_in, node, x.row(t));
      const double threshold = s.node_thresholds ? static_cast<double>(w.thresholds[node]) : 0.0;
      if (i % levels == 0 && local != 0) return HUGE_VAL;
      if (i % levels != s.depth && std::abs(z - threshold) > 1e-4 &&
          static_cast<std::size_t>(got.path(t, i + 1)) != 2 * local + (z > threshold ? 2U : 1U)) {
        return HUGE_VAL;
      }
      add(z, w.trees.linear_out, node);
    }
    for (std::size_t r = 0; r < s.shared_rows; ++r) {
      add(logit(w.shared_in, w.shared_bias, r, x.row(t)), w.shared_out, r);
    }
    const auto terms = static_cast<double>(got.path.cols + s.shared_rows + 2 * s.input_width + 8);
    for (std::size_t k = 0; k < y.size(); ++k) {
      const double off = std::abs(static_cast<double>(got.y(t, k)) - y[k]) / (terms * 0x1p-23 * size[k]);
      if (!(off <= worst)) worst = std::isnan(off) ? HUGE_VAL : off;
    }
  }
  return worst;
}

ufb::fast_feedforward_shape random_shape(random_numbers& random) {
  return {.input_width = random.pick<std::size_t>({1, 5, 16, 33, 70}),
          .output_width = random.pick<std::size_t>({1, 7, 16, 65}),
          .depth = random.size(0, 8),
          .parallel_size = random.size(1, 3),
          .activation = random.pick(
              {ufb::activation_kind::gelu, ufb::activation_kind::relu_squared, ufb::activation_kind::identity}),
          .node_thresholds = random.coin(),
          .shared_rows = random.pick<std::size_t>({0, 1, 5, 40})};
}

}  // namespace

TEST_CASE("Thresholds and shared rows: engines that walk give equal bits, all come near the plain twin",
          "[tree options]") {
  random_numbers random(601);
  ufb::workspace scratch;
  ufb::thread_pool two(2);
  for (int round = 0; round < 25; ++round) {
    const optional_tensors w(random_shape(random), random);
    const guarded_matrix<float> x(300, w.trees.shape.input_width, 1, random);
    for (const auto isa :
         {ufb::isa_level::portable, ufb::isa_level::neon, ufb::isa_level::avx2, ufb::isa_level::avx512}) {
      if (!supported(isa)) continue;
      INFO(name(isa) << " depth " << w.trees.shape.depth << " shared " << w.trees.shape.shared_rows);
      const auto expected = run(w.layer({.engine = fff_engine::fused, .isa = isa}), x, scratch);
      CHECK(deviation(w, x, expected) <= 1);
      CHECK(run(w.layer({.engine = fff_engine::interleaved, .isa = isa}), x, scratch) == expected);
      const auto grouped = w.layer({.engine = fff_engine::grouped, .isa = isa});
      CHECK(run(grouped, x, scratch) == expected);
      CHECK(run(grouped, x, scratch, two) == expected);
      CHECK(deviation(w, x, run(w.layer({.engine = fff_engine::dense, .isa = isa}), x, scratch)) <= 1);
    }
    CHECK(deviation(w, x, run(w.layer({.engine = fff_engine::blas}), x, scratch)) <= 1);
  }
}

TEST_CASE("Thresholds of zero change no bit", "[tree options]") {
  random_numbers random(602);
  ufb::workspace scratch;
  auto shape = ufb::fast_feedforward_shape{.input_width = 24, .output_width = 17, .depth = 6, .parallel_size = 2};
  for (const auto engine :
       {fff_engine::fused, fff_engine::interleaved, fff_engine::grouped, fff_engine::dense, fff_engine::blas}) {
    shape.node_thresholds = true;
    optional_tensors w(shape, random);
    std::fill(w.thresholds.begin(), w.thresholds.end(), 0.0F);
    optional_tensors plain = w;
    plain.trees.shape.node_thresholds = false;
    plain.thresholds.clear();
    const guarded_matrix<float> x(200, 24, 0, random);
    CHECK(run(w.layer({.engine = engine}), x, scratch) == run(plain.layer({.engine = engine}), x, scratch));
  }
}

TEST_CASE("A logit equal to its threshold goes where the tie rule says; infinite thresholds decide alone",
          "[tree options]") {
  random_numbers random(603);
  ufb::workspace scratch;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  optional_tensors w({.input_width = 4, .output_width = 3, .depth = 3, .node_thresholds = true}, random);
  const auto last_node = [&](auto rule, fff_engine engine, float value, float threshold) {
    std::fill(w.thresholds.begin(), w.thresholds.end(), threshold);
    std::fill(w.trees.bias_in.begin(), w.trees.bias_in.end(), value);
    const ufb::fast_feedforward<float, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent,
                                ufb::dynamic_extent, decltype(rule)>
        layer(w.trees.shape, w.trees.linear_in.view(), w.trees.bias_in, w.trees.linear_out.view(), {.engine = engine},
              ufb::linear_out_layout::column_per_node, {.thresholds = w.thresholds});
    guarded_matrix<float> x(5, 4);
    for (std::size_t t = 0; t < 5; ++t) std::fill_n(x.row(t), 4, 0.0F);
    return run(layer, x, scratch).path(4, 3);
  };
  constexpr std::int32_t left = 7;
  constexpr std::int32_t right = 14;
  for (const auto engine :
       {fff_engine::fused, fff_engine::interleaved, fff_engine::grouped, fff_engine::dense, fff_engine::blas}) {
    CAPTURE(std::string(name(engine)));
    for (const float value : {0.5F, -0.5F}) {
      CHECK(last_node(ufb::positive_goes_right{}, engine, value, value) == left);
      CHECK(last_node(ufb::non_negative_goes_right{}, engine, value, value) == right);
      CHECK(last_node(ufb::positive_goes_right{}, engine, value, std::nextafter(value, -1.0F)) == right);
      CHECK(last_node(ufb::non_negative_goes_right{}, engine, value, std::nextafter(value, 1.0F)) == left);
      CHECK(last_node(ufb::positive_goes_right{}, engine, value, -infinity) == right);
      CHECK(last_node(ufb::positive_goes_right{}, engine, value, infinity) == left);
    }
  }
}

TEST_CASE("Certified storage decides thresholds as float32 does", "[tree options]") {
  random_numbers random(604);
  ufb::workspace scratch;
  optional_tensors w({.input_width = 64, .output_width = 8, .depth = 8, .node_thresholds = true}, random);
  const guarded_matrix<float> x(3000, 64, 0, random);
  for (const bool large : {false, true}) {
    if (large) {  // sums that are rounded to eighths, and often to the threshold itself
      std::fill(w.thresholds.begin(), w.thresholds.end(), 0x1p20F);
      std::fill(w.trees.bias_in.begin(), w.trees.bias_in.end(), 0x1p20F);
    }
    const auto expected = run(w.layer(), x, scratch).path.cells;
    for (const auto storage :
         {weight_storage::certified_float16, weight_storage::certified_int8, weight_storage::split_float32}) {
      for (const auto engine : {fff_engine::fused, fff_engine::interleaved, fff_engine::grouped}) {
        INFO(name(storage) << ' ' << name(engine) << " large " << large);
        const auto layer = w.layer({.engine = engine, .storage_in = storage});
        CHECK(run(layer, x, scratch).path.cells == expected);
        CHECK(layer.second_looks(x.view(), scratch) < 3000 * 9 / 2);
      }
    }
  }
}

TEST_CASE("Forced onto their own paths, thresholds and shared rows give their own bits, and margins are the path",
          "[tree options]") {
  random_numbers random(608);
  ufb::workspace scratch;
  ufb::thread_pool two(2);
  for (const std::size_t shared : {std::size_t{0}, std::size_t{9}}) {
    const optional_tensors w({.input_width = 33,
                              .output_width = 21,
                              .depth = 5,
                              .parallel_size = 2,
                              .node_thresholds = true,
                              .shared_rows = shared},
                             random);
    const guarded_matrix<float> x(1200, 33, 1, random);  // worth two tasks
    const auto check = [&](const ufb::fast_feedforward<float>& layer, bool same) {
      INFO(name(layer.options().engine) << ' ' << name(layer.options().storage_in) << " shared " << shared);
      const auto own = run(layer, x, scratch);
      const ufb::matrix_view<const std::int32_t> paths{own.path.cells.data(), {x.rows(), own.path.cols}};
      for (const bool spread : {false, true}) {
        guarded_matrix<float> y(x.rows(), 21, 2);
        guarded_matrix<float> margins(x.rows(), own.path.cols, 3);
        layer.forward_along(x.view(), y.view(), paths, scratch, {.margins = margins.view()},
                            spread ? ufb::executor_ref(two) : ufb::executor_ref());
        CHECK((same ? same_bits(y, own.y) : deviation(w, x, {.y = y, .path = own.path}) <= 1));
        std::size_t wrong = 0;
        for (std::size_t t = 0; t < x.rows(); ++t) {
          for (std::size_t i = 0; i + 1 < own.path.cols; ++i) {
            if (i % 6 != 5) wrong += (margins(t, i) > 0) != (own.path(t, i + 1) == 2 * own.path(t, i) + 2) ? 1U : 0U;
          }
        }
        CHECK(wrong == 0);
      }
    };
    for (const auto engine : {fff_engine::fused, fff_engine::interleaved, fff_engine::grouped}) {
      for (const auto storage : {weight_storage::float32, weight_storage::float16, weight_storage::split_float32}) {
        check(w.layer({.engine = engine, .storage_in = storage}), true);
      }
    }
    check(w.layer({.engine = fff_engine::dense}), true);
    check(w.layer({.engine = fff_engine::blas}), false);
  }
}

TEST_CASE("Dense trees that give way to walking keep their thresholds", "[tree options]") {
  random_numbers random(605);
  ufb::workspace scratch;
  optional_tensors w({.input_width = 8, .output_width = 5, .depth = 2, .parallel_size = 6, .node_thresholds = true},
                     random);
  w.trees.linear_out(2, 3) = std::numeric_limits<float>::infinity();
  const guarded_matrix<float> x(50, 8, 0, random);
  const auto layer = w.layer();
  CHECK(layer.engine(50) != fff_engine::dense);
  CHECK(run(layer, x, scratch) == run(w.layer({.engine = fff_engine::grouped}), x, scratch));
}

TEST_CASE("Thresholds and shared rows are loaded by name, and found by what a checkpoint has", "[tree options]") {
  random_numbers random(606);
  ufb::workspace scratch;
  const ufb::fast_feedforward_shape plain{.input_width = 6, .output_width = 5, .depth = 3, .parallel_size = 2};
  for (const bool thresholds : {false, true}) {
    for (const std::size_t shared : {std::size_t{0}, std::size_t{4}}) {
      auto shape = plain;
      shape.node_thresholds = thresholds;
      shape.shared_rows = shared;
      const auto tensors = tensors_of<ufb::fast_feedforward<float>>(shape, "ffn.");
      ufb::memory_source source;
      for (const auto& [name, sizes] : tensors) {
        source.add(name, sizes, random.reals<float>(element_count(sizes)));
      }
      CHECK(source.size() == 3U + (thresholds ? 1 : 0) + (shared != 0 ? 3 : 0));
      const auto found = plain.with_tensors_of(source, "ffn.");
      CHECK(found.node_thresholds == thresholds);
      CHECK(found.shared_rows == shared);
      const auto layer = ufb::fast_feedforward<float>::load(source, "ffn.", found);
      CHECK(layer.node_thresholds() == thresholds);
      CHECK(layer.shared_rows() == shared);
      const auto values = [&](const std::string& name) {
        const auto number = source.find("ffn." + name);
        const auto all = source.values(number.value());
        return std::vector<float>(all.begin(), all.end());
      };
      const auto in = values("linear_in.weight");
      const auto out = values("linear_out.weight");
      const auto limits = thresholds ? values("linear_in.threshold") : std::vector<float>();
      const auto shared_in = shared != 0 ? values("linear_in.shared.weight") : std::vector<float>();
      const auto shared_bias = shared != 0 ? values("linear_in.shared.bias") : std::vector<float>();
      const auto shared_out = shared != 0 ? values("linear_out.shared.weight") : std::vector<float>();
      const ufb::fast_feedforward<float> expected(found, {in.data(), {30, 6}}, values("linear_in.bias"),
                                                  {out.data(), {5, 30}}, {}, ufb::linear_out_layout::column_per_node,
                                                  {.thresholds = limits,
                                                   .shared_in = {shared_in.data(), {shared, shared != 0 ? 6U : 0U}},
                                                   .shared_bias_in = shared_bias,
                                                   .shared_out = {shared_out.data(), {shared != 0 ? 5U : 0U, shared}}});
      const guarded_matrix<float> x(40, 6, 0, random);
      CHECK(run(layer, x, scratch) == run(expected, x, scratch));
      ufb::workspace enough(layer.workspace_bytes(40));
      const std::size_t capacity = enough.capacity();
      static_cast<void>(run(layer, x, enough));
      CHECK(enough.capacity() == capacity);
    }
  }
}

TEST_CASE("Options of trees that do not fit are refused", "[tree options][errors]") {
  random_numbers random(607);
  const optional_tensors w({.input_width = 4, .output_width = 3, .depth = 1, .node_thresholds = true, .shared_rows = 2},
                           random);
  const auto code = [](const auto& action) {
    const auto problem = error_of(action);
    return problem ? std::string(name(problem->code())) + ": " + problem->where() : std::string("none");
  };
  const auto build = [&](const ufb::fast_feedforward_additions<float>& additions) {
    return code([&] {
      (void)ufb::fast_feedforward<float>(w.trees.shape, w.trees.linear_in.view(), w.trees.bias_in,
                                         w.trees.linear_out.view(), {}, ufb::linear_out_layout::column_per_node,
                                         additions);
    });
  };
  const ufb::fast_feedforward_additions<float> right{.thresholds = w.thresholds,
                                                     .shared_in = w.shared_in.view(),
                                                     .shared_bias_in = w.shared_bias,
                                                     .shared_out = w.shared_out.view()};
  CHECK(build(right) == "none");
  auto wrong = right;
  wrong.thresholds = right.thresholds.first(2);
  CHECK(build(wrong) == "shape_mismatch: thresholds");
  wrong = right;
  wrong.shared_in = right.shared_in.rows_from(0, 1);
  CHECK(build(wrong) == "shape_mismatch: shared_in");
  wrong = right;
  wrong.shared_out = right.shared_out.rows_from(0, 2);
  CHECK(build(wrong) == "shape_mismatch: shared_out");
  wrong = right;
  wrong.shared_bias_in = right.shared_bias_in.first(1);
  CHECK(build(wrong) == "shape_mismatch: bias");
  using small = ufb::fast_feedforward<float, 4, 3, 1, 1>;
  CHECK(code([] { (void)small({.input_width = 4, .output_width = 3, .depth = 1, .node_thresholds = true}); }) ==
        "invalid_input: fast_feedforward.node_thresholds");
  CHECK(code([] { (void)small({.input_width = 4, .output_width = 3, .depth = 1, .shared_rows = 1}); }) ==
        "invalid_input: shared_rows");
}

}  // namespace ufb_test
