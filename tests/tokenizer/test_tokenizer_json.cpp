// SPDX-License-Identifier: MIT
//
// Reading tokenizer.json: what is accepted, and which error with which fields the rest gets.
#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

using ufb_test::error_of;
using ufb_test::json;
using ufb_test::parse_changed;
using ufb_test::scratch_folder;
using ufb_test::small_tokenizer;
using ufb_test::strings;
using ultrafastbert::error_code;
using change = std::function<void(json&)>;

/// A change and the fields of the error it must lead to. Empty `expected` or `found`: the field is not compared.
struct refusal {
  change bend;
  error_code code;
  std::string where;
  std::string expected;
  std::string found;
};

void check(const std::vector<refusal>& refusals) {
  for (const refusal& each : refusals) {
    INFO(each.where << " expected " << each.expected << " found " << each.found);
    const auto error = error_of([&] { (void)parse_changed(each.bend); });
    REQUIRE(error);
    INFO(error->what());
    CHECK(error->code() == each.code);
    CHECK(error->file() == "tokenizer.json");
    CHECK(error->where() == each.where);
    if (!each.expected.empty()) CHECK(error->expected() == each.expected);
    if (!each.found.empty()) CHECK(error->found() == each.found);
  }
}

change set(const std::string& pointer, json value) {
  return [pointer, value = std::move(value)](json& d) { d[json::json_pointer(pointer)] = value; };
}

change erase(const std::string& parent, const std::string& key) {
  return [parent, key](json& d) { d[json::json_pointer(parent)].erase(key); };
}

}  // namespace

TEST_CASE("Components that are not implemented are refused with the accepted ones", "[tokenizer][json]") {
  check({
      {set("/normalizer", {{"type", "Nmt"}}), error_code::unsupported, "$.normalizer.type",
       "Sequence, Replace, BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Precompiled "
       "or ByteLevel",
       "'Nmt'"},
      {set("/normalizer/normalizers/2/type", "nfd"), error_code::unsupported, "$.normalizer.normalizers[2].type",
       "Sequence, Replace, BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Precompiled "
       "or ByteLevel",
       "'nfd'"},
      {set("/normalizer/normalizers/5/pattern/Regex", "\\bs+"), error_code::unsupported,
       "$.normalizer.normalizers[5].pattern.Regex", "an escape of n r t f v x u s S d D w W p P",
       "'\\x5cbs+' at byte 2"},
      {set("/normalizer/normalizers/0/pattern/String", ""), error_code::unsupported,
       "$.normalizer.normalizers[0].pattern.String", "a string of at least one byte", "an empty string"},
      {set("/pre_tokenizer/type", "UnicodeScripts"), error_code::unsupported, "$.pre_tokenizer.type",
       "null, Sequence, Whitespace, BertPreTokenizer, ByteLevel, Metaspace, Split, CharDelimiterSplit, "
       "WhitespaceSplit, Punctuation or Digits",
       "'UnicodeScripts'"},
      {set("/model/type", "Characters"), error_code::unsupported, "$.model.type",
       "BPE, Unigram, WordPiece or WordLevel", "'Characters'"},
      {set("/post_processor/type", "Roberta"), error_code::unsupported, "$.post_processor.type",
       "null, Sequence, TemplateProcessing, BertProcessing, RobertaProcessing or ByteLevel", "'Roberta'"},
      {set("/decoder/type", "CTC"), error_code::unsupported, "$.decoder.type",
       "null, Sequence, WordPiece, ByteLevel, BPEDecoder, Metaspace, ByteFallback, Fuse, Strip or Replace", "'CTC'"},
      {set("/version", "2.0"), error_code::unsupported, "$.version", "'1.0'", "'2.0'"},
      {set("/post_processor/pair/3/Sequence/id", "A"), error_code::unsupported, "$.post_processor.pair",
       "A and B once each", "A 2 times, B 0 times"},
      {set("/post_processor/single/0/Sequence/id", "B"), error_code::unsupported, "$.post_processor.single",
       "A once and no B", "A 0 times, B 1 times"},
  });
}

