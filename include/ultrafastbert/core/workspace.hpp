// SPDX-License-Identifier: MIT
//
// The scratch memory of a forward pass: a stack of arrays that keeps its memory from call to call, and a stack of the
// same kind for every task that runs at a time.
// Once a call of the largest size was repeated (the first grows the memory in pieces, the second joins them), neither
// that call nor a smaller one allocates any more, whatever the number of threads.
// Layer: core.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// How much a workspace sets aside. Units: bytes, each array of a frame rounded up to 64.
struct workspace_sizes {
  std::size_t bytes = 0;           ///< for the frames of the calling thread
  std::size_t parts = 0;           ///< tasks that run at a time: an executor's `concurrency()`
  std::size_t bytes_per_part = 0;  ///< for the frames of each task
};

/// Scratch memory that the caller owns; any workspace serves any layer or model. It serves one call at a time: give
/// every thread that calls a workspace of its own. Two calls that overlap are not computed wrongly: whichever comes to
/// the workspace while the other holds it throws `in_use`, and leaves its output partly written.
/// A call takes arrays through a `frame` and gives them back when it returns, also by an exception. A call that is
/// spread over threads lends a part of the workspace to each of its tasks.
/// It is not noticed when somebody moves or destroys a workspace that a call still uses; then anything may happen.
class workspace {
 public:
  class frame;
  class parts;
  class lease;

  workspace() noexcept = default;

  /// Sets memory aside up front. Units: bytes. Throws: overflow, std::bad_alloc.
  explicit workspace(std::size_t bytes) { reserve(bytes); }

  /// Sets memory aside up front, for the tasks of an executor too. Throws: overflow, std::bad_alloc.
  explicit workspace(const workspace_sizes& sizes) { reserve(sizes); }

  /// Takes the memory along and leaves an empty workspace behind. Pre: no call uses either workspace.
  workspace(workspace&& other) noexcept
      : blocks_(std::exchange(other.blocks_, {})),
        most_(std::exchange(other.most_, 0)),
        pool_(std::move(other.pool_)) {}
  // cppcheck-suppress operatorEqVarError ; what is not assigned says that no call uses a workspace
  workspace& operator=(workspace&& other) noexcept {
    if (this != &other) {
      blocks_ = std::exchange(other.blocks_, {});
      most_ = std::exchange(other.most_, 0);
      pool_ = std::move(other.pool_);
    }
    return *this;
  }
  workspace(const workspace&) = delete;
  workspace& operator=(const workspace&) = delete;
  ~workspace() = default;

  /// Makes later frames of up to `bytes` in all, each array rounded up to 64, free of allocation; does nothing while a
  /// frame is open. Throws: in_use (another thread's frame is open), overflow, std::bad_alloc.
  void reserve(std::size_t bytes) {
    const claim mine(*this);
    if (open_frames_ != 0 || (bytes <= own_bytes() && blocks_.size() < 2)) return;
    std::vector<aligned_buffer<std::byte>> fresh;
    // A size too large to be rounded overflows here.
    fresh.emplace_back((std::max)({bytes, rounded(bytes), own_bytes()}));
    blocks_ = std::move(fresh);
  }

  /// The same for calls that are spread over threads: `parts` tasks at a time, each with up to `bytes_per_part`. A host
  /// that must not allocate later reserves what `needed()` said after calls of the largest size.
  /// Throws: in_use (another thread's frame is open), overflow, std::bad_alloc.
  void reserve(const workspace_sizes& sizes) {
    reserve(sizes.bytes);
    const claim mine(*this);
    if (open_frames_ == 0 && sizes.parts != 0) ready_parts(sizes.parts, sizes.bytes_per_part);
  }

  /// What calls like those so far need, so that they allocate nothing in a workspace of these sizes. Pre: as capacity.
  [[nodiscard]] workspace_sizes needed() const noexcept;

  /// Bytes held now, by the parts too. Pre: no call uses the workspace.
  [[nodiscard]] std::size_t capacity() const noexcept;

 private:
  /// Marks the workspace as the calling thread's for a scope. Frames of one thread nest, so that only the outermost
  /// mark counts; it orders what one thread did before what the next one does.
  class claim {
   public:
    explicit claim(workspace& owner) : owner_(owner), outermost_(owner.take_over()) {}
    claim(const claim&) = delete;
    claim& operator=(const claim&) = delete;
    ~claim() {
      if (outermost_) owner_.user_.store(nullptr, std::memory_order_release);
    }

