# Tests: every *_test.c is one executable bin/test_<layer>_<name> and one ctest entry,
# labelled with its layer and with "unit" (beside the code) or "system" (tests/).

file(GLOB spawned_support CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/*.c)
file(GLOB spawned_system_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*_test.c)
set(spawned_support_tests ${spawned_support})
list(FILTER spawned_support_tests INCLUDE REGEX "_test\\.c$")
list(FILTER spawned_support EXCLUDE REGEX "_test\\.c$")

add_library(spawned_test_support STATIC ${spawned_support})
target_include_directories(spawned_test_support
    PUBLIC ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(spawned_test_support PUBLIC spawned_flags Threads::Threads)
# Where a case finds the programs it starts and the files it reads.
target_compile_definitions(spawned_test_support PUBLIC
    SP_TEST_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}" SP_TEST_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
if(CMAKE_CROSSCOMPILING)
    list(JOIN CMAKE_CROSSCOMPILING_EMULATOR "\",\"" spawned_emulator)
    target_compile_definitions(spawned_test_support PRIVATE SP_TEST_SLOW=1
        "SP_TEST_EMULATOR=\"${spawned_emulator}\"")
endif()

# spawned_add_test(NAME name LABELS label... SOURCES file... [LINK library...])
function(spawned_add_test)
    cmake_parse_arguments(arg "" "NAME" "LABELS;SOURCES;LINK" ${ARGN})
    add_executable(${arg_NAME} ${arg_SOURCES})
    target_link_libraries(${arg_NAME} PRIVATE ${arg_LINK} spawned_test_support spawned)
    set_target_properties(${arg_NAME} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    add_test(NAME ${arg_NAME} COMMAND ${arg_NAME})
    # The harness has its own watchdog for each case; this one only guards the harness.
    set_tests_properties(${arg_NAME} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 3600)
endfunction()

# src/runtime/real/poller_test.c => test_runtime_real_poller, label runtime
foreach(file IN LISTS SPAWNED_UNIT_TESTS)
    file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR}/src ${file})
    string(REGEX REPLACE "/.*" "" layer ${path})
    string(REGEX REPLACE "_test\\.c$" "" name ${path})
    string(REPLACE "/" "_" name ${name})
    spawned_add_test(NAME test_${name} LABELS unit ${layer} SOURCES ${file})
endforeach()
# src/http/json_test.c => test_http_json
foreach(file IN LISTS spawned_http_tests)
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "_test$" "" name ${name})
    spawned_add_test(NAME test_http_${name} LABELS unit http SOURCES ${file} LINK spawned_http)
    target_include_directories(test_http_${name} PRIVATE ${SPAWNED_MICROHTTPD_INCLUDE})
endforeach()
# src/otlp/export_test.c => test_otlp_export
foreach(file IN LISTS spawned_otlp_tests)
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "_test$" "" name ${name})
    spawned_add_test(NAME test_otlp_${name} LABELS unit otlp SOURCES ${file} LINK spawned_otlp)
    if(SPAWNED_PROTOC)
        target_compile_definitions(test_otlp_${name} PRIVATE SP_TEST_PROTOC="${SPAWNED_PROTOC}")
    endif()
endforeach()
foreach(file IN LISTS spawned_support_tests)
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "_test$" "" name ${name})
    spawned_add_test(NAME test_support_${name} LABELS unit support SOURCES ${file})
endforeach()
foreach(file IN LISTS spawned_system_tests)
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "_test$" "" name ${name})
    # Reports and leaks of simulated programs need their memory taken back, and hundreds of runs.
    if(SPAWNED_SANITIZE AND name MATCHES "^sim_(edit|leaks|report|tutorial)$")
        continue()
    endif()
    set(labels system)
    if(name MATCHES "^stress")
        list(APPEND labels stress) # `make soak` runs them longer
    endif()
    spawned_add_test(NAME test_system_${name} LABELS ${labels} SOURCES ${file})
endforeach()

# src/sim/schedule_test.c => test_sim_schedule, label sim; and the planted bugs, in a short form.
foreach(file IN LISTS spawned_sim_unit_tests)
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "_test$" "" name ${name})
    add_executable(test_sim_${name} ${file})
    # The harness before it: both libraries have a main function.
    target_link_libraries(test_sim_${name} PRIVATE spawned_test_support spawned_sim spawned)
    set_target_properties(test_sim_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    add_test(NAME test_sim_${name} COMMAND test_sim_${name})
    set_tests_properties(test_sim_${name} PROPERTIES LABELS "unit;sim" TIMEOUT 3600)
endforeach()
# A simulated world is one thread: there is nothing in it for the thread sanitizer.
if(NOT SPAWNED_SANITIZE MATCHES "thread")
    include(cmake/SpawnedSimTests.cmake)
endif()

# The thread sanitizer's own calls of the system are in the way.
if(NOT SPAWNED_SANITIZE MATCHES "thread" AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
    include(cmake/SpawnedTorture.cmake)
endif()

# Instrumented for other purposes they cannot be.
if(NOT CMAKE_CROSSCOMPILING AND NOT SPAWNED_SANITIZE AND NOT SPAWNED_COVERAGE AND NOT SPAWNED_FUZZ)
    include(cmake/SpawnedModel.cmake)
endif()

# Cases that fail, crash and hang on purpose; test_support_harness runs them and looks.
add_executable(harness_cases ${PROJECT_SOURCE_DIR}/tests/support/fixture/harness_cases.c)
target_link_libraries(harness_cases PRIVATE spawned_test_support)
add_dependencies(test_support_harness harness_cases)

# The messages of a compiler on planted misuse, the installed library used from outside the
# tree, the programs in the documents; and tests of the scripts that do this.
if(NOT CMAKE_CROSSCOMPILING AND NOT SPAWNED_SANITIZE AND NOT SPAWNED_COVERAGE)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    set(spawned_misuse ${PROJECT_SOURCE_DIR}/tests/compile_fail)
    add_test(NAME compile_fail COMMAND ${Python3_EXECUTABLE} ${spawned_misuse}/run.py
        --cc ${CMAKE_C_COMPILER} --include ${PROJECT_SOURCE_DIR}/include
        --lib $<TARGET_FILE:spawned>)
    add_test(NAME compile_fail_driver COMMAND ${Python3_EXECUTABLE} ${spawned_misuse}/run_test.py)
    add_test(NAME install COMMAND ${PROJECT_SOURCE_DIR}/tests/install/run.sh
        ${PROJECT_BINARY_DIR} ${PROJECT_BINARY_DIR}/install-test ${CMAKE_C_COMPILER})
    add_executable(gdb_target ${PROJECT_SOURCE_DIR}/tests/gdb/target.c)
    target_link_libraries(gdb_target PRIVATE spawned_flags spawned)
    add_test(NAME gdb COMMAND ${PROJECT_SOURCE_DIR}/tests/gdb/check.sh $<TARGET_FILE:gdb_target>)
    set_tests_properties(gdb PROPERTIES LABELS build SKIP_RETURN_CODE 77)
    add_test(NAME snippets COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/snippets/run.py
        --cc ${CMAKE_C_COMPILER} --lib $<TARGET_FILE:spawned>)
    add_test(NAME snippets_driver
        COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/snippets/run_test.py)
    set_tests_properties(compile_fail compile_fail_driver install snippets snippets_driver PROPERTIES
        LABELS build TIMEOUT 600)
endif()
