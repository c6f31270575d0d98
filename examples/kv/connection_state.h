/* The state of a connection, for the files that make it up: connection.c (requests and replies),
 * connection_env.c (what commands ask of the world), connection_wait.c (BLPOP, BRPOP).
 */
#ifndef KV_CONNECTION_STATE_H
#define KV_CONNECTION_STATE_H

#include "connection.h"
#include "pipeline.h"

/** A client in BLPOP or BRPOP. */
struct connection_wait {
    uint64_t turn;       /**< tells the wake-ups of this wait from earlier ones */
    struct kv_arg *argv; /**< the request; one allocation with its bytes */
    size_t argc;
    bool shared;            /**< its keys lie in several shards */
    bool silent;            /**< the client asked for no reply */
    bool in[KV_SHARDS_MAX]; /**< it waits in these shards */
    sp_monitor_ref monitor[KV_SHARDS_MAX];
};

struct connection {
    struct kv_world *world;
    struct sp_stream *stream; /**< NULL: closed */
    struct kv_session session;
    struct kv_pipeline pipeline;
    struct kv_env env;
    struct resp_out out;          /**< replies that were not sent yet */
    struct connection_wait *wait; /**< NULL: does not wait */
    uint64_t turns;
    struct resp_out held; /**< requests that came while it waited */
    size_t held_at;
    bool stopping;
};

/** Runs what is in the pipeline, and sends the replies.
 *  Context: process, may suspend. */
void connection_answer(struct connection *self);

/** Sends what is in `self->out`. Context: process, may suspend. */
void connection_send(struct connection *self);

/** Makes the rounds of the pipeline. Context: process, may suspend. */
void connection_rounds(struct connection *self);

/** Goes on with the requests that came while the client waited. Context: process, may suspend. */
void connection_go_on(struct connection *self);

/** Keeps a request for later. */
void connection_hold(struct connection *self, const struct kv_arg *argv, size_t argc);

/** Closes the connection without ado, and ends the process when the handler returns. */
void connection_cut(struct connection *self);

/** Fills in what commands ask of the world. */
void connection_env_init(struct connection *self);

/** The client of the unserved request in the pipeline begins to wait.
 *  Context: process, may suspend. */
void connection_wait_begin(struct connection *self);

/** Frees the record of a wait. NULL is accepted. */
void connection_wait_free(struct connection_wait *wait);

/** The client hangs up: shards forget it before it is counted as gone.
 *  Context: process, may suspend. */
void connection_wait_hang_up(struct connection *self);

/** Handlers of the wake-ups. */
void connection_wait_woken(struct connection *self, const struct kv_woken *woken);
void connection_wait_give_up(struct connection *self, uint64_t turn);
void connection_wait_down(struct connection *self, const struct sp_down *down);

/** Tells the registry of clients about this one. */
void connection_describe(struct connection *self, uint64_t round);

#endif
