// SPDX-License-Identifier: MIT
//
// usage: ufb_guide PAGE_NUMBER [ARGUMENT...]
// Runs a program of a page of the guide.
#include <exception>
#include <iostream>
#include <string_view>

#define RUN(name)                 \
  namespace name {                \
  int run(int argc, char** argv); \
  }
#include "runs.inc"
#undef RUN

int main(int argc, char** argv) {
  const std::string_view wanted = argc > 1 ? argv[1] : "";
  try {
#define RUN(name) \
  if (wanted == #name) return name::run(argc - 1, argv + 1);
#include "runs.inc"
#undef RUN
  } catch (const std::exception& problem) {
    std::cerr << wanted << ": " << problem.what() << '\n';
    return 1;
  }
  std::cerr << "no page has a program '" << wanted << "'\n";
  return 2;
}
