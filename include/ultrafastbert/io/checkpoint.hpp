// SPDX-License-Identifier: MIT
//
// A checkpoint folder as the hub or local training lays it out: which of the known files are there, and the weights.
// Nothing is parsed here but the weights' headers and their index.
// Layer: io.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/weight_files.hpp"

namespace ultrafastbert {

/// The two forms in which a checkpoint states its architecture.
enum class config_form : std::uint8_t {
  config_json,        ///< `config.json`: the architecture under the key `arch`, or a classic BERT configuration
  model_config_json,  ///< `model_config.json`: the architecture itself, written by local training
};

/// The files of one checkpoint. Immutable.
class checkpoint_folder {
 public:
  /// Looks for the known files. `config.json` wins over `model_config.json`. Symbolic links are followed.
  /// Throws: io_error (no such folder, not a folder, unreadable, neither configuration file; a folder in place of one
  /// of
  ///   the known files).
  [[nodiscard]] static checkpoint_folder open(const std::filesystem::path& folder) { return checkpoint_folder(folder); }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }      ///< as given
  [[nodiscard]] const std::filesystem::path& config() const noexcept { return config_; }  ///< the file to read
  [[nodiscard]] config_form form() const noexcept { return form_; }                       ///< its form

  /// `tokenizer.json`, or else `vocab.txt`, if there is one.
  [[nodiscard]] const std::optional<std::filesystem::path>& tokenizer() const noexcept { return tokenizer_; }

  /// `tokenizer_config.json`, if there is one.
  [[nodiscard]] const std::optional<std::filesystem::path>& tokenizer_config() const noexcept {
    return tokenizer_config_;
  }

  /// `special_tokens_map.json`, if there is one.
  [[nodiscard]] const std::optional<std::filesystem::path>& special_tokens_map() const noexcept {
    return special_tokens_map_;
  }

  /// Any other file of the folder, if there is one: a name, or folders and a name with '/' between.
  /// Throws: bad_path (a name that could lead out of the folder), io_error (it is a folder; it cannot be looked up).
  [[nodiscard]] std::optional<std::filesystem::path> find(std::string_view name) const;

  /// Opens the weights: `model.safetensors`, or else the files that `model.safetensors.index.json` lists.
  /// Throws: io_error (there are none), unsupported (pickled weights or an adapter; the message says what to do), and
  ///   whatever weight_files::open and weight_files::open_index throw.
  /// Source: the order of from_pretrained in the published code's transformers library.
  [[nodiscard]] weight_files open_weights(const safetensors_limits& limits = {}) const;

 private:
  explicit checkpoint_folder(const std::filesystem::path& folder) : path_(folder) {
    std::error_code reason;
    const auto status = std::filesystem::status(path_, reason);
    if (!std::filesystem::exists(status)) fail_folder(reason.message());
    if (!std::filesystem::is_directory(status)) {
      fail_folder(std::make_error_code(std::errc::not_a_directory).message());
    }
    const auto hub_form = find("config.json");
    const auto local_form = hub_form ? std::nullopt : find("model_config.json");
    if (!hub_form && !local_form) {
      fail(error_code::io_error,
           {.file = path_.string(), .expected = "config.json or model_config.json in the folder", .found = "neither"});
    }
    config_ = hub_form ? *hub_form : *local_form;
    form_ = hub_form ? config_form::config_json : config_form::model_config_json;
    tokenizer_ = find("tokenizer.json");
    if (!tokenizer_) tokenizer_ = find("vocab.txt");
    tokenizer_config_ = find("tokenizer_config.json");
    special_tokens_map_ = find("special_tokens_map.json");
  }

  /// Name of the alphabetically first pickled file, or nothing.
  [[nodiscard]] std::optional<std::string> find_pickle() const {
    constexpr std::array<std::string_view, 4> suffixes = {".bin", ".pt", ".pth", ".ckpt"};
    std::optional<std::string> first;
    std::error_code reason;
    std::filesystem::directory_iterator file(path_, reason);
    for (; !reason && file != std::filesystem::directory_iterator(); file.increment(reason)) {
      const std::string suffix = file->path().extension().string();
      if (std::find(suffixes.begin(), suffixes.end(), suffix) == suffixes.end()) continue;
      std::string name = file->path().filename().string();
      if (!first || name < *first) first = std::move(name);
    }
    if (reason) fail_folder(reason.message());
    return first;
  }

  [[noreturn]] void fail_folder(std::string reason) const {
    fail(error_code::io_error, {.file = path_.string(), .expected = "a folder", .reason = std::move(reason)});
  }

  std::filesystem::path path_;
  std::filesystem::path config_{};
  config_form form_ = config_form::config_json;
  std::optional<std::filesystem::path> tokenizer_{};
  std::optional<std::filesystem::path> tokenizer_config_{};
  std::optional<std::filesystem::path> special_tokens_map_{};
};

inline std::optional<std::filesystem::path> checkpoint_folder::find(std::string_view name) const {
  if (!io::stays_inside(name)) {
    fail(error_code::bad_path,
         {.file = path_.string(), .expected = "the name of a file inside the folder", .found = excerpt(name)});
  }
  std::error_code reason;
  auto file = path_ / name;
  const auto link = std::filesystem::symlink_status(file, reason);
  if (link.type() == std::filesystem::file_type::not_found) return std::nullopt;
  if (link.type() == std::filesystem::file_type::none) {
    fail(error_code::io_error, {.file = file.string(), .reason = reason.message()});
  }
  // A dangling link counts as present: opening it reports it, where falling back to another file would hide it.
  if (std::filesystem::is_directory(file, reason)) {
    fail(error_code::io_error, {.file = file.string(),
                                .expected = "a file",
                                .found = "a folder",
                                .reason = std::make_error_code(std::errc::is_a_directory).message()});
  }
  return file;
}

inline weight_files checkpoint_folder::open_weights(const safetensors_limits& limits) const {
  constexpr std::string_view weights = "model.safetensors";
  if (const auto adapter = find("adapter_config.json")) {
    fail(error_code::unsupported, {.file = adapter->string(),
                                   .expected = "a model of its own",
                                   .found = "an adapter, which changes the weights of a model",
                                   .reason = "merge it with the published code: merge_and_unload() and "
                                             "save_pretrained(folder)"});
  }
  if (const auto file = find(weights)) return weight_files::open(*file, limits);
  if (const auto index = find("model.safetensors.index.json")) return weight_files::open_index(*index, limits);
  if (const auto pickle = find_pickle()) {
    fail(error_code::unsupported, {.file = (path_ / *pickle).string(),
                                   .expected = std::string(weights),
                                   .found = "pickled weights",
                                   .reason = "convert them with the published code: load the model there and call "
                                             "save_pretrained(folder, safe_serialization=True)"});
  }
  fail(error_code::io_error,
       {.file = path_.string(), .expected = std::string(weights) + " in the folder", .found = "no weights"});
}

}  // namespace ultrafastbert
