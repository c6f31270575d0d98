/* Runners: the threads that run processes for workers.
 *
 * A runner has one worker, or none: then it is spare and waits for one, or it has lost it
 * while its handler was stuck and does not know yet (handoff.h). What is a thread's own stays
 * with the runner: context, epoch record, caches, alternate stack. What is a worker's may be
 * touched by its runner only, and only inside of sp__runner_enter() and sp__runner_leave().
 *
 *   running   the actor whose handler runs; NULL: the scheduler, which may touch the worker
 *   next      the actor made ready last, which runs before the worker's queue
 *   lost      written by the monitor: look whether the worker is still yours; stays 1 without one
 *
 * The runner writes `running` (NULL) or `next` and then reads `lost`; the monitor writes `lost`,
 * executes a barrier on every core, and then reads `running` and, if that is not NULL, takes
 * `next`. One of both sees the other:
 *  - `running` was NULL: the monitor finds it so and gives up, or the runner finds `lost` and asks
 *    under the lock before it touches the worker;
 *  - a handler wrote `next`: the monitor finds it there and hands it over, or the handler finds
 *    `lost` and takes back, with an exchange, what the monitor has not taken.
 * The runner's half is plain accesses where the kernel has membarrier(), else an exchange.
 *
 * Threads: a runner's own, except where marked. Neighbours: scheduler.c, handoff.c, probe.h.
 * Source of the fence: runtime/epoch.h names it.
 */
#ifndef SPAWNED_RUNTIME_REAL_RUNNER_H
#define SPAWNED_RUNTIME_REAL_RUNNER_H

#include "runtime/core.h"
#include "runtime/real/handoff.h"
#include "runtime/real/probe.h"

#include <pthread.h>

struct sp__real;
struct sp__worker;

struct sp__runner {
    struct sp__context context;
    struct sp__worker *worker;        /* NULL: none */
    _Atomic(struct sp__actor *) next; /* see above, as the next two */
    _Atomic(struct sp__actor *) running;
    _Atomic uint32_t lost;
    unsigned next_streak;   /* how often in a row `next` or `young` went before */
    _Atomic unsigned turns; /* that were begun */
    unsigned look_at;       /* the turn before which it looks at timers, poller and global queue */
    unsigned paced_at;      /* and where it also looks at the lanes only: the one for all */
    struct sp__fiber *loop; /* on which the loop was left for a suspended actor; or NULL */
    bool dispatching;       /* events: whether others are woken is decided when all are ready */
    bool retired;           /* it ends, rather than wait for a worker */
    int64_t tidy_at;        /* not before, it collects again what ended processes left */
    struct sp__real *real;
    pthread_t thread;
    struct sp__thread_id id;
    _Atomic uint32_t begun;       /* 1: runs processes; 2: it cannot */
    _Atomic uint32_t token;       /* 1: while spare, it was given a worker or is to end */
    struct sp__list link;         /* real.runners, then real.ended */
    struct sp__list spare_link;   /* real.spares, while `spare` */
    bool spare;                   /* under handoff_lock */
    bool behind;                  /* under handoff_lock: lost its worker, in the handler still */
    bool starting;                /* under handoff_lock: it creates a thread, see starter.h */
    struct sp__priority priority; /* under handoff_lock */
    struct sp__effort effort;     /* the monitor's: at its last look, while `behind` */
    struct sp__probe probe;
};

/** Start a runner for `worker`, or a spare one (NULL), and wait until it can run processes.
 *  Errors: NOMEM, LIMIT (the system gives no thread). Context: startup, or the monitor. */
SP_NODISCARD sp_err sp__runner_create(struct sp__real *real, struct sp__worker *worker)
    SP_NONNULL_ARGS(1);

/** Join and free those that have ended. Context: any but a runner. */
void sp__runners_reap(struct sp__real *real) SP_NONNULL;

/** Tell all spare ones to end. Context: any. */
void sp__runners_dismiss(struct sp__real *real) SP_NONNULL;

/** Give a spare runner `worker`; sp__futex_wake() its token afterwards. Context: the monitor, with
 *  handoff_lock held and the worker taken from its runner. */
