/* Calling: one request or several, and what became of them. */
#include "base/alloc.h"
#include "behaviour/deadline.h"
#include "behaviour/readers.h"
#include "behaviour/reentrant.h"
#include "behaviour/server.h"
#include "process/deadlock.h"
#include "process/give_up.h"
#include "process/send.h"
#include "process/send_fast.h"
#include "process/trace.h"
#include "process/watched.h"
#include "process/spawn_site.h"
#include "runtime/mailbox.h"
#include "runtime/message_pool.h"

#include <string.h>

struct call_target {
    sp_pid pid;
    uint64_t token;
    uint32_t index;
    uint32_t flags; /* SP__REPLY_ */
    int64_t until;
    uint32_t number;           /* out */
    uint64_t chain;            /* with SP__REPLY_CHAINED */
    struct sp__strand *strand; /* of a reentrant server; else NULL */
};

/* Who calls. Where it is a constant, others pay nothing for what is for servers. */
enum call_by {
    CALL_BY_PROCESS,
    CALL_BY_SERVER,
    CALL_BY_REENTRANT, /* a server that handles other messages meanwhile */
};

/* What its request has besides. */
enum call_way {
    CALL_PLAIN,    /* nothing: nobody looks */
    CALL_NUMBERED, /* the number of its request: see sp__trace_number() */
    CALL_POINTED,  /* it is past a point: whatever is wanted there */
};

_Static_assert(SP__STAGE_DEADLOCKED == SP_CALL_DEADLOCKED, "as process/deadlock.c sets it");

/* ---- the outcome of a failure ---- */

static void outcome_set(struct sp_process *self, const struct sp_call_outcome *outcome)
{
    struct sp__extra *extra = sp__process_extra(self);
    if (extra == NULL)
        return; /* the error itself is told all the same */
    const struct sp_reason *reason =
        outcome->reason == NULL ? NULL : sp_reason_ref(outcome->reason);
    sp_reason_unref(extra->call_reason);
    extra->call_stage = outcome->stage;
    extra->call_server = outcome->server;
    extra->call_operation = outcome->operation;
    extra->call_position = outcome->position;
    extra->call_running_ns = outcome->running.ns;
    extra->call_reason = reason;
}

void sp_call_outcome(struct sp_call_outcome *out_outcome)
{
    struct sp_process *self = sp__process_self();
    struct sp__extra *extra = self == NULL ? NULL : self->extra;
    *out_outcome = (struct sp_call_outcome){ 0 };
    if (extra == NULL)
        return;
    *out_outcome = (struct sp_call_outcome){
        .stage = (enum sp_call_stage)extra->call_stage,
        .server = extra->call_server,
        .operation = extra->call_operation,
        .position = extra->call_position,
        .running = sp_ns(extra->call_running_ns),
        .reason = extra->call_reason,
    };
}

/* How far a request got whose caller has given up. Inside an epoch section. */
static void outcome_stage(struct sp_process *server, uint32_t number, const struct sp__reply_to *to,
                          struct sp_call_outcome *outcome)
{
    /* acquire: pairs with the release in took. */
    uint32_t taken = atomic_load_explicit(&server->actor.taken, memory_order_acquire);
    int32_t position = (int32_t)(number - taken);
    if (position > 0) {
        outcome->stage = SP_CALL_QUEUED;
        outcome->position = (uint32_t)position;
        return;
    }
    outcome->stage = SP_CALL_HANDLING;
    sp__lock_lock(&server->lock);
    if (!server->closed && sp__request_taken(server, to))
        outcome->stage = SP_CALL_DEFERRED;
    sp__lock_unlock(&server->lock);
    int64_t since = atomic_load_explicit(&server->handling_since, memory_order_relaxed);
    if (outcome->stage == SP_CALL_HANDLING && since != 0)
        outcome->running = sp_ns(sp__now(sp__process_runtime(server)) - since);
}

