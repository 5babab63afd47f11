// SPDX-License-Identifier: MIT
//
// One of two files that share a compiled library, and what it is made for.
#include <iostream>
#include <ultrafastbert/ultrafastbert.hpp>

#include "answer.hpp"

#if defined(INCLUDE_NLOHMANN_JSON_HPP_) || defined(_IMMINTRIN_H_INCLUDED)
#error "the headers of a compiled library bring the JSON parser or the kernels along"
#endif

std::array<float, 4> second_answer();

int main() {
  namespace ufb = ultrafastbert;
  try {
    static_cast<void>(ufb::masked_lm<float>::load("no/such/folder"));
  } catch (const ufb::error& failure) {
    std::cout << "error=" << name(failure.code());
  }
  std::cout << " answer=";
  for (const float value : answer()) std::cout << value << ',';
  for (const float value : second_answer()) std::cout << value << ',';
  std::cout << '\n';
}
