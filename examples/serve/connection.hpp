// SPDX-License-Identifier: MIT
//
// A connection with a client, as cpp-httplib reads from it and writes to it. It keeps what has come of the next request
// while one is answered, gives no byte beyond the end of a request, and has an end for everything that a client can
// take its time for.
#pragma once

#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "framing.hpp"

namespace serve {

class connection : public httplib::Stream {
  using clock = std::chrono::steady_clock;

 public:
  /// `patience`: what the client has for sending the head of a request, its body, and for taking the answer, each.
  connection(int socket, std::chrono::milliseconds patience) : socket_(socket), patience_(patience) {}

  enum class found : std::uint8_t { whole, nothing, too_slow, too_large };

  /// Whether something of the next request has come, or the end of the connection.
  [[nodiscard]] bool has_more(std::chrono::milliseconds wait) const {
    return at_ < buffer_.size() || is_ready(POLLIN, clock::now() + wait);
  }

  /// Waits for the whole head of a request; `head` gives it then. Nothing where the client is gone.
  found wait_for_head() {
    const auto until = clock::now() + patience_;
    answer_until_.reset();
    head_size_ = 0;
    std::size_t searched = 0;  // bytes behind `at_` that the end of the head does not begin in
    while (true) {
      while (buffer_.compare(at_, 2, "\r\n") == 0) at_ += 2;  // empty lines before a request mean nothing
      const std::size_t end = buffer_.find("\r\n\r\n", at_ + searched);
      if (end != std::string::npos) head_size_ = end + 4 - at_;
      const std::size_t known = head_size_ != 0 ? head_size_ : buffer_.size() - at_;
      if (known > longest_head) return found::too_large;
      if (head_size_ != 0) return found::whole;
      searched = std::max<std::size_t>(buffer_.size() - at_, 3) - 3;
      if (!receive(until)) return clock::now() >= until && at_ < buffer_.size() ? found::too_slow : found::nothing;
    }
  }

  /// The head that was waited for, as it came.
  [[nodiscard]] std::string_view head() const { return std::string_view(buffer_).substr(at_, head_size_); }

  /// Whether the answer to what has come may have no body.
  [[nodiscard]] bool asks_for_head() const { return buffer_.compare(at_, 5, "HEAD ") == 0; }

  /// Gives a request to be read: the text of a head in place of the one that came, and the body behind it.
  void open(request_head head) {
    at_ += head_size_;
    head_ = std::move(head.text);
    head_at_ = 0;
    body_ = head.body;
    body_until_.reset();
    answer_until_.reset();
    announced_close_ = false;
  }

  /// Whether the answer says that the connection is closed behind it.
  [[nodiscard]] bool announced_close() const { return announced_close_; }

  /// Whether the request was read to its last byte.
  [[nodiscard]] bool is_read() const { return body_.is_done(); }

  /// Says that nothing more is sent, and throws away what the client still sends, for some seconds: one that is told
  /// no while it sends would otherwise see its connection break, and not the answer.
  void hear_out() {
    ::shutdown(socket_, SHUT_WR);
    const auto until = clock::now() + std::min<clock::duration>(patience_, std::chrono::seconds(5));
    do {
      at_ = buffer_.size();
    } while (receive(until));
  }

  [[nodiscard]] bool is_readable() const override { return at_ < buffer_.size() || is_ready(POLLIN, clock::now()); }
  [[nodiscard]] bool is_writable() const override { return is_ready(POLLOUT, clock::now()); }

  /// Number of bytes of the request that were read; 0 at its end; -1 where it is broken, or late, or its client gone.
  ssize_t read(char* to, std::size_t size) override {
    if (head_at_ < head_.size()) {
      const std::size_t some = head_.copy(to, size, head_at_);
      head_at_ += some;
      return static_cast<ssize_t>(some);
    }
    if (body_.is_done()) return 0;
    if (!body_until_) body_until_ = clock::now() + patience_;
    while (at_ == buffer_.size()) {
      if (!receive(*body_until_)) return -1;
    }
    const auto taken = body_.take(std::string_view(buffer_).substr(at_, size));
    if (!taken) return -1;
    answer_until_.reset();  // what was written so far was a request to go on
    buffer_.copy(to, *taken, at_);
    at_ += *taken;
    return static_cast<ssize_t>(*taken);
  }

  ssize_t write(const char* from, std::size_t size) override {
    if (!answer_until_) answer_until_ = clock::now() + patience_;
    const std::string_view text(from, size);
    if (text.starts_with("HTTP/1.1 ")) {  // cpp-httplib writes heads in one piece
      const std::size_t line = text.substr(0, text.find("\r\n\r\n") + 2).find("\r\nConnection: close\r\n");
      announced_close_ = announced_close_ || line != std::string_view::npos;
    }
    while (is_ready(POLLOUT, *answer_until_)) {
      const ssize_t some = ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (some >= 0 || (errno != EAGAIN && errno != EINTR)) return some;
    }
    return -1;
  }

  void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}  // nobody asks
  void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  [[nodiscard]] socket_t socket() const override { return socket_; }

 private:
  static constexpr std::size_t longest_head = std::size_t{64} << 10U;
  static constexpr std::size_t received = std::size_t{16} << 10U;  // at a time, at most

  [[nodiscard]] bool is_ready(short events, clock::time_point until) const {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now()).count();
      pollfd wanted{.fd = socket_, .events = events, .revents = 0};
      const int ready = ::poll(&wanted, 1, static_cast<int>(std::clamp<decltype(left)>(left, 0, 60'000)));
      if (ready > 0) return true;
      if ((ready < 0 && errno != EINTR) || clock::now() >= until) return false;
    }
  }

  // Appends to the buffer. False where nothing comes any more.
  bool receive(clock::time_point until) {
    if (!is_ready(POLLIN, until)) return false;
    buffer_.erase(0, at_);
    at_ = 0;
    const std::size_t before = buffer_.size();
    buffer_.resize(before + received);
    const ssize_t size = ::recv(socket_, buffer_.data() + before, received, MSG_DONTWAIT);
    buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
  }

  int socket_;
  std::chrono::milliseconds patience_;
  std::string buffer_{};  // what came and was not read
  std::size_t at_ = 0;
  std::size_t head_size_ = 0;
  std::string head_{};
  std::size_t head_at_ = 0;
  request_body body_{};
  std::optional<clock::time_point> body_until_{};
  std::optional<clock::time_point> answer_until_{};
  bool announced_close_ = false;
};

}  // namespace serve
