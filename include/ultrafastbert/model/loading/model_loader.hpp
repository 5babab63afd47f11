// SPDX-License-Identifier: MIT
//
// A checkpoint folder while a model is made of it: configuration, weights, tokenizer, and the order in which they are
// checked.
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

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/io/weight_files.hpp"
#include "ultrafastbert/model/families/families.hpp"
#include "ultrafastbert/model/families/family.hpp"
#include "ultrafastbert/model/loading/load_options.hpp"
#include "ultrafastbert/model/loading/load_report.hpp"
#include "ultrafastbert/model/loading/sentence_modules.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert {

/// The parts of a checkpoint folder. Parameters are noted first; memory for weights is set aside only when all of them
/// were found. One thread at a time uses a loader. Whoever writes a model with a head of their own derives it from
/// `text_model` and loads it as the models of this library are loaded:
///
///   static my_model load(const std::filesystem::path& folder, const load_options& options) {
///     model_loader loader(folder, options, {"MyModel"});  // as the configuration's `architectures` names the class
///     my_model model(loader);        // gives the loader to text_model, and notes the parameters of the head
///     model.finish_loading(loader);  // checks all parameters, then reads them
///     return model;
///   }
class model_loader {
 public:
  /// Reads the configuration, refuses folders that are for none of `loaders`, and opens the weights. `loaders` are
  /// names of the classes of this library that load the folders, such as "masked_lm", or of the classes that wrote
  /// them; all folders are accepted where the configuration does not say what wrote it.
  /// Throws: io_error, unsupported (also: what the folder is, and which class loads it), the codes of the JSON and
  ///   safetensors readers, std::bad_alloc.
  model_loader(const std::filesystem::path& folder, const load_options& options,
               std::initializer_list<std::string_view> loaders)
      : options_(options),
        folder_(checkpoint_folder::open(folder)),
        document_(models::read_json(folder_.config())),
        family_(&models::family_of(document_.root())),
        weights_(open_weights(loaders)),
        source_(weights_, {.allow_non_finite = options.allow_non_finite}),
        description_(family_->describe(document_.root(), source_)) {}
  model_loader(const model_loader&) = delete;
  model_loader& operator=(const model_loader&) = delete;
  ~model_loader() = default;

  [[nodiscard]] const load_options& options() const noexcept { return options_; }               ///< as given
  [[nodiscard]] const checkpoint_folder& folder() const noexcept { return folder_; }            ///< its files
  [[nodiscard]] const model_family& family() const noexcept { return *family_; }                ///< whose it is
  [[nodiscard]] const model_description& description() const noexcept { return description_; }  ///< what it holds
  [[nodiscard]] const safetensors_source& source() const noexcept { return source_; }           ///< the weights
  [[nodiscard]] json_value config() const { return document_.root(); }                          ///< whole configuration
  [[nodiscard]] parameter_list& parameters() noexcept { return parameters_; }                   ///< noted so far

  /// For sequence classifiers, whose head some families call otherwise than those of tokens.
  void prefer_sequence_head() {
    if (!description_.sequence_head_prefix.empty()) description_.head_prefix = description_.sequence_head_prefix;
  }

  /// The pooler of a sequence classifier. Throws: missing_key, bad_type, bad_value.
  [[nodiscard]] pooler_shape pooler() const { return family_->pooler(document_.root(), description_); }

  /// Rows of a matrix in the weights, or 0 if there is no such matrix or it has no columns: it may then claim any
  /// number of rows without a byte of data.
  [[nodiscard]] std::size_t rows_of(const std::string& name) const {
    const auto found = source_.find(stored_name(name));
    if (!found) return 0;
    const auto shape = source_.shape(*found);
    return shape.size() == 2 && shape.back() != 0 ? shape.front() : 0;
  }

  /// How the linear layers of a head are computed: as the encoder's, but never rounded.
  [[nodiscard]] projection_options head_options() const noexcept {
    const bool blas = options_.projections.engine == projection_engine::blas;
    return {.engine = options_.projections.engine,
            .isa = blas || options_.projections.isa != isa_level::automatic ? options_.projections.isa : options_.isa};
  }

  /// For models without a decoder, which take the word matrix from the embedding wherever it is there.
  void prefer_embedding() {
    const std::string embedding = description_.encoder_prefix + "embedding.word_embedding.weight";
    if (source_.contains(stored_name(embedding))) description_.words = embedding;
  }

  /// Notes the parameters of an encoder; the other copies of its word matrix have to have its shape, too.
  /// Pre: the encoder stays where it is until `finish`. Throws: std::bad_alloc.
  template <class Encoder>
  void note_encoder(Encoder& encoder) {
    encoder.parameters(description_.encoder_prefix, description_.words, parameters_);
    const embedding_shape& words = description_.encoder.embedding;
    for (const std::string& copy : description_.word_copies) {
      if (copy == description_.words || !source_.contains(stored_name(copy))) continue;
      parameters_.add(copy, {words.vocabulary_size, words.width}, [](const tensor&) {});
    }
  }

