#include "process/send.h"
#include "process/send_fast.h"
#include "runtime/message_pool.h"

#include "base/alloc.h"
#include "base/usdt.h"
#include "process/admit.h"
#include "process/dead_letter.h"
#include "process/deadlock.h"
#include "process/give_up.h"
#include "process/reply.h"
#include "process/resource.h"
#include "process/signal.h"
#include "process/trace.h"
#include "process/watched.h"

#include <string.h>

/* A sender that waits for room: on its stack. */
struct send_waiter {
    struct sp__list link;
    struct sp_process *sender;
    uint64_t token;
    bool queued; /* under the receiver's lock */
    bool again;  /* it was let in, and others were faster */
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
    sp__dead_count(sp__context(), SP_DEAD_FULL, message->type);
    sp__message_set_next(message, send->dropped);
    send->dropped = message;
}

/* Are all that count in the receiver's hands already, such as a selective receive has passed over?
 * Receiver's lock held, so that nobody fetches meanwhile. */
static bool send_nothing_to_drop(struct sp_process *to)
{
    uint32_t fetched = atomic_load_explicit(&to->actor.fetched, memory_order_relaxed);
    /* relaxed: the receiver's lock orders all but what it has fetched last and counts just now. */
    uint32_t taken = atomic_load_explicit(&to->actor.taken, memory_order_relaxed);
    return fetched - taken + ((struct sp__extra *)to->extra)->spared_count >= to->actor.mailbox_max;
}

/* Nobody but its receiver may drop it: a tick that is still wanted, the library's own. */
static bool send_spares(const struct sp_message *message)
{
    return (message->flags & (SP__MESSAGE_KEYED | SP__MESSAGE_NOTICE)) ||
           (message->type->kind & SP__KIND_RESERVED);
}

/* The oldest that may be dropped. Those before it go to a list of their own, which the receiver
 * takes first, and which counts as not fetched. Receiver's lock held. */
static struct sp_message *send_take_oldest(struct sp_process *to)
{
    struct sp__extra *extra = to->extra; /* made when it was spawned */
    struct sp_message *oldest;
    while ((oldest = sp__mailbox_fetch_shared(&to->actor)) != NULL && send_spares(oldest)) {
        sp__message_set_next(oldest, NULL);
        if (extra->spared == NULL)
            extra->spared = oldest;
        else
            sp__message_set_next(extra->spared_last, oldest);
        extra->spared_last = oldest;
        extra->spared_count++;
    }
    if (oldest != NULL)
        sp__mailbox_dropped(&to->actor);
    return oldest;
}

/* Is one on its way that its sender has not linked yet? Receiver's lock held. */
static bool send_gap(const struct sp_process *to)
{
    uint64_t state = atomic_load_explicit(&to->actor.state, memory_order_relaxed);
    uint32_t fetched = atomic_load_explicit(&to->actor.fetched, memory_order_relaxed);
    return (uint32_t)(state >> 32) - fetched != ((struct sp__extra *)to->extra)->spared_count;
}

/* Make room by dropping the oldest. The receiver fetches under the lock too, see receive.c.
 * True: there was room, or there is now; somebody else may take it. */
static bool send_drop_oldest(struct sp_process *to, struct sp__send *send)
{
    struct sp_message *oldest = NULL;
    bool gap = true;
    bool full = false;
    for (unsigned spins = 0; oldest == NULL && gap; spins++) {
        sp__lock_lock(&to->lock);
        oldest = send_take_oldest(to);
        gap = send_gap(to);
        full = send_nothing_to_drop(to);
        sp__lock_unlock(&to->lock);
        if (oldest == NULL && gap)
            sp__scheduler_spin(spins); /* a sender is about to link its message */
    }
    if (oldest != NULL)
        send_drop(send, oldest);
    return oldest != NULL || !full;
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
    return SP_ERR_FULL;
}

