/* The state machine: what happens around the handlers; the contract is in spawned/statem.h.
 *
 * The server core (behaviour/server_hook.h) gives each message of the mailbox to
 * statem_dispatch() and asks statem_step() for events that go before the next one:
 *
 *     raised by the last handler ─┐ in front
 *                                 v
 *     queue:   [raised ...][postponed, due again ...][...]   then   zeros   then   mailbox
 *                                 ^
 *     postponed ──────────────────┘ all of it, at a change of state
 *
 * `zeros` are timeouts of zero length, in the order they were set. A timeout of any other
 * length is a keyed timer of the process: once it is cancelled or set anew, its tick is
 * never delivered. The key is the address of the timeout's message type.
 *
 * Invariants: between two events `raised` is empty; an event is in one list at a time; the
 * lists hold messages the core has handed over, finish gives back what is left.
 *
 * Threads: the machine's process only. Neighbours: behaviour/server_hook.h.
 * Source: the transition order of Erlang/OTP's gen_statem, "Transition Options".
 */
#include "spawned/statem.h"

#include "behaviour/server_hook.h"
#include "process/dead_letter.h"
#include "process/process.h"
#include "process/send.h"
#include "process/timer.h"

/** Messages in order, linked through their mailbox link. */
struct statem_queue {
    struct sp_message *first;
    struct sp_message *last;
};

/** What the machine is doing; decides what a call of the public functions may do. */
enum statem_phase {
    STATEM_IDLE, /* between events, and in terminate */
    STATEM_INIT,
    STATEM_EVENT,
    STATEM_ENTER,
};

struct statem {
    const struct sp_server_class *server;
    const struct sp_statem_class *class;
    void *data;
    const void *now;  /* state */
    const void *next; /* what the running handler asked for, or NULL */
    enum statem_phase phase;
    uint32_t raised_count;  /* events of `raised`, and of `queue` those that were raised */
    bool entered;           /* the first state was */
    bool repeat;            /* the running handler asked for it */
    bool state_timeout_set; /* by the running handler */
    bool state_timeout_runs;
    bool event_timeout_runs;
    struct statem_queue queue;
    struct statem_queue raised;
    struct statem_queue postponed;
    struct statem_queue zeros;
};

/** Messages of the two timeouts that have no name; never seen by users. */
static const struct sp_msg_type statem_state_timeout = { "state_timeout", sizeof(sp_empty),
                                                         SP__KIND_USER, NULL };
static const struct sp_msg_type statem_event_timeout = { "event_timeout", sizeof(sp_empty),
                                                         SP__KIND_USER, NULL };

/** Value of a raised message's `aux`, which no timer's id has. */
#define STATEM_RAISED UINT64_MAX

/* ---- queues ---- */

static void statem_queue_push(struct statem_queue *queue, struct sp_message *message)
{
    sp__message_set_next(message, NULL);
    if (queue->last == NULL)
        queue->first = message;
    else
        sp__message_set_next(queue->last, message);
    queue->last = message;
}

static struct sp_message *statem_queue_pop(struct statem_queue *queue)
{
    struct sp_message *message = queue->first;
    if (message == NULL)
        return NULL;
    queue->first = sp__message_next(message);
    if (queue->first == NULL)
        queue->last = NULL;
    return message;
}

/** Put all of `front` before `queue`; `front` is empty afterwards. */
static void statem_queue_prepend(struct statem_queue *queue, struct statem_queue *front)
{
    if (front->last == NULL)
        return;
    sp__message_set_next(front->last, queue->first);
    queue->first = front->first;
    if (queue->last == NULL)
        queue->last = front->last;
    *front = (struct statem_queue){ NULL, NULL };
}

/** Take the message of type `type` out, or return NULL. */
static struct sp_message *statem_queue_take(struct statem_queue *queue,
                                            const struct sp_msg_type *type)
{
    struct sp_message *before = NULL;
    struct sp_message *at = queue->first;
    while (at != NULL && sp_message_type(at) != type) {
        before = at;
        at = sp__message_next(at);
    }
    if (at == NULL)
        return NULL;
    if (before == NULL)
        queue->first = sp__message_next(at);
    else
        sp__message_set_next(before, sp__message_next(at));
    if (queue->last == at)
        queue->last = before;
    return at;
}

