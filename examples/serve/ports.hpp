// SPDX-License-Identifier: MIT
//
// What cpp-httplib does not do with ports: telling why none can be had.
#pragma once

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

namespace serve {

/// Host and port as an address of the web writes them.
inline std::string address(const std::string& host, int port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

/// Makes sure that a server could listen at a port now, so that this is not found out when its models are loaded.
/// Throws: std::runtime_error.
inline void check_port(const std::string& host, int port) {
  const auto complain = [&](const std::string& reason) {
    throw std::runtime_error("cannot listen at " + address(host, port) + ": " + reason);
  };
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  if (status != 0) complain(::gai_strerror(status));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
  int problem = EADDRNOTAVAIL;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const int socket = ::socket(each->ai_family, each->ai_socktype, each->ai_protocol);
    if (socket < 0) {
      problem = errno;
      continue;
    }
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const bool good = ::bind(socket, each->ai_addr, each->ai_addrlen) == 0;
    problem = errno;
    ::close(socket);
    if (good) return;
  }
  complain(std::generic_category().message(problem));
}

}  // namespace serve