/* It drains: only what it sends itself is part of what it has accepted. */
static sp_err send_draining(struct sp_process *to, struct sp__send *send,
                            struct sp_message *message)
{
    if (sp_pid_equal(message->from, send->to)) {
        if (sp__mailbox_length(&to->actor) >= to->actor.mailbox_max)
            return SP_ERR_FULL;
        return sp__mailbox_push(&to->actor, message, false, &send->number);
    }
    return SP_ERR_SHUTDOWN;
}

/* Inside an epoch section. */
static inline sp_err send_push(struct sp_process *to, struct sp__send *send,
                               struct sp_message *message)
{
    bool bounded = !send->unbounded && !(message->type->kind & SP__KIND_RESERVED);
    uint32_t shared = atomic_load_explicit(&to->shared, memory_order_relaxed);
    if ((shared & SP__SHARED_ADMITS) && bounded && !sp_pid_equal(message->from, send->to) &&
        !sp__admit(to))
        return SP_ERR_OVERLOAD;
    sp_err err = sp__mailbox_push(&to->actor, message, bounded, &send->number);
    if (err == SP_ERR_FULL)
        err = send_overflow(to, send, message);
    else if (err == SP_ERR_SHUTDOWN)
        err = send_draining(to, send, message);
    if (err != SP_OK)
        return err;
    if (shared & SP__SHARED_ADMITS)
        sp__admitted(to, send->number);
    if (shared & SP__SHARED_HIGH_WATER)
        send_high_water(to, send);
    return SP_OK;
}

/* Messages that were dropped: destroyed one after another, whatever a destructor does. */
struct send_dropped {
    struct sp__resource resource;
    sp_pid to;
    struct sp_message *first;
    struct sp_message *refused; /* the sender's own, for where a destructor ends it; or NULL */
};

static void dropped_destroy(struct send_dropped *dropped)
{
    struct sp_process *self = sp__process_self();
    for (struct sp_message *message; (message = dropped->first) != NULL;) {
        dropped->first = sp__message_next(message);
        if (self != NULL)
            sp__resource_add(self, &dropped->resource);
        sp__dead_tell(SP_DEAD_FULL, message, dropped->to);
        sp__reply_fail_message(message, SP_ERR_FULL, NULL);
        sp__message_destroy(message);
        sp__resource_remove(&dropped->resource);
    }
}

static void dropped_release(struct sp__resource *resource)
{
    struct send_dropped *dropped = sp__container_of(resource, struct send_dropped, resource);
    if (dropped->refused != NULL) {
        sp__message_set_next(dropped->refused, dropped->first);
        dropped->first = dropped->refused;
        dropped->refused = NULL;
    }
    dropped_destroy(dropped);
}

/* What the delivery asked for of the user's: outside of the section, so that it may fault, and
 * without a lock. */
static void send_after(struct sp__send *send, struct sp_message *refused)
{
    struct send_dropped dropped = { .resource = { .release = dropped_release },
                                    .to = send->to,
                                    .first = send->dropped,
                                    .refused = refused };
    send->dropped = NULL;
    dropped_destroy(&dropped);
    if (send->on_high_water != NULL)
        send->on_high_water(send->to, send->length, send->high_water_arg);
}

static enum sp_dead_reason send_dead_reason(sp_err err)
{
    switch ((int)err) {
    case SP_ERR_NOPROC:
        return SP_DEAD_NOPROC;
    case SP_ERR_SHUTDOWN:
        return SP_DEAD_DRAINING;
    case SP_ERR_OVERLOAD:
        return SP_DEAD_OVERLOAD;
    default:
        return SP_DEAD_FULL;
    }
}

/* It is the sender's again. */
static SP_NOINLINE void send_refused(struct sp__context *context, const struct sp__send *send,
                                     const struct sp_message *message, sp_err err)
{
    enum sp_dead_reason reason = send_dead_reason(err);
    if (send->retries && err == SP_ERR_FULL) {
        sp__count(&context->counters.dropped_full);
        return;
    }
    sp__dead_count(context, reason, message->type);
    sp__dead_tell(reason, message, send->to);
}

