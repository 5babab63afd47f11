// SPDX-License-Identifier: MIT
//
// Three tokenizers as plainly as they can be written, to compare the library's with: the WordPiece of crammed models,
// that of BERT uncased, and byte-level BPE. Slow on purpose: every step makes a new list, every look-up is a map's, and
// nothing is shared with the library but utf8proc. They know a part of Unicode that has not changed for many versions;
// other texts are not compared.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/fuzz_input.hpp"
#include "fuzz/tokenizer_checks.hpp"

namespace ufb_fuzz::plain {

/// A character of a normalized text, and the code points of the text that it came from.
struct symbol {
  std::uint32_t value = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};
using symbols = std::vector<symbol>;

/// A token, with its place in code points.
struct token {
  std::int32_t id = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};

inline utf8proc_category_t category(std::uint32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }
inline bool is_mark(std::uint32_t c) { return category(c) == UTF8PROC_CATEGORY_MN; }
inline bool is_between(std::uint32_t c, std::uint32_t first, std::uint32_t last) { return first <= c && c <= last; }
inline bool is_letter(std::uint32_t c) {
  return category(c) >= UTF8PROC_CATEGORY_LU && category(c) <= UTF8PROC_CATEGORY_LO;
}
inline bool is_number(std::uint32_t c) {
  return category(c) >= UTF8PROC_CATEGORY_ND && category(c) <= UTF8PROC_CATEGORY_NO;
}
inline bool is_space(std::uint32_t c) {
  return is_between(c, 9, 13) || c == 0x85 ||
         (category(c) >= UTF8PROC_CATEGORY_ZS && category(c) <= UTF8PROC_CATEGORY_ZP);
}
inline bool is_punctuation(std::uint32_t c) {
  if (c < 0x80)
    return is_between(c, 33, 47) || is_between(c, 58, 64) || is_between(c, 91, 96) || is_between(c, 123, 126);
  return category(c) >= UTF8PROC_CATEGORY_PC && category(c) <= UTF8PROC_CATEGORY_PO;
}

/// Whether all implementations agree about a code point.
inline bool is_known(std::uint32_t c) {
  const bool block = c < 0x530 || is_between(c, 0x1E00, 0x1EFF) || is_between(c, 0x2000, 0x206F) ||
                     is_between(c, 0x3000, 0x3029) || is_between(c, 0x4E00, 0x9FA5) || is_between(c, 0xFF01, 0xFF5E) ||
                     c == 0xFFFD || is_between(c, 0x1F400, 0x1F4FC);
  return block && category(c) != UTF8PROC_CATEGORY_CN;
}

inline std::string utf8_of(std::uint32_t c) {
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length)};
}

inline std::string utf8_of(const symbols& all, std::size_t begin, std::size_t end) {
  std::string out;
  for (std::size_t i = begin; i < end; ++i) out += utf8_of(all[i].value);
  return out;
}

/// Canonical decompositions, without the order of marks, which are dropped.
inline symbols decomposed(const symbols& from) {
  symbols out;
  for (const symbol& each : from) {
    utf8proc_int32_t parts[16];
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(each.value), parts, 16, UTF8PROC_DECOMPOSE, nullptr);
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      out.push_back({static_cast<std::uint32_t>(parts[i]), each.begin, each.end});
    }
  }
  return out;
}

inline void lower(symbols& all) {
  for (symbol& each : all) {
    each.value = static_cast<std::uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(each.value)));
  }
}

/// `pair` of equal characters becomes a quotation mark.
inline symbols with_quotes(const symbols& from, std::uint32_t pair) {
  symbols out;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (i + 1 < from.size() && from[i].value == pair && from[i + 1].value == pair) {
      out.push_back({'"', from[i].begin, from[i + 1].end});
      ++i;
    } else {
      out.push_back(from[i]);
    }
  }
  return out;
}

inline symbols with_single_spaces(const symbols& from) {
  symbols out;
  for (const symbol& each : from) {
    if (each.value == ' ' && !out.empty() && out.back().value == ' ') {
      out.back().end = each.end;
    } else {
      out.push_back(each);
    }
  }
  return out;
}

/// Which tokenizer.
enum class form : std::uint8_t { crammed, bert, byte_level };

