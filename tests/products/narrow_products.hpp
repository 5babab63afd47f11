// SPDX-License-Identifier: MIT
//
// What the tests of narrow products share: the sets of kernels that this machine runs, and rounding by its definition.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "kernels/support.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"
#include "ultrafastbert/products/packed_matrix.hpp"

namespace ufb_test {

using namespace ultrafastbert;

inline constexpr weight_storage narrow_storages[] = {weight_storage::bfloat16, weight_storage::int8};

struct variant {
  isa_level level;
  kernels::gemm_extensions extensions;
};

// Every set of kernels that this machine runs.
[[nodiscard]] inline std::vector<variant> variants() {
  std::vector<variant> all;
  for (const isa_level level : levels_of_this_machine()) all.push_back({level, {}});
  const kernels::gemm_extensions extensions = kernels::gemm_extensions_of_processor();
  if (extensions.bfloat16 || extensions.int8) all.push_back({isa_level::avx512, extensions});
  return all;
}

[[nodiscard]] inline packed_matrix packed(const guarded_matrix<float>& weights, weight_storage storage,
                                          const variant& v) {
  return packed_matrix(weights.view(), storage, v.level, v.extensions);
}

// Nearest, the even one of two: by the definition, in double.
[[nodiscard]] inline double to_bfloat16(float value) {
  if (value == 0.0F) return 0.0;
  int exponent = 0;
  const double fraction = std::frexp(static_cast<double>(value), &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

}  // namespace ufb_test
