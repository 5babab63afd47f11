# SPDX-License-Identifier: MIT
#
# Debian packages by "cpack -G DEB" in the build folder: libultrafastbert-dev, for all architectures, and with
# UFB_INSTALL_PROGRAMS ultrafastbert-tools, the programs. Who builds them for others says who that is with
# -D CPACK_PACKAGE_CONTACT="Name <address>"; the default names nobody.
set(CPACK_PACKAGE_NAME ultrafastbert)
set(CPACK_PACKAGE_VENDOR "The ultrafastbert authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
if(NOT CPACK_PACKAGE_CONTACT)
  set(CPACK_PACKAGE_CONTACT "The ultrafastbert authors <nobody@ultrafastbert.invalid>")
endif()
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_GENERATOR DEB)
set(CPACK_SOURCE_GENERATOR "")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
    WORLD_EXECUTE)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)

# What find_package cannot do without, and nothing else: the headers compute without a BLAS, too, which CMake looks for
# where they are used. A pkg-config file cannot look, so that of the package names none.
set(CPACK_COMPONENTS_ALL development debian_development)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGES_PACKAGE_NAME libultrafastbert-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGES_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGES_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGES_PACKAGE_DEPENDS
    "libeigen3-dev (>= ${UFB_EIGEN_VERSION}), libutf8proc-dev, nlohmann-json3-dev (>= ${UFB_JSON_VERSION})")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGES_PACKAGE_RECOMMENDS libopenblas-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGES_PACKAGE_SUGGESTS "cmake, pkg-config")
string(CONCAT CPACK_DEBIAN_DEVELOPMENT_PACKAGES_DESCRIPTION
       "fast feedforward networks and BERT-like encoders on a CPU (headers)\n"
       "A header-only C++20 library that loads UltraFastBERT, BERT, DistilBERT, RoBERTa\n"
       "and XLM-RoBERTa folders as the Hugging Face hub stores them, and computes words\n"
       "for masks, labels, entities, embeddings and ranks without Python.\n"
       ".\n"
       "CMake finds the package ultrafastbert with the components layers, tokenizer,\n"
       "compiled and ultrafastbert; pkg-config has a file for each but compiled. Models\n"
       "of double and the engines named blas use a BLAS that CMake finds.")

ufb_write_pkg_config(FILE "${PROJECT_BINARY_DIR}/debian/ultrafastbert-layers.pc" DESCRIPTION "${layers_text}"
                     REQUIRES eigen3 FLAGS -pthread -DUFB_WITH_CBLAS=0)
install(FILES "${PROJECT_BINARY_DIR}/debian/ultrafastbert-layers.pc" DESTINATION "${ufb_pkg_config_dir}"
        COMPONENT debian_development EXCLUDE_FROM_ALL)

# ufb_install_debian_documents(<package> <component>)
# The license and the changes as Debian wants them: a copyright file, and compressed texts without a time in them.
function(ufb_install_debian_documents package component)
  set(folder "${PROJECT_BINARY_DIR}/debian/${package}")
  file(READ "${PROJECT_SOURCE_DIR}/LICENSE" license)
  string(REGEX MATCH "Copyright \\(c\\) ([^\n]+)" ignored "${license}")
  set(holder "${CMAKE_MATCH_1}")
  string(REGEX REPLACE "^.*Copyright [^\n]+\n+" "" license "${license}")
  string(REGEX REPLACE "\n\n" "\n.\n" license "${license}")
  string(REGEX REPLACE "\n+$" "" license "${license}")
  string(REPLACE "\n" "\n " license "${license}")
  file(CONFIGURE OUTPUT "${folder}/copyright" @ONLY CONTENT
"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ultrafastbert

Files: *
Copyright: @holder@
License: Expat

License: Expat
 @license@
")
  string(TIMESTAMP day "%a, %d %b %Y %H:%M:%S +0000" UTC)  # of SOURCE_DATE_EPOCH, if the environment has it
  file(CONFIGURE OUTPUT "${folder}/changelog" @ONLY CONTENT
"@package@ (@PROJECT_VERSION@) unstable; urgency=medium

  * What is new stands in CHANGELOG.md.gz.

 -- @CPACK_PACKAGE_CONTACT@  @day@
")
  configure_file("${PROJECT_SOURCE_DIR}/.github/CHANGELOG.md" "${folder}/CHANGELOG.md" COPYONLY)
  execute_process(COMMAND gzip -9nf changelog CHANGELOG.md WORKING_DIRECTORY "${folder}" RESULT_VARIABLE failed)
  if(failed)
    message(STATUS "ultrafastbert: no Debian package can be made, as there is no gzip")
    return()
  endif()
  install(FILES "${folder}/copyright" "${folder}/changelog.gz" "${folder}/CHANGELOG.md.gz"
          DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${package}" COMPONENT ${component} EXCLUDE_FROM_ALL)
endfunction()
ufb_install_debian_documents(libultrafastbert-dev debian_development)

# The programs know what they need by what they are linked with.
if(UFB_INSTALL_PROGRAMS)
  list(APPEND CPACK_COMPONENTS_ALL tools debian_tools)
  set(CPACK_DEBIAN_TOOLS_PACKAGES_PACKAGE_NAME ultrafastbert-tools)
  set(CPACK_DEBIAN_TOOLS_PACKAGES_PACKAGE_SECTION science)
  set(CPACK_DEBIAN_TOOLS_PACKAGES_PACKAGE_SHLIBDEPS ON)
  string(CONCAT CPACK_DEBIAN_TOOLS_PACKAGES_DESCRIPTION
         "fast feedforward networks and BERT-like encoders on a CPU (programs)\n"
         "Programs that load models as the Hugging Face hub stores them: ufb-fill-mask,\n"
         "ufb-classify, ufb-embed, ufb-rerank, ufb-ner and ufb-serve answer texts,\n"
         "ufb-glue judges a classifier, ufb-tokenize, ufb-inspect, ufb-routes and\n"
         "ufb-compare-precision show what is in a model. No model comes with them.")
  set(CPACK_STRIP_FILES ON)
  ufb_install_debian_documents(ultrafastbert-tools debian_tools)
endif()

include(CPack)
cpack_add_component_group(development_packages)
cpack_add_component(development GROUP development_packages)
cpack_add_component(debian_development GROUP development_packages)
if(UFB_INSTALL_PROGRAMS)
  cpack_add_component_group(tools_packages)
  cpack_add_component(tools GROUP tools_packages)
  cpack_add_component(debian_tools GROUP tools_packages)
else()
  # Headers are installed as they are: "install" need not wait for tests and examples.
  set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
endif()
