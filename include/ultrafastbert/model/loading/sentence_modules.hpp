// SPDX-License-Identifier: MIT
//
// What a folder of the sentence-transformers package says about embeddings: its modules, in order, and how their
// configurations are read. Whatever would be computed otherwise than said is refused by name.
// Source: the files that the sentence-transformers package writes: modules.json, N_Pooling/config.json,
// N_Dense/config.json, sentence_bert_config.json, config_sentence_transformers.json.
// Layer: model.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/model/families/json_keys.hpp"
#include "ultrafastbert/model/heads/sentence_pooling.hpp"
#include "ultrafastbert/tokenizer/call_defaults.hpp"
#include "ultrafastbert/tokenizer/tokenizer_files.hpp"

namespace ultrafastbert {

/// A prompt that is put before texts, by its name.
struct named_prompt {
  std::string name{};
  std::string text{};
};

namespace models {

/// A linear layer behind the pooling, and the folder that has its weights.
struct dense_module {
  std::filesystem::path folder{};
  std::size_t input_width = 0;
  std::size_t output_width = 0;
  bool bias = true;
  std::optional<activation_kind> activation{};  ///< nothing for the identity
};

/// What follows the pooling: a linear layer, or where there is none, vectors of length 1.
struct embedding_step {
  std::optional<dense_module> dense{};
};

/// Everything about a folder's embeddings but its encoder.
struct sentence_modules {
  bool listed = false;                                             ///< whether there is a modules.json
  std::filesystem::path encoder{};                                 ///< the folder of the encoder
  std::vector<sentence_pooling> poolings{sentence_pooling::mean};  ///< their results are joined in this order
  std::size_t stated_width = 0;  ///< what the pooling's configuration takes for the hidden size, or 0
  std::string stated_by{};       ///< that configuration
  bool prompt_counts = true;     ///< whether the tokens of a prompt enter the pooling
  std::vector<embedding_step> steps{};
  std::size_t max_tokens = 0;  ///< where texts are cut; 0 where no file says so
  std::string cut_by{};        ///< the file that says so
  bool lower_case = false;     ///< whether texts are put into lower case before the tokenizer
  std::vector<named_prompt> prompts{};
  std::string default_prompt{};       ///< name of the one that is used where none is asked for, or empty
  std::string similarity = "cosine";  ///< how the model's vectors are to be compared
};

/// A JSON file that has to be there. Throws: io_error, the codes of the JSON reader.
[[nodiscard]] inline json_document read_json(const std::filesystem::path& file) {
  constexpr json_limits limits{};
  return json_document::parse(read_text_file(file, limits.max_bytes), file.string(), limits);
}

/// Whether there is such a file. A dangling link counts: opening it says what is wrong.
[[nodiscard]] inline bool is_there(const std::filesystem::path& file) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(file, ignored));
}

/// A JSON file of a folder, if it is there. Throws: io_error, the codes of the JSON reader.
[[nodiscard]] inline std::optional<json_document> read_optional_json(const std::filesystem::path& file) {
  return is_there(file) ? std::optional(read_json(file)) : std::nullopt;
}

/// What follows the last dot of a dotted Python name.
[[nodiscard]] inline std::string_view last_word(std::string_view dotted) {
  return dotted.substr(dotted.rfind('.') + 1);  // npos + 1 is 0
}

/// The poolings of an N_Pooling/config.json: the word or list of `pooling_mode`, or the flags of older files in their
/// fixed order, where that of the mean is set unless it says otherwise. Without any it is the mean. Throws: bad_type,
/// bad_value, unsupported.
[[nodiscard]] inline std::vector<sentence_pooling> read_poolings(const json_value& config) {
  const auto find = [](const json_value& word) {
    for (const sentence_pooling pooling : all_sentence_poolings) {
      if (word.as_string() == name(pooling)) return pooling;
    }
    if (word.as_string() == "mean_sqrt_len") return sentence_pooling::mean_sqrt_len;
    word.fail_unsupported("'cls', 'max', 'mean', 'mean_sqrt_len_tokens', 'weightedmean' or 'lasttoken'",
                          excerpt(word.as_string()));
  };
  std::vector<sentence_pooling> poolings;
  if (const auto mode = find_set(config, "pooling_mode")) {
    if (!mode->is_array()) return {find(*mode)};
    for (const json_value& word : mode->elements()) {
      const sentence_pooling pooling = find(word);
      if (std::find(poolings.begin(), poolings.end(), pooling) != poolings.end()) {
        word.fail_value("each pooling once", excerpt(word.as_string()));
      }
      poolings.push_back(pooling);
    }
    if (poolings.empty()) mode->fail_value("at least one pooling", "none");
    return poolings;
  }
  constexpr std::string_view prefix = "pooling_mode_";
  constexpr std::array<std::string_view, 6> flags{
      "cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"};
  for (const auto& [key, value] : config.members()) {
    if (!key.starts_with(prefix)) continue;
    const bool known =
        std::find(flags.begin(), flags.end(), std::string_view(key).substr(prefix.size())) != flags.end();
    if (!known && value.as_boolean()) value.fail_unsupported("a pooling that this version has", excerpt(key));
  }
  for (std::size_t i = 0; i < flags.size(); ++i) {
    const bool unless_said = all_sentence_poolings[i] == sentence_pooling::mean;
    if (read_flag(config, std::string(prefix).append(flags[i]), unless_said)) {
      poolings.push_back(all_sentence_poolings[i]);
    }
  }
  if (poolings.empty()) poolings.push_back(sentence_pooling::mean);
  return poolings;
}

