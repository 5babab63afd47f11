// SPDX-License-Identifier: MIT
//
// The means of `ufb_invariance` themselves: ties are real and touchy, and a difference of one bit is found.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "invariance/batches.hpp"
#include "invariance/tie_bomb.hpp"
#include "support/catch.hpp"
#include "support/noted_source.hpp"
#include "support/random.hpp"
#include "ultrafastbert/blas/plain_backend.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/encoder/encoder.hpp"

using namespace ufb_test;

namespace {

using encoder_type = ufb::encoder<float, ufb::native_backend>;

const encoder_names names{.prefix = "encoder.", .words = "words"};

// A small encoder whose biases are a tie bomb's.
struct bombed_encoder {
  explicit bombed_encoder(bool causal = false) {
    config.causal = causal;
    tensor_list list;
    encoder_type::for_each_tensor(
        names.prefix, names.words, config,
        [&](const std::string& name, const tensor_shape& shape) { list.emplace(name, shape); });
    weights = random_source(list, 71);
    random_numbers random(72);
    pool = random_pool(config, 12, 24, random);
    ties = plant_tie_bomb<ufb::native_backend>(source, names, config, choices, pool);
  }
  bombed_encoder(const bombed_encoder&) = delete;
  bombed_encoder& operator=(const bombed_encoder&) = delete;
  ~bombed_encoder() = default;

  [[nodiscard]] encoder_type load(ufb::isa_level isa) const {
    return encoder_type::load(source, names.prefix, names.words, config,
                              {.feedforward = {.isa = isa}, .projections = {.isa = isa}});
  }

  ufb::encoder_config config{.vocabulary_size = 37,
                             .hidden_size = 48,
                             .layers = 3,
                             .heads = 4,
                             .max_sequence_length = 24,
                             .feedforward = ufb::fast_feedforward_config{.depth = 4, .parallel_size = 2}};
  ufb::encoder_choices choices{};
  noted_source weights{};
  replacing_source<noted_source> source{weights};
  std::vector<token_sequence> pool{};
  tie_count ties{};
};

std::size_t differing_sequences(const batch_result& batch, const company& drawn,
                                const std::vector<batch_result>& alone) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < drawn.size(); ++i) count += first_difference(batch, i, alone[drawn[i]]) ? 1U : 0U;
  return count;
}

}  // namespace

TEST_CASE("Every node that the pool visits has a token whose logit is exactly 0") {
  const bombed_encoder bomb;
  // Trees of the first layer are walked by all tokens; each has at least its left-most path.
  CHECK(bomb.ties.zeros >= 3 * 2 * 5);
  CHECK(bomb.ties.logits > bomb.ties.zeros);
  std::vector<float> bias(2 * 31);
  const std::vector<std::size_t> shape{bias.size()};
  bomb.source.read("encoder.layers.1.ffn.linear_in.bias", shape, 0, std::span<float>(bias));
  CHECK(bias != bomb.weights.at("encoder.layers.1.ffn.linear_in.bias").values);
}

TEST_CASE("Kernels that sum in another order leave the paths of a tie bomb") {
  if (ufb::resolve(ufb::isa_level::automatic) == ufb::isa_level::portable) return;  // there is no other order
  const bombed_encoder bomb;
  const auto alone = run_alone(bomb.load(ufb::isa_level::automatic), bomb.pool);
  const auto other = run_alone(bomb.load(ufb::isa_level::portable), bomb.pool);
  std::size_t flips = 0;
  for (std::size_t i = 0; i < alone.size(); ++i) {
    for (std::size_t t = 0; t < bomb.pool[i].size(); ++t) {
      const auto& a = alone[i].trace.layers[0].paths;
      flips += std::equal(a.row(t), a.row(t) + a.cols(), other[i].trace.layers[0].paths.row(t)) ? 0U : 1U;
    }
  }
  CHECK(flips > 0);
}

TEST_CASE("Sequences keep their bits in every company") {
  ufb::thread_pool pool(3);
  for (const bool causal : {false, true}) {
    const bombed_encoder bomb(causal);
    const auto encoder = bomb.load(ufb::isa_level::automatic);
    const auto alone = run_alone(encoder, bomb.pool);
    random_numbers random(73);
    ufb::workspace scratch;
    for (int round = 0; round < 20; ++round) {
      const company drawn = random_company(bomb.pool.size(), random);
      const batch_choices choices{
          .traced = random.coin(), .padding_states = random.coin(), .shift = random.size(0, 15)};
      CHECK(differing_sequences(run_ragged(encoder, bomb.pool, drawn, choices, pool, scratch), drawn, alone) == 0);
      CHECK(differing_sequences(run_padded(encoder, bomb.pool, drawn, choices, pool, scratch), drawn, alone) == 0);
    }
  }
}

TEST_CASE("One bit of a state, or one node of a path, is found") {
  const bombed_encoder bomb;
  const auto encoder = bomb.load(ufb::isa_level::automatic);
  const auto alone = run_alone(encoder, bomb.pool);
  company drawn(bomb.pool.size());
  std::iota(drawn.begin(), drawn.end(), std::size_t{0});
  ufb::workspace scratch;
  auto batch = run_ragged(encoder, bomb.pool, drawn, {.traced = true, .shift = 3}, {}, scratch);
  REQUIRE(differing_sequences(batch, drawn, alone) == 0);

  float& value = batch.states(batch.first_row[4], 47);
  const float before = value;
  value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(before) ^ 1U);
  CHECK(first_difference(batch, 4, alone[4]) == 0U);
  CHECK(differing_sequences(batch, drawn, alone) == 1);
  value = before;

  std::int32_t& node = batch.trace.layers[2].paths(batch.first_row[0] + 23, 9);
  ++node;
  CHECK(first_difference(batch, 0, alone[0]) == 23U);
  --node;
  CHECK(differing_sequences(batch, drawn, alone) == 0);
}
