// SPDX-License-Identifier: MIT
//
// What became of a checkpoint's tensors: the report, strict loading, and misspelled names.
#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/support.hpp"
#include "ultrafastbert/core/nearest_name.hpp"
#include "ultrafastbert/model/tasks/masked_lm.hpp"

using namespace ultrafastbert;
using nlohmann::ordered_json;
using ufb_test::error_of;
using ufb_test::folder_copy;
using ufb_test::golden_model;

namespace {

constexpr const char* word_name = "encoder.embedding.word_embedding.weight";

/// Splits the container of a folder into shards of one tensor each.
void split(const folder_copy& folder) {
  const std::string bytes = ufb_test::text_of(folder.path() / "model.safetensors");
  std::uint64_t length = 0;
  bytes.copy(reinterpret_cast<char*>(&length), sizeof length);
  const auto header = ordered_json::parse(bytes.substr(8, length));
  ordered_json map = ordered_json::object();
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const auto begin = entry.at("data_offsets").at(0).get<std::size_t>();
    const auto end = entry.at("data_offsets").at(1).get<std::size_t>();
    ordered_json own = {{name, entry}};
    own[name]["data_offsets"] = {0, end - begin};
    const std::string text = own.dump();
    const std::uint64_t own_length = text.size();
    const std::string shard = "model-" + std::to_string(map.size() + 1) + ".safetensors";
    folder.write(shard, std::string(reinterpret_cast<const char*>(&own_length), sizeof own_length) + text +
                            bytes.substr(8 + length + begin, end - begin));
    map[name] = shard;
  }
  folder.write("model.safetensors.index.json",
               ordered_json{{"metadata", ordered_json::object()}, {"weight_map", map}}.dump());
  std::filesystem::remove(folder.path() / "model.safetensors");
}

void add_tensor(const folder_copy& folder, const std::string& name) { folder.add_tensor(name, {2}, {0.0F, 0.0F}); }

std::vector<std::string> names_of(const std::vector<reported_tensor>& tensors) {
  std::vector<std::string> names;
  for (const reported_tensor& tensor : tensors) names.push_back(tensor.name);
  return names;
}

std::optional<error> load_error(const folder_copy& folder, const load_options& options = {}) {
  return error_of([&] { static_cast<void>(masked_lm<float>::load(folder.path(), options)); });
}

std::vector<float> states_of(const std::filesystem::path& folder) {
  const auto model = masked_lm<float>::load(folder);
  auto workspace = model.make_workspace();
  const std::vector<token_id> ids{1, 2, 3, 4};
  const auto states = model.encode({ids.data(), {1, 4}}, {}, workspace);
  std::vector<float> out;
  for (std::size_t s = 0; s < states.rows(); ++s) {
    out.insert(out.end(), states.view().row(s), states.view().row(s) + model.hidden_size());
  }
  return out;
}

}  // namespace

TEST_CASE("A folder of shards is the same model as one file") {
  const folder_copy folder(golden_model("mlm_fff_d4_p1"));
  split(folder);
  CHECK(states_of(folder.path()) == states_of(golden_model("mlm_fff_d4_p1")));
  load_report report;
  static_cast<void>(masked_lm<float>::load(folder.path(), {.strict = true, .report = &report}));
  REQUIRE_FALSE(report.used.empty());
  CHECK(report.used.front().file == (folder.path() / "model-1.safetensors").string());
}

TEST_CASE("Blank and repeated lines of a vocabulary are in the report") {
  const folder_copy folder(golden_model("bert_mlm"));
  std::filesystem::remove(folder.path() / "tokenizer.json");
  folder.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\ncat\nsat\ncat\n\n");
  load_report report;
  static_cast<void>(masked_lm<float>::load(folder.path(), {.report = &report}));
  CHECK(report.vocabulary.blank.count == 2);
  REQUIRE(report.vocabulary.blank.first.size() == 2);
  CHECK(report.vocabulary.blank.first[0].id == 5);
  CHECK(report.vocabulary.repeated.count == 1);
  CHECK(report.vocabulary.repeated.first[0] == unreachable_entry{.id = 6, .token = "cat"});
}

TEST_CASE("Every tensor of a checkpoint is reported once") {
  const folder_copy folder(golden_model("mlm_fff_d4_p1"));
  add_tensor(folder, "pooler.extra");
  load_report report;
  static_cast<void>(masked_lm<float>::load(folder.path(), {.report = &report}));
  CHECK(names_of(report.redundant) == std::vector<std::string>{word_name});
  REQUIRE(report.unused.size() == 1);
  CHECK(report.unused[0].name == "pooler.extra");
  CHECK(report.unused[0].type == dtype::f32);
  CHECK(report.unused[0].shape == std::vector<std::uint64_t>{2});
  CHECK(report.unused[0].file == (folder.path() / "model.safetensors").string());
  const auto used = names_of(report.used);
  CHECK(std::count(used.begin(), used.end(), "decoder.weight") == 1);
  CHECK(std::count(used.begin(), used.end(), "encoder.layers.2.ffn.linear_in.bias") == 1);
  const auto file = safetensors::open(folder.path() / "model.safetensors");
  CHECK(report.used.size() + report.redundant.size() + report.unused.size() == file.tensors().size());
}

