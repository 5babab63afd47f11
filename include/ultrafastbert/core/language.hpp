// SPDX-License-Identifier: MIT
//
// Says which C++ this is, before a compiler that was asked for an older one says what it does not understand.
// Layer: core.
#pragma once

#if (defined(_MSVC_LANG) && _MSVC_LANG < 202002L) || (!defined(_MSVC_LANG) && __cplusplus < 202002L)
#error "ultrafastbert is C++20: compile the files that include it with -std=c++20 or later"
#endif
