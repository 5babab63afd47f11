// SPDX-License-Identifier: MIT
#include <iostream>
#include <ultrafastbert/ultrafastbert.hpp>

#include "answer.hpp"

int main() {
  namespace ufb = ultrafastbert;
  try {
    static_cast<void>(ufb::masked_lm<float>::load("no/such/folder"));
  } catch (const ufb::error& failure) {
    std::cout << "error=" << name(failure.code());
  }
  std::cout << " backend=" << ufb::default_backend<float>::name << " answer=";
  for (const float value : answer()) std::cout << value << ',';
  std::cout << '\n';
}
