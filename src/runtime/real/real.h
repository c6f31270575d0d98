/* The real backend: workers on OS threads, one poller, wheels, a blocking pool.
 *
 *   worker ── next ── the actor made ready last: message ping-pong stays in one cache
 *          ── young ─ new ones, newest first, so that trees grow depth first; others steal the oldest
 *          ── queue ─ up to 256, first in first out; others steal half
 *   global queue ──── spill, and what foreign threads make ready
 *   idle list ─────── workers asleep: one of them in the poller, the others on a futex
 *
 * Waking is throttled: a worker that is woken, or steals, is a searcher; while there is one,
 * nobody wakes another; the last one that finds work wakes the next. Going to sleep, a
 * worker lists itself as idle and then looks at all queues once more; making work
 * visible, a worker then looks at the idle list: one of both sees the other.
 *
 * Threads: as marked. Neighbours: scheduler.c, thread.c, watcher.h, poller.h, blocking.h.
 * Source of the waking protocol: the Go scheduler (D. Vyukov, 2012) and its descendants.
 */
#ifndef SPAWNED_RUNTIME_REAL_REAL_H
#define SPAWNED_RUNTIME_REAL_REAL_H

#include "runtime/real/blocking.h"
#include "runtime/real/poller.h"
#include "runtime/real/watcher.h"
#include "runtime/run_queue.h"
#include "runtime/scheduler.h"
#include "runtime/young_stack.h"

#include <pthread.h>

struct sp__real;

/** A worker thread. */
struct sp__worker {
    struct sp__context context;
    struct sp__run_queue queue;
    struct sp__young_stack young;
    struct sp__actor *next; /* owner only: runs before the others */
    struct sp__fiber *loop; /* on which the loop was left for a suspended actor; or NULL */
    unsigned next_streak;   /* how often in a row `next` or `young` went before the queue */
    unsigned turns_left;    /* until it looks at timers, poller and global queue, */
    unsigned pace;          /* of so many, */
    int64_t looked_ns;      /* and when it did so last; 0: it was idle since */
    int64_t polled_ns;      /* when it looked into the poller last */
    uint32_t index;
    uint32_t victim; /* where to begin stealing */
    struct sp__real *real;
    pthread_t thread;
    int64_t tidy_at; /* not before, it collects again what ended processes left */
    bool searching;  /* written by itself, or by its waker while it is asleep */
    struct sp__list idle_link SP__GUARDED_BY(real->idle_lock);
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

    struct sp__lock global_lock;
    struct sp__actor *global_first SP__GUARDED_BY(global_lock);
    struct sp__actor *global_last SP__GUARDED_BY(global_lock);
    _Atomic uint32_t global_count;

    struct sp__lock idle_lock;
    struct sp__list idle SP__GUARDED_BY(idle_lock);
    _Atomic uint32_t idle_count;
    _Atomic uint32_t searching;
    _Atomic(struct sp__worker *) polling; /* who is in the poller */
    _Atomic int64_t polling_until;        /* 0: nobody sleeps there */

    struct sp__lock threads_lock;
    struct sp__list threads SP__GUARDED_BY(threads_lock);
    _Atomic uint32_t threads_alive;
    _Atomic uint32_t foreign_attached;
    _Atomic uint32_t workers_alive;
    _Atomic uint32_t workers_begun; /* that said whether they can run processes, */
    _Atomic bool workers_failed;    /* and some cannot */

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

/* scheduler.c; sp__real_ready() is in runtime/scheduler.h */
void sp__real_park(struct sp__actor *actor, bool receiving);
void sp__real_yield(struct sp__actor *actor);
void sp__real_abandon(struct sp__actor *actor) SP_NORETURN;
void sp__real_timer_earlier(struct sp_runtime *runtime, uint32_t shard, int64_t expiry_ns);
/** The entry of every fiber: what is left to do, then the loop of the context's kind. */
void sp__real_fiber(void *unused);
/** What is left to do for the fiber that was left. Context: right after a switch. */
void sp__real_after_switch(void);
/** A worker's thread. */
void *sp__real_worker_main(void *worker);
/** Wake a worker that sleeps, if there is one. */
void sp__real_wake_one(struct sp__real *real);
/** Wake all workers: something global changed. */
void sp__real_wake_all(struct sp__real *real);

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
