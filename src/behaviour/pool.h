/* Pools from inside: the process of the pool, its jobs and its workers.
 *
 *     submitter ──message──> pool ──carry: job──> worker ──done──> pool
 *         ^                   │                      │
 *         │                   │ waiting: every job that no worker has, oldest first
 *         │                   │ lanes[]: the same jobs; one lane without keys, else one for
 *         │                   │          each range of hashed keys
 *         │                   └ workers: each with the jobs it holds, in order
 *         └──────────── the answer, straight from the worker ┘
 *
 * A worker is a server of the user's class with the hook of pool_worker.c in front. A job is shared
 * by the pool and the message that carries it; its `state` says who may do what with it:
 *
 *     GIVEN ──worker──> STARTED ──worker: handler returned──> DONE
 *       │                  │ └───worker: caller gone, no memory──> SKIPPED, NOMEM
 *       └──pool──> BACK <──┘ pool: the worker is dead or stuck
 *
 * Each arrow is one compare-and-swap, which one of the two wins. The number of the giving is in
 * the state, so that what is left of an earlier one fails.
 *
 * Invariants: a job is in `waiting` and in its lane, or in the `held` of one worker; its message
 * counts in the pool's mailbox until it is given or lost, so that the mailbox's bound is the
 * queue's; a lane's jobs are given to one worker at a time.
 *
 * Threads: the pool's process, but for what is said of jobs and of struct sp__pool_def.
 * Neighbours: pool.c (the server), pool_queue.c (lanes), pool_staff.c (workers), pool_ahead.c
 * (windows), pool_job.c,
 * pool_worker.c (the other side), pool_scale.h, restart_window.h.
 */
#ifndef SP_BEHAVIOUR_POOL_H
#define SP_BEHAVIOUR_POOL_H

#include "base/list.h"
#include "base/map.h"
#include "behaviour/pool_scale.h"
#include "behaviour/restart_window.h"
#include "behaviour/server.h"

/** What pool and workers share; fixed. Each holds a reference, a worker until its server ends. */
struct sp__pool_def {
    struct sp_server_class class;        /* of the workers: the user's, with our hook */
    const struct sp_server_class *users; /* whose operations they are */
    sp_pid pool;
    const void *args;    /* for init: the copy, or the user's own */
    bool timed;          /* note when a job begins */
    uint32_t tell_every; /* jobs that a worker does before it says so, while it has more */
    _Atomic uint32_t refs;
    _Alignas(16) char copy[];
};

/** Drops a reference. Context: any. */
void sp__pool_def_unref(struct sp__pool_def *def) SP_NONNULL;

/* ---- jobs ---- */

enum sp__job_phase {
    SP__JOB_GIVEN,
    SP__JOB_STARTED,
    SP__JOB_DONE,
    SP__JOB_SKIPPED,
    SP__JOB_NOMEM,
    SP__JOB_BACK, /* not with a worker */
};

struct sp__pool_lane;

struct sp__pool_job {
    struct sp__list link; /* its lane's, or its worker's */
    struct sp__list age;  /* pool.waiting */
    uint64_t number;      /* in order of acceptance */
    struct sp__pool_lane *lane;
    struct sp_message *message; /* the worker's from STARTED on, unless `keep` */
    const struct sp_op *op;
    struct sp__reply_to to; /* of a call */
    sp_pid from;
    bool call;
    bool counted;      /* in the pool's mailbox */
    bool retry;        /* may be done twice */
    bool keep;         /* this is not the last attempt: the worker works on a copy */
    uint32_t attempts; /* that were begun and came to nothing */
    uint32_t givings;
    int64_t accepted_ns;
    _Atomic int64_t begun_ns;
    _Atomic uint32_t state;
    _Atomic uint32_t refs;
};

/** What carries a job to a worker: one reference, and which giving it is. */
struct sp__pool_carry {
    struct sp__pool_job *job;
    uint32_t giving;
};

