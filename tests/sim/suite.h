/* What the planted bugs of this folder share: their variants, and actors that run to their end.
 *
 * Each bug is a small program of the public API whose reference schedule passes, with an oracle.
 * It comes plain, with skew (who has to hurry first makes many private steps), with noise (busy
 * actors that have nothing to do with it), and corrected.
 *
 * Programs keep what the test looks at in static variables: processes of a run that failed are
 * ended after the body of its test.
 */
#ifndef SPAWNED_TESTS_SIM_SUITE_H
#define SPAWNED_TESTS_SIM_SUITE_H

#include <spawned/sim.h>
#include <spawned/spawned.h>

enum {
    SUITE_SKEW = 16,
    SUITE_NOISE = 8,
};

/** Which variant of a program. */
struct suite {
    int skew;  /* private steps of the unlucky actor */
    int noise; /* busy actors */
    bool fixed;
};

/** One of the actors of a program. */
struct suite_actor {
    const char *name;
    void (*fn)(void *arg);
    void *arg;
    bool serves; /* is not waited for */
};

/** Start the actors, the last of which the reference runs first, and wait until all that do not
 *  serve have ended. */
void suite_run(const struct suite *suite, const struct suite_actor *actors, size_t count);

/** Steps that nobody else notices. */
void suite_steps(int count);

/** Wait, on the world's clock, until nothing else is left to do. */
void suite_settle(void);

/** The pid of a name; ends the process where nobody has it. */
sp_pid suite_pid(const char *name);

/** The tests of the bug `name`: `program(s, &suite)` in its variants. The rest are options of
 *  SP_SIM_TEST(). */
#define SUITE_TESTS(name, program, ...)                      \
    SP_SIM_TEST(name, __VA_ARGS__)                           \
    {                                                        \
        program(s, &(struct suite){ .skew = 0 });            \
    }                                                        \
    SP_SIM_TEST(name##_skew, __VA_ARGS__)                    \
    {                                                        \
        program(s, &(struct suite){ .skew = SUITE_SKEW });   \
    }                                                        \
    SP_SIM_TEST(name##_noise, __VA_ARGS__)                   \
    {                                                        \
        program(s, &(struct suite){ .noise = SUITE_NOISE }); \
    }                                                        \
    SP_SIM_TEST(name##_fixed, __VA_ARGS__)                   \
    {                                                        \
        program(s, &(struct suite){ .fixed = true });        \
    }                                                        \
    struct name##_is_a_planted_bug

#endif
