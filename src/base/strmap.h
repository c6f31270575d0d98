/* A hash map from byte strings to pointers, iterated in insertion order.
 *
 * The layout and the rules are those of base/map.h. Keys are copied and may hold any byte;
 * the copy is followed by a zero, so a key made of text can be printed.
 *
 * Threads: none of its own; the owner locks. Neighbours: base/hash.h, base/map.h.
 */
#ifndef SP_BASE_STRMAP_H
#define SP_BASE_STRMAP_H

#include "base/hash.h"
#include "base/hash_index.h"
#include "spawned/err.h"

struct sp__strmap_entry {
    char *key;
    uint32_t key_size; /* without the zero behind it */
    uint32_t hash;
    void *value; /* NULL: a hole */
};

struct sp__strmap {
    struct sp__strmap_entry *entries;
    uint32_t capacity; /* of entries */
    uint32_t used;     /* entries[0..used) hold an entry or a hole */
    uint32_t first;    /* no entry is before this position */
    uint32_t count;    /* entries that are not holes */
    struct sp__hash_index index;
    struct sp__hash_seed seed;
};

/** An empty map; allocates nothing.
 *  Context: any. */
void sp__strmap_init(struct sp__strmap *map, struct sp__hash_seed seed) SP_NONNULL;

/** Frees the map and its keys, not what its values point at.
 *  Context: any. */
void sp__strmap_finish(struct sp__strmap *map) SP_NONNULL;

/** The value of the key of `size` bytes at `key`, or NULL.
 *  Ownership: borrowed from whoever put it. Context: any. */
void *sp__strmap_get(const struct sp__strmap *map, const char *key, size_t size) SP_NONNULL;

/** Adds a key.
 *  Errors: SP_ERR_EXISTS (the map keeps the old value), SP_ERR_NOMEM, SP_ERR_LIMIT (2^31
 *  entries), SP_ERR_TOOBIG (a key of 4 GiB). Ownership: the key is copied; the map stores the
 *  value, not NULL, and never frees it. Context: any. */
sp_err sp__strmap_add(struct sp__strmap *map, const char *key, size_t size,
                      void *value) SP_NONNULL SP_NODISCARD;

/** Adds a key, or replaces its value (which keeps its place in the order).
 *  Errors: as sp__strmap_add() without SP_ERR_EXISTS; none for a key that is there.
 *  Context: any. */
sp_err sp__strmap_put(struct sp__strmap *map, const char *key, size_t size,
                      void *value) SP_NONNULL SP_NODISCARD;

/** Removes a key and returns what it had, or NULL.
 *  Ownership: the value is the caller's again; the copy of the key is freed. Context: any. */
void *sp__strmap_remove(struct sp__strmap *map, const char *key, size_t size) SP_NONNULL;

/** How many entries. */
static inline size_t sp__strmap_count(const struct sp__strmap *map)
{
    return map->count;
}

/** The entry at or after position *cursor, which moves behind it; NULL at the end. Begin with
 *  a cursor of 0. Between two steps the entry just returned (or an earlier one) may be removed;
 *  any other removal is seen; an insertion is not allowed.
 *  Ownership: borrowed until the next change of the map. Context: any. */
const struct sp__strmap_entry *sp__strmap_next(const struct sp__strmap *map,
                                               uint32_t *cursor) SP_NONNULL;

#endif
