# libspawned.a, and libspawned.so with SPAWNED_SHARED.

# The linker defines __start_sp_text and __stop_sp_text for a section whose name is a C
# identifier; the fault handler tells the library's code by these two. An archive that is
# up to date is not touched; a rebuilt one starts from the compiler's objects again.
set(spawned_code_sections .text .text.unlikely .text.unlikely. .text.hot .text.hot.
    .text.startup .text.startup. .text.exit .text.exit. .text.unknown.)
set(spawned_rename)
foreach(section IN LISTS spawned_code_sections)
    list(APPEND spawned_rename --rename-section ${section}=sp_text,contents,alloc,load,readonly,code)
endforeach()

function(spawned_mark_code target)
    add_custom_command(TARGET ${target} POST_BUILD
        COMMAND ${CMAKE_OBJCOPY} ${spawned_rename} $<TARGET_FILE:${target}>
        COMMENT "Moving the code of ${target} to section sp_text" VERBATIM)
endfunction()

# A part of the debug information of programs with the library, which gdb loads.
set(spawned_gdb_script ${PROJECT_SOURCE_DIR}/tools/gdb/spawned-gdb.py)
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/process/debugger.c PROPERTIES
    COMPILE_DEFINITIONS SPAWNED_GDB_SCRIPT="${spawned_gdb_script}"
    OBJECT_DEPENDS ${spawned_gdb_script})

function(spawned_add_archive target)
    add_library(${target} STATIC ${SPAWNED_SOURCES})
    target_include_directories(${target}
        PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
        PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${target} PUBLIC Threads::Threads
        PRIVATE $<BUILD_INTERFACE:spawned_library_flags>)
    spawned_mark_code(${target})
endfunction()

spawned_add_archive(spawned)
target_compile_options(spawned PRIVATE $<$<COMPILE_LANGUAGE:C>:-fPIE>)
add_library(Spawned::spawned ALIAS spawned)

# The shared library is linked from an archive of its own (compiled as PIC, code in
# sp_text likewise), because a section can only be renamed before the link.
if(SPAWNED_SHARED)
    spawned_add_archive(spawned_pic)
    # initial-exec: a thread-local is found without a call, which in the handler of a fault could
    # end up in malloc.
    target_compile_options(spawned_pic PRIVATE
        $<$<COMPILE_LANGUAGE:C>:-fPIC -ftls-model=initial-exec>)
    file(WRITE ${PROJECT_BINARY_DIR}/shared.c "/* The code comes from spawned_pic. */\n")
    add_library(spawned_shared SHARED ${PROJECT_BINARY_DIR}/shared.c)
    target_include_directories(spawned_shared PUBLIC
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(spawned_shared PUBLIC Threads::Threads
        PRIVATE $<BUILD_INTERFACE:spawned_flags>
                "$<BUILD_INTERFACE:$<LINK_LIBRARY:WHOLE_ARCHIVE,spawned_pic>>")
    set_target_properties(spawned_shared PROPERTIES OUTPUT_NAME spawned
        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
    set_target_properties(spawned_shared PROPERTIES EXPORT_NAME spawned_shared)
    add_library(Spawned::spawned_shared ALIAS spawned_shared)
endif()
