// SPDX-License-Identifier: MIT
//
// The calls in which a peer that has to pad takes sequences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../sequences.hpp"

namespace ufb_bench {

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