static void outcome_timeout(struct sp_process *self, const struct call_target *target,
                            const struct sp_op *op, bool deferred)
{
    struct sp__reply_to to = { .caller = sp__process_pid(self), .token = target->token };
    struct sp_call_outcome outcome = { .stage = SP_CALL_ENDED,
                                       .server = target->pid,
                                       .operation = op->in.name };
    sp__process_enter();
    struct sp_process *server = sp__process_lookup(sp__process_runtime(self), target->pid);
    if (server != NULL && deferred)
        outcome.stage = SP_CALL_DEFERRED;
    else if (server != NULL)
        outcome_stage(server, target->number, &to, &outcome);
    sp__process_leave();
    outcome_set(self, &outcome);
}

static void outcome_refused(struct sp_process *self, sp_pid pid, const char *operation)
{
    outcome_set(self, &(struct sp_call_outcome){
                          .stage = SP_CALL_NOT_SENT, .server = pid, .operation = operation });
}

static void outcome_ended(struct sp_process *self, sp_pid pid, const char *operation,
                          const struct sp_reason *reason)
{
    outcome_set(self, &(struct sp_call_outcome){ .stage = SP_CALL_ENDED,
                                                 .server = pid,
                                                 .operation = operation,
                                                 .reason = reason });
}

/* ---- sending a request ---- */

static inline int64_t call_until(struct sp_process *self, sp_deadline deadline)
{
    return sp__scheduler_never(deadline, sp_after_sec(5))
               ? INT64_MAX
               : sp__scheduler_until(sp__process_runtime(self), deadline, sp_after_sec(5));
}

static inline bool call_by_server(const struct sp_process *self)
{
    return self->behaviour == &sp__server_behaviour;
}

/* What a server is handling has a caller who waits no longer than this, and may be of a chain. */
static inline void call_inherit(struct sp_process *self, struct call_target *target)
{
    struct sp__frame *frame = ((struct sp__server *)self->data)->frame;
    if (frame == NULL || frame->message == NULL || !frame->call)
        return;
    const struct sp__reply_to *to = sp__message_call(frame->message);
    target->until = to->deadline_ns < target->until ? to->deadline_ns : target->until;
    if (to->flags & SP__REPLY_CHAINED) {
        target->flags |= SP__REPLY_CHAINED;
        target->chain = *sp__message_chain(frame->message);
    }
}

static SP_NOINLINE sp_err call_send_slow(struct call_target *target, struct sp_message *message)
{
    struct sp__send send = { .to = target->pid };
    sp_err err = sp__send_message(sp__context(), &send, message);
    if (err != SP_OK)
        sp__message_release(message);
    target->number = send.number;
    return err;
}

/* `way` is a constant. Errors: NOMEM, NOPROC, FULL. The payload is the caller's on failure. */
__attribute__((always_inline)) static inline sp_err call_send(
    struct sp__context *context, struct sp_process *self, struct call_target *target,
    const struct sp_op *op, const void *in, enum call_way way, uint64_t request)
{
    sp_pid from = sp__process_pid(self);
    struct sp_message *message =
        way == CALL_POINTED
            ? sp__trace_take(context, self, &op->in, op->in.size, SP__MESSAGE_CALL)
            : sp__message_take(context, &op->in, op->in.size, SP__MESSAGE_CALL, from);
    if (message == NULL)
        return SP_ERR_NOMEM;
    if (way == CALL_NUMBERED)
        message->aux = request;
    *sp__message_call(message) = (struct sp__reply_to){ .caller = from,
                                                        .token = target->token,
                                                        .deadline_ns = target->until,
                                                        .index = target->index,
                                                        .flags = target->flags };
    if (target->flags & SP__REPLY_CHAINED)
        *sp__message_chain(message) = target->chain;
    sp__payload_copy(sp__message_payload(message), in, op->in.size);
    if (way == CALL_POINTED)
        sp__watched_send(context, target->pid, message);
    return sp__send_fast(context, target->pid, message, &target->number)
               ? SP_OK
               : call_send_slow(target, message);
}

static sp_err call_finish(struct sp_process *self, struct sp__pending_slot *slot, sp_pid pid,
                          const struct sp_op *op)
{
    if (slot->err == SP_ERR_DIED || slot->err == SP_ERR_NOREPLY)
        outcome_ended(self, pid, op->in.name, slot->reason);
    sp_reason_unref(slot->reason);
    return slot->err;
}