  /// The tokenizer, if the folder has one. Throws: what `tokenizer::load` throws.
  [[nodiscard]] std::optional<tokenizer> load_tokenizer() const {
    if (!folder_.tokenizer()) return std::nullopt;
    return tokenizer::load(*folder_.tokenizer());
  }

  /// Checks the noted parameters against the weights, before any memory is set aside for them.
  /// Throws: missing_tensor, one error that lists all that are absent or of another shape.
  void check() {
    if (description_.stored_name) parameters_.rename(description_.stored_name);
    parameters_.check(source_, description_.advice);
  }

  /// Reads the noted parameters and makes the report. `text`: the model's tokenizer, or null. Pre: `check` succeeded.
  /// Throws: non_finite, unsupported (a tensor that is not of floating type), io_error, truncated, unused_tensor and
  ///   bad_vocabulary (under `strict`), canceled, std::bad_alloc.
  void read(const tokenizer* text) const {
    parameters_.read(source_, options_.progress);
    if (!options_.strict && options_.report == nullptr) return;
    load_report report = models::make_load_report(source_, description_);
    if (text != nullptr) {
      report.words_without_row = words_without_row(*text).size();
      report.vocabulary = text->report();
    }
    if (options_.strict) {
      models::check_all_used(report, source_.name());
      if (report.words_without_row != 0) fail_words(*text);
    }
    if (options_.report != nullptr) *options_.report = std::move(report);
  }

 private:
  // Looks at the class that wrote the folder first: weights of another kind need not be opened.
  [[nodiscard]] weight_files open_weights(std::initializer_list<std::string_view> loaders) const {
    expect_class(loaders);
    return folder_.open_weights();
  }

  void expect_class(std::initializer_list<std::string_view> loaders) const {
    const std::string architecture = family_->architecture(config());
    if (architecture.empty()) return;
    const auto classes = models::find_set(config(), "architectures");
    const auto accepts = [&](std::string_view loader) {
      return std::find(loaders.begin(), loaders.end(), loader) != loaders.end();
    };
    if (accepts(architecture)) return;
    const bool embeds = accepts("embedder");
    std::string expected;
    for (const std::string_view loader : loaders) {
      expected += (expected.empty() ? "a folder for " : " or ") + std::string(loader);
    }
    if (const written_class* known = models::find_class(*family_, architecture)) {
      if (accepts(known->loader) || accepts("encoder_model")) return;  // the encoder alone is in every folder
      const bool bare = known->loader == "encoder_model";
      if (embeds && bare) return;
      const bool sentences = models::lists_modules(folder_.path());
      classes->fail_unsupported(expected, excerpt(architecture),
                                "this folder holds " + std::string(sentences ? "a model of embeddings" : known->what) +
                                    ": load it with " + std::string(sentences ? "embedder" : known->loader) +
                                    (bare && !sentences ? "" : ", or its encoder alone with encoder_model"));
    }
    classes->fail_unsupported(expected, excerpt(architecture),
                              "the family " + std::string(family_->name) + " has no such class");
  }

  [[nodiscard]] std::string stored_name(const std::string& name) const {
    return description_.stored_name ? description_.stored_name(name) : name;
  }

  // Ids of words beyond the word matrix.
  [[nodiscard]] std::vector<token_id> words_without_row(const tokenizer& text) const {
    std::vector<token_id> ids;
    for (std::size_t i = description_.encoder.embedding.vocabulary_size; i < text.id_bound(); ++i) {
      const auto id = static_cast<token_id>(i);
      if (text.id_to_token(id)) ids.push_back(id);  // numbers may be left out
    }
    return ids;
  }

  [[noreturn]] void fail_words(const tokenizer& text) const {
    const std::vector<token_id> ids = words_without_row(text);
    fail(error_code::bad_vocabulary,
         {.file = text.name(),
          .where = "vocabulary",
          .expected = "words with a row in the word matrix, ids below " +
                      std::to_string(description_.encoder.embedding.vocabulary_size) + ", as strict asks",
          .found = std::to_string(ids.size()) + " without one, the first of them " +
                   excerpt(*text.id_to_token(ids.front())) + " with id " + std::to_string(ids.front())});
  }

  load_options options_;
  checkpoint_folder folder_;
  json_document document_;
  const model_family* family_;
  weight_files weights_;
  safetensors_source source_;  // refers to weights_
  model_description description_;
  parameter_list parameters_{};
};

}  // namespace ultrafastbert
