/* The real backend: workers on OS threads, one poller, wheels, a blocking pool.
 *
 *   runner ── worker: the thread that runs processes for it (runner.h; handoff.h)
 *   worker ── next ── the actor made ready last: message ping-pong stays in one cache
 *          ── young ─ new ones, newest first, so that trees grow depth first; others steal the oldest
 *          ── queue ─ up to 256, first in first out; others steal half
 *   lanes ─────────── those of another priority than normal (lanes.h)
 *   global queue ──── spill, and what foreign threads make ready
 *   idle list ─────── workers asleep: one of them in the poller, the others on a futex
 *
 * Waking is throttled: a worker that is woken, or steals, is a searcher; while there is one,
 * nobody wakes another; the last one that finds work wakes the next. Going to sleep, a
 * worker lists itself as idle and then looks at all queues once more; making work
 * visible, a worker then looks at the idle list: one of both sees the other.
 *
 * For new processes another worker is woken seldom, and takes them late: lurk.h.
 *
 * For the events of one harvest nobody is woken while they are little work, by what events cost
 * so far (worker_wants_help() in search.c): whoever harvested them has done them before another
 * worker is there. The watcher sees to it where that is a mistake.
 *
 * Threads: as marked. Neighbours: scheduler.c, search.c, ready.c, runner.h, handoff.h, thread.c,
 * watcher.h, poller.h, blocking.h.
 * Source of the waking protocol: the Go scheduler (D. Vyukov, 2012) and its descendants.
 */
#ifndef SPAWNED_RUNTIME_REAL_REAL_H
#define SPAWNED_RUNTIME_REAL_REAL_H

#include "runtime/real/blocking.h"
#include "runtime/real/handoff.h"
#include "runtime/real/lanes.h"
#include "runtime/real/lurk.h"
#include "runtime/real/poller.h"
#include "runtime/real/runner.h"
#include "runtime/real/slice.h"
#include "runtime/real/starter.h"
#include "runtime/real/starvation.h"
#include "runtime/real/watcher.h"
#include "runtime/run_queue.h"
#include "runtime/scheduler.h"
#include "runtime/young_stack.h"

#include <pthread.h>

struct sp__real;

/** A queue and what belongs to working it off. Whoever runs it is its runner. */
struct sp__worker {
    struct sp__run_queue queue;
    struct sp__young_stack young;
    struct sp__lurk_seen seen_young; /* by thieves */
    struct sp__lurk lurk;
    bool eventful;     /* the last look into the poller brought more than one event */
    unsigned pace;     /* so many turns lie between two looks at timers, poller and global queue */
    int64_t looked_ns; /* when it did so last; 0: it was idle since */
    int64_t polled_ns; /* when it looked into the poller last */
    /* What events cost: so many were harvested since so long ago, and the mean so far
     * (0: not known). */
    unsigned events;
    int64_t harvested_ns;
    int64_t event_ns;
    int64_t woke_ns; /* when it came back from sleeping in the poller last */
    uint32_t index;
    uint32_t victim; /* where to begin stealing */
    struct sp__real *real;
    struct sp__runner *runner; /* the monitor changes it, under handoff_lock; never NULL */
    bool searching;            /* written by the runner, or by its waker while it is asleep */
    struct sp__share share;    /* among the priorities */
    struct sp__list idle_link SP__GUARDED_BY(real->idle_lock);
    struct sp__sample sample;                 /* the monitor's */
    struct sp__turn_seen seen;                /* the monitor's too */
    struct sp__hunger hunger;                 /* and this */
    SP__CACHE_ALIGNED _Atomic uint32_t token; /* 1: somebody woke it */
};

/** A thread that one process is tied to: its own, or a foreign one. */
struct sp__thread {
    struct sp__context context;
    struct sp__actor *actor; /* NULL: it has ended */
    pthread_t thread;
    struct sp__list link;   /* real.threads; own threads only */
    _Atomic uint32_t token; /* 1: the actor was made ready */
};

struct sp__real {
    struct sp_runtime *runtime;
    uint32_t worker_count;
    struct sp__worker *workers;
    struct sp__poller *poller;
    struct sp__blocking *blocking;
    struct sp__watcher watcher;
    struct sp__starter starter;

    struct sp__lock handoff_lock;
    struct sp__list runners SP__GUARDED_BY(handoff_lock);
    struct sp__list spares SP__GUARDED_BY(handoff_lock);
    struct sp__list ended SP__GUARDED_BY(handoff_lock); /* to be joined */
    struct sp__report report;                           /* the monitor's */

