#include "behaviour/server.h"

#include "base/alloc.h"
#include "base/usdt.h"
#include "behaviour/reentrant.h"
#include "behaviour/sys.h"
#include "process/busy.h"
#include "process/callback.h"
#include "process/dead_letter.h"
#include "process/reply_fast.h"
#include "process/scheduling.h"
#include "process/send.h"
#include "process/timer.h"
#include "process/trace.h"
#include "process/watched.h"
#include "runtime/log.h"
#include "runtime/message_pool.h"
#include "runtime/recorder.h"

#include <string.h>

enum {
    /* Replies up to this size are written to the handler's stack first. */
    SERVER_OUT_MAX = 512,
    /* Those up to this one take the shortest way; they are zeroed as a whole. */
    SERVER_OUT_FAST = 64,
};

const struct sp_msg_type sp__server_start_type = { "init", sizeof(struct sp__server_start),
                                                   SP__KIND_START, NULL };

struct sp__server *sp__server_self(void)
{
    struct sp_process *self = sp__process_self();
    return self != NULL && self->behaviour == &sp__server_behaviour ? self->data : NULL;
}

void *sp__server_extra_of(struct sp__server *server)
{
    return server->state + ((server->class->state_size + 15) & ~(size_t)15);
}

void *sp__server_extra(const struct sp__server_hook *hook)
{
    struct sp__server *server = sp__server_self();
    return server != NULL && server->class->hook == hook ? sp__server_extra_of(server) : NULL;
}

/* ---- one message ---- */

sp_err sp__server_class_init(const struct sp_server_class *class, void *state, const void *args)
{
    if (class->init != NULL)
        return class->init(state, args);
    if (class->args_are_state && args != NULL)
        memcpy(state, args, class->state_size);
    return SP_OK;
}

static sp_err server_init(struct sp_process *self, struct sp__server *server, const void *args)
{
    const struct sp_server_class *class = server->class;
    sp_err err = SP_OK;
    if (class->hook != NULL)
        err = class->hook->init(sp__server_extra_of(server), class, server->state, args);
    else
        err = sp__server_class_init(class, server->state, args);
    if (err == SP_OK) {
        self->flags |= SP__PROCESS_STARTED;
        if (class->hook != NULL)
            self->attention |= SP__ATTEND_STEP;
        return SP_OK;
    }
    /* The starter is answered when nothing is left of us: see server_finish(). */
    self->flags |= SP__PROCESS_NO_TERMINATE;
    server->frame->start_err = err;
    sp__process_exit_now(self, err == SP_ERR_IGNORED
                                   ? sp_reason_normal()
                                   : sp_reason_error(err, "init failed: %s", sp_err_text(err)));
}

static void server_exit_notice(struct sp_process *self, struct sp__server *server,
                               const struct sp_exit_notice *notice)
{
    sp_pid parent = { self->parent_serial, self->parent_slot, 0 };
    if (sp_pid_equal(notice->pid, parent))
        sp__server_ask_stop(self, sp_reason_ref(notice->reason));
    else if (server->class->on_exit != NULL)
        server->class->on_exit(server->state, notice);
}

static void server_unknown(struct sp_process *self, struct sp__server *server,
                           struct sp_message *message)
{
    if (server->class->on_message != NULL) {
        server->class->on_message(server->state, message);
        return;
    }
    char who[64];
    sp__log(sp__process_runtime(self), SP_LOG_WARNING, "server %s (%s) got message %s, dropped",
            sp__process_text(self, who), server->class->name, message->type->name);
}

