// SPDX-License-Identifier: MIT
//
// What a decoder is: it turns the spellings of tokens into the parts of a text, which are then joined.
// Layer: tokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/json_document.hpp"

namespace ultrafastbert::tokenizers {

/// One step of decoding. Immutable, so that threads can share it.
class decoder {
 public:
  virtual ~decoder() = default;

  /// Changes the parts in place; it may also merge some of them or drop them.
  /// Throws: limit_exceeded (an expression takes too many steps), std::bad_alloc.
  /// Complexity: linear in the parts.
  virtual void apply(std::vector<std::string>& parts) const = 0;

  /// The bytes of the parts after this step, if it may multiply them, or 0. Throws: as `apply`.
  [[nodiscard]] virtual std::size_t bytes_after(const std::vector<std::string>& /*parts*/) const { return 0; }
};

/// Steps in the order in which they apply.
using decoder_list = std::vector<std::unique_ptr<const decoder>>;

/// Reads a decoder of one type and appends the steps that it stands for.
/// Throws: bad_type, bad_value, missing_key, unsupported.
using decoder_reader = void (*)(const json_value& value, decoder_list& steps);

/// Puts a space in front of every part but the first. This is what the reference does where a file names no decoder.
class spaced_decoder : public decoder {
 public:
  void apply(std::vector<std::string>& parts) const override {
    for (std::size_t i = 1; i < parts.size(); ++i) parts[i].insert(0, 1, ' ');
  }
};

[[nodiscard]] inline std::size_t size_of(const std::vector<std::string>& parts) noexcept {
  std::size_t size = 0;
  for (const std::string& part : parts) size += part.size();
  return size;
}

/// The parts after all steps, joined to a text.
/// Throws: limit_exceeded (replacements let the text grow out of proportion; `owner` names the tokenizer then).
[[nodiscard]] inline std::string join_decoded(const decoder_list& steps, std::vector<std::string> parts,
                                              std::string_view owner) {
  const std::size_t most = 16 * (size_of(parts) + parts.size()) + 4096;
  const auto check = [&](std::size_t bytes) {
    if (bytes <= most) return;
    fail(error_code::limit_exceeded, {.file = std::string(owner),
                                      .where = "$.decoder",
                                      .expected = "at most " + std::to_string(most) + " bytes of decoded text",
                                      .found = std::to_string(bytes) + " bytes",
                                      .reason = "replacements let the text grow out of proportion"});
  };
  for (const auto& step : steps) {
    check(step->bytes_after(parts));
    step->apply(parts);
    check(size_of(parts));
  }
  std::string text;
  text.reserve(size_of(parts));
  for (const std::string& part : parts) text += part;
  return text;
}

}  // namespace ultrafastbert::tokenizers
