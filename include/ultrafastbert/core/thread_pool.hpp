// SPDX-License-Identifier: MIT
//
// A small pool of threads that sleep while there is nothing to do, for hosts that have no executor of their own.
// Layer: core.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"

namespace ultrafastbert {

namespace core {

/// The pools whose tasks a thread is in the middle of, the innermost first. A thread that works for a caller continues
/// the caller's list, so that a task which runs on another thread still knows for whom it works.
struct running_pool {
  const void* pool = nullptr;
  const running_pool* outer = nullptr;
};

/// The calling thread's list. It exists for the complaint about calls of `run` that would wait for themselves, and is
/// the only thing of this library that lives outside the host's objects.
[[nodiscard]] inline const running_pool*& running_pools() noexcept {
  thread_local const running_pool* innermost = nullptr;
  return innermost;
}

/// Puts a list in place of the calling thread's until the end of a scope.
class running_scope {
 public:
  explicit running_scope(const running_pool& list) noexcept : before_(running_pools()) { running_pools() = &list; }
  running_scope(const running_scope&) = delete;
  running_scope& operator=(const running_scope&) = delete;
  ~running_scope() { running_pools() = before_; }

 private:
  const running_pool* before_;
};

}  // namespace core

/// A pool of threads that sleep while there is nothing to do. `thread_pool(1)` starts none. Share one between models;
/// calls of `run` from several threads take turns.
class thread_pool {
 public:
  /// Starts threads - 1 threads; the caller of `run` is the last one.
  /// Throws: invalid_input (threads is 0 or over `most_threads`), std::system_error (the system starts no more).
  explicit thread_pool(std::size_t threads) {
    if (threads == 0 || threads > most_threads) {
      fail_input("threads", "from 1 to " + std::to_string(most_threads), std::to_string(threads));
    }
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

  /// Calls task(i) for every i < count on the pool's threads and the calling one. A task may use other pools, but not
  /// this one, neither directly nor through the tasks of another, because it would wait for its own end.
  /// Pre: no two pools are in use at once of which each one's tasks call the other.
  /// Throws: in_use (called from inside a task of this pool, whatever the number of threads and tasks), the first
  ///   exception that a task threw.
  template <class Task>
  void run(std::size_t count, const Task& task) {
    run_all(count, task_ref(task));
  }

 private:
  void run_all(std::size_t count, const task_ref& task) {
    const core::running_pool* const outer = core::running_pools();
    for (const auto* each = outer; each != nullptr; each = each->outer) {
      if (each->pool == this) fail_nested();
    }
    const core::running_pool mine{.pool = this, .outer = outer};
    if (workers_.empty() || count < 2) {
      const core::running_scope scope(mine);
      return sequential_executor::run(count, task);
    }
    const std::lock_guard turn(turn_);
    {
      const std::lock_guard lock(mutex_);
      task_ = task;
      running_ = &mine;
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
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

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
        const core::running_scope scope(*running_);
        task_(i);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error && !error_) error_ = error;
      if (--unfinished_ == 0) done_.notify_all();
    }
  }

  [[noreturn, gnu::cold, gnu::noinline]] static void fail_nested() {
    fail(error_code::in_use, {.where = "thread_pool::run",
                              .expected = "a call from outside of this pool's tasks",
                              .found = "a call from inside one of them, which would wait for itself",
                              .reason = "let the outer or the inner call have the pool, or give each one of its own"});
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
  task_ref task_{};
  const core::running_pool* running_ = nullptr;  // of the caller, alive until its tasks have ended
  std::size_t count_ = 0;
  std::size_t next_ = 0;
  std::size_t unfinished_ = 0;
  std::size_t round_ = 0;
  std::exception_ptr error_{};
  bool stopping_ = false;
};

static_assert(executor<thread_pool>);

}  // namespace ultrafastbert
