// SPDX-License-Identifier: MIT
//
// The scratch memory of a forward pass: a stack of arrays that keeps its memory from call to call.
// Once a call of the largest size was repeated (the first grows it in pieces, the second joins them), nothing is
// allocated any more.
// Layer: core.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// Scratch memory that the caller owns, one per thread; any workspace serves any layer or model.
/// A call takes arrays through a `frame` and gives them back when it returns, also by an exception.
class workspace {
 public:
  workspace() = default;

  /// Sets memory aside up front. Units: bytes. Throws: std::bad_alloc.
  explicit workspace(std::size_t bytes) { reserve(bytes); }

  /// Makes later frames of up to `bytes` in all, each array rounded up to 64, free of allocation; does nothing while a
  /// frame is open. Throws: overflow, std::bad_alloc.
  void reserve(std::size_t bytes) {
    if (open_frames_ != 0 || (bytes <= own_bytes() && blocks_.size() < 2)) return;
    std::vector<aligned_buffer<std::byte>> fresh;
    // A size too large to be rounded overflows here.
    fresh.emplace_back(std::max({bytes, rounded(bytes), own_bytes()}));
    blocks_ = std::move(fresh);
  }

  /// Bytes held now, by the parts too.
  [[nodiscard]] std::size_t capacity() const noexcept {
    std::size_t total = own_bytes();
    for (const auto& part : parts_) total += part->capacity();
    return total;
  }

  /// Makes `part(i)` available for i < count. Pre: no part is in use. Throws: std::bad_alloc.
  void reserve_parts(std::size_t count) {
    while (parts_.size() < count) parts_.push_back(std::make_unique<workspace>());
  }

  /// A workspace of its own for task i of a call that is spread over threads. Pre: i was reserved.
  [[nodiscard]] workspace& part(std::size_t i) noexcept { return *parts_[i]; }

  /// Arrays taken through a frame live until it ends. Frames nest like calls.
  class frame {
   public:
    /// Opens a frame. Throws: std::bad_alloc (an outermost frame joins the blocks that earlier growth left apart).
    explicit frame(workspace& owner) : owner_(owner) {
      if (owner_.open_frames_ == 0) owner_.join_blocks();
      block_ = owner_.block_;
      used_ = owner_.used_;
      ++owner_.open_frames_;
    }
    frame(const frame&) = delete;
    frame& operator=(const frame&) = delete;
    ~frame() {
      owner_.block_ = block_;
      owner_.used_ = used_;
      --owner_.open_frames_;
    }

    /// `count` uninitialized elements on a 64-byte boundary. Throws: overflow, std::bad_alloc.
    template <class T>
    [[nodiscard]] std::span<T> take(std::size_t count) {
      static_assert(std::is_trivially_copyable_v<T>);
      if (count > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(T)) {
        fail(error_code::overflow, {.where = "workspace", .found = std::to_string(count) + " elements"});
      }
      return {reinterpret_cast<T*>(owner_.allocate(count * sizeof(T))), count};
    }

    /// An uninitialized (rows, cols) matrix. Throws: overflow, std::bad_alloc.
    template <class T>
    [[nodiscard]] matrix_view<T> take_matrix(std::size_t rows, std::size_t cols) {
      if (cols != 0 && rows > std::numeric_limits<std::size_t>::max() / cols) {
        fail(error_code::overflow, {.where = "workspace", .found = std::to_string(rows) + " rows"});
      }
      return {take<T>(rows * cols).data(), {rows, cols}};
    }

   private:
    workspace& owner_;
    std::size_t block_ = 0;
    std::size_t used_ = 0;
  };

 private:
  static constexpr std::size_t rounded(std::size_t bytes) noexcept {
    return (bytes + buffer_alignment - 1) / buffer_alignment * buffer_alignment;
  }

  // Without the parts.
  [[nodiscard]] std::size_t own_bytes() const noexcept {
    std::size_t total = 0;
    for (const auto& block : blocks_) total += block.size();
    return total;
  }

  std::byte* allocate(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    while (block_ < blocks_.size() && blocks_[block_].size() - used_ < size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) blocks_.emplace_back(std::max(size, own_bytes()));
    std::byte* const memory = blocks_[block_].data() + used_;
    used_ += size;
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
  std::size_t block_ = 0;  // block that the next array is looked for in
  std::size_t used_ = 0;   // bytes of it that are taken
  std::size_t open_frames_ = 0;
  std::vector<std::unique_ptr<workspace>> parts_{};
};

}  // namespace ultrafastbert
