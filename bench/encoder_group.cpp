// SPDX-License-Identifier: MIT
//
// The whole encoder, from ids to final states: with FFF layers and with dense layers of as many neurons, over the
// library's own products and over the BLAS, in one process. Lengths may be mixed; nothing is padded.
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "contenders.hpp"
#include "dense.hpp"
#include "generated_source.hpp"
#include "sequences.hpp"
#include "timing.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_bench {

namespace {

using encoder_type = ufb::encoder<float>;

// The published UltraFastBERT-1x11.
ufb::encoder_config published_shape() {
  constexpr std::size_t width = 768;
  constexpr ufb::norm_shape norm{.width = width};
  return {
      .embedding = {.vocabulary_size = 32'768, .width = width, .max_sequence_length = 128, .norm = norm},
      .layers = 16,
      .block = {.attention = {.width = width, .heads = 12},
                .norm = norm,
                .feedforward = ufb::fast_feedforward_shape{.input_width = width, .output_width = width, .depth = 11}},
      .final_norm = norm};
}

// The same encoder with dense feedforward layers of as many neurons.
ufb::encoder_config dense_twin(const ufb::encoder_config& config) {
  ufb::encoder_config twin = config;
  if (const auto* fast = std::get_if<ufb::fast_feedforward_shape>(&config.block.feedforward)) {
    twin.block.feedforward =
        ufb::feedforward_shape{.width = fast->input_width,
                               .intermediate = fast->trees() * ufb::cmm::tree::node_count(fast->depth),
                               .activation = fast->activation};
  }
  return twin;
}

// One encoder in one form.
struct encoder_under_test {
  std::string ffn{};         // "fff" or "dense"
  std::string backend{};     // "own" or "openblas"
  std::string projection{};  // storage of the projections
  std::shared_ptr<const encoder_type> model{};
  ufb::workspace scratch{};
  ufb::matrix<float> states{};

  [[nodiscard]] bool own() const { return backend == "own"; }
};

class encoder_bench {
 public:
  explicit encoder_bench(bench_context& context) : context_(context), config_(published_shape()) {
    const auto& options = context.options;
    if (!options.model.empty()) case_ = options.model.filename().string();
    for (const bool own : {true, false}) {
      auto fff = options.model.empty() ? generated(config_, own) : loaded(own);
      config_ = fff->config();
      if (std::holds_alternative<ufb::fast_feedforward_shape>(config_.block.feedforward))
        add("fff", own, std::move(fff));
      add("dense", own, generated(dense_twin(config_), own));
    }
  }

  void run(const std::string& shape) {
    const auto stream = make_sequences(shape, config_.embedding.vocabulary_size, config_.embedding.max_sequence_length);
    for (auto& one : encoders_) one.states = ufb::matrix<float>({stream.tokens(), config_.hidden_size()});
    const bool verified = verify(stream);
    std::vector<contender> contenders;
    for (auto& one : encoders_) contenders.push_back(contender_of(one, stream));
    const auto times = measure(contenders, {.batch = stream.tokens(),
                                            .tokens = sequence_set::variants * stream.tokens(),
                                            .rounds = context_.options.rounds,
                                            .seconds = 0.1});
    for (std::size_t i = 0; i < encoders_.size(); ++i) report(encoders_[i], stream, times, times[i], verified);
  }

 private:
  static constexpr double micro = 1e6;

  // What is compared are the products; trees and norms run the library's kernels either way.
  [[nodiscard]] ufb::load_options options_of(bool own) const {
    const auto& options = context_.options;
    ufb::load_options out{.isa = options.isa};
    if (own) {
      out.projections = {.engine = ufb::projection_engine::packed, .storage = options.projection};
    } else {
      out.projections = {.engine = ufb::projection_engine::blas};
    }
    return out;
  }

  [[nodiscard]] std::shared_ptr<const encoder_type> generated(const ufb::encoder_config& config, bool own) const {
    auto model = std::make_shared<encoder_type>(config, options_of(own).encoder());
    ufb::parameter_list parameters;
    model->parameters("encoder.", "words", parameters);
    parameters.load(random_weights(parameters.parameters(), 2311));
    return model;
  }

  [[nodiscard]] std::shared_ptr<const encoder_type> loaded(bool own) const {
    auto model = std::make_shared<const ufb::encoder_model<float>>(
        ufb::encoder_model<float>::load(context_.options.model, options_of(own)));
    return {model, &model->stack()};
  }

  void add(const std::string& ffn, bool own, std::shared_ptr<const encoder_type> model) {
    const auto storage = own ? context_.options.projection : ufb::weight_storage::float32;
    encoders_.push_back({.ffn = ffn,
                         .backend = own ? "own" : "openblas",
                         .projection = std::string(ufb::name(storage)),
                         .model = std::move(model)});
  }

  // The library's products are spread over its executor, OpenBLAS's over its own threads.
  void forward(encoder_under_test& one, const sequence_set& stream, std::size_t first) {
    const auto threads = one.own() ? ufb::executor_ref(context_.pool) : ufb::executor_ref();
    one.model->forward(stream.variant(first / stream.tokens()), {.offsets = stream.offsets}, one.states.view(),
                       one.scratch, threads);
  }

  contender contender_of(encoder_under_test& one, const sequence_set& stream) {
    const std::size_t threads = context_.options.threads;
    return {.name = one.ffn + ' ' + one.backend,
            .enter = [&one, threads] { set_blas_threads(one.own() ? 1 : threads); },
            .run =
                [this, &one, &stream](std::size_t first) {
                  forward(one, stream, first);
                  return one.states(0, 0);
                },
            .spins = !one.own() && threads > 1};
  }

  // Both backends have to give the same states; float rounding may send a token another way, so FFF has some leeway,
  // and narrow projections of a random stack are compared as dense layers only.
  bool verify(const sequence_set& stream) {
    for (auto& one : encoders_) forward(one, stream, 0);
    bool right = true;
    for (std::size_t i = 0; i < encoders_.size(); ++i) {
      for (std::size_t j = i + 1; j < encoders_.size(); ++j) {
        if (encoders_[i].ffn == encoders_[j].ffn) right = right && alike(encoders_[i], encoders_[j]);
      }
    }
    return right;
  }

  // Rounded projections turn tokens of a random stack another way in every layer: nothing to compare is left.
  [[nodiscard]] static bool comparable(const encoder_under_test& one) {
    return one.ffn == "dense" || one.projection == ufb::name(ufb::weight_storage::float32);
  }

  [[nodiscard]] static bool alike(const encoder_under_test& a, const encoder_under_test& b) {
    constexpr double narrow_error = 0.3;  // root of the mean square, of states of size 1
    constexpr double float_error = 1e-3;
    const bool narrow = a.projection != b.projection;
    if (!comparable(a) || !comparable(b)) return true;
    const double tolerance = narrow ? narrow_error : float_error;
    std::size_t different = 0;
    for (std::size_t t = 0; t < a.states.rows(); ++t) {
      double sum = 0;
      for (std::size_t k = 0; k < a.states.cols(); ++k) {
        const auto d = static_cast<double>(a.states(t, k)) - static_cast<double>(b.states(t, k));
        sum += d * d;
      }
      if (!(std::sqrt(sum / static_cast<double>(a.states.cols())) < tolerance)) ++different;
    }
    const std::size_t allowed = a.ffn == "fff" ? a.states.rows() / 10 : 0;  // attention carries a turn to the others
    if (different > allowed) {
      std::cerr << a.ffn << ": " << different << " of " << a.states.rows() << " tokens differ between backends\n";
    }
    return different <= allowed;
  }

  void report(const encoder_under_test& one, const sequence_set& stream, const std::vector<timing>& times,
              const timing& time, bool verified) {
    double dense = time.median;
    for (std::size_t i = 0; i < encoders_.size(); ++i) {
      if (encoders_[i].ffn == "dense" && encoders_[i].backend == one.backend) dense = times[i].median;
    }
    const double ratio = dense / time.median;
    context_.results.add({case_, stream.name, std::to_string(context_.options.threads), one.projection, one.ffn,
                          one.backend, short_number(micro / time.median),
                          short_number(micro / time.most) + "-" + short_number(micro / time.least), short_number(ratio),
                          !verified         ? "**NO**"
                          : comparable(one) ? "yes"
                                            : "its dense twin"},
                         nlohmann::json{{"group", "encoder"},
                                        {"case", case_},
                                        {"shape", stream.name},
                                        {"threads", context_.options.threads},
                                        {"projection", one.projection},
                                        {"ffn", one.ffn},
                                        {"backend", one.backend},
                                        {"tokens_per_s", micro / time.median},
                                        {"ratio_to_dense", ratio},
                                        {"verified", verified}}
                             .dump(),
                         verified);
  }

  bench_context& context_;
  std::string case_ = "UltraFastBERT-1x11";
  ufb::encoder_config config_;
  std::vector<encoder_under_test> encoders_{};
};

}  // namespace

void run_encoder(bench_context& context) {
  const auto& options = context.options;
  const auto shapes =
      options.shapes.empty() ? std::vector<std::string>{"1x16", "1x128", "8x128", "mixed"} : options.shapes;
  context.results.begin_table(
      "encoder: ids to final states, FFF against dense layers of as many neurons",
      {"case", "shape", "threads", "projection", "ffn", "backend", "tokens/s", "spread", "ratio to dense", "verified"});
  encoder_bench bench(context);
  for (const auto& shape : shapes) bench.run(shape);
  context.results.end_table();
}

}  // namespace ufb_bench
