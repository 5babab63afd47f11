// SPDX-License-Identifier: MIT
//
// The builder of a vocabulary: it collects tokens, then checks and indexes all of them at once.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/tokenizer/vocabulary.hpp"

namespace ultrafastbert::tokenizers {

/// Bounds on a vocabulary. Exceeding them is limit_exceeded.
struct vocabulary_limits {
  std::size_t max_tokens = std::size_t{1} << 21U;
  std::size_t max_token_bytes = 1024;
};

/// What it means when the model has a token twice.
enum class repeated_tokens : std::uint8_t {
  refused,    ///< an error, as for a JSON key that stands twice
  last_wins,  ///< the last one is found, as in a vocab.txt; the others keep their ids and spellings
};

/// What errors call the parts of a vocabulary, and how it is read.
struct vocabulary_form {
  std::string file{};                                  ///< name of the file
  std::string model_path = "$.model.vocab";            ///< where the model's tokens stand
  std::string added_path = "$.added_tokens";           ///< where the added tokens stand
  repeated_tokens repeats = repeated_tokens::refused;  ///< for tokens of the model
  vocabulary_limits limits{};
};

class vocabulary::builder {
 public:
  explicit builder(vocabulary_form form) : form_(std::move(form)) {}

  /// From now on the last of equal tokens of the model is the one that is found.
  void accept_repeats() noexcept { form_.repeats = repeated_tokens::last_wins; }

  /// Adds a token of the model. An empty one takes its id and is reported, as no text can lead to it.
  /// Pre: there is no added token yet.
  /// Throws: bad_vocabulary (an id beyond what a token_id holds), limit_exceeded.
  void add_model_token(std::string_view token, std::uint64_t id) {
    ++result_.model_size_;
    add(token, id);
  }

  /// Adds an added token, which may be one of the model's with the same id. Throws as `add_model_token`.
  void add_added_token(std::string_view token, std::uint64_t id) { add(token, id); }

  /// The finished vocabulary.
  /// Throws: duplicate_key (a model token twice, where that is refused), bad_vocabulary (an id twice, an added token
  ///   twice or with another id than the model's, ids that are too sparse).
  /// Complexity: n log n in the number of tokens.
  [[nodiscard]] vocabulary build() &&;

 private:
  [[nodiscard]] std::string where(std::size_t entry) const {
    if (entry >= result_.model_size_) return form_.added_path + '[' + std::to_string(entry - result_.model_size_) + ']';
    return form_.model_path + '[' + excerpt(result_.spelling(static_cast<std::uint32_t>(entry))) + ']';
  }

  [[noreturn]] void fail_at(std::size_t entry, std::string expected, std::string found) const {
    fail(error_code::bad_vocabulary,
         {.file = form_.file, .where = where(entry), .expected = std::move(expected), .found = std::move(found)});
  }

  void add(std::string_view token, std::uint64_t id) {
    constexpr auto largest = static_cast<std::uint64_t>((std::numeric_limits<token_id>::max)());
    const std::size_t entry = result_.ids_.size();
    if (entry >= form_.limits.max_tokens) {
      fail_limit(std::to_string(form_.limits.max_tokens) + " tokens", "more of them");
    }
    if (token.size() > form_.limits.max_token_bytes) {
      fail_limit(std::to_string(form_.limits.max_token_bytes) + " bytes in a token",
                 std::to_string(token.size()) + " bytes that start with " + excerpt(token, 40));
    }
    result_.bytes_.append(token);
    result_.ends_.push_back(static_cast<std::uint32_t>(result_.bytes_.size()));
    result_.ids_.push_back(static_cast<token_id>((std::min)(id, largest)));
    if (id >= largest) fail_at(entry, "an id below " + std::to_string(largest), std::to_string(id));
  }

  [[noreturn]] void fail_limit(std::string limit, std::string found) const {
    fail(error_code::limit_exceeded, {.file = form_.file,
                                      .where = form_.model_path,
                                      .expected = "at most " + std::move(limit),
                                      .found = std::move(found)});
  }

  void sort_keys();
  void resolve_repeats();
  [[nodiscard]] std::uint64_t resolve_group(const std::vector<std::uint64_t>& group);
  void report_replaced();
  void index_ids();
  void index_buckets();

