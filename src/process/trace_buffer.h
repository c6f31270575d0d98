/* Spans that wait to be taken: a ring for some threads each, so that they seldom share a lock.
 *
 *     sp__trace_buffer -> shards [ring of records] [ring of records] ...    by the context's shard
 *
 * A full ring loses the newest, and counts. Who wants to know that something came is told when the first
 * comes into an empty buffer, and when it is half full.
 *
 * Threads: any; each ring under its lock, `waiting` atomic.
 * Neighbours: trace.h, trace_own.h put in; sp_trace_read() takes out.
 */
#ifndef SPAWNED_PROCESS_TRACE_BUFFER_H
#define SPAWNED_PROCESS_TRACE_BUFFER_H

#include "base/atomic.h"
#include "base/lock.h"
#include "spawned/trace.h"

enum {
    SP__TRACE_SHARDS = 8,
};

struct sp__trace_shard {
    SP__CACHE_ALIGNED struct sp__lock lock;
    uint32_t first SP__GUARDED_BY(lock);
    uint32_t count SP__GUARDED_BY(lock);
    uint64_t recorded SP__GUARDED_BY(lock);
    uint64_t failed SP__GUARDED_BY(lock);
    uint64_t lost SP__GUARDED_BY(lock);
    struct sp_trace_record *ring SP__GUARDED_BY(lock);
};

/** Who is told. Its functions run on the thread that records, inside of a process, and may not wait
 *  for processes. */
struct sp__trace_sink {
    void (*some)(void *arg, bool much); /* the first, or half of what there is room for */
    void (*end)(void *arg);             /* the runtime ends: nothing comes any more */
    void *arg;
};

struct sp__trace_buffer {
    struct sp__trace_shard shards[SP__TRACE_SHARDS];
    uint32_t size; /* of each */
    _Atomic uint32_t waiting;
    _Atomic uint64_t taken;
    struct sp__lock sink_lock;
    struct sp__trace_sink sink SP__GUARDED_BY(sink_lock);
};

/** An empty one for `size` records. Errors: NOMEM. Context: startup. */
SP_NODISCARD sp_err sp__trace_buffer_init(struct sp__trace_buffer *buffer, uint32_t size)
    SP_NONNULL;

/** Nothing comes any more: tells who is told. Context: the runtime's end. */
void sp__trace_buffer_end(struct sp__trace_buffer *buffer) SP_NONNULL;

/** Frees what is left. Context: the runtime's end. */
void sp__trace_buffer_finish(struct sp__trace_buffer *buffer) SP_NONNULL;

/** Put a span in; `failed`: of a request that is not followed. Ownership: takes what it owns.
 *  Context: any. */
void sp__trace_buffer_put(struct sp__trace_buffer *buffer, uint32_t shard,
                          const struct sp_trace_record *moved, bool failed) SP_NONNULL;

/** One more is lost. Context: any. */
void sp__trace_buffer_lose(struct sp__trace_buffer *buffer, uint32_t shard) SP_NONNULL;

/** As sp_trace_read(). */
size_t sp__trace_buffer_take(struct sp__trace_buffer *buffer, struct sp_trace_record *records,
                             size_t max) SP_NONNULL;

/** Sum up. */
void sp__trace_buffer_stats(struct sp__trace_buffer *buffer, struct sp_trace_stats *out) SP_NONNULL;

/** Tell `sink` from now on (NULL: nobody). Errors: EXISTS (somebody else is told). Context: any. */
SP_NODISCARD sp_err sp__trace_buffer_tell(struct sp__trace_buffer *buffer,
                                          const struct sp__trace_sink *sink) SP_NONNULL_ARGS(1);

#endif
