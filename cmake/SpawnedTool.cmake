# bin/spawned: the command that looks at a running node (tools/spawned), where libcurl and jansson
# are found. It needs nothing of the library.

find_library(SPAWNED_CURL curl)
find_path(SPAWNED_CURL_INCLUDE curl/curl.h PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE})
find_library(SPAWNED_JANSSON jansson)
find_path(SPAWNED_JANSSON_INCLUDE jansson.h)
set(spawned_tool_found OFF)
if(SPAWNED_TOOL AND SPAWNED_CURL AND SPAWNED_CURL_INCLUDE AND SPAWNED_JANSSON AND SPAWNED_JANSSON_INCLUDE)
    set(spawned_tool_found ON)
elseif(SPAWNED_TOOL)
    message(STATUS "libcurl or jansson is not there: no command spawned")
endif()

if(spawned_tool_found)
    file(GLOB spawned_tool_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/spawned/*.c)
    add_executable(spawned_tool ${spawned_tool_sources})
    set_target_properties(spawned_tool PROPERTIES OUTPUT_NAME spawned POSITION_INDEPENDENT_CODE ON)
    target_include_directories(spawned_tool PRIVATE ${SPAWNED_CURL_INCLUDE} ${SPAWNED_JANSSON_INCLUDE})
    target_compile_definitions(spawned_tool PRIVATE SPAWNED_VERSION="${PROJECT_VERSION}")
    target_link_libraries(spawned_tool PRIVATE spawned_flags ${SPAWNED_CURL} ${SPAWNED_JANSSON} m)
endif()
