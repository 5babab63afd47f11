// SPDX-License-Identifier: MIT
//
// Small random encoders, runs of them with everything recorded, and a straightforward stack of references beside them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/noted_source.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"
#include "support/reference_forms.hpp"
#include "ultrafastbert/encoder/encoder.hpp"

namespace ufb_test {

namespace ufb = ultrafastbert;

inline const std::string encoder_prefix = "encoder.";
inline const std::string word_name = "encoder.embedding.word_embedding.weight";

[[nodiscard]] inline ufb::encoder_config small_config(bool fast) {
  ufb::encoder_config config{.vocabulary_size = 37,
                             .hidden_size = 16,
                             .layers = 2,
                             .heads = 4,
                             .max_sequence_length = 24,
                             .feedforward = ufb::dense_feedforward_config{.intermediate_size = 20}};
  if (fast) config.feedforward = ufb::fast_feedforward_config{.depth = 3, .parallel_size = 2};
  return config;
}

/// An encoder and the source that it came from.
template <class Scalar, class Backend>
struct encoder_problem {
  using encoder_type = ufb::encoder<Scalar, Backend>;

  encoder_problem(const ufb::encoder_config& model_config, std::uint64_t seed, const ufb::encoder_choices& choices = {})
      : config(model_config),
        source(random_source(list(model_config), seed)),
        model(encoder_type::load(source, encoder_prefix, word_name, config, choices)) {}

  [[nodiscard]] static tensor_list list(const ufb::encoder_config& model_config) {
    tensor_list out;
    encoder_type::for_each_tensor(encoder_prefix, word_name, model_config,
                                  [&out](const std::string& name, const tensor_shape& shape) {
                                    if (!out.emplace(name, shape).second) FAIL_CHECK("reported twice: " << name);
                                  });
    return out;
  }

  ufb::encoder_config config;
  noted_source source;
  encoder_type model;
};

/// Sequences one behind another, and their mask if they have one.
struct token_batch {
  std::vector<std::int32_t> ids{};
  std::vector<std::size_t> offsets{0};
  std::vector<std::size_t> lengths{};  // none: no room behind tokens
  guarded_matrix<float> mask = guarded_matrix<float>(0, 0);
  guarded_matrix<float> query_mask = guarded_matrix<float>(0, 0);

  void append(const std::vector<std::int32_t>& sequence) {
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    offsets.push_back(ids.size());
  }
  [[nodiscard]] ufb::sequence_batch view() const {
    return {.offsets = offsets,
            .lengths = lengths,
            .mask = mask.rows() == 0 ? ufb::matrix_view<const float>() : mask.view(),
            .query_mask = query_mask.rows() == 0 ? ufb::matrix_view<const float>() : query_mask.view()};
  }
};

[[nodiscard]] inline std::vector<std::int32_t> random_ids(std::size_t count, random_numbers& random) {
  std::vector<std::int32_t> ids(count);
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.size(0, 36));
  return ids;
}

/// Sequences of lengths 1 to 24, the longest first and a single token second.
[[nodiscard]] inline std::vector<std::vector<std::int32_t>> random_sequences(std::size_t count,
                                                                             random_numbers& random) {
  std::vector<std::vector<std::int32_t>> out;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(random_ids(i == 0 ? 24 : i == 1 ? 1 : random.size(1, 24), random));
  }
  return out;
}

[[nodiscard]] inline token_batch joined(const std::vector<std::vector<std::int32_t>>& sequences) {
  token_batch batch;
  for (const auto& sequence : sequences) batch.append(sequence);
  return batch;
}

/// The same sequences filled up to equal length by an id, with a mask that is 0 there.
[[nodiscard]] inline token_batch padded(const std::vector<std::vector<std::int32_t>>& sequences, std::size_t length,
                                        std::int32_t id) {
  token_batch batch;
  batch.mask = guarded_matrix<float>(sequences.size(), length);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    auto sequence = sequences[i];
    for (std::size_t s = 0; s < length; ++s) batch.mask(i, s) = s < sequence.size() ? 1.0F : 0.0F;
    sequence.resize(length, id);
    batch.append(sequence);
  }
  return batch;
}

/// States and everything recorded on the way.
template <class Scalar>
struct encoder_run {
  guarded_matrix<Scalar> states;
  ufb::encoder_trace<Scalar> trace{};
};

template <class Scalar, class Backend>
encoder_run<Scalar> run(const encoder_problem<Scalar, Backend>& problem, const token_batch& batch,
                        ufb::workspace& scratch) {
  encoder_run<Scalar> out{.states = guarded_matrix<Scalar>(batch.ids.size(), problem.config.hidden_size, 3)};
  out.trace.states = true;
  problem.model.forward(batch.ids, batch.view(), out.states.view(), scratch, &out.trace);
  CHECK(out.states.surroundings_intact());
  return out;
}

