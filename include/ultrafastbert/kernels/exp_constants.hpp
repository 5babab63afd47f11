// SPDX-License-Identifier: MIT
//
// Constants of the vectorized exponential function, shared by all instruction sets:
//   exp(v) = 2^n p(r),  n = round(v / ln 2),  r = v - n ln 2
// p is a polynomial of degree 6 with p(0) = p'(0) = 1, relative error 4e-9 where |r| <= ln 2 / 2.
// Layer: kernels.
#pragma once

#include <array>

namespace ultrafastbert::kernels::exp_constants {

/// The smallest float whose exponential is a normal number, 2^-126 or just above; below it the result is 0.
inline constexpr float smallest_exponent = -87.33654F;
inline constexpr float log2_e = 1.44269504F;
inline constexpr float ln2_high = 0.693359375F;  ///< 355 / 512: its products with n <= 126 are exact
inline constexpr float ln2_low = -2.12194440e-4F;
/// Added to 1.5 * 2^23, a number leaves its nearest integer in the low bits.
inline constexpr float shifter = 12'582'912.0F;
/// Coefficients of p, highest power first.
inline constexpr std::array<float, 7> series{0.00138141739F, 0.0083689224F, 0.0416684076F, 0.166665196F,
                                             0.49999994F,    1.0F,          1.0F};

}  // namespace ultrafastbert::kernels::exp_constants
