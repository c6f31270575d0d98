/* The keys that expire, soonest first: a binary heap of entries that know their place in it.
 *
 * So the next moment anything is due is known without looking around, an idle shard needs no
 * periodic sweep, and clearing away what is due costs a bounded step per key.
 *
 * Threads: one user at a time. Neighbours: store.h.
 */
#ifndef KV_EXPIRY_H
#define KV_EXPIRY_H

#include "entry.h"

struct kv_expiry_slot {
    int64_t at_ms;
    struct kv_entry *entry;
};

struct kv_expiry {
    struct kv_heap *heap;
    struct kv_expiry_slot *slot; /**< from index 1: entry->expiry is the index */
    uint32_t count;
    uint32_t cap;
};

/** No keys; allocates nothing yet. Context: any. */
void kv_expiry_init(struct kv_expiry *expiry, struct kv_heap *heap) SP_NONNULL;

/** Frees the heap and forgets the entries, which keep their stale place. Context: any. */
void kv_expiry_finish(struct kv_expiry *expiry) SP_NONNULL;

/** Sets or moves the moment at which `entry` expires. Errors: NOMEM, LIMIT (2^32 keys).
 *  Units: milliseconds since 1970. Context: any. */
SP_NODISCARD sp_err kv_expiry_set(struct kv_expiry *expiry, struct kv_entry *entry, int64_t at_ms)
    SP_NONNULL;

/** `entry` expires no more; false when it did not before. Context: any. */
bool kv_expiry_remove(struct kv_expiry *expiry, struct kv_entry *entry) SP_NONNULL;

/** When `entry` expires, or -1. Context: any. */
static inline int64_t kv_expiry_at(const struct kv_expiry *expiry, const struct kv_entry *entry)
{
    return entry->expiry == 0 ? -1 : expiry->slot[entry->expiry].at_ms;
}

/** `entry` was moved in memory: point to its new place. Context: any. */
void kv_expiry_moved(struct kv_expiry *expiry, struct kv_entry *entry) SP_NONNULL;

/** The entry that expires first, or NULL. Context: any. */
struct kv_entry *kv_expiry_first(const struct kv_expiry *expiry) SP_NONNULL;

#endif
