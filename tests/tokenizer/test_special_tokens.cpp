// SPDX-License-Identifier: MIT
//
// Which token plays which role: what every kind of tokenizer says, the order in which sources count, contradictions.
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fixtures.hpp"
#include "support/catch.hpp"

namespace {

using ufb_test::error_of;
using ufb_test::json;
using ufb_test::parse_changed;
using ufb_test::scratch_folder;
using ufb_test::small_tokenizer;
using ultrafastbert::error_code;
using ultrafastbert::special_role;
using ultrafastbert::token_id;
using ultrafastbert::tokenizer;

/// A folder of files that a test writes; empty text: no such file.
struct tokenizer_folder {
  tokenizer_folder() = default;
  tokenizer_folder(const char* name, const std::string& text, const std::string& map, const std::string& config) {
    write(name, text);
    if (!map.empty()) write("special_tokens_map.json", map);
    if (!config.empty()) write("tokenizer_config.json", config);
  }

  void write(const char* name, const std::string& text) const { std::ofstream(where.path() / name) << text; }
  [[nodiscard]] tokenizer load() const { return tokenizer::load(where.path()); }
  [[nodiscard]] std::string file(const char* name) const { return (where.path() / name).string(); }

  scratch_folder where{};
};

tokenizer_folder json_folder(const std::string& map, const std::string& config,
                             const json& document = small_tokenizer()) {
  return {"tokenizer.json", document.dump(), map, config};
}

tokenizer_folder text_folder(const std::string& vocabulary, const std::string& map = {},
                             const std::string& config = {}) {
  return {"vocab.txt", vocabulary, map, config};
}

const std::string bert_words = "cat\n[CLS]\n[MASK]\n[SEP]\n[UNK]\n[PAD]\n##s\n";

}  // namespace

TEST_CASE("Roles have the names that files use", "[tokenizer][special]") {
  std::string all;
  for (const auto role : ultrafastbert::special_roles) all += std::string(ultrafastbert::name(role)) + ' ';
  CHECK(all == "mask pad cls sep unk bos eos ");
}

TEST_CASE("Without any file beside it a tokenizer has the roles of the common spellings", "[tokenizer][special]") {
  const auto angles = ufb_test::parse(small_tokenizer());
  CHECK(angles.special_id(special_role::pad) == 0);
  CHECK(angles.special_id(special_role::unk) == 1);
  CHECK(angles.special_id(special_role::cls) == 2);
  CHECK(angles.special_id(special_role::sep) == 3);
  CHECK(angles.special_id(special_role::mask) == 4);
  CHECK(angles.special_token(special_role::mask) == "<mask>");
  CHECK_FALSE(angles.special_id(special_role::bos));
  CHECK_FALSE(angles.special_token(special_role::eos));
  const auto brackets = text_folder(bert_words).load();
  CHECK(brackets.special_id(special_role::pad) == 5);
  CHECK(brackets.special_id(special_role::unk) == 4);
  CHECK(brackets.special_id(special_role::cls) == 1);
  CHECK(brackets.special_id(special_role::sep) == 3);
  CHECK(brackets.special_id(special_role::mask) == 2);
  CHECK(brackets.special_token(special_role::pad) == "[PAD]");
  CHECK(brackets.report().conflicts.empty());
}

TEST_CASE("A vocab.txt may use the other spellings, too", "[tokenizer][special]") {
  const auto t = text_folder("<pad>\n<unk>\n<s>\n</s>\n<mask>\ncat\n").load();
  CHECK(t.special_id(special_role::mask) == 4);
  CHECK(t.encode("cat <mask> dog").ids == std::vector<token_id>{2, 5, 4, 1, 3});
  CHECK(t.is_special(4));
  const auto sep = text_folder("<s>\n<cls>\n</s>\n<sep>\ncat\n").load();
  CHECK(sep.encode("cat").ids == std::vector<token_id>{1, 4, 3});
}