void sp__runner_give(struct sp__runner *spare, struct sp__worker *worker) SP_NONNULL;

/** Wait to be given a worker. NULL: end. Context: a runner without one. */
struct sp__worker *sp__runner_rest(struct sp__runner *runner) SP_NONNULL;

/** `lost` is set: is it true? Returns the worker it has all the same, or NULL. Context: the runner. */
struct sp__worker *sp__runner_ask(struct sp__runner *runner) SP_NONNULL;

/** The handler that lost the worker is left: take back the priority. Context: the runner, between
 *  enter and leave, without a worker. */
void sp__runner_settle(struct sp__runner *runner) SP_NONNULL;

static inline struct sp__runner *sp__runner_of(struct sp__context *context)
{
    return context->backend;
}

/** Look around before the next turn. Context: the runner. */
static inline void sp__runner_look_next(struct sp__runner *runner)
{
    /* relaxed: its own. */
    runner->look_at = atomic_load_explicit(&runner->turns, memory_order_relaxed);
}

/** Is `lost` set? Context: the runner, after it wrote `running` or `next`. */
static inline bool sp__runner_may_be_lost(struct sp__runner *runner)
{
    /* acquire: pairs with the monitor's release when it takes `lost` back. */
    return __builtin_expect(atomic_load_explicit(&runner->lost, memory_order_acquire) != 0, 0);
}

/** From the handler into the scheduler. Returns the worker, which is the caller's until leave, or
 *  NULL. Entering again before leave is allowed. Context: the runner. */
static inline struct sp__worker *sp__runner_enter(struct sp__runner *runner)
{
    if (runner->context.epoch.asymmetric) {
        /* relaxed: ordered before the load of `lost` by the membarrier() of the monitor. */
        atomic_store_explicit(&runner->running, NULL, memory_order_relaxed);
        sp__fence_light();
    } else {
        /* seq_cst: visible before the load of `lost`; pairs with the full fence of the monitor. */
        atomic_exchange_explicit(&runner->running, NULL, memory_order_seq_cst);
        sp__fence_full();
    }
    return sp__runner_may_be_lost(runner) ? sp__runner_ask(runner) : runner->worker;
}

/** Into the handler of `actor`; or, with what sp__runner_place() said, back where one was.
 *  Context: the runner. */
static inline void sp__runner_leave(struct sp__runner *runner, struct sp__actor *actor)
{
    /* release: hands what was done to the worker to the monitor, who acquires. */
    atomic_store_explicit(&runner->running, actor, memory_order_release);
}

/** Whose handler runs; NULL: the scheduler. Context: the runner. */
static inline struct sp__actor *sp__runner_place(struct sp__runner *runner)
{
    /* relaxed: its own. */
    return atomic_load_explicit(&runner->running, memory_order_relaxed);
}

/** What is to run next, or NULL. Context: the runner; in a handler it may be taken meanwhile. */
static inline struct sp__actor *sp__runner_next(struct sp__runner *runner)
{
    /* relaxed: its own; the monitor takes it by an exchange. */
    return atomic_load_explicit(&runner->next, memory_order_relaxed);
}

/** Set what is to run next, where there was none. False: sp__runner_ask(), and if the worker is
 *  lost, sp__runner_take_next(). Context: the runner. */
static inline bool sp__runner_set_next(struct sp__runner *runner, struct sp__actor *actor)
{
    if (runner->context.epoch.asymmetric) {
        /* release: hands the actor to the monitor; ordered before `lost` as in enter. */
        atomic_store_explicit(&runner->next, actor, memory_order_release);
        sp__fence_light();
    } else {
        /* seq_cst: as in enter. */
        atomic_exchange_explicit(&runner->next, actor, memory_order_seq_cst);
        sp__fence_full();
    }
    return !sp__runner_may_be_lost(runner);
}

/** Take what is to run next out, or NULL. Context: the runner; or the monitor, between the
 *  hand-shake and giving the worker on. */
static inline struct sp__actor *sp__runner_take_next(struct sp__runner *runner)
{
    /* acq_rel: pairs with the release in set; only one of both sides gets it. */
    return atomic_exchange_explicit(&runner->next, NULL, memory_order_acq_rel);
}

#endif