static SP_NOINLINE sp_err call_refuse(struct sp_process *self, const struct sp_op *op,
                                      const void *in)
{
    sp__payload_destroy(&op->in, in);
    return self == NULL ? SP_ERR_NOTCONTEXT : SP_ERR_DEADLOCK;
}

static SP_NOINLINE sp_err call_not_sent(struct sp_process *self, const struct call_target *target,
                                        const struct sp_op *op, const void *in, sp_err err,
                                        bool *out_dead)
{
    sp__wait_close(&self->actor, target->token);
    self->pending = NULL;
    if (out_dead != NULL && err == SP_ERR_NOPROC) {
        *out_dead = true;
        return err;
    }
    sp__payload_destroy(&op->in, in);
    outcome_refused(self, target->pid, op->in.name);
    /* Who tries again and again must still be told to exit. */
    return sp__process_check(self) ? err : SP_ERR_NOTCONTEXT;
}

/* A server's call; nearly always of one that waits for nobody. */
static inline bool call_closes_circle(struct sp__context *context, struct sp_process *self,
                                      const struct call_target *target)
{
    return sp__edge_may_close(context->runtime, target->pid) &&
           sp__deadlock_closed(self, target->token) && sp__wait_close(&self->actor, target->token);
}

/* Its request may be sent: the reentrant server keeps track of the call. */
static void call_begin_strand(struct sp_process *self, struct call_target *target,
                              struct sp__pending *pending)
{
    struct sp__strand *strand = target->strand;
    strand->aside.token = target->token;
    strand->aside.pending = pending;
    strand->aside.to = target->pid;
    strand->until = target->until;
    target->flags |= SP__REPLY_CHAINED;
    target->chain = sp__reentrant_begin(self, strand);
}

static inline sp_err call_wait(struct sp_process *self, const struct call_target *target,
                               enum call_by by)
{
    return by == CALL_BY_REENTRANT ? sp__reentrant_wait(self, target->strand)
                                   : sp__process_wait(self, target->token, target->until);
}

/* The rest of a call whose wait is open. `by` and `way` are constants: what others call
 * costs them nothing of what is for servers, or where somebody looks. */
__attribute__((always_inline)) static inline sp_err call_open(
    struct sp__context *context, struct sp_process *self, struct sp__pending *pending,
    struct call_target *target, const struct sp_op *op, const void *in, enum call_by by,
    bool *out_dead, enum call_way way, uint64_t request)
{
    sp__edge_of_call(self, target->pid, target->token);
    if (by == CALL_BY_REENTRANT)
        call_begin_strand(self, target, pending);
    sp_err err = call_send(context, self, target, op, in, way, request);
    if (err != SP_OK && by == CALL_BY_REENTRANT)
        sp__reentrant_cancel(self, target->strand);
    if (err != SP_OK)
        return call_not_sent(self, target, op, in, err, out_dead);
    err = SP_ERR_DEADLOCK;
    if (by != CALL_BY_SERVER || !call_closes_circle(context, self, target))
        err = call_wait(self, target, by);
    if (err == SP_ERR_NOTCONTEXT)
        return err;
    self->pending = NULL;
    if (err == SP_OK && pending->slots->err == SP_OK)
        return SP_OK;
    if (err == SP_OK)
        return call_finish(self, pending->slots, target->pid, op);
    if (err == SP_ERR_TIMEOUT)
        outcome_timeout(self, target, op, pending->slots->deferred);
    return err;
}

/* Past a point. */
static SP_NOINLINE sp_err call_pointed(struct sp_process *self, struct sp__pending *pending,
                                       struct call_target *target, const struct sp_op *op,
                                       const void *in, enum call_by by, bool *out_dead)
{
    sp__point_if_acts(SP__POINT_SEND, sp__point_pid(target->pid), op->in.name);
    if (sp__process_given_up(self))
        return call_not_sent(self, target, op, in, SP_ERR_NOTCONTEXT, out_dead);
    return call_open(sp__context(), self, pending, target, op, in, by, out_dead, CALL_POINTED, 0);
}

