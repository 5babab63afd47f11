// SPDX-License-Identifier: MIT
//
// Checkpoint folders for the model tests: copies of a small golden model with one thing changed.
#pragma once

#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
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
  folder_copy(folder_copy&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  folder_copy& operator=(folder_copy&&) = delete;
  ~folder_copy() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
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

  /// Adds a float32 tensor at the end of the weights.
  void add_tensor(const std::string& name, const std::vector<std::size_t>& shape,
                  const std::vector<float>& values) const {
    std::size_t end = 0;
    const std::size_t bytes = values.size() * sizeof(float);
    edit_header([&](ordered_json& header) {
      for (const auto& [key, entry] : header.items()) {
        if (key != "__metadata__") end = std::max(end, entry.at("data_offsets").at(1).get<std::size_t>());
      }
      header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {end, end + bytes}}};
    });
    const std::string before = text_of(path_ / "model.safetensors");
    write("model.safetensors", before + std::string(reinterpret_cast<const char*>(values.data()), bytes));
  }

  /// Gives tensors other names.
  void rename_tensors(const std::function<std::string(const std::string&)>& rename) const {
    edit_header([&](ordered_json& header) {
      ordered_json renamed = ordered_json::object();
      for (const auto& [name, entry] : header.items()) renamed[name == "__metadata__" ? name : rename(name)] = entry;
      header = renamed;
    });
  }

  /// Gives the tokenizer words with ids of their own.
  void add_words(const std::vector<std::pair<std::string, std::size_t>>& words) const {
    edit_json("tokenizer.json", [&](ordered_json& tokenizer) {
      for (const auto& [word, id] : words) tokenizer["model"]["vocab"][word] = id;
    });
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
