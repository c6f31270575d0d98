/* Threads for work that blocks: as many as there is work, up to a limit.
 *
 * A job runs at once while there are threads to have, in order of submission otherwise. A
 * thread without work waits `idle_ns` for more and then ends; the one that ran last is taken
 * first, so that the others get to end. Nothing runs, and no thread exists, before the first
 * job.
 *
 * A job's `run` has no context: it may block, but not use the runtime. Its `done` runs right
 * after, on the same thread, with a context: it may push messages and complete waits, and must
 * not block.
 *
 * Threads: any may submit. Neighbours: runtime/backend.h (struct sp__job), process/blocking.c.
 */
#ifndef SP_RUNTIME_REAL_BLOCKING_H
#define SP_RUNTIME_REAL_BLOCKING_H

#include "runtime/backend.h"

struct sp__blocking;

/** Figures of a pool. */
struct sp__blocking_stats {
    uint32_t threads;
    uint32_t idle;
    uint32_t queued;
};

/** A pool without threads, of at most `threads_max`; queue of 65,536 jobs, 10 s of idleness.
 *  Errors: NOMEM.
 *  Ownership: the caller ends it with sp__blocking_stop() and sp__blocking_destroy().
 *  Context: startup. */
SP_NODISCARD sp_err sp__blocking_create(struct sp_runtime *runtime, uint32_t threads_max,
                                        struct sp__blocking **out) SP_NONNULL;

/** Other limits: jobs that wait for a thread, and how long a thread waits for a job before it
 *  ends. Context: startup, before the first job. */
void sp__blocking_set_limits(struct sp__blocking *pool, uint32_t queue_max, int64_t idle_ns)
    SP_NONNULL;

/** Run a job: `run`, then `done`, exactly once each.
 *  Errors: LIMIT (the queue is full, or there is no thread and the system gives none), NOMEM
 *  (there is no thread and no memory for one), SHUTDOWN (the pool was stopped).
 *  Ownership: the job's memory is the pool's until `done` is called, on SP_OK only.
 *  Context: any; never suspends. */
SP_NODISCARD sp_err sp__blocking_submit(struct sp__blocking *pool, struct sp__job *job) SP_NONNULL;

/** Take no more jobs, run those that wait, and end the threads. False: a job does not come back
 *  before `deadline_ns` on sp__clock_monotonic_ns(); the pool and its runtime must stay.
 *  May be called again after false. Context: any thread that is not one of the pool's. */
SP_NODISCARD bool sp__blocking_stop(struct sp__blocking *pool, int64_t deadline_ns) SP_NONNULL;

/** Free a stopped pool. NULL is fine. Context: any. */
void sp__blocking_destroy(struct sp__blocking *pool);

/** Read the figures. Context: any. */
void sp__blocking_read(struct sp__blocking *pool, struct sp__blocking_stats *out) SP_NONNULL;

#endif
