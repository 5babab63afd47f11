// SPDX-License-Identifier: MIT
//
// The threads that serve connections.
#pragma once

#include <httplib.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace serve {

/// A number of threads, each with one connection at a time. Other than the queue that comes with cpp-httplib it says so
/// where the system does not give it as many, and lives through a connection that there is no memory for.
class connection_threads : public httplib::TaskQueue {
 public:
  /// Throws: std::system_error (the system gives no more threads).
  explicit connection_threads(std::size_t count) {
    try {
      while (threads_.size() < count) threads_.emplace_back([this] { work(); });
    } catch (...) {
      end();
      throw;
    }
  }
  connection_threads(const connection_threads&) = delete;
  connection_threads& operator=(const connection_threads&) = delete;
  ~connection_threads() override { end(); }

  void enqueue(std::function<void()> connection) override {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(connection));
    }
    changed_.notify_one();
  }

  /// Serves what waits, then ends.
  void shutdown() override { end(); }

 private:
  void end() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& each : threads_) each.join();
    threads_.clear();
  }

  void work() {
    while (true) {
      std::function<void()> next;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        next = std::move(waiting_.front());
        waiting_.pop_front();
      }
      try {
        next();
      } catch (...) {  // no memory for the buffers of a connection, whose client waits in vain
      }
    }
  }

  std::mutex mutex_{};
  std::condition_variable changed_{};
  std::deque<std::function<void()>> waiting_{};
  std::vector<std::thread> threads_{};
  bool ending_ = false;
};

}  // namespace serve
