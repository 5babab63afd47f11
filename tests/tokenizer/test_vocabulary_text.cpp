// SPDX-License-Identifier: MIT
//
// A folder with vocab.txt: what the files beside it change, and which error a bad one gets.
#include <fstream>
#include <string>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

using ufb_test::error_of;
using ufb_test::scratch_folder;
using ufb_test::strings;
using ultrafastbert::error;
using ultrafastbert::error_code;
using ultrafastbert::tokenizer;

const std::string words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ncat\n##s\nCat\n\xC3\xA9t\xC3\xA9\nete\n";

/// A folder with these files; empty: no such file.
struct folder {
  explicit folder(const std::string& vocabulary, const std::string& config = {}, const std::string& map = {}) {
    write("vocab.txt", vocabulary);
    if (!config.empty()) write("tokenizer_config.json", config);
    if (!map.empty()) write("special_tokens_map.json", map);
  }

  void write(const char* name, const std::string& text) const { std::ofstream(where.path() / name) << text; }
  [[nodiscard]] tokenizer load() const { return tokenizer::load(where.path()); }
  [[nodiscard]] std::string file(const char* name) const { return (where.path() / name).string(); }

  scratch_folder where{};
};

error error_of_loading(const folder& files) {
  const auto found = error_of([&] { (void)files.load(); });
  REQUIRE(found);
  INFO(found->what());
  return *found;
}

}  // namespace

TEST_CASE("A vocab.txt alone is BERT uncased", "[tokenizer][vocab_txt]") {
  const auto t = folder(words).load();
  const auto got = t.encode("Cats \xC3\x89T\xC3\x89 [MASK] [mask]");
  CHECK(got.tokens == strings{"[CLS]", "cat", "##s", "ete", "[MASK]", "[UNK]", "[UNK]", "[UNK]", "[SEP]"});
  CHECK(t.encode("cat", "cat").type_ids == std::vector<std::uint32_t>{0, 0, 0, 1, 1});
  CHECK(t.vocabulary_size() == 10);
  CHECK(t.is_special(0));
  CHECK(t.decode(got.ids) == "cats ete");
  CHECK(folder("[UNK]\r\n[CLS]\r\n[SEP]\r\ncat").load().encode("cat").ids ==
        std::vector<ultrafastbert::token_id>{1, 3, 2});
}

TEST_CASE("tokenizer_config.json may keep case and accents", "[tokenizer][vocab_txt]") {
  CHECK(folder(words, R"({"do_lower_case":false})").load().encode("Cats \xC3\xA9t\xC3\xA9").tokens ==
        strings{"[CLS]", "Cat", "##s", "\xC3\xA9t\xC3\xA9", "[SEP]"});
  CHECK(folder(words, R"({"strip_accents":false,"tokenizer_class":"BertTokenizer"})")
            .load()
            .encode("\xC3\x89t\xC3\xA9")
            .tokens == strings{"[CLS]", "\xC3\xA9t\xC3\xA9", "[SEP]"});
}

TEST_CASE("The files beside vocab.txt name the special tokens", "[tokenizer][vocab_txt]") {
  const std::string vocabulary = "<unk>\n<c>\n<s>\n<m>\ncat\n";
  const std::string map = R"({"unk_token":"<unk>","cls_token":"<c>","sep_token":{"content":"<s>"},"mask_token":"<m>"})";
  const strings expected{"<c>", "cat", "<m>", "<unk>", "<s>"};
  CHECK(folder(vocabulary, {}, map).load().encode("cat <m> dog").tokens == expected);
  CHECK(folder(vocabulary, map).load().encode("cat <m> dog").tokens == expected);
  CHECK(folder(vocabulary, map, map).load().encode("cat <m> dog").tokens == expected);
}

TEST_CASE("Tokens that tokenizer_config.json lists extend the vocabulary", "[tokenizer][vocab_txt]") {
  const auto t = folder(words, R"({"added_tokens_decoder":{"10":{"content":"NEW","single_word":false,"lstrip":false,
    "rstrip":false,"normalized":true,"special":false}}})")
                     .load();
  CHECK(t.encode("cat new").ids == std::vector<ultrafastbert::token_id>{2, 5, 10, 3});
}

TEST_CASE("tokenizer.json wins over vocab.txt", "[tokenizer][vocab_txt]") {
  const folder files("no\nno\n");
  files.write("tokenizer.json", ufb_test::small_tokenizer().dump());
  CHECK(files.load().encode("cat").tokens == strings{"cat", "<sep>"});
}

TEST_CASE("Bad lists of tokens are refused with the place", "[tokenizer][vocab_txt]") {
  const folder twice(words + "cat\n");
  CHECK(error_of_loading(twice).code() == error_code::duplicate_key);
  CHECK(error_of_loading(twice).file() == twice.file("vocab.txt"));
  CHECK(error_of_loading(twice).where() == "vocabulary");
  CHECK(error_of_loading(twice).found() == "'cat' twice");
  const error empty = error_of_loading(folder("[UNK]\n\n[CLS]\n[SEP]\n"));
  CHECK(empty.code() == error_code::bad_vocabulary);
  CHECK(empty.where() == "vocabulary['']");
  CHECK(empty.expected() == "a token of at least one byte");
  CHECK(error_of_loading(folder(words + "\xFF\n")).code() == error_code::bad_vocabulary);
  const error lacking = error_of_loading(folder("[UNK]\n[SEP]\n"));
  CHECK(lacking.code() == error_code::missing_token);
  CHECK(lacking.where() == "cls_token");
  CHECK(lacking.expected() == "the vocabulary to contain '[CLS]'");
}

TEST_CASE("A missing unknown token is an error of the text that needs it", "[tokenizer][vocab_txt]") {
  const auto t = folder("[CLS]\n[SEP]\ncat\n").load();
  CHECK(t.encode("cat").size() == 3);
  const auto found = error_of([&] { (void)t.encode("dog"); });
  REQUIRE(found);
  CHECK(found->code() == error_code::missing_token);
  CHECK(found->expected() == "the vocabulary to contain '[UNK]'");
}

TEST_CASE("What tokenizer_config.json asks for and is not implemented is refused", "[tokenizer][vocab_txt]") {
  const auto refused = [](const char* config, const char* where, error_code code = error_code::unsupported) {
    const folder files(words, config);
    const error found = error_of_loading(files);
    CHECK(found.code() == code);
    CHECK(found.file() == files.file("tokenizer_config.json"));
    CHECK(found.where() == where);
  };
  refused(R"({"tokenizer_class":"GPT2Tokenizer"})", "$.tokenizer_class");
  refused(R"({"do_basic_tokenize":false})", "$.do_basic_tokenize");
  refused(R"({"never_split":["a"]})", "$.never_split");
  refused(R"({"do_lower_case":1})", "$.do_lower_case", error_code::bad_type);
  refused(R"({"unk_token":7})", "$.unk_token", error_code::bad_type);
  refused(R"({"unk_token":{}})", "$.unk_token.content", error_code::missing_key);
  refused(R"({"added_tokens_decoder":{"x":{}}})", "$.added_tokens_decoder.x", error_code::bad_value);
  refused("[", "line 1, column 2", error_code::bad_json);
  const folder files(words, R"({"unk_token":"[UNK]"})", R"({"unk_token":"cat"})");
  const error found = error_of_loading(files);
  CHECK(found.code() == error_code::bad_value);
  CHECK(found.file() == files.file("special_tokens_map.json"));
  CHECK(found.where() == "$.unk_token");
  CHECK(found.expected() == "'[UNK]' as in tokenizer_config.json");
  CHECK(found.found() == "'cat'");
}
