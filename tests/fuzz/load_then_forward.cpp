// SPDX-License-Identifier: MIT
//
// Fuzz target: an input chooses a tiny model of any family, its numbers, how it is stored and computed, and a batch.
// The model is written as a folder and loaded. Where nothing about it is out of the ordinary it has to load, and its
// results are finite; where numbers are at the ends of their range it loads or is refused, and computes or refuses.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz_input.hpp"
#include "fuzz/tiny_models.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

using namespace ufb_fuzz;

struct padded_ids {
  ufb::matrix<ufb::token_id> ids{};
  ufb::matrix<float> mask{};
};

padded_ids make_batch(byte_stream& input, std::size_t longest) {
  const std::size_t rows = input.size(1, 4);
  const std::size_t length = input.size(1, longest);
  padded_ids out{.ids = ufb::matrix<ufb::token_id>({rows, length}), .mask = ufb::matrix<float>({rows, length})};
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t tokens = input.size(1, length);
    for (std::size_t k = 0; k < length; ++k) {
      out.ids(r, k) = static_cast<ufb::token_id>(input.size(0, 10));
      out.mask(r, k) = k < tokens ? 1.0F : 0.0F;
    }
  }
  return out;
}

void check_scores(const std::vector<ufb::label_score>& scores, std::size_t labels, bool usual) {
  require(scores.size() == labels, "a label is missing");
  for (const auto& each : scores) require(!usual || std::isfinite(each.score), "a score that is not finite");
}

/// What a model of each class computes of a batch and of texts.
struct caller {
  const padded_ids& batch;
  std::size_t labels;
  bool usual;
  ufb::workspace scratch{};

  template <class Model>
  ufb::matrix<float> states_of(const Model& model) {
    auto states = model.encode(batch.ids.view(), batch.mask.view(), scratch);
    require(!usual || all_finite(states.view()), "a state that is not finite");
    const auto texts = model.encode({"the cats sat .", "<mask> on"}, scratch);
    require(!usual || all_finite(texts.states.view()), "a state of a text that is not finite");
    return states;
  }

  void operator()(const ufb::encoder_model<float>& model) { static_cast<void>(states_of(model)); }
  void operator()(const ufb::masked_lm<float>& model) {
    const auto states = states_of(model);
    const std::vector<std::size_t> rows{0};
    ufb::matrix<float> logits({1, model.vocabulary_size()});
    model.logits(states.view(), rows, logits.view(), scratch);
    require(!usual || all_finite(logits.view()), "a logit that is not finite");
    for (const auto& word : model.fill_mask("the <mask> sat .", {}, scratch)) {
      require(!usual || (std::isfinite(word.logit) && word.probability >= 0 && word.probability <= 1), "a candidate");
    }
  }
  void operator()(const ufb::sequence_classifier<float>& model) {
    static_cast<void>(states_of(model));
    ufb::matrix<float> logits({batch.ids.rows(), labels});
    model.logits(batch.ids.view(), batch.mask.view(), logits.view(), scratch);
    require(!usual || all_finite(logits.view()), "a logit that is not finite");
    for (const auto& text : model.classify({"the cat", "on the cat"}, scratch)) check_scores(text, labels, usual);
  }
  void operator()(const ufb::token_classifier<float>& model) { static_cast<void>(states_of(model)); }
  void operator()(const ufb::embedder<float>& model) { static_cast<void>(states_of(model)); }
  void operator()(const ufb::cross_encoder<float>&) {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const scratch_folder folder;
  static const bool written = [] {
    folder.write("tokenizer.json", tiny_tokenizer());
    return true;
  }();
  static_cast<void>(written);
  byte_stream input(data, size);
  std::optional<tiny_model> tiny;
  // A family may refuse what was chosen, such as rotary positions with heads of an odd width.
  attempt([&] { tiny.emplace(make_tiny_model(input)); });
  if (!tiny) return 0;
  folder.write("config.json", tiny->config);
  folder.write("model.safetensors", container_of(tiny->tensors, input));
  const auto options = tiny_options(input);
  const padded_ids batch = make_batch(input, 16);
  bool loaded = false;
  const auto problem = attempt([&] {
    const auto model = ufb::auto_model<float>::load(folder.path(), options);
    loaded = true;
    caller call{.batch = batch, .labels = tiny->labels, .usual = tiny->usual};
    std::visit(call, model.model());
  });
  // torch-norm knows no masks, and no family but one computes narrow storage in every form: those are refused by name.
  const bool refusal = problem == ufb::error_code::unsupported || problem == ufb::error_code::invalid_input;
  if (tiny->usual && problem && !refusal) {
    fault("an ordinary model is refused: " + std::string(name(*problem)) + (loaded ? " when it computes: " : ": ") +
          tiny->config);
  }
  return 0;
}
