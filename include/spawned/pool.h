/* Pools: supervised workers of one server class that share the work sent to one pid.
 *
 *     // thumb.h: an ordinary server
 *     SP_SERVER(thumb, struct thumb_args);
 *     SP_CALL(thumb, make, struct picture, struct thumbnail);
 *     SP_POOL(thumb);                                  // thumb_pool, thumb_pool_start(), ...
 *
 *     // anyone
 *     thumb_pool pool;
 *     err = thumb_pool_start(&args, &(struct sp_pool_options){ .min = 2, .max = 8 }, &pool);
 *     err = thumb_make(pool.jobs, &picture, &thumbnail, sp_after_sec(5));
 *
 * A pool takes the operations of its class, as one server would: each call or cast is a job. Jobs
 * wait in the pool and not in the mailboxes of workers, so that none is lost when a worker goes:
 * one that had not begun is handed to another worker; one that had begun fails with DIED, or is
 * handed over, too, where it was declared that it may be done twice.
 *
 * Without a key there is one queue, and whoever has room takes the next job. With a key, jobs of
 * the same key are done in the order they came, one after the other, by the same worker while the
 * pool has the same workers, and still in order when it has not.
 */
#ifndef SPAWNED_POOL_H
#define SPAWNED_POOL_H

#include "spawned/server.h"

SP_EXTERN_C_BEGIN

/** Most workers of a pool. */
#define SP_POOL_WORKERS_MAX UINT32_C(10000)

/** What becomes of a job when `queue_max` are waiting. */
enum sp_pool_full {
    SP_POOL_REFUSE = 0,     /**< the send or call returns SP_ERR_FULL; who waits for room waits */
    SP_POOL_DISCARD_NEWEST, /**< it is lost */
    SP_POOL_DISCARD_OLDEST, /**< the one that has waited longest is lost */
};

/** Why a job was not done. */
enum sp_pool_loss {
    SP_POOL_LOST_FULL,     /**< too many were waiting; the call returns FULL */
    SP_POOL_LOST_EXPIRED,  /**< it did not begin within `begin_within`; TIMEOUT */
    SP_POOL_LOST_CALLER,   /**< its caller had given up before it began */
    SP_POOL_LOST_DIED,     /**< its worker ended in the middle of it; DIED */
    SP_POOL_LOST_STUCK,    /**< its worker was stuck in it and replaced; DIED */
    SP_POOL_LOST_SHUTDOWN, /**< the pool stops; SHUTDOWN */
    SP_POOL_LOST_NOMEM,    /**< no memory to keep it; NOMEM */
    SP_POOL_LOSSES
};

/** A job that was not done. */
struct sp_pool_lost {
    enum sp_pool_loss why;
    const struct sp_op *op;
    const void *in; /**< the request; NULL: its worker had it */
    sp_pid from;    /**< who submitted it */
};

/** When a pool grows and shrinks, if `min` and `max` differ. The load is 100 times the jobs that
 *  wait or are being done, divided by the workers. Zero is the default everywhere. */
struct sp_pool_scaling {
    uint32_t grow_above;      /**< load at which it grows; default 150 */
    uint32_t shrink_below;    /**< load at which it shrinks; default 50; less than `grow_above` */
    uint32_t grow_by;         /**< percent of its workers, rounded up; default 20 */
    uint32_t shrink_by;       /**< the same; default 10; not so far that it would grow again */
    sp_duration cooldown;     /**< between two changes of size; default 1 s */
    sp_duration shrink_after; /**< the load was low for so long; default 10 s */
};

/** So many `jobs` begin in each `per`, at equal distances; after a rest, `burst` of them at once. */
struct sp_pool_rate {
    uint32_t jobs;   /**< 0: no limit */
    sp_duration per; /**< default 1 s */
    uint32_t burst;  /**< default 1 */
};