/// The activation behind a dense module. Throws: bad_type, unsupported.
[[nodiscard]] inline std::optional<activation_kind> read_dense_activation(const json_value& config) {
  const auto word = find_set(config, "activation_function");
  if (!word) return activation_kind::tanh;  // the package's default
  const std::string_view function = last_word(word->as_string());
  if (function == "Identity") return std::nullopt;
  if (function == "Tanh") return activation_kind::tanh;
  if (function == "GELU") return activation_kind::gelu;
  if (function == "ReLU") return activation_kind::relu;
  // cppcheck-suppress missingReturn ; the last call does not return
  if (function == "SiLU") return activation_kind::silu;
  word->fail_unsupported("the Identity, Tanh, GELU, ReLU or SiLU of torch.nn", excerpt(word->as_string()));
}

/// An N_Dense/config.json. Throws: io_error, missing_key, bad_type, bad_value, unsupported.
[[nodiscard]] inline dense_module read_dense(const std::filesystem::path& folder) {
  const json_document document = read_json(folder / "config.json");
  const json_value config = document.root();
  for (const char* key : {"module_input_name", "module_output_name"}) expect_word(config, key, "sentence_embedding");
  return {.folder = folder,
          .input_width = size_of(config.at("in_features"), max_width),
          .output_width = size_of(config.at("out_features"), max_width),
          .bias = read_flag(config, "bias", true),
          .activation = read_dense_activation(config)};
}

/// The folder of a module. Throws: bad_path (a path that leads out of the folder), bad_type.
[[nodiscard]] inline std::filesystem::path module_folder(const std::filesystem::path& folder, const json_value& path) {
  std::string inside = path.as_string();
  while (inside.ends_with('/')) inside.pop_back();
  if (inside.empty() || inside == ".") return folder;
  if (!io::stays_inside(inside)) {
    fail(error_code::bad_path, {.file = path.file(),
                                .where = path.path(),
                                .expected = "a folder inside the model's",
                                .found = excerpt(path.as_string())});
  }
  return folder / inside;
}

/// The last word of a module's type, which is a class of the package; a folder may bring classes of its own, which
/// could compute anything. Throws: bad_type, unsupported (another package).
[[nodiscard]] inline std::string_view module_word(const json_value& type) {
  const std::string& name = type.as_string();
  if (name.find('.') != std::string::npos && !name.starts_with("sentence_transformers.")) {
    type.fail_unsupported("a module of sentence_transformers", excerpt(name));
  }
  return last_word(name);
}

/// Takes one module of the list. Throws: as `read_sentence_modules`.
inline void take_module(const json_value& module, const std::filesystem::path& folder, bool& pooled,
                        sentence_modules& out) {
  constexpr std::array<std::string_view, 5> encoders{"Transformer", "BERT", "DistilBERT", "RoBERTa", "XLMRoBERTa"};
  const json_value type = module.at("type");
  const std::string_view word = module_word(type);
  const auto place = module_folder(folder, module.at("path"));
  const bool is_encoder = std::find(encoders.begin(), encoders.end(), word) != encoders.end();
  if (is_encoder != out.encoder.empty()) {
    type.fail_unsupported(is_encoder ? "one encoder" : "an encoder first", excerpt(type.as_string()));
  }
  if (is_encoder) {
    out.encoder = place;
    return;
  }
  if (word == "Pooling" ? pooled : !pooled) {
    type.fail_unsupported(pooled ? "one Pooling" : "a Pooling behind the encoder", excerpt(type.as_string()));
  }
  if (word == "Pooling") {
    pooled = true;
    const json_document document = read_json(place / "config.json");
    const json_value config = document.root();
    out.poolings = read_poolings(config);
    out.prompt_counts = read_flag(config, "include_prompt", true);
    for (const char* key : {"word_embedding_dimension", "embedding_dimension"}) {
      const auto width = find_set(config, key);
      if (!width) continue;
      out.stated_width = size_of(*width, max_width);
      out.stated_by = width->file();
    }
  } else if (word == "Dense") {
    out.steps.push_back({.dense = read_dense(place)});
  } else if (word == "Normalize") {
    out.steps.push_back({});
  } else {
    type.fail_unsupported("Transformer, Pooling, Dense or Normalize", excerpt(type.as_string()));
  }
}

