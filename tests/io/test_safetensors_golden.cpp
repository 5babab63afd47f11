// SPDX-License-Identifier: MIT
//
// The recorded containers: valid ones with their values, invalid ones with their codes, each from file and from memory.
#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "support.hpp"
#include "ultrafastbert/io/json_document.hpp"

using namespace ufb_test;

namespace {

const std::filesystem::path golden = UFB_TEST_DATA_DIR;

std::string file_bytes(const std::filesystem::path& path) { return ufb::read_text_file(path, std::size_t{64} << 20U); }

/// The index, without the infinities that its Python writer spelled outside of JSON's grammar.
std::string index_text() {
  const std::string infinity = ": Infinity";
  std::string text = file_bytes(golden / "index.json");
  for (auto at = text.find(infinity); at != std::string::npos; at = text.find(infinity)) {
    text.replace(at, infinity.size(), ": null");
  }
  return text;
}

std::vector<double> read_values(const ufb::safetensors& file, const ufb::tensor_entry& entry) {
  const auto count = static_cast<std::size_t>(ufb::element_count(entry));
  std::vector<double> out(count);
  if (ufb::io::is_decodable<double>(entry.type)) {
    file.read<double>(entry, 0, out);
  } else {
    std::vector<std::int64_t> integers(count);
    file.read<std::int64_t>(entry, 0, integers);
    std::copy(integers.begin(), integers.end(), out.begin());
  }
  return out;
}

void check_values(const ufb::safetensors& file, const ufb::json_value& expected) {
  CHECK(file.tensors().size() == expected.members().size());
  for (const auto& [name, tensor] : expected.members()) {
    INFO(name);
    const auto* entry = file.find(name);
    REQUIRE(entry != nullptr);
    std::vector<std::uint64_t> shape;
    for (const auto& size : tensor.at("shape").elements()) shape.push_back(size.as_unsigned());
    CHECK(entry->shape == shape);
    std::vector<double> values;
    for (const auto& value : tensor.at("values").elements()) values.push_back(value.as_number());
    CHECK(read_values(file, *entry) == values);
  }
}

void check_equal(const ufb::safetensors& a, const ufb::safetensors& b) {
  REQUIRE(a.tensors().size() == b.tensors().size());
  CHECK(std::equal(a.metadata().begin(), a.metadata().end(), b.metadata().begin(), b.metadata().end()));
  for (std::size_t i = 0; i < a.tensors().size(); ++i) {
    const auto& left = a.tensors()[i];
    const auto& right = b.tensors()[i];
    CHECK(left.name == right.name);
    CHECK(left.type == right.type);
    CHECK(left.shape == right.shape);
    CHECK(left.begin == right.begin);
    CHECK(left.end == right.end);
    std::vector<std::byte> left_bytes(static_cast<std::size_t>(left.end - left.begin));
    std::vector<std::byte> right_bytes(left_bytes.size());
    a.read_bytes(left, 0, left_bytes);
    b.read_bytes(right, 0, right_bytes);
    CHECK(left_bytes == right_bytes);
  }
}

const std::map<std::string, std::string> codes = {
    {"bad_empty_file", "truncated"},
    {"bad_short", "truncated"},
    {"bad_header_beyond_file", "truncated"},
    {"bad_header_huge", "bad_header_length"},
    {"bad_json", "bad_json"},
    {"bad_not_object", "bad_json"},
    {"bad_size", "bad_offsets"},
    {"bad_out_of_range", "truncated"},
    {"bad_hole", "bad_offsets"},
    {"bad_overlap", "bad_offsets"},
    {"bad_reversed", "bad_offsets"},
    {"bad_dtype", "unknown_dtype"},
    {"bad_trailing", "trailing_bytes"},
};

}  // namespace

TEST_CASE("Recorded containers give their values or their errors, from file and from memory", "[safetensors][golden]") {
  const auto index = ufb::json_document::parse(index_text(), "index.json", {.max_values = 10'000'000});
  std::size_t checked = 0;
  for (const auto& entry : index.root().at("cases").elements()) {
    if (entry.at("group").as_string() != "container") continue;
    const std::string id = entry.at("id").as_string();
    INFO(id);
    const auto path = golden / entry.at("file").as_string();
    const std::string block = file_bytes(path);
    const auto valid = entry.at("valid");
    ++checked;
    if (valid.is_boolean() && valid.as_boolean()) {
      const auto file = ufb::safetensors::open(path);
      const auto memory = ufb::safetensors::from_memory(bytes_of(block), id);
      CHECK(file.name() == path.string());
      CHECK(memory.name() == id);
      check_values(file, entry.at("tensors"));
      check_values(memory, entry.at("tensors"));
      check_equal(file, memory);
      continue;
    }
    const auto from_file = error_of([&] { (void)ufb::safetensors::open(path); });
    const auto from_memory = error_of([&] { (void)ufb::safetensors::from_memory(bytes_of(block), path.string()); });
    CHECK(from_file.has_value() == from_memory.has_value());
    if (from_file && from_memory) CHECK(std::string(from_file->what()) == from_memory->what());
    if (!valid.is_boolean()) continue;  // either answer is right
    REQUIRE(from_file);
    CHECK(from_file->file() == path.string());
    if (const auto code = codes.find(id); code != codes.end()) CHECK(ufb::name(from_file->code()) == code->second);
  }
  CHECK(checked >= codes.size());
}

TEST_CASE("Metadata is decoded as JSON text", "[safetensors][golden]") {
  const auto file = ufb::safetensors::open(golden / "container/ok_metadata_unicode.safetensors");
  REQUIRE(file.metadata().size() == 2);
  CHECK(file.metadata()[0] == std::pair<std::string, std::string>("format", "pt"));
  CHECK(file.metadata()[1] == std::pair<std::string, std::string>("n\xc3\xb6te", "\xc3\xa9 \"q\" \\ \n \xe4\xb8\xad"));
}

TEST_CASE("A moved container keeps reading, whatever it was opened from", "[safetensors]") {
  const std::string block = one_tensor<float>("a", "F32", {1.5F});
  auto memory = parse(block);
  auto file = ufb::safetensors::open(golden / "container/ok_key_order.safetensors");
  const auto* entry = file.find("b");
  std::swap(memory, file);
  float value = 0;
  memory.read<float>(*entry, 0, std::span(&value, 1));
  CHECK(value == 2.0F);
  file.read<float>(*file.find("a"), 0, std::span(&value, 1));
  CHECK(value == 1.5F);
  CHECK(file.name() == "block");
}

TEST_CASE("A container that was moved from has no tensors, and one that is assigned to itself keeps them",
          "[safetensors]") {
  const std::string block = one_tensor<float>("a", "F32", {1.5F});
  auto from = parse(block);
  const ufb::tensor_entry entry = from.tensors()[0];
  auto to = ufb::safetensors::open(golden / "container/ok_metadata_unicode.safetensors");
  to = std::move(from);
  CHECK(from.tensors().empty());  // NOLINT(bugprone-use-after-move): what is left behind is documented
  CHECK(from.find("a") == nullptr);
  CHECK(from.metadata().empty());
  CHECK(from.name().empty());
  float value = 0;
  CHECK(code_of([&] { from.read<float>(entry, 0, std::span(&value, 1)); }) == "invalid_input");
  auto& same = to;
  to = std::move(same);
  CHECK(to.name() == "block");
  to.read<float>(*to.find("a"), 0, std::span(&value, 1));
  CHECK(value == 1.5F);
}