/** How a pool works. Zero is the default everywhere. */
struct sp_pool_options {
    struct sp_server_options server; /**< of the pool's process: name, link, ...; its mailbox and
                                          trap_exit are the pool's */
    struct sp_spawn_options worker;  /**< of each worker: label, own_thread, memory_max, ...; name,
                                          link and out_monitor are the pool's */
    uint32_t min;                    /**< workers; default: as many as the runtime's */
    uint32_t max;                    /**< default: `min` */
    struct sp_pool_scaling scaling;
    uint32_t window; /**< jobs given to a worker at a time; default: 1, and up to 16 while its jobs
                          are short, unless `begin_within` or a rate is set */

    uint32_t queue_max;       /**< jobs that wait; default 65,536; at most 2^30 */
    enum sp_pool_full full;   /**< default: refuse */
    sp_duration begin_within; /**< a job that does not begin in this time is lost; 0: none is */
    struct sp_pool_rate rate;

    uint32_t max_restarts;   /**< workers replaced in any `period`; over that the pool goes on with
                                  those it has until the period allows more; default: `max`; or
                                  SP_RESTARTS_NONE, SP_RESTARTS_UNLIMITED (spawned/supervisor.h) */
    sp_duration period;      /**< default 5 s */
    sp_duration stuck_after; /**< a worker that is in one job for longer is killed and replaced;
                                  0: none is */
    uint32_t attempts_max;   /**< how often a job that may be done twice is begun; default 3 */
    sp_deadline drain;       /**< at a shutdown jobs are finished for so long; default 5 s */

    /* Called in the pool's process with the operation (`op == &thumb_make_op`) and the request. May
     * not suspend; a fault in them ends the pool. */

    /** Jobs of the same key are done in order. NULL: any worker takes any job. */
    uint64_t (*key)(const struct sp_op *op, const void *in, void *arg);
    /** May this job be done again when its worker ends in the middle of it? Not asked for requests
     *  that own something. NULL: none may. */
    bool (*retry)(const struct sp_op *op, const void *in, void *arg);
    /** Called for each job that is lost. */
    void (*on_lost)(const struct sp_pool_lost *lost, void *arg);
    void *arg; /**< of all three */
};

/** What a pool has done. At any moment
 *      accepted = finished + all of lost + queued + held
 *      given = finished + lost[DIED] + lost[STUCK] + handed_over + held
 */
struct sp_pool_info {
    uint32_t min;
    uint32_t max;
    uint32_t size;     /**< workers, those that start included */
    uint32_t starting; /**< of these: in their init */
    uint32_t busy;     /**< of these: have a job */
    uint32_t leaving;  /**< workers that finish their job before they go */
    uint64_t queued;   /**< jobs that wait */
    uint64_t held;     /**< jobs that workers have */
    uint64_t refused;  /**< jobs that came while it stopped or had no memory; not accepted */
    uint64_t accepted;
    uint64_t given; /**< to a worker, each time */
    uint64_t finished;
    uint64_t handed_over; /**< taken back from a worker, for another one */
    uint64_t lost[SP_POOL_LOSSES];
    uint64_t deaths;   /**< workers that ended by themselves */
    uint64_t restarts; /**< workers that were started instead */
    uint64_t grown;    /**< changes of size by load */
    uint64_t shrunk;
};

/** Start a pool of servers of `worker_class`, each started with a copy of `args`; the typed
 *  S_pool_start() uses it. Returns when `min` workers have done their init.
 *  Errors: what a worker's init returned; IGNORED (one declined); INITFAILED (one exited or
 *  faulted); INVALID (numbers that make no sense, a state machine as a worker); TIMEOUT, EXISTS,
 *  NOMEM, LIMIT, NOTCONTEXT.
 *  Ownership: `args` as sp_server_start(): where the class has no size for them, the pointer is
 *  kept, and must outlive the pool.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_pool_start(const struct sp_server_class *worker_class, const void *args,
                  const struct sp_pool_options *options, sp_pid *out_pid);

/** Stop it: no new jobs, those it has are finished for as long as `budget`, then workers are
 *  killed and what is left is lost. Returns when it is gone. `*out_info` (or NULL) is its last word.
 *  Errors: NOPROC; BADCALL (no pool); DIED (it ended by itself before it could say how); NOMEM,
 *  NOTCONTEXT, DEADLOCK (by one of its own workers).
 *  Units: up to two seconds over the budget where workers do not end; then they are left behind.
 *  Context: process, may suspend. Default budget: that of the pool's options. */