    struct sp__lock global_lock;
    struct sp__actor *global_first SP__GUARDED_BY(global_lock);
    struct sp__actor *global_last SP__GUARDED_BY(global_lock);
    _Atomic uint32_t global_count;

    struct sp__lanes lanes;

    int64_t hunger_looked_ns; /* the monitor's: of starvation.h; some worker began a turn then */
    bool hunger_moved;

    struct sp__lock idle_lock;
    struct sp__list idle SP__GUARDED_BY(idle_lock);
    _Atomic uint32_t idle_count;
    _Atomic uint32_t searching;
    _Atomic uint32_t lurking; /* workers that will look for new processes by themselves */
    _Atomic(struct sp__worker *) polling; /* who is in the poller */
    _Atomic int64_t polling_until;        /* 0: nobody sleeps there */
    _Atomic int64_t polled_ns;            /* when somebody came back from there last */

    struct sp__lock threads_lock;
    struct sp__list threads SP__GUARDED_BY(threads_lock);
    _Atomic uint32_t threads_alive;
    _Atomic uint32_t foreign_attached;

    _Atomic bool stop;
};

static inline struct sp__real *sp__real_of(struct sp_runtime *runtime)
{
    return runtime->backend;
}

/** The poller of a runtime on this backend. */
static inline struct sp__poller *sp__real_poller(struct sp_runtime *runtime)
{
    return sp__real_of(runtime)->poller;
}

/* scheduler.c; sp__real_ready() and sp__real_park() are in runtime/scheduler.h */
void sp__real_yield(struct sp__actor *actor);
void sp__real_detach(struct sp__actor *actor, struct sp__fiber **out_fiber) SP_NONNULL;
void sp__real_abandon(struct sp__actor *actor) SP_NORETURN;
void sp__real_timer_earlier(struct sp_runtime *runtime, uint32_t shard, int64_t expiry_ns);
/** The entry of every fiber: what is left to do, then the loop of the context's kind. */
void sp__real_fiber(void *unused);
/** What is left to do for the fiber that was left. Context: right after a switch. */
void sp__real_after_switch(void);
/** Leave this fiber for `to`; what is left to do is in the context. */
void sp__real_switch(struct sp__context *context, struct sp__fiber *to);
/** A fiber to go on with, and always one to spare. NULL: only the spare is left. The one on which
 *  the runner's loop was left, if there is one. */
struct sp__fiber *sp__real_fiber_take(struct sp__context *context);

/* ready.c */
/** Wake a worker that sleeps, if there is one. */
void sp__real_wake_one(struct sp__real *real);
/** Wake all workers: something global changed. */
void sp__real_wake_all(struct sp__real *real);
/** There is new work in a queue that others can take from: wake one, unless one searches. */
void sp__real_notify(struct sp__real *real);
/** The same for a new process: nor if one lurks. */
void sp__real_notify_new(struct sp__real *real);
/** Append to the global queue; wakes nobody. Context: any. */
void sp__real_global_push(struct sp__real *real, struct sp__actor *const *actors, size_t count);
/** A fair share of the global queue: one to run, the others to the own queue. NULL: it is empty.
 *  Context: the runner of `worker`. */
struct sp__actor *sp__real_global_take(struct sp__worker *worker);

/** To the tail of the own queue; wakes nobody. Context: the runner of `worker`. */
static inline void sp__worker_push(struct sp__worker *worker, struct sp__actor *actor)
{
    void *spill[SP__RUN_QUEUE_SPILL];
    size_t spilled = sp__run_queue_push(&worker->queue, actor, spill);
    if (spilled != 0)
        sp__real_global_push(worker->real, (struct sp__actor *const *)spill, spilled);
}

/* thread.c */
sp_err sp__real_thread_start(struct sp_runtime *runtime, struct sp__actor *actor);
sp_err sp__real_thread_attach(struct sp_runtime *runtime, struct sp__context **out_context);
void sp__real_thread_detach(struct sp__context *context);
/** The loop of a process's own thread, on a fiber. Does not return. */
void sp__real_thread_loop(void);
/** Block the calling thread until its actor is ready. */
void sp__real_thread_wait(struct sp__thread *thread);
/** Its actor is ready. */
void sp__real_thread_wake(struct sp__thread *thread);

#endif
