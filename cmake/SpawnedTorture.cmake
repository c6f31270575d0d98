# Every allocation and every system call of the library made to fail: tests/torture.
#
# The library is linked as it is; ld gives its calls of the system to tests/torture/wraps.c.
# `make torture` fails all points, `make test` some.

file(GLOB spawned_torture CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/torture/*.c)
file(STRINGS ${PROJECT_SOURCE_DIR}/tests/torture/wraps.c spawned_wraps REGEX "__wrap_[a-z0-9_]+\\(")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/tests/torture/wraps.c)
add_executable(torture ${spawned_torture})
foreach(line IN LISTS spawned_wraps)
    string(REGEX REPLACE ".*__wrap_([a-z0-9_]+)\\(.*" "\\1" name "${line}")
    target_link_options(torture PRIVATE -Wl,--wrap=${name})
endforeach()
target_include_directories(torture PRIVATE ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(torture PRIVATE spawned spawned_flags)
set_target_properties(torture PROPERTIES POSITION_INDEPENDENT_CODE ON)
add_test(NAME torture_short COMMAND torture --short)
set_tests_properties(torture_short PROPERTIES LABELS "system;torture" TIMEOUT 1200)
# Fortified, instrumented or for another processor, an archive calls things by other names.
if(NOT SPAWNED_SANITIZE AND NOT SPAWNED_COVERAGE AND NOT CMAKE_CROSSCOMPILING)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    add_test(NAME torture_covered COMMAND ${Python3_EXECUTABLE}
        ${PROJECT_SOURCE_DIR}/tests/torture/covered.py $<TARGET_FILE:spawned>)
    set_tests_properties(torture_covered PROPERTIES LABELS "system;torture" TIMEOUT 60)
endif()
