// SPDX-License-Identifier: MIT
//
// Constants of the vectorized functions, shared by all instruction sets. Both exponentials are
//   exp(v) = 2^n p(r),  n = round(v / ln 2),  r = v - n ln 2,  |r| <= ln 2 / 2
// with a polynomial p, and the GELU is
//   gelu(x) = max(x, 0) - |x| h,  h = erfc(|x| / sqrt 2) / 2 = exp(-x^2 / 2) t Q(t) / 2,  t = 1 / (1 + |x| / (2 sqrt
//   2))
// with a Chebyshev fit Q of degree 8 to erfcx(z) / t on z <= 10, relative error 5.6e-8.
// Layer: kernels.
#pragma once

#include <array>

namespace ultrafastbert::kernels {

inline constexpr float log2_e = 1.44269504F;
inline constexpr float ln2_high = 0.693359375F;  ///< 355 / 512: its products with n <= 126 are exact
inline constexpr float ln2_low = -2.12194440e-4F;
/// Added to 1.5 * 2^23, a number leaves its nearest integer in the low bits.
inline constexpr float rounding_shift = 12'582'912.0F;

namespace exp_constants {

/// The smallest float whose exponential is a normal number, 2^-126 or just above; below it the result is 0.
inline constexpr float smallest_exponent = -87.33654F;
/// Coefficients of p, highest power first: degree 6 with p(0) = p'(0) = 1, relative error 4e-9.
inline constexpr std::array<float, 7> series{0.00138141739F, 0.0083689224F, 0.0416684076F, 0.166665196F,
                                             0.49999994F,    1.0F,          1.0F};

}  // namespace exp_constants

namespace gelu_constants {

inline constexpr float saturation = 14.0F;  ///< beyond it h is 0 in float, so |x| is cut there
inline constexpr float t_slope = 0.35355339F;
/// Coefficients of Q / 2, highest power first.
inline constexpr std::array<float, 9> q{-0.058318242F / 2, 0.28119192F / 2,   -0.48080269F / 2,
                                        0.27147084F / 2,   -0.022591425F / 2, 0.20119666F / 2,
                                        0.24342681F / 2,   0.28233784F / 2,   0.28208819F / 2};
inline constexpr float smallest_exponent = -87.0F;
/// The Taylor polynomial of degree 7, highest power first, leaves 5e-9.
inline constexpr std::array<float, 8> exp_series{1.0F / 5040, 1.0F / 720, 1.0F / 120, 1.0F / 24,
                                                 1.0F / 6,    1.0F / 2,   1.0F,       1.0F};

}  // namespace gelu_constants

namespace gelu_tanh_constants {

inline constexpr float slope = 1.59576917F;          ///< 2 sqrt(2 / pi)
inline constexpr float cubic = 0.0713548162726009F;  ///< 0.044715 times that

}  // namespace gelu_tanh_constants

namespace tanh_constants {

inline constexpr float near_zero = 0.625F;  ///< up to here tanh(x) = x + x^3 P(x^2)
/// Coefficients of P, highest power first: a Chebyshev fit. In float the result is at most 0.92 units in the last
/// place off.
inline constexpr std::array<float, 5> series{-0.00609671418F, 0.0209971797F, -0.0538509078F, 0.133327693F,
                                             -0.333333284F};

}  // namespace tanh_constants

}  // namespace ultrafastbert::kernels