sp_err sp__send_message(struct sp__context *context, struct sp__send *send,
                        struct sp_message *message)
{
    sp__count(&context->counters.sent);
    SP__USDT4(send, message, message->type, send->to.serial, send->to.slot);
    sp__epoch_enter(&context->epoch);
    struct sp_process *to = sp__process_lookup(context->runtime, send->to);
    sp_err err = to == NULL ? SP_ERR_NOPROC : send_push(to, send, message);
    sp__epoch_leave(&context->epoch);
    if (err != SP_OK)
        send_refused(context, send, message, err);
    if (send->dropped != NULL || send->on_high_water != NULL)
        send_after(send, err == SP_OK ? NULL : message);
    return err;
}

/* The rare half of sp_send(): anything but a place in an ordinary mailbox. */
static SP_NOINLINE sp_err send_slow(struct sp__context *context, sp_pid to,
                                    struct sp_message *message)
{
    struct sp__send send = { .to = to };
    sp_err err = sp__send_message(context, &send, message);
    if (err != SP_OK)
        sp__message_destroy(message);
    return err;
}

/* A message with a copy of the payload; NULL: no memory, and the payload is destroyed. */
__attribute__((always_inline)) static inline struct sp_message *send_copy(
    struct sp__context *context, sp_pid from, const struct sp_msg_type *type, const void *payload)
{
    struct sp_message *message = sp__message_take(context, type, type->size, 0, from);
    if (message == NULL)
        sp__payload_destroy(type, payload);
    else
        sp__payload_copy(sp__message_payload(message), payload, type->size);
    return message;
}

/* A copy of the payload to `to`. `request`: its number, or 0, which costs nothing. */
__attribute__((always_inline)) static inline sp_err send_payload(struct sp__context *context,
                                                                 sp_pid from, sp_pid to,
                                                                 const struct sp_msg_type *type,
                                                                 const void *payload,
                                                                 uint64_t request)
{
    struct sp_message *message = send_copy(context, from, type, payload);
    uint32_t number;
    if (message == NULL)
        return SP_ERR_NOMEM;
    message->aux = request;
    return sp__send_fast(context, to, message, &number) ? SP_OK : send_slow(context, to, message);
}

sp_err sp__send_from(struct sp_runtime *runtime, sp_pid from, sp_pid to,
                     const struct sp_msg_type *type, const void *payload)
{
    (void)runtime;
    return send_payload(sp__context(), from, to, type, payload, 0);
}

/* By one that was given up: nobody gets it. */
static SP_NOINLINE sp_err send_given_up(struct sp_process *self, const struct sp_msg_type *type,
                                        const void *payload)
{
    sp__payload_destroy(type, payload);
    sp_ignore(sp__process_refused(self));
    return SP_ERR_NOTCONTEXT;
}

/* The same of the running process, in its trace. */
__attribute__((always_inline)) static inline struct sp_message *send_traced(
    struct sp__context *context, struct sp_process *self, const struct sp_msg_type *type,
    const void *payload)
{
    struct sp_message *message = sp__trace_take(context, self, type, type->size, 0);
    if (message == NULL)
        sp__payload_destroy(type, payload);
    else
        sp__payload_copy(sp__message_payload(message), payload, type->size);
    return message;
}

sp_err sp__message_create(const struct sp_msg_type *type, const void *payload,
                          struct sp_message **out)
{
    struct sp__context *context = sp__context();
    struct sp_process *self = (struct sp_process *)(void *)context->current;
    struct sp_message *message = send_traced(context, self, type, payload);
    if (message == NULL)
        return SP_ERR_NOMEM;
    *out = message;
    return SP_OK;
}