__attribute__((always_inline)) static inline sp_err call(struct sp__context *context,
                                                         struct sp_process *self,
                                                         struct sp__pending *pending,
                                                         struct call_target *target,
                                                         const struct sp_op *op, const void *in,
                                                         enum call_by by, bool *out_dead)
{
    self->pending = pending;
    target->token = sp__wait_open(&self->actor);
    sp__point_fn point = sp__point_of(context);
    uint64_t request;
    if (__builtin_expect(point == NULL, 1))
        return call_open(context, self, pending, target, op, in, by, out_dead, CALL_PLAIN, 0);
    if (!sp__trace_number(context, point, self, &request))
        return call_pointed(self, pending, target, op, in, by, out_dead);
    return call_open(context, self, pending, target, op, in, by, out_dead, CALL_NUMBERED, request);
}

static SP_NOINLINE sp_err call_as_reentrant(struct sp__context *context, struct sp_process *self,
                                            struct sp__pending *pending, struct call_target *target,
                                            const struct sp_op *op, const void *in, bool *out_dead)
{
    struct sp__strand strand = { 0 };
    if (!sp__reentrant_prepare(self)) {
        sp__payload_destroy(&op->in, in);
        outcome_refused(self, target->pid, op->in.name);
        return SP_ERR_NOMEM;
    }
    target->strand = &strand;
    sp_err err = call(context, self, pending, target, op, in, CALL_BY_REENTRANT, out_dead);
    target->strand = NULL;
    return err;
}

static SP_NOINLINE sp_err call_as_server(struct sp__context *context, struct sp_process *self,
                                         struct sp__pending *pending, struct call_target *target,
                                         const struct sp_op *op, const void *in)
{
    call_inherit(self, target);
    if (sp__server_reentrant(self))
        return call_as_reentrant(context, self, pending, target, op, in, NULL);
    return call(context, self, pending, target, op, in, CALL_BY_SERVER, NULL);
}

sp_err sp_server_call(sp_pid server, const struct sp_op *op, const void *in, void *out,
                      sp_deadline deadline)
{
    struct sp__context *context = sp__context();
    struct sp_process *self =
        context == NULL ? NULL : (struct sp_process *)(void *)context->current;
    if (self == NULL || sp_pid_equal(server, sp__process_pid(self)))
        return call_refuse(self, op, in);
    int64_t until = call_until(self, deadline);
    struct sp__pending_slot slot = { .out = out, .out_size = op->out_size };
    struct sp__pending pending = { .slots = &slot,
                                   .count = 1,
                                   .remaining = 1,
                                   .out_destroy = op->out_destroy,
                                   .type = &op->in,
                                   .deadline = deadline,
                                   .until = until };
    struct call_target target = { .pid = server, .flags = SP__REPLY_SINGLE, .until = until };
    if (call_by_server(self))
        return call_as_server(context, self, &pending, &target, op, in);
    return call(context, self, &pending, &target, op, in, CALL_BY_PROCESS, NULL);
}

sp_err sp__server_call(sp_pid server, const struct sp_op *op, const void *in, void *out,
                       sp_deadline deadline, bool *out_dead)
{
    struct sp__context *context = sp__context();
    struct sp_process *self =
        context == NULL ? NULL : (struct sp_process *)(void *)context->current;
    if (self == NULL || sp_pid_equal(server, sp__process_pid(self)))
        return call_refuse(self, op, in);
    int64_t until = call_until(self, deadline);
    enum call_by by = call_by_server(self) ? CALL_BY_SERVER : CALL_BY_PROCESS;
    struct sp__pending_slot slot = { .out = out, .out_size = op->out_size };
    struct sp__pending pending = { .slots = &slot,
                                   .count = 1,
                                   .remaining = 1,
                                   .out_destroy = op->out_destroy,
                                   .type = &op->in,
                                   .deadline = deadline,
                                   .until = until };
    struct call_target target = { .pid = server, .flags = SP__REPLY_SINGLE, .until = until };
    if (by == CALL_BY_SERVER)
        call_inherit(self, &target);
    if (by == CALL_BY_SERVER && sp__server_reentrant(self))
        return call_as_reentrant(context, self, &pending, &target, op, in, out_dead);
    return call(context, self, &pending, &target, op, in, by, out_dead);
}

sp_err sp_server_cast(sp_pid server, const struct sp_op *op, const void *in)
{
    return sp_send(server, &op->in, in);
}

/* ---- several at once ---- */