TEST_CASE("Unused tensors are an error under strict, with all their names") {
  const folder_copy folder(golden_model("mlm_fff_d4_p1"));
  CHECK_FALSE(load_error(folder, {.strict = true}));
  add_tensor(folder, "pooler.extra");
  add_tensor(folder, "b\n");
  CHECK_FALSE(load_error(folder));
  load_report report;
  report.used.resize(7);
  const auto e = load_error(folder, {.strict = true, .report = &report});
  REQUIRE(e);
  CHECK(name(e->code()) == "unused_tensor");
  CHECK(e->file() == (folder.path() / "model.safetensors").string());
  const auto tensors = safetensors::open(folder.path() / "model.safetensors").tensors().size();
  CHECK(e->where() == "2 of " + std::to_string(tensors) + " tensors");
  CHECK(e->found() == R"('pooler.extra' [2]; 'b\x0a' [2])");
  CHECK(report.used.size() == 7);  // a failed load leaves it alone
}

TEST_CASE("Tied copies and buffers that the configuration determines are no unused tensors") {
  const folder_copy folder(golden_model("mlm_fff_d4_p1"));
  const char* const buffers[] = {
      "encoder.embedding.pos_embedding.position_ids", "encoder.layers.0.attn.self_attention.rotary_emb.inv_freq",
      "encoder.layers.0.attn.self_attention.rotary_emb.freqs_cis", "encoder.layers.9.attn.self_attention.norm_factor"};
  for (const char* buffer : buffers) add_tensor(folder, buffer);
  load_report report;
  static_cast<void>(masked_lm<float>::load(folder.path(), {.strict = true, .report = &report}));
  CHECK(report.unused.empty());
  CHECK(report.redundant.size() == 5);
}

TEST_CASE("A missing tensor is reported with the most similar name that nothing else needs") {
  const folder_copy folder(golden_model("mlm_fff_d4_p1"));
  folder.edit_header([](ordered_json& header) {
    for (const auto& [from, to] : {std::pair{"encoder.layers.0.attn.dense.weight", "encoder.layers.0.atn.dense.weight"},
                                   std::pair{"encoder.layers.1.norm2.bias", "encoder.layers.1.norm2.beta"},
                                   std::pair{"encoder.final_norm.weight", "something.else"}}) {
      header[to] = header[from];
      header.erase(from);
    }
  });
  const auto e = load_error(folder);
  REQUIRE(e);
  CHECK(name(e->code()) == "missing_tensor");
  CHECK(e->file() == (folder.path() / "model.safetensors").string());
  CHECK(e->where().substr(0, 5) == "3 of ");
  CHECK(e->expected() == "every tensor that the configuration calls for");
  const auto says = [&](std::string_view text) { return e->found().find(text) != std::string::npos; };
  CHECK(
      says("encoder.layers.0.attn.dense.weight (64, 64) is missing, but there is 'encoder.layers.0.atn.dense.weight' "
           "(64, 64)"));
  CHECK(says("encoder.layers.1.norm2.bias (64) is missing, but there is 'encoder.layers.1.norm2.beta' (64)"));
  CHECK(says("encoder.final_norm.weight (64) is missing"));
  CHECK_FALSE(says("something.else"));
}

TEST_CASE("Long lists of missing tensors are cut") {
  const folder_copy folder(golden_model("mlm_fff_d4_p1"));
  folder.edit_json("config.json", [](ordered_json& config) { config["arch"]["num_transformer_layers"] = 40; });
  const auto e = load_error(folder);
  REQUIRE(e);
  CHECK(name(e->code()) == "missing_tensor");
  CHECK(e->found().find(" more") != std::string::npos);
  CHECK(e->found().size() < 4000);
}

TEST_CASE("Edit distances count insertions, deletions and substitutions up to their limit") {
  const auto distance = [](std::string_view a, std::string_view b, std::size_t limit) {
    std::size_t cells = 0;
    return core::edit_distance(a, b, limit, cells);
  };
  CHECK(distance("", "", 1) == 0);
  CHECK(distance("abc", "abc", 9) == 0);
  CHECK(distance("kitten", "sitting", 9) == 3);
  CHECK(distance("", "abc", 9) == 3);
  CHECK(distance("abc", "", 9) == 3);
  CHECK(distance("atn", "attn", 9) == 1);
  CHECK(distance("kitten", "sitting", 3) == 3);
  CHECK(distance("kitten", "sitting", 2) == 2);
  CHECK(distance("a", "bbbbbb", 2) == 2);
}

TEST_CASE("The search for similar names gives up on lists that are too long") {
  const std::string other(1000, 'x');
  const std::string wanted = std::string(999, 'x') + 'y';
  std::vector<std::string_view> candidates(100'000, other);
  core::nearest_name_search search(candidates);
  CHECK(search.find(wanted) == other);
  CHECK(search.find(wanted).empty());  // the bound holds for all searches together
  const std::vector<std::string_view> few{"abcdef", "abcdeg", "abc"};
  CHECK(core::nearest_name_search(few).find("abcdex") == "abcdef");
  CHECK(core::nearest_name_search(few).find("zzz").empty());
  CHECK(core::nearest_name_search({}).find("a").empty());
}
