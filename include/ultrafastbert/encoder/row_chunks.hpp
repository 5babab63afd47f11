// SPDX-License-Identifier: MIT
//
// How the steps that compute each token by itself walk over the tokens: a few rows at a time through all of a step, so
// that what one layer writes for the next is still in a cache, and spread over threads.
// Layer: encoder.
#pragma once

#include <algorithm>
#include <cstddef>

#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/tasks.hpp"
#include "ultrafastbert/core/workspace.hpp"

namespace ultrafastbert::encoders {

/// Three matrices of so many rows of width 768 fit into a second-level cache and a half.
inline constexpr std::size_t most_rows_at_a_time = 192;

/// Calls `step(rows, scratch, threads)` for index ranges of at most `most_rows_at_a_time` rows that cover all rows
/// once. With threads, the rows are cut into a few tasks for each, and a task uses a part of `scratch` of its own and
/// no further threads. So few rows that they are one task have the threads for the products inside of the step. Throws:
/// what the step and the executor throw, std::bad_alloc.
template <class Step>
void for_each_row_chunk(std::size_t rows, workspace& scratch, executor_ref threads, const Step& step) {
  // Of a task: every task reads all weights of a step, so that few rows wait for memory, not for each other.
  constexpr std::size_t fewest_rows = 32;
  const auto walk = [&](const core::index_range& range, workspace& mine, executor_ref inside) {
    const std::size_t chunks = (range.size() + most_rows_at_a_time - 1) / most_rows_at_a_time;
    for (std::size_t i = 0; i < chunks; ++i) {
      const core::index_range part = core::part_of(range.size(), chunks, i);
      step(core::index_range{.first = range.first + part.first, .last = range.first + part.last}, mine, inside);
    }
  };
  const std::size_t most_tasks = threads.concurrency() < 2 ? 1 : 2 * threads.concurrency();
  const std::size_t tasks = std::clamp<std::size_t>(rows / fewest_rows, 1, most_tasks);
  if (tasks == 1) return walk({.first = 0, .last = rows}, scratch, threads);
  core::run_tasks(tasks, scratch, threads,
                  [&](std::size_t i, workspace& mine) { walk(core::part_of(rows, tasks, i), mine, executor_ref{}); });
}

}  // namespace ultrafastbert::encoders
