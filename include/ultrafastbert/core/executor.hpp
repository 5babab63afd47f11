// SPDX-License-Identifier: MIT
//
// How work is spread over threads: a concept that a host can model over its own threads, a sequential executor, and a
// small pool whose idle threads sleep.
// Layer: core.
#pragma once

#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "ultrafastbert/core/error.hpp"

namespace ultrafastbert {

namespace core {

/// A task by reference. Pre: the task outlives it.
class any_task {
 public:
  any_task() noexcept = default;
  template <class Task>
  requires(!std::same_as<Task, any_task>) explicit any_task(const Task& task) noexcept
      : task_(&task), call_([](const void* t, std::size_t i) { (*static_cast<const Task*>(t))(i); }) {}

  void operator()(std::size_t i) const { call_(task_, i); }

 private:
  const void* task_ = nullptr;
  void (*call_)(const void*, std::size_t) = [](const void*, std::size_t) {};
};

}  // namespace core

/// Something that runs `task(i)` for every i < count, in any order and on any threads, and returns when all are done.
/// An exception of a task leaves `run` after the others have ended. `concurrency()` is how many tasks run at a time.
/// The same `task` object is called from several threads at once. Results never depend on the executor.
template <class Executor>
concept executor = requires(Executor& e, const core::any_task& task, std::size_t count) {
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

/// A pool of threads that sleep while there is nothing to do. `thread_pool(1)` starts none. Share one between models;
/// calls of `run` from several threads take turns.
class thread_pool {
 public:
  /// Starts threads - 1 threads; the caller of `run` is the last one.
  /// Throws: invalid_input (threads is 0), std::system_error.
  explicit thread_pool(std::size_t threads) {
    if (threads == 0) fail_input("threads", "at least 1", "0");
    workers_.reserve(threads - 1);
    try {
      for (std::size_t i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  ~thread_pool() { stop(); }

  [[nodiscard]] std::size_t concurrency() const noexcept { return workers_.size() + 1; }  ///< threads, with the caller

  /// Calls task(i) for every i < count on the pool's threads and the calling one.
  /// Pre: not called from inside a task of this pool. Throws: the first exception that a task threw.
  template <class Task>
  void run(std::size_t count, const Task& task) {
    if (workers_.empty() || count < 2) return sequential_executor::run(count, task);
    const std::lock_guard turn(turn_);
    {
      const std::lock_guard lock(mutex_);
      call_ = [](const void* t, std::size_t i) { (*static_cast<const Task*>(t))(i); };
      task_ = &task;
      count_ = count;
      next_ = 0;
      unfinished_ = count;
      error_ = nullptr;
      ++round_;
    }
    wake_.notify_all();
    std::unique_lock lock(mutex_);
    take_tasks(lock);
    done_.wait(lock, [this] { return unfinished_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    std::size_t seen = 0;
    for (;;) {
      wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
      if (stopping_) return;
      seen = round_;
      take_tasks(lock);
    }
  }

  // Runs tasks until none is left to take. Holds the lock except while a task runs.
  void take_tasks(std::unique_lock<std::mutex>& lock) {
    while (next_ < count_) {
      const std::size_t i = next_++;
      lock.unlock();
      std::exception_ptr error;
      try {
        call_(task_, i);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error && !error_) error_ = error;
      if (--unfinished_ == 0) done_.notify_all();
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  std::vector<std::thread> workers_{};
  std::mutex turn_{};  // one `run` at a time
  std::mutex mutex_{};
  std::condition_variable wake_{};
  std::condition_variable done_{};
  void (*call_)(const void*, std::size_t) = nullptr;
  const void* task_ = nullptr;
  std::size_t count_ = 0;
  std::size_t next_ = 0;
  std::size_t unfinished_ = 0;
  std::size_t round_ = 0;
  std::exception_ptr error_{};
  bool stopping_ = false;
};

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
        run_([](void* e, std::size_t count, const core::any_task& task) {
          static_cast<Executor*>(e)->run(count, task);
        }) {}

  [[nodiscard]] std::size_t concurrency() const { return concurrency_(executor_); }  ///< the executor's

  /// Calls task(i) for every i < count. Throws: what the executor's `run` throws.
  template <class Task>
  void run(std::size_t count, const Task& task) const {
    run_(executor_, count, core::any_task(task));
  }

 private:
  void* executor_ = nullptr;
  std::size_t (*concurrency_)(const void*) = [](const void*) -> std::size_t { return 1; };
  void (*run_)(void*, std::size_t, const core::any_task&) = [](void*, std::size_t count, const core::any_task& task) {
    sequential_executor::run(count, task);
  };
};

static_assert(executor<sequential_executor> && executor<thread_pool> && executor<executor_ref>);

namespace core {

/// Numbers [first, last).
struct index_range {
  std::size_t first = 0;
  std::size_t last = 0;
  [[nodiscard]] constexpr std::size_t size() const noexcept { return last - first; }
};

/// Part i of `parts` nearly equal parts of the numbers below `size`. Pre: i < parts.
[[nodiscard]] constexpr index_range part_of(std::size_t size, std::size_t parts, std::size_t i) noexcept {
  return {.first = size * i / parts, .last = size * (i + 1) / parts};
}

}  // namespace core

}  // namespace ultrafastbert
