// SPDX-License-Identifier: MIT
//
// A text under normalization. Every byte remembers the code point of the original text that it comes from, so that
// tokens can be located there whatever a normalizer or a pre-tokenizer replaced, decomposed or dropped.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// The bytes from `begin` to `end` of a text, without the one at `end`.
struct byte_range {
  std::size_t begin = 0;
  std::size_t end = 0;
  friend bool operator==(const byte_range&, const byte_range&) = default;
};

/// Valid UTF-8 with the origin of each byte. A rewrite reads the text and builds the next one beside it with `keep` and
/// `put`; `commit` then makes that the text. The buffers are kept from text to text.
class normalized_text {
 public:
  /// `owner` names the tokenizer in errors and must outlive this.
  explicit normalized_text(std::string_view owner = {}) : owner_(owner) {}

  /// Sets what all texts from now on may take together, where they are parts of one of `bytes` bytes: what they may
  /// grow to, and the work of the steps, so that neither many steps nor many parts multiply a text without end.
  void restart(std::size_t bytes) { restart(bytes, work_per_byte * bytes + free_work, "$"); }

  /// The same with another bound on the work: what steps cost for each byte, and steps of regular expressions. `where`
  /// is the place in the file that errors about it name, and must outlive this.
  void restart(std::size_t bytes, std::size_t work, std::string_view where) {
    text_.clear();
    where_ = where;
    // Places in a text are 32-bit numbers.
    constexpr std::size_t most = (std::numeric_limits<std::uint32_t>::max)() - 1;
    bytes_left_ = (std::min)(growth * bytes + allowance, most);
    work_left_ = work;
  }

  /// Counts the work of a step that is about to pass over the text, also over one of no bytes. `cost`: of a byte.
  /// Throws: limit_exceeded (more than `restart` allowed).
  void begin_step(std::size_t cost) {
    constexpr std::size_t start_of_step = 16;
    const std::size_t work = cost * text_.size() + start_of_step;
    if (work > work_left_) fail_work();
    work_left_ -= work;
  }

  /// Work that may still be done.
  [[nodiscard]] std::size_t work_left() const noexcept { return work_left_; }
  /// Counts work that was done. Pre: it was left.
  void note_work(std::size_t work) noexcept { work_left_ -= (std::min)(work, work_left_); }

  /// Throws limit_exceeded: the steps take more work than `restart` allowed.
  [[noreturn, gnu::cold, gnu::noinline]] void fail_work() const {
    fail(error_code::limit_exceeded,
         {.file = std::string(owner_),
          .where = std::string(where_),
          .expected = "steps of a normalizer or pre_tokenizer that pass over a text a bounded "
                      "number of times",
          .found = "too much work for the size of the text"});
  }

  /// Starts with `text`, whose first code point is number `first_code_point` of the original.
  /// Pre: `text` is valid UTF-8.
  void assign(std::string_view text, std::uint32_t first_code_point) {
    finish();
    text_.assign(text);
    ascii_ = ascii_prefix(text) == text.size();
    origin_.resize(text.size());
    if (ascii_) {
      std::iota(origin_.begin(), origin_.end(), first_code_point);
    } else {
      std::uint32_t next = first_code_point;
      for (std::size_t i = 0; i < text.size(); ++i) {
        if (!is_utf8_continuation(text[i])) ++next;
        origin_[i] = next - 1;
      }
    }
  }

  /// Starts with a part of another text, which keeps its origins.
  /// Pre: `part` lies within `whole` and starts and ends between code points.
  void assign(const normalized_text& whole, const byte_range& part) {
    finish();
    text_.assign(whole.text_, part.begin, part.end - part.begin);
    origin_.assign(whole.origin_.data() + part.begin, whole.origin_.data() + part.end);
    ascii_ = whole.ascii_ || ascii_prefix(text_) == text_.size();
  }

  [[nodiscard]] std::string_view text() const noexcept { return text_; }  ///< the text as it is so far
  [[nodiscard]] bool ascii() const noexcept { return ascii_; }            ///< whether all bytes are ASCII

  /// Number of the original code point that a byte comes from.
  [[nodiscard]] std::uint32_t origin(std::size_t byte) const noexcept { return origin_[byte]; }

