/* Casts that come before a group router knows its group.
 *
 * A sender that finds no table puts its message here; the owner takes them out, one by one, and
 * only when there is none left does it publish the table, under the same lock. So what a sender
 * sends later does not overtake what it sent before.
 *
 * Threads: any with a context, under the lock. Neighbours: router_owner.c takes them out.
 */
#ifndef SPAWNED_BEHAVIOUR_ROUTER_STASH_H
#define SPAWNED_BEHAVIOUR_ROUTER_STASH_H

#include "base/lock.h"
#include "runtime/message.h"
#include "spawned/err.h"

enum sp__stash_state {
    SP__STASH_OPEN,
    SP__STASH_LISTED, /* there is a table */
    SP__STASH_CLOSED, /* the router has ended */
};

struct sp__router_stash {
    struct sp__lock lock;
    enum sp__stash_state state SP__GUARDED_BY(lock);
    uint32_t count SP__GUARDED_BY(lock);
    uint32_t max;
    struct sp_message *first SP__GUARDED_BY(lock);
    struct sp_message *last SP__GUARDED_BY(lock);
    uint64_t stashed SP__GUARDED_BY(lock); /* so far */
};

/** Empty and open. Context: the owner. */
void sp__router_stash_init(struct sp__router_stash *stash, uint32_t max) SP_NONNULL;

/** Keep a message. Errors: STALE (there is a table by now), FULL, NOPROC (closed).
 *  Ownership: taken on SP_OK. Context: any, inside a section. */
SP_NODISCARD sp_err sp__router_stash_put(struct sp__router_stash *stash, struct sp_message *message)
    SP_NONNULL;

/** The oldest, or NULL. Ownership: the caller's. Context: the owner. */
struct sp_message *sp__router_stash_take(struct sp__router_stash *stash) SP_NONNULL;

/** Run `change(arg)`, after which nothing is kept any more, unless there is a message. False: there is.
 *  Context: the owner; `change` runs with the lock held. */
SP_NODISCARD bool sp__router_stash_end(struct sp__router_stash *stash, void (*change)(void *arg),
                                       void *arg) SP_NONNULL_ARGS(1, 2);

/** Refuse all from now on. Context: the owner. */
void sp__router_stash_close(struct sp__router_stash *stash) SP_NONNULL;

/** How many were kept so far. Context: any, inside a section. */
uint64_t sp__router_stash_total(struct sp__router_stash *stash) SP_NONNULL;

#endif
