// SPDX-License-Identifier: MIT
//
// Which way a token goes at a node whose logit is exactly zero: trained layers and the published benchmark disagree.
// Layer: cmm.
#pragma once

#include <concepts>

namespace ultrafastbert {

/// A rule that turns a node's logit into a direction. NaN must go left.
template <class Rule>
concept tie_rule = requires(float f, double d) {
  { Rule::right(f) } -> std::same_as<bool>;
  { Rule::right(d) } -> std::same_as<bool>;
};

/// Logits above zero go right; zero, minus zero and NaN go left. Source: the trained layer of UltraFastBERT.
struct positive_goes_right {
  template <std::floating_point T>
  [[nodiscard]] static constexpr bool right(T logit) noexcept {
    return logit > T{0};
  }
};

/// Logits of zero and above go right; NaN goes left. Source: UltraFastBERT's PyTorch benchmark layer.
struct non_negative_goes_right {
  template <std::floating_point T>
  [[nodiscard]] static constexpr bool right(T logit) noexcept {
    return logit >= T{0};
  }
};

static_assert(tie_rule<positive_goes_right> && tie_rule<non_negative_goes_right>);

}  // namespace ultrafastbert
