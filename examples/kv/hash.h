/* A hash value: fields and values. Small ones are one packed block in the order of
 * insertion, larger ones a hash table.
 *
 *     packed   | len | field | len | value | len | field | ...      lengths in one byte
 *
 * A hash is packed up to KV_HASH_PACKED_MAX fields of at most KV_HASH_PACKED_BYTES each; the
 * first that does not fit turns it into a table for good. So HGETALL of a small hash answers in the
 * order in which the fields came, and that of a large one in no particular order.
 *
 * Threads: one user at a time. Neighbours: dict.h, heap.h, store.h.
 */
#ifndef KV_HASH_H
#define KV_HASH_H

#include "arg.h"
#include "dict.h"
#include "siphash.h"

enum {
    KV_HASH_PACKED_MAX = 512,
    KV_HASH_PACKED_BYTES = 64,
};

struct kv_hash {
    struct kv_heap *heap;
    const struct kv_seed *seed;
    size_t count;
    bool packed;
    uint8_t *bytes; /* packed: the block, */
    uint32_t used;  /* its bytes in use */
    uint32_t cap;   /* and allocated */
    struct dict table;
};

/** Sees one field. */
typedef void (*kv_hash_visit_fn)(const struct kv_arg *field, const struct kv_arg *value, void *arg);

/** An empty hash; allocates nothing yet. `seed` must outlive it. Context: any. */
void kv_hash_init(struct kv_hash *hash, struct kv_heap *heap, const struct kv_seed *seed)
    SP_NONNULL;

/** Frees all fields. Context: any. */
void kv_hash_finish(struct kv_hash *hash) SP_NONNULL;

/** Looks `field` up; the value is borrowed until the hash changes. Context: any. */
bool kv_hash_get(struct kv_hash *hash, const struct kv_arg *field, struct kv_arg *out_value)
    SP_NONNULL SP_NODISCARD;

/** Sets `field` to a copy of `value`. Errors: NOMEM, TOOBIG (4 GiB); nothing is changed
 *  then. Context: any. */
SP_NODISCARD sp_err kv_hash_set(struct kv_hash *hash, const struct kv_arg *field,
                                const struct kv_arg *value, bool *out_created) SP_NONNULL;

/** Removes `field`; false when it was not there. Context: any. */
bool kv_hash_remove(struct kv_hash *hash, const struct kv_arg *field) SP_NONNULL;

/** Visits every field; `visit` must not change the hash. Context: any. */
void kv_hash_each(const struct kv_hash *hash, kv_hash_visit_fn visit, void *arg)
    SP_NONNULL_ARGS(1, 2);

#endif
