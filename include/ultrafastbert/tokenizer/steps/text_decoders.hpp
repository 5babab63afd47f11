// SPDX-License-Identifier: MIT
//
// Decoders that change parts of a text as strings: `BPEDecoder`, `Metaspace`, `Fuse`, `Strip` and `Replace`.
// Layer: tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/tokenizer/regex/regex.hpp"
#include "ultrafastbert/tokenizer/steps/decoder.hpp"
#include "ultrafastbert/tokenizer/steps/metaspace.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace ultrafastbert::tokenizers {

/// `text` with each `from` replaced by `to`. Pre: `from` is not empty.
[[nodiscard]] inline std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
    out.append(text.substr(done, at - done)).append(to);
    done = at + from.size();
  }
  return out.append(text.substr(done));
}

/// Makes a space of the suffix that marks the end of a word, and nothing of that of the last part.
class bpe_decoder : public decoder {
 public:
  /// Pre: `suffix` is not empty.
  explicit bpe_decoder(std::string suffix) : suffix_(std::move(suffix)) {}

  void apply(std::vector<std::string>& parts) const override {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      parts[i] = replaced(parts[i], suffix_, i + 1 == parts.size() ? "" : " ");
    }
  }

 private:
  std::string suffix_;
};

/// Makes a space of the replacement, and nothing of those in the first part, unless nothing was put in front of a text.
class metaspace_decoder : public decoder {
 public:
  explicit metaspace_decoder(metaspace_options options) : options_(std::move(options)) {}

  void apply(std::vector<std::string>& parts) const override {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool drops = i == 0 && options_.prepend != prepend_scheme::never;
      parts[i] = replaced(parts[i], options_.replacement, drops ? "" : " ");
    }
  }

 private:
  metaspace_options options_;
};

/// Joins all parts to one.
class fuse_decoder : public decoder {
 public:
  void apply(std::vector<std::string>& parts) const override {
    std::string text;
    for (const std::string& part : parts) text.append(part);
    parts.clear();
    parts.push_back(std::move(text));
  }
};

/// What a `Strip` decoder drops: one character, up to so many times at each end of a part.
struct strip_decoder_options {
  std::string content{};  ///< one character
  std::uint64_t start = 0;
  std::uint64_t stop = 0;
};

class strip_decoder : public decoder {
 public:
  explicit strip_decoder(strip_decoder_options options) : options_(std::move(options)) {}

  void apply(std::vector<std::string>& parts) const override {
    for (std::string& part : parts) {
      std::string_view rest = part;
      for (std::uint64_t i = 0; i < options_.start && rest.starts_with(options_.content); ++i) {
        rest.remove_prefix(options_.content.size());
      }
      for (std::uint64_t i = 0; i < options_.stop && rest.ends_with(options_.content); ++i) {
        rest.remove_suffix(options_.content.size());
      }
      part = std::string(rest);
    }
  }

 private:
  strip_decoder_options options_;
};

/// Replaces a fixed string in each part.
class replace_string_decoder : public decoder {
 public:
  /// Pre: `pattern` is not empty.
  replace_string_decoder(std::string pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void apply(std::vector<std::string>& parts) const override {
    for (std::string& part : parts) part = replaced(part, pattern_, content_);
  }

  [[nodiscard]] std::size_t bytes_after(const std::vector<std::string>& parts) const override {
    if (content_.size() <= pattern_.size()) return 0;
    std::size_t bytes = size_of(parts);
    for (const std::string& part : parts) {
      for (std::size_t at = part.find(pattern_); at != std::string::npos; at = part.find(pattern_, at)) {
        bytes += content_.size() - pattern_.size();
        at += pattern_.size();
      }
    }
    return bytes;
  }

 private:
  std::string pattern_;
  std::string content_;
};

/// Replaces the matches of a regular expression in each part.
class replace_regex_decoder : public decoder {
 public:
  replace_regex_decoder(regex expression, std::string content)
      : expression_(std::move(expression)), content_(std::move(content)) {}

  /// Throws: limit_exceeded (the expression takes too many steps).
  void apply(std::vector<std::string>& parts) const override {
    regex::search search(expression_, size_of(parts));
    for (std::string& part : parts) {
      std::string out;
      std::size_t done = 0;
      for (byte_range match = search.next(part, 0); match.begin != match.end; match = search.next(part, done)) {
        out.append(part, done, match.begin - done).append(content_);
        done = match.end;
      }
      if (done > 0) part = out.append(part, done);
    }
  }

  [[nodiscard]] std::size_t bytes_after(const std::vector<std::string>& parts) const override {
    if (content_.size() <= 1) return 0;  // a match is at least as long
    std::size_t bytes = size_of(parts);
    regex::search search(expression_, bytes);
    for (const std::string& part : parts) {
      for (byte_range match = search.next(part, 0); match.begin != match.end; match = search.next(part, match.end)) {
        bytes += content_.size();
        bytes -= match.end - match.begin;
      }
    }
    return bytes;
  }

 private:
  regex expression_;
  std::string content_;
};

/// Reads a `BPEDecoder`. Throws: bad_type, missing_key, unsupported (an empty suffix).
inline void read_bpe_decoder(const json_value& value, decoder_list& steps) {
  const json_value suffix = value.at("suffix");
  if (suffix.as_string().empty()) suffix.fail_unsupported("a suffix of at least one byte", "an empty string");
  steps.push_back(std::make_unique<const bpe_decoder>(suffix.as_string()));
}

/// Reads a `Metaspace` decoder. Throws: bad_type, bad_value, missing_key.
inline void read_metaspace_decoder(const json_value& value, decoder_list& steps) {
  steps.push_back(std::make_unique<const metaspace_decoder>(read_metaspace_options(value)));
}

/// Reads a `Fuse`, which has no options.
inline void read_fuse_decoder(const json_value& /*value*/, decoder_list& steps) {
  steps.push_back(std::make_unique<const fuse_decoder>());
}

/// Reads a `Strip` decoder. Throws: bad_type, bad_value, missing_key.
inline void read_strip_decoder(const json_value& value, decoder_list& steps) {
  const json_value content = value.at("content");
  if (count_code_points(content.as_string()) != 1) content.fail_value("one character", excerpt(content.as_string()));
  steps.push_back(std::make_unique<const strip_decoder>(strip_decoder_options{.content = content.as_string(),
                                                                              .start = value.at("start").as_unsigned(),
                                                                              .stop = value.at("stop").as_unsigned()}));
}

/// Reads a `Replace` decoder. Throws: bad_type, bad_value, missing_key, limit_exceeded, unsupported.
inline void read_replace_decoder(const json_value& value, decoder_list& steps) {
  auto pattern = read_pattern(value.at("pattern"));
  const std::string& content = bounded_string(value.at("content"));
  if (auto* text = std::get_if<std::string>(&pattern)) {
    steps.push_back(std::make_unique<const replace_string_decoder>(std::move(*text), content));
  } else {
    steps.push_back(std::make_unique<const replace_regex_decoder>(std::get<regex>(std::move(pattern)), content));
  }
}

}  // namespace ultrafastbert::tokenizers
