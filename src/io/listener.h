/* What listener.c, connect.c and serve.c share: opening sockets and saying why it failed. */
#ifndef SPAWNED_IO_LISTENER_H
#define SPAWNED_IO_LISTENER_H

#include "io/stream.h"
#include "spawned/listener.h"

struct sp_listener {
    struct sp__resource resource; /* first */
    struct sp_process *owner;
    struct sp__io *io;
};

/** The seam's view of a user's options; `out_system` gets the system's error number.
 *  Context: any. */
struct sp__io_open sp__socket_open(const struct sp_socket_options *options,
                                   const sp_address *address, int *out_system)
    SP_NONNULL_ARGS(2, 3);

/** Fill the user's error record, where he asked for one: "`what` `address`: why".
 *  Context: any. */
void sp__socket_report(const struct sp_socket_options *options, const char *what,
                       const char *address, sp_err err, int system) SP_NONNULL_ARGS(2, 3);

/** Take one connection without waiting. Errors: SP__IO_AGAIN, NOFILE, NOMEM, LIMIT, IO.
 *  Context: the owner. */
SP_NODISCARD sp_err sp__listener_take(struct sp_listener *listener, struct sp_stream **out_stream)
    SP_NONNULL;

#endif