   private:
    workspace& owner_;
    bool outermost_;
  };

  /// The parts, which tasks borrow from any thread. A task gets whichever is idle, so that all of them are kept at the
  /// size of the largest, doubled: a smaller call may be cut into fewer and larger tasks, but at most twice as large.
  struct part_pool {
    void add();
    void make_ready(std::size_t count, std::size_t bytes);
    [[nodiscard]] std::unique_ptr<workspace> take();
    void give_back(std::unique_ptr<workspace> part) noexcept;
    [[nodiscard]] std::size_t wanted() const noexcept { return most <= kept ? kept : 2 * most; }

    std::mutex guard{};
    std::vector<std::unique_ptr<workspace>> idle{};  // has room for all parts, so that giving back cannot fail
    std::size_t made = 0;
    std::size_t most = 0;  // bytes that a task has used
    std::size_t kept = 0;  // bytes that every part has been given
  };

  static constexpr std::size_t rounded(std::size_t bytes) noexcept {
    return (bytes + buffer_alignment - 1) / buffer_alignment * buffer_alignment;
  }

  // Without the parts.
  [[nodiscard]] std::size_t own_bytes() const noexcept {
    std::size_t total = 0;
    for (const auto& block : blocks_) total += block.size();
    return total;
  }

  // Something that each thread has at a place of its own.
  [[nodiscard]] static const void* this_thread() noexcept {
    thread_local const char mark = 0;
    return &mark;
  }

  // Returns whether the workspace was free, and not the calling thread's already. Throws: in_use.
  bool take_over() {
    const void* const me = this_thread();
    const void* user = user_.load(std::memory_order_relaxed);
    if (user == me) return false;
    if (user == nullptr && user_.compare_exchange_strong(user, me, std::memory_order_acquire)) return true;
    fail_in_use();
  }

  [[noreturn, gnu::cold, gnu::noinline]] static void fail_in_use() {
    fail(error_code::in_use, {.where = "workspace",
                              .expected = "one workspace for each thread that calls",
                              .found = "a call of another thread that is still using this one"});
  }

  part_pool& ready_parts(std::size_t count, std::size_t bytes = 0) {
    if (!pool_) pool_ = std::make_unique<part_pool>();
    pool_->make_ready(count, bytes);
    return *pool_;
  }

  [[noreturn, gnu::cold, gnu::noinline]] static void fail_size(std::size_t count, const char* what) {
    fail(error_code::overflow, {.where = "workspace", .found = std::to_string(count) + what});
  }

  std::byte* allocate(std::size_t count, std::size_t element_size) {
    if (count > (std::numeric_limits<std::ptrdiff_t>::max)() / element_size) fail_size(count, " elements");
    const std::size_t size = rounded(count * element_size);
    while (block_ < blocks_.size() && blocks_[block_].size() - used_ < size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) blocks_.emplace_back((std::max)(size, own_bytes()));
    std::byte* const memory = blocks_[block_].data() + used_;
    used_ += size;
    in_use_ += size;
    most_ = (std::max)(most_, in_use_);
    return memory;
  }

  void join_blocks() {
    if (blocks_.size() < 2) return;
    const std::size_t bytes = own_bytes();
    blocks_.clear();  // first, so that the peak stays at the sum of the blocks
    block_ = 0;
    used_ = 0;
    blocks_.emplace_back(bytes);
  }

  std::vector<aligned_buffer<std::byte>> blocks_{};
  std::size_t block_ = 0;   // block that the next array is looked for in
  std::size_t used_ = 0;    // bytes of it that are taken
  std::size_t in_use_ = 0;  // bytes of all arrays of open frames
  std::size_t most_ = 0;    // the largest that in_use_ has been
  std::size_t open_frames_ = 0;
  std::atomic<const void*> user_{};    // the thread whose frames are open, or none
  std::unique_ptr<part_pool> pool_{};  // made by the first call that is spread over threads
};

