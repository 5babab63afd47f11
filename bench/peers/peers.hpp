// SPDX-License-Identifier: MIT
//
// Other programs that compute the same encoder: a worker is a process that answers requests line by line.
//
// Requests on its standard input:        Answers on its standard output:
//   shape BATCH LENGTH                     @ok, or @error REASON
//   run PEER VARIANT                         the same; computes the final states of a variant of ids
//   states PEER VARIANT                      the same; and writes the states to FOLDER/states.bin
//   export OPSET                             the same; writes the dense model to FOLDER/dense.onnx (PyTorch alone)
//   ping                                     the same; does nothing
// FOLDER/ids.bin has the ids of a shape, all variants one behind another, as 64-bit numbers. Before the first request a
// worker says "@version TEXT", "@without PEER REASON" for each peer that it cannot offer, and "@ready"; or "@error
// REASON" and ends. Lines without @ are no answers.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_bench {

namespace ufb = ultrafastbert;

/// The encoder of the published model with a small vocabulary, with FFF layers or with dense ones of as many neurons.
[[nodiscard]] ufb::encoder_config peer_shape(bool fff);

/// Writes FOLDER/config.json and FOLDER/model.safetensors with random weights: the same for both kinds of encoder but
/// for the feedforward layers. Throws: std::runtime_error if a file cannot be written.
void write_peer_checkpoint(const std::filesystem::path& folder, bool fff);

/// A process that is given requests. Not for use from several threads at a time.
class worker {
 public:
  /// Starts a program. Its standard error is this process's. Throws: std::runtime_error if no process can be started.
  explicit worker(const std::vector<std::string>& command);
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;
  /// Closes its standard input and waits for its end.
  ~worker();

  /// Why it offers nothing, or nothing.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
  [[nodiscard]] const std::string& version() const noexcept { return version_; }
  /// Peers that it cannot offer, with the reasons.
  [[nodiscard]] const std::map<std::string, std::string>& missing() const noexcept { return missing_; }

  /// Sends a line and waits for its answer. Throws: std::runtime_error with the reason if that is an error, or if the
  /// process has ended.
  void ask(const std::string& request);

 private:
  // The next line that is an answer, without its mark; "error ..." if there is none.
  std::string answer();

  pid_t process_ = -1;
  int requests_ = -1;
  int answers_ = -1;
  std::string received_{};
  std::string failure_{};
  std::string version_{};
  std::map<std::string, std::string> missing_{};
};

}  // namespace ufb_bench
