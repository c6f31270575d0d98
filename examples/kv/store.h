/* The data of one shard: keys, their values, and when they expire.
 *
 * A store reads no clock and draws no random numbers: the time is an argument of every call
 * that needs it, and its generator starts from a seed. The same calls give the same results.
 *
 * A key expires lazily, when it is looked up after its time, and actively, by
 * kv_store_expire_some(), which the owner calls when kv_store_next_expiry() has come.
 *
 * Threads: one user at a time. Neighbours: command.h runs requests on a store; entry.h.
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include "entry.h"
#include "expiry.h"

/** Settings. Zero means the default. */
struct kv_store_options {
    struct kv_seed seed;  /**< of the key hash: the same in all shards and connections */
    uint64_t random_seed; /**< of RANDOMKEY */
    size_t memory_max;    /**< bytes for keys and values; default: no limit */
    size_t string_max;    /**< longest string value; default and maximum 512 MiB */
};

struct kv_store {
    struct kv_heap heap;
    struct dict keys;
    struct kv_expiry expiry;
    struct kv_seed seed;
    uint64_t random;
    size_t string_max;
    uint64_t expired; /**< keys removed because their time had come */
    uint64_t hits;    /**< lookups for reading that found a key */
    uint64_t misses;
};

/** A key with its hash, computed once per request. */
struct kv_key {
    const char *ptr;
    size_t len;
    uint64_t hash;
};

/** An empty store. It must not be moved afterwards. Context: any. */
void kv_store_init(struct kv_store *store, const struct kv_store_options *options) SP_NONNULL;

/** Releases everything, without a look at the data, which may be damaged. Context: any. */
void kv_store_finish(struct kv_store *store) SP_NONNULL;

/** The entry of `key`, or NULL. A key whose time has come is removed. Borrowed until the
 *  store changes. Context: any. */
struct kv_entry *kv_store_find(struct kv_store *store, const struct kv_key *key, int64_t now_ms)
    SP_NONNULL;

/** As kv_store_find(), and counts a hit or a miss. Context: any. */
struct kv_entry *kv_store_read(struct kv_store *store, const struct kv_key *key, int64_t now_ms)
    SP_NONNULL;

/** Sets `key` to a string, whatever it was. `entry` is what kv_store_find() gave, or NULL.
 *  A time to expire is kept or cleared. Errors: NOMEM, TOOBIG; the old value stays.
 *  Context: any. */
SP_NODISCARD sp_err kv_store_put(struct kv_store *store, const struct kv_key *key,
                                 struct kv_entry *entry, const struct kv_arg *value,
                                 bool keep_expiry) SP_NONNULL_ARGS(1, 2, 4);

/** Adds an absent key with an empty value of `type`. Errors: NOMEM. Context: any. */
SP_NODISCARD sp_err kv_store_create(struct kv_store *store, const struct kv_key *key,
                                    enum kv_type type, struct kv_entry **out_entry) SP_NONNULL;

/** Makes the string of `entry` `len` bytes long; what is new is zero. Errors: NOMEM, TOOBIG;
 *  the string stays as it was. Context: any. */
SP_NODISCARD sp_err kv_store_resize(struct kv_store *store, struct kv_entry *entry, size_t len)
    SP_NONNULL;

/** Removes and frees `entry`. Context: any. */
void kv_store_remove(struct kv_store *store, struct kv_entry *entry) SP_NONNULL;

/** Removes all keys. Context: any. */
void kv_store_clear(struct kv_store *store) SP_NONNULL;

/** A key chosen at random, or NULL. Keys whose time has come are removed on the way.
 *  Context: any. */
struct kv_entry *kv_store_pick(struct kv_store *store, int64_t now_ms) SP_NONNULL;

/** Removes up to `budget` keys whose time has come; returns how many. Context: any. */
size_t kv_store_expire_some(struct kv_store *store, int64_t now_ms, size_t budget) SP_NONNULL;

/** When the first key is to be removed, or INT64_MAX.
 *  Units: milliseconds since 1970. Context: any. */
int64_t kv_store_next_expiry(const struct kv_store *store) SP_NONNULL;

#endif
