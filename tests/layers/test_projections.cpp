// SPDX-License-Identifier: MIT
//
// Linear layers in every storage and by every engine: values within what a storage rounds, and what chooses the engine.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "layers/support.hpp"
#include "support/backends.hpp"

using namespace ufb_test;

namespace {

using reference::estimate;
using ufb::projection_engine;
using ufb::projection_options;
using ufb::weight_storage;

// The numbers of a row as a storage keeps them: bfloat16 has 8 significant bits, int8 has steps of 1 / 127 of the row's
// largest magnitude. The float arithmetic of the steps adds a little.
template <class Scalar>
std::vector<estimate> stored(const Scalar* row, std::size_t n, weight_storage storage) {
  constexpr double room = 1 + 1e-5;
  double largest = 0;
  for (std::size_t k = 0; k < n; ++k) largest = std::max(largest, std::abs(static_cast<double>(row[k])));
  std::vector<estimate> out;
  for (std::size_t k = 0; k < n; ++k) {
    const auto value = static_cast<double>(row[k]);
    double error = 0;
    if (storage == weight_storage::bfloat16) error = std::abs(value) * std::ldexp(1.0, -8) * room;
    if (storage == weight_storage::int8) error = largest / 254 * room;
    out.push_back({value, error});
  }
  return out;
}

template <class Scalar>
struct linear_problem {
  linear_problem(std::size_t tokens, std::size_t out, std::size_t in, random_numbers& random)
      : weight(out, in, 2, random),
        bias(random.coin() ? random.reals<Scalar>(out) : std::vector<Scalar>()),
        x(tokens, in, 1, random) {}

  [[nodiscard]] reference::table expected(weight_storage storage) const {
    const auto arithmetic = reference::arithmetic::of<Scalar>();
    reference::table y(x.rows(), weight.rows());
    for (std::size_t j = 0; j < y.cols; ++j) {
      const auto w = stored(weight.row(j), weight.cols(), storage);
      for (std::size_t t = 0; t < y.rows; ++t) {
        const auto from = stored(x.row(t), x.cols(), storage);
        y(t, j) = arithmetic.dot(
            w.size(), [&](std::size_t k) { return from[k]; }, [&](std::size_t k) { return w[k]; },
            bias.empty() ? 0 : static_cast<double>(bias[j]));
      }
    }
    return y;
  }

