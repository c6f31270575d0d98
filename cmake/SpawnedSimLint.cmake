# spawned_sim_lint(target [ALLOW symbol...])
#
# After the target is built, its own object files may not need what programs that are to be
# simulated should not ask the C library for; `spawned-sim-lint --help` says more. The build fails
# with the symbol and the reason; ALLOW names exceptions.

find_program(SPAWNED_SIM_LINT spawned-sim-lint
    HINTS ${CMAKE_CURRENT_LIST_DIR}/../scripts ${CMAKE_CURRENT_LIST_DIR}/../../../bin
          ${CMAKE_CURRENT_LIST_DIR}/../../../../bin)

function(spawned_sim_lint target)
    cmake_parse_arguments(PARSE_ARGV 1 lint "" "" "ALLOW")
    set(allow)
    foreach(symbol IN LISTS lint_ALLOW)
        list(APPEND allow --allow ${symbol})
    endforeach()
    add_custom_command(TARGET ${target} POST_BUILD
        COMMAND ${SPAWNED_SIM_LINT} ${allow} "$<TARGET_OBJECTS:${target}>"
        COMMAND_EXPAND_LISTS VERBATIM
        COMMENT "Looking for what a simulated run must not depend on in ${target}")
endfunction()
