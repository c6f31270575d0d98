# bench/*.c => bin/spawned-bench, bench/sim/*.c => bin/spawned-bench-sim, which it starts.

file(GLOB_RECURSE spawned_bench CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.c)
file(GLOB spawned_bench_sim CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/sim/*.c)
list(FILTER spawned_bench EXCLUDE REGEX "/bench/sim/")
list(FILTER spawned_bench EXCLUDE REGEX "_test\\.c$")
# The checks of histories, without the rest of the simulation.
file(GLOB spawned_bench_history CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/sim/history/*.c)
list(FILTER spawned_bench_history EXCLUDE REGEX "_test\\.c$")
if(spawned_bench)
    add_executable(spawned-bench ${spawned_bench} ${spawned_bench_history})
    target_include_directories(spawned-bench
        PRIVATE ${PROJECT_SOURCE_DIR}/bench ${PROJECT_SOURCE_DIR}/src)
    target_compile_definitions(spawned-bench PRIVATE SPAWNED_VERSION="${PROJECT_VERSION}")
    target_link_libraries(spawned-bench PRIVATE spawned spawned_flags)
    spawned_link_part(spawned-bench http)
    set_target_properties(spawned-bench PROPERTIES POSITION_INDEPENDENT_CODE ON)
    add_executable(spawned-bench-sim ${spawned_bench_sim})
    target_include_directories(spawned-bench-sim PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(spawned-bench-sim PRIVATE spawned_sim spawned spawned_flags)
    set_target_properties(spawned-bench-sim PROPERTIES POSITION_INDEPENDENT_CODE ON)
    add_dependencies(spawned-bench spawned-bench-sim)
    if(TARGET test_system_bench)
        add_dependencies(test_system_bench spawned-bench)
        if(TARGET spawned_http)
            target_compile_definitions(test_system_bench PRIVATE SPAWNED_HTTP=1)
        endif()
    endif()
endif()

# The arithmetic and the tables of `make bench-peers`. The peers themselves are not needed.
if(spawned_bench AND SPAWNED_BUILD_TESTS AND NOT CMAKE_CROSSCOMPILING AND NOT SPAWNED_SANITIZE
        AND NOT SPAWNED_COVERAGE)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    add_test(NAME bench_peers
        COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/bench/peers/report_test.py)
    set_tests_properties(bench_peers PROPERTIES LABELS build TIMEOUT 600)
endif()
