// SPDX-License-Identifier: MIT
//
// The one exception type of the library, its codes, and cold helpers that throw it.
// Everything that can go wrong on load, on construction or in a call ends here; nothing prints or exits.
// Layer: core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/core/ieee_arithmetic.hpp"
#include "ultrafastbert/core/legible.hpp"

#if !defined(__cpp_exceptions)
#error "ultrafastbert reports errors by exceptions: compile the files that include it without -fno-exceptions"
#endif

namespace ultrafastbert {

/// What went wrong. `name(code)` is the stable spelling for logs and tests.
enum class error_code : std::uint8_t {
  io_error,           ///< a file is missing, unreadable or no regular file; the message carries the system's reason
  truncated,          ///< a file ends before the data it announces
  trailing_bytes,     ///< a file goes on after the data it announces
  bad_header_length,  ///< the stated header length exceeds the limit
  bad_json,           ///< text that is no valid UTF-8 or no valid JSON, or is nested too deeply
  duplicate_key,      ///< an object has the same key twice
  bad_metadata,       ///< `__metadata__` is no object of strings
  bad_entry,          ///< a tensor entry is incomplete or of the wrong form
  bad_integer,        ///< a number that must be a non-negative 63-bit integer is none
  unknown_dtype,      ///< a storage type that the container format does not define
  overflow,           ///< a product of sizes does not fit
  bad_offsets,        ///< tensor data overlaps, leaves a hole, lies outside the file or disagrees with its shape
  limit_exceeded,     ///< more of something than the configured limit allows
  non_finite,         ///< a weight is NaN or infinite
  bad_type,           ///< a JSON value has the wrong type
  bad_value,          ///< a value is outside what is accepted
  bad_path,           ///< a file name inside a checkpoint points outside its folder
  missing_key,        ///< a required JSON key is absent
  missing_tensor,     ///< a required tensor is absent or has the wrong shape
  unused_tensor,      ///< a checkpoint holds a tensor that the model does not take, and that is not allowed
  shape_mismatch,     ///< sizes given by the caller disagree with each other
  bad_vocabulary,     ///< vocabulary ids are duplicated, out of range or too sparse, or a token is empty
  missing_token,      ///< a special token that the call needs does not exist
  unsupported,        ///< a valid feature that this version does not implement
  invalid_input,      ///< a call's argument is outside its documented range
  in_use,             ///< what serves one call at a time is busy: a workspace in another thread, a pool in its own task
  canceled,           ///< the caller's own `progress` asked for the end of the call
};

/// Stable spelling of a code, equal to the enumerator's name.
[[nodiscard]] constexpr std::string_view name(error_code code) noexcept {
  switch (code) {
    case error_code::io_error: return "io_error";
    case error_code::truncated: return "truncated";
    case error_code::trailing_bytes: return "trailing_bytes";
    case error_code::bad_header_length: return "bad_header_length";
    case error_code::bad_json: return "bad_json";
    case error_code::duplicate_key: return "duplicate_key";
    case error_code::bad_metadata: return "bad_metadata";
    case error_code::bad_entry: return "bad_entry";
    case error_code::bad_integer: return "bad_integer";
    case error_code::unknown_dtype: return "unknown_dtype";
    case error_code::overflow: return "overflow";
    case error_code::bad_offsets: return "bad_offsets";
    case error_code::limit_exceeded: return "limit_exceeded";
    case error_code::non_finite: return "non_finite";
    case error_code::bad_type: return "bad_type";
    case error_code::bad_value: return "bad_value";
    case error_code::bad_path: return "bad_path";
    case error_code::missing_key: return "missing_key";
    case error_code::missing_tensor: return "missing_tensor";
    case error_code::unused_tensor: return "unused_tensor";
    case error_code::shape_mismatch: return "shape_mismatch";
    case error_code::bad_vocabulary: return "bad_vocabulary";
    case error_code::missing_token: return "missing_token";
    case error_code::unsupported: return "unsupported";
    case error_code::invalid_input: return "invalid_input";
    case error_code::in_use: return "in_use";
    case error_code::canceled: return "canceled";
  }
  return "unknown";
}

/// Where and how something failed. Empty fields are left out of the message.
struct error_details {
  std::string file{};                          ///< path of the file, or the name the caller gave a memory block
  std::string where{};                         ///< tensor name, JSON path (`$.a.b[3]`), text position or argument
  std::string expected{};                      ///< what would have been accepted
  std::string found{};                         ///< what was there
  std::string reason{};                        ///< one clause saying what this means or what to do
  std::optional<std::uint64_t> byte_offset{};  ///< position in the file, where it applies
};

/// Text that is safe in a message: control bytes and bytes outside ASCII escaped, at most `limit` bytes kept.
[[nodiscard]] inline std::string excerpt(std::string_view text, std::size_t limit = 80) {
  std::string out = "'";
  for (const char c : text.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\'' && c != '\\') {
      out += c;
    } else {
      core::append_escaped(out, c);
    }
  }
  out += text.size() > limit ? "...'" : "'";
  return out;
}