  guarded_matrix<Scalar> weight;
  std::vector<Scalar> bias;
  guarded_matrix<Scalar> x;
};

// What a layer over the backend can be built with.
template <class TestType>
std::vector<projection_options> options_of() {
  std::vector<projection_options> all{{}, {.engine = projection_engine::blas}};
  if (ufb::blas::backend_traits<typename TestType::backend>::has_kernels) {
    for (const auto storage : {weight_storage::float32, weight_storage::bfloat16, weight_storage::int8}) {
      all.push_back({.storage = storage});
      all.push_back({.engine = projection_engine::packed, .storage = storage});
    }
  }
  return all;
}

template <class Layer, class Scalar>
guarded_matrix<Scalar> output_of(const Layer& layer, const guarded_matrix<Scalar>& x) {
  ufb::workspace scratch;
  guarded_matrix<Scalar> y(x.rows(), layer.output_width(), 3);
  layer.forward(x.view(), y.view(), scratch);
  CHECK(y.surroundings_intact());
  return y;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("A linear layer follows the reference with every engine and in every storage", "[linear]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  using layer_type = ufb::linear<Scalar, typename TestType::backend>;
  random_numbers random(291);
  for (const auto& options : options_of<TestType>()) {
    for (const std::size_t tokens : {0U, 1U, 7U, 40U}) {
      const linear_problem<Scalar> problem(tokens, random.size(1, 70), random.size(1, 150), random);
      const layer_type layer(problem.weight.view(), problem.bias, options);
      const auto y = output_of(layer, problem.x);
      INFO(tokens << " tokens, engine " << static_cast<int>(options.engine) << ", " << name(options.storage));
      CHECK(reference::worst_ratio(y.view(), problem.expected(options.storage)) <= 1);
      if (options.storage != weight_storage::float32 && tokens == 40 && problem.x.cols() > 4) {
        CHECK(reference::worst_ratio(y.view(), problem.expected(weight_storage::float32)) > 1);
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("An activation is applied to the biased sums", "[linear]", every_layer_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(292);
  for (const auto& options : options_of<TestType>()) {
    for (const auto kind : {ufb::activation_kind::gelu, ufb::activation_kind::relu, ufb::activation_kind::silu,
                            ufb::activation_kind::tanh}) {
      const linear_problem<Scalar> problem(9, 37, 20, random);
      const ufb::linear<Scalar, typename TestType::backend> layer(problem.weight.view(), problem.bias, options);
      auto expected = problem.expected(options.storage);
      for (auto& cell : expected.cells) cell = reference::arithmetic::of<Scalar>().activate(kind, cell);
      ufb::workspace scratch;
      guarded_matrix<Scalar> y(9, 37, 1);
      layer.forward(problem.x.view(), y.view(), scratch, kind);
      INFO(name(options.storage) << ", activation " << static_cast<int>(kind));
      CHECK(reference::worst_ratio(y.view(), expected) <= 1);
      CHECK(y.surroundings_intact());
    }
  }
}

TEMPLATE_LIST_TEST_CASE("A loaded linear layer has the bits of a constructed one", "[linear]", every_layer_backend) {
  using Scalar = typename TestType::scalar;
  using layer_type = ufb::linear<Scalar, typename TestType::backend>;
  random_numbers random(293);
  for (const auto& options : options_of<TestType>()) {
    for (const std::size_t rows : {1U, 63U, 64U, 65U, 150U}) {  // weights are loaded some rows at a time
      noted_source source;
      source.add_random("a.weight", {rows, 21}, random);
      source.add_random("a.bias", {rows}, random);
      const auto values = source.at("a.weight").values;
      const auto bias_values = source.at("a.bias").values;
      const std::vector<Scalar> weight(values.begin(), values.end());
      const std::vector<Scalar> bias(bias_values.begin(), bias_values.end());
      const guarded_matrix<Scalar> x(6, 21, 0, random);
      for (const bool has_bias : {false, true}) {
        const layer_type built({weight.data(), {rows, 21}}, has_bias ? bias : std::vector<Scalar>(), options);
        const auto loaded = layer_type::load(source, "a.", {rows, 21, has_bias}, options);
        CHECK(loaded.bytes() == built.bytes());
        CHECK(loaded.engine() == built.engine());
        CHECK(same_bits(output_of(loaded, x), output_of(built, x)));
      }
    }
  }
}

TEST_CASE("A row has the same bits alone and among others, in every storage and at every level", "[linear]") {
  random_numbers random(294);
  for (const auto storage : {weight_storage::float32, weight_storage::bfloat16, weight_storage::int8}) {
    for (const auto isa :
         {ufb::isa_level::portable, ufb::isa_level::neon, ufb::isa_level::avx2, ufb::isa_level::avx512}) {
      if (!ufb::supported(isa)) continue;
      const linear_problem<float> problem(50, 45, 33, random);
      const ufb::linear<float> layer(problem.weight.view(), problem.bias, {.storage = storage, .isa = isa});
      CHECK(layer.isa() == isa);
      const auto all = output_of(layer, problem.x);
      for (std::size_t t = 0; t < 50; ++t) {
        guarded_matrix<float> x(1, 33);
        std::copy_n(problem.x.row(t), 33, x.row(0));
        REQUIRE(std::equal(all.row(t), all.row(t) + 45, output_of(layer, x).row(0)));
      }
    }
  }
}

TEST_CASE("Who computes a product follows from the backend in the type, or from the word blas", "[linear]") {
  constexpr auto packed = projection_engine::packed;
  constexpr auto blas = projection_engine::blas;
  random_numbers random(295);
  const guarded_matrix<float> weight(5, 12, 0, random);
  const guarded_matrix<double> exact(5, 12, 0, random);
  const auto automatic_level = ufb::resolve(ufb::isa_level::automatic);
  CHECK(ufb::linear<float>(weight.view(), {}).engine() == packed);
  CHECK(ufb::linear<float>(weight.view(), {}).isa() == automatic_level);
  CHECK(ufb::linear<float>(weight.view(), {}, {.engine = packed}).isa() == automatic_level);
  CHECK(ufb::linear<float>(weight.view(), {}, {.engine = blas}).engine() == blas);
  CHECK(ufb::linear<float>(weight.view(), {}, {.engine = blas}).isa() == ufb::isa_level::portable);
  CHECK(ufb::linear<float, ufb::plain_backend>(weight.view(), {}).engine() == blas);
  CHECK(ufb::linear<float, ufb::plain_backend>(weight.view(), {}, {.engine = blas}).engine() == blas);
  CHECK(ufb::linear<float, ufb::default_blas>(weight.view(), {}).engine() == blas);
  CHECK(ufb::linear<double>(exact.view(), {}).engine() == blas);
  CHECK(ufb::linear<double>(exact.view(), {}, {.engine = blas}).isa() == ufb::isa_level::portable);
}

TEST_CASE("Narrow weights take less memory", "[linear]") {
  random_numbers random(296);
  const guarded_matrix<float> weight(64, 128, 0, random);
  const auto bytes = [&](weight_storage storage) {
    return ufb::linear<float>(weight.view(), {}, {.storage = storage}).bytes();
  };
  CHECK(bytes(weight_storage::float32) == 64 * 128 * 4);
  CHECK(bytes(weight_storage::bfloat16) == 64 * 128 * 2);
  CHECK(bytes(weight_storage::int8) == 64 * (128 + 8));  // a scale and a start for each row
}

TEST_CASE("Storages and levels that there are not are refused", "[linear]") {
  random_numbers random(297);
  const guarded_matrix<float> weight(5, 12, 0, random);
  const auto text = [&](const projection_options& options) {
    return error_text_of([&] { (void)ufb::linear<float>(weight.view(), {}, options); });
  };
  CHECK(text({.storage = weight_storage::float16}) == "unsupported: packed matrix: f32, bf16 or int8: f16");
  noted_source source;
  source.add_random("weight", {5, 12}, random);
  const auto problem = error_of([&] {
    (void)ufb::linear<float>::load(source, "", {5, 12}, {.storage = weight_storage::float16});
  });
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::unsupported);
  for (const auto isa : {ufb::isa_level::neon, ufb::isa_level::avx2, ufb::isa_level::avx512}) {
    if (ufb::supported(isa)) continue;
    const auto refused = error_of([&] { (void)ufb::linear<float>(weight.view(), {}, {.isa = isa}); });
    REQUIRE(refused);
    CHECK(refused->code() == ufb::error_code::unsupported);
    CHECK(refused->found() == name(isa));
  }
}