class tokenizer {
 public:
  tokenizer(form which, const std::string& file) : form_(which) {
    std::ifstream stream(file, std::ios::binary);
    const auto json = nlohmann::json::parse(std::string(std::istreambuf_iterator<char>(stream), {}));
    for (const auto& added : json.at("added_tokens")) added_[added.at("content")] = added.at("id");
    const auto& model = json.at("model");
    for (const auto& [word, id] : model.at("vocab").items()) vocabulary_[word] = id;
    if (form_ != form::byte_level) {
      unknown_ = vocabulary_.at(model.at("unk_token"));
      return;
    }
    int rank = 0;
    for (const auto& merge : model.at("merges")) {
      if (merge.is_string()) {
        const std::string text = merge;
        ranks_[{text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)}] = rank++;
      } else {
        ranks_[{merge.at(0), merge.at(1)}] = rank++;
      }
    }
  }

  /// Tokens without those of a template, or nothing for a text that this tokenizer does not know enough of.
  [[nodiscard]] std::optional<std::vector<token>> encode(std::string_view text) const {
    const auto points = code_points_of(text);
    for (const code_point& each : points) {
      if (!is_known(each.value)) return std::nullopt;
    }
    std::vector<token> out;
    symbols segment;
    for (std::size_t i = 0; i < points.size();) {
      std::string_view longest;
      for (const auto& [word, id] : added_) {
        if (text.substr(points[i].begin).starts_with(word) && word.size() > longest.size()) longest = word;
      }
      if (longest.empty()) {
        segment.push_back({points[i].value, i, i + 1});
        ++i;
        continue;
      }
      encode_segment(segment, out);
      segment.clear();
      out.push_back({added_.at(std::string(longest)), i, i + longest.size()});  // they are ASCII
      i += longest.size();
    }
    encode_segment(segment, out);
    return out;
  }

  /// Whether places are compared, too: not where a character stands for several ones, nor where bytes are dropped that
  /// the vocabulary lacks, which the reference leaves out when it counts places.
  [[nodiscard]] bool compares_places(std::string_view text) const {
    if (form_ == form::bert) return true;
    if (text.find("``") != std::string_view::npos || text.find("''") != std::string_view::npos) return false;
    if (form_ == form::crammed) return true;
    return text.find("  ") == std::string_view::npos && std::all_of(text.begin(), text.end(), [this](char c) {
             const auto byte = static_cast<unsigned char>(c);
             return byte < 0x80 && vocabulary_.count(letter_of(byte)) != 0;
           });
  }

 private:
  void encode_segment(const symbols& segment, std::vector<token>& out) const {
    if (segment.empty()) return;
    switch (form_) {
      case form::crammed: return encode_crammed(segment, out);
      case form::bert: return encode_bert(segment, out);
      case form::byte_level: return encode_byte_level(segment, out);
    }
  }

  void encode_crammed(const symbols& segment, std::vector<token>& out) const {
    symbols all = decomposed(with_quotes(with_quotes(segment, '`'), '\''));
    lower(all);
    std::erase_if(all, [](const symbol& each) { return each.value >= 0x80; });
    const auto kind = [](std::uint32_t c) {
      if (is_between(c, 9, 13) || c == ' ') return 0;
      return is_between(c, 'a', 'z') || is_between(c, 'A', 'Z') || is_between(c, '0', '9') || c == '_' ? 1 : 2;
    };
    for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
      while (end < all.size() && kind(all[end].value) == kind(all[begin].value)) ++end;
      if (kind(all[begin].value) != 0) encode_word(symbols(&all[begin], all.data() + end), out);
    }
  }

  void encode_bert(const symbols& segment, std::vector<token>& out) const {
    symbols all;
    for (const symbol& each : segment) {
      const std::uint32_t c = each.value;
      const bool blank = c == '\t' || c == '\n' || c == '\r';
      const bool control = category(c) == UTF8PROC_CATEGORY_CC || category(c) == UTF8PROC_CATEGORY_CF ||
                           category(c) == UTF8PROC_CATEGORY_CO || c == 0xFFFD;
      if (control && !blank) continue;
      const bool ideograph = is_between(c, 0x4E00, 0x9FFF);
      if (ideograph) all.push_back({' ', each.begin, each.end});
      all.push_back({is_space(c) ? ' ' : c, each.begin, each.end});
      if (ideograph) all.push_back({' ', each.begin, each.end});
    }
    all = decomposed(all);
    std::erase_if(all, [](const symbol& each) { return is_mark(each.value); });
    lower(all);
    for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
      end = begin + 1;
      if (all[begin].value == ' ') continue;
      const auto goes_on = [&] { return all[end].value != ' ' && !is_punctuation(all[end].value); };
      while (!is_punctuation(all[begin].value) && end < all.size() && goes_on()) ++end;
      encode_word(symbols(&all[begin], all.data() + end), out);
    }
  }

  void encode_word(const symbols& word, std::vector<token>& out) const {
    std::vector<token> pieces;
    for (std::size_t begin = 0, end = 0; begin < word.size() && word.size() <= 100; begin = end) {
      for (end = word.size(); end > begin; --end) {
        const auto found = vocabulary_.find((begin > 0 ? "##" : "") + utf8_of(word, begin, end));
        if (found == vocabulary_.end()) continue;
        pieces.push_back({found->second, word[begin].begin, word[end - 1].end});
        break;
      }
      if (end == begin) {
        pieces.clear();
        break;
      }
    }
    if (pieces.empty()) pieces.push_back({unknown_, word.front().begin, word.back().end});
    out.insert(out.end(), pieces.begin(), pieces.end());
  }

  void encode_byte_level(const symbols& segment, std::vector<token>& out) const {
    symbols all = with_quotes(with_quotes(segment, '`'), '\'');
    const std::string text = utf8_of(all, 0, all.size());
    utf8proc_uint8_t* composed = nullptr;
    const auto length =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                     &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT));
    require(length >= 0, "utf8proc refuses a text");
    const std::string mapped(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(length));
    std::free(composed);
    if (mapped != text) {  // places mean nothing then
      all.clear();
      for (const code_point& each : code_points_of(mapped)) all.push_back({each.value, 0, 0});
    }
    all = with_single_spaces(all);
    if (all.empty()) return;
    if (all.front().value != ' ') all.insert(all.begin(), symbol{' ', all.front().begin, all.front().end});
    for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
      end = end_of_part(all, begin);
      encode_part(symbols(&all[begin], all.data() + end), out);
    }
  }

  /// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+, alternative by alternative.
  static std::size_t end_of_part(const symbols& all, std::size_t begin) {
    const auto at = [&](std::size_t i) { return i < all.size() ? all[i].value : 0U; };
    if (at(begin) == '\'') {
      for (const std::string_view word : {"s", "t", "re", "ve", "m", "ll", "d"}) {
        bool same = begin + word.size() < all.size();
        for (std::size_t i = 0; same && i < word.size(); ++i) {
          same = at(begin + 1 + i) == static_cast<unsigned char>(word[i]);
        }
        if (same) return begin + 1 + word.size();
      }
    }
    const auto other = [](std::uint32_t c) { return !is_space(c) && !is_letter(c) && !is_number(c); };
    for (const auto& kind :
         {+[](std::uint32_t c) { return is_letter(c); }, +[](std::uint32_t c) { return is_number(c); },
          static_cast<bool (*)(std::uint32_t)>(other)}) {
      for (const std::size_t blanks : {at(begin) == ' ' ? 1U : 0U, 0U}) {
        std::size_t end = begin + blanks;
        while (end < all.size() && kind(all[end].value)) ++end;
        if (end > begin + blanks) return end;
      }
    }
    std::size_t end = begin;
    while (end < all.size() && is_space(all[end].value)) ++end;
    return end < all.size() && end > begin + 1 ? end - 1 : end;
  }

  /// The character that stands for a byte in GPT-2's alphabet.
  static std::string letter_of(unsigned char byte) {
    std::uint32_t next = 256;
    for (std::uint32_t b = 0; b < 256; ++b) {
      const bool itself = is_between(b, 33, 126) || is_between(b, 161, 172) || is_between(b, 174, 255);
      if (b == byte) return utf8_of(itself ? b : next);
      if (!itself) ++next;
    }
    return {};
  }

  void encode_part(const symbols& part, std::vector<token>& out) const {
    struct piece {
      std::string text{};
      std::size_t begin = 0;
      std::size_t end = 0;
    };
    std::vector<piece> pieces;
    for (const symbol& each : part) {
      for (const char byte : utf8_of(each.value)) {
        std::string letter = letter_of(static_cast<unsigned char>(byte));
        // A model without an unknown token drops what it lacks.
        if (vocabulary_.count(letter) != 0) pieces.push_back({std::move(letter), each.begin, each.end});
      }
    }
    for (;;) {
      std::size_t best = pieces.size();
      int best_rank = 0;
      for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
        const auto found = ranks_.find({pieces[i].text, pieces[i + 1].text});
        if (found == ranks_.end() || (best < pieces.size() && found->second >= best_rank)) continue;
        best = i;
        best_rank = found->second;
      }
      if (best == pieces.size()) break;
      pieces[best].text += pieces[best + 1].text;
      pieces[best].end = pieces[best + 1].end;
      pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    for (const piece& each : pieces) out.push_back({vocabulary_.at(each.text), each.begin, each.end});
  }

  form form_;
  std::map<std::string, std::int32_t> added_{};
  std::map<std::string, std::int32_t> vocabulary_{};
  std::map<std::pair<std::string, std::string>, int> ranks_{};
  std::int32_t unknown_ = 0;
};

}  // namespace ufb_fuzz::plain
