// SPDX-License-Identifier: MIT
//
// Checkpoint folders: which files count, and errors that say what to do.
#include <filesystem>
#include <string>

#include "as_nobody.hpp"
#include "support.hpp"
#include "ultrafastbert/io/checkpoint.hpp"

using namespace ufb_test;

namespace {

std::optional<ufb::error> open_error(const std::filesystem::path& path) {
  return error_of([&] { (void)ufb::checkpoint_folder::open(path); });
}

std::optional<ufb::error> weights_error(const scratch_folder& folder) {
  return error_of([&] { (void)ufb::checkpoint_folder::open(folder.path()).open_weights(); });
}

}  // namespace

TEST_CASE("A full folder shows its files, config.json before model_config.json", "[checkpoint]") {
  const scratch_folder folder;
  for (const char* name : {"config.json", "model_config.json", "tokenizer.json", "special_tokens_map.json",
                           "tokenizer_config.json", "pytorch_model.bin"}) {
    folder.write(name, "{}");
  }
  folder.write("model.safetensors", one_tensor<float>("w", "F32", {1.0F}));
  const auto checkpoint = ufb::checkpoint_folder::open(folder.path());
  CHECK(checkpoint.path() == folder.path());
  CHECK(checkpoint.config() == folder.path() / "config.json");
  CHECK(checkpoint.form() == ufb::config_form::config_json);
  CHECK(checkpoint.tokenizer() == folder.path() / "tokenizer.json");
  CHECK(checkpoint.tokenizer_config() == folder.path() / "tokenizer_config.json");
  CHECK(checkpoint.special_tokens_map() == folder.path() / "special_tokens_map.json");
  const auto weights = checkpoint.open_weights();
  CHECK(weights.find("w") != nullptr);
  CHECK(weights.name() == (folder.path() / "model.safetensors").string());
}

TEST_CASE("A folder of local training needs model_config.json only", "[checkpoint]") {
  const scratch_folder folder;
  folder.write("model_config.json", "{}");
  const auto checkpoint = ufb::checkpoint_folder::open(folder.path());
  CHECK(checkpoint.config() == folder.path() / "model_config.json");
  CHECK(checkpoint.form() == ufb::config_form::model_config_json);
  CHECK_FALSE(checkpoint.tokenizer());
  CHECK_FALSE(checkpoint.tokenizer_config());
  CHECK_FALSE(checkpoint.special_tokens_map());
}

TEST_CASE("What is no checkpoint folder is an io_error", "[checkpoint]") {
  const scratch_folder folder;
  const auto file = folder.write("file", "");
  CHECK(open_error(folder.path() / "absent")->details().reason == "No such file or directory");
  CHECK(open_error(file)->details().reason == "Not a directory");
  CHECK(open_error(file / "below")->code() == ufb::error_code::io_error);
  CHECK(open_error("")->code() == ufb::error_code::io_error);
  const auto problem = open_error(folder.path());
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::io_error);
  CHECK(problem->file() == folder.path().string());
  CHECK(problem->expected() == "config.json or model_config.json in the folder");
}

TEST_CASE("Names that the system cannot look up, and folders that it may not list, are an io_error", "[checkpoint]") {
  const scratch_folder folder;
  folder.write("config.json", "{}");
  const auto checkpoint = ufb::checkpoint_folder::open(folder.path());
  const auto name = error_of([&] { (void)checkpoint.find(std::string(5000, 'x')); });
  REQUIRE(name);
  CHECK(name->code() == ufb::error_code::io_error);
  CHECK(name->reason() == "File name too long");
  using std::filesystem::perms;
  std::filesystem::permissions(folder.path(), perms::owner_exec | perms::group_exec | perms::others_exec);
  const auto list = as_nobody([&] { (void)checkpoint.open_weights(); });
  std::filesystem::permissions(folder.path(), perms::owner_all);
  REQUIRE(list);
  CHECK(list->code() == ufb::error_code::io_error);
  CHECK(list->file() == folder.path().string());
  CHECK(list->reason() == "Permission denied");
}

