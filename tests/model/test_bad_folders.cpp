// SPDX-License-Identifier: MIT
//
// Whole folders with one thing wrong: which file, which place in it, what was expected and what was there.
#include <sys/stat.h>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/model/tasks/masked_lm.hpp"

using namespace ultrafastbert;
using nlohmann::ordered_json;
using ufb_test::error_of;
using ufb_test::folder_copy;
using ufb_test::golden_model;

namespace {

constexpr const char* json_files[] = {"config.json", "special_tokens_map.json", "tokenizer.json"};

/// A model with text, so that every kind of file is there.
folder_copy whole_folder() { return folder_copy(golden_model("e2e_fff")); }

std::optional<error> load_error(const folder_copy& folder) {
  return error_of([&] { static_cast<void>(masked_lm<float>::load(folder.path())); });
}

void check(const folder_copy& folder, const char* file, error_code code) {
  INFO(file);
  const auto e = load_error(folder);
  REQUIRE(e);
  CHECK(name(e->code()) == name(code));
  CHECK(e->file() == (folder.path() / file).string());
}

}  // namespace

TEST_CASE("Files of a folder that are no regular files are an io_error, without waiting") {
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "special_tokens_map.json"}) {
    const folder_copy folder = whole_folder();
    std::filesystem::remove(folder.path() / file);
    REQUIRE(::mkfifo((folder.path() / file).c_str(), 0600) == 0);
    check(folder, file, error_code::io_error);
    CHECK(load_error(folder)->found() == "a FIFO, socket or device");
    std::filesystem::remove(folder.path() / file);
    std::filesystem::create_directory(folder.path() / file);
    check(folder, file, error_code::io_error);
    CHECK(load_error(folder)->details().reason == "Is a directory");
  }
}

TEST_CASE("JSON files over their limit, too deep or with a key twice are refused by name") {
  for (const char* file : json_files) {
    const folder_copy folder = whole_folder();
    folder.write(file, std::string(70, '['));
    check(folder, file, error_code::bad_json);
    CHECK(load_error(folder)->details().byte_offset == 64U);
    folder.write(file, R"({"arch": {"a": 1, "b": {"c": 2, "c": 3}}})");
    check(folder, file, error_code::duplicate_key);
    CHECK(load_error(folder)->where() == "$.arch.b");
    CHECK(load_error(folder)->found() == "'c' twice");
    folder.write(file, "[]");
    check(folder, file, error_code::bad_type);
    CHECK(load_error(folder)->where() == "$");
    CHECK(load_error(folder)->expected() == "an object");
    CHECK(load_error(folder)->found() == "an array");
  }
  for (const char* file : {"config.json", "special_tokens_map.json"}) {
    const folder_copy folder = whole_folder();
    folder.write(file, std::string((std::size_t{1} << 20U) + 1, ' '));
    check(folder, file, error_code::limit_exceeded);
    CHECK(load_error(folder)->expected() == "at most 1048576 bytes");
    CHECK(load_error(folder)->found() == "1048577 bytes");
  }
}

TEST_CASE("Checkpoints of another architecture are refused, those of another library with advice") {
  const folder_copy folder = whole_folder();
  folder.edit_json("config.json", [](ordered_json& config) { config["architectures"] = {"ScriptableMaskedLM"}; });
  check(folder, "config.json", error_code::unsupported);
  CHECK(load_error(folder)->where() == "$.architectures");
  CHECK(load_error(folder)->found() == "'ScriptableMaskedLM'");
  folder.edit_json("config.json", [](ordered_json& config) { config["model_type"] = "gpt2"; });
  check(folder, "config.json", error_code::unsupported);
  CHECK(load_error(folder)->where() == "$.model_type");
  CHECK_FALSE(load_error(folder)->details().reason.empty());
}

TEST_CASE("Weights of a type that is no weight are refused with the tensor's name") {
  const folder_copy folder(golden_model("mlm_fff_d4_p1"));
  folder.edit_header([](ordered_json& header) { header["encoder.layers.1.norm1.weight"]["dtype"] = "I32"; });
  check(folder, "model.safetensors", error_code::unsupported);
  CHECK(load_error(folder)->where() == "'encoder.layers.1.norm1.weight'");
  CHECK(load_error(folder)->found() == "I32");
}

TEST_CASE("A failed load leaves the models there are as they were") {
  const folder_copy folder = whole_folder();
  const auto model = masked_lm<float>::load(folder.path());
  auto workspace = model.make_workspace();
  const auto before = model.fill_mask("the <mask> .", {.top_k = 3}, workspace);
  folder.write("model.safetensors", "short");
  check(folder, "model.safetensors", error_code::truncated);
  const auto after = model.fill_mask("the <mask> .", {.top_k = 3}, workspace);
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i].logit == before[i].logit);
}

TEST_CASE("A workspace may go from one model to another") {
  const auto small = masked_lm<float, plain_backend>::load(golden_model("mlm_fff_f16"));
  const auto large = masked_lm<float, plain_backend>::load(golden_model("mlm_fff_d4_p1"));
  auto own = large.make_workspace();
  auto foreign = small.make_workspace();
  const std::vector<token_id> ids{1, 2, 3};
  static_cast<void>(small.encode({ids.data(), {1, 3}}, {}, foreign));
  const auto expected = large.encode({ids.data(), {1, 3}}, {}, own);
  const auto got = large.encode({ids.data(), {1, 3}}, {}, foreign);
  for (std::size_t s = 0; s < ids.size(); ++s) {
    for (std::size_t c = 0; c < large.hidden_size(); ++c) CHECK(got.view()(s, c) == expected.view()(s, c));
  }
}

TEST_CASE("A crammed model whose FFF layers have leaf networks is refused by the name of their class") {
  const folder_copy folder = whole_folder();
  folder.rename_tensors([](const std::string& name) {
    const std::size_t at = name.find("ffn.linear_in.weight");
    return at == std::string::npos ? name : name.substr(0, at) + "ffn.w1s";
  });
  const auto e = load_error(folder);
  REQUIRE(e);
  CHECK(e->code() == error_code::unsupported);
  CHECK(e->where() == "encoder.layers.0.ffn.w1s");
  CHECK(e->reason().find("leaf_feedforward") != std::string::npos);
}
