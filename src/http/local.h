/* The Unix-domain socket of an endpoint: for who is on this machine and is its user.
 *
 * libmicrohttpd listens on one socket, the one of the network; what this one accepts is handed to
 * it. A connection is accepted only where there is a slot for it, the rest waits in the queue.
 *
 * Threads: the endpoint's. Neighbours: thread.c, runtime/real/net.h.
 */
#ifndef SPAWNED_HTTP_LOCAL_H
#define SPAWNED_HTTP_LOCAL_H

#include "http/thread.h"

/** Listen, where settings.local is set; a file with mode 0600. Errors: as of sp_http_start().
 *  Ownership: sp__http_local_close(). */
SP_NODISCARD sp_err sp__http_local_open(struct sp__http *http) SP_NONNULL;

/** The descriptor to wait for, or -1 while there is no slot or no descriptor for a connection; and
 *  how many nanoseconds until to ask again, INT64_MAX: when a connection has ended. */
int sp__http_local_listens(const struct sp__http *http, int64_t *out_again_ns) SP_NONNULL;

/** Hand what has connected to the daemon; never blocks. */
void sp__http_local_accept(struct sp__http *http) SP_NONNULL;

/** No more connections; the file is removed. Fine where nothing was opened. */
void sp__http_local_close(struct sp__http *http) SP_NONNULL;

#endif
