// SPDX-License-Identifier: MIT
//
// Embeddings: a folder of the sentence-transformers package in, or any encoder's, and one vector for each text out.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/io/weight_files.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/layers/linear.hpp"
#include "ultrafastbert/layers/sequences.hpp"
#include "ultrafastbert/model/heads/sentence_pooling.hpp"
#include "ultrafastbert/model/loading/load_options.hpp"
#include "ultrafastbert/model/loading/load_report.hpp"
#include "ultrafastbert/model/loading/model_loader.hpp"
#include "ultrafastbert/model/loading/sentence_modules.hpp"
#include "ultrafastbert/model/texts/sentence_text.hpp"
#include "ultrafastbert/model/texts/text_model.hpp"
#include "ultrafastbert/model/texts/text_options.hpp"

namespace ultrafastbert {

/// What `embedder::embed` makes of texts.
struct embed_options {
  std::string prompt_name{};            ///< of the folder's prompts; empty for its default, which mostly is none
  std::optional<std::string> prompt{};  ///< what is put before every text instead of a named prompt
  /// Only the first so many columns, brought to length 1 again, as models that were trained for it allow; 0 for all.
  std::size_t dimensions = 0;
  /// What becomes of texts that are too long: unless `truncation` is false they are cut where the folder says, as the
  /// package does it. They cannot overflow into further rows.
  text_options texts{};
};

/// An encoder and what makes one vector of a text's states. Immutable after loading: share one between any number of
/// threads, and give each thread its own workspace.
template <class Scalar = float, class Backend = default_backend<Scalar>>
class embedder : public text_model<Scalar, Backend> {
  using base = text_model<Scalar, Backend>;

 public:
  using base::hidden_size;
  using base::max_sequence_length;
  using base::text_tokenizer;

  /// Loads a folder of the sentence-transformers package: modules.json, the encoder's folder, N_Pooling, N_Dense and
  /// N_Normalize, sentence_bert_config.json and the prompts of config_sentence_transformers.json. A folder without a
  /// modules.json is that of an encoder, and its vectors are the means of its states; the report says so.
  /// Throws: as `encoder_model::load`; unsupported (a module that this version does not have, a classifier without a
  ///   modules.json), bad_path (a module outside the folder), bad_value (sizes that do not fit). Nothing is kept of a
  ///   failed load.
  /// Complexity: one pass over the weights; peak memory is the model's plus one block of rows.
  [[nodiscard]] static embedder load(const std::filesystem::path& folder, const load_options& options = {});

  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t sum = this->stack().bytes();
    for (const step& each : steps_) sum += each.dense ? each.dense->bytes() : 0;
    return sum;
  }
  [[nodiscard]] std::size_t dimensions() const noexcept { return dimensions_; }  ///< columns of a vector
  /// The most tokens of a text that count; longer texts are cut there.
  [[nodiscard]] std::size_t max_tokens() const noexcept { return max_tokens_; }
  /// The poolings whose results are joined, in this order.
  [[nodiscard]] std::span<const sentence_pooling> poolings() const noexcept { return modules_.poolings; }
  /// The prompts that the folder names.
  [[nodiscard]] std::span<const named_prompt> prompts() const noexcept { return modules_.prompts; }
  /// How the model's vectors are to be compared, such as "cosine".
  [[nodiscard]] const std::string& similarity() const noexcept { return modules_.similarity; }
  /// What the vectors are made of, and which files say so, in one line. Throws: std::bad_alloc.
  [[nodiscard]] std::string describe() const;

