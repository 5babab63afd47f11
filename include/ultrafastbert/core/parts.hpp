// SPDX-License-Identifier: MIT
//
// Work on rows that need nothing of each other, cut into parts for an executor.
// Layer: core.
#pragma once

#include <algorithm>
#include <cstddef>

#include "ultrafastbert/core/executor.hpp"

namespace ultrafastbert::core {

/// Calls `work(range)` for index ranges that cover `size` numbers once: all at once on the calling thread, or where
/// there are threads and enough to do, in parts of at least `least` numbers, a few for each thread.
/// Throws: what `work` and the executor throw.
template <class Work>
void for_each_part(std::size_t size, std::size_t least, executor_ref threads, const Work& work) {
  const std::size_t tasks = threads.concurrency() < 2 ? 1 : (std::min)(4 * threads.concurrency(), size / least);
  if (tasks < 2) return work(index_range{.first = 0, .last = size});
  threads.run(tasks, [&](std::size_t i) { work(part_of(size, tasks, i)); });
}

/// Parts, from 1 to `most`, in which a product of (rows, inputs) with (inputs, outputs) is worth further threads. To
/// read the weights takes as long as to multiply a few rows with them.
[[nodiscard]] constexpr std::size_t product_parts(std::size_t rows, std::size_t outputs, std::size_t inputs,
                                                  std::size_t most) noexcept {
  constexpr double products_per_part = 2e6;
  constexpr double rows_to_read = 8;
  const double products =
      (static_cast<double>(rows) + rows_to_read) * static_cast<double>(outputs) * static_cast<double>(inputs);
  const double parts = products / products_per_part;
  if (parts < 2 || most < 2) return 1;
  return parts >= static_cast<double>(most) ? most : static_cast<std::size_t>(parts);
}

}  // namespace ultrafastbert::core
