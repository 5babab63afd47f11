# SPDX-License-Identifier: MIT
#
# UFB_INSTALL_PROGRAMS: the programs of examples/ for everybody's PATH, each with a manual page made by help2man, where
# there is one, and bash's completion. Names begin with "ufb-", because classify, embed and serve are anybody's. fff_layer
# shows code and nothing else, and embed_mpi belongs to the MPI of its cluster; both stay in the build folder.
set(programs classify compare_precision embed fill_mask glue inspect ner rerank routes tokenize)
if(TARGET serve)
  list(APPEND programs serve)
endif()
find_program(UFB_HELP2MAN help2man)
mark_as_advanced(UFB_HELP2MAN)
if(NOT UFB_HELP2MAN)
  message(STATUS "ultrafastbert: the programs have no manual pages, as there is no help2man (Debian: help2man)")
endif()

set(folder "${PROJECT_BINARY_DIR}/programs")
file(MAKE_DIRECTORY "${folder}/bin" "${folder}/man" "${folder}/completions")
set(texts "")
foreach(program IN LISTS programs)
  string(REPLACE "_" "-" name "ufb-${program}")
  # Under its new name, which its help calls it by.
  set(renamed "${folder}/bin/${name}")
  set(completion "${folder}/completions/${name}")
  add_custom_command(OUTPUT "${renamed}" "${completion}" DEPENDS ${program} "${CMAKE_CURRENT_LIST_DIR}/completion.sh"
                     COMMAND "${CMAKE_COMMAND}" -E copy "$<TARGET_FILE:${program}>" "${renamed}"
                     COMMAND sh "${CMAKE_CURRENT_LIST_DIR}/completion.sh" "${renamed}" > "${completion}" VERBATIM)
  list(APPEND texts "${completion}")
  install(PROGRAMS "${renamed}" DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT tools)
  install(FILES "${completion}" DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" COMPONENT tools)
  if(UFB_HELP2MAN)
    set(page "${folder}/man/${name}.1")
    add_custom_command(OUTPUT "${page}.gz" DEPENDS "${renamed}" "${CMAKE_CURRENT_LIST_DIR}/manual.sh"
                       COMMAND sh "${CMAKE_CURRENT_LIST_DIR}/manual.sh" "${UFB_HELP2MAN}" "${renamed}" "${page}" VERBATIM)
    list(APPEND texts "${page}.gz")
    install(FILES "${page}.gz" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT tools)
  endif()
endforeach()
add_custom_target(ufb_programs ALL DEPENDS ${texts})

# What CMake does for targets that keep their names: no search paths of the build, and no symbols in packages.
list(TRANSFORM programs REPLACE "_" "-")
install(CODE "
foreach(program IN ITEMS ${programs})
  set(file \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/ufb-\${program}\")
  file(RPATH_REMOVE FILE \"\${file}\")
  if(CMAKE_INSTALL_DO_STRIP AND NOT \"${CMAKE_STRIP}\" STREQUAL \"\")
    execute_process(COMMAND \"${CMAKE_STRIP}\" \"\${file}\")
  endif()
endforeach()" COMPONENT tools)
