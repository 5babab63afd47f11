// SPDX-License-Identifier: MIT
//
// Fast feedforward layers with leaf networks: engines against a plain twin and bit by bit against each other, ties, one
// leaf, loading, the master leaf, refusals.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
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

using ufb::leaf_engine;
using ufb::weight_storage;

constexpr weight_storage storages[] = {weight_storage::float32, weight_storage::float16, weight_storage::bfloat16,
                                       weight_storage::int8};

/// The tensors of a layer, row-major as checkpoints store them.
template <class Scalar>
struct leaf_tensors {
  leaf_tensors(const ufb::leaf_feedforward_shape& sizes, random_numbers& random)
      : shape(sizes),
        leaves(std::size_t{1} << sizes.depth),
        node_weights(random.reals<Scalar>((leaves - 1) * sizes.input_width)),
        node_biases(random.reals<Scalar>(leaves - 1, 0.3)),
        w1s(random.reals<Scalar>(leaves * sizes.input_width * sizes.leaf_width)),
        b1s(random.reals<Scalar>(leaves * sizes.leaf_width, 0.3)),
        w2s(random.reals<Scalar>(leaves * sizes.leaf_width * sizes.output_width)),
        b2s(random.reals<Scalar>(leaves * sizes.output_width)) {}

  [[nodiscard]] ufb::leaf_feedforward_weights<Scalar> weights() const {
    return {.node_weights = {node_weights.data(), {leaves - 1, shape.input_width}},
            .node_biases = node_biases,
            .w1s = {w1s.data(), {leaves * shape.input_width, shape.leaf_width}},
            .b1s = {b1s.data(), {leaves, shape.leaf_width}},
            .w2s = {w2s.data(), {leaves * shape.leaf_width, shape.output_width}},
            .b2s = {b2s.data(), {shape.output_bias ? leaves : 0, shape.output_bias ? shape.output_width : 0}}};
  }

  /// Adds them to a source. Pre: Scalar is float.
  void add_to(ufb::memory_source& source, const std::string& prefix) const {
    source.add(prefix + "node_weights", {leaves - 1, shape.input_width}, node_weights);
    source.add(prefix + "node_biases", {leaves - 1, 1}, node_biases);
    source.add(prefix + "w1s", {leaves, shape.input_width, shape.leaf_width}, w1s);
    source.add(prefix + "b1s", {leaves, shape.leaf_width}, b1s);
    source.add(prefix + "w2s", {leaves, shape.leaf_width, shape.output_width}, w2s);
    source.add(prefix + "b2s", {leaves, shape.output_width}, b2s);
  }

  ufb::leaf_feedforward_shape shape;
  std::size_t leaves;
  std::vector<Scalar> node_weights;
  std::vector<Scalar> node_biases;
  std::vector<Scalar> w1s;
  std::vector<Scalar> b1s;
  std::vector<Scalar> w2s;
  std::vector<Scalar> b2s;
};

template <class Scalar>
struct leaf_result {
  std::vector<Scalar> y{};
  std::vector<std::int32_t> leaf{};

  [[nodiscard]] bool operator==(const leaf_result& other) const {  // bit by bit
    return leaf == other.leaf && y.size() == other.y.size() &&
           (y.empty() || std::memcmp(y.data(), other.y.data(), y.size() * sizeof(Scalar)) == 0);
  }
};

template <class Layer, class Scalar>
leaf_result<Scalar> run(const Layer& layer, const std::vector<Scalar>& x, ufb::workspace& scratch,
                        ufb::executor_ref threads = {}) {
  const std::size_t tokens = x.size() / layer.input_width();
  leaf_result<Scalar> out{.y = std::vector<Scalar>(tokens * layer.output_width(), Scalar{-1}),
                          .leaf = std::vector<std::int32_t>(tokens, -1)};
  layer.forward({x.data(), {tokens, layer.input_width()}}, {out.y.data(), {tokens, layer.output_width()}}, scratch,
                out.leaf, threads);
  return out;
}

/// The layer written down in double, for leaves that somebody reached; `wrong` counts turns against a clear logit.
struct twin_result {
  std::vector<double> y{};
  std::size_t wrong = 0;
};

