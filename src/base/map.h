/* A hash map from 64-bit keys to pointers, iterated in insertion order.
 *
 *     entries  [k v][k v][- -][k v]...      dense, in insertion order; a hole where
 *                 ^                         one was removed, closed at the next rebuild
 *     index    { hash, position }...        base/hash_index.h; only above 8 entries
 *
 * Up to 8 entries are searched in order, without index or hash: most maps here are small
 * (the monitors of one process). Memory doubles when full, halves at an insertion that finds
 * it under an eighth full, and is given back when the last entry goes.
 *
 * Invariants: no key twice; values are never NULL; iteration never depends on the seed.
 * A failed insertion changes nothing.
 *
 * Threads: none of its own; the owner locks. Neighbours: base/hash.h, base/strmap.h.
 */
#ifndef SP_BASE_MAP_H
#define SP_BASE_MAP_H

#include "base/hash.h"
#include "base/hash_index.h"
#include "spawned/err.h"

struct sp__map_entry {
    uint64_t key;
    void *value; /* NULL: a hole */
};

struct sp__map {
    struct sp__map_entry *entries;
    uint32_t capacity; /* of entries */
    uint32_t used;     /* entries[0..used) hold an entry or a hole */
    uint32_t first;    /* no entry is before this position */
    uint32_t count;    /* entries that are not holes */
    struct sp__hash_index index;
    struct sp__hash_seed seed;
};

/** An empty map; allocates nothing.
 *  Context: any. */
void sp__map_init(struct sp__map *map, struct sp__hash_seed seed) SP_NONNULL;

/** Frees the map, not what its values point at.
 *  Context: any. */
void sp__map_finish(struct sp__map *map) SP_NONNULL;

/** The value of `key`, or NULL.
 *  Ownership: borrowed from whoever put it. Context: any. */
void *sp__map_get(const struct sp__map *map, uint64_t key) SP_NONNULL;

/** Adds `key`.
 *  Errors: SP_ERR_EXISTS (the map keeps the old value), SP_ERR_NOMEM, SP_ERR_LIMIT (2^31
 *  entries). Ownership: the map stores the pointer, not NULL, and never frees it.
 *  Context: any. */
sp_err sp__map_add(struct sp__map *map, uint64_t key, void *value) SP_NONNULL SP_NODISCARD;

/** Adds `key`, or replaces its value (which keeps its place in the order).
 *  Errors: SP_ERR_NOMEM, SP_ERR_LIMIT, never for a key that is there. Context: any. */
sp_err sp__map_put(struct sp__map *map, uint64_t key, void *value) SP_NONNULL SP_NODISCARD;

/** Removes `key` and returns what it had, or NULL.
 *  Ownership: back to the caller. Context: any. */
void *sp__map_remove(struct sp__map *map, uint64_t key) SP_NONNULL;

/** How many entries. */
static inline size_t sp__map_count(const struct sp__map *map)
{
    return map->count;
}

/** The entry at or after position *cursor, which moves behind it; NULL at the end. Begin with
 *  a cursor of 0. Between two steps the entry just returned (or an earlier one) may be removed;
 *  any other removal is seen; an insertion is not allowed.
 *  Ownership: borrowed until the next change of the map. Context: any. */
const struct sp__map_entry *sp__map_next(const struct sp__map *map, uint32_t *cursor) SP_NONNULL;

#endif