/** Jobs that are over, for new ones: few, so that a pool that rests keeps little. */
struct sp__pool_spare {
    struct sp__list jobs;
    uint32_t count;
};

/** A job of a message, with one reference. NULL: no memory; the message is the caller's.
 *  Context: the pool. */
struct sp__pool_job *sp__pool_job_create(struct sp__pool_spare *spare,
                                         struct sp_message *moved_message) SP_NONNULL SP_NODISCARD;
/** As sp__pool_job_unref(), of one that is done. Context: the pool. */
void sp__pool_job_over(struct sp__pool_spare *spare, struct sp__pool_job *job) SP_NONNULL;
/** Frees all of them. Context: the pool. */
void sp__pool_spare_finish(struct sp__pool_spare *spare) SP_NONNULL;
/** Another reference. Context: any. */
struct sp__pool_job *sp__pool_job_ref(struct sp__pool_job *job) SP_NONNULL;
/** Drops one; with the last the message is destroyed. Context: any with a context. */
void sp__pool_job_unref(struct sp__pool_job *job) SP_NONNULL;

/** Is given now: its carry is valid. Context: the pool. */
struct sp__pool_carry sp__pool_job_give(struct sp__pool_job *job, bool keep) SP_NONNULL;
/** From one phase to another, in this giving; false: somebody was faster. Context: any. */
bool sp__pool_job_move(const struct sp__pool_carry *carry, enum sp__job_phase from,
                       enum sp__job_phase to) SP_NONNULL;
/** The carry of its last giving; without a reference. Context: the pool. */
struct sp__pool_carry sp__pool_job_carry(struct sp__pool_job *job) SP_NONNULL;
/** Where it is. Context: the pool. */
enum sp__job_phase sp__pool_job_phase(struct sp__pool_job *job) SP_NONNULL;
/** Its caller, if it has one that still waits, gets an error. Context: any with a context. */
void sp__pool_job_answer(struct sp__pool_job *job, sp_err err, const struct sp_reason *reason)
    SP_NONNULL_ARGS(1);

/* ---- messages between pool and workers ---- */

extern const struct sp_op sp__pool_carry_op;  /* to a worker: a job */
extern const struct sp_op sp__pool_retire_op; /* to a worker: end */
extern const struct sp_op sp__pool_ready_op;  /* to the pool: init is done */
extern const struct sp_op sp__pool_done_op;   /* to the pool: look at what I hold */
extern const struct sp_op sp__pool_info_op;
extern const struct sp_op sp__pool_resize_op;
extern const struct sp_op sp__pool_stop_op;

/** In front of each worker. */
extern const struct sp__server_hook sp__pool_worker_hook;
/** Class of the pool itself. */
extern const struct sp_server_class sp__pool_class;

/** What a pool is started with. */
struct sp__pool_start {
    const struct sp_server_class *users;
    const void *args;
    const struct sp_pool_options *options;
};

struct sp__pool_bounds {
    uint32_t min;
    uint32_t max;
};

struct sp__pool_stop {
    int64_t until_ns; /* INT64_MAX: without end */
    bool given;       /* else the pool's own budget */
};

/* ---- the pool ---- */

enum sp__worker_phase {
    SP__WORKER_STARTING,
    SP__WORKER_RUNNING,
    SP__WORKER_DRAINING, /* finishes what it has begun, */
    SP__WORKER_RETIRED,  /* then is told to end */
    SP__WORKER_UNHEARD,  /* takes no messages: has ended, but we were not told yet */
    SP__WORKER_GIVEN_UP, /* was stuck, and killed; not in pool.workers */
};

struct sp__pool_worker {
    struct sp__list link;  /* pool.workers */
    struct sp__list able;  /* pool.able, if it could take a job now */
    struct sp__list ready; /* lanes that have a job for it */
    struct sp__list held;
    uint32_t held_count;
    uint32_t window;  /* how many it may hold, */
    int64_t since_ns; /* and since when it has one, or was over with one */
    uint32_t lanes;   /* that are its own */
    enum sp__worker_phase phase;
    sp_pid pid;
};

