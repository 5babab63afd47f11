// SPDX-License-Identifier: MIT
//
// What the measurements were taken on.
#pragma once

#include <cstddef>
#include <string>

namespace ufb_bench {

/// A Markdown list: processor, cores, instruction set level, governor, memory, compiler, date.
[[nodiscard]] std::string describe_machine(std::size_t threads);

/// Memory that can be taken now, 0 if unknown. Units: bytes.
[[nodiscard]] std::size_t available_memory();

}  // namespace ufb_bench
