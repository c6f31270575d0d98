/* Machines of a simulated world, and what may be done to the network between them.
 *
 * A machine is where nodes run, one after another: it has a name, an address, and its sockets.
 *
 * Threads: the world's. Neighbours: net.h has the inside, sim/ calls this.
 */
#ifndef SPAWNED_RUNTIME_SIM_HOST_H
#define SPAWNED_RUNTIME_SIM_HOST_H

#include "runtime/sim/world.h"
#include "spawned/address.h"

struct sp__host;

enum {
    /** Longest name of a machine, with the zero. */
    SP__HOST_NAME_MAX = 48,
    /** Longest text of a task of the network, with the zero. */
    SP__NET_TEXT_MAX = 128,
};

/** A machine without power has no network either. */
enum sp__net_gone {
    SP__NET_GONE_KILLED, /* the program is gone, and the system closes its sockets */
    SP__NET_GONE_DARK,   /* the machine is gone, and tells nobody */
};

/** A new machine, with the next address: 10.0.0.1, 10.0.0.2, ... `name` is copied, and cut.
 *  Errors: NULL, no memory. Ownership: the world's. Context: any in the world. */
SP_NODISCARD struct sp__host *sp__host_add(struct sp__world *world, const char *name) SP_NONNULL;

/** What sp__host_add() was given. Ownership: the host's. Context: any in the world. */
const char *sp__host_name(const struct sp__host *host) SP_NONNULL;

/** Its IPv4 address, port 0. Context: any in the world. */
sp_address sp__host_ipv4(const struct sp__host *host) SP_NONNULL;

/** The node's sockets end with it, now. Closing them later tells nobody anything.
 *  Context: any in the world. */
void sp__net_node_gone(struct sp__node *node, enum sp__net_gone how) SP_NONNULL;

/** A machine that went dark has power again: who still sends to what was on it is reset.
 *  Context: any in the world. */
void sp__host_up(struct sp__host *host) SP_NONNULL;

/** Nothing arrives at the machine until it is let go again. Context: any in the world. */
void sp__net_hold(struct sp__host *host, bool held) SP_NONNULL;

/** From `from` to `to` nothing arrives until `until_ns`, and what is sent meanwhile is sent again
 *  afterwards, as the protocol does. Errors: NOMEM. Context: any in the world. */
SP_NODISCARD sp_err sp__net_cut(struct sp__host *from, struct sp__host *to, int64_t until_ns)
    SP_NONNULL;

/** The same, but what stood still arrives at once afterwards. Errors: NOMEM. */
SP_NODISCARD sp_err sp__net_clog(struct sp__host *from, struct sp__host *to, int64_t until_ns)
    SP_NONNULL;

/** How long bytes take, and how many a second. Zero: as it was. Errors: NOMEM. */
SP_NODISCARD sp_err sp__net_latency(struct sp__host *from, struct sp__host *to, int64_t min_ns,
                                    int64_t max_ns) SP_NONNULL;
SP_NODISCARD sp_err sp__net_bandwidth(struct sp__host *from, struct sp__host *to,
                                      int64_t bytes_per_s) SP_NONNULL;

/** Every connection between the two breaks; both ends learn of it. */
void sp__net_reset(struct sp__host *a, struct sp__host *b) SP_NONNULL;

/** Nothing is cut or clogged any more between the two; NULL: anybody. */
void sp__net_heal(struct sp__world *world, const struct sp__host *a, const struct sp__host *b)
    SP_NONNULL_ARGS(1);

/** What is drawn, by the value that is drawn; [0] is nothing. Of SP__CHOICE_NET_CUT the value is
 *  1 + 3 * (which time) + way; ways: both, there, back. */
enum {
    SP__NET_STRETCHES = 6,
    SP__NET_CLOGS = 6,
    SP__NET_CUTS = 4,
    SP__NET_SLOWS = 4,
    SP__NET_BREAKS = 5,
};
extern const int64_t sp__net_stretch_ms[SP__NET_STRETCHES];
extern const int64_t sp__net_clog_ms[SP__NET_CLOGS];
extern const int64_t sp__net_cut_ms[SP__NET_CUTS];
extern const int64_t sp__net_slow_bytes[SP__NET_SLOWS]; /* a second */

/** How a connection breaks, when something is sent on it. */
enum sp__net_break {
    SP__NET_BREAK_NOT,
    SP__NET_BREAK_BEFORE, /* what is sent is lost, and both learn of it */
    SP__NET_BREAK_AFTER,  /* what is sent arrives, and both learn of it */
    SP__NET_BREAK_SENDER, /* only who sends learns of it */
    SP__NET_BREAK_SILENT, /* neither learns of it */
};

/** Which way a task of the network goes: "client > server". */
const char *sp__net_task_name(const struct sp__task *task, char text[SP__NET_TEXT_MAX]) SP_NONNULL;

/** What a task of the network is about to do. Ownership: all of it borrowed, until it did. */
struct sp__net_step {
    const char *from; /* machines */
    const char *to;
    const void *bytes; /* that arrive, or NULL */
    size_t size;
    bool breaks; /* somebody learns that the connection broke */
};
void sp__net_task_step(const struct sp__task *task, struct sp__net_step *out) SP_NONNULL;

/** The same in words. */
const char *sp__net_task_text(const struct sp__task *task, char text[SP__NET_TEXT_MAX]) SP_NONNULL;

/* ---- for the world's loop ---- */

/** Begin with an empty network. */
void sp__net_init(struct sp__world *world) SP_NONNULL;

/** Free connections and machines. False: a socket is still open. */
bool sp__net_finish(struct sp__world *world) SP_NONNULL;

/** Make ready what is due. */
void sp__net_look(struct sp__world *world) SP_NONNULL;

/** When something is due next, or INT64_MAX. */
int64_t sp__net_next(const struct sp__world *world) SP_NONNULL;

/** Something arrives. Context: the loop. */
void sp__net_step(struct sp__world *world, struct sp__task *task) SP_NONNULL;

#endif
