// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>

#include "peers.hpp"

namespace ufb_bench {

namespace {

constexpr std::string_view error_mark = "error ";

// Both ends are closed in processes that are started.
std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe could be made");
  return ends;
}

// What follows a word at the start of a line.
std::string rest_of(const std::string& line, std::string_view word) {
  return line.size() > word.size() ? line.substr(word.size() + 1) : std::string();
}

}  // namespace

worker::worker(const std::vector<std::string>& command) {
  std::signal(SIGPIPE, SIG_IGN);  // a worker that has ended shows in its answers
  const auto to = make_pipe();
  const auto from = make_pipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const int status = posix_spawnp(&process_, arguments.front(), &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(to[0]);
  close(from[1]);
  requests_ = to[1];
  answers_ = from[0];
  if (status != 0) {
    process_ = -1;
    failure_ = command.front() + " could not be started";
    return;
  }
  for (;;) {
    const std::string line = answer();
    if (line == "ready") return;
    if (line.starts_with(error_mark)) {
      failure_ = line.substr(error_mark.size());
      return;
    }
    if (line.starts_with("version ")) version_ = rest_of(line, "version");
    if (line.starts_with("without ")) {
      const std::string what = rest_of(line, "without");
      const std::string peer = what.substr(0, what.find(' '));
      missing_[peer] = rest_of(what, peer);
    }
  }
}

worker::~worker() {
  close(requests_);
  close(answers_);
  int status = 0;
  while (process_ > 0 && waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
}

void worker::ask(const std::string& request) {
  const std::string line = request + '\n';
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t count = write(requests_, line.data() + sent, line.size() - sent);
    if (count < 0 && errno != EINTR) break;  // the answer will be that it has ended
    if (count > 0) sent += static_cast<std::size_t>(count);
  }
  const std::string found = answer();
  if (found == "ok") return;
  throw std::runtime_error(
      "'" + request + "': " + (found.starts_with(error_mark) ? found.substr(error_mark.size()) : "answered " + found));
}

std::string worker::answer() {
  for (;;) {
    const std::size_t end = received_.find('\n');
    if (end != std::string::npos) {
      const std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      if (line.starts_with('@')) return line.substr(1);
      continue;
    }
    std::array<char, 4096> block{};
    const ssize_t count = read(answers_, block.data(), block.size());
    if (count > 0) received_.append(block.data(), static_cast<std::size_t>(count));
    if (count == 0 || (count < 0 && errno != EINTR)) return std::string(error_mark) + "its process has ended";
  }
}

}  // namespace ufb_bench