TEST_CASE("Added tokens that the normalizer makes equal, empty or ambiguous are refused", "[tokenizer][json]") {
  const auto add = [](json& d, int id, const char* content, const char* flag) {
    json token = ufb_test::added_token(id, content);
    token[flag] = true;
    d["added_tokens"].push_back(token);
  };
  const auto two = [add](const char* first, const char* second, const char* flag) {
    return [=](json& d) {
      add(d, 20, first, flag);
      add(d, 21, second, flag);
    };
  };
  check({
      {two("New", "nEW", "normalized"), error_code::unsupported, "$.added_tokens[6].normalized",
       "a token that differs from the others after normalization", "'new' again"},
      {two("New", "\xE4\xB8\xAD", "normalized"), error_code::unsupported, "$.added_tokens[6].normalized",
       "a token that the normalizer leaves something of", "nothing is left"},
      {two("New", " x", "rstrip"), error_code::unsupported, "$.added_tokens[6].content",
       "no white space at the start while $.added_tokens[5] has rstrip", "' x'"},
  });
}

TEST_CASE("BERT's components are read strictly", "[tokenizer][json]") {
  const json normalizer{{"type", "BertNormalizer"},
                        {"clean_text", true},
                        {"handle_chinese_chars", true},
                        {"strip_accents", nullptr},
                        {"lowercase", true}};
  const auto with = [&](const char* key, json value) {
    json changed = normalizer;
    changed[key] = std::move(value);
    return set("/normalizer", changed);
  };
  const auto processor = [](json cls) {
    return set("/post_processor", {{"type", "BertProcessing"}, {"cls", std::move(cls)}, {"sep", {"<sep>", 3}}});
  };
  check({
      {with("strip_accents", "no"), error_code::bad_type, "$.normalizer.strip_accents", "a boolean", "a string"},
      {with("lowercase", nullptr), error_code::bad_type, "$.normalizer.lowercase", "a boolean", "null"},
      {processor(json::array({"<cls>", 3})), error_code::bad_vocabulary, "$.post_processor.cls[1]",
       "id 2, the vocabulary's for '<cls>'", "id 3"},
      {processor(json::array({"[CLS]", 2})), error_code::bad_vocabulary, "$.post_processor.cls[1]",
       "the vocabulary to contain '[CLS]'", "id 2"},
      {processor(json::array({"<cls>"})), error_code::bad_value, "$.post_processor.cls", "a list of a token and its id",
       "1 elements"},
      {processor("<cls>"), error_code::bad_type, "$.post_processor.cls", "an array", "a string"},
  });
  for (const char* key : {"clean_text", "handle_chinese_chars", "lowercase"}) {
    json lacking = normalizer;
    lacking.erase(key);
    const auto error = error_of([&] { (void)parse_changed(set("/normalizer", lacking)); });
    REQUIRE(error);
    CHECK(error->code() == error_code::missing_key);
    CHECK(error->where() == "$.normalizer." + std::string(key));
  }
}

TEST_CASE("Values of the wrong type are refused", "[tokenizer][json]") {
  check({
      {set("/truncation", 512), error_code::bad_type, "$.truncation", "null or an object", "an integer"},
      {set("/padding", "max"), error_code::bad_type, "$.padding", "null or an object", "a string"},
      {set("/version", 1), error_code::bad_type, "$.version", "a string", "an integer"},
      {set("/added_tokens", nullptr), error_code::bad_type, "$.added_tokens", "an array", "null"},
      {set("/added_tokens/0", "x"), error_code::bad_type, "$.added_tokens[0]", "an object", "a string"},
      {set("/added_tokens/0/content", 1), error_code::bad_type, "$.added_tokens[0].content", "a string", "an integer"},
      {set("/added_tokens/0/id", "0"), error_code::bad_type, "$.added_tokens[0].id", "", "a string"},
      {set("/added_tokens/0/special", 1), error_code::bad_type, "$.added_tokens[0].special", "a boolean", "an integer"},
      {set("/normalizer", "NFD"), error_code::bad_type, "$.normalizer", "an object", "a string"},
      {set("/normalizer/normalizers", json::object()), error_code::bad_type, "$.normalizer.normalizers", "an array",
       "an object"},
      {set("/normalizer/normalizers/0/pattern", "x"), error_code::bad_type, "$.normalizer.normalizers[0].pattern",
       "an object", "a string"},
      {set("/normalizer/normalizers/0/content", nullptr), error_code::bad_type, "$.normalizer.normalizers[0].content",
       "a string", "null"},
      {set("/pre_tokenizer/type", 1), error_code::bad_type, "$.pre_tokenizer.type", "a string", "an integer"},
      {set("/decoder/cleanup", "yes"), error_code::bad_type, "$.decoder.cleanup", "a boolean", "a string"},
      {set("/model", nullptr), error_code::bad_type, "$.model", "an object", "null"},
      {set("/model/vocab", json::array()), error_code::bad_type, "$.model.vocab", "an object", "an array"},
      {set("/model/vocab/the", "5"), error_code::bad_type, "$.model.vocab['the']", "an integer", "a string"},
      {set("/model/vocab/the", 5.0), error_code::bad_type, "$.model.vocab['the']", "an integer", "a fraction"},
      {set("/model/vocab/the", nullptr), error_code::bad_type, "$.model.vocab['the']", "an integer", "null"},
      {set("/model/vocab/the", true), error_code::bad_type, "$.model.vocab['the']", "an integer", "a boolean"},
      {set("/model/vocab/the", json::array({1})), error_code::bad_type, "$.model.vocab.the", "",
       "an array or an object"},
      {set("/model/unk_token", nullptr), error_code::bad_type, "$.model.unk_token", "a string", "null"},
      {set("/model/max_input_chars_per_word", 1.5), error_code::bad_type, "$.model.max_input_chars_per_word", "",
       "a fraction"},
      {set("/post_processor/single", "$A"), error_code::bad_type, "$.post_processor.single", "an array", "a string"},
      {set("/post_processor/single/0", "$A"), error_code::bad_type, "$.post_processor.single[0]", "an object",
       "a string"},
      {set("/post_processor/special_tokens", json::array()), error_code::bad_type, "$.post_processor.special_tokens",
       "an object", "an array"},
  });
}