TEST_CASE("Tokens that are marked as special come before words that look like them", "[tokenizer][special]") {
  const auto t = parse_changed([](json& d) { d["model"]["vocab"]["[MASK]"] = 20; });
  CHECK(t.special_id(special_role::mask) == 4);
  const auto word = parse_changed([](json& d) {
    d["added_tokens"].erase(4);
    d["model"]["vocab"]["[MASK]"] = 20;
  });
  CHECK(word.special_id(special_role::mask) == 20);
}

TEST_CASE("special_tokens_map.json comes before tokenizer_config.json, and both before the common spellings",
          "[tokenizer][special]") {
  const std::string cat = R"({"mask_token":"cat","bos_token":"the"})";
  const std::string sat = R"({"mask_token":{"content":"sat","lstrip":true},"eos_token":"on","pad_token":null})";
  for (const bool text : {false, true}) {
    const std::string lines = "[CLS]\n[SEP]\n[PAD]\n[MASK]\ncat\nsat\nthe\non\n";
    const auto make = [&](const std::string& map, const std::string& config) {
      return (text ? text_folder(lines, map, config) : json_folder(map, config)).load();
    };
    INFO((text ? "vocab.txt" : "tokenizer.json"));
    CHECK(make(cat, sat).special_token(special_role::mask) == "cat");
    CHECK(make({}, sat).special_token(special_role::mask) == "sat");
    CHECK(make(cat, {}).special_token(special_role::mask) == "cat");
    CHECK(make(cat, sat).special_token(special_role::bos) == "the");
    CHECK(make(cat, sat).special_token(special_role::eos) == "on");
    CHECK(make(cat, sat).special_token(special_role::pad) == (text ? "[PAD]" : "<pad>"));
    CHECK(make(cat, sat).special_id(special_role::eos) == make(cat, sat).token_to_id("on"));
    CHECK(make(R"({"mask_token":""})", sat).special_token(special_role::mask) == "sat");
  }
}

TEST_CASE("Files that contradict each other stand in the report", "[tokenizer][special]") {
  const tokenizer_folder files = json_folder(R"({"mask_token":"cat","pad_token":"<pad>"})",
                                             R"({"mask_token":"sat","pad_token":"<pad>","unk_token":"cat"})");
  using list = std::vector<ultrafastbert::special_token_conflict>;
  CHECK(files.load().report().conflicts ==
        list{{special_role::mask, "cat", "sat", files.file("tokenizer_config.json")},
             {special_role::unk, "<unk>", "cat", files.file("tokenizer_config.json")}});
  CHECK_FALSE(files.load().report().empty());
  const tokenizer_folder text = text_folder(bert_words, R"({"unk_token":"[UNK]"})", R"({"unk_token":"cat"})");
  CHECK(text.load().report().conflicts ==
        list{{special_role::unk, "[UNK]", "cat", text.file("tokenizer_config.json")}});
  CHECK(text.load().encode("dog").ids == std::vector<token_id>{1, 4, 3});
}

TEST_CASE("What a tokenizer.json itself uses comes before what the files beside it say", "[tokenizer][special]") {
  json document = small_tokenizer();
  document["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"<sep>", 3}}, {"cls", {"<cls>", 2}}};
  const auto t = json_folder(R"({"unk_token":"cat","cls_token":"the","sep_token":"on"})", {}, document).load();
  CHECK(t.special_token(special_role::unk) == "<unk>");
  CHECK(t.special_token(special_role::cls) == "<cls>");
  CHECK(t.special_token(special_role::sep) == "<sep>");
  CHECK(t.report().conflicts.size() == 3);
  // A template does not say which of its tokens is which.
  const auto plain = json_folder(R"({"sep_token":"on"})", {}).load();
  CHECK(plain.special_token(special_role::sep) == "on");
  CHECK(plain.report().conflicts.empty());
}

TEST_CASE("The files beside a tokenizer.json change no token", "[tokenizer][special]") {
  const auto t = json_folder(R"({"mask_token":"sat on"})", R"({"do_lower_case":false,"tokenizer_class":"Whatever",
    "added_tokens_decoder":{"20":{"content":"NEW"}}})")
                     .load();
  CHECK(t.encode("The cat sat on").ids == ufb_test::parse(small_tokenizer()).encode("The cat sat on").ids);
  CHECK(t.vocabulary_size() == 20);
}