double activated(ufb::activation_kind kind, double z) {
  return ufb::visit_activation(kind, [z](auto f) { return f(z); });
}

template <class Scalar>
twin_result twin(const leaf_tensors<Scalar>& w, const std::vector<Scalar>& x, const std::vector<std::int32_t>& leaf) {
  const auto& s = w.shape;
  twin_result out{.y = std::vector<double>(leaf.size() * s.output_width)};
  for (std::size_t t = 0; t < leaf.size(); ++t) {
    const Scalar* input = x.data() + t * s.input_width;
    const auto reached = static_cast<std::size_t>(leaf[t]);
    for (std::size_t level = 0; level < s.depth; ++level) {
      const std::size_t node = (std::size_t{1} << level) - 1 + (reached >> (s.depth - level));
      double z = static_cast<double>(w.node_biases[node]);
      for (std::size_t k = 0; k < s.input_width; ++k) {
        z += static_cast<double>(w.node_weights[node * s.input_width + k]) * static_cast<double>(input[k]);
      }
      const bool right = (reached >> (s.depth - level - 1) & 1U) != 0;
      if (std::abs(z) > 1e-4 && right != (z > 0)) ++out.wrong;
    }
    for (std::size_t i = 0; i < s.leaf_width; ++i) {
      double z = static_cast<double>(w.b1s[reached * s.leaf_width + i]);
      for (std::size_t k = 0; k < s.input_width; ++k) {
        z += static_cast<double>(w.w1s[(reached * s.input_width + k) * s.leaf_width + i]) *
             static_cast<double>(input[k]);
      }
      const double a = activated(s.activation, z);
      for (std::size_t k = 0; k < s.output_width; ++k) {
        out.y[t * s.output_width + k] +=
            a * static_cast<double>(w.w2s[(reached * s.leaf_width + i) * s.output_width + k]);
      }
    }
    for (std::size_t k = 0; s.output_bias && k < s.output_width; ++k) {
      out.y[t * s.output_width + k] += static_cast<double>(w.b2s[reached * s.output_width + k]);
    }
  }
  return out;
}

/// Weights and inputs are below 1, so that an activation is at most the input width or its square, and every rounding
/// is one of `terms` of values of that size.
template <class Scalar>
double bound(const ufb::leaf_feedforward_shape& s) {
  const auto in = static_cast<double>(s.input_width + 1);
  const double largest = s.activation == ufb::activation_kind::relu_squared ? in * in : in;
  return static_cast<double>(2 * s.input_width + s.leaf_width + 8) * static_cast<double>(s.leaf_width) * largest *
         static_cast<double>(std::numeric_limits<Scalar>::epsilon());
}

template <class Scalar>
double largest_difference(const std::vector<Scalar>& got, const std::vector<double>& expected) {
  double largest = got.size() == expected.size() ? 0 : HUGE_VAL;
  for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
    const double off = std::abs(static_cast<double>(got[i]) - expected[i]);
    if (!(off <= largest)) largest = std::isnan(off) ? HUGE_VAL : off;
  }
  return largest;
}

ufb::leaf_feedforward_shape random_shape(random_numbers& random) {
  return {.input_width = random.pick<std::size_t>({1, 5, 16, 33, 96}),
          .leaf_width = random.pick<std::size_t>({1, 2, 3, 8, 17, 50}),
          .output_width = random.pick<std::size_t>({1, 7, 16, 65, 200}),
          .depth = random.size(0, 7),
          .activation = random.pick({ufb::activation_kind::gelu, ufb::activation_kind::relu,
                                     ufb::activation_kind::identity, ufb::activation_kind::relu_squared}),
          .output_bias = random.coin()};
}

ufb::leaf_feedforward<float> make(const leaf_tensors<float>& w, const ufb::leaf_feedforward_options& options = {}) {
  return ufb::leaf_feedforward<float>(w.shape, w.weights(), options);
}

}  // namespace