/* sp_send() past a point. */
static SP_NOINLINE sp_err send_pointed(struct sp_process *self, sp_pid to,
                                       const struct sp_msg_type *type, const void *payload)
{
    sp__point_if_acts(SP__POINT_SEND, sp__point_pid(to), type->name);
    if (sp__process_given_up(self))
        return send_given_up(self, type, payload);
    struct sp__context *context = sp__context();
    struct sp_message *message = send_traced(context, self, type, payload);
    uint32_t number;
    if (message == NULL)
        return SP_ERR_NOMEM;
    sp__watched_send(context, to, message);
    return sp__send_fast(context, to, message, &number) ? SP_OK : send_slow(context, to, message);
}

sp_err sp_send(sp_pid to, const struct sp_msg_type *type, const void *payload)
{
    struct sp__context *context = sp__context();
    if (context == NULL || context->current == NULL) {
        sp__payload_destroy(type, payload);
        return SP_ERR_NOTCONTEXT;
    }
    struct sp_process *self = (struct sp_process *)(void *)context->current;
    sp__point_fn point = sp__point_of(context);
    if (__builtin_expect(point != NULL, 0)) {
        uint64_t request;
        if (!sp__trace_number(context, point, self, &request))
            return send_pointed(self, to, type, payload);
        return send_payload(context, sp__process_pid(self), to, type, payload, request);
    }
    return send_payload(context, sp__process_pid(self), to, type, payload, 0);
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
    moved_message->flags &= SP__MESSAGE_CALL | SP__MESSAGE_ANSWERED | SP__MESSAGE_TRACED;
    struct sp__send send = { .to = to };
    sp__point(SP__POINT_SEND, sp__point_pid(to), moved_message->type->name);
    sp_err err = sp__send_message(sp__context(), &send, moved_message);
    if (err != SP_OK) {
        sp__reply_fail_message(moved_message, err, NULL);
        sp__message_destroy(moved_message);
    }
    return err;
}

/* ---- waiting for room ----
 *
 * Senders that wait are on a list of the receiver's, who lets them in when it has taken all that
 * was in its mailbox. One for each message would cost a wake-up and two switches of fibers a
 * message; and two that are runnable at once are soon on two cores, which hand each message over
 * for more than it costs to handle it. Draining first costs the receiver nothing, since it is
 * who all wait for. Where it takes long (SEND_ROOM_WAIT_NS), it lets in between the messages; and
 * all for whom there is room when it suspends in the middle of one.
 *
 * One is let in, who sends until the mailbox is full again. If none has come back by the next
 * time, they are such as send one message and do something else: twice as many are let in, and
 * so on. One that finds the room taken by others is the first of the list the next time.
 *
 * The receiver looks at SP__SHARED_WAITED_FOR after each message, without a fence: it may miss
 * a sender that queues up at this moment. So the sender sets ROOM in its state, and it looks again
 * before it parks, and lets in at least one if there is room: no wait is lost. One that was let in and
 * does not send lets in the next.
 */
enum {
    SEND_ROOM_WAIT_NS = 5000000, /* a full mailbox of the default length takes 2 ms */
    SEND_ROOM_LOOK_EVERY = 64,   /* messages, a power of two: how often to look at the clock */
    SEND_LET_IN_MAX = 1 << 16,
};

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

/* Let in the first `count` who still wait. Inside an epoch section. */
static void send_let_in(struct sp_process *to, uint32_t count) SP__REQUIRES(to->lock)
{
    struct sp__extra *extra = to->extra;
    struct sp__list *link = NULL;
    while (extra != NULL && count > 0 && (link = sp__list_first(&extra->waiters)) != NULL)
        if (send_wake(sp__container_of(link, struct send_waiter, link)))
            count--;
    if (extra == NULL || sp__list_empty(&extra->waiters))
        atomic_fetch_and_explicit(&to->shared, ~(uint32_t)SP__SHARED_WAITED_FOR,
                                  memory_order_relaxed);
}