/** At the end of the machine; what came through the mailbox is dead. */
static void statem_queue_free(struct statem_queue *queue)
{
    struct sp_message *message;
    while ((message = statem_queue_pop(queue)) != NULL) {
        if (!(message->flags & SP__MESSAGE_NOTICE))
            sp__dead_letter(SP_DEAD_EXITED, message, sp_self());
        sp_message_free(message);
    }
}

/* ---- who calls ---- */

/** A set of phases. */
enum {
    STATEM_MAY_INIT = 1 << STATEM_INIT,
    STATEM_MAY_EVENT = 1 << STATEM_EVENT,
    STATEM_MAY_ENTER = 1 << STATEM_ENTER,
};

/** The running machine; ends the process when it is in none of the `allowed` phases. */
static struct statem *statem_current(const char *function, unsigned allowed)
{
    struct statem *m = sp__server_extra(&sp_statem_hook);
    if (m == NULL)
        sp_exit_error(SP_ERR_NOTCONTEXT, "%s() outside a state machine", function);
    if ((allowed & (1U << m->phase)) == 0) {
        static const char *const places[] = { [STATEM_IDLE] =
                                                  "terminate or a callback of the server",
                                              [STATEM_INIT] = "init",
                                              [STATEM_EVENT] = "a handler",
                                              [STATEM_ENTER] = "enter" };
        sp_exit_error(SP_ERR_NOTCONTEXT, "%s() in %s of %s", function, places[m->phase],
                      m->server->name);
    }
    return m;
}

/** End the process for an error of the library's that a handler cannot answer. */
static void statem_must(sp_err err, const char *function)
{
    if (err == SP_ERR_NOMEM)
        sp_exit(sp_reason_out_of_memory());
    if (err != SP_OK)
        sp_exit_error(err, "%s()", function);
}

/** An event that did not come through the mailbox, and so is not counted there. */
static struct sp_message *statem_event_new(const char *function, const struct sp_msg_type *type,
                                           const void *in)
{
    struct sp_message *message = NULL;
    statem_must(sp__message_create(type, in, &message), function);
    message->flags |= SP__MESSAGE_NOTICE;
    return message;
}

/* ---- timeouts ---- */

/** Keys with bit 63 are the library's. */
static uint64_t statem_timeout_key(const struct sp_msg_type *type)
{
    return (UINT64_C(1) << 63) | (uint64_t)(uintptr_t)type;
}

/** True: it was running. Its event comes no more in either case. */
static bool statem_timeout_cancel(struct statem *m, const struct sp_msg_type *type)
{
    struct sp_message *zero = statem_queue_take(&m->zeros, type);
    sp_message_free(zero);
    return zero != NULL || sp__timer_stop_key(statem_timeout_key(type), NULL) == SP_OK;
}

static void statem_timeout_set(struct statem *m, const char *function,
                               const struct sp_msg_type *type, sp_duration after, const void *in)
{
    if (after.ns > 0) {
        const struct sp_timer_options options = { .after = after };
        sp_message_free(statem_queue_take(&m->zeros, type));
        statem_must(sp__timer_start_key(statem_timeout_key(type), type, in, &options, NULL),
                    function);
        return;
    }
    (void)statem_timeout_cancel(m, type);
    statem_must(after.ns < 0 ? SP_ERR_INVALID : SP_OK, function);
    statem_queue_push(&m->zeros, statem_event_new(function, type, in));
}

void sp_statem_state_timeout(sp_duration after)
{
    struct statem *m =
        statem_current(__func__, STATEM_MAY_INIT | STATEM_MAY_EVENT | STATEM_MAY_ENTER);
    statem_timeout_set(m, __func__, &statem_state_timeout, after, &(sp_empty){ 0 });
    m->state_timeout_set = true;
    m->state_timeout_runs = true;
}

/** Cancel the state timeout; true: it was running. */
static bool statem_state_timeout_stop(struct statem *m)
{
    bool ran = m->state_timeout_runs && statem_timeout_cancel(m, &statem_state_timeout);
    m->state_timeout_runs = false;
    return ran;
}

bool sp_statem_state_timeout_cancel(void)
{
    return statem_state_timeout_stop(
        statem_current(__func__, STATEM_MAY_INIT | STATEM_MAY_EVENT | STATEM_MAY_ENTER));
}

