# SPDX-License-Identifier: MIT
#
# The programs that a page of documentation shows, so that tests compile and run what the reader copies.

# ufb_programs_of_page(PAGE <file.md> OUTPUT <variable> [JOIN])
# A program is a block of C++ with "int main(". <variable> takes the numbers of the page's programs, and <variable>_<number>
# the text of each. With JOIN every block of C++ belongs to a program: those without "int main(" to the next one.
function(ufb_programs_of_page)
  cmake_parse_arguments(PARSE_ARGV 0 arg "JOIN" "PAGE;OUTPUT" "")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${arg_PAGE}")
  file(READ "${arg_PAGE}" page)
  string(REPLACE ";" "\\;" page "${page}")
  string(REGEX MATCHALL "```cpp\n[^`]*```" blocks "${page}")
  set(numbers "")
  set(number 0)
  set(before "")
  foreach(block IN LISTS blocks)
    string(REGEX REPLACE "^```cpp\n|```$" "" block "${block}")
    if(NOT block MATCHES "int main\\(")
      if(arg_JOIN)
        string(APPEND before "${block}\n")
      endif()
      continue()
    endif()
    math(EXPR number "${number} + 1")
    list(APPEND numbers ${number})
    set(${arg_OUTPUT}_${number} "${before}${block}" PARENT_SCOPE)
    set(before "")
  endforeach()
  if(before)
    message(FATAL_ERROR "${arg_PAGE}: the last block of C++ belongs to no program; end it with one that has int main(")
  endif()
  set(${arg_OUTPUT} "${numbers}" PARENT_SCOPE)
endfunction()