/// The library's exception: a code, and the file, place, expectation and finding as separate fields.
/// Strong guarantee: whoever throws it leaves the caller's objects as they were. But a call that ends halfway
/// (`in_use`, `canceled`) may have written a part of the output that it was given.
class error : public std::runtime_error {
 public:
  /// Composes the message from the fields that are set; what cannot be seen in them is escaped. Throws: std::bad_alloc.
  error(error_code code, error_details details)
      : std::runtime_error(compose(code, details)),
        code_(code),
        details_(std::make_shared<const error_details>(std::move(details))) {}

  [[nodiscard]] error_code code() const noexcept { return code_; }                           ///< what went wrong
  [[nodiscard]] const std::string& file() const noexcept { return details_->file; }          ///< file, or empty
  [[nodiscard]] const std::string& where() const noexcept { return details_->where; }        ///< tensor, JSON path
  [[nodiscard]] const std::string& expected() const noexcept { return details_->expected; }  ///< accepted values
  [[nodiscard]] const std::string& found() const noexcept { return details_->found; }        ///< the offending value
  [[nodiscard]] const std::string& reason() const noexcept { return details_->reason; }      ///< what to do, or empty
  /// Position in the file, where it applies.
  [[nodiscard]] std::optional<std::uint64_t> byte_offset() const noexcept { return details_->byte_offset; }
  [[nodiscard]] const error_details& details() const noexcept { return *details_; }  ///< all fields

 private:
  static std::string compose(error_code code, const error_details& d) {
    std::string text{name(code)};
    if (!d.file.empty()) text += ": " + d.file;
    if (!d.where.empty()) text += ": " + d.where;
    if (d.byte_offset) text += " at byte " + std::to_string(*d.byte_offset);
    if (!d.reason.empty()) text += ": " + d.reason;
    if (!d.expected.empty()) text += "; expected " + d.expected;
    if (!d.found.empty()) text += "; found " + d.found;
    return core::legible(text);  // names of files may hold anything
  }

  error_code code_;
  std::shared_ptr<const error_details> details_;  // shared: copying an exception must not throw
};

/// Throws `error`; out of line and cold, so that checks cost callers a compare and a branch.
[[noreturn, gnu::cold, gnu::noinline]] inline void fail(error_code code, error_details details) {
  throw error(code, std::move(details));
}

/// Throws `invalid_input` about one argument of a call.
[[noreturn, gnu::cold, gnu::noinline]] inline void fail_input(std::string_view argument, std::string expected,
                                                              std::string found) {
  fail(error_code::invalid_input,
       {.where = std::string(argument), .expected = std::move(expected), .found = std::move(found)});
}

}  // namespace ultrafastbert
