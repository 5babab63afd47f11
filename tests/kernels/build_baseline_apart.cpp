// SPDX-License-Identifier: MIT
//
// The kernels compiled for the oldest processor, under names of their own, so that the linker cannot replace them.
#define ultrafastbert ultrafastbert_baseline
#define UFB_RESULTS_FUNCTION results_of_baseline_build_apart
#include "kernel_results.hpp"
