// SPDX-License-Identifier: MIT
//
// The FFF layer over BLAS level 2: a product of a one-row matrix with a vector per token and level, and one with a
// one-column matrix for what the node adds to the output. The library's `blas` engine is the level 1 form.
#include "contenders.hpp"

#if UFB_WITH_CBLAS
#include <cblas.h>
#endif

#include <algorithm>
#include <cmath>
#include <vector>

namespace ufb_bench {

#if UFB_WITH_CBLAS

namespace {

int to_int(std::size_t size) { return static_cast<int>(size); }

class level2_fff final : public fff_under_test {
 public:
  level2_fff(const stored_problem& what, ufb::thread_pool& pool)
      : weights_(what.weights()),
        shape_(what.shape()),
        pool_(pool),
        gelu_(ufb::kernels::activations_of(ufb::resolve(ufb::isa_level::automatic)).gelu) {}

  [[nodiscard]] std::string engine() const override { return "blas_level2"; }
  [[nodiscard]] std::string isa() const override { return "-"; }
  [[nodiscard]] ufb::weight_storage storage() const override { return ufb::weight_storage::float32; }
  void forward(const ufb::matrix_view<const float>& x, const ufb::matrix_view<float>& y,
               const ufb::matrix_view<std::int32_t>& paths) override {
    const std::size_t parts = std::min(pool_.concurrency(), x.rows());
    pool_.run(parts, [&](std::size_t i) {
      const std::size_t last = x.rows() * (i + 1) / parts;
      for (std::size_t t = x.rows() * i / parts; t < last; ++t) {
        std::fill_n(y.row(t), shape_.output_width, 0.0F);
        for (std::size_t p = 0; p < shape_.trees(); ++p) {
          descend(x.row(t), y.row(t), p, paths.empty() ? nullptr : paths.row(t) + p * (shape_.depth + 1));
        }
      }
    });
  }

 private:
  void descend(const float* x, float* y, std::size_t tree, std::int32_t* path) const {
    const int width = to_int(shape_.input_width);
    const int out_width = to_int(shape_.output_width);
    std::size_t node = 0;
    for (std::size_t level = 0; level <= shape_.depth; ++level) {
      const std::size_t row = tree * ufb::cmm::tree::node_count(shape_.depth) + node;
      float logit = weights_.bias[row];
      cblas_sgemv(CblasRowMajor, CblasNoTrans, 1, width, 1.0F, weights_.in.row(row), width, x, 1, 1.0F, &logit, 1);
      if (path != nullptr) path[level] = static_cast<std::int32_t>(node);
      node = ufb::cmm::tree::child(node, logit > 0.0F);
      gelu_(1, &logit);
      cblas_sgemv(CblasRowMajor, CblasTrans, 1, out_width, 1.0F, weights_.out.row(row), out_width, &logit, 1, 1.0F, y,
                  1);
    }
  }

  const node_weights& weights_;
  ufb::fast_feedforward_shape shape_;
  ufb::thread_pool& pool_;
  ufb::kernels::activation_kernel gelu_;
};

}  // namespace

std::unique_ptr<fff_under_test> make_level2_fff(const stored_problem& what, ufb::thread_pool& pool) {
  return std::make_unique<level2_fff>(what, pool);
}

#else

std::unique_ptr<fff_under_test> make_level2_fff(const stored_problem& /*what*/, ufb::thread_pool& /*pool*/) {
  return nullptr;
}

#endif

}  // namespace ufb_bench
