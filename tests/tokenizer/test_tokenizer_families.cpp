// SPDX-License-Identifier: MIT
//
// Tokenizers of other families than BERT's: what their files may say, what is refused, and how fast hostile texts are
// read.
#include <fstream>
#include <string>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/tokenizer/regex/regex.hpp"

namespace {

using ufb_test::error_of;
using ufb_test::json;
using ufb_test::strings;
using ultrafastbert::error_code;

json bare(json model) {
  return {{"version", "1.0"},         {"added_tokens", json::array()}, {"normalizer", nullptr},
          {"pre_tokenizer", nullptr}, {"post_processor", nullptr},     {"decoder", nullptr},
          {"model", std::move(model)}};
}

json small_bpe() {
  return bare(
      {{"type", "BPE"},
       {"vocab",
        {{"<unk>", 0}, {"a", 1}, {"b", 2}, {"c", 3}, {"ab", 4}, {"bc", 5}, {"abc", 6}, {"<0xC3>", 7}, {"<0xA9>", 8}}},
       {"merges", R"(["a b", "b c", "ab c"])"_json}});
}

json small_unigram() {
  return bare({{"type", "Unigram"},
               {"unk_id", 0},
               {"vocab", R"([["<unk>", 0.0], ["a", -1], ["b", -1.5], ["ab", -3.0], ["abc", -2.0], ["", -1.0]])"_json}});
}

ultrafastbert::tokenizer parse(const json& document) {
  return ultrafastbert::tokenizer::parse(document.dump(), "tokenizer.json");
}

strings tokens_of(const json& document, const std::string& text) { return parse(document).encode(text).tokens; }

void check_refused(const json& document, error_code code, const std::string& where) {
  const auto error = error_of([&] { (void)parse(document); });
  REQUIRE(error);
  CHECK(error->code() == code);
  CHECK(error->where() == where);
  CHECK(error->file() == "tokenizer.json");
}

json with(json document, const std::string& pointer, json value) {
  document[json::json_pointer(pointer)] = std::move(value);
  return document;
}

json split_at(const std::string& expression) {
  return with(small_bpe(), "/pre_tokenizer",
              {{"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", "Isolated"}, {"invert", false}});
}

}  // namespace

