/* Memory for messages: allocated on one worker, freed on another, in a few nanoseconds.
 *
 *     sp__msg_cache (one per worker, owner only)        sp__msg_pool (one per runtime)
 *     per class:  loaded  [o o o o . . . .]             per class, under its lock:
 *                 spare   [o o o o o o o o]  <-batch->  full   [o o o o o o o o] ...
 *                                                       empty  [. . . . . . . .] ...
 *                                                       slabs  runtime/msg_slab.h
 *
 * A batch is an array of pointers to free objects: up to 64, and up to 16 KiB of objects. A cache
 * has two a class. Only when both are empty, or both full, one whole batch is exchanged with
 * the pool under the class's lock: one lock for 64 objects, wherever they were allocated.
 * Arrays, because taking an object then does not read it: its memory is mostly in another
 * core's cache, and the message written into it next does not have to wait. Measured: 2 ns for an
 * allocation and its release, on one cache or from one to another (malloc there: 10 to 15).
 *
 * The pool keeps up to `batches_max` full batches a class (4 MiB of them); the objects of one above that go back
 * to their slabs, and a slab that is whole again back to sp__free(). So what a burst took
 * comes back after it; and 64 bytes are 64, where malloc would use 80. There are never
 * more empty batches than full ones there were.
 *
 * Requests above 1,024 bytes and those of threads without a cache are sp__malloc()'s, as
 * class SP__MSG_CLASS_HEAP. Memory is aligned to 16 bytes. Free objects are poisoned under
 * the address sanitizer.
 *
 * Threads: a cache is its owner's; the pool is everybody's. Neighbours: base/lock.h,
 * runtime/msg_slab.h. Source: J. Bonwick, J. Adams, "Magazines and Vmem" (2001).
 */
#ifndef SP_RUNTIME_MSG_POOL_H
#define SP_RUNTIME_MSG_POOL_H

#include "base/atomic.h"
#include "base/lock.h"
#include "base/poison.h"
#include "runtime/msg_slab.h"

enum {
    SP__MSG_CLASSES = 9,       /* 64 96 128 192 256 384 512 768 1024 bytes */
    SP__MSG_SIZE_MAX = 1024,   /* of a pooled object */
    SP__MSG_CLASS_HEAP = 0xff, /* not pooled */
};

/** How a pool behaves; zero is the default of each. */
struct sp__msg_pool_options {
    uint32_t batches_max; /**< full batches kept per class; 0: 4 MiB of them */
    uint32_t fill;        /**< objects brought at once where none are in stock; 0: a batch */
    bool passthrough;     /**< every object is sp__malloc()'s: for Valgrind and for hunting bugs */
};

/** Free objects of one class. */
struct sp__msg_batch {
    struct sp__msg_batch *next; /* in the pool */
    uint32_t count;             /* stale while loaded: the rack counts */
    void *objects[];
};

/** The pool's part of one class. */
struct sp__msg_depot {
    SP__CACHE_ALIGNED struct sp__lock lock;
    uint32_t full_count SP__GUARDED_BY(lock);
    struct sp__msg_batch *full SP__GUARDED_BY(lock);  /* a stack */
    struct sp__msg_batch *empty SP__GUARDED_BY(lock); /* a stack */
    struct sp__msg_slabs slabs SP__GUARDED_BY(lock);
};

struct sp__msg_pool {
    uint32_t batches_max; /* 0: as many as make up the stock */
    uint32_t fill;        /* 0: a whole batch */
    bool passthrough;
    struct sp__msg_depot depots[SP__MSG_CLASSES];
};

/** The cache's part of one class. */
struct sp__msg_rack {
    struct sp__msg_batch *loaded; /* NULL: count and limit are 0 */
    struct sp__msg_batch *spare;  /* full or empty, or NULL */
    uint32_t count;               /* objects in `loaded` */
    uint32_t limit;               /* objects that fit */
};