/// Final states alone, with nothing recorded, so that passes and threads are as a caller's.
template <class Scalar, class Backend>
guarded_matrix<Scalar> states_of(const ufb::encoder<Scalar, Backend>& model, const token_batch& batch,
                                 ufb::workspace& scratch, ufb::executor_ref threads = {}) {
  guarded_matrix<Scalar> states(batch.ids.size(), model.config().hidden_size, 3);
  model.forward(batch.ids, batch.view(), states.view(), scratch, threads);
  CHECK(states.surroundings_intact());
  return states;
}

/// What a block gives according to the reference.
struct reference_block {
  reference::table norm1{};
  reference::table attn{};
  reference::table norm2{};
  reference::table ffn{};
  reference::table output{};
};

/// What an encoder gives according to the reference.
struct reference_run {
  reference::table embedding{};
  std::vector<reference_block> layers{};
  reference::table states{};
  std::size_t wrong_turns = 0;
  std::size_t contested = 0;
};

/// Where the reference of a step starts: from what the encoder recorded, so that bounds stay those of one step, or from
/// the step before, so that nothing of the encoder's is trusted.
enum class start : std::uint8_t { recorded, computed };

/// The position table of an encoder, without rows where there are no positions.
[[nodiscard]] inline reference::exact position_table(const ufb::encoder_config& config, const noted_source& source) {
  const std::string name = "encoder.embedding.pos_embedding.";
  if (config.positions == ufb::position_kind::none) return {};
  if (config.positions == ufb::position_kind::learned) return reference::exact_of(source.at(name + "embedding.weight"));
  const bool scaled = config.positions == ufb::position_kind::scaled_sinusoidal;
  return reference::arithmetic::positions(scaled ? source.at(name + "scale_factor").values[0] : 1.0F,
                                          config.max_sequence_length, config.hidden_size);
}

/// The whole stack, in bounds of Scalar's arithmetic, along the paths that the run recorded.
template <class Scalar>
[[nodiscard]] reference_run expected_of(const ufb::encoder_config& config, const noted_source& source,
                                        const token_batch& batch, const ufb::encoder_trace<Scalar>& trace, start from) {
  const auto arithmetic = reference::arithmetic::of<Scalar>();
  const auto weight = [&](const std::string& name) { return reference::exact_of(source.at(encoder_prefix + name)); };
  const auto bias_of = [&](const std::string& name, bool has) {
    return has ? weight(name).cells : std::vector<double>();
  };
  const auto norm = [&](const reference::table& x, const std::string& name) {
    return reference::norm_of<Scalar>(config.norm, x, source, encoder_prefix + name + '.', config.norm_epsilon);
  };
  const auto next = [&](const reference::table& computed, const ufb::matrix<Scalar>& recorded) {
    return from == start::computed ? computed : reference::table_of(reference::exact_of(recorded.view()));
  };
  auto mask = batch.mask.rows() == 0 ? reference::exact() : reference::exact_of(batch.mask.view());
  if (config.causal && batch.mask.rows() != 0) mask = reference::causal(mask, batch.offsets);
  if (batch.query_mask.rows() != 0) mask = reference::exact_of(batch.query_mask.view());
  reference_run out;
  out.embedding = reference::placed_words<Scalar>(batch.ids, batch.offsets, reference::exact_of(source.at(word_name)),
                                                  position_table(config, source));
  if (config.embedding_norm) out.embedding = norm(out.embedding, "embedding.norm");
  reference::table x = next(out.embedding, trace.embedding);
  for (std::size_t i = 0; i < config.layers; ++i) {
    const std::string name = "layers." + std::to_string(i) + '.';
    const auto& recorded = trace.layers.at(i);
    reference_block block;
    block.norm1 = norm(x, name + "norm1");
    block.attn = arithmetic.attention(
        next(block.norm1, recorded.norm1), weight(name + "attn.self_attention.query_key_value.weight"),
        config.output_projection ? weight(name + "attn.dense.weight") : reference::exact(), config.heads,
        weight(name + "attn.self_attention.norm_factor").cells[0], batch.offsets, mask,
        bias_of(name + "attn.self_attention.query_key_value.bias", config.query_key_value_bias),
        bias_of(name + "attn.dense.bias", config.output_bias));
    x = arithmetic.add(x, next(block.attn, recorded.attn));
    block.norm2 = norm(x, name + "norm2");
    const reference::table ffn_input = next(block.norm2, recorded.norm2);
    if (const auto* fast = std::get_if<ufb::fast_feedforward_config>(&config.feedforward)) {
      reference::grid<std::int32_t> path(recorded.paths.rows(), recorded.paths.cols());
      for (std::size_t t = 0; t < path.rows; ++t) std::copy_n(recorded.paths.row(t), path.cols, &path(t, 0));
      auto result = arithmetic.fff(ffn_input,
                                   reference::fff_of(source, encoder_prefix + name + "ffn.", fast->depth,
                                                     fast->parallel_size, config.activation),
                                   path);
      out.wrong_turns += result.wrong_turns;
      out.contested += result.contested;
      block.ffn = std::move(result.y);
    } else {
      const auto& dense = std::get<ufb::dense_feedforward_config>(config.feedforward);
      block.ffn =
          reference::feedforward<Scalar>(ffn_input, {.dense_in = weight(name + "ffn.dense_in.weight"),
                                                     .bias_in = bias_of(name + "ffn.dense_in.bias", dense.bias),
                                                     .dense_out = weight(name + "ffn.dense_out.weight"),
                                                     .bias_out = bias_of(name + "ffn.dense_out.bias", dense.bias),
                                                     .activation = config.activation,
                                                     .gated = dense.gated});
    }
    x = arithmetic.add(x, next(block.ffn, recorded.ffn));
    block.output = x;
    x = next(x, recorded.output);
    out.layers.push_back(std::move(block));
  }
  out.states = config.final_norm ? norm(x, "final_norm") : x;
  return out;
}

