# libspawned-sim.a: the main function of simulated tests (src/sim), linked instead of nothing:
# the program under test is the same objects, and the library has the simulated backend.
#
# spawned_add_sim_test(name file...) makes a test program of SP_SIM_TEST()s.

file(GLOB_RECURSE spawned_sim_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/sim/*.c)
set(spawned_sim_unit_tests ${spawned_sim_sources})
list(FILTER spawned_sim_sources EXCLUDE REGEX "_test\\.c$")
list(FILTER spawned_sim_unit_tests INCLUDE REGEX "_test\\.c$")
add_library(spawned_sim STATIC ${spawned_sim_sources})
set_target_properties(spawned_sim PROPERTIES OUTPUT_NAME spawned-sim EXPORT_NAME sim)
target_include_directories(spawned_sim
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(spawned_sim PRIVATE $<$<COMPILE_LANGUAGE:C>:-fPIE>)
spawned_mark_code(spawned_sim)
target_link_libraries(spawned_sim PUBLIC spawned PRIVATE $<BUILD_INTERFACE:spawned_flags>)
# Calls are bound at the start, so that a run that takes the data back does not bind them anew.
target_link_options(spawned_sim INTERFACE -Wl,-z,now)
add_library(Spawned::sim ALIAS spawned_sim)

function(spawned_add_sim_test name)
    add_executable(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE spawned_sim spawned spawned_flags)
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()

# The same for a program that has a main function: `program` is the target of an executable, whose
# objects are linked as they are, and whose libraries are linked too.
function(spawned_add_sim_program_test name program)
    spawned_add_sim_test(${name} ${ARGN} $<TARGET_OBJECTS:${program}>)
    target_link_libraries(${name} PRIVATE $<TARGET_PROPERTY:${program},LINK_LIBRARIES>)
    target_link_options(${name} PRIVATE -Wl,--wrap=main)
endfunction()

if(SPAWNED_BUILD_TESTS)
    file(GLOB spawned_sim_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/sim/*.c)
    spawned_add_sim_test(sim_cases ${spawned_sim_tests})
    # The same tests with a main function of its own: how well the planted bugs are found.
    spawned_add_sim_test(sim-suite ${PROJECT_SOURCE_DIR}/tests/sim_suite.c ${spawned_sim_tests})
    target_include_directories(sim-suite PRIVATE ${PROJECT_SOURCE_DIR}/src)
    # Does a reduced exhaustive search make one run of each class?
    spawned_add_sim_test(sim-classes ${PROJECT_SOURCE_DIR}/tests/sim_classes.c)
    target_include_directories(sim-classes PRIVATE ${PROJECT_SOURCE_DIR}/src)
    file(GLOB spawned_sim_net_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/sim_net/*.c)
    spawned_add_sim_test(sim_net ${spawned_sim_net_tests})
    # A bug for each kind of fault, with a main function of its own; and things that never end.
    file(GLOB spawned_sim_fault_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/sim_faults/*.c)
    spawned_add_sim_test(sim-faults ${PROJECT_SOURCE_DIR}/tests/sim_faults.c
        ${spawned_sim_fault_tests})
    target_include_directories(sim-faults PRIVATE ${PROJECT_SOURCE_DIR}/src)
    spawned_add_sim_test(sim_net_bugs ${PROJECT_SOURCE_DIR}/tests/sim_net_bugs/bugs.c)
    # Programs as users write them, each with a bug, and corrected.
    file(GLOB spawned_sim_unseen_tests CONFIGURE_DEPENDS
        ${PROJECT_SOURCE_DIR}/tests/sim_unseen/*.c)
    spawned_add_sim_test(sim_unseen ${spawned_sim_unseen_tests})
    # A planted bug and its twin, judged by their histories: sim_history_test.c runs it.
    file(GLOB spawned_sim_history_tests CONFIGURE_DEPENDS
        ${PROJECT_SOURCE_DIR}/tests/sim_history/*.c)
    spawned_add_sim_test(sim_history ${spawned_sim_history_tests})
    spawned_add_sim_test(sim-liveness ${PROJECT_SOURCE_DIR}/tests/sim_liveness.c
        ${PROJECT_SOURCE_DIR}/tests/sim_liveness/liveness.c
        ${PROJECT_SOURCE_DIR}/tests/sim_liveness/circles.c)
    target_include_directories(sim-liveness PRIVATE ${PROJECT_SOURCE_DIR}/src)
    spawned_add_sim_test(sim_control ${PROJECT_SOURCE_DIR}/tests/sim_control/control.c)
    spawned_add_sim_test(sim_nomem ${PROJECT_SOURCE_DIR}/tests/sim_nomem/nomem.c
        ${PROJECT_SOURCE_DIR}/tests/sim_nomem/behaviours.c
        ${PROJECT_SOURCE_DIR}/tests/sim_nomem/sharing.c)
    # Examples as nodes: the objects that bin/chat_room and bin/spawned-kv are linked from.
    if(SPAWNED_BUILD_EXAMPLES)
        spawned_add_sim_program_test(sim_chat_room chat_room
            ${PROJECT_SOURCE_DIR}/tests/sim_programs/chat_room.c)
        spawned_add_sim_program_test(sim_kv spawned-kv ${PROJECT_SOURCE_DIR}/tests/sim_programs/kv.c)
    endif()
    # The same, edited in two ways: do stored schedules still fail? tests/sim_edit_test.c.
    foreach(edit 1 2)
        spawned_add_sim_test(sim_cases_edited${edit} ${spawned_sim_tests})
        target_compile_definitions(sim_cases_edited${edit} PRIVATE SUITE_EDITED=${edit})
    endforeach()
    # What a run must not depend on, planted: tests/sim_leaks_test.c.
    file(GLOB spawned_sim_leaks CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/sim_leaks/*.c)
    spawned_add_sim_test(sim_leaks ${spawned_sim_leaks})
    if(NOT SPAWNED_SANITIZE AND NOT SPAWNED_COVERAGE AND NOT CMAKE_CROSSCOMPILING)
        add_test(NAME sim_lint COMMAND ${PROJECT_SOURCE_DIR}/tests/sim_leaks/lint.sh
            ${PROJECT_SOURCE_DIR}/scripts/spawned-sim-lint $<TARGET_OBJECTS:sim_leaks>
            COMMAND_EXPAND_LISTS)
        set_tests_properties(sim_lint PROPERTIES LABELS sim)
    endif()
    # Runs that kill the test program: tests/sim_crash_test.c.
    spawned_add_sim_test(sim_crash ${PROJECT_SOURCE_DIR}/tests/sim_crash/crash.c)
    # Acceptance cases that are races: tests/sim_acceptance/AREA.c => sim_acceptance_AREA.
    file(GLOB spawned_acceptance CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/sim_acceptance/*.c)
    set(spawned_accept ${PROJECT_SOURCE_DIR}/tests/sim_acceptance/accept.c)
    list(REMOVE_ITEM spawned_acceptance ${spawned_accept})
    foreach(file IN LISTS spawned_acceptance)
        get_filename_component(name ${file} NAME_WE)
        spawned_add_sim_test(sim_acceptance_${name} ${file} ${spawned_accept})
        list(APPEND spawned_acceptance_tests sim_acceptance_${name})
    endforeach()
    # The program of docs/testing.md, which fails on purpose.
    spawned_add_sim_test(sim_tutorial ${PROJECT_SOURCE_DIR}/tests/tutorial/flaky_counter.c)
endif()