sp_err sp__server_default_run(void *arg, struct sp_message *message, void *out)
{
    (void)arg;
    struct sp_process *self = sp__process_self();
    struct sp__server *server = self->data;
    void *payload = sp__message_payload(message);
    const struct sp_op *op = sp__message_op(message);
    switch (message->type->kind & ~SP__KIND_RESERVED) {
    case SP__KIND_CALL:
        return op->server == server->class ? op->call(server->state, payload, out) : SP_ERR_BADCALL;
    case SP__KIND_CAST:
        if (op->server == server->class)
            op->cast(server->state, payload);
        else
            server_unknown(self, server, message);
        return SP_OK;
    case SP__KIND_DOWN:
        if (server->class->on_down != NULL)
            server->class->on_down(server->state, payload);
        return SP_OK;
    case SP__KIND_EXIT:
        server_exit_notice(self, server, payload);
        return SP_OK;
    case SP__KIND_START:
        return server_init(self, server, ((struct sp__server_start *)payload)->args);
    default:
        server_unknown(self, server, message);
        return SP_OK;
    }
}

static uint32_t message_out_size(const struct sp_message *message)
{
    return sp__message_is_call(message) ? sp__message_op(message)->out_size : 0;
}

static void server_answer(struct sp__frame *frame, sp_err err)
{
    struct sp_message *message = frame->message;
    const struct sp_op *op = sp__message_op(message);
    bool is_call = sp__message_is_call(message);
    const void *out = frame->out;
    frame->call = false;
    frame->out = NULL; /* before the user's code: a late reply is destroyed */
    sp__reply_send(sp__message_call(message),
                   &(struct sp__reply){ .err = err,
                                        .out = out,
                                        .out_size = message_out_size(message),
                                        .out_destroy = is_call ? op->out_destroy : NULL });
}

/* After the handler: answer, free. False: kept. */
static bool frame_end(struct sp__server *server, struct sp__frame *frame, sp_err result)
{
    struct sp_message *message = frame->message;
    if (frame->kept) {
        server->frame = frame->outer;
        sp__free(frame->out_heap);
        return false;
    }
    if ((message->flags & SP__MESSAGE_TRACED) || result != SP_OK)
        sp__trace_handled(sp__process_self(), message, result);
    /* Before the answer: a caller that goes on finds what it moved to us gone. */
    sp__message_empty(message);
    /* Because of an error, or because the request was taken. */
    if (!frame->call || result != SP_OK)
        sp__frame_drop_out(frame);
    if (frame->call)
        server_answer(frame, result);
    server->frame = frame->outer;
    sp__free(frame->out_heap);
    sp__message_release(message);
    return true;
}

static bool call_is_over(struct sp_message *message)
{
    return (message->flags & SP__MESSAGE_CALL) && !(message->flags & SP__MESSAGE_ANSWERED) &&
           message->type != &sp__server_start_type && sp__reply_expired(sp__message_call(message));
}

/* Its caller has given up, or its timer was cancelled: freed without being handled. */
static bool server_skip(struct sp_process *self, struct sp_message *message)
{
    if (sp__timer_message_stale(self, message)) {
        sp__mailbox_took(&self->actor);
        sp__dead_letter(SP_DEAD_STALE, message, sp__process_pid(self));
    } else if (call_is_over(message)) {
        sp__process_took(sp__context(), self, message);
        sp__watched_took(self, message);
        sp__count(&sp__context()->counters.expired);
        sp__trace_expired(self, message);
    } else {
        sp__timer_message_taken(self, message);
        return false;
    }
    sp__message_destroy(message);
    return true;
}

/* `own`: its like are counted by server_message(). */
static void server_watch(struct sp_process *self, struct sp__server *server,
                         struct sp_message *message, struct sp__watch_span *out_span)
{
    uint8_t kind = message->type->kind;
    bool own = (kind == SP__KIND_CAST || kind == SP__KIND_CALL) && server->class->hook == NULL &&
               sp__message_op(message)->server == server->class &&
               sp__message_op(message)->out_size <= SERVER_OUT_FAST;
    sp__watch_took(sp__context(), server->class->name, own, sp__mailbox_length(&self->actor) + 1,
                   message, out_span);
}

