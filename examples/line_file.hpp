// SPDX-License-Identifier: MIT
//
// Files that several processes read and write at the same time, and the lines of one that must not change meanwhile.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace examples {

/// A file by its descriptor. Throws: std::system_error that names it.
class file {
 public:
  file(std::string name, int flags) : name_(std::move(name)), descriptor_(::open(name_.c_str(), flags, 0644)) {
    if (descriptor_ < 0) fail();
  }
  file(const file&) = delete;
  file& operator=(const file&) = delete;
  ~file() { ::close(descriptor_); }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::size_t size() const {
    struct stat what {};
    if (::fstat(descriptor_, &what) != 0) fail();
    return static_cast<std::size_t>(what.st_size);
  }
  /// Nanoseconds of the system's clock.
  [[nodiscard]] std::int64_t changed_at() const {
    struct stat what {};
    if (::fstat(descriptor_, &what) != 0) fail();
    return std::int64_t{what.st_mtim.tv_sec} * 1'000'000'000 + what.st_mtim.tv_nsec;
  }
  [[nodiscard]] bool is_regular() const {
    struct stat what {};
    if (::fstat(descriptor_, &what) != 0) fail();
    return S_ISREG(what.st_mode);
  }
  [[nodiscard]] bool is_same_as(const file& other) const {
    struct stat mine {};
    struct stat its {};
    if (::fstat(descriptor_, &mine) != 0) fail();
    if (::fstat(other.descriptor_, &its) != 0) other.fail();
    return mine.st_dev == its.st_dev && mine.st_ino == its.st_ino;
  }
  /// Locks the file for this process alone, or with others that share it, until it is closed. False if somebody has it.
  [[nodiscard]] bool lock(bool alone) const {
    if (::flock(descriptor_, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK) fail();
    return false;
  }
  void resize(std::size_t bytes) const {
    if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) fail();
  }

  /// Fewer bytes than asked for only at the end of the file.
  [[nodiscard]] std::string read(std::size_t at, std::size_t bytes) const {
    std::string text(bytes, '\0');
    std::size_t done = 0;
    while (done < bytes) {
      const ssize_t count = ::pread(descriptor_, text.data() + done, bytes - done, static_cast<off_t>(at + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail();
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    text.resize(done);
    return text;
  }

  void write(std::size_t at, std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(at));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail();
      at += static_cast<std::size_t>(count);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }

 private:
  [[noreturn]] void fail() const { throw std::system_error(errno, std::generic_category(), name_); }

  std::string name_;
  int descriptor_;
};

/// The lines of a file. What is read of them later are the bytes that were counted, or nothing.
class line_file {
 public:
  /// Finds the lines. Throws: std::system_error.
  explicit line_file(const std::string& name) : file_(name, O_RDONLY | O_CLOEXEC), changed_at_(file_.changed_at()) {
    constexpr std::size_t block = std::size_t{1} << 20U;
    std::size_t at = 0;
    for (std::string text = file_.read(0, block); !text.empty(); text = file_.read(at, block)) {
      for (std::size_t i = text.find('\n'); i != std::string::npos; i = text.find('\n', i + 1)) {
        starts_.push_back(at + i + 1);
      }
      at += text.size();
    }
    if (starts_.back() != at) starts_.push_back(at);  // the last line has no line break
  }

  [[nodiscard]] std::size_t size() const noexcept { return starts_.size() - 1; }        ///< lines
  [[nodiscard]] std::size_t bytes() const noexcept { return starts_.back(); }           ///< of all lines
  [[nodiscard]] std::int64_t changed_at() const noexcept { return changed_at_; }        ///< before they were counted
  [[nodiscard]] std::size_t start(std::size_t i) const noexcept { return starts_[i]; }  ///< of line i; or the end
  [[nodiscard]] const file& on_disk() const noexcept { return file_; }

  /// The lines [first, end), without the ends of lines, which may be those of Windows.
  /// Throws: std::runtime_error (the file has changed), std::system_error.
  [[nodiscard]] std::vector<std::string> read(std::size_t first, std::size_t end) const {
    const std::string all = file_.read(starts_[first], starts_[end] - starts_[first]);
    std::vector<std::string> lines;
    for (std::string_view text = all; !text.empty();) {
      const std::size_t length = std::min(text.find('\n'), text.size());
      lines.emplace_back(text.substr(0, length));
      if (lines.back().ends_with('\r')) lines.back().pop_back();
      text.remove_prefix(std::min(length + 1, text.size()));
    }
    check_unchanged();
    if (lines.size() != end - first || all.size() != starts_[end] - starts_[first]) fail_changed();
    return lines;
  }

  /// Throws: std::runtime_error (the file has changed since its lines were counted).
  void check_unchanged() const {
    if (file_.size() != bytes() || file_.changed_at() != changed_at_) fail_changed();
  }

 private:
  [[noreturn]] void fail_changed() const {
    throw std::runtime_error(file_.name() + " has changed while its lines were read: begin again when it is complete");
  }

  file file_;
  std::int64_t changed_at_;
  std::vector<std::size_t> starts_{0};
};

/// A number that changes with what a model's folder says: the names and the bytes of its configurations, tokenizers and
/// weights, at any depth. What else lies there does not count, nor what may not be read. Throws: std::system_error.
inline std::uint64_t digest_of(const std::filesystem::path& folder) {
  constexpr std::size_t block = std::size_t{1} << 20U;
  constexpr std::array<std::string_view, 11> counted{"config.json",
                                                     "model_config.json",
                                                     "modules.json",
                                                     "model.safetensors.index.json",
                                                     "vocab.txt",
                                                     "vocab.json",
                                                     "merges.txt",
                                                     "tokenizer.json",
                                                     "tokenizer_config.json",
                                                     "special_tokens_map.json",
                                                     "added_tokens.json"};
  std::vector<std::filesystem::path> names;
  std::error_code problem;
  using std::filesystem::directory_options;
  std::filesystem::recursive_directory_iterator each(folder, directory_options::skip_permission_denied, problem);
  for (; !problem && each != std::filesystem::recursive_directory_iterator(); each.increment(problem)) {
    const std::string name = each->path().filename().string();
    const bool counts = std::find(counted.begin(), counted.end(), name) != counted.end() ||
                        name.ends_with(".safetensors") || name.starts_with("sentence_") ||
                        name.starts_with("config_sentence_");
    std::error_code unknown;
    if (counts && each->is_regular_file(unknown) && ::access(each->path().c_str(), R_OK) == 0) {
      names.push_back(each->path().lexically_relative(folder));
    }
  }
  std::sort(names.begin(), names.end());
  std::uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a, with words in place of bytes
  const auto add = [&hash](std::string_view text) {
    for (; !text.empty(); text.remove_prefix(std::min(text.size(), sizeof hash))) {
      std::uint64_t word = text.size();
      std::memcpy(&word, text.data(), std::min(text.size(), sizeof word));
      hash = (hash ^ word) * 0x100000001B3U;
      hash ^= hash >> 32U;
    }
  };
  for (const auto& name : names) {
    const file one((folder / name).string(), O_RDONLY | O_CLOEXEC);
    add(name.string() + ' ' + std::to_string(one.size()) + '\n');
    std::size_t at = 0;
    for (std::string text = one.read(0, block); !text.empty(); text = one.read(at, block)) {
      add(text);
      at += text.size();
    }
  }
  return hash;
}

}  // namespace examples
