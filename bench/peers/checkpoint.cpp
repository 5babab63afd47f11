// SPDX-License-Identifier: MIT
#include <bit>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "../generated_source.hpp"
#include "peers.hpp"

namespace ufb_bench {

namespace {

constexpr std::uint64_t seed = 2311;
constexpr std::size_t width = 768;
constexpr std::size_t depth = 11;
constexpr std::size_t neurons = (std::size_t{2} << depth) - 1;

nlohmann::json configuration(const ufb::encoder_config& shape, bool fff) {
  return {{"arch",
           {{"num_transformer_layers", shape.layers},
            {"hidden_size", width},
            {"intermed_type", fff ? "fff" : "ff"},
            {"intermed_size", fff ? 1 : neurons},
            {"intermed_depth", depth},
            {"nonlin", "GELU"},
            {"norm", "LayerNorm"},
            {"norm_eps", 1e-12},
            {"use_bias", false},
            {"final_norm", true},
            {"embedding",
             {{"vocab_size", shape.embedding.vocabulary_size},
              {"embedding_dim", width},
              {"pos_embedding", "scaled-sinusoidal"},
              {"max_seq_length", shape.embedding.max_sequence_length},
              {"normalization", true}}},
            {"attention", {{"type", "self-attention"}, {"num_attention_heads", shape.block.attention.heads}}}}},
          {"architectures", {"ScriptableLM"}},
          {"model_type", "crammedBERT"}};
}

std::size_t elements(const std::vector<std::size_t>& shape) {
  std::size_t count = 1;
  for (const std::size_t size : shape) count *= size;
  return count;
}

}  // namespace

ufb::encoder_config peer_shape(bool fff) {
  constexpr ufb::norm_shape norm{.width = width};
  ufb::encoder_config shape{
      .embedding = {.vocabulary_size = 1024, .width = width, .max_sequence_length = 128, .norm = norm},
      .layers = 16,
      .block = {.attention = {.width = width, .heads = 12},
                .norm = norm,
                .feedforward =
                    ufb::fast_feedforward_shape{.input_width = width, .output_width = width, .depth = depth}},
      .final_norm = norm};
  if (!fff) shape.block.feedforward = ufb::feedforward_shape{.width = width, .intermediate = neurons};
  return shape;
}

void write_peer_checkpoint(const std::filesystem::path& folder, bool fff) {
  static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");
  const auto shape = peer_shape(fff);
  ufb::encoder<float> model(shape);
  ufb::parameter_list parameters;
  model.parameters("encoder.", "encoder.embedding.word_embedding.weight", parameters);
  const generated_source tensors = random_weights(parameters.parameters(), seed);

  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json") << configuration(shape, fff).dump(2) << '\n';
  nlohmann::ordered_json header;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::size_t bytes = sizeof(float) * elements(tensors.shape(i));
    header[std::string(tensors.tensor_name(i))] = {
        {"dtype", "F32"}, {"shape", tensors.shape(i)}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::ofstream out(folder / "model.safetensors", std::ios::binary);
  const std::uint64_t length = text.size();
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << text;
  // An FFF layer adds up 12 neurons where a dense one adds 4095: larger weights make what it adds as large.
  const float fff_scale = std::sqrt(static_cast<float>(neurons) / static_cast<float>(depth + 1));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::vector<float> values(elements(tensors.shape(i)));
    tensors.read(i, 0, std::span(values));
    if (tensors.tensor_name(i).ends_with("ffn.linear_out.weight")) {
      for (float& value : values) value *= fff_scale;
    }
    out.write(reinterpret_cast<const char*>(values.data()),
              static_cast<std::streamsize>(sizeof(float) * values.size()));
  }
  if (!out.flush()) throw std::runtime_error("cannot write " + (folder / "model.safetensors").string());
}

}  // namespace ufb_bench
