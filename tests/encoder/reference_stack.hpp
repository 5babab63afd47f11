// SPDX-License-Identifier: MIT
//
// A straightforward stack of references beside an encoder: embedding, blocks with norms before or after, final norm.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "encoder/support.hpp"
#include "support/reference.hpp"
#include "support/reference_forms.hpp"

namespace ufb_test {

/// What a block gives according to the reference.
struct reference_block {
  reference::table norm1{};
  reference::table attn{};
  reference::table norm2{};
  reference::table ffn{};
  reference::table output{};
};

/// What an encoder gives according to the reference.
struct reference_run {
  reference::table embedding{};
  std::vector<reference_block> layers{};
  reference::table states{};
  std::size_t wrong_turns = 0;
  std::size_t contested = 0;
};

/// Where the reference of a step starts: from what the encoder recorded, so that bounds stay those of one step, or from
/// the step before, so that nothing of the encoder's is trusted.
enum class start : std::uint8_t { recorded, computed };

/// The references of one encoder's parts, in bounds of Scalar's arithmetic.
template <class Scalar>
class reference_stack {
 public:
  reference_stack(const ufb::encoder_config& config, const noted_source& source, const token_batch& batch)
      : config_(config), source_(source), batch_(batch) {
    if (batch.mask.rows() != 0) mask_ = reference::exact_of(batch.mask.view());
    if (config.block.attention.causal && batch.mask.rows() != 0) mask_ = reference::causal(mask_, batch.offsets);
    if (batch.query_mask.rows() != 0) mask_ = reference::exact_of(batch.query_mask.view());
  }

  /// norm(words + positions + token types), without what the encoder has not.
  [[nodiscard]] reference::table embedding() const {
    const auto words = reference::exact_of(source_.at(word_name));
    const auto positions = position_table();
    const auto types =
        config_.embedding.token_types == 0 ? reference::exact() : weight("embedding.token_type_embedding.weight");
    reference::table x(batch_.ids.size(), words.cols);
    for (std::size_t i = 0; i + 1 < batch_.offsets.size(); ++i) {
      for (std::size_t t = batch_.offsets[i]; t < batch_.offsets[i + 1]; ++t) {
        const std::size_t position = batch_.positions.empty() ? t - batch_.offsets[i] : batch_.positions[t];
        const std::size_t type = batch_.type_ids.empty() ? 0 : batch_.type_ids[t];
        for (std::size_t k = 0; k < words.cols; ++k) {
          reference::estimate value{words(static_cast<std::size_t>(batch_.ids[t]), k)};
          if (positions.rows != 0) value = arithmetic_.sum(value, {positions(position, k)});
          if (types.rows != 0) value = arithmetic_.sum(value, {types(type, k)});
          x(t, k) = value;
        }
      }
    }
    return config_.embedding.norm ? norm(x, "embedding.norm") : x;
  }

  [[nodiscard]] reference::table norm(const reference::table& x, const std::string& name) const {
    const ufb::norm_shape& shape = config_.block.norm;
    return reference::norm_of<Scalar>(shape.kind, x, source_, encoder_prefix + name + '.', shape.epsilon);
  }

  [[nodiscard]] reference::table attention(const reference::table& x, const std::string& layer) const {
    const ufb::attention_shape& shape = config_.block.attention;
    const std::string self = layer + "attn.self_attention.";
    return arithmetic_.attention(
        x, query_key_value(self, "weight"),
        shape.output_projection ? weight(layer + "attn.dense.weight") : reference::exact(), shape.heads,
        shape.norm_factor == 0 ? weight(self + "norm_factor").cells[0] : rounded(shape.norm_factor), batch_.offsets,
        mask_, shape.query_key_value_bias ? query_key_value(self, "bias").cells : std::vector<double>(),
        bias(layer + "attn.dense.bias", shape.output_bias));
  }

  /// Along the paths that a run recorded, whose wrong turns and contested ones are counted in `out`.
  [[nodiscard]] reference::table feedforward(const reference::table& x, const std::string& layer,
                                             const ufb::matrix<std::int32_t>& paths, reference_run& out) const {
    const std::string name = layer + "ffn.";
    if (const auto* fast = std::get_if<ufb::fast_feedforward_shape>(&config_.block.feedforward)) {
      reference::grid<std::int32_t> path(paths.rows(), paths.cols());
      for (std::size_t t = 0; t < path.rows; ++t) std::copy_n(paths.row(t), path.cols, &path(t, 0));
      auto result = arithmetic_.fff(
          x, reference::fff_of(source_, encoder_prefix + name, fast->depth, fast->trees(), fast->activation), path);
      out.wrong_turns += result.wrong_turns;
      out.contested += result.contested;
      return std::move(result.y);
    }
    const auto& dense = std::get<ufb::feedforward_shape>(config_.block.feedforward);
    return reference::feedforward<Scalar>(x, {.dense_in = weight(name + "dense_in.weight"),
                                              .bias_in = bias(name + "dense_in.bias", dense.bias),
                                              .dense_out = weight(name + "dense_out.weight"),
                                              .bias_out = bias(name + "dense_out.bias", dense.bias),
                                              .activation = dense.activation,
                                              .gated = dense.gated});
  }

  [[nodiscard]] reference::table add(const reference::table& a, const reference::table& b) const {
    return arithmetic_.add(a, b);
  }

 private:
  [[nodiscard]] static double rounded(double value) { return static_cast<double>(static_cast<Scalar>(value)); }

