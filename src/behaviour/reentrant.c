#include "behaviour/reentrant.h"

#include "process/deadlock.h"
#include "process/scheduling.h"
#include "runtime/fiber.h"

enum {
    REENTRANT_STRANDS = 64, /* interleaved_max: default */
    /* Whether an edge closes a circle could not be told: so much later it can. */
    REENTRANT_LOOK_NS = 1000000,
};

static enum sp__turn reentrant_turn(struct sp__actor *actor);

static struct sp__strand *strand_of(struct sp__aside *aside)
{
    return sp__container_of(aside, struct sp__strand, aside);
}

static struct sp__strand *strand_newest(struct sp_process *self)
{
    struct sp__list *asides = &self->extra->asides;
    return sp__list_empty(asides)
               ? NULL
               : strand_of(sp__container_of(asides->prev, struct sp__aside, link));
}

static uint32_t strands_max(const struct sp_server_class *class)
{
    return class->interleaved_max == 0 ? REENTRANT_STRANDS : class->interleaved_max;
}

sp_err sp__reentrant_check(const struct sp_server_class *server_class,
                           const struct sp_spawn_options *options)
{
    bool asked =
        server_class->reentrancy != SP_REENTRANCY_NONE || server_class->may_interleave != NULL;
    bool unable = server_class->hook != NULL || (options != NULL && options->own_thread);
    return asked && unable ? SP_ERR_NOTSUP : SP_OK;
}

/* ---- the actor's wait ---- */

/* What the newest strand waits for is the process's own wait: answers find it parked. */
static void strand_show(struct sp_process *self, struct sp__strand *strand)
{
    struct sp__pending *pending = strand->aside.pending;
    uint64_t token = sp__wait_open(&self->actor);
    sp__edge_begin(self, pending, strand->aside.to, token, SP_WAIT_CALL);
    pending->since = strand->since;
    sp__lock_lock(&self->lock);
    bool deferred = strand->aside.deferred;
    sp__lock_unlock(&self->lock);
    if (deferred) /* seq_cst: as every edge */
        atomic_fetch_or_explicit(&self->waits_slot, SP__WAITS_DEFERRED, memory_order_seq_cst);
    self->extra->aside_shown = token;
    self->extra->aside_look = true;
}

/* Before anything of the user's runs. */
static void strand_hide(struct sp_process *self)
{
    struct sp__extra *extra = self->extra;
    if (extra->aside_shown == 0)
        return;
    struct sp__strand *strand = strand_newest(self);
    if (!sp__wait_close(&self->actor, extra->aside_shown) && strand != NULL)
        sp__aside_done(self, &strand->aside);
    extra->aside_shown = 0;
    self->pending = NULL;
}

/* ---- a call ---- */

bool sp__reentrant_prepare(struct sp_process *self)
{
    return sp__process_extra(self) != NULL && sp__scheduler_prepare_deadline(&self->actor);
}

static uint64_t chain_of_request(struct sp_process *self)
{
    struct sp__frame *frame = ((struct sp__server *)self->data)->frame;
    if (frame == NULL || frame->message == NULL || !frame->call ||
        !(sp__message_call(frame->message)->flags & SP__REPLY_CHAINED))
        return 0;
    return *sp__message_chain(frame->message);
}

uint64_t sp__reentrant_begin(struct sp_process *self, struct sp__strand *strand)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    strand->since = runtime->ops->now_coarse(runtime);
    strand->aside.chain_outer = chain_of_request(self);
    sp__aside_add(self, &strand->aside);
    self->extra->aside_shown = strand->aside.token;
    self->extra->aside_look = true;
    return sp__chain_of(self, strand->aside.token);
}

static void strand_end(struct sp_process *self, struct sp__strand *strand)
{
    if (sp__aside_remove(self, &strand->aside))
        strand->result = SP_OK;
}

void sp__reentrant_cancel(struct sp_process *self, struct sp__strand *strand)
{
    self->extra->aside_shown = 0;
    strand_end(self, strand);
}

static void strand_suspend(struct sp_process *self, struct sp__strand *strand)
{
    struct sp__server *server = self->data;
    strand->frame = server->frame;
    strand->handling_since = atomic_load_explicit(&self->handling_since, memory_order_relaxed);
    server->frame = NULL;
    atomic_store_explicit(&self->handling_since, 0, memory_order_relaxed);
    self->actor.turn = reentrant_turn;
    self->attention |= SP__ATTEND_STEP; /* see server_attention() */
    self->actor.runtime->ops->detach(&self->actor, &strand->fiber);
    server->frame = strand->frame;
    atomic_store_explicit(&self->handling_since, strand->handling_since, memory_order_relaxed);
    /* Its deadline counts from here: what others took is not its fault. */
    if ((self->attention & SP__ATTEND_SCHEDULE) && server->frame != NULL)
        sp__schedule_begin(self, server->frame->message->type->name);
}

