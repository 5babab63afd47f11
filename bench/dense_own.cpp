// SPDX-License-Identifier: MIT
//
// The library's own dense layer: two products with matrices packed once, GELU at the end of the first.
#include <memory>
#include <string>

#include "dense.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/products/packed_matrix.hpp"

namespace ufb_bench {

namespace {

class own_layer final : public dense_layer {
 public:
  own_layer(const dense_weights& weights, ufb::isa_level isa, ufb::thread_pool& pool)
      : in_(weights.in.view(), isa), out_(weights.out.view(), isa), pool_(pool) {}

  [[nodiscard]] std::string name() const override { return "ultrafastbert dense"; }
  void prepare(std::size_t batch) override {
    if (hidden_.rows() < batch) hidden_ = ufb::matrix<float>({batch, in_.outputs()});
  }
  void forward(const float* x, float* y, std::size_t batch) override {
    const auto hidden = hidden_.view().rows_from(0, batch);
    in_.multiply({x, {batch, in_.inputs()}}, hidden, workspace_, pool_, {.gelu = true});
    out_.multiply(hidden, {y, {batch, out_.outputs()}}, workspace_, pool_);
  }

 private:
  ufb::packed_matrix in_;
  ufb::packed_matrix out_;
  ufb::thread_pool& pool_;
  ufb::matrix<float> hidden_{};
  ufb::workspace workspace_{};
};

}  // namespace

std::unique_ptr<dense_layer> make_own_dense(const dense_weights& weights, ufb::isa_level isa, ufb::thread_pool& pool) {
  return std::make_unique<own_layer>(weights, isa, pool);
}

}  // namespace ufb_bench
