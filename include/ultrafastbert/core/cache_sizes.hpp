// SPDX-License-Identifier: MIT
//
// Sizes of the processor's caches, as the system reports them when it is asked.
// Layer: core.
#pragma once

#include <cstddef>

#if defined(__linux__)
#include <unistd.h>
#endif

namespace ultrafastbert::core {

/// The second-level cache of a core, or 512 KiB where the system does not know it. Units: bytes.
[[nodiscard]] inline std::size_t second_level_cache() noexcept {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  if (const long bytes = ::sysconf(_SC_LEVEL2_CACHE_SIZE); bytes > 0) return static_cast<std::size_t>(bytes);
#endif
  return std::size_t{512} << 10U;
}

}  // namespace ultrafastbert::core
