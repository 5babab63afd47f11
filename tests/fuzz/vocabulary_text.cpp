// SPDX-License-Identifier: MIT
//
// Fuzz target: an input is a vocab.txt, or if it begins with a brace a vocab.json; behind bytes 0x1e a merges.txt, a
// tokenizer_config.json, a special_tokens_map.json and an added_tokens.json. What loads tokenizes some awkward texts.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "fuzz/tokenizer_checks.hpp"

namespace {

using namespace ufb_fuzz;

constexpr std::array<std::string_view, 3> texts{
    "The cats sat, un\xC3\xA9qual <mask>[MASK] 12 don't",
    " \xE4\xB8\xAD"
    "a\xCC\x81\t\r\n \xF0\x9F\x91\xA9",
    "\xFF\xC3 a\xE2\x82 b",
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const scratch_folder folder;
  const auto files = split_files(data, size, 5);
  const auto part = [&](std::size_t i) { return i < files.size() ? std::optional(files[i]) : std::nullopt; };
  const auto unless_empty = [&](std::size_t i) {
    return part(i) && !part(i)->empty() ? part(i) : std::optional<std::string_view>();
  };
  const bool json = files[0].starts_with('{');
  folder.put("vocab.json", json ? part(0) : std::nullopt);
  folder.put("vocab.txt", json ? std::nullopt : part(0));
  folder.put("merges.txt", part(1));
  folder.put("tokenizer_config.json", unless_empty(2));
  folder.put("special_tokens_map.json", unless_empty(3));
  folder.put("added_tokens.json", unless_empty(4));
  std::optional<ufb::tokenizer> words;
  attempt([&] { words.emplace(ufb::tokenizer::load(folder.path())); });
  if (!words) return 0;
  const std::uint64_t choice = hash_of(data, size);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    check_text(*words, texts[i], texts[(i + 1) % texts.size()], choice >> (8 * i));
  }
  return 0;
}
