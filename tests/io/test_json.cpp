// SPDX-License-Identifier: MIT
//
// The bounded JSON reader: limits, refusals with their places, and the document's typed access.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support.hpp"
#include "ultrafastbert/io/json_document.hpp"

using namespace ufb_test;

namespace {

ufb::json_document document(const std::string& text, const ufb::json_limits& limits = {}) {
  return ufb::json_document::parse(text, "f.json", limits);
}

/// Appends a value in a notation that tells every kind from every other.
void write(const ufb::json_value& value, std::string& out) {
  if (value.is_array()) {
    out += '[';
    value.for_each_element([&out](const ufb::json_value& element) { write(element, out); });
    out += ']';
  } else if (value.is_object()) {
    out += '{';
    for (const auto& [key, member] : value.members()) {
      out += std::to_string(key.size()) + ':' + key;
      write(member, out);
    }
    out += '}';
  } else if (value.is_string()) {
    out += std::to_string(value.as_string().size()) + '"' + value.as_string();
  } else if (value.is_boolean()) {
    out += value.as_boolean() ? "true " : "false ";
  } else if (value.is_null()) {
    out += "null ";
  } else {
    // How an integer, a negative one or a fraction is refused shows its kind and its value.
    const auto problem = error_of([&] { (void)value.as_unsigned(1, 0); });
    out += problem->found() + ' ' + std::to_string(value.as_number()) + ' ';
  }
}

void check(const std::optional<ufb::error>& problem, const char* code, const char* where) {
  REQUIRE(problem);
  CHECK(ufb::name(problem->code()) == code);
  CHECK(problem->where() == where);
  CHECK(problem->file() == "f.json");
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

class event_log final : public ufb::json_event_handler {
 public:
  void on_scalar(const ufb::json_scalar& scalar) override { text += "s" + std::to_string(scalar.index()) + ' '; }
  void on_key(std::string_view key) override { text += "k:" + std::string(key) + ' '; }
  void on_begin(bool object) override { text += object ? "{ " : "[ "; }
  void on_end(bool object) override { text += object ? "} " : "] "; }
  std::string text{};
};

// Throws in the middle of a text.
class failing_handler final : public ufb::json_event_handler {
 public:
  void on_scalar(const ufb::json_scalar& /*scalar*/) override { throw std::runtime_error("enough"); }
  void on_key(std::string_view /*key*/) override {}
  void on_begin(bool /*object*/) override {}
  void on_end(bool /*object*/) override {}
};

// "where: reason: expected: found" of the refusal of a text.
std::string complaint(const std::string& text, const ufb::json_limits& limits = {}) {
  const auto problem = error_of([&] { document(text, limits); });
  if (!problem) return "none";
  CHECK(problem->file() == "f.json");
  CHECK(problem->byte_offset().has_value());
  return problem->where() + ": " + problem->reason() + ": " + problem->expected() + ": " + problem->found();
}

}  // namespace

TEST_CASE("JSON events arrive in order with their kinds", "[json]") {
  event_log log;
  ufb::parse_json_events(R"({"a":[null,true,1,-1,1.5,"x"],"b":{}})", "f", {}, log);
  CHECK(log.text == "{ k:a [ s0 s1 s2 s3 s4 s5 ] k:b { } } ");
}

TEST_CASE("JSON is accepted up to the nesting limit and refused beyond it", "[json]") {
  CHECK(code_of([] { document(nested(64)); }) == "none");
  const auto problem = error_of([] { document(nested(65)); });
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::bad_json);
  CHECK(problem->details().byte_offset == 64U);
  CHECK(problem->file() == "f.json");
  CHECK(code_of([] { document("[\"[[[[\", \"\\\"[[[[\", [1]]", {.max_depth = 2}); }) == "none");
}

