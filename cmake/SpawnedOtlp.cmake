# libspawned-otlp.a: spans to an OpenTelemetry collector (src/otlp), where libcurl is found.
# spawned_link_otlp(target) links it to a program and defines SPAWNED_OTLP; where it is not built it
# does nothing.

find_library(SPAWNED_CURL curl)
find_path(SPAWNED_CURL_INCLUDE curl/curl.h PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE})
set(spawned_otlp_found OFF)
if(SPAWNED_OTLP AND SPAWNED_CURL AND SPAWNED_CURL_INCLUDE)
    set(spawned_otlp_found ON)
elseif(SPAWNED_OTLP)
    message(STATUS "libcurl is not there: no libspawned-otlp")
endif()

function(spawned_link_otlp target)
    if(TARGET spawned_otlp)
        target_link_libraries(${target} PRIVATE spawned_otlp)
        target_compile_definitions(${target} PRIVATE SPAWNED_OTLP=1)
    endif()
endfunction()

if(spawned_otlp_found)
    file(GLOB spawned_otlp_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/otlp/*.c)
    set(spawned_otlp_tests ${spawned_otlp_sources})
    list(FILTER spawned_otlp_sources EXCLUDE REGEX "_test\\.c$")
    list(FILTER spawned_otlp_tests INCLUDE REGEX "_test\\.c$")
    add_library(spawned_otlp STATIC ${spawned_otlp_sources})
    set_target_properties(spawned_otlp PROPERTIES OUTPUT_NAME spawned-otlp EXPORT_NAME otlp)
    target_include_directories(spawned_otlp
        PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
        PRIVATE ${PROJECT_SOURCE_DIR}/src ${SPAWNED_CURL_INCLUDE})
    target_compile_options(spawned_otlp PRIVATE $<$<COMPILE_LANGUAGE:C>:-fPIE>)
    spawned_mark_code(spawned_otlp)
    target_link_libraries(spawned_otlp PUBLIC spawned PRIVATE $<BUILD_INTERFACE:spawned_flags>
        INTERFACE curl)
    add_library(Spawned::otlp ALIAS spawned_otlp)
    # What decodes what is sent, in its test.
    find_program(SPAWNED_PROTOC protoc)
endif()
