/* Runs that kill the test program, in one order of two processes: sim_crash_test.c. */
#include <spawned/sim.h>
#include <spawned/spawned.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static int first;   /* who was first; in the order of the reference, it is 2 */
static bool doomed; /* one run of many */

static void one(void *arg)
{
    (void)arg;
    sp_yield();
    first = first == 0 ? 1 : first;
}

static void two(void *arg)
{
    (void)arg;
    sp_yield();
    first = first == 0 ? 2 : first;
}

static void node_main(void *arg)
{
    (void)arg;
    first = 0;
    doomed = false;
    sp_ignore(sp_spawn(one, NULL, NULL, NULL));
    sp_ignore(sp_spawn(two, NULL, NULL, NULL));
    sp_ignore(sp_sleep(sp_sec(1)));
    doomed = first == 1 && sp_choose(8) == 7;
}

SP_SIM_TEST(dies_in_the_body)
{
    sp_sim_start(s, "node", node_main, NULL);
    sp_sim_run(s);
    if (doomed)
        abort();
}

/* A process hands the library something that is no message. */
static void node_main_wild(void *arg)
{
    node_main(arg);
    uintptr_t wild = 4096;
    if (doomed)
        sp_message_free((struct sp_message *)wild); /* NOLINT(performance-no-int-to-ptr) */
}

SP_SIM_TEST(dies_in_the_library)
{
    sp_sim_start(s, "node", node_main_wild, NULL);
    sp_sim_run(s);
}