void sp_statem_event_timeout(sp_duration after)
{
    struct statem *m =
        statem_current(__func__, STATEM_MAY_INIT | STATEM_MAY_EVENT | STATEM_MAY_ENTER);
    statem_timeout_set(m, __func__, &statem_event_timeout, after, &(sp_empty){ 0 });
    m->event_timeout_runs = true;
}

static bool statem_event_timeout_stop(struct statem *m)
{
    bool ran = m->event_timeout_runs && statem_timeout_cancel(m, &statem_event_timeout);
    m->event_timeout_runs = false;
    return ran;
}

bool sp_statem_event_timeout_cancel(void)
{
    return statem_event_timeout_stop(
        statem_current(__func__, STATEM_MAY_INIT | STATEM_MAY_EVENT | STATEM_MAY_ENTER));
}

void sp_statem_timeout(const struct sp_op *event, sp_duration after, const void *in)
{
    struct statem *m =
        statem_current(__func__, STATEM_MAY_INIT | STATEM_MAY_EVENT | STATEM_MAY_ENTER);
    statem_timeout_set(m, __func__, &event->in, after, in);
}

bool sp_statem_timeout_cancel(const struct sp_op *event)
{
    struct statem *m =
        statem_current(__func__, STATEM_MAY_INIT | STATEM_MAY_EVENT | STATEM_MAY_ENTER);
    return statem_timeout_cancel(m, &event->in);
}

/* ---- what a handler asks for ---- */

void sp_statem_first(const void *state)
{
    statem_current(__func__, STATEM_MAY_INIT)->now = state;
}

void sp_statem_next(const void *state)
{
    statem_current(__func__, STATEM_MAY_EVENT)->next = state;
}

void sp_statem_repeat(void)
{
    statem_current(__func__, STATEM_MAY_EVENT)->repeat = true;
}

const void *sp_statem_now(void)
{
    const struct statem *m = sp__server_extra(&sp_statem_hook);
    return m == NULL ? NULL : m->now;
}

const char *sp_statem_name(void)
{
    const struct statem *m = sp__server_extra(&sp_statem_hook);
    return m == NULL || m->now == NULL ? NULL : m->class->name(m->now);
}

sp_err sp_statem_postpone(void)
{
    (void)statem_current(__func__, STATEM_MAY_EVENT);
    if (!sp__server_keep())
        sp_exit_error(SP_ERR_NOTCONTEXT, "sp_statem_postpone() after sp_request_take()");
    return SP_ERR_DEFERRED;
}

void sp_statem_raise(const struct sp_op *event, const void *in)
{
    struct statem *m = statem_current(__func__, STATEM_MAY_INIT | STATEM_MAY_EVENT);
    if (m->raised_count >= sp__process_self()->actor.mailbox_max)
        statem_must(SP_ERR_LIMIT, __func__);
    struct sp_message *message = statem_event_new(__func__, &event->in, in);
    message->aux = STATEM_RAISED;
    statem_queue_push(&m->raised, message);
    m->raised_count++;
}

/* ---- events ---- */

/** Call the state's field for an event that is no operation; false: it has none. */
static bool statem_show(struct statem *m, enum sp_statem_event_kind kind,
                        struct sp_message *message)
{
    const struct sp_statem_event event = { .kind = kind, .message = message };
    return m->class->event(m->data, m->now, &event);
}

/** A timeout without a function in the state it is due in: a bug of the machine's author. */
static bool statem_timed_out(struct statem *m, enum sp_statem_event_kind kind,
                             const struct sp_msg_type *type)
{
    if (!statem_show(m, kind, NULL))
        sp_exit_error(SP_ERR_NOTSUP, "state '%s' of %s has no %s", sp_statem_name(),
                      m->server->name, type->name);
    return true;
}

/** An event is handled: none of the timeouts it ends runs any more. Not earlier: a stale tick
 *  or a call whose caller has given up is no event. */
static void statem_timeouts_see(struct statem *m, const struct sp_msg_type *type)
{
    if (type == &statem_state_timeout)
        m->state_timeout_runs = false;
    if (type == &statem_event_timeout)
        m->event_timeout_runs = false;
    (void)statem_event_timeout_stop(m);
}

