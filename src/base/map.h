/* A hash map from 64-bit keys to pointers, iterated in insertion order.
 *
 * Layout, growth and invariants are base/table.h's.
 *
 * Threads: none of its own; the owner locks. Neighbours: base/table.h, base/strmap.h.
 */
#ifndef SP_BASE_MAP_H
#define SP_BASE_MAP_H

#include "base/table.h"

struct sp__map {
    struct sp__table table;
};

/** What iteration shows. */
typedef struct sp__map_item {
    uint64_t key;
    void *value;
} sp__map_item;

/** An empty map; allocates nothing. `seed` is the runtime's random choice.
 *  Context: any. */
void sp__map_init(struct sp__map *map, struct sp__hash_seed seed) SP_NONNULL;

/** Frees the map, not what its values point at.
 *  Context: any. */
void sp__map_finish(struct sp__map *map) SP_NONNULL;

/** The value of `key`, or NULL.
 *  Ownership: as whoever put it says. Context: any. */
void *sp__map_get(const struct sp__map *map, uint64_t key) SP_NONNULL;

/** Adds `key`.
 *  Errors: SP_ERR_EXISTS (the map keeps the old value), SP_ERR_NOMEM, SP_ERR_LIMIT (2^30
 *  entries). Ownership: the map stores the pointer (not NULL) and never frees it.
 *  Context: any. */
sp_err sp__map_add(struct sp__map *map, uint64_t key, void *value) SP_NONNULL SP_NODISCARD;

/** Adds `key`, or replaces its value, which keeps its place in the order.
 *  Errors: SP_ERR_NOMEM, SP_ERR_LIMIT, never for a key that is there. Context: any. */
sp_err sp__map_put(struct sp__map *map, uint64_t key, void *value) SP_NONNULL SP_NODISCARD;

/** Removes `key` and returns what it had, or NULL.
 *  Ownership: back to the caller. Context: any. */
void *sp__map_remove(struct sp__map *map, uint64_t key) SP_NONNULL;

/** How many keys. */
static inline size_t sp__map_count(const struct sp__map *map)
{
    return map->table.count;
}

/** Steps through the map in insertion order: false at the end. Begin with *cursor 0. Between two
 *  steps anything may be removed; nothing may be added.
 *  Context: any. */
bool sp__map_next(const struct sp__map *map, uint32_t *cursor, sp__map_item *out_item) SP_NONNULL;

#endif
