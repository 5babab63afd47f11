// SPDX-License-Identifier: MIT
//
// Which encoders and peers are compared with each other.
#pragma once

#include <string>
#include <vector>

#include "batches.hpp"
#include "peers.hpp"
#include "ultrafastbert/core/storage.hpp"

namespace ufb_bench {

/// One way to compute an encoder. `peer` is its name in the JSON; `worker` the process that has it, empty for ours.
struct peer_form {
  std::string peer{};
  std::string title{};
  std::string worker{};
  peer_encoder encoder = peer_encoder::dense;
  ultrafastbert::weight_storage projections = ultrafastbert::weight_storage::float32;
  call_style calls = call_style::at_once;
};

/// Forms that are compared with each other; the first one is what ratios are to.
struct peer_group {
  std::string name{};
  std::string title{};
  std::string exported{};   // PyTorch's model that ONNX Runtime gets
  std::string resources{};  // what a run takes
  std::string models{};     // said above the table
  std::vector<std::string> shapes{};
  std::vector<peer_form> forms{};
};

/// The groups that there are, by name.
[[nodiscard]] const std::vector<peer_group>& peer_groups();

}  // namespace ufb_bench
