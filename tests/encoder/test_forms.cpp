// SPDX-License-Identifier: MIT
//
// Every part that a configuration may add, leave out or exchange, against the references; and which tensors it needs.
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "encoder/support.hpp"
#include "support/backends.hpp"

using namespace ufb_test;

namespace {

ufb::encoder_config gated_form() {
  auto config = small_config(false);
  config.feedforward = ufb::dense_feedforward_config{.intermediate_size = 18, .bias = true, .gated = true};
  config.activation = ufb::activation_kind::silu;
  config.positions = ufb::position_kind::learned;
  config.query_key_value_bias = true;
  config.output_bias = true;
  config.final_norm = false;
  return config;
}

ufb::encoder_config rms_form() {
  auto config = small_config(true);
  config.norm = ufb::norm_kind::rms_norm;
  config.norm_epsilon = 1e-5;
  config.positions = ufb::position_kind::sinusoidal;
  config.embedding_norm = false;
  config.query_key_value_bias = true;
  return config;
}

ufb::encoder_config scale_form() {
  auto config = small_config(false);
  config.norm = ufb::norm_kind::scale_norm;
  config.positions = ufb::position_kind::none;
  config.output_projection = false;
  config.causal = true;
  return config;
}

std::vector<ufb::encoder_config> forms() { return {gated_form(), rms_form(), scale_form()}; }

token_batch with_query_mask(const std::vector<std::vector<std::int32_t>>& sequences, random_numbers& random) {
  token_batch batch = joined(sequences);
  batch.query_mask = guarded_matrix<float>(batch.ids.size(), 26, 1);
  for (std::size_t t = 0; t < batch.ids.size(); ++t) {
    for (std::size_t key = 0; key < 26; ++key) {
      batch.query_mask(t, key) = key == 0 ? 1.0F : random.pick({1.0F, 0.0F, 0.9999F});
    }
  }
  return batch;
}

tensor_list list_of(const ufb::encoder_config& config) {
  return encoder_problem<float, ufb::plain_backend>::list(config);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Every step of every form follows the reference", "[encoder]", every_backend) {
  using Scalar = typename TestType::scalar;
  ufb::workspace scratch;
  random_numbers random(151);
  for (std::uint64_t round = 0; round < 6; ++round) {
    const auto all = forms();
    for (std::size_t i = 0; i < all.size(); ++i) {
      INFO("form " << i << ", round " << round);
      const encoder_problem<Scalar, typename TestType::backend> problem(all[i], 152 + round);
      const auto sequences = random_sequences(4, random);
      const auto batch = round % 3 == 0   ? joined(sequences)
                         : round % 3 == 1 ? padded(sequences, 24, 3)
                                          : with_query_mask(sequences, random);
      const auto got = run(problem, batch, scratch);
      const auto expected = expected_of(all[i], problem.source, batch, got.trace, start::recorded);
      CHECK(expected.wrong_turns == 0);
      CHECK(worst_of(got, expected) <= 1);
      CHECK(problem.source.unread().empty());
      if (round % 3 == 0) {
        CHECK(largest_error(expected) < 1e4 * static_cast<double>(std::numeric_limits<Scalar>::epsilon()));
      }
    }
  }
}

TEST_CASE("A causal encoder without a mask attends in both directions", "[encoder]") {
  auto config = small_config(true);
  const encoder_problem<double, ufb::plain_backend> plain(config, 161);
  config.causal = true;
  const encoder_problem<double, ufb::plain_backend> causal(config, 161);
  random_numbers random(162);
  const auto sequences = random_sequences(3, random);
  ufb::workspace scratch;
  const auto open = joined(sequences);
  CHECK(same_rows(run(plain, open, scratch).states, 0, run(causal, open, scratch).states, 0, open.ids.size()));
  const auto masked = padded(sequences, 24, 0);
  CHECK_FALSE(same_rows(run(plain, masked, scratch).states, 0, run(causal, masked, scratch).states, 0, 20));
}

TEST_CASE("In a causal encoder a later token changes no earlier one", "[encoder]") {
  auto config = small_config(true);
  config.causal = true;
  const encoder_problem<float, ufb::plain_backend> problem(config, 163);
  random_numbers random(164);
  auto batch = padded({random_ids(20, random)}, 20, 0);
  ufb::workspace scratch;
  const auto before = run(problem, batch, scratch);
  batch.ids[12] = (batch.ids[12] + 1) % 37;
  const auto after = run(problem, batch, scratch);
  CHECK(same_rows(before.states, 0, after.states, 0, 12));
  CHECK_FALSE(same_rows(before.states, 12, after.states, 12, 8));
}

TEST_CASE("Each form needs its own tensors", "[encoder]") {
  const auto has = [](const tensor_list& list, const std::string& name) { return list.count("encoder." + name) != 0; };
  const auto gated = list_of(gated_form());
  CHECK(gated.at("encoder.embedding.pos_embedding.embedding.weight") == tensor_shape{24, 16});
  CHECK(gated.at("encoder.layers.1.ffn.dense_in.weight") == tensor_shape{18, 16});
  CHECK(gated.at("encoder.layers.1.ffn.dense_in.bias") == tensor_shape{18});
  CHECK(gated.at("encoder.layers.1.ffn.dense_out.weight") == tensor_shape{16, 9});
  CHECK(gated.at("encoder.layers.1.ffn.dense_out.bias") == tensor_shape{16});
  CHECK(gated.at("encoder.layers.0.attn.self_attention.query_key_value.bias") == tensor_shape{48});
  CHECK(gated.at("encoder.layers.0.attn.dense.bias") == tensor_shape{16});
  CHECK_FALSE(has(gated, "final_norm.weight"));
  const auto rms = list_of(rms_form());
  CHECK(rms.at("encoder.final_norm.learnable_scale") == tensor_shape{16});
  CHECK_FALSE(has(rms, "embedding.norm.learnable_scale"));
  CHECK_FALSE(has(rms, "embedding.pos_embedding.scale_factor"));
  CHECK_FALSE(has(rms, "layers.0.attn.dense.bias"));
  const auto scale = list_of(scale_form());
  CHECK(scale.at("encoder.layers.0.norm1.learnable_scale") == tensor_shape{});
  CHECK(scale.at("encoder.embedding.norm.learnable_scale") == tensor_shape{});
  CHECK_FALSE(has(scale, "layers.0.attn.dense.weight"));
  for (const auto& config : forms()) {
    const auto list = list_of(config);
    for (const auto& [name, shape] : list) {
      auto source = random_source(list, 165);
      source.remove(name);
      CHECK(error_text_of([&] {
              (void)ufb::encoder<float, ufb::plain_backend>::load(source, encoder_prefix, word_name, config);
            }) == "missing_tensor: " + name + ": : ");
    }
  }
}

TEST_CASE("Rotary tables that compute nothing still limit the length", "[encoder]") {
  auto config = small_config(true);
  config.longest_sequence = 5;
  const encoder_problem<float, ufb::plain_backend> problem(config, 166);
  ufb::workspace scratch;
  guarded_matrix<float> states(6, 16);
  const auto forward = [&](std::size_t length) {
    const std::vector<std::int32_t> ids(length, 1);
    const std::vector<std::size_t> offsets{0, length};
    return error_text_of(
        [&] { problem.model.forward(ids, {.offsets = offsets}, states.view().rows_from(0, length), scratch); });
  };
  CHECK(forward(6) == "invalid_input: sequence 0: at most 5 tokens: 6");
  CHECK(states.untouched());
  CHECK(forward(5) == "none");
}

TEST_CASE("A longest sequence beyond the positions changes nothing", "[encoder]") {
  auto config = small_config(true);
  config.longest_sequence = 10 * config.max_sequence_length;
  const encoder_problem<float, ufb::plain_backend> problem(config, 167);
  CHECK(problem.model.embedding_layer().max_sequence_length() == config.max_sequence_length);
}

TEST_CASE("Sinusoidal positions of an odd width are refused", "[encoder]") {
  for (const auto kind : {ufb::position_kind::sinusoidal, ufb::position_kind::scaled_sinusoidal}) {
    auto config = small_config(false);
    config.hidden_size = 15;
    config.heads = 3;
    config.positions = kind;
    CHECK(error_text_of([&] { (void)encoder_problem<float, ufb::plain_backend>(config, 167); }) ==
          "invalid_input: width: an even width for sinusoidal positions: 15");
  }
}
