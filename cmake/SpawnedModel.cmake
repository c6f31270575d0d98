# Lock-free parts under the memory model (tests/memory_model): the library's own sources, compiled with
# the thread sanitizer's instrumentation and without its library, so that every access comes to the
# checker. Label `model`.

set(spawned_model ${PROJECT_SOURCE_DIR}/tests/memory_model)
file(GLOB spawned_model_checker CONFIGURE_DEPENDS ${spawned_model}/*.c)
list(FILTER spawned_model_checker EXCLUDE REGEX "_test\\.c$")
add_library(spawned_model STATIC ${spawned_model_checker})
target_link_libraries(spawned_model PUBLIC spawned_test_support)

# spawned_add_model(name [source of the library...]): tests/memory_model/<name>_test.c with these.
function(spawned_add_model name)
    list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/src/)
    add_executable(test_model_${name} ${spawned_model}/${name}_test.c ${ARGN})
    target_link_libraries(test_model_${name} PRIVATE spawned_model)
    target_include_directories(test_model_${name} BEFORE PRIVATE ${spawned_model}/shim)
    # The library's own branches for the sanitizer are not what is checked: SP__TSAN is 0.
    target_compile_definitions(test_model_${name} PRIVATE
        SP__TSAN=0 SP__RUN_QUEUE_SLOTS=4 SP__YOUNG_STACK_SLOTS=2 SP__LOCK_SPINS=1)
    # What a model does not call of these files needs nothing of others.
    target_compile_options(test_model_${name} PRIVATE -O1 -fsanitize=thread -ffunction-sections)
    target_link_options(test_model_${name} PRIVATE -Wl,--gc-sections)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        target_compile_options(test_model_${name} PRIVATE -Wno-tsan)
    endif()
    add_test(NAME test_model_${name} COMMAND test_model_${name})
    set_tests_properties(test_model_${name} PROPERTIES LABELS model TIMEOUT 600)
endfunction()

spawned_add_model(litmus)
spawned_add_model(random)
spawned_add_model(mailbox runtime/actor.c)
spawned_add_model(run_queue runtime/run_queue.c)
spawned_add_model(young_stack runtime/young_stack.c)
spawned_add_model(search runtime/real/search.c runtime/real/lurk.c runtime/real/ready.c runtime/real/lanes.c
    runtime/run_queue.c runtime/young_stack.c runtime/timers.c runtime/timer_wheel.c runtime/actor.c base/alloc.c)
spawned_add_model(reply process/reply.c runtime/actor.c)
spawned_add_model(reader_turn runtime/actor.c)
spawned_add_model(epoch runtime/epoch.c)
spawned_add_model(lock base/lock_linux.c)
spawned_add_model(handoff runtime/real/handoff.c runtime/real/runner.c runtime/real/ready.c
    runtime/run_queue.c runtime/young_stack.c)
# What only threads that are created and reports that are written need; the model calls none of it, and
# what it has itself goes first.
target_link_libraries(test_model_handoff PRIVATE spawned)
target_link_options(test_model_handoff PRIVATE -Wl,-z,muldefs)
spawned_add_model(deadline runtime/scheduler.c runtime/timers.c runtime/timer_wheel.c runtime/actor.c
    base/alloc.c)
