// SPDX-License-Identifier: MIT
//
// Weights in several files: one view over all shards, and every way in which an index and its shards can be wrong.
#include <sys/stat.h>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support.hpp"
#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"

using namespace ufb_test;

namespace {

using sizes = std::vector<std::size_t>;
using nlohmann::json;

constexpr const char* first_shard = "model-00001-of-00002.safetensors";
constexpr const char* second_shard = "model-00002-of-00002.safetensors";
constexpr const char* index_name = "model.safetensors.index.json";

/// A folder with the tensors a and b in two shards.
class sharded_folder : public scratch_folder {
 public:
  sharded_folder() {
    write("config.json", "{}");
    write(first_shard, one_tensor<float>("a", "F32", {1, 2, 3}));
    write(second_shard, one_tensor<float>("b", "F32", {4, 5}));
    write_map({{"a", first_shard}, {"b", second_shard}});
  }

  std::filesystem::path index() const { return path() / index_name; }
  void write_index(const std::string& text) const { write(index_name, text); }
  void write_map(const json& map) const { write_index(json{{"weight_map", map}}.dump()); }

  std::optional<ufb::error> error() const {
    return error_of([&] { (void)ufb::checkpoint_folder::open(path()).open_weights(); });
  }
};

void check_error(const sharded_folder& folder, const std::string& code, const std::string& where) {
  const auto problem = folder.error();
  REQUIRE(problem);
  CHECK(ufb::name(problem->code()) == code);
  CHECK(problem->file() == folder.index().string());
  CHECK(problem->where() == where);
  CHECK_FALSE(problem->expected().empty());
}

}  // namespace

TEST_CASE("Shards are one set of tensors", "[shards]") {
  const sharded_folder folder;
  folder.write_index(R"({"metadata": {"total_size": 20, "x": [1]}, "weight_map": {"b": ")" + std::string(second_shard) +
                     R"(", "a": ")" + first_shard + R"("}, "later": null})");
  const auto weights = ufb::checkpoint_folder::open(folder.path()).open_weights();
  CHECK(weights.name() == folder.index().string());
  CHECK(weights.files().size() == 2);
  CHECK(weights.size() == 2);
  REQUIRE(weights.find("b") != nullptr);
  CHECK(weights.find("b")->shape == std::vector<std::uint64_t>{2});
  CHECK(weights.find("c") == nullptr);

  const ufb::safetensors_source source(weights);
  CHECK(source.name() == folder.index().string());
  CHECK(names_of(source) == std::vector<std::string_view>{"b", "a"});
  CHECK(read<float>(source, "a", 0, 3) == std::vector<float>{1, 2, 3});
  CHECK(names_of(source, true) == std::vector<std::string_view>{"b"});
  CHECK(read<float>(source, "b", 0, 2) == std::vector<float>{4, 5});
  CHECK(names_of(source, true).empty());
  CHECK(shape_of(source, "a") == sizes{3});

  CHECK_FALSE(source.contains("c"));
  const auto outside = error_of([&] { (void)read<float>(source, "b", 0, 3); });
  REQUIRE(outside);
  CHECK(outside->file() == (folder.path() / second_shard).string());
}

TEST_CASE("A NaN in a shard is reported with that shard's name", "[shards]") {
  const sharded_folder folder;
  folder.write(second_shard, one_tensor<float>("b", "F32", {4, std::numeric_limits<float>::quiet_NaN()}));
  const auto weights = ufb::checkpoint_folder::open(folder.path()).open_weights();
  const auto problem = error_of([&] { (void)read<float>(ufb::safetensors_source(weights), "b", 0, 2); });
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::non_finite);
  CHECK(problem->file() == (folder.path() / second_shard).string());
  CHECK(problem->where() == "'b'");
}

TEST_CASE("The prefix of a wrapped model is dropped in every shard, also where some names carry none", "[shards]") {
  const sharded_folder folder;
  folder.write(first_shard, one_tensor<float>("module.a", "F32", {1}));
  folder.write_map({{"module.a", first_shard}, {"b", second_shard}});
  const auto mixed = ufb::checkpoint_folder::open(folder.path()).open_weights();
  CHECK(names_of(ufb::safetensors_source(mixed)) == std::vector<std::string_view>{"b", "a"});
  folder.write(second_shard, one_tensor<float>("module.b", "F32", {2}));
  folder.write_map({{"module.a", first_shard}, {"module.b", second_shard}});
  const auto wrapped = ufb::checkpoint_folder::open(folder.path()).open_weights();
  CHECK(names_of(ufb::safetensors_source(wrapped)) == std::vector<std::string_view>{"a", "b"});
}

