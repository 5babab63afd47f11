// SPDX-License-Identifier: MIT
//
// What the programs of this folder work on: a small model of every family and task, with words of its own, and calls
// whose results are bytes that can be compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "model/support.hpp"
#include "support/family_folders.hpp"
#include "support/random.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_test {

namespace ufb = ultrafastbert;
using ufb::token_id;
using any_model = ufb::auto_model<float>;

/// How the weights of a model are kept.
struct storages {
  ufb::weight_storage in = ufb::weight_storage::float32;
  ufb::weight_storage out = ufb::weight_storage::float32;
  ufb::weight_storage projections = ufb::weight_storage::float32;

  [[nodiscard]] ufb::load_options options() const {
    return {.fast_feedforward = {.storage_in = in, .storage_out = out}, .projections = {.storage = projections}};
  }
  [[nodiscard]] std::string text() const {
    return std::string(name(in)).append("/").append(name(out)).append("/").append(name(projections));
  }
};

/// One of each kind of storage.
[[nodiscard]] inline std::vector<storages> all_storages() {
  using enum ufb::weight_storage;
  return {{float32, float32, float32},           {float16, float16, bfloat16},
          {bfloat16, bfloat16, bfloat16},        {int8, int8, int8},
          {certified_float16, float16, float32}, {certified_int8, int8, int8},
          {split_float32, bfloat16, float32}};
}

/// A checkpoint folder and what it is called in reports.
struct subject {
  std::string name;
  std::filesystem::path folder;
};

/// Folders of every family and task, for as long as this object lives.
class subject_folders {
 public:
  subject_folders() {
    add_masked_lm();
    add_with_words("crammed token_classifier", folder_copy(golden_model("tok_fff_5")), 100);
    add_with_words("crammed sequence_classifier", folder_copy(golden_model("seq_fff_avg_3")), 90);
    add_with_words("crammed encoder_model", folder_copy(golden_model("lm_fff_bare")), 90);
    add_with_words("bert masked_lm", folder_copy(golden_model("bert_mlm")), 140);
    add_with_words("bert sequence_classifier", folder_copy(golden_model("bert_seq_3")), 90);
    add_cross_encoder();
    add_embedder();
    add_distilbert();
    add_roberta();
  }

  [[nodiscard]] const std::vector<subject>& all() const noexcept { return subjects_; }

 private:
  void add(std::string name, folder_copy folder) {
    subjects_.push_back({std::move(name), folder.path()});
    copies_.push_back(std::move(folder));
  }

  void add_with_words(std::string name, folder_copy folder, std::size_t words) {
    write_words(folder, words);
    add(std::move(name), std::move(folder));
  }

  // A WordPiece vocabulary: special tokens, letters, and words and their continuations of two letters.
  static void write_words(const folder_copy& folder, std::size_t count) {
    std::string words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    std::size_t written = 5;
    for (char letter = 'a'; letter <= 'z' && written < count; ++letter, ++written) words.append(1, letter).append("\n");
    for (std::size_t i = 0; written < count; ++i, ++written) {
      if (i % 2 == 1) words += "##";
      words.append(1, static_cast<char>('a' + i / 26)).append(1, static_cast<char>('a' + i % 26)).append("\n");
    }
    folder.write("vocab.txt", words);
    folder.write("tokenizer_config.json", R"({"do_lower_case": true})");
  }

  // With few words, because a thousand of them would be most of what a load does.
  void add_masked_lm() {
    folder_copy folder(golden_model("e2e_fff"));
    for (const char* file : {"tokenizer.json", "special_tokens_map.json"}) {
      std::filesystem::remove(folder.path() / file);
    }
    add_with_words("crammed masked_lm", std::move(folder), 120);
  }