TEST_CASE("Special tokens that only the files beside a tokenizer.json name are found in texts",
          "[tokenizer][special]") {
  json document = small_tokenizer();
  for (const char* word : {"[ENT]", "[GAP]", "[BOTH]"}) {
    document["model"]["vocab"][word] = document["model"]["vocab"].size();
  }
  const auto without = json_folder({}, {}, document).load();
  const std::string map = R"({"mask_token":"[GAP]","additional_special_tokens":["[ENT]","[none]"]})";
  const auto t = json_folder(map, R"({"additional_special_tokens":["[BOTH]"]})", document).load();
  const std::string text = "cat [ENT] [GAP]";
  CHECK(t.encode(text, {.add_special_tokens = false}).tokens == ufb_test::strings{"cat", "[ENT]", "[GAP]"});
  CHECK(t.is_special(*t.token_to_id("[ENT]")));
  CHECK(t.encode("[none]").ids == without.encode("[none]").ids);
  CHECK(t.encode("[BOTH]").ids == without.encode("[BOTH]").ids);  // the first file that lists some counts
  CHECK(t.vocabulary_size() == without.vocabulary_size());
  CHECK(without.encode(text).ids != t.encode(text).ids);
}

TEST_CASE("Settings beside a tokenizer.json that it contradicts stand in the report", "[tokenizer][special]") {
  json document = small_tokenizer();
  document["normalizer"] = {{"type", "BertNormalizer"},
                            {"clean_text", true},
                            {"handle_chinese_chars", true},
                            {"strip_accents", nullptr},
                            {"lowercase", true}};
  const tokenizer_folder files =
      json_folder({}, R"({"do_lower_case":false,"strip_accents":true,"tokenize_chinese_chars":true})", document);
  using list = std::vector<ultrafastbert::setting_conflict>;
  CHECK(files.load().report().settings == list{{"do_lower_case", true, files.file("tokenizer_config.json")}});
  CHECK_FALSE(files.load().report().empty());
  CHECK(json_folder({}, R"({"do_lower_case":true})", document).load().report().settings.empty());
}

TEST_CASE("tokenizer_config.json says how models call, and changes no call of a tokenizer", "[tokenizer][special]") {
  using ultrafastbert::truncation_direction;
  const std::string config =
      R"({"model_max_length":3,"truncation_side":"left","model_input_names":["input_ids","attention_mask"]})";
  for (const bool text : {false, true}) {
    const auto t = (text ? text_folder(bert_words, {}, config) : json_folder({}, config)).load();
    CHECK(t.defaults().max_length == 3);
    CHECK(t.defaults().direction == truncation_direction::left);
    CHECK_FALSE(t.defaults().token_types);
    CHECK(t.encode("cat cat cat cat").size() > 3);
    const auto plain = (text ? text_folder(bert_words) : json_folder({}, {})).load();
    CHECK(plain.defaults().max_length == 0);
    CHECK(plain.defaults().direction == truncation_direction::right);
    CHECK(plain.defaults().token_types);
  }
  const auto huge = json_folder({}, R"({"model_max_length":1000000000000000019884624838656})").load();
  CHECK(huge.defaults().max_length == 0);
  CHECK(json_folder({}, R"({"model_input_names":["input_ids","token_type_ids"]})").load().defaults().token_types);
}

