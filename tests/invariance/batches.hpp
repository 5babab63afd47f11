// SPDX-License-Identifier: MIT
//
// Sequences alone and in random company: what `ufb_invariance` runs and how it compares.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "invariance/tie_bomb.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/layers/sequences.hpp"
#include "ultrafastbert/model/texts/padded_batch.hpp"

namespace ufb_test {

/// Memory that begins a number of elements behind a 64-byte boundary.
template <class T>
class shifted_buffer {
 public:
  shifted_buffer() = default;
  shifted_buffer(std::size_t size, std::size_t shift) : memory_(size + shift), shift_(shift) {}

  [[nodiscard]] std::span<T> span() { return memory_.span().subspan(shift_); }
  [[nodiscard]] std::span<const T> span() const { return memory_.span().subspan(shift_); }

 private:
  ufb::aligned_buffer<T> memory_{};
  std::size_t shift_ = 0;
};

/// Final states of a batch, and its paths if they were traced.
struct batch_result {
  shifted_buffer<float> memory{};
  ufb::matrix_view<float> states{};
  std::vector<std::size_t> first_row{};     // of each sequence
  std::vector<std::size_t> first_traced{};  // the same in the trace, which has the computed rows alone
  ufb::encoder_trace<float> trace{};        // without layers if there is none
};

/// How a batch is computed.
struct batch_choices {
  bool traced = false;
  bool padding_states = false;  ///< of a padded batch: computed or left out
  std::size_t shift = 0;        ///< of all buffers. Units: elements.
};

/// Sequences of the pool, by number, in the order of the batch.
using company = std::vector<std::size_t>;

/// Sequences of random ids, the longest first, a single token second.
[[nodiscard]] inline std::vector<token_sequence> random_pool(const ufb::encoder_config& config, std::size_t count,
                                                             std::size_t longest, random_numbers& random) {
  std::vector<token_sequence> pool;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t length = i == 0 ? longest : i == 1 ? 1 : random.size(1, random.size(1, longest));
    token_sequence ids(length);
    for (auto& id : ids) id = static_cast<ufb::token_id>(random.size(0, config.embedding.vocabulary_size - 1));
    pool.push_back(std::move(ids));
  }
  return pool;
}

/// 1 to 64 sequences in any order, each as often as it comes.
[[nodiscard]] inline company random_company(std::size_t pool, random_numbers& random) {
  company drawn(random.size(1, random.size(1, 64)));
  for (std::size_t& number : drawn) number = random.size(0, pool - 1);
  return drawn;
}

/// The sequences one behind another.
template <class Encoder>
batch_result run_ragged(const Encoder& encoder, const std::vector<token_sequence>& pool, const company& drawn,
                        const batch_choices& choices, ufb::executor_ref threads, ufb::workspace& scratch) {
  std::vector<std::size_t> offsets{0};
  for (const std::size_t number : drawn) offsets.push_back(offsets.back() + pool[number].size());
  shifted_buffer<ufb::token_id> ids(offsets.back(), choices.shift);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    std::copy(pool[drawn[i]].begin(), pool[drawn[i]].end(), &ids.span()[offsets[i]]);
  }
  const std::size_t width = encoder.config().hidden_size();
  batch_result result{.memory = {offsets.back() * width, choices.shift}, .first_row = offsets, .first_traced = offsets};
  result.states = {result.memory.span().data(), {offsets.back(), width}};
  const auto mask = mask_of_ones(encoder.config(), offsets);
  ufb::sequence_batch batch{.offsets = offsets};
  if (encoder.config().block.attention.causal) batch.mask = mask.view();
  encoder.forward(ids.span(), batch, result.states, scratch, choices.traced ? &result.trace : nullptr, threads);
  return result;
}

/// Sequences filled up on the right to the length of the longest with ids of all kinds, and a mask.
struct filled_batch {
  std::size_t length = 0;
  shifted_buffer<ufb::token_id> ids{};
  shifted_buffer<float> mask{};
};