TEST_CASE("Leaf networks: engines give equal bits, near the plain twin, at every level", "[leaves]") {
  random_numbers random(501);
  ufb::workspace scratch;
  for (int round = 0; round < 20; ++round) {
    const leaf_tensors<float> w(random_shape(random), random);
    const auto x = random.reals<float>(600 * w.shape.input_width);
    for (const auto isa :
         {ufb::isa_level::portable, ufb::isa_level::neon, ufb::isa_level::avx2, ufb::isa_level::avx512}) {
      if (!supported(isa)) continue;
      INFO(name(isa) << " depth " << w.shape.depth << " leaf " << w.shape.leaf_width);
      const auto single = make(w, {.engine = leaf_engine::single, .isa = isa});
      CHECK(single.isa() == isa);
      CHECK(single.engine(600) == leaf_engine::single);
      for (const auto tokens : std::initializer_list<std::size_t>{0, 1, 2, 3, 4, 7, 63, 600}) {
        const std::vector<float> part(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(tokens * w.shape.input_width));
        const auto expected = run(single, part, scratch);
        CHECK(run(make(w, {.engine = leaf_engine::grouped, .isa = isa}), part, scratch) == expected);
        CHECK(run(make(w, {.isa = isa}), part, scratch) == expected);
        const auto exact = twin(w, part, expected.leaf);
        CHECK(exact.wrong == 0);
        CHECK(largest_difference(expected.y, exact.y) <= bound<float>(w.shape));
      }
    }
  }
}

TEST_CASE("Leaf networks in narrow storage: equal bits in every engine, and weights that fit lose nothing",
          "[leaves]") {
  random_numbers random(502);
  ufb::workspace scratch;
  for (int round = 0; round < 8; ++round) {
    leaf_tensors<float> w(random_shape(random), random);
    // Whole numbers up to 127, which each row has: they fit all types, and the scales of int8 are 1.
    for (auto* values : {&w.w1s, &w.w2s, &w.node_weights}) {
      for (float& value : *values) value = std::round(value * 127);
    }
    for (std::size_t i = 0; i < w.leaves * w.shape.leaf_width; ++i) {
      const std::size_t leaf = i / w.shape.leaf_width;
      w.w1s[leaf * w.shape.input_width * w.shape.leaf_width + i % w.shape.leaf_width] = 127;
      w.w2s[i * w.shape.output_width] = -127;
    }
    for (std::size_t n = 0; n + 1 < w.leaves; ++n) w.node_weights[n * w.shape.input_width] = 127;
    const auto x = random.reals<float>(300 * w.shape.input_width);
    const auto wide = run(make(w), x, scratch);
    for (const weight_storage nodes : storages) {
      for (const weight_storage leaves : storages) {
        INFO(name(nodes) << ' ' << name(leaves));
        const auto single =
            run(make(w, {.engine = leaf_engine::single, .storage_nodes = nodes, .storage_leaves = leaves}), x, scratch);
        const auto grouped = run(
            make(w, {.engine = leaf_engine::grouped, .storage_nodes = nodes, .storage_leaves = leaves}), x, scratch);
        CHECK(grouped == single);
        CHECK(single.leaf == wide.leaf);
        CHECK(largest_difference(single.y, std::vector<double>(wide.y.begin(), wide.y.end())) <=
              127.0 * 127.0 * 127.0 * bound<float>(w.shape));
      }
    }
  }
}

TEST_CASE("Certified nodes reach the leaves of float32", "[leaves]") {
  random_numbers random(503);
  ufb::workspace scratch;
  const leaf_tensors<float> w({.input_width = 48, .leaf_width = 4, .output_width = 8, .depth = 7}, random);
  const auto x = random.reals<float>(2000 * 48);
  const auto expected = run(make(w), x, scratch);
  for (const auto storage :
       {weight_storage::certified_float16, weight_storage::certified_int8, weight_storage::split_float32}) {
    CHECK(run(make(w, {.storage_nodes = storage}), x, scratch) == expected);
  }
}