  /// The original code points that the bytes [begin, end) come from.
  /// Pre: begin < end <= text().size().
  [[nodiscard]] text_span span(std::size_t begin, std::size_t end) const noexcept {
    return {.begin = origin_[begin], .end = origin_[end - 1] + 1};
  }

  /// The bytes themselves, for changes of ASCII into ASCII that need no next text.
  [[nodiscard]] std::span<char> bytes() noexcept { return text_; }

  /// Appends the bytes [begin, end) of the text, with their origins, to the next text.
  void keep(std::size_t begin, std::size_t end) {
    next_text_.append(text_, begin, end - begin);
    next_origin_.insert(next_origin_.end(), origin_.data() + begin, origin_.data() + end);
  }

  /// Appends new bytes, which come from code point `origin`, to the next text.
  /// Throws: limit_exceeded (replacements let the text grow out of proportion).
  void put(std::string_view bytes, std::uint32_t origin) {
    if (bytes.size() > bytes_left_ || next_text_.size() > bytes_left_ - bytes.size()) {
      fail_growth(next_text_.size() + bytes.size());
    }
    next_text_.append(bytes);
    next_origin_.resize(next_text_.size(), origin);
  }

  /// Appends one code point, which comes from code point `origin`, to the next text. Throws as the other `put`.
  void put(char32_t code_point, std::uint32_t origin) {
    const std::size_t before = next_text_.size();
    if (before + 4 > bytes_left_) fail_growth(before + 4);
    append_utf8(next_text_, code_point);
    for (std::size_t at = before; at < next_text_.size(); ++at) next_origin_.push_back(origin);
  }

  /// Makes room in the next text, where its part so far stands for the first `done` bytes of the text: for what it will
  /// take if it goes on like this, so that a long text that grows does not move again and again.
  /// Throws: std::bad_alloc.
  void make_room(std::size_t done) {
    constexpr std::size_t longest_character = 4;
    constexpr std::size_t first_look = 4096;
    const std::size_t size = next_text_.size();
    if (size + longest_character <= next_origin_.capacity() || done < first_look) return;
    const double rate = static_cast<double>(size) / static_cast<double>(done);
    const std::size_t ahead = static_cast<std::size_t>(rate * static_cast<double>(text_.size() - done));
    // A quarter at least, should the rate rise from place to place.
    const std::size_t room = size + (std::max)(ahead + ahead / 64, size / 4) + longest_character;
    next_text_.reserve(room);
    next_origin_.reserve(room);
  }

  /// Number of bytes of the next text so far.
  [[nodiscard]] std::size_t next_size() const noexcept { return next_text_.size(); }

  /// Makes the next text the text.
  void commit() {
    std::swap(text_, next_text_);
    std::swap(origin_, next_origin_);
    next_text_.clear();
    next_origin_.clear();
    ascii_ = ascii_prefix(text_) == text_.size();
  }

 private:
  // NFKC makes 33 bytes of the 3 of U+FDFA, no Unicode step makes more of any, and bytes as characters are twice as
  // many; hostile steps could grow a text, or pass over it, without end.
  static constexpr std::size_t growth = 24;
  static constexpr std::size_t allowance = 4096;
  static constexpr std::size_t work_per_byte = 1024;  // published files take up to 250, and 800 of U+FDFA
  static constexpr std::size_t free_work = std::size_t{1} << 22U;

  /// Ends the text before this one.
  void finish() {
    bytes_left_ -= (std::min)(bytes_left_, text_.size());
    next_text_.clear();
    next_origin_.clear();
  }

  [[noreturn, gnu::cold, gnu::noinline]] void fail_growth(std::size_t bytes) const {
    fail(error_code::limit_exceeded,
         {.file = std::string(owner_),
          .where = "$.normalizer",
          .expected = "at most " + std::to_string(bytes_left_) + " bytes of normalized text",
          .found = std::to_string(bytes) + " bytes",
          .reason = "replacements let the text grow out of proportion"});
  }

  std::string_view owner_;
  std::string_view where_ = "$";
  std::string text_{};
  std::vector<std::uint32_t> origin_{};
  std::string next_text_{};
  std::vector<std::uint32_t> next_origin_{};
  std::size_t bytes_left_ = (std::numeric_limits<std::size_t>::max)();  // what is bounded is bounded by restart
  std::size_t work_left_ = (std::numeric_limits<std::size_t>::max)();
  bool ascii_ = true;
};

}  // namespace ultrafastbert::tokenizers
