/* The registry of clients: who is connected, for CLIENT LIST and CLIENT KILL.
 *
 * A client is registered when it connects and forgotten when its process ends. What CLIENT
 * LIST shows is asked of the connections in a round: each is sent `describe` and answers with
 * its line. Whoever asks for the list brings its own line, because it cannot answer while it
 * waits; a connection that does not answer in time is shown as it was last seen.
 *
 *     asker ──list(line)──> registry ──describe──> all others
 *                             │    <──described(line)──
 *     asker <──lines──────────┘  when all have answered, or after a quarter of a second
 *
 * Threads: its process. Neighbours: connection.c registers, connection_env.c asks.
 */
#ifndef KV_CLIENTS_H
#define KV_CLIENTS_H

#include "world.h"

#include "spawned/server.h"

/** Name of the process. */
#define KV_CLIENTS_NAME "clients"

struct kv_clients_args {
    struct kv_world *world;
};

/** What a client says of itself. Owns `line`. */
struct kv_client_line {
    uint64_t id;
    sp_pid pid;
    uint64_t round; /**< which round it answers; 0: none, it is new */
    size_t len;
    char *line;
};

/** Frees a line that nobody takes. Context: any. */
void kv_client_line_drop(struct kv_client_line *line) SP_NONNULL;

/** The lines of all, each with its line end. Owns `text`. */
struct kv_client_lines {
    size_t len;
    char *text;
};

/** Frees lines that nobody takes. Context: any. */
void kv_client_lines_drop(struct kv_client_lines *lines) SP_NONNULL;

SP_SERVER(kv_clients, struct kv_clients_args);
/** A client is new, or describes itself. */
SP_CAST_MOVED(kv_clients, described, struct kv_client_line, kv_client_line_drop);
/** The lines of all; brings the caller's own. Errors: NOMEM. */
SP_CALL_MOVED(kv_clients, list, struct kv_client_line, kv_client_line_drop, struct kv_client_lines,
              kv_client_lines_drop);
/** End the client with this id. Errors: NOTFOUND. */
SP_CALL(kv_clients, kill, uint64_t, sp_empty);
/** The time of this round is over. */
SP_CAST(kv_clients, round_over, uint64_t);

#endif
