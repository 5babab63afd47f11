// SPDX-License-Identifier: MIT
//
// Folders that would make loading slow or large: whatever stands in place of a file, and whatever sizes a file claims,
// loading ends with a typed error or a model, and takes at most 64 MiB and four times the file.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/support.hpp"
#include "support/memory_peak.hpp"
#include "ultrafastbert/model/tasks/masked_lm.hpp"
#include "ultrafastbert/model/tasks/sequence_classifier.hpp"

namespace {

using nlohmann::ordered_json;
using ufb_test::error_of;
using ufb_test::folder_copy;
using ufb_test::golden_model;
using ultrafastbert::error;
using ultrafastbert::error_code;
using ultrafastbert::masked_lm;

constexpr std::size_t most_memory = std::size_t{64} << 20U;

/// The error of loading a folder, whose memory is bounded by `file_bytes`, the size of what was put into it.
std::optional<error> guarded_error(const folder_copy& folder, std::size_t file_bytes = 0) {
  std::optional<error> out;
  const std::size_t peak = ufb_test::memory_peak_of(
      [&] { out = error_of([&] { static_cast<void>(masked_lm<float>::load(folder.path())); }); });
  if (ufb_test::memory_is_measured()) CHECK(peak <= most_memory + 4 * file_bytes);
  return out;
}

void check_code(const std::optional<error>& found, error_code code) {
  REQUIRE(found);
  CHECK(name(found->code()) == name(code));
}

std::string container(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string out(reinterpret_cast<const char*>(&length), sizeof length);
  return out.append(header).append(data_bytes, '\0');
}

}  // namespace

TEST_CASE("Devices and loops of links in place of files are an io_error") {
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
    INFO(file);
    const folder_copy folder(golden_model("e2e_fff"));
    std::filesystem::remove(folder.path() / file);
    std::filesystem::create_symlink("/dev/zero", folder.path() / file);
    check_code(guarded_error(folder), error_code::io_error);
    std::filesystem::remove(folder.path() / file);
    std::filesystem::create_symlink(file, folder.path() / file);
    check_code(guarded_error(folder), error_code::io_error);
  }
}

TEST_CASE("The links of a download cache load") {
  const folder_copy cache(golden_model("e2e_fff"));
  const auto blobs = cache.path() / "blobs";
  const auto snapshot = cache.path() / "snapshots" / "0123abcd";
  std::filesystem::create_directories(blobs);
  std::filesystem::create_directories(snapshot);
  std::size_t number = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden_model("e2e_fff"))) {
    const std::string blob = "blob" + std::to_string(number++);
    std::filesystem::copy_file(entry.path(), blobs / blob);
    std::filesystem::create_symlink(std::filesystem::path("../../blobs") / blob, snapshot / entry.path().filename());
  }
  const auto linked = masked_lm<float>::load(snapshot);
  const auto plain = masked_lm<float>::load(golden_model("e2e_fff"));
  CHECK(linked.hidden_size() == plain.hidden_size());
  auto workspace = plain.make_workspace();
  const auto expected = plain.fill_mask("the <mask> .", {.top_k = 1}, workspace);
  CHECK(linked.fill_mask("the <mask> .", {.top_k = 1}, workspace).front().token == expected.front().token);
}

TEST_CASE("Files that are cut anywhere are refused") {
  const folder_copy folder(golden_model("e2e_fff"));
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
    INFO(file);
    const std::string whole = ufb_test::text_of(folder.path() / file);
    for (const std::size_t parts : {0U, 1U, 3U, 7U}) {
      folder.write(file, whole.substr(0, whole.size() * parts / 8));
      REQUIRE(guarded_error(folder, whole.size()));
    }
    folder.write(file, whole.substr(0, whole.find_last_not_of(" \n\r")));
    REQUIRE(guarded_error(folder, whole.size()));
    folder.write(file, whole);
  }
  CHECK_FALSE(guarded_error(folder, 4U << 20U));
}

TEST_CASE("A sparse file of a terabyte is refused by its size") {
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
    INFO(file);
    const folder_copy folder(golden_model("e2e_fff"));
    if (::truncate((folder.path() / file).c_str(), std::int64_t{1} << 40U) != 0) continue;  // no room for such files
    const auto found = guarded_error(folder);
    REQUIRE(found);
    CHECK(found->file() == (folder.path() / file).string());
  }
}

