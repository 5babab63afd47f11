// SPDX-License-Identifier: MIT
//
// A folder for the files that a test writes.
#pragma once

#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace ufb_test {

/// A folder of its own for each object, removed with all it holds. Throws: std::filesystem::filesystem_error and
/// std::runtime_error where nothing can be written.
class scratch_folder {
 public:
  scratch_folder() {
    const auto parent = std::filesystem::temp_directory_path();
    std::random_device random;
    do {
      path_ = parent / ("ufb-" + std::to_string(random()));
    } while (!std::filesystem::create_directory(path_));  // there is such a folder already
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  ~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// Writes a file, possibly in a folder below. Returns its path.
  std::filesystem::path write(std::string_view name, std::string_view text) const {
    const auto file = path_ / name;
    if (file.has_parent_path() && file.parent_path() != path_) std::filesystem::create_directories(file.parent_path());
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out << text;
    if (!out.flush()) throw std::runtime_error(file.string() + " cannot be written");
    return file;
  }
  /// Removes a file, if it is there.
  void remove(std::string_view name) const {
    std::error_code ignored;
    std::filesystem::remove(path_ / name, ignored);
  }
  /// Writes or, where there is nothing to write, removes a file.
  void put(std::string_view name, std::optional<std::string_view> text) const {
    if (text) {
      write(name, *text);
    } else {
      remove(name);
    }
  }

 private:
  std::filesystem::path path_;
};

}  // namespace ufb_test
