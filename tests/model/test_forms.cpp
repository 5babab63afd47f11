// SPDX-License-Identifier: MIT
//
// Checkpoints of other forms: who loads which class, prefixes, biases that the tensors tell, masks, limits.
#include <string>
#include <vector>

#include "model/support.hpp"
#include "support/tensors.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

template <class Model>
matrix<float> states_of(const Model& model, std::size_t length = 6) {
  const std::vector<token_id> ids(length, 7);
  auto workspace = model.make_workspace();
  return model.encode({ids.data(), {1, length}}, {}, workspace);
}

bool same_states(const matrix<float>& a, const matrix<float>& b) {
  for (std::size_t r = 0; r < a.rows(); ++r) {
    if (!std::equal(a.row(r), a.row(r) + a.cols(), b.row(r))) return false;
  }
  return a.rows() == b.rows() && a.cols() == b.cols();
}

}  // namespace

TEST_CASE("A masked language model refuses other classes and names its own") {
  const auto e = error_of([] { static_cast<void>(masked_lm<float>::load(golden_model("lm_fff_bare"))); });
  REQUIRE(e);
  CHECK(name(e->code()) == "unsupported");
  CHECK(e->file() == (golden_model("lm_fff_bare") / "config.json").string());
  CHECK(e->where() == "$.architectures");
  CHECK(e->expected() == "a folder for masked_lm");
  CHECK(e->found() == "'ScriptableLM'");
  CHECK(e->reason() == "this folder holds an encoder without a head: load it with encoder_model");
}

TEST_CASE("The encoder of a whole model and a bare encoder are loaded alike") {
  const auto whole = encoder_model<float>::load(golden_model("mlm_fff_d4_p1"));
  CHECK(whole.hidden_size() == 64);
  CHECK(same_states(states_of(whole), states_of(masked_lm<float>::load(golden_model("mlm_fff_d4_p1")))));
  CHECK(encoder_model<float>::load(golden_model("lm_fff_bare")).hidden_size() == 32);
  const auto missing = error_of([&] { static_cast<void>(whole.text_tokenizer()); });
  REQUIRE(missing);
  CHECK(missing->file() == golden_model("mlm_fff_d4_p1").string());
  CHECK(error_text_of([&] { throw error(*missing); }) ==
        "invalid_input: tokenizer: a tokenizer.json, a vocab.txt, or a vocab.json with merges.txt in the checkpoint "
        "folder: none");
  const folder_copy folder(golden_model("lm_fff_bare"));
  folder.edit_json("config.json", [](ordered_json& config) { config["architectures"] = {"Whatever"}; });
  const auto e = error_of([&] { static_cast<void>(encoder_model<float>::load(folder.path())); });
  REQUIRE(e);
  CHECK(name(e->code()) == "unsupported");
  CHECK(e->where() == "$.architectures");
  CHECK(e->expected() == "a folder for encoder_model");
  CHECK(e->found() == "'Whatever'");
  CHECK(e->reason() == "the family crammedBERT has no such class");
}

TEST_CASE("A prefix of parallel training is stripped") {
  for (const char* id : {"mlm_fff_embedding_only", "mlm_fff_decoder_only", "mlm_simple_biases"}) {
    const folder_copy folder(golden_model(id));
    folder.rename_tensors([](const std::string& name) { return "module." + name; });
    const auto plain = masked_lm<float>::load(golden_model(id));
    const auto renamed = masked_lm<float>::load(folder.path());
    CHECK(same_states(states_of(plain), states_of(renamed)));
    CHECK(plain.bytes() == renamed.bytes());
  }
  const folder_copy folder(golden_model("lm_fff_bare"));
  folder.rename_tensors([](const std::string& name) { return "module." + name; });
  CHECK(same_states(states_of(encoder_model<float>::load(folder.path())),
                    states_of(encoder_model<float>::load(golden_model("lm_fff_bare")))));
}

TEST_CASE("Biases that are there count although the configuration denies them") {
  const folder_copy folder(golden_model("mlm_simple_biases"));
  folder.edit_json("config.json", [](ordered_json& config) {
    config["arch"]["use_bias"] = false;
    config["arch"]["decoder_bias"] = false;
    config["arch"]["attention"]["qkv_bias"] = false;
  });
  const auto expected = masked_lm<float>::load(golden_model("mlm_simple_biases"));
  const auto got = masked_lm<float>::load(folder.path());
  CHECK(got.bytes() == expected.bytes());
  CHECK(same_states(states_of(got), states_of(expected)));
}

