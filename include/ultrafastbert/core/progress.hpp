// SPDX-License-Identifier: MIT
//
// How far work has come that may take long, and a way to stop it.
// Layer: core.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "ultrafastbert/core/error.hpp"

namespace ultrafastbert {

/// Called from time to time by work that may take long, with how much is done of how much there is in all. Its answer
/// says whether to go on: after `false` the call that does the work throws an error with the code `canceled`, and the
/// model and the workspace can be used as before. `done` never falls, and the last call of a work that comes to its
/// end has done == total; what it answers then changes nothing. It is called on the thread that called, never by two
/// threads at a time. What it throws leaves the call likewise.
using progress_callback = std::function<bool(std::size_t done, std::size_t total)>;

namespace core {

/// Reports to `progress`, if there is one. `file` and `unit` say what is counted, for the message.
/// Throws: canceled (there is more to do, and the answer is false), what `progress` throws.
inline void report_progress(const progress_callback& progress, const std::string& file, const char* unit,
                            std::size_t done, std::size_t total) {
  if (!progress || progress(done, total) || done >= total) return;
  fail(error_code::canceled, {.file = file,
                              .where = "progress",
                              .expected = "true, to go on",
                              .found = "false after " + std::to_string(done) + " of " + std::to_string(total) + unit});
}

}  // namespace core

}  // namespace ultrafastbert