TEST_CASE("JSON limits on length, strings, values and runs are limit_exceeded", "[json]") {
  CHECK(code_of([] { document("[1,2]", {.max_bytes = 5}); }) == "none");
  CHECK(code_of([] { document("[1,2]", {.max_bytes = 4}); }) == "limit_exceeded");
  CHECK(code_of([] { document(R"(["abc"])", {.max_string_bytes = 3}); }) == "none");
  CHECK(code_of([] { document(R"(["abcd"])", {.max_string_bytes = 3}); }) == "limit_exceeded");
  CHECK(code_of([] { document("[1,2]", {.max_values = 3}); }) == "none");
  CHECK(code_of([] { document("[1,2,3]", {.max_values = 3}); }) == "limit_exceeded");
  CHECK(code_of([] { document('[' + std::string(65'000, ' ') + ']'); }) == "none");
  CHECK(code_of([] { document('[' + std::string(66'000, ' ') + ']'); }) == "limit_exceeded");
  CHECK(code_of([] { document('[' + std::string(66'000, '7') + ']'); }) == "limit_exceeded");
  CHECK(code_of([] { document(std::string(66'000, '7')); }) == "limit_exceeded");
  CHECK(code_of([] { document("[]" + std::string(500'000, ' ')); }) == "none");
}

TEST_CASE("Text that is no JSON is refused at its byte", "[json]") {
  const std::vector<std::string> texts = {"",
                                          " ",
                                          "{",
                                          "[1,]",
                                          "{\"a\":1,}",
                                          "[1] x",
                                          "nul",
                                          "[\"\\x\"]",
                                          "[01]",
                                          "[1.]",
                                          "[+1]",
                                          "[NaN]",
                                          "[\"a\nb\"]",
                                          "[\"abc",
                                          "['a']",
                                          "[1]//c",
                                          "[\"\xff\"]",
                                          "[\"\xc0\x80\"]",
                                          "[\"\xed\xa0\x80\"]",
                                          "[\"\\ud800\"]",
                                          "{1:2}",
                                          "{\"a\" 1}",
                                          "]",
                                          "[\xc3\xa9]",
                                          std::string("[1\0]", 4),
                                          std::string("[\"\0\"]", 5),
                                          std::string("[1]\0", 4),
                                          "[1e999]"};
  for (const auto& text : texts) {
    INFO(ufb::excerpt(text));
    CHECK(code_of([&] { document(text); }) == "bad_json");
  }
  CHECK(error_of([] { document("[1, x]"); })->details().byte_offset == 4U);
  event_log log;
  CHECK(error_of([&] { ufb::parse_json_events("[1, x]", "f", {}, log, 100); })->details().byte_offset == 104U);
}

TEST_CASE("A handler's exception leaves the parse", "[json]") {
  failing_handler handler;
  CHECK_THROWS_AS(ufb::parse_json_events("[1]", "f", {}, handler), std::runtime_error);
  ufb::parse_json_events("[[],{}]", "f", {}, handler);
}

TEST_CASE("Text that is no JSON is refused with line, column, what was expected and what was found", "[json]") {
  struct wrong_text {
    std::string text;
    const char* place;
    const char* expected;
    const char* found;
  };
  const wrong_text cases[] = {
      {"", "line 1, column 1", "a value", "the end of the text"},
      {" \n ", "line 1, column 1", "a value", "the end of the text"},
      {"{", "line 1, column 2", "a key in double quotes or '}'", "the end of the text"},
      {"{\n  \"a\": 1,\n}", "line 3, column 1", "a key in double quotes", "'}'"},
      {"{\n  \"a\": 1\n  \"b\": 2\n}", "line 3, column 3", "',' or '}'", "'\"b\"'"},
      {"{\"a\" 1}", "line 1, column 6", "':'", "'1'"},
      {"{\"a\":}", "line 1, column 6", "a value", "'}'"},
      {"{\"a\":1]", "line 1, column 7", "',' or '}'", "']'"},
      {"{1:2}", "line 1, column 2", "a key in double quotes or '}'", "'1'"},
      {"{\"\u00e4\u00f6\": [1,\n[2, tru]]}", "line 2, column 5", "a value", "'tru'"},
      {"[1,]", "line 1, column 4", "a value", "']'"},
      {"[,1]", "line 1, column 2", "a value or ']'", "','"},
      {"[1 2]", "line 1, column 4", "',' or ']'", "'2'"},
      {"[{}, [], \"x\" null]", "line 1, column 14", "',' or ']'", "'null'"},
      {"[1}", "line 1, column 3", "',' or ']'", "'}'"},
      {"[\"\xc3\xa4\xe4\xb8\xad\", ?]", "line 1, column 8", "a value", "'?'"},
      {"[nul]", "line 1, column 2", "a value or ']'", "'nul'"},
      {"[-]", "line 1, column 2", "a value or ']'", "'-'"},
      {"[1.5e+]", "line 1, column 2", "a value or ']'", "'1.5e+'"},
      {"[01]", "line 1, column 2", "a value or ']'", "'01'"},
      {"[nope, 1]", "line 1, column 2", "a value or ']'", "'nope'"},
      {"[1, NaN]", "line 1, column 5", "a value", "'NaN'"},
      {"[1]//c", "line 1, column 4", "the end of the text", "'//c'"},
      {"[1] x", "line 1, column 5", "the end of the text", "'x'"},
      {"{}\r\n{}", "line 2, column 1", "the end of the text", "'{'"},
      {"]", "line 1, column 1", "a value", "']'"},
      {"'a'", "line 1, column 1", "a value", "'\\x27a\\x27'"},
      {"[\xc3\xa9]", "line 1, column 2", "a value or ']'", "'\\xc3\\xa9'"},
      {"\xef\xbb\xbf[1 2]", "line 1, column 5", "',' or ']'", "'2'"},
  };
  for (const wrong_text& wrong : cases) {
    INFO(ufb::excerpt(wrong.text));
    const auto problem = error_of([&] { document(wrong.text); });
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::bad_json);
    CHECK(problem->where() == wrong.place);
    CHECK(problem->expected() == wrong.expected);
    CHECK(problem->found() == wrong.found);
  }
}

TEST_CASE("A bad string is refused with what is wrong about it, and its bytes escaped", "[json]") {
  const std::string valid = "valid UTF-8 with control characters, quotes and backslashes escaped";
  CHECK(complaint("[1,\n \"ab\xff\"]") ==
        "line 2, column 5: invalid string: ill-formed UTF-8 byte: " + valid + ": 'ab\\xff'");
  CHECK(complaint("[\"abcdefghijkl\\x\"]").find(valid + ": 'ghijkl\\x5cx'") != std::string::npos);
  CHECK(complaint("[\"\\ud800\"]").find(valid) != std::string::npos);
  CHECK(complaint("{\"a\nb\": 1}").find(valid + ": 'a\\x0a'") != std::string::npos);
  CHECK(complaint("[\"a\", \"bc") ==
        "line 1, column 7: unterminated string: double quotes at its end: the end of the text");
  CHECK(complaint(std::string("[1,\n\0]", 6)) == "line 2, column 1: NUL byte: no NUL byte in JSON: '\\x00'");
  CHECK(complaint("[\"a\",\n[[1]]]", {.max_depth = 2}) ==
        "line 2, column 2: nested too deeply: at most 2 arrays and objects inside each other: more");
  CHECK(complaint("[\n\"abcd\"]", {.max_string_bytes = 3}) == "line 2, column 2: : at most 3 bytes in one string: 4");
  CHECK(complaint("[1e999]") == "line 1, column 6: number too large: a number that a double can hold: '1e999'");
  CHECK(complaint("[1.]").find("invalid number; expected digit after '.'") != std::string::npos);
}

TEST_CASE("Messages about JSON hold printable ASCII only, whatever the text", "[json]") {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string c(1, static_cast<char>(byte));
    std::vector<std::string> texts = {c, "[", "[\"", "{\"a\":", "{\""};
    for (std::size_t i = 1; i < texts.size(); ++i) texts[i] += c + c;
    texts.push_back(texts[3] + " - x; expected y; last read: '");
    for (const std::string& text : texts) {
      const auto problem = error_of([&] { document(text); });
      if (!problem) continue;
      const std::string message = problem->what();
      CHECK(std::all_of(message.begin(), message.end(), [](char each) { return each >= 0x20 && each < 0x7f; }));
      CHECK(message.size() < 400);
      CHECK(problem->where().rfind("line ", 0) == 0);
      CHECK_FALSE(problem->expected().empty());
      CHECK_FALSE(problem->found().empty());
    }
  }
}

TEST_CASE("A text inside a file counts lines by itself and bytes with the file", "[json]") {
  event_log log;
  const auto problem = error_of([&] { ufb::parse_json_events("[1,\nx]", "f", {}, log, 100); });
  REQUIRE(problem);
  CHECK(problem->where() == "line 2, column 1 of the JSON text that begins at byte 100");
  CHECK(problem->byte_offset() == 104U);
}

TEST_CASE("Where a long text goes wrong is found in time that is linear", "[json]") {
  std::string text = "[";
  for (int i = 0; i < 100'000; ++i) text += "{\"key\": [1, 2.5, \"\\\"\"]},\n";
  const auto problem =
      error_of([&] { document(text + "?", {.max_bytes = text.size() + 1, .max_values = 10'000'000}); });
  REQUIRE(problem);
  CHECK(problem->where() == "line 100001, column 1");
  CHECK(problem->expected() == "a value");
}

TEST_CASE("A key that occurs twice is refused at every level with its path", "[json]") {
  const auto problem = error_of([] { document(R"({"a":[{"b":{"x":1,"y":2,"\u0078":3}}]})"); });
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::duplicate_key);
  CHECK(problem->where() == "$.a[0].b");
  CHECK(problem->found() == "'x' twice");
  CHECK(code_of([] { document(R"({"a":1,"b":{"a":1},"c":{"a":1}})"); }) == "none");
}

TEST_CASE("Values of a document know their paths and complain with them", "[json]") {
  const auto json =
      document(R"({"a":{"n":7,"s":"t","f":1e-12,"m":-3,"big":9223372036854775808},"odd key":[true,null]})");
  const auto a = json.root().at("a");
  CHECK(a.at("n").as_unsigned() == 7);
  CHECK(a.at("f").as_number() == 1e-12);
  CHECK(a.at("m").as_number() == -3.0);
  CHECK(a.at("s").as_string() == "t");
  CHECK_FALSE(a.find("none"));
  CHECK(json.root().at("odd key").elements().at(0).as_boolean());
  CHECK(json.root().at("odd key").elements().at(1).is_null());

  check(error_of([&] { (void)a.at("absent"); }), "missing_key", "$.a.absent");
  check(error_of([&] { (void)a.at("s").as_unsigned(); }), "bad_type", "$.a.s");
  check(error_of([&] { (void)a.at("f").as_unsigned(); }), "bad_type", "$.a.f");
  check(error_of([&] { (void)a.at("m").as_unsigned(); }), "bad_value", "$.a.m");
  check(error_of([&] { (void)a.at("big").as_unsigned(); }), "bad_value", "$.a.big");
  check(error_of([&] { (void)a.at("n").as_unsigned(8); }), "bad_value", "$.a.n");
  check(error_of([&] { (void)a.at("n").as_unsigned(0, 6); }), "bad_value", "$.a.n");
  check(error_of([&] { (void)a.at("n").find("x"); }), "bad_type", "$.a.n");
  check(error_of([&] { (void)json.root().at("odd key").elements().at(0).as_string(); }), "bad_type", "$['odd key'][0]");
}

TEST_CASE("Streamed objects go to their sink and leave no tree", "[json]") {
  std::vector<std::pair<std::string, std::uint64_t>> seen;
  const std::vector<ufb::json_stream> streams = {
      {.path = "$.model.vocab", .sink = [&](std::string_view key, const ufb::json_scalar& value) {
         seen.emplace_back(key, std::get<std::uint64_t>(value));
       }}};
  const auto json = ufb::json_document::parse(R"({"model":{"vocab":{"b":2,"a":1},"type":"x"}})", "f", {}, streams);
  CHECK(seen == std::vector<std::pair<std::string, std::uint64_t>>{{"b", 2}, {"a", 1}});
  CHECK(json.root().at("model").at("type").as_string() == "x");
  CHECK(code_of([&] { (void)ufb::json_document::parse(R"({"model":{"vocab":{"b":[]}}})", "f", {}, streams); }) ==
        "bad_type");
}

TEST_CASE("Arrays that may be long are packed, and read like those of the tree", "[json]") {
  const std::string elements =
      R"([null,true,false,0,127,128,18446744073709551615,-1,-9223372036854775808,0.1,-1e300,"","text","\u0000\u00e9",)"
      R"([],[1,[2,["x",{}]]],{"key":[1.5,{"inner":null}],"other":""}])";
  const std::string text = R"({"list":)" + elements + R"(,"behind":[1]})";
  const auto tree = document(text);
  const auto packed = ufb::json_document::parse(text, "f.json", {}, {{.path = "$.list"}});
  const auto written = [](const ufb::json_document& from) {
    std::string out;
    from.root().at("list").for_each_element([&out](const ufb::json_value& element) { write(element, out); });
    return out;
  };
  CHECK(written(packed) == written(tree));
  CHECK(packed.root().at("list").is_array());
  CHECK(packed.root().at("list").size() == 17);
  CHECK(packed.root().at("behind").elements().size() == 1);
  check(error_of([&] {
          packed.root().at("list").for_each_element([](const ufb::json_value& element) {
            if (element.is_array() && element.size() == 2) (void)element.elements()[1].elements()[1].as_string();
          });
        }),
        "bad_type", "$.list[15][1][1]");
  check(error_of([&] { (void)packed.root().at("list").as_string(); }), "bad_type", "$.list");
  // An object at that place stays in the tree, since nobody receives its members.
  const auto object = ufb::json_document::parse(R"({"list":{"a":1}})", "f.json", {}, {{.path = "$.list"}});
  CHECK(object.root().at("list").at("a").as_unsigned() == 1);
}

TEST_CASE("The bound on values holds for each element of a packed array", "[json]") {
  const std::vector<ufb::json_stream> streams{{.path = "$.list"}};
  std::string text = R"({"list":[[1,2])";
  for (int i = 0; i < 1000; ++i) text += ",[1,2]";
  const auto parse = [&](const std::string& end) {
    return code_of([&] { (void)ufb::json_document::parse(text + end, "f.json", {.max_values = 6}, streams); });
  };
  CHECK(parse("]}") == "none");
  check(error_of([&] { (void)ufb::json_document::parse(text + "]}", "f.json", {.max_elements = 1000}, streams); }),
        "limit_exceeded", "$.list");
  CHECK(parse(",[1,2,3,4,5]]}") == "none");
  CHECK(parse(",[1,2,3,4,5,6]]}") == "limit_exceeded");
  CHECK(parse("],\"more\":[1,2,3]}") == "none");
  CHECK(parse("],\"more\":[1,2,3,4]}") == "limit_exceeded");
  check(error_of([&] { (void)ufb::json_document::parse(text + R"(,{"a":1,"a":2}]})", "f.json", {}, streams); }),
        "duplicate_key", "$.list[1001]");
}

TEST_CASE("Integers of 64 bits stay exact and fractions do not become integers", "[json]") {
  const auto json = document("[18446744073709551615,9223372036854775807,0,-0,1.0]");
  const auto elements = json.root().elements();
  CHECK(elements.at(1).as_unsigned() == 9'223'372'036'854'775'807ULL);
  CHECK(elements.at(2).as_unsigned() == 0);
  CHECK(code_of([&] { (void)elements.at(0).as_unsigned(); }) == "bad_value");
  CHECK(code_of([&] { (void)elements.at(3).as_unsigned(); }) == "bad_value");
  CHECK(code_of([&] { (void)elements.at(4).as_unsigned(); }) == "bad_type");
}
