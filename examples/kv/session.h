/* What a connection knows of its client, and the commands it answers itself.
 *
 * A session is plain data of one connection. What it needs of the world around (the time, the
 * other clients, the shards, the subscriptions of all) it asks through struct kv_env, which
 * the program fills in; a test fills in a small one.
 *
 * Threads: its connection. Neighbours: pipeline.h calls the commands; pubsub.c, info.c,
 * introspect.c, session_commands.c are the commands.
 */
#ifndef KV_SESSION_H
#define KV_SESSION_H

#include "command.h"

/** The release whose replies these are; HELLO and INFO say it. */
#define KV_COMPATIBLE_VERSION "7.0.15"

enum kv_reply_mode {
    KV_REPLY_ON,
    KV_REPLY_OFF,
    KV_REPLY_SKIP_NEXT, /**< CLIENT REPLY SKIP was just said */
    KV_REPLY_SKIP,      /**< this is the command to skip */
};

struct kv_session {
    uint64_t id;
    int protocol;  /**< 2 or 3 */
    char *name;    /**< from CLIENT SETNAME, or NULL */
    char *address; /**< of the client, "ip:port" */
    char *local;   /**< of the server's side */
    int64_t created_ms;
    int64_t active_ms; /**< when the last command came */
    const struct kv_command *last;
    enum kv_reply_mode reply_mode;
    bool no_evict;
    bool closing;         /**< close once the replies so far are sent (QUIT) */
    struct kv_heap heap;  /**< of the two sets */
    struct dict channels; /**< subscribed to, by name */
    struct dict patterns;
};

/** Figures for INFO. */
struct kv_info {
    int port;
    int64_t uptime_ms;
    uint64_t connected_clients;
    uint64_t blocked_clients;
    uint64_t max_clients;
    uint64_t used_memory;
    uint64_t total_connections;
    uint64_t rejected_connections;
    uint64_t total_commands;
    uint64_t protocol_errors; /**< connections closed for breaking the protocol */
    uint64_t slow_requests;   /**< closed because a request was not finished in time */
    uint64_t slow_readers;    /**< closed because replies were not read */
    uint64_t idle_clients;    /**< closed because nothing came */
    uint64_t expired_keys;
    uint64_t hits;
    uint64_t misses;
    uint64_t pubsub_channels;
    uint64_t pubsub_patterns;
    uint64_t keys;
    uint64_t expires;
    uint64_t shards;
    uint64_t shard_crashes; /**< shards restarted; the keys they held are gone */
    int workers;
    const char *run_id; /**< 40 hexadecimal digits */
};

/** Settings that are on or off. */
enum kv_switch {
    KV_SWITCH_METRICS, /**< what is handled is counted and timed */
    KV_SWITCH_TRACING, /**< requests have numbers; those that fail are told */
    KV_SWITCHES,
};

/** The world around a session. Every function may suspend the calling process. */
struct kv_env {
    void *arg; /**< passed to each */
    /** Now. Units: milliseconds since 1970. */
    int64_t (*now_ms)(void *arg);
    /** The session begins (`on`) or ends to listen to a channel or a pattern. */
    sp_err (*subscribe)(void *arg, const struct kv_arg *name, bool pattern, bool on);
    /** Sends to all that listen, and returns how many they are. */
    int64_t (*publish)(void *arg, const struct kv_arg *channel, const struct kv_arg *message);
    /** Fills in the figures. */
    sp_err (*info)(void *arg, struct kv_info *out_info);
    /** Appends a line of kv_session_describe() per client. */
    sp_err (*clients)(void *arg, struct resp_out *lines);
    /** Closes the connection with this id; NOTFOUND. */
    sp_err (*kill_client)(void *arg, uint64_t id);
    /** Begins to stop the server. */
    sp_err (*shutdown)(void *arg);
    /** Makes a shard fault; NOTFOUND when there is no such shard. */
    sp_err (*crash_shard)(void *arg, uint64_t shard);
    /** Makes a shard spin. */
    sp_err (*spin_shard)(void *arg, uint64_t shard, int64_t ms);
    /** Writes the tree of processes, a line each; NULL: there is none. */
    sp_err (*tree)(void *arg, struct resp_out *lines);
    /** Names and values for CONFIG GET: name, value, name, value, NULL. */
    const char *const *config;
    /** What CONFIG SET can change while it runs. */
    bool (*switched)(void *arg, enum kv_switch which);
    sp_err (*set_switch)(void *arg, enum kv_switch which, bool on);
};

/** One command that the connection runs. */
struct kv_session_call {
    struct kv_session *session;
    const struct kv_env *env;
    const struct kv_command_index *index;
    const struct kv_command *command;
    const struct kv_arg *argv;
    size_t argc;
    struct resp_out *out;
};

/** What a session begins with. */
struct kv_session_options {
    uint64_t id;
    int64_t now_ms;
    const char *address; /**< copied; NULL: unknown */
    const char *local;   /**< copied; NULL: unknown */
};

/** A session as of a new connection. It must not be moved. Errors: NOMEM; nothing to finish
 *  then. Context: any. */
SP_NODISCARD sp_err kv_session_init(struct kv_session *session,
                                    const struct kv_session_options *options) SP_NONNULL;

/** Releases the session. It does not tell the environment about subscriptions that end:
 *  whoever runs it does that once for the connection. Context: any. */
void kv_session_finish(struct kv_session *session) SP_NONNULL;

/** Channels and patterns listened to. Context: any. */
size_t kv_session_subscriptions(const struct kv_session *session) SP_NONNULL;

/** Appends the line of CLIENT LIST for this session, without a line end. Context: any. */
void kv_session_describe(const struct kv_session *session, int64_t now_ms, struct resp_out *out)
    SP_NONNULL;

/** Writes a published message as this session is to see it; `pattern` is NULL for a channel
 *  subscription. Context: any. */
void kv_session_message(const struct kv_session *session, const struct kv_arg *pattern,
                        const struct kv_arg *channel, const struct kv_arg *message,
                        struct resp_out *out) SP_NONNULL_ARGS(1, 3, 4, 5);

/** True when the session listens to `channel` by name. Context: any. */
bool kv_session_hears(struct kv_session *session, const struct kv_arg *channel) SP_NONNULL;

/** Drops every subscription, telling the environment. Context: process, may suspend. */
void kv_session_unsubscribe_all(struct kv_session *session, const struct kv_env *env) SP_NONNULL;

#endif
