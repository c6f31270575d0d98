/* Numbered slots whose memory stays what it is: the process table, and timers.
 *
 *   one mapping:   | slot 0 | slot 1 | ... in use, readable ... |  reserved, no memory  |
 *                  ^ items                                      ^ high (in steps)
 *   and behind it: | free numbers, a stack | reserved |
 *
 * The address space of all slots is reserved at the start, so that a slot is found by one
 * multiplication and never moves. Memory comes in steps of 64 KiB; from 2 MiB on in steps of
 * 2 MiB that ask for huge pages: the kernel then takes 25 ns per slot of 256 bytes instead of
 * 100 (measured on an EPYC, in a virtual machine). A slot costs no byte besides itself.
 *
 * A slot's memory is never given to anything else while the slab lives, so a reader with a
 * stale number reads a slot of the right type and recognises by a serial in it that it is
 * not what it looked for. Free numbers are used again last in, first out.
 *
 * A thread that takes and gives often has a cache of free numbers and goes to the lock once
 * per 64.
 *
 * Threads: get by any, lock-free; take and give by any, under the lock; a cache is its owner's.
 * Neighbours: process/spawn.c, process/exit.c, process/timer.c.
 */
#ifndef SPAWNED_RUNTIME_SLAB_H
#define SPAWNED_RUNTIME_SLAB_H

#include "base/atomic.h"
#include "base/lock.h"
#include "spawned/err.h"

enum {
    SP__SLAB_MAX = 16777216, /* slots */
    /** Numbers that a cache fetches or gives back at once; it holds up to two times as many. */
    SP__SLAB_BATCH = 64,
    SP__SLAB_CACHE_MAX = 2 * SP__SLAB_BATCH,
};

struct sp__slab {
    char *items;
    uint32_t item_size;
    uint32_t max;          /* slots */
    uint32_t fill;         /* numbers that a cache takes at once; see sp__slab_set_fill() */
    _Atomic uint32_t high; /* slots below it have memory, and may be in use */
    SP__CACHE_ALIGNED struct sp__lock lock;
    uint32_t free_count SP__GUARDED_BY(lock);
    uint32_t *free SP__GUARDED_BY(lock);   /* numbers; as many as there can be slots */
    size_t free_size SP__GUARDED_BY(lock); /* bytes of it that have memory */
    size_t readable SP__GUARDED_BY(lock);  /* bytes of items that have */
    char *map;
    size_t map_size;
};

/** Free numbers of one thread. */
struct sp__slab_cache {
    struct sp__slab *slab; /* NULL: it has none */
    uint32_t count;
    uint32_t numbers[SP__SLAB_CACHE_MAX];
};

/** A slab of up to `max` slots of `item_size` bytes, aligned to `align` (a power of two up to 64).
 *  Errors: NOMEM (no such address space), INVALID (max over 16,777,216). Context: startup. */
SP_NODISCARD sp_err sp__slab_create(size_t item_size, size_t align, uint32_t max,
                                    struct sp__slab **out) SP_NONNULL;

/** Let caches take so many numbers at once, up to and by default SP__SLAB_BATCH: a few, where
 *  there will be few items. Context: startup, before the first cache. */
void sp__slab_set_fill(struct sp__slab *slab, uint32_t fill) SP_NONNULL;

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
    /* acquire: pairs with the release that made the slot readable. */
    if (number >= atomic_load_explicit(&slab->high, memory_order_acquire))
        return NULL;
    return slab->items + (size_t)number * slab->item_size;
}

/** One more than the highest number ever taken, or a little above. Context: any. */
static inline uint32_t sp__slab_high(const struct sp__slab *slab)
{
    /* acquire: pairs with the release in take; the slots below are there. */
    return atomic_load_explicit(&slab->high, memory_order_acquire);
}

/** An empty cache. `slab` may be NULL. Context: startup, the owner. */
void sp__slab_cache_init(struct sp__slab_cache *cache, struct sp__slab *slab) SP_NONNULL_ARGS(1);

/** Gives what it holds back. Context: the owner. */
void sp__slab_cache_finish(struct sp__slab_cache *cache) SP_NONNULL;

/** The rare halves of the two below. Context: the owner. */
SP_NODISCARD sp_err sp__slab_cache_fill(struct sp__slab_cache *cache) SP_NONNULL;
void sp__slab_cache_drain(struct sp__slab_cache *cache) SP_NONNULL;

/** As sp__slab_take(). Context: the owner of the cache. */
SP_NODISCARD static inline sp_err sp__slab_cache_take(struct sp__slab_cache *cache,
                                                      uint32_t *out_number, void **out_item)
{
    if (cache->count == 0) {
        sp_err err = sp__slab_cache_fill(cache);
        if (err != SP_OK)
            return err;
    }
    const struct sp__slab *slab = cache->slab;
    uint32_t number = cache->numbers[--cache->count];
    *out_number = number;
    *out_item = slab->items + (size_t)number * slab->item_size;
    return SP_OK;
}

/** As sp__slab_give(). Context: the owner of the cache. */
static inline void sp__slab_cache_give(struct sp__slab_cache *cache, uint32_t number)
{
    if (cache->count == SP__SLAB_CACHE_MAX)
        sp__slab_cache_drain(cache);
    cache->numbers[cache->count++] = number;
}

#endif
