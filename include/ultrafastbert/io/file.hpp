// SPDX-License-Identifier: MIT
//
// Reading regular files by position, with typed errors. Symbolic links are followed; FIFOs, devices and folders are
// refused, and so is what Git LFS leaves in place of a file that it has not downloaded.
// Layer: io.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/file_handle.hpp"

namespace ultrafastbert {

namespace io {

/// Whether a file name that a file states, possibly with folders before it, stays in the folder that it is meant for.
/// Separators of every system count, so that a folder means the same wherever it is opened.
[[nodiscard]] inline bool stays_inside(std::string_view name) {
  constexpr std::string_view forbidden("\\:\0", 3);
  if (name.empty() || name.find_first_of(forbidden) != std::string_view::npos) return false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = (std::min)(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part.find("..") != std::string_view::npos) return false;
    begin = end + 1;
  }
  return true;
}

/// Throws io_error if what begins like this, and is `size` bytes long, is a Git LFS pointer: a small text that stands
/// in a clone for a large file. Pre: `begin` holds the first 64 bytes, or all if there are fewer. Source: the pointer
/// file's specification in git-lfs; hawser was that project's first name.
inline void refuse_lfs_pointer(std::string_view begin, std::uint64_t size, const std::string& name) {
  constexpr std::uint64_t longest = 1024;
  const bool is_pointer = size < longest && (begin.starts_with("version https://git-lfs.github.com/spec/v") ||
                                             begin.starts_with("version https://hawser.github.com/spec/v"));
  if (!is_pointer) return;
  fail(error_code::io_error,
       {.file = name,
        .expected = "the file itself",
        .found = "a Git LFS pointer to it",
        .reason = "its content was never downloaded: run `git lfs pull` in the clone, or download the file by itself"});
}

}  // namespace io

/// A regular file opened for reading. Movable; `read` is const and may be called from several threads.
class input_file {
 public:
  /// Opens `path`.
  /// Throws: io_error with the system's reason (missing, unreadable, a folder, a FIFO, a device), or with what to do
  ///   about a Git LFS pointer.
  [[nodiscard]] static input_file open(const std::filesystem::path& path) {
    input_file file(path.string());
    if (const int problem = file.handle_.open(path, file.size_); problem == io::file_handle::not_regular) {
      fail(error_code::io_error,
           {.file = file.name_, .expected = "a regular file", .found = "a FIFO, socket or device"});
    } else if (problem != 0) {
      file.fail_io(problem);
    }
    std::array<char, 64> begin{};
    const auto known = std::span(begin).first(static_cast<std::size_t>((std::min<std::uint64_t>)(file.size_, 64)));
    file.read(0, std::as_writable_bytes(known));
    io::refuse_lfs_pointer({known.data(), known.size()}, file.size_, file.name_);
    return file;
  }

  /// Leaves a closed file of no bytes behind; assigning a file to itself changes nothing.
  input_file(input_file&& other) noexcept
      : name_(std::exchange(other.name_, {})),
        size_(std::exchange(other.size_, 0)),
        handle_(std::move(other.handle_)) {}
  input_file& operator=(input_file&& other) noexcept {
    input_file taken(std::move(other));  // first, so that nothing is lost if it is this file
    std::swap(name_, taken.name_);
    std::swap(size_, taken.size_);
    std::swap(handle_, taken.handle_);
    return *this;
  }
  input_file(const input_file&) = delete;
  input_file& operator=(const input_file&) = delete;
  ~input_file() = default;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }  ///< path as given
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }       ///< bytes when it was opened

  /// Fills `out` with the bytes from `offset` on.
  /// Throws: truncated (the file ends earlier), io_error.
  void read(std::uint64_t offset, std::span<std::byte> out) const {
    while (!out.empty()) {
      std::size_t got = 0;
      if (const int problem = handle_.read(offset, out, got); problem != 0) fail_io(problem);
      if (got == 0) {
        fail(error_code::truncated, {.file = name_,
                                     .expected = std::to_string(out.size()) + " more bytes",
                                     .found = "end of file",
                                     .byte_offset = offset});
      }
      offset += got;
      out = out.subspan(got);
    }
  }

 private:
  explicit input_file(std::string name) : name_(std::move(name)) {}

  [[noreturn]] void fail_io(int number) const {
    fail(error_code::io_error, {.file = name_, .reason = std::generic_category().message(number)});
  }

  std::string name_;
  std::uint64_t size_ = 0;
  io::file_handle handle_{};
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
