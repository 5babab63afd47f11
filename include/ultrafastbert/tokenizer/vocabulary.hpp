// SPDX-License-Identifier: MIT
//
// Tokens and their ids. All bytes lie in one arena and are found through a sorted index of hashes, so that neither
// memory nor time depends on what a hostile vocabulary contains.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/tokenizer_report.hpp"

namespace ultrafastbert::tokenizers {

/// Hash of a growing string (FNV-1a), which is cheap to extend by one byte.
class token_hash {
 public:
  token_hash() = default;
  explicit token_hash(std::string_view text) { add(text); }

  void add(char c) noexcept { state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U; }
  void add(std::string_view text) noexcept {
    for (const char c : text) add(c);
  }

  /// The hash, well mixed in all its bits.
  [[nodiscard]] std::uint32_t value() const noexcept {
    return static_cast<std::uint32_t>(((state_ ^ (state_ >> 32U)) * 0x9e3779b97f4a7c15U) >> 32U);
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325U;
};

/// Immutable table of tokens, which threads can share. Its entries are the tokens that the model may produce, in the
/// order of the file, and behind them the added tokens, some of which are the model's, too.
class vocabulary {
 public:
  class builder;

  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }             ///< number of spellings
  [[nodiscard]] std::size_t id_bound() const noexcept { return entry_of_id_.size(); }  ///< one past the largest id
  [[nodiscard]] std::size_t model_size() const noexcept { return model_size_; }        ///< number of model entries

  /// Id of a token of either kind, or nothing.
  [[nodiscard]] std::optional<token_id> id(std::string_view token) const noexcept {
    const std::uint32_t entry = find(token_hash(token), {}, token);
    return entry == none ? std::nullopt : std::optional(ids_[entry]);
  }

  /// Id of the model's token that is `head` followed by `tail`, whose hash is `hash`, or nothing.
  [[nodiscard]] std::optional<token_id> model_id(token_hash hash, std::string_view head,
                                                 std::string_view tail) const noexcept {
    const std::uint32_t entry = find(hash, head, tail);
    return entry >= model_size_ ? std::nullopt : std::optional(ids_[entry]);
  }

  /// Spelling of an id, or nothing. It is valid while the vocabulary lives.
  [[nodiscard]] std::optional<std::string_view> token(token_id id) const noexcept {
    if (id < 0 || static_cast<std::size_t>(id) >= entry_of_id_.size()) return std::nullopt;
    const std::uint32_t entry = entry_of_id_[static_cast<std::size_t>(id)];
    return entry == none ? std::nullopt : std::optional(spelling(entry));
  }

  /// Spelling of model entry number `index`, in the order in which they were added.
  /// Pre: index < model_size().
  [[nodiscard]] std::string_view model_token(std::size_t index) const noexcept {
    return spelling(static_cast<std::uint32_t>(index));
  }

  [[nodiscard]] const unreachable_entries& blank() const noexcept { return blank_; }        ///< of zero bytes
  [[nodiscard]] const unreachable_entries& repeated() const noexcept { return repeated_; }  ///< replaced by later ones

 private:
  static constexpr std::uint32_t none = (std::numeric_limits<std::uint32_t>::max)();

  [[nodiscard]] std::string_view spelling(std::uint32_t entry) const noexcept {
    return {bytes_.data() + ends_[entry], ends_[entry + 1] - ends_[entry]};
  }

  [[nodiscard]] std::uint32_t find(token_hash hash, std::string_view head, std::string_view tail) const noexcept {
    const std::uint32_t value = hash.value();
    const std::size_t bucket = static_cast<std::size_t>((std::uint64_t{value} << bucket_bits_) >> 32U);
    const auto precedes = [&](std::uint64_t key, std::uint32_t wanted) {
      const auto key_hash = static_cast<std::uint32_t>(key >> 32U);
      if (key_hash != wanted) return key_hash < wanted;
      return compare(spelling(static_cast<std::uint32_t>(key)), head, tail) < 0;
    };
    const auto first = keys_.begin() + bucket_start_[bucket];
    const auto last = keys_.begin() + bucket_start_[bucket + 1];
    const auto found = std::lower_bound(first, last, value, precedes);
    if (found == last || static_cast<std::uint32_t>(*found >> 32U) != value) return none;
    const auto entry = static_cast<std::uint32_t>(*found);
    return compare(spelling(entry), head, tail) == 0 ? entry : none;
  }

  /// Sign of the comparison of `text` with `head` followed by `tail`.
  [[nodiscard]] static int compare(std::string_view text, std::string_view head, std::string_view tail) noexcept {
    if (!head.empty()) {
      const std::size_t shared = (std::min)(text.size(), head.size());
      const int order = std::string_view(text.data(), shared).compare(head);
      if (order != 0) return order;
      text.remove_prefix(shared);
    }
    return text.compare(tail);
  }

  std::string bytes_{};                            // all tokens, one after the other
  std::vector<std::uint32_t> ends_{0};             // entry e occupies [ends_[e], ends_[e + 1])
  std::vector<token_id> ids_{};                    // by entry
  std::vector<std::uint64_t> keys_{};              // hash << 32 | entry, ordered by hash and then by spelling
  std::vector<std::uint32_t> bucket_start_{0, 0};  // of the keys whose hash starts with the number of the bucket
  std::vector<std::uint32_t> entry_of_id_{};       // `none` where an id is not in use
  std::uint32_t model_size_ = 0;
  unsigned bucket_bits_ = 0;
  unreachable_entries blank_{};
  unreachable_entries repeated_{};
};

}  // namespace ultrafastbert::tokenizers
