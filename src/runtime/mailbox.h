/* The sender's end of a mailbox: inline, since every message passes here.
 *
 * The invariants are runtime/actor.h's.
 * Threads: any with a context. Neighbours: actor.c has the receiver's end.
 */
#ifndef SPAWNED_RUNTIME_MAILBOX_H
#define SPAWNED_RUNTIME_MAILBOX_H

#include "runtime/scheduler.h"

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
 *  Errors: NOPROC (closed), FULL (only with `bounded`).
 *  Ownership: taken on SP_OK only.
 *  Context: any thread with a context, inside an epoch section or the owner. */
SP_NODISCARD __attribute__((always_inline)) static inline sp_err sp__mailbox_push(
    struct sp__actor *actor, struct sp_message *message, bool bounded, uint32_t *out_number)
{
    /* acquire: `pushed` is read before `taken`, see the invariant. */
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_acquire);
    uint64_t wanted;
    do {
        if (state & SP__ACTOR_CLOSED)
            return SP_ERR_NOPROC;
        if (bounded && actor->mailbox_max != UINT32_MAX) {
            /* acquire: pairs with the release in took. */
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
    if (actor->shared_fetch)
        sp__mailbox_append(actor, message); /* where another sender can drop it */
    else
        actor->direct = message;
    sp__scheduler_ready(actor);
    return SP_OK;
}

#endif