/// Refuses what the configuration of an encoder's module may ask for and this version does not do.
/// Throws: bad_type, unsupported.
inline void check_transformer_config(const json_value& config) {
  expect_word(config, "transformer_task", "feature-extraction");
  expect_word(config, "module_output_name", "token_embeddings");
  if (const auto kinds = find_set(config, "modality_config")) {
    for (const auto& [kind, how] : kinds->members()) {
      if (kind == "text") expect_word(how, "method_output_name", "last_hidden_state");
    }
  }
  for (const char* key : {"config_args", "tokenizer_args", "config_kwargs", "processor_kwargs"}) {
    if (const auto further = find_set(config, key); further && !further->members().empty()) {
      further->fail_unsupported("nothing, as the folder's own files say it all", excerpt(further->members()[0].first));
    }
  }
}

/// Reads where texts are cut and whether they are put into lower case, from the first of the files that the package
/// looks for. Throws: the codes of the JSON reader, bad_type, bad_value, unsupported.
inline void read_text_limits(sentence_modules& out) {
  for (const char* file : {"sentence_bert_config.json", "sentence_roberta_config.json",
                           "sentence_distilbert_config.json", "sentence_xlm-roberta_config.json"}) {
    const auto document = read_optional_json(out.encoder / file);
    if (!document) continue;
    check_transformer_config(document->root());
    if (const auto most = find_set(document->root(), "max_seq_length")) {
      out.max_tokens = size_of(*most, max_positions);
      out.cut_by = file;
    }
    out.lower_case = read_flag(document->root(), "do_lower_case", false);
    break;
  }
  if (out.max_tokens != 0) return;
  constexpr const char* tokenizer_config = "tokenizer_config.json";
  out.max_tokens = tokenizers::read_call_defaults(tokenizers::side_file(out.encoder, tokenizer_config)).max_length;
  out.cut_by = tokenizer_config;
}

/// Reads the prompts. Throws: the codes of the JSON reader, bad_type, bad_value.
inline void read_prompts(const std::filesystem::path& folder, sentence_modules& out) {
  const auto document = read_optional_json(folder / "config_sentence_transformers.json");
  if (!document) return;
  expect_word(document->root(), "model_type", "SentenceTransformer");
  if (const auto prompts = find_set(document->root(), "prompts")) {
    for (const auto& [key, text] : prompts->members()) {
      out.prompts.push_back({.name = key, .text = text.is_null() ? std::string() : text.as_string()});
    }
  }
  if (const auto chosen = find_set(document->root(), "default_prompt_name")) {
    out.default_prompt = chosen->as_string();
    const auto named = [&](const named_prompt& prompt) { return prompt.name == out.default_prompt; };
    if (std::none_of(out.prompts.begin(), out.prompts.end(), named)) {
      chosen->fail_value("the name of one of the prompts", excerpt(out.default_prompt));
    }
  }
  if (const auto function = find_set(document->root(), "similarity_fn_name")) out.similarity = function->as_string();
}

/// Whether a folder lists modules.
[[nodiscard]] inline bool lists_modules(const std::filesystem::path& folder) {
  return is_there(folder / "modules.json");
}

/// What a folder says about its embeddings. Without a modules.json it is an encoder, and the mean of its states.
/// Throws: io_error, bad_path, missing_key, bad_type, bad_value, unsupported (an unknown module, or one out of place),
///   the codes of the JSON reader.
[[nodiscard]] inline sentence_modules read_sentence_modules(const std::filesystem::path& folder) {
  sentence_modules out{.listed = lists_modules(folder)};
  if (!out.listed) {
    out.encoder = folder;
  } else {
    const json_document document = read_json(folder / "modules.json");
    constexpr std::size_t most = 16;  // each may read weights, all of them the same small file
    const auto modules = document.root().elements();
    if (modules.size() > most) {
      document.root().fail_value("at most " + std::to_string(most) + " modules", std::to_string(modules.size()));
    }
    bool pooled = false;
    for (const json_value& module : modules) take_module(module, folder, pooled, out);
    if (!pooled) document.root().fail_unsupported("an encoder and a Pooling", "no Pooling");
  }
  read_text_limits(out);
  read_prompts(folder, out);
  return out;
}

}  // namespace models

}  // namespace ultrafastbert
