/* A hash map from byte strings to pointers, iterated in insertion order.
 *
 * Layout, growth and invariants are base/table.h's. Keys are copied and may hold any byte; the
 * copy is followed by a zero, so a key made of text can be printed.
 *
 * Threads: none of its own; the owner locks. Neighbours: base/table.h, base/map.h.
 */
#ifndef SP_BASE_STRMAP_H
#define SP_BASE_STRMAP_H

#include "base/table.h"

struct sp__strmap {
    struct sp__table table;
};

/** What iteration shows; the key is the map's until its removal. */
typedef struct sp__strmap_item {
    const char *key;
    size_t key_size; /**< without the zero behind it */
    void *value;
} sp__strmap_item;

/** An empty map; allocates nothing. `seed` is the runtime's random choice.
 *  Context: any. */
void sp__strmap_init(struct sp__strmap *map, struct sp__hash_seed seed) SP_NONNULL;

/** Frees the map and its keys, not what its values point at.
 *  Context: any. */
void sp__strmap_finish(struct sp__strmap *map) SP_NONNULL;

/** The value of the key of `size` bytes at `key`, or NULL.
 *  Ownership: as whoever put it says. Context: any. */
void *sp__strmap_get(const struct sp__strmap *map, const char *key, size_t size) SP_NONNULL;

/** Adds a key.
 *  Errors: SP_ERR_EXISTS (the map keeps the old value), SP_ERR_NOMEM, SP_ERR_LIMIT (2^30
 *  entries), SP_ERR_TOOBIG (a key of 2 GiB or more). Ownership: the key is copied; the map stores
 *  the value (not NULL) and never frees it. Context: any. */
sp_err sp__strmap_add(struct sp__strmap *map, const char *key, size_t size, void *value)
    SP_NONNULL SP_NODISCARD;

/** Adds a key, or replaces its value, which keeps its place in the order.
 *  Errors: as sp__strmap_add() without SP_ERR_EXISTS; none for a key that is there.
 *  Context: any. */
sp_err sp__strmap_put(struct sp__strmap *map, const char *key, size_t size, void *value)
    SP_NONNULL SP_NODISCARD;

/** Removes a key and returns what it had, or NULL.
 *  Ownership: the value is the caller's again; the copy of the key is freed. Context: any. */
void *sp__strmap_remove(struct sp__strmap *map, const char *key, size_t size) SP_NONNULL;

/** How many keys. */
static inline size_t sp__strmap_count(const struct sp__strmap *map)
{
    return map->table.count;
}

/** Steps through the map in insertion order: false at the end. Begin with *cursor 0. Between two
 *  steps anything may be removed; nothing may be added.
 *  Context: any. */
bool sp__strmap_next(const struct sp__strmap *map, uint32_t *cursor, sp__strmap_item *out_item)
    SP_NONNULL;

#endif
