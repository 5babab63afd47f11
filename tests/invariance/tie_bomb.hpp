// SPDX-License-Identifier: MIT
//
// The tie bomb: a model that is as touchy as can be. The bias of every node that a pool of sequences visits becomes
// minus the dot product of the first token that gets there, so that this token's logit is exactly 0 and its path hangs
// on every bit of the sum: any other order of summation, anywhere before the node, sends it the other way.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/block.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/encoder.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/storing.hpp"

namespace ufb_test {

namespace ufb = ultrafastbert;

using token_sequence = std::vector<ufb::token_id>;

/// A tensor source some of whose vectors are replaced. Borrows the other source.
class replacing_source final : public ufb::tensor_source {
 public:
  explicit replacing_source(const ufb::tensor_source& source) : source_(&source) {}

  /// Throws std::logic_error unless the other source has a vector of that name and size.
  void replace(const std::string& name, std::vector<float> values) {
    const auto number = source_->find(name);
    if (!number || source_->shape(*number) != std::vector{values.size()}) {
      throw std::logic_error("there is no vector " + name + " of " + std::to_string(values.size()) + " elements");
    }
    replaced_[*number] = std::move(values);
  }

  [[nodiscard]] const std::string& name() const noexcept override { return source_->name(); }
  [[nodiscard]] std::size_t size() const noexcept override { return source_->size(); }
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const override { return source_->find(name); }
  [[nodiscard]] std::string_view tensor_name(std::size_t number) const override { return source_->tensor_name(number); }
  [[nodiscard]] std::vector<std::size_t> shape(std::size_t number) const override { return source_->shape(number); }
  void read(std::size_t number, std::size_t first, std::span<float> out) const override { copy(number, first, out); }
  void read(std::size_t number, std::size_t first, std::span<double> out) const override { copy(number, first, out); }

 private:
  template <class Scalar>
  void copy(std::size_t number, std::size_t first, std::span<Scalar> out) const {
    const auto found = replaced_.find(number);
    if (found == replaced_.end()) return source_->read(number, first, out);
    const std::vector<float>& values = found->second;
    if (first > values.size() || out.size() > values.size() - first) {
      throw std::logic_error("a replaced tensor is read behind its end");
    }
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(first), out.size(), out.begin());
  }

  const ufb::tensor_source* source_;
  std::map<std::size_t, std::vector<float>> replaced_{};
};

/// Where an encoder's tensors are.
struct encoder_names {
  std::string prefix{};
  std::string words{};
  /// What the source calls a layer's tensor; empty where the names are equal.
  std::function<std::string(const std::string&)> stored_name{};

  [[nodiscard]] std::string stored(const std::string& name) const { return stored_name ? stored_name(name) : name; }

  /// Reads what was noted in the layers' names. Throws: as `parameter_list::load`.
  void load(ufb::parameter_list& list, const ufb::tensor_source& source) const {
    if (stored_name) list.rename(stored_name);
    list.load(source);
  }
};

/// An encoder with the weights of a source.
template <class Encoder>
[[nodiscard]] Encoder load_encoder(const ufb::tensor_source& source, const encoder_names& names,
                                   const ufb::encoder_config& config, const ufb::encoder_options& options) {
  Encoder model(config, options);
  ufb::parameter_list list;
  model.parameters(names.prefix, names.words, list);
  names.load(list, source);
  return model;
}

/// How many logits the pool's tokens meet on their walks, and how many of them are 0.
struct tie_count {
  std::size_t logits = 0;
  std::size_t zeros = 0;
};

/// The trees of one FFF layer while their biases are made. Logits have the bits of the library's engines: the same dot
/// product over rows padded with zeros, the bias added last.
class tie_maker {
 public:
  /// Takes the weights of the layer whose names begin with `prefix`.
  tie_maker(const ufb::tensor_source& source, const encoder_names& names, const std::string& prefix,
            const ufb::fast_feedforward_shape& trees, ufb::isa_level isa)
      : trees_(trees),
        nodes_(ufb::cmm::tree::node_count(trees.depth)),
        weights_({trees.trees() * nodes_, trees.input_width}),
        bias_(weights_.rows()),
        is_set_(weights_.rows()),
        dot_(ufb::kernels::dots_of(ufb::resolve(isa), ufb::weight_storage::float32).pair) {
    ufb::parameter_list list;
    list.add(prefix + "linear_in.weight", {weights_.rows(), weights_.cols()},
             [this](const ufb::tensor& from) { ufb::layers::read_matrix(from, weights_.view()); });
    list.add(prefix + "linear_in.bias", {bias_.size()},
             [this](const ufb::tensor& from) { from.read(0, std::span<float>(bias_)); });
    names.load(list, source);
  }

  [[nodiscard]] const std::vector<float>& bias() const { return bias_; }
  [[nodiscard]] tie_count count() const { return count_; }

  /// Sends one token through all trees and returns the nodes that it visits.
  std::vector<std::int32_t> walk(const float* x) {
    std::vector<std::int32_t> path;
    for (std::size_t p = 0; p < trees_.trees(); ++p) {
      std::size_t node = 0;
      for (std::size_t level = 0; level <= trees_.depth; ++level) {
        path.push_back(static_cast<std::int32_t>(node));
        node = ufb::cmm::tree::child(node, logit(p * nodes_ + node, x) > 0.0F);
      }
    }
    return path;
  }

