/* Listening and connecting.
 *
 * Addresses are text: "127.0.0.1:7379", "[::1]:7379", "unix:/run/kv.sock", "unix:@abstract";
 * to connect also "example.org:80", which is looked up first. Port 0 lets the system choose.
 *
 * A listener belongs to the process that opened it and is closed when that ends. Its socket
 * file, for a Unix-domain address, is removed with it; one that a crash left behind is
 * replaced.
 */
#ifndef SPAWNED_LISTENER_H
#define SPAWNED_LISTENER_H

#include "spawned/stream.h"

SP_EXTERN_C_BEGIN

struct sp_listener;

/** Bytes of a struct sp_io_error's text. */
#define SP_IO_ERROR_TEXT_MAX 256

/** What went wrong when a socket was opened. */
struct sp_io_error {
    sp_err err;
    int system;                      /**< the system's error number, or 0 */
    char text[SP_IO_ERROR_TEXT_MAX]; /**< "listen on 127.0.0.1:80: permission denied" */
};

/** Choices for a socket. Zero is the default everywhere. */
struct sp_socket_options {
    int backlog;           /**< connections that wait to be accepted; default 1,024 */
    int send_buffer;       /**< bytes in the system; default: the system's */
    int receive_buffer;    /**< bytes in the system; default: the system's */
    sp_duration keepalive; /**< silence before probes; default 300 s; negative: no probes */
    unsigned unix_mode;    /**< permissions of a Unix-domain socket file; default: the umask's */
    bool delay;            /**< collect small writes (Nagle); default: send at once */
    bool port_shared;      /**< other listeners may bind the same port and share connections */
    struct sp_io_error *out_error; /**< not NULL: written on failure */
};

/** Listen on `address`. `options` may be NULL.
 *  Errors: ADDRINUSE, ACCESS, NOTFOUND (no such address on this machine, no such folder), NOFILE,
 *  INVALID (not an address), NOTSUP, NOMEM, LIMIT, IO, NOTCONTEXT.
 *  Ownership: the calling process's; early with sp_listener_close().
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 3) sp_err
    sp_listen(const char *address, const struct sp_socket_options *options,
              struct sp_listener **out_listener);

/** Wait for a connection.
 *  Errors: TIMEOUT, NOFILE (out of descriptors: the connection goes on waiting), NOMEM, LIMIT, IO,
 *  NOTCONTEXT (not its process).
 *  Ownership: *out_stream is the calling process's.
 *  Context: process, may suspend. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 3) sp_err
    sp_accept(struct sp_listener *listener, sp_deadline deadline, struct sp_stream **out_stream);

/** Where it listens, the port chosen by the system included. Errors: IO, NOTCONTEXT.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_listener_address(struct sp_listener *listener,
                                                          sp_address *out_address);

/** Stop listening; connections that were not accepted are refused. NULL is accepted.
 *  Ownership: takes the listener. Context: process (its own). */
SP_API void sp_listener_close(struct sp_listener *moved_listener);

/** Connect to `address`, an address or "host:port". The addresses of a host are tried one after
 *  another, each with its share of the time that is left. `options` may be NULL.
 *  Errors: REFUSED, TIMEOUT, RESOLVE, NOCONNECTION (no way there), ACCESS, RESET, NOFILE, NOMEM,
 *  LIMIT, INVALID (not an address), NOTSUP, IO, NOTCONTEXT; of several addresses, the last one's.
 *  Ownership: *out_stream is the calling process's.
 *  Context: process, may suspend. Default deadline: 10 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 4) sp_err
    sp_connect(const char *address, const struct sp_socket_options *options, sp_deadline deadline,
               struct sp_stream **out_stream);

SP_EXTERN_C_END

#endif
