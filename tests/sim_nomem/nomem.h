/* A simulated test in which up to three allocations fail, wherever they are. */
#ifndef TESTS_SIM_NOMEM_NOMEM_H
#define TESTS_SIM_NOMEM_NOMEM_H

#include <spawned/sim.h>

/** Defines `name`, whose body is the main function of a node; `...` starts more nodes. */
#define NOMEM_TEST(name, ...)                                                                    \
    static void name##_main(void *arg);                                                          \
    SP_SIM_TEST(name, .faults = SP_SIM_MEMORY, .faults_max = 3, .virtual_time = { 60000000000 }, \
                .steps_max = 100000)                                                             \
    {                                                                                            \
        sp_sim_start(s, "node", name##_main, NULL);                                              \
        __VA_ARGS__;                                                                             \
        sp_sim_run(s);                                                                           \
    }                                                                                            \
    static void name##_main(void *arg)

#endif