enum sp__server_handled sp__server_handle(struct sp_message *moved_message, sp__server_run_fn run,
                                          void *arg)
{
    struct sp_process *self = sp__process_self();
    struct sp__server *server = self->data;
    _Alignas(16) char out[SERVER_OUT_MAX];
    if (server_skip(self, moved_message))
        return SP__HANDLED_SKIPPED;
    struct sp__frame frame = {
        .message = moved_message,
        .outer = server->frame,
        .call = (moved_message->flags & SP__MESSAGE_CALL) &&
                !(moved_message->flags & SP__MESSAGE_ANSWERED),
    };
    uint32_t out_size = message_out_size(moved_message);
    frame.out = out;
    if (out_size > SERVER_OUT_MAX)
        frame.out = frame.out_heap = sp__malloc(out_size);
    sp__process_took(sp__context(), self, moved_message);
    struct sp__watch_span span = { .weight = 0 };
    if (sp__watched(sp__context()))
        server_watch(self, server, moved_message, &span);
    if (moved_message->flags & SP__MESSAGE_TRACED)
        sp__trace_handle(self, moved_message);
    struct sp__sys_span shown = { .type = NULL };
    if (moved_message->flags & SP__MESSAGE_SHOWN)
        sp__sys_took(self, moved_message, &shown);
    server->frame = &frame;
    sp_err result = SP_ERR_NOMEM;
    if (frame.out != NULL) {
        if (out_size != 0)
            memset(frame.out, 0, out_size);
        if (frame.call)
            atomic_store_explicit(&self->handling_since,
                                  self->actor.runtime->ops->now_coarse(self->actor.runtime),
                                  memory_order_relaxed);
        SP__USDT3(handle_start, moved_message, moved_message->type, self->slot);
        result = run(arg, moved_message, frame.out);
        SP__USDT2(handle_end, moved_message, self->slot);
        if (span.weight != 0)
            sp__busy_add(self, sp__watch_done(&span));
        if (frame.outer == NULL)
            atomic_store_explicit(&self->handling_since, 0, memory_order_relaxed);
    }
    if (shown.type != NULL)
        sp__sys_handled(self, &shown, frame.kept ? SP_ERR_DEFERRED : result);
    return frame_end(server, &frame, result) ? SP__HANDLED_DONE : SP__HANDLED_KEPT;
}

bool sp__server_keep(void)
{
    struct sp__server *server = sp__server_self();
    struct sp__frame *frame = server == NULL ? NULL : server->frame;
    if (frame == NULL || (frame->message->flags & SP__MESSAGE_ANSWERED))
        return false;
    if (!frame->kept) {
        frame->kept = true;
        sp__process_put_back(sp__context(), sp__process_self(), frame->message);
        sp__watched_put_back(sp__context(), frame->message);
        if (frame->call)
            sp__reply_defer(sp__message_call(frame->message));
    }
    return true;
}

bool sp__server_stopping(void)
{
    struct sp_process *self = sp__process_self();
    return self->extra != NULL && self->extra->stop != NULL;
}

/* ---- a turn ---- */

static bool message_is_parent_exit(struct sp_process *self, const struct sp_message *message)
{
    const struct sp_exit_notice *notice = sp_message_exit(message);
    sp_pid parent = { self->parent_serial, self->parent_slot, 0 };
    return notice != NULL && sp_pid_equal(notice->pid, parent);
}

static void server_dispatch(struct sp_process *self, struct sp__server *server,
                            struct sp_message *message)
{
    const struct sp__server_hook *hook = server->class->hook;
    uint8_t kind = message->type->kind & (uint8_t)~SP__KIND_RESERVED;
    bool own = kind == SP__KIND_START || message_is_parent_exit(self, message) ||
               ((kind == SP__KIND_CALL || kind == SP__KIND_CAST) && hook != NULL &&
                !hook->any_operation && sp__message_op(message)->server != server->class);
    if (hook == NULL || own)
        sp_ignore(sp__server_handle(message, sp__server_default_run, NULL));
    else
        hook->dispatch(sp__server_extra_of(server), message);
}

