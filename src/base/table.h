/* What base/map.h and base/strmap.h share: entries in insertion order, found by hash.
 *
 *     entries  [k v][k v][- -][k v]...        dense, in insertion order; a hole where one
 *                 ^                           was removed, closed at the next rebuild
 *     index    [h p][   ][h p][h p]...        32 bits of hash and a position; open addressing,
 *                                             linear probing, at most 2/3 full
 *
 * Up to 8 entries there is no index and nothing is hashed: a search looks at all of them (most
 * maps here are small: the monitors of one process). Removal from the index shifts the rest of
 * the run back, so there are no tombstones and a long life does not slow searches down.
 *
 * Entries double when full, halve at an insertion that finds them under an eighth in use, and
 * are given back when the last one goes.
 *
 * Invariants: values are never NULL (NULL marks a hole); entries[i] for i < `first` are holes;
 * order of iteration never depends on a hash; a failed insertion changes nothing.
 *
 * Threads: none of its own; the owner locks. Neighbours: base/map.c, base/strmap.c.
 * Source: D. Knuth, The Art of Computer Programming vol. 3, 6.4, algorithms L and R.
 */
#ifndef SP_BASE_TABLE_H
#define SP_BASE_TABLE_H

#include "base/hash.h"
#include "spawned/err.h"

struct sp__table_entry {
    uint64_t key; /* map: the key; strmap: the address of its copy */
    void *value;  /* NULL: a hole */
};

struct sp__table_slot {
    uint32_t hash;
    uint32_t position; /* SP__TABLE_NONE: free */
};

struct sp__table;

/** The hash of an entry's key; asked when the index is rebuilt. */
typedef uint32_t sp__table_hash_fn(const struct sp__table *table,
                                   const struct sp__table_entry *entry);

struct sp__table {
    struct sp__table_entry *entries;
    struct sp__table_slot *slots; /* NULL: no index */
    sp__table_hash_fn *hash;
    struct sp__hash_seed seed;
    uint32_t capacity;  /* of entries */
    uint32_t used;      /* entries[0..used) hold an entry or a hole */
    uint32_t first;     /* the lowest position that may hold an entry */
    uint32_t count;     /* entries that are not holes */
    uint32_t slot_mask; /* slots - 1; the number of slots is a power of two */
};

/** "no position". */
#define SP__TABLE_NONE UINT32_MAX

/** A search under way: see sp__table_find(). */
typedef struct sp__table_probe {
    uint32_t hash;
    uint32_t at; /* the slot (or without index the position) to look at next */
} sp__table_probe;

/** An empty table; allocates nothing.
 *  Context: any. */
void sp__table_init(struct sp__table *table, sp__table_hash_fn *hash, struct sp__hash_seed seed)
    SP_NONNULL;

/** Frees the table, not what its entries refer to.
 *  Context: any. */
void sp__table_finish(struct sp__table *table) SP_NONNULL;

/** True if searches need a hash; else sp__table_begin() takes any.
 *  Context: any. */
static inline bool sp__table_hashed(const struct sp__table *table)
{
    return table->slots != NULL;
}

/** Begins a search among the entries of `hash`.
 *  Context: any. */
sp__table_probe sp__table_begin(const struct sp__table *table, uint32_t hash) SP_NONNULL;

/** The next position that may hold the key, for the caller to compare; SP__TABLE_NONE: there is
 *  none (any more).
 *  Context: any. */
uint32_t sp__table_find(const struct sp__table *table, sp__table_probe *probe) SP_NONNULL;

/** Makes room for one more entry. Positions are stale afterwards.
 *  Errors: SP_ERR_NOMEM, SP_ERR_LIMIT (2^30 entries). Context: any. */
sp_err sp__table_reserve(struct sp__table *table) SP_NONNULL SP_NODISCARD;

/** Adds an entry whose key is not there, after sp__table_reserve().
 *  Context: any. */
void sp__table_add(struct sp__table *table, uint64_t key, void *value) SP_NONNULL;

/** Removes the entry at `position`. Other positions stay valid.
 *  Context: any. */
void sp__table_remove(struct sp__table *table, uint32_t position) SP_NONNULL;

/** The position of the first entry at or after `position`, or SP__TABLE_NONE.
 *  Context: any. */
uint32_t sp__table_next(const struct sp__table *table, uint32_t position) SP_NONNULL;

#endif
