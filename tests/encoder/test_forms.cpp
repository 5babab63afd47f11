// SPDX-License-Identifier: MIT
//
// Every part that a configuration may add, leave out or exchange, against the references; and which tensors it needs.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "encoder/reference_stack.hpp"
#include "encoder/support.hpp"
#include "support/backends.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;

namespace {

ufb::encoder_config gated_form() {
  auto config = small_config(false);
  config.block.feedforward = ufb::feedforward_shape{
      .width = 16, .intermediate = 18, .bias = true, .gated = true, .activation = ufb::activation_kind::silu};
  config.embedding.positions = ufb::position_kind::learned;
  config.block.attention.query_key_value_bias = true;
  config.block.attention.output_bias = true;
  config.final_norm.reset();
  return config;
}

ufb::encoder_config rms_form() {
  auto config = small_config(true);
  config.embedding.norm.reset();
  set_norms(config, ufb::norm_kind::rms_norm, 1e-5);
  config.embedding.positions = ufb::position_kind::sinusoidal;
  config.block.attention.query_key_value_bias = true;
  return config;
}

ufb::encoder_config scale_form() {
  auto config = small_config(false);
  set_norms(config, ufb::norm_kind::scale_norm);
  config.embedding.positions = ufb::position_kind::none;
  config.block.attention.output_projection = false;
  config.block.attention.causal = true;
  return config;
}

// Norms behind the sub-blocks, token types, and queries, keys and values apart, as classic BERT has them.
ufb::encoder_config post_norm_form(bool fast) {
  auto config = small_config(fast);
  config.block.placement = ufb::norm_placement::after;
  config.block.attention.layout = ufb::attention_layout::separate;
  config.block.attention.query_key_value_bias = true;
  config.block.attention.output_bias = true;
  config.block.attention.norm_factor = 0.5;
  config.embedding.positions = ufb::position_kind::learned;
  config.embedding.token_types = 3;
  config.final_norm.reset();
  return config;
}

std::vector<ufb::encoder_config> forms() {
  auto bare_post_norm = post_norm_form(true);
  set_norms(bare_post_norm, ufb::norm_kind::rms_norm, 1e-6);
  bare_post_norm.block.attention.output_projection = false;
  bare_post_norm.block.attention.output_bias = false;
  bare_post_norm.block.attention.norm_factor = 0;  // the checkpoint's
  return {gated_form(), rms_form(), scale_form(), post_norm_form(true), post_norm_form(false), bare_post_norm};
}

// Types and positions for every row, positions in any order, where the form has them.
void add_numbers(token_batch& batch, const ufb::encoder_config& config, random_numbers& random) {
  for (std::size_t t = 0; t < batch.ids.size(); ++t) {
    if (config.embedding.token_types != 0) {
      batch.type_ids.push_back(static_cast<std::uint32_t>(random.size(0, config.embedding.token_types - 1)));
    }
    if (config.embedding.positions == ufb::position_kind::none) continue;
    batch.positions.push_back(static_cast<std::uint32_t>(random.size(0, config.embedding.max_sequence_length - 1)));
  }
}

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

TEMPLATE_LIST_TEST_CASE("Every step of every form follows the reference", "[encoder]", every_layer_backend) {
  using Scalar = typename TestType::scalar;
  ufb::workspace scratch;
  random_numbers random(151);
  for (std::uint64_t round = 0; round < 6; ++round) {
    const auto all = forms();
    for (std::size_t i = 0; i < all.size(); ++i) {
      INFO("form " << i << ", round " << round);
      const encoder_problem<Scalar, typename TestType::backend> problem(all[i], 152 + round);
      const auto sequences = random_sequences(4, random);
      auto batch = round % 3 == 0   ? joined(sequences)
                   : round % 3 == 1 ? padded(sequences, 24, 3)
                                    : with_query_mask(sequences, random);
      if (round >= 3) add_numbers(batch, all[i], random);
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
  config.block.attention.causal = true;
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
  config.block.attention.causal = true;
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
  const auto post_norm = list_of(post_norm_form(true));
  CHECK(post_norm.at("encoder.embedding.token_type_embedding.weight") == tensor_shape{3, 16});
  for (const std::string part : {"query", "key", "value"}) {
    CHECK(post_norm.at("encoder.layers.1.attn.self_attention." + part + ".weight") == tensor_shape{16, 16});
    CHECK(post_norm.at("encoder.layers.1.attn.self_attention." + part + ".bias") == tensor_shape{16});
  }
  CHECK_FALSE(has(post_norm, "layers.1.attn.self_attention.query_key_value.weight"));
  CHECK_FALSE(has(post_norm, "layers.1.attn.self_attention.norm_factor"));
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
            }) == missing_text(list, name));
    }
  }
}

