// SPDX-License-Identifier: MIT
//
// The normalizer `BertNormalizer`: up to five steps, which its options switch on and off.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/steps/lower_case.hpp"
#include "ultrafastbert/tokenizer/steps/normalized_text.hpp"
#include "ultrafastbert/tokenizer/steps/normalizer.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_categories.hpp"
#include "ultrafastbert/tokenizer/steps/unicode_form.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// Drops control characters and turns every white space into U+0020 (`clean_text`).
class clean_bert_text : public normalizer {
 public:
  void apply(normalized_text& text) const override {
    const std::string_view all = text.text();
    std::size_t done = 0;
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t begin = at;
      char32_t c = static_cast<unsigned char>(all[at]);
      if (c < 0x80) {
        ++at;
        if (c >= ' ' && c != 0x7F) continue;
      } else {
        const utf8_step step = decode_utf8(all, at);
        c = step.code_point;
        at += step.length;
      }
      const bool control = is_bert_control(c);
      if (!control && (c == U' ' || !is_white_space(c))) continue;
      if (done < begin) text.keep(done, begin);
      if (!control) text.put(" ", text.origin(begin));
      done = at;
    }
    if (done == 0) return;
    text.keep(done, all.size());
    text.commit();
  }
};

/// Puts spaces around each ideograph (`handle_chinese_chars`).
class space_bert_ideographs : public normalizer {
 public:
  void apply(normalized_text& text) const override {
    if (text.ascii()) return;
    rewrite_non_ascii(text, [&text](char32_t c, const byte_range& place) {
      const bool ideograph = is_bert_ideograph(c);
      if (ideograph) text.put(" ", text.origin(place.begin));
      text.keep(place.begin, place.end);
      if (ideograph) text.put(" ", text.origin(place.begin));
    });
  }
};

/// Drops combining marks of category Mn (`strip_accents`, which applies after NFD).
class strip_bert_accents : public normalizer {
 public:
  [[nodiscard]] std::size_t cost() const noexcept override { return 32; }
  void apply(normalized_text& text) const override {
    if (text.ascii()) return;
    rewrite_non_ascii(text, [&text](char32_t c, const byte_range& place) {
      if (!is_bert_accent(c)) text.keep(place.begin, place.end);
    });
  }
};

/// The options of a `BertNormalizer`. Where nothing is said about accents, they go if the text is put into lower case.
struct bert_options {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  std::optional<bool> strip_accents{};
  bool lowercase = true;
};

/// Appends the steps that the options ask for, in the order in which they apply.
inline void append_bert_steps(const bert_options& options, normalizer_list& steps) {
  if (options.clean_text) steps.push_back(std::make_unique<const clean_bert_text>());
  if (options.handle_chinese_chars) steps.push_back(std::make_unique<const space_bert_ideographs>());
  if (options.strip_accents.value_or(options.lowercase)) {
    steps.push_back(std::make_unique<const unicode_form>());
    steps.push_back(std::make_unique<const strip_bert_accents>());
  }
  if (options.lowercase) steps.push_back(std::make_unique<const lower_case>());
}

/// Reads a `BertNormalizer`. Throws: bad_type, missing_key.
inline void read_bert_normalizer(const json_value& value, normalizer_list& steps) {
  bert_options options{.clean_text = value.at("clean_text").as_boolean(),
                       .handle_chinese_chars = value.at("handle_chinese_chars").as_boolean(),
                       .lowercase = value.at("lowercase").as_boolean()};
  const auto strip = value.find("strip_accents");
  if (strip && !strip->is_null()) options.strip_accents = strip->as_boolean();
  append_bert_steps(options, steps);
}

}  // namespace ultrafastbert::tokenizers
