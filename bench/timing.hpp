// SPDX-License-Identifier: MIT
//
// Interleaved timing: all contenders take turns for several rounds in one process, so that what disturbs the machine
// disturbs all of them; medians over the rounds are compared.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace ufb_bench {

/// Something that processes a batch of tokens.
struct contender {
  std::string name{};
  std::function<void()> enter{};                  ///< before a run of calls, not timed; may be empty
  std::function<float(std::size_t first)> run{};  ///< one batch from input row `first` on; a number from its output
  bool spins = false;                             ///< leaves threads turning for a while
  bool may_retire = false;                        ///< sits out once it is clearly not the fastest of its kind
};

struct schedule {
  std::size_t batch = 1;
  std::size_t tokens = 1;  ///< input rows that batches are taken from in turn, at least `batch`
  std::size_t rounds = 5;
  double seconds = 0.02;  ///< of a contender's turn, at least one call
};

/// Microseconds per token over the rounds.
struct timing {
  double median = 0.0;
  double least = 0.0;
  double most = 0.0;
};

/// One timing per contender.
[[nodiscard]] std::vector<timing> measure(const std::vector<contender>& contenders, const schedule& plan);

}  // namespace ufb_bench
