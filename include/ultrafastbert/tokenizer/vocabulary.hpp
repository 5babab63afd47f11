// SPDX-License-Identifier: MIT
//
// Tokens and their ids: all bytes in one arena, found by a sorted hash index, so that neither memory nor time
// depends on what a hostile vocabulary contains.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"

namespace ultrafastbert::tokenizers {

/// Hash of a growing string (FNV-1a), cheap to extend by one byte.
class token_hash {
 public:
  token_hash() = default;
  explicit token_hash(std::string_view text) { add(text); }

  void add(char c) noexcept { state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U; }
  void add(std::string_view text) noexcept {
    for (const char c : text) add(c);
  }

  /// Well mixed in all bits.
  [[nodiscard]] std::uint32_t value() const noexcept {
    return static_cast<std::uint32_t>(((state_ ^ (state_ >> 32U)) * 0x9e3779b97f4a7c15U) >> 32U);
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325U;
};

/// Bounds on a vocabulary; exceeding them is limit_exceeded.
struct vocabulary_limits {
  std::size_t max_tokens = std::size_t{1} << 21U;
  std::size_t max_token_bytes = 1024;
};

/// Immutable table of tokens; shareable between threads. Model tokens are what the model may produce; added tokens
/// that the model lacks come behind them.
class vocabulary {
 public:
  class builder;

  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }             ///< number of tokens
  [[nodiscard]] std::size_t id_bound() const noexcept { return entry_of_id_.size(); }  ///< one past the largest id
  [[nodiscard]] std::size_t model_size() const noexcept { return model_size_; }        ///< number of model tokens

  /// Id of a token of either kind, or nothing.
  [[nodiscard]] std::optional<token_id> id(std::string_view token) const noexcept {
    const std::uint32_t entry = find(token_hash(token), {}, token);
    return entry == none ? std::nullopt : std::optional(ids_[entry]);
  }

  /// Id of the model token that is `head` followed by `tail`, whose hash is `hash`, or nothing.
  [[nodiscard]] std::optional<token_id> model_id(token_hash hash, std::string_view head,
                                                 std::string_view tail) const noexcept {
    const std::uint32_t entry = find(hash, head, tail);
    return entry >= model_size_ ? std::nullopt : std::optional(ids_[entry]);
  }

  /// Spelling of an id, or nothing. Valid while the vocabulary lives.
  [[nodiscard]] std::optional<std::string_view> token(token_id id) const noexcept {
    if (id < 0 || static_cast<std::size_t>(id) >= entry_of_id_.size()) return std::nullopt;
    const std::uint32_t entry = entry_of_id_[static_cast<std::size_t>(id)];
    return entry == none ? std::nullopt : std::optional(spelling(entry));
  }

  /// Spelling of model token number `index`, in the order they were added.
  /// Pre: index < model_size().
  [[nodiscard]] std::string_view model_token(std::size_t index) const noexcept {
    return spelling(static_cast<std::uint32_t>(index));
  }

 private:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  [[nodiscard]] std::string_view spelling(std::uint32_t entry) const noexcept {
    return std::string_view(bytes_).substr(ends_[entry], ends_[entry + 1] - ends_[entry]);
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
    const int order = text.substr(0, head.size()).compare(head);
    return order != 0 ? order : text.substr(head.size()).compare(tail);
  }

  std::string bytes_{};                            // all tokens, one after the other
  std::vector<std::uint32_t> ends_{0};             // entry e occupies [ends_[e], ends_[e + 1])
  std::vector<token_id> ids_{};                    // by entry
  std::vector<std::uint64_t> keys_{};              // hash << 32 | entry, ordered by hash, then by spelling
  std::vector<std::uint32_t> bucket_start_{0, 0};  // of the keys whose hash starts with the bucket's number
  std::vector<std::uint32_t> entry_of_id_{};       // `none` where an id is not in use
  std::uint32_t model_size_ = 0;
  unsigned bucket_bits_ = 0;
};

/// Collects tokens, then checks and indexes them all at once.
class vocabulary::builder {
 public:
  /// `model_path` and `added_path` are the JSON paths that errors name.
  builder(std::string file, std::string model_path, std::string added_path, const vocabulary_limits& limits = {})
      : file_(std::move(file)),
        model_path_(std::move(model_path)),
        added_path_(std::move(added_path)),
        limits_(limits) {}

  /// Adds a token of the model.
  /// Pre: no added token yet.
  /// Throws: bad_vocabulary (empty token, id beyond what a token_id holds), limit_exceeded.
  void add_model_token(std::string_view token, std::uint64_t id) {
    ++result_.model_size_;
    add(token, id);
  }

  /// Adds an added token; it may be one of the model's with the same id. Throws as `add_model_token`.
  void add_added_token(std::string_view token, std::uint64_t id) { add(token, id); }

  /// The finished vocabulary.
  /// Throws: duplicate_key (a model token twice), bad_vocabulary (an id twice, an added token twice or with another id
  ///   than the model's, ids too sparse).
  /// Complexity: n log n in the number of tokens.
  [[nodiscard]] vocabulary build() &&;

 private:
  [[nodiscard]] std::string where(std::size_t entry) const {
    if (entry >= result_.model_size_) return added_path_ + '[' + std::to_string(entry - result_.model_size_) + ']';
    return model_path_ + '[' + excerpt(result_.spelling(static_cast<std::uint32_t>(entry))) + ']';
  }

  [[noreturn]] void fail_at(std::size_t entry, std::string expected, std::string found) const {
    fail(error_code::bad_vocabulary,
         {.file = file_, .where = where(entry), .expected = std::move(expected), .found = std::move(found)});
  }