static void multi_send(struct sp_process *self, const struct sp_op *op, const void *common,
                       struct sp_multi *targets, struct sp__pending *pending,
                       struct call_target *base)
{
    for (uint32_t i = 0; i < pending->count; i++) {
        struct call_target target = *base;
        target.pid = targets[i].server;
        target.index = i;
        const void *in = targets[i].in != NULL ? targets[i].in : common;
        sp_err err = SP_ERR_DEADLOCK;
        sp__point(SP__POINT_SEND, sp__point_pid(target.pid), op->in.name);
        if (sp__process_given_up(self))
            err = SP_ERR_NOTCONTEXT;
        else if (!sp_pid_equal(target.pid, sp__process_pid(self)))
            err = call_send(sp__context(), self, &target, op, in, CALL_POINTED, 0);
        if (err == SP_OK && sp__edge_may_close(sp__process_runtime(self), target.pid) &&
            sp__deadlock_closed_by(self, target.pid))
            err = SP_ERR_DEADLOCK;
        else if (err == SP_OK)
            continue;
        else
            sp__payload_destroy(&op->in, in);
        /* Answered by ourselves, like any other answer. */
        sp__reply_send(&(struct sp__reply_to){ .caller = sp__process_pid(self),
                                               .token = base->token,
                                               .index = i },
                       &(struct sp__reply){ .err = err });
    }
}

/* Has every target a request that it may take? */
static bool multi_valid(const struct sp_op *op, const void *common, const struct sp_multi *targets,
                        size_t count)
{
    bool valid = count <= UINT32_MAX && (op->in.destroy == NULL || common == NULL);
    for (size_t i = 0; i < count; i++)
        valid = valid && (targets[i].in != NULL || common != NULL);
    return valid;
}

/* Nothing was sent: what the targets were to take is destroyed. */
static sp_err multi_refuse(const struct sp_op *op, const struct sp_multi *targets, size_t count,
                           sp_err err)
{
    for (size_t i = 0; i < count; i++)
        if (targets[i].in != NULL)
            sp__payload_destroy(&op->in, targets[i].in);
    return err;
}

static void multi_collect(struct sp_multi *targets, struct sp__pending *pending)
{
    for (size_t i = 0; i < pending->count; i++) {
        struct sp__pending_slot *slot = &pending->slots[i];
        targets[i].err = slot->done ? slot->err : SP_ERR_TIMEOUT;
        sp_reason_unref(slot->reason);
    }
}

/* Without memory it is an ordinary server: then the callers of its chain are told so. */
static enum call_by multi_by(struct sp_process *self, struct call_target *target)
{
    if (!call_by_server(self))
        return CALL_BY_PROCESS;
    call_inherit(self, target);
    return sp__server_reentrant(self) && sp__reentrant_prepare(self) ? CALL_BY_REENTRANT
                                                                     : CALL_BY_SERVER;
}

static sp_pid multi_target(const void *targets, size_t index)
{
    return ((const struct sp_multi *)targets)[index].server;
}

static sp_err multi_call(const struct sp_op *op, const void *in, struct sp_multi *targets,
                         size_t count, sp_deadline deadline, bool first)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return multi_refuse(op, targets, count, SP_ERR_NOTCONTEXT);
    if (!multi_valid(op, in, targets, count))
        return multi_refuse(op, targets, count, SP_ERR_INVALID);
    if (count == 0)
        return SP_OK;
    struct sp__pending_slot *slots = sp_try_alloc(count * sizeof(*slots));
    if (slots == NULL)
        return multi_refuse(op, targets, count, SP_ERR_NOMEM);
    memset(slots, 0, count * sizeof(*slots));
    for (size_t i = 0; i < count; i++) {
        slots[i].out = targets[i].out;
        slots[i].out_size = op->out_size;
    }
    struct sp__pending_several several = { .pending = { .slots = slots,
                                                        .count = count,
                                                        .remaining = count,
                                                        .out_destroy = op->out_destroy,
                                                        .first = first,
                                                        .several = true },
                                           .targets = targets,
                                           .target = multi_target };
    struct sp__pending *pending = &several.pending;
    struct sp__strand strand = { 0 };
    struct call_target base = { .until = call_until(self, deadline), .strand = &strand };
    enum call_by by = multi_by(self, &base);
    self->pending = pending;
    base.token = sp__wait_open(&self->actor);
    if (by == CALL_BY_REENTRANT)
        call_begin_strand(self, &base, pending);
    multi_send(self, op, in, targets, pending, &base);
    sp_err err = call_wait(self, &base, by);
    if (err == SP_ERR_NOTCONTEXT)
        return err; /* the slots went with the process */
    self->pending = NULL;
    multi_collect(targets, pending);
    sp_free(slots);
    return err;
}

