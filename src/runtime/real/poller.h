/* The poller: one epoll set per runtime, on which processes park.
 *
 * A descriptor is added once, edge-triggered for both directions, and never touched again until
 * it is removed: an operation that waits makes no system call but its own.
 *
 *   read -> EAGAIN -> arm -> park ...          the process
 *                         event -> fire -> ready    whoever polls
 *
 * Each direction of a descriptor is a `way` with one word of state:
 *
 *     | count : 62 | HUP | ARMED |
 *
 *   ARMED  somebody waits: `actor` and `token` say who, or without an actor `token` is the
 *          address of a struct sp__io_waiter
 *   HUP    the peer will send no more, or the connection broke; never cleared
 *   count  moves with every event, arm and disarm
 *
 * Invariants:
 *  - `drained` is the state seen before the attempt that found the way not ready. Arming swaps
 *    exactly that value, so an event that came since then makes it fail, and one tries again: no
 *    event falls between an attempt and the sleep.
 *  - `actor` and `token` are written only while ARMED is off and after having read, with
 *    acquire, the state in which it is off. Whoever takes ARMED off by a swap from the very
 *    value under which it read the two fields therefore read those of that arm.
 *  - an edge is either seen by the attempt (it came before `drained` was read) or moves the
 *    count. So an attempt that got less than it asked for, with HUP off, found the way not ready.
 *  - memory of a removed file is freed by the polling thread, between two harvests: a batch of
 *    events is worked off before the next begins, and a removed descriptor is in no later one.
 *
 * Events may be spurious; a waiter tries again and arms again.
 *
 * To sleep and to be woken costs both sides some microseconds, on a virtual machine 20. Who would
 * sleep here therefore first looks for so long (options.poll_spin) whether an event comes, as
 * long as that is mostly of use: where it was not, the next wait sleeps at once, then the next
 * two, four, up to 256. So what comes seldom is waited for asleep.
 *
 * Threads: sp__poller_harvest() and _dispatch() by one at a time, which the scheduler sees to; a
 * way is armed and disarmed by its one user; sp__poller_interrupt() and _remove() by any.
 * Neighbours: runtime/real/net.c holds the files, search.c polls.
 */
#ifndef SPAWNED_RUNTIME_REAL_POLLER_H
#define SPAWNED_RUNTIME_REAL_POLLER_H

#include "runtime/io.h"

#include <stdatomic.h>
#include <sys/epoll.h>

struct sp__poller;

enum {
    /** Events taken from the system at once. */
    SP__POLLER_BATCH = 128,
    /** Removed files whose memory waits for the poller before it is interrupted for them. */
    SP__POLLER_DEAD_MAX = 256,
};

struct sp__poll_way {
    _Atomic uint64_t state;
    _Atomic(struct sp__actor *) actor;
    _Atomic uint64_t token;
    uint64_t drained; /* the user's: see above */
};

#define SP__POLL_ARMED UINT64_C(1)
#define SP__POLL_HUP UINT64_C(2)
#define SP__POLL_STEP UINT64_C(4)
/** A `drained` that no state equals: the next attempt asks the system. */
#define SP__POLL_UNKNOWN UINT64_MAX

/** What one call brought. */
struct sp__poller_batch {
    int count;
    struct epoll_event events[SP__POLLER_BATCH];
};

/** A descriptor in the set. Embedded by its owner. */
struct sp__poll_file {
    int fd;
    struct sp__poll_way in;
    struct sp__poll_way out;
    /** Frees the file, once removed. On any thread with a context; may not suspend. */
    void (*release)(struct sp__poll_file *file);
    struct sp__poll_file *next_dead;
};

/** An empty set.
 *  Errors: NOMEM, NOFILE, IO. Ownership: *out is the caller's, sp__poller_destroy().
 *  Context: startup. */
SP_NODISCARD sp_err sp__poller_create(struct sp_runtime *runtime, struct sp__poller **out)
    SP_NONNULL;

/** Close the set and free what was removed. NULL is fine.
 *  Context: the runtime's end; all files are removed, nobody polls. */
void sp__poller_destroy(struct sp__poller *poller);

/** Wait for events. Comes back without any for a signal, or when the time is over.
 *  Units: `timeout_ns` nanoseconds; 0 only looks, INT64_MAX never gives up.
 *  Context: any thread with a context, outside an epoch section; one at a time, which then
 *  dispatches them before anybody harvests again. */
void sp__poller_harvest(struct sp__poller *poller, int64_t timeout_ns,
                        struct sp__poller_batch *out_batch) SP_NONNULL;

/** Make ready who waits for the events; returns how many, interrupts not counted.
 *  Context: the thread that harvested them, outside an epoch section. */
size_t sp__poller_dispatch(struct sp__poller *poller, const struct sp__poller_batch *batch)
    SP_NONNULL;

/** Make the thread in sp__poller_harvest(), or else the next one to enter it, come back.
 *  Context: any thread. */
void sp__poller_interrupt(struct sp__poller *poller) SP_NONNULL;

/** Prepare a file for `fd`. It is known not to be readable before the first event, which adding
 *  it brings if it is. Context: any. */
void sp__poll_file_init(struct sp__poll_file *file, int fd, void (*release)(struct sp__poll_file *))
    SP_NONNULL;

/** Add a file. Errors: NOMEM, LIMIT (the user's watches), IO. Context: any. */
SP_NODISCARD sp_err sp__poller_add(struct sp__poller *poller, struct sp__poll_file *file)
    SP_NONNULL;

/** Take a file out and close its descriptor. Nobody waits on it.
 *  Ownership: takes the file; `release` is called later. Context: any. */
void sp__poller_remove(struct sp__poller *poller, struct sp__poll_file *moved_file) SP_NONNULL;

/** May an attempt succeed? False: nothing has happened since the one that found it not ready.
 *  `*out_seen` goes to sp__poll_drained() if the attempt fails. Context: the way's user. */
static inline bool sp__poll_may_try(const struct sp__poll_way *way, uint64_t *out_seen)
{
    /* acquire: pairs with the swap in fire; the attempt comes after the event. */
    *out_seen = atomic_load_explicit(&way->state, memory_order_acquire);
    return *out_seen != way->drained;
}

/** The attempt that began at `seen` found the way not ready. Context: the way's user. */
static inline void sp__poll_drained(struct sp__poll_way *way, uint64_t seen)
{
    way->drained = seen;
}

/** Wait on a way that was found not ready: the open wait `token` of `actor` is finished at the
 *  next event. False: there was an event meanwhile; try again. Context: the way's user. */
SP_NODISCARD bool sp__poll_arm(struct sp__poll_way *way, struct sp__actor *actor, uint64_t token)
    SP_NONNULL;

/** As above, but calls `waiter->ready`, once, on the polling thread, inside an epoch section.
 *  Context: the way's user. */
SP_NODISCARD bool sp__poll_arm_waiter(struct sp__poll_way *way, struct sp__io_waiter *waiter)
    SP_NONNULL;

/** Stop waiting. False: it fired, or is just firing. Context: the way's user. */
bool sp__poll_disarm(struct sp__poll_way *way) SP_NONNULL;

#endif
