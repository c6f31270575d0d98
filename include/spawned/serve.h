/* Serving: a listener and a process for each connection.
 *
 *     SP_SERVER(echo, struct sp_connection);        // a server per connection, or
 *     static void echo(struct sp_stream *stream, void *arg) { ... }   // a plain process
 *
 *     err = sp_serve_start(&(struct sp_serve_options){ .address = "127.0.0.1:7", .run = echo },
 *                          NULL, &serve);
 *
 * The acceptor is a server of its own, fit for a supervisor: a child spec names
 * &sp_serve_class. It takes connections in batches and gives each to a new process, linked to
 * it, which owns the stream from birth; other workers take their share of these processes.
 * A connection that crashes is counted and nobody else's business.
 *
 * At its limit, or out of descriptors or memory, it leaves further connections in the system's
 * queue, and goes on when one has ended, or after a pause.
 *
 * It stops in order: stops listening, waits `drain` for the connections to end by themselves,
 * then sends them the exit signal `shutdown` and waits `shutdown`, then kills. Under a
 * supervisor, give it that much time to end (sp_child_spec.shutdown).
 */
#ifndef SPAWNED_SERVE_H
#define SPAWNED_SERVE_H

#include "spawned/listener.h"
#include "spawned/server.h"

SP_EXTERN_C_BEGIN

/** Arguments of a connection's server. Its init finds the stream owned by its process. */
struct sp_connection {
    struct sp_stream *stream;
    void *arg; /**< sp_serve_options.arg */
};

/** Body of a connection's plain process. The stream is dropped when it returns. */
typedef void (*sp_connection_fn)(struct sp_stream *stream, void *arg);

/** How to serve. Zero is the default everywhere; one of `run` and `server` is given. */
struct sp_serve_options {
    const char *address;             /**< as of sp_listen(); copied */
    struct sp_socket_options socket; /**< `out_error` included */
    sp_connection_fn run;
    const struct sp_server_class *server; /**< started with a struct sp_connection */
    void *arg;                            /**< lives as long as the acceptor */
    struct sp_spawn_options spawn;        /**< of each connection's process; `link` is implied;
                                               no name, monitor or arg_size */
    uint32_t connections_max;             /**< open at once; default 65,536 */
    sp_duration drain;                    /**< default: none */
    sp_duration shutdown;                 /**< default 5 s */
};

/** What an acceptor has done. */
struct sp_serve_info {
    sp_address address;
    uint32_t open;     /**< connections now */
    uint64_t accepted; /**< ever */
    uint64_t crashed;  /**< connections whose process ended abnormally */
    uint64_t refused;  /**< accepted, but no process could be started */
    uint64_t full;     /**< times it stopped accepting at its limit */
    uint64_t paused;   /**< times it stopped accepting for want of descriptors or memory */
};

SP_API extern const struct sp_server_class sp_serve_class;
SP_API extern const struct sp_op sp_serve_info_op;

/** sp_serve_start(): errors as of sp_listen(), INVALID (both or none of `run` and `server`), and
 *  as of sp_server_start(). */
SP_SERVER(sp_serve, struct sp_serve_options);
/** sp_serve_info(). */
SP_CALL(sp_serve, info, sp_empty, struct sp_serve_info);

SP_EXTERN_C_END

#endif
