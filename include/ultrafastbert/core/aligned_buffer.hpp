// SPDX-License-Identifier: MIT
//
// Owned arrays of plain numbers on 64-byte boundaries, and an owned matrix built on one.
// Layer: core.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ultrafastbert {

/// Alignment of every buffer in bytes: a cache line, and the widest vector register.
inline constexpr std::size_t buffer_alignment = 64;

/// Buffers from this size on lie on huge pages where the system allows: gathers from them miss fewer translations.
inline constexpr std::size_t huge_page_threshold = std::size_t{4} << 20U;
inline constexpr std::size_t huge_page_bytes = std::size_t{2} << 20U;

namespace core {

/// Asks the system for huge pages before the memory is touched; a refusal changes nothing but speed.
inline void advise_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__linux__)
  static_cast<void>(::madvise(memory, bytes, MADV_HUGEPAGE));
#endif
}

/// Gives memory back as it was taken.
struct aligned_release {
  constexpr explicit aligned_release(std::align_val_t by = std::align_val_t{buffer_alignment}) noexcept
      : alignment(by) {}
  void operator()(std::byte* memory) const noexcept { ::operator delete(memory, alignment); }
  std::align_val_t alignment;
};

using aligned_memory = std::unique_ptr<std::byte, aligned_release>;

/// Zero-filled memory for `size` elements. One function for all types, out of line: callers' loops are what matters.
/// Throws: overflow (the byte count does not fit), std::bad_alloc.
[[nodiscard, gnu::noinline]] inline aligned_memory allocate_zeros(std::size_t size, std::size_t element_bytes) {
  if (size > static_cast<std::size_t>((std::numeric_limits<std::ptrdiff_t>::max)()) / element_bytes) {
    fail(error_code::overflow, {.where = "buffer", .found = std::to_string(size) + " elements"});
  }
  const std::size_t bytes = size * element_bytes;
  const std::align_val_t alignment{bytes >= huge_page_threshold ? huge_page_bytes : buffer_alignment};
  aligned_memory memory(static_cast<std::byte*>(::operator new(bytes, alignment)), aligned_release(alignment));
  if (bytes >= huge_page_threshold) advise_huge_pages(memory.get(), bytes);
  std::memset(memory.get(), 0, bytes);
  return memory;
}

}  // namespace core

/// An owned, zero-filled array of `size()` elements whose first element lies on a 64-byte boundary. Movable only.
template <class Element>
class aligned_buffer {
  static_assert(std::is_trivially_copyable_v<Element> && std::is_trivially_destructible_v<Element>);

 public:
  aligned_buffer() noexcept = default;

  /// Throws: overflow (the byte count does not fit), std::bad_alloc.
  explicit aligned_buffer(std::size_t size) : memory_(core::allocate_zeros(size, sizeof(Element))), size_(size) {}

