# libspawned-http.a: the HTTP endpoint (src/http) and the dashboard (tools/dashboard/dist), where
# libmicrohttpd is found.

spawned_find_all(spawned_http_found SPAWNED_HTTP libspawned-http MICROHTTPD)
if(spawned_http_found)
    spawned_add_part(http MICROHTTPD microhttpd)
    target_compile_definitions(spawned_http PRIVATE SPAWNED_VERSION="${PROJECT_VERSION}")
    set(spawned_dashboard ${PROJECT_SOURCE_DIR}/tools/dashboard/dist)
    file(GLOB spawned_dashboard_files CONFIGURE_DEPENDS ${spawned_dashboard}/*)
    set_source_files_properties(${PROJECT_SOURCE_DIR}/src/http/page_data.S PROPERTIES
        COMPILE_OPTIONS "-Wa,-I${spawned_dashboard}" OBJECT_DEPENDS "${spawned_dashboard_files}")
    if(SPAWNED_BUILD_TESTS)
        spawned_add_sim_test(sim_http ${PROJECT_SOURCE_DIR}/tests/sim_http/http.c)
        target_link_libraries(sim_http PRIVATE spawned_http)
    endif()
endif()