 private:
  float logit(std::size_t row, const float* x) {
    float dot = 0.0F;
    dot_(reinterpret_cast<const std::byte*>(weights_.row(row)), x, weights_.cols(), &dot, {});
    if (!is_set_[row]) bias_[row] = -dot;
    is_set_[row] = true;
    const float sum = dot + bias_[row];
    ++count_.logits;
    if (sum == 0.0F) ++count_.zeros;
    return sum;
  }

  ufb::fast_feedforward_shape trees_;
  std::size_t nodes_;
  ufb::matrix<float> weights_;
  std::vector<float> bias_;
  std::vector<bool> is_set_;
  decltype(ufb::kernels::dot_kernels::pair) dot_;
  tie_count count_{};
};

/// A mask that lets every token of some sequences be seen. Only causal encoders need one: without it they look ahead.
[[nodiscard]] inline ufb::matrix<float> mask_of_ones(const ufb::encoder_config& config,
                                                     std::span<const std::size_t> offsets) {
  if (!config.block.attention.causal) return {};
  std::size_t longest = 0;
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) longest = std::max(longest, offsets[i + 1] - offsets[i]);
  ufb::matrix<float> mask({offsets.size() - 1, longest});
  for (std::size_t i = 0; i < mask.rows(); ++i) std::fill_n(mask.row(i), longest, 1.0F);
  return mask;
}

/// One block over one sequence.
template <class Block>
ufb::encoder_trace<float>::block run_block(const Block& block, const ufb::encoder_config& config,
                                           ufb::matrix<float>& states, bool record_states) {
  const std::array<std::size_t, 2> offsets{0, states.rows()};
  const auto mask = mask_of_ones(config, offsets);
  ufb::sequence_batch batch{.offsets = offsets};
  if (config.block.attention.causal) batch.mask = mask.view();
  ufb::workspace scratch;
  ufb::encoder_trace<float>::block record;
  block.forward(states.view(), batch, scratch, record_states, &record);
  return record;
}

/// The sequences' embeddings: the states before the first block.
template <class Backend>
std::vector<ufb::matrix<float>> embed(const ufb::tensor_source& source, const encoder_names& names,
                                      ufb::encoder_config config, const ufb::encoder_options& options,
                                      const std::vector<token_sequence>& pool) {
  config.layers = 0;
  config.final_norm.reset();
  const auto encoder = load_encoder<ufb::encoder<float, Backend>>(source, names, config, options);
  std::vector<ufb::matrix<float>> states;
  for (const token_sequence& ids : pool) {
    const std::array<std::size_t, 2> offsets{0, ids.size()};
    states.emplace_back(ufb::matrix_extents{ids.size(), config.hidden_size()});
    encoder.embedding_layer().forward(ids, states.back().view(), {.offsets = offsets});
  }
  return states;
}

/// Replaces the FFF biases of an encoder by those of a tie bomb, layer by layer, each layer fed by the bombs before it.
/// Encoders with dense feedforward layers stay as they are. Throws std::runtime_error if the library's engines take the
/// pool on other paths than the bomb was made for, and std::logic_error if the norms stand behind the layers, where no
/// trace has what a layer is given.
template <class Backend>
tie_count plant_tie_bomb(replacing_source& source, const encoder_names& names, const ufb::encoder_config& config,
                         const ufb::encoder_options& options, const std::vector<token_sequence>& pool) {
  tie_count sum;
  const auto* trees = std::get_if<ufb::fast_feedforward_shape>(&config.block.feedforward);
  if (trees == nullptr) return sum;
  if (config.block.placement != ufb::norm_placement::before) throw std::logic_error("tie bomb: norms stand behind");
  const auto one_level = ufb::encoders::with_one_level(options, true, true);
  auto states = embed<Backend>(source, names, config, options, pool);
  for (std::size_t i = 0; i < config.layers; ++i) {
    const std::string prefix = names.prefix + "layers." + std::to_string(i) + '.';
    const auto load = [&] {
      ufb::block<float, Backend> block(config.block, one_level);
      ufb::parameter_list list;
      block.parameters(prefix, list);
      names.load(list, source);
      return block;
    };
    tie_maker ties(source, names, prefix + "ffn.", *trees, one_level.fast_feedforward.isa);
    std::vector<std::vector<std::int32_t>> paths;
    for (const auto block = load(); auto& before : states) {
      auto copy = ufb::encoders::recorded(before.view());
      const auto record = run_block(block, config, copy, true);
      for (std::size_t t = 0; t < copy.rows(); ++t) paths.push_back(ties.walk(record.norm2.row(t)));
    }
    source.replace(names.stored(prefix + "ffn.linear_in.bias"), ties.bias());
    auto path = paths.cbegin();
    for (const auto block = load(); auto& state : states) {
      const auto record = run_block(block, config, state, false);
      for (std::size_t t = 0; t < state.rows(); ++t, ++path) {
        if (std::equal(path->begin(), path->end(), record.paths.row(t))) continue;
        throw std::runtime_error("tie bomb: the engines leave the walk in layer " + std::to_string(i));
      }
    }
    sum.logits += ties.count().logits;
    sum.zeros += ties.count().zeros;
  }
  return sum;
}

}  // namespace ufb_test