TEST_CASE("A claim of a long header over zeros costs no memory") {
  const folder_copy folder(golden_model("e2e_fff"));
  const std::uint64_t claim = 99'999'999;
  folder.write("model.safetensors", std::string(reinterpret_cast<const char*>(&claim), sizeof claim));
  if (::truncate((folder.path() / "model.safetensors").c_str(), std::int64_t{1} << 30U) != 0) return;
  check_code(guarded_error(folder), error_code::bad_json);
}

TEST_CASE("Weights that change while they are read are read as they were opened, or refused") {
  const std::string whole = ufb_test::text_of(golden_model("e2e_fff") / "model.safetensors");
  const auto plain = masked_lm<float>::load(golden_model("e2e_fff"));
  auto workspace = plain.make_workspace();
  const auto logit_of = [&](const masked_lm<float>& model) {
    return model.fill_mask("the <mask> .", {.top_k = 1}, workspace).front().logit;
  };
  const double expected = logit_of(plain);
  // Loads a folder, in which `change` happens to the weights once the n-th report has come.
  const auto load_with = [&](std::size_t n, const std::function<void(const folder_copy&)>& change) {
    const folder_copy folder(golden_model("e2e_fff"));
    std::optional<double> logit;
    std::size_t reports = 0;
    auto problem = error_of([&] {
      logit = logit_of(masked_lm<float>::load(folder.path(), {.progress = [&](std::size_t, std::size_t) {
                                                if (++reports == n) change(folder);
                                                return true;
                                              }}));
    });
    CHECK(reports >= n);
    CHECK(problem.has_value() != logit.has_value());
    return std::pair(std::move(problem), logit);
  };
  for (const std::size_t n : {1U, 2U, 7U}) {
    INFO("after report " << n);
    const auto replaced = load_with(n, [&](const folder_copy& folder) {
      folder.write("other", "of another kind");
      std::filesystem::rename(folder.path() / "other", folder.path() / "model.safetensors");
    });
    CHECK(replaced.second == expected);
    const auto removed =
        load_with(n, [&](const folder_copy& folder) { std::filesystem::remove(folder.path() / "model.safetensors"); });
    CHECK(removed.second == expected);
    const auto grown = load_with(n, [&](const folder_copy& folder) {
      std::filesystem::resize_file(folder.path() / "model.safetensors", whole.size() + 4096);
    });
    CHECK(grown.second == expected);
    const auto cut = load_with(
        n, [&](const folder_copy& folder) { std::filesystem::resize_file(folder.path() / "model.safetensors", 64); });
    check_code(cut.first, error_code::truncated);
    const auto overwritten = load_with(n, [&](const folder_copy& folder) {
      folder.write("model.safetensors", std::string(whole.size(), '\xff'));  // floats that are NaN
    });
    check_code(overwritten.first, error_code::non_finite);
  }
}

