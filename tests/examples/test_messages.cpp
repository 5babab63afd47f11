// SPDX-License-Identifier: MIT
//
// What the server writes without a tree of JSON, and where it sees the end of a body.
#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/framing.hpp"
#include "serve/messages.hpp"
#include "support/catch.hpp"

namespace {

/// How many bytes of a text are of a body, if they come some at a time; nothing for broken chunks.
std::optional<std::size_t> taken(serve::request_body body, std::string_view text, std::size_t at_a_time) {
  std::size_t all = 0;
  while (all < text.size() && !body.is_done()) {
    const auto some = body.take(text.substr(all, at_a_time));
    if (!some) return {};
    all += *some;
  }
  return body.is_done() ? std::optional(all) : std::nullopt;
}

}  // namespace

TEST_CASE("Numbers are written in the fewest digits, and what is none as null") {
  const float infinite = std::numeric_limits<float>::infinity();
  const std::vector<float> numbers{
      0.1F, -0.0F, 1e-20F, 3.0F, infinite, -infinite, std::numeric_limits<float>::quiet_NaN()};
  std::string text;
  serve::append_numbers(text, numbers);
  CHECK(text == "[0.1,-0,1e-20,3,null,null,null]");
  const auto read = nlohmann::json::parse(text);
  for (std::size_t i = 0; i < 4; ++i) CHECK(read[i].get<float>() == numbers[i]);
  text.clear();
  serve::append_numbers(text, std::vector<int>{});
  CHECK(text == "[]");
}

TEST_CASE("Errors are JSON, whatever stands in them") {
  const auto error =
      nlohmann::json::parse(serve::error_body(422, "bad_value", "a \"quote\"\n\xFF", "input[0]"))["error"];
  CHECK(error["message"] == "a \"quote\"\n\xEF\xBF\xBD");
  CHECK(error["param"] == "input[0]");
  CHECK(error["type"] == "invalid_request_error");
  CHECK(nlohmann::json::parse(serve::error_body(503, "busy", "", {}))["error"]["param"].is_null());
}

TEST_CASE("A body ends where its length or its last chunk says, however its bytes come") {
  const std::string chunks = "5\r\nhello\r\n1C\r\n" + std::string(28, '\n') + "\r\n0\r\n\r\n";
  for (std::size_t at_a_time = 1; at_a_time < 60; ++at_a_time) {
    CHECK(taken(serve::request_body::in_chunks(), chunks + "GET / HTTP/1.1\r\n", at_a_time) == chunks.size());
    CHECK(taken(serve::request_body::of_length(7), "1234567GET", at_a_time) == 7);
    for (const char* broken : {"x\r\n", "\r\n", "5\n", "5 \r\nhello", "5\r\nhelloX", "5\r\nhello\r\r",
                               "0\r\nX: y\r\n\r\n", "000000005\r\nhello\r\n", "-5\r\nhello", "0x5\r\nhello"}) {
      CHECK_FALSE(taken(serve::request_body::in_chunks(), broken, at_a_time));
    }
  }
  CHECK(serve::request_body().is_done());
  CHECK(serve::request_body::of_length(0).is_done());
}
