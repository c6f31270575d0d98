/* Taking messages: the saved ones first, then the mailbox; receive and selective receive.
 *
 * `saved` is a ring (the process holds its last element): messages that were fetched but
 * not taken, because a selective receive passed them over or a notice had to go behind
 * them. They still count in the mailbox's length.
 *
 * Threads: the owner. Neighbours: runtime/actor.h, signal.c.
 */
#include "base/alloc.h"
#include "process/dead_letter.h"
#include "process/process.h"
#include "process/reply.h"
#include "process/send.h"
#include "process/timer.h"
#include "process/trace.h"
#include "process/watched.h"
#include "runtime/message_pool.h"

/* ---- the ring ---- */

static void saved_push_back(struct sp_process *self, struct sp_message *message)
{
    sp__mailbox_keeps(&self->actor);
    if (self->saved == NULL) {
        sp__message_set_next(message, message);
    } else {
        sp__message_set_next(message, sp__message_next(self->saved));
        sp__message_set_next(self->saved, message);
    }
    self->saved = message;
}

/* Remove the one behind `before`. */
static struct sp_message *saved_remove_after(struct sp_process *self, struct sp_message *before)
{
    struct sp_message *message = sp__message_next(before);
    sp__message_set_next(before, sp__message_next(message));
    if (message == before)
        self->saved = NULL;
    else if (self->saved == message)
        self->saved = before;
    return message;
}

/* What senders have passed over when they made room: older than the mailbox. Lock held. */
static struct sp_message *receive_spared(struct sp_process *self)
{
    struct sp__extra *extra = self->extra;
    struct sp_message *message = extra->spared;
    if (message == NULL)
        return NULL;
    extra->spared = sp__message_next(message);
    extra->spared_count--;
    sp__mailbox_fetched(&self->actor);
    return message;
}

struct sp_message *sp__process_fetch(struct sp_process *self)
{
    if (!sp__mailbox_waiting(&self->actor))
        return NULL;
    if (!self->actor.shared_fetch)
        return sp__mailbox_fetch(&self->actor);
    sp__lock_lock(&self->lock);
    struct sp_message *message = receive_spared(self);
    if (message == NULL)
        message = sp__mailbox_fetch(&self->actor);
    sp__lock_unlock(&self->lock);
    return message;
}

void sp__process_fetch_all(struct sp_process *self)
{
    for (unsigned spins = 0; sp__mailbox_waiting(&self->actor);) {
        struct sp_message *message = sp__process_fetch(self);
        if (message != NULL)
            saved_push_back(self, message);
        else
            sp__scheduler_spin(spins++); /* a sender is about to link its message */
    }
}

void sp__process_append(struct sp_process *self, struct sp_message *moved, bool first)
{
    if (!first) {
        sp__process_fetch_all(self);
        saved_push_back(self, moved);
        return;
    }
    /* Behind the notices that are ahead already. If the last one saved is a notice, all are: a
     * supervisor that loses 100,000 children at once must not count them for each. */
    struct sp_message *last = self->saved;
    if (last == NULL || (last->flags & SP__MESSAGE_NOTICE)) {
        saved_push_back(self, moved);
        return;
    }
    struct sp_message *before = last;
    while (sp__message_next(before)->flags & SP__MESSAGE_NOTICE)
        before = sp__message_next(before);
    sp__message_set_next(moved, sp__message_next(before));
    sp__message_set_next(before, moved);
}

void sp__process_keep(struct sp_process *self, struct sp_message *moved)
{
    saved_push_back(self, moved);
}

struct sp_message *sp__process_next_slow(struct sp_process *self)
{
    if (self->saved != NULL)
        return saved_remove_after(self, self->saved);
    return sp__process_fetch(self);
}

