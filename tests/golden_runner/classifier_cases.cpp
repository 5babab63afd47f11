// SPDX-License-Identifier: MIT
//
// Golden cases of whole models that classify: sequences and tokens, from ids.
#include <string>
#include <utility>

#include "golden_runner/golden_case.hpp"
#include "golden_runner/model_batches.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_test {

namespace {

namespace ufb = ultrafastbert;

std::string architecture_of(const golden_case& golden) { return golden.entry.value("architecture", std::string()); }

// `rows` and `shape`: of the logits of a batch.
template <class Model, class Rows, class Shape>
golden_result run(const golden_case& golden, const Rows& rows, const Shape& shape) {
  const auto folder = golden.file("dir");
  const auto model = Model::load(folder);
  const auto inputs = ufb::safetensors::open(folder / golden.entry.at("golden").get<std::string>());
  auto workspace = model.make_workspace();
  golden_result result;
  for (const json& entry : golden.entry.at("batches")) {
    const auto name = entry.at("name").template get<std::string>();
    const model_batch batch = read_batch(inputs, name);
    ufb::matrix<float> states({batch.tokens(), model.hidden_size()});
    ufb::encoder_trace<float> trace;
    model.encode(batch.id_view(), batch.mask_view(), states.view(), workspace, &trace);
    add_states(model, batch, name, states, trace, result);
    ufb::matrix<float> logits({rows(batch), model.labels().size()});
    model.logits(batch.id_view(), batch.mask_view(), logits.view(), workspace);
    result.tensors.reals.push_back(as_tensor(name + ".logits", shape(batch, logits.cols()), logits));
  }
  return result;
}

}  // namespace

bool is_classifier(const golden_case& golden) { return architecture_of(golden).ends_with("Classification"); }

golden_result compute_classifier(const golden_case& golden) {
  using shape_type = std::vector<std::size_t>;
  if (architecture_of(golden) == "ScriptableLMForTokenClassification") {
    return run<ufb::token_classifier<float>>(
        golden, [](const model_batch& batch) { return batch.tokens(); },
        [](const model_batch& batch, std::size_t classes) {
          return shape_type{batch.shape.batch, batch.shape.length, classes};
        });
  }
  return run<ufb::sequence_classifier<float>>(
      golden, [](const model_batch& batch) { return batch.shape.batch; },
      [](const model_batch& batch, std::size_t classes) {
        return shape_type{batch.shape.batch, classes};
      });
}

}  // namespace ufb_test