  void add(std::string_view token, std::uint64_t id) {
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<token_id>::max());
    const std::size_t entry = result_.ids_.size();
    if (entry >= limits_.max_tokens) fail_limit(std::to_string(limits_.max_tokens) + " tokens");
    if (token.size() > limits_.max_token_bytes) {
      fail_limit(std::to_string(limits_.max_token_bytes) + " bytes in a token; " + excerpt(token, 40) + " is longer");
    }
    result_.bytes_.append(token);
    result_.ends_.push_back(static_cast<std::uint32_t>(result_.bytes_.size()));
    result_.ids_.push_back(static_cast<token_id>(std::min(id, largest)));
    if (token.empty()) fail_at(entry, "a token of at least one byte", "an empty token");
    if (id >= largest) fail_at(entry, "an id below " + std::to_string(largest), std::to_string(id));
  }

  [[noreturn]] void fail_limit(std::string limit) const {
    fail(error_code::limit_exceeded, {.file = file_, .where = model_path_, .expected = "at most " + std::move(limit)});
  }

  void sort_keys();
  void drop_repeated_tokens();
  void index_ids();
  void index_buckets();

  std::string file_;
  std::string model_path_;
  std::string added_path_;
  vocabulary_limits limits_;
  vocabulary result_{};
};

inline void vocabulary::builder::sort_keys() {
  const std::size_t count = result_.ids_.size();
  auto& keys = result_.keys_;
  keys.resize(count);
  for (std::size_t entry = 0; entry < count; ++entry) {
    const token_hash hash(result_.spelling(static_cast<std::uint32_t>(entry)));
    keys[entry] = (std::uint64_t{hash.value()} << 32U) | entry;
  }
  std::sort(keys.begin(), keys.end());
  const auto hash_of = [](std::uint64_t key) { return key >> 32U; };
  for (std::size_t begin = 0, end = 0; begin < count; begin = end) {
    while (end < count && hash_of(keys[end]) == hash_of(keys[begin])) ++end;
    if (end - begin == 1) continue;
    const auto first = keys.begin() + static_cast<std::ptrdiff_t>(begin);
    std::sort(first, keys.begin() + static_cast<std::ptrdiff_t>(end), [this](std::uint64_t a, std::uint64_t b) {
      const int order =
          result_.spelling(static_cast<std::uint32_t>(a)).compare(result_.spelling(static_cast<std::uint32_t>(b)));
      return order != 0 ? order < 0 : a < b;
    });
  }
}

inline void vocabulary::builder::drop_repeated_tokens() {
  const auto repeats = [this](std::uint64_t a, std::uint64_t b) {
    const auto first = static_cast<std::uint32_t>(a);
    const auto second = static_cast<std::uint32_t>(b);
    if (a >> 32U != b >> 32U || result_.spelling(first) != result_.spelling(second)) return false;
    if (second < result_.model_size_) {
      fail(error_code::duplicate_key,
           {.file = file_, .where = model_path_, .found = excerpt(result_.spelling(first)) + " twice"});
    }
    if (first >= result_.model_size_) fail_at(second, "each token once", excerpt(result_.spelling(first)) + " again");
    if (result_.ids_[first] != result_.ids_[second]) {
      fail_at(second, "id " + std::to_string(result_.ids_[first]) + ", the vocabulary's",
              "id " + std::to_string(result_.ids_[second]));
    }
    return true;
  };
  auto& keys = result_.keys_;
  keys.erase(std::unique(keys.begin(), keys.end(), repeats), keys.end());
}

inline void vocabulary::builder::index_ids() {
  std::uint32_t largest_entry = 0;
  for (const std::uint64_t key : result_.keys_) {
    const auto entry = static_cast<std::uint32_t>(key);
    if (result_.ids_[entry] > result_.ids_[largest_entry]) largest_entry = entry;
  }
  const std::size_t count = result_.keys_.size();
  const std::size_t bound = count == 0 ? 0 : static_cast<std::size_t>(result_.ids_[largest_entry]) + 1;
  // A table by id must not outgrow the file that asks for it.
  if (const std::size_t most = 4 * count + 1024; bound > most) {
    fail_at(largest_entry, "ids below " + std::to_string(most) + " for " + std::to_string(count) + " tokens",
            "id " + std::to_string(bound - 1));
  }
  result_.entry_of_id_.assign(bound, none);
  for (const std::uint64_t key : result_.keys_) {
    const auto entry = static_cast<std::uint32_t>(key);
    std::uint32_t& owner = result_.entry_of_id_[static_cast<std::size_t>(result_.ids_[entry])];
    if (owner != none) {
      fail_at(std::max(owner, entry), "an id of its own",
              "id " + std::to_string(result_.ids_[entry]) + ", which is that of " +
                  excerpt(result_.spelling(std::min(owner, entry))));
    }
    owner = entry;
  }
}

inline void vocabulary::builder::index_buckets() {
  while ((std::size_t{1} << result_.bucket_bits_) < result_.keys_.size()) ++result_.bucket_bits_;
  auto& starts = result_.bucket_start_;
  starts.assign((std::size_t{1} << result_.bucket_bits_) + 1, 0);
  for (const std::uint64_t key : result_.keys_) {
    ++starts[static_cast<std::size_t>(((key >> 32U) << result_.bucket_bits_) >> 32U) + 1];
  }
  for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
}

inline vocabulary vocabulary::builder::build() && {
  sort_keys();
  drop_repeated_tokens();
  index_ids();
  index_buckets();
  return std::move(result_);
}

}  // namespace ultrafastbert::tokenizers
