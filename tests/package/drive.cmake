# SPDX-License-Identifier: MIT
#
# cmake -D CASE=... -P drive.cmake: one case of the package tests in a fresh folder WORK.
cmake_minimum_required(VERSION 3.22)
set(consumer "${CMAKE_CURRENT_LIST_DIR}/consumer")
set(mock "${CMAKE_CURRENT_LIST_DIR}/mock")
set(right "answer=201,402,20,40,")
set(no_text_libraries -D CMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON -D CMAKE_DISABLE_FIND_PACKAGE_utf8proc=ON
    -D CMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON -D UFB_UTF8PROC_LIBRARY= -D UFB_UTF8PROC_INCLUDE_DIR=)

# run(<variable> [FAILS] <command>...): runs a command, which must (not) succeed; <variable> gets all it wrote.
function(run variable)
  cmake_parse_arguments(PARSE_ARGV 1 arg "FAILS" "" "")
  execute_process(COMMAND ${arg_UNPARSED_ARGUMENTS} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(arg_FAILS AND result STREQUAL "0")
    message(FATAL_ERROR "this should have failed: ${arg_UNPARSED_ARGUMENTS}\n${output}")
  elseif(NOT arg_FAILS AND NOT result STREQUAL "0")
    message(FATAL_ERROR "failed (${result}): ${arg_UNPARSED_ARGUMENTS}\n${output}")
  endif()
  set(${variable} "${output}" PARENT_SCOPE)
endfunction()

function(expect text pattern)
  # CMake breaks the lines of its messages.
  string(REGEX REPLACE "[ \n]+" " " text "${text}")
  if(NOT text MATCHES "${pattern}")
    message(FATAL_ERROR "expected '${pattern}' in:\n${text}")
  endif()
endfunction()

# configure(<variable> [FAILS] WAY <way> COMPONENT <component> PROGRAM <program> [OPTIONS <argument>...])
function(configure variable)
  cmake_parse_arguments(PARSE_ARGV 1 arg "FAILS" "WAY;COMPONENT;PROGRAM" "OPTIONS")
  set(fails "")
  if(arg_FAILS)
    set(fails FAILS)
  endif()
  file(REMOVE_RECURSE "${WORK}/build")
  run(output ${fails} "${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${consumer}" -B "${WORK}/build"
      -D CMAKE_CXX_COMPILER=${COMPILER} -D UFB_SOURCE=${SOURCE} -D CMAKE_PREFIX_PATH=${WORK}/moved
      -D WAY=${arg_WAY} -D COMPONENT=${arg_COMPONENT} -D PROGRAM=${arg_PROGRAM} ${arg_OPTIONS})
  set(${variable} "${output}" PARENT_SCOPE)
endfunction()

# Configures (same arguments), builds and runs; <variable> gets what the first and the last of these wrote.
function(consume variable)
  configure(configured ${ARGN})
  run(built "${CMAKE_COMMAND}" --build "${WORK}/build")
  run(printed "${WORK}/build/program/consumer")
  set(${variable} "${configured}${printed}" PARENT_SCOPE)
endfunction()

# Installs the library, moves it, and checks that nothing in the package tells where it came from.
function(install_and_move)
  run(output "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/installed")
  file(RENAME "${WORK}/installed" "${WORK}/moved")
  file(GLOB_RECURSE files "${WORK}/moved/share/*")
  foreach(file IN LISTS files)
    file(READ "${file}" text)
    foreach(place IN ITEMS "${SOURCE}" "${BUILD}" "${WORK}" /usr/include /usr/lib x86_64)
      string(FIND "${text}" "${place}" found)
      if(NOT found EQUAL -1)
        message(FATAL_ERROR "${file} holds ${place}")
      endif()
    endforeach()
  endforeach()
  file(GLOB_RECURSE headers RELATIVE "${SOURCE}/include" "${SOURCE}/include/*.hpp"
       "${SOURCE}/include/*.inc")
  file(GLOB_RECURSE installed RELATIVE "${WORK}/moved/include" "${WORK}/moved/include/*")
  if(NOT headers STREQUAL installed)
    message(FATAL_ERROR "installed headers differ from those in the source tree: ${installed}")
  endif()
endfunction()

# build_mock(<name> <option>...): a BLAS of ours, compiled into WORK/lib<name>.so
function(build_mock name)
  run(output "${COMPILER}" -std=c++20 -shared -fPIC -I "${mock}" ${ARGN} "${mock}/blas.cpp" -o "${WORK}/lib${name}.so")
endfunction()

function(own_blas_options variable name kind)
  set(${variable} -D MOCK_BLAS=${WORK}/lib${name}.so -D MOCK_INCLUDE=${mock} -D MOCK_KIND=${kind}
      -D UFB_BLAS_TARGET=own::blas PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")

if(CASE STREQUAL "find_package")
  install_and_move()
  consume(output WAY find_package COMPONENT ultrafastbert PROGRAM everything OPTIONS -D UFB_WANTED_VERSION=${VERSION})
  expect("${output}" "error=io_error .*${right}")

elseif(CASE STREQUAL "find_package_layers")
  # pkg-config is hidden too, so that the second way to a BLAS is taken.
  install_and_move()
  consume(output WAY find_package COMPONENT layers PROGRAM layers OPTIONS ${no_text_libraries})
  expect("${output}" "by find_package.BLAS.*${right}")

elseif(CASE STREQUAL "find_package_refuses")
  install_and_move()
  configure(output FAILS WAY find_package COMPONENT layers PROGRAM layers OPTIONS -D UFB_WANTED_VERSION=99)
  expect("${output}" "ultrafastbert-config.cmake, version: ${VERSION}")
  configure(output FAILS WAY find_package COMPONENT kernels PROGRAM layers)
  expect("${output}" "no component 'kernels'")
  configure(output FAILS WAY find_package COMPONENT ultrafastbert PROGRAM everything OPTIONS ${no_text_libraries})
  expect("${output}" "utf8proc was not found.*nlohmann-json [0-9.]+ was not found")
  configure(output FAILS WAY find_package COMPONENT layers PROGRAM layers
            OPTIONS -D UFB_BLAS=ON -D CMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON -D CMAKE_DISABLE_FIND_PACKAGE_BLAS=ON)
  expect("${output}" "UFB_BLAS is ON, but no BLAS")
  configure(output FAILS WAY find_package COMPONENT layers PROGRAM layers OPTIONS -D UFB_BLAS_TARGET=own::blas)
  expect("${output}" "'own::blas', which is no target here")
  own_blas_options(options absent interface)
  configure(output FAILS WAY find_package COMPONENT layers PROGRAM layers OPTIONS ${options})
  expect("${output}" "a program with <cblas.h> does not compile and link:.*libabsent.so")

elseif(CASE STREQUAL "add_subdirectory")
  consume(output WAY add_subdirectory COMPONENT ultrafastbert PROGRAM everything)
  expect("${output}" "error=io_error .*${right}")

elseif(CASE STREQUAL "add_subdirectory_layers")
  consume(output WAY add_subdirectory COMPONENT layers PROGRAM layers OPTIONS ${no_text_libraries})
  expect("${output}" "${right}")

elseif(CASE STREQUAL "fetch_content")
  consume(output WAY fetch_content COMPONENT layers PROGRAM layers)
  expect("${output}" "${right}")

elseif(CASE STREQUAL "fetch_content_override")
  consume(output WAY fetch_content_override COMPONENT ultrafastbert PROGRAM everything
          OPTIONS -D FETCHCONTENT_SOURCE_DIR_ULTRAFASTBERT=${SOURCE} -D FETCHCONTENT_FULLY_DISCONNECTED=ON)
  expect("${output}" "error=io_error .*${right}")

elseif(CASE STREQUAL "compiled")
  install_and_move()
  foreach(way IN ITEMS find_package add_subdirectory)
    consume(output WAY ${way} COMPONENT compiled PROGRAM compiled)
    expect("${output}" "error=io_error .*${right}201,402,20,40,")
  endforeach()

elseif(CASE STREQUAL "compiled_mixed")
  configure(output WAY add_subdirectory COMPONENT compiled PROGRAM compiled_mixed)
  run(output FAILS "${CMAKE_COMMAND}" --build "${WORK}/build")
  expect("${output}" "ultrafastbert_with_and_without_UFB_COMPILED_in_one_program")

elseif(CASE STREQUAL "compiled_by_hand")
  set(compile "${COMPILER}" -std=c++20 -O0 -DUFB_WITH_CBLAS=0 -I "${SOURCE}/include" -isystem "${EIGEN}" -c)
  file(WRITE "${WORK}/once.cpp" "#define UFB_COMPILED_SOURCE 1\n#include <ultrafastbert/ultrafastbert.hpp>\n")
  run(output ${compile} "${WORK}/once.cpp" -o "${WORK}/once.o")
  foreach(file IN ITEMS compiled_first compiled_second)
    run(output ${compile} -DUFB_COMPILED=1 "${consumer}/program/${file}.cpp" -o "${WORK}/${file}.o")
  endforeach()
  set(objects "${WORK}/compiled_first.o" "${WORK}/compiled_second.o")
  run(output "${COMPILER}" ${objects} "${WORK}/once.o" -o "${WORK}/consumer" -lutf8proc -pthread)
  run(output "${WORK}/consumer")
  expect("${output}" "error=io_error .*${right}201,402,20,40,")
  # Whoever forgets the one file is told by the linker, whoever contradicts himself by the compiler.
  run(output FAILS "${COMPILER}" ${objects} -o "${WORK}/consumer" -lutf8proc -pthread)
  expect("${output}" "undefined reference to .ultrafastbert::")
  run(output FAILS ${compile} -DUFB_COMPILED=0 "${WORK}/once.cpp" -o "${WORK}/once.o")
  expect("${output}" "UFB_COMPILED_SOURCE is for programs with UFB_COMPILED=1")

elseif(CASE STREQUAL "cmake_3_22")
  # The oldest CMake that is promised is seldom at hand; what came after it is known by name.
  file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/newer_than_cmake_3_22.txt" newer REGEX "^[^#]")
  set(scripts "${SOURCE}/CMakeLists.txt")
  foreach(folder IN ITEMS .cmake tests bench examples)
    file(GLOB_RECURSE found "${SOURCE}/${folder}/CMakeLists.txt" "${SOURCE}/${folder}/*.cmake"
                            "${SOURCE}/${folder}/*.cmake.in")
    list(APPEND scripts ${found})
  endforeach()
  set(minimum "")
  foreach(script IN LISTS scripts)
    file(READ "${script}" text)
    string(REGEX REPLACE "#[^\n]*" "" text "${text}")
    foreach(word IN LISTS newer)
      if(text MATCHES "${word}")
        message(FATAL_ERROR "${script} uses '${CMAKE_MATCH_0}', which CMake 3.22 does not know")
      endif()
    endforeach()
    if(text MATCHES "cmake_minimum_required\\(VERSION ([^)]*)\\)")
      list(APPEND minimum "${CMAKE_MATCH_1}")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES minimum)
  if(NOT minimum STREQUAL "3.22")
    message(FATAL_ERROR "expected CMake 3.22 everywhere, found ${minimum}")
  endif()

elseif(CASE STREQUAL "no_blas")
  consume(output WAY add_subdirectory COMPONENT layers PROGRAM layers OPTIONS -D UFB_BLAS=OFF)
  expect("${output}" "backend=eigen batched=0 ${right}")
  # The same when there is none to be found.
  configure(output WAY add_subdirectory COMPONENT layers PROGRAM layers
            OPTIONS -D CMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON -D CMAKE_DISABLE_FIND_PACKAGE_BLAS=ON)
  expect("${output}" "no BLAS, Eigen instead")

elseif(CASE STREQUAL "two_units")
  set(other_machine "")
  run(machine "${COMPILER}" -dumpmachine)
  if(machine MATCHES "x86_64")
    file(STRINGS /proc/cpuinfo flags REGEX "^flags.*avx2" LIMIT_COUNT 1)
    if(flags)
      set(other_machine x86-64-v3)
    endif()
  endif()
  consume(output WAY add_subdirectory COMPONENT ultrafastbert PROGRAM two_units
          OPTIONS -D OTHER_MACHINE=${other_machine})
  expect("${output}" "first=cblas second=eigen answer=201,402,20,40,201,402,20,40,")

elseif(CASE STREQUAL "pkg_config")
  find_package(PkgConfig REQUIRED)
  install_and_move()
  set(ENV{PKG_CONFIG_PATH} "${WORK}/moved/share/pkgconfig")
  run(flags "${PKG_CONFIG_EXECUTABLE}" --cflags --libs ultrafastbert)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run(output "${COMPILER}" -std=c++20 "${consumer}/program/everything.cpp" -o "${WORK}/consumer" ${flags})
  run(output "${WORK}/consumer")
  expect("${output}" "error=io_error .*${right}")

elseif(CASE STREQUAL "by_hand")
  # What a reader without CMake types; without a BLAS no library is needed, and of headers only Eigen's.
  run(output "${COMPILER}" -std=c++20 -DUFB_WITH_CBLAS=0 -I "${SOURCE}/include" -isystem "${EIGEN}" "${consumer}/program/layers.cpp"
      -o "${WORK}/consumer")
  run(output "${WORK}/consumer")
  expect("${output}" "backend=eigen batched=0 ${right}")

elseif(CASE STREQUAL "own_blas")
  build_mock(narrow)
  foreach(kind IN ITEMS imported interface)
    own_blas_options(options narrow ${kind})
    consume(output WAY add_subdirectory COMPONENT layers PROGRAM layers OPTIONS ${options})
    expect("${output}" "with batched products.*backend=cblas batched=1 ${right}")
  endforeach()
  # oneMKL's header has another name.
  file(MAKE_DIRECTORY "${WORK}/mkl")
  file(COPY_FILE "${mock}/cblas.h" "${WORK}/mkl/mkl_cblas.h")
  own_blas_options(options narrow interface)
  install_and_move()
  foreach(way IN ITEMS add_subdirectory find_package)
    consume(output WAY ${way} COMPONENT layers PROGRAM layers
            OPTIONS ${options} -D MOCK_INCLUDE=${WORK}/mkl)
    expect("${output}" "with batched products.*backend=cblas batched=1 ${right}")
  endforeach()

elseif(CASE STREQUAL "wide_blas_refused")
  install_and_move()
  build_mock(by_configuration -DMOCK_INT=long "-DMOCK_CONFIG=\"OpenBLAS 0.3.21 USE64BITINT DYNAMIC_ARCH\"")
  build_mock(by_fortran -DMOCK_INT=long -DMOCK_FORTRAN)
  build_mock(by_stride -DMOCK_INT=long)
  foreach(how IN ITEMS by_configuration by_fortran by_stride)
    own_blas_options(options ${how} interface)
    configure(output FAILS WAY add_subdirectory COMPONENT layers PROGRAM layers OPTIONS ${options})
    expect("${output}" "uses 64-bit integers.*Install a BLAS with 32-bit integers")
    configure(output FAILS WAY find_package COMPONENT layers PROGRAM layers OPTIONS ${options})
    expect("${output}" "uses 64-bit integers.*Install a BLAS with 32-bit integers")
  endforeach()
  # A header that says so itself is refused without running anything.
  file(WRITE "${WORK}/wide/cblas.h" "#define MOCK_INT long\n#include \"${mock}/cblas.h\"\n")
  own_blas_options(options by_stride imported)
  configure(output FAILS WAY add_subdirectory COMPONENT layers PROGRAM layers
            OPTIONS ${options} -D MOCK_INCLUDE=${WORK}/wide)
  expect("${output}" "64 bits by its header")

elseif(CASE STREQUAL "fast_math_refused")
  set(compile "${COMPILER}" -std=c++20 -fsyntax-only -DUFB_WITH_CBLAS=0 -I "${SOURCE}/include" -isystem "${EIGEN}")
  foreach(flags IN ITEMS -ffast-math -Ofast -ffinite-math-only)
    run(output FAILS ${compile} -Wfatal-errors ${flags} "${consumer}/program/layers.cpp")
    expect("${output}" "ultrafastbert needs IEEE arithmetic")
  endforeach()
  run(output ${compile} -Ofast -fno-fast-math "${consumer}/program/layers.cpp")
  run(output ${compile} -O3 -ffp-contract=fast "${consumer}/program/layers.cpp")

elseif(CASE STREQUAL "no_exceptions_refused")
  set(compile "${COMPILER}" -std=c++20 -fsyntax-only -DUFB_WITH_CBLAS=0 -I "${SOURCE}/include" -isystem "${EIGEN}")
  run(output FAILS ${compile} -Wfatal-errors -fno-exceptions "${consumer}/program/layers.cpp")
  expect("${output}" "ultrafastbert reports errors by exceptions")
  run(output ${compile} -fno-rtti "${consumer}/program/layers.cpp")

else()
  message(FATAL_ERROR "no such case: ${CASE}")
endif()
