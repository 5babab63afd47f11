// SPDX-License-Identifier: MIT
//
// Fuzz target: an input is a safetensors container in memory. What is accepted must agree with a plain JSON parser and
// lie in the file without gaps, and every read stays inside its tensor.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/fuzz_input.hpp"
#include "ultrafastbert/io/safetensors.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"

namespace {

using namespace ufb_fuzz;

void check_with_plain_parser(std::string_view input, const ufb::safetensors& file) {
  std::uint64_t length = 0;
  input.copy(reinterpret_cast<char*>(&length), sizeof length);
  const auto header = nlohmann::json::parse(input.substr(8, length));
  std::size_t tensors = 0;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    ++tensors;
    const auto* found = file.find(name);
    require(found != nullptr, "a tensor of the header is not found");
    const auto& offsets = entry.at("data_offsets");
    require(offsets.at(0) == found->begin && offsets.at(1) == found->end, "offsets differ from the header's");
    require(entry.at("shape").size() == found->shape.size(), "a rank differs from the header's");
    require(std::equal(found->shape.begin(), found->shape.end(), entry.at("shape").begin()), "a shape differs");
    require(entry.at("dtype") == ufb::name(found->type), "a type differs");
  }
  require(tensors == file.tensors().size(), "the number of tensors differs");
  if (!header.contains("__metadata__") || header["__metadata__"].is_null()) {
    require(file.metadata().empty(), "metadata out of nothing");
  } else {
    require(file.metadata().size() == header["__metadata__"].size(), "the metadata differ");
  }
}

void check_places(std::size_t data_bytes, const ufb::safetensors& file) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
  for (const auto& entry : file.tensors()) {
    std::uint64_t elements = 1;
    for (const auto size : entry.shape) elements = size == 0 ? 0 : elements * size;
    if (std::find(entry.shape.begin(), entry.shape.end(), 0U) != entry.shape.end()) elements = 0;
    require(entry.begin <= entry.end && entry.end <= data_bytes, "a tensor leaves the file");
    require(elements * ufb::bits(entry.type) == 8 * (entry.end - entry.begin), "a size disagrees with its shape");
    if (entry.begin != entry.end) places.emplace_back(entry.begin, entry.end);
  }
  std::sort(places.begin(), places.end());
  std::uint64_t end = 0;
  for (const auto& [first, last] : places) {
    require(first == end, "a gap or an overlap was accepted");
    end = last;
  }
  require(end == data_bytes, "bytes behind the last tensor were accepted");
}

template <class Scalar>
void read_all(const ufb::safetensors& file, const ufb::tensor_entry& entry) {
  const std::uint64_t count = element_count(entry);
  std::vector<Scalar> values(static_cast<std::size_t>(count));
  attempt([&] { file.read<Scalar>(entry, 0, std::span<Scalar>(values)); });
  if (count > 1) attempt([&] { file.read<Scalar>(entry, count / 2, std::span<Scalar>(values).first(1)); });
  std::vector<Scalar> more(static_cast<std::size_t>(count) + 1);
  const auto beyond = attempt([&] { file.read<Scalar>(entry, 0, std::span<Scalar>(more)); });
  require(beyond == ufb::error_code::invalid_input || beyond == ufb::error_code::unsupported, "a read leaves a tensor");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attempt([&] {
    const auto file = ufb::safetensors::from_memory(std::as_bytes(std::span(data, size)), "input");
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    std::uint64_t length = 0;
    input.copy(reinterpret_cast<char*>(&length), sizeof length);
    check_with_plain_parser(input, file);
    check_places(size - 8 - static_cast<std::size_t>(length), file);
    for (const auto& entry : file.tensors()) {
      std::vector<std::byte> bytes(static_cast<std::size_t>(entry.end - entry.begin));
      file.read_bytes(entry, 0, bytes);
      const auto* begin = data + 8 + length + entry.begin;
      require(bytes.empty() || std::memcmp(bytes.data(), begin, bytes.size()) == 0, "other bytes than the file's");
      const auto beyond = attempt([&] { file.read_bytes(entry, bytes.size() + 1, {}); });
      require(beyond == ufb::error_code::invalid_input, "a read of bytes leaves a tensor");
      read_all<float>(file, entry);
      read_all<double>(file, entry);
      read_all<std::int64_t>(file, entry);
      read_all<std::int32_t>(file, entry);
    }
    const ufb::safetensors_source source(file);
    for (std::size_t i = 0; i < source.size(); ++i) {
      require(source.find(source.tensor_name(i)) == i, "a source does not find its own tensor");
      std::vector<float> values(static_cast<std::size_t>(element_count(source.entry(i))));
      const auto problem = attempt([&] { source.read(i, 0, std::span<float>(values)); });
      if (problem) continue;
      for (const float value : values) require(value - value == 0.0F, "a weight that is no finite number");
    }
  });
  return 0;
}
