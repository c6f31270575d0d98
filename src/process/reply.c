#include "process/reply.h"

#include "base/usdt.h"
#include "process/aside.h"

#include <string.h>

void sp__reply_write(struct sp__pending *pending, uint32_t index, const struct sp__reply *reply)
{
    struct sp__pending_slot *slot = &pending->slots[index];
    slot->done = true;
    slot->err = reply->err;
    slot->reason = reply->reason == NULL ? NULL : sp_reason_ref(reply->reason);
    if (reply->err == SP_OK && slot->out != NULL && reply->out != NULL)
        memcpy(slot->out, reply->out, slot->out_size);
    pending->remaining = pending->first && reply->err == SP_OK ? 0 : pending->remaining - 1;
}

/* Whom the request of this slot is for. */
static bool reply_is_from(const struct sp__pending *pending, size_t index, bool own, sp_pid server)
{
    if (pending->several) {
        const struct sp__pending_several *several =
            sp__container_of(pending, const struct sp__pending_several, pending);
        return sp_pid_equal(several->target(several->targets, index), server);
    }
    return own && (pending->kind == SP_WAIT_CALL || pending->kind == SP_WAIT_START ||
                   pending->kind == SP_WAIT_SYS);
}

void sp__reply_fail_from(struct sp__pending *pending, bool own, sp_pid server,
                         const struct sp_reason *reason)
{
    struct sp__reply reply = { .err =
                                   pending->kind == SP_WAIT_START ? SP_ERR_INITFAILED : SP_ERR_DIED,
                               .reason = reason };
    for (size_t i = 0; i < pending->count; i++)
        if (!pending->slots[i].done && reply_is_from(pending, i, own, server))
            sp__reply_write(pending, (uint32_t)i, &reply);
}

/* True: delivered. */
static bool reply_deliver(struct sp_process *caller, const struct sp__reply_to *to,
                          const struct sp__reply *reply)
{
    if (!sp__wait_claim(&caller->actor, to->token))
        return sp__aside_reply(caller, to, reply);
    struct sp__pending *pending = caller->pending;
    if (pending->slots[to->index].done) {
        sp__wait_release(&caller->actor, to->token);
        return false;
    }
    sp__reply_write(pending, to->index, reply);
    if (pending->remaining == 0)
        sp__wait_finish(&caller->actor, to->token);
    else
        sp__wait_release(&caller->actor, to->token);
    return true;
}

bool sp__reply_reach(const struct sp__reply_to *to, const struct sp__reply *reply)
{
    struct sp__context *context = sp__context();
    SP__USDT3(reply, to->caller.serial, to->caller.slot, reply->err);
    sp__point_in(context, SP__POINT_REPLY, sp__point_pid(to->caller), "reply");
    sp__epoch_enter(&context->epoch);
    struct sp_process *caller = sp__process_lookup(context->runtime, to->caller);
    bool delivered = caller != NULL && reply_deliver(caller, to, reply);
    sp__epoch_leave(&context->epoch);
    if (!delivered)
        sp__count(&context->counters.late_replies);
    return delivered;
}

void sp__reply_send(const struct sp__reply_to *to, const struct sp__reply *reply)
{
    if (!sp__reply_reach(to, reply) && reply->err == SP_OK && reply->out_destroy != NULL)
        reply->out_destroy((void *)(uintptr_t)reply->out);
}

void sp__reply_defer(const struct sp__reply_to *to)
{
    struct sp__context *context = sp__context();
    sp__epoch_enter(&context->epoch);
    struct sp_process *caller = sp__process_lookup(context->runtime, to->caller);
    if (caller != NULL && sp__wait_claim(&caller->actor, to->token)) {
        caller->pending->slots[to->index].deferred = true;
        sp__wait_release(&caller->actor, to->token);
    } else if (caller != NULL) {
        sp__aside_defer(caller, to, false);
    }
    sp__epoch_leave(&context->epoch);
}

void sp__pending_abandon(struct sp_process *self)
{
    struct sp__pending *pending = self->pending;
    for (size_t i = 0; pending != NULL && i < pending->count; i++) {
        struct sp__pending_slot *slot = &pending->slots[i];
        bool moved = slot->done && slot->err == SP_OK && pending->out_destroy != NULL;
        sp_reason_unref(slot->reason);
        slot->reason = NULL;
        slot->done = false; /* before the user's code, which may end in a fault */
        if (moved)
            pending->out_destroy(slot->out);
    }
    self->pending = NULL;
}

bool sp__reply_expired(const struct sp__reply_to *to)
{
    struct sp__context *context = sp__context();
    sp__epoch_enter(&context->epoch);
    struct sp_process *caller = sp__process_lookup(context->runtime, to->caller);
    /* acquire: pairs with the release of who answers; only the phase is looked at. */
    uint64_t wait =
        caller == NULL ? 0 : atomic_load_explicit(&caller->actor.wait, memory_order_acquire);
    bool waits = wait == ((to->token << 2) | SP__WAIT_OPEN) ||
                 wait == ((to->token << 2) | SP__WAIT_BUSY) ||
                 (caller != NULL && sp__aside_waits(caller, to->token));
    sp__epoch_leave(&context->epoch);
    return !waits;
}

void sp__reply_fail_message(struct sp_message *message, sp_err err, const struct sp_reason *reason)
{
    if (!(message->flags & SP__MESSAGE_CALL) || (message->flags & SP__MESSAGE_ANSWERED))
        return;
    sp__reply_send(sp__message_call(message), &(struct sp__reply){ .err = err, .reason = reason });
    message->flags |= SP__MESSAGE_ANSWERED;
}
