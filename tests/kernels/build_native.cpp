// SPDX-License-Identifier: MIT
//
// The kernels compiled for the machine at hand, under the names that the rest of the program compiles them, too.
#define UFB_RESULTS_FUNCTION results_of_native_build
#include "kernel_results.hpp"