TEST_CASE("A role whose token the vocabulary lacks has a spelling and no id", "[tokenizer][special]") {
  const tokenizer_folder files = json_folder(R"({"mask_token":"[GAP]"})", {});
  const auto t = files.load();
  CHECK(t.special_token(special_role::mask) == "[GAP]");
  CHECK_FALSE(t.special_id(special_role::mask));
  const auto named = error_of([&] { (void)t.need_special_id(special_role::mask); });
  REQUIRE(named);
  CHECK(named->code() == error_code::missing_token);
  CHECK(named->file() == files.file("tokenizer.json"));
  CHECK(named->where() == "mask_token");
  CHECK(named->expected() == "'[GAP]' in the vocabulary");
  const auto none = parse_changed([](json& d) {
    d["added_tokens"].erase(4);
    d["model"]["vocab"].erase("<mask>");
  });
  const auto nothing = error_of([&] { (void)none.need_special_id(special_role::mask); });
  REQUIRE(nothing);
  CHECK(nothing->code() == error_code::missing_token);
  CHECK(nothing->file() == "tokenizer.json");
  CHECK(nothing->expected() == "'[MASK]' or '<mask>' in the vocabulary");
  CHECK(none.encode("cat").size() == 2);
}

TEST_CASE("Files beside a tokenizer are read strictly", "[tokenizer][special]") {
  const auto refused = [](const std::string& map, const char* where, error_code code) {
    const tokenizer_folder files = json_folder(map, {});
    const auto error = error_of([&] { (void)files.load(); });
    REQUIRE(error);
    INFO(error->what());
    CHECK(error->code() == code);
    CHECK(error->file() == files.file("special_tokens_map.json"));
    CHECK(error->where() == where);
  };
  refused("{", "line 1, column 2", error_code::bad_json);
  refused("[]", "$", error_code::bad_type);
  refused(R"({"mask_token":7})", "$.mask_token", error_code::bad_type);
  refused(R"({"mask_token":["<mask>"]})", "$.mask_token", error_code::bad_type);
  refused(R"({"mask_token":{"text":"<mask>"}})", "$.mask_token.content", error_code::missing_key);
  refused(R"({"mask_token":{"content":"<mask>","lstrip":"yes"}})", "$.mask_token.lstrip", error_code::bad_type);
  refused(R"({"a":1,"a":2})", "$", error_code::duplicate_key);
  const tokenizer_folder dangling = json_folder({}, {});
  std::filesystem::create_symlink("nowhere", dangling.where.path() / "tokenizer_config.json");
  const auto error = error_of([&] { (void)dangling.load(); });
  REQUIRE(error);
  CHECK(error->code() == error_code::io_error);
  CHECK(error->file() == dangling.file("tokenizer_config.json"));
}

TEST_CASE("A folder without a tokenizer is named, and so is one that is called like a file", "[tokenizer][special]") {
  const tokenizer_folder empty;
  const auto neither = error_of([&] { (void)empty.load(); });
  REQUIRE(neither);
  CHECK(neither->code() == error_code::io_error);
  CHECK(neither->file() == empty.where.path().string());
  CHECK(neither->expected() == "tokenizer.json, vocab.txt or vocab.json in the folder");
  CHECK(neither->found() == "none of them");
  for (const char* name : {"tokenizer.json", "vocab.txt"}) {
    const tokenizer_folder files;
    std::filesystem::create_directory(files.where.path() / name);
    for (const auto& path : {files.where.path(), files.where.path() / name}) {
      const auto error = error_of([&] { (void)tokenizer::load(path); });
      REQUIRE(error);
      CHECK(error->code() == error_code::io_error);
      CHECK(error->file() == files.file(name));
      CHECK(error->details().reason == "Is a directory");
    }
  }
  // Such a folder may hold a tokenizer all the same.
  const tokenizer_folder inside;
  std::filesystem::create_directory(inside.where.path() / "tokenizer.json");
  inside.write("tokenizer.json/tokenizer.json", small_tokenizer().dump());
  CHECK(tokenizer::load(inside.where.path() / "tokenizer.json").encode("cat").size() == 2);
  const tokenizer_folder link;
  link.write("vocab.txt", bert_words);
  std::filesystem::create_symlink("nowhere", link.where.path() / "tokenizer.json");
  const auto dangling = error_of([&] { (void)link.load(); });
  REQUIRE(dangling);
  CHECK(dangling->file() == link.file("tokenizer.json"));
}