TEST_CASE("A token's bits with leaf networks depend on no neighbor, no order and no thread", "[leaves]") {
  random_numbers random(504);
  ufb::workspace scratch;
  ufb::thread_pool two(2);
  ufb::thread_pool three(3);
  for (const std::size_t leaf_width : {std::size_t{3}, std::size_t{40}}) {
    const leaf_tensors<float> w(
        {.input_width = 64, .leaf_width = leaf_width, .output_width = 300, .depth = 4, .output_bias = true}, random);
    const auto layer = make(w);
    constexpr std::size_t tokens = 900;
    const auto x = random.reals<float>(tokens * 64);
    CHECK(layer.engine(tokens) == leaf_engine::grouped);
    CHECK(layer.engine(1) == leaf_engine::single);
    const auto together = run(layer, x, scratch);
    CHECK(run(layer, x, scratch, two) == together);
    CHECK(run(layer, x, scratch, three) == together);
    const auto order = random.permutation(tokens);
    std::vector<float> moved_x(x.size());
    for (std::size_t t = 0; t < tokens; ++t) std::copy_n(x.data() + order[t] * 64, 64, moved_x.data() + t * 64);
    const auto moved = run(layer, moved_x, scratch);
    for (std::size_t t = 0; t < tokens; ++t) {
      REQUIRE(moved.leaf[t] == together.leaf[order[t]]);
      REQUIRE(std::memcmp(moved.y.data() + t * 300, together.y.data() + order[t] * 300, 300 * sizeof(float)) == 0);
      if (t % 50 != 0) continue;
      const std::vector<float> alone(x.begin() + static_cast<std::ptrdiff_t>(t * 64),
                                     x.begin() + static_cast<std::ptrdiff_t>((t + 1) * 64));
      CHECK(std::memcmp(run(layer, alone, scratch).y.data(), together.y.data() + t * 300, 300 * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("Leaf networks over a BLAS and in double come near the plain twin", "[leaves]") {
  random_numbers random(505);
  ufb::workspace scratch;
  for (int round = 0; round < 10; ++round) {
    const leaf_tensors<float> w(random_shape(random), random);
    const auto x = random.reals<float>(150 * w.shape.input_width);
    const auto check = [&](const auto& layer) {
      CHECK(layer.engine(150) == leaf_engine::blas);
      const auto got = run(layer, x, scratch);
      const auto exact = twin(w, x, got.leaf);
      CHECK(exact.wrong == 0);
      CHECK(largest_difference(got.y, exact.y) <= bound<float>(w.shape));
    };
    check(make(w, {.engine = leaf_engine::blas}));
    check(ufb::leaf_feedforward<float, ufb::non_negative_goes_right, ufb::plain_backend>(w.shape, w.weights()));
    const leaf_tensors<double> d(random_shape(random), random);
    const auto dx = random.reals<double>(150 * d.shape.input_width);
    const auto got = run(ufb::leaf_feedforward<double>(d.shape, d.weights()), dx, scratch);
    const auto exact = twin(d, dx, got.leaf);
    CHECK(exact.wrong == 0);
    CHECK(largest_difference(got.y, exact.y) <= bound<double>(d.shape));
  }
}

TEST_CASE("Ties of leaf networks go where the rule says, and NaN goes left", "[leaves]") {
  random_numbers random(506);
  ufb::workspace scratch;
  leaf_tensors<float> w({.input_width = 8, .leaf_width = 2, .output_width = 3, .depth = 5}, random);
  std::fill(w.node_biases.begin(), w.node_biases.end(), 0.0F);
  constexpr float no_number = std::numeric_limits<float>::quiet_NaN();
  for (const auto engine : {leaf_engine::single, leaf_engine::grouped, leaf_engine::blas}) {
    const ufb::leaf_feedforward<float> right(w.shape, w.weights(), {.engine = engine});
    const ufb::leaf_feedforward<float, ufb::positive_goes_right> left(w.shape, w.weights(), {.engine = engine});
    for (const std::size_t tokens : {std::size_t{1}, std::size_t{9}}) {
      for (const float zero : {0.0F, -0.0F}) {
        const std::vector<float> x(tokens * 8, zero);
        CHECK(run(right, x, scratch).leaf == std::vector<std::int32_t>(tokens, 31));
        CHECK(run(left, x, scratch).leaf == std::vector<std::int32_t>(tokens, 0));
      }
      const std::vector<float> x(tokens * 8, no_number);
      CHECK(run(right, x, scratch).leaf == std::vector<std::int32_t>(tokens, 0));
      CHECK(run(left, x, scratch).leaf == std::vector<std::int32_t>(tokens, 0));
      CHECK(std::isnan(run(right, x, scratch).y[0]));
    }
  }
}

TEST_CASE("A leaf with weights that are no numbers spoils the tokens that reach it and no others", "[leaves]") {
  random_numbers random(507);
  ufb::workspace scratch;
  leaf_tensors<float> w({.input_width = 8, .leaf_width = 5, .output_width = 20, .depth = 2}, random);
  for (std::size_t i = 0; i < 5 * 20; ++i) w.w2s[2 * 5 * 20 + i] = std::numeric_limits<float>::infinity();
  const auto x = random.reals<float>(100 * 8, 4);
  for (const auto engine : {leaf_engine::single, leaf_engine::grouped, leaf_engine::blas}) {
    const auto got = run(make(w, {.engine = engine}), x, scratch);
    CHECK(std::count(got.leaf.begin(), got.leaf.end(), 2) > 0);
    for (std::size_t t = 0; t < 100; ++t) {
      const bool clean = std::all_of(got.y.begin() + static_cast<std::ptrdiff_t>(t * 20),
                                     got.y.begin() + static_cast<std::ptrdiff_t>((t + 1) * 20),
                                     [](float v) { return std::isfinite(v); });
      CHECK((clean || got.leaf[t] == 2));
      CHECK((!clean || got.leaf[t] != 2));
    }
  }
}

TEST_CASE("Leaf networks are loaded by their tensors' names and sizes", "[leaves][loading]") {
  random_numbers random(508);
  ufb::workspace scratch;
  for (const std::size_t depth : {std::size_t{0}, std::size_t{1}, std::size_t{4}}) {
    for (const bool output_bias : {false, true}) {
      const leaf_tensors<float> w(
          {.input_width = 9, .leaf_width = 4, .output_width = 6, .depth = depth, .output_bias = output_bias}, random);
      ufb::memory_source source("checkpoint");
      w.add_to(source, "layer.");
      auto shape = ufb::leaf_feedforward_shape::of(source, "layer.");
      CHECK(shape.input_width == 9);
      CHECK(shape.leaf_width == 4);
      CHECK(shape.output_width == 6);
      CHECK(shape.depth == depth);
      CHECK(shape.master_width == 0);
      shape.output_bias = output_bias;
      const auto x = random.reals<float>(70 * 9);
      const auto loaded = ufb::leaf_feedforward<float>::load(source, "layer.", shape);
      CHECK(run(loaded, x, scratch) == run(make(w), x, scratch));
      CHECK(loaded.nodes() + 1 == loaded.leaves());
      CHECK(loaded.neurons() == 4 * loaded.leaves());
      CHECK(loaded.bytes() > 0);
    }
  }
}

TEST_CASE("A master leaf is mixed with the token's own leaf", "[leaves][loading]") {
  random_numbers random(509);
  ufb::workspace scratch;
  const leaf_tensors<float> w({.input_width = 12,
                               .leaf_width = 4,
                               .output_width = 7,
                               .depth = 3,
                               .activation = ufb::activation_kind::gelu,
                               .output_bias = true},
                              random);
  // The master leaf is a layer of one leaf.
  const leaf_tensors<float> master({.input_width = 12,
                                    .leaf_width = 5,
                                    .output_width = 7,
                                    .depth = 0,
                                    .activation = ufb::activation_kind::gelu,
                                    .output_bias = true},
                                   random);
  const float k = 0.7F;
  ufb::memory_source source;
  w.add_to(source, "");
  source.add("magic_w1", {1, 12, 5}, master.w1s);
  source.add("magic_b1", {1, 5}, master.b1s);
  source.add("magic_w2", {1, 5, 7}, master.w2s);
  source.add("magic_b2", {1, 7}, master.b2s);
  source.add("k", {}, {k});
  auto shape = ufb::leaf_feedforward_shape::of(source, "");
  CHECK(shape.master_width == 5);
  shape.activation = ufb::activation_kind::gelu;
  const auto x = random.reals<float>(130 * 12);
  ufb::thread_pool two(2);
  for (const bool output_bias : {true, false}) {
    shape.output_bias = output_bias;
    leaf_tensors<float> own = w;
    leaf_tensors<float> every = master;
    own.shape.output_bias = every.shape.output_bias = output_bias;
    const double share = 1 / (1 + std::exp(-static_cast<double>(k)));
    const auto check = [&](const auto& layer) {
      CHECK(std::abs(static_cast<double>(layer.leaf_share()) - share) < 1e-6);
      const auto got = run(layer, x, scratch);
      auto expected = twin(own, x, got.leaf).y;
      const auto others = twin(every, x, std::vector<std::int32_t>(got.leaf.size(), 0)).y;
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = share * expected[i] + (1 - share) * others[i];
      CHECK(largest_difference(got.y, expected) <= 2 * bound<float>(own.shape));
      return got;
    };
    const auto layer = ufb::leaf_feedforward<float>::load(source, "", shape);
    const auto got = check(layer);
    CHECK(run(layer, x, scratch, two) == got);
    const std::vector<float> alone(x.begin() + 12 * 77, x.begin() + 12 * 78);
    CHECK(std::memcmp(run(layer, alone, scratch).y.data(), got.y.data() + 7 * 77, 7 * sizeof(float)) == 0);
    check(ufb::leaf_feedforward<float>::load(source, "", shape, {.engine = leaf_engine::blas}));
  }
}

TEST_CASE("Either form of a fast feedforward layer is refused by the class of the other, which is named",
          "[leaves][errors]") {
  random_numbers random(510);
  const leaf_tensors<float> w({.input_width = 4, .leaf_width = 2, .output_width = 4, .depth = 2}, random);
  ufb::memory_source leaves("leaves.safetensors");
  w.add_to(leaves, "ffn.");
  const auto names = [](const auto& load, const char* other) {
    const auto problem = error_of(load);
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::unsupported);
    CHECK(problem->file() == "leaves.safetensors");
    CHECK(std::string(problem->what()).find(other) != std::string::npos);
  };
  names([&] { (void)ufb::fast_feedforward<float>::load(leaves, "ffn.", {.input_width = 4, .output_width = 4}); },
        "load it with leaf_feedforward");
  names([&] { (void)ufb::feedforward<float>::load(leaves, "ffn.", {.width = 4, .intermediate = 8}); },
        "load it with leaf_feedforward");
  ufb::memory_source nodes("leaves.safetensors");
  nodes.add("ffn.linear_in.weight", {3, 4}, random.reals<float>(12));
  names([&] { (void)ufb::leaf_feedforward<float>::load(nodes, "ffn.", w.shape); }, "load it with fast_feedforward");
  CHECK(error_of([&] { (void)ufb::leaf_feedforward<float>::load(ufb::memory_source(), "ffn.", w.shape); })->code() ==
        ufb::error_code::missing_tensor);
}

TEST_CASE("What does not fit a layer with leaf networks is refused", "[leaves][errors]") {
  random_numbers random(511);
  ufb::workspace scratch;
  const leaf_tensors<float> w({.input_width = 4, .leaf_width = 2, .output_width = 3, .depth = 2}, random);
  const auto code = [](const auto& action) {
    const auto problem = error_of(action);
    return problem ? std::string(name(problem->code())) + ": " + problem->where() : std::string("none");
  };
  const auto sizes = [&](auto change) {
    auto shape = w.shape;
    change(shape);
    return code([&] { (void)ufb::leaf_feedforward<float>(shape, w.weights()); });
  };
  CHECK(sizes([](auto&) {}) == "none");
  CHECK(sizes([](auto& s) { s.input_width = 0; }) == "invalid_input: input_width");
  CHECK(sizes([](auto& s) { s.leaf_width = 0; }) == "invalid_input: leaf_width");
  CHECK(sizes([](auto& s) { s.output_width = 0; }) == "invalid_input: output_width");
  CHECK(sizes([](auto& s) { s.depth = 31; }) == "invalid_input: depth");
  CHECK(sizes([](auto& s) { s.depth = 3; }) == "shape_mismatch: node_weights");
  CHECK(sizes([](auto& s) { s.leaf_width = 3; }) == "shape_mismatch: w1s");
  CHECK(sizes([](auto& s) { s.output_width = 4; }) == "shape_mismatch: w2s");
  CHECK(sizes([](auto& s) { s.leaf_width = std::size_t{1} << 63U; }) == "overflow: matrix");
  CHECK(sizes([](auto& s) { s.master_width = 2; }) == "invalid_input: master_width");
  auto with_bias = w;
  with_bias.shape.output_bias = true;
  CHECK(code([&] { (void)ufb::leaf_feedforward<float>(w.shape, with_bias.weights()); }) == "invalid_input: b2s");
  auto huge = w;
  huge.w1s[5] = 1e30F;
  const auto problem = error_of([&] { (void)make(huge, {.storage_leaves = weight_storage::float16}); });
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::non_finite);
  CHECK(problem->where() == "w1s");

  const auto options = [&](const ufb::leaf_feedforward_options& chosen) {
    return code([&] { (void)make(w, chosen); });
  };
  CHECK(options({.engine = leaf_engine::blas, .storage_nodes = weight_storage::int8}) ==
        "invalid_input: leaf_feedforward.storage_nodes");
  CHECK(options({.engine = leaf_engine::blas, .storage_leaves = weight_storage::int8}) ==
        "invalid_input: leaf_feedforward.storage_leaves");
  CHECK(options({.engine = leaf_engine::blas, .isa = ufb::isa_level::portable}) ==
        "invalid_input: leaf_feedforward.isa");
  CHECK(options({.storage_leaves = weight_storage::certified_int8}) ==
        "invalid_input: leaf_feedforward.storage_leaves");
  CHECK(code([&] {
          (void)ufb::leaf_feedforward<double>({.input_width = 1, .leaf_width = 1, .output_width = 1},
                                              {.engine = leaf_engine::grouped});
        }) == "invalid_input: leaf_feedforward.engine");

  const auto layer = make(w);
  const guarded_matrix<float> x(6, 4, 1, random);
  guarded_matrix<float> y(6, 3, 2);
  std::vector<std::int32_t> leaf(6);
  const auto call = [&](const ufb::matrix_view<const float>& from, const ufb::matrix_view<float>& to,
                        std::span<std::int32_t> reached) {
    return code([&] { layer.forward(from, to, scratch, reached); });
  };
  CHECK(call(x.view().cols_from(0, 3), y.view(), leaf) == "invalid_input: x");
  CHECK(call(x.view(), y.view().rows_from(0, 5), leaf) == "invalid_input: y");
  CHECK(call(x.view(), y.view(), std::span(leaf).first(5)) == "invalid_input: leaves_reached");
  CHECK(y.untouched());
  CHECK(call(x.view(), y.view(), {}) == "none");
  CHECK(y.surroundings_intact());

  ufb::memory_source source;
  w.add_to(source, "");
  source.add("w1s", {3, 4, 2}, random.reals<float>(24));
  CHECK(code([&] { (void)ufb::leaf_feedforward_shape::of(source, ""); }) == "missing_tensor: w1s");
  CHECK(code([&] { (void)ufb::leaf_feedforward_shape::of(source, "other."); }) == "missing_tensor: other.w1s");
}

TEST_CASE("A workspace of the size that a layer with leaf networks states is enough", "[leaves]") {
  random_numbers random(512);
  for (const auto storage : {weight_storage::float32, weight_storage::certified_float16}) {
    for (const std::size_t leaf_width : {std::size_t{1}, std::size_t{33}, std::size_t{700}}) {
      const leaf_tensors<float> w({.input_width = 20, .leaf_width = leaf_width, .output_width = 10, .depth = 3},
                                  random);
      for (const std::size_t tokens : {std::size_t{1}, std::size_t{40}, std::size_t{1000}}) {
        for (const auto engine : {leaf_engine::single, leaf_engine::grouped}) {
          const auto layer = make(w, {.engine = engine, .storage_nodes = storage});
          ufb::workspace enough(layer.workspace_bytes(tokens));
          const std::size_t capacity = enough.capacity();
          static_cast<void>(run(layer, random.reals<float>(tokens * 20), enough));
          CHECK(enough.capacity() == capacity);
        }
      }
    }
  }
}

}  // namespace ufb_test
