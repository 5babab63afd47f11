// SPDX-License-Identifier: MIT
//
// Golden cases of whole models: from ids, and end to end from text.
#include <algorithm>
#include <utility>

#include "golden_runner/golden_case.hpp"
#include "golden_runner/model_batches.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_test {

namespace {

namespace ufb = ultrafastbert;
using model_type = ufb::masked_lm<float>;

void run_batch(const model_type& model, const model_batch& batch, const std::string& name, ufb::workspace& workspace,
               golden_result& result) {
  const auto states = run_encoder(model, batch, name, workspace, result);
  ufb::matrix<float> logits({states.rows(), model.vocabulary_size()});
  std::vector<std::size_t> rows(states.rows());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  model.logits(states.view(), rows, logits.view(), workspace);
  result.tensors.reals.push_back(as_tensor(name + ".logits", {rows.size(), logits.cols()}, logits));
}

void run_batch(const ufb::encoder_model<float>& model, const model_batch& batch, const std::string& name,
               ufb::workspace& workspace, golden_result& result) {
  static_cast<void>(run_encoder(model, batch, name, workspace, result));
}

template <class Model>
golden_result compute_with(const golden_case& golden) {
  const auto folder = golden.file("dir");
  const auto model = Model::load(folder);
  const auto inputs = ufb::safetensors::open(folder / golden.entry.at("golden").get<std::string>());
  auto workspace = model.make_workspace();
  golden_result result;
  for (const json& entry : golden.entry.at("batches")) {
    const auto name = entry.at("name").get<std::string>();
    run_batch(model, read_batch(inputs, name), name, workspace, result);
  }
  return result;
}

}  // namespace

// The class of every architecture that a case may have.
golden_result compute_model(const golden_case& golden) {
  const auto architecture = golden.entry.at("architecture").get<std::string>();
  if (architecture == "ScriptableLM" || architecture.ends_with("Model"))
    return compute_with<ufb::encoder_model<float>>(golden);
  if (architecture.ends_with("ForPreTraining") || architecture.ends_with("ForMaskedLM"))
    return compute_with<model_type>(golden);
  return compute_classifier(golden, architecture);
}

void compare_model(const golden_case& golden, const golden_result& result) {
  const auto expected = ufb::safetensors::open(golden.file("dir") / golden.entry.at("golden").get<std::string>());
  for (const auto& path : result.tensors.integers) {
    expect_equal(path, read<std::int32_t>(expected, path.name).values);
  }
  std::size_t paths = 0;
  for (const auto& entry : expected.tensors()) {
    paths += entry.name.find(".fff_path.layer.") != std::string::npos ? 1U : 0U;
  }
  if (paths != result.tensors.integers.size()) throw mismatch("the paths of some layer are missing");
  for (const auto& values : result.tensors.reals) {
    const auto dot = values.name.find('.');
    const std::string batch = values.name.substr(0, dot);
    const std::string what = values.name.substr(dot + 1);
    for (const json& entry : golden.entry.at("batches")) {
      if (entry.at("name") != batch) continue;
      // Some states are recorded in float alone.
      const std::string doubles = values.name + "_f64";
      expect_close(values, read<double>(expected, expected.find(doubles) != nullptr ? doubles : values.name).values,
                   entry.at("tolerance_abs_vs_f64").at(what).get<double>());
    }
  }
}

golden_result compute_end_to_end(const golden_case& golden) {
  const auto folder = golden.file("dir");
  const auto model = model_type::load(folder);
  const auto inputs = ufb::safetensors::open(folder / golden.entry.at("golden").get<std::string>());
  const json texts = parse_python_json(
      ufb::read_text_file(golden.file("dir") / golden.entry.at("expected").get<std::string>(), std::size_t{1} << 26U));
  const auto max_length = texts.at("truncation_max_length").get<std::size_t>();
  auto workspace = model.make_workspace();
  golden_result result;
  for (std::size_t i = 0; i < texts.at("texts").size(); ++i) {
    const auto text = texts.at("texts").at(i).at("text").get<std::string>();
    const auto encoding = model.text_tokenizer().encode(text, {.max_length = max_length});
    const std::string name = 't' + std::to_string(i);
    ufb::matrix<float> states({encoding.ids.size(), model.hidden_size()});
    model.encode({encoding.ids.data(), {1, encoding.ids.size()}}, {}, states.view(), workspace);
    const auto wanted = read<std::int32_t>(inputs, name + ".rows");
    const std::vector<std::size_t> rows(wanted.values.begin(), wanted.values.end());
    ufb::matrix<float> logits({rows.size(), model.vocabulary_size()});
    model.logits(states.view(), rows, logits.view(), workspace);
    result.tensors.integers.push_back(
        {.name = name + ".input_ids", .shape = {1, encoding.ids.size()}, .values = encoding.ids});
    result.tensors.reals.push_back(as_tensor(name + ".logits_at_rows", {rows.size(), logits.cols()}, logits));
  }
  return result;
}

void compare_end_to_end(const golden_case& golden, const golden_result& result) {
  const auto folder = golden.file("dir");
  const auto expected = ufb::safetensors::open(folder / golden.entry.at("golden").get<std::string>());
  const json document = parse_python_json(
      ufb::read_text_file(folder / golden.entry.at("expected").get<std::string>(), std::size_t{1} << 26U));
  const auto max_length = document.at("truncation_max_length").get<std::size_t>();
  const json& texts = document.at("texts");
  const auto model = model_type::load(folder);
  auto workspace = model.make_workspace();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const json& text = texts.at(i);
    const double tolerance = text.at("tolerance_abs_vs_f64_logits").get<double>();
    expect_equal(result.tensors.integers.at(i), text.at("ids").get<std::vector<std::int32_t>>());
    const std::string name = 't' + std::to_string(i);
    expect_close(result.tensors.reals.at(i), read<double>(expected, name + ".logits_f64_at_rows").values, tolerance);

    const auto sentence = text.at("text").get<std::string>();
    if (model.text_tokenizer().encode(sentence, {.max_length = max_length}).truncated)
      continue;  // fill_mask never cuts
    const auto candidates = model.fill_mask(sentence, {.top_k = 5}, workspace);
    if (candidates.size() != 5 * text.at("mask_positions").size()) throw mismatch(name + ": number of candidates");
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      const auto& got = candidates[c];
      const json& best = text.at("top5_at_mask").at(std::to_string(got.position));
      const std::size_t rank = c % 5;
      if (std::abs(got.logit - best.at("logits_f64").at(rank).get<double>()) > tolerance) {
        throw mismatch(name + ": logit of rank " + std::to_string(rank));
      }
      if (std::abs(got.probability - best.at("probabilities").at(rank).get<double>()) > 2 * tolerance) {
        throw mismatch(name + ": probability of rank " + std::to_string(rank));
      }
      if (best.at("smallest_gap").get<double>() <= tolerance) continue;
      if (got.id != best.at("ids").at(rank).get<ultrafastbert::token_id>() ||
          got.token != best.at("tokens").at(rank).get<std::string>()) {
        throw mismatch(name + ": token of rank " + std::to_string(rank));
      }
    }
  }
}

}  // namespace ufb_test
