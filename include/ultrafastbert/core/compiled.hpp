// SPDX-License-Identifier: MIT
//
// How the code of the library gets into a program. By itself every file of the program that includes a header compiles
// what it uses. With UFB_COMPILED=1 for all files of the program, the kernels, the JSON parser and the models are
// compiled once, by one source file of these two lines, and the others take seconds:
//   #define UFB_COMPILED_SOURCE 1
//   #include <ultrafastbert/ultrafastbert.hpp>
// The CMake target ultrafastbert::compiled does both.
// Layer: core.
#pragma once

#if defined(UFB_COMPILED_SOURCE)
#if defined(UFB_COMPILED) && !UFB_COMPILED
#error "UFB_COMPILED_SOURCE is for programs with UFB_COMPILED=1, but this one has UFB_COMPILED=0"
#endif
#undef UFB_COMPILED
#define UFB_COMPILED 1
#elif !defined(UFB_COMPILED)
#define UFB_COMPILED 0
#endif

// Whether this file compiles what a program needs once, and how such functions are declared.
#if UFB_COMPILED
#define UFB_FUNCTION
#else
#define UFB_FUNCTION inline
#endif
#if !UFB_COMPILED || defined(UFB_COMPILED_SOURCE)
#define UFB_WITH_BODIES 1
#else
#define UFB_WITH_BODIES 0
#endif

// Behind a class template: its instances that the one source file compiles for all.
#if defined(UFB_COMPILED_SOURCE)
#define UFB_COMPILED_CLASS(...) template class __VA_ARGS__
#elif UFB_COMPILED
#define UFB_COMPILED_CLASS(...) extern template class __VA_ARGS__
#else
#define UFB_COMPILED_CLASS(...) static_assert(true)
#endif

// Linkers refuse a variable that is thread-local in one file and is not in another: the error names it.
extern "C" {
#if defined(UFB_COMPILED_SOURCE)
thread_local char ultrafastbert_with_and_without_UFB_COMPILED_in_one_program = 0;
#elif !UFB_COMPILED
// NOLINTNEXTLINE(readability-identifier-naming): the name is what the linker shows
[[gnu::used]] inline char ultrafastbert_with_and_without_UFB_COMPILED_in_one_program = 0;
#endif
}
