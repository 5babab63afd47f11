// SPDX-License-Identifier: MIT
//
// A checkpoint folder while a model is made of it: configuration, weights, tokenizer, and the order in which they are
// checked.
// Layer: model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/file.hpp"
#include "ultrafastbert/io/json_document.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/io/weight_files.hpp"
#include "ultrafastbert/model/config_json.hpp"
#include "ultrafastbert/model/load_options.hpp"
#include "ultrafastbert/model/load_report.hpp"
#include "ultrafastbert/model/requirements.hpp"
#include "ultrafastbert/model/tensor_names.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert::models {

/// The parts of a checkpoint folder. A model first calls `need` for everything that it takes, then `check`, and sets
/// memory aside only then.
class checkpoint_reader {
 public:
  /// Reads the configuration, refuses classes other than those in `accepted`, and opens the weights.
  /// Throws: io_error, unsupported, the codes of the JSON and safetensors readers, std::bad_alloc.
  checkpoint_reader(const std::filesystem::path& folder, const load_options& options,
                    std::initializer_list<std::string_view> accepted)
      : options_(options),
        folder_(checkpoint_folder::open(folder)),
        document_(read_document(folder_)),
        config_(read_config(document_, folder_, accepted)),
        weights_(folder_.open_weights()),
        source_(weights_, {.allow_non_finite = options.allow_non_finite}),
        names_(tensor_names::of(source_)) {
    names_.complete(source_, config_);
  }
  checkpoint_reader(const checkpoint_reader&) = delete;
  checkpoint_reader& operator=(const checkpoint_reader&) = delete;
  ~checkpoint_reader() = default;

  [[nodiscard]] const checkpoint_folder& folder() const noexcept { return folder_; }   ///< its files
  [[nodiscard]] const checkpoint_config& config() const noexcept { return config_; }   ///< with the vocabulary's size
  [[nodiscard]] const safetensors_source& source() const noexcept { return source_; }  ///< the weights
  [[nodiscard]] const tensor_names& names() const noexcept { return names_; }          ///< in the weights
  [[nodiscard]] json_value config_json() const { return document_.root(); }            ///< the whole configuration

  /// The architecture dictionary.
  [[nodiscard]] json_value arch() const { return document_.root().find("arch").value_or(document_.root()); }

  /// Rows of a matrix, or 0 if there is no such matrix.
  [[nodiscard]] std::size_t rows_of(const std::string& name) const {
    if (!source_.contains(name)) return 0;
    const auto shape = source_.shape(name);
    return shape.size() == 2 ? shape.front() : 0;
  }

  /// For models without a decoder, which take the word matrix from the embedding wherever it is there.
  void prefer_embedding() {
    if (source_.contains(names_.embedding)) names_.words = names_.embedding;
  }

  /// Notes the tensors that `Layer::for_each_tensor(arguments..., visit)` names.
  template <class Layer, class... Arguments>
  void need(const Arguments&... arguments) {
    Layer::for_each_tensor(arguments..., [this](std::string name, std::initializer_list<std::size_t> shape) {
      needed_.add(std::move(name), shape);
    });
  }

  /// Notes one tensor.
  void need_tensor(const std::string& name, std::initializer_list<std::size_t> shape) { needed_.add(name, shape); }

  /// Notes an encoder's tensors, both copies of a tied word matrix included.
  template <class Encoder>
  void need_encoder() {
    need<Encoder>(names_.encoder, names_.words, config_.encoder);
    if (names_.words != names_.embedding && source_.contains(names_.embedding)) {
      needed_.add(names_.embedding, {config_.encoder.vocabulary_size, config_.encoder.hidden_size});
    }
  }

  /// Throws one missing_tensor that lists all noted tensors that are absent or of another shape.
  void check() const { needed_.check(source_, source_.name()); }

  /// The encoder. Throws: what `Encoder::load` throws.
  template <class Encoder>
  [[nodiscard]] Encoder load_encoder() const {
    return Encoder::load(source_, names_.encoder, names_.words, config_.encoder,
                         {.feedforward = options_.feedforward,
                          .projections = options_.projections,
                          .token_budget = options_.token_budget});
  }

  /// How the linear layers of a head are computed: as the encoder's, but never rounded.
  [[nodiscard]] projection_choices head_choices() const noexcept {
    return {.engine = options_.projections.engine, .isa = options_.projections.isa};
  }

  /// The tokenizer, if the folder has one. Throws: what `tokenizer::load` throws.
  [[nodiscard]] std::optional<tokenizer> load_tokenizer() const {
    if (!folder_.tokenizer()) return std::nullopt;
    return tokenizer::load(*folder_.tokenizer());
  }

  /// Ends a load after everything was read. Throws: unused_tensor (under `strict`), std::bad_alloc.
  void finish() const { finish_loading(source_, options_.strict, options_.report); }

 private:
  static json_document read_document(const checkpoint_folder& folder) {
    constexpr json_limits limits{};
    return json_document::parse(read_text_file(folder.config(), limits.max_bytes), folder.config().string(), limits);
  }

  static checkpoint_config read_config(const json_document& document, const checkpoint_folder& folder,
                                       std::initializer_list<std::string_view> accepted) {
    auto config = read_checkpoint_config(document);
    expect_architecture(config, folder.config().string(), accepted);
    return config;
  }

  load_options options_;
  checkpoint_folder folder_;
  json_document document_;
  checkpoint_config config_;
  weight_files weights_;
  safetensors_source source_;  // refers to weights_
  tensor_names names_;
  tensor_requirements needed_{};
};

}  // namespace ultrafastbert::models
