/* The network of a simulated world: what the files of this concept share.
 *
 *   net.c         an end of a connection: reading, writing, waiting, closing
 *   net_open.c    listen, connect, accept, names
 *   net_wire.c    what is under way: when it is due, and its arrival
 *   net_host.c    machines, the paths between them, and what a script or a fault does to them
 *
 *      end 0                    wire 0                     end 1
 *   struct sp__io ── write ──> flight: [data][data][fin] ──> received ── read ── struct sp__io
 *                 <─ received ──      [data] :flight <── write ──
 *                                   wire 1
 *
 * A connection is two wires, and two ends where both exist. A wire carries segments in their
 * order; it loses, doubles and reorders nothing, as a connection does not, but it may stand
 * still or break. Its head arrives in a step of the world's (SP__TASK_NET), so that the order of
 * arrivals is decided where all else is. Nothing else ever tells one end of what the other did.
 *
 * Invariants:
 *  - an end is on its host's list, a listener too; a connection lives while one of its ends does
 *  - a wire is on the world's list of what is due, sorted, exactly if it has a moment at which
 *    something happens and its task is not ready; in abstract time the moment of what is under
 *    way is now
 *  - only data needs memory: what opens and closes a connection is part of its wires
 *  - waits are finished and waiters called in steps of wires only
 *
 * Threads: the world's. Neighbours: runtime/io.h, world.c.
 */
#ifndef SPAWNED_RUNTIME_SIM_NET_H
#define SPAWNED_RUNTIME_SIM_NET_H

#include "runtime/io.h"
#include "runtime/sim/machine.h"
#include "runtime/sim/node.h"

/** A machine: what outlives the runtimes that run on it. */
struct sp__host {
    struct sp__list link; /* of the world's */
    struct sp__world *world;
    uint32_t number; /* 10.0.0.number, fd00::number */
    uint16_t port;   /* the last one given to a socket that did not ask for any */
    struct sp__clock clock;
    bool paused;             /* its tasks do not go on */
    bool dark;               /* it has no power */
    bool held;               /* what is sent to it has to wait */
    struct sp__list sockets; /* listeners and ends, by sp__io.link */
    struct sp__disk *disk;   /* NULL: nothing was ever kept */
    char name[SP__HOST_NAME_MAX];
};

/** How bytes come from a machine to another, or to itself. */
struct sp__path {
    struct sp__list link; /* of the world's */
    struct sp__host *from;
    struct sp__host *to;
    int64_t latency_min;
    int64_t latency_max;
    int64_t bytes_per_s;   /* 0: no bound */
    int64_t free_at;       /* when all that was sent is on its way */
    int64_t clogged_until; /* what is under way stands still */
    int64_t cut_until;     /* what is under way is lost, and sent again */
};

enum sp__segment_kind {
    SP__SEGMENT_OPEN,     /* may I connect? */
    SP__SEGMENT_ACCEPTED, /* you may */
    SP__SEGMENT_DATA,
    SP__SEGMENT_WINDOW, /* so much was taken: more may be sent */
    SP__SEGMENT_END,
    SP__SEGMENT_RESET,
};

/** Something under way. */
struct sp__segment {
    struct sp__list link; /* of the flight, or of what was received */
    enum sp__segment_kind kind;
    int64_t sent;
    int64_t arrival;
    size_t size;  /* of data, which follow; of the window */
    size_t taken; /* of data, by the reader */
};

static inline char *sp__segment_bytes(struct sp__segment *segment)
{
    return (char *)(segment + 1);
}

/** One direction of a connection. */
struct sp__wire {
    struct sp__list due; /* of the world's list */
    struct sp__connection *connection;
    struct sp__task *task;
    struct sp__path *path;
    struct sp__list flight;
    int64_t at;            /* when something happens next; INT64_MAX: never */
    int64_t last_arrival;  /* nothing overtakes */
    int64_t blocked_since; /* or -1 */
    int64_t bytes_per_s;   /* of a slow connection; 0: the path's */
    uint64_t draws[SP__CHOICE_COUNT];
    unsigned tries;             /* to open */
    unsigned side;              /* of its sender */
    bool lost;                  /* nothing that is sent arrives any more */
    struct sp__segment opening; /* OPEN or ACCEPTED */
    struct sp__segment window;
    struct sp__segment end;
    struct sp__segment reset;
};

struct sp__connection {
    struct sp__list link;    /* of the world's */
    struct sp__wire wire[2]; /* by the side that sends */
    struct sp__io *end[2];   /* NULL: not there yet, or closed */
    sp_address from;         /* of side 0 */
    sp_address to;
    bool local; /* Unix-domain */
};

/** A direction of a socket: who waits. */
struct sp__socket_way {
    struct sp__actor *actor; /* NULL: nobody, or the waiter */
    struct sp__io_waiter *waiter;
    uint64_t token;
    uint64_t object; /* of who waited last, as of a point; 0: nobody did */
};

enum sp__socket_state {
    SP__SOCKET_LISTENS,
    SP__SOCKET_CONNECTS,
    SP__SOCKET_OPEN,
    SP__SOCKET_BROKEN, /* `error` says why */
    SP__SOCKET_DEAD,   /* its node is gone, and nobody will look at it but to close it */
};

