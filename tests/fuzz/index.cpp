// SPDX-License-Identifier: MIT
//
// Fuzz target: an input is the text of a model.safetensors.index.json, beside two fixed shards.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/fuzz_input.hpp"
#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"

namespace {

using namespace ufb_fuzz;

std::string container(const std::string& header, std::size_t data_bytes) {
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  return bytes + header + std::string(data_bytes, '\0');
}

const scratch_folder& folder_of_shards() {
  static const scratch_folder folder;
  static const bool written = [] {
    folder.write("config.json", "{}");
    folder.write("a.safetensors", container(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                            R"("y":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}})",
                                            9));
    folder.write("b.safetensors", container(R"({"z":{"dtype":"F16","shape":[],"data_offsets":[0,2]}})", 2));
    folder.write("broken.safetensors", "broken");
    return true;
  }();
  static_cast<void>(written);
  return folder;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const scratch_folder& folder = folder_of_shards();
  folder.write("model.safetensors.index.json", {reinterpret_cast<const char*>(data), size});
  attempt([&] {
    const auto weights = ufb::checkpoint_folder::open(folder.path()).open_weights();
    // Index and shards agree on all tensors, so that what was accepted can be one of three sets.
    require(!weights.files().empty() && weights.files().size() <= 2, "a number of shards that there are not");
    require(weights.size() >= 1 && weights.size() <= 3, "a number of tensors that there are not");
    const ufb::safetensors_source source(weights);
    std::size_t found = 0;
    for (const std::string_view name : {"x", "y", "z"}) found += weights.find(name) != nullptr ? 1U : 0U;
    require(found == weights.size() && source.size() == found, "a tensor is not found");
    require((weights.find("x") != nullptr) == (weights.find("y") != nullptr), "half of a shard");
  });
  return 0;
}
