# bin/spawned: the command that looks at a running node (tools/spawned), where libcurl and jansson
# are found. It needs nothing of the library.

spawned_find_all(spawned_tool_found SPAWNED_TOOL "command spawned" CURL JANSSON)
if(spawned_tool_found)
    file(GLOB spawned_tool_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/spawned/*.c)
    add_executable(spawned_tool ${spawned_tool_sources})
    set_target_properties(spawned_tool PROPERTIES OUTPUT_NAME spawned POSITION_INDEPENDENT_CODE ON)
    target_include_directories(spawned_tool PRIVATE ${SPAWNED_CURL_INCLUDE} ${SPAWNED_JANSSON_INCLUDE})
    target_compile_definitions(spawned_tool PRIVATE SPAWNED_VERSION="${PROJECT_VERSION}")
    target_link_libraries(spawned_tool PRIVATE spawned_flags ${SPAWNED_CURL} ${SPAWNED_JANSSON} m)
endif()
