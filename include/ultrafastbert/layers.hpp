// SPDX-License-Identifier: MIT
//
// The layers alone: fast feedforward in both forms, dense feedforward, linear, attention, norms, embedding. Needs Eigen
// and a BLAS (or none: Eigen), no JSON and no Unicode library. The CMake target is ultrafastbert::layers.
// Layer: umbrella over core, blas, kernels, cmm, layers.
#pragma once

#include "ultrafastbert/core/language.hpp"  // first

#include "ultrafastbert/blas/cblas_backend.hpp"
#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/blas/plain_backend.hpp"
#include "ultrafastbert/cmm/conditional_matrix_multiplication.hpp"
#include "ultrafastbert/cmm/paths.hpp"
#include "ultrafastbert/cmm/route_usage.hpp"
#include "ultrafastbert/cmm/tie_rule.hpp"
#include "ultrafastbert/cmm/tree.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/memory_source.hpp"
#include "ultrafastbert/core/version.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/layers/attention.hpp"
#include "ultrafastbert/layers/compare.hpp"
#include "ultrafastbert/layers/embedding.hpp"
#include "ultrafastbert/layers/fast_feedforward.hpp"
#include "ultrafastbert/layers/feedforward.hpp"
#include "ultrafastbert/layers/leaf_feedforward.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/layers/norm.hpp"
#include "ultrafastbert/layers/sequences.hpp"
