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
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/block.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/encoder.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/kernels/fff_dispatch.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/load.hpp"

namespace ufb_test {

namespace ufb = ultrafastbert;

using token_sequence = std::vector<ufb::token_id>;

/// A tensor source some of whose vectors are replaced. Borrows the other source.
template <class Source>
class replacing_source {
 public:
  explicit replacing_source(const Source& source) : source_(&source) {}

  void replace(const std::string& name, std::vector<float> values) { replaced_[name] = std::move(values); }

  [[nodiscard]] bool contains(std::string_view name) const { return source_->contains(name); }
  [[nodiscard]] std::vector<std::size_t> shape(std::string_view name) const { return source_->shape(name); }

  template <class Scalar>
  void read(std::string_view name, std::span<const std::size_t> shape, std::size_t first_element,
            std::span<Scalar> out) const {
    const auto found = replaced_.find(name);
    if (found == replaced_.end()) return source_->read(name, shape, first_element, out);
    const std::vector<float>& values = found->second;
    if (shape.size() != 1 || shape[0] != values.size() || out.size() > values.size() - first_element) {
      throw std::logic_error("a replaced tensor is read in another shape");
    }
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(first_element), out.size(), out.begin());
  }

 private:
  const Source* source_;
  std::map<std::string, std::vector<float>, std::less<>> replaced_{};
};

/// Where an encoder's tensors are.
struct encoder_names {
  std::string prefix{};
  std::string words{};
};

/// How many logits the pool's tokens meet on their walks, and how many of them are 0.
struct tie_count {
  std::size_t logits = 0;
  std::size_t zeros = 0;
};

/// The trees of one FFF layer while their biases are made. Logits have the bits of the library's engines: the same dot
/// product over rows padded with zeros, the bias added last.
class tie_maker {
 public:
  template <class Source>
  tie_maker(const Source& source, const std::string& prefix, const ufb::encoder_config& config, ufb::isa_level isa)
      : trees_(std::get<ufb::fast_feedforward_config>(config.feedforward)),
        nodes_(ufb::tree::node_count(trees_.depth)),
        weights_({trees_.parallel_size * nodes_, config.hidden_size}),
        bias_(weights_.rows()),
        is_set_(weights_.rows()),
        dots_(ufb::kernels::dots_of<float>(ufb::resolve(isa))) {
    ufb::layers::load_matrix(source, prefix + "linear_in.weight", weights_.view());
    ufb::layers::load_vector(source, prefix + "linear_in.bias", std::span<float>(bias_));
  }

  [[nodiscard]] const std::vector<float>& bias() const { return bias_; }
  [[nodiscard]] tie_count count() const { return count_; }

  /// Sends one token through all trees and returns the nodes that it visits.
  std::vector<std::int32_t> walk(const float* x) {
    std::vector<std::int32_t> path;
    for (std::size_t p = 0; p < trees_.parallel_size; ++p) {
      std::size_t node = 0;
      for (std::size_t level = 0; level <= trees_.depth; ++level) {
        path.push_back(static_cast<std::int32_t>(node));
        node = ufb::tree::child(node, ufb::positive_goes_right::right(logit(p * nodes_ + node, x)));
      }
    }
    return path;
  }

 private:
  float logit(std::size_t row, const float* x) {
    float dot = 0.0F;
    dots_.pair(weights_.row(row), x, weights_.cols(), &dot);
    if (!is_set_[row]) bias_[row] = -dot;
    is_set_[row] = true;
    const float sum = dot + bias_[row];
    ++count_.logits;
    if (sum == 0.0F) ++count_.zeros;
    return sum;
  }

  ufb::fast_feedforward_config trees_;
  std::size_t nodes_;
  ufb::matrix<float> weights_;
  std::vector<float> bias_;
  std::vector<bool> is_set_;
  ufb::kernels::dot_kernels<float> dots_;
  tie_count count_{};
};

/// A mask that lets every token of some sequences be seen. Only causal encoders need one: without it they look ahead.
[[nodiscard]] inline ufb::matrix<float> mask_of_ones(const ufb::encoder_config& config,
                                                     std::span<const std::size_t> offsets) {
  if (!config.causal) return {};
  std::size_t longest = 0;
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) longest = std::max(longest, offsets[i + 1] - offsets[i]);
  ufb::matrix<float> mask({offsets.size() - 1, longest});
  for (std::size_t i = 0; i < mask.rows(); ++i) std::fill_n(mask.row(i), longest, 1.0F);
  return mask;
}

namespace detail {

/// One block over one sequence.
template <class Block>
ufb::encoder_trace<float>::block run_alone(const Block& block, const ufb::encoder_config& config,
                                           ufb::matrix<float>& states, bool record_states) {
  const std::array<std::size_t, 2> offsets{0, states.rows()};
  const auto mask = mask_of_ones(config, offsets);
  ufb::workspace scratch;
  ufb::encoder_trace<float>::block record;
  block.forward(states.view(), {.offsets = offsets, .mask = config.causal ? mask.view() : decltype(mask.view()){}},
                scratch, record_states, &record);
  return record;
}

/// The sequences' embeddings: the states before the first block.
template <class Backend, class Source>
std::vector<ufb::matrix<float>> embed(const Source& source, const encoder_names& names, ufb::encoder_config config,
                                      const ufb::encoder_choices& choices, const std::vector<token_sequence>& pool) {
  config.layers = 0;
  config.final_norm = false;
  const auto encoder = ufb::encoder<float, Backend>::load(source, names.prefix, names.words, config, choices);
  std::vector<ufb::matrix<float>> states;
  for (const token_sequence& ids : pool) {
    const std::array<std::size_t, 2> offsets{0, ids.size()};
    states.emplace_back(ufb::matrix_extents{ids.size(), config.hidden_size});
    encoder.embedding_layer().forward(ids, states.back().view(), {.offsets = offsets});
  }
  return states;
}

}  // namespace detail

/// Replaces the FFF biases of an encoder by those of a tie bomb, layer by layer, each layer fed by the bombs before it.
/// Encoders with dense feedforward layers stay as they are. Throws std::runtime_error if the library's engines take the
/// pool on other paths than the bomb was made for.
template <class Backend, class Source>
tie_count plant_tie_bomb(replacing_source<Source>& source, const encoder_names& names,
                         const ufb::encoder_config& config, const ufb::encoder_choices& choices,
                         const std::vector<token_sequence>& pool) {
  tie_count sum;
  if (!std::holds_alternative<ufb::fast_feedforward_config>(config.feedforward)) return sum;
  auto states = detail::embed<Backend>(source, names, config, choices, pool);
  for (std::size_t i = 0; i < config.layers; ++i) {
    const std::string prefix = names.prefix + "layers." + std::to_string(i) + '.';
    const auto load = [&] { return ufb::block<float, Backend>::load(source, prefix, config, choices); };
    tie_maker ties(source, prefix + "ffn.", config, choices.feedforward.isa);
    std::vector<std::vector<std::int32_t>> paths;
    for (const auto block = load(); auto& before : states) {
      auto copy = ufb::encoders::recorded(before.view());
      const auto record = detail::run_alone(block, config, copy, true);
      for (std::size_t t = 0; t < copy.rows(); ++t) paths.push_back(ties.walk(record.norm2.row(t)));
    }
    source.replace(prefix + "ffn.linear_in.bias", ties.bias());
    auto path = paths.cbegin();
    for (const auto block = load(); auto& state : states) {
      const auto record = detail::run_alone(block, config, state, false);
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