  /// A vector for each text, spread over an executor's threads. Nothing is padded, and a text's bits depend on no
  /// other text. White space at the ends of a text does not count, and an empty text is what the tokenizer's template
  /// makes of it, as in the package.
  /// Shapes: result: (texts, dimensions).
  /// Throws: invalid_input (no tokenizer, no such prompt, too many dimensions, a text without tokens, or with too many
  ///   and no truncation; the message names the text), missing_token (a word that is unknown, and no unknown token),
  ///   bad_vocabulary (a word without a row in the word matrix), what the executor throws, std::bad_alloc.
  [[nodiscard]] matrix<Scalar> embed(std::span<const std::string_view> texts, workspace& scratch,
                                     const embed_options& options = {}, executor_ref threads = {}) const {
    return embed_all(texts, scratch, options, threads, {});
  }
  /// The same for strings that own their text. Throws: as above.
  [[nodiscard]] matrix<Scalar> embed(std::span<const std::string> texts, workspace& scratch,
                                     const embed_options& options = {}, executor_ref threads = {}) const {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return embed_all(views, scratch, options, threads, {});
  }
  /// The same for texts in braces. Throws: as above.
  [[nodiscard]] matrix<Scalar> embed(std::initializer_list<std::string_view> texts, workspace& scratch,
                                     const embed_options& options = {}, executor_ref threads = {}) const {
    return embed_all({texts.begin(), texts.size()}, scratch, options, threads, {});
  }
  // Two strings in braces within braces would be taken for the two ends of one.
  matrix<Scalar> embed(std::initializer_list<text_pair> texts, workspace& scratch, const embed_options& options = {},
                       executor_ref threads = {}) const = delete;

  /// The same, where a text that cannot be computed leaves its error and does no harm to the others.
  /// Throws: invalid_input (no tokenizer, options that contradict each other), what the executor throws,
  ///   std::bad_alloc.
  [[nodiscard]] std::vector<text_outcome<std::vector<Scalar>>> try_embed(std::span<const std::string_view> texts,
                                                                         workspace& scratch,
                                                                         const embed_options& options = {},
                                                                         executor_ref threads = {}) const;
  /// The same for strings that own their text. Throws: as above.
  [[nodiscard]] std::vector<text_outcome<std::vector<Scalar>>> try_embed(std::span<const std::string> texts,
                                                                         workspace& scratch,
                                                                         const embed_options& options = {},
                                                                         executor_ref threads = {}) const {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return try_embed(std::span<const std::string_view>(views), scratch, options, threads);
  }

  /// The vectors of final states that the caller has: pooling and all that follows.
  /// Shapes: states: (tokens, hidden_size), sequence i owning rows [offsets[i], offsets[i + 1]), none of them empty and
  ///   without padding; result: (sequences, dimensions).
  /// Throws: invalid_input (shapes), what the executor throws, std::bad_alloc.
  [[nodiscard]] matrix<Scalar> pool(const matrix_view<const Scalar>& states, std::span<const std::size_t> offsets,
                                    workspace& scratch, executor_ref threads = {}) const {
    return pool_rows(states, offsets, 0, scratch, threads);
  }

 private:
  // A linear layer, or where there is none, vectors of length 1.
  struct step {
    std::optional<linear<Scalar, Backend>> dense{};
    std::optional<activation_kind> activation{};
  };

  embedder(model_loader& loader, models::sentence_modules modules) : base(loader), modules_(std::move(modules)) {
    max_tokens_ = max_sequence_length();
    if (modules_.max_tokens != 0) max_tokens_ = (std::min)(max_tokens_, modules_.max_tokens);
    dimensions_ = modules_.poolings.size() * hidden_size();
    if (modules_.stated_width != 0 && modules_.stated_width != hidden_size()) {
      fail(error_code::bad_value, {.file = modules_.stated_by,
                                   .where = "embedding dimension",
                                   .expected = "the encoder's hidden size " + std::to_string(hidden_size()),
                                   .found = std::to_string(modules_.stated_width)});
    }
    for (const models::embedding_step& described : modules_.steps) {
      if (!described.dense) continue;
      const models::dense_module& dense = *described.dense;
      if (dense.input_width != dimensions_) {
        fail(error_code::bad_value, {.file = (dense.folder / "config.json").string(),
                                     .where = "$.in_features",
                                     .expected = std::to_string(dimensions_) + ", the columns before it",
                                     .found = std::to_string(dense.input_width)});
      }
      dimensions_ = dense.output_width;
    }
  }

