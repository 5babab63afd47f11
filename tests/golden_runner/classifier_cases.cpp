// SPDX-License-Identifier: MIT
//
// Golden cases of whole models that classify: sequences and tokens, from ids.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "golden_runner/golden_case.hpp"
#include "golden_runner/model_batches.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_test {

namespace {

namespace ufb = ultrafastbert;

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
    static_cast<void>(run_encoder(model, batch, name, workspace, result));
    ufb::matrix<float> logits({rows(batch), model.labels().size()});
    model.logits(batch.id_view(), batch.mask_view(), batch.type_view(), logits.view(), workspace);
    result.tensors.reals.push_back(as_tensor(name + ".logits", shape(batch, logits.cols()), logits));
  }
  return result;
}

}  // namespace

golden_result compute_classifier(const golden_case& golden, std::string_view architecture) {
  using shape_type = std::vector<std::size_t>;
  if (architecture.ends_with("ForTokenClassification")) {
    return run<ufb::token_classifier<float>>(
        golden, [](const model_batch& batch) { return batch.tokens(); },
        [](const model_batch& batch, std::size_t classes) {
          return shape_type{batch.shape.batch, batch.shape.length, classes};
        });
  }
  if (!architecture.ends_with("ForSequenceClassification")) {
    throw mismatch("no class for " + std::string(architecture));
  }
  return run<ufb::sequence_classifier<float>>(
      golden, [](const model_batch& batch) { return batch.shape.batch; },
      [](const model_batch& batch, std::size_t classes) {
        return shape_type{batch.shape.batch, classes};
      });
}

}  // namespace ufb_test