struct sp__msg_cache {
    struct sp__msg_pool *pool;
    struct sp__msg_rack racks[SP__MSG_CLASSES];
};

/** The usable bytes of each class. */
extern const uint16_t sp__msg_class_bytes[SP__MSG_CLASSES];

/** The class for up to 32 * index bytes. */
extern const uint8_t sp__msg_class_of[SP__MSG_SIZE_MAX / 32 + 1];

/** An empty pool; `options` may be NULL. Allocates nothing.
 *  Context: startup. */
void sp__msg_pool_init(struct sp__msg_pool *pool, const struct sp__msg_pool_options *options)
    SP_NONNULL_ARGS(1);

/** Frees what is cached; every object is back and every cache finished.
 *  Context: startup (the runtime's end). */
void sp__msg_pool_finish(struct sp__msg_pool *pool) SP_NONNULL;

/** Bytes of slabs the pool holds, in use or not.
 *  Context: any. */
size_t sp__msg_pool_bytes(struct sp__msg_pool *pool) SP_NONNULL;

/** An empty cache for the calling thread.
 *  Context: startup, the owner. */
void sp__msg_cache_init(struct sp__msg_cache *cache, struct sp__msg_pool *pool) SP_NONNULL;

/** Gives everything cached to the pool; usable again afterwards.
 *  Context: the owner. */
void sp__msg_cache_finish(struct sp__msg_cache *cache) SP_NONNULL;

/** The rare half of sp__msg_alloc() for a pooled class: nothing is loaded.
 *  Context: the owner of `cache`. */
void *sp__msg_alloc_slow(struct sp__msg_cache *cache, uint8_t class_index) SP_NONNULL SP_NODISCARD;

/** sp__msg_alloc() of what is not pooled.
 *  Context: any. */
void *sp__msg_alloc_heap(size_t size, uint8_t *out_class) SP_NONNULL SP_NODISCARD;

/** The rare half of sp__msg_free(): no cache, nothing loaded, a full batch, or the heap's.
 *  Context: any. */
void sp__msg_free_slow(struct sp__msg_cache *cache, struct sp__msg_pool *pool, void *ptr,
                       uint8_t class_index) SP_NONNULL_ARGS(2, 3);

/** `size` bytes, uninitialised, or NULL when memory is out; *out_class goes to sp__msg_free().
 *  `cache` is the caller's own, or NULL for a thread that has none.
 *  Ownership: the caller's. Context: any. */
SP_NODISCARD static inline void *sp__msg_alloc(struct sp__msg_cache *cache,
                                               struct sp__msg_pool *pool, size_t size,
                                               uint8_t *out_class)
{
    if (cache == NULL || size > SP__MSG_SIZE_MAX || pool->passthrough)
        return sp__msg_alloc_heap(size, out_class);
    uint8_t class_index = sp__msg_class_of[(size + 31) / 32];
    struct sp__msg_rack *rack = &cache->racks[class_index];
    *out_class = class_index;
    if (rack->count == 0)
        return sp__msg_alloc_slow(cache, class_index);
    void *object = rack->loaded->objects[--rack->count];
    sp__unpoison(object, sp__msg_class_bytes[class_index]);
    return object;
}

/** Gives memory back; the thread, and its cache, need not be those it came from.
 *  Context: any. */
static inline void sp__msg_free(struct sp__msg_cache *cache, struct sp__msg_pool *pool, void *ptr,
                                uint8_t class_index)
{
    bool pooled = cache != NULL && class_index < SP__MSG_CLASSES;
    struct sp__msg_rack *rack = pooled ? &cache->racks[class_index] : NULL;
    if (rack == NULL || rack->count == rack->limit) {
        sp__msg_free_slow(cache, pool, ptr, class_index);
        return;
    }
    sp__poison(ptr, sp__msg_class_bytes[class_index]);
    rack->loaded->objects[rack->count++] = ptr;
}

#endif