TEST_CASE("Parts that the configuration promises must be there") {
  for (const char* missing :
       {"decoder.bias", "prediction_head.dense.bias", "prediction_head.dense.weight", "prediction_head.norm.bias",
        "encoder.layers.0.attn.dense.bias", "encoder.layers.1.attn.self_attention.query_key_value.bias",
        "encoder.layers.1.ffn.dense_in.bias", "encoder.layers.0.ffn.dense_out.bias",
        "encoder.embedding.pos_embedding.embedding.weight"}) {
    INFO(missing);
    const folder_copy folder(golden_model("mlm_simple_biases"));
    folder.rename_tensors([missing](const std::string& name) { return name == missing ? "unrelated" : name; });
    const auto e = error_of([&] { static_cast<void>(masked_lm<float>::load(folder.path())); });
    REQUIRE(e);
    CHECK(name(e->code()) == "missing_tensor");
    CHECK(e->found().find(std::string(missing) + " (") == 0);
  }
}

TEST_CASE("Sequences beyond a rotary table or the learned positions are refused") {
  const auto rotary = masked_lm<float>::load(golden_model("mlm_fff_nopos_rotary_true"));
  CHECK_NOTHROW(states_of(rotary, 128));
  CHECK(error_text_of([&] { states_of(rotary, 129); }) == "invalid_input: sequence 0: at most 128 tokens: 129");
  const folder_copy folder(golden_model("mlm_fff_nopos_rotary_true"));
  folder.edit_json("config.json", [](auto& config) { config["arch"]["embedding"]["max_seq_length"] = 512; });
  CHECK(error_text_of([&] { states_of(masked_lm<float>::load(folder.path()), 129); }) ==
        "invalid_input: sequence 0: at most 128 tokens: 129");
  const auto learned = masked_lm<float>::load(golden_model("mlm_simple_biases"));
  CHECK_NOTHROW(states_of(learned, 64));
  CHECK(error_text_of([&] { states_of(learned, 65); }) == "invalid_input: sequence 0: at most 64 tokens: 65");
}

TEST_CASE("A rotary model of one length gives shorter sequences what they get padded to it") {
  const auto model = masked_lm<float>::load(golden_model("mlm_ff_rotary_sanity_s128"));
  auto workspace = model.make_workspace();
  std::vector<token_id> ids(128, 7);
  std::vector<float> mask(128, 0.0F);
  for (std::size_t s = 0; s < 12; ++s) {
    ids[s] = static_cast<token_id>(3 * s + 1);
    mask[s] = 1;
  }
  const auto padded =
      model.encode({ids.data(), {1, 128}}, {mask.data(), {1, 128}}, workspace, {.padding_states = true});
  const auto alone = model.encode({ids.data(), {1, 12}}, {}, workspace);
  for (std::size_t s = 0; s < 12; ++s) {
    CHECK(std::equal(alone.row(s), alone.row(s) + alone.cols(), padded.row(s)));
  }
  CHECK(error_text_of([&] { states_of(model, 129); }) == "invalid_input: sequence 0: at most 128 tokens: 129");
}

TEST_CASE("A mask has a row for each sequence or for each token") {
  const auto model = masked_lm<float>::load(golden_model("mlm_fff_masks"));
  auto workspace = model.make_workspace();
  const std::vector<token_id> ids{1, 2, 3, 4, 5, 6};
  const std::vector<float> mask(64, 1.0F);
  const auto text = [&](std::size_t rows, std::size_t cols) {
    return error_text_of([&] {
      static_cast<void>(model.encode({ids.data(), {2, 3}}, {mask.data(), {rows, cols}}, workspace));
    });
  };
  CHECK(text(2, 3) == "none");
  CHECK(text(6, 3) == "none");
  CHECK(text(3, 3) == "invalid_input: mask: (2, 3): (3, 3)");
  CHECK(text(2, 4) == "invalid_input: mask: (2, 3): (2, 4)");
  CHECK(text(6, 4) == "invalid_input: mask: (6, 3): (6, 4)");
}

TEST_CASE("Texts of a causal model do not look ahead") {
  using model = masked_lm<float, plain_backend>;
  const folder_copy folder(golden_model("e2e_fff"));
  folder.edit_json("config.json", [](ordered_json& config) { config["arch"]["attention"]["causal_attention"] = true; });
  const auto first_candidates = [](const model& loaded, const char* text) {
    auto workspace = loaded.make_workspace();
    std::vector<double> probabilities;
    for (const auto& candidate : loaded.fill_mask(text, {.top_k = 3}, workspace)) {
      probabilities.push_back(candidate.probability);
    }
    return probabilities;
  };
  const auto causal = model::load(folder.path());
  const auto bidirectional = model::load(golden_model("e2e_fff"));
  constexpr const char* one = "the <mask> a a";
  constexpr const char* other = "the <mask> the the";
  CHECK(first_candidates(causal, one) == first_candidates(causal, other));
  CHECK(first_candidates(bidirectional, one) != first_candidates(bidirectional, other));
}

TEST_CASE("A folder with a vocabulary list alone reads texts as BERT does") {
  const folder_copy folder(golden_model("e2e_fff"));
  for (const char* file : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}) {
    std::filesystem::remove(folder.path() / file);
  }
  folder.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhouse\n##s\n");
  const auto model = encoder_model<float>::load(folder.path());
  CHECK(model.text_tokenizer().encode("Houses").ids == std::vector<token_id>{2, 5, 6, 3});
}