TEST_CASE("A single file wins over an index, as in the published code", "[shards]") {
  const sharded_folder folder;
  folder.write_index("not even JSON");
  folder.write("model.safetensors", one_tensor<float>("c", "F32", {1}));
  const auto weights = ufb::checkpoint_folder::open(folder.path()).open_weights();
  CHECK(weights.name() == (folder.path() / "model.safetensors").string());
  CHECK(weights.find("c") != nullptr);
  CHECK(weights.find("a") == nullptr);
}

TEST_CASE("An index wins over pickled weights", "[shards]") {
  const sharded_folder folder;
  folder.write("pytorch_model.bin", "");
  CHECK_FALSE(folder.error());
}

TEST_CASE("Shards outside the folder are bad_path", "[shards]") {
  for (const std::string& name : {std::string("/etc/passwd"), std::string("../model.safetensors"), std::string(".."),
                                  std::string("."), std::string("a/b.safetensors"), std::string("a\\b.safetensors"),
                                  std::string("C:b.safetensors"), std::string(), std::string("./") + second_shard,
                                  std::string("a..b"), std::string("a\0b", 3), second_shard + std::string(1, '\0')}) {
    INFO(ufb::excerpt(name));
    const sharded_folder folder;
    folder.write_map({{"a", first_shard}, {"b", name}});
    check_error(folder, "bad_path", "$.weight_map.b");
    CHECK(folder.error()->found() == ufb::excerpt(name));
  }
}

TEST_CASE("A missing shard is an io_error that names the shard and the index", "[shards]") {
  const sharded_folder folder;
  std::filesystem::remove(folder.path() / second_shard);
  const auto problem = folder.error();
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::io_error);
  CHECK(problem->file() == (folder.path() / second_shard).string());
  CHECK(problem->details().reason == "No such file or directory");
  CHECK(problem->expected() == "the file that " + folder.index().string() + " names at $.weight_map.b");
}

TEST_CASE("A shard that is a folder or a FIFO is an io_error", "[shards]") {
  const sharded_folder folder;
  std::filesystem::remove(folder.path() / second_shard);
  REQUIRE(::mkfifo((folder.path() / second_shard).c_str(), 0600) == 0);
  CHECK_THAT(folder.error()->what(), ContainsSubstring("a regular file that"));
  std::filesystem::remove(folder.path() / second_shard);
  std::filesystem::create_directory(folder.path() / second_shard);
  CHECK(folder.error()->details().reason == "Is a directory");
}

TEST_CASE("A broken shard is reported as a broken file is", "[shards]") {
  const sharded_folder folder;
  folder.write(second_shard, "short");
  const auto problem = folder.error();
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::truncated);
  CHECK(problem->file() == (folder.path() / second_shard).string());
}

TEST_CASE("A tensor in two shards is a duplicate_key", "[shards]") {
  const sharded_folder folder;
  folder.write(second_shard, container(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                                       data_of<float>({1, 2})));
  check_error(folder, "duplicate_key", "$.weight_map.a");
  CHECK(folder.error()->found() == "'" + std::string(first_shard) + "' and '" + second_shard + "'");
}

TEST_CASE("Which of two shards comes first makes no difference", "[shards]") {
  const sharded_folder folder;
  const std::string both = container(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                     R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                                     data_of<float>({1, 2}));
  folder.write(first_shard, both);
  check_error(folder, "duplicate_key", "$.weight_map.b");
  folder.write(second_shard, one_tensor<float>("c", "F32", {1}));
  const auto problem = folder.error();
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::missing_tensor);
  CHECK(problem->file() == (folder.path() / second_shard).string());
  CHECK(problem->where() == "'b'");
}

TEST_CASE("A tensor that its shard lacks is a missing_tensor", "[shards]") {
  const sharded_folder folder;
  folder.write_map({{"a", first_shard}, {"b", first_shard}});
  const auto problem = folder.error();
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::missing_tensor);
  CHECK(problem->file() == (folder.path() / first_shard).string());
  CHECK(problem->where() == "'b'");
  CHECK_THAT(problem->expected(), ContainsSubstring(index_name));
}

