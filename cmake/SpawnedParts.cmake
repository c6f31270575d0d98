# The parts that need a library of others: looked for here, built in SpawnedHttp.cmake,
# SpawnedOtlp.cmake and SpawnedTool.cmake. Where it is not found, the rest is built without.

# spawned_find(NAME library header): SPAWNED_NAME is the library, SPAWNED_NAME_INCLUDE the folder of
# its header; both are empty or end in NOTFOUND where it is not there.
function(spawned_find name library header)
    find_library(SPAWNED_${name} ${library})
    find_path(SPAWNED_${name}_INCLUDE ${header} PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE})
endfunction()

# spawned_find_all(result OPTION part NAME...): ON where OPTION is and every NAME was found; says
# that there will be no `part` where OPTION is ON in vain.
function(spawned_find_all result option part)
    set(found ${${option}})
    foreach(name IN LISTS ARGN)
        if(${option} AND NOT (SPAWNED_${name} AND SPAWNED_${name}_INCLUDE))
            string(TOLOWER ${name} library)
            message(STATUS "lib${library} is not there: no ${part}")
            set(found OFF)
        endif()
    endforeach()
    set(${result} ${found} PARENT_SCOPE)
endfunction()

# spawned_add_part(part NAME library): libspawned-PART.a of src/PART, beside libspawned, for
# programs that link `library`, found as NAME. Its tests are in spawned_PART_tests.
function(spawned_add_part part name library)
    file(GLOB sources CONFIGURE_DEPENDS
        ${PROJECT_SOURCE_DIR}/src/${part}/*.c ${PROJECT_SOURCE_DIR}/src/${part}/*.S)
    set(tests ${sources})
    list(FILTER sources EXCLUDE REGEX "_test\\.c$")
    list(FILTER tests INCLUDE REGEX "_test\\.c$")
    set(spawned_${part}_tests ${tests} PARENT_SCOPE)
    set(target spawned_${part})
    add_library(${target} STATIC ${sources})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME spawned-${part} EXPORT_NAME ${part})
    target_include_directories(${target}
        PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
        PRIVATE ${PROJECT_SOURCE_DIR}/src ${SPAWNED_${name}_INCLUDE})
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C>:-fPIE>)
    spawned_mark_code(${target})
    target_link_libraries(${target} PUBLIC spawned PRIVATE $<BUILD_INTERFACE:spawned_flags>
        INTERFACE ${library})
    add_library(Spawned::${part} ALIAS ${target})
endfunction()

# spawned_link_part(target part): links libspawned-PART to a program and defines SPAWNED_PART; where
# it is not built it does nothing.
function(spawned_link_part target part)
    if(TARGET spawned_${part})
        string(TOUPPER ${part} option)
        target_link_libraries(${target} PRIVATE spawned_${part})
        target_compile_definitions(${target} PRIVATE SPAWNED_${option}=1)
    endif()
endfunction()

spawned_find(MICROHTTPD microhttpd microhttpd.h)
spawned_find(CURL curl curl/curl.h)
spawned_find(JANSSON jansson jansson.h)
