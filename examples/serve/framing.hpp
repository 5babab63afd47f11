// SPDX-License-Identifier: MIT
//
// Where a request begins and ends. What is taken for the end of one decides what the next one is, which behind a proxy
// may be that of somebody else: requests whose end is in doubt are refused, and their connection is closed. Source: RFC
// 9112, sections 2 to 7.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace serve {

/// Why a request is refused before its body is read.
struct refusal {
  int status = 400;  ///< of HTTP
  std::string code{};
  std::string message{};
  std::string allowed{};  ///< methods, for 405
};

/// What follows the head of a request, byte for byte: nothing, a known number of bytes, or chunks.
class request_body {
 public:
  request_body() = default;

  static request_body of_length(std::uint64_t bytes) {
    request_body out;
    out.left_ = bytes;
    out.next_ = bytes == 0 ? state::done : state::plain;
    return out;
  }

  static request_body in_chunks() {
    request_body out;
    out.next_ = state::size;
    return out;
  }

  [[nodiscard]] bool is_done() const noexcept { return next_ == state::done; }  ///< whether its last byte was taken

  /// Takes bytes. Returns how many of them belong to this body, or nothing where its chunks are broken.
  std::optional<std::size_t> take(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size() && !is_done()) {
      if (next_ == state::plain || next_ == state::data) {
        const std::size_t some = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - at));
        at += some;
        left_ -= some;
        if (left_ == 0) next_ = next_ == state::plain ? state::done : state::data_cr;
      } else if (!take_frame(bytes[at++])) {
        return {};
      }
    }
    return at;
  }

 private:
  enum class state : std::uint8_t { plain, size, size_lf, data, data_cr, data_lf, last_cr, last_lf, done };

  // A byte that is none of the data. Neither extensions of chunks nor trailers, which nobody sends to such a server.
  bool take_frame(char c) {
    if (next_ == state::size) {
      constexpr std::string_view digits = "0123456789abcdef";
      const auto digit = digits.find(static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c));
      if (digit != std::string_view::npos) {
        left_ = 16 * left_ + digit;
        return ++digits_ <= 8;
      }
      next_ = state::size_lf;
      return c == '\r' && digits_ > 0;
    }
    switch (next_) {
      case state::size_lf:
        next_ = left_ == 0 ? state::last_cr : state::data;
        digits_ = 0;
        return c == '\n';
      case state::data_cr: next_ = state::data_lf; return c == '\r';
      case state::data_lf: next_ = state::size; return c == '\n';
      case state::last_cr: next_ = state::last_lf; return c == '\r';
      default: next_ = state::done; return c == '\n';
    }
  }

  state next_ = state::done;
  std::uint64_t left_ = 0;  // bytes of the body or of a chunk
  std::size_t digits_ = 0;  // of a chunk's size
};

/// The head of a request, in the form that cpp-httplib gets it in: the fields that it has to know, and no others.
struct request_head {
  std::string text{};  ///< with the empty line
  request_body body{};
};

namespace framing {

inline constexpr std::size_t longest_target = 8192;
inline constexpr std::size_t longest_type = 1024;

inline bool is_token(std::string_view text) {
  const auto is_part = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_part);
}

inline std::string in_lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return out;
}

inline std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Takes the text before the next end of a line off a head. Pre: the head ends with one.
inline std::string_view take_line(std::string_view& head) {
  const std::size_t end = head.find("\r\n");
  const std::string_view line = head.substr(0, end);
  head.remove_prefix(end + 2);
  return line;
}

/// Whether a text has bytes that end lines for some and not for others, or other control characters than a tab.
inline bool has_controls(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  });
}

/// A target without the scheme and the host that proxies may put before it.
inline std::string_view origin_form(std::string_view target) {
  constexpr std::string_view scheme = "http://";
  if (!in_lower_case(target.substr(0, scheme.size())).starts_with(scheme)) return target;
  const std::size_t path = target.find('/', scheme.size());
  return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
}

inline refusal bad_http(int status, std::string message) {
  return {.status = status, .code = "bad_http", .message = std::move(message)};
}

/// The first line of a request.
struct first_line {
  std::string_view method{};
  std::string_view target{};
  bool is_old = false;  ///< whether it speaks HTTP/1.0
};

