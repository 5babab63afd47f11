# SPDX-License-Identifier: MIT
#
# ultrafastbert::compiled: the library with its kernels, its JSON parser and its models compiled once, in the build tree
# and with the flags of whoever links it; files that include its headers then compile in seconds. See
# include/ultrafastbert/core/compiled.hpp.

# Defines the target unless there is one. Nothing is compiled until something links it.
function(ufb_add_compiled)
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if(TARGET ultrafastbert::compiled OR NOT "CXX" IN_LIST languages)
    return()
  endif()
  set(source "${CMAKE_CURRENT_BINARY_DIR}/ultrafastbert_compiled.cpp")
  set(text "#define UFB_COMPILED_SOURCE 1\n#include <ultrafastbert/ultrafastbert.hpp>\n")
  file(CONFIGURE OUTPUT "${source}" CONTENT "${text}" @ONLY)
  add_library(ultrafastbert_compiled STATIC EXCLUDE_FROM_ALL "${source}")
  add_library(ultrafastbert::compiled ALIAS ultrafastbert_compiled)
  target_link_libraries(ultrafastbert_compiled PUBLIC ultrafastbert::ultrafastbert)
  target_compile_definitions(ultrafastbert_compiled PUBLIC UFB_COMPILED=1)
  set_target_properties(ultrafastbert_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
endfunction()
