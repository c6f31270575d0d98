#include "process/send.h"
#include "runtime/mailbox.h"
#include "runtime/message_pool.h"

#include "base/alloc.h"
#include "process/reply.h"
#include "process/resource.h"
#include "process/signal.h"

#include <string.h>

/* A sender that waits for room: on its stack. */
struct send_waiter {
    struct sp__list link;
    struct sp_process *sender;
    uint64_t token;
    bool queued; /* under the receiver's lock */
};

static void send_high_water(struct sp_process *to, struct sp__send *send)
{
    struct sp__extra *extra = to->extra;
    send->length = sp__mailbox_length(&to->actor);
    if (send->length != extra->high_water)
        return;
    send->on_high_water = extra->on_high_water;
    send->high_water_arg = extra->high_water_arg;
}

static void send_drop(struct sp__send *send, struct sp_message *message)
{
    sp__count(&sp__context()->counters.dropped_full);
    sp__message_set_next(message, send->dropped);
    send->dropped = message;
}

/* Make room by dropping the oldest. The receiver fetches under the lock too, see receive.c. */
static bool send_drop_oldest(struct sp_process *to, struct sp__send *send)
{
    sp__lock_lock(&to->lock);
    struct sp_message *oldest = sp__mailbox_fetch_shared(&to->actor);
    sp__lock_unlock(&to->lock);
    if (oldest != NULL)
        send_drop(send, oldest);
    return oldest != NULL;
}

static sp_err send_overflow(struct sp_process *to, struct sp__send *send,
                            struct sp_message *message)
{
    switch ((enum sp_overflow)to->overflow) {
    case SP_OVERFLOW_REFUSE:
        break;
    case SP_OVERFLOW_DROP_NEWEST:
        send_drop(send, message);
        return SP_OK;
    case SP_OVERFLOW_DROP_OLDEST:
        while (send_drop_oldest(to, send)) {
            sp_err err = sp__mailbox_push(&to->actor, message, true, &send->number);
            if (err != SP_ERR_FULL)
                return err;
        }
        break;
    case SP_OVERFLOW_STOP:
        sp_ignore(sp__signal_send(to, SP__SIGNAL_EXIT, message->from,
                              sp_reason_error(SP_ERR_FULL, "mailbox full")));
        break;
    }
    sp__count(&sp__context()->counters.dropped_full);
    return SP_ERR_FULL;
}

/* Inside an epoch section. */
static inline sp_err send_push(struct sp_process *to, struct sp__send *send, struct sp_message *message)
{
    bool bounded = !send->unbounded && !(message->type->kind & SP__KIND_RESERVED);
    sp_err err = sp__mailbox_push(&to->actor, message, bounded, &send->number);
    if (err == SP_ERR_FULL)
        err = send_overflow(to, send, message);
    if (err != SP_OK)
        return err;
    if (atomic_load_explicit(&to->shared, memory_order_relaxed) & SP__SHARED_HIGH_WATER)
        send_high_water(to, send);
    return SP_OK;
}

/* What the delivery asked for of the user's: outside of the section, so that it may fault, and
 * without a lock. */
static void send_after(struct sp__send *send)
{
    for (struct sp_message *message; (message = send->dropped) != NULL;) {
        send->dropped = sp__message_next(message);
        sp__reply_fail_message(message, SP_ERR_FULL, NULL);
        sp__message_destroy(message);
    }
    if (send->on_high_water != NULL)
        send->on_high_water(send->to, send->length, send->high_water_arg);
}

sp_err sp__send_message(struct sp__context *context, struct sp__send *send,
                        struct sp_message *message)
{
    sp__count(&context->counters.sent);
    sp__epoch_enter(&context->epoch);
    struct sp_process *to = sp__process_lookup(context->runtime, send->to);
    sp_err err = to == NULL ? SP_ERR_NOPROC : send_push(to, send, message);
    sp__epoch_leave(&context->epoch);
    if (err == SP_ERR_NOPROC)
        sp__count(&context->counters.dead_noproc);
    if (send->dropped != NULL || send->on_high_water != NULL)
        send_after(send);
    return err;
}

