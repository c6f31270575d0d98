/* The memory of one shard: small objects from slabs, large ones from malloc, all of it
 * released at once when the shard ends, however it ends.
 *
 *     slab (64 KiB, aligned to its size)
 *     +--------+------+------+------+-----------+
 *     | header | obj  | free | obj  | untouched |     one size class per slab
 *     +--------+------+------+------+-----------+
 *
 * Sizes are rounded up to a class: multiples of 16 up to 256 bytes, then four classes per
 * doubling up to 4096. A slab without objects goes back to the C library, except the last
 * one of its class. The caller says the size again when it frees, so objects carry no
 * header. A shard that crashed is dropped by kv_heap_finish() without walking its data.
 *
 * Threads: none of its own; one user at a time. Neighbours: dict.h, store.h.
 */
#ifndef KV_HEAP_H
#define KV_HEAP_H

#include "spawned/base.h"

enum {
    KV_HEAP_SLAB = 64 * 1024,
    KV_HEAP_SMALL_MAX = 4096,
    KV_HEAP_CLASSES = 32,
};

struct kv_slab;
struct kv_large;

/** One heap. Zeroed memory is not a heap: kv_heap_init() first. */
struct kv_heap {
    size_t used;                              /**< bytes handed out, rounded to classes */
    size_t max;                               /**< refuse to go above; 0: no limit */
    struct kv_slab *partial[KV_HEAP_CLASSES]; /**< slabs with room, one list per class */
    struct kv_slab *slabs;                    /**< every slab */
    struct kv_large *large;                   /**< every large object */
};

/** An empty heap that hands out at most `max` bytes (0: no limit). Context: any. */
void kv_heap_init(struct kv_heap *heap, size_t max) SP_NONNULL;

/** Releases everything that was ever allocated from `heap` and not yet freed.
 *  Context: any. */
void kv_heap_finish(struct kv_heap *heap) SP_NONNULL;

/** `size` bytes, aligned to 16, not cleared; NULL when out of memory or over the limit.
 *  Ownership: the caller's until kv_heap_free() or kv_heap_finish(). Context: any. */
void *kv_heap_alloc(struct kv_heap *heap, size_t size) SP_NONNULL SP_NODISCARD;

/** As kv_heap_alloc(), all bytes zero; large blocks come as untouched pages.
 *  Context: any. */
void *kv_heap_alloc_zero(struct kv_heap *heap, size_t size) SP_NONNULL SP_NODISCARD;

/** Gives back `ptr`, which was allocated with this `size`. NULL is accepted.
 *  Context: any. */
void kv_heap_free(struct kv_heap *heap, void *ptr, size_t size) SP_NONNULL_ARGS(1);

/** Moves `ptr` of `old_size` bytes to a block of `new_size`, keeping what fits. NULL when
 *  out of memory; `ptr` is then untouched. Context: any. */
void *kv_heap_resize(struct kv_heap *heap, void *ptr, size_t old_size, size_t new_size)
    SP_NONNULL_ARGS(1) SP_NODISCARD;

/** How many bytes an allocation of `size` really has: use them, they are paid for.
 *  Context: any. */
size_t kv_heap_round(size_t size);

#endif
