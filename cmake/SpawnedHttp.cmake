# libspawned-http.a: the HTTP endpoint (src/http) and the dashboard (tools/dashboard/dist), where
# libmicrohttpd is found. spawned_link_http(target) links it to a program and defines SPAWNED_HTTP;
# where it is not built it does nothing.

find_library(SPAWNED_MICROHTTPD microhttpd)
find_path(SPAWNED_MICROHTTPD_INCLUDE microhttpd.h)
set(spawned_http_found OFF)
if(SPAWNED_HTTP AND SPAWNED_MICROHTTPD AND SPAWNED_MICROHTTPD_INCLUDE)
    set(spawned_http_found ON)
elseif(SPAWNED_HTTP)
    message(STATUS "libmicrohttpd is not there: no libspawned-http")
endif()

function(spawned_link_http target)
    if(TARGET spawned_http)
        target_link_libraries(${target} PRIVATE spawned_http)
        target_compile_definitions(${target} PRIVATE SPAWNED_HTTP=1)
    endif()
endfunction()

if(spawned_http_found)
    set(spawned_dashboard ${PROJECT_SOURCE_DIR}/tools/dashboard/dist)
    file(GLOB spawned_http_sources CONFIGURE_DEPENDS
        ${PROJECT_SOURCE_DIR}/src/http/*.c ${PROJECT_SOURCE_DIR}/src/http/*.S)
    set(spawned_http_tests ${spawned_http_sources})
    list(FILTER spawned_http_sources EXCLUDE REGEX "_test\\.c$")
    list(FILTER spawned_http_tests INCLUDE REGEX "_test\\.c$")
    add_library(spawned_http STATIC ${spawned_http_sources})
    set_target_properties(spawned_http PROPERTIES OUTPUT_NAME spawned-http EXPORT_NAME http)
    target_include_directories(spawned_http
        PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
        PRIVATE ${PROJECT_SOURCE_DIR}/src ${SPAWNED_MICROHTTPD_INCLUDE})
    target_compile_definitions(spawned_http PRIVATE SPAWNED_VERSION="${PROJECT_VERSION}")
    target_compile_options(spawned_http PRIVATE $<$<COMPILE_LANGUAGE:C>:-fPIE>)
    file(GLOB spawned_dashboard_files CONFIGURE_DEPENDS ${spawned_dashboard}/*)
    set_source_files_properties(${PROJECT_SOURCE_DIR}/src/http/page_data.S PROPERTIES
        COMPILE_OPTIONS "-Wa,-I${spawned_dashboard}" OBJECT_DEPENDS "${spawned_dashboard_files}")
    spawned_mark_code(spawned_http)
    target_link_libraries(spawned_http PUBLIC spawned PRIVATE $<BUILD_INTERFACE:spawned_flags>
        INTERFACE microhttpd)
    add_library(Spawned::http ALIAS spawned_http)
    if(SPAWNED_BUILD_TESTS)
        spawned_add_sim_test(sim_http ${PROJECT_SOURCE_DIR}/tests/sim_http/http.c)
        target_link_libraries(sim_http PRIVATE spawned_http)
    endif()
endif()