/* The rare half of send_copy(): anything but a place in an ordinary mailbox. */
static SP_NOINLINE sp_err send_slow(struct sp__context *context, sp_pid to,
                                    struct sp_message *message)
{
    struct sp__send send = { .to = to };
    sp_err err = sp__send_message(context, &send, message);
    if (err != SP_OK)
        sp__message_destroy(message);
    return err;
}

/* Into an ordinary mailbox with room. False: it is not, or the process is gone; nothing was done.
 * Always inlined: this is the path of nearly every message, and the calls would cost as much as
 * the work. */
__attribute__((always_inline)) static inline bool send_fast(struct sp__context *context, sp_pid to,
                                                            struct sp_message *message)
{
    bool sent = false;
    sp__epoch_enter(&context->epoch);
    struct sp_process *process = sp__process_lookup(context->runtime, to);
    if (process != NULL && !(atomic_load_explicit(&process->shared, memory_order_relaxed) &
                             SP__SHARED_HIGH_WATER)) {
        uint32_t number;
        sent = sp__mailbox_push(&process->actor, message, true, &number) == SP_OK;
    }
    sp__epoch_leave(&context->epoch);
    if (sent)
        sp__count(&context->counters.sent);
    return sent;
}

/* A copy of the payload to `to`. */
__attribute__((always_inline)) static inline sp_err
send_copy(struct sp__context *context, sp_pid from, sp_pid to, const struct sp_msg_type *type,
          const void *payload)
{
    struct sp_message *message = sp__message_take(context, type, type->size, 0, from);
    if (message == NULL) {
        sp__payload_destroy(type, payload);
        return SP_ERR_NOMEM;
    }
    sp__payload_copy(sp__message_payload(message), payload, type->size);
    return send_fast(context, to, message) ? SP_OK : send_slow(context, to, message);
}

sp_err sp__send_from(struct sp_runtime *runtime, sp_pid from, sp_pid to,
                     const struct sp_msg_type *type, const void *payload)
{
    (void)runtime;
    return send_copy(sp__context(), from, to, type, payload);
}

sp_err sp__message_create(const struct sp_msg_type *type, const void *payload,
                          struct sp_message **out)
{
    struct sp_message *message = sp__message_new(type, type->size, 0, sp_self());
    if (message == NULL) {
        sp__payload_destroy(type, payload);
        return SP_ERR_NOMEM;
    }
    memcpy(sp__message_payload(message), payload, type->size);
    *out = message;
    return SP_OK;
}

sp_err sp_send(sp_pid to, const struct sp_msg_type *type, const void *payload)
{
    struct sp__context *context = sp__context();
    if (context == NULL || context->current == NULL) {
        sp__payload_destroy(type, payload);
        return SP_ERR_NOTCONTEXT;
    }
    struct sp_process *self = (struct sp_process *)(void *)context->current;
    return send_copy(context, sp__process_pid(self), to, type, payload);
}

sp_err sp_message_forward(struct sp_message *moved_message, sp_pid to)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    sp__receive_release(self, moved_message);
    struct sp__send send = { .to = to };
    sp_err err = sp__send_message(sp__context(), &send, moved_message);
    if (err != SP_OK) {
        sp__reply_fail_message(moved_message, err, NULL);
        sp__message_destroy(moved_message);
    }
    return err;
}

/* ---- waiting for room ---- */

/* Receiver's lock held. The sender may be gone: then the claim fails. */
static void send_wake(struct send_waiter *waiter)
{
    sp__list_remove(&waiter->link);
    waiter->queued = false;
    struct sp__actor *sender = &waiter->sender->actor;
    uint64_t token = waiter->token;
    if (sp__wait_claim(sender, token))
        sp__wait_finish(sender, token);
}

static void send_room(struct sp_process *self, bool all)
{
    struct sp__list *link;
    sp__process_enter();
    sp__lock_lock(&self->lock);
    struct sp__extra *extra = self->extra;
    while ((link = sp__list_first(&extra->waiters)) != NULL) {
        send_wake(sp__container_of(link, struct send_waiter, link));
        if (!all)
            break;
    }
    if (sp__list_empty(&extra->waiters))
        atomic_fetch_and_explicit(&self->shared, ~(uint32_t)SP__SHARED_WAITED_FOR,
                                  memory_order_relaxed);
    sp__lock_unlock(&self->lock);
    sp__process_leave();
}

