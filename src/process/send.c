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

/* Once for each time the mailbox gets there. Inside an epoch section, which keeps `extra`. */
static void send_high_water(struct sp_process *to, struct sp__send *send)
{
    struct sp__extra *extra = to->extra;
    send->length = sp__mailbox_length(&to->actor);
    if (send->length < extra->high_water)
        return;
    /* relaxed: only who calls is decided. */
    if (atomic_fetch_or_explicit(&to->shared, SP__SHARED_ABOVE_MARK, memory_order_relaxed) &
        SP__SHARED_ABOVE_MARK)
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

/* Make room by dropping the oldest. The receiver fetches under the lock too, see receive.c.
 * False: there is none but what a selective receive has passed over. */
static bool send_drop_oldest(struct sp_process *to, struct sp__send *send)
{
    struct sp_message *oldest = NULL;
    bool gap = true;
    for (unsigned spins = 0; oldest == NULL && gap; spins++) {
        sp__lock_lock(&to->lock);
        oldest = sp__mailbox_fetch_shared(&to->actor);
        gap = sp__mailbox_waiting(&to->actor);
        sp__lock_unlock(&to->lock);
        if (oldest == NULL && gap)
            sp__scheduler_spin(spins); /* a sender is about to link its message */
    }
    if (oldest != NULL)
        send_drop(send, oldest);
    return oldest != NULL;
}

/* It ends, trapping or not; one signal is enough. */
static void send_stop(struct sp_process *to, sp_pid from)
{
    if (atomic_fetch_or_explicit(&to->shared, SP__SHARED_OVERFLOWED, memory_order_relaxed) &
        SP__SHARED_OVERFLOWED)
        return;
    const struct sp_reason *reason = sp_reason_error(SP_ERR_FULL, "mailbox full");
    if (sp__signal_send(to, SP__SIGNAL_OVERFLOW, from, reason) == SP_ERR_NOMEM)
        atomic_fetch_and_explicit(&to->shared, ~(uint32_t)SP__SHARED_OVERFLOWED,
                                  memory_order_relaxed); /* the next one tries again */
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
        send_stop(to, message->from);
        break;
    }
    sp__count(&sp__context()->counters.dropped_full);
    return SP_ERR_FULL;
}

/* Inside an epoch section. */
static inline sp_err send_push(struct sp_process *to, struct sp__send *send,
                               struct sp_message *message)
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

/* Messages that were dropped: destroyed one after another, whatever a destructor does. */
struct send_dropped {
    struct sp__resource resource;
    struct sp_message *first;
};

static void dropped_destroy(struct send_dropped *dropped)
{
    struct sp_process *self = sp__process_self();
    for (struct sp_message *message; (message = dropped->first) != NULL;) {
        dropped->first = sp__message_next(message);
        if (self != NULL)
            sp__resource_add(self, &dropped->resource);
        sp__reply_fail_message(message, SP_ERR_FULL, NULL);
        sp__message_destroy(message);
        sp__resource_remove(&dropped->resource);
    }
}

static void dropped_release(struct sp__resource *resource)
{
    dropped_destroy(sp__container_of(resource, struct send_dropped, resource));
}

/* What the delivery asked for of the user's: outside of the section, so that it may fault, and
 * without a lock. */
static void send_after(struct sp__send *send)
{
    struct send_dropped dropped = { .resource = { .release = dropped_release },
                                    .first = send->dropped };
    send->dropped = NULL;
    dropped_destroy(&dropped);
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
    if (process != NULL &&
        !(atomic_load_explicit(&process->shared, memory_order_relaxed) & SP__SHARED_HIGH_WATER)) {
        uint32_t number;
        sent = sp__mailbox_push(&process->actor, message, true, &number) == SP_OK;
    }
    sp__epoch_leave(&context->epoch);
    if (sent)
        sp__count(&context->counters.sent);
    return sent;
}

/* A copy of the payload to `to`. */
__attribute__((always_inline)) static inline sp_err send_copy(struct sp__context *context,
                                                              sp_pid from, sp_pid to,
                                                              const struct sp_msg_type *type,
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
    if (sp__process_is_server(self)) {
        /* Its messages are the server's, who frees them. */
        return SP_ERR_NOTCONTEXT;
    }
    sp__receive_release(self, moved_message);
    /* A notice, or a tick, is a message like any other now. */
    moved_message->flags &= SP__MESSAGE_CALL | SP__MESSAGE_ANSWERED;
    struct sp__send send = { .to = to };
    sp_err err = sp__send_message(sp__context(), &send, moved_message);
    if (err != SP_OK) {
        sp__reply_fail_message(moved_message, err, NULL);
        sp__message_destroy(moved_message);
    }
    return err;
}

/* ---- waiting for room ----
 *
 * Senders that wait are on a list of the receiver's, who lets one in for each message it takes.
 * The receiver looks at SP__SHARED_WAITED_FOR after each message, without a fence: it may miss
 * a sender that queues up at this moment. So the sender wakes it, and it looks again before it
 * parks. One that was let in and does not send lets in the next.
 */

/* Receiver's lock held. False: the sender has given up. */
static bool send_wake(struct send_waiter *waiter)
{
    sp__list_remove(&waiter->link);
    waiter->queued = false;
    struct sp__actor *sender = &waiter->sender->actor;
    uint64_t token = waiter->token;
    if (!sp__wait_claim(sender, token))
        return false;
    sp__wait_finish(sender, token);
    return true;
}

static bool send_has_room(struct sp_process *to)
{
    return sp__mailbox_length(&to->actor) < to->actor.mailbox_max;
}