/* Control lane and stop requests. A reason: end. */
static const struct sp_reason *server_look(struct sp_process *self)
{
    if (sp__actor_signalled(&self->actor)) {
        const struct sp_reason *end = sp__process_signals(self);
        if (end != NULL)
            return end;
    }
    if ((self->attention & SP__ATTEND_DRAIN) && sp__process_drained(self))
        return sp_reason_shutdown();
    if (!(self->attention & SP__ATTEND_STOP))
        return NULL;
    struct sp__extra *extra = self->extra;
    const struct sp_reason *stop = extra->stop;
    extra->stop = NULL;
    self->attention &= (uint16_t)~SP__ATTEND_STOP;
    return stop;
}

/* The control lane, then the callbacks that were posted, once each, so that a message has its
 * turn between two runs of one. A reason: end. */
static const struct sp_reason *server_control(struct sp_process *self)
{
    const struct sp_reason *end = server_look(self);
    if (end == NULL && (self->attention & SP__ATTEND_SYS)) {
        sp__sys_run(self);
        end = server_look(self);
    }
    if (end == NULL && (self->attention & SP__ATTEND_CALLBACKS) && sp__callbacks_run(self))
        end = server_look(self);
    return end;
}

/* What server_control() says where the process is to give way. Never seen by others. */
#define SERVER_GIVE_WAY ((const struct sp_reason *)(uintptr_t)1)

/* Everything that goes before the next message; `fresh`: a turn begins. A reason: end, or give way. */
static SP_NOINLINE const struct sp_reason *server_attention(struct sp_process *self, bool fresh)
{
    struct sp__extra *extra = self->extra;
    if (extra != NULL && extra->aside_count != 0)
        return SERVER_GIVE_WAY; /* others wait: see reentrant.h */
    bool over = (self->attention & SP__ATTEND_SCHEDULE) && sp__schedule_between(self, fresh);
    over = sp__actor_slice_ended(&self->actor) || over;
    const struct sp_reason *end = server_control(self);
    return end == NULL && over ? SERVER_GIVE_WAY : end;
}

/* Before a callback that is for no message. */
static void server_alone(struct sp__server *server)
{
    const struct sp__server_hook *hook = server->class->hook;
    if (hook != NULL && hook->alone != NULL)
        hook->alone(sp__server_extra_of(server));
}

static bool server_step_now(struct sp_process *self, struct sp__server *server)
{
    const struct sp_server_class *class = server->class;
    struct sp__extra *extra = self->extra;
    if (extra != NULL && extra->run_continue) {
        extra->run_continue = false;
        server_alone(server);
        if (class->on_continue != NULL)
            class->on_continue(server->state);
        return true;
    }
    return class->hook != NULL && class->hook->step(sp__server_extra_of(server));
}

/* Something of the class's own that goes before the next message. */
static bool server_step(struct sp_process *self, struct sp__server *server)
{
    if (!(self->flags & SP__PROCESS_STARTED))
        return false;
    if (server->class->hook == NULL)
        self->attention &= (uint16_t)~SP__ATTEND_STEP;
    bool scheduled = (self->attention & SP__ATTEND_SCHEDULE) != 0;
    if (scheduled)
        sp__schedule_begin(self, server->class->name);
    bool stepped = server_step_now(self, server);
    if (scheduled)
        sp__schedule_end(self);
    return stepped;
}

/* Nothing left to do: the inactivity timeout. True: it has come, on_timeout ran. */
static bool server_idle(struct sp_process *self, struct sp__server *server)
{
    struct sp__extra *extra = self->extra;
    if (extra->idle_after.ns == 0) {
        self->attention &= (uint16_t)~SP__ATTEND_IDLE;
        sp__scheduler_set_deadline(&self->actor, INT64_MAX);
        return false;
    }
    int64_t now = sp__now(sp__process_runtime(self));
    if (extra->idle_at == 0)
        extra->idle_at = sp_time_add((sp_time){ now }, extra->idle_after).ns;
    if (now < extra->idle_at) {
        sp__scheduler_set_deadline(&self->actor, extra->idle_at);
        return false;
    }
    extra->idle_at = 0;
    extra->idle_after = sp_ns(0);
    server_alone(server);
    if (server->class->on_timeout == NULL)
        return true;
    bool timed = sp__schedule_enter(self, "on_timeout");
    server->class->on_timeout(server->state);
    if (timed)
        sp__schedule_exit(self);
    return true;
}

