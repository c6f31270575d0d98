/* Memory for messages: allocated on one worker, freed on another, in a few nanoseconds.
 *
 *     sp__msg_cache (one per worker, owner only)        sp__msg_pool (one per runtime)
 *     per class:  loaded  o-o-o-o                       per class, under its lock:
 *                 spare   o-o-o-o-o-o   <- batches ->   full   [o-o-o] [o-o-o] ...
 *                                                       slabs  64 KiB each, with free objects
 *
 * A cache holds up to two batches a class (64 objects, or 16 KiB of them). Only when both are
 * empty, or both full, one whole batch moves from or to the pool under the class's lock: one
 * lock for 64 objects, wherever they were allocated. The pool keeps up to `batches_max`
 * full batches a class; a batch above that goes back, object by object, to the slabs it was cut
 * from, and a slab of which no object is out goes back to sp__free(). So what a burst took comes
 * back after it, and slabs have no per-object header: 64 bytes are 64, where malloc would use 80.
 *
 * Requests above 1,024 bytes and those of threads without a cache are sp__malloc()'s, as
 * class SP__MSG_CLASS_HEAP. Memory is aligned to 16 bytes.
 * Free objects are poisoned under the address sanitizer.
 *
 * Threads: a cache is its owner's; the pool is everybody's. Neighbours: base/alloc.h,
 * base/lock.h. Source: J. Bonwick, J. Adams, "Magazines and Vmem" (2001).
 */
#ifndef SP_RUNTIME_MSG_POOL_H
#define SP_RUNTIME_MSG_POOL_H

#include "base/atomic.h"
#include "base/list.h"
#include "base/lock.h"
#include "spawned/base.h"

enum {
    SP__MSG_CLASSES = 9,       /* 64 96 128 192 256 384 512 768 1024 bytes */
    SP__MSG_SIZE_MAX = 1024,   /* of a pooled object */
    SP__MSG_CLASS_HEAP = 0xff, /* not pooled */
};

/** How a pool behaves; zero is the default of each. */
struct sp__msg_pool_options {
    uint32_t batches_max; /**< full batches kept per class; 0: 64 (1 MiB at most a class) */
    bool passthrough;     /**< every object is sp__malloc()'s: for Valgrind and for hunting bugs */
};

/** The pool's part of one class. */
struct sp__msg_depot {
    SP__CACHE_ALIGNED struct sp__lock lock;
    uint32_t batch_count SP__GUARDED_BY(lock);
    void *batches SP__GUARDED_BY(lock);           /* full ones, a stack */
    struct sp__list partial SP__GUARDED_BY(lock); /* slabs with an object to cut or reuse */
    size_t slab_count SP__GUARDED_BY(lock);
};

struct sp__msg_pool {
    uint32_t batches_max;
    bool passthrough;
    struct sp__msg_depot depots[SP__MSG_CLASSES];
};

/** The cache's part of one class: two stacks of free objects. */
struct sp__msg_rack {
    void *loaded;
    void *spare; /* a full batch, or NULL */
    uint32_t loaded_count;
};

struct sp__msg_cache {
    struct sp__msg_pool *pool;
    struct sp__msg_rack racks[SP__MSG_CLASSES];
};

/** An empty pool; `options` may be NULL. Allocates nothing.
 *  Context: startup. */
void sp__msg_pool_init(struct sp__msg_pool *pool, const struct sp__msg_pool_options *options)
    SP_NONNULL_ARGS(1);

/** Frees what is cached; every object is back and every cache finished.
 *  Context: startup (the runtime's end). */
void sp__msg_pool_finish(struct sp__msg_pool *pool) SP_NONNULL;

/** Bytes the pool holds of the system, in use or not (without class SP__MSG_CLASS_HEAP).
 *  Context: any. */
size_t sp__msg_pool_bytes(struct sp__msg_pool *pool) SP_NONNULL;

/** An empty cache for the calling thread.
 *  Context: startup, the owner. */
void sp__msg_cache_init(struct sp__msg_cache *cache, struct sp__msg_pool *pool) SP_NONNULL;

/** Gives everything cached to the pool; usable again afterwards.
 *  Context: the owner. */
void sp__msg_cache_finish(struct sp__msg_cache *cache) SP_NONNULL;

/** `size` bytes, uninitialised, or NULL when memory is out; *out_class goes to sp__msg_free().
 *  `cache` is the caller's own, or NULL for a thread that has none.
 *  Ownership: the caller's. Context: any. */
void *sp__msg_alloc(struct sp__msg_cache *cache, struct sp__msg_pool *pool, size_t size,
                    uint8_t *out_class) SP_NONNULL_ARGS(2, 4) SP_NODISCARD;

/** Gives memory back; the thread, and its cache, need not be those it came from.
 *  Context: any. */
void sp__msg_free(struct sp__msg_cache *cache, struct sp__msg_pool *pool, void *ptr,
                  uint8_t class_index) SP_NONNULL_ARGS(2, 3);

/** The bytes usable in an object of a pooled class. */
size_t sp__msg_class_size(uint8_t class_index);

#endif
