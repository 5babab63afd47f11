// SPDX-License-Identifier: MIT
//
// ufb_hammer [ROUNDS]: threads use one constant layer and one constant model, a workspace each, while others load and
// destroy models and layers of their own. Every result has to have the bits of a run alone. Made for ThreadSanitizer.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "support/generator.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;

constexpr ufb::fast_feedforward_shape shape{.input_width = 40, .output_width = 36, .depth = 5, .parallel_size = 2};
constexpr std::size_t nodes = 2 * 63;
constexpr std::size_t tokens = 120;

ufb::fast_feedforward<float> make_layer(ufb::fff_engine engine, ufb::weight_storage storage) {
  const auto linear_in = ufb_test::uniform(1, nodes * shape.input_width, -2);
  const auto linear_out = ufb_test::uniform(2, nodes * shape.output_width, -1);
  return {shape,
          {linear_in.data(), {nodes, shape.input_width}},
          ufb_test::uniform(3, nodes, -3),
          {linear_out.data(), {shape.output_width, nodes}},
          {.engine = engine, .storage_in = storage, .storage_out = storage}};
}

template <class... Executor>
std::vector<float> run(const ufb::fast_feedforward<float>& layer, ufb::workspace& scratch, Executor&... threads) {
  static const std::vector<float> x = ufb_test::uniform(4, tokens * shape.input_width, 0);
  std::vector<float> y(tokens * shape.output_width);
  layer.forward({x.data(), {tokens, shape.input_width}}, {y.data(), {tokens, shape.output_width}}, scratch, threads...);
  return y;
}

template <class Scalar>
bool equal(const std::vector<Scalar>& a, const std::vector<Scalar>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Scalar)) == 0;
}

std::vector<double> predictions(const ufb::masked_lm<float>& model, ufb::workspace& scratch) {
  std::vector<double> found;
  for (const auto& c : model.fill_mask("Paris is the <mask> of France.", {.top_k = 5}, scratch)) {
    found.push_back(c.logit);
    found.push_back(static_cast<double>(c.id));
  }
  return found;
}

/// Everything that threads share, and what one thread alone makes of it.
struct shared_things {
  std::filesystem::path folder = std::filesystem::path(UFB_TEST_DATA_DIR) / "models" / "e2e_fff";
  ufb::masked_lm<float> model = ufb::masked_lm<float>::load(folder);
  std::vector<ufb::fast_feedforward<float>> layers{};
  std::vector<std::vector<float>> layer_results{};
  std::vector<double> model_results{};

  shared_things() {
    for (const auto storage : {ufb::weight_storage::float32, ufb::weight_storage::int8}) {
      for (const auto engine : {ufb::fff_engine::fused, ufb::fff_engine::interleaved, ufb::fff_engine::grouped}) {
        layers.push_back(make_layer(engine, storage));
      }
    }
    ufb::workspace scratch;
    for (const auto& layer : layers) layer_results.push_back(run(layer, scratch));
    auto of_model = model.make_workspace();
    model_results = predictions(model, of_model);
  }
};

std::size_t use_layers(const shared_things& shared, std::size_t rounds, bool with_pool) {
  std::size_t different = 0;
  ufb::workspace scratch;
  ufb::thread_pool pool(with_pool ? 2 : 1);
  for (std::size_t i = 0; i < rounds * shared.layers.size(); ++i) {
    const std::size_t which = i % shared.layers.size();
    if (!equal(run(shared.layers[which], scratch, pool), shared.layer_results[which])) ++different;
  }
  return different;
}

std::size_t use_model(const shared_things& shared, std::size_t rounds) {
  std::size_t different = 0;
  auto scratch = shared.model.make_workspace();
  for (std::size_t i = 0; i < rounds; ++i) {
    if (!equal(predictions(shared.model, scratch), shared.model_results)) ++different;
  }
  return different;
}

std::size_t load_and_destroy(const shared_things& shared, std::size_t rounds) {
  std::size_t different = 0;
  for (std::size_t i = 0; i < rounds; ++i) {
    const auto layer = make_layer(ufb::fff_engine::automatic, ufb::weight_storage::float32);
    ufb::workspace of_layer;
    if (!equal(run(layer, of_layer), shared.layer_results.front())) ++different;
    const auto model = ufb::masked_lm<float>::load(shared.folder);
    auto of_model = model.make_workspace();
    if (!equal(predictions(model, of_model), shared.model_results)) ++different;
  }
  return different;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t rounds = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 50;
  const shared_things shared;
  std::atomic<std::size_t> different{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] { different += use_layers(shared, 8 * rounds, i == 0); });
    threads.emplace_back([&] { different += use_model(shared, 4 * rounds); });
    threads.emplace_back([&] { different += load_and_destroy(shared, rounds); });
  }
  for (std::thread& thread : threads) thread.join();
  std::cout << different << " results differ from those of one thread alone\n";
  return different == 0 && !shared.model_results.empty() ? 0 : 1;
}
