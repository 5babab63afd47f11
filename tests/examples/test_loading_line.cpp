// SPDX-License-Identifier: MIT
//
// The line that says how far the loading of a model is.
#include <chrono>
#include <string>

#include "loading.hpp"
#include "support/catch.hpp"
#include "support/standard_error.hpp"
#include "ultrafastbert/model/tasks/masked_lm.hpp"

namespace {

using examples::loading_line;
using std::chrono::milliseconds;
using ufb_test::said_by;

}  // namespace

TEST_CASE("A line that is shown says how much is done, and is empty at the end") {
  CHECK(said_by([] {
          loading_line line(true, milliseconds(0));
          line.update(1, 4);
        }) == "\rloading: 25 %\r              \r");
}

TEST_CASE("Without a terminal, before its time, or without anything to do, nothing is said") {
  CHECK(said_by([] { loading_line(false, milliseconds(0)).update(1, 4); }).empty());
  CHECK(said_by([] { loading_line(true, std::chrono::hours(1)).update(1, 4); }).empty());
  CHECK(said_by([] { loading_line(true, milliseconds(0)).update(0, 0); }).empty());
}

TEST_CASE("A model that loads with the line is the same model") {
  const std::string folder = UFB_EXAMPLE_MODEL_DIR "/tiny-mlm";
  const auto with = ultrafastbert::masked_lm<float>::load(folder, examples::with_loading_line({.strict = true}));
  CHECK(with.bytes() == ultrafastbert::masked_lm<float>::load(folder).bytes());
}
