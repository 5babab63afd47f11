# SPDX-License-Identifier: MIT
#
# Finds Eigen, nlohmann-json and utf8proc, at build time and again on the consumer's machine. What is a target already,
# whoever defined it, is taken as it is.

set(UFB_EIGEN_VERSION 3.4)
set(UFB_JSON_VERSION 3.10)

# ufb_find_eigen(<variable>)
# Leaves an error message in <variable>, empty if Eigen3::Eigen can be linked.
function(ufb_find_eigen error_variable)
  set(${error_variable} "" PARENT_SCOPE)
  if(TARGET Eigen3::Eigen)
    return()
  endif()
  find_package(Eigen3 QUIET NO_MODULE)
  if(NOT TARGET Eigen3::Eigen)
    set(found "none was found (Debian, Ubuntu: libeigen3-dev; Fedora: eigen3-devel)")
  elseif(Eigen3_VERSION VERSION_LESS UFB_EIGEN_VERSION)
    set(found "found ${Eigen3_VERSION}")
  else()
    return()
  endif()
  set(message "ultrafastbert: Eigen ${UFB_EIGEN_VERSION} or later is needed, ${found}.")
  set(${error_variable} "${message}" PARENT_SCOPE)
endfunction()

# ufb_find_text_libraries(<variable>)
# What reading text needs: nlohmann_json::nlohmann_json and ultrafastbert::utf8proc. Leaves an error message in
# <variable>, empty on success.
function(ufb_find_text_libraries error_variable)
  ufb_find_utf8proc(error)
  if(NOT TARGET nlohmann_json::nlohmann_json)
    find_package(nlohmann_json ${UFB_JSON_VERSION} QUIET)
    if(NOT nlohmann_json_FOUND)
      string(APPEND error " ultrafastbert: nlohmann-json ${UFB_JSON_VERSION} was not found "
                          "(Debian, Ubuntu: nlohmann-json3-dev).")
    endif()
  endif()
  set(${error_variable} "${error}" PARENT_SCOPE)
endfunction()

# Order: a target utf8proc of the project or of a config package, pkg-config "libutf8proc" (all that Debian ships), a
# plain search for header and library.
# ufb_find_utf8proc(<variable>)
# Defines ultrafastbert::utf8proc; leaves an error message in <variable>, empty on success.
function(ufb_find_utf8proc error_variable)
  set(${error_variable} "" PARENT_SCOPE)
  if(TARGET ultrafastbert::utf8proc)
    return()
  endif()
  if(NOT TARGET utf8proc::utf8proc AND NOT TARGET utf8proc)
    find_package(utf8proc CONFIG QUIET)
  endif()
  if(TARGET utf8proc::utf8proc)
    set(item utf8proc::utf8proc)
  elseif(TARGET utf8proc)
    set(item utf8proc)
  else()
    find_package(PkgConfig QUIET)
    if(PKG_CONFIG_FOUND)
      pkg_check_modules(UFB_UTF8PROC QUIET IMPORTED_TARGET libutf8proc)
    endif()
    if(UFB_UTF8PROC_FOUND)
      set(item PkgConfig::UFB_UTF8PROC)
    else()
      find_path(UFB_UTF8PROC_INCLUDE_DIR utf8proc.h)
      find_library(UFB_UTF8PROC_LIBRARY utf8proc)
      mark_as_advanced(UFB_UTF8PROC_INCLUDE_DIR UFB_UTF8PROC_LIBRARY)
      set(item "${UFB_UTF8PROC_LIBRARY}")
      set(include "${UFB_UTF8PROC_INCLUDE_DIR}")
      if(NOT item OR NOT include)
        string(CONCAT message "ultrafastbert: utf8proc was not found, which reading text needs. Install it (Debian, "
               "Ubuntu: libutf8proc-dev; Fedora: utf8proc-devel) or take ultrafastbert::layers alone, which does without.")
        set(${error_variable} "${message}" PARENT_SCOPE)
        return()
      endif()
    endif()
  endif()
  add_library(ultrafastbert::utf8proc INTERFACE IMPORTED)
  target_link_libraries(ultrafastbert::utf8proc INTERFACE ${item})
  target_include_directories(ultrafastbert::utf8proc INTERFACE ${include})
endfunction()