/// Arrays taken through a frame live until it ends. Frames nest like calls. A frame ends on the thread that opened it.
class workspace::frame {
 public:
  /// Opens a frame.
  /// Throws: in_use (another thread's frame is open), std::bad_alloc (an outermost frame joins the blocks that earlier
  ///   growth left apart).
  explicit frame(workspace& owner) : claim_(owner), owner_(owner) {
    if (owner_.open_frames_ == 0) owner_.join_blocks();
    block_ = owner_.block_;
    used_ = owner_.used_;
    in_use_ = owner_.in_use_;
    ++owner_.open_frames_;
  }
  frame(const frame&) = delete;
  frame& operator=(const frame&) = delete;
  ~frame() {
    owner_.block_ = block_;
    owner_.used_ = used_;
    owner_.in_use_ = in_use_;
    --owner_.open_frames_;
  }

  /// `count` uninitialized elements on a 64-byte boundary. Throws: overflow, std::bad_alloc.
  template <class Element>
  [[nodiscard]] std::span<Element> take(std::size_t count) {
    static_assert(std::is_trivially_copyable_v<Element>);
    return {reinterpret_cast<Element*>(owner_.allocate(count, sizeof(Element))), count};
  }

  /// An uninitialized (rows, cols) matrix. Throws: overflow, std::bad_alloc.
  template <class Element>
  [[nodiscard]] matrix_view<Element> take_matrix(std::size_t rows, std::size_t cols) {
    if (cols != 0 && rows > (std::numeric_limits<std::size_t>::max)() / cols) fail_size(rows, " rows");
    return {take<Element>(rows * cols).data(), {rows, cols}};
  }

 private:
  claim claim_;  // first, so that it ends last
  workspace& owner_;
  std::size_t block_ = 0;
  std::size_t used_ = 0;
  std::size_t in_use_ = 0;
};

/// A part of a workspace in the hands of one task. It goes back when the lease ends.
class workspace::lease {
 public:
  lease(const lease&) = delete;
  lease& operator=(const lease&) = delete;
  ~lease() { pool_.give_back(std::move(part_)); }

  [[nodiscard]] workspace& operator*() const noexcept { return *part_; }  ///< the task's own until the lease ends

 private:
  friend class parts;
  explicit lease(part_pool& pool) : pool_(pool), part_(pool.take()) {}

  part_pool& pool_;
  std::unique_ptr<workspace> part_;
};

/// The parts of a workspace during one call that is spread over threads; see core::run_tasks, which is how layers use
/// them. It keeps a frame of the workspace open, so that the workspace is the calling thread's as long.
class workspace::parts {
 public:
  /// Makes `count` parts ready, each as large as any task needed so far.
  /// Throws: in_use (another thread's frame is open), overflow, std::bad_alloc.
  parts(workspace& owner, std::size_t count) : frame_(owner), pool_(owner.ready_parts(count)) {}

  /// A part for the calling task, from any thread. More tasks than `count` at a time make more parts.
  /// Throws: std::bad_alloc (then only).
  [[nodiscard]] lease borrow() { return lease(pool_); }

 private:
  frame frame_;
  part_pool& pool_;
};

inline void workspace::part_pool::add() {
  if (idle.capacity() <= made) idle.reserve((std::max)(made + 1, 2 * made));
  idle.push_back(std::make_unique<workspace>());
  ++made;
}

inline void workspace::part_pool::make_ready(std::size_t count, std::size_t bytes) {
  const std::lock_guard lock(guard);
  const std::size_t each = (std::max)(wanted(), bytes);
  while (idle.size() < count) add();
  for (const auto& part : idle) part->reserve(each);
  kept = each;  // last: a size that cannot be had must not be asked for again
}

inline std::unique_ptr<workspace> workspace::part_pool::take() {
  const std::lock_guard lock(guard);
  if (idle.empty()) add();
  auto part = std::move(idle.back());
  idle.pop_back();
  return part;
}

inline void workspace::part_pool::give_back(std::unique_ptr<workspace> part) noexcept {
  const std::lock_guard lock(guard);
  most = (std::max)(most, part->most_);
  idle.push_back(std::move(part));
}

inline workspace_sizes workspace::needed() const noexcept {
  workspace_sizes sizes{.bytes = most_};
  if (!pool_) return sizes;
  const std::lock_guard lock(pool_->guard);
  sizes.parts = pool_->made;
  sizes.bytes_per_part = pool_->wanted();
  return sizes;
}

inline std::size_t workspace::capacity() const noexcept {
  std::size_t total = own_bytes();
  if (!pool_) return total;
  const std::lock_guard lock(pool_->guard);
  for (const auto& part : pool_->idle) total += part->capacity();
  return total;
}

}  // namespace ultrafastbert