  void add_cross_encoder() {
    constexpr std::size_t width = 32;
    folder_copy folder = renamed("bert_seq_3", {{"classifier.", "old."}});
    folder.add_tensor("classifier.weight", {1, width}, random_numbers(93).reals<float>(width));
    folder.add_tensor("classifier.bias", {1}, {0.25F});
    folder.edit_json("config.json", [](ordered_json& config) {
      config["id2label"] = {{"0", "LABEL_0"}};
      config["label2id"] = {{"LABEL_0", 0}};
      config["sbert_ce_default_activation_function"] = "torch.nn.modules.linear.Identity";
    });
    add_with_words("bert cross_encoder", std::move(folder), 90);
  }

  void add_embedder() {
    folder_copy folder(golden_model("bert_seq_3"));
    folder.edit_json("config.json", [](ordered_json& config) { config["architectures"] = {"BertModel"}; });
    folder.write("modules.json",
                 R"([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                     {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                     {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}])");
    std::filesystem::create_directories(folder.path() / "1_Pooling");
    std::filesystem::create_directories(folder.path() / "2_Normalize");
    folder.write("1_Pooling/config.json", R"({"word_embedding_dimension": 32, "pooling_mode": ["mean", "max"]})");
    add_with_words("bert embedder", std::move(folder), 90);
  }

  void add_distilbert() {
    folder_copy folder = renamed("bert_seq_3", to_distilbert);
    as_distilbert(folder, "DistilBertForSequenceClassification");
    add_with_words("distilbert sequence_classifier", std::move(folder), 90);
  }

  void add_roberta() {
    folder_copy folder = renamed("bert_seq_3", {{"bert.", "roberta."}});
    as_roberta(folder, "RobertaForTokenClassification");
    add_with_words("roberta token_classifier", std::move(folder), 90);
  }

  std::vector<folder_copy> copies_{};
  std::vector<subject> subjects_{};
};

