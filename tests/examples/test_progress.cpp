// SPDX-License-Identifier: MIT
//
// What programs say about how far they are.
#include <chrono>
#include <cstddef>
#include <iostream>
#include <regex>
#include <string>
#include <thread>

#include "streaming.hpp"
#include "support/catch.hpp"
#include "support/standard_error.hpp"

namespace {

using examples::progress;
using std::chrono::milliseconds;

// What `run` writes to standard error, with a "*" for each rate.
template <class Run>
std::string said_by(const Run& run) {
  return std::regex_replace(ufb_test::said_by(run), std::regex("[0-9.]+ a second"), "* a second");
}

// Until a line may follow the last one.
void wait(milliseconds pause) { std::this_thread::sleep_for(pause + milliseconds(1)); }

}  // namespace

TEST_CASE("A terminal has one line that is written over and stays at the end") {
  const std::string said = said_by([] {
    progress shown(0, true);
    wait(milliseconds(100));
    shown.add(2);
    shown.end();
    wait(milliseconds(100));
    shown.add(1);
  });
  CHECK(said == "\r2 texts, * a second\n");
}

TEST_CASE("A message finds the line empty") {
  const std::string said = said_by([] {
    progress shown(200, true);
    shown.clear();
    wait(milliseconds(100));
    shown.add(1, 50);
    shown.clear();
    std::cerr << "a message\n";
  });
  const std::size_t first = said.find("\r1 text, * a second, 25 %\r");
  REQUIRE(first == 0);
  CHECK(said.ends_with(" \ra message\n"));
}

TEST_CASE("Without a terminal there is a line for each percent") {
  const std::string said = said_by([] {
    progress shown(1000, false, milliseconds(1));
    for (const std::size_t bytes : {20U, 29U, 30U}) {
      wait(milliseconds(1));
      shown.add(1, bytes);
    }
    shown.clear();
  });
  CHECK(said == "1 text, * a second, 2 %\n3 texts, * a second, 3 %\n");
}

TEST_CASE("Nothing is said before its time") {
  CHECK(said_by([] {
          progress shown(10, false, std::chrono::hours(1));
          shown.add(1, 10);
        }).empty());
}

TEST_CASE("Without a terminal nothing is said unless it is asked for") {
  CHECK(said_by([] {
          progress shown(10, false);
          wait(milliseconds(100));
          shown.add(1, 10);
        }).empty());
}

TEST_CASE("An input of unknown size has no percent, and one that grows is done at most") {
  const std::string said = said_by([] {
    progress unknown(0, false, milliseconds(1));
    wait(milliseconds(1));
    unknown.add(1, 10);
    wait(milliseconds(1));
    unknown.add(1, 10);
    progress grown(10, false, milliseconds(1));
    wait(milliseconds(1));
    grown.add(1, 20);
  });
  CHECK(said == "1 text, * a second\n2 texts, * a second\n1 text, * a second, 100 %\n");
}
