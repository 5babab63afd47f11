// SPDX-License-Identifier: MIT
//
// Requests of many connections are computed together: a bounded queue, and one thread that takes whatever waits. That
// is safe, because a text's result does not depend on the others in its batch.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <future>
#include <iterator>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace serve {

/// The queue is full: the client should come back later.
struct queue_full : std::runtime_error {
  queue_full() : std::runtime_error("too many texts wait already") {}
};

/// The request waited longer than it may.
struct waited_too_long : std::runtime_error {
  waited_too_long() : std::runtime_error("the request waited too long for its turn") {}
};

/// Bounds of a queue.
struct batch_limits {
  std::size_t waiting = 1024;                 ///< items that may wait
  std::size_t together = 64;                  ///< items after which no further request joins a batch
  std::chrono::milliseconds patience{30000};  ///< how long a request may wait for its turn
};

/// What the queue did so far.
struct batch_counts {
  std::size_t batches = 0;  ///< calls of the model
  std::size_t items = 0;    ///< texts in them
  std::size_t waiting = 0;  ///< texts that wait now
};

/// Computes items in batches. `Key` is what all items of a batch have to share, their options.
template <class Key, class Item, class Result>
class batcher {
 public:
  /// `compute(key, items)` gives a result for each item; only the batcher's own thread calls it.
  template <class Compute>
  batcher(const batch_limits& limits, Compute compute)
      : limits_(limits), thread_([this, compute = std::move(compute)]() mutable { work(compute); }) {}
  batcher(const batcher&) = delete;
  batcher& operator=(const batcher&) = delete;

  /// Computes what still waits, then ends.
  ~batcher() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  /// Waits for the results of some items. Throws: queue_full, waited_too_long, what `compute` throws.
  [[nodiscard]] std::vector<Result> operator()(Key key, std::vector<Item> items) {
    if (items.empty()) return {};
    job next{.key = std::move(key), .items = std::move(items), .until = clock::now() + limits_.patience};
    std::future<std::vector<Result>> results = next.results.get_future();
    {
      const std::lock_guard lock(mutex_);
      // A request alone may be as large as the server allows.
      if (counts_.waiting != 0 && counts_.waiting + next.items.size() > limits_.waiting) throw queue_full();
      counts_.waiting += next.items.size();
      waiting_.push_back(std::move(next));
    }
    changed_.notify_one();
    return results.get();
  }

  [[nodiscard]] batch_counts counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  using clock = std::chrono::steady_clock;

  struct job {
    Key key{};
    std::vector<Item> items{};
    clock::time_point until{};
    std::promise<std::vector<Result>> results{};
  };

  // The oldest job, and those behind it that have its options.
  std::vector<job> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
    std::vector<job> batch;
    batch.reserve(waiting_.size());  // what fails is done before anything is taken
    std::size_t items = 0;
    for (auto at = waiting_.begin(); at != waiting_.end() && items < limits_.together;) {
      if (!batch.empty() && !(at->key == batch.front().key && items + at->items.size() <= limits_.together)) {
        ++at;
        continue;
      }
      items += at->items.size();
      batch.push_back(std::move(*at));
      at = waiting_.erase(at);
    }
    counts_.waiting -= items;
    return batch;
  }

  template <class Compute>
  void work(Compute& compute) {
    while (true) {
      std::vector<job> batch;
      try {
        batch = take();
      } catch (const std::bad_alloc&) {  // what waits goes on waiting
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        continue;
      }
      if (batch.empty()) return;
      const auto now = clock::now();
      std::erase_if(batch, [&](job& each) {
        if (each.until >= now) return false;
        each.results.set_exception(std::make_exception_ptr(waited_too_long()));
        return true;
      });
      if (batch.empty()) continue;
      // What goes wrong for all of them together is found out one by one.
      if (batch.size() > 1 && answer(compute, batch)) continue;
      for (job& each : batch) answer(compute, std::span(&each, 1));
    }
  }

  // Computes jobs as one batch. False if that fails and there are several.
  template <class Compute>
  bool answer(Compute& compute, std::span<job> jobs) {
    std::vector<Result> results;
    std::vector<std::size_t> sizes;
    try {
      for (const job& each : jobs) sizes.push_back(each.items.size());
      std::vector<Item> items;
      if (jobs.size() == 1) {
        items = std::move(jobs.front().items);
      } else {  // copies: if this fails, each job is computed by itself
        for (const job& each : jobs) items.insert(items.end(), each.items.begin(), each.items.end());
      }
      {
        const std::lock_guard lock(mutex_);
        ++counts_.batches;
        counts_.items += items.size();
      }
      results = compute(jobs.front().key, std::move(items));
    } catch (...) {
      if (jobs.size() > 1) return false;
      jobs.front().results.set_exception(std::current_exception());
      return true;
    }
    auto from = std::make_move_iterator(results.begin());
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const auto end = from + static_cast<std::ptrdiff_t>(sizes[i]);
      try {
        jobs[i].results.set_value(jobs.size() == 1 ? std::move(results) : std::vector<Result>(from, end));
      } catch (...) {  // there is no memory for them
        jobs[i].results.set_exception(std::current_exception());
      }
      from = end;
    }
    return true;
  }

  batch_limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<job> waiting_{};
  batch_counts counts_{};
  bool ending_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace serve
