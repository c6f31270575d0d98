/* Hand-off: the monitor's side. A worker whose handler is stuck goes on with another runner.
 *
 * docs/decisions/0015-hand-off.md has the whole. Stuck is a handler during which, since two
 * looks at half of `stuck_after` each, no turn began and no message was handled, and whose
 * thread used half of that time or sleeps in the system. A runner that lost its worker and
 * computes gets the lowest priority, unless its handler still sends or spawns.
 *
 * Threads: the monitor. Neighbours: watcher.c (the thread), runner.h, probe.h.
 */
#ifndef SPAWNED_RUNTIME_REAL_HANDOFF_H
#define SPAWNED_RUNTIME_REAL_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

struct sp__actor;
struct sp__real;
struct sp__runner;

/** What a thread had done at some look. */
struct sp__effort {
    int64_t cpu_ns; /* time on processors */
    uint64_t calls; /* sends and spawns */
};

/** What the monitor saw of a worker. */
struct sp__sample {
    struct sp__runner *runner;
    struct sp__actor *actor;
    unsigned turns;
    uint64_t handled;
    unsigned looks;           /* that found nothing new */
    int64_t since_ns;         /* the first look */
    struct sp__effort effort; /* at the second */
};

/** What was reported. */
struct sp__report {
    int64_t next_ns;  /* no line before */
    uint64_t omitted; /* since the last line */
    bool limit_told;  /* that there are no more threads */
};

/** How often to look. INT64_MAX: never. Units: nanoseconds. Context: any. */
int64_t sp__handoff_period(struct sp__real *real);

/** Look at all workers, once. Context: the monitor. */
void sp__handoff_look(struct sp__real *real);

#endif