sp_err sp_server_multi_call(const struct sp_op *op, const void *in, struct sp_multi *targets,
                            size_t count, sp_deadline deadline)
{
    return multi_call(op, in, targets, count, deadline, false);
}

sp_err sp__server_call_first(const struct sp_op *op, const void *in, struct sp_multi *targets,
                             size_t count, sp_deadline deadline)
{
    return multi_call(op, in, targets, count, deadline, true);
}

/* ---- starting ---- */

/* Errors: NOTSUP, INVALID. */
static sp_err start_check(const struct sp_server_class *class,
                          const struct sp_spawn_options *options)
{
    sp_err err = sp__reentrant_check(class, options);
    return err == SP_OK ? sp__readers_check(class) : err;
}

static struct sp__server *server_new(const struct sp_server_class *class)
{
    size_t size = sizeof(struct sp__server) + class->state_size;
    if (class->hook != NULL)
        size = sizeof(struct sp__server) + ((class->state_size + 15) & ~(size_t)15) +
               class->hook->extra_size;
    struct sp__server *server = sp__calloc(1, size);
    if (server != NULL)
        server->class = class;
    return server;
}

/* The message that runs init, with a copy of the arguments (`args_size` 0: the pointer). */
static struct sp_message *start_message(const void *args, size_t args_size, unsigned flags)
{
    if (args_size > UINT32_MAX / 2)
        return NULL;
    if (args == NULL)
        args_size = 0;
    struct sp_message *message =
        sp__trace_take_slow(sp__context(), sp__process_self(), &sp__server_start_type,
                            (uint32_t)(sizeof(struct sp__server_start) + args_size), flags);
    if (message == NULL)
        return NULL;
    struct sp__server_start *start = sp__message_payload(message);
    start->args = args;
    if (args_size != 0)
        start->args = memcpy(start->copy, args, args_size);
    return message;
}

/* The first message of the new process, which is not running yet. */
static sp_err start_push(struct sp_process *process, struct sp_message *message)
{
    uint32_t number;
    sp__count(&sp__context()->counters.sent);
    sp_err err = sp__mailbox_push(&process->actor, message, false, &number);
    if (err != SP_OK)
        sp__message_release(message);
    else if (process->actor.shared_fetch)
        sp__process_fetch_all(process); /* else a sender could drop it as the oldest */
    return err;
}

static sp_err start_send(struct sp_process *self, struct sp_process *process, const void *args,
                         uint64_t token, int64_t until)
{
    const struct sp__server *server = process->data;
    struct sp_message *message = start_message(args, server->class->args_size, SP__MESSAGE_CALL);
    if (message == NULL)
        return SP_ERR_NOMEM;
    *sp__message_call(message) = (struct sp__reply_to){ .caller = sp__process_pid(self),
                                                        .token = token,
                                                        .deadline_ns = until };
    return start_push(process, message);
}

/* Too slow: it is killed, and gone when we return, unless its init never suspends. */
static void start_kill(sp_pid pid)
{
    bool before = sp_shield(true);
    /* Not even without memory is it left: its init may use what is the caller's. */
    while (sp_kill(pid) == SP_ERR_NOMEM)
        sp__deadline_pause();
    while (sp_join(pid, sp_after_sec(1), NULL) == SP_ERR_NOMEM)
        sp__deadline_pause();
    (void)sp_shield(before);
}

static sp_err start_wait(struct sp_process *self, struct sp__pending_slot *slot, uint64_t token,
                         int64_t until, sp_pid pid)
{
    sp_err err = sp__process_wait(self, token, until);
    if (err == SP_ERR_NOTCONTEXT)
        return err;
    self->pending = NULL;
    if (err == SP_ERR_TIMEOUT || err == SP_ERR_CANCELLED)
        start_kill(pid);
    if (err != SP_OK)
        return err;
    err = slot->err;
    if (err != SP_OK && err != SP_ERR_IGNORED)
        outcome_ended(self, pid, "init", slot->reason);
    sp_reason_unref(slot->reason);
    return err == SP_ERR_DIED ? SP_ERR_INITFAILED : err;
}

