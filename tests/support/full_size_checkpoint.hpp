// SPDX-License-Identifier: MIT
//
// Writes a checkpoint folder of the published model's size, UltraFastBERT-1x11-long, with generated weights: 16 layers
// of width 768, one tree of depth 11, 32,768 words, both tied copies; 188,836,865 values in 755 MB.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/generator.hpp"

namespace ufb_test {

namespace full_size {

inline constexpr std::size_t layers = 16;
inline constexpr std::size_t hidden = 768;
inline constexpr std::size_t heads = 12;
inline constexpr std::size_t depth = 11;
inline constexpr std::size_t vocabulary = 32'768;
inline constexpr std::string_view label = "ufb-full-1";
inline constexpr std::string_view word_name = "encoder.embedding.word_embedding.weight";

using shapes = std::map<std::string, std::vector<std::size_t>>;  // in the file's order, which is alphabetical

[[nodiscard]] inline shapes tensors() {
  constexpr std::size_t nodes = (std::size_t{2} << depth) - 1;
  shapes out{{"decoder.weight", {vocabulary, hidden}},
             {std::string(word_name), {vocabulary, hidden}},
             {"encoder.embedding.pos_embedding.scale_factor", {1}},
             {"encoder.embedding.norm.weight", {hidden}},
             {"encoder.embedding.norm.bias", {hidden}},
             {"encoder.final_norm.weight", {hidden}},
             {"encoder.final_norm.bias", {hidden}}};
  for (std::size_t i = 0; i < layers; ++i) {
    const std::string prefix = "encoder.layers." + std::to_string(i) + '.';
    for (const char* norm : {"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"}) out[prefix + norm] = {hidden};
    out[prefix + "attn.self_attention.norm_factor"] = {};
    out[prefix + "attn.self_attention.query_key_value.weight"] = {3 * hidden, hidden};
    out[prefix + "attn.dense.weight"] = {hidden, hidden};
    out[prefix + "ffn.linear_in.weight"] = {nodes, hidden};
    out[prefix + "ffn.linear_in.bias"] = {nodes};
    out[prefix + "ffn.linear_out.weight"] = {hidden, nodes};
  }
  return out;
}

/// Range of a tensor's values: uniform on [-2^e, 2^e). The longest matching ending counts.
[[nodiscard]] inline int exponent_of(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, int>, 14> exponents{{{"word_embedding.weight", -4},
                                                                        {"norm.weight", -3},
                                                                        {"norm.bias", -4},
                                                                        {"norm1.weight", -3},
                                                                        {"norm1.bias", -4},
                                                                        {"norm2.weight", -3},
                                                                        {"norm2.bias", -4},
                                                                        {"final_norm.weight", -3},
                                                                        {"final_norm.bias", -4},
                                                                        {"query_key_value.weight", -4},
                                                                        {"attn.dense.weight", -5},
                                                                        {"linear_in.weight", -4},
                                                                        {"linear_in.bias", -3},
                                                                        {"linear_out.weight", -2}}};
  std::pair<std::string_view, int> best{};
  for (const auto& entry : exponents) {
    if (name.ends_with(entry.first) && entry.first.size() > best.first.size()) best = entry;
  }
  if (best.first.empty()) throw std::runtime_error("no exponent for " + std::string(name));
  return best.second;
}

/// Values of a tensor: generated; norms' weights are 1 plus them; the scalars are fixed.
[[nodiscard]] inline std::vector<float> values_of(std::string_view name, std::size_t count) {
  if (name.ends_with("norm_factor")) return {static_cast<float>(1.0 / std::sqrt(static_cast<double>(hidden / heads)))};
  if (name.ends_with("scale_factor")) return {0.03125F};
  if (name == "decoder.weight") name = word_name;
  auto out = uniform(seed_of(std::string(label) + '/' + std::string(name)), count, exponent_of(name));
  const bool is_scale = name.ends_with(".weight") && name.find("norm") != std::string_view::npos;
  if (is_scale) std::transform(out.begin(), out.end(), out.begin(), [](float u) { return 1.0F + u; });
  return out;
}

[[nodiscard]] inline nlohmann::json config() {
  return {{"arch",
           {{"num_transformer_layers", layers},
            {"hidden_size", hidden},
            {"intermed_type", "fff"},
            {"intermed_size", 1},
            {"intermed_depth", depth},
            {"nonlin", "GELU"},
            {"norm", "LayerNorm"},
            {"norm_eps", 1e-12},
            {"use_bias", false},
            {"decoder_bias", false},
            {"skip_head_transform", true},
            {"final_norm", true},
            {"embedding",
             {{"vocab_size", vocabulary},
              {"embedding_dim", hidden},
              {"pos_embedding", "scaled-sinusoidal"},
              {"max_seq_length", 128},
              {"normalization", true}}},
            {"attention", {{"type", "self-attention"}, {"num_attention_heads", heads}, {"rotary_embedding", false}}}}},
          {"architectures", {"ScriptableLMForPreTraining"}},
          {"model_type", "crammedBERT"}};
}

}  // namespace full_size

/// Writes config.json and model.safetensors into `folder`, which is made if need be.
inline void write_full_size_checkpoint(const std::filesystem::path& folder) {
  static_assert(std::endian::native == std::endian::little);
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json") << full_size::config().dump(2) << '\n';
  const auto tensors = full_size::tensors();
  const auto count_of = [](const std::vector<std::size_t>& shape) {
    std::size_t count = 1;
    for (const std::size_t size : shape) count *= size;
    return count;
  };
  nlohmann::ordered_json header{{"__metadata__", {{"format", "pt"}}}};
  std::size_t offset = 0;
  for (const auto& [name, shape] : tensors) {
    const std::size_t bytes = 4 * count_of(shape);
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::ofstream out(folder / "model.safetensors", std::ios::binary);
  const std::uint64_t length = text.size();
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << text;
  for (const auto& [name, shape] : tensors) {
    const auto values = full_size::values_of(name, count_of(shape));
    out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(4 * values.size()));
  }
  if (!out.flush()) throw std::runtime_error("cannot write the checkpoint");
}

}  // namespace ufb_test