SP_API SP_NODISCARD sp_err sp_pool_stop(sp_pid pool, sp_deadline budget,
                                        struct sp_pool_info *out_info);

/** Set both bounds; its size follows at once, as far as it is outside of them: workers too many
 *  finish their job first and hand the rest over.
 *  Errors: INVALID (min is 0, over max, or max over SP_POOL_WORKERS_MAX), NOPROC, BADCALL,
 *  SHUTDOWN (it stops), DIED, TIMEOUT, NOMEM, NOTCONTEXT.
 *  Context: process, may suspend. Waits at most 5 s. */
SP_API SP_NODISCARD sp_err sp_pool_resize(sp_pid pool, uint32_t min, uint32_t max);

/** Look at it. Errors: NOPROC, BADCALL, DIED, TIMEOUT, NOMEM, NOTCONTEXT.
 *  Context: process, may suspend. Waits at most 5 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_pool_info(sp_pid pool, struct sp_pool_info *out_info);

/** "FULL", "EXPIRED", ... Context: any. */
SP_API const char *sp_pool_loss_name(enum sp_pool_loss why);

/** Declare the pool of servers `S`, for headers: S_pool, S_pool_start() and its like. Its
 *  operations are those of `S`, on `pool.jobs`. */
#define SP_POOL(S)                                                                             \
    typedef struct S##_pool {                                                                  \
        S##_ref jobs;                                                                          \
    } S##_pool;                                                                                \
    SP_NODISCARD SP__INLINE sp_err S##_pool_start(                                             \
        const S##__args_type *args, const struct sp_pool_options *options, S##_pool *out_pool) \
    {                                                                                          \
        return sp_pool_start(&S##_class, args, options, out_pool ? &out_pool->jobs.pid : 0);   \
    }                                                                                          \
    SP_NODISCARD SP__INLINE sp_err S##_pool_stop(S##_pool pool, sp_deadline budget,            \
                                                 struct sp_pool_info *out_info)                \
    {                                                                                          \
        return sp_pool_stop(pool.jobs.pid, budget, out_info);                                  \
    }                                                                                          \
    SP_NODISCARD SP__INLINE sp_err S##_pool_resize(S##_pool pool, uint32_t min, uint32_t max)  \
    {                                                                                          \
        return sp_pool_resize(pool.jobs.pid, min, max);                                        \
    }                                                                                          \
    SP_NODISCARD SP__INLINE sp_err S##_pool_info(S##_pool pool, struct sp_pool_info *out_info) \
    {                                                                                          \
        return sp_pool_info(pool.jobs.pid, out_info);                                          \
    }                                                                                          \
    struct S##__pool_declared

/** Declare S_op_wait(ref, in, deadline), for headers: a cast that waits for room in a full
 *  mailbox, as sp_send_wait() does. So a producer is as fast as the pool. */
#define SP_POOL_CAST(S, op)                                                                    \
    SP_NODISCARD SP__INLINE sp_err S##_##op##_wait(S##_ref ref, const S##_##op##__in_type *in, \
                                                   sp_deadline deadline)                       \
    {                                                                                          \
        _Static_assert(S##_##op##__is_cast, "declare the operation with SP_CAST");             \
        return sp_send_wait(ref.pid, &S##_##op##_op.in, in, deadline);                         \
    }                                                                                          \
    struct S##_##op##__wait_declared

SP_EXTERN_C_END

#endif
