/* Clients that wait for an element of a list (BLPOP, BRPOP), in one shard.
 *
 *     key "jobs"   [ client 7 ] - [ client 3 ] - [ client 9 ]      first come, first served
 *     key "mail"   [ client 3 ]                                    3 waits for either
 *
 * A client all of whose keys lie in this shard is served here: the element is popped and given
 * to it, in the order in which the clients came. A client that waits in several shards at
 * once cannot be, because two shards might both serve it; it is told that its turn has come,
 * and pops for itself. Until it has answered, by kv_waiters_rearm() or kv_waiters_remove(),
 * those behind it wait.
 *
 * Whoever adds a client must do so where no element can come between its look at the lists
 * and the wait; so kv_waiters_add() looks once more itself.
 *
 * Threads: one user at a time. Neighbours: store.h; batch.h calls kv_waiters_serve() after
 * each push.
 */
#ifndef KV_WAITERS_H
#define KV_WAITERS_H

#include "store.h"

/** Tells a client what it gets: `value` is its element, or NULL when it is to pop for itself.
 *  Both are borrowed for the call. False: it is not there any more; the element stays, and the
 *  client waits no more if it was to be given one. */
typedef bool (*kv_wake_fn)(void *arg, uint64_t client, const struct kv_arg *key,
                           const struct kv_arg *value);

struct kv_waiters {
    struct kv_store *store;
    kv_wake_fn wake;
    void *arg;           /**< passed to `wake` */
    struct dict queues;  /**< by key */
    struct dict clients; /**< by id */
};

/** What a client waits for. */
struct kv_wait {
    uint64_t client;           /**< an id; waits once at a time */
    const struct kv_key *keys; /**< in the order of preference */
    size_t key_count;
    bool front;  /**< pop the first element, else the last */
    bool shared; /**< it waits in other shards, too */
};

/** Nobody waits. Memory comes from the store, and goes with it. Context: any. */
void kv_waiters_init(struct kv_waiters *waiters, struct kv_store *store, kv_wake_fn wake, void *arg)
    SP_NONNULL_ARGS(1, 2, 3);

/** How many clients wait. Context: any. */
size_t kv_waiters_count(const struct kv_waiters *waiters) SP_NONNULL;

/** The client waits, unless one of its keys has an element now, with which it is served at
 *  once. Errors: NOMEM, EXISTS (it waits already); it does not wait then. Context: any. */
SP_NODISCARD sp_err kv_waiters_add(struct kv_waiters *waiters, const struct kv_wait *wait,
                                   int64_t now_ms) SP_NONNULL;

/** The client, told that its turn had come, found nothing and goes on waiting in its place.
 *  Errors: NOTFOUND. Context: any. */
SP_NODISCARD sp_err kv_waiters_rearm(struct kv_waiters *waiters, uint64_t client, int64_t now_ms)
    SP_NONNULL;

/** The client waits no more (it was served, gave up, or hung up), and those behind it have
 *  their turn. Errors: NOTFOUND: it had been served. Context: any. */
SP_NODISCARD sp_err kv_waiters_remove(struct kv_waiters *waiters, uint64_t client, int64_t now_ms)
    SP_NONNULL;

/** Elements may have come to `key`: serves those that wait for it. Context: any. */
void kv_waiters_serve(struct kv_waiters *waiters, const struct kv_key *key, int64_t now_ms)
    SP_NONNULL;

#endif
