// SPDX-License-Identifier: MIT
//
// Version of the library. The build reads these three numbers, so that they are written down once.
// Layer: core.
#pragma once

#define UFB_VERSION_MAJOR 0
#define UFB_VERSION_MINOR 2
#define UFB_VERSION_PATCH 0

namespace ultrafastbert {

/// Version of the headers that were compiled, in the form "major.minor.patch" of semantic versioning.
struct version {
  static constexpr int major_number = UFB_VERSION_MAJOR;
  static constexpr int minor_number = UFB_VERSION_MINOR;
  static constexpr int patch_number = UFB_VERSION_PATCH;
};

}  // namespace ultrafastbert
