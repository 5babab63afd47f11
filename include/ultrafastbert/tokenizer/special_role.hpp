// SPDX-License-Identifier: MIT
//
// The roles that special tokens play, and what files call them.
// Layer: tokenizer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ultrafastbert {

/// What a special token is for. A tokenizer may have a token for a role or not, and one token may play several roles.
enum class special_role : std::uint8_t {
  mask,  ///< stands for a word that is to be predicted
  pad,   ///< fills up encodings that are shorter than others
  cls,   ///< starts a text
  sep,   ///< ends a text
  unk,   ///< stands for what the vocabulary lacks
  bos,   ///< starts a sequence that is generated; only where a file names it
  eos,   ///< ends a sequence that is generated; only where a file names it
};

/// All roles, in the order of their enumerators.
inline constexpr std::array<special_role, 7> special_roles{special_role::mask, special_role::pad, special_role::cls,
                                                           special_role::sep,  special_role::unk, special_role::bos,
                                                           special_role::eos};

/// Stable spelling of a role, equal to the enumerator's name.
[[nodiscard]] constexpr std::string_view name(special_role role) noexcept {
  constexpr std::array<std::string_view, special_roles.size()> names{"mask", "pad", "cls", "sep", "unk", "bos", "eos"};
  return names[static_cast<std::size_t>(role)];
}

}  // namespace ultrafastbert
