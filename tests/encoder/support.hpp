// SPDX-License-Identifier: MIT
//
// Small random encoders, batches for them, and runs with everything recorded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/noted_source.hpp"
#include "support/random.hpp"
#include "ultrafastbert/encoder/encoder.hpp"

namespace ufb_test {

namespace ufb = ultrafastbert;

inline const std::string encoder_prefix = "encoder.";
inline const std::string word_name = "encoder.embedding.word_embedding.weight";

/// An encoder of a width, its layers of FFF trees or dense.
[[nodiscard]] inline ufb::encoder_config config_of_width(std::size_t width, bool fast) {
  const ufb::norm_shape norm{.width = width};
  ufb::encoder_config config{
      .embedding = {.vocabulary_size = 37, .width = width, .max_sequence_length = 24, .norm = norm},
      .layers = 2,
      .block = {.attention = {.width = width, .heads = 4}, .norm = norm},
      .final_norm = norm};
  if (fast) {
    config.block.feedforward =
        ufb::fast_feedforward_shape{.input_width = width, .output_width = width, .depth = 3, .parallel_size = 2};
  } else {
    config.block.feedforward = ufb::feedforward_shape{.width = width, .intermediate = 20};
  }
  return config;
}

[[nodiscard]] inline ufb::encoder_config small_config(bool fast) { return config_of_width(16, fast); }

/// Gives every norm of an encoder a kind and a constant.
inline void set_norms(ufb::encoder_config& config, ufb::norm_kind kind, double epsilon = 1e-12) {
  config.block.norm.kind = kind;
  config.block.norm.epsilon = epsilon;
  if (config.embedding.norm) config.embedding.norm = config.block.norm;
  if (config.final_norm) config.final_norm = config.block.norm;
}

inline void set_activation(ufb::encoder_config& config, ufb::activation_kind kind) {
  std::visit([kind](auto& shape) { shape.activation = kind; }, config.block.feedforward);
}

/// An encoder and the source that it came from.
template <class Scalar, class Backend>
struct encoder_problem {
  using encoder_type = ufb::encoder<Scalar, Backend>;

  encoder_problem(const ufb::encoder_config& model_config, std::uint64_t seed, const ufb::encoder_options& options = {})
      : config(model_config),
        source(random_source(list(model_config), seed)),
        model(encoder_type::load(source, encoder_prefix, word_name, config, options)) {}

  [[nodiscard]] static tensor_list list(const ufb::encoder_config& model_config) {
    encoder_type empty(model_config);
    return parameters_of(empty, encoder_prefix, word_name);
  }

  ufb::encoder_config config;
  noted_source source;
  encoder_type model;
};

/// What loading says where a source lacks one of the tensors of `list`.
[[nodiscard]] inline std::string missing_text(const tensor_list& list, const std::string& name) {
  return "missing_tensor: 1 of " + std::to_string(list.size()) +
         " tensors: every tensor that the configuration calls for: " + name + ' ' + ufb::shape_text(list.at(name)) +
         " is missing";
}

/// Sequences one behind another, and their mask, token types and positions if they have some.
struct token_batch {
  std::vector<std::int32_t> ids{};
  std::vector<std::size_t> offsets{0};
  std::vector<std::size_t> lengths{};  // none: no room behind tokens
  guarded_matrix<float> mask = guarded_matrix<float>(0, 0);
  guarded_matrix<float> query_mask = guarded_matrix<float>(0, 0);
  std::vector<std::uint32_t> type_ids{};
  std::vector<std::uint32_t> positions{};

  void append(const std::vector<std::int32_t>& sequence) {
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    offsets.push_back(ids.size());
  }
  [[nodiscard]] ufb::sequence_batch view() const {
    return {.offsets = offsets,
            .lengths = lengths,
            .mask = mask.rows() == 0 ? ufb::matrix_view<const float>() : mask.view(),
            .query_mask = query_mask.rows() == 0 ? ufb::matrix_view<const float>() : query_mask.view(),
            .type_ids = type_ids,
            .positions = positions};
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
  encoder_run<Scalar> out{.states = guarded_matrix<Scalar>(batch.ids.size(), problem.config.hidden_size(), 3)};
  out.trace.states = true;
  problem.model.forward(batch.ids, batch.view(), out.states.view(), scratch, &out.trace);
  CHECK(out.states.surroundings_intact());
  return out;
}

/// Final states alone, with nothing recorded, so that passes and threads are as a caller's.
template <class Scalar, class Backend>
guarded_matrix<Scalar> states_of(const ufb::encoder<Scalar, Backend>& model, const token_batch& batch,
                                 ufb::workspace& scratch, ufb::executor_ref threads = {}) {
  guarded_matrix<Scalar> states(batch.ids.size(), model.config().hidden_size(), 3);
  model.forward(batch.ids, batch.view(), states.view(), scratch, threads);
  CHECK(states.surroundings_intact());
  return states;
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
template <class Matrix>
bool same_rows(const Matrix& a, std::size_t a_first, const Matrix& b, std::size_t b_first, std::size_t count) {
  for (std::size_t r = 0; r < count; ++r) {
    if (std::memcmp(a.row(a_first + r), b.row(b_first + r), a.cols() * sizeof(*a.row(0))) != 0) return false;
  }
  return true;
}

/// Both matrices hold the same bytes.
template <class Scalar>
bool same_bits(const guarded_matrix<Scalar>& a, const guarded_matrix<Scalar>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() && same_rows(a, 0, b, 0, a.rows());
}

}  // namespace ufb_test
