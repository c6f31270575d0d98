/* Numbered slots whose memory stays what it is: the process table, and timers.
 *
 *   chunk directory -> chunks of 1,024 slots, allocated when first needed, freed at the end
 *
 * A slot's memory is never given to anything else while the slab lives, so a reader with a
 * stale number reads a slot of the right type and recognises by a serial in it that it is
 * not what it looked for. Free numbers are used again last in, first out.
 *
 * Threads: get by any, lock-free; take and give by any, under the lock.
 * Neighbours: process/table.c, process/timer.c.
 */
#ifndef SPAWNED_RUNTIME_SLAB_H
#define SPAWNED_RUNTIME_SLAB_H

#include "base/lock.h"
#include "spawned/err.h"

#include <stdatomic.h>

enum {
    SP__SLAB_CHUNK = 1024,
    SP__SLAB_CHUNKS_MAX = 16384, /* 16,777,216 slots */
};

struct sp__slab {
    uint32_t item_size;
    uint32_t item_align;
    uint32_t max; /* slots */
    struct sp__lock lock;
    uint32_t used SP__GUARDED_BY(lock);       /* slots ever taken */
    uint32_t free_first SP__GUARDED_BY(lock); /* number + 1; 0: none */
    _Atomic uint32_t high;                    /* slots below it may be in use */
    _Atomic(void *) chunks[SP__SLAB_CHUNKS_MAX];
};

/** A slab of up to `max` slots of `item_size` bytes, aligned to `align` (a power of two up to 64).
 *  Errors: NOMEM, INVALID (max over 16,777,216). Context: startup. */
SP_NODISCARD sp_err sp__slab_create(size_t item_size, size_t align, uint32_t max,
                                    struct sp__slab **out) SP_NONNULL;

/** Frees the memory; NULL is fine. Context: the runtime's end. */
void sp__slab_destroy(struct sp__slab *slab);

/** A free slot; zeroed when it was never used before, else as it was left.
 *  Errors: NOMEM, LIMIT. Context: any. */
SP_NODISCARD sp_err sp__slab_take(struct sp__slab *slab, uint32_t *out_number, void **out_item)
    SP_NONNULL;

/** The slot is free again. Context: any. */
void sp__slab_give(struct sp__slab *slab, uint32_t number) SP_NONNULL;

/** The item of a number, or NULL where no slot was ever taken. Context: any. */
static inline void *sp__slab_get(const struct sp__slab *slab, uint32_t number)
{
    if (number >= slab->max)
        return NULL;
    /* acquire: pairs with the release that published the chunk, zeroed. */
    char *chunk =
        atomic_load_explicit(&slab->chunks[number / SP__SLAB_CHUNK], memory_order_acquire);
    return chunk == NULL ? NULL : chunk + (size_t)(number % SP__SLAB_CHUNK) * slab->item_size;
}

/** One more than the highest number ever taken. Context: any. */
static inline uint32_t sp__slab_high(const struct sp__slab *slab)
{
    return atomic_load_explicit(&slab->high, memory_order_acquire);
}

#endif