TEST_CASE("Rotary tables that compute nothing still limit the length", "[encoder]") {
  auto config = small_config(true);
  config.embedding.longest_sequence = 5;
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
  config.embedding.longest_sequence = 10 * config.embedding.max_sequence_length;
  const encoder_problem<float, ufb::plain_backend> problem(config, 167);
  CHECK(problem.model.embedding_layer().max_sequence_length() == config.embedding.max_sequence_length);
}

TEST_CASE("Sinusoidal positions of an odd width are refused", "[encoder]") {
  for (const auto kind : {ufb::position_kind::sinusoidal, ufb::position_kind::scaled_sinusoidal}) {
    auto config = config_of_width(15, false);
    config.block.attention.heads = 3;
    config.embedding.positions = kind;
    CHECK(error_text_of([&] { (void)encoder_problem<float, ufb::plain_backend>(config, 167); }) ==
          "invalid_input: width: an even width for sinusoidal positions: 15");
  }
}

TEST_CASE("A whole encoder with its norms behind the sub-blocks follows the reference from ids to states",
          "[encoder]") {
  random_numbers random(168);
  ufb::workspace scratch;
  for (const bool fast : {true, false}) {
    const auto config = post_norm_form(fast);
    const encoder_problem<double, ufb::default_backend<double>> problem(config, 169);
    auto batch = joined(random_sequences(4, random));
    add_numbers(batch, config, random);
    const auto got = run(problem, batch, scratch);
    const auto expected = expected_of(config, problem.source, batch, got.trace, start::computed);
    CHECK(expected.wrong_turns == 0);
    CHECK(worst_of(got, expected) <= 1);
    CHECK(largest_error(expected) < 1e-3);
  }
}

TEST_CASE("Queries, keys and values give the same bits from one tensor and from three", "[encoder]") {
  auto config = small_config(true);
  config.block.attention.query_key_value_bias = true;
  const encoder_problem<float, ufb::default_backend<float>> together(config, 170);
  config.block.attention.layout = ufb::attention_layout::separate;
  constexpr std::size_t width = 16;
  constexpr std::size_t head = 4;  // columns of one
  noted_source apart;
  for (const std::string& name : together.source.names()) {
    const auto tensor = together.source.at(name);
    const std::size_t at = name.find("query_key_value.");
    if (at == std::string::npos) {
      apart.add(name, tensor.shape, tensor.values);
      continue;
    }
    const std::size_t cols = tensor.shape.size() == 2 ? width : 1;
    const std::string what = name.substr(at + std::string("query_key_value.").size());
    for (std::size_t part = 0; part < 3; ++part) {
      std::vector<float> values;
      for (std::size_t row = 0; row < width; ++row) {
        const std::size_t from = (3 * (row / head) + part) * head + row % head;
        for (std::size_t k = 0; k < cols; ++k) values.push_back(tensor.values[from * cols + k]);
      }
      const char* const names[] = {"query.", "key.", "value."};
      apart.add(name.substr(0, at) + names[part] + what, cols == 1 ? tensor_shape{width} : tensor_shape{width, width},
                std::move(values));
    }
  }
  const auto model = ufb::encoder<float>::load(apart, encoder_prefix, word_name, config);
  CHECK(apart.unread().empty());
  random_numbers random(171);
  const auto batch = joined(random_sequences(5, random));
  ufb::workspace scratch;
  CHECK(same_bits(states_of(model, batch, scratch), states_of(together.model, batch, scratch)));
}

