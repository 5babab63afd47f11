// SPDX-License-Identifier: MIT
//
// What is measured: an FFF layer's weights and the tokens that go through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "random.hpp"
#include "ultrafastbert/layers.hpp"

namespace ufb_bench {

namespace ufb = ultrafastbert;

using fff_layer = ufb::fast_feedforward<float>;

/// Tokens that a batch is taken from in turn: at 768 columns they take 50 MB, more than a cache holds.
inline constexpr std::size_t rotated_tokens = 16'384;

/// An FFF layer before it is built, with inputs. Weights are read row by row, as the checkpoint's float32.
class problem {
 public:
  problem(std::string name, const ufb::fast_feedforward_shape& shape) : name_(std::move(name)), shape_(shape) {}
  problem(const problem&) = delete;
  problem& operator=(const problem&) = delete;
  virtual ~problem() = default;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const ufb::fast_feedforward_shape& shape() const noexcept { return shape_; }
  [[nodiscard]] std::size_t neurons() const noexcept {
    return shape_.trees() * ufb::cmm::tree::node_count(shape_.depth);
  }
  /// Neurons that a token uses.
  [[nodiscard]] std::size_t path_length() const noexcept {
    return shape_.trees() * ufb::cmm::tree::levels(shape_.depth);
  }
  [[nodiscard]] ufb::matrix_view<const float> inputs() const noexcept { return inputs_.view(); }  ///< (tokens, width)
  [[nodiscard]] std::size_t distinct_inputs() const noexcept { return distinct_inputs_; }  ///< repeated from here

  [[nodiscard]] virtual fff_layer build(const ufb::fast_feedforward_options& options) const = 0;
  virtual void read_in(std::size_t node, std::span<float> row) const = 0;   ///< weights of a node's logit
  virtual void read_out(std::size_t node, std::span<float> row) const = 0;  ///< what a node adds to the output
  [[nodiscard]] virtual float bias(std::size_t node) const = 0;

 protected:
  void set_inputs(ufb::matrix<float> inputs, std::size_t distinct) noexcept {
    inputs_ = std::move(inputs);
    distinct_inputs_ = distinct;
  }
  void set_random_inputs(std::size_t tokens, std::uint64_t seed);

 private:
  std::string name_;
  ufb::fast_feedforward_shape shape_;
  ufb::matrix<float> inputs_{};
  std::size_t distinct_inputs_ = 0;
};

/// All weights in memory, one row per node in both matrices.
struct node_weights {
  ufb::matrix<float> in{};
  ufb::matrix<float> out{};
  std::vector<float> bias{};
};

/// A layer whose weights are kept, because more than one engine is built from them.
class stored_problem : public problem {
 public:
  [[nodiscard]] const node_weights& weights() const noexcept { return weights_; }
  [[nodiscard]] fff_layer build(const ufb::fast_feedforward_options& options) const override;
  void read_in(std::size_t node, std::span<float> row) const override;
  void read_out(std::size_t node, std::span<float> row) const override;
  [[nodiscard]] float bias(std::size_t node) const override { return weights_.bias[node]; }

  /// Random weights, `tokens` random inputs. Logits are about normal, so that tokens go either way at every node; with
  /// `skew`, every node's bias leans to one side by that many standard deviations of its logit.
  [[nodiscard]] static std::unique_ptr<stored_problem> random(const ufb::fast_feedforward_shape& shape,
                                                              std::size_t tokens, float skew = 0.0F);

  /// The feedforward layer `layer` of a checkpoint, with the states that reach it when the model reads the texts;
  /// states are repeated until there are `tokens`.
  [[nodiscard]] static std::unique_ptr<stored_problem> from_checkpoint(const std::filesystem::path& folder,
                                                                       std::size_t layer,
                                                                       std::span<const std::filesystem::path> texts,
                                                                       std::size_t tokens);

 private:
  stored_problem(std::string name, const ufb::fast_feedforward_shape& shape);

  node_weights weights_;
};

/// A layer too large to be held twice: its random weights are made again whenever they are read.
class generated_problem : public problem {
 public:
  generated_problem(const ufb::fast_feedforward_shape& shape, std::size_t tokens);

  [[nodiscard]] fff_layer build(const ufb::fast_feedforward_options& options) const override;
  void read_in(std::size_t node, std::span<float> row) const override;
  void read_out(std::size_t node, std::span<float> row) const override;
  [[nodiscard]] float bias(std::size_t node) const override { return bias_[node]; }

 private:
  normal_stream in_;
  normal_stream bias_;
  normal_stream out_;
};

/// "1x11/768": trees x depth / width.
[[nodiscard]] std::string name_of(const ufb::fast_feedforward_shape& shape);

}  // namespace ufb_bench
