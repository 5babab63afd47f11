// SPDX-License-Identifier: MIT
//
// Constants of the vectorized GELU, shared by all instruction sets.
//   gelu(x) = max(x, 0) - |x| h,  h = erfc(|x| / sqrt 2) / 2 = exp(-x^2 / 2) t Q(t) / 2,  t = 1 / (1 + |x| / (2 sqrt
//   2))
// Q is a Chebyshev fit of degree 8 to erfcx(z) / t on z <= 10, relative error 5.6e-8.
// Layer: kernels.
#pragma once

#include <array>

namespace ultrafastbert::kernels::gelu_constants {

inline constexpr float saturation = 14.0F;  ///< beyond it h is 0 in float, so |x| is cut there
inline constexpr float t_slope = 0.35355339F;
/// Coefficients of Q / 2, highest power first.
inline constexpr std::array<float, 9> q{-0.058318242F / 2, 0.28119192F / 2,   -0.48080269F / 2,
                                        0.27147084F / 2,   -0.022591425F / 2, 0.20119666F / 2,
                                        0.24342681F / 2,   0.28233784F / 2,   0.28208819F / 2};

// exp(v) = 2^n exp(r), n = round(v / ln 2), |r| <= ln 2 / 2; the Taylor polynomial of degree 7 leaves 5e-9.
inline constexpr float smallest_exponent = -87.0F;
inline constexpr float log2_e = 1.44269504F;
inline constexpr float ln2_high = 0.693359375F;
inline constexpr float ln2_low = -2.12194440e-4F;
inline constexpr std::array<float, 8> exp_series{1.0F / 5040, 1.0F / 720, 1.0F / 120, 1.0F / 24,
                                                 1.0F / 6,    1.0F / 2,   1.0F,       1.0F};

}  // namespace ultrafastbert::kernels::gelu_constants