void sp__send_room(struct sp_process *self)
{
    send_room(self, false);
}

void sp__send_room_all(struct sp_process *self)
{
    if (self->extra != NULL)
        send_room(self, true);
}

static void waiter_remove(struct sp_process *to, struct send_waiter *waiter)
{
    sp__lock_lock(&to->lock);
    if (waiter->queued)
        sp__list_remove(&waiter->link);
    waiter->queued = false;
    sp__lock_unlock(&to->lock);
}

/* A waiter that is killed leaves the list before its stack goes. */
struct send_guard {
    struct sp__resource resource;
    struct sp_process *to;
    struct send_waiter *waiter;
};

static void guard_release(struct sp__resource *resource)
{
    struct send_guard *guard = sp__container_of(resource, struct send_guard, resource);
    waiter_remove(guard->to, guard->waiter);
}

/* Queue up at the receiver. False: it is closed. Inside an epoch section. */
static bool waiter_add(struct sp_process *to, struct send_waiter *waiter)
{
    if (sp__process_extra(to) == NULL)
        return false;
    sp__lock_lock(&to->lock);
    bool open = !to->closed;
    if (open) {
        sp__list_push_back(&to->extra->waiters, &waiter->link);
        waiter->queued = true;
        /* seq_cst: pairs with took: either it sees the flag, or we see the room it made. */
        atomic_fetch_or_explicit(&to->shared, SP__SHARED_WAITED_FOR, memory_order_seq_cst);
    }
    sp__lock_unlock(&to->lock);
    return open;
}

/* Wait until the receiver lets us in, ends, or the deadline passes. The slot of the receiver
 * outlives our being on its list: an exit empties the list before it retires the slot. */
static sp_err send_wait_for_room(struct sp_process *self, sp_pid to, int64_t deadline)
{
    struct send_waiter waiter = { .sender = self, .token = sp__wait_open(&self->actor) };
    sp__process_enter();
    struct sp_process *receiver = sp__process_lookup(sp__process_runtime(self), to);
    bool queued = receiver != NULL && waiter_add(receiver, &waiter);
    bool room = receiver != NULL &&
                sp__mailbox_length(&receiver->actor) < receiver->actor.mailbox_max;
    sp__process_leave();
    if (!queued || room) {
        if (queued)
            waiter_remove(receiver, &waiter);
        sp__wait_close(&self->actor, waiter.token);
        return queued ? SP_OK : SP_ERR_NOPROC;
    }
    struct send_guard guard = { .resource = { .release = guard_release },
                                .to = receiver,
                                .waiter = &waiter };
    sp__resource_add(self, &guard.resource);
    sp__process_waits_for(self, to);
    sp_err err = sp__process_wait(self, waiter.token, deadline);
    sp__process_waits_for(self, SP_PID_NONE);
    sp__resource_remove(&guard.resource);
    waiter_remove(receiver, &waiter);
    return err;
}

sp_err sp_send_wait(sp_pid to, const struct sp_msg_type *type, const void *payload,
                    sp_deadline deadline)
{
    struct sp_process *self = sp__process_self();
    struct sp_message *message = NULL;
    if (self == NULL) {
        sp__payload_destroy(type, payload);
        return SP_ERR_NOTCONTEXT;
    }
    struct sp_runtime *runtime = sp__process_runtime(self);
    int64_t until = sp__scheduler_instant(runtime, deadline, sp_after_sec(5));
    sp_err err = sp__message_create(type, payload, &message);
    if (err != SP_OK)
        return err;
    for (;;) {
        struct sp__send send = { .to = to };
        err = sp__send_message(sp__context(), &send, message);
        if (err != SP_ERR_FULL || sp_pid_equal(to, sp__process_pid(self)))
            break;
        err = send_wait_for_room(self, to, until);
        if (err != SP_OK)
            break;
    }
    if (err != SP_OK)
        sp__message_destroy(message);
    return err;
}
