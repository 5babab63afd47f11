# SPDX-License-Identifier: MIT
#
# Install rules: headers, a config package with a component per target, a pkg-config file per target. All of it is
# independent of the machine and relocatable, so it goes under share/. UltrafastbertPackage.cmake makes packages of it.
if(NOT TARGET ultrafastbert)
  message(FATAL_ERROR "ultrafastbert: UFB_INSTALL needs all targets. ${ufb_missing}")
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(ufb_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/ultrafastbert")
set(ufb_pkg_config_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/ultrafastbert" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        COMPONENT development FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inc")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/ultrafastbert"
        COMPONENT license)

# An export set for each, because each names targets that a program of another one does not have.
foreach(target IN ITEMS ultrafastbert_layers ultrafastbert_tokenizer ultrafastbert)
  get_target_property(name ${target} EXPORT_NAME)
  install(TARGETS ${target} EXPORT ultrafastbert-${name}-targets COMPONENT development
          INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(EXPORT ultrafastbert-${name}-targets NAMESPACE ultrafastbert:: DESTINATION "${ufb_package_dir}"
          COMPONENT development)
endforeach()

configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/ultrafastbert-config.cmake.in" "${PROJECT_BINARY_DIR}/ultrafastbert-config.cmake"
  INSTALL_DESTINATION "${ufb_package_dir}" NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0 a minor version may change the interface, see the changelog.
set(compatibility SameMinorVersion)
if(PROJECT_VERSION_MAJOR GREATER 0)
  set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ultrafastbert-config-version.cmake"
                                 COMPATIBILITY ${compatibility} ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/ultrafastbert-config.cmake"
              "${PROJECT_BINARY_DIR}/ultrafastbert-config-version.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/UltrafastbertBlas.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/UltrafastbertCompiled.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/UltrafastbertDependencies.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/blas_probe.cpp"
              "${CMAKE_CURRENT_LIST_DIR}/blas_batch_probe.cpp"
        DESTINATION "${ufb_package_dir}" COMPONENT development)
install(FILES "${CMAKE_CURRENT_LIST_DIR}/mkl/cblas.h" DESTINATION "${ufb_package_dir}/mkl" COMPONENT development)

file(RELATIVE_PATH UFB_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig" "${CMAKE_INSTALL_FULL_INCLUDEDIR}")

# ufb_write_pkg_config(FILE <path> DESCRIPTION <text> [REQUIRES <module>...] [FLAGS <flag>...])
# FLAGS are those of the compiler besides the include folder; what both compiler and linker need is -pthread.
function(ufb_write_pkg_config)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "FILE;DESCRIPTION" "REQUIRES;FLAGS")
  get_filename_component(UFB_PC_NAME "${arg_FILE}" NAME_WLE)
  set(UFB_PC_DESCRIPTION "${arg_DESCRIPTION}")
  list(JOIN arg_REQUIRES ", " UFB_PC_REQUIRES)
  list(JOIN arg_FLAGS " " UFB_PC_FLAGS)
  set(UFB_PC_LIBS "")
  if("-pthread" IN_LIST arg_FLAGS)
    set(UFB_PC_LIBS " -pthread")
  endif()
  configure_file("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/ultrafastbert.pc.in" "${arg_FILE}" @ONLY)
endfunction()

# A pkg-config file cannot look for anything: it names OpenBLAS if this build took it from pkg-config, else no BLAS.
get_target_property(ufb_blas_items ultrafastbert::blas INTERFACE_LINK_LIBRARIES)
set(blas "")
if("${ufb_blas_items}" STREQUAL "PkgConfig::UFB_OPENBLAS")
  set(blas openblas)
endif()
set(layers_text "Layers of UltraFastBERT: fast feedforward networks, attention, norms")
if(blas)
  ufb_write_pkg_config(FILE "${PROJECT_BINARY_DIR}/ultrafastbert-layers.pc" DESCRIPTION "${layers_text}"
                       REQUIRES eigen3 ${blas} FLAGS -pthread -DUFB_WITH_CBLAS=1)
else()
  ufb_write_pkg_config(FILE "${PROJECT_BINARY_DIR}/ultrafastbert-layers.pc" DESCRIPTION "${layers_text}"
                       REQUIRES eigen3 FLAGS -pthread -DUFB_WITH_CBLAS=0)
endif()
ufb_write_pkg_config(FILE "${PROJECT_BINARY_DIR}/ultrafastbert-tokenizer.pc"
                     DESCRIPTION "Tokenizers of the Hugging Face hub: WordPiece, byte-level BPE, Unigram, WordLevel"
                     REQUIRES nlohmann_json libutf8proc)
ufb_write_pkg_config(FILE "${PROJECT_BINARY_DIR}/ultrafastbert.pc" DESCRIPTION "${PROJECT_DESCRIPTION}"
                     REQUIRES "ultrafastbert-layers = ${PROJECT_VERSION}" "ultrafastbert-tokenizer = ${PROJECT_VERSION}")
install(FILES "${PROJECT_BINARY_DIR}/ultrafastbert-layers.pc" DESTINATION "${ufb_pkg_config_dir}" COMPONENT layers_pc)
install(FILES "${PROJECT_BINARY_DIR}/ultrafastbert-tokenizer.pc" "${PROJECT_BINARY_DIR}/ultrafastbert.pc"
        DESTINATION "${ufb_pkg_config_dir}" COMPONENT development)

if(PROJECT_IS_TOP_LEVEL)
  include("${CMAKE_CURRENT_LIST_DIR}/UltrafastbertPackage.cmake")
endif()
