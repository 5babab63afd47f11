// SPDX-License-Identifier: MIT
//
// Golden cases of whole models: from ids, and end to end from text.
#include <algorithm>
#include <utility>

#include "golden_runner/golden_case.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_test {

namespace {

namespace ufb = ultrafastbert;
using model_type = ufb::masked_lm<float>;

tensor<float> as_tensor(std::string name, std::vector<std::size_t> shape, const ufb::matrix<float>& matrix) {
  tensor<float> out{.name = std::move(name), .shape = std::move(shape)};
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    out.values.insert(out.values.end(), matrix.row(r), matrix.row(r) + matrix.cols());
  }
  return out;
}

struct batch_shape {
  std::size_t batch = 0;
  std::size_t length = 0;
};

void add_paths(const ufb::encoder_trace<float>& trace, const std::string& prefix, const batch_shape& shape,
               std::size_t levels, golden_result& result) {
  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    const auto& paths = trace.layers[i].paths;
    if (paths.cols() == 0) continue;
    tensor<std::int32_t> out{.name = prefix + ".fff_path.layer." + std::to_string(i),
                             .shape = {shape.batch, shape.length, paths.cols() / levels, levels}};
    for (std::size_t r = 0; r < paths.rows(); ++r) {
      out.values.insert(out.values.end(), paths.row(r), paths.row(r) + paths.cols());
    }
    result.tensors.integers.push_back(std::move(out));
  }
}

template <class Model>
std::size_t levels_of(const Model& model) {
  const auto* fast = std::get_if<ufb::fast_feedforward_config>(&model.encoder().config().feedforward);
  return fast == nullptr ? 1 : ufb::tree::levels(fast->depth);
}

// Masks are stored as integers or as numbers.
tensor<float> read_mask(const ufb::safetensors& inputs, const std::string& name) {
  const auto type = inputs.find(name)->type;
  if (type == ufb::dtype::f32 || type == ufb::dtype::f64) return read<float>(inputs, name);
  auto integers = read<std::int32_t>(inputs, name);
  return {.name = name,
          .shape = std::move(integers.shape),
          .values = std::vector<float>(integers.values.begin(), integers.values.end())};
}

// Final states and paths of one batch.
template <class Model>
ufb::matrix<float> run_encoder(const Model& model, const ufb::safetensors& inputs, const std::string& name,
                               ufb::workspace& workspace, golden_result& result) {
  const auto ids = read<std::int32_t>(inputs, name + ".input_ids");
  const batch_shape shape{ids.shape.at(0), ids.shape.at(1)};
  tensor<float> mask;
  ufb::matrix_view<const float> mask_view;
  if (inputs.find(name + ".attention_mask") != nullptr) {
    mask = read_mask(inputs, name + ".attention_mask");
    mask_view = {mask.values.data(), {mask.values.size() / mask.shape.back(), mask.shape.back()}};
  }
  ufb::matrix<float> states({shape.batch * shape.length, model.hidden_size()});
  ufb::encoder_trace<float> trace;
  model.encode({ids.values.data(), {shape.batch, shape.length}}, mask_view, states.view(), workspace, &trace);
  result.tensors.reals.push_back(as_tensor(name + ".final", {shape.batch, shape.length, states.cols()}, states));
  add_paths(trace, name, shape, levels_of(model), result);
  return states;
}

void run_batch(const model_type& model, const ufb::safetensors& inputs, const std::string& name,
               ufb::workspace& workspace, golden_result& result) {
  const auto states = run_encoder(model, inputs, name, workspace, result);
  ufb::matrix<float> logits({states.rows(), model.vocabulary_size()});
  std::vector<std::size_t> rows(states.rows());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  model.logits(states.view(), rows, logits.view(), workspace);
  result.tensors.reals.push_back(as_tensor(name + ".logits", {rows.size(), logits.cols()}, logits));
}

void run_batch(const ufb::encoder_model<float>& model, const ufb::safetensors& inputs, const std::string& name,
               ufb::workspace& workspace, golden_result& result) {
  static_cast<void>(run_encoder(model, inputs, name, workspace, result));
}

template <class Model>
golden_result compute_with(const golden_case& golden) {
  const auto folder = golden.file("dir");
  const auto model = Model::load(folder);
  const auto inputs = ufb::safetensors::open(folder / golden.entry.at("golden").get<std::string>());
  auto workspace = model.make_workspace();
  golden_result result;
  for (const json& batch : golden.entry.at("batches")) {
    run_batch(model, inputs, batch.at("name").get<std::string>(), workspace, result);
  }
  return result;
}

}  // namespace

// The class of every architecture that a case may have.
golden_result compute_model(const golden_case& golden) {
  const auto architecture = golden.entry.at("architecture").get<std::string>();
  if (architecture == "ScriptableLM") return compute_with<ufb::encoder_model<float>>(golden);
  if (architecture == "ScriptableLMForPreTraining") return compute_with<model_type>(golden);
  throw mismatch("no class for " + architecture);
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
      expect_close(values, read<double>(expected, values.name + "_f64").values,
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
    const auto encoding = model.tokenizer().encode(text, {.max_length = max_length});
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
    if (model.tokenizer().encode(sentence, {.max_length = max_length}).truncated) continue;  // fill_mask never cuts
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
      if (got.id != best.at("ids").at(rank) || got.token != best.at("tokens").at(rank)) {
        throw mismatch(name + ": token of rank " + std::to_string(rank));
      }
    }
  }
}

}  // namespace ufb_test
