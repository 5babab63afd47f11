// SPDX-License-Identifier: MIT
//
// Reader of safetensors containers, from a file or from memory. Opening parses and checks the header only; tensor data
// is copied into the caller's memory on demand, never mapped, so a file that changes later cannot kill the process.
// Layer: io.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/dtype.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/safetensors_header.hpp"
#include "ultrafastbert/io/tensor_entry.hpp"

namespace ultrafastbert {

namespace io {

/// A borrowed block of memory with the reading interface of `input_file`.
class memory_block {
 public:
  memory_block() = default;

  /// Throws: io_error (a Git LFS pointer).
  memory_block(std::span<const std::byte> bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    refuse_lfs_pointer(text.substr(0, 64), bytes.size(), name_);
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return bytes_.size(); }

  /// Pre: the range lies inside the block.
  void read(std::uint64_t offset, std::span<std::byte> out) const noexcept {
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
  }

 private:
  std::span<const std::byte> bytes_{};
  std::string name_{};
};

}  // namespace io

/// An open container: checked entries, and their data on demand.
/// Immutable; its const members may be called from several threads. Movable; entries it handed out stay valid.
class safetensors {
 public:
  /// Opens a file and parses its header. The file stays open as long as the object lives.
  /// Throws: io_error, truncated, bad_header_length, bad_json, duplicate_key, bad_metadata, bad_entry, bad_integer,
  ///   unknown_dtype, overflow, bad_offsets, trailing_bytes, limit_exceeded.
  /// Complexity: n log n in the number of tensors, linear in the header; tensor data is not touched.
  [[nodiscard]] static safetensors open(const std::filesystem::path& path, const safetensors_limits& limits = {}) {
    return safetensors(input_file::open(path), limits);
  }

  /// Parses a container that lies in memory.
  /// Pre: the block outlives the object and does not change; it may have any alignment. `name` stands for it in errors.
  /// Throws: as `open`; io_error only about a Git LFS pointer.
  /// Complexity: as `open`.
  [[nodiscard]] static safetensors from_memory(std::span<const std::byte> block, std::string name,
                                               const safetensors_limits& limits = {}) {
    return safetensors(io::memory_block(block, std::move(name)), limits);
  }

  /// Leaves a container without tensors behind; assigning a container to itself changes nothing.
  safetensors(safetensors&& other) noexcept
      : bytes_(std::exchange(other.bytes_, io::memory_block())),
        data_start_(std::exchange(other.data_start_, 0)),
        data_bytes_(std::exchange(other.data_bytes_, 0)),
        header_(std::exchange(other.header_, {})) {}
  safetensors& operator=(safetensors&& other) noexcept {
    if (this != &other) {
      bytes_ = std::exchange(other.bytes_, io::memory_block());
      data_start_ = std::exchange(other.data_start_, 0);
      data_bytes_ = std::exchange(other.data_bytes_, 0);
      header_ = std::exchange(other.header_, {});
    }
    return *this;
  }
  safetensors(const safetensors&) = delete;
  safetensors& operator=(const safetensors&) = delete;
  ~safetensors() = default;

  [[nodiscard]] std::span<const tensor_entry> tensors() const noexcept { return header_.tensors; }  ///< header order

  /// Pairs of `__metadata__`, in header order.
  [[nodiscard]] std::span<const std::pair<std::string, std::string>> metadata() const noexcept {
    return header_.metadata;
  }

  /// Path of the file, or the name given to the block.
  [[nodiscard]] const std::string& name() const noexcept {
    return std::visit([](const auto& bytes) -> const std::string& { return bytes.name(); }, bytes_);
  }

  /// The tensor of that name, or nullptr. Logarithmic in the number of tensors.
  [[nodiscard]] const tensor_entry* find(std::string_view name) const noexcept {
    const auto& tensors = header_.tensors;
    const auto at = std::lower_bound(header_.by_name.begin(), header_.by_name.end(), name,
                                     [&](auto index, std::string_view key) { return tensors[index].name < key; });
    return at != header_.by_name.end() && tensors[*at].name == name ? &tensors[*at] : nullptr;
  }

  /// Copies stored bytes of a tensor, from byte `offset` of the tensor on.
  /// Pre: `entry` is one of `tensors()`.
  /// Throws: invalid_input (the range leaves the tensor; `out` is untouched), truncated (the file shrank), io_error.
  void read_bytes(const tensor_entry& entry, std::uint64_t offset, std::span<std::byte> out) const {
    check_range(entry, offset, out.size(), entry.end - entry.begin, "bytes");
    std::visit([&](const auto& bytes) { bytes.read(data_start_ + entry.begin + offset, out); }, bytes_);
  }

  /// Reads elements of a tensor, from row-major element `first_element` on, and converts them.
  /// F16, BF16, F32 and F64 convert to floating scalars (widened exactly, or rounded to nearest); BOOL and the integer
  /// types convert to integer scalars.
  /// Shapes: out: any number of the tensor's elements.
  /// Pre: `entry` is one of `tensors()`.
  /// Throws: unsupported (no such conversion), invalid_input (the range leaves the tensor); `out` is untouched then.
  ///   bad_value (an element does not fit the scalar, or a boolean is neither 0 nor 1), truncated, io_error.
  template <tensor_scalar Scalar>
  void read(const tensor_entry& entry, std::uint64_t first_element, std::span<Scalar> out) const;

