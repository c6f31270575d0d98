/* From requests to replies: which shard runs what, and how the answers become one stream.
 *
 *     requests of one client      batches                 replies, in the order of requests
 *     GET a  ─────────────────▶ shard 2: GET a  ────────▶ $1 x
 *     MGET b c ───────────────▶ shard 0: MGET b           *2 $1 y $1 z
 *     PING ──┐                  shard 2: MGET c           +PONG
 *            └ answered at once
 *
 * A connection adds requests until it has none at hand, then makes rounds: every batch with
 * something to run is sent to its shard, all shards work at the same time, the batches come
 * back, and kv_pipeline_next() says whether another round is needed (SCAN goes from shard to
 * shard, BLPOP from key to key). Then the replies are merged.
 *
 * What the client may rely on: its commands take effect in their order on each key. Commands on
 * several keys are not atomic across shards: every key is read or written at some moment
 * between request and reply. A shard that was lost answers with an error for each command
 * that had a part in it; parts in other shards have been done.
 *
 * Threads: its connection. Neighbours: batch.h, session.h.
 */
#ifndef KV_PIPELINE_H
#define KV_PIPELINE_H

#include "batch.h"
#include "session.h"

/** One request in the pipeline. */
struct kv_step {
    const struct kv_command *command; /**< NULL: the reply is ready in `local` */
    uint32_t first_part;
    uint32_t parts;
    size_t local_at; /**< ready replies: where */
    size_t local_len;
    uint64_t cursor; /**< SCAN: where to go on, 0 when through */
    uint8_t protocol;
    bool silent;   /**< the client asked for no reply */
    bool unserved; /**< BLOCK: every key was tried, and none had an element */
};

/** Where a part of a request is run. */
struct kv_part {
    uint32_t shard;
    uint32_t item;
};

struct kv_pipeline {
    struct kv_session *session;
    const struct kv_env *env;
    const struct kv_command_index *index;
    struct kv_seed seed;
    uint64_t random; /**< for RANDOMKEY: which shard */
    uint32_t shards;
    size_t reply_max;
    struct kv_batch **batch; /**< per shard; NULL: nothing for it */
    const char **lost;       /**< per shard: the error when it was lost, else NULL */
    struct kv_batch *spare;  /**< kept for the next request */
    struct kv_step *step;
    size_t steps;
    size_t step_cap;
    struct kv_part *part;
    size_t parts;
    size_t part_cap;
    struct resp_out local;     /**< replies of the connection itself */
    const struct kv_arg *argv; /**< SCAN, BLOCK: the request, borrowed until the merge */
    size_t argc;
    bool plain;  /**< so far all steps are whole commands of one shard: nothing to merge */
    bool failed; /**< out of memory: the connection is to be closed */
};

struct kv_pipeline_options {
    struct kv_session *session;
    const struct kv_env *env;
    const struct kv_command_index *index;
    struct kv_seed seed; /**< the shards' */
    uint64_t random_seed;
    uint32_t shards;
    size_t reply_max; /**< bytes of replies of one batch; 0: no limit */
};

/** What became of a request. */
enum kv_added {
    KV_ADDED, /**< taken: make rounds and merge when no more requests are at hand */
    KV_ALONE, /**< not taken: finish what is there, then add it again to an empty pipeline */
};

/** An empty pipeline. Errors: NOMEM; nothing to finish then. Context: any. */
SP_NODISCARD sp_err kv_pipeline_init(struct kv_pipeline *pipeline,
                                     const struct kv_pipeline_options *options) SP_NONNULL;

/** Releases the pipeline and the batches that are in it. Context: any. */
void kv_pipeline_finish(struct kv_pipeline *pipeline) SP_NONNULL;

/** Takes a request of at least one argument. What it needs of it is copied, except for the
 *  SCAN and BLOCK routes, whose `argv` must stay as it is until the merge.
 *  Context: process, may suspend (commands that ask the environment). */
enum kv_added kv_pipeline_add(struct kv_pipeline *pipeline, const struct kv_arg *argv, size_t argc)
    SP_NONNULL SP_NODISCARD;

/** The batch to send to `shard` in this round, or NULL. The batch leaves the pipeline; give it
 *  back with kv_pipeline_done() or kv_pipeline_lose(). Context: any. */
struct kv_batch *kv_pipeline_take(struct kv_pipeline *pipeline, uint32_t shard)
    SP_NONNULL SP_NODISCARD;

/** `moved_batch` came back from its shard. Context: any. */
void kv_pipeline_done(struct kv_pipeline *pipeline, uint32_t shard, struct kv_batch *moved_batch)
    SP_NONNULL;

/** The shard was lost with its batch; `error` (static, as for resp_error()) is the reply of
 *  what had a part in it. Context: any. */
void kv_pipeline_lose(struct kv_pipeline *pipeline, uint32_t shard, const char *error) SP_NONNULL;

/** Prepares the next round; false when all requests are answered. Context: any. */
bool kv_pipeline_next(struct kv_pipeline *pipeline) SP_NONNULL;

/** True when the one request is a BLPOP or BRPOP that found nothing: it has no reply yet, and
 *  the client is to wait. Context: any. */
bool kv_pipeline_blocks(const struct kv_pipeline *pipeline) SP_NONNULL;

/** Appends the replies to `out` and empties the pipeline. Context: any. */
void kv_pipeline_merge(struct kv_pipeline *pipeline, struct resp_out *out) SP_NONNULL;

/** The shard of a key's hash. Context: any. */
static inline uint32_t kv_shard_of(uint64_t hash, uint32_t shards)
{
    /* The high half chooses the shard, the low half the bucket in it. */
    return (uint32_t)(((hash >> 32) * shards) >> 32);
}

#endif
