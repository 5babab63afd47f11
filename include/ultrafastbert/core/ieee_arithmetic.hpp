// SPDX-License-Identifier: MIT
//
// Refuses compilers that were told to treat floating point numbers as real ones. NaN and infinity would go unnoticed,
// sums would change their order, and the linker might keep such a copy of a function for the whole program.
// Layer: core.
#pragma once

#include "ultrafastbert/core/language.hpp"

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "ultrafastbert needs IEEE arithmetic: compile the files that include it with -fno-fast-math, not with -Ofast"
#endif
