// SPDX-License-Identifier: MIT
//
// Golden cases of single FFF layers: the trained form, the same with generated weights, the benchmark's form, and the
// original form with leaf networks.
#include <array>
#include <utility>

#include "golden_runner/golden_case.hpp"
#include "support/generator.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/layers.hpp"

namespace ufb_test {

namespace {

namespace ufb = ultrafastbert;

struct layer_weights {
  tensor<float> input{};
  tensor<float> linear_in{};
  tensor<float> bias_in{};
  tensor<float> linear_out{};
};

ufb::matrix_view<const float> view(const tensor<float>& t) {
  const std::size_t cols = t.shape.back();
  std::size_t rows = 1;
  for (std::size_t i = 0; i + 1 < t.shape.size(); ++i) rows *= t.shape[i];
  return {t.values.data(), {rows, cols}};
}

ufb::activation_kind activation_of(const json& entry) {
  const auto word = entry.value("activation", std::string("GELU"));
  for (const auto kind : {ufb::activation_kind::gelu, ufb::activation_kind::relu, ufb::activation_kind::silu,
                          ufb::activation_kind::tanh}) {
    if (word == ufb::name(kind)) return kind;
  }
  throw std::runtime_error("unknown activation " + word);
}

ufb::fast_feedforward_shape shape_of(const json& entry) {
  return {.input_width = entry.at("input_width").get<std::size_t>(),
          .output_width = entry.at("output_width").get<std::size_t>(),
          .depth = entry.at("depth").get<std::size_t>(),
          .parallel_size = entry.value("parallel_size", std::size_t{1}),
          .activation = activation_of(entry)};
}

layer_weights generate(const golden_case& golden) {
  const json& generator = golden.entry.at("generator");
  const auto shape = shape_of(golden.entry);
  const std::size_t nodes = ufb::cmm::tree::total_nodes(shape.depth, shape.parallel_size);
  const auto make = [&](const char* name, std::vector<std::size_t> sizes) {
    std::size_t count = 1;
    for (const std::size_t size : sizes) count *= size;
    const auto seed = seed_of(generator.at("label").get<std::string>() + '/' + name);
    const int exponent = generator.at("uniform_exponent").at(name).get<int>();
    return tensor<float>{.name = name, .shape = std::move(sizes), .values = uniform(seed, count, exponent)};
  };
  return {.input = make("input", golden.entry.at("input_shape").get<std::vector<std::size_t>>()),
          .linear_in = make("linear_in.weight", {nodes, shape.input_width}),
          .bias_in = make("linear_in.bias", {nodes}),
          .linear_out = make("linear_out.weight", {shape.output_width, nodes})};
}

// Generated tensors come with check values of their own: first, second, last element and the sum.
void check_generated(const golden_case& golden) {
  const layer_weights weights = generate(golden);
  const json& checks = golden.entry.at("generator").at("check [first, second, last, float64 sum]");
  for (const auto* t : {&weights.input, &weights.linear_in, &weights.bias_in, &weights.linear_out}) {
    double sum = 0;
    for (const float value : t->values) sum += static_cast<double>(value);
    const std::array<double, 4> got{static_cast<double>(t->values[0]), static_cast<double>(t->values[1]),
                                    static_cast<double>(t->values.back()), sum};
    const auto expected = checks.at(t->name).get<std::vector<double>>();
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (std::abs(got[i] - expected.at(i)) > 1e-9) throw mismatch("generator: " + t->name);
    }
  }
}

template <class TieRule, class Backend>
golden_result run(const golden_case& golden, const layer_weights& weights, ufb::linear_out_layout layout,
                  ufb::fff_engine engine) {
  const auto shape = shape_of(golden.entry);
  const ufb::fast_feedforward<float, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent,
                              TieRule, Backend>
      layer(shape, view(weights.linear_in), weights.bias_in.values, view(weights.linear_out), {.engine = engine},
            layout);
  const auto x = view(weights.input);
  tensor<float> output{.name = "output", .shape = weights.input.shape};
  output.shape.back() = shape.output_width;
  output.values.resize(x.rows() * shape.output_width);
  tensor<std::int32_t> path{.name = "path",
                            .shape = {x.rows(), shape.parallel_size, ufb::cmm::tree::levels(shape.depth)}};
  if (layout == ufb::linear_out_layout::row_per_node) path.shape.erase(path.shape.begin() + 1);
  path.values.resize(x.rows() * layer.path_length());
  ufb::workspace workspace;
  layer.forward(x, {output.values.data(), {x.rows(), shape.output_width}}, workspace,
                {path.values.data(), {x.rows(), layer.path_length()}});
  return {.tensors = {.reals = {std::move(output)}, .integers = {std::move(path)}}};
}

// The automatic engine gives the result; every other engine and the plain backend must agree with it on every path and
// within twice the tolerance.
template <class TieRule>
golden_result run_all(const golden_case& golden, const layer_weights& weights, ufb::linear_out_layout layout) {
  using ufb::fff_engine;
  golden_result result = run<TieRule, ufb::default_backend<float>>(golden, weights, layout, fff_engine::automatic);
  const auto agree = [&](const golden_result& other, std::string_view who) {
    if (other.tensors.integers[0].values != result.tensors.integers[0].values) {
      throw mismatch(std::string(who) + " takes another path");
    }
    const double difference =
        largest_difference<float, float>(other.tensors.reals[0].values, result.tensors.reals[0].values);
    if (difference > 2 * golden.entry.at("tolerance_abs_vs_f64").get<double>()) {
      throw mismatch(std::string(who) + " differs by " + std::to_string(difference));
    }
  };
  for (const auto engine : {fff_engine::blas, fff_engine::fused, fff_engine::interleaved, fff_engine::grouped}) {
    agree(run<TieRule, ufb::default_backend<float>>(golden, weights, layout, engine), ufb::name(engine));
  }
  agree(run<TieRule, ufb::plain_backend>(golden, weights, layout, fff_engine::blas), "the plain backend");
  return result;
}

// One reading of the original form: with or without second biases, and where ties go.
template <class TieRule, class Backend>
golden_result run_leaves(const golden_case& golden, const ufb::tensor_source& source, ufb::leaf_engine engine,
                         bool output_bias) {
  auto shape = ufb::leaf_feedforward_shape::of(source, "");
  shape.activation = activation_of(golden.entry);
  shape.output_bias = output_bias;
  const auto layer = ufb::leaf_feedforward<float, TieRule, Backend>::load(source, "", shape, {.engine = engine});
  const tensor<float> input = read<float>(ufb::safetensors::open(golden.file("file")), "input");
  const auto x = view(input);
  tensor<float> output{.name = output_bias ? "output_hard_with_b2" : "output", .shape = input.shape};
  output.shape.back() = shape.output_width;
  output.values.resize(x.rows() * shape.output_width);
  tensor<std::int32_t> leaf{.name = "leaf", .shape = {x.rows()}};
  leaf.values.resize(x.rows());
  ufb::workspace workspace;
  layer.forward(x, {output.values.data(), {x.rows(), shape.output_width}}, workspace, leaf.values);
  tensor<std::int32_t> path{.name = "path", .shape = {x.rows(), shape.depth}};
  for (const std::int32_t reached : leaf.values) {
    for (std::size_t level = 0; level < shape.depth; ++level) {
      const auto first = static_cast<std::int32_t>(ufb::cmm::tree::first_of_level(level));
      path.values.push_back(first + (reached >> static_cast<std::int32_t>(shape.depth - level)));
    }
  }
  return {.tensors = {.reals = {std::move(output)}, .integers = {std::move(leaf), std::move(path)}}};
}

// As `run_all`: the automatic engine gives the result, and the others must agree.
template <class TieRule>
golden_result run_all_leaves(const golden_case& golden, bool output_bias) {
  const ufb::safetensors file = ufb::safetensors::open(golden.file("file"));
  const ufb::safetensors_source source(file);
  using kernels = ufb::default_backend<float>;
  golden_result result = run_leaves<TieRule, kernels>(golden, source, ufb::leaf_engine::automatic, output_bias);
  const auto agree = [&](const golden_result& other, std::string_view who) {
    if (other.tensors.integers[0].values != result.tensors.integers[0].values) {
      throw mismatch(std::string(who) + " reaches another leaf");
    }
    const double difference =
        largest_difference<float, float>(other.tensors.reals[0].values, result.tensors.reals[0].values);
    if (difference > 2 * golden.entry.at("tolerance_abs_vs_f64").get<double>()) {
      throw mismatch(std::string(who) + " differs by " + std::to_string(difference));
    }
  };
  for (const auto engine : {ufb::leaf_engine::blas, ufb::leaf_engine::single, ufb::leaf_engine::grouped}) {
    agree(run_leaves<TieRule, kernels>(golden, source, engine, output_bias), ufb::name(engine));
  }
  agree(run_leaves<TieRule, ufb::plain_backend>(golden, source, ufb::leaf_engine::blas, output_bias),
        "the plain backend");
  return result;
}

}  // namespace

