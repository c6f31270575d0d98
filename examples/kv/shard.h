/* A shard: a server that owns a part of the keys and runs batches of requests on them.
 *
 * It is a permanent child of the shards' supervisor. When it crashes its keys are gone; the
 * next incarnation begins empty, and puts itself into its place in the world.
 *
 * Threads: a process each. Neighbours: batch.h (what it is sent), connection.c (who sends),
 * waiters.h (clients that wait for elements).
 */
#ifndef KV_SHARD_H
#define KV_SHARD_H

#include "batch.h"
#include "world.h"

#include "spawned/server.h"

/** Which shard of what. */
struct kv_shard_args {
    struct kv_world *world;
    uint32_t shard;
};

/** A batch on its way to a shard and back. */
struct kv_job {
    struct kv_batch *batch;
};

/** Frees a job that nobody takes. Context: any. */
void kv_job_drop(struct kv_job *job) SP_NONNULL;

/** Figures of one shard. */
struct kv_shard_figures {
    uint64_t keys;
    uint64_t expires;
    uint64_t memory;
    uint64_t expired;
    uint64_t hits;
    uint64_t misses;
};

/** A client that is to wait for elements of lists. Owns `keys` and the bytes, one allocation. */
struct kv_wait_order {
    sp_pid pid;    /**< who waits, and is woken */
    uint64_t turn; /**< given back with the wake-up */
    struct kv_key *keys;
    uint32_t key_count;
    bool front;
    bool shared;
};

/** Frees an order that nobody takes. Context: any. */
void kv_wait_order_drop(struct kv_wait_order *order) SP_NONNULL;

/** How a client that waits goes on. */
struct kv_wait_end {
    sp_pid pid;
    bool rearm; /**< it found nothing and waits on; else it waits no more */
};

SP_SERVER(kv_shard, struct kv_shard_args);
/** Run the batch. */
SP_CALL_MOVED(kv_shard, run, struct kv_job, kv_job_drop, struct kv_job, kv_job_drop);
/** Figures for INFO. */
SP_CALL(kv_shard, figures, sp_empty, struct kv_shard_figures);
/** Let a client wait; errors as of kv_waiters_add(). */
SP_CALL_MOVED(kv_shard, wait, struct kv_wait_order, kv_wait_order_drop, struct kv_job, kv_job_drop);
/** End a wait, or go on with it; errors as of kv_waiters_remove(). */
SP_CALL(kv_shard, unwait, struct kv_wait_end, sp_empty);
/** Fault. */
SP_CALL(kv_shard, crash, sp_empty, sp_empty);
/** Keep a worker busy for so long. */
SP_CAST(kv_shard, spin, sp_duration);
/** Time for keys to expire. */
SP_CAST(kv_shard, expire, sp_empty);

#endif
