/* Threads for handlers that lost their worker and were given the lowest priority (handoff.h).
 *
 * A thread inherits the priority of the one that creates it, and where the system refuses to raise
 * one (RLIMIT_NICE 0, the usual for users) it would keep that for ever. So the monitor creates it
 * for them: they leave an order and wait. The monitor may be in a callback of the program that
 * waits for something its handler holds; so an order that is not looked at for some seconds is taken
 * back, and the thread is created after all.
 *
 * A handler that is creating a thread is not demoted (`starting`).
 *
 * Threads: order from runners' handlers, serve from the monitor. Neighbours: os_thread.c, watcher.c.
 * Source: sched(7), clone(2).
 */
#ifndef SPAWNED_RUNTIME_REAL_STARTER_H
#define SPAWNED_RUNTIME_REAL_STARTER_H

#include "base/lock.h"
#include "spawned/err.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct sp__real;
struct sp__runner;
struct sp__thread_order;

struct sp__starter {
    struct sp__lock lock;
    _Atomic(struct sp__thread_order *) orders; /* written under the lock */
};

/** Begin to create a thread. False: the runner has lost its priority, order it. Else end it.
 *  Context: the runner, in a handler. */
bool sp__starter_begin(struct sp__runner *runner) SP_NONNULL;

/** It was created. Context: as begin. */
void sp__starter_end(struct sp__runner *runner) SP_NONNULL;

/** Let the monitor create it. Errors: LIMIT (the system gives none). Context: as begin. */
SP_NODISCARD sp_err sp__starter_order(struct sp__real *real, void *(*fn)(void *), void *arg,
                                      pthread_t *out_thread) SP_NONNULL_ARGS(1, 2, 4);

/** Is there an order? seq_cst: pairs with who orders and then looks whether the monitor is asleep.
 *  Context: any. */
static inline bool sp__starter_waiting(struct sp__starter *starter)
{
    return atomic_load_explicit(&starter->orders, memory_order_seq_cst) != NULL;
}

/** Create what was ordered. Context: the monitor. */
void sp__starter_serve(struct sp__real *real) SP_NONNULL;

#endif