TEST_CASE("Values outside their range are refused", "[tokenizer][json]") {
  check({
      {set("/model/max_input_chars_per_word", -1), error_code::bad_value, "$.model.max_input_chars_per_word", "", "-1"},
      {set("/post_processor/pair/1/Sequence/id", "C"), error_code::bad_value, "$.post_processor.pair[1].Sequence.id",
       "A or B", "'C'"},
      {set("/post_processor/pair/1", json::object()), error_code::bad_value, "$.post_processor.pair[1]",
       "an object with the key Sequence or SpecialToken", "neither"},
      {set("/post_processor/single/0/Sequence/type_id", 4294967296), error_code::bad_value,
       "$.post_processor.single[0].Sequence.type_id", "an integer from 0 to 4294967295", "4294967296"},
      {set("/post_processor/special_tokens/<sep>/ids", {3, 3}), error_code::bad_value,
       "$.post_processor.special_tokens['<sep>']", "as many ids as tokens", "2 ids, 1 tokens"},
      {set("/normalizer/normalizers/0/pattern", json::object()), error_code::bad_value,
       "$.normalizer.normalizers[0].pattern", "an object with the key String or Regex", "neither"},
      {set("/pre_tokenizer", {{"type", "CharDelimiterSplit"}, {"delimiter", "ab"}}), error_code::bad_value,
       "$.pre_tokenizer.delimiter", "one character", "'ab'"},
      {set("/pre_tokenizer",
           {{"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "Kept"}, {"invert", false}}),
       error_code::bad_value, "$.pre_tokenizer.behavior",
       "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous", "'Kept'"},
      {set("/decoder", {{"type", "Strip"}, {"content", ""}, {"start", 1}, {"stop", 0}}), error_code::bad_value,
       "$.decoder.content", "one character", "''"},
      {set("/decoder", {{"type", "BPEDecoder"}, {"suffix", ""}}), error_code::unsupported, "$.decoder.suffix",
       "a suffix of at least one byte", "an empty string"},
      {set("/padding", {{"strategy", "Longest"},
                        {"direction", "Right"},
                        {"pad_id", 0},
                        {"pad_type_id", 0},
                        {"pad_token", "<pad>"}}),
       error_code::bad_value, "$.padding.strategy", "BatchLongest or an object with the key Fixed", "'Longest'"},
  });
}

TEST_CASE("Keys that a component needs are missed by name", "[tokenizer][json]") {
  const std::vector<std::pair<std::string, std::string>> keys{
      {"", "model"},
      {"/model", "vocab"},
      {"/model", "unk_token"},
      {"/model", "continuing_subword_prefix"},
      {"/model", "max_input_chars_per_word"},
      {"/normalizer", "type"},
      {"/normalizer", "normalizers"},
      {"/normalizer/normalizers/0", "pattern"},
      {"/normalizer/normalizers/0", "content"},
      {"/pre_tokenizer", "type"},
      {"/decoder", "prefix"},
      {"/decoder", "cleanup"},
      {"/post_processor", "single"},
      {"/post_processor", "pair"},
      {"/post_processor", "special_tokens"},
      {"/post_processor/special_tokens", "<sep>"},
      {"/post_processor/special_tokens/<sep>", "ids"},
      {"/post_processor/special_tokens/<sep>", "tokens"},
      {"/post_processor/single/0/Sequence", "id"},
      {"/post_processor/single/0/Sequence", "type_id"},
      {"/added_tokens/0", "id"},
      {"/added_tokens/0", "content"},
      {"/added_tokens/0", "normalized"},
      {"/added_tokens/0", "lstrip"},
  };
  for (const auto& [parent, key] : keys) {
    INFO(parent << ' ' << key);
    const auto error = error_of([&, k = key, p = parent] { (void)parse_changed(erase(p, k)); });
    REQUIRE(error);
    CHECK(error->code() == error_code::missing_key);
    CHECK(error->file() == "tokenizer.json");
    CHECK_THAT(error->where(), ufb_test::ContainsSubstring(key));
  }
}

TEST_CASE("Text that is no JSON is refused with its place", "[tokenizer][json]") {
  for (const std::string text : {"", "{", "{}x", "{\"model\":\x80}", "[1,]"}) {
    const auto error = error_of([&] { (void)ultrafastbert::tokenizer::parse(text, "memory"); });
    REQUIRE(error);
    CHECK(error->code() == error_code::bad_json);
    CHECK(error->file() == "memory");
    CHECK(error->details().byte_offset);
  }
  const auto nested = error_of(
      [] { (void)ultrafastbert::tokenizer::parse(ufb_test::repeat("[", 65) + ufb_test::repeat("]", 65), "memory"); });
  REQUIRE(nested);
  CHECK(nested->code() == error_code::bad_json);
  const auto list = error_of([] { (void)ultrafastbert::tokenizer::parse("[]", "memory"); });
  REQUIRE(list);
  CHECK(list->code() == error_code::bad_type);
}

TEST_CASE("A key that stands twice is refused", "[tokenizer][json]") {
  const auto error = error_of([] { (void)ultrafastbert::tokenizer::parse(R"({"model":{},"model":{}})", "memory"); });
  REQUIRE(error);
  CHECK(error->code() == error_code::duplicate_key);
  CHECK(error->where() == "$");
}

TEST_CASE("The optional components may be null or absent, and unknown keys are ignored", "[tokenizer][json]") {
  for (const bool absent : {false, true}) {
    const auto t = parse_changed([absent](json& d) {
      for (const char* key : {"normalizer", "pre_tokenizer", "post_processor", "decoder", "truncation", "padding"}) {
        if (absent) {
          d.erase(key);
        } else {
          d[key] = nullptr;
        }
      }
      if (absent) d.erase("version");
      d["something"] = {{"new", {1, 2.5, "x"}}};
      d["model"]["also"] = "new";
    });
    CHECK(t.encode("cats").tokens == strings{"cat", "##s"});
    CHECK(t.encode("Cat").tokens == strings{"<unk>"});
  }
}

TEST_CASE("Truncation and padding of the file have no effect by themselves", "[tokenizer][json]") {
  const auto t = parse_changed([](json& d) {
    d["truncation"] = {{"max_length", 2}, {"strategy", "LongestFirst"}, {"stride", 0}, {"direction", "Right"}};
    d["padding"] = {
        {"strategy", {{"Fixed", 9}}}, {"direction", "Right"}, {"pad_to_multiple_of", nullptr}, {"pad_id", 0},
        {"pad_type_id", 0},           {"pad_token", "<pad>"}};
  });
  CHECK(t.encode("the cat").tokens == strings{"the", "cat", "<sep>"});
}

TEST_CASE("Early files whose model names no type are read as WordPiece", "[tokenizer][json]") {
  CHECK(parse_changed(erase("/model", "type")).encode("cats").tokens == strings{"cat", "##s", "<sep>"});
  for (const char* key : {"max_input_chars_per_word", "continuing_subword_prefix"}) {
    const auto t = parse_changed([key](json& d) {
      d["model"].erase("type");
      d["model"].erase(key);
    });
    CHECK(t.encode("cats").tokens == strings{"cat", "##s", "<sep>"});
  }
}

TEST_CASE("Sequences inside sequences apply in reading order", "[tokenizer][json]") {
  const auto t = parse_changed([](json& d) {
    d["normalizer"] = json::parse(R"({"type":"Sequence","normalizers":[
      {"type":"Replace","pattern":{"String":"X"},"content":"C"},
      {"type":"Sequence","normalizers":[{"type":"Lowercase"},{"type":"Sequence","normalizers":[]}]},
      {"type":"Replace","pattern":{"String":"c"},"content":"CAT"},
      {"type":"Sequence","normalizers":[{"type":"Lowercase"}]}]})");
  });
  CHECK(t.encode("X", {.add_special_tokens = false}).tokens == strings{"cat"});
}

TEST_CASE("Limits hold for patterns, replacements and steps", "[tokenizer][json]") {
  check({
      {set("/normalizer/normalizers/0/pattern/String", std::string(1025, 'x')), error_code::limit_exceeded,
       "$.normalizer.normalizers[0].pattern.String", "at most 1024 bytes", ""},
      {set("/normalizer/normalizers/0/content", std::string(1025, 'x')), error_code::limit_exceeded,
       "$.normalizer.normalizers[0].content", "at most 1024 bytes", ""},
      {set("/normalizer/normalizers", json(257, {{"type", "NFD"}})), error_code::limit_exceeded,
       "$.normalizer.normalizers[256]", "at most 256 steps", ""},
      {set("/post_processor",
           {{"type", "Sequence"},
            {"processors", json(9, {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}})}}),
       error_code::limit_exceeded, "$.post_processor.processors[8]", "at most 8 steps that trim places", ""},
      {set("/decoder", {{"type", "Sequence"}, {"decoders", json(33, {{"type", "Fuse"}})}}), error_code::limit_exceeded,
       "$.decoder", "at most 32 steps", ""},
      {set("/padding", {{"strategy", {{"Fixed", 20'000'000}}},
                        {"direction", "Right"},
                        {"pad_to_multiple_of", nullptr},
                        {"pad_id", 0},
                        {"pad_type_id", 0},
                        {"pad_token", "[PAD]"}}),
       error_code::bad_value, "$.padding.strategy.Fixed", "an integer from 1 to 1048576", "20000000"},
  });
  CHECK(parse_changed(set("/normalizer/normalizers", json(256, {{"type", "NFD"}}))).encode("cat").size() == 2);
}