  // Reads the linear layers behind the pooling, each from its own folder. Result: their tensors.
  load_report load_steps(const model_loader& loader) {
    load_report tensors;
    for (const models::embedding_step& described : modules_.steps) {
      step& next = steps_.emplace_back();
      if (!described.dense) continue;
      const models::dense_module& dense = *described.dense;
      const weight_files weights = checkpoint_folder::open(dense.folder).open_weights();
      const safetensors_source source(weights, {.allow_non_finite = loader.options().allow_non_finite});
      next.dense.emplace(linear<Scalar, Backend>::load(
          source, "linear.", {.output_width = dense.output_width, .input_width = dense.input_width, .bias = dense.bias},
          loader.head_options()));
      next.activation = dense.activation;
      load_report own = models::make_load_report(source, {});
      if (loader.options().strict) models::check_all_used(own, source.name());
      models::append(tensors, std::move(own));
    }
    return tensors;
  }

  // What is put before every text. Throws: invalid_input.
  [[nodiscard]] std::string prompt_for(const embed_options& options) const {
    if (options.prompt) {
      if (!options.prompt_name.empty()) fail_input("prompt_name", "empty, as there is a prompt", options.prompt_name);
      return *options.prompt;
    }
    const std::string& wanted = options.prompt_name.empty() ? modules_.default_prompt : options.prompt_name;
    if (wanted.empty()) return {};
    std::string known;
    for (const named_prompt& prompt : modules_.prompts) {
      if (prompt.name == wanted) return prompt.text;
      known.append(known.empty() ? "" : ", ").append(excerpt(prompt.name));
    }
    fail_input("prompt_name", known.empty() ? "empty, as the folder names no prompts" : known, excerpt(wanted));
  }

  [[nodiscard]] matrix<Scalar> embed_all(std::span<const std::string_view> texts, workspace& scratch,
                                         const embed_options& options, executor_ref threads,
                                         std::span<std::optional<error>> problems) const;

  [[nodiscard]] matrix<Scalar> pool_rows(const matrix_view<const Scalar>& states, std::span<const std::size_t> offsets,
                                         std::size_t skipped, workspace& scratch, executor_ref threads) const;

  models::sentence_modules modules_;
  std::vector<step> steps_{};
  std::size_t max_tokens_ = 0;
  std::size_t dimensions_ = 0;
};

template <class Scalar, class Backend>
auto embedder<Scalar, Backend>::load(const std::filesystem::path& folder, const load_options& options) -> embedder {
  models::sentence_modules modules = models::read_sentence_modules(folder);
  model_loader loader = modules.listed ? model_loader(modules.encoder, options, {"encoder_model"})
                                       : model_loader(folder, options, {"embedder", "masked_lm"});
  loader.prefer_embedding();
  embedder model(loader, std::move(modules));
  load_report steps = model.load_steps(loader);
  model.finish_loading(loader);
  if (options.report != nullptr) {
    models::append(*options.report, std::move(steps));
    if (!model.modules_.listed) options.report->notes.push_back("no modules.json: embeddings are means of the states");
  }
  return model;
}

template <class Scalar, class Backend>
auto embedder<Scalar, Backend>::describe() const -> std::string {
  std::string text = modules_.listed ? "modules.json: " : "no modules.json: ";
  for (std::size_t i = 0; i < modules_.poolings.size(); ++i) {
    text.append(i == 0 ? "pooling " : " + ").append(name(modules_.poolings[i]));
  }
  for (const step& each : steps_) {
    if (!each.dense) {
      text += ", length 1";
      continue;
    }
    text.append(", dense to ").append(std::to_string(each.dense->output_width()));
    if (each.activation) text.append(" with ").append(name(*each.activation));
  }
  text.append("; ").append(std::to_string(dimensions_)).append(" dimensions; texts are cut at ");
  text.append(std::to_string(max_tokens_)).append(" tokens, as ");
  const bool by_file = modules_.max_tokens != 0 && modules_.max_tokens == max_tokens_;
  text.append(by_file ? modules_.cut_by + " says" : std::string("the model has positions"));
  return text;
}

template <class Scalar, class Backend>
auto embedder<Scalar, Backend>::try_embed(std::span<const std::string_view> texts, workspace& scratch,
                                          const embed_options& options, executor_ref threads) const
    -> std::vector<text_outcome<std::vector<Scalar>>> {
  std::vector<std::optional<error>> problems(texts.size());
  const matrix<Scalar> vectors = embed_all(texts, scratch, options, threads, problems);
  std::vector<text_outcome<std::vector<Scalar>>> outcomes(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    outcomes[i].problem = std::move(problems[i]);
    if (outcomes[i].problem) continue;
    const auto row = vectors.view().row_span(i);
    outcomes[i].result.emplace(row.begin(), row.end());
  }
  return outcomes;
}

