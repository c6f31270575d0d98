/* Starvation: processes that wait behind a turn that does not end.
 *
 * As a rule hand-off prevents it: a stuck handler loses its worker (handoff.h). It is what is left where
 * that is switched off, or no thread is to be had, or the scheduler itself is wrong.
 *
 * The watcher looks at each worker once in an interval. As long as turns begin, or nobody waits, all
 * is well, however long the queue is: that is load. Else the time since the last look counts, if
 * the worker's thread used it or slept; a thread that was ready to run and did not is the system's
 * business. So a loaded runtime on a loaded machine raises no alarm.
 *
 * Threads: the watcher. Neighbours: watcher.h, probe.h (time, state and stack of a thread).
 */
#ifndef SPAWNED_RUNTIME_REAL_STARVATION_H
#define SPAWNED_RUNTIME_REAL_STARVATION_H

#include "spawned/base.h"

#include <stdbool.h>
#include <stdint.h>

struct sp__real;
struct sp__runner;

/** What the watcher knows of a worker's queue. */
struct sp__hunger {
    const struct sp__runner *runner;
    unsigned turns;
    int64_t cpu_ns;   /* of its thread, at the last look; 0: nobody waited then */
    int64_t delay_ns; /* that counts so far */
    unsigned told;    /* level that was told last */
};

/** Look at all workers, if it is time and somebody wants to know. Context: the watcher. */
void sp__starvation_look(struct sp__real *real) SP_NONNULL;

#endif
