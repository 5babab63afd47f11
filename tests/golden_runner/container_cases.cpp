// SPDX-License-Identifier: MIT
//
// Golden cases of safetensors containers: valid but unusual ones, and broken ones.
#include <utility>

#include "golden_runner/golden_case.hpp"
#include "ultrafastbert/io/safetensors.hpp"

namespace ufb_test {

namespace {

namespace ufb = ultrafastbert;

bool is_real(ufb::dtype type) {
  return type == ufb::dtype::f16 || type == ufb::dtype::bf16 || type == ufb::dtype::f32 || type == ufb::dtype::f64;
}

std::vector<double> values_of(const ufb::safetensors& file, const ufb::tensor_entry& entry) {
  if (is_real(entry.type)) return read<double>(file, entry.name).values;
  const auto integers = read<std::int64_t>(file, entry.name).values;
  return {integers.begin(), integers.end()};
}

}  // namespace

golden_result compute_container(const golden_case& golden) {
  try {
    static_cast<void>(ufb::safetensors::open(golden.file("file")));
    return {.document = json{{"result", "ok"}}};
  } catch (const ufb::error& e) {
    return {.document = json{{"result", "error"}, {"code", ufb::name(e.code())}}};
  }
}

void compare_container(const golden_case& golden, const golden_result& result) {
  const bool accepted = result.document->at("result") == "ok";
  const json& valid = golden.entry.at("valid");
  if (valid.is_boolean() && valid.get<bool>() != accepted) {
    throw mismatch(accepted ? "accepted although invalid" : "refused: " + result.document->dump());
  }
  if (!accepted || !golden.entry.contains("tensors")) return;
  const auto file = ufb::safetensors::open(golden.file("file"));
  if (file.tensors().size() != golden.entry.at("tensors").size()) throw mismatch("number of tensors");
  for (const auto& [name, expected] : golden.entry.at("tensors").items()) {
    const auto* entry = file.find(name);
    if (entry == nullptr) throw mismatch("no tensor " + name);
    if (json(entry->shape) != expected.at("shape")) throw mismatch("shape of " + name);
    if (values_of(file, *entry) != expected.at("values").get<std::vector<double>>()) {
      throw mismatch("values of " + name);
    }
  }
}

}  // namespace ufb_test
