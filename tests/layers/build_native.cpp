// SPDX-License-Identifier: MIT
//
// Layers compiled for the machine at hand, under the names that the rest of the program compiles them, too.
#define UFB_RESULTS_FUNCTION layer_results_of_native_build
#include "layer_results.hpp"
