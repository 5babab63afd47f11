// SPDX-License-Identifier: MIT
//
// Texts that are made to be slow, through every kind of tokenizer at growing sizes: how long each takes, how that grows
// with the text, and how much memory it needs for each byte. `ufb_texts` takes texts of up to 10 MB and exits with 1
// where a case is over a limit or refused; `ufb_texts --short` takes small ones and does not judge their times.
//
// Seconds are those that the program itself spends; those that the system spends on handing out memory stand beside
// them. Memory is what a call needs at most, with the encoding that it returns, whose part stands beside it. Its
// limit counts for each byte of the text, or of what normalization makes of it where that is longer.
#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "support/memory_peak.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace {

using ultrafastbert::tokenizer;

constexpr double most_seconds = 2.0;          // for the longest text, or, where this is more:
constexpr double most_token_seconds = 45e-9;  // for each token; compatibility forms make 110 million of 10 MB
constexpr double most_growth = 3.0;           // from one text to the next, which is twice as long

struct tokenizer_kind {
  std::string name{};
  tokenizer made;
  double most_bytes = 0;  // of memory for each byte of a text
};

struct text_kind {
  std::string name{};
  std::string unit{};     // what is repeated
  std::string begin{};    // what stands before it
  bool composes = false;  // whether the tokenizers with NFKC are meant
  double growth = 1;      // bytes that one byte becomes
};

struct sample {
  bool refused = false;  // the text grows out of proportion
  std::size_t tokens = 0;
  double seconds = 0;
  double system = 0;  // seconds
  double bytes = 0;   // for each byte of the text, with the encoding
  double kept = 0;    // those of the encoding
};

std::string repeat(std::string_view unit, std::size_t count) {
  std::string out;
  out.reserve(unit.size() * count);
  for (std::size_t i = 0; i < count; ++i) out.append(unit);
  return out;
}

std::string in_quotes(std::string_view text) { return std::string("\"").append(text).append("\""); }

std::string added_token(std::size_t id, std::string_view content) {
  return "{\"id\":" + std::to_string(id) + ",\"content\":" + in_quotes(content) +
         R"(,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true})";
}

/// The text of a tokenizer.json with two added tokens, of which one is long: the texts "near miss" almost have both.
std::string document(std::string_view normalizer, std::string_view pre_tokenizer, std::string_view model) {
  std::string out = R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[)";
  out.append(added_token(0, "<unk>")).append(",").append(added_token(1, repeat("<mas", 16) + "k>"));
  out.append(R"(],"normalizer":)").append(normalizer).append(R"(,"pre_tokenizer":)").append(pre_tokenizer);
  return out.append(R"(,"post_processor":null,"decoder":null,"model":)").append(model).append("}");
}

/// Members of a vocabulary: the words, with ids from 0 on.
std::string members(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    out.append(i == 0 ? "" : ",").append(in_quotes(words[i])).append(":").append(std::to_string(i));
  }
  return out;
}

/// "a", "aa", "aaaa" and so on: every merge makes the next merge of a text of one letter possible.
std::vector<std::string> doubled_letters() {
  std::vector<std::string> out;
  for (std::size_t length = 1; length <= 256; length *= 2) out.push_back(std::string(length, 'a'));
  return out;
}

const std::vector<std::string> first_words{"<unk>", repeat("<mas", 16) + "k>"};

std::string wordpiece_model(std::string_view longest_word) {
  std::vector<std::string> words = first_words;
  for (const char* word : {"a", "##a", "b", "##b", "#", "<", "mas", "##s", "\xE4\xB8\x80"}) words.emplace_back(word);
  for (const std::string& word : doubled_letters()) {
    if (word.size() > 1) words.push_back("##" + word + 'b');  // texts of one letter almost have them
  }
  return R"({"type":"WordPiece","unk_token":"<unk>","continuing_subword_prefix":"##","max_input_chars_per_word":)" +
         std::string(longest_word) + R"(,"vocab":{)" + members(words) + "}}";
}

std::string word_level_model() {
  std::vector<std::string> words = first_words;
  for (const char* word : {"a", "#", "<", "mas"}) words.emplace_back(word);
  return R"({"type":"WordLevel","unk_token":"<unk>","vocab":{)" + members(words) + "}}";
}

std::string bpe_model() {
  std::vector<std::string> words = first_words;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto& character = ultrafastbert::tokenizers::gpt2_alphabet.characters[byte];
    const std::string_view text(character.text.data(), character.length);
    if (text == "a") continue;
    words.push_back(text == "\"" || text == "\\" ? "\\" + std::string(text) : std::string(text));
  }
  std::string merges;
  for (const std::string& word : doubled_letters()) {
    words.push_back(word);
    if (word.size() == 256) break;
    merges.append(merges.empty() ? "" : ",").append(in_quotes(word + ' ' + word));
  }
  return R"({"type":"BPE","vocab":{)" + members(words) + R"(},"merges":[)" + merges + "]}";
}

std::string unigram_model() {
  std::string pairs;
  std::vector<std::string> words = first_words;
  for (const std::string& word : doubled_letters()) {
    words.push_back(word);
    words.push_back(word + 'b');
  }
  for (const char* word : {"\xE2\x96\x81", "#", "<", "mas", "\xE4\xB8\x80"}) words.emplace_back(word);
  for (const std::string& word : words) {
    pairs.append(pairs.empty() ? "[" : ",[").append(in_quotes(word)).append(",-").append(std::to_string(word.size()));
    pairs.append(".5]");
  }
  return R"({"type":"Unigram","unk_id":0,"vocab":[)" + pairs + "]}";
}

