/* The way of nearly every reply: to a caller that waits for it alone, and is parked.
 *
 * Whoever makes a parked process runnable owns it until it has handed it to a run queue. So one
 * compare-and-swap is both the claim on the wait and the wake-up: while we own the caller it
 * cannot give up, and nobody else has its request.
 *
 * Threads: any with a context. Neighbours: reply.h for all that is not ordinary.
 */
#ifndef SPAWNED_PROCESS_REPLY_FAST_H
#define SPAWNED_PROCESS_REPLY_FAST_H

#include "process/reply.h"
#include "runtime/message_pool.h"

/** Own the parked `actor`, if it waits with `token`: to be made ready. Inside an epoch section. */
SP_NODISCARD __attribute__((always_inline)) static inline bool sp__reply_own(
    struct sp__actor *actor, uint64_t token)
{
    if (!sp__wait_is_open(actor, token))
        return false;
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_relaxed);
    if (state & (SP__ACTOR_QUEUED | SP__ACTOR_CLOSED))
        return false;
    uint64_t wanted = (state | SP__ACTOR_QUEUED) & ~(SP__ACTOR_RECEIVING | SP__ACTOR_WAKE);
    /* acq_rel: acquire pairs with the park: what the owner wrote before it is visible. */
    if (!atomic_compare_exchange_strong_explicit(&actor->state, &state, wanted,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return false;
    if (sp__wait_is_open(actor, token))
        return true;
    sp__scheduler_ready(actor); /* it has just given up: a wake-up without a cause */
    return false;
}

/** Answer with `err`, or a copy of `out`. False: nothing was done, and sp__reply_send() does what
 *  is to be done. Always inlined, as sp__send_fast().
 *  Context: any with a context, which is `context`. */
SP_NODISCARD __attribute__((always_inline)) static inline bool sp__reply_fast(
    struct sp__context *context, const struct sp__reply_to *to, sp_err err, const void *out)
{
    bool sent = false;
    if (!(to->flags & SP__REPLY_SINGLE))
        return false;
    sp__epoch_enter(&context->epoch);
    struct sp_process *caller = sp__process_lookup(context->runtime, to->caller);
    if (caller != NULL && sp__reply_own(&caller->actor, to->token)) {
        struct sp__pending_slot *slot = caller->pending->slots;
        caller->pending->remaining = 0;
        slot->done = true;
        slot->err = err;
        if (err == SP_OK && slot->out != NULL)
            sp__payload_copy(slot->out, out, slot->out_size);
        /* release: pairs with the acquire in done. */
        atomic_store_explicit(&caller->actor.wait, (to->token << 2) | SP__WAIT_DONE,
                              memory_order_release);
        sp__scheduler_ready(&caller->actor);
        sent = true;
    }
    sp__epoch_leave(&context->epoch);
    return sent;
}

/** Has the caller given up? As sp__reply_expired(), of a recent moment.
 *  Context: any with a context, which is `context`. */
__attribute__((always_inline)) static inline bool sp__reply_over(struct sp__context *context,
                                                                 const struct sp__reply_to *to)
{
    /* Without a section: the slot's memory is a process's for good, and its tokens go on counting
     * over its users. */
    struct sp_process *caller = sp__process_lookup(context->runtime, to->caller);
    return caller == NULL || !sp__wait_is_open(&caller->actor, to->token);
}

#endif