TEST_CASE("Links as a download cache makes them are followed", "[checkpoint]") {
  const scratch_folder blobs;
  const scratch_folder folder;
  std::filesystem::create_symlink(blobs.write("c", "{}"), folder.path() / "config.json");
  std::filesystem::create_symlink(blobs.write("w", one_tensor<float>("w", "F32", {1.0F})),
                                  folder.path() / "model.safetensors");
  std::filesystem::create_symlink(folder.path(), blobs.path() / "snapshot");
  const auto checkpoint = ufb::checkpoint_folder::open(blobs.path() / "snapshot");
  CHECK(checkpoint.open_weights().size() == 1);
}

TEST_CASE("A dangling link is not silently replaced by another file", "[checkpoint]") {
  const scratch_folder folder;
  folder.write("model_config.json", "{}");
  std::filesystem::create_symlink("absent", folder.path() / "config.json");
  CHECK(ufb::checkpoint_folder::open(folder.path()).form() == ufb::config_form::config_json);
  folder.write("pytorch_model.bin", "");
  std::filesystem::create_symlink("absent", folder.path() / "model.safetensors");
  CHECK(weights_error(folder)->code() == ufb::error_code::io_error);
}

TEST_CASE("Pickled weights alone are unsupported, and the error says how to convert them", "[checkpoint]") {
  for (const std::string name :
       {"pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt", "last.pth", "a.ckpt"}) {
    const scratch_folder folder;
    folder.write("config.json", "{}");
    folder.write(name, "");
    folder.write("zzz.bin", "");
    const auto problem = weights_error(folder);
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::unsupported);
    CHECK(problem->file() == (folder.path() / name).string());
    CHECK(problem->expected() == "model.safetensors");
    CHECK_THAT(problem->what(), ContainsSubstring("save_pretrained(folder, safe_serialization=True)"));
  }
}

TEST_CASE("A folder without weights, or with broken ones, says so", "[checkpoint]") {
  const scratch_folder folder;
  folder.write("config.json", "{}");
  const auto problem = weights_error(folder);
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::io_error);
  CHECK(problem->expected() == "model.safetensors in the folder");
  folder.write("model.safetensors", "short");
  CHECK(weights_error(folder)->code() == ufb::error_code::truncated);
}

TEST_CASE("A folder in place of a known file is reported once, by its own path", "[checkpoint]") {
  for (const char* name : {"config.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json",
                           "special_tokens_map.json", "model.safetensors", "model.safetensors.index.json"}) {
    INFO(name);
    const scratch_folder folder;
    if (std::string(name) != "config.json") folder.write("config.json", "{}");
    std::filesystem::create_directory(folder.path() / name);
    const auto problem = weights_error(folder);
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::io_error);
    CHECK(problem->file() == (folder.path() / name).string());
    CHECK(problem->found() == "a folder");
    CHECK(problem->reason() == "Is a directory");
  }
}

TEST_CASE("Any other file of a folder is found by its name", "[checkpoint]") {
  const scratch_folder folder;
  folder.write("config.json", "{}");
  folder.write("modules.json", "[]");
  std::filesystem::create_directory(folder.path() / "1_Pooling");
  folder.write("1_Pooling/config.json", "{}");
  const auto checkpoint = ufb::checkpoint_folder::open(folder.path());
  CHECK(checkpoint.find("modules.json") == folder.path() / "modules.json");
  CHECK(checkpoint.find("1_Pooling/config.json") == folder.path() / "1_Pooling/config.json");
  CHECK_FALSE(checkpoint.find("2_Dense/config.json"));
  CHECK_FALSE(checkpoint.find("modules.json/x"));
  CHECK(code_of([&] { (void)checkpoint.find("1_Pooling"); }) == "io_error");
  const auto outside = error_of([&] { (void)checkpoint.find("../config.json"); });
  REQUIRE(outside);
  CHECK(outside->code() == ufb::error_code::bad_path);
  CHECK(outside->file() == folder.path().string());
  CHECK(outside->found() == "'../config.json'");
}