TEST_CASE("A tensor that the index leaves out is a missing_key", "[shards]") {
  const sharded_folder folder;
  folder.write(second_shard, container(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                       R"("c.d":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                                       data_of<float>({1, 2})));
  check_error(folder, "missing_key", "$.weight_map['c.d']");
}

TEST_CASE("What is wrong inside an index is named by its JSON path", "[shards]") {
  struct wrong_index {
    const char* text;
    const char* code;
    const char* where;
  };
  const wrong_index cases[] = {
      {"{}", "missing_key", "$.weight_map"},
      {R"({"weight_map": {}})", "bad_value", "$.weight_map"},
      {R"({"weight_map": null})", "bad_type", "$.weight_map"},
      {R"({"weight_map": ["a"]})", "bad_type", "$.weight_map"},
      {R"({"weight_map": {"a": 1}})", "bad_type", "$.weight_map.a"},
      {R"({"weight_map": {"a": null}})", "bad_type", "$.weight_map.a"},
      {R"({"weight_map": {"a": ["s"]}})", "bad_type", "$.weight_map.a"},
      {R"({"weight_map": {"a": "s", "b": "s", "a": "s"}})", "duplicate_key", "$.weight_map"},
      {R"({"weight_map": {"a": "s"}, "weight_map": {"b": "s"}})", "duplicate_key", "$"},
      {R"({"metadata": 3, "weight_map": {"a": "s"}})", "bad_type", "$.metadata"},
      {R"({"metadata": null, "weight_map": {"a": "s"}})", "bad_type", "$.metadata"},
      {R"({"metadata": {"x": {"y": 1, "y": 2}}, "weight_map": {"a": "s"}})", "duplicate_key", "$.metadata.x"},
  };
  for (const wrong_index& wrong : cases) {
    INFO(wrong.text);
    const sharded_folder folder;
    folder.write_index(wrong.text);
    const auto problem = folder.error();
    REQUIRE(problem);
    CHECK(ufb::name(problem->code()) == wrong.code);
    CHECK(problem->file() == folder.index().string());
    CHECK(problem->where() == wrong.where);
  }
  for (const char* text : {"", "[", "[]", "3", "{\"weight_map\": {\"a\": \"\xff\"}}", "{} {}"}) {
    INFO(text);
    const sharded_folder folder;
    folder.write_index(text);
    const auto problem = folder.error();
    REQUIRE(problem);
    CHECK(problem->file() == folder.index().string());
    CHECK((problem->code() == ufb::error_code::bad_json || problem->code() == ufb::error_code::bad_type));
  }
}

TEST_CASE("An index is bounded in bytes, tensors, names and files", "[shards]") {
  const sharded_folder folder;
  folder.write_index(std::string((std::size_t{1} << 20U) + 1, ' '));
  CHECK(folder.error()->code() == ufb::error_code::limit_exceeded);
  const auto code = [&](const ufb::safetensors_limits& limits) {
    return code_of([&] { (void)ufb::checkpoint_folder::open(folder.path()).open_weights(limits); });
  };
  folder.write_map({{"a", first_shard}, {"b", second_shard}});
  CHECK(code({.tensors = 2, .name_bytes = 12, .shards = 2}) == "none");
  CHECK(code({.shards = 1}) == "limit_exceeded");
  CHECK(code({.tensors = 1}) == "limit_exceeded");
  folder.write_map({{"a", first_shard}, {"b", second_shard}, {std::string(1025, 'x'), second_shard}});
  CHECK(code({}) == "limit_exceeded");
}

TEST_CASE("Weights that were moved from have no files, and those that are assigned to themselves keep them",
          "[shards]") {
  const sharded_folder folder;
  auto from = ufb::checkpoint_folder::open(folder.path()).open_weights();
  auto to = ufb::weight_files::open(folder.path() / first_shard);
  to = std::move(from);
  CHECK(from.size() == 0);  // NOLINT(bugprone-use-after-move): what is left behind is documented
  CHECK(from.files().empty());
  CHECK(from.name().empty());
  auto& same = to;
  to = std::move(same);
  CHECK(to.size() == 2);
  CHECK(to.name() == folder.index().string());
  CHECK(to.find("b") != nullptr);
}

TEST_CASE("A Git LFS pointer in place of an index or a shard is reported as what it is", "[shards]") {
  const sharded_folder folder;
  folder.write(second_shard, lfs_pointer(100));
  const auto shard = folder.error();
  REQUIRE(shard);
  CHECK(shard->code() == ufb::error_code::io_error);
  CHECK(shard->file() == (folder.path() / second_shard).string());
  CHECK(shard->found() == "a Git LFS pointer to it");
  CHECK_THAT(shard->expected(), ContainsSubstring(folder.index().string()));
  folder.write_index(lfs_pointer(100));
  const auto index = folder.error();
  REQUIRE(index);
  CHECK(index->file() == folder.index().string());
  CHECK(index->found() == "a Git LFS pointer to it");
}
