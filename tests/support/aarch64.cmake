# SPDX-License-Identifier: MIT
#
# Toolchain file: Debian's cross compiler for 64-bit ARM, programs run by qemu-user, so that ctest works as at home.
# Header-only libraries are the host's.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
if(NOT CMAKE_CXX_COMPILER)
  set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
endif()
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
# The host's pkg-config names the host's libraries.
set(CMAKE_DISABLE_FIND_PACKAGE_PkgConfig ON)
