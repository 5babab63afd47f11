// SPDX-License-Identifier: MIT
//
// Which token plays which role. The ids are arbitrary, and no file alone says everything, so there is one order in
// which the sources count: 1. what the tokenizer itself uses (the unknown token of its model, the tokens that its
// post-processor names); 2. special_tokens_map.json; 3. tokenizer_config.json; 4. the spellings that are common, as far
// as the vocabulary has them. Where a later source contradicts an earlier one, the report says so.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/special_role.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"
#include "ultrafastbert/tokenizer/tokenizer_report.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// One element for each role.
template <class Value>
using by_role = std::array<Value, special_roles.size()>;

[[nodiscard]] constexpr std::size_t index_of(special_role role) noexcept { return static_cast<std::size_t>(role); }

/// Spellings that are common for a role, the likeliest first. No token begins or ends generated text by convention.
[[nodiscard]] inline std::span<const std::string_view> common_spellings(special_role role) noexcept {
  static constexpr std::array<std::string_view, 2> mask{"[MASK]", "<mask>"};
  static constexpr std::array<std::string_view, 2> pad{"[PAD]", "<pad>"};
  static constexpr std::array<std::string_view, 3> cls{"[CLS]", "<cls>", "<s>"};
  static constexpr std::array<std::string_view, 3> sep{"[SEP]", "<sep>", "</s>"};
  static constexpr std::array<std::string_view, 2> unk{"[UNK]", "<unk>"};
  switch (role) {
    case special_role::mask: return mask;
    case special_role::pad: return pad;
    case special_role::cls: return cls;
    case special_role::sep: return sep;
    case special_role::unk: return unk;
    case special_role::bos:
    case special_role::eos: break;
  }
  return {};
}

/// What is known about special tokens before the vocabulary is asked.
struct special_token_sources {
  by_role<std::string> used{};            ///< spellings that the tokenizer itself uses; empty where it says nothing
  by_role<std::string_view> customary{};  ///< spellings that are tried before the common ones; empty for none
  const side_files* files = nullptr;      ///< null where there are none
};

/// The spelling to which a role falls back, or nothing. Tokens that are marked as special come before ordinary words
/// that happen to be spelled like them.
[[nodiscard]] inline std::optional<std::string_view> find_common_spelling(special_role role, std::string_view customary,
                                                                          const vocabulary& tokens,
                                                                          std::span<const token_id> special_ids) {
  const auto common = common_spellings(role);
  const auto is_special = [&](std::string_view spelling) {
    const auto id = tokens.id(spelling);
    return id && std::binary_search(special_ids.begin(), special_ids.end(), *id);
  };
  const auto is_known = [&tokens](std::string_view spelling) { return tokens.id(spelling).has_value(); };
  if (!customary.empty() && is_known(customary)) return customary;
  auto found = std::find_if(common.begin(), common.end(), is_special);
  if (found == common.end()) found = std::find_if(common.begin(), common.end(), is_known);
  return found == common.end() ? std::nullopt : std::optional(*found);
}

/// Chooses the token of a role, by the order that stands at the top of this file, and notes contradictions.
/// Pre: `special_ids` is ascending.
/// Throws: bad_type, missing_key (a file describes the token in a wrong form).
[[nodiscard]] inline std::optional<described_token> choose_special_token(
    special_role role, const special_token_sources& sources, const vocabulary& tokens,
    std::span<const token_id> special_ids, std::vector<special_token_conflict>& conflicts) {
  std::optional<described_token> chosen;
  const auto consider = [&](std::optional<described_token> next) {
    if (!next || next->spelling.empty()) return;
    if (!chosen) {
      chosen = std::move(next);
    } else if (chosen->spelling != next->spelling) {
      conflicts.push_back(
          {.role = role, .used = chosen->spelling, .ignored = next->spelling, .file = std::move(next->file)});
    }
  };
  consider(described_token{.spelling = sources.used[index_of(role)]});
  if (sources.files != nullptr) {
    consider(sources.files->special_map.token(role));
    consider(sources.files->config.token(role));
  }
  if (!chosen) {
    const auto common = find_common_spelling(role, sources.customary[index_of(role)], tokens, special_ids);
    if (common) consider(described_token{.spelling = std::string(*common)});
  }
  return chosen;
}

/// The token of a role. Its spelling is empty where no source names one; it has no id where the vocabulary lacks it.
struct special_token {
  std::string spelling{};
  std::optional<token_id> id{};
};

/// The tokens of all roles. Throws: as `choose_special_token`.
[[nodiscard]] inline by_role<special_token> choose_special_tokens(const special_token_sources& sources,
                                                                  const vocabulary& tokens,
                                                                  std::span<const token_id> special_ids,
                                                                  std::vector<special_token_conflict>& conflicts) {
  by_role<special_token> out;
  for (const special_role role : special_roles) {
    auto chosen = choose_special_token(role, sources, tokens, special_ids, conflicts);
    if (!chosen) continue;
    special_token& token = out[index_of(role)];
    token.id = tokens.id(chosen->spelling);
    token.spelling = std::move(chosen->spelling);
  }
  return out;
}

/// Names of the tokens that could play a role, for errors: "'[MASK]' or '<mask>'".
[[nodiscard]] inline std::string list_common_spellings(special_role role) {
  const auto common = common_spellings(role);
  std::string out;
  for (std::size_t i = 0; i < common.size(); ++i) {
    if (i != 0) out += i + 1 == common.size() ? " or " : ", ";
    out += excerpt(common[i]);
  }
  return out;
}

}  // namespace ultrafastbert::tokenizers
