# SPDX-License-Identifier: MIT
#
# Install rules: headers, a config package with the components "layers" and "ultrafastbert", a pkg-config file.
# All of it is independent of the machine and relocatable, so it goes under share/.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(ufb_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/ultrafastbert")
set(ufb_pkg_config_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/ultrafastbert" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inc")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/ultrafastbert")

# Two export sets, because the second names targets that a program of layers alone does not have.
install(TARGETS ultrafastbert_layers EXPORT ultrafastbert-layers-targets
        INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS ultrafastbert EXPORT ultrafastbert-targets)
foreach(set IN ITEMS ultrafastbert-layers-targets ultrafastbert-targets)
  install(EXPORT ${set} NAMESPACE ultrafastbert:: DESTINATION "${ufb_package_dir}")
endforeach()

configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/ultrafastbert-config.cmake.in" "${PROJECT_BINARY_DIR}/ultrafastbert-config.cmake"
  INSTALL_DESTINATION "${ufb_package_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ultrafastbert-config-version.cmake"
                                 COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/ultrafastbert-config.cmake"
              "${PROJECT_BINARY_DIR}/ultrafastbert-config-version.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/UltrafastbertBlas.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/UltrafastbertCompiled.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/UltrafastbertUtf8proc.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/blas_probe.cpp"
              "${CMAKE_CURRENT_LIST_DIR}/blas_batch_probe.cpp"
        DESTINATION "${ufb_package_dir}")

install(FILES "${CMAKE_CURRENT_LIST_DIR}/mkl/cblas.h" DESTINATION "${ufb_package_dir}/mkl")

# A pkg-config file cannot look for anything: it names OpenBLAS if this build took it from pkg-config, else no BLAS.
set(UFB_PC_REQUIRES "eigen3 nlohmann_json libutf8proc")
set(UFB_PC_DEFINITIONS "-DUFB_WITH_CBLAS=0")
get_target_property(ufb_blas_items ultrafastbert::blas INTERFACE_LINK_LIBRARIES)
if("${ufb_blas_items}" STREQUAL "PkgConfig::UFB_OPENBLAS")
  string(APPEND UFB_PC_REQUIRES " openblas")
  set(UFB_PC_DEFINITIONS "-DUFB_WITH_CBLAS=1")
endif()
file(RELATIVE_PATH UFB_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig" "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/ultrafastbert.pc.in" "${PROJECT_BINARY_DIR}/ultrafastbert.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/ultrafastbert.pc" DESTINATION "${ufb_pkg_config_dir}")
