# Examples: examples/<name>.c => bin/<name>; examples/<dir>/*.c => bin/<dir>, except kv,
# which is the program spawned-kv. A *_test.c in a directory is a test linked with the
# directory's other sources, main.c excepted.
#
# Each example is run as a test, example_<name>, and must exit with 0:
#   examples/<name>_check.sh, examples/<dir>/check.sh   is run with the program as arguments
#   examples/<name>.expected, examples/<dir>/expected   is what the program must print
#   otherwise                                           it is run without input
# In a cross build the emulator comes before the program, so a script runs "$@".

# spawned_add_example_test(program prefix): prefix is examples/<name>_ or examples/<dir>/
function(spawned_add_example_test program prefix)
    if(NOT SPAWNED_BUILD_TESTS)
        return()
    endif()
    set(run ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:${program}>)
    string(REGEX REPLACE "[_]$" ".expected" expected ${prefix})
    string(REGEX REPLACE "/$" "/expected" expected ${expected})
    if(EXISTS ${prefix}check.sh)
        add_test(NAME example_${program} COMMAND sh ${prefix}check.sh ${run})
    elseif(EXISTS ${expected})
        add_test(NAME example_${program} COMMAND sh -c
            "file=$1; shift; out=$(\"$@\" </dev/null) && echo \"$out\" | diff -u \"$file\" -"
            sh ${expected} ${run})
    else()
        add_test(NAME example_${program} COMMAND sh -c "exec \"$@\" </dev/null" sh ${run})
    endif()
    set_tests_properties(example_${program} PROPERTIES LABELS "example;cross" TIMEOUT 120)
endfunction()

# Examples are programs that can be simulated; spawned-kv tells its process number to clients.
include(cmake/SpawnedSimLint.cmake)
function(spawned_lint_example target)
    if(NOT SPAWNED_SANITIZE AND NOT SPAWNED_COVERAGE AND NOT SPAWNED_FUZZ AND NOT CMAKE_CROSSCOMPILING)
        spawned_sim_lint(${target} ALLOW ${ARGN})
    endif()
endfunction()

file(GLOB spawned_examples CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.c)
foreach(file IN LISTS spawned_examples)
    get_filename_component(name ${file} NAME_WE)
    if(name STREQUAL "dashboard" AND NOT TARGET spawned_http)
        continue()
    endif()
    add_executable(${name} ${file})
    target_link_libraries(${name} PRIVATE spawned spawned_flags)
    if(name MATCHES "^(dashboard|echo)$")
        spawned_link_part(${name} http)
    endif()
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    set(allowed)
    if(name STREQUAL "word_count")
        set(allowed fopen scandir) # of files that lie outside of any world
    elseif(name STREQUAL "log_pipeline")
        set(allowed fopen) # the same
    elseif(name STREQUAL "dashboard")
        set(allowed getenv) # the token
    endif()
    spawned_lint_example(${name} ${allowed})
    spawned_add_example_test(${name} ${PROJECT_SOURCE_DIR}/examples/${name}_)
endforeach()

file(GLOB_RECURSE spawned_example_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.c)
set(spawned_example_dirs)
foreach(file IN LISTS spawned_example_files)
    file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR}/examples ${file})
    if(path MATCHES "^([^/]+)/")
        list(APPEND spawned_example_dirs ${CMAKE_MATCH_1})
    endif()
endforeach()
list(REMOVE_DUPLICATES spawned_example_dirs)

foreach(dir IN LISTS spawned_example_dirs)
    set(root ${PROJECT_SOURCE_DIR}/examples/${dir})
    set(files ${spawned_example_files})
    list(FILTER files INCLUDE REGEX "/examples/${dir}/")
    set(tests ${files})
    list(FILTER tests INCLUDE REGEX "_test\\.c$")
    list(FILTER files EXCLUDE REGEX "_(test|fuzz)\\.c$|/main\\.c$")
    set(program ${dir})
    if(dir STREQUAL "kv")
        set(program spawned-kv)
    endif()

    set(parts)
    if(files)
        add_library(example_${dir} STATIC ${files})
        target_include_directories(example_${dir} PUBLIC ${root})
        target_link_libraries(example_${dir} PUBLIC spawned PRIVATE spawned_flags)
        set_target_properties(example_${dir} PROPERTIES POSITION_INDEPENDENT_CODE ON)
        set(parts example_${dir})
        if(dir STREQUAL "kv")
            spawned_link_part(example_${dir} http)
        endif()
        spawned_lint_example(example_${dir} getpid)
    endif()
    if(EXISTS ${root}/main.c)
        add_executable(${program} ${root}/main.c)
        target_link_libraries(${program} PRIVATE ${parts} spawned spawned_flags)
        set_target_properties(${program} PROPERTIES POSITION_INDEPENDENT_CODE ON)
        spawned_add_example_test(${program} ${root}/)
    endif()
    if(SPAWNED_BUILD_TESTS)
        foreach(file IN LISTS tests)
            file(RELATIVE_PATH name ${root} ${file})
            string(REGEX REPLACE "_test\\.c$" "" name ${name})
            string(REPLACE "/" "_" name ${name})
            spawned_add_test(NAME test_${dir}_${name} LABELS example ${dir}
                SOURCES ${file} LINK ${parts})
            if(TARGET ${program})
                add_dependencies(test_${dir}_${name} ${program})
            endif()
        endforeach()
    endif()
endforeach()

# What `make demo` needs: not the tests.
if(TARGET spawned-kv)
    add_custom_target(demo DEPENDS spawned-kv $<TARGET_NAME_IF_EXISTS:spawned_tool>)
endif()

# The dashboard in a real browser. Chromium and this program would take turns with an emulator or
# a sanitizer for minutes, and it is the same page.
if(SPAWNED_BUILD_TESTS AND TARGET dashboard AND NOT CMAKE_CROSSCOMPILING AND NOT SPAWNED_SANITIZE
        AND NOT SPAWNED_COVERAGE AND NOT SPAWNED_FUZZ)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    add_test(NAME dashboard_browser COMMAND ${Python3_EXECUTABLE}
        ${PROJECT_SOURCE_DIR}/tests/dashboard/run.py $<TARGET_FILE:dashboard>)
    set_tests_properties(dashboard_browser PROPERTIES LABELS "system;http" TIMEOUT 900)
endif()

# The metrics of spawned-kv, looked at by promtool and scraped by a Prometheus.
if(SPAWNED_BUILD_TESTS AND TARGET spawned_http AND TARGET spawned-kv AND NOT CMAKE_CROSSCOMPILING
        AND NOT SPAWNED_SANITIZE AND NOT SPAWNED_COVERAGE AND NOT SPAWNED_FUZZ)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    add_test(NAME prometheus COMMAND ${Python3_EXECUTABLE}
        ${PROJECT_SOURCE_DIR}/tests/prometheus/run.py $<TARGET_FILE:spawned-kv>)
    set_tests_properties(prometheus PROPERTIES LABELS "system;http" TIMEOUT 300
        SKIP_RETURN_CODE 77)
endif()

# The command against these programs, also under the sanitizers.
if(SPAWNED_BUILD_TESTS AND TARGET spawned_tool AND TARGET dashboard AND NOT CMAKE_CROSSCOMPILING
        AND NOT SPAWNED_COVERAGE AND NOT SPAWNED_FUZZ)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    add_test(NAME cli COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/cli/run.py
        $<TARGET_FILE:spawned_tool> $<TARGET_FILE:spawned-kv> $<TARGET_FILE:dashboard>)
    set_tests_properties(cli PROPERTIES LABELS "system;http" TIMEOUT 600)
endif()
