// SPDX-License-Identifier: MIT
//
// How work is spread over threads: a concept that a host can model over its own threads, and a sequential executor. The
// library's own pool of threads is in thread_pool.hpp.
// Layer: core.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <type_traits>

#include "ultrafastbert/core/error.hpp"

namespace ultrafastbert {

/// A task by reference: what an executor that is compiled once calls, whatever the task's type. Pre: the task outlives
/// it.
class task_ref {
 public:
  task_ref() noexcept = default;  ///< does nothing

  template <class Task>
  requires(!std::same_as<Task, task_ref>) explicit task_ref(const Task& task) noexcept
      : task_(&task), call_([](const void* t, std::size_t i) { (*static_cast<const Task*>(t))(i); }) {}

  /// Calls the task with the number i. Throws: what the task throws.
  void operator()(std::size_t i) const { call_(task_, i); }

 private:
  const void* task_ = nullptr;
  void (*call_)(const void*, std::size_t) = [](const void*, std::size_t) {};
};

/// Something that runs `task(i)` for every i < count, in any order and on any threads, and returns when all are done.
/// An exception of a task leaves `run` after the others have ended. `concurrency()` is how many tasks run at a time.
/// The same `task` object is called from several threads at once. Results never depend on the executor, if its threads
/// have the floating point modes of the thread that calls `run` (rounding direction, flushing of subnormal numbers).
/// `thread_pool` sees to that. The threads of a host's executor are the host's, such as those of OpenMP or TBB: a host
/// that changes the modes of one thread changes them on all that compute, and results are those of these modes.
template <class Executor>
concept executor = requires(Executor& e, const task_ref& task, std::size_t count) {
  { e.concurrency() } -> std::convertible_to<std::size_t>;
  e.run(count, task);
};

/// Runs everything on the calling thread.
struct sequential_executor {
  [[nodiscard]] static constexpr std::size_t concurrency() noexcept { return 1; }  ///< always 1

  /// Calls task(0) ... task(count - 1). Throws: what the task throws.
  template <class Task>
  static void run(std::size_t count, const Task& task) {
    for (std::size_t i = 0; i < count; ++i) task(i);
  }
};

/// Threads that an executor of this library may have, and the most that is made of what an executor of a host says.
inline constexpr std::size_t most_threads = 4096;

/// Any executor by reference, for functions that are compiled once. Pre: the executor outlives it.
class executor_ref {
 public:
  executor_ref() noexcept = default;  ///< the calling thread alone

  /// Not explicit: functions that take an executor_ref are called with executors.
  template <executor Executor>
  requires(!std::is_const_v<Executor> && !std::same_as<Executor, executor_ref>) executor_ref(Executor& threads)
  noexcept
      : executor_(&threads),
        concurrency_([](const void* e) -> std::size_t { return static_cast<const Executor*>(e)->concurrency(); }),
        run_([](void* e, std::size_t count, const task_ref& task) { static_cast<Executor*>(e)->run(count, task); }) {}

  /// How many tasks the executor runs at a time, at least 1 and at most `most_threads`.
  [[nodiscard]] std::size_t concurrency() const {
    return std::clamp<std::size_t>(concurrency_(executor_), 1, most_threads);
  }

  /// Calls task(i) for every i < count. Throws: what the executor's `run` throws.
  template <class Task>
  void run(std::size_t count, const Task& task) const {
    run_(executor_, count, task_ref(task));
  }

 private:
  void* executor_ = nullptr;
  std::size_t (*concurrency_)(const void*) = [](const void*) -> std::size_t { return 1; };
  void (*run_)(void*, std::size_t, const task_ref&) = [](void*, std::size_t count, const task_ref& task) {
    sequential_executor::run(count, task);
  };
};

static_assert(executor<sequential_executor> && executor<executor_ref>);

namespace core {

/// Numbers [first, last).
struct index_range {
  std::size_t first = 0;
  std::size_t last = 0;
  [[nodiscard]] constexpr std::size_t size() const noexcept { return last - first; }
};

/// Part i of `parts` nearly equal parts of the numbers below `size`. Pre: i < parts.
[[nodiscard]] constexpr index_range part_of(std::size_t size, std::size_t parts, std::size_t i) noexcept {
  // size * i / parts without the product, which may not fit.
  const auto bound = [&](std::size_t k) { return size / parts * k + size % parts * k / parts; };
  return {.first = bound(i), .last = bound(i + 1)};
}

}  // namespace core

}  // namespace ultrafastbert
