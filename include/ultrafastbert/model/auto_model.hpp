// SPDX-License-Identifier: MIT
//
// Any folder in, the right class out: the model is what the folder was made for.
// Layer: model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/compiled.hpp"
#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/model/loading/load_options.hpp"
#include "ultrafastbert/model/loading/task_choice.hpp"
#include "ultrafastbert/model/tasks/cross_encoder.hpp"
#include "ultrafastbert/model/tasks/embedder.hpp"
#include "ultrafastbert/model/tasks/encoder_model.hpp"
#include "ultrafastbert/model/tasks/masked_lm.hpp"
#include "ultrafastbert/model/tasks/sequence_classifier.hpp"
#include "ultrafastbert/model/tasks/token_classifier.hpp"

namespace ultrafastbert {

/// A model of the class that its folder is for. Immutable after loading, as all of them are:
///
///   const auto any = auto_model<float>::load(folder);
///   std::cout << any.describe() << '\n';
///   if (const auto* model = any.get_if<masked_lm<float>>()) ...
template <class Scalar = float, class Backend = default_backend<Scalar>>
class auto_model {
 public:
  using any_model =
      std::variant<encoder_model<Scalar, Backend>, masked_lm<Scalar, Backend>, sequence_classifier<Scalar, Backend>,
                   token_classifier<Scalar, Backend>, embedder<Scalar, Backend>, cross_encoder<Scalar, Backend>>;

  /// Loads a folder with the class that its modules.json asks for, or that the class in its configuration stands for;
  /// where neither is there, the class that the tensors of a head are for.
  /// Throws: as the `load` of that class, and unsupported for a folder of no family. Nothing is kept of a failed load.
  [[nodiscard]] static auto_model load(const std::filesystem::path& folder, const load_options& options = {}) {
    models::task_choice choice = models::choose_task(folder);
    any_model model = load_as(choice.loader, folder, options);
    return auto_model(std::move(model), std::move(choice));
  }

  /// The name of the class, such as "masked_lm".
  [[nodiscard]] const std::string& task() const noexcept { return choice_.loader; }
  /// What says that the folder is for this class.
  [[nodiscard]] const std::string& reason() const noexcept { return choice_.reason; }
  [[nodiscard]] const any_model& model() const noexcept { return model_; }  ///< the model itself
  /// The model, moved out of an auto_model that is not used any more.
  [[nodiscard]] any_model take() && noexcept { return std::move(model_); }
  /// The model if it is of that class, else null.
  template <class Model>
  [[nodiscard]] const Model* get_if() const noexcept {
    return std::get_if<Model>(&model_);
  }

  /// What was found and why, in one line: the class, its reason, the encoder, and what the class has to add.
  /// Throws: std::bad_alloc.
  [[nodiscard]] std::string describe() const {
    const encoder_config& encoder = std::visit(
        [](const auto& model) -> const encoder_config& {
          if constexpr (requires { model.stack(); }) {
            return model.stack().config();
          } else {
            return model.classifier().stack().config();
          }
        },
        model_);
    std::string text = choice_.loader + ", because " + choice_.reason + "; " + std::to_string(encoder.layers) +
                       " layers of width " + std::to_string(encoder.hidden_size()) + " with ";
    const auto* fast = std::get_if<fast_feedforward_shape>(&encoder.block.feedforward);
    text += fast != nullptr ? "fast feedforward layers of depth " + std::to_string(fast->depth) : "dense layers";
    text += ", " + std::to_string(encoder.embedding.vocabulary_size) + " words";
    if (const auto* embeds = get_if<embedder<Scalar, Backend>>()) text += "; " + embeds->describe();
    std::size_t labels = 0;
    if (const auto* some = get_if<sequence_classifier<Scalar, Backend>>()) labels = some->labels().size();
    if (const auto* some = get_if<token_classifier<Scalar, Backend>>()) labels = some->labels().size();
    if (const auto* some = get_if<cross_encoder<Scalar, Backend>>()) labels = some->classifier().labels().size();
    if (labels != 0) text += "; " + std::to_string(labels) + (labels == 1 ? " label" : " labels");
    return text;
  }

 private:
  auto_model(any_model model, models::task_choice choice) : model_(std::move(model)), choice_(std::move(choice)) {}

  static any_model load_as(std::string_view loader, const std::filesystem::path& folder, const load_options& options) {
    if (loader == "masked_lm") return masked_lm<Scalar, Backend>::load(folder, options);
    if (loader == "sequence_classifier") return sequence_classifier<Scalar, Backend>::load(folder, options);
    if (loader == "token_classifier") return token_classifier<Scalar, Backend>::load(folder, options);
    if (loader == "embedder") return embedder<Scalar, Backend>::load(folder, options);
    if (loader == "cross_encoder") return cross_encoder<Scalar, Backend>::load(folder, options);
    return encoder_model<Scalar, Backend>::load(folder, options);
  }

  any_model model_;
  models::task_choice choice_;
};

UFB_COMPILED_CLASS(auto_model<float>);

}  // namespace ultrafastbert
