// SPDX-License-Identifier: MIT
//
// The exception: names of codes, composed messages, escaped excerpts.
#include <algorithm>
#include <exception>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>

#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;

static_assert(std::is_base_of_v<std::exception, ufb::error>);
static_assert(std::is_nothrow_copy_constructible_v<ufb::error>,
              "an exception that throws when copied ends the program");

namespace {

std::string message(const ufb::error_details& details) {
  return ufb::error(ufb::error_code::bad_value, details).what();
}

}  // namespace

TEST_CASE("Every error code has a name of its own", "[error]") {
  std::set<std::string_view> names;
  const auto last = static_cast<unsigned>(ufb::error_code::canceled);
  for (unsigned code = 0; code <= last; ++code) {
    const auto word = ufb::name(static_cast<ufb::error_code>(code));
    CHECK(word != "unknown");
    CHECK(std::all_of(word.begin(), word.end(), [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); }));
    names.insert(word);
  }
  CHECK(names.size() == last + 1);
  CHECK(ufb::name(static_cast<ufb::error_code>(last + 1)) == "unknown");
  CHECK(ufb::name(ufb::error_code::io_error) == "io_error");
  CHECK(ufb::name(ufb::error_code::shape_mismatch) == "shape_mismatch");
}

TEST_CASE("A message holds the code and the fields that are set, in a fixed order", "[error]") {
  CHECK(message({}) == "bad_value");
  CHECK(message({.file = "a.json"}) == "bad_value: a.json");
  CHECK(message({.where = "$.b"}) == "bad_value: $.b");
  CHECK(message({.expected = "1"}) == "bad_value; expected 1");
  CHECK(message({.found = "2"}) == "bad_value; found 2");
  CHECK(message({.byte_offset = 0}) == "bad_value at byte 0");
  CHECK(message({.file = "a.json", .where = "$.b", .expected = "1", .found = "2", .reason = "why", .byte_offset = 7}) ==
        "bad_value: a.json: $.b at byte 7: why; expected 1; found 2");
}

TEST_CASE("An error gives back every field, also after it was copied", "[error]") {
  const auto problem = error_of([] {
    ufb::fail(ufb::error_code::missing_tensor,
              {.file = "f", .where = "w", .expected = "e", .found = "o", .reason = "r", .byte_offset = 3});
  });
  REQUIRE(problem);
  const ufb::error copy = *problem;  // NOLINT(performance-unnecessary-copy-initialization): the copy is the point
  CHECK(copy.code() == ufb::error_code::missing_tensor);
  CHECK(copy.file() == "f");
  CHECK(copy.where() == "w");
  CHECK(copy.expected() == "e");
  CHECK(copy.found() == "o");
  CHECK(copy.reason() == "r");
  CHECK(copy.byte_offset() == 3U);
  CHECK(&copy.reason() == &copy.details().reason);
  CHECK(copy.details().byte_offset == 3U);
  CHECK(std::string(copy.what()) == problem->what());
}

TEST_CASE("Fields that were left out are empty", "[error]") {
  const ufb::error problem(ufb::error_code::io_error, {});
  CHECK(problem.reason().empty());
  CHECK_FALSE(problem.byte_offset());
  CHECK(problem.file().empty());
}

TEST_CASE("Codes keep their numbers, which a host may have stored", "[error]") {
  CHECK(static_cast<unsigned>(ufb::error_code::io_error) == 0);
  CHECK(static_cast<unsigned>(ufb::error_code::bad_json) == 4);
  CHECK(static_cast<unsigned>(ufb::error_code::invalid_input) == 24);
  CHECK(static_cast<unsigned>(ufb::error_code::in_use) == 25);
}

TEST_CASE("A bad argument is invalid_input that names the argument", "[error]") {
  CHECK(error_text_of([] { ufb::fail_input("stride", "at least 3", "2"); }) == "invalid_input: stride: at least 3: 2");
}

TEST_CASE("Excerpts are quoted and hold printable ASCII only", "[error]") {
  CHECK(ufb::excerpt("") == "''");
  CHECK(ufb::excerpt("linear_in.weight {}") == "'linear_in.weight {}'");
  CHECK(ufb::excerpt("it's a \\") == R"('it\x27s a \x5c')");
  CHECK(ufb::excerpt(std::string_view("\0\n\x1f\x7f\xc3\xa4", 6)) == R"('\x00\x0a\x1f\x7f\xc3\xa4')");
}

TEST_CASE("Excerpts of long texts are cut and say so", "[error]") {
  CHECK(ufb::excerpt("abcd", 4) == "'abcd'");
  CHECK(ufb::excerpt("abcde", 4) == "'abcd...'");
  CHECK(ufb::excerpt("a", 0) == "'...'");
  CHECK(ufb::excerpt(std::string(80, 'x')) == "'" + std::string(80, 'x') + "'");
  CHECK(ufb::excerpt(std::string(1'000'000, 'x')) == "'" + std::string(80, 'x') + "...'");
}

TEST_CASE("Messages show names of files in any language, and escape what cannot be seen", "[error]") {
  const auto message = [](std::string_view file) {
    return std::string(ufb::error(ufb::error_code::io_error, {.file = std::string(file)}).what());
  };
  const std::string seen = "io_error: ";
  for (const std::string_view legible :
       {"a b/'c'\\d.json", "\xC3\xBC", "\xC2\xA0", "\xCE\xA0", "\xE6\x9D\x8E", "\xE2\x80\x8A", "\xED\x9F\xBF",
        "\xEE\x80\x80", "\xF0\x9F\x99\x82", "\xF4\x8F\xBF\xBF"}) {
    CHECK(message(legible) == seen + std::string(legible));
  }
  CHECK(message("a\nb\x1B[31m\x7F") == seen + R"(a\x0ab\x1b[31m\x7f)");
  CHECK(message("\xC2\x85") == seen + R"(\xc2\x85)");                  // a control character
  CHECK(message("\xE2\x80\xAE.txt") == seen + R"(\xe2\x80\xae.txt)");  // turns the direction
  CHECK(message("\xE2\x80\x8B") == seen + R"(\xe2\x80\x8b)");          // has no width
  CHECK(message("x\xEF\xBB\xBF") == seen + R"(x\xef\xbb\xbf)");        // the same
  CHECK(message("\xF3\xA0\x81\x81") == seen + R"(\xf3\xa0\x81\x81)");  // the same
  CHECK(message("\xFF") == seen + R"(\xff)");                          // no UTF-8, as all that follow
  CHECK(message("\xC3") == seen + R"(\xc3)");
  CHECK(message("\xE6\x9D") == seen + R"(\xe6\x9d)");
  CHECK(message("\xE6\x9Dq") == seen + R"(\xe6\x9dq)");
  CHECK(message("\xC0\xAF") == seen + R"(\xc0\xaf)");
  CHECK(message("\xE0\x9F\xBF") == seen + R"(\xe0\x9f\xbf)");
  CHECK(message("\xED\xA0\x80") == seen + R"(\xed\xa0\x80)");
  CHECK(message("\xF0\x8F\xBF\xBF") == seen + R"(\xf0\x8f\xbf\xbf)");
  CHECK(message("\xF4\x90\x80\x80") == seen + R"(\xf4\x90\x80\x80)");
  CHECK(message("\xBF") == seen + R"(\xbf)");
}