/// Texts of random words of one or two letters, some of them unknown, some in English, with masks where `mask` is not
/// empty.
[[nodiscard]] inline std::vector<std::string> random_texts(std::uint64_t seed, std::size_t count,
                                                           std::string_view mask) {
  static constexpr std::string_view english[] = {"the", "market", "She", "went", "every", "day", ".", "caf\xC3\xA9"};
  random_numbers random(seed);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) {
    std::string text = mask.empty() ? "a" : std::string(mask);
    const std::size_t words = random.size(0, 23);
    for (std::size_t w = 0; w < words; ++w) {
      text += ' ';
      const std::size_t kind = random.size(0, 9);
      if (kind == 0 && !mask.empty()) {
        text += mask;
      } else if (kind < 4) {
        text += english[random.size(0, std::size(english) - 1)];
      } else {
        for (std::size_t k = 0; k <= kind % 3; ++k) text += static_cast<char>(random.size('a', 'z'));
      }
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

/// Results as bytes: equal where every number of them has the same bits.
class result_bytes {
 public:
  template <class Number>
  requires(std::is_arithmetic_v<Number>) void add(Number number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  void add(const ufb::matrix_view<const float>& numbers) {
    for (std::size_t r = 0; r < numbers.rows(); ++r) {
      for (const float each : numbers.row_span(r)) add(each);
    }
  }
  void add(const std::string& text) { bytes_.append(text).append(1, '\n'); }
  void add(const ufb::mask_candidate& each) {
    add(each.position);
    add(each.id);
    add(each.token);
    add(each.logit);
    add(each.probability);
  }
  void add(const ufb::label_score& each) {
    add(each.index);
    add(each.label);
    add(each.logit);
    add(each.score);
  }
  void add(const ufb::token_label& each) {
    add(each.position);
    add(each.id);
    add(each.token);
    add(each.best);
    add(each.scores);
  }
  void add(const ufb::pair_score& each) {
    add(each.raw);
    add(each.sigmoid);
    add(each.labels);
  }
  void add(const ufb::ranked_document& each) {
    add(each.index);
    add(each.raw);
    add(each.sigmoid);
  }
  void add(const ufb::token_spellings& all) { add(static_cast<std::vector<std::string>>(all)); }
  template <class Each>
  void add(const std::vector<Each>& all) {
    add(all.size());
    for (const Each& each : all) add(each);
  }

  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_{};
};

/// How the model's tokenizer spells the mask; empty for models that fill none.
[[nodiscard]] inline std::string mask_of(const any_model& model) {
  const auto* const fills = model.get_if<ufb::masked_lm<float>>();
  if (fills == nullptr) return {};
  return std::string(fills->text_tokenizer().special_token(ufb::special_role::mask).value_or("[MASK]"));
}

/// What a model makes of texts, by its own task: words for masks, labels, vectors, scores or states, of the texts and,
/// where the task has them, of pairs of them. Result: all numbers of the answers.
[[nodiscard]] inline std::string answers(const any_model& any, const std::vector<std::string>& texts,
                                         ufb::workspace& scratch, ufb::executor_ref threads = {}) {
  result_bytes bytes;
  const ufb::text_options cut{.truncation = true};
  std::vector<ufb::text_pair> pairs;
  for (std::size_t i = 0; i + 1 < texts.size(); i += 2) pairs.push_back({texts[i], texts[i + 1]});
  if (const auto* masked = any.get_if<ufb::masked_lm<float>>()) {
    bytes.add(masked->fill_mask(texts, {.top_k = 3, .texts = cut}, scratch, threads));
  } else if (const auto* sequences = any.get_if<ufb::sequence_classifier<float>>()) {
    bytes.add(sequences->classify(texts, scratch, cut, threads));
    bytes.add(sequences->classify(pairs, scratch, cut, threads));
  } else if (const auto* tokens = any.get_if<ufb::token_classifier<float>>()) {
    bytes.add(tokens->classify(texts, scratch, cut, threads));
  } else if (const auto* vectors = any.get_if<ufb::embedder<float>>()) {
    bytes.add(vectors->embed(texts, scratch, {}, threads).view());
  } else if (const auto* crossed = any.get_if<ufb::cross_encoder<float>>()) {
    bytes.add(crossed->predict(pairs, scratch, cut, threads));
    if (crossed->classifier().labels().size() == 1) {
      bytes.add(crossed->rank(texts.front(), texts, scratch, 0, cut, threads));
    }
  } else if (const auto* states = any.get_if<ufb::encoder_model<float>>()) {
    bytes.add(states->encode(texts, scratch, cut, threads).states.view());
  }
  return bytes.take();
}

/// Calls `use` with what computes states, whatever the task. Result: that of `use`.
template <class Use>
auto with_encoder(const any_model& any, const Use& use) {
  return std::visit(
      [&](const auto& model) {
        if constexpr (requires { model.classifier(); }) {
          return use(model.classifier());
        } else {
          return use(model);
        }
      },
      any.model());
}

/// The encoder's states of a padded batch of ids, whatever the task. Result: all numbers of them.
[[nodiscard]] inline std::string states_of_ids(const any_model& any, std::uint64_t seed, ufb::workspace& scratch,
                                               ufb::executor_ref threads = {}) {
  return with_encoder(any, [&](const auto& model) {
    random_numbers random(seed);
    const std::size_t rows = random.size(1, 5);
    const std::size_t length = random.size(1, model.max_sequence_length());
    std::vector<token_id> ids;
    std::vector<float> mask;
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t real = random.size(1, length);
      for (std::size_t i = 0; i < length; ++i) {
        ids.push_back(static_cast<token_id>(random.size(0, model.vocabulary_size() - 1)));
        mask.push_back(i < real ? 1.0F : 0.0F);
      }
    }
    result_bytes bytes;
    bytes.add(model.encode({ids.data(), {rows, length}}, {mask.data(), {rows, length}}, scratch, {}, threads).view());
    return bytes.take();
  });
}

}  // namespace ufb_test
