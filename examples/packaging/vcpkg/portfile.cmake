# SPDX-License-Identifier: MIT
#
# Not tested here: an overlay port for vcpkg that takes the library from the folder that this file lies in:
#   vcpkg install ultrafastbert --overlay-ports=examples/packaging/vcpkg
# A registry would fetch a release instead, by vcpkg_from_github or vcpkg_from_git.
get_filename_component(source "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

set(VCPKG_BUILD_TYPE release)  # headers: nothing differs between Debug and Release

vcpkg_check_features(OUT_FEATURE_OPTIONS options FEATURES blas UFB_BLAS)
vcpkg_cmake_configure(SOURCE_PATH "${source}"
                      OPTIONS ${options} -DUFB_INSTALL=ON -DUFB_BUILD_TESTS=OFF -DUFB_BUILD_EXAMPLES=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/ultrafastbert)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${source}/LICENSE")