/* A cast to an ordinary server, which is most messages of most programs. */
__attribute__((always_inline)) static inline void server_cast(struct sp__context *context,
                                                              struct sp_process *self,
                                                              struct sp__server *server,
                                                              struct sp_message *message)
{
    struct sp__frame frame = { .message = message };
    sp__process_took(context, self, message);
    server->frame = &frame;
    SP__USDT3(handle_start, message, message->type, self->slot);
    sp__message_op(message)->cast(server->state, sp__message_payload(message));
    SP__USDT2(handle_end, message, self->slot);
    sp__message_empty(message);
    server->frame = NULL;
    /* The handler may have suspended and gone on elsewhere. */
    sp__message_give(sp__context(), message);
}

/* The answer to an ordinary call; what its handler left undone is for frame_end(). */
__attribute__((always_inline)) static inline void server_call_end(struct sp__server *server,
                                                                  struct sp__frame *frame,
                                                                  sp_err result)
{
    struct sp_message *message = frame->message;
    struct sp__context *context = sp__context();
    bool plain = frame->call && !frame->kept && result == SP_OK && message->type->destroy == NULL &&
                 !sp__point_acts(context);
    if (!plain || !sp__reply_fast(context, sp__message_call(message), result, frame->out)) {
        sp_ignore(frame_end(server, frame, result));
        return;
    }
    server->frame = NULL;
    sp__message_give(context, message);
}

/* When the handler of a call began, for a caller that gives up. */
static void server_since(struct sp_process *self, bool began)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    atomic_store_explicit(&self->handling_since, began ? runtime->ops->now_coarse(runtime) : 0,
                          memory_order_relaxed);
}

/* An ordinary call whose caller waits. */
__attribute__((always_inline)) static inline void server_call(struct sp__context *context,
                                                              struct sp_process *self,
                                                              struct sp__server *server,
                                                              struct sp_message *message)
{
    _Alignas(16) char out[SERVER_OUT_FAST];
    const struct sp_op *op = sp__message_op(message);
    bool timed = sp__message_call(message)->deadline_ns != INT64_MAX;
    struct sp__frame frame = { .message = message, .out = out, .call = true };
    memset(out, 0, sizeof(out));
    sp__process_took(context, self, message);
    server->frame = &frame;
    if (timed)
        server_since(self, true);
    SP__USDT3(handle_start, message, message->type, self->slot);
    sp_err result = op->call(server->state, sp__message_payload(message), out);
    SP__USDT2(handle_end, message, self->slot);
    if (timed)
        server_since(self, false);
    server_call_end(server, &frame, result);
}

/* Is it of an ordinary server's own operations, and nothing was done about it yet? */
static inline bool server_ordinary(const struct sp__server *server,
                                   const struct sp_message *message, unsigned flags)
{
    return message->flags == flags && sp__message_op(message)->server == server->class &&
           server->class->hook == NULL;
}

/* Is it a call that server_call() is for? */
static inline bool server_calls(struct sp__context *context, const struct sp__server *server,
                                struct sp_message *message)
{
    return message->type->kind == SP__KIND_CALL &&
           server_ordinary(server, message, SP__MESSAGE_CALL) &&
           sp__message_op(message)->out_size <= SERVER_OUT_FAST &&
           !sp__reply_over(context, sp__message_call(message));
}

/* A message that somebody wants to see, or that is to be measured: out of line, so that it costs the
 * others nothing. */
static SP_NOINLINE void server_watched(struct sp_process *self, struct sp__server *server,
                                       struct sp_message *message)
{
    sp__record(sp__context(), SP_RECORD_HANDLE, sp__point_pid(message->from), message->type->name);
    server_dispatch(self, server, message);
}

