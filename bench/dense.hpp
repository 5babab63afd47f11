// SPDX-License-Identifier: MIT
//
// The dense feedforward layers that the FFF layer is set against: y = W2 gelu(W1 x), no biases (in their favor).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/layers.hpp"

namespace ufb_bench {

namespace ufb = ultrafastbert;

struct dense_shape {
  std::size_t width = 0;
  std::size_t neurons = 0;
};

/// Random matrices as a checkpoint stores them, read by all dense layers that do not pack.
struct dense_weights {
  explicit dense_weights(const dense_shape& shape);

  dense_shape shape;
  ufb::matrix<float> in;   // (neurons, width)
  ufb::matrix<float> out;  // (width, neurons)
};

/// A dense feedforward layer. Not for use from several threads at a time.
class dense_layer {
 public:
  dense_layer() = default;
  dense_layer(const dense_layer&) = delete;
  dense_layer& operator=(const dense_layer&) = delete;
  virtual ~dense_layer() = default;

  [[nodiscard]] virtual std::string name() const = 0;
  /// Larger batches are hopeless.
  [[nodiscard]] virtual std::size_t largest_batch() const { return std::numeric_limits<std::size_t>::max(); }
  /// Whether threads of it go on turning after a call.
  [[nodiscard]] virtual bool spins() const { return false; }
  /// Takes memory and packs weights for batches of this size.
  virtual void prepare(std::size_t batch) = 0;
  /// Before a run of calls.
  virtual void enter() {}
  /// Shapes: x, y: (batch, width) without gaps, `batch` as prepared.
  virtual void forward(const float* x, float* y, std::size_t batch) = 0;
};

/// The GELU of all layers that have none of their own: the library's vectorized one, over the pool where that pays.
class shared_gelu {
 public:
  explicit shared_gelu(ufb::thread_pool& pool);
  /// In place on the first `cols` columns of every row.
  void operator()(const ufb::matrix_view<float>& values) const;

 private:
  ufb::thread_pool& pool_;
  ufb::kernels::gelu_kernel kernel_;
};

using dense_layers = std::vector<std::unique_ptr<dense_layer>>;

void add_openblas_layers(const dense_weights& weights, ufb::thread_pool& pool, dense_layers& to);
void add_eigen_layers(const dense_weights& weights, ufb::thread_pool& pool, dense_layers& to);
void add_onednn_layers(const dense_weights& weights, ufb::thread_pool& pool, dense_layers& to);

/// The library's own, which is never one of the external layers.
[[nodiscard]] std::unique_ptr<dense_layer> make_own_dense(const dense_weights& weights, ufb::isa_level isa,
                                                          ufb::thread_pool& pool);

/// All external ones that this build has.
[[nodiscard]] dense_layers make_dense_layers(const dense_weights& weights, ufb::thread_pool& pool);

/// Lets the BLAS use so many threads from now on, where it can be told.
void set_blas_threads(std::size_t threads);
/// Name and version of a library this build has, or why it is not there.
[[nodiscard]] std::string openblas_version();
[[nodiscard]] std::string eigen_version();
[[nodiscard]] std::string onednn_version();

}  // namespace ufb_bench
