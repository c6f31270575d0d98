/* The whole store in one thread: shards, one client, no runtime. For tests, measurements and
 * the fuzzer; it does with plain calls what the server does with messages.
 *
 * A BLPOP that finds nothing answers as if its time were over at once. A published message
 * reaches the client itself if it listens.
 *
 * Threads: one user at a time. Neighbours: pipeline.h, resp_reader.h.
 */
#ifndef KV_LOCAL_H
#define KV_LOCAL_H

#include "pipeline.h"
#include "resp_reader.h"

struct kv_local_options {
    uint32_t shards;
    struct kv_seed seed;
    struct resp_limits limits; /**< zero: the defaults */
    size_t memory_max;         /**< of each shard; 0: no limit */
};

struct kv_local {
    struct kv_store *store; /**< one per shard */
    uint32_t shards;
    int64_t now_ms; /**< the time the store sees; set it before feeding */
    struct kv_command_index index;
    struct kv_env env;
    struct kv_session session;
    struct kv_pipeline pipeline;
    struct resp_reader reader;
    struct kv_arg *argv; /**< of the request under way */
    size_t argv_max;
    char *input; /**< bytes not yet consumed */
    size_t input_len;
    size_t input_cap;
    struct resp_out pushed; /**< messages for the client */
    bool switched[KV_SWITCHES];
    bool closed; /**< QUIT, or a broken protocol: nothing more is read */
};

/** An empty store with one client. It must not be moved. Errors: NOMEM. Context: any. */
SP_NODISCARD sp_err kv_local_init(struct kv_local *local, const struct kv_local_options *options)
    SP_NONNULL;

/** Releases everything. Context: any. */
void kv_local_finish(struct kv_local *local) SP_NONNULL;

/** The client hangs up and a new one connects; the data stays. Errors: NOMEM. Context: any. */
SP_NODISCARD sp_err kv_local_reconnect(struct kv_local *local) SP_NONNULL;

/** The client sends `len` bytes; the replies are appended to `out`. Errors: NOMEM, CLOSED.
 *  Context: any. */
SP_NODISCARD sp_err kv_local_feed(struct kv_local *local, const void *data, size_t len,
                                  struct resp_out *out) SP_NONNULL_ARGS(1, 4);

#endif
