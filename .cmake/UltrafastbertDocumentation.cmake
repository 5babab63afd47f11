# SPDX-License-Identifier: MIT
#
# The target ufb_docs, where Doxygen is found: the comments of the headers, the guide, and a main page with the map of the
# layers, as HTML in docs/html of the build folder. A warning is an error.
find_package(Doxygen QUIET)
if(NOT TARGET Doxygen::doxygen)
  return()
endif()

set(ufb_docs "${PROJECT_BINARY_DIR}/docs")
configure_file("${CMAKE_CURRENT_LIST_DIR}/documentation/Doxyfile.in" "${ufb_docs}/Doxyfile" @ONLY)
add_custom_target(ufb_docs
                  COMMAND "${CMAKE_COMMAND}" -D "source=${PROJECT_SOURCE_DIR}" -D "output=${ufb_docs}/main_page.md"
                          -P "${CMAKE_CURRENT_LIST_DIR}/documentation/main_page.cmake"
                  COMMAND Doxygen::doxygen "${ufb_docs}/Doxyfile"
                  WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}" COMMENT "Documentation in ${ufb_docs}/html" VERBATIM)