golden_result compute_layer(const golden_case& golden) {
  if (golden.group() == "fff_generated") {
    return run_all<ufb::positive_goes_right>(golden, generate(golden), ufb::linear_out_layout::column_per_node);
  }
  const auto file = ufb::safetensors::open(golden.file("file"));
  if (golden.group() == "fff_benchmark") {
    const layer_weights weights{.input = read<float>(file, "input"),
                                .linear_in = read<float>(file, "w1s"),
                                .linear_out = read<float>(file, "w2s")};
    return run_all<ufb::non_negative_goes_right>(golden, weights, ufb::linear_out_layout::row_per_node);
  }
  const layer_weights weights{.input = read<float>(file, "input"),
                              .linear_in = read<float>(file, "linear_in.weight"),
                              .bias_in = read<float>(file, "linear_in.bias"),
                              .linear_out = read<float>(file, "linear_out.weight")};
  return run_all<ufb::positive_goes_right>(golden, weights, ufb::linear_out_layout::column_per_node);
}

void compare_layer(const golden_case& golden, const golden_result& result) {
  if (golden.group() == "fff_generated") check_generated(golden);
  const auto file = ufb::safetensors::open(golden.file("file"));
  expect_equal(result.tensors.integers.at(0), read<std::int32_t>(file, "path").values);
  expect_close(result.tensors.reals.at(0), read<double>(file, "output_f64").values,
               golden.entry.at("tolerance_abs_vs_f64").get<double>());
}

// Both published readings: as the package evaluates, and its training form with hard decisions.
golden_result compute_leaf_layer(const golden_case& golden) {
  golden_result result = run_all_leaves<ufb::non_negative_goes_right>(golden, false);
  golden_result hard = run_all_leaves<ufb::positive_goes_right>(golden, true);
  result.tensors.reals.push_back(std::move(hard.tensors.reals[0]));
  return result;
}

void compare_leaf_layer(const golden_case& golden, const golden_result& result) {
  const auto file = ufb::safetensors::open(golden.file("file"));
  const double tolerance = golden.entry.at("tolerance_abs_vs_f64").get<double>();
  const auto leaf = read<std::int64_t>(file, "leaf").values;
  expect_equal(result.tensors.integers.at(0), std::vector<std::int32_t>(leaf.begin(), leaf.end()));
  expect_equal(result.tensors.integers.at(1), read<std::int32_t>(file, "path").values);
  expect_close(result.tensors.reals.at(0), read<double>(file, "output_f64").values, tolerance);
  const auto hard = read<float>(file, "output_hard_with_b2").values;  // of a run in float32
  expect_close(result.tensors.reals.at(1), std::vector<double>(hard.begin(), hard.end()), 2 * tolerance);
}

}  // namespace ufb_test
