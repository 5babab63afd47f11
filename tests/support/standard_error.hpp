// SPDX-License-Identifier: MIT
//
// What is written to standard error.
#pragma once

#include <iostream>
#include <sstream>
#include <string>

namespace ufb_test {

/// What `run` writes to standard error by std::cerr.
template <class Run>
std::string said_by(const Run& run) {
  const std::ostringstream out;
  auto* const before = std::cerr.rdbuf(out.rdbuf());
  run();
  std::cerr.rdbuf(before);
  return out.str();
}

}  // namespace ufb_test