void sp__process_purge(struct sp_process *self,
                       bool (*match)(struct sp_message *message, const void *arg), const void *arg)
{
    if (self->saved == NULL)
        return;
    struct sp_message *last = self->saved;
    struct sp_message *before = last;
    for (bool more = true; more && self->saved != NULL;) {
        struct sp_message *message = sp__message_next(before);
        more = message != last;
        if (match(message, arg)) {
            saved_remove_after(self, before);
            sp__process_notice_taken(self, message);
            sp__message_destroy(message);
        } else {
            before = message;
        }
    }
}

struct sp_message *sp__process_take_if(struct sp_process *self,
                                       bool (*match)(struct sp_message *message, void *arg),
                                       void *arg)
{
    sp__process_fetch_all(self);
    struct sp_message *last = self->saved;
    struct sp_message *before = last;
    for (bool more = last != NULL; more;) {
        struct sp_message *message = sp__message_next(before);
        if (match(message, arg))
            return saved_remove_after(self, before);
        more = message != last;
        before = message;
    }
    return NULL;
}

/* ---- what the process has in hand ---- */

static void received_add(struct sp_process *self, struct sp_message *message)
{
    sp__message_set_next(message, self->received);
    if (self->received != NULL)
        self->received->aux = (uintptr_t)message;
    message->aux = 0;
    message->flags |= SP__MESSAGE_RECEIVED;
    self->received = message;
}

static inline void received_remove(struct sp_process *self, struct sp_message *message)
{
    struct sp_message *next = sp__message_next(message);
    struct sp_message *before = (struct sp_message *)(uintptr_t)message->aux;
    if (before == NULL)
        self->received = next;
    else
        sp__message_set_next(before, next);
    if (next != NULL)
        next->aux = message->aux;
    message->aux = 0;
    message->flags &= (uint16_t)~SP__MESSAGE_RECEIVED;
}

void sp__receive_release(struct sp_process *self, struct sp_message *message)
{
    if (message->flags & SP__MESSAGE_RECEIVED)
        received_remove(self, message);
}

/* It is done with. */
static void receive_traced(struct sp_process *self, struct sp_message *message)
{
    if (!(message->flags & SP__MESSAGE_TRACED))
        return;
    bool unanswered =
        (message->flags & (SP__MESSAGE_CALL | SP__MESSAGE_ANSWERED)) == SP__MESSAGE_CALL;
    if (self->stage == SP__EXIT_NOT)
        sp__trace_handled(self, message, unanswered ? SP_ERR_NOREPLY : SP_OK);
    else
        sp__trace_aborted(self, message, self->exit);
}

void sp__receive_free(struct sp_process *self, struct sp_message *message)
{
    sp__receive_release(self, message);
    receive_traced(self, message);
    if (self->stage == SP__EXIT_NOT)
        sp__reply_fail_message(message, SP_ERR_NOREPLY, NULL);
    else
        sp__reply_fail_message(message, SP_ERR_DIED, self->exit);
    sp__message_destroy(message);
}

void sp_message_free(struct sp_message *message)
{
    struct sp__context *context = sp__context();
    if (message == NULL || context == NULL || context->current == NULL)
        return;
    struct sp_process *self = (struct sp_process *)(void *)context->current;
    /* Nearly every message: received, no call, nothing to destroy. */
    unsigned uncommon = SP__MESSAGE_CALL | SP__MESSAGE_TRACED;
    if ((message->flags & (SP__MESSAGE_RECEIVED | uncommon)) != SP__MESSAGE_RECEIVED ||
        message->type->destroy != NULL) {
        sp__receive_free(self, message);
        return;
    }
    received_remove(self, message);
    sp__message_give(context, message);
}

/* ---- receiving ---- */

/* One of a trace, or the tick of a keyed timer: false if that was cancelled meanwhile; it is
 * destroyed. */
static SP_NOINLINE bool receive_special(struct sp_process *self, struct sp_message *message)
{
    sp__trace_handle(self, message);
    if (!(message->flags & SP__MESSAGE_KEYED))
        return true;
    if (!sp__timer_message_stale(self, message)) {
        sp__timer_message_taken(self, message);
        return true;
    }
    sp__mailbox_took(&self->actor);
    sp__dead_letter(SP_DEAD_STALE, message, sp__process_pid(self));
    sp__message_destroy(message);
    return false;
}