/// The tokenizers, as published ones put them together; with `composes` all of them have NFKC as their normalizer.
std::vector<tokenizer_kind> make_tokenizers(bool composes) {
  constexpr std::string_view nfkc = R"({"type":"NFKC"})";
  constexpr std::string_view bert =
      R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true})";
  constexpr std::string_view bytes = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true})";
  constexpr std::string_view spaces = R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always"})";
  const auto make = [&](std::string_view normalizer, std::string_view pre_tokenizer, const std::string& model) {
    return tokenizer::parse(document(composes ? nfkc : normalizer, pre_tokenizer, model), "memory");
  };
  std::vector<tokenizer_kind> out;
  out.push_back({"WordPiece", make(bert, R"({"type":"BertPreTokenizer"})", wordpiece_model("100")), 64});
  out.push_back({"long words", make(bert, R"({"type":"BertPreTokenizer"})", wordpiece_model("100000000")), 96});
  out.push_back({"BPE", make("null", bytes, bpe_model()), 160});
  out.push_back({"Unigram", make(nfkc, spaces, unigram_model()), 160});
  out.push_back({"WordLevel", make(nfkc, R"({"type":"Whitespace"})", word_level_model()), 64});
  return out;
}

const std::vector<text_kind>& text_kinds() {
  static const std::vector<text_kind> kinds{
      {"one word", "a"},
      {"number signs", "#"},
      {"combining marks", "\xCC\x81\xCC\xA3", "a"},
      {"combining marks", "\xCC\x81\xCC\xA3", "a", true},
      {"ideographs", "\xE4\xB8\x80"},
      {"U+FDFA", "\xEF\xB7\xBA", "", true, 11},
      {"Hangul letters", "\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", "", true},
      {"invalid bytes", "\xFF"},
      {"cut characters", "\xE4\xB8"},
      {"beginnings of added tokens", "<mas"},
      {"words of 99 letters", std::string(99, 'a') + ' '},
      {"spaces", " "},
  };
  return kinds;
}

struct spent_time {
  double own = 0;
  double system = 0;
};

spent_time time_spent() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return {seconds(usage.ru_utime), seconds(usage.ru_stime)};
}

sample measure(const tokenizer& t, const std::string& text) {
  sample out;
  const std::size_t before = ufb_test::memory_in_use();
  ufb_test::restart_memory_peak();
  const spent_time start = time_spent();
  std::size_t kept = 0;
  try {
    const auto encoded = t.encode(text);
    kept = ufb_test::memory_in_use() - before;
    out.tokens = encoded.size();
  } catch (const ultrafastbert::error& problem) {
    if (problem.code() != ultrafastbert::error_code::limit_exceeded) throw;
    out.refused = true;
  }
  const spent_time end = time_spent();
  out.seconds = end.own - start.own;
  out.system = end.system - start.system;
  const std::size_t peak = ufb_test::memory_peak() - before;
  out.bytes = static_cast<double>(peak) / static_cast<double>(text.size());
  out.kept = static_cast<double>(kept) / static_cast<double>(text.size());
  return out;
}

/// Number of cases over a limit, among those of one kind of text and one tokenizer.
std::size_t run(const tokenizer_kind& kind, const text_kind& text, const std::vector<std::size_t>& sizes, bool timed) {
  constexpr double noise = 0.1;  // seconds that say nothing about growth
  std::size_t over = 0;
  double last = 0;
  for (const std::size_t size : sizes) {
    const std::string written = text.begin + repeat(text.unit, size / text.unit.size());
    const sample now = measure(kind.made, written);
    const bool grows = timed && last > 0 && now.seconds > most_growth * last + noise;
    const bool slow =
        timed && now.seconds > (std::max)(most_seconds, most_token_seconds * static_cast<double>(now.tokens));
    const bool large = ufb_test::memory_is_measured() && now.bytes > kind.most_bytes * text.growth;
    const bool bad = grows || slow || large || now.refused;
    std::printf("%-27s %-10s %6.2f MB %6.3f s x%5.2f, system %6.3f s, %6.1f bytes, %6.1f of the encoding%s%s\n",
                text.name.c_str(), kind.name.c_str(), static_cast<double>(written.size()) / 1e6, now.seconds,
                last > 0 ? now.seconds / last : 0.0, now.system, now.bytes, now.kept, now.refused ? ", refused" : "",
                bad ? ", OVER" : "");
    std::fflush(stdout);
    over += bad ? 1U : 0U;
    last = now.seconds;
  }
  return over;
}

}  // namespace

int main(int argc, char** argv) {
  const bool brief = argc > 1 && std::strcmp(argv[1], "--short") == 0;
  if (argc > 1 && !brief) {
    std::fprintf(stderr, "usage: ufb_texts [--short]\n");
    return 2;
  }
  try {
    const std::vector<std::size_t> sizes = brief
                                               ? std::vector<std::size_t>{100'000, 200'000}
                                               : std::vector<std::size_t>{1'250'000, 2'500'000, 5'000'000, 10'000'000};
    std::size_t cases = 0;
    std::size_t over = 0;
    for (const bool composes : {false, true}) {
      for (const tokenizer_kind& kind : make_tokenizers(composes)) {
        for (const text_kind& text : text_kinds()) {
          if (text.composes != composes) continue;
          over += run(kind, text, sizes, !brief);
          cases += sizes.size();
        }
      }
    }
    std::printf("%zu cases, %zu over the limit\n", cases, over);
    return over == 0 ? 0 : 1;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
