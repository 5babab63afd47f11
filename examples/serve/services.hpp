// SPDX-License-Identifier: MIT
//
// The models that the server has, by name and endpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "../loading.hpp"
#include "framing.hpp"
#include "messages.hpp"
#include "service.hpp"
#include "ultrafastbert/model/auto_model.hpp"
#include "ultrafastbert/tokenizer/steps/utf8.hpp"

namespace serve {

/// What becomes of a folder.
enum class served_as : std::uint8_t {
  its_task,  ///< what the folder says that it is for
  embedder,
  reranker,
};

/// Name and model of every folder.
class services {
 public:
  static constexpr std::size_t longest_name = 255;  ///< bytes

  /// Throws: as the models' own `load`; std::runtime_error (a second model with the same name and endpoint).
  void add(const std::string& what, served_as kind, const ufb::load_options& how, const service_options& options) {
    const named_folder from = split(what);
    const std::string& name = from.name;
    const std::string& folder = from.folder;
    check_name(name, folder);
    if (kind == served_as::embedder) return add_embedder(name, folder, how, options);
    if (kind == served_as::reranker) {
      auto model = ufb::cross_encoder<float>::load(folder, examples::with_loading_line(how));
      const std::size_t labels = model.classifier().labels().size();
      std::string description = "cross_encoder; " + std::to_string(labels) + (labels == 1 ? " label" : " labels");
      return take(std::make_unique<model_service<ufb::cross_encoder<float>>>(name, std::move(model),
                                                                             std::move(description), options));
    }
    auto any = ufb::auto_model<float>::load(folder, examples::with_loading_line(how));
    if (any.task() == "encoder_model") return add_embedder(name, folder, how, options);
    const std::string description = any.describe();
    auto model_of_its_class = std::move(any).take();
    std::visit(
        [&]<class Model>(Model& model) {
          if constexpr (!std::is_same_v<Model, ufb::encoder_model<float>>) {
            take(std::make_unique<model_service<Model>>(name, std::move(model), description, options));
          }
        },
        model_of_its_class);
  }

  [[nodiscard]] const std::vector<std::unique_ptr<service>>& all() const noexcept { return services_; }

  /// The model of a request: the one it names, or the first one with that endpoint, or any for an empty endpoint; of
  /// those with trees, if there are some and none is named, for `routed`. Throws: bad_request.
  [[nodiscard]] service& find(std::string_view endpoint, const std::string& name, bool routed = false) const {
    if (routed && name.empty()) {
      for (const auto& each : services_) {
        if (each->has_routes()) return *each;
      }
    }
    std::string names;
    for (const auto& each : services_) {
      if (!endpoint.empty() && each->endpoint() != endpoint) continue;
      if (name.empty() || each->name() == name) return *each;
      names.append(names.empty() ? "" : ", ").append(each->name());
    }
    if (names.empty()) {
      throw bad_request(404, "no_model", "no model here answers at " + std::string(endpoint));
    }
    throw bad_request(404, "no_model", "expected one of " + names, "model");
  }

 private:
  struct named_folder {
    std::string name{};
    std::string folder{};
  };

  // Refuses names that no request can have or no page of metrics may show, and two folders of one name, as requests
  // could not tell them apart; one may be served for several tasks.
  void check_name(const std::string& name, const std::string& folder) {
    const bool has_controls = framing::has_controls(name) || name.find('\t') != std::string::npos;
    if (has_controls || name.size() > longest_name || !ufb::tokenizers::is_valid_utf8(name)) {
      throw std::runtime_error(folder + ": a model's name is UTF-8 without control characters, of at most " +
                               std::to_string(longest_name) + " bytes: call it otherwise, as NAME=FOLDER");
    }
    const auto [known, added] = folders_.try_emplace(name, std::filesystem::weakly_canonical(folder));
    if (added || known->second == std::filesystem::weakly_canonical(folder)) return;
    throw std::runtime_error("two folders are called " + name + ": call one of them otherwise, as NAME=FOLDER");
  }

  // NAME=FOLDER, or a folder, whose own name it then is; links have theirs.
  static named_folder split(const std::string& what) {
    const std::size_t equals = what.find('=');
    if (equals != std::string::npos && equals != 0 && !std::filesystem::exists(what)) {
      if (equals + 1 == what.size()) throw std::runtime_error(what + " names no folder");
      return {what.substr(0, equals), what.substr(equals + 1)};
    }
    std::filesystem::path folder = std::filesystem::absolute(what).lexically_normal();
    if (!folder.has_filename()) folder = folder.parent_path();
    return {folder.filename().string(), what};
  }

  void add_embedder(const std::string& name, const std::string& folder, const ufb::load_options& how,
                    const service_options& options) {
    auto model = ufb::embedder<float>::load(folder, examples::with_loading_line(how));
    std::string description = "embedder; " + model.describe();
    take(
        std::make_unique<model_service<ufb::embedder<float>>>(name, std::move(model), std::move(description), options));
  }

  void take(std::unique_ptr<service> next) {
    static_cast<void>(next->reader());  // a folder without a tokenizer is refused at once
    for (const auto& each : services_) {
      if (each->name() == next->name() && each->endpoint() == next->endpoint()) {
        throw std::runtime_error("two models are called " + next->name() + " and answer at " +
                                 std::string(next->endpoint()));
      }
    }
    services_.push_back(std::move(next));
  }

  std::map<std::string, std::filesystem::path> folders_{};
  std::vector<std::unique_ptr<service>> services_{};
};

}  // namespace serve
