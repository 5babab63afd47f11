// SPDX-License-Identifier: MIT
//
// Counters and durations of requests in the text format that Prometheus reads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <map>
#include <mutex>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace serve {

/// The value of a label as Prometheus reads it.
inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

/// What was answered so far. Safe to use from many threads.
class metrics {
 public:
  /// An answer. `endpoint`: its path.
  void add(const std::string& endpoint, int status, double seconds) {
    const std::lock_guard lock(mutex_);
    ++requests_[{endpoint, status}];
    durations& all = durations_[endpoint];
    all.sum += seconds;
    ++all.count;
    for (std::size_t i = 0; i < bounds.size(); ++i) all.below[i] += std::uint64_t{seconds <= bounds[i]};
  }

  /// A request that was refused before any endpoint saw it.
  void add_refused(int status) {
    const std::lock_guard lock(mutex_);
    ++requests_[{"none", status}];
  }

  /// Requests that got an answer, refusals among them.
  [[nodiscard]] std::uint64_t answered() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t all = 0;
    for (const auto& each : requests_) all += each.second;
    return all;
  }

  void write(std::ostream& out) const {
    const std::lock_guard lock(mutex_);
    out << "# HELP ufb_requests_total Requests answered.\n# TYPE ufb_requests_total counter\n";
    for (const auto& [key, count] : requests_) {
      out << "ufb_requests_total{endpoint=\"" << key.first << "\",status=\"" << key.second << "\"} " << count << '\n';
    }
    out << "# HELP ufb_request_seconds Time from the whole request to its answer.\n"
           "# TYPE ufb_request_seconds histogram\n";
    for (const auto& [endpoint, all] : durations_) {
      for (std::size_t i = 0; i < bounds.size(); ++i) {
        out << "ufb_request_seconds_bucket{endpoint=\"" << endpoint << "\",le=\"" << bounds[i] << "\"} " << all.below[i]
            << '\n';
      }
      out << "ufb_request_seconds_bucket{endpoint=\"" << endpoint << "\",le=\"+Inf\"} " << all.count << '\n'
          << "ufb_request_seconds_sum{endpoint=\"" << endpoint << "\"} " << std::setprecision(17) << all.sum
          << std::setprecision(6) << '\n'
          << "ufb_request_seconds_count{endpoint=\"" << endpoint << "\"} " << all.count << '\n';
    }
  }

 private:
  static constexpr std::array<double, 12> bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};
  struct durations {
    std::array<std::uint64_t, bounds.size()> below{};
    std::uint64_t count = 0;
    double sum = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::uint64_t> requests_{};
  std::map<std::string, durations> durations_{};
};

}  // namespace serve
