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

}  // namespace ultrafastbert::core