static sp_err start_process(struct sp_process *self, struct sp__server *server, const void *args,
                            const struct sp_server_options *options, sp_pid *out_pid)
{
    struct sp_process *process;
    sp_err err = sp__process_create(sp__process_runtime(self), &sp__server_behaviour, server,
                                    &options->spawn, &process);
    if (err != SP_OK)
        return err;
    process->flags |= SP__PROCESS_HOOK_STOP;
    int64_t until =
        sp__scheduler_instant(sp__process_runtime(self), options->start_deadline, sp_never());
    struct sp__pending_slot slot = { 0 };
    struct sp__pending pending = { .slots = &slot, .count = 1, .remaining = 1 };
    uint64_t token = sp__wait_open(&self->actor);
    sp__edge_begin(self, &pending, sp__process_pid(process), token, SP_WAIT_START);
    err = start_send(self, process, args, token, until);
    if (err != SP_OK)
        sp__process_discard(process);
    else
        err = sp__process_publish(process, &options->spawn, out_pid);
    if (err != SP_OK) {
        sp__wait_close(&self->actor, token);
        sp__pending_abandon(self);
        return err;
    }
    return start_wait(self, &slot, token, until, *out_pid); /* the server is the process's */
}

static void start_existing(const struct sp_server_options *options)
{
    if (options->out_existing != NULL &&
        sp_whereis(options->spawn.name, options->out_existing) != SP_OK)
        *options->out_existing = SP_PID_NONE;
}

sp_err sp_server_start(const struct sp_server_class *server_class, const void *args,
                       const struct sp_server_options *options, sp_pid *out_pid)
{
    static const struct sp_server_options defaults;
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    options = options == NULL ? &defaults : options;
    sp_err err = start_check(server_class, &options->spawn);
    if (err != SP_OK)
        return err;
    struct sp__server *server = server_new(server_class);
    if (server == NULL)
        return SP_ERR_NOMEM;
    sp_pid pid = SP_PID_NONE;
    sp__spawn_here(__builtin_return_address(0));
    err = start_process(self, server, args, options, &pid);
    if (err != SP_OK && sp_pid_is_none(pid)) {
        sp__free(server); /* it never became a process */
        sp__spawn_not();
    }
    if (err == SP_ERR_EXISTS)
        start_existing(options);
    if (err == SP_OK && out_pid != NULL)
        *out_pid = pid;
    /* Who tries again and again must still be told to exit. */
    if (err == SP_OK || err == SP_ERR_NOTCONTEXT) /* then `self` is no process any more */
        return err;
    return sp__process_check(self) ? err : SP_ERR_NOTCONTEXT;
}

/* ---- starting without waiting ---- */

static sp_err spawn_send(struct sp_process *process, const void *args, size_t args_size)
{
    struct sp_message *message = start_message(args, args_size, 0);
    return message == NULL ? SP_ERR_NOMEM : start_push(process, message);
}

sp_err sp__server_spawn(const struct sp_server_class *server_class, const void *args,
                        size_t args_size, const struct sp_spawn_options *options,
                        const struct sp__equipment *equipment, sp_pid *out_pid)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    sp_err err = start_check(server_class, options);
    if (err != SP_OK)
        return err;
    struct sp__server *server = server_new(server_class);
    if (server == NULL)
        return SP_ERR_NOMEM;
    struct sp_process *process;
    err = sp__process_create(sp__process_runtime(self), &sp__server_behaviour, server, options,
                             &process);
    if (err == SP_OK) {
        process->flags |= SP__PROCESS_HOOK_STOP;
        if (equipment != NULL)
            equipment->give(process, equipment->arg);
        err = spawn_send(process, args, args_size);
        if (err != SP_OK)
            sp__process_discard(process);
        else
            err = sp__process_publish(process, options, out_pid);
    }
    if (err != SP_OK)
        sp__free(server);
    return err;
}