TEST_CASE("Token types and positions go along when a batch is cut, sorted and dealt out", "[encoder]") {
  const auto config = post_norm_form(true);
  const encoder_problem<float, ufb::default_backend<float>> whole(config, 172);
  const encoder_problem<float, ufb::default_backend<float>> cut(config, 172, {.token_budget = 30});
  random_numbers random(173);
  ufb::workspace scratch;
  ufb::thread_pool pool(2);
  for (const bool equal_lengths : {true, false}) {
    auto batch = joined(equal_lengths ? std::vector(8, random_ids(11, random)) : random_sequences(9, random));
    add_numbers(batch, config, random);
    const auto expected = states_of(whole.model, batch, scratch);
    CHECK(same_bits(states_of(cut.model, batch, scratch), expected));
    CHECK(same_bits(states_of(whole.model, batch, scratch, pool), expected));
    for (std::size_t i = 0; i + 1 < batch.offsets.size(); ++i) {
      token_batch alone;
      const auto part = [&](const auto& all) {
        return std::remove_cvref_t<decltype(all)>(all.begin() + static_cast<std::ptrdiff_t>(batch.offsets[i]),
                                                  all.begin() + static_cast<std::ptrdiff_t>(batch.offsets[i + 1]));
      };
      alone.append(part(batch.ids));
      alone.type_ids = part(batch.type_ids);
      alone.positions = part(batch.positions);
      CHECK(same_rows(states_of(whole.model, alone, scratch), 0, expected, batch.offsets[i], alone.ids.size()));
    }
  }
}

TEST_CASE("Positions 0, 1, 2 ... and the type 0 are what a batch without them has", "[encoder]") {
  const encoder_problem<float, ufb::default_backend<float>> problem(post_norm_form(false), 174);
  random_numbers random(175);
  ufb::workspace scratch;
  auto batch = joined(random_sequences(4, random));
  const auto expected = states_of(problem.model, batch, scratch);
  batch.type_ids.assign(batch.ids.size(), 0);
  for (std::size_t i = 0; i + 1 < batch.offsets.size(); ++i) {
    for (std::size_t t = batch.offsets[i]; t < batch.offsets[i + 1]; ++t) {
      batch.positions.push_back(static_cast<std::uint32_t>(t - batch.offsets[i]));
    }
  }
  CHECK(same_bits(states_of(problem.model, batch, scratch), expected));
  batch.positions[3] = 23;
  CHECK_FALSE(same_bits(states_of(problem.model, batch, scratch), expected));
  batch.positions[3] = 3;
  batch.type_ids[0] = 2;
  CHECK_FALSE(same_bits(states_of(problem.model, batch, scratch), expected));
}

TEST_CASE("Token types and positions that are none are refused, and states stay as they are", "[encoder]") {
  const encoder_problem<float, ufb::default_backend<float>> typed(post_norm_form(false), 176);
  const encoder_problem<float, ufb::default_backend<float>> plain(small_config(false), 177);
  ufb::workspace scratch;
  guarded_matrix<float> states(3, 16);
  token_batch batch;
  batch.append({1, 2, 3});
  const auto text = [&](const auto& problem) {
    return error_text_of([&] { problem.model.forward(batch.ids, batch.view(), states.view(), scratch); });
  };
  batch.type_ids = {0, 3, 0};
  CHECK(text(typed) == "invalid_input: type_ids[1]: 0 to 2: 3");
  batch.type_ids = {0, 0, 1};
  CHECK(text(plain) == "invalid_input: type_ids[2]: 0 to 0: 1");
  batch.type_ids = {0, 0};
  CHECK(text(typed) == "invalid_input: type_ids: 3 numbers, or none: 2");
  batch.type_ids.clear();
  batch.positions = {0, 1, 24};
  CHECK(text(typed) == "invalid_input: positions[2]: 0 to 23: 24");
  batch.positions = {0, 1, 2, 3};
  CHECK(text(typed) == "invalid_input: positions: 3 numbers, or none: 4");
  CHECK(states.untouched());
  batch.positions = {23, 0, 23};
  CHECK(text(typed) == "none");
}