/* How many to let in now. */
static uint32_t send_how_many(struct sp__extra *extra)
{
    if (extra->queued_up || extra->let_in == 0)
        extra->let_in = 1;
    else if (extra->let_in < SEND_LET_IN_MAX)
        extra->let_in *= 2;
    extra->queued_up = false;
    return extra->let_in;
}

/* Let in some, if there is room; `all`: as many as there is room for. */
static void send_room_use(struct sp_process *self, bool all)
{
    struct sp__extra *extra = self->extra;
    uint32_t length = sp__mailbox_length(&self->actor);
    if (extra == NULL || length >= self->actor.mailbox_max)
        return;
    uint32_t room = self->actor.mailbox_max - length;
    extra->waited_since = 0;
    sp__actor_room_looked(&self->actor);
    sp__process_enter();
    sp__lock_lock(&self->lock);
    uint32_t count = send_how_many(extra);
    send_let_in(self, all || count > room ? room : count);
    sp__lock_unlock(&self->lock);
    sp__process_leave();
}

/* Messages are waiting, but so are senders. */
static void send_room_late(struct sp_process *self)
{
    struct sp__extra *extra = self->extra;
    int64_t now = sp__now(sp__process_runtime(self));
    if (extra == NULL)
        return;
    if (extra->waited_since == 0)
        extra->waited_since = now;
    else if (now - extra->waited_since >= SEND_ROOM_WAIT_NS)
        send_room_use(self, false);
}

void sp__send_room(struct sp_process *self)
{
    uint32_t shared = atomic_load_explicit(&self->shared, memory_order_relaxed);
    if ((shared & SP__SHARED_ABOVE_MARK) &&
        sp__mailbox_length(&self->actor) < ((struct sp__extra *)self->extra)->high_water)
        atomic_fetch_and_explicit(&self->shared, ~(uint32_t)SP__SHARED_ABOVE_MARK,
                                  memory_order_relaxed);
    /* relaxed: the owner reads its own. */
    uint32_t taken = atomic_load_explicit(&self->actor.taken, memory_order_relaxed);
    if ((shared & SP__SHARED_WAITED_FOR) && taken % SEND_ROOM_LOOK_EVERY == 0)
        send_room_late(self);
}

void sp__send_room_leaving(struct sp_process *self, bool receiving)
{
    if (receiving && sp__mailbox_waiting(&self->actor))
        send_room_late(self); /* its turn is over, not its work */
    else
        send_room_use(self, !receiving);
}

void sp__send_room_all(struct sp_process *self)
{
    sp__process_enter();
    sp__lock_lock(&self->lock);
    send_let_in(self, UINT32_MAX);
    sp__lock_unlock(&self->lock);
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

/* Let in one more. Inside an epoch section. */
static void send_room_pass(struct sp_process *to)
{
    sp__lock_lock(&to->lock);
    send_let_in(to, 1);
    sp__lock_unlock(&to->lock);
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
            send_room_pass(to); /* it let us in, and we do not come */
        sp__process_leave();
    }
    sp__message_destroy(guard->message);
}

/* Queue up at the receiver; first, if it was let in already. Errors: NOPROC (it is closed),
 * NOMEM. Inside an epoch section. */
static sp_err waiter_add(struct sp_process *to, struct send_waiter *waiter)
{
    if (sp__process_extra(to) == NULL)
        return SP_ERR_NOMEM;
    sp__lock_lock(&to->lock);
    bool open = !to->closed;
    if (open) {
        struct sp__extra *extra = to->extra;
        if (waiter->again)
            sp__list_push_front(&extra->waiters, &waiter->link);
        else
            sp__list_push_back(&extra->waiters, &waiter->link);
        waiter->queued = true;
        extra->queued_up = true;
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
        sp__actor_ask_room(&receiver->actor);
    }
    sp__process_leave();
    return err;
}