/* Let in the first who still waits, or all. Inside an epoch section. */
static void send_let_in(struct sp_process *to, bool all)
{
    sp__lock_lock(&to->lock);
    struct sp__extra *extra = to->extra;
    struct sp__list *link = NULL;
    while (extra != NULL && (link = sp__list_first(&extra->waiters)) != NULL)
        if (send_wake(sp__container_of(link, struct send_waiter, link)) && !all)
            break;
    if (extra == NULL || sp__list_empty(&extra->waiters))
        atomic_fetch_and_explicit(&to->shared, ~(uint32_t)SP__SHARED_WAITED_FOR,
                                  memory_order_relaxed);
    sp__lock_unlock(&to->lock);
}

void sp__send_room(struct sp_process *self)
{
    uint32_t shared = atomic_load_explicit(&self->shared, memory_order_relaxed);
    if ((shared & SP__SHARED_ABOVE_MARK) &&
        sp__mailbox_length(&self->actor) < ((struct sp__extra *)self->extra)->high_water)
        atomic_fetch_and_explicit(&self->shared, ~(uint32_t)SP__SHARED_ABOVE_MARK,
                                  memory_order_relaxed);
    if (!(shared & SP__SHARED_WAITED_FOR) || !send_has_room(self))
        return;
    sp__process_enter();
    send_let_in(self, false);
    sp__process_leave();
}

void sp__send_room_all(struct sp_process *self)
{
    sp__process_enter();
    send_let_in(self, true);
    sp__process_leave();
}

/* True: it was still on the list. */
static bool waiter_remove(struct sp_process *to, struct send_waiter *waiter)
{
    sp__lock_lock(&to->lock);
    bool queued = waiter->queued;
    if (queued)
        sp__list_remove(&waiter->link);
    waiter->queued = false;
    sp__lock_unlock(&to->lock);
    return queued;
}

/* A waiter that is killed leaves the list before its stack goes, and its message with it. */
struct send_guard {
    struct sp__resource resource;
    struct sp_process *to;
    sp_pid to_pid;
    struct send_waiter *waiter;
    struct sp_message *message;
};

static void guard_release(struct sp__resource *resource)
{
    struct send_guard *guard = sp__container_of(resource, struct send_guard, resource);
    if (!waiter_remove(guard->to, guard->waiter)) {
        sp__process_enter();
        struct sp_process *to = sp__process_lookup(sp__context()->runtime, guard->to_pid);
        if (to != NULL)
            send_let_in(to, false); /* it let us in, and we do not come */
        sp__process_leave();
    }
    sp__message_destroy(guard->message);
}

/* Queue up at the receiver. Errors: NOPROC (it is closed), NOMEM. Inside an epoch section. */
static sp_err waiter_add(struct sp_process *to, struct send_waiter *waiter)
{
    if (sp__process_extra(to) == NULL)
        return SP_ERR_NOMEM;
    sp__lock_lock(&to->lock);
    bool open = !to->closed;
    if (open) {
        sp__list_push_back(&to->extra->waiters, &waiter->link);
        waiter->queued = true;
        /* release: with the wake below; see the top. */
        atomic_fetch_or_explicit(&to->shared, SP__SHARED_WAITED_FOR, memory_order_release);
    }
    sp__lock_unlock(&to->lock);
    return open ? SP_OK : SP_ERR_NOPROC;
}

/* Queue up, unless there is room meanwhile. The receiver's slot outlives our being on its list:
 * an exit empties the list before it retires the slot. */
static sp_err waiter_queue(struct sp_process *self, sp_pid to, struct send_waiter *waiter,
                           struct sp_process **out_receiver)
{
    *out_receiver = NULL;
    sp__process_enter();
    struct sp_process *receiver = sp__process_lookup(sp__process_runtime(self), to);
    sp_err err = receiver == NULL ? SP_ERR_NOPROC : waiter_add(receiver, waiter);
    if (err == SP_OK && send_has_room(receiver)) {
        (void)waiter_remove(receiver, waiter);
    } else if (err == SP_OK) {
        *out_receiver = receiver;
        sp__actor_wake(&receiver->actor);
    }
    sp__process_leave();
    return err;
}

/* Wait until the receiver lets us in, ends, or the deadline passes. SP_OK: try again.
 * Errors: NOPROC, NOMEM, TIMEOUT, NOTCONTEXT (then the message is gone). */
static sp_err send_wait_for_room(struct sp_process *self, sp_pid to, struct sp_message *message,
                                 int64_t deadline)
{
    struct sp_process *receiver;
    struct send_waiter waiter = { .sender = self, .token = sp__wait_open(&self->actor) };
    sp_err err = waiter_queue(self, to, &waiter, &receiver);
    if (receiver == NULL) {
        sp__wait_close(&self->actor, waiter.token);
        return err;
    }
    struct send_guard guard = { .resource = { .release = guard_release },
                                .to = receiver,
                                .to_pid = to,
                                .waiter = &waiter,
                                .message = message };
    sp__resource_add(self, &guard.resource);
    sp__process_waits_for(self, to);
    err = sp__process_wait(self, waiter.token, deadline);
    if (err == SP_ERR_NOTCONTEXT)
        return err;
    sp__process_waits_for(self, SP_PID_NONE);
    sp__resource_remove(&guard.resource);
    (void)waiter_remove(receiver, &waiter);
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
        err = send_wait_for_room(self, to, message, until);
        if (err == SP_ERR_NOTCONTEXT)
            return err;
        if (err != SP_OK)
            break;
    }
    if (err != SP_OK)
        sp__message_destroy(message);
    /* Who tries again and again must still be told to exit. */
    return err == SP_OK || sp__process_check(self) ? err : SP_ERR_NOTCONTEXT;
}
