/* A connection: a server with a stream attached, for one client.
 *
 *     requests arrive ──> kv_pipeline_add() ... ──> rounds: batches to the shards and back
 *                                                     │
 *     replies in one write <── kv_pipeline_merge() <──┘
 *
 * Between two requests it owns no stack and no buffer. A client in BLPOP or BRPOP waits
 * without a stack, too: what it sends meanwhile is held until it is served.
 *
 * Threads: a process each. Neighbours: pipeline.h, session.h, shard.h; pubsub.h brings what was
 * published, clients.h lists and ends connections.
 */
#ifndef KV_CONNECTION_H
#define KV_CONNECTION_H

#include "world.h"

#include "spawned/serve.h"

/** A shard has something for a client that waits. Owns `bytes`. */
struct kv_woken {
    uint64_t turn; /**< which wait it answers */
    uint32_t shard;
    bool served; /**< it got `value`; else it is to pop for itself */
    size_t key_len;
    size_t value_len;
    char *bytes; /**< key, then value */
};

/** Frees a wake-up that nobody takes. Context: any. */
void kv_woken_drop(struct kv_woken *woken) SP_NONNULL;

/** A message published to a channel, shared by all that get it. */
struct kv_note {
    _Atomic uint32_t refs;
    bool by_pattern;
    size_t pattern_len;
    size_t channel_len;
    size_t message_len;
    char bytes[]; /**< pattern, channel, message */
};

/** A reference to a note on its way. */
struct kv_delivery {
    struct kv_note *note;
};

/** A note with one reference; `pattern` may be NULL. NULL when out of memory. Context: any. */
struct kv_note *kv_note_create(const struct kv_arg *pattern, const struct kv_arg *channel,
                               const struct kv_arg *message) SP_NONNULL_ARGS(2, 3) SP_NODISCARD;

/** One more reference. Context: any. */
struct kv_delivery kv_note_share(struct kv_note *note) SP_NONNULL;

/** Drops the reference. Context: any. */
void kv_delivery_drop(struct kv_delivery *delivery) SP_NONNULL;

/** `arg` of the connection is the world. */
SP_SERVER(kv_connection, struct sp_connection);
/** A shard has something. */
SP_CAST_MOVED(kv_connection, woken, struct kv_woken, kv_woken_drop);
/** Something was published. */
SP_CAST_MOVED(kv_connection, deliver, struct kv_delivery, kv_delivery_drop);
/** Tell the registry of clients about yourself, for this round. */
SP_CAST(kv_connection, describe, uint64_t);
/** The time of this wait is over. */
SP_CAST(kv_connection, give_up, uint64_t);
/** Has the client been idle for too long? */
SP_CAST(kv_connection, check_idle, sp_empty);

#endif