  vocabulary_form form_;
  vocabulary result_{};
  std::vector<std::uint32_t> replaced_{};  // model entries that a later, equal one replaces
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

/// Decides which of the keys of equal tokens is the one that is found, and checks the others.
/// Pre: `group` is in ascending order, so that the model's entries come before the added ones.
inline std::uint64_t vocabulary::builder::resolve_group(const std::vector<std::uint64_t>& group) {
  const auto entry = [&group](std::size_t i) { return static_cast<std::uint32_t>(group[i]); };
  const std::string token = excerpt(result_.spelling(entry(0)));
  std::size_t models = 0;
  while (models < group.size() && entry(models) < result_.model_size_) ++models;
  if (models > 1 && form_.repeats == repeated_tokens::refused) {
    fail(error_code::duplicate_key, {.file = form_.file, .where = form_.model_path, .found = token + " twice"});
  }
  if (group.size() > models + 1) fail_at(entry(models + 1), "each token once", token + " again");
  if (result_.spelling(entry(0)).empty()) {
    for (std::size_t i = 0; i < (std::max<std::size_t>)(models, 1); ++i) result_.blank_.add(result_.ids_[entry(i)], {});
  }
  if (models == 0) return group.front();
  for (std::size_t i = 0; i + 1 < models; ++i) replaced_.push_back(entry(i));
  if (group.size() > models && result_.ids_[entry(models)] != result_.ids_[entry(models - 1)]) {
    fail_at(entry(models), "id " + std::to_string(result_.ids_[entry(models - 1)]) + ", the vocabulary's",
            "id " + std::to_string(result_.ids_[entry(models)]));
  }
  return group[models - 1];
}

/// Leaves one key for each token.
inline void vocabulary::builder::resolve_repeats() {
  auto& keys = result_.keys_;
  const auto equal = [this](std::uint64_t a, std::uint64_t b) {
    return a >> 32U == b >> 32U &&
           result_.spelling(static_cast<std::uint32_t>(a)) == result_.spelling(static_cast<std::uint32_t>(b));
  };
  std::vector<std::uint64_t> group;
  std::size_t kept = 0;
  for (std::size_t begin = 0, end = 0; begin < keys.size(); begin = end) {
    end = begin + 1;
    while (end < keys.size() && equal(keys[begin], keys[end])) ++end;
    std::uint64_t found = keys[begin];
    if (end - begin > 1 || result_.spelling(static_cast<std::uint32_t>(found)).empty()) {
      group.assign(keys.begin() + static_cast<std::ptrdiff_t>(begin), keys.begin() + static_cast<std::ptrdiff_t>(end));
      found = resolve_group(group);
    }
    keys[kept++] = found;
  }
  keys.resize(kept);
  report_replaced();
}

inline void vocabulary::builder::report_replaced() {
  std::sort(replaced_.begin(), replaced_.end());
  for (const std::uint32_t entry : replaced_) {
    if (!result_.spelling(entry).empty()) result_.repeated_.add(result_.ids_[entry], result_.spelling(entry));
  }
}

/// Fills the table by id. A replaced entry keeps its row there, so that its id can still be named.
inline void vocabulary::builder::index_ids() {
  std::vector<std::uint32_t> entries = std::move(replaced_);
  for (const std::uint64_t key : result_.keys_) entries.push_back(static_cast<std::uint32_t>(key));
  const auto by_id = [this](std::uint32_t a, std::uint32_t b) { return result_.ids_[a] < result_.ids_[b]; };
  const auto largest = std::max_element(entries.begin(), entries.end(), by_id);
  const std::size_t bound = entries.empty() ? 0 : static_cast<std::size_t>(result_.ids_[*largest]) + 1;
  // A table by id must not outgrow the file that asks for it.
  if (const std::size_t most = 4 * entries.size() + 1024; bound > most) {
    fail_at(*largest, "ids below " + std::to_string(most) + " for " + std::to_string(entries.size()) + " tokens",
            "id " + std::to_string(bound - 1));
  }
  result_.entry_of_id_.assign(bound, none);
  for (const std::uint32_t entry : entries) {
    std::uint32_t& owner = result_.entry_of_id_[static_cast<std::size_t>(result_.ids_[entry])];
    if (owner != none) {
      fail_at((std::max)(owner, entry), "an id of its own",
              "id " + std::to_string(result_.ids_[entry]) + ", which is that of " +
                  excerpt(result_.spelling((std::min)(owner, entry))));
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
  resolve_repeats();
  index_ids();
  index_buckets();
  return std::move(result_);
}

}  // namespace ultrafastbert::tokenizers
