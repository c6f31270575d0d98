# make install: headers, libraries, pkg-config file, CMake package, man pages, spawned-kv.
# The installed tree may be moved as a whole: neither file names an absolute path.

include(CMakePackageConfigHelpers)
set(spawned_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Spawned)

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/spawned DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")
set(spawned_installed spawned spawned_sim)
if(SPAWNED_SHARED)
    list(APPEND spawned_installed spawned_shared)
endif()
if(TARGET spawned_http)
    list(APPEND spawned_installed spawned_http)
endif()
if(TARGET spawned_otlp)
    list(APPEND spawned_installed spawned_otlp)
endif()
# What is installed must have been built: said before anything is copied, and with what to do.
add_custom_target(libraries DEPENDS ${spawned_installed})
foreach(target IN LISTS spawned_installed)
    install(CODE "
        if(NOT EXISTS \"$<TARGET_FILE:${target}>\")
            message(FATAL_ERROR \"$<TARGET_FILE_NAME:${target}> is not built. \"
                \"All that is installed is: cmake --build '${PROJECT_BINARY_DIR}' --target libraries\")
        endif()")
endforeach()
install(TARGETS ${spawned_installed} EXPORT SpawnedTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT SpawnedTargets NAMESPACE Spawned:: DESTINATION ${spawned_cmake_dir})

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/SpawnedConfig.cmake.in
    ${PROJECT_BINARY_DIR}/SpawnedConfig.cmake INSTALL_DESTINATION ${spawned_cmake_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/SpawnedConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/scripts/spawned-sim-lint DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${PROJECT_SOURCE_DIR}/cmake/SpawnedSimLint.cmake DESTINATION ${spawned_cmake_dir})
install(FILES ${PROJECT_BINARY_DIR}/SpawnedConfig.cmake
    ${PROJECT_BINARY_DIR}/SpawnedConfigVersion.cmake DESTINATION ${spawned_cmake_dir})

# From lib/<arch>/pkgconfig back to the prefix, however many folders that is.
file(RELATIVE_PATH spawned_pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" spawned_pc_prefix "${spawned_pc_prefix}")
foreach(name spawned spawned-sim)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
if(TARGET spawned_otlp)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/spawned-otlp.pc.in
        ${PROJECT_BINARY_DIR}/spawned-otlp.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/spawned-otlp.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
if(TARGET spawned_http)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/spawned-http.pc.in
        ${PROJECT_BINARY_DIR}/spawned-http.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/spawned-http.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()

install(FILES ${PROJECT_SOURCE_DIR}/tools/gdb/spawned-gdb.py
    DESTINATION ${CMAKE_INSTALL_DATADIR}/spawned)
file(GLOB spawned_man CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.1)
if(spawned_man)
    install(FILES ${spawned_man} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
if(TARGET spawned_tool)
    set(spawned_completion ${PROJECT_SOURCE_DIR}/tools/spawned/completion)
    install(TARGETS spawned_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} OPTIONAL)
    install(FILES ${spawned_completion}/spawned.bash RENAME spawned
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
    install(FILES ${spawned_completion}/_spawned
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
    install(FILES ${spawned_completion}/spawned.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()
if(TARGET spawned-kv)
    # The libraries are of use without it.
    install(TARGETS spawned-kv RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} OPTIONAL)
endif()