/** The handler of one event; a sp__server_run_fn. Operations find their state's function
 *  themselves; what the state has no function for is the class's. */
static sp_err statem_run(void *arg, struct sp_message *message, void *out)
{
    struct statem *m = arg;
    const struct sp_msg_type *type = sp_message_type(message);
    bool shown = false;
    statem_timeouts_see(m, type);
    if (type == &statem_state_timeout)
        shown = statem_timed_out(m, SP_STATEM_STATE_TIMEOUT, type);
    else if (type == &statem_event_timeout)
        shown = statem_timed_out(m, SP_STATEM_EVENT_TIMEOUT, type);
    else if (type == &sp_down_type)
        shown = statem_show(m, SP_STATEM_DOWN, message);
    else if (type == &sp_exit_notice_type)
        shown = statem_show(m, SP_STATEM_EXIT, message);
    else if (type->kind != SP__KIND_CALL && type->kind != SP__KIND_CAST)
        shown = statem_show(m, SP_STATEM_MESSAGE, message);
    return shown ? SP_OK : sp__server_default_run(NULL, message, out);
}

static void statem_enter(struct statem *m, const void *old)
{
    const struct sp_statem_event event = { .kind = SP_STATEM_ENTER, .old = old };
    m->phase = STATEM_ENTER;
    (void)m->class->event(m->data, m->now, &event);
    m->phase = STATEM_IDLE;
}

/** What the handler asked for, after it has returned and was answered. */
static void statem_move(struct statem *m)
{
    const void *old = m->now;
    bool changes = m->next != NULL && m->next != old;
    if (changes) {
        m->now = m->next;
        if (!m->state_timeout_set)
            (void)statem_state_timeout_stop(m);
        statem_queue_prepend(&m->queue, &m->postponed);
    }
    statem_queue_prepend(&m->queue, &m->raised);
    if ((changes || m->repeat) && !sp__server_stopping())
        statem_enter(m, old);
}

/** Handle one event and all that follows from it. */
static void statem_handle(struct statem *m, struct sp_message *moved_message)
{
    m->next = NULL;
    m->repeat = false;
    m->state_timeout_set = false;
    m->phase = STATEM_EVENT;
    enum sp__server_handled handled = sp__server_handle(moved_message, statem_run, m);
    m->phase = STATEM_IDLE;
    if (handled == SP__HANDLED_KEPT)
        statem_queue_push(&m->postponed, moved_message);
    statem_move(m);
}

/* ---- the hook ---- */

static sp_err statem_init(void *extra, const struct sp_server_class *server, void *state,
                          const void *args)
{
    struct statem *m = extra;
    m->server = server;
    m->class = server->hook_class;
    m->data = state;
    m->phase = STATEM_INIT;
    sp_err err = server->init(state, args);
    m->phase = STATEM_IDLE;
    if (err == SP_OK && m->now == NULL)
        sp_exit_error(SP_ERR_INVALID, "init of %s names no first state", server->name);
    statem_queue_prepend(&m->queue, &m->raised);
    return err;
}

static void statem_dispatch(void *extra, struct sp_message *moved_message)
{
    statem_handle(extra, moved_message);
}

static bool statem_step(void *extra)
{
    struct statem *m = extra;
    if (!m->entered) {
        m->entered = true;
        statem_enter(m, NULL);
        return true;
    }
    struct sp_message *message = statem_queue_pop(&m->queue);
    if (message == NULL)
        message = statem_queue_pop(&m->zeros);
    if (message == NULL)
        return false;
    if (message->aux == STATEM_RAISED) {
        message->aux = 0; /* counted once, also when it is postponed and comes again */
        m->raised_count--;
    }
    statem_handle(m, message);
    return true;
}

static void statem_finish(void *extra)
{
    struct statem *m = extra;
    statem_queue_free(&m->queue);
    statem_queue_free(&m->raised);
    statem_queue_free(&m->postponed);
    statem_queue_free(&m->zeros);
}

const struct sp__server_hook sp_statem_hook = {
    .extra_size = sizeof(struct statem),
    .init = statem_init,
    .dispatch = statem_dispatch,
    .step = statem_step,
    .finish = statem_finish,
};
