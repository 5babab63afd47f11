// SPDX-License-Identifier: MIT
//
// Fuzz target: an input is a tokenizer.json, and behind a byte 0x1e a text. What loads tokenizes that text and some
// awkward ones.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fuzz/tokenizer_checks.hpp"

namespace {

using namespace ufb_fuzz;

constexpr std::array<std::string_view, 4> texts{
    "The cat sat on the mat. <mask> [MASK] 123 don't",
    "  \xC3\xA9"
    "e\xCC\x81\xCC\xA3 \xE4\xB8\xAD\xE6\x96\x87\xEF\xBC\x8C \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x94\xAC\t\n",
    "\xFF\xC3 a\xE2\x82 b\xF0\x9F \x80 \xEF\xBF\xBD``''",
    "",
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto files = split_files(data, size, 2);
  std::optional<ufb::tokenizer> words;
  attempt([&] { words.emplace(ufb::tokenizer::parse(files[0], "tokenizer.json")); });
  if (!words) return 0;
  const std::uint64_t choice = hash_of(data, size);
  if (files.size() > 1) check_text(*words, files[1], texts[choice % texts.size()], choice);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    check_text(*words, texts[i], texts[(i + 1) % texts.size()], choice >> (8 * i));
  }
  const auto role = static_cast<ufb::special_role>(choice % 7);
  attempt([&] { static_cast<void>(words->need_special_id(role)); });
  if (words->file_truncation()) attempt([&] { static_cast<void>(words->encode(texts[0], *words->file_truncation())); });
  if (words->file_padding()) {
    // A file may ask for lengths that are there for models of its own.
    const auto& padding = *words->file_padding();
    if (padding.length <= 4096 && padding.multiple <= 4096) {
      attempt([&] { static_cast<void>(words->encode_batch({texts[0], texts[1]}, {}, padding)); });
    }
  }
  return 0;
}
