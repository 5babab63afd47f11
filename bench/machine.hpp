// SPDX-License-Identifier: MIT
//
// What the measurements were taken on.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ufb_bench {

/// The machine, the build and the moment in words; "unknown" where the system does not say.
struct machine_description {
  std::string processor{};
  std::string family{};
  std::size_t cores = 0;
  std::string level{};  ///< instruction set of the library's kernels
  std::vector<std::string> caches{};
  std::string governor{};
  std::string huge_pages{};
  std::string memory{};
  std::string load{};
  std::string compiler{};
  std::string version{};  ///< of the library
  std::string date{};
};

[[nodiscard]] machine_description this_machine();

/// A Markdown list of it.
[[nodiscard]] std::string describe_machine(std::size_t threads);

/// Memory that can be taken now, 0 if unknown. Units: bytes.
[[nodiscard]] std::size_t available_memory();

}  // namespace ufb_bench
