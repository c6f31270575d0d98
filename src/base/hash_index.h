/* The searching half of a hash map: from a hash to positions in the owner's array.
 *
 * Open addressing, linear probing, at most 3/4 full. Removal shifts the rest of the run
 * back, so there are no tombstones and a long life does not slow look-ups down. A slot holds
 * 32 bits of hash beside the position: a probe rarely has to look at the entry, and a
 * rebuild never has to hash a key again.
 *
 * Threads: none of its own. Neighbours: base/map.c and base/strmap.c, the only users.
 * Source: D. Knuth, The Art of Computer Programming vol. 3, 6.4, algorithms L and R.
 */
#ifndef SP_BASE_HASH_INDEX_H
#define SP_BASE_HASH_INDEX_H

#include "spawned/err.h"

/** Where a search has come to; see sp__hash_index_find(). */
typedef struct sp__hash_probe {
    uint32_t slot;
    uint32_t hash;
} sp__hash_probe;

/** "no position": what a search without a hit returns. */
#define SP__HASH_INDEX_NONE UINT32_MAX

struct sp__hash_index_slot {
    uint32_t hash;
    uint32_t position; /* SP__HASH_INDEX_NONE: free */
};

struct sp__hash_index {
    struct sp__hash_index_slot *slots; /* NULL: the index does not exist */
    uint32_t mask;                     /* number of slots - 1; a power of two - 1 */
};

/** Makes an empty index for up to `entries` entries.
 *  Errors: SP_ERR_NOMEM. Ownership: *out_index is the caller's, sp__hash_index_finish().
 *  Context: any. */
sp_err sp__hash_index_create(uint32_t entries,
                             struct sp__hash_index *out_index) SP_NONNULL SP_NODISCARD;

/** Frees the slots; the index does not exist afterwards.
 *  Context: any. */
void sp__hash_index_finish(struct sp__hash_index *index) SP_NONNULL;

/** Begins a search for `hash`.
 *  Context: any. */
sp__hash_probe sp__hash_index_begin(const struct sp__hash_index *index, uint32_t hash) SP_NONNULL;

/** The next position stored under the probe's hash, or SP__HASH_INDEX_NONE. Call again to go
 *  on after a position that turned out to hold another key.
 *  Context: any. */
uint32_t sp__hash_index_find(const struct sp__hash_index *index, sp__hash_probe *probe) SP_NONNULL;

/** Adds a position; the index was created large enough.
 *  Context: any. */
void sp__hash_index_add(struct sp__hash_index *index, uint32_t hash, uint32_t position) SP_NONNULL;

/** Removes the slot that holds `position` under `hash`; it is there.
 *  Context: any. */
void sp__hash_index_remove(struct sp__hash_index *index, uint32_t hash,
                           uint32_t position) SP_NONNULL;

#endif
