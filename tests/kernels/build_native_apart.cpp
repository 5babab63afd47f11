// SPDX-License-Identifier: MIT
//
// The kernels compiled for the machine at hand, under names of their own, so that the linker cannot replace them.
#define ultrafastbert ultrafastbert_native
#define UFB_RESULTS_FUNCTION results_of_native_build_apart
#include "kernel_results.hpp"
