// SPDX-License-Identifier: MIT
//
// A line on a terminal that says how far the loading of a large model is.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <iostream>
#include <memory>

#include "ultrafastbert/model/loading/load_options.hpp"

namespace examples {

/// How far loading is, in percent, on one line of standard error that is written over and empty at the end; only if
/// that is a terminal, and only if loading takes longer than a moment.
class loading_line {
 public:
  /// `shown`: whether there is a terminal; `patience`: how long nothing is said.
  explicit loading_line(bool shown = ::isatty(STDERR_FILENO) == 1,
                        std::chrono::milliseconds patience = std::chrono::milliseconds(300))
      : shown_(shown), next_(std::chrono::steady_clock::now() + patience) {}
  loading_line(const loading_line&) = delete;
  loading_line& operator=(const loading_line&) = delete;
  ~loading_line() {
    if (written_) std::cerr.rdbuf()->sputn(empty, sizeof empty - 1);  // not through the stream, which may throw
  }

  void update(std::size_t done, std::size_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || now < next_ || total == 0) return;
    next_ = now + std::chrono::milliseconds(100);
    written_ = true;
    std::cerr << "\rloading: " << 100 * done / total << " %" << std::flush;
  }

 private:
  static constexpr char empty[] = "\r              \r";
  bool shown_;
  bool written_ = false;
  std::chrono::steady_clock::time_point next_;
};

/// `options` with a loading_line that follows the progress.
[[nodiscard]] inline ultrafastbert::load_options with_loading_line(ultrafastbert::load_options options = {}) {
  options.progress = [line = std::make_shared<loading_line>()](std::size_t done, std::size_t total) {
    line->update(done, total);
    return true;
  };
  return options;
}

}  // namespace examples
