/* A run that kills the test program itself: the schedule is stored, and said, before it dies.
 *
 * Faults of processes are contained, and end them. What is not contained (a fault in the library,
 * in the body of a test, a heap that the C library finds corrupt) comes to these handlers, which
 * were there before those of the library.
 *
 * Threads: one. Neighbours: main.c, run.c.
 */
#ifndef SPAWNED_SIM_CRASH_H
#define SPAWNED_SIM_CRASH_H

#include "sim/campaign.h"
#include "sim/options.h"

/** Install the handlers. Without memory there are none. Context: startup, before
 *  sim_run_start(). Ownership: `options` must stay. */
void sim_crash_start(const struct sim_options *options) SP_NONNULL;

/** Whose runs are made from here on: another process goes on with a copy. NULL: nobody's. */
void sim_crash_campaign(const struct sim_campaign *campaign);

#endif
