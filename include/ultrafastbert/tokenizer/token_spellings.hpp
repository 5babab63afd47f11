// SPDX-License-Identifier: MIT
//
// The spellings of an encoding's tokens. A text may have more tokens than bytes, and a string for each of them would
// take more memory than all the rest of an encoding: here they stand one behind the other.
// Layer: tokenizer.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"

namespace ultrafastbert {

/// The spelling of a token: a view that is valid as long as the encoding is, and becomes a string where one is wanted.
struct token_spelling : std::string_view {
  using std::string_view::basic_string_view;
  constexpr token_spelling(std::string_view text) noexcept : std::string_view(text) {}  ///< a view as a spelling
  operator std::string() const { return std::string(data(), size()); }  ///< a copy. Throws: std::bad_alloc
};

namespace tokenizers {

/// Refuses a spelling of `more` bytes behind `held` bytes of others where their places would not be 32-bit numbers.
/// Throws: limit_exceeded.
inline void check_spelling_room(std::size_t held, std::size_t more) {
  constexpr std::size_t most = (std::numeric_limits<std::uint32_t>::max)();
  if (more <= most - held) return;
  fail(error_code::limit_exceeded, {.where = "tokens",
                                    .expected = "spellings of less than 4 GiB together",
                                    .found = std::to_string(held) + " and " + std::to_string(more)});
}

}  // namespace tokenizers

/// Spellings in order, as a container that is read by place or from begin to end and grows at its ends.
class token_spellings {
 public:
  using value_type = token_spelling;
  using reference = token_spelling;
  using const_reference = token_spelling;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;

  /// Walks over the spellings. Valid until the container is changed, moved or destroyed.
  class const_iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = token_spelling;
    using difference_type = std::ptrdiff_t;
    using reference = token_spelling;
    using pointer = const token_spelling*;

    constexpr const_iterator() = default;
    constexpr const_iterator(const token_spellings& all, std::size_t at) noexcept : all_(&all), at_(at) {}

    [[nodiscard]] token_spelling operator*() const noexcept { return (*all_)[at_]; }
    [[nodiscard]] token_spelling operator[](difference_type n) const noexcept { return *(*this + n); }
    const_iterator& operator++() noexcept { return *this += 1; }
    const_iterator operator++(int) noexcept {
      const const_iterator before = *this;
      ++at_;
      return before;
    }
    const_iterator& operator--() noexcept { return *this -= 1; }
    const_iterator operator--(int) noexcept {
      const const_iterator before = *this;
      --at_;
      return before;
    }
    const_iterator& operator+=(difference_type n) noexcept {
      at_ = static_cast<std::size_t>(static_cast<difference_type>(at_) + n);
      return *this;
    }
    const_iterator& operator-=(difference_type n) noexcept { return *this += -n; }
    [[nodiscard]] friend const_iterator operator+(const_iterator a, difference_type n) noexcept { return a += n; }
    [[nodiscard]] friend const_iterator operator+(difference_type n, const_iterator a) noexcept { return a += n; }
    [[nodiscard]] friend const_iterator operator-(const_iterator a, difference_type n) noexcept { return a -= n; }
    [[nodiscard]] friend difference_type operator-(const const_iterator& a, const const_iterator& b) noexcept {
      return static_cast<difference_type>(a.at_) - static_cast<difference_type>(b.at_);
    }
    friend bool operator==(const const_iterator& a, const const_iterator& b) noexcept { return a.at_ == b.at_; }
    friend auto operator<=>(const const_iterator& a, const const_iterator& b) noexcept { return a.at_ <=> b.at_; }

   private:
    const token_spellings* all_ = nullptr;
    std::size_t at_ = 0;
  };
  using iterator = const_iterator;

  token_spellings() = default;
  /// Copies of some strings. Throws: limit_exceeded (4 GiB and more), std::bad_alloc.
  token_spellings(const std::vector<std::string>& texts) {
    reserve(texts.size());
    for (const std::string& text : texts) push_back(text);
  }

  [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }            ///< number of spellings
  [[nodiscard]] bool empty() const noexcept { return ends_.empty(); }                 ///< whether there is none
  [[nodiscard]] const_iterator begin() const noexcept { return {*this, 0}; }          ///< the first
  [[nodiscard]] const_iterator end() const noexcept { return {*this, size()}; }       ///< behind the last
  [[nodiscard]] token_spelling front() const noexcept { return (*this)[0]; }          ///< the first. Pre: not empty()
  [[nodiscard]] token_spelling back() const noexcept { return (*this)[size() - 1]; }  ///< the last. Pre: not empty()

  /// Spelling number `i`. Pre: i < size().
  [[nodiscard]] token_spelling operator[](std::size_t i) const noexcept {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.data() + begin, ends_[i] - begin};
  }

  /// Makes room for so many in all. Throws: std::bad_alloc.
  void reserve(std::size_t count) { ends_.reserve(count); }

  /// Appends one. Throws: limit_exceeded (4 GiB and more of all together), std::bad_alloc.
  void push_back(std::string_view text) {
    tokenizers::check_spelling_room(bytes_.size(), text.size());
    bytes_.append(text);
    ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  }

  /// Puts copies of one before all others. Throws: as `push_back`.
  void push_front(std::size_t count, std::string_view text) {
    token_spellings all;
    all.reserve(size() + count);
    for (std::size_t i = 0; i < count; ++i) all.push_back(text);
    for (const token_spelling each : *this) all.push_back(each);
    *this = std::move(all);
  }

  /// Copies of all. Throws: std::bad_alloc.
  operator std::vector<std::string>() const { return {begin(), end()}; }

  friend bool operator==(const token_spellings&, const token_spellings&) = default;
  friend bool operator==(const token_spellings& a, const std::vector<std::string>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < b.size(); ++i) {
      if (a[i] != std::string_view(b[i])) return false;
    }
    return true;
  }

 private:
  std::string bytes_{};
  std::vector<std::uint32_t> ends_{};
};

}  // namespace ultrafastbert
