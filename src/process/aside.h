/* Waits put aside: of a process that waits for several operations at once.
 *
 * An actor has one wait (actor.h). A server that takes other messages while a handler of it waits
 * closes that wait and keeps it here, where whoever answers finds it by its token:
 *
 *   extra.asides -> struct sp__aside (on the waiter's stack) -> struct sp__pending -> slots
 *
 * The list holds every call of such a server from before its request is sent until it is over, so
 * that there is no moment at which an answer finds it neither in the actor's wait nor here.
 *
 * Such a call is also what a chain of calls is recognised by. A request that was sent on behalf of
 * one carries its number, which names the process and the token; so does each request that is
 * sent while that one is handled, by whomever. The chain of B's call goes on with the request
 * that B was handling: chain_outer.
 *
 * Threads: the list and the fields marked so under the process's lock; the rest the owner.
 * Neighbours: reply.c (answers), behaviour/reentrant.c (waits).
 */
#ifndef SPAWNED_PROCESS_ASIDE_H
#define SPAWNED_PROCESS_ASIDE_H

#include "process/reply.h"

struct sp__aside {
    struct sp__list link; /* under the lock: extra.asides, oldest first */
    uint64_t token;
    uint64_t chain_outer;        /* of the request on whose behalf it is; 0: none */
    sp_pid to;                   /* of a call; none: for several */
    struct sp__pending *pending; /* its slots under the lock, once its wait is closed */
    bool done;                   /* under the lock: nothing is missing any more */
    bool deferred;               /* under the lock: others may answer */
};

/* A chain's number: slot << 35 | low bits of the token. */
#define SP__CHAIN_TOKEN_BITS 35

static inline uint64_t sp__chain_of(const struct sp_process *process, uint64_t token)
{
    return (uint64_t)process->slot << SP__CHAIN_TOKEN_BITS |
           (token & ((UINT64_C(1) << SP__CHAIN_TOKEN_BITS) - 1));
}

/** Does the chain pass through a call that `self` waits in now? Context: `self` is the owner. */
SP_NODISCARD bool sp__chain_passes(struct sp_process *self, uint64_t chain) SP_NONNULL;

/** List it: its request may be sent now. Context: the owner, who has an extra part. */
void sp__aside_add(struct sp_process *self, struct sp__aside *aside) SP_NONNULL;

/** Off the list; nobody touches its slots any more. True: it was done. Context: the owner. */
bool sp__aside_remove(struct sp_process *self, struct sp__aside *aside) SP_NONNULL;

/** The actor's wait for it ended as done. Context: the owner. */
void sp__aside_done(struct sp_process *self, struct sp__aside *aside) SP_NONNULL;

/** Are the slots of `pending` of one that is listed, whose wait `token` is not? Context: any with a
 *  context, inside an epoch section, with the claim on the wait `token`. */
SP_NODISCARD bool sp__aside_shows(struct sp_process *caller, const struct sp__pending *pending,
                                  uint64_t token) SP_NONNULL;

/** Is it of one that is listed? Then its slots are under the lock, and whoever takes that one off the
 *  list drops what is in them. Context: the owner. */
SP_NODISCARD bool sp__aside_keeps(struct sp_process *self, const struct sp__pending *pending)
    SP_NONNULL;

/** The oldest that is done, or NULL. Context: the owner. */
struct sp__aside *sp__aside_first_done(struct sp_process *self) SP_NONNULL;

/** An answer to a wait that was put aside. True: delivered. Context: any with a context, inside an
 *  epoch section, after the claim on the actor's wait has failed. */
SP_NODISCARD bool sp__aside_reply(struct sp_process *caller, const struct sp__reply_to *to,
                                  const struct sp__reply *reply) SP_NONNULL;

/** Was it put aside, and does it still wait? Context: as above. */
SP_NODISCARD bool sp__aside_waits(struct sp_process *caller, uint64_t token) SP_NONNULL;

/** `server` was given up: what it was to answer fails. Those whose wait is the actor's still are for
 *  who claims that. Context: any with a context, inside an epoch section. */
void sp__aside_fail(struct sp_process *caller, sp_pid server, const struct sp_reason *reason)
    SP_NONNULL;

/** Its request was handled and left for later. `loosen`: others may answer it, so that it closes no
 *  circle. Context: as above. */
void sp__aside_defer(struct sp_process *caller, const struct sp__reply_to *to, bool loosen)
    SP_NONNULL;

#endif
