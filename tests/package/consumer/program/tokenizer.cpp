// SPDX-License-Identifier: MIT
//
// A vocabulary of three words, and a sentence of them: ids 2, 1, 0 for "b a ?".
#include <iostream>
#include <ultrafastbert/tokenizer.hpp>

#if defined(EIGEN_CORE_H) || defined(EIGEN_CORE_MODULE_H) || defined(CBLAS_H) || defined(_IMMINTRIN_H_INCLUDED)
#error "tokenizer.hpp brings Eigen, a BLAS or kernels along"
#endif

int main() {
  const auto tokenizer = ultrafastbert::tokenizer::parse(
      R"({"model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1, "b": 2}, "unk_token": "[UNK]"},
          "pre_tokenizer": {"type": "WhitespaceSplit"}})",
      "tokenizer.json");
  std::cout << "ids=";
  for (const auto id : tokenizer.encode("b a ?").ids) std::cout << id << ',';
  std::cout << '\n';
}