sp_err sp__reentrant_wait(struct sp_process *self, struct sp__strand *strand)
{
    strand->result = SP_OK;
    if (sp__wait_done(&self->actor, strand->aside.token))
        sp__reentrant_cancel(self, strand);
    else
        strand_suspend(self, strand);
    return strand->result;
}

/* ---- who may come in ---- */

/* In the hands of a frame, so that a fault does not lose the message. */
static sp_err reentrant_ask(struct sp_process *self, struct sp_message *message, bool *out_may)
{
    struct sp__server *server = self->data;
    struct sp__frame frame = { .message = message,
                               .call = (message->flags & SP__MESSAGE_CALL) &&
                                       !(message->flags & SP__MESSAGE_ANSWERED) };
    strand_hide(self);
    sp__process_took(sp__context(), self, message);
    server->frame = &frame;
    self->extra->aside_asks = true;
    sp_err err = server->class->may_interleave(server->state, sp__message_op(message),
                                               sp__message_payload(message), out_may);
    self->extra->aside_asks = false;
    server->frame = NULL;
    return err;
}

/* The class's predicate. Its error is the answer, and the message is gone then. */
static bool reentrant_allowed(struct sp_process *self, struct sp_message **message)
{
    bool may = false;
    sp_err err = reentrant_ask(self, *message, &may);
    if (err != SP_OK && ((*message)->flags & SP__MESSAGE_CALL)) {
        sp__reply_fail_message(*message, err, NULL);
        sp__message_destroy(*message);
        *message = NULL;
        return false;
    }
    sp__process_put_back(sp__context(), self, *message);
    return err == SP_OK && may;
}

static bool reentrant_is_own(struct sp_process *self, const struct sp_message *message)
{
    const struct sp_server_class *class = ((struct sp__server *)self->data)->class;
    uint8_t kind = message->type->kind & (uint8_t)~SP__KIND_RESERVED;
    return (kind == SP__KIND_CALL || kind == SP__KIND_CAST) &&
           sp__message_op(message)->server == class;
}

/* Is it to be handled now? `*message` NULL: it was answered. */
static bool reentrant_admits(struct sp_process *self, struct sp_message **message)
{
    const struct sp_server_class *class = ((struct sp__server *)self->data)->class;
    if (!reentrant_is_own(self, *message))
        return false;
    bool chained = ((*message)->flags & SP__MESSAGE_CALL) &&
                   (sp__message_call(*message)->flags & SP__REPLY_CHAINED);
    if (class->reentrancy != SP_REENTRANCY_NONE && chained &&
        sp__chain_passes(self, *sp__message_chain(*message)))
        return true;
    return class->may_interleave != NULL && !sp__server_stopping() &&
           reentrant_allowed(self, message);
}

/* The next message that may come in, or NULL. */
static struct sp_message *reentrant_next(struct sp_process *self)
{
    const struct sp_server_class *class = ((struct sp__server *)self->data)->class;
    if (self->extra->aside_count >= strands_max(class)) {
        sp__process_fetch_all(self); /* or it could not park */
        return NULL;
    }
    if (class->reentrancy == SP_REENTRANCY_FULL && !sp__server_stopping())
        return sp__process_has_next(self) ? sp__process_next(self) : NULL;
    struct sp_message *message;
    while ((message = sp__process_fetch(self)) != NULL) {
        if (reentrant_admits(self, &message))
            return message;
        if (message != NULL)
            sp__process_keep(self, message);
    }
    return NULL;
}

/* ---- a turn ---- */

static struct sp__strand *strand_with(struct sp__strand *strand, sp_err result)
{
    strand->result = result;
    return strand;
}

/* Its deadline has passed: the oldest of those. */
static struct sp__strand *strand_late(struct sp_process *self)
{
    struct sp__list *asides = &self->extra->asides;
    int64_t now = sp__now(sp__process_runtime(self));
    for (struct sp__list *at = asides->next; at != asides; at = at->next) {
        struct sp__strand *strand = strand_of(sp__container_of(at, struct sp__aside, link));
        if (strand->until <= now)
            return strand_with(strand, SP_ERR_TIMEOUT);
    }
    return NULL;
}

static int64_t strands_until(struct sp_process *self)
{
    struct sp__list *asides = &self->extra->asides;
    int64_t until = INT64_MAX;
    for (struct sp__list *at = asides->next; at != asides; at = at->next) {
        const struct sp__strand *strand = strand_of(sp__container_of(at, struct sp__aside, link));
        until = strand->until < until ? strand->until : until;
    }
    return until;
}

