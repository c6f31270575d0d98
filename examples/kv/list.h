/* A list value: a ring of pointers to byte strings. Both ends are O(1), and so is access by
 * index, so LRANGE in the middle of a long list costs only what it returns.
 *
 *     ring  [ c ][ d ][   ][   ][ a ][ b ]     head = 4, count = 4, cap = 6 (a power of two)
 *
 * Threads: one user at a time. Neighbours: heap.h, store.h.
 */
#ifndef KV_LIST_H
#define KV_LIST_H

#include "arg.h"
#include "heap.h"

#include "spawned/err.h"

/** One element. */
struct kv_blob {
    uint32_t len;
    char bytes[];
};

struct kv_list {
    struct kv_heap *heap;
    struct kv_blob **ring;
    size_t cap;
    size_t head;
    size_t count;
};

/** An empty list; allocates nothing yet. Context: any. */
void kv_list_init(struct kv_list *list, struct kv_heap *heap) SP_NONNULL;

/** Frees all elements. Context: any. */
void kv_list_finish(struct kv_list *list) SP_NONNULL;

/** Adds a copy of `value` at the front or the back. Errors: NOMEM, TOOBIG (4 GiB).
 *  Context: any. */
SP_NODISCARD sp_err kv_list_push(struct kv_list *list, const struct kv_arg *value, bool front)
    SP_NONNULL;

/** The element at `index` < count, counted from the front. Borrowed until the list changes.
 *  Context: any. */
struct kv_arg kv_list_at(const struct kv_list *list, size_t index) SP_NONNULL;

/** Removes and frees the first or last element; the list must not be empty.
 *  Context: any. */
void kv_list_drop(struct kv_list *list, bool front) SP_NONNULL;

#endif
