// SPDX-License-Identifier: MIT
//
// What somebody gets who may not read everything.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>
#include <utility>

#include "support/errors.hpp"

namespace ufb_test {

/// The error that an action throws where the program runs as somebody without rights. Root may read everything, so that
/// it is somebody else for as long.
template <class Action>
[[nodiscard]] std::optional<ultrafastbert::error> as_nobody(Action&& action) {
  constexpr ::uid_t nobody = 65'534;
  const bool root = ::geteuid() == 0;
  const auto become = [root](::uid_t user) {
    if (root && ::seteuid(user) != 0) throw std::runtime_error("the user cannot be changed");
  };
  become(nobody);
  auto problem = error_of(std::forward<Action>(action));
  become(0);
  return problem;
}

}  // namespace ufb_test
