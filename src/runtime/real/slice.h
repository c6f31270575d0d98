/* Time slices: turns that last for long are asked to end after the message they are at.
 *
 * Nobody reads a clock for a message. The watcher looks at each worker once in a slice; a turn that
 * it sees twice has lasted for one, and for two at most. It sets a bit beside the one of the
 * control lane, which is looked at before each message anyway. The time is that of the clock, not
 * of the processor: whoever was interrupted by the system gives way a little early.
 *
 * Threads: the watcher. Neighbours: watcher.h, runtime/actor.h (SP__ACTOR_SLICE).
 */
#ifndef SPAWNED_RUNTIME_REAL_SLICE_H
#define SPAWNED_RUNTIME_REAL_SLICE_H

#include "spawned/base.h"

#include <stdint.h>

struct sp__real;
struct sp__runner;

/** What the watcher saw of a worker's turn. */
struct sp__turn_seen {
    const struct sp__runner *runner;
    unsigned turns;
    int64_t since_ns;
};

/** How often to look; INT64_MAX: there are no slices. Units: nanoseconds. */
int64_t sp__slice_period(const struct sp__real *real) SP_NONNULL;

/** Look at all workers. Context: the watcher. */
void sp__slice_look(struct sp__real *real) SP_NONNULL;

#endif