template <class Scalar, class Backend>
auto embedder<Scalar, Backend>::embed_all(std::span<const std::string_view> texts, workspace& scratch,
                                          const embed_options& options, executor_ref threads,
                                          std::span<std::optional<error>> problems) const -> matrix<Scalar> {
  if (options.texts.overflow) fail_input("overflow", "false, as each text has one vector", "true");
  if (options.dimensions > dimensions_) {
    fail_input("dimensions", "at most " + std::to_string(dimensions_), std::to_string(options.dimensions));
  }
  const tokenizer& reader = text_tokenizer();
  const auto prepared = [&](std::string_view text) { return models::sentence_text(text, modules_.lower_case); };
  const std::string prompt = prompt_for(options);
  text_options how = models::cutting(options.texts);
  if (*how.truncation && how.max_length == 0) how.max_length = max_tokens_;
  // The prompt's tokens without the template's last one, as the package counts them.
  const bool leave_out = !modules_.prompt_counts && !prompt.empty();
  const std::size_t skipped = leave_out ? (std::max<std::size_t>)(reader.encode(prepared(prompt)).size(), 1) - 1 : 0;
  const std::size_t columns = options.dimensions == 0 ? dimensions_ : options.dimensions;
  matrix<Scalar> vectors({texts.size(), columns});
  std::string whole;
  const auto encode = [&](std::size_t i, const encode_options& cut) {
    whole.assign(prompt).append(texts[i]);
    encoding text = reader.encode(prepared(whole), cut);
    if (text.size() > max_tokens_ && !*how.truncation) {
      fail_input("texts[" + std::to_string(i) + ']',
                 "at most " + std::to_string(max_tokens_) + " tokens, or truncation", std::to_string(text.size()));
    }
    return text;
  };
  this->for_each_pass(
      texts.size(), how, encode,
      [&](const packed_texts& pass) {
        workspace::frame frame(scratch);
        const auto states = frame.template take_matrix<Scalar>(pass.ids.size(), hidden_size());
        this->encode_packed(pass, states, scratch, threads);
        const matrix<Scalar> pooled = pool_rows(states, pass.offsets, skipped, scratch, threads);
        for (std::size_t r = 0; r < pass.size(); ++r) {
          const auto to = vectors.view().row_span(pass.texts[r]);
          std::copy_n(pooled.view().row(r), columns, to.begin());
          if (options.dimensions != 0) models::normalize_length<Scalar>(to);
        }
      },
      problems);
  return vectors;
}

template <class Scalar, class Backend>
auto embedder<Scalar, Backend>::pool_rows(const matrix_view<const Scalar>& states, std::span<const std::size_t> offsets,
                                          std::size_t skipped, workspace& scratch, executor_ref threads) const
    -> matrix<Scalar> {
  const std::size_t rows = offsets.empty() ? 0 : offsets.size() - 1;
  core::check_extents(states, states.rows(), hidden_size(), "states");
  layers::check_offsets(offsets, states.rows());
  matrix<Scalar> now({rows, modules_.poolings.size() * hidden_size()});
  for (std::size_t i = 0; i < rows; ++i) {
    const auto own = states.rows_from(offsets[i], offsets[i + 1] - offsets[i]);
    for (std::size_t p = 0; p < modules_.poolings.size(); ++p) {
      models::pool_sentence(modules_.poolings[p], own, (std::min)(skipped, own.rows() - 1),
                            now.view().row_span(i).subspan(p * hidden_size(), hidden_size()));
    }
  }
  for (const step& each : steps_) {
    if (!each.dense) {
      for (std::size_t i = 0; i < rows; ++i) models::normalize_length<Scalar>(now.view().row_span(i));
      continue;
    }
    matrix<Scalar> next({rows, each.dense->output_width()});
    if (each.activation) {
      each.dense->forward(now.view(), next.view(), scratch, *each.activation, threads);
    } else {
      each.dense->forward(now.view(), next.view(), scratch, threads);
    }
    now = std::move(next);
  }
  return now;
}

UFB_COMPILED_CLASS(embedder<float>);

}  // namespace ultrafastbert
