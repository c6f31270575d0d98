/* Sockets behind the seam: what the files of this concept share.
 *
 *   net.c          reading, writing, waiting, closing
 *   net_open.c     listen, accept, connect
 *   net_address.c  sp_address <-> sockaddr, host names
 *
 * All sockets are non-blocking and close on exec; no write raises SIGPIPE.
 *
 * Threads: as runtime/io.h says. Neighbours: runtime/real/poller.h.
 */
#ifndef SPAWNED_RUNTIME_REAL_NET_H
#define SPAWNED_RUNTIME_REAL_NET_H

#include "runtime/io.h"
#include "runtime/real/poller.h"

#include <sys/socket.h>

struct sp__io {
    struct sp__poll_file file;
    struct sp__poller *poller;
    char *unlink_path; /* a Unix-domain listener's, removed with it; else NULL */
};

/** The error of a system error number; IO where none fits. Context: any. */
sp_err sp__net_error(int number);

/** A listening socket, in no poller's set; a stale file of a Unix-domain address is replaced.
 *  Errors: as of `listen` in runtime/io.h. Ownership: *out_fd is the caller's; so is the file of a
 *  Unix-domain address. Context: any. */
SP_NODISCARD sp_err sp__net_listen_socket(const struct sp__io_open *how, int *out_fd) SP_NONNULL;

/** An io in the poller's set, for a socket that is `fd`.
 *  Errors: NOMEM, LIMIT, IO. Ownership: takes `moved_fd`, also on failure. Context: any. */
SP_NODISCARD sp_err sp__net_wrap(struct sp__poller *poller, int moved_fd, struct sp__io **out_io)
    SP_NONNULL;

/** For the system. False: not an address that it knows. Context: any. */
SP_NODISCARD bool sp__net_to_system(const sp_address *address, struct sockaddr_storage *out,
                                    socklen_t *out_size) SP_NONNULL;

/** From the system; SP_ADDRESS_NONE where it has none. Context: any. */
void sp__net_from_system(const struct sockaddr_storage *from, socklen_t size, sp_address *out)
    SP_NONNULL;

/* The operations that are not in net.c; contracts in runtime/io.h. */
sp_err sp__net_listen(struct sp_runtime *runtime, const struct sp__io_open *how,
                      struct sp__io **out_io);
sp_err sp__net_accept(struct sp__io *listener, struct sp__io **out_io);
sp_err sp__net_connect(struct sp_runtime *runtime, const struct sp__io_open *how,
                       struct sp__io **out_io);
sp_err sp__net_connected(struct sp__io *io, int *out_system);
sp_err sp__net_resolve(struct sp_runtime *runtime, const char *host, uint16_t port,
                       sp_address *addresses, size_t max, size_t *out_count);

#endif