/// The worst comparison of everything recorded; at most 1 is right.
template <class Scalar>
[[nodiscard]] double worst_of(const encoder_run<Scalar>& got, const reference_run& expected) {
  double worst = std::max(reference::worst_ratio(got.states.view(), expected.states),
                          reference::worst_ratio(got.trace.embedding.view(), expected.embedding));
  for (std::size_t i = 0; i < expected.layers.size(); ++i) {
    const auto& block = got.trace.layers.at(i);
    const auto& should_be = expected.layers[i];
    worst = std::max({worst, reference::worst_ratio(block.norm1.view(), should_be.norm1),
                      reference::worst_ratio(block.attn.view(), should_be.attn),
                      reference::worst_ratio(block.norm2.view(), should_be.norm2),
                      reference::worst_ratio(block.ffn.view(), should_be.ffn),
                      reference::worst_ratio(block.output.view(), should_be.output)});
  }
  return worst;
}

/// The largest bound of everything that is compared.
[[nodiscard]] inline double largest_error(const reference_run& expected) {
  double largest = std::max(reference::largest_error(expected.states), reference::largest_error(expected.embedding));
  for (const auto& block : expected.layers) {
    for (const auto* values : {&block.norm1, &block.attn, &block.norm2, &block.ffn, &block.output}) {
      largest = std::max(largest, reference::largest_error(*values));
    }
  }
  return largest;
}

/// A run's rows in another order or a part of them.
template <class Scalar>
[[nodiscard]] encoder_run<Scalar> select(const encoder_run<Scalar>& from, const std::vector<std::size_t>& rows) {
  const auto pick = [&rows](const auto& matrix) {
    std::remove_cvref_t<decltype(matrix)> out({matrix.rows() == 0 ? 0 : rows.size(), matrix.cols()});
    for (std::size_t r = 0; r < out.rows(); ++r) std::copy_n(matrix.row(rows[r]), matrix.cols(), out.row(r));
    return out;
  };
  encoder_run<Scalar> out{.states = guarded_matrix<Scalar>(rows.size(), from.states.cols())};
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::copy_n(from.states.row(rows[r]), from.states.cols(), out.states.row(r));
  }
  out.trace.embedding = pick(from.trace.embedding);
  for (const auto& block : from.trace.layers) {
    out.trace.layers.push_back({.norm1 = pick(block.norm1),
                                .attn = pick(block.attn),
                                .norm2 = pick(block.norm2),
                                .ffn = pick(block.ffn),
                                .output = pick(block.output),
                                .paths = pick(block.paths)});
  }
  return out;
}

/// Rows [first, first + count) of both matrices hold the same bytes.
template <class Scalar>
bool same_rows(const guarded_matrix<Scalar>& a, std::size_t a_first, const guarded_matrix<Scalar>& b,
               std::size_t b_first, std::size_t count) {
  for (std::size_t r = 0; r < count; ++r) {
    if (std::memcmp(a.row(a_first + r), b.row(b_first + r), a.cols() * sizeof(Scalar)) != 0) return false;
  }
  return true;
}

/// Both matrices hold the same bytes.
template <class Scalar>
bool same_bits(const guarded_matrix<Scalar>& a, const guarded_matrix<Scalar>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() && same_rows(a, 0, b, 0, a.rows());
}

}  // namespace ufb_test
