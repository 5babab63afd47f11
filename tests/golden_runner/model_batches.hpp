// SPDX-License-Identifier: MIT
//
// Batches of golden models: their inputs as views, and what a model made of them as named arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "golden_runner/golden_case.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_test {

/// Rows and columns of a batch of ids.
struct batch_shape {
  std::size_t batch = 0;
  std::size_t length = 0;
};

/// Ids and mask of one batch, and views of them.
struct model_batch {
  batch_shape shape{};
  tensor<std::int32_t> ids{};
  tensor<float> mask{};              // empty for none
  tensor<std::uint32_t> type_ids{};  // empty for none

  [[nodiscard]] std::size_t tokens() const { return shape.batch * shape.length; }
  [[nodiscard]] ultrafastbert::matrix_view<const ultrafastbert::token_id> id_view() const {
    return {ids.values.data(), {shape.batch, shape.length}};
  }
  [[nodiscard]] ultrafastbert::matrix_view<const float> mask_view() const {
    if (mask.values.empty()) return {};
    return {mask.values.data(), {mask.values.size() / mask.shape.back(), mask.shape.back()}};
  }
  [[nodiscard]] ultrafastbert::matrix_view<const std::uint32_t> type_view() const {
    if (type_ids.values.empty()) return {};
    return {type_ids.values.data(), {shape.batch, shape.length}};
  }
};

/// Masks are stored as integers or as numbers.
[[nodiscard]] inline tensor<float> read_mask(const ultrafastbert::safetensors& inputs, const std::string& name) {
  const auto type = inputs.find(name)->type;
  if (type == ultrafastbert::dtype::f32 || type == ultrafastbert::dtype::f64) return read<float>(inputs, name);
  auto integers = read<std::int32_t>(inputs, name);
  return {.name = name,
          .shape = std::move(integers.shape),
          .values = std::vector<float>(integers.values.begin(), integers.values.end())};
}

/// The batch `name` of a golden file.
[[nodiscard]] inline model_batch read_batch(const ultrafastbert::safetensors& inputs, const std::string& name) {
  model_batch out{.ids = read<std::int32_t>(inputs, name + ".input_ids")};
  out.shape = {out.ids.shape.at(0), out.ids.shape.at(1)};
  if (inputs.find(name + ".attention_mask") != nullptr) out.mask = read_mask(inputs, name + ".attention_mask");
  if (inputs.find(name + ".token_type_ids") != nullptr) {
    auto types = read<std::int32_t>(inputs, name + ".token_type_ids");
    out.type_ids = {.name = types.name,
                    .shape = std::move(types.shape),
                    .values = std::vector<std::uint32_t>(types.values.begin(), types.values.end())};
  }
  return out;
}

/// A matrix as an array of any shape with as many elements.
[[nodiscard]] inline tensor<float> as_tensor(std::string name, std::vector<std::size_t> shape,
                                             const ultrafastbert::matrix<float>& matrix) {
  tensor<float> out{.name = std::move(name), .shape = std::move(shape)};
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    out.values.insert(out.values.end(), matrix.row(r), matrix.row(r) + matrix.cols());
  }
  return out;
}

/// The final states of a batch; they and the trees' paths are appended to `result`.
template <class Model>
ultrafastbert::matrix<float> run_encoder(const Model& model, const model_batch& batch, const std::string& name,
                                         ultrafastbert::workspace& workspace, golden_result& result) {
  ultrafastbert::matrix<float> states({batch.tokens(), model.hidden_size()});
  ultrafastbert::encoder_trace<float> trace;
  model.encode(batch.id_view(), batch.mask_view(), states.view(), workspace,
               {.padding_states = true, .type_ids = batch.type_view()}, &trace);
  const auto [sequences, length] = batch.shape;
  result.tensors.reals.push_back(as_tensor(name + ".final", {sequences, length, states.cols()}, states));
  const auto* fast = std::get_if<ultrafastbert::fast_feedforward_shape>(&model.stack().config().block.feedforward);
  if (fast == nullptr) return states;
  const std::size_t levels = ultrafastbert::cmm::tree::levels(fast->depth);
  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    const auto& paths = trace.layers[i].paths;
    tensor<std::int32_t> out{.name = name + ".fff_path.layer." + std::to_string(i),
                             .shape = {sequences, length, paths.cols() / levels, levels}};
    for (std::size_t r = 0; r < paths.rows(); ++r) {
      out.values.insert(out.values.end(), paths.row(r), paths.row(r) + paths.cols());
    }
    result.tensors.integers.push_back(std::move(out));
  }
  return states;
}

}  // namespace ufb_test