TEST_CASE("Special tokens of a template are those of the vocabulary", "[tokenizer][json]") {
  check({
      {set("/post_processor/special_tokens/<sep>/ids", {2}), error_code::bad_vocabulary,
       "$.post_processor.special_tokens['<sep>'].ids[0]", "id 3, the vocabulary's for '<sep>'", "id 2"},
      {set("/post_processor/special_tokens/<sep>/tokens", {"[SEP]"}), error_code::bad_vocabulary,
       "$.post_processor.special_tokens['<sep>'].ids[0]", "the vocabulary to contain '[SEP]'", "id 3"},
  });
}

TEST_CASE("A folder and the file in it load alike", "[tokenizer][json]") {
  const scratch_folder folder;
  const auto path = folder.path() / "tokenizer.json";
  std::ofstream(path) << small_tokenizer().dump();
  CHECK(ultrafastbert::tokenizer::load(folder.path()).encode("cat").tokens == strings{"cat", "<sep>"});
  const auto t = ultrafastbert::tokenizer::load(path);
  CHECK(t.encode("cat").tokens == strings{"cat", "<sep>"});
  CHECK(t.name() == path.string());
}

TEST_CASE("What is no readable regular file is an io_error", "[tokenizer][json]") {
  const scratch_folder folder;
  const auto fifo = folder.path() / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  for (const auto& path : {folder.path(), folder.path() / "missing.json", fifo, std::filesystem::path("/dev/null")}) {
    const auto error = error_of([&] { (void)ultrafastbert::tokenizer::load(path); });
    REQUIRE(error);
    CHECK(error->code() == error_code::io_error);
    CHECK_THAT(error->file(), ufb_test::StartsWith(path.string()));
  }
}

TEST_CASE("A file over 64 MiB is refused before it is read", "[tokenizer][json]") {
  const scratch_folder folder;
  const auto path = folder.path() / "tokenizer.json";
  std::ofstream(path) << "{";
  std::filesystem::resize_file(path, (std::uintmax_t{64} << 20U) + 1);  // a hole takes no space
  const auto error = error_of([&] { (void)ultrafastbert::tokenizer::load(path); });
  REQUIRE(error);
  CHECK(error->code() == error_code::limit_exceeded);
  CHECK(error->file() == path.string());
  CHECK(error->expected() == "at most 67108864 bytes");
  CHECK(error->found() == "67108865 bytes");
}
