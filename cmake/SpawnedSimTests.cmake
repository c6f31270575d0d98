# Tests of simulated programs: how many schedules of each a `make test` makes.
#
# Under sanitizers, coverage and emulation a share of it; `make soak` makes long campaigns.

if(SPAWNED_SANITIZE OR SPAWNED_COVERAGE OR CMAKE_CROSSCOMPILING_EMULATOR)
    add_test(NAME sim_suite COMMAND sim-suite --trials 1 --replays 1 --twin-runs 100)
else()
    add_test(NAME sim_suite COMMAND sim-suite --trials 3 --replays 20 --twin-runs 10000)
endif()
set_tests_properties(sim_suite PROPERTIES LABELS sim TIMEOUT 600)
add_test(NAME sim_net_bugs
    COMMAND sh ${PROJECT_SOURCE_DIR}/tests/sim_net_bugs/check.sh $<TARGET_FILE:sim_net_bugs>)
set_tests_properties(sim_net_bugs PROPERTIES LABELS sim TIMEOUT 600)
add_test(NAME sim_unseen
    COMMAND sh ${PROJECT_SOURCE_DIR}/tests/sim_unseen/check.sh $<TARGET_FILE:sim_unseen> 300)
set_tests_properties(sim_unseen PROPERTIES LABELS sim TIMEOUT 600)
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
if(TARGET sim_http)
    list(APPEND spawned_sim_programs sim_http)
endif()
set(spawned_sim_runs 2000)
if(SPAWNED_SANITIZE OR SPAWNED_COVERAGE OR CMAKE_CROSSCOMPILING_EMULATOR)
    set(spawned_sim_runs 200)
endif()
foreach(program IN LISTS spawned_sim_programs)
    add_test(NAME ${program} COMMAND ${program} --runs ${spawned_sim_runs})
    set_tests_properties(${program} PROPERTIES LABELS sim TIMEOUT 600)
endforeach()
if(TARGET sim_kv)
    # Of shards that crash while nobody asks them it would say nothing.
    set_tests_properties(sim_kv PROPERTIES FAIL_REGULAR_EXPRESSION ": NEVER")
endif()

set(spawned_sim_fault_runs 3000)
if(SPAWNED_SANITIZE OR SPAWNED_COVERAGE OR CMAKE_CROSSCOMPILING_EMULATOR)
    set(spawned_sim_fault_runs 50)
endif()
add_test(NAME sim_faults COMMAND sim-faults ${spawned_sim_fault_runs})
add_test(NAME sim_liveness COMMAND sim-liveness ${spawned_sim_fault_runs})
set_tests_properties(sim_faults sim_liveness PROPERTIES LABELS sim TIMEOUT 600)

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
            monitors/case_14 monitors/case_15 monitors/case_20_the monitors/case_26 calls/case_29
            deadlocks/two_ deadlocks/killed)
        get_filename_component(name ${case} DIRECTORY)
        get_filename_component(filter ${case} NAME)
        add_test(NAME sim_exhaust_${filter} COMMAND sim_acceptance_${name} --exhaust
            --filter ${filter} --runs 1000000 --output ${PROJECT_BINARY_DIR})
        set_tests_properties(sim_exhaust_${filter} PROPERTIES LABELS sim TIMEOUT 600
            PASS_REGULAR_EXPRESSION "schedules, complete" FAIL_REGULAR_EXPRESSION "FAIL")
    endforeach()
endif()
