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
using ultrafastbert::special_role;
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

TEST_CASE("Old folders list added tokens in files of their own", "[tokenizer][vocab_txt]") {
  using ids = std::vector<ultrafastbert::token_id>;
  folder files(words + "[ent]\n", {}, R"({"additional_special_tokens":["[ent]",{"content":"[NEXT]"}]})");
  files.write("added_tokens.json", R"({"NEW":12})");
  const auto t = files.load();
  CHECK(t.encode("cat [ent] new [NEXT] [next]").ids == ids{2, 5, 10, 12, 13, 1, 1, 1, 3});
  CHECK(t.is_special(10));
  CHECK(t.is_special(13));
  CHECK_FALSE(t.is_special(12));
  // Tokens of roles that the vocabulary lacks would have the first of the further ids.
  folder lacking(words, {}, R"({"bos_token":"[BOS]","additional_special_tokens":["[E1]"]})");
  CHECK(lacking.load().encode("[E1]").ids == ids{2, 11, 3});
  CHECK(folder(words, R"({"additional_special_tokens":["Cat"]})").load().encode("Cat").ids == ids{2, 7, 3});
  // The newer list has all of them.
  files.write("tokenizer_config.json", R"({"added_tokens_decoder":{}})");
  CHECK(files.load().encode("new").ids == ids{2, 1, 3});
  files.write("tokenizer_config.json", "{}");
  files.write("added_tokens.json", R"({"NEW":"12"})");
  const error found = error_of_loading(files);
  CHECK(found.code() == error_code::bad_type);
  CHECK(found.file() == files.file("added_tokens.json"));
  CHECK(found.where() == "$.NEW");
}

TEST_CASE("tokenizer.json wins over vocab.txt", "[tokenizer][vocab_txt]") {
  const folder files("no\nno\n");
  files.write("tokenizer.json", ufb_test::small_tokenizer().dump());
  CHECK(files.load().encode("cat").tokens == strings{"cat", "<sep>"});
}

TEST_CASE("Bad lists of tokens are refused with the place", "[tokenizer][vocab_txt]") {
  const folder broken(words + "\xFF\n");
  CHECK(error_of_loading(broken).code() == error_code::bad_vocabulary);
  CHECK(error_of_loading(broken).file() == broken.file("vocab.txt"));
  CHECK(error_of_loading(broken).details().byte_offset == words.size());
  const error lacking = error_of_loading(folder("[UNK]\n[SEP]\n"));
  CHECK(lacking.code() == error_code::missing_token);
  CHECK(lacking.where() == "cls_token");
  CHECK(lacking.expected() == "the vocabulary to contain '[CLS]', '<cls>' or '<s>'");
  const error named = error_of_loading(folder(words, R"({"cls_token":"[START]"})"));
  CHECK(named.code() == error_code::missing_token);
  CHECK(named.expected() == "the vocabulary to contain '[START]'");
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
  refused("[]", "$", error_code::bad_type);
}

TEST_CASE("Blank lines take their ids and of equal lines the last one is found", "[tokenizer][vocab_txt]") {
  using list = std::vector<ultrafastbert::unreachable_entry>;
  const auto t = folder("[PAD]\n[UNK]\n[CLS]\n[SEP]\n\ncat\n##s\n\r\ncat\nsat\n\n").load();
  CHECK(t.encode("cats sat").ids == std::vector<ultrafastbert::token_id>{2, 8, 6, 9, 3});
  CHECK(t.encode("").ids == std::vector<ultrafastbert::token_id>{2, 3});
  CHECK(t.vocabulary_size() == 8);
  CHECK(t.id_bound() == 11);
  CHECK(t.id_to_token(4) == "");
  CHECK(t.id_to_token(5) == "cat");
  CHECK(t.decode(std::vector<ultrafastbert::token_id>{5, 4, 9}) == "cat  sat");
  CHECK(t.report().blank.count == 3);
  CHECK(t.report().blank.first == list{{4, ""}, {7, ""}, {10, ""}});
  CHECK(t.report().repeated.first == list{{5, "cat"}});
  CHECK_FALSE(t.report().empty());
  CHECK(folder(words).load().report().empty());
}

