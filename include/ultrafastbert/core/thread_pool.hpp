// SPDX-License-Identifier: MIT
//
// A small pool of threads for hosts that have no executor of their own. Its threads sleep while there is nothing to do,
// but not at once: the steps of a layer follow each other within microseconds, and waking a thread takes longer than
// many of them.
// Layer: core.
#pragma once

#include <atomic>
#include <chrono>
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
#include "ultrafastbert/core/floating_point_modes.hpp"

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

/// Tells the processor that a loop waits for another thread.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  asm volatile("pause");
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits awake for something that another thread does soon, and lets other threads have the processor meanwhile.
/// Returns whether it came, after about 100 microseconds at most: what waking a sleeping thread may take.
template <class Ready>
[[nodiscard]] bool came_soon(const Ready& ready) {
  constexpr std::chrono::microseconds longest{100};
  constexpr int looks = 32;  // between two glances at the clock
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < looks; ++i) {
      if (ready()) return true;
      relax();
    }
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() - start < longest);
  return ready();
}

}  // namespace core

/// A pool of threads that stay awake for about 100 microseconds after their last task, and then sleep until there is
/// one. `thread_pool(1)` starts none. Share one between models; calls of `run` from several threads take turns.
///
/// Every task runs with the floating point modes that the caller of `run` has at that time: rounding direction,
/// flushing of subnormal numbers, traps. So results depend on the caller's modes alone, not on the number of threads or
/// on when the pool was made. The caller's own modes are left as they are.
///
/// After a fork, the child process has none of these threads. It may not use or destroy a pool of its parent's, and
/// makes one of its own; models and workspaces that no thread was using can be used on both sides.
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
    task_ = task;
    running_ = &mine;  // cppcheck-suppress danglingLifetime ; workers read it only while this call waits for them
    modes_ = core::floating_point_modes::current();
    count_ = count;
    unfinished_ = count;
    untaken_ = count;  // from here on workers read the above
    if (sleeping_ != 0) wake(wake_);
    take_tasks();
    const auto finished = [this] { return unfinished_ == 0; };
    if (!core::came_soon(finished)) {
      std::unique_lock lock(mutex_);
      caller_sleeps_ = true;
      done_.wait(lock, finished);
      caller_sleeps_ = false;
    }
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

  void work() {
    const auto called = [this] { return stopping_ || untaken_ != 0; };
    for (;;) {
      if (!core::came_soon(called)) {
        std::unique_lock lock(mutex_);
        ++sleeping_;  // before the last look at `untaken_`, which a caller sets before it looks here
        wake_.wait(lock, called);
        --sleeping_;
      }
      if (stopping_) return;
      take_tasks();
    }
  }

  // Runs tasks until none is left to take. What a caller wrote for its tasks is read after one was taken: until that
  // one has ended, no other caller writes.
  void take_tasks() {
    std::size_t untaken = untaken_;
    while (untaken != 0) {
      if (!untaken_.compare_exchange_weak(untaken, untaken - 1)) continue;
      run_task(count_ - untaken);
      untaken = untaken_;
    }
  }

  void run_task(std::size_t i) {
    try {
      const core::running_scope scope(*running_);
      modes_.use();
      task_(i);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
    if (--unfinished_ == 0 && caller_sleeps_) wake(done_);
  }

  // Who sleeps has looked at what changed while it held the lock, or will look again.
  void wake(std::condition_variable& sleepers) {
    { const std::lock_guard lock(mutex_); }
    sleepers.notify_all();
  }

  [[noreturn, gnu::cold, gnu::noinline]] static void fail_nested() {
    fail(error_code::in_use, {.where = "thread_pool::run",
                              .expected = "a call from outside of this pool's tasks",
                              .found = "a call from inside one of them, which would wait for itself",
                              .reason = "let the outer or the inner call have the pool, or give each one of its own"});
  }

  void stop() {
    stopping_ = true;
    wake(wake_);
    for (std::thread& worker : workers_) worker.join();
  }

  std::vector<std::thread> workers_{};
  std::mutex turn_{};   // one `run` at a time
  std::mutex mutex_{};  // of those who go to sleep, and of `error_` while tasks run
  std::condition_variable wake_{};
  std::condition_variable done_{};
  // Of the call at hand, written while no task is left to take.
  task_ref task_{};
  const core::running_pool* running_ = nullptr;  // of the caller, alive until its tasks have ended
  core::floating_point_modes modes_ = core::floating_point_modes::current();
  std::size_t count_ = 0;
  std::exception_ptr error_{};
  std::atomic<std::size_t> untaken_ = 0;
  std::atomic<std::size_t> unfinished_ = 0;
  std::atomic<std::size_t> sleeping_ = 0;  // workers
  std::atomic<bool> caller_sleeps_ = false;
  std::atomic<bool> stopping_ = false;
};

static_assert(executor<thread_pool>);

}  // namespace ultrafastbert
