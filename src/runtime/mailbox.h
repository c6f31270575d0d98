/* Both ends of a mailbox: inline, since every message passes here.
 *
 * The invariants are runtime/actor.h's.
 * Threads: push: any with a context; fetch: the owner. Neighbours: actor.c has the rare parts.
 */
#ifndef SPAWNED_RUNTIME_MAILBOX_H
#define SPAWNED_RUNTIME_MAILBOX_H

#include "runtime/scheduler.h"

/* ---- the senders' end ---- */

static inline void sp__mailbox_append(struct sp__actor *actor, struct sp_message *message)
{
    atomic_store_explicit(&message->next, NULL, memory_order_relaxed);
    /* acq_rel: release publishes the message to whoever finds it through `tail`; acquire makes
     * the message before it (or the receiver's emptied head) visible before we link to it. */
    struct sp_message *before =
        atomic_exchange_explicit(&actor->tail, message, memory_order_acq_rel);
    /* release: pairs with the acquire loads in fetch. */
    if (before == NULL)
        atomic_store_explicit(&actor->head, message, memory_order_release);
    else
        atomic_store_explicit(&before->next, message, memory_order_release);
}

/** Append a message. `*out_number` is its number: it is at position number - taken.
 *  Errors: NOPROC (closed), FULL and SHUTDOWN (it drains; both only with `bounded`), INVALID (only
 *  with `ordinary`: it is not).
 *  Ownership: taken on SP_OK only.
 *  Context: any thread with a context, inside an epoch section or the owner. */
SP_NODISCARD __attribute__((always_inline)) static inline sp_err sp__mailbox_push_to(
    struct sp__actor *actor, struct sp_message *message, bool bounded, bool ordinary,
    uint32_t *out_number)
{
    /* acquire: `pushed` is read before `taken`, see the invariant. */
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_acquire);
    uint64_t wanted;
    do {
        if (state & (ordinary ? SP__ACTOR_CLOSED | SP__ACTOR_SPECIAL : SP__ACTOR_CLOSED))
            return state & SP__ACTOR_CLOSED ? SP_ERR_NOPROC : SP_ERR_INVALID;
        if (!ordinary && bounded && (state & SP__ACTOR_DRAINING))
            return SP_ERR_SHUTDOWN;
        if (bounded) {
            /* acquire: pairs with the release in took. An unbounded one's maximum is more than
             * any length. */
            uint32_t taken = atomic_load_explicit(&actor->taken, memory_order_acquire);
            uint32_t length = (uint32_t)(state >> 32) - taken;
            /* Negative: what was pushed since we read `state` is taken already, and the swap
             * below will fail. */
            if (length >= actor->mailbox_max && (int32_t)length >= 0)
                return SP_ERR_FULL;
        }
        wanted = state + SP__ACTOR_PUSH_ONE;
        if (state & SP__ACTOR_RECEIVING)
            wanted = (wanted & ~SP__ACTOR_RECEIVING) | SP__ACTOR_QUEUED;
        /* acq_rel: acquire pairs with the park of the last owner when we become responsible;
         * release orders what we did before with whoever sees the count. */
    } while (!atomic_compare_exchange_weak_explicit(&actor->state, &state, wanted,
                                                    memory_order_acq_rel, memory_order_acquire));
    *out_number = (uint32_t)(wanted >> 32);
    if (!(state & SP__ACTOR_RECEIVING)) {
        sp__mailbox_append(actor, message);
        return SP_OK;
    }
    if (!ordinary && actor->shared_fetch)
        sp__mailbox_append(actor, message); /* where another sender can drop it */
    else
        actor->direct = message;
    sp__scheduler_ready(actor);
    return SP_OK;
}

/** sp__mailbox_push_to() any mailbox. */
SP_NODISCARD __attribute__((always_inline)) static inline sp_err sp__mailbox_push(
    struct sp__actor *actor, struct sp_message *message, bool bounded, uint32_t *out_number)
{
    return sp__mailbox_push_to(actor, message, bounded, false, out_number);
}

/* ---- the receiver's end ---- */

/* Owner only, so plain in effect; others read a recent value. */
static inline void sp__mailbox_fetched(struct sp__actor *actor)
{
    uint32_t fetched = atomic_load_explicit(&actor->fetched, memory_order_relaxed);
    atomic_store_explicit(&actor->fetched, fetched + 1, memory_order_relaxed);
}

/** `last` seems to be the last message: detach it. False: a sender is linking itself behind it.
 *  Context: the owner, or with shared_fetch the lock's holder. */
SP_NODISCARD bool sp__mailbox_detach_last(struct sp__actor *actor, struct sp_message *last)
    SP_NONNULL;

/** The oldest in the queue, out of it, but not counted as fetched. Context: as detach_last. */
static inline struct sp_message *sp__mailbox_unlink(struct sp__actor *actor)
{
    /* acquire: pairs with the release in append. */
    struct sp_message *message = atomic_load_explicit(&actor->head, memory_order_acquire);
    if (message == NULL)
        return NULL;
    struct sp_message *next = atomic_load_explicit(&message->next, memory_order_acquire);
    if (next != NULL) {
        atomic_store_explicit(&actor->head, next, memory_order_relaxed);
        /* It may be in another core's cache, and is what is handled next. */
        __builtin_prefetch(next);
    } else if (!sp__mailbox_detach_last(actor, message)) {
        return NULL;
    }
    return message;
}

/** As sp__mailbox_fetch(), but not what lies in `direct`. Context: as detach_last. */
static inline struct sp_message *sp__mailbox_fetch_queue(struct sp__actor *actor)
{
    struct sp_message *message = sp__mailbox_unlink(actor);
    if (message != NULL)
        sp__mailbox_fetched(actor);
    return message;
}

/** Take the oldest message off the queue, or NULL when there is none, or only one that its
 *  sender has not linked yet. Not counted as taken: sp__mailbox_took() does that.
 *  Context: the owner. */
static inline struct sp_message *sp__mailbox_fetch(struct sp__actor *actor)
{
    struct sp_message *message = sp__mailbox_take_direct(actor);
    return message != NULL ? message : sp__mailbox_fetch_queue(actor);
}

#endif
