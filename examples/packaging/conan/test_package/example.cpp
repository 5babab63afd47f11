// SPDX-License-Identifier: MIT
//
// Ids of a sentence through a norm: enough to show that headers are found and libraries are linked.
#include <cmath>
#include <iostream>
#include <ultrafastbert/layers.hpp>
#include <ultrafastbert/tokenizer.hpp>
#include <vector>

int main() {
  namespace ufb = ultrafastbert;
  const auto tokenizer = ufb::tokenizer::parse(
      R"({"model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1, "b": 2}, "unk_token": "[UNK]"},
          "pre_tokenizer": {"type": "WhitespaceSplit"}})",
      "tokenizer.json");
  const auto ids = tokenizer.encode("b a ? b").ids;
  const std::vector<float> x(ids.begin(), ids.end());
  const std::vector<float> ones(4, 1.0F);
  const std::vector<float> zeros(4, 0.0F);
  std::vector<float> y(4);
  const ufb::norm<float> layer({.width = 4}, ones, zeros);
  layer.forward(ufb::matrix_view<const float>(x.data(), {1, 4}), ufb::matrix_view<float>(y.data(), {1, 4}));
  float sum = 0.0F;
  for (const float value : y) sum += value;
  std::cout << "ids:";
  for (const auto id : ids) std::cout << ' ' << id;
  std::cout << ", sum of the norm: " << sum << '\n';
  return ids.size() == 4 && std::abs(sum) < 1e-5F ? 0 : 1;
}
