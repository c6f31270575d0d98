/* The exchange: who listens to which channels and patterns, and the delivery of what is
 * published.
 *
 *     channel "news" ─── subscription ─── subscription
 *                             │                │
 *     pattern "n*"   ─── subscription          │
 *                             │                │
 *                        subscriber 7     subscriber 9      each monitored once
 *
 * One server, so that everybody sees messages in the same order. A subscriber that ends is
 * forgotten with all its subscriptions. One whose mailbox is full is ended: it does not read
 * what it asked for.
 *
 * Threads: its process. Neighbours: connection.c is told, connection_env.c asks.
 */
#ifndef KV_PUBSUB_H
#define KV_PUBSUB_H

#include "world.h"

#include "spawned/server.h"

/** Name of the process. */
#define KV_PUBSUB_NAME "pubsub"

struct kv_pubsub_args {
    struct kv_world *world;
};

/** Begin or end to listen. Owns `name`. */
struct kv_listen {
    sp_pid pid;
    bool pattern;
    bool on;
    size_t name_len;
    char *name;
};

/** Frees an order that nobody takes. Context: any. */
void kv_listen_drop(struct kv_listen *order) SP_NONNULL;

/** What became of a publication. */
struct kv_published {
    uint64_t heard; /**< subscriptions that got it, without the publisher's own */
};

/** Figures for INFO. */
struct kv_pubsub_figures {
    uint64_t channels;
    uint64_t patterns;
};

struct kv_listen_result {
    char unused;
};

/** Frees nothing. Context: any. */
void kv_listen_result_drop(struct kv_listen_result *result) SP_NONNULL;

/** What is published; owns its bytes. */
struct kv_publish_order {
    sp_pid from; /**< takes its own copy itself */
    size_t channel_len;
    size_t message_len;
    char *bytes; /**< channel, then message */
};

/** Frees an order that nobody takes. Context: any. */
void kv_publish_order_drop(struct kv_publish_order *order) SP_NONNULL;

/** Frees nothing. Context: any. */
void kv_published_drop(struct kv_published *published) SP_NONNULL;

SP_SERVER(kv_pubsub, struct kv_pubsub_args);
/** Begin or end to listen. Errors: NOMEM. */
SP_CALL_MOVED(kv_pubsub, listen, struct kv_listen, kv_listen_drop, struct kv_listen_result,
              kv_listen_result_drop);
/** Publish. */
SP_CALL_MOVED(kv_pubsub, publish, struct kv_publish_order, kv_publish_order_drop,
              struct kv_published, kv_published_drop);
/** Figures for INFO. */
SP_CALL(kv_pubsub, figures, sp_empty, struct kv_pubsub_figures);

#endif
