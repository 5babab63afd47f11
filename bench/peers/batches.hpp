// SPDX-License-Identifier: MIT
//
// Sequences that encoders are given, and the calls in which a peer that has to pad takes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "peers.hpp"
#include "ultrafastbert/core/token.hpp"

namespace ufb_bench {

/// Sequences of some lengths, in several variants that differ in their ids alone.
struct sequence_set {
  static constexpr std::size_t variants = 4;

  std::string name{};
  std::vector<ultrafastbert::token_id> ids{};  ///< (variants * tokens)
  std::vector<std::size_t> offsets{0};         ///< (sequences + 1)

  [[nodiscard]] std::size_t sequences() const { return offsets.size() - 1; }
  [[nodiscard]] std::size_t tokens() const { return offsets.back(); }
  [[nodiscard]] std::size_t length(std::size_t sequence) const { return offsets[sequence + 1] - offsets[sequence]; }
  /// Whether a peer that takes all of them at once has to pad.
  [[nodiscard]] bool ragged() const;
  [[nodiscard]] std::span<const ultrafastbert::token_id> variant(std::size_t index) const {
    return std::span(ids).subspan(index * tokens(), tokens());
  }
};

/// "8x128" is 8 sequences of 128 tokens, "mixed" 64 sequences of 5 to 128 tokens, all lengths alike.
/// Throws: std::runtime_error for other words, and for sequences that are too long.
[[nodiscard]] sequence_set make_sequences(const std::string& name, const peer_sizes& sizes);

/// How a peer takes sequences.
enum class call_style : std::uint8_t {
  at_once,        ///< all in one call, filled up to the longest
  sorted_eights,  ///< by length, eight in a call
  one_by_one,     ///< each in a call of its own, so that nothing is padded
};

/// Sequences that are filled up to the longest of them.
struct padded_call {
  std::vector<std::size_t> sequences{};
  std::size_t length = 0;
};

[[nodiscard]] std::vector<padded_call> plan_calls(const sequence_set& set, call_style style);

/// Ids and mask of all calls of all variants, as workers read them.
struct padded_inputs {
  std::vector<std::int64_t> ids{};
  std::vector<std::int64_t> mask{};
};

[[nodiscard]] padded_inputs pad(const sequence_set& set, const std::vector<padded_call>& calls);

}  // namespace ufb_bench
