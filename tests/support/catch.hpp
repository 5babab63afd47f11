// SPDX-License-Identifier: MIT
//
// The one way into Catch2 for every test: version 3 where the build found it, else the single header of version 2.
// Names that the two versions spell differently are in namespace ufb_test; the rest is used as Catch2 documents it.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#define UFB_TEST_CATCH_VERSION 3
#else
#include <catch2/catch.hpp>
#define UFB_TEST_CATCH_VERSION 2
#endif

#include <string>

namespace ufb_test {

#if UFB_TEST_CATCH_VERSION == 3
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
#else
using Catch::Detail::Approx;

/// Matches a string that contains `part`.
inline auto ContainsSubstring(const std::string& part) { return Catch::Matchers::Contains(part); }
#endif

using Catch::Matchers::EndsWith;
using Catch::Matchers::Equals;
using Catch::Matchers::Predicate;
using Catch::Matchers::StartsWith;
using Catch::Matchers::VectorContains;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
using Catch::Matchers::WithinULP;

using Catch::Generators::random;
using Catch::Generators::range;
using Catch::Generators::take;
using Catch::Generators::values;

}  // namespace ufb_test
