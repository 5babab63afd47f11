// SPDX-License-Identifier: MIT
//
// Other programs that compute the same encoder: a worker is a process that answers requests line by line.
//
// Requests on its standard input:        Answers on its standard output:
//   shape PLAN BATCHxLENGTH...             @ok, or @error REASON; reads ids and mask of these calls
//   run PEER PLAN VARIANT                    the same; computes the final states of a variant, call by call
//   states PEER PLAN VARIANT                 the same; and writes the states to FOLDER/states.bin, padding and all
//   export PEER OPSET                        the same; writes the peer's model to FOLDER/model.onnx (PyTorch alone)
//   ping                                     the same; does nothing
// PLAN is a word for a way to take the same sequences; a shape replaces the one of its plan. FOLDER/ids.bin and
// FOLDER/mask.bin have its ids and 1 for each that is no padding, as 64-bit numbers: the calls of a variant one behind
// another, and so the variants. Before the first request a worker says "@version TEXT",
// "@without PEER REASON" for each peer that it cannot offer, and "@ready"; or "@error REASON" and ends. Lines without @
// are no answers.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace ufb_bench {

/// The encoders that are compared.
enum class peer_encoder : std::uint8_t {
  fff,    ///< the published UltraFastBERT-1x11, with a small vocabulary
  dense,  ///< the same with dense layers of as many neurons
  hub,    ///< a BERT of MiniLM's sizes, as the hub stores it
};

/// Folder of an encoder's files, inside that of the benchmark.
[[nodiscard]] constexpr const char* folder_of(peer_encoder encoder) noexcept {
  switch (encoder) {
    case peer_encoder::fff: return "fff";
    case peer_encoder::dense: return "dense";
    case peer_encoder::hub: return "hub";
  }
  return "";
}

/// What a caller of an encoder has to know.
struct peer_sizes {
  std::size_t layers = 0;
  std::size_t width = 0;
  std::size_t heads = 0;
  std::size_t vocabulary = 0;
  std::size_t positions = 0;
};

[[nodiscard]] constexpr peer_sizes sizes_of(peer_encoder encoder) noexcept {
  if (encoder == peer_encoder::hub) {
    return {.layers = 6, .width = 384, .heads = 12, .vocabulary = 30'522, .positions = 512};
  }
  return {.layers = 16, .width = 768, .heads = 12, .vocabulary = 1024, .positions = 128};
}

/// Writes config.json and model.safetensors to the encoder's folder inside `folder`, with random weights: those of the
/// first two are equal but for the feedforward layers. Throws: std::runtime_error if a file cannot be written.
void write_peer_checkpoint(const std::filesystem::path& folder, peer_encoder encoder);

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
