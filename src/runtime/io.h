/* The seam for byte streams: what a backend gives to io/.
 *
 * Nothing here suspends. An operation either does something at once or says SP__IO_AGAIN; then
 * one arms the direction and parks, and tries again when the wait is finished. So the loop
 * that suspends, deadlines and signals stay above, and a simulated network implements the
 * same few functions.
 *
 *   for (;;) {
 *       err = ops->read(io, ...);              not AGAIN: done
 *       token = sp__wait_open(actor);
 *       if (ops->arm(io, SP__IO_IN, actor, token))
 *           park until the wait is done, or the deadline: ops->disarm(io, SP__IO_IN)
 *   }
 *
 * Who does not want to hold a stack while it waits arms a waiter instead, which is called.
 * Wake-ups may be spurious. Each direction has one user at a time: who reads (or accepts), who
 * writes (or connects).
 *
 * Threads: an io object by its owner only, except that the backend finishes waits and calls
 * waiters from any of its threads.
 * Neighbours: runtime/backend.h (sp__backend_ops.io), runtime/real/net.h, io/stream.c.
 */
#ifndef SPAWNED_RUNTIME_IO_H
#define SPAWNED_RUNTIME_IO_H

#include "spawned/address.h"

struct sp__actor;
struct sp__io;
struct sp_runtime;

/** The operation would have to wait. Never leaves io/. */
#define SP__IO_AGAIN SP_ERR_RUNNING

enum sp__io_way {
    SP__IO_IN,  /* reading, accepting */
    SP__IO_OUT, /* writing, connecting */
};

/** A piece of what is written. */
struct sp__io_part {
    const void *bytes;
    size_t size;
};

enum {
    /** Parts that one write takes. */
    SP__IO_PARTS_MAX = 16,
};

/** How a socket is opened. Zero is the system's default. */
struct sp__io_open {
    const sp_address *address; /* to bind or to connect to */
    int backlog;               /* listen only */
    int send_buffer;           /* bytes */
    int receive_buffer;
    int keepalive_s;    /* seconds of silence before the first probe; 0: no probes */
    unsigned unix_mode; /* permission bits of a Unix-domain socket file; 0: the umask's */
    bool delay;         /* collect small writes (Nagle) */
    bool port_shared;   /* several listeners may bind the same port */
    int *out_system;    /* out, on failure: the system's error number, or 0 */
};

/** Who waits without being suspended. Its memory stays until `ready` was called, or disarming
 *  said that it will not be; or, when its process ends, is freed through the epoch. */
struct sp__io_waiter {
    /** The direction is ready; once per arm. On a thread with a context, inside an epoch section;
     *  may not suspend. */
    void (*ready)(struct sp__io_waiter *waiter);
    struct sp__actor *actor; /* for whom */
};

/* All are called by processes, and never suspend. */
struct sp__io_ops {
    /** A listener. Errors: ADDRINUSE, ACCESS, NOTFOUND (no such address here, no such folder),
     *  NOFILE, NOMEM, INVALID, NOTSUP, IO, LIMIT.
     *  Ownership: *out_io is the caller's, `close`. */
    sp_err (*listen)(struct sp_runtime *runtime, const struct sp__io_open *how,
                     struct sp__io **out_io);
    /** The next connection of a listener. Errors: SP__IO_AGAIN, NOFILE, NOMEM, LIMIT, IO.
     *  Ownership: *out_io is the caller's, `close`. */
    sp_err (*accept)(struct sp__io *listener, struct sp__io **out_io);
    /** Begin to connect; `connected` tells the end. Errors: those of `connected`, NOFILE, NOMEM,
     *  INVALID, NOTSUP, LIMIT; SP__IO_AGAIN: the listener's queue is full, begin later (Unix-domain).
     *  Ownership: *out_io is the caller's, `close`. */
    sp_err (*connect)(struct sp_runtime *runtime, const struct sp__io_open *how,
                      struct sp__io **out_io);
    /** Errors: SP__IO_AGAIN (wait on SP__IO_OUT), REFUSED, TIMEOUT, NOCONNECTION, ACCESS, RESET,
     *  IO. `*out_system` is written on failure. */
    sp_err (*connected)(struct sp__io *io, int *out_system);
    /** What has arrived, up to `size` bytes, at least one.
     *  Errors: SP__IO_AGAIN, EOF, RESET, IO. */
    sp_err (*read)(struct sp__io *io, void *bytes, size_t size, size_t *out_count);
    /** A beginning of the parts, at least a byte. Errors: SP__IO_AGAIN, RESET, IO. */
    sp_err (*write)(struct sp__io *io, const struct sp__io_part *parts, size_t count,
                    size_t *out_count);
    /** End the outgoing direction. Errors: RESET, IO. */
    sp_err (*shutdown)(struct sp__io *io);
    /** Free it; nobody waits on it. What was written still goes out, unless `reset`: then the
     *  peer sees a reset.
     *  Ownership: takes the io. */
    void (*close)(struct sp__io *moved_io, bool reset);
    /** Wait on a direction whose last operation said SP__IO_AGAIN, and on which nobody waits:
     *  finishes the open wait `token` of `actor` when it is ready. False: it is ready now, nothing
     *  was armed. */
    bool (*arm)(struct sp__io *io, enum sp__io_way way, struct sp__actor *actor, uint64_t token);
    /** As `arm`, but calls the waiter. */
    bool (*arm_waiter)(struct sp__io *io, enum sp__io_way way, struct sp__io_waiter *waiter);
    /** Stop waiting. False: it became ready, or is just becoming so, or nobody waited. */
    bool (*disarm)(struct sp__io *io, enum sp__io_way way);
    /** The own address, or the peer's. Errors: IO (not connected any more). */
    sp_err (*address)(struct sp__io *io, bool peer, sp_address *out_address);
    /** Look up a host; blocks: only on a thread for blocking work.
     *  Errors: RESOLVE, NOMEM. */
    sp_err (*resolve)(struct sp_runtime *runtime, const char *host, uint16_t port,
                      sp_address *addresses, size_t max, size_t *out_count);
};

/** Sockets of the system. */
extern const struct sp__io_ops sp__io_real;

#endif