TEST_CASE("Headers that claim much are refused, and those that hold much are read in bounds") {
  const folder_copy folder(golden_model("e2e_fff"));
  for (const std::uint64_t claim : {std::uint64_t{4} << 30U, (std::uint64_t{1} << 63U) - 1, ~std::uint64_t{0}}) {
    folder.write("model.safetensors", std::string(reinterpret_cast<const char*>(&claim), sizeof claim) + "{}      ");
    check_code(guarded_error(folder), error_code::bad_header_length);
  }
  const auto many = [](std::size_t count) {
    std::string header = "{";
    for (std::size_t i = 0; i < count; ++i) {
      header.append(i == 0 ? "\"" : ",\"").append("encoder.layers.").append(std::to_string(i));
      header.append(R"(.norm1.weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})");
    }
    return container(header.append("}"), 0);
  };
  const std::string at_limit = many(100'000);
  folder.write("model.safetensors", at_limit);
  check_code(guarded_error(folder, at_limit.size()), error_code::missing_tensor);
  folder.write("model.safetensors", many(100'001));
  check_code(guarded_error(folder, at_limit.size()), error_code::limit_exceeded);
}

TEST_CASE("A configuration of huge sizes beside small weights is refused before memory is set aside") {
  const folder_copy folder(golden_model("e2e_fff"));
  const std::string config = ufb_test::text_of(folder.path() / "config.json");
  const auto check_arch = [&](const std::function<void(ordered_json&)>& change) {
    folder.write("config.json", config);
    folder.edit_json("config.json", [&](ordered_json& d) { change(d["arch"]); });
    REQUIRE(guarded_error(folder, 4U << 20U));
  };
  for (const std::uint64_t layers : {std::uint64_t{4096}, std::uint64_t{1'000'000'000}, std::uint64_t{1} << 62U}) {
    check_arch([&](ordered_json& arch) { arch["num_transformer_layers"] = layers; });
  }
  for (const char* positions : {"scaled-sinusoidal", "sinusoidal", "learned"}) {
    INFO(positions);
    check_arch([&](ordered_json& arch) {
      arch["hidden_size"] = 1U << 20U;
      arch["embedding"]["embedding_dim"] = 1U << 20U;
      arch["embedding"]["max_seq_length"] = 16'384;
      arch["embedding"]["pos_embedding"] = positions;
    });
    check_arch([&](ordered_json& arch) {
      arch["embedding"]["max_seq_length"] = 1'000'000'000;
      arch["embedding"]["pos_embedding"] = positions;
    });
  }
  for (const ordered_json& rotary : {ordered_json(true), ordered_json("llama"), ordered_json("sanity")}) {
    INFO(rotary);
    check_arch([&](ordered_json& arch) {
      arch["hidden_size"] = 1U << 20U;
      arch["embedding"]["embedding_dim"] = 1U << 20U;
      arch["embedding"]["max_seq_length"] = 1024;
      arch["embedding"]["pos_embedding"] = nullptr;
      arch["attention"]["num_attention_heads"] = 1;
      arch["attention"]["rotary_embedding"] = rotary;
    });
    check_arch([&](ordered_json& arch) {
      arch["num_transformer_layers"] = 4096;
      arch["embedding"]["max_seq_length"] = 1024;
      arch["attention"]["rotary_embedding"] = rotary;
    });
  }
  check_arch([](ordered_json& arch) { arch["embedding"]["vocab_size"] = 1'000'000'000; });
  check_arch([](ordered_json& arch) { arch["intermed_depth"] = 30; });
  check_arch([](ordered_json& arch) { arch["intermed_size"] = 1U << 24U; });
}

TEST_CASE("Many positions that need no weights take the memory of their table only") {
  const folder_copy folder(golden_model("e2e_fff"));
  folder.edit_json("config.json", [](ordered_json& d) { d["arch"]["embedding"]["max_seq_length"] = 16'384; });
  CHECK_FALSE(guarded_error(folder, 4U << 20U));
}

TEST_CASE("Tens of thousands of labels for a few classes are refused") {
  const folder_copy folder(golden_model("bert_seq_3"));
  folder.edit_json("config.json", [](ordered_json& d) {
    d["id2label"] = ordered_json::object();
    for (int i = 0; i < 40'000; ++i) d["id2label"].push_back({std::to_string(i), "x"});
  });
  const auto found =
      error_of([&] { static_cast<void>(ultrafastbert::sequence_classifier<float>::load(folder.path())); });
  check_code(found, error_code::bad_value);
  CHECK(found->where() == "$.id2label");
}

TEST_CASE("A classifier's head of many rows and no columns claims no labels") {
  const folder_copy folder(golden_model("bert_seq_3"));
  folder.edit_json("config.json", [](ordered_json& d) {
    d.erase("id2label");
    d.erase("num_labels");
  });
  folder.edit_header([](ordered_json& header) {
    header["spare"] = ordered_json(header["classifier.weight"]);  // its data stay where they are
    header["classifier.weight"] = {{"dtype", "F32"}, {"shape", {std::uint64_t{1} << 40U, 0}}, {"data_offsets", {0, 0}}};
  });
  std::optional<error> found;
  const std::size_t peak = ufb_test::memory_peak_of([&] {
    found = error_of([&] { static_cast<void>(ultrafastbert::sequence_classifier<float>::load(folder.path())); });
  });
  check_code(found, error_code::missing_tensor);
  if (ufb_test::memory_is_measured()) CHECK(peak <= most_memory);
}