/** Jobs in order. With keys: of one worker. */
struct sp__pool_lane {
    struct sp__list jobs;
    struct sp__list link;          /* its owner's `ready` */
    struct sp__pool_worker *owner; /* NULL: nobody's, for the moment; without keys always */
    struct sp__pool_worker *at;    /* who holds jobs of it */
    uint32_t in_flight;            /* how many */
};

enum sp__pool_phase {
    SP__POOL_STARTING,
    SP__POOL_OPEN,
    SP__POOL_DRAINING, /* finishes what it has */
    SP__POOL_CLOSING,  /* starts no workers any more */
};

struct sp__pool {
    struct sp__pool_def *def;
    struct sp_pool_options options; /* complete; without server and worker.name */
    enum sp__pool_phase phase;
    bool refuses;             /* new jobs */
    struct sp_pool_info info; /* counts; what is there is filled in when asked */
    uint64_t numbers;
    uint64_t queued;
    uint64_t held;
    uint32_t
        unsettled; /* messages since the last time that all was brought to where it should be */

    struct sp__list waiting;
    struct sp__pool_spare spare;
    struct sp__pool_lane *lanes;
    uint32_t lane_count;         /* a power of two; 1 without keys */
    struct sp__pool_job *losing; /* in nobody's list while on_lost runs */
    struct sp_message *refusing; /* the same */

    struct sp__list workers;
    struct sp__list able;
    struct sp__map by_pid;
    uint32_t target;   /* how many there should be */
    uint32_t starting; /* how many are, by phase */
    uint32_t running;
    uint32_t draining;
    uint32_t retired;
    uint32_t unheard;
    uint32_t missing;                /* who ended and was not replaced yet */
    const struct sp_reason *failure; /* of the last worker that ended by itself; a reference */

    struct sp__resizer resizer;
    struct sp__bucket bucket;
    struct sp__restart_window window;
    sp_time now;      /* of the event that is being handled */
    int64_t look_at;  /* when there is something to do next, as far as was found out */
    int64_t stuck_at; /* when a worker may be stuck; INT64_MAX: none */
    int64_t armed_at; /* of the timer; INT64_MAX: none */

    bool adapts;           /* windows; else they all stay as they are */
    uint32_t window_first; /* of a new worker */
    uint32_t ahead;        /* workers with more than one job */
    int64_t ahead_at;      /* when to look at them; INT64_MAX: never */
    int64_t patience_ns;   /* from one look to the next */

    bool asked; /* by sp_pool_stop(), */
    sp_request request;
    struct sp__pool_stop stop;
};

/** There is something to do at `at_ns`. */
static inline void sp__pool_look_at(struct sp__pool *pool, int64_t at_ns)
{
    if (at_ns < pool->look_at)
        pool->look_at = at_ns;
}

/* ---- pool.c ---- */

/** Lost: counted, told to its caller and to on_lost. It is in no list; drops the reference.
 *  Context: the pool. */
void sp__pool_lose(struct sp__pool *pool, struct sp__pool_job *moved_job, enum sp_pool_loss why,
                   const struct sp_reason *reason) SP_NONNULL_ARGS(1, 2);

/* ---- pool_queue.c; context: the pool ---- */

/** Errors: NOMEM. Ended by sp__pool_queue_finish(). */
sp_err sp__pool_queue_init(struct sp__pool *pool) SP_NONNULL SP_NODISCARD;
void sp__pool_queue_finish(struct sp__pool *pool) SP_NONNULL;
/** A new job, which is behind all others. */
void sp__pool_queue_add(struct sp__pool *pool, struct sp__pool_job *job) SP_NONNULL;
/** A job of a worker, which is ahead of all of its lane. */
void sp__pool_queue_return(struct sp__pool *pool, struct sp__pool_job *job) SP_NONNULL;
/** Out of its lane and of `waiting`. */
void sp__pool_queue_remove(struct sp__pool *pool, struct sp__pool_job *job) SP_NONNULL;
/** The job that `worker` is to have next, or NULL. */
struct sp__pool_job *sp__pool_queue_next(struct sp__pool *pool, struct sp__pool_worker *worker)
    SP_NONNULL;
