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
#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/encoder/encoder.hpp"

using namespace ufb_test;

namespace {

using encoder_type = ufb::encoder<float, ufb::kernel_backend>;

const encoder_names names{.prefix = "encoder.", .words = "words", .stored_name = {}};

// A small encoder whose biases are a tie bomb's.
struct bombed_encoder {
  explicit bombed_encoder(bool causal = false) {
    config.block.attention.causal = causal;
    encoder_type empty(config);
    weights = random_source(parameters_of(empty, names.prefix, names.words), 71);
    random_numbers random(72);
    pool = random_pool(config, 12, 24, random);
    ties = plant_tie_bomb<ufb::kernel_backend>(source, names, config, {}, pool);
  }
  bombed_encoder(const bombed_encoder&) = delete;
  bombed_encoder& operator=(const bombed_encoder&) = delete;
  ~bombed_encoder() = default;

  [[nodiscard]] encoder_type load(ufb::isa_level isa) const {
    return load_encoder<encoder_type>(source, names, config, {.isa = isa});
  }

  ufb::norm_shape norm{.width = 48};
  ufb::encoder_config config{
      .embedding = {.vocabulary_size = 37, .width = 48, .max_sequence_length = 24, .norm = norm},
      .layers = 3,
      .block = {.attention = {.width = 48, .heads = 4},
                .norm = norm,
                .feedforward =
                    ufb::fast_feedforward_shape{.input_width = 48, .output_width = 48, .depth = 4, .parallel_size = 2}},
      .final_norm = norm};
  noted_source weights{};
  replacing_source source{weights};
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
  const auto number = bomb.source.find("encoder.layers.1.ffn.linear_in.bias");
  REQUIRE(number);
  bomb.source.read(*number, 0, std::span<float>(bias));
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
