// SPDX-License-Identifier: MIT
//
// UFB_UNDER_SANITIZER: 1 where a sanitizer replaces the allocation functions, so that tests cannot; else 0.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UFB_UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define UFB_UNDER_SANITIZER 1
#endif
#endif
#ifndef UFB_UNDER_SANITIZER
#define UFB_UNDER_SANITIZER 0
#endif
