// SPDX-License-Identifier: MIT
//
// Memory that ends where the operating system watches.
#pragma once

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#undef far
#undef near
#undef small
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>

namespace ufb_test {

/// Pages of the operating system, which start as zeros.
class memory_pages {
 public:
  explicit memory_pages(std::size_t bytes) : bytes_(bytes) {
#ifdef _WIN32
    base_ = static_cast<unsigned char*>(::VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
    if (base_ == nullptr) throw std::bad_alloc();
#else
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<unsigned char*>(memory);
#endif
  }
  memory_pages(const memory_pages&) = delete;
  memory_pages& operator=(const memory_pages&) = delete;
#ifdef _WIN32
  ~memory_pages() { ::VirtualFree(base_, 0, MEM_RELEASE); }
#else
  ~memory_pages() { ::munmap(base_, bytes_); }
#endif

  [[nodiscard]] unsigned char* data() const { return base_; }

  /// From now on touching these bytes ends the program; both numbers are multiples of `page`.
  void forbid(std::size_t begin, std::size_t bytes) {
#ifdef _WIN32
    DWORD before = 0;
    ::VirtualProtect(base_ + begin, bytes, PAGE_NOACCESS, &before);
#else
    ::mprotect(base_ + begin, bytes, PROT_NONE);
#endif
  }

  [[nodiscard]] static std::size_t page() {
#ifdef _WIN32
    SYSTEM_INFO system;
    ::GetSystemInfo(&system);
    return system.dwPageSize;
#else
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
#endif
  }

 private:
  std::size_t bytes_;
  unsigned char* base_ = nullptr;
};

/// Where a block stands: right after forbidden memory, right before it, or away from it at an odd float.
enum class placement { at_start, at_end, odd };
inline constexpr placement placements[] = {placement::at_start, placement::at_end, placement::odd};

/// `count` elements between two forbidden pages: touching anything beyond them ends the test. What the pages between
/// hold besides the elements is filled with NaNs, and a write to it is found out. With UFB_UNFENCED in the environment
/// no page is forbidden, for emulators that touch what a masked instruction leaves out, as QEMU 7 does.
template <class T>
class fenced {
 public:
  fenced(std::size_t count, placement where)
      : count_(count), room_(room_for(count * sizeof(T) + gap(where))), pages_(room_ + 2 * memory_pages::page()) {
    const std::size_t page = memory_pages::page();
    first_ = pages_.data() + page;
    std::memset(first_, 0xff, room_);
    if (std::getenv("UFB_UNFENCED") == nullptr) {
      pages_.forbid(0, page);
      pages_.forbid(page + room_, page);
    }
    offset_ = where == placement::at_end ? room_ - count * sizeof(T) : gap(where);
  }

  [[nodiscard]] T* data() { return reinterpret_cast<T*>(first_ + offset_); }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] T& operator[](std::size_t i) { return data()[i]; }
  [[nodiscard]] std::span<T> span() { return {data(), count_}; }

  /// Whether nothing but the elements was written.
  [[nodiscard]] bool surroundings_intact() const {
    const auto untouched = [](unsigned char byte) { return byte == 0xff; };
    return std::all_of(first_, first_ + offset_, untouched) &&
           std::all_of(first_ + offset_ + count_ * sizeof(T), first_ + room_, untouched);
  }

 private:
  static std::size_t gap(placement where) { return where == placement::odd ? 68 : 0; }
  static std::size_t room_for(std::size_t bytes) {
    const std::size_t page = memory_pages::page();
    return std::max((bytes + page - 1) / page, std::size_t{1}) * page;
  }

  std::size_t count_;
  std::size_t room_;  // bytes between the forbidden pages
  memory_pages pages_;
  unsigned char* first_ = nullptr;
  std::size_t offset_ = 0;
};

}  // namespace ufb_test
