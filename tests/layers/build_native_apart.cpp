// SPDX-License-Identifier: MIT
//
// Layers compiled for the machine at hand, under names of their own, so that the linker cannot replace them.
#define ultrafastbert ultrafastbert_native
#define UFB_RESULTS_FUNCTION layer_results_of_native_build_apart
#include "layer_results.hpp"
