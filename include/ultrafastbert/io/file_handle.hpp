// SPDX-License-Identifier: MIT
//
// What the system does for reading files: it opens one without waiting, and reads it by position. Problems are numbers
// of errno.
// Layer: io.
#pragma once

#if defined(_WIN32)
#include <fstream>
#include <ios>
#include <memory>
#include <mutex>
#include <system_error>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#endif

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace ultrafastbert::io {

#if defined(_WIN32)

/// An open file, or none. Movable; `read` may be called from several threads, which wait for each other: without the
/// headers of this system, whose macros no other header bears, there is no reading by position.
class file_handle {
 public:
  static constexpr int not_regular = -1;  ///< in place of a number: it is neither a file nor a folder

  /// Opens `path` and says how many bytes it has. Returns 0, `not_regular` or the number of what is wrong.
  [[nodiscard]] int open(const std::filesystem::path& path, std::uint64_t& size) {
    std::error_code problem;
    const auto status = std::filesystem::status(path, problem);
    if (status.type() == std::filesystem::file_type::not_found) return ENOENT;
    if (problem) return EACCES;
    if (std::filesystem::is_directory(status)) return EISDIR;
    if (!std::filesystem::is_regular_file(status)) return not_regular;
    size = static_cast<std::uint64_t>(std::filesystem::file_size(path, problem));
    if (problem) return EIO;
    file_ = std::make_unique<locked_file>();
    file_->stream.open(path, std::ios::binary);
    return file_->stream.is_open() ? 0 : EACCES;
  }

  /// Reads bytes from `offset` on, as many as there are and fit; `got` is 0 at the end of the file. Returns 0 or the
  /// number of what is wrong. Pre: a file is open.
  [[nodiscard]] int read(std::uint64_t offset, std::span<std::byte> out, std::size_t& got) const {
    const std::lock_guard lock(file_->mutex);
    std::ifstream& stream = file_->stream;
    stream.clear();
    stream.seekg(static_cast<std::streamoff>(offset));
    stream.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
    got = static_cast<std::size_t>(stream.gcount());
    return stream.bad() ? EIO : 0;
  }

 private:
  struct locked_file {
    std::mutex mutex{};
    std::ifstream stream{};
  };

  std::unique_ptr<locked_file> file_{};
};

#else

/// An open file, or none. Movable; `read` may be called from several threads.
class file_handle {
 public:
  static constexpr int not_regular = -1;  ///< in place of a number: it is neither a file nor a folder

  file_handle() noexcept = default;
  file_handle(file_handle&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  file_handle& operator=(file_handle&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  file_handle(const file_handle&) = delete;
  file_handle& operator=(const file_handle&) = delete;
  ~file_handle() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  /// Opens `path` and says how many bytes it has. Returns 0, `not_regular` or the number of what is wrong.
  [[nodiscard]] int open(const std::filesystem::path& path, std::uint64_t& size) {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0) return errno;
    struct stat status = {};
    if (::fstat(descriptor_, &status) != 0) return errno;
    if (S_ISDIR(status.st_mode)) return EISDIR;
    if (!S_ISREG(status.st_mode)) return not_regular;
    size = static_cast<std::uint64_t>(status.st_size);
    return 0;
  }

  /// Reads bytes from `offset` on, as many as there are and fit; `got` is 0 at the end of the file. Returns 0 or the
  /// number of what is wrong. Pre: a file is open.
  [[nodiscard]] int read(std::uint64_t offset, std::span<std::byte> out, std::size_t& got) const {
    // Linux transfers at most 0x7ffff000 bytes a call.
    const std::size_t wanted = (std::min)(out.size(), std::size_t{1} << 30U);
    ::ssize_t count = 0;
    do {
      count = ::pread(descriptor_, out.data(), wanted, static_cast<::off_t>(offset));
    } while (count < 0 && errno == EINTR);
    if (count < 0) return errno;
    got = static_cast<std::size_t>(count);
    return 0;
  }

 private:
  int descriptor_ = -1;
};

#endif

}  // namespace ultrafastbert::io
