// SPDX-License-Identifier: MIT
//
// Which way a token goes at a node whose logit is exactly zero: trained layers and the published benchmark disagree.
// Every rule sends positive logits to the right, negative ones and NaN to the left.
// Layer: cmm.
#pragma once

#include <concepts>
#include <limits>
#include <type_traits>

namespace ultrafastbert {

/// A rule for logits of zero, minus zero included: the static constant `zero_goes_right`, a bool, says where they lead.
template <class Rule>
concept tie_rule = std::same_as<decltype(&Rule::zero_goes_right), const bool*> && requires {
  typename std::bool_constant<Rule::zero_goes_right>;
};

/// Logits above zero go right; zero, minus zero and NaN go left. Source: the trained layer of UltraFastBERT.
struct positive_goes_right {
  static constexpr bool zero_goes_right = false;
};

/// Logits of zero and above go right; NaN goes left. Source: UltraFastBERT's PyTorch benchmark layer.
struct non_negative_goes_right {
  static constexpr bool zero_goes_right = true;
};

static_assert(tie_rule<positive_goes_right> && tie_rule<non_negative_goes_right>);

namespace cmm {

/// A tie rule at run time, so that the engines are compiled once for all rules.
template <class Scalar>
class direction {
 public:
  constexpr explicit direction(bool zero_goes_right) noexcept
      : right_too_(zero_goes_right ? Scalar{0} : std::numeric_limits<Scalar>::quiet_NaN()) {}

  /// Whether a logit leads to the right child.
  [[nodiscard]] constexpr bool right(Scalar logit) const noexcept { return logit > Scalar{0} || logit == right_too_; }

  /// The same for a node with a threshold of its own in place of 0. NaN on either side goes left.
  [[nodiscard]] constexpr bool right(Scalar logit, Scalar threshold) const noexcept {
    return logit > threshold || (right_too_ == Scalar{0} && logit == threshold);
  }

 private:
  Scalar right_too_;  // 0, or NaN, which nothing equals
};

}  // namespace cmm

}  // namespace ultrafastbert
