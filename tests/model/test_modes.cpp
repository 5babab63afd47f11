// SPDX-License-Identifier: MIT
//
// Hosts that flush subnormal numbers or round in another direction: the results are those of the caller's modes,
// whatever the number of threads and the modes that a pool of threads was made with.
#include <cfenv>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "model/support.hpp"
#include "support/floating_point.hpp"
#include "support/generator.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

constexpr std::size_t tokens = 2000;  // enough to be worth several threads
constexpr std::size_t width = 64;

// Both matrices are this small, so that the layer's outputs are subnormal numbers.
fast_feedforward<float> layer_of_small_numbers() {
  constexpr fast_feedforward_shape shape{.input_width = width, .output_width = width, .depth = 4, .parallel_size = 4};
  constexpr std::size_t nodes = 4 * 31;
  const auto linear_in = uniform(1, nodes * width, -70);
  const auto linear_out = uniform(2, nodes * width, -60);
  return {shape, {linear_in.data(), {nodes, width}}, std::vector<float>(nodes), {linear_out.data(), {width, nodes}}};
}

std::vector<float> outputs_of(const fast_feedforward<float>& layer, executor_ref threads) {
  const auto x = uniform(3, tokens * width, 0);
  std::vector<float> y(x.size());
  workspace scratch;
  layer.forward({x.data(), {tokens, width}}, {y.data(), {tokens, width}}, scratch, threads);
  return y;
}

std::vector<float> states_of(const masked_lm<float>& model, executor_ref threads) {
  std::vector<token_id> ids(4 * 64);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<token_id>(7 + i * 31 % 8000);
  workspace scratch;
  const auto states = model.encode({ids.data(), {4, 64}}, {}, scratch, {}, threads);
  return {states.view().data(), states.view().data() + states.rows() * states.cols()};
}

// As an executor of a host whose threads have modes of their own: those that a program starts with.
struct threads_of_a_host {
  [[nodiscard]] static std::size_t concurrency() { return 2; }
  template <class Task>
  static void run(std::size_t count, const Task& task) {
    std::thread([&] {
      std::fesetenv(FE_DFL_ENV);
      for (std::size_t i = 0; i < count; ++i) task(i);
    }).join();
  }
};

bool equal(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("Flushing and rounding are the caller's on all threads of a pool that was made before", "[modes]") {
  const auto layer = layer_of_small_numbers();
  const auto model = masked_lm<float>::load(std::filesystem::path(UFB_EXAMPLE_MODEL_DIR) / "tiny-mlm");
  const auto plain_outputs = outputs_of(layer, {});
  const auto plain_states = states_of(model, {});
  thread_pool one(1);
  thread_pool two(2);
  thread_pool four(4);
  for (const auto modes : {host_modes::flush, host_modes::upward}) {
    if (modes == host_modes::flush && !can_flush()) continue;
    const modes_scope scope(modes);
    const auto outputs = outputs_of(layer, {});
    const auto states = states_of(model, {});
    // The modes make a difference here, or else nothing is shown.
    CHECK_FALSE(equal(outputs, plain_outputs));
    if (modes == host_modes::upward) CHECK_FALSE(equal(states, plain_states));
    threads_of_a_host host;
    CHECK_FALSE(equal(outputs_of(layer, host), outputs));
    for (thread_pool* pool : {&one, &two, &four}) {
      CHECK(equal(outputs_of(layer, *pool), outputs));
      CHECK(equal(states_of(model, *pool), states));
    }
  }
  CHECK(equal(outputs_of(layer, four), plain_outputs));
  CHECK(equal(states_of(model, four), plain_states));
}
