// SPDX-License-Identifier: MIT
//
// Reading regular files by position, with typed errors. Symbolic links are followed; FIFOs, devices and folders are
// refused.
// Layer: io.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "ultrafastbert/core/error.hpp"

namespace ultrafastbert {

/// A regular file opened for reading. Movable; `read` is const and may be called from several threads.
class input_file {
 public:
  /// Opens `path`.
  /// Throws: io_error with the system's reason (missing, unreadable, a folder, a FIFO, a device).
  [[nodiscard]] static input_file open(const std::filesystem::path& path) {
    input_file file(path.string());
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    file.descriptor_ = ::open(file.name_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file.descriptor_ < 0) file.fail_io(errno);
    struct stat status = {};
    if (::fstat(file.descriptor_, &status) != 0) file.fail_io(errno);
    if (S_ISDIR(status.st_mode)) file.fail_io(EISDIR);
    if (!S_ISREG(status.st_mode)) {
      fail(error_code::io_error,
           {.file = file.name_, .expected = "a regular file", .found = "a FIFO, socket or device"});
    }
    file.size_ = static_cast<std::uint64_t>(status.st_size);
    return file;
  }

  input_file(input_file&& other) noexcept
      : name_(std::move(other.name_)), size_(other.size_), descriptor_(std::exchange(other.descriptor_, -1)) {}
  input_file& operator=(input_file&& other) noexcept {
    std::swap(name_, other.name_);
    std::swap(size_, other.size_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  input_file(const input_file&) = delete;
  input_file& operator=(const input_file&) = delete;
  ~input_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }  ///< path as given
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }       ///< bytes when it was opened

  /// Fills `out` with the bytes from `offset` on.
  /// Throws: truncated (the file ends earlier), io_error.
  void read(std::uint64_t offset, std::span<std::byte> out) const {
    while (!out.empty()) {
      // Linux transfers at most 0x7ffff000 bytes a call.
      const std::size_t wanted = std::min(out.size(), std::size_t{1} << 30U);
      const ::ssize_t got = ::pread(descriptor_, out.data(), wanted, static_cast<::off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail_io(errno);
      if (got == 0) {
        fail(error_code::truncated, {.file = name_,
                                     .expected = std::to_string(out.size()) + " more bytes",
                                     .found = "end of file",
                                     .byte_offset = offset});
      }
      offset += static_cast<std::uint64_t>(got);
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }

 private:
  explicit input_file(std::string name) : name_(std::move(name)) {}

  [[noreturn]] void fail_io(int number) const {
    fail(error_code::io_error, {.file = name_, .reason = std::generic_category().message(number)});
  }

  std::string name_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;
};

/// The whole of a text file.
/// Throws: io_error, truncated, limit_exceeded (longer than `max_bytes`; nothing is read then).
[[nodiscard]] inline std::string read_text_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const input_file file = input_file::open(path);
  if (file.size() > max_bytes) {
    fail(error_code::limit_exceeded, {.file = file.name(),
                                      .expected = "at most " + std::to_string(max_bytes) + " bytes",
                                      .found = std::to_string(file.size()) + " bytes"});
  }
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace ultrafastbert