TEST_CASE("Merges may be strings or arrays, and the last of equal ones counts", "[tokenizer][bpe]") {
  CHECK(tokens_of(small_bpe(), "abcab") == strings{"abc", "ab"});
  CHECK(tokens_of(with(small_bpe(), "/model/merges", R"([["a", "b"], ["b", "c"]])"_json), "abc") == strings{"ab", "c"});
  // The pair of a and b now has the last rank.
  CHECK(tokens_of(with(small_bpe(), "/model/merges", R"(["a b", "b c", "a b"])"_json), "abc") == strings{"a", "bc"});
  CHECK(tokens_of(with(small_bpe(), "/model/merges", R"(["#version: 0.2", "b c"])"_json), "abc") == strings{"a", "bc"});
  check_refused(with(small_bpe(), "/model/merges", R"(["a b", ["b", "c"]])"_json), error_code::bad_type,
                "$.model.merges[1]");
  check_refused(with(small_bpe(), "/model/merges", R"([["a", "b"], "b c"])"_json), error_code::bad_type,
                "$.model.merges[1]");
  check_refused(with(small_bpe(), "/model/merges", R"(["a b c"])"_json), error_code::bad_value, "$.model.merges[0]");
  check_refused(with(small_bpe(), "/model/merges", R"(["a x"])"_json), error_code::bad_vocabulary, "$.model.merges[0]");
  check_refused(with(small_bpe(), "/model/merges", R"(["a b", "a c"])"_json), error_code::bad_vocabulary,
                "$.model.merges[1]");
  json shorter = with(small_bpe(), "/model/continuing_subword_prefix", "##");
  check_refused(shorter, error_code::bad_vocabulary, "$.model.merges[0]");
}

TEST_CASE("A merge is of two tokens", "[tokenizer][bpe]") {
  check_refused(with(small_bpe(), "/model/merges", R"([["a", "b"], ["a", "b", "c"]])"_json), error_code::bad_value,
                "$.model.merges[1]");
}

TEST_CASE("What a BPE vocabulary lacks is written in bytes, unknown, or dropped", "[tokenizer][bpe]") {
  json model = small_bpe();
  CHECK(tokens_of(model, "a\xC3\xA9") == strings{"a"});
  model["model"]["unk_token"] = "<unk>";
  CHECK(tokens_of(model, "xya") == strings{"<unk>", "<unk>", "a"});
  model["model"]["fuse_unk"] = true;
  CHECK(tokens_of(model, "xya") == strings{"<unk>", "a"});
  model["model"]["byte_fallback"] = true;
  CHECK(tokens_of(model, "a\xC3\xA9") == strings{"a", "<0xC3>", "<0xA9>"});
  CHECK(parse(with(model, "/decoder", R"({"type": "ByteFallback"})"_json)).decode(std::vector<int>{7, 8, 1}) ==
        "\xC3\xA9"
        "a");
  model["model"]["unk_token"] = "<none>";
  const auto error = error_of([&] { (void)tokens_of(model, "x"); });
  REQUIRE(error);
  CHECK(error->code() == error_code::missing_token);
  // Dropout is for training; here it changes nothing.
  CHECK(tokens_of(with(small_bpe(), "/model/dropout", 0.9), "abc") == strings{"abc"});
}

TEST_CASE("Unigram takes the cover of the largest sum", "[tokenizer][unigram]") {
  const auto tokenizer = parse(small_unigram());
  CHECK(tokenizer.encode("abcab").tokens == strings{"abc", "a", "b"});
  CHECK(tokenizer.encode("xyzab").tokens == strings{"xyz", "a", "b"});
  CHECK(tokenizer.encode("xyzab").ids.front() == 0);
  CHECK(tokenizer.report().blank.count == 1);
  const auto none = parse(with(small_unigram(), "/model/unk_id", nullptr));
  CHECK(none.encode("ab").tokens == strings{"a", "b"});
  const auto error = error_of([&] { (void)none.encode("x"); });
  REQUIRE(error);
  CHECK(error->code() == error_code::missing_token);
  check_refused(with(small_unigram(), "/model/unk_id", 6), error_code::bad_value, "$.model.unk_id");
  check_refused(with(small_unigram(), "/model/vocab/1", R"(["a"])"_json), error_code::bad_value, "$.model.vocab[1]");
  check_refused(with(small_unigram(), "/model/vocab/1", R"(["a", "b"])"_json), error_code::bad_type,
                "$.model.vocab[1][1]");
}

TEST_CASE("Models that name no type are told apart by their keys", "[tokenizer][json]") {
  const auto untyped = [](json document) {
    document["model"].erase("type");
    return document;
  };
  CHECK(tokens_of(untyped(small_bpe()), "abc") == strings{"abc"});
  CHECK(tokens_of(untyped(small_unigram()), "abc") == strings{"abc"});
  const json whole_words = bare({{"type", "WordLevel"}, {"vocab", {{"abc", 0}, {"?", 1}}}, {"unk_token", "?"}});
  CHECK(tokens_of(untyped(whole_words), "abc") == strings{"abc"});
  CHECK(tokens_of(whole_words, "ab") == strings{"?"});
  json pieces = untyped(whole_words);
  pieces["model"]["max_input_chars_per_word"] = 2;
  CHECK(tokens_of(pieces, "abc") == strings{"?"});
  json nothing = untyped(whole_words);
  nothing["model"].erase("vocab");
  check_refused(nothing, error_code::unsupported, "$.model");
}

TEST_CASE("Regular expressions beyond the subset are refused by their place", "[tokenizer][regex]") {
  for (const char* expression :
       {"(?<=a)b",     "(a)*", "a{2}{3}", "\\bword", "[[:alpha:]]", "[a&&b]", "\\1",        "(",
        ")",           "[a",   "[b-a]",   "*a",      "\\p{Han}",    "\\p{",   "a**",        "(?i:\xC3\xA9)",
        "(?i:\\p{L})", "a?",   "|a",      "(?=a)",   "a{3,2}",      "\\xC3",  "(?<name>a)", "a{"}) {
    INFO(expression);
    check_refused(split_at(expression), error_code::unsupported, "$.pre_tokenizer.pattern.Regex");
  }
  check_refused(split_at(ufb_test::repeat("(", 20) + "a" + ufb_test::repeat(")", 20)), error_code::unsupported,
                "$.pre_tokenizer.pattern.Regex");
  check_refused(split_at(ufb_test::repeat("a", 1025)), error_code::limit_exceeded, "$.pre_tokenizer.pattern.Regex");
}

TEST_CASE("An expression that takes too many steps is stopped", "[tokenizer][regex]") {
  const auto tokenizer = parse(split_at(ufb_test::repeat("a?", 25) + ufb_test::repeat("a", 25) + "x"));
  CHECK(tokenizer.encode("aab").tokens.size() == 2);
  const auto error = error_of([&] { (void)tokenizer.encode(ufb_test::repeat("a", 2000)); });
  REQUIRE(error);
  CHECK(error->code() == error_code::limit_exceeded);
  CHECK(error->where() == "$.pre_tokenizer.pattern.Regex");
}

TEST_CASE("A line of text may take steps that grow with its square", "[tokenizer][regex]") {
  const auto tokenizer = parse(split_at("a+?b"));
  CHECK(tokenizer.encode(ufb_test::repeat("a", 600)).tokens.size() == 600);
}

TEST_CASE("Pieces share the steps that an expression may take", "[tokenizer][regex]") {
  json document = split_at(ufb_test::repeat("a?", 10) + ufb_test::repeat("a", 10) + "x");
  document["pre_tokenizer"] = {{"type", "Sequence"},
                               {"pretokenizers", {{{"type", "WhitespaceSplit"}}, document["pre_tokenizer"]}}};
  const auto tokenizer = parse(document);
  CHECK(tokenizer.encode("aaaaaaaaaa").size() == 10);
  const auto error = error_of([&] { (void)tokenizer.encode(ufb_test::repeat("aaaaaaaaaa ", 1000)); });
  REQUIRE(error);
  CHECK(error->code() == error_code::limit_exceeded);
}

TEST_CASE("Steps that search a text share the work that it may take", "[tokenizer][regex]") {
  const json replace{{"type", "Replace"}, {"pattern", {{"Regex", "a?a?a?a?aaaax"}}}, {"content", "b"}};
  json document = small_bpe();
  const std::string text = ufb_test::repeat("a", 100'000);
  document["normalizer"] = replace;
  CHECK(parse(document).encode(text).size() == text.size());
  document["normalizer"] = {{"type", "Sequence"}, {"normalizers", json(32, replace)}};
  const auto tokenizer = parse(document);
  const auto error = error_of([&] { (void)tokenizer.encode(text); });
  REQUIRE(error);
  CHECK(error->code() == error_code::limit_exceeded);
  CHECK(error->where() == "$");
}

TEST_CASE("Broken maps of characters are refused, and an empty one changes nothing", "[tokenizer][json]") {
  const auto map = [](json value) {
    return with(small_unigram(), "/normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", std::move(value)}});
  };
  CHECK(tokens_of(map(""), "ab") == strings{"a", "b"});
  CHECK(tokens_of(map(nullptr), "ab") == strings{"a", "b"});
  for (const char* bad : {"!!!!", "AAA", "AAAA", "/////wAAAAA=", "AAAAAAAAAAA=", "BAAAAAAAAAD/", "BQAAAAAAAAAA"}) {
    INFO(bad);
    check_refused(map(bad), error_code::bad_value, "$.normalizer.precompiled_charsmap");
  }
  // One unit that leads nowhere.
  CHECK(tokens_of(map("BAAAAAAAAAA="), "ab") == strings{"a", "b"});
}

TEST_CASE("Metaspace's old and new keys have to agree", "[tokenizer][json]") {
  const auto metaspace = [](json members) {
    members["type"] = "Metaspace";
    return with(small_unigram(), "/pre_tokenizer", std::move(members));
  };
  CHECK_NOTHROW(parse(metaspace({{"replacement", "_"}, {"add_prefix_space", true}, {"str_rep", "_"}})));
  CHECK_NOTHROW(parse(metaspace({{"replacement", "_"}, {"add_prefix_space", false}, {"prepend_scheme", "never"}})));
  check_refused(metaspace({{"replacement", "_"}, {"add_prefix_space", false}}), error_code::bad_value,
                "$.pre_tokenizer.add_prefix_space");
  check_refused(metaspace({{"replacement", "__"}}), error_code::bad_value, "$.pre_tokenizer.replacement");
  check_refused(metaspace({{"replacement", "_"}, {"prepend_scheme", "last"}}), error_code::bad_value,
                "$.pre_tokenizer.prepend_scheme");
}

TEST_CASE("Metaspace looks for the spaces of a piece in that piece", "[tokenizer][hostile]") {
  constexpr std::size_t word_count = 1'000'000;
  json document = small_unigram();
  document["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "WhitespaceSplit"}}, {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "never"}}}}};
  CHECK(parse(document).encode(ufb_test::repeat("a\n", word_count)).size() == word_count);
}

TEST_CASE("A sequence of post-processors has one template", "[tokenizer][json]") {
  const json bytes{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  const json ends{{"type", "BertProcessing"}, {"sep", R"(["b", 2])"_json}, {"cls", R"(["a", 1])"_json}};
  const auto sequence = [](json steps) {
    return with(small_bpe(), "/post_processor", {{"type", "Sequence"}, {"processors", std::move(steps)}});
  };
  CHECK(tokens_of(sequence(json::array({bytes, ends, bytes})), "c") == strings{"a", "c", "b"});
  check_refused(sequence(json::array({ends, bytes, ends})), error_code::unsupported,
                "$.post_processor.processors[2].type");
}

TEST_CASE("The file's own truncation and padding are there for those who ask", "[tokenizer][json]") {
  json document = small_bpe();
  document["truncation"] = {{"max_length", 3}, {"strategy", "LongestFirst"}, {"stride", 1}, {"direction", "Left"}};
  document["padding"] = {{"strategy", {{"Fixed", 5}}}, {"direction", "Left"}, {"pad_to_multiple_of", 4}, {"pad_id", 7},
                         {"pad_type_id", 2},           {"pad_token", "c"}};
  const auto tokenizer = parse(document);
  CHECK(tokenizer.encode("aaaaa").size() == 5);
  REQUIRE(tokenizer.file_truncation());
  REQUIRE(tokenizer.file_padding());
  const auto batch = tokenizer.encode_batch({"aacba", "a"}, *tokenizer.file_truncation(), *tokenizer.file_padding());
  CHECK(batch[0].ids == std::vector<int>{7, 7, 7, 7, 7, 3, 2, 1});
  CHECK(batch[0].overflow.size() == 1);
  CHECK(batch[0].overflow[0].ids == std::vector<int>{7, 7, 7, 7, 7, 1, 1, 3});
  CHECK(batch[1].tokens == strings{"c", "c", "c", "c", "c", "c", "c", "a"});
  CHECK(batch[1].type_ids == std::vector<std::uint32_t>{2, 2, 2, 2, 2, 2, 2, 0});
  CHECK(batch[1].attention_mask == std::vector<std::uint8_t>{0, 0, 0, 0, 0, 0, 0, 1});
  const auto matrices = tokenizer.to_matrices(batch, *tokenizer.file_padding());
  CHECK(matrices.length() == 8);
  // A text that is longer than a fixed length stays as it is.
  CHECK(tokenizer.encode_batch({"aaaaaaaaaa"}, {}, *tokenizer.file_padding())[0].size() == 10);
  CHECK(error_of([&] { (void)tokenizer.encode_batch({"aaaaaaaaaa"}, {}, {.length = 5, .pad_id = 1}); }));
  // The second text is shorter than the first one, so that a matrix of both has padding.
  const auto kept = tokenizer.encode_batch({"aaaaaaaaaa", "aaaaaaa"}, {}, *tokenizer.file_padding());
  CHECK(kept[1].size() == 8);
  CHECK(tokenizer.to_matrices(kept, *tokenizer.file_padding()).length() == 10);
  const auto unnamed = error_of([&] { (void)tokenizer.to_matrices(kept, {.length = 5, .keep_longer = true}); });
  REQUIRE(unnamed);
  CHECK(unnamed->code() == error_code::missing_token);
  const auto lengthless = error_of([&] { (void)tokenizer.to_matrices(kept, {.pad_id = 1, .keep_longer = true}); });
  REQUIRE(lengthless);
  CHECK(lengthless->where() == "padding.keep_longer");
  document["padding"]["strategy"] = "BatchLongest";
  const auto longest = parse(document);
  CHECK(longest.encode_batch({"aaaaa", "a"}, {}, *longest.file_padding())[1].size() == 8);
  document["padding"]["direction"] = "Up";
  check_refused(document, error_code::bad_value, "$.padding.direction");
  document["padding"] = nullptr;
  document["truncation"]["strategy"] = "Longest";
  check_refused(document, error_code::bad_value, "$.truncation.strategy");
}

TEST_CASE("A folder of vocab.json and merges.txt is RoBERTa's or GPT-2's", "[tokenizer][files]") {
  ufb_test::scratch_folder folder;
  const auto write = [&](const char* name, const std::string& text) { std::ofstream(folder.path() / name) << text; };
  const json roberta{{"<s>", 0},
                     {"<pad>", 1},
                     {"</s>", 2},
                     {"<unk>", 3},
                     {"<mask>", 4},
                     {"a", 5},
                     {"b", 6},
                     {"\xC4\xA0", 7},
                     {"ab", 8},
                     {"\xC4\xA0"
                      "ab",
                      9}};
  write("vocab.json", roberta.dump());
  write("merges.txt", "#version: 0.2\na b\n\xC4\xA0 ab\n");
  const auto tokenizer = ultrafastbert::tokenizer::load(folder.path());
  const auto pair = tokenizer.encode("ab <mask> ab", "ab");
  CHECK(pair.tokens == strings{"<s>", "ab", " <mask>",
                               "\xC4\xA0"
                               "ab",
                               "</s>", "</s>", "ab", "</s>"});
  CHECK(pair.type_ids == std::vector<std::uint32_t>(8, 0));
  CHECK(pair.offsets[3] == ultrafastbert::text_span{10, 12});
  CHECK(tokenizer.decode(pair.ids) == "ab abab");
  CHECK(tokenizer.special_id(ultrafastbert::special_role::mask) == 4);
  write("tokenizer_config.json", R"({"tokenizer_class":"GPT2Tokenizer"})");
  json gpt2 = roberta;
  gpt2["<|endoftext|>"] = 10;
  write("vocab.json", gpt2.dump());
  CHECK(ultrafastbert::tokenizer::load(folder.path()).encode("ab<|endoftext|>").ids == std::vector<int>{8, 10});
  write("tokenizer_config.json", R"({"tokenizer_class":"BartTokenizer"})");
  CHECK(error_of([&] { (void)ultrafastbert::tokenizer::load(folder.path()); })->code() == error_code::unsupported);
  write("tokenizer_config.json", "{}");
  write("merges.txt", "a b\nb\n");
  const auto bad = error_of([&] { (void)ultrafastbert::tokenizer::load(folder.path()); });
  REQUIRE(bad);
  CHECK(bad->code() == error_code::bad_vocabulary);
  CHECK(bad->where() == "line 2");
  write("merges.txt", std::string(std::size_t{1} << 21U, '\n'));
  const auto many = error_of([&] { (void)ultrafastbert::tokenizer::load(folder.path()); });
  REQUIRE(many);
  CHECK(many->code() == error_code::limit_exceeded);
  CHECK(many->where() == "line 2097153");
  std::filesystem::remove(folder.path() / "merges.txt");
  CHECK(error_of([&] { (void)ultrafastbert::tokenizer::load(folder.path()); })->code() == error_code::io_error);
  write("vocab.json", "[]");
  const auto list = error_of([&] { (void)ultrafastbert::tokenizer::load(folder.path()); });
  REQUIRE(list);
  CHECK(list->code() == error_code::bad_type);
  CHECK(list->file() == (folder.path() / "vocab.json").string());
  CHECK(list->where() == "$");
}