/* One that can go on, with its result; NULL: all wait. */
static struct sp__strand *strand_ready(struct sp_process *self)
{
    struct sp__extra *extra = self->extra;
    if (extra->aside_shown != 0 && sp__wait_done(&self->actor, extra->aside_shown))
        strand_hide(self);
    struct sp__aside *done = sp__aside_first_done(self);
    if (done != NULL)
        return strand_with(strand_of(done), SP_OK);
    if (sp__process_cancelled(self))
        return strand_with(strand_newest(self), SP_ERR_CANCELLED);
    return strands_until(self) == INT64_MAX ? NULL : strand_late(self);
}

static enum sp__turn reentrant_resume(struct sp_process *self, struct sp__strand *strand)
{
    strand_hide(self);
    strand_end(self, strand);
    sp__scheduler_set_deadline(&self->actor, INT64_MAX);
    if (self->extra->aside_count == 0)
        self->actor.turn = sp__server_behaviour.turn;
    self->actor.fiber = strand->fiber;
    return SP__TURN_YIELD;
}

/* Show what the newest waits for, and see whether that closes a circle; who closes one with a request
 * that we do not take looks itself. */
static enum sp__circle reentrant_circle(struct sp_process *self)
{
    struct sp__extra *extra = self->extra;
    struct sp__strand *strand = strand_newest(self);
    if (sp_pid_is_none(strand->aside.to))
        return SP__CIRCLE_NONE;
    if (extra->aside_shown == 0)
        strand_show(self, strand);
    if (!extra->aside_look)
        return SP__CIRCLE_NONE;
    enum sp__circle circle = SP__CIRCLE_NONE;
    if (sp__edge_may_close(sp__process_runtime(self), strand->aside.to))
        circle = sp__deadlock_glance(self);
    extra->aside_look = circle == SP__CIRCLE_UNSURE;
    return circle;
}

/* Nothing to do: park, unless something has come meanwhile. */
static enum sp__turn reentrant_park(struct sp_process *self)
{
    if (sp__mailbox_waiting(&self->actor)) /* a sender is about to link its message */
        return SP__TURN_YIELD;
    enum sp__circle circle = reentrant_circle(self);
    if (circle == SP__CIRCLE_CLOSED) {
        struct sp__strand *strand = strand_newest(self);
        return reentrant_resume(self, strand_with(strand, SP_ERR_DEADLOCK));
    }
    int64_t until = strands_until(self);
    int64_t soon = circle == SP__CIRCLE_UNSURE
                       ? sp__now(sp__process_runtime(self)) + REENTRANT_LOOK_NS
                       : INT64_MAX;
    sp__scheduler_set_deadline(&self->actor, until < soon ? until : soon);
    sp__process_before_leaving(self, true);
    return SP__TURN_IDLE;
}

/* Something comes before the strands. True: what the turn says is in `*out_turn`. */
static bool reentrant_look(struct sp_process *self, uint32_t budget, enum sp__turn *out_turn)
{
    if (sp__actor_signalled(&self->actor)) {
        const struct sp_reason *end = sp__process_signals(self);
        *out_turn = SP__TURN_DEAD;
        if (end != NULL) {
            sp__process_exit(self, end);
            return true;
        }
    }
    *out_turn = SP__TURN_YIELD;
    if (self->extra->aside_count ==
        0) { /* the last one went on, and has ended on this very stack */
        self->actor.turn = sp__server_behaviour.turn;
        return true;
    }
    if (budget != 0 && !sp__actor_slice_ended(&self->actor))
        return false;
    sp__process_before_leaving(self, true);
    return true;
}

static enum sp__turn reentrant_turn(struct sp__actor *actor)
{
    struct sp_process *self = (struct sp_process *)(void *)actor;
    enum sp__turn turn;
    for (uint32_t budget = actor->throughput;; budget--) {
        if (reentrant_look(self, budget, &turn))
            return turn;
        struct sp__strand *strand = strand_ready(self);
        if (strand != NULL)
            return reentrant_resume(self, strand);
        struct sp_message *message = reentrant_next(self);
        if (message == NULL)
            return reentrant_park(self);
        strand_hide(self);
        sp__server_message(self, message);
        if (self->attention & SP__ATTEND_SCHEDULE)
            sp__schedule_end(self);
    }
}

/* ---- the end ---- */

void sp__reentrant_finish(struct sp_process *self, const struct sp_reason *reason)
{
    struct sp__extra *extra = self->extra;
    struct sp__strand *strand;
    while (extra != NULL && (strand = strand_newest(self)) != NULL) {
        /* No answer reaches it any more. What follows is the user's code in part, and may come here
         * again by a fault. */
        sp__aside_done(self, &strand->aside);
        self->pending = strand->aside.pending;
        sp__pending_abandon(self);
        if (strand->fiber != NULL)
            sp__server_frames_abort(self, strand->frame, reason);
        sp__aside_remove(self, &strand->aside);
        if (strand->fiber != NULL)
            sp__fiber_cache_put(&sp__context()->fibers, strand->fiber);
    }
}
