// SPDX-License-Identifier: MIT
//
// What the fuzz targets share: numbers and choices out of an input's bytes, and what may leave the library.
#pragma once

#include <utf8proc.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/scratch_folder.hpp"
#include "ultrafastbert/core/error.hpp"

namespace ufb_fuzz {

namespace ufb = ultrafastbert;
using ufb_test::scratch_folder;

/// Ends the program with a message, so that a fuzzer keeps the input.
[[noreturn]] inline void fault(const std::string& what) {
  std::fprintf(stderr, "fault: %s\n", what.c_str());
  std::abort();
}

inline void require(bool holds, std::string_view what) {
  if (!holds) fault(std::string(what));
}

/// Foreign bytes must not reach a terminal or a log through a message: they are escaped. Names of files keep letters of
/// any language.
inline void check_message(const ufb::error& problem) {
  const std::string_view text = problem.what();
  for (std::string_view rest = text; !rest.empty();) {
    utf8proc_int32_t code = 0;
    const auto bytes = reinterpret_cast<const utf8proc_uint8_t*>(rest.data());
    const auto length = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(rest.size()), &code);
    const auto kind = length > 0 ? utf8proc_category(code) : UTF8PROC_CATEGORY_CC;
    require(kind != UTF8PROC_CATEGORY_CC && kind != UTF8PROC_CATEGORY_ZL && kind != UTF8PROC_CATEGORY_ZP,
            "an error has bytes that cannot be shown: " + ufb::excerpt(text, 2000));
    require(code < 0x80 || problem.file().find(rest.substr(0, static_cast<std::size_t>(length))) != std::string::npos ||
                problem.expected().find(rest.substr(0, static_cast<std::size_t>(length))) != std::string::npos,
            "an error has foreign characters that are no name of a file: " + ufb::excerpt(text, 2000));
    rest.remove_prefix(static_cast<std::size_t>(length));
  }
  require(name(problem.code()) != "unknown", "an error has no code");
}

/// Runs an action, which only the library's error may leave, and memory that there is not. The error's code, or
/// nothing if there was none.
template <class Action>
std::optional<ufb::error_code> attempt(Action&& action) {
  try {
    std::forward<Action>(action)();
    return std::nullopt;
  } catch (const ufb::error& problem) {
    check_message(problem);
    return problem.code();
  } catch (const std::bad_alloc&) {
    return ufb::error_code::limit_exceeded;
  } catch (const std::exception& other) {
    fault(std::string("another exception: ") + other.what());
  } catch (...) {
    fault("another exception");
  }
}

/// The bytes of an input as numbers, from the first on. Behind the last one all of them are 0.
class byte_stream {
 public:
  byte_stream(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto first = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return first;
  }
  /// From `smallest` to `largest`, which are fewer than 256 apart.
  std::size_t size(std::size_t smallest, std::size_t largest) { return smallest + byte() % (largest - smallest + 1); }
  bool coin() { return byte() % 2 != 0; }
  std::uint32_t word() {
    std::uint32_t out = 0;
    for (int i = 0; i < 4; ++i) out = (out << 8U) | byte();
    return out;
  }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[size(0, choices.size() - 1)];
  }

  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// The parts of an input between separators, at most `most`: several files as one input. The byte is one that no file
/// of text has.
inline std::vector<std::string_view> split_files(const std::uint8_t* data, std::size_t size, std::size_t most) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> files;
  while (files.size() + 1 < most) {
    const std::size_t end = rest.find('\x1e');
    if (end == std::string_view::npos) break;
    files.push_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  files.push_back(rest);
  return files;
}

/// FNV-1a of an input: choices that are not worth bytes of their own.
inline std::uint64_t hash_of(const std::uint8_t* data, std::size_t size) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ data[i]) * 0x100000001B3U;
  return hash;
}

}  // namespace ufb_fuzz

/// What a fuzzer calls with each input. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