[[nodiscard]] inline filled_batch fill_up(const std::vector<token_sequence>& pool, const company& drawn,
                                          std::size_t shift) {
  filled_batch out;
  for (const std::size_t number : drawn) out.length = std::max(out.length, pool[number].size());
  out.ids = {drawn.size() * out.length, shift};
  out.mask = {drawn.size() * out.length, shift};
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const token_sequence& from = pool[drawn[i]];
    for (std::size_t s = 0; s < out.length; ++s) {
      const bool real = s < from.size();
      out.ids.span()[i * out.length + s] = from[real ? s : (s + i) % from.size()];
      out.mask.span()[i * out.length + s] = real ? 1.0F : 0.0F;
    }
  }
  return out;
}

/// Whether scores of such a batch are so large, or none, that a mask of 0 does not hide its padding.
template <class Encoder>
[[nodiscard]] bool padding_counts(const Encoder& encoder, const std::vector<token_sequence>& pool,
                                  const company& drawn) {
  const filled_batch filled = fill_up(pool, drawn, 0);
  std::vector<std::size_t> offsets;
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i <= drawn.size(); ++i) offsets.push_back(i * filled.length);
  for (const std::size_t number : drawn) lengths.push_back(pool[number].size());
  std::atomic<bool> counts{false};
  ufb::sequence_batch batch{.offsets = offsets};
  batch.mask = {filled.mask.span().data(), {drawn.size(), filled.length}};
  batch.lengths = lengths;
  batch.padding_counts = &counts;
  ufb::matrix<float> states({offsets.back(), encoder.config().hidden_size()});
  ufb::workspace scratch;
  encoder.forward(filled.ids.span(), batch, states.view(), scratch);
  return counts.load();
}

/// The sequences in a padded batch.
template <class Encoder>
batch_result run_padded(const Encoder& encoder, const std::vector<token_sequence>& pool, const company& drawn,
                        const batch_choices& choices, ufb::executor_ref threads, ufb::workspace& scratch) {
  const filled_batch filled = fill_up(pool, drawn, choices.shift);
  const std::size_t length = filled.length;
  const std::size_t rows = drawn.size() * length;
  const std::size_t width = encoder.config().hidden_size();
  batch_result result{.memory = {rows * width, choices.shift}};
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    result.first_row.push_back(i * length);
    result.first_traced.push_back(choices.padding_states ? i * length : tokens);
    tokens += pool[drawn[i]].size();
  }
  result.states = {result.memory.span().data(), {rows, width}};
  ufb::encoder_trace<float>* const trace = choices.traced ? &result.trace : nullptr;
  ufb::models::encode_padded(encoder, {filled.ids.span().data(), {drawn.size(), length}},
                             {filled.mask.span().data(), {drawn.size(), length}}, result.states, scratch,
                             {.padding_states = choices.padding_states}, trace, threads);
  return result;
}

/// Every sequence of the pool alone, traced, on one thread.
template <class Encoder>
std::vector<batch_result> run_alone(const Encoder& encoder, const std::vector<token_sequence>& pool) {
  std::vector<batch_result> alone;
  ufb::workspace scratch;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    alone.push_back(run_ragged(encoder, pool, {i}, {.traced = true}, {}, scratch));
  }
  return alone;
}

/// The first token of sequence `i` of a batch whose state, or path in any layer if both runs were traced, has other
/// bits than alone. Of NaN neither the sign nor the payload counts.
[[nodiscard]] inline std::optional<std::size_t> first_difference(const batch_result& batch, std::size_t i,
                                                                 const batch_result& alone) {
  const auto differ = [](const auto& a, std::size_t a_row, const auto& b, std::size_t b_row) {
    const auto* const x = a.row(a_row);
    return !std::equal(x, x + a.cols(), b.row(b_row), [](auto one, auto other) {
      if constexpr (std::is_floating_point_v<decltype(one)>) {
        if (std::isnan(one) && std::isnan(other)) return true;
      }
      return std::memcmp(&one, &other, sizeof(one)) == 0;
    });
  };
  for (std::size_t t = 0; t < alone.states.rows(); ++t) {
    if (differ(alone.states, t, batch.states, batch.first_row[i] + t)) return t;
    for (std::size_t layer = 0; layer < batch.trace.layers.size(); ++layer) {
      const auto& path = alone.trace.layers.at(layer).paths;
      if (path.cols() != 0 && differ(path, t, batch.trace.layers[layer].paths, batch.first_traced[i] + t)) {
        return t;
      }
    }
  }
  return std::nullopt;
}

}  // namespace ufb_test
