/* What is done about a failure: it is shrunk, run again and again, told, explained and stored.
 *
 * Threads: one. Neighbours: main.c; shrink.h, races.h, story.h, report.h.
 */
#ifndef SPAWNED_SIM_FAILURE_H
#define SPAWNED_SIM_FAILURE_H

#include "sim/options.h"
#include "sim/run.h"

/** How it was found. */
struct sim_failure {
    const struct sim_options *options;
    const struct sp_sim_test *test;
    const char *found;  /* name of the strategy */
    uint64_t schedules; /* until it was found */
};

/** `plan` failed with `result`. Ends the program where there is no memory. */
void sim_failure_found(const struct sim_failure *failure, const struct sim_plan *plan,
                       const struct sim_result *result) SP_NONNULL;

/** The schedule in options.replay, once more. Returns the program's exit status. */
int sim_failure_replay(const struct sim_options *options) SP_NONNULL;

#endif