/* Taken for good, unless its timer was cancelled meanwhile. */
static inline bool receive_accept(struct sp_process *self, struct sp_message *message)
{
    if ((message->flags & (SP__MESSAGE_KEYED | SP__MESSAGE_TRACED)) &&
        !receive_special(self, message))
        return false;
    sp__process_took(sp__context(), self, message);
    sp__watched_took(self, message);
    received_add(self, message);
    return true;
}

static inline struct sp_message *receive_next(struct sp_process *self)
{
    struct sp_message *message;
    do {
        message = self->saved == NULL ? sp__mailbox_take_direct(&self->actor) : NULL;
        if (message == NULL && sp__process_has_next(self))
            message = sp__process_next(self);
    } while (message != NULL && !receive_accept(self, message));
    return message;
}

/* As sp__process_check(); and gives way where the slice is over. */
static SP_NOINLINE bool receive_interrupted(struct sp_process *self)
{
    if (sp__actor_slice_ended(&self->actor) && !(self->flags & SP__PROCESS_FOREIGN) &&
        self->stage == SP__EXIT_NOT) {
        sp__process_before_leaving(self, true);
        self->actor.runtime->ops->yield(&self->actor);
    }
    return sp__process_check(self);
}

static inline bool receive_check(struct sp_process *self)
{
    return __builtin_expect(!sp__actor_interrupted(&self->actor), 1) || receive_interrupted(self);
}

/* Park until there may be something new.
 * Errors: TIMEOUT, NOTCONTEXT. */
static inline sp_err receive_wait(struct sp_process *self, int64_t until, unsigned *spins)
{
    if (sp__mailbox_waiting(&self->actor)) {
        sp__scheduler_spin((*spins)++); /* a sender is about to link its message */
        return SP_OK;
    }
    if (until != INT64_MAX && sp__now(sp__process_runtime(self)) >= until)
        return SP_ERR_TIMEOUT;
    sp__process_park(self, true, until);
    return SP_OK;
}

static inline sp_err receive_begin(struct sp_process *self, sp_deadline deadline,
                                   int64_t *out_until)
{
    /* A server's messages are handed to it; inside a handler a receive would steal them. */
    if (self == NULL || (self->flags & SP__PROCESS_HOOK_STOP))
        return SP_ERR_NOTCONTEXT;
    *out_until = sp__scheduler_never(deadline, sp_never())
                     ? INT64_MAX
                     : sp__scheduler_instant(sp__process_runtime(self), deadline, sp_never());
    sp__point(SP__POINT_TURN, sp__point_pid(sp__process_pid(self)),
              *out_until == INT64_MAX ? "receive" : "receive or time out");
    return SP_OK;
}

sp_err sp_receive(sp_deadline deadline, struct sp_message **out)
{
    struct sp_process *self = sp__process_self();
    int64_t until;
    sp_err err = receive_begin(self, deadline, &until);
    for (unsigned spins = 0; err == SP_OK;) {
        if (!receive_check(self))
            return SP_ERR_NOTCONTEXT;
        if (sp__process_cancelled(self))
            return SP_ERR_CANCELLED;
        struct sp_message *message = receive_next(self);
        if (message != NULL) {
            *out = message;
            return SP_OK;
        }
        err = receive_wait(self, until, &spins);
    }
    return err;
}

/* How far a selective receive has looked: everything up to these was refused. Where notices go
 * first, new ones come between the two; else all is messages. */
struct select_cursor {
    struct sp_message *notice;
    struct sp_message *message;
};

/* The one before the next to look at, or NULL; `from` NULL: nothing was looked at yet. */
static struct sp_message *select_behind(const struct sp_process *self, struct sp_message *from)
{
    if (self->saved == NULL || from == self->saved)
        return NULL;
    return from == NULL ? self->saved : from;
}