/** A worker took, or has no longer, a job of this lane. */
void sp__pool_lane_took(struct sp__pool *pool, struct sp__pool_lane *lane,
                        struct sp__pool_worker *worker) SP_NONNULL;
void sp__pool_lane_left(struct sp__pool *pool, struct sp__pool_lane *lane) SP_NONNULL;
/** A running worker gets its share of the lanes; one that runs no more gives its lanes to others. */
void sp__pool_lanes_share(struct sp__pool *pool, struct sp__pool_worker *worker) SP_NONNULL;
void sp__pool_lanes_leave(struct sp__pool *pool, struct sp__pool_worker *worker) SP_NONNULL;
/** Into the list of those who could take a job, or out of it. */
void sp__pool_able(struct sp__pool *pool, struct sp__pool_worker *worker) SP_NONNULL;

/* ---- pool_ahead.c; context: the pool ---- */

enum { SP__POOL_WINDOW_MAX = 16 };

void sp__pool_ahead_init(struct sp__pool *pool) SP_NONNULL;
/** A worker was over with so many jobs, not 0. */
void sp__pool_ahead_done(struct sp__pool *pool, struct sp__pool_worker *worker, uint32_t done)
    SP_NONNULL;
/** Jobs were given: a look may be due later. */
void sp__pool_ahead_arm(struct sp__pool *pool) SP_NONNULL;
/** At those who hold more than one, if it is time. */
void sp__pool_ahead_look(struct sp__pool *pool) SP_NONNULL;

/* ---- pool_staff.c; context: the pool ---- */

/** Start one. Errors: as sp_spawn(). */
sp_err sp__pool_hire(struct sp__pool *pool) SP_NONNULL SP_NODISCARD;
/** Give jobs to all who can take them. */
void sp__pool_deal(struct sp__pool *pool) SP_NONNULL;
/** Towards `target`. */
void sp__pool_staff(struct sp__pool *pool) SP_NONNULL;
/** Its init is done. */
void sp__pool_worker_ready(struct sp__pool *pool, sp_pid pid) SP_NONNULL;
/** It has finished something. */
void sp__pool_worker_done(struct sp__pool *pool, sp_pid pid) SP_NONNULL;
/** Find what it is over with; what it has not begun goes back. */
void sp__pool_worker_collect(struct sp__pool *pool, struct sp__pool_worker *worker) SP_NONNULL;
void sp__pool_worker_recall(struct sp__pool *pool, struct sp__pool_worker *worker) SP_NONNULL;
/** The first, of all of them. */
void sp__pool_collect_all(struct sp__pool *pool) SP_NONNULL;
/** It has ended. */
void sp__pool_worker_ended(struct sp__pool *pool, sp_pid pid, const struct sp_reason *reason)
    SP_NONNULL;
/** Replace those who are stuck, if it is time to look. */
void sp__pool_worker_stuck(struct sp__pool *pool) SP_NONNULL;
/** Is nobody left, and nobody may be started instead? */
bool sp__pool_staff_lost(struct sp__pool *pool) SP_NONNULL;
/** Take back what workers have not begun; all of them are told to end. */
void sp__pool_dismiss_all(struct sp__pool *pool) SP_NONNULL;
/** Kill who is left; `busy_only`: who still has a job. */
void sp__pool_kill_all(struct sp__pool *pool, bool busy_only) SP_NONNULL;
/** Frees what is left, when the pool ends: callers get DIED. */
void sp__pool_staff_finish(struct sp__pool *pool, const struct sp_reason *reason) SP_NONNULL;

#endif
