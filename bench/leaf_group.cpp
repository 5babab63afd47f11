// SPDX-License-Identifier: MIT
//
// The rest of the family: layers with leaf networks beside the dense layer of all leaves' width, and trees with
// thresholds, other activations and shared rows beside the plain tree and its dense layer.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "contenders.hpp"
#include "problem.hpp"
#include "random.hpp"
#include "timing.hpp"

namespace ufb_bench {

namespace {

constexpr std::size_t width = 768;
constexpr std::size_t verified_tokens = 64;
constexpr std::uint64_t input_seed = 41;

using input_view = ufb::matrix_view<const float>;
using output_view = ufb::matrix_view<float>;

std::vector<float> normal(std::uint64_t seed, std::size_t count, double scale) {
  std::vector<float> values(count);
  normal_stream(seed, static_cast<float>(scale)).read(0, values);
  return values;
}

double dot(std::span<const float> row, const float* x, double bias) {
  double z = bias;
  for (std::size_t k = 0; k < row.size(); ++k) z += static_cast<double>(row[k]) * static_cast<double>(x[k]);
  return z;
}

double activated(ufb::activation_kind kind, double z) {
  return ufb::visit_activation(kind, [z](auto f) { return f(z); });
}

/// What is timed: a layer in one form, and what it should compute, written down plainly in double precision.
struct form {
  std::string name{};
  std::string engine{};
  std::string isa{};
  std::function<void(const input_view& x, const output_view& y)> forward{};
  std::function<void(const float* x, std::span<double> y)> twin{};
  std::function<least_work(const input_view& x)> work{};
};

/// Largest relative deviation of an output from the plain twin's, by the norms of tokens, in batches as they are timed.
double deviation(const form& what, const input_view& inputs, std::size_t batch) {
  ufb::matrix<float> y({batch, width});
  double worst = 0;
  std::vector<double> expected(width);
  for (std::size_t t = 0; t < verified_tokens; ++t) {
    if (t % batch == 0) what.forward(inputs.rows_from(t, batch), y.view());
    std::fill(expected.begin(), expected.end(), 0.0);
    what.twin(inputs.row(t), expected);
    double off = 0;
    double size = 0;
    for (std::size_t k = 0; k < width; ++k) {
      const double difference = static_cast<double>(y(t % batch, k)) - expected[k];
      off += difference * difference;
      size += expected[k] * expected[k];
    }
    const double part = std::sqrt(off / size);
    if (!(part <= worst)) worst = std::isnan(part) ? HUGE_VAL : part;
  }
  return worst;
}

// A layer with leaf networks over random weights, kept in the layout of checkpoints.
struct leaf_problem {
  leaf_problem(std::size_t depth, std::size_t leaf_width)
      : shape({.input_width = width,
               .leaf_width = leaf_width,
               .output_width = width,
               .depth = depth,
               .activation = ufb::activation_kind::gelu}),
        leaves(std::size_t{1} << depth),
        nodes(normal(31, (leaves - 1) * width, 1 / std::sqrt(width))),
        w1s(normal(32, leaves * width * leaf_width, 1 / std::sqrt(width))),
        b1s(normal(33, leaves * leaf_width, 0.1)),
        w2s(normal(34, leaves * leaf_width * width, 1 / std::sqrt(leaf_width))) {}

  [[nodiscard]] ufb::leaf_feedforward<float> build(const ufb::leaf_feedforward_options& options) const {
    return ufb::leaf_feedforward<float>(shape,
                                        {.node_weights = {nodes.data(), {leaves - 1, width}},
                                         .w1s = {w1s.data(), {leaves * width, shape.leaf_width}},
                                         .b1s = {b1s.data(), {leaves, shape.leaf_width}},
                                         .w2s = {w2s.data(), {leaves * shape.leaf_width, width}}},
                                        options);
  }

