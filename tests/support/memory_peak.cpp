// SPDX-License-Identifier: MIT
//
// Replaces operator new and delete by ones that count bytes. A program cannot link this and allocation_counter.cpp.
#include "support/memory_peak.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

#include "support/sanitizers.hpp"

#if UFB_UNDER_SANITIZER || !defined(__GLIBC__)
#define UFB_MEASURE_MEMORY 0
#else
#define UFB_MEASURE_MEMORY 1
#endif

namespace {

std::atomic<std::size_t> in_use{0};
std::atomic<std::size_t> most_in_use{0};

}  // namespace

namespace ufb_test {

bool memory_is_measured() noexcept { return UFB_MEASURE_MEMORY != 0; }
std::size_t memory_in_use() noexcept { return in_use.load(); }
std::size_t memory_peak() noexcept { return most_in_use.load(); }
void restart_memory_peak() noexcept { most_in_use.store(in_use.load()); }

}  // namespace ufb_test

#if UFB_MEASURE_MEMORY

#include <malloc.h>

namespace {

void* counted(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  const std::size_t now = in_use.fetch_add(::malloc_usable_size(memory)) + ::malloc_usable_size(memory);
  std::size_t most = most_in_use.load();
  while (most < now && !most_in_use.compare_exchange_weak(most, now)) {
  }
  return memory;
}

void release(void* memory) noexcept {
  if (memory != nullptr) in_use.fetch_sub(::malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return counted(std::malloc(size == 0 ? 1 : size)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto step = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(step, (size + step - 1) / step * step + (size == 0 ? step : 0)));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

#endif
