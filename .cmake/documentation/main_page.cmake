# SPDX-License-Identifier: MIT
#
# cmake -D source=DIR -D output=FILE -P main_page.cmake
# Writes the main page of the documentation: what the library is, the map of its layers as README.md has it, and where to go on.
cmake_minimum_required(VERSION 3.22)
file(READ "${source}/README.md" readme)
string(REGEX MATCH "```[a-z]*\n(model/ [^`]*)```" map "${readme}")
if(NOT map)
  message(FATAL_ERROR "README.md has no map of the layers: a block whose first line begins with \"model/ \"")
endif()
set(map "${CMAKE_MATCH_1}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/main_page.md.in" "${output}" @ONLY)