  void twin(const float* x, std::span<double> y) const {
    std::size_t node = 0;
    for (std::size_t level = 0; level < shape.depth; ++level) {
      node = 2 * node + (dot({nodes.data() + node * width, width}, x, 0) >= 0 ? 2 : 1);
    }
    const std::size_t leaf = node - (leaves - 1);
    for (std::size_t i = 0; i < shape.leaf_width; ++i) {
      double z = static_cast<double>(b1s[leaf * shape.leaf_width + i]);
      for (std::size_t k = 0; k < width; ++k) {
        z += static_cast<double>(w1s[(leaf * width + k) * shape.leaf_width + i]) * static_cast<double>(x[k]);
      }
      const double a = activated(shape.activation, z);
      const float* row = w2s.data() + (leaf * shape.leaf_width + i) * width;
      for (std::size_t k = 0; k < width; ++k) y[k] += a * static_cast<double>(row[k]);
    }
  }

  ufb::leaf_feedforward_shape shape;
  std::size_t leaves;
  std::vector<float> nodes;
  std::vector<float> w1s;
  std::vector<float> b1s;
  std::vector<float> w2s;
};

form leaf_form(const std::shared_ptr<const leaf_problem>& what, ufb::leaf_engine engine, bench_context& context) {
  const auto layer =
      std::make_shared<ufb::leaf_feedforward<float>>(what->build({.engine = engine, .isa = context.options.isa}));
  const auto scratch = std::make_shared<ufb::workspace>();
  const auto& shape = what->shape;
  return {
      .name = std::to_string(what->leaves) + "x" + std::to_string(shape.leaf_width) + "/768",
      .engine = std::string(ufb::name(engine)),
      .isa = std::string(ufb::name(layer->isa())),
      .forward = [layer, scratch, &context](const input_view& x,
                                            const output_view& y) { layer->forward(x, y, *scratch, {}, context.pool); },
      .twin = [what](const float* x, std::span<double> y) { what->twin(x, y); },
      .work = [what, layer, scratch](const input_view& x) -> least_work {
        std::vector<std::int32_t> reached(x.rows());
        ufb::matrix<float> y({x.rows(), width});
        layer->forward(x, y.view(), *scratch, reached);
        const std::set<std::int32_t> distinct(reached.begin(), reached.end());
        const auto& s = what->shape;
        const std::size_t of_leaf = s.leaf_width * 2 * width;
        const std::size_t visited = std::min(layer->nodes(), x.rows() * s.depth);
        return {.flops = static_cast<double>(2 * x.rows() * (s.depth * width + of_leaf)),
                .weight_bytes = static_cast<double>(sizeof(float) * (distinct.size() * of_leaf + visited * width)),
                .token_bytes = static_cast<double>(sizeof(float) * x.rows() * 3 * width),
                .weight_table = sizeof(float) * (what->leaves * of_leaf + layer->nodes() * width),
                .token_table = sizeof(float) * (rotated_tokens + x.rows()) * width};
      }};
}

// A tree with options over the weights of a plain one.
struct tree_problem {
  explicit tree_problem(const ufb::fast_feedforward_shape& layer_shape)
      : shape(layer_shape),
        nodes(ufb::cmm::tree::node_count(layer_shape.depth)),
        in(normal(35, nodes * width, 1 / std::sqrt(width))),
        bias(normal(36, nodes, 0.1)),
        out(normal(37, nodes * width, 0.3)),
        thresholds(shape.node_thresholds ? normal(38, nodes, 0.1) : std::vector<float>()),
        shared_in(normal(39, shape.shared_rows * width, 1 / std::sqrt(width))),
        shared_out(normal(40, shape.shared_rows * width, 0.3)) {}

  [[nodiscard]] fff_layer build(const ufb::fast_feedforward_options& options) const {
    const std::size_t columns = shape.shared_rows == 0 ? 0 : width;
    return {shape,
            {in.data(), {nodes, width}},
            bias,
            {out.data(), {nodes, width}},
            options,
            ufb::linear_out_layout::row_per_node,
            {.thresholds = thresholds,
             .shared_in = {shared_in.data(), {shape.shared_rows, columns}},
             .shared_out = {shared_out.data(), {columns, shape.shared_rows}}}};
  }

