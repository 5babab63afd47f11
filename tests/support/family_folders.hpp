// SPDX-License-Identifier: MIT
//
// Folders of the hub's other families, made of golden BERT folders under the other family's names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/support.hpp"

namespace ufb_test {

/// Parts of tensor names, and what stands in their place.
using renames = std::vector<std::pair<std::string_view, std::string_view>>;

inline const renames to_distilbert{{"bert.embeddings.", "distilbert.embeddings."},
                                   {"bert.encoder.layer.", "distilbert.transformer.layer."},
                                   {"attention.self.query", "attention.q_lin"},
                                   {"attention.self.key", "attention.k_lin"},
                                   {"attention.self.value", "attention.v_lin"},
                                   {"attention.output.dense", "attention.out_lin"},
                                   {"attention.output.LayerNorm", "sa_layer_norm"},
                                   {"intermediate.dense", "ffn.lin1"},
                                   {"output.LayerNorm", "output_layer_norm"},
                                   {"output.dense", "ffn.lin2"},
                                   {"cls.predictions.transform.dense", "vocab_transform"},
                                   {"cls.predictions.transform.LayerNorm", "vocab_layer_norm"},
                                   {"cls.predictions.bias", "vocab_projector.bias"},
                                   {"cls.predictions.decoder.bias", "something.else"},
                                   {"cls.predictions.decoder.weight", "vocab_projector.weight"},
                                   {"bert.pooler.dense", "pre_classifier"}};
inline const renames to_roberta{{"bert.pooler.dense", "classifier.dense"},
                                {"classifier.weight", "classifier.out_proj.weight"},
                                {"classifier.bias", "classifier.out_proj.bias"},
                                {"bert.", "roberta."},
                                {"cls.predictions.transform.dense", "lm_head.dense"},
                                {"cls.predictions.transform.LayerNorm", "lm_head.layer_norm"},
                                {"cls.predictions.decoder", "lm_head.decoder"},
                                {"cls.predictions.bias", "lm_head.bias"}};

/// A copy of a golden model whose tensors have other names.
inline folder_copy renamed(const char* golden, const renames& names) {
  folder_copy folder(golden_model(golden));
  folder.rename_tensors([&](std::string name) {
    for (const auto& [from, to] : names) {
      const std::size_t at = name.find(from);
      if (at != std::string::npos && name.find(to) == std::string::npos) name.replace(at, from.size(), to);
    }
    return name;
  });
  return folder;
}

/// Makes the configuration of a BERT folder one of DistilBERT.
inline void as_distilbert(const folder_copy& folder, const char* architecture) {
  folder.edit_json("config.json", [&](nlohmann::ordered_json& config) {
    const nlohmann::ordered_json old = config;
    config = {{"model_type", "distilbert"},
              {"architectures", {architecture}},
              {"dim", old["hidden_size"]},
              {"n_layers", old["num_hidden_layers"]},
              {"n_heads", old["num_attention_heads"]},
              {"hidden_dim", old["intermediate_size"]},
              {"activation", old["hidden_act"]},
              {"max_position_embeddings", old["max_position_embeddings"]},
              {"vocab_size", old["vocab_size"]},
              {"sinusoidal_pos_embds", false}};
    if (old.contains("id2label")) config["id2label"] = old["id2label"];
  });
}

/// Makes the configuration of a BERT folder one of RoBERTa, or of XLM-RoBERTa if the architecture begins with X.
inline void as_roberta(const folder_copy& folder, const char* architecture, int padding = 1) {
  folder.edit_json("config.json", [&](nlohmann::ordered_json& config) {
    config["model_type"] = architecture[0] == 'X' ? "xlm-roberta" : "roberta";
    config["architectures"] = {architecture};
    config["pad_token_id"] = padding;
  });
}

}  // namespace ufb_test