struct sp__io {
    struct sp__list link; /* of the host's */
    struct sp__host *host;
    struct sp__node *node;
    struct sp__socket_way way[2]; /* by enum sp__io_way */
    enum sp__socket_state state;
    sp_address local;
    sp_address peer;
    size_t send_buffer;
    size_t receive_buffer;
    int keepalive_s;
    /* listener */
    struct sp__list waiting; /* ends that nobody accepted yet, by `queued` */
    int waiting_count;
    int backlog;
    bool port_shared;
    /* end */
    struct sp__list queued;
    struct sp__connection *connection;
    struct sp__list received;
    size_t available; /* bytes of it that were not read */
    size_t credit;    /* bytes that may still be sent */
    size_t consumed;  /* bytes taken of which the peer does not know */
    size_t window;    /* bytes that the peer may send beyond what was taken */
    sp_err error;
    int system; /* and its number */
    unsigned side;
    bool ended; /* the peer's end has arrived */
    bool shut;  /* ours was sent */
};

/* ---- net.c ---- */

/** A socket on `host`, of `node`. Errors: NULL, no memory. */
SP_NODISCARD struct sp__io *sp__socket_new(struct sp__host *host, struct sp__node *node,
                                           const struct sp__io_open *how) SP_NONNULL_ARGS(1, 2);

/** Close it: its last words are on their way, and its memory is freed. */
void sp__socket_close(struct sp__io *moved_io, bool reset) SP_NONNULL;

/** The peer is told, and the connection forgets this end; `silent`: it is not. */
void sp__socket_detach(struct sp__io *io, bool reset, bool silent) SP_NONNULL;

/** Whoever waits goes on. Context: the socket's node's, inside an epoch section. */
void sp__socket_fire(struct sp__io *io, enum sp__io_way way) SP_NONNULL;

/** It is broken. What is under way already still arrives. Context: as sp__socket_fire(). */
void sp__socket_break(struct sp__io *io, sp_err error, int system) SP_NONNULL;

/* ---- net_open.c: contracts in runtime/io.h ---- */

sp_err sp__socket_listen(struct sp_runtime *runtime, const struct sp__io_open *how,
                         struct sp__io **out_io);
sp_err sp__socket_accept(struct sp__io *listener, struct sp__io **out_io);
sp_err sp__socket_connect(struct sp_runtime *runtime, const struct sp__io_open *how,
                          struct sp__io **out_io);
sp_err sp__socket_resolve(struct sp_runtime *runtime, const char *host, uint16_t port,
                          sp_address *addresses, size_t max, size_t *out_count);

/** Who listens where `connection` goes to, or NULL. */
struct sp__io *sp__socket_listener(struct sp__connection *connection) SP_NONNULL;

/** The end of side 1, in the queue of `listener`. Errors: NULL, no memory. */
SP_NODISCARD struct sp__io *sp__socket_admit(struct sp__io *listener,
                                             struct sp__connection *connection) SP_NONNULL;

/* ---- net_wire.c ---- */

/** A connection from `from`, which becomes its end 0, to `to`. Errors: NULL, no memory. */
SP_NODISCARD struct sp__connection *sp__connection_new(struct sp__io *from, struct sp__host *to)
    SP_NONNULL;

/** Free it, if neither end is left. */
void sp__connection_release(struct sp__connection *connection) SP_NONNULL;

/** Send one of the wire's own segments; nothing if it is under way already. */
void sp__wire_send(struct sp__wire *wire, struct sp__segment *segment) SP_NONNULL;

/** Send data. Ownership: takes the segment. */
void sp__wire_send_data(struct sp__wire *wire, struct sp__segment *moved_segment) SP_NONNULL;

/** Forget what is under way. */
void sp__wire_clear(struct sp__wire *wire) SP_NONNULL;

/** When something happens next on it has changed. */
void sp__wire_schedule(struct sp__wire *wire) SP_NONNULL;

/** A decision about a wire: 0 is what happens when nothing special does. */
uint32_t sp__wire_draw(struct sp__wire *wire, enum sp__choice kind, uint32_t count) SP_NONNULL;

/* ---- net_host.c ---- */

/** The way from a machine to another. Errors: NULL, no memory. */
SP_NODISCARD struct sp__path *sp__path_of(struct sp__host *from, struct sp__host *to) SP_NONNULL;

/** The machine with this address as seen from `from`, or NULL. Not for Unix-domain ones. */
struct sp__host *sp__host_at(struct sp__host *from, const sp_address *address) SP_NONNULL;

/** The machine's own address. */
sp_address sp__host_address(const struct sp__host *host, uint8_t family) SP_NONNULL;

/** Of the machine itself: 127.0.0.0/8, ::1. */
bool sp__address_is_loopback(const sp_address *address) SP_NONNULL;

/** Every address of a machine: 0.0.0.0, ::. */
bool sp__address_is_any(const sp_address *address) SP_NONNULL;

/** What was drawn when something was sent, if anything: the path clogs, or is cut. */
void sp__path_faults(struct sp__wire *wire) SP_NONNULL;

#endif