/* What a message means for the inactivity timeout, and for the deadline of its handler. */
static SP_NOINLINE void server_attend(struct sp_process *self, struct sp_message *message)
{
    struct sp__extra *extra = self->extra;
    if (self->attention & SP__ATTEND_SHOW)
        message->flags |= SP__MESSAGE_SHOWN;
    extra->idle_at = 0; /* any message cancels the inactivity timeout */
    extra->idle_after = sp_ns(0);
    if (self->attention & SP__ATTEND_SCHEDULE)
        sp__schedule_begin(self, message->type->name);
}

/* In both that handle messages: the second must not make a call of it in the first. */
__attribute__((always_inline)) static inline void server_message(struct sp_process *self,
                                                                 struct sp__server *server,
                                                                 struct sp_message *message)
{
    if (self->attention & (SP__ATTEND_IDLE | SP__ATTEND_SCHEDULE | SP__ATTEND_SHOW))
        server_attend(self, message);
    struct sp__context *context = sp__context();
    if (message->type->kind == SP__KIND_CAST && server_ordinary(server, message, 0) &&
        sp__watch_pass(context, message->type))
        server_cast(context, self, server, message);
    else if (server_calls(context, server, message) && sp__watch_pass(context, message->type))
        server_call(context, self, server, message);
    else
        server_watched(self, server, message);
}

void sp__server_message(struct sp_process *self, struct sp_message *moved_message)
{
    server_message(self, self->data, moved_message);
}

/* The next message: out of line, unless it is one that made us run. */
static inline struct sp_message *server_next(struct sp_process *self)
{
    if (self->saved == NULL && self->actor.direct != NULL)
        return sp__mailbox_take_direct(&self->actor);
    return sp__process_has_next(self) ? sp__process_next(self) : NULL;
}

/* The mailbox is empty, or its next message not linked yet. True: look again. */
static bool server_pause(struct sp_process *self, struct sp__server *server,
                         enum sp__turn *out_turn)
{
    *out_turn = SP__TURN_YIELD;
    if (!sp__mailbox_waiting(&self->actor)) {
        /* One posted itself again, or came while another ran: there was no message in between. */
        if (self->attention & (SP__ATTEND_CALLBACKS | SP__ATTEND_SYS))
            return true;
        if ((self->attention & SP__ATTEND_IDLE) && server_idle(self, server))
            return true;
        *out_turn = SP__TURN_IDLE;
    }
    sp__process_before_leaving(self, true);
    return false;
}

static enum sp__turn server_turn(struct sp__actor *actor)
{
    struct sp_process *self = (struct sp_process *)(void *)actor;
    struct sp__server *server = self->data;
    enum sp__turn turn = SP__TURN_YIELD;
    for (uint32_t budget = actor->throughput;; budget--) {
        const struct sp_reason *end = NULL;
        if (sp__actor_interrupted(actor) || self->attention != 0)
            end = server_attention(self, budget == actor->throughput);
        if (end != NULL && end != SERVER_GIVE_WAY) {
            sp__process_exit(self, end);
            return SP__TURN_DEAD;
        }
        if (budget == 0 || end != NULL) {
            sp__process_before_leaving(self, true);
            return SP__TURN_YIELD;
        }
        if ((self->attention & SP__ATTEND_STEP) && server_step(self, server))
            continue;
        struct sp_message *message = server_next(self);
        if (message != NULL)
            server_message(self, server, message);
        else if (!server_pause(self, server, &turn))
            return turn;
    }
}

/* ---- what it is called ---- */

static const char *server_running(struct sp_process *self)
{
    struct sp__server *server = self->data;
    return server->frame != NULL && server->frame->message != NULL
               ? server->frame->message->type->name
               : server->class->name;
}

static const char *server_name(struct sp_process *self)
{
    return ((struct sp__server *)self->data)->class->name;
}

static const void *server_tag(struct sp_process *self)
{
    return ((struct sp__server *)self->data)->class;
}

const struct sp__behaviour sp__server_behaviour = {
    .label = "server",
    .handlers = true,
    .turn = server_turn,
    .quiesce = sp__server_quiesce,
    .terminate = sp__server_terminate,
    .finish = sp__server_finish,
    .running = server_running,
    .name = server_name,
    .tag = server_tag,
};
