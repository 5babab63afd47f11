// SPDX-License-Identifier: MIT
#include <bit>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "../generated_source.hpp"
#include "peers.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_bench {

namespace {

namespace ufb = ultrafastbert;

constexpr std::uint64_t seed = 2311;
constexpr std::size_t depth = 11;
constexpr std::size_t neurons = (std::size_t{2} << depth) - 1;
constexpr std::size_t hub_intermediate = 1536;
constexpr std::size_t hub_types = 2;

nlohmann::json crammed_configuration(const peer_sizes& sizes, bool fff) {
  return {{"arch",
           {{"num_transformer_layers", sizes.layers},
            {"hidden_size", sizes.width},
            {"intermed_type", fff ? "fff" : "ff"},
            {"intermed_size", fff ? 1 : neurons},
            {"intermed_depth", depth},
            {"nonlin", "GELU"},
            {"norm", "LayerNorm"},
            {"norm_eps", 1e-12},
            {"use_bias", false},
            {"final_norm", true},
            {"embedding",
             {{"vocab_size", sizes.vocabulary},
              {"embedding_dim", sizes.width},
              {"pos_embedding", "scaled-sinusoidal"},
              {"max_seq_length", sizes.positions},
              {"normalization", true}}},
            {"attention", {{"type", "self-attention"}, {"num_attention_heads", sizes.heads}}}}},
          {"architectures", {"ScriptableLM"}},
          {"model_type", "crammedBERT"}};
}

nlohmann::json hub_configuration(const peer_sizes& sizes) {
  return {{"architectures", {"BertModel"}},
          {"model_type", "bert"},
          {"vocab_size", sizes.vocabulary},
          {"hidden_size", sizes.width},
          {"num_hidden_layers", sizes.layers},
          {"num_attention_heads", sizes.heads},
          {"intermediate_size", hub_intermediate},
          {"hidden_act", "gelu"},
          {"max_position_embeddings", sizes.positions},
          {"type_vocab_size", hub_types},
          {"layer_norm_eps", 1e-12},
          {"pad_token_id", 0}};
}

generated_source crammed_tensors(const peer_sizes& sizes, bool fff) {
  const ufb::norm_shape norm{.width = sizes.width};
  ufb::encoder_config shape{.embedding = {.vocabulary_size = sizes.vocabulary,
                                          .width = sizes.width,
                                          .max_sequence_length = sizes.positions,
                                          .norm = norm},
                            .layers = sizes.layers,
                            .block = {.attention = {.width = sizes.width, .heads = sizes.heads},
                                      .norm = norm,
                                      .feedforward =
                                          ufb::fast_feedforward_shape{
                                              .input_width = sizes.width, .output_width = sizes.width, .depth = depth}},
                            .final_norm = norm};
  if (!fff) shape.block.feedforward = ufb::feedforward_shape{.width = sizes.width, .intermediate = neurons};
  ufb::encoder<float> model(shape);
  ufb::parameter_list list;
  model.parameters("encoder.", "encoder.embedding.word_embedding.weight", list);
  return random_weights(list.parameters(), seed);
}

// The tensors of a BertModel of the hub, without a pooler.
generated_source hub_tensors(const peer_sizes& sizes) {
  ufb::parameter_list list;
  const auto norm = [&](const std::string& name) {
    list.add(name + ".weight", {sizes.width}, {});
    list.add(name + ".bias", {sizes.width}, {});
  };
  const auto linear = [&](const std::string& name, std::size_t outputs, std::size_t inputs) {
    list.add(name + ".weight", {outputs, inputs}, {});
    list.add(name + ".bias", {outputs}, {});
  };
  list.add("embeddings.word_embeddings.weight", {sizes.vocabulary, sizes.width}, {});
  list.add("embeddings.position_embeddings.weight", {sizes.positions, sizes.width}, {});
  list.add("embeddings.token_type_embeddings.weight", {hub_types, sizes.width}, {});
  norm("embeddings.LayerNorm");
  for (std::size_t i = 0; i < sizes.layers; ++i) {
    const std::string layer = "encoder.layer." + std::to_string(i) + '.';
    for (const char* part : {"attention.self.query", "attention.self.key", "attention.self.value"}) {
      linear(layer + part, sizes.width, sizes.width);
    }
    linear(layer + "attention.output.dense", sizes.width, sizes.width);
    norm(layer + "attention.output.LayerNorm");
    linear(layer + "intermediate.dense", hub_intermediate, sizes.width);
    linear(layer + "output.dense", sizes.width, hub_intermediate);
    norm(layer + "output.LayerNorm");
  }
  return random_weights(list.parameters(), seed);
}

std::size_t elements(const std::vector<std::size_t>& shape) {
  std::size_t count = 1;
  for (const std::size_t size : shape) count *= size;
  return count;
}

}  // namespace

void write_peer_checkpoint(const std::filesystem::path& folder, peer_encoder encoder) {
  static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");
  const peer_sizes sizes = sizes_of(encoder);
  const bool hub = encoder == peer_encoder::hub;
  const bool fff = encoder == peer_encoder::fff;
  const generated_source tensors = hub ? hub_tensors(sizes) : crammed_tensors(sizes, fff);

  const std::filesystem::path place = folder / folder_of(encoder);
  std::filesystem::create_directories(place);
  std::ofstream(place / "config.json") << (hub ? hub_configuration(sizes) : crammed_configuration(sizes, fff)).dump(2)
                                       << '\n';
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
  std::ofstream out(place / "model.safetensors", std::ios::binary);
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
  if (!out.flush()) throw std::runtime_error("cannot write " + (place / "model.safetensors").string());
}

}  // namespace ufb_bench
