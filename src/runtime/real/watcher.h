/* The watcher, or monitor: a thread that looks after the workers while they are busy.
 *
 * It takes workers away from handlers that are stuck: handoff.h. It ends long turns: slice.h. And it keeps the poller manned:
 * A worker that finds events in the poller leaves it and runs what became ready, often without
 * waking another one for it (scheduler.c). If that takes long while the other workers sleep on
 * their futexes, nobody polls, and what it left in its queue waits. The watcher looks every 10 ms
 * (every half of `stuck_after`, or every slice, if that is less), and wakes one sleeper when nobody has polled
 * for half a millisecond; the sleeper takes what waits, or polls. When all workers have been idle
 * for some rounds the watcher sleeps too, without a timeout, until one of them wakes: an idle
 * runtime uses no CPU.
 *
 * It also creates threads for those that may not (starter.h).
 *
 * Threads: its own; sp__watcher_worker_woke() by workers. Neighbours: search.c, handoff.h.
 */
#ifndef SPAWNED_RUNTIME_REAL_WATCHER_H
#define SPAWNED_RUNTIME_REAL_WATCHER_H

#include "runtime/core.h"

#include <pthread.h>
#include <stdatomic.h>

struct sp__real;

struct sp__watcher {
    struct sp__context context; /* while it writes a report */
    pthread_t thread;
    _Atomic uint32_t asleep; /* 1: without a timeout, until a worker wakes it */
    _Atomic uint32_t stop;   /* 1: end; it sleeps on this word between its rounds */
};

/** Start it. Errors: LIMIT. Context: startup. */
SP_NODISCARD sp_err sp__watcher_start(struct sp__real *real) SP_NONNULL;

/** Stop and join it. Context: the runtime's end. */
void sp__watcher_stop(struct sp__real *real) SP_NONNULL;

/** Wake it out of its long sleep. Context: any. */
void sp__watcher_wake(struct sp__watcher *watcher) SP_NONNULL;

/** Let it look around now: something was left for it. Context: any. */
void sp__watcher_call(struct sp__watcher *watcher) SP_NONNULL;

/** A worker is awake again. Context: scheduler. */
static inline void sp__watcher_worker_woke(struct sp__watcher *watcher)
{
    /* seq_cst: the worker left the idle list before; pairs with the watcher, who sets `asleep`
     * and then counts the idle. */
    if (atomic_load_explicit(&watcher->asleep, memory_order_seq_cst) != 0)
        sp__watcher_wake(watcher);
}

#endif
