// SPDX-License-Identifier: MIT
//
// The dense layer over Eigen, its products compiled for the best level of the processor. Threads split the neurons of
// the first product and the columns of the second, which serves one token as well as many.
#include "dense_eigen.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <memory>
#include <string>

#include "dense.hpp"

namespace ufb_bench {

namespace {

using multiply_function = void (*)(const eigen_product&);

multiply_function best_multiply() {
#if UFB_KERNELS_X86
  const ufb::isa_level level = ufb::resolve(ufb::isa_level::automatic);
  if (level == ufb::isa_level::avx512) return eigen_multiply_avx512;
  if (level == ufb::isa_level::avx2) return eigen_multiply_avx2;
#endif
  return eigen_multiply_portable;
}

class eigen_layer final : public dense_layer {
 public:
  eigen_layer(const dense_weights& weights, ufb::thread_pool& pool) : weights_(weights), pool_(pool), gelu_(pool) {}

  [[nodiscard]] std::string name() const override { return "Eigen"; }
  void prepare(std::size_t batch) override {
    if (hidden_.rows() < batch) hidden_ = ufb::matrix<float>({batch, weights_.shape.neurons, weights_.out.stride()});
  }
  void forward(const float* x, float* y, std::size_t batch) override {
    const auto hidden = hidden_.view().rows_from(0, batch);
    const std::size_t width = weights_.shape.width;
    multiply({.x = x,
              .x_stride = width,
              .w = weights_.in.row(0),
              .w_stride = weights_.in.stride(),
              .y = hidden.data(),
              .y_stride = hidden.stride(),
              .rows = batch,
              .inner = width,
              .cols = weights_.shape.neurons});
    gelu_(hidden);
    multiply({.x = hidden.data(),
              .x_stride = hidden.stride(),
              .w = weights_.out.row(0),
              .w_stride = weights_.out.stride(),
              .y = y,
              .y_stride = width,
              .rows = batch,
              .inner = weights_.shape.neurons,
              .cols = width});
  }

 private:
  void multiply(const eigen_product& whole) {
    constexpr std::size_t step = 16;  // no two threads write to one cache line
    const std::size_t steps = (whole.cols + step - 1) / step;
    const std::size_t parts = pool_.concurrency();
    pool_.run(parts, [&](std::size_t i) {
      const std::size_t first = std::min(whole.cols, steps * i / parts * step);
      const std::size_t last = std::min(whole.cols, steps * (i + 1) / parts * step);
      eigen_product part = whole;
      part.w += first * whole.w_stride;
      part.y += first;
      part.cols = last - first;
      multiply_(part);
    });
  }

  const dense_weights& weights_;
  ufb::thread_pool& pool_;
  shared_gelu gelu_;
  multiply_function multiply_ = best_multiply();
  ufb::matrix<float> hidden_{};
};

}  // namespace

void add_eigen_layers(const dense_weights& weights, ufb::thread_pool& pool, dense_layers& to) {
  to.push_back(std::make_unique<eigen_layer>(weights, pool));
}

std::string eigen_version() {
  return std::to_string(EIGEN_WORLD_VERSION) + '.' + std::to_string(EIGEN_MAJOR_VERSION) + '.' +
         std::to_string(EIGEN_MINOR_VERSION) + ", compiled for " +
         std::string(ufb::name(ufb::resolve(ufb::isa_level::automatic)));
}

}  // namespace ufb_bench