/* Look at notices that came ahead of what was looked at. */
static struct sp_message *select_notice(struct sp_process *self, struct select_cursor *cursor,
                                        sp_select_fn select, void *arg)
{
    struct sp_message *before;
    while ((before = select_behind(self, cursor->notice)) != NULL) {
        struct sp_message *notice = sp__message_next(before);
        if (!(notice->flags & SP__MESSAGE_NOTICE))
            break;
        if (select(notice, arg)) {
            saved_remove_after(self, before);
            sp__process_notice_taken(self, notice);
            received_add(self, notice); /* not counted, and never stale */
            return notice;
        }
        cursor->notice = notice;
    }
    return NULL;
}

/* Look at the saved ones that were not looked at yet. */
static struct sp_message *select_saved(struct sp_process *self, struct select_cursor *cursor,
                                       sp_select_fn select, void *arg)
{
    struct sp_message *before;
    if (self->flags & SP__PROCESS_NOTICES_FIRST) {
        struct sp_message *notice = select_notice(self, cursor, select, arg);
        if (notice != NULL)
            return notice;
    }
    if (cursor->message == NULL)
        cursor->message = cursor->notice;
    while ((before = select_behind(self, cursor->message)) != NULL) {
        struct sp_message *message = sp__message_next(before);
        if (!sp__timer_message_stale(self, message) && !select(message, arg)) {
            cursor->message = message;
            continue;
        }
        saved_remove_after(self, before);
        if (receive_accept(self, message))
            return message;
    }
    return NULL;
}

sp_err sp_receive_select(sp_select_fn select, void *arg, sp_deadline deadline,
                         struct sp_message **out)
{
    struct sp_process *self = sp__process_self();
    struct select_cursor cursor = { NULL, NULL };
    int64_t until;
    sp_err err = receive_begin(self, deadline, &until);
    for (unsigned spins = 0; err == SP_OK;) {
        if (!receive_check(self))
            return SP_ERR_NOTCONTEXT;
        if (sp__process_cancelled(self))
            return SP_ERR_CANCELLED;
        struct sp_message *fetched;
        while ((fetched = sp__process_fetch(self)) != NULL)
            saved_push_back(self, fetched);
        struct sp_message *message = select_saved(self, &cursor, select, arg);
        if (message != NULL) {
            *out = message;
            return SP_OK;
        }
        err = receive_wait(self, until, &spins);
    }
    return err;
}

size_t sp_mailbox_length(void)
{
    struct sp_process *self = sp__process_self();
    return self == NULL ? 0 : sp__mailbox_length(&self->actor);
}

/* ---- looking at a message ---- */

static void down_destroy(void *payload)
{
    struct sp_down *down = payload;
    sp_reason_unref(down->reason);
    sp__free((void *)(uintptr_t)down->name);
}

static void exit_notice_destroy(void *payload)
{
    sp_reason_unref(((struct sp_exit_notice *)payload)->reason);
}

const struct sp_msg_type sp_down_type = { "DOWN", sizeof(struct sp_down), SP__KIND_DOWN,
                                          down_destroy };
const struct sp_msg_type sp_exit_notice_type = { "EXIT", sizeof(struct sp_exit_notice),
                                                 SP__KIND_EXIT, exit_notice_destroy };

const struct sp_msg_type *sp_message_type(const struct sp_message *message)
{
    return message->type;
}

sp_pid sp_message_from(const struct sp_message *message)
{
    return message->from;
}

void *sp_message_payload(struct sp_message *message)
{
    return sp__message_payload(message);
}

const void *sp_message_peek(const struct sp_message *message)
{
    return sp__message_payload((struct sp_message *)(uintptr_t)message);
}

const struct sp_down *sp_message_down(const struct sp_message *message)
{
    return message->type == &sp_down_type ? sp_message_peek(message) : NULL;
}

const struct sp_exit_notice *sp_message_exit(const struct sp_message *message)
{
    return message->type == &sp_exit_notice_type ? sp_message_peek(message) : NULL;
}