  /// Leaves an empty buffer behind; assigning a buffer to itself changes nothing.
  aligned_buffer(aligned_buffer&& other) noexcept
      : memory_(std::move(other.memory_)), size_(std::exchange(other.size_, 0)) {}
  aligned_buffer& operator=(aligned_buffer&& other) noexcept {
    if (this != &other) {
      memory_ = std::move(other.memory_);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  aligned_buffer(const aligned_buffer&) = delete;
  aligned_buffer& operator=(const aligned_buffer&) = delete;
  ~aligned_buffer() = default;

  [[nodiscard]] Element* data() noexcept { return reinterpret_cast<Element*>(memory_.get()); }  ///< first element
  [[nodiscard]] const Element* data() const noexcept {                                          ///< first element
    return reinterpret_cast<const Element*>(memory_.get());
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }                         ///< number of elements
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }                          ///< no elements
  [[nodiscard]] std::span<Element> span() noexcept { return {data(), size_}; }              ///< all elements
  [[nodiscard]] std::span<const Element> span() const noexcept { return {data(), size_}; }  ///< all elements
  [[nodiscard]] Element& operator[](std::size_t i) noexcept { return data()[i]; }
  [[nodiscard]] const Element& operator[](std::size_t i) const noexcept { return data()[i]; }

 private:
  core::aligned_memory memory_{};
  std::size_t size_ = 0;
};

namespace core {

/// Elements of a matrix with `stride` elements from row to row. Throws: invalid_input (the stride is smaller than a
/// row), overflow.
[[nodiscard]] inline std::size_t elements_of(std::size_t rows, std::size_t cols, std::size_t stride) {
  if (stride < cols) fail_input("stride", "at least " + std::to_string(cols), std::to_string(stride));
  if (stride != 0 && rows > (std::numeric_limits<std::size_t>::max)() / stride) {
    fail(error_code::overflow,
         {.where = "matrix", .found = std::to_string(rows) + " rows of " + std::to_string(stride)});
  }
  return rows * stride;
}

}  // namespace core

/// An owned row-major matrix, zero-filled. Rows start on 64-byte boundaries; `stride()` says how far apart they are.
template <class Element>
class matrix {
 public:
  matrix() noexcept = default;

  /// Throws: overflow, std::bad_alloc.
  explicit matrix(const matrix_extents& extents)
      : rows_(extents.rows),
        cols_(extents.cols),
        stride_(extents.stride == 0 ? padded(extents.cols) : extents.stride),
        buffer_(core::elements_of(rows_, cols_, stride_)) {}

  /// Leaves a matrix without rows and columns behind; assigning a matrix to itself changes nothing.
  matrix(matrix&& other) noexcept
      : rows_(std::exchange(other.rows_, 0)),
        cols_(std::exchange(other.cols_, 0)),
        stride_(std::exchange(other.stride_, 0)),
        buffer_(std::move(other.buffer_)) {}
  matrix& operator=(matrix&& other) noexcept {
    if (this != &other) {
      rows_ = std::exchange(other.rows_, 0);
      cols_ = std::exchange(other.cols_, 0);
      stride_ = std::exchange(other.stride_, 0);
      buffer_ = std::move(other.buffer_);
    }
    return *this;
  }
  matrix(const matrix&) = delete;
  matrix& operator=(const matrix&) = delete;
  ~matrix() = default;

  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }      ///< number of rows
  [[nodiscard]] std::size_t cols() const noexcept { return cols_; }      ///< elements of a row
  [[nodiscard]] std::size_t stride() const noexcept { return stride_; }  ///< elements from row to row
  [[nodiscard]] std::size_t bytes() const noexcept { return buffer_.size() * sizeof(Element); }  ///< memory held
  [[nodiscard]] matrix_view<Element> view() noexcept {
    return {buffer_.data(), {rows_, cols_, stride_}};
  }  ///< all of it
  [[nodiscard]] matrix_view<const Element> view() const noexcept { return {buffer_.data(), {rows_, cols_, stride_}}; }
  [[nodiscard]] Element* row(std::size_t r) noexcept { return buffer_.data() + r * stride_; }  ///< first of row r
  [[nodiscard]] const Element* row(std::size_t r) const noexcept {
    return buffer_.data() + r * stride_;
  }  ///< first of row r
  [[nodiscard]] Element& operator()(std::size_t r, std::size_t c) noexcept { return row(r)[c]; }
  [[nodiscard]] const Element& operator()(std::size_t r, std::size_t c) const noexcept { return row(r)[c]; }

 private:
  static constexpr std::size_t padded(std::size_t cols) noexcept {
    constexpr std::size_t step = (std::max<std::size_t>)(1, buffer_alignment / sizeof(Element));
    return cols > (std::numeric_limits<std::size_t>::max)() - step ? cols : (cols + step - 1) / step * step;
  }

  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
  std::size_t stride_ = 0;
  aligned_buffer<Element> buffer_{};
};

}  // namespace ultrafastbert
