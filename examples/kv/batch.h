/* Requests for one shard and, after it ran them, their replies: what a connection and a
 * shard send each other.
 *
 *     item   [ command, spans 0..1, reply 0..9 ][ command, spans 2..4, reply 9..14 ]
 *     span   [0,1][1,5][6,1]...                  where the arguments lie in `bytes`
 *     bytes  k value k ...                       copies: the connection's buffer stays its own
 *     out    $1\r\nx\r\n ...                     the replies, one after another
 *
 * A batch is one message for as many pipelined commands as there are, so the price of the
 * trip is paid once. It belongs to one side at a time. It may make the trip again with more
 * items; replies of earlier trips stay in place.
 *
 * Threads: one owner at a time. Neighbours: pipeline.h fills batches and merges replies.
 */
#ifndef KV_BATCH_H
#define KV_BATCH_H

#include "command.h"
#include "resp_reader.h"
#include "waiters.h"

/** One request, or one part of a request on several keys. */
struct kv_item {
    const struct kv_command *command;
    uint64_t hash;       /**< of the key, if the command has one */
    uint64_t cursor;     /**< SCAN: in and out */
    int64_t budget;      /**< SCAN: in and out */
    int64_t number;      /**< out: see struct kv_call */
    size_t reply_at;     /**< out: where the reply lies in the batch's output */
    size_t reply_len;    /**< out */
    uint32_t first_span; /**< of its arguments, the name not among them */
    uint32_t spans;
    uint8_t protocol;
};

/** What kv_batch_add() copies. */
struct kv_item_source {
    const struct kv_command *command;
    const struct kv_arg *args; /**< without the name */
    size_t count;
    uint64_t hash;
    uint64_t cursor;
    int64_t budget;
    int protocol;
};

struct kv_batch {
    struct kv_item *item;
    size_t items;
    size_t item_cap;
    size_t ran; /**< items that have been run */
    struct resp_span *span;
    size_t spans;
    size_t span_cap;
    char *bytes;
    size_t bytes_len;
    size_t bytes_cap;
    struct resp_out out;
    struct kv_batch *next; /**< for whoever owns it */
};

/** An empty batch, whose replies may take at most `reply_max` bytes (0: no limit); NULL when
 *  out of memory. Context: any. */
struct kv_batch *kv_batch_create(size_t reply_max) SP_NODISCARD;

/** Frees a batch; NULL is accepted. Context: any. */
void kv_batch_destroy(struct kv_batch *batch);

/** Empties the batch; small buffers are kept. Context: any. */
void kv_batch_reset(struct kv_batch *batch) SP_NONNULL;

/** Appends a request. Errors: NOMEM, TOOBIG (4 billion arguments). Context: any. */
SP_NODISCARD sp_err kv_batch_add(struct kv_batch *batch, const struct kv_item_source *source)
    SP_NONNULL;

/** Runs the items that have not run yet, in order. After each that added to a list, those in
 *  `waiters` (NULL: nobody ever waits) are served. Context: any. */
void kv_batch_run(struct kv_batch *batch, struct kv_store *store, struct kv_waiters *waiters,
                  int64_t now_ms) SP_NONNULL_ARGS(1, 2);

#endif
