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
foreach(file IN LISTS spawned_support_tests)
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "_test$" "" name ${name})
    spawned_add_test(NAME test_support_${name} LABELS unit support SOURCES ${file})
endforeach()
foreach(file IN LISTS spawned_system_tests)
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "_test$" "" name ${name})
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
if(SPAWNED_SANITIZE OR SPAWNED_COVERAGE OR CMAKE_CROSSCOMPILING_EMULATOR)
    add_test(NAME sim_suite COMMAND sim-suite --trials 1 --replays 1 --twin-runs 100)
else()
    add_test(NAME sim_suite COMMAND sim-suite --trials 3 --replays 20 --twin-runs 10000)
endif()
set_tests_properties(sim_suite PROPERTIES LABELS sim TIMEOUT 600)
add_test(NAME sim_net_bugs
    COMMAND sh ${PROJECT_SOURCE_DIR}/tests/sim_net_bugs/check.sh $<TARGET_FILE:sim_net_bugs>)
set_tests_properties(sim_net_bugs PROPERTIES LABELS sim TIMEOUT 600)
set(spawned_sim_classes_runs 20000)
if(SPAWNED_SANITIZE OR SPAWNED_COVERAGE OR CMAKE_CROSSCOMPILING_EMULATOR)
    set(spawned_sim_classes_runs 200)
endif()
add_test(NAME sim_classes COMMAND sim-classes --runs ${spawned_sim_classes_runs})
set_tests_properties(sim_classes PROPERTIES LABELS sim TIMEOUT 600)
set(spawned_sim_programs sim_net sim_control sim_nomem)
if(SPAWNED_BUILD_EXAMPLES)
    list(APPEND spawned_sim_programs sim_chat_room sim_kv)
endif()
set(spawned_sim_runs 2000)
if(SPAWNED_SANITIZE OR SPAWNED_COVERAGE OR CMAKE_CROSSCOMPILING_EMULATOR)
    set(spawned_sim_runs 200)
endif()
foreach(program IN LISTS spawned_sim_programs)
    add_test(NAME ${program} COMMAND ${program} --runs ${spawned_sim_runs})
    set_tests_properties(${program} PROPERTIES LABELS sim TIMEOUT 600)
endforeach()

set(spawned_sim_fault_runs 3000)
if(SPAWNED_SANITIZE OR SPAWNED_COVERAGE OR CMAKE_CROSSCOMPILING_EMULATOR)
    set(spawned_sim_fault_runs 50)
endif()
add_test(NAME sim_faults COMMAND sim-faults ${spawned_sim_fault_runs})
add_test(NAME sim_liveness COMMAND sim-liveness ${spawned_sim_fault_runs})
set_tests_properties(sim_faults sim_liveness PROPERTIES LABELS sim TIMEOUT 600)

# Instrumented for other purposes they cannot be.
if(NOT CMAKE_CROSSCOMPILING AND NOT SPAWNED_SANITIZE AND NOT SPAWNED_COVERAGE AND NOT SPAWNED_FUZZ)
    include(cmake/SpawnedModel.cmake)
endif()

# Acceptance cases that are races: a short campaign of each; `make soak` makes long ones.
foreach(name IN LISTS spawned_acceptance_tests)
    if(SPAWNED_SANITIZE OR SPAWNED_COVERAGE OR CMAKE_CROSSCOMPILING_EMULATOR)
        set(budget --runs 100)
    else()
        set(budget --runs 1500)
    endif()
    add_test(NAME ${name} COMMAND ${name} ${budget} --output ${PROJECT_BINARY_DIR})
    set_tests_properties(${name} PROPERTIES LABELS sim TIMEOUT 600)
endforeach()
# The smallest of them in every schedule that there is.
if(NOT SPAWNED_SANITIZE AND NOT SPAWNED_COVERAGE AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
    foreach(case signals/case_3_10 signals/case_9 signals/case_12_after signals/case_12_unlinked
            monitors/case_14 monitors/case_15 monitors/case_20_the monitors/case_26 calls/case_29)
        get_filename_component(name ${case} DIRECTORY)
        get_filename_component(filter ${case} NAME)
        add_test(NAME sim_exhaust_${filter} COMMAND sim_acceptance_${name} --exhaust
            --filter ${filter} --runs 1000000 --output ${PROJECT_BINARY_DIR})
        set_tests_properties(sim_exhaust_${filter} PROPERTIES LABELS sim TIMEOUT 600
            PASS_REGULAR_EXPRESSION "schedules, complete" FAIL_REGULAR_EXPRESSION "FAIL")
    endforeach()
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
    add_test(NAME snippets COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/snippets/run.py
        --cc ${CMAKE_C_COMPILER} --lib $<TARGET_FILE:spawned>)
    add_test(NAME snippets_driver
        COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/snippets/run_test.py)
    set_tests_properties(compile_fail compile_fail_driver install snippets snippets_driver PROPERTIES
        LABELS build TIMEOUT 600)
endif()
