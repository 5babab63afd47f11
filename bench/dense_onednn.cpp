// SPDX-License-Identifier: MIT
//
// The dense layer over oneDNN: inner products whose weights are packed as the library likes them for the batch at hand,
// GELU fused into the first.
#include <memory>
#include <optional>
#include <string>

#include "dense.hpp"

#if UFB_BENCH_WITH_ONEDNN
#include <dnnl.hpp>
#endif

namespace ufb_bench {

#if UFB_BENCH_WITH_ONEDNN

namespace {

dnnl::memory::dim to_dim(std::size_t size) { return static_cast<dnnl::memory::dim>(size); }

// x (rows, inner) times w (cols, inner) transposed, with packed weights.
class packed_product {
 public:
  struct sizes {
    std::size_t rows = 0;
    std::size_t inner = 0;
    std::size_t cols = 0;
  };

  packed_product(const dnnl::engine& engine, dnnl::stream& stream, const sizes& size, const ufb::matrix<float>& weights,
                 bool with_gelu)
      : source_({to_dim(size.rows), to_dim(size.inner)}, type, tag::ab),
        target_({to_dim(size.rows), to_dim(size.cols)}, type, tag::ab) {
    const dnnl::memory::desc any({to_dim(size.cols), to_dim(size.inner)}, type, tag::any);
    const dnnl::memory::desc plain({to_dim(size.cols), to_dim(size.inner)}, type,
                                   dnnl::memory::dims{to_dim(weights.stride()), 1});
    const auto description = describe(engine, any, with_gelu);
    const auto packed = description.weights_desc();
    memory_ = ufb::aligned_buffer<float>((packed.get_size() + sizeof(float) - 1) / sizeof(float));
    weights_ = dnnl::memory(packed, engine, memory_.data());
    dnnl::memory from(plain, engine, const_cast<float*>(weights.row(0)));  // the interface knows no const
    dnnl::reorder(from, weights_).execute(stream, from, weights_);
    stream.wait();
    product_ = dnnl::inner_product_forward(description);
    x_ = dnnl::memory(source_, engine, DNNL_MEMORY_NONE);
    y_ = dnnl::memory(target_, engine, DNNL_MEMORY_NONE);
  }

  void run(dnnl::stream& stream, const float* x, float* y) {
    x_.set_data_handle(const_cast<float*>(x));
    y_.set_data_handle(y);
    product_.execute(stream, {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, weights_}, {DNNL_ARG_DST, y_}});
  }

 private:
  using tag = dnnl::memory::format_tag;
  static constexpr auto type = dnnl::memory::data_type::f32;

  [[nodiscard]] dnnl::inner_product_forward::primitive_desc describe(const dnnl::engine& engine,
                                                                     const dnnl::memory::desc& weights,
                                                                     bool with_gelu) const {
    constexpr auto gelu = dnnl::algorithm::eltwise_gelu_erf;
    constexpr auto kind = dnnl::prop_kind::forward_inference;
    dnnl::primitive_attr attributes;
    dnnl::post_ops after;
#if DNNL_VERSION_MAJOR >= 3
    if (with_gelu) after.append_eltwise(gelu, 0.0F, 0.0F);
    attributes.set_post_ops(after);
    return {engine, kind, source_, weights, target_, attributes};
#else
    if (with_gelu) after.append_eltwise(1.0F, gelu, 0.0F, 0.0F);
    attributes.set_post_ops(after);
    return {{kind, source_, weights, target_}, attributes, engine};
#endif
  }

  dnnl::memory::desc source_;
  dnnl::memory::desc target_;
  ufb::aligned_buffer<float> memory_{};
  dnnl::memory weights_{};
  dnnl::memory x_{};
  dnnl::memory y_{};
  dnnl::inner_product_forward product_{};
};

class onednn_layer final : public dense_layer {
 public:
  explicit onednn_layer(const dense_weights& weights) : weights_(weights) {}

  [[nodiscard]] std::string name() const override { return "oneDNN prepacked"; }
  void prepare(std::size_t batch) override {
    const auto [width, neurons] = weights_.shape;
    out_.reset();
    in_.emplace(engine_, stream_, packed_product::sizes{batch, width, neurons}, weights_.in, true);
    out_.emplace(engine_, stream_, packed_product::sizes{batch, neurons, width}, weights_.out, false);
    if (hidden_.size() < batch * neurons) hidden_ = ufb::aligned_buffer<float>(batch * neurons);
  }
  void forward(const float* x, float* y, std::size_t /*batch*/) override {
    in_->run(stream_, x, hidden_.data());
    out_->run(stream_, hidden_.data(), y);
    stream_.wait();
  }

 private:
  const dense_weights& weights_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::optional<packed_product> in_{};
  std::optional<packed_product> out_{};
  ufb::aligned_buffer<float> hidden_{};
};

}  // namespace

void add_onednn_layers(const dense_weights& weights, ufb::thread_pool& /*pool*/, dense_layers& to) {
  to.push_back(std::make_unique<onednn_layer>(weights));
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + '.' + std::to_string(version->minor) + '.' + std::to_string(version->patch);
}

#else

void add_onednn_layers(const dense_weights& /*weights*/, ufb::thread_pool& /*pool*/, dense_layers& /*to*/) {}

std::string onednn_version() { return "absent: the goals do not apply"; }

#endif

}  // namespace ufb_bench
