// SPDX-License-Identifier: MIT
//
// Fuzz target: an input is the JSON files of a checkpoint folder, config.json first, with the byte 0x1e between them.
// The description that a family makes of it must be within the documented bounds, and a folder with these files and a
// few tensors loads or is refused.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "fuzz/fuzz_input.hpp"
#include "ultrafastbert/core/memory_source.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

using namespace ufb_fuzz;

constexpr std::string_view file_names[] = {"config.json",           "modules.json",
                                           "1_Pooling/config.json", "sentence_bert_config.json",
                                           "2_Dense/config.json",   "config_sentence_transformers.json"};

/// Tensors by which families tell their forms.
const ufb::memory_source& telling_tensors() {
  static const ufb::memory_source source = [] {
    ufb::memory_source out("tensors");
    const auto add = [&](std::string_view name, std::vector<std::size_t> shape) {
      std::size_t count = 1;
      for (const std::size_t size : shape) count *= size;
      out.add(name, std::move(shape), std::vector<float>(count, 0.5F));
    };
    add("decoder.weight", {5, 4});
    add("decoder.bias", {5});
    add("encoder.embedding.word_embedding.weight", {5, 4});
    add("encoder.layers.0.ffn.linear_in.weight", {7, 4});
    add("encoder.layers.0.ffn.linear_in.bias", {7});
    add("encoder.layers.0.ffn.linear_in.threshold", {7});
    add("encoder.layers.0.ffn.linear_in.shared.weight", {2, 4});
    for (const std::string prefix : {"bert.", "distilbert.", "roberta.", ""}) {
      add(prefix + "embeddings.word_embeddings.weight", {5, 4});
      add(prefix + "embeddings.LayerNorm.gamma", {4});
      add(prefix + "encoder.layer.0.linear_in.weight", {7, 4});
      add(prefix + "transformer.layer.0.ffn.linear_in.weight", {7, 4});
    }
    add("classifier.weight", {2, 4});
    add("head.weight", {2, 4});
    return out;
  }();
  return source;
}

void check_bounds(const ufb::model_description& found) {
  const ufb::encoder_config& model = found.encoder;
  const std::size_t width = model.hidden_size();
  require(width >= 1 && width <= ufb::models::max_width, "hidden size");
  require(model.layers >= 1 && model.layers <= ufb::models::max_layers, "number of layers");
  require(model.embedding.vocabulary_size <= ufb::models::max_vocabulary, "size of the vocabulary");
  require(model.embedding.max_sequence_length <= ufb::models::max_positions, "number of positions");
  const ufb::attention_shape& attention = model.block.attention;
  require(attention.heads >= 1 && width % attention.heads == 0 && attention.width == width, "heads");
  require(model.block.norm.width == width && std::isfinite(model.block.norm.epsilon), "norm");
  require(model.block.norm.epsilon >= 0, "constant of a norm");
  if (const auto* trees = std::get_if<ufb::fast_feedforward_shape>(&model.block.feedforward)) {
    require(trees->input_width == width && trees->output_width == width, "widths of the trees");
    require(trees->depth <= ufb::cmm::tree::max_depth && trees->trees() >= 1, "trees");
  } else {
    const auto& dense = std::get<ufb::feedforward_shape>(model.block.feedforward);
    require(dense.width == width && dense.intermediate >= 1 && dense.intermediate <= ufb::models::max_width, "dense");
  }
}

/// Whether a model has few enough layers to be tried for each input: many take milliseconds, not memory.
bool is_quick(const ufb::encoder_config& model) { return model.layers <= 64; }

void load(const std::vector<std::string_view>& files) {
  static const scratch_folder folder;
  static const bool written = [] {
    const std::string header = R"({"decoder.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}})";
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(header.size());
    folder.write("model.safetensors", bytes + header + std::string(8, '\0'));
    folder.write("2_Dense/model.safetensors", bytes + header + std::string(8, '\0'));
    return true;
  }();
  static_cast<void>(written);
  for (std::size_t i = 0; i < std::size(file_names); ++i) {
    folder.put(file_names[i], i < files.size() && !files[i].empty() ? std::optional(files[i]) : std::nullopt);
  }
  attempt([&] {
    ufb::load_report report;
    static_cast<void>(ufb::auto_model<float>::load(folder.path(), {.report = &report}));
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto files = split_files(data, size, std::size(file_names));
  bool quick = true;
  attempt([&] {
    const auto document = ufb::json_document::parse(files.front(), "config.json");
    const ufb::json_value config = document.root();
    const ufb::model_family& family = ufb::models::family_of(config);
    static_cast<void>(family.architecture(config));
    const ufb::memory_source none("no tensors");
    for (const ufb::memory_source* source : {&none, &telling_tensors()}) {
      attempt([&] {
        const auto found = family.describe(config, *source);
        check_bounds(found);
        quick = quick && is_quick(found.encoder);
        static_cast<void>(family.pooler(config, found));
      });
    }
  });
  if (quick) load(files);
  return 0;
}
