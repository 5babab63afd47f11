// SPDX-License-Identifier: MIT
//
// Work that is spread over an executor's threads and needs scratch memory: every task borrows a part of the caller's
// workspace, as many as run at a time.
// Layer: core.
#pragma once

#include <cstddef>

#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/workspace.hpp"

namespace ultrafastbert::core {

/// Calls `task(i, scratch)` for every i < count, spread over an executor's threads. The scratch memory of a task is its
/// own until it returns: the caller's workspace if the executor has one thread, else a part of it. A single task gets a
/// part as well: what tasks of larger calls have used is large enough for it, which the caller's own frames need not
/// be. Throws: in_use (another thread uses the workspace), overflow, what the task and the executor throw,
/// std::bad_alloc.
template <class Task>
void run_tasks(std::size_t count, workspace& scratch, executor_ref threads, const Task& task) {
  if (count == 0) return;
  if (threads.concurrency() < 2) {
    for (std::size_t i = 0; i < count; ++i) task(i, scratch);
    return;
  }
  workspace::parts parts(scratch, threads.concurrency());
  const auto with_part = [&parts, &task](std::size_t i) {
    const auto part = parts.borrow();
    task(i, *part);
  };
  if (count == 1) return with_part(0);
  threads.run(count, with_part);
}

}  // namespace ultrafastbert::core
