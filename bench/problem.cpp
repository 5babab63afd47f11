// SPDX-License-Identifier: MIT
#include "problem.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iterator>

#include "generated_source.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_bench {

namespace {

constexpr float bias_scale = 0.05F;
constexpr float out_scale = 0.05F;
constexpr std::uint64_t in_seed = 1;
constexpr std::uint64_t bias_seed = 2;
constexpr std::uint64_t out_seed = 3;
constexpr std::uint64_t input_seed = 4;
constexpr std::uint64_t side_seed = 5;

// With this scale the logits of standard normal inputs have a variance of 1.
float in_scale(std::size_t width) { return 1.0F / std::sqrt(static_cast<float>(width)); }

std::string read_text(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + file.string());
  return {std::istreambuf_iterator<char>(stream), {}};
}

// States that enter the feedforward layer `layer`, one row per token of the texts, in sequences of full length.
ufb::matrix<float> states_at(const ufb::masked_lm<float>& model, std::size_t layer,
                             std::span<const std::filesystem::path> texts) {
  std::vector<ufb::token_id> ids;
  for (const auto& text : texts) {
    const auto encoded = model.text_tokenizer().encode(read_text(text)).ids;
    ids.insert(ids.end(), encoded.begin(), encoded.end());
  }
  const std::size_t length = model.max_sequence_length();
  const std::size_t batch = ids.size() / length;
  if (batch == 0) throw std::runtime_error("the texts are shorter than one sequence");
  ufb::encoder_trace<float> trace{.states = true};
  ufb::workspace workspace;
  ufb::matrix<float> states({batch * length, model.hidden_size()});
  model.encode(ufb::matrix_view<const ufb::token_id>(ids.data(), {batch, length}), {}, states.view(), workspace, {},
               &trace);
  return std::move(trace.layers.at(layer).norm2);
}

}  // namespace

std::string name_of(const ufb::fast_feedforward_shape& shape) {
  return std::to_string(shape.trees()) + 'x' + std::to_string(shape.depth) + '/' + std::to_string(shape.input_width);
}

void problem::set_random_inputs(std::size_t tokens, std::uint64_t seed) {
  const normal_stream values(seed, 1.0F);
  ufb::matrix<float> inputs({tokens, shape_.input_width, shape_.input_width});
  for (std::size_t t = 0; t < tokens; ++t) values.read(t * inputs.cols(), {inputs.row(t), inputs.cols()});
  set_inputs(std::move(inputs), tokens);
}

stored_problem::stored_problem(std::string name, const ufb::fast_feedforward_shape& shape)
    : problem(std::move(name), shape),
      weights_{.in = ufb::matrix<float>({neurons(), shape.input_width}),
               .out = ufb::matrix<float>({neurons(), shape.output_width}),
               .bias = std::vector<float>(neurons())} {}

fff_layer stored_problem::build(const ufb::fast_feedforward_options& options) const {
  return {
      shape(), weights_.in.view(), weights_.bias, weights_.out.view(), options, ufb::linear_out_layout::row_per_node};
}

void stored_problem::read_in(std::size_t node, std::span<float> row) const {
  std::copy_n(weights_.in.row(node), row.size(), row.begin());
}

void stored_problem::read_out(std::size_t node, std::span<float> row) const {
  std::copy_n(weights_.out.row(node), row.size(), row.begin());
}

std::unique_ptr<stored_problem> stored_problem::random(const ufb::fast_feedforward_shape& shape, std::size_t tokens,
                                                       float skew) {
  std::unique_ptr<stored_problem> made(
      new stored_problem(name_of(shape) + (skew == 0.0F ? "/uniform" : "/skewed"), shape));
  node_weights& weights = made->weights_;
  const normal_stream in(in_seed, in_scale(shape.input_width));
  const normal_stream bias(bias_seed, bias_scale);
  const normal_stream out(out_seed, out_scale);
  const normal_stream side(side_seed, 1.0F);
  for (std::size_t node = 0; node < made->neurons(); ++node) {
    in.read(node * shape.input_width, {weights.in.row(node), shape.input_width});
    out.read(node * shape.output_width, {weights.out.row(node), shape.output_width});
    weights.bias[node] = skew == 0.0F ? bias[node] : std::copysign(skew, side[node]);
  }
  made->set_random_inputs(tokens, input_seed);
  return made;
}

std::unique_ptr<stored_problem> stored_problem::from_checkpoint(const std::filesystem::path& folder, std::size_t layer,
                                                                std::span<const std::filesystem::path> texts,
                                                                std::size_t tokens) {
  const auto model = ufb::masked_lm<float>::load(folder);
  const auto shape = std::get<ufb::fast_feedforward_shape>(model.stack().config().block.feedforward);
  std::unique_ptr<stored_problem> made(new stored_problem(name_of(shape) + "/model", shape));
  node_weights& weights = made->weights_;

  const auto file = ufb::checkpoint_folder::open(folder).open_weights();
  const ufb::safetensors_source source(file);
  const std::string prefix = "encoder.layers." + std::to_string(layer) + ".ffn.";
  const std::size_t nodes = made->neurons();
  ufb::parameter_list parameters;
  parameters.add(prefix + "linear_in.weight", {nodes, shape.input_width},
                 [&](const ufb::tensor& from) { ufb::layers::read_matrix(from, weights.in.view()); });
  parameters.add(prefix + "linear_in.bias", {nodes},
                 [&](const ufb::tensor& from) { from.read(0, std::span(weights.bias)); });
  parameters.add(prefix + "linear_out.weight", {shape.output_width, nodes},
                 [&](const ufb::tensor& from) { ufb::layers::read_transposed(from, weights.out.view()); });
  parameters.load(source);

  const auto states = states_at(model, layer, texts);
  ufb::matrix<float> inputs({tokens, shape.input_width, shape.input_width});
  for (std::size_t t = 0; t < tokens; ++t) {
    std::copy_n(states.row(t % states.rows()), shape.input_width, inputs.row(t));
  }
  made->set_inputs(std::move(inputs), std::min(tokens, states.rows()));
  return made;
}

generated_problem::generated_problem(const ufb::fast_feedforward_shape& shape, std::size_t tokens)
    : problem(name_of(shape) + "/uniform", shape),
      in_(in_seed, in_scale(shape.input_width)),
      bias_(bias_seed, bias_scale),
      out_(out_seed, out_scale) {
  set_random_inputs(tokens, input_seed);
}

fff_layer generated_problem::build(const ufb::fast_feedforward_options& options) const {
  generated_source source;
  source.add("linear_in.weight", {neurons(), shape().input_width}, in_);
  source.add("linear_in.bias", {neurons()}, bias_);
  source.add("linear_out.weight", {shape().output_width, neurons()}, out_);
  return fff_layer::load(source, "", shape(), options);
}

void generated_problem::read_in(std::size_t node, std::span<float> row) const { in_.read(node * row.size(), row); }

void generated_problem::read_out(std::size_t node, std::span<float> row) const {
  for (std::size_t k = 0; k < row.size(); ++k) row[k] = out_[k * neurons() + node];
}

}  // namespace ufb_bench