 private:
  using byte_source = std::variant<input_file, io::memory_block>;

  safetensors(byte_source bytes, const safetensors_limits& limits) : bytes_(std::move(bytes)) {
    std::visit([&](const auto& source) { parse(source, limits); }, bytes_);
  }

  template <class Bytes>
  void parse(const Bytes& bytes, const safetensors_limits& limits);

  void check_range(const tensor_entry& entry, std::uint64_t first, std::uint64_t count, std::uint64_t size,
                   const char* unit) const {
    const bool ours = entry.begin <= entry.end && entry.end <= data_bytes_;
    if (ours && first <= size && count <= size - first) return;
    fail(error_code::invalid_input,
         {.file = name(),
          .where = excerpt(entry.name),
          .expected = ours ? "a range inside its " + std::to_string(size) + ' ' + unit : "a tensor of this file",
          .found = std::to_string(count) + ' ' + unit + " from " + std::to_string(first)});
  }

  byte_source bytes_;
  std::uint64_t data_start_ = 0;
  std::uint64_t data_bytes_ = 0;
  io::safetensors_header header_{};
};

template <class Bytes>
void safetensors::parse(const Bytes& bytes, const safetensors_limits& limits) {
  std::array<std::byte, 8> prefix{};
  if (bytes.size() < prefix.size()) {
    fail(error_code::truncated, {.file = bytes.name(),
                                 .expected = "at least 8 bytes",
                                 .found = std::to_string(bytes.size()),
                                 .byte_offset = bytes.size()});
  }
  bytes.read(0, prefix);
  std::uint64_t length = 0;
  std::memcpy(&length, prefix.data(), sizeof(length));
  const std::uint64_t rest = bytes.size() - prefix.size();
  const std::uint64_t most =
      (std::min<std::uint64_t>)(limits.header_bytes, (std::numeric_limits<std::ptrdiff_t>::max)());
  if (length > most) {
    fail(error_code::bad_header_length, {.file = bytes.name(),
                                         .expected = "a header of at most " + std::to_string(most) + " bytes",
                                         .found = std::to_string(length),
                                         .reason = "this is no safetensors file, or its first bytes are damaged",
                                         .byte_offset = 0});
  }
  if (length > rest) {
    fail(error_code::truncated, {.file = bytes.name(),
                                 .expected = "a header of " + std::to_string(length) + " bytes",
                                 .found = std::to_string(rest) + " bytes",
                                 .reason = "the file ends inside its header",
                                 .byte_offset = bytes.size()});
  }
  // What cannot be a header is not read whole: files of zeros may claim a hundred megabytes.
  char first = '\0';
  if (length != 0) bytes.read(prefix.size(), std::as_writable_bytes(std::span(&first, 1)));
  std::string text(first == '{' ? static_cast<std::size_t>(length) : (std::min<std::size_t>)(length, 1), '\0');
  bytes.read(prefix.size(), std::as_writable_bytes(std::span(text)));
  data_start_ = prefix.size() + length;
  data_bytes_ = rest - length;
  header_ = io::parse_safetensors_header(
      text, {.file = bytes.name(), .data_start = data_start_, .data_bytes = data_bytes_}, limits);
}

template <tensor_scalar Scalar>
void safetensors::read(const tensor_entry& entry, std::uint64_t first_element, std::span<Scalar> out) const {
  if (!io::is_decodable<Scalar>(entry.type)) {
    fail(error_code::unsupported, {.file = name(),
                                   .where = excerpt(entry.name),
                                   .expected = std::string(io::decodable_names<Scalar>()),
                                   .found = std::string(ultrafastbert::name(entry.type))});
  }
  const std::uint64_t size = bytes(entry.type);
  check_range(entry, first_element, out.size(), (entry.end - entry.begin) / size, "elements");
  if (io::is_stored_as<Scalar>(entry.type)) {
    return read_bytes(entry, first_element * size, std::as_writable_bytes(out));
  }
  std::array<std::byte, 32'768> buffer;
  for (std::size_t done = 0; done < out.size();) {
    const auto part = out.subspan(done, (std::min)(out.size() - done, static_cast<std::size_t>(buffer.size() / size)));
    const std::uint64_t first = first_element + done;
    read_bytes(entry, first * size, std::span(buffer).first(static_cast<std::size_t>(part.size() * size)));
    const std::size_t converted = io::decode(entry.type, buffer.data(), part);
    if (converted != part.size()) {
      fail(error_code::bad_value, {.file = name(),
                                   .where = excerpt(entry.name),
                                   .expected = entry.type == dtype::boolean ? "0 or 1" : "an integer that fits",
                                   .found = "another value at element " + std::to_string(first + converted)});
    }
    done += part.size();
  }
}

}  // namespace ultrafastbert
