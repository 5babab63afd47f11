// SPDX-License-Identifier: MIT
//
// cpp-httplib's server on connections of ours: requests whose end is in doubt are refused before it sees them, what a
// request leaves unread is never taken for the next one, and everything that a client may take its time for ends.
#pragma once

#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connection.hpp"
#include "framing.hpp"
#include "messages.hpp"

namespace serve {

class http_server : public httplib::Server {
 public:
  /// What is wrong with a request, by its head; it is asked twice for each.
  using judge = std::function<std::optional<refusal>(const httplib::Request&)>;

  /// `patience`: with a client, see `connection`. `count` is told the status of each refusal.
  http_server(std::chrono::seconds patience, judge is_wrong, std::function<void(int)> count)
      : patience_(patience), is_wrong_(std::move(is_wrong)), count_(std::move(count)) {
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      const auto wrong = is_wrong_(request);
      if (!wrong) return HandlerResponse::Unhandled;
      refuse(response, *wrong);
      return HandlerResponse::Handled;
    });
    // Who asks before sending a body is told at once.
    set_expect_100_continue_handler([this](const httplib::Request& request, httplib::Response& response) {
      const auto wrong = is_wrong_(request);
      if (!wrong) return 100;
      refuse(response, *wrong);
      return wrong->status;
    });
    set_error_handler(Handler([this](const httplib::Request&, httplib::Response& response) {
      if (response.has_header("Content-Type")) return;
      refuse(response, refusal_of(response.status));
    }));
    set_exception_handler([this](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
      refuse(response, {500, "internal", "this request could not be answered"});
    });
    set_post_routing_handler([](const httplib::Request&, httplib::Response& response) {
      response.headers.erase("Accept-Ranges");  // there are none
      if (!response.has_header("Connection")) return;
      response.headers.erase("Connection");
      response.headers.erase("Keep-Alive");
      response.set_header("Connection", "close");
    });
  }
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;
  ~http_server() override = default;

  /// What is wrong, where a status is all that is known of it.
  static refusal refusal_of(int status) {
    switch (status) {
      case 404: return {404, "no_such_endpoint", "there is no such endpoint"};
      case 408: return {408, "too_slow", "the request took too long to come"};
      case 413: return {413, "too_large", "the body is larger than this server takes"};
      default: return framing::bad_http(status, "this is no request that the server understands");
    }
  }

  /// Ends the connections that wait for a request. For behind `stop`.
  void end_idle() {
    const std::lock_guard lock(mutex_);
    for (const auto& each : open_) {
      if (each.idle) ::shutdown(each.socket, SHUT_RD);
    }
  }

  /// Ends all connections: who reads from them finds their end.
  void hang_up() {
    const std::lock_guard lock(mutex_);
    for (const auto& each : open_) ::shutdown(each.socket, SHUT_RDWR);
  }

 private:
  /// A socket while it is served.
  struct open_socket {
    int socket = -1;
    bool idle = false;  // whether it waits for a request
  };

  class registration {
   public:
    registration(http_server& server, int socket) : server_(server), socket_(socket) {
      const std::lock_guard lock(server_.mutex_);
      server_.open_.push_back({.socket = socket_});
    }
    registration(const registration&) = delete;
    registration& operator=(const registration&) = delete;
    ~registration() {
      const std::lock_guard lock(server_.mutex_);
      std::erase_if(server_.open_, [this](const open_socket& each) { return each.socket == socket_; });
    }

   private:
    http_server& server_;
    int socket_;
  };

  void note_idle(int socket, bool idle) {
    const std::lock_guard lock(mutex_);
    for (auto& each : open_) {
      if (each.socket == socket) each.idle = idle;
    }
  }

  bool process_and_close_socket(socket_t socket) override {
    try {
      const registration known(*this, socket);
      converse(socket);
    } catch (...) {  // there is no memory for this connection
    }
    ::shutdown(socket, SHUT_RDWR);
    ::close(socket);
    return true;
  }

  // Answers what comes, until the client or the server has enough of it.
  void converse(socket_t socket) {
    connection client(socket, patience_);
    for (std::size_t left = keep_alive_max_count_; left > 0 && wait_for_request(client); --left) {
      request_head head;
      std::optional<refusal> wrong;
      switch (client.wait_for_head()) {
        case connection::found::nothing: return;
        case connection::found::too_slow: wrong = refusal_of(408); break;
        case connection::found::too_large:
          wrong = framing::bad_http(431, "the head of the request is too large");
          break;
        case connection::found::whole: wrong = read_head(client.head(), head);
      }
      if (wrong) {
        refuse(client, *wrong);
        return client.hear_out();
      }
      client.open(std::move(head));
      bool closes = false;
      const bool sent = process_request(client, left == 1, closes, [&](httplib::Request& request) {
        if (client.is_read() || !is_wrong_(request)) return;
        request.headers.erase("Connection");  // its body will not be read
        request.set_header("Connection", "close");
      });
      if (!client.is_read() || (client.announced_close() && !closes)) return client.hear_out();
      if (!sent || closes) return;
    }
  }

  // For as long as connections are kept, or until the server ends.
  bool wait_for_request(const connection& client) {
    note_idle(client.socket(),
              true);  // before the server is asked whether it ends: it would not see this one otherwise
    const bool more = svr_sock_ != INVALID_SOCKET && client.has_more(std::chrono::seconds(keep_alive_timeout_sec_));
    note_idle(client.socket(), false);
    return more && svr_sock_ != INVALID_SOCKET;
  }

  void refuse(httplib::Response& response, const refusal& why) {
    count_(why.status);
    response.status = why.status;
    if (!why.allowed.empty()) response.set_header("Allow", why.allowed);
    response.set_content(error_body(why.status, why.code, why.message, {}), "application/json");
  }

  // A refusal of what cpp-httplib does not see.
  void refuse(connection& client, const refusal& why) {
    count_(why.status);
    const std::string body = error_body(why.status, why.code, why.message, {});
    std::string out = "HTTP/1.1 " + std::to_string(why.status) + " Refused\r\nConnection: close\r\n" +
                      "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    if (!client.asks_for_head()) out.append(body);
    for (std::size_t at = 0; at < out.size();) {
      const ssize_t some = client.write(out.data() + at, out.size() - at);
      if (some < 0) return;
      at += static_cast<std::size_t>(some);
    }
  }

  std::chrono::seconds patience_;
  judge is_wrong_;
  std::function<void(int)> count_;
  std::mutex mutex_{};
  std::vector<open_socket> open_{};
};

}  // namespace serve
