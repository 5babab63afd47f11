# SPDX-License-Identifier: MIT
#
# For the project's own programs (tests, benchmarks, examples): strict warnings that no consumer inherits; and the target of
# the documentation.

add_library(ufb_strict_warnings INTERFACE)
target_compile_options(ufb_strict_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow
                                                     -Wold-style-cast -Wdouble-promotion -Werror)

include("${CMAKE_CURRENT_LIST_DIR}/UltrafastbertDocumentation.cmake")

# ufb_add_program(NAME <target> SOURCES <file>... LIBRARIES <target>... [DEFINITIONS <definition>...])
# A program under the strict warnings. The library's headers are no system headers here, so they are covered.
function(ufb_add_program)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SOURCES;LIBRARIES;DEFINITIONS")
  if(NOT arg_NAME OR NOT arg_SOURCES OR NOT arg_LIBRARIES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ufb_add_program: needs NAME, SOURCES, LIBRARIES; not understood: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${arg_NAME} ${arg_SOURCES})
  target_link_libraries(${arg_NAME} PRIVATE ${arg_LIBRARIES} ufb_strict_warnings)
  target_compile_definitions(${arg_NAME} PRIVATE ${arg_DEFINITIONS})
  set_target_properties(${arg_NAME} PROPERTIES CXX_EXTENSIONS OFF)
endfunction()