/* Wait until the receiver lets us in, ends, or the deadline passes. SP_OK: try again.
 * Errors: NOPROC, NOMEM, TIMEOUT, NOTCONTEXT (then the message is gone). */
static sp_err send_wait_for_room(struct sp_process *self, sp_pid to, struct sp_message *message,
                                 int64_t deadline, bool again)
{
    struct sp_process *receiver;
    struct send_waiter waiter = { .sender = self,
                                  .token = sp__wait_open(&self->actor),
                                  .again = again };
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
    struct sp__pending pending = { .slots = NULL };
    sp__edge_begin(self, &pending, to, waiter.token, SP_WAIT_ROOM);
    if (sp__deadlock_closed(self, waiter.token) && sp__wait_close(&self->actor, waiter.token))
        err = SP_ERR_DEADLOCK;
    else
        err = sp__process_wait(self, waiter.token, deadline);
    if (err == SP_ERR_NOTCONTEXT)
        return err;
    sp__edge_end(self);
    sp__resource_remove(&guard.resource);
    (void)waiter_remove(receiver, &waiter);
    return err;
}

static sp_err send_again(sp_pid to, struct sp_message *message)
{
    struct sp__send send = { .to = to, .retries = true };
    return sp__send_message(sp__context(), &send, message);
}

/* The rare half of sp_send_wait(). */
static SP_NOINLINE sp_err send_wait_slow(struct sp_process *self, sp_pid to,
                                         struct sp_message *message, sp_deadline deadline)
{
    int64_t until = sp__scheduler_instant(sp__process_runtime(self), deadline, sp_after_sec(5));
    bool waits = !sp_pid_equal(to, sp__process_pid(self));
    sp_err err = send_again(to, message);
    for (bool again = false; err == SP_ERR_FULL && waits; again = true) {
        sp_err wait = send_wait_for_room(self, to, message, until, again);
        if (wait == SP_ERR_NOTCONTEXT)
            return wait;
        if (wait != SP_OK && wait != SP_ERR_TIMEOUT)
            err = wait;
        else
            err = send_again(to, message); /* too late, but there may be room that no one told of */
        waits = wait == SP_OK;
        if (err == SP_ERR_FULL && wait == SP_ERR_TIMEOUT)
            err = wait;
    }
    if (err == SP_ERR_FULL || err == SP_ERR_TIMEOUT) {
        sp__dead_note(sp__context(), SP_DEAD_FULL, message->type);
        sp__dead_tell(SP_DEAD_FULL, message, to);
    }
    if (err != SP_OK)
        sp__message_destroy(message);
    return err;
}

sp_err sp_send_wait(sp_pid to, const struct sp_msg_type *type, const void *payload,
                    sp_deadline deadline)
{
    struct sp__context *context = sp__context();
    if (context == NULL || context->current == NULL) {
        sp__payload_destroy(type, payload);
        return SP_ERR_NOTCONTEXT;
    }
    sp__point_in(context, SP__POINT_SEND, sp__point_pid(to), type->name);
    struct sp_process *self = (struct sp_process *)(void *)context->current;
    bool pointed = sp__point_of(context) != NULL;
    if (pointed && sp__process_given_up(self))
        return send_given_up(self, type, payload);
    struct sp_message *message = pointed ? send_traced(context, self, type, payload)
                                         : send_copy(context, sp__process_pid(self), type, payload);
    if (message == NULL)
        return SP_ERR_NOMEM;
    if (pointed)
        sp__watched_send(context, to, message);
    uint32_t number;
    sp_err err = SP_OK;
    if (!sp__send_fast(context, to, message, &number))
        err = send_wait_slow(self, to, message, deadline);
    /* Who sends again and again must still be told to exit. */
    if (err == SP_ERR_NOTCONTEXT || !sp__actor_signalled(&self->actor))
        return err; /* in this order: `self` is somebody else's by now where the first is true */
    return sp__process_check(self) ? err : SP_ERR_NOTCONTEXT;
}