  [[nodiscard]] reference::exact weight(const std::string& name) const {
    return reference::exact_of(source_.at(encoder_prefix + name));
  }
  [[nodiscard]] std::vector<double> bias(const std::string& name, bool has) const {
    return has ? weight(name).cells : std::vector<double>();
  }

  // The rows of queries, keys and values, head by head, wherever the checkpoint has them. `what`: "weight" or "bias".
  [[nodiscard]] reference::exact query_key_value(const std::string& self, const std::string& what) const {
    const ufb::attention_shape& shape = config_.block.attention;
    if (shape.layout == ufb::attention_layout::interleaved) return weight(self + "query_key_value." + what);
    const std::size_t head = shape.width / shape.heads;
    const std::size_t cols = what == "weight" ? shape.width : 1;
    std::vector<double> cells;
    std::vector<std::vector<double>> parts;
    for (const char* part : {"query.", "key.", "value."}) parts.push_back(weight(self + part + what).cells);
    for (std::size_t h = 0; h < shape.heads; ++h) {
      for (const auto& part : parts) {
        const auto first = part.begin() + static_cast<std::ptrdiff_t>(h * head * cols);
        cells.insert(cells.end(), first, first + static_cast<std::ptrdiff_t>(head * cols));
      }
    }
    reference::exact out(3 * shape.width, cols);
    out.cells = std::move(cells);
    return out;
  }

  // Without rows where there are no positions.
  [[nodiscard]] reference::exact position_table() const {
    const ufb::embedding_shape& shape = config_.embedding;
    const std::string name = "embedding.pos_embedding.";
    if (shape.positions == ufb::position_kind::none) return {};
    if (shape.positions == ufb::position_kind::learned) return weight(name + "embedding.weight");
    const bool scaled = shape.positions == ufb::position_kind::scaled_sinusoidal;
    return reference::arithmetic::positions(
        scaled ? source_.at(encoder_prefix + name + "scale_factor").values[0] : 1.0F, shape.max_sequence_length,
        shape.width);
  }

  const ufb::encoder_config& config_;
  const noted_source& source_;
  const token_batch& batch_;
  reference::arithmetic arithmetic_ = reference::arithmetic::of<Scalar>();
  reference::exact mask_{};
};

/// The whole stack along the paths that the run recorded.
template <class Scalar>
[[nodiscard]] reference_run expected_of(const ufb::encoder_config& config, const noted_source& source,
                                        const token_batch& batch, const ufb::encoder_trace<Scalar>& trace, start from) {
  const reference_stack<Scalar> stack(config, source, batch);
  const auto next = [&](const reference::table& computed, const ufb::matrix<Scalar>& recorded) {
    return from == start::computed ? computed : reference::table_of(reference::exact_of(recorded.view()));
  };
  reference_run out;
  out.embedding = stack.embedding();
  reference::table x = next(out.embedding, trace.embedding);
  for (std::size_t i = 0; i < config.layers; ++i) {
    const std::string name = "layers." + std::to_string(i) + '.';
    const auto& recorded = trace.layers.at(i);
    reference_block block;
    if (config.block.placement == ufb::norm_placement::before) {
      block.norm1 = stack.norm(x, name + "norm1");
      block.attn = stack.attention(next(block.norm1, recorded.norm1), name);
      x = stack.add(x, next(block.attn, recorded.attn));
      block.norm2 = stack.norm(x, name + "norm2");
      block.ffn = stack.feedforward(next(block.norm2, recorded.norm2), name, recorded.paths, out);
      block.output = stack.add(x, next(block.ffn, recorded.ffn));
    } else {
      block.attn = stack.attention(x, name);
      block.norm1 = stack.norm(stack.add(x, next(block.attn, recorded.attn)), name + "norm1");
      x = next(block.norm1, recorded.norm1);
      block.ffn = stack.feedforward(x, name, recorded.paths, out);
      block.norm2 = stack.norm(stack.add(x, next(block.ffn, recorded.ffn)), name + "norm2");
      block.output = block.norm2;
    }
    x = next(block.output, recorded.output);
    out.layers.push_back(std::move(block));
  }
  out.states = config.final_norm ? stack.norm(x, "final_norm") : x;
  return out;
}

/// The worst comparison of everything recorded; at most 1 is right.
template <class Scalar>
[[nodiscard]] double worst_of(const encoder_run<Scalar>& got, const reference_run& expected) {
  double worst = std::max(reference::worst_ratio(got.states.view(), expected.states),
                          reference::worst_ratio(got.trace.embedding.view(), expected.embedding));
  for (std::size_t i = 0; i < expected.layers.size(); ++i) {
    const auto& block = got.trace.layers.at(i);
    const auto& should_be = expected.layers[i];
    worst = std::max({worst, reference::worst_ratio(block.norm1.view(), should_be.norm1),
                      reference::worst_ratio(block.attn.view(), should_be.attn),
                      reference::worst_ratio(block.norm2.view(), should_be.norm2),
                      reference::worst_ratio(block.ffn.view(), should_be.ffn),
                      reference::worst_ratio(block.output.view(), should_be.output)});
  }
  return worst;
}

/// The largest bound of everything that is compared.
[[nodiscard]] inline double largest_error(const reference_run& expected) {
  double largest = std::max(reference::largest_error(expected.states), reference::largest_error(expected.embedding));
  for (const auto& block : expected.layers) {
    for (const auto* values : {&block.norm1, &block.attn, &block.norm2, &block.ffn, &block.output}) {
      largest = std::max(largest, reference::largest_error(*values));
    }
  }
  return largest;
}

}  // namespace ufb_test
