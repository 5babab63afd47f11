// SPDX-License-Identifier: MIT
//
// Sequences of random ids that encoders are given.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

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
  /// Whether not all are of one length, so that whoever takes them at once in rows has to pad.
  [[nodiscard]] bool ragged() const;
  [[nodiscard]] std::span<const ultrafastbert::token_id> variant(std::size_t index) const {
    return std::span(ids).subspan(index * tokens(), tokens());
  }
};

/// "8x128" is 8 sequences of 128 tokens, "mixed" 64 sequences of 5 to 128 tokens, all lengths alike, or fewer where no
/// sequence may be so long. Throws: std::runtime_error for other words, and for sequences that are too long.
[[nodiscard]] sequence_set make_sequences(const std::string& name, std::size_t vocabulary, std::size_t longest);

}  // namespace ufb_bench
