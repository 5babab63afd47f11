// SPDX-License-Identifier: MIT
//
// Checkpoint folders for the model tests: copies of a small golden model with one thing changed.
#pragma once

#include <unistd.h>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/io/file.hpp"

namespace ufb_test {

using nlohmann::ordered_json;

[[nodiscard]] inline std::filesystem::path golden_model(std::string_view id) {
  return std::filesystem::path(UFB_TEST_DATA_DIR) / "models" / id;
}

[[nodiscard]] inline std::string text_of(const std::filesystem::path& file) {
  return ultrafastbert::read_text_file(file, std::size_t{1} << 28U);
}

/// A temporary copy of a folder, removed at the end.
class folder_copy {
 public:
  explicit folder_copy(const std::filesystem::path& from) {
    static std::atomic<int> counter{0};
    path_ = std::filesystem::temp_directory_path() /
            ("ufb_model_" + std::to_string(::getpid()) + '_' + std::to_string(counter++));
    std::filesystem::copy(from, path_, std::filesystem::copy_options::recursive);
  }
  folder_copy(const folder_copy&) = delete;
  folder_copy& operator=(const folder_copy&) = delete;
  ~folder_copy() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  void write(std::string_view file, std::string_view text) const {
    std::ofstream(path_ / file, std::ios::binary) << text;
  }

  void edit_json(std::string_view file, const std::function<void(ordered_json&)>& change) const {
    auto document = ordered_json::parse(text_of(path_ / file));
    change(document);
    write(file, document.dump());
  }

  /// Rewrites the weights' header; the data stays as it is.
  void edit_header(const std::function<void(ordered_json&)>& change) const {
    const std::string bytes = text_of(path_ / "model.safetensors");
    std::uint64_t length = 0;
    bytes.copy(reinterpret_cast<char*>(&length), sizeof length);
    auto header = ordered_json::parse(bytes.substr(8, length));
    change(header);
    const std::string text = header.dump();
    const std::uint64_t fresh = text.size();
    std::string out(reinterpret_cast<const char*>(&fresh), sizeof fresh);
    write("model.safetensors", out + text + bytes.substr(8 + length));
  }

  /// Overwrites four bytes of one tensor.
  void poke(const std::string& tensor, std::size_t element, float value) const {
    std::string bytes = text_of(path_ / "model.safetensors");
    std::uint64_t length = 0;
    bytes.copy(reinterpret_cast<char*>(&length), sizeof length);
    const auto header = ordered_json::parse(bytes.substr(8, length));
    const auto begin = header.at(tensor).at("data_offsets").at(0).get<std::size_t>();
    bytes.replace(8 + length + begin + element * sizeof value, sizeof value,
                  std::string(reinterpret_cast<const char*>(&value), sizeof value));
    write("model.safetensors", bytes);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace ufb_test