inline std::optional<refusal> read_first_line(std::string_view line, first_line& out) {
  const std::size_t blank = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (blank == std::string_view::npos || last == blank || has_controls(line) || !is_token(line.substr(0, blank))) {
    return bad_http(400, "the first line is no request");
  }
  constexpr std::array<std::string_view, 9> methods{"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                    "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  out = {.method = line.substr(0, blank), .target = line.substr(blank + 1, last - blank - 1)};
  if (std::find(methods.begin(), methods.end(), out.method) == methods.end()) {
    return bad_http(501, "this server knows no such method");
  }
  if (out.target.size() > longest_target) return bad_http(414, "the target of the request is too long");
  if (out.target.empty() || out.target.find_first_of(" \t") != std::string_view::npos) {
    return bad_http(400, "the target of the request has blanks");
  }
  const std::string_view version = line.substr(last + 1);
  out.is_old = version == "HTTP/1.0";
  if (!out.is_old && version != "HTTP/1.1") return bad_http(505, "this server speaks HTTP/1.1");
  return {};
}

/// What the fields of a head say of its end.
struct stated_end {
  std::size_t lengths = 0;
  std::size_t codings = 0;
  std::string length{};
  std::string coding{};
};

/// The body that follows, or why it cannot be told.
inline std::optional<refusal> find_body(bool is_post, bool is_old, const stated_end& end, request_body& body) {
  if (!is_post) {
    if (end.codings != 0 || end.lengths > 1 || (end.lengths == 1 && end.length != "0")) {
      return bad_http(400, "only a POST may have a body");
    }
    return {};
  }
  if (end.lengths + end.codings == 0) {
    return refusal{.status = 411, .code = "length_required", .message = "a POST needs a Content-Length"};
  }
  if (end.lengths + end.codings > 1) return bad_http(400, "the length of the body is stated more than once");
  if (end.codings == 1) {
    if (is_old) return bad_http(400, "HTTP/1.0 knows no transfer codings");
    if (end.coding != "chunked") return bad_http(501, "of the transfer codings this server knows chunked alone");
    body = request_body::in_chunks();
    return {};
  }
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (end.length.empty() || end.length.size() > 18 || !std::all_of(end.length.begin(), end.length.end(), is_digit)) {
    return bad_http(400, "Content-Length is no number of bytes");
  }
  body = request_body::of_length(std::stoull(end.length));
  return {};
}

}  // namespace framing

/// Reads the head of a request, from its first line to the empty one. Returns what is wrong with it, if anything.
inline std::optional<refusal> read_head(std::string_view text, request_head& head) {
  using framing::bad_http;
  framing::first_line first;
  if (auto wrong = framing::read_first_line(framing::take_line(text), first)) return wrong;
  const bool is_old = first.is_old;
  head.text.assign(first.method).append(" ").append(framing::origin_form(first.target));
  head.text.append(is_old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  framing::stated_end end;
  bool closes = is_old;
  bool expects = false;
  std::size_t hosts = 0;
  while (true) {
    const std::string_view line = framing::take_line(text);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || framing::has_controls(line) || !framing::is_token(line.substr(0, colon))) {
      return bad_http(400, "a line of the head is no field");
    }
    const std::string name = framing::in_lower_case(line.substr(0, colon));
    const std::string_view value = framing::without_blanks(line.substr(colon + 1));
    if (name == "content-length") {
      ++end.lengths;
      end.length = value;
    } else if (name == "transfer-encoding") {
      ++end.codings;
      end.coding = framing::in_lower_case(value);
    } else if (name == "connection") {
      const std::string wish = framing::in_lower_case(value);
      if (wish.find("close") != std::string::npos) closes = true;
      if (is_old && wish.find("keep-alive") != std::string::npos) closes = false;
    } else if (name == "expect") {
      if (framing::in_lower_case(value) != "100-continue") return bad_http(417, "Expect can be 100-continue alone");
      expects = true;
    } else if (name == "host") {
      ++hosts;
    } else if (name == "content-type") {
      if (value.size() > framing::longest_type) return bad_http(431, "Content-Type is too long");
      head.text.append("Content-Type: ").append(value).append("\r\n");
    } else if (name == "content-encoding") {
      const std::string coding = framing::in_lower_case(value);
      if (coding != "identity" && coding != "gzip" && coding != "deflate" && coding != "br") {
        return bad_http(415, "of the codings of bodies this server knows gzip, deflate and br");
      }
      if (coding != "identity") head.text.append("Content-Encoding: ").append(coding).append("\r\n");
    }
  }
  if (hosts > 1 || (hosts == 0 && !is_old)) return bad_http(400, "a request has one Host");
  const bool is_post = first.method == "POST";
  if (expects && is_post && !is_old) head.text.append("Expect: 100-continue\r\n");
  if (auto wrong = framing::find_body(is_post, is_old, end, head.body)) return wrong;
  if (end.codings == 1) head.text.append("Transfer-Encoding: chunked\r\n");
  if (end.lengths == 1) head.text.append("Content-Length: ").append(end.length).append("\r\n");
  head.text.append(closes ? "Connection: close\r\n\r\n" : "Connection: Keep-Alive\r\n\r\n");
  return {};
}

}  // namespace serve
