// SPDX-License-Identifier: MIT
//
// Macros that hosts and their libraries define before they include ours: single letters (C's <complex.h>, R, AVR), the
// Windows headers without NOMINMAX and with their short words, X11, Qt. A letter expands to what no declaration
// survives.
#pragma once

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))

#define A (not_A)
#define B (not_B)
#define C (not_C)
#define D (not_D)
#define E (not_E)
#define F (not_F)
#define G (not_G)
#define H (not_H)
#undef I  // of <complex.h>
#define I (not_I)
#define J (not_J)
#define K (not_K)
#define L (not_L)
#define M (not_M)
#define N (not_N)
#define O (not_O)
#define P (not_P)
#define Q (not_Q)
#define R (not_R)
#define S (not_S)
#define T (not_T)
#define U (not_U)
#define V (not_V)
#define W (not_W)
#define X (not_X)
#define Y (not_Y)
#define Z (not_Z)

// Windows.
#define near
#define far
#define small char
#define interface struct
#define IN
#define OUT
#define OPTIONAL
#define CONST const
#define VOID void
#define TRUE 1
#define FALSE 0
#define ERROR 0
#define DELETE 0x00010000L
#define IGNORE 0
#define STRICT 1
#define NO_ERROR 0L
#define CALLBACK
#define GetObject GetObjectA
#define GetMessage GetMessageA
#define LoadString LoadStringA

// X11.
#define None 0L
#define Always 2
#define Bool int
#define Status int
#define Success 0
#define True 1
#define False 0
#define Unsorted 0

// Qt.
#define emit
#define slots
#define signals public
#define foreach for

// Unix headers and dialects of GNU.
#undef major
#undef minor
#undef unix
#undef linux
#define major(x) ((x) >> 8)
#define minor(x) ((x)&0xff)
#define unix 1
#define linux 1
