// SPDX-License-Identifier: MIT
//
// Replaces the allocation functions by ones that count, and that fail where they are told to.
#include "support/allocation_counter.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "support/sanitizers.hpp"

#define UFB_COUNT_ALLOCATIONS (!UFB_UNDER_SANITIZER)
#ifndef UFB_REPLACE_OPERATORS
#define UFB_REPLACE_OPERATORS UFB_COUNT_ALLOCATIONS
#endif

#if UFB_COUNT_ALLOCATIONS && defined(__GLIBC__)
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t number, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* memory);
}
#endif

namespace {

std::atomic<std::size_t> count{0};
std::atomic<std::size_t> live{0};
std::atomic<std::size_t> first_to_fail{0};  // in terms of `count`; 0 for none
std::atomic<bool> all_fail_from_there{false};
std::atomic<std::size_t> failed{0};

}  // namespace

namespace ufb_test {

bool allocations_are_counted() noexcept { return UFB_COUNT_ALLOCATIONS != 0; }

std::size_t allocations() noexcept { return count.load(); }

std::size_t live_allocations() noexcept { return live.load(); }

failing_allocation::failing_allocation(std::size_t number, kind which) noexcept {
  failed = 0;
  all_fail_from_there = which == kind::all_from_there;
  first_to_fail = count + number;
}

failing_allocation::~failing_allocation() { first_to_fail = 0; }

std::size_t failing_allocation::failures() noexcept { return failed.load(); }

}  // namespace ufb_test

#if UFB_REPLACE_OPERATORS

namespace {

// Counts an allocation. Result: whether it has to fail.
bool has_to_fail() noexcept {
  const std::size_t number = ++count;
  const std::size_t first = first_to_fail;
  if (first == 0 || number < first || (number > first && !all_fail_from_there)) return false;
  ++failed;
  return true;
}

void* counted(void* memory) noexcept {
  if (memory != nullptr) ++live;
  return memory;
}

// What the operators below go on to, so that they count once.
#if UFB_COUNT_ALLOCATIONS && defined(__GLIBC__)
void* plain_malloc(std::size_t size) noexcept { return __libc_malloc(size); }
void* plain_memalign(std::size_t alignment, std::size_t size) noexcept { return __libc_memalign(alignment, size); }
void plain_free(void* memory) noexcept { __libc_free(memory); }
#elif defined(_WIN32)
// One function frees what both return, whose results are aligned in a way of their own there.
void* plain_memalign(std::size_t alignment, std::size_t size) noexcept { return ::_aligned_malloc(size, alignment); }
void* plain_malloc(std::size_t size) noexcept { return plain_memalign(alignof(std::max_align_t), size); }
void plain_free(void* memory) noexcept { ::_aligned_free(memory); }
#else
void* plain_malloc(std::size_t size) noexcept { return std::malloc(size); }
void* plain_memalign(std::size_t alignment, std::size_t size) noexcept {
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
void plain_free(void* memory) noexcept { std::free(memory); }
#endif

void release(void* memory) noexcept {
  if (memory == nullptr) return;
  --live;
  plain_free(memory);
}

}  // namespace

void* operator new(std::size_t size) {
  if (!has_to_fail()) {
    if (void* memory = counted(plain_malloc(size == 0 ? 1 : size))) return memory;
  }
  throw std::bad_alloc();
}

void* operator new(std::size_t size, std::align_val_t alignment) {
  if (!has_to_fail()) {
    const auto step = static_cast<std::size_t>(alignment);
    if (void* memory = counted(plain_memalign(step, size == 0 ? step : size))) return memory;
  }
  throw std::bad_alloc();
}

// For which std::stable_sort does without a buffer.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return has_to_fail() ? nullptr : counted(plain_malloc(size == 0 ? 1 : size));
}

void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

#if UFB_COUNT_ALLOCATIONS && defined(__GLIBC__)

extern "C" {

void* malloc(std::size_t size) noexcept {
  if (has_to_fail()) {
    errno = ENOMEM;
    return nullptr;
  }
  return counted(__libc_malloc(size));
}

void* calloc(std::size_t number, std::size_t size) noexcept {
  if (has_to_fail()) {
    errno = ENOMEM;
    return nullptr;
  }
  return counted(__libc_calloc(number, size));
}

void* realloc(void* memory, std::size_t size) noexcept {
  if (memory == nullptr) return malloc(size);
  if (size == 0) {
    release(memory);
    return nullptr;
  }
  if (has_to_fail()) {
    errno = ENOMEM;
    return nullptr;
  }
  return __libc_realloc(memory, size);
}

void* memalign(std::size_t alignment, std::size_t size) noexcept {
  if (has_to_fail()) {
    errno = ENOMEM;
    return nullptr;
  }
  return counted(__libc_memalign(alignment, size));
}

void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept { return memalign(alignment, size); }

int posix_memalign(void** memory, std::size_t alignment, std::size_t size) noexcept {
  *memory = memalign(alignment, size);
  return *memory != nullptr ? 0 : ENOMEM;
}

void free(void* memory) noexcept { release(memory); }

}  // extern "C"

#endif

#endif
