// SPDX-License-Identifier: MIT
//
// Where a request ends. What is left of one on a connection would be taken for the next one, which behind a proxy may
// be that of somebody else: requests whose end is in doubt are refused, and their connection is closed. Source: RFC
// 9112, section 6.
#pragma once

#include <httplib.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace serve {

/// Why a request is refused before its body is read.
struct refusal {
  int status = 400;  ///< of HTTP
  std::string_view code{};
  std::string_view message{};
  std::string_view allowed{};  ///< methods, for 405
};

/// Takes from a request what would change the bytes of its answer: ranges, with which a header of 8 KB asks for
/// gigabytes, and codings, as cpp-httplib compresses for longer than a model computes. A balancer in front may still
/// compress.
inline void want_plain_answer(const httplib::Request& request) {
  auto& own = const_cast<httplib::Request&>(request);  // NOLINT(cppcoreguidelines-pro-type-const-cast): its own
  own.ranges.clear();
  own.headers.erase("Range");
  own.headers.erase("Accept-Encoding");
}

/// Lets cpp-httplib say that the connection is closed behind the answer, as if the client had asked for that.
inline void announce_close(const httplib::Request& request) {
  auto& own = const_cast<httplib::Request&>(request);  // NOLINT(cppcoreguidelines-pro-type-const-cast): its own
  own.headers.erase("Connection");
  own.set_header("Connection", "close");
}

/// Whether a request says that its body is longer than this. Pre: its frame is good.
inline bool is_longer(const httplib::Request& request, std::size_t bytes) {
  return request.has_header("Content-Length") && std::stoull(request.get_header_value("Content-Length")) > bytes;
}

/// What is wrong with the frame of a request, if anything.
inline std::optional<refusal> check_frame(const httplib::Request& request) {
  const std::size_t lengths = request.get_header_value_count("Content-Length");
  const std::size_t codings = request.get_header_value_count("Transfer-Encoding");
  const std::string length = request.get_header_value("Content-Length");
  if (request.method != "POST") {
    if (codings != 0 || lengths > 1 || (lengths == 1 && length != "0")) {
      return refusal{400, "bad_http", "only a POST may have a body"};
    }
    return {};
  }
  if (lengths + codings == 0) return refusal{411, "length_required", "a POST needs a Content-Length"};
  if (lengths + codings > 1) return refusal{400, "bad_http", "the length of the body is stated more than once"};
  if (codings == 1 && request.get_header_value("Transfer-Encoding") != "chunked") {
    return refusal{501, "bad_http", "of the transfer codings this server knows chunked alone"};
  }
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (lengths == 1 && (length.empty() || length.size() > 18 || !std::all_of(length.begin(), length.end(), is_digit))) {
    return refusal{400, "bad_http", "Content-Length is no number of bytes"};
  }
  if (request.get_header_value("Content-Type").starts_with("multipart/")) {
    return refusal{415, "bad_media_type", "a body is JSON"};
  }
  return {};
}

/// Sends a body, and closes the connection behind it; an answer to HEAD has no body. With `rest`, which reads what the
/// client still sends, the connection is closed only when that ends, or some seconds later, or when nothing comes for
/// as long as clients may take: a client that is told no while it sends would otherwise see its connection break, and
/// not the answer.
inline void send_and_close(const httplib::Request& request, httplib::Response& response, std::string body,
                           const std::string& type, std::optional<httplib::ContentReader> rest = {}) {
  announce_close(request);
  if (request.method == "HEAD") {
    // cpp-httplib asks for no content of an answer to HEAD, and so would not hear that it broke off.
    const_cast<httplib::Request&>(request).method = "GET";  // NOLINT(cppcoreguidelines-pro-type-const-cast): its own
    response.set_content_provider(type, [](std::size_t, httplib::DataSink&) { return false; });
    return;
  }
  const std::size_t size = body.size();
  response.set_content_provider(
      size, type,
      [text = std::move(body), rest = std::move(rest)](std::size_t offset, std::size_t length,
                                                       httplib::DataSink& sink) {
        sink.write(text.data() + offset, length);
        if (rest) {
          const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
          (*rest)([until](const char*, std::size_t) { return std::chrono::steady_clock::now() < until; });
        }
        return false;  // to cpp-httplib an answer that broke off: it keeps no such connection
      });
}

}  // namespace serve
