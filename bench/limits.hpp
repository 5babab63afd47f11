// SPDX-License-Identifier: MIT
//
// What the machine at hand allows: fused multiply-adds, bytes read in sequence, loads that wait for each other.
// Measured in the process that times the layers, so that a share of the limit says what is left to gain.
#pragma once

#include <cstddef>
#include <map>

namespace ufb_bench {

/// Work of a batch that no engine can avoid.
struct least_work {
  double flops = 0;              ///< multiply-adds count twice
  double weight_bytes = 0;       ///< every row that the batch touches, once
  double token_bytes = 0;        ///< inputs, and outputs once or twice
  std::size_t weight_table = 0;  ///< bytes of all rows, among which those of the batch lie
  std::size_t token_table = 0;   ///< bytes of all inputs and outputs that batches are taken from
};

/// Rates of this machine, measured when they are first asked for. Not for use from several threads at a time.
class machine_limits {
 public:
  /// `threads` read and multiply side by side.
  explicit machine_limits(std::size_t threads) : threads_(threads) {}

  /// Multiply-adds count twice. Units: 1/s, all threads together.
  [[nodiscard]] double flops();
  /// Of a table that is read in sequence again and again. Units: bytes/s, all threads together.
  [[nodiscard]] double read_rate(std::size_t table_bytes);
  /// Of a load whose address the load before it gave, at random places of a table. Units: seconds.
  [[nodiscard]] double latency(std::size_t table_bytes);

  /// The larger of the times for arithmetic and for bytes. Units: seconds.
  [[nodiscard]] double least_time(const least_work& work);

 private:
  std::size_t threads_;
  double flops_ = 0;
  std::map<std::size_t, double> read_rates_{};  // by table size
  std::map<std::size_t, double> latencies_{};
};

}  // namespace ufb_bench
