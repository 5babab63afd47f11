// SPDX-License-Identifier: MIT
//
// The bounded JSON reader: limits, refusals with their places, and the document's typed access.
#include <cmath>
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

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

struct event_log {
  std::string text{};
  void on_scalar(const ufb::json_scalar& scalar) { text += "s" + std::to_string(scalar.index()) + ' '; }
  void on_key(std::string_view key) { text += "k:" + std::string(key) + ' '; }
  void on_begin(bool object) { text += object ? "{ " : "[ "; }
  void on_end(bool object) { text += object ? "} " : "] "; }
};

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

  const auto check = [](const std::optional<ufb::error>& problem, const char* code, const char* where) {
    REQUIRE(problem);
    CHECK(ufb::name(problem->code()) == code);
    CHECK(problem->where() == where);
    CHECK(problem->file() == "f.json");
  };
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

TEST_CASE("Integers of 64 bits stay exact and fractions do not become integers", "[json]") {
  const auto json = document("[18446744073709551615,9223372036854775807,0,-0,1.0]");
  const auto elements = json.root().elements();
  CHECK(elements.at(1).as_unsigned() == 9'223'372'036'854'775'807ULL);
  CHECK(elements.at(2).as_unsigned() == 0);
  CHECK(code_of([&] { (void)elements.at(0).as_unsigned(); }) == "bad_value");
  CHECK(code_of([&] { (void)elements.at(3).as_unsigned(); }) == "bad_value");
  CHECK(code_of([&] { (void)elements.at(4).as_unsigned(); }) == "bad_type");
}
