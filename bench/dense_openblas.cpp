// SPDX-License-Identifier: MIT
//
// Dense layers over the BLAS, by level: a product of matrices, a product with a vector per token, a dot product and an
// axpy per neuron and token.
#include <algorithm>
#include <memory>
#include <string>

#include "dense.hpp"

#if UFB_WITH_CBLAS
#include <cblas.h>
#endif

namespace ufb_bench {

#if UFB_WITH_CBLAS

namespace {

int to_int(std::size_t size) { return static_cast<int>(size); }

class blas_layer : public dense_layer {
 public:
  blas_layer(const dense_weights& weights, ufb::thread_pool& pool) : weights_(weights), pool_(pool), gelu_(pool) {}

  [[nodiscard]] bool spins() const override { return pool_.concurrency() > 1; }
  void prepare(std::size_t batch) override {
    if (hidden_.rows() < batch) hidden_ = ufb::matrix<float>({batch, weights_.shape.neurons, weights_.out.stride()});
  }
  void enter() override { set_blas_threads(pool_.concurrency()); }

 protected:
  const dense_weights& weights_;
  ufb::thread_pool& pool_;
  shared_gelu gelu_;
  ufb::matrix<float> hidden_{};
};

class gemm_layer final : public blas_layer {
 public:
  using blas_layer::blas_layer;
  [[nodiscard]] std::string name() const override { return "OpenBLAS sgemm"; }
  void forward(const float* x, float* y, std::size_t batch) override {
    const auto hidden = hidden_.view().rows_from(0, batch);
    const int width = to_int(weights_.shape.width);
    const int neurons = to_int(weights_.shape.neurons);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, to_int(batch), neurons, width, 1.0F, x, width,
                weights_.in.row(0), to_int(weights_.in.stride()), 0.0F, hidden.data(), to_int(hidden.stride()));
    gelu_(hidden);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, to_int(batch), width, neurons, 1.0F, hidden.data(),
                to_int(hidden.stride()), weights_.out.row(0), to_int(weights_.out.stride()), 0.0F, y, width);
  }
};

class gemv_layer final : public blas_layer {
 public:
  using blas_layer::blas_layer;
  [[nodiscard]] std::string name() const override { return "OpenBLAS sgemv"; }
  [[nodiscard]] std::size_t largest_batch() const override { return 8; }
  void forward(const float* x, float* y, std::size_t batch) override {
    const auto hidden = hidden_.view().rows_from(0, batch);
    const int width = to_int(weights_.shape.width);
    const int neurons = to_int(weights_.shape.neurons);
    for (std::size_t t = 0; t < batch; ++t) {
      cblas_sgemv(CblasRowMajor, CblasNoTrans, neurons, width, 1.0F, weights_.in.row(0), to_int(weights_.in.stride()),
                  x + t * weights_.shape.width, 1, 0.0F, hidden.row(t), 1);
    }
    gelu_(hidden);
    for (std::size_t t = 0; t < batch; ++t) {
      cblas_sgemv(CblasRowMajor, CblasNoTrans, width, neurons, 1.0F, weights_.out.row(0), to_int(weights_.out.stride()),
                  hidden.row(t), 1, 0.0F, y + t * weights_.shape.width, 1);
    }
  }
};

// The second matrix is used transposed here, a row per neuron, as axpy wants it.
class dot_layer final : public blas_layer {
 public:
  using blas_layer::blas_layer;
  [[nodiscard]] std::string name() const override { return "OpenBLAS sdot+saxpy"; }
  [[nodiscard]] std::size_t largest_batch() const override { return 8; }
  void prepare(std::size_t batch) override {
    blas_layer::prepare(batch);
    if (out_.rows() != 0) return;
    out_ = ufb::matrix<float>({weights_.shape.neurons, weights_.shape.width});
    ufb::layers::copy_transposed(weights_.out.view(), out_.view());
  }
  void forward(const float* x, float* y, std::size_t batch) override {
    const auto hidden = hidden_.view().rows_from(0, batch);
    const int width = to_int(weights_.shape.width);
    for (std::size_t t = 0; t < batch; ++t) {
      for (std::size_t n = 0; n < weights_.shape.neurons; ++n) {
        hidden(t, n) = cblas_sdot(width, weights_.in.row(n), 1, x + t * weights_.shape.width, 1);
      }
    }
    gelu_(hidden);
    std::fill_n(y, batch * weights_.shape.width, 0.0F);
    for (std::size_t t = 0; t < batch; ++t) {
      for (std::size_t n = 0; n < weights_.shape.neurons; ++n) {
        cblas_saxpy(width, hidden(t, n), out_.row(n), 1, y + t * weights_.shape.width, 1);
      }
    }
  }

 private:
  ufb::matrix<float> out_{};
};

}  // namespace

void add_openblas_layers(const dense_weights& weights, ufb::thread_pool& pool, dense_layers& to) {
  to.push_back(std::make_unique<gemm_layer>(weights, pool));
  to.push_back(std::make_unique<gemv_layer>(weights, pool));
  to.push_back(std::make_unique<dot_layer>(weights, pool));
}

#else

void add_openblas_layers(const dense_weights& /*weights*/, ufb::thread_pool& /*pool*/, dense_layers& /*to*/) {}

#endif

#if UFB_WITH_CBLAS && defined(OPENBLAS_VERSION)

void set_blas_threads(std::size_t threads) { openblas_set_num_threads(to_int(threads)); }

std::string openblas_version() {
  return std::string(openblas_get_config()) + ", kernels for " + openblas_get_corename();
}

#else

void set_blas_threads(std::size_t /*threads*/) {}

std::string openblas_version() {
  return UFB_WITH_CBLAS ? "another BLAS in its place" : "absent: the goals do not apply";
}

#endif

}  // namespace ufb_bench
