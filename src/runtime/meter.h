/* Meters: what is counted on each thread, without a cache line that two of them write.
 *
 *   runtime.meters -> | registry (observe/metrics.h) | options | blocks: newest first
 *   context.meter  -> its block:  chunks[] -> 64 cells each, one for each counter of the registry
 *                                 watch    -> counts and times of messages, see watch.h
 *   context.watch  -> that, while messages are watched
 *
 * A block lives as long as the runtime: that of a thread that ended goes on with the next, so that no count is
 * ever moved. A cell is written by its block's thread alone, by plain loads and stores; readers add up the
 * cells of all blocks.
 *
 * Threads: as said; joining and leaving under runtime.contexts_lock.
 * Neighbours: core.h, watch.h; observe/metrics.h has names and kinds.
 */
#ifndef SPAWNED_RUNTIME_METER_H
#define SPAWNED_RUNTIME_METER_H

#include "runtime/core.h"

enum {
    SP__METER_CHUNK = 64,   /* cells: eight cache lines */
    SP__METER_CHUNKS = 128, /* of a block */
    SP__METER_CELLS = SP__METER_CHUNK * SP__METER_CHUNKS,
};

struct sp__watch;

struct sp__meter_chunk {
    _Atomic uint64_t cells[SP__METER_CHUNK];
};

struct sp__meter {
    struct sp__meter *next;
    struct sp__context *context; /* whose; NULL: it ended; under contexts_lock */
    enum sp__context_kind kind;
    uint32_t number;
    struct sp__watch *_Atomic watch; /* made when messages are first watched; NULL: not yet */
    _Atomic(struct sp__meter_chunk *) chunks[SP__METER_CHUNKS];
};

struct sp__meters {
    struct sp__meter *_Atomic blocks; /* newest first; grows under contexts_lock */
    uint32_t block_count;             /* under contexts_lock, as the next three */
    bool watching;
    int64_t gap_ns;           /* about so far apart are the samples of one kind of message */
    uint32_t kinds;           /* of messages on a thread */
    _Atomic(void *) registry; /* of observe/metrics.h */
    void (*registry_free)(void *registry);
};

/** The runtime's meters, made when missing; every context of now has a block, or its counts are shared ones.
 *  Errors: NOMEM. Context: any. */
SP_NODISCARD sp_err sp__meters_get(struct sp_runtime *runtime, struct sp__meters **out_meters)
    SP_NONNULL;

/** Those there are, or NULL. Context: any. */
static inline struct sp__meters *sp__meters_of(struct sp_runtime *runtime)
{
    /* acquire: pairs with the release in get. */
    return atomic_load_explicit(&runtime->meters, memory_order_acquire);
}

/** The blocks of now: a list that only grows. Context: any. */
static inline struct sp__meter *sp__meters_blocks(struct sp__meters *meters)
{
    /* acquire: pairs with the release in block_new(). */
    return atomic_load_explicit(&meters->blocks, memory_order_acquire);
}

/** A new context gets a block, if others have one. Context: with contexts_lock held. */
void sp__meters_join(struct sp_runtime *runtime, struct sp__context *context) SP_NONNULL;

/** It ends. Context: as above. */
void sp__meters_leave(struct sp_runtime *runtime, struct sp__context *context) SP_NONNULL;

/** All goes. Context: the runtime's end. */
void sp__meters_free(struct sp_runtime *runtime) SP_NONNULL;

/** The chunk of a cell, made when missing; NULL: no memory. Context: the block's thread. */
struct sp__meter_chunk *sp__meter_chunk_new(struct sp__meter *meter, uint32_t chunk) SP_NONNULL;

/** The calling thread's cell, or NULL: it is no thread of `runtime`, or has no memory.
 *  Context: any. */
static inline _Atomic uint64_t *sp__meter_cell(const struct sp_runtime *runtime, uint32_t index)
{
    struct sp__context *context = sp__context();
    if (context == NULL || context->runtime != runtime)
        return NULL;
    /* acquire: pairs with the release in join; the block is complete. */
    struct sp__meter *meter = atomic_load_explicit(&context->meter, memory_order_acquire);
    if (meter == NULL)
        return NULL;
    /* relaxed: our own store. */
    struct sp__meter_chunk *chunk =
        atomic_load_explicit(&meter->chunks[index / SP__METER_CHUNK], memory_order_relaxed);
    if (__builtin_expect(chunk == NULL, 0))
        chunk = sp__meter_chunk_new(meter, index / SP__METER_CHUNK);
    return chunk == NULL ? NULL : &chunk->cells[index % SP__METER_CHUNK];
}

/** What is in a block's cell. Context: any. */
static inline uint64_t sp__meter_read(struct sp__meter *meter, uint32_t index)
{
    /* acquire: pairs with the release in chunk_new(). */
    struct sp__meter_chunk *chunk =
        atomic_load_explicit(&meter->chunks[index / SP__METER_CHUNK], memory_order_acquire);
    /* acquire: where the cell holds a pointer, what it points to is complete. */
    return chunk == NULL
               ? 0
               : atomic_load_explicit(&chunk->cells[index % SP__METER_CHUNK], memory_order_acquire);
}

#endif
