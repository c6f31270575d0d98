/* What the programs of this folder share: each is written as a user would, with a bug that only
 * some schedules show, and a corrected twin. tests/sim_unseen/check.sh runs them.
 *
 * What a test looks at lies in static variables, set at the start of each run: processes of a
 * run that failed may go on after the body of its test.
 */
#ifndef SPAWNED_TESTS_SIM_UNSEEN_H
#define SPAWNED_TESTS_SIM_UNSEEN_H

#include <spawned/sim.h>
#include <spawned/spawned.h>

/** Somebody with something to do. */
struct role {
    const char *name;
    void (*fn)(void *arg);
};

/** Start them all, and wait until each has ended. */
void play(const struct role *roles, size_t count);

/** The tests of a bug: `name_run(s, fixed)`, as it is and corrected. */
#define UNSEEN(name, ...)                 \
    SP_SIM_TEST(name, __VA_ARGS__)        \
    {                                     \
        name##_run(s, false);             \
    }                                     \
    SP_SIM_TEST(name##_twin, __VA_ARGS__) \
    {                                     \
        name##_run(s, true);              \
    }                                     \
    struct name##_is_a_planted_bug

#endif
