/* Planted leaks: what a run must not depend on, each asked in one line that is marked with
 * `leaks: NAME`. Each test passes whatever it learns; only its steps follow from it.
 *
 * Neighbours: tests/sim_leaks_test.c.
 */
#ifndef SPAWNED_TESTS_SIM_LEAKS_H
#define SPAWNED_TESTS_SIM_LEAKS_H

#include <spawned/sim.h>
#include <spawned/spawned.h>

#include <stdint.h>

/** As many steps as there are bits in `value`, which the optimiser knows nothing of. */
#define LEAK_STEPS(value)                                   \
    for (uint64_t bits = (value), bit = 0; bit < 32; bit++) \
        if (bits >> bit & 1)                                \
    sp_yield()

/** The test of leak_NAME(). */
#define LEAK_TEST(name)                             \
    static void name##_main(void *arg)              \
    {                                               \
        (void)arg;                                  \
        leak_##name();                              \
    }                                               \
    SP_SIM_TEST(name)                               \
    {                                               \
        sp_sim_start(s, "node", name##_main, NULL); \
        sp_sim_run(s);                              \
    }                                               \
    struct name##_is_a_planted_leak

#endif