  void twin(const float* x, std::span<double> y) const {
    std::size_t node = 0;
    for (std::size_t level = 0; level <= shape.depth; ++level) {
      const double z = dot({in.data() + node * width, width}, x, static_cast<double>(bias[node]));
      const double a = activated(shape.activation, z);
      for (std::size_t k = 0; k < width; ++k) y[k] += a * static_cast<double>(out[node * width + k]);
      const double threshold = shape.node_thresholds ? static_cast<double>(thresholds[node]) : 0.0;
      node = 2 * node + (z > threshold ? 2 : 1);
    }
    for (std::size_t r = 0; r < shape.shared_rows; ++r) {
      const double a = activated(shape.activation, dot({shared_in.data() + r * width, width}, x, 0));
      for (std::size_t k = 0; k < width; ++k) y[k] += a * static_cast<double>(shared_out[k * shape.shared_rows + r]);
    }
  }

  ufb::fast_feedforward_shape shape;
  std::size_t nodes;
  std::vector<float> in;
  std::vector<float> bias;
  std::vector<float> out;
  std::vector<float> thresholds;
  std::vector<float> shared_in;
  std::vector<float> shared_out;
};

form tree_form(const std::string& name, const ufb::fast_feedforward_shape& shape, bench_context& context) {
  const auto what = std::make_shared<const tree_problem>(shape);
  const auto layer = std::make_shared<fff_layer>(what->build({.isa = context.options.isa}));
  const auto scratch = std::make_shared<ufb::workspace>();
  return {.name = name_of(shape) + ' ' + name,
          .engine = std::string(ufb::name(ufb::fff_engine::automatic)),
          .isa = std::string(ufb::name(layer->isa())),
          .forward = [layer, scratch, &context](const input_view& x,
                                                const output_view& y) { layer->forward(x, y, *scratch, context.pool); },
          .twin = [what](const float* x, std::span<double> y) { what->twin(x, y); },
          .work = [what, layer, scratch](const input_view& x) -> least_work {
            ufb::matrix<std::int32_t> paths({x.rows(), layer->path_length(), layer->path_length()});
            ufb::matrix<float> y({x.rows(), width});
            layer->forward(x, y.view(), *scratch, paths.view());
            const std::set<std::int32_t> distinct(paths.row(0), paths.row(0) + x.rows() * layer->path_length());
            const std::size_t shared = layer->shared_rows();
            return {.flops = static_cast<double>(4 * x.rows() * (layer->path_length() + shared) * width),
                    .weight_bytes = static_cast<double>(sizeof(float) * (distinct.size() + shared) * 2 * width),
                    .token_bytes = static_cast<double>(sizeof(float) * x.rows() * 3 * width),
                    .weight_table = sizeof(float) * (layer->nodes() + shared) * 2 * width,
                    .token_table = sizeof(float) * (rotated_tokens + x.rows()) * width};
          }};
}

contender contender_of(const form& what, const input_view& inputs, ufb::matrix<float>& y, std::size_t batch) {
  return {.name = what.name,
          .enter = [] { set_blas_threads(1); },
          .run =
              [&what, inputs, &y, batch](std::size_t first) {
                what.forward(inputs.rows_from(first, batch), y.view().rows_from(0, batch));
                return y(0, 0);
              }};
}

contender contender_of(dense_layer& layer, const input_view& inputs, ufb::matrix<float>& y, std::size_t batch) {
  layer.prepare(batch);
  return {.name = layer.name(),
          .enter = [&layer] { layer.enter(); },
          .run =
              [&layer, inputs, &y, batch](std::size_t first) {
                layer.forward(inputs.row(first), y.row(0), batch);
                return y(0, 0);
              },
          .spins = layer.spins()};
}

// Verifies all forms, then times them and the dense layers in turns.
void compare(bench_context& context, const std::string& group, const std::vector<form>& forms, dense_set& dense,
             const input_view& inputs, std::size_t batch) {
  constexpr double limit = 3e-6;
  std::vector<double> off;
  std::vector<contender> contenders;
  ufb::matrix<float> y({batch, width, width});
  for (const form& one : forms) {
    off.push_back(deviation(one, inputs, batch));
    contenders.push_back(contender_of(one, inputs, y, batch));
  }
  std::vector<dense_layer*> external;
  for (const auto& layer : dense.layers) {
    if (batch <= layer->largest_batch()) external.push_back(layer.get());
  }
  for (dense_layer* layer : external) contenders.push_back(contender_of(*layer, inputs, y, batch));
  contenders.push_back(contender_of(*dense.own, inputs, y, batch));
  const auto times = measure(contenders, {.batch = batch, .tokens = inputs.rows(), .rounds = context.options.rounds});
  report_row row{.group = group, .batch = batch, .threads = context.pool.concurrency(), .storage = "f32"};
  for (std::size_t i = 0; i < external.size(); ++i) {
    const double time = times[forms.size() + i].median;
    if (row.dense_time && *row.dense_time <= time) continue;
    row.dense_time = time;
    row.dense_backend = external[i]->name();
  }
  row.own_dense_time = times.back().median;
  for (std::size_t i = 0; i < forms.size(); ++i) {
    row.case_name = forms[i].name;
    row.engine = forms[i].engine;
    row.isa = forms[i].isa;
    row.time = times[i];
    row.limit = context.limits.least_time(forms[i].work(inputs.rows_from(0, batch))) * 1e6 / static_cast<double>(batch);
    row.verified = off[i] <= limit;
    context.results.add(row);
    if (!row.verified) {
      context.results.note("NOT VERIFIED: " + row.case_name + ", " + row.engine + " is off by " + short_number(off[i]));
    }
  }
}

}  // namespace

void run_leaves(bench_context& context) {
  const auto& options = context.options;
  const auto batches = options.batches.empty() ? std::vector<std::size_t>{1, 128, 2048} : options.batches;
  const std::size_t tokens = std::max(rotated_tokens, *std::max_element(batches.begin(), batches.end()));
  const auto x = normal(input_seed, tokens * width, 1);
  const input_view inputs(x.data(), {tokens, width});
  constexpr std::size_t neurons = 4096;
  constexpr std::array depths{2U, 4U, 6U, 7U, 9U};
  {
    context.results.begin_table(
        "leaves: leaf networks of 4096 neurons together, width 768, against as many dense ones");
    dense_set dense({.width = width, .neurons = neurons}, context);
    for (const unsigned depth : depths) {
      const auto what = std::make_shared<const leaf_problem>(depth, neurons >> depth);
      std::vector<form> forms;
      for (const auto engine : {ufb::leaf_engine::automatic, ufb::leaf_engine::single, ufb::leaf_engine::grouped}) {
        forms.push_back(leaf_form(what, engine, context));
      }
      for (const std::size_t batch : batches) compare(context, "leaves", forms, dense, inputs, batch);
    }
    context.results.end_table();
  }
  context.results.begin_table("leaves: trees with options, width 768, against 4095 dense neurons");
  dense_set dense({.width = width, .neurons = ufb::cmm::tree::node_count(11)}, context);
  const ufb::fast_feedforward_shape plain{.input_width = width, .output_width = width, .depth = 11};
  auto thresholds = plain;
  thresholds.node_thresholds = true;
  auto squared = plain;
  squared.activation = ufb::activation_kind::relu_squared;
  auto identity = plain;
  identity.activation = ufb::activation_kind::identity;
  auto shared = plain;
  shared.shared_rows = 64;
  const std::vector<form> forms{tree_form("plain", plain, context), tree_form("thresholds", thresholds, context),
                                tree_form("ReLU squared", squared, context), tree_form("identity", identity, context),
                                tree_form("64 shared rows", shared, context)};
  for (const std::size_t batch : batches) compare(context, "leaves", forms, dense, inputs, batch);
  context.results.end_table();
}

}  // namespace ufb_bench
