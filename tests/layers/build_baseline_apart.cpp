// SPDX-License-Identifier: MIT
//
// Layers compiled for the oldest processor and without optimization, under names of their own, so that the linker
// cannot replace them.
#define ultrafastbert ultrafastbert_baseline
#define UFB_RESULTS_FUNCTION layer_results_of_baseline_build_apart
#include "layer_results.hpp"