TEST_CASE("White space inside lines belongs to the tokens", "[tokenizer][vocab_txt]") {
  const auto t = folder("[UNK]\n[CLS]\n[SEP]\na \nx\ry\n\xE2\x80\xA8\n\x0B\n\xEF\xBB\xBF.\n").load();
  CHECK(t.id_to_token(3) == "a ");
  CHECK(t.id_to_token(4) == "x\ry");
  CHECK(t.id_to_token(5) == "\xE2\x80\xA8");
  CHECK(t.id_to_token(6) == "\x0B");
  CHECK(t.id_to_token(7) == "\xEF\xBB\xBF.");
  CHECK(t.report().empty());
}

TEST_CASE("The tokenizers of BERT's relatives are BERT's", "[tokenizer][vocab_txt]") {
  const auto bert = folder(words, R"({"tokenizer_class":"BertTokenizerFast"})").load();
  for (const char* name :
       {"DistilBertTokenizer", "DistilBertTokenizerFast", "ElectraTokenizer", "MobileBertTokenizerFast",
        "ConvBertTokenizer", "LayoutLMTokenizerFast", "DPRReaderTokenizer"}) {
    const auto t = folder(words, R"({"tokenizer_class":")" + std::string(name) + "\"}").load();
    CHECK(t.encode("Cats [MASK]", "\xC3\x89te").ids == bert.encode("Cats [MASK]", "\xC3\x89te").ids);
    CHECK(t.encode("Cats [MASK]", "\xC3\x89te").type_ids == bert.encode("Cats [MASK]", "\xC3\x89te").type_ids);
  }
}

TEST_CASE("MPNet's tokenizer has other special tokens, two separators in a pair and one type",
          "[tokenizer][vocab_txt]") {
  const std::string vocabulary = "<s>\n<pad>\n</s>\n<unk>\n[UNK]\n[CLS]\n[SEP]\ncat\n##s\n<mask>\n[MASK]\n";
  for (const char* name : {"MPNetTokenizer", "MPNetTokenizerFast"}) {
    const auto t = folder(vocabulary, R"({"tokenizer_class":")" + std::string(name) + "\"}").load();
    const auto pair = t.encode("Cats", "cat  <mask> dog");
    CHECK(pair.tokens == strings{"<s>", "cat", "##s", "</s>", "</s>", "cat", "  <mask>", "[UNK]", "</s>"});
    CHECK(pair.ids == std::vector<ultrafastbert::token_id>{0, 7, 8, 2, 2, 7, 9, 4, 2});
    CHECK(pair.type_ids == std::vector<std::uint32_t>(9, 0));
    CHECK(pair.offsets[6] == ultrafastbert::text_span{3, 11});
    CHECK(t.special_id(special_role::pad) == 1);
    CHECK(t.special_id(special_role::mask) == 9);
    CHECK(t.special_id(special_role::unk) == 4);
    CHECK(t.special_token(special_role::bos) == "<s>");
    CHECK(t.special_token(special_role::eos) == "</s>");
    CHECK(t.encode("cat").tokens == strings{"<s>", "cat", "</s>"});
  }
  const error other = error_of_loading(folder(vocabulary, R"({"tokenizer_class":"RobertaTokenizer"})"));
  CHECK(other.expected().find("BertTokenizer, DistilBertTokenizer, MPNetTokenizer, ") == 0);
  CHECK(other.expected().find("or one of these with Fast behind it; other classes need a tokenizer.json") !=
        std::string::npos);
  CHECK(other.found() == "'RobertaTokenizer'");
}

TEST_CASE("The flags of a special token that is described by an object count", "[tokenizer][vocab_txt]") {
  const std::string map = R"({"mask_token":{"content":"[MASK]","lstrip":true,"rstrip":false,"normalized":false}})";
  CHECK(folder(words, {}, map).load().encode("cat  [MASK]").tokens == strings{"[CLS]", "cat", "  [MASK]", "[SEP]"});
  const std::string listed = R"({"added_tokens_decoder":{"4":{"content":"[MASK]","single_word":false,"lstrip":false,
    "rstrip":false,"normalized":false,"special":false}}})";
  const auto t = folder(words, listed, map).load();
  CHECK(t.encode("cat  [MASK]").tokens == strings{"[CLS]", "cat", "[MASK]", "[SEP]"});
  CHECK(t.is_special(4));
}
