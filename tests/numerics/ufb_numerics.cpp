// SPDX-License-Identifier: MIT
//
// Every function of the kernels against double precision. `ufb_numerics [STEP [ROUNDS [LENGTH]]]` takes every STEP-th
// of all floats (40009) for functions of one number, ROUNDS (2) random operands of each size for the others, and
// sequences of LENGTH tokens (600). Fails if a function is over its bound.
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "numerics/report.hpp"

int main(int argc, char** argv) try {
  const std::uint32_t step = argc > 1 ? static_cast<std::uint32_t>(std::stoul(argv[1])) : 40009U;
  const int rounds = argc > 2 ? std::stoi(argv[2]) : 2;
  const std::size_t length = argc > 3 ? std::stoul(argv[3]) : 600;
  if (step == 0 || rounds < 1 || length < 1) {
    std::cerr << "usage: ufb_numerics [STEP [ROUNDS [LENGTH]]], each at least 1\n";
    return 2;
  }
  ufb_test::numerics::report report;
  check_functions(report, step);
  check_storage(report, step);
  check_rows(report, rounds);
  check_sequences(report, rounds, length);
  return report.close();
} catch (const std::exception& problem) {
  std::cerr << "ufb_numerics: " << problem.what() << '\n';
  return 2;
}
