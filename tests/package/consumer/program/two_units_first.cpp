// SPDX-License-Identifier: MIT
#include <iostream>
#include <ultrafastbert/ultrafastbert.hpp>

#include "answer.hpp"

std::array<float, 4> second_answer();
const char* second_backend();

int main() {
  std::cout << "first=" << ultrafastbert::default_blas::name << " second=" << second_backend() << " answer=";
  for (const float value : answer()) std::cout << value << ',';
  for (const float value : second_answer()) std::cout << value << ',';
  std::cout << '\n';
}
