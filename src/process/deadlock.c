#include "process/deadlock.h"

#include "base/text.h"
#include "process/aside.h"
#include "runtime/log.h"

enum {
    /* Longer circles are not seen: a walk has an end, also in one that it does not belong to. */
    DEADLOCK_STEPS_MAX = 65536,
    /* How often one that looks gives way before it sleeps, and for how long then. */
    DEADLOCK_YIELDS = 16,
    DEADLOCK_PAUSE_NS = 1000000,
    /* Processes that are looked at by one call of sp_wait_list(). */
    WAIT_LIST_LOOK = 65536,
};

/* ---- writing ---- */

/* Who joins `to` adds an edge to it: from now on it looks whenever it waits. */
static void edge_mark(struct sp_runtime *runtime, sp_pid to)
{
    sp__process_enter();
    struct sp_process *target = sp__process_lookup(runtime, to);
    if (target != NULL)
        /* seq_cst: after the edge, before the looking; pairs with the load in
         * sp__process_wait(). */
        atomic_fetch_or_explicit(&target->shared, SP__SHARED_JOINED, memory_order_seq_cst);
    sp__process_leave();
}

void sp__edge_begin(struct sp_process *self, struct sp__pending *pending, sp_pid to, uint64_t token,
                    enum sp_wait_kind kind)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    pending->kind = kind;
    pending->since = runtime->ops->now_coarse(runtime);
    self->pending = pending;
    uint32_t slot = to.slot | (kind == SP_WAIT_GROUP ? SP__WAITS_GROUP : 0) |
                    (pending->judges ? SP__WAITS_JUDGES : 0);
    /* release: as in sp__edge_of_call(); the last one also goes before all that follows. */
    atomic_store_explicit(&self->waits_slot, slot, memory_order_release);
    atomic_store_explicit(&self->waits_serial, (uint32_t)to.serial, memory_order_release);
    (void)atomic_exchange_explicit(&self->waits_token, (uint32_t)token, memory_order_seq_cst);
    if (kind != SP_WAIT_GROUP && kind != SP_WAIT_START)
        edge_mark(runtime, to);
}

/* `to` NULL: somebody else may answer. */
static void edge_change(const struct sp__reply_to *request, const sp_pid *to)
{
    struct sp__context *context = sp__context();
    sp__epoch_enter(&context->epoch);
    struct sp_process *caller = sp__process_lookup(context->runtime, request->caller);
    if (caller != NULL && (request->flags & SP__REPLY_SINGLE) &&
        sp__wait_claim(&caller->actor, request->token)) {
        /* seq_cst: as every edge. The claim keeps the wait open. Who reads one half as it was finds no
         * edge: nobody waits for anybody by way of `to`, which is idle. */
        if (to == NULL) {
            atomic_fetch_or_explicit(&caller->waits_slot, SP__WAITS_DEFERRED, memory_order_seq_cst);
        } else {
            atomic_store_explicit(&caller->waits_slot, to->slot, memory_order_seq_cst);
            atomic_store_explicit(&caller->waits_serial, (uint32_t)to->serial,
                                  memory_order_seq_cst);
        }
        sp__wait_release(&caller->actor, request->token);
    } else if (caller != NULL && (request->flags & SP__REPLY_SINGLE)) {
        sp__aside_defer(caller, request, true);
    }
    sp__epoch_leave(&context->epoch);
}

void sp__edge_loosen(const struct sp__reply_to *to)
{
    edge_change(to, NULL);
}

void sp__edge_redirect(const struct sp__reply_to *request, sp_pid to)
{
    edge_change(request, &to);
}

/* ---- reading ---- */

struct edge {
    struct sp_process *to;
    uint64_t wait; /* the word it was read under */
    uint32_t slot; /* with its bits */
    bool stands;   /* its process is parked in that wait, or looking */
};

/* The open wait of a process; 0: none. */
static uint64_t edge_wait(struct sp_process *from)
{
    for (unsigned spins = 0;; spins++) {
        /* seq_cst: see deadlock.h. */
        uint64_t wait = atomic_load_explicit(&from->actor.wait, memory_order_seq_cst);
        if ((wait & 3) != SP__WAIT_BUSY)
            return (wait & 3) == SP__WAIT_OPEN ? wait : 0;
        sp__scheduler_spin(spins); /* a completer writes a result, which takes some nanoseconds */
    }
}

/* False: it waits for no process, or for one that has ended, or was sent a signal. */
static bool edge_read(struct sp_process *from, struct edge *out)
{
    uint64_t state;
    uint32_t serial;
    do {
        out->wait = edge_wait(from);
        /* seq_cst: each pairs with the store of the edge. */
        if (out->wait == 0 || atomic_load_explicit(&from->waits_token, memory_order_seq_cst) !=
                                  (uint32_t)(out->wait >> 2))
            return false;
        serial = atomic_load_explicit(&from->waits_serial, memory_order_seq_cst);
        out->slot = atomic_load_explicit(&from->waits_slot, memory_order_seq_cst);
        state = atomic_load_explicit(&from->actor.state, memory_order_seq_cst);
    } while (edge_wait(from) != out->wait);
    /* Who has a signal may have to end. It looks for itself when it has not. */
    if (state & SP__ACTOR_SIGNAL)
        return false;
    out->stands = !(state & SP__ACTOR_QUEUED) || (out->slot & SP__WAITS_LOOKING);
    out->to = sp__slab_get(sp__process_runtime(from)->processes, out->slot & SP__WAITS_SLOT);
    if (out->to == NULL)
        return false;
    /* acquire: as in lookup. Half the serial tells the users of a slot apart. */
    uint64_t now = atomic_load_explicit(&out->to->serial, memory_order_acquire);
    return (uint32_t)now == serial && !(now & SP__SERIAL_DEAD);
}

struct sp_process *sp__wait_target(struct sp_process *process)
{
    struct edge edge;
    return edge_read(process, &edge) ? edge.to : NULL;
}

/* ---- walking ---- */

static bool edge_is_for_child(const struct edge *edge, const struct sp_process *child)
{
    return (edge->slot & SP__WAITS_GROUP) && child->parent_slot == edge->to->slot &&
           child->parent_serial == sp__process_pid(edge->to).serial;
}

enum walk {
    WALK_ENDS,
    WALK_CLOSES,
    WALK_UNSURE, /* it closes, if they all come to stand */
};

static void process_wake(struct sp_process *process)
{
    sp__process_enter();
    if (sp__process_lookup(sp__process_runtime(process), sp__process_pid(process)) == process)
        sp__actor_wake(&process->actor);
    sp__process_leave();
}

/* Whose circle is it? Not ours, where one judges and we do not. */
static enum walk walk_judged(struct sp_process *self, struct sp_process *judge, enum walk closes)
{
    /* relaxed: our own. */
    if (judge == NULL ||
        (atomic_load_explicit(&self->waits_slot, memory_order_relaxed) & SP__WAITS_JUDGES))
        return closes;
    process_wake(judge);
    return WALK_ENDS;
}

/* From `at` to the running process? `*out_sum` stands for all the waits on the way. */
static enum walk walk(struct sp_process *self, struct sp_process *at, uint64_t *out_sum)
{
    uint64_t sum = 0;
    enum walk closes = WALK_CLOSES;
    struct sp_process *judge = NULL;
    for (uint32_t steps = 0; steps < DEADLOCK_STEPS_MAX; steps++) {
        struct edge edge;
        *out_sum = sum;
        if (at == self)
            return walk_judged(self, judge, closes);
        if (!edge_read(at, &edge) || (edge.slot & SP__WAITS_DEFERRED) || sp__process_cancelled(at))
            return WALK_ENDS;
        if (!edge.stands)
            closes = WALK_UNSURE;
        sum = (sum ^ edge.wait) * UINT64_C(0x9e3779b97f4a7c15) + at->slot;
        *out_sum = sum;
        if (edge.slot & SP__WAITS_JUDGES)
            judge = at;
        if (edge_is_for_child(&edge, self))
            return walk_judged(self, judge, closes);
        at = edge.to;
    }
    return WALK_ENDS;
}

/* One of the circle is about to park, or to look at what it was sent: let it. A reentrant server may
 * take some time to come to that; what ends our own wait wakes us before. */
static void walk_pause(struct sp_process *self, uint32_t round)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    if (round < DEADLOCK_YIELDS || !sp__scheduler_prepare_deadline(&self->actor)) {
        runtime->ops->yield(&self->actor);
        return;
    }
    int64_t until = sp__now(runtime) + DEADLOCK_PAUSE_NS;
    sp__scheduler_park_until(&self->actor, false, until);
}

/* Twice, the same: it is a circle. Between the two others may go first. */
static bool walk_is_certain(struct sp_process *self, struct sp_process *first)
{
    uint64_t before;
    uint64_t after;
    enum walk closes;
    /* A group's owner looks before it waits. */
    uint64_t wait = edge_wait(self);
    for (uint32_t round = 0; (closes = walk(self, first, &before)) != WALK_ENDS; round++) {
        if (closes == WALK_UNSURE)
            walk_pause(self, round);
        else
            sp__point(SP__POINT_PROCESS, sp__point_pid(sp__process_pid(first)), "deadlock?");
        if (sp__actor_signalled(&self->actor))
            return false; /* its wait looks at that, and then here again */
        if (edge_wait(self) != wait)
            return false; /* who was asked has answered, and waits again only now */
        if (closes == WALK_CLOSES && walk(self, first, &after) == WALK_CLOSES && after == before)
            return edge_wait(self) == wait;
    }
    return false;
}

/* ---- telling ---- */

struct detail {
    enum sp_wait_kind kind;
    const char *operation;
    int64_t since;
};

static void detail_fill(const struct sp__pending *pending, struct detail *out)
{
    static const char *const names[] = { "call", "start", "join",  "stop",
                                         "room", "task",  "group", "sys" };
    out->kind = pending->kind;
    out->operation = pending->type != NULL ? pending->type->name : names[pending->kind];
    out->since = pending->since;
    if (pending->since != 0 || pending->until == INT64_MAX)
        return;
    if (pending->deadline.kind == SP_DEADLINE_AFTER)
        out->since = pending->until - pending->deadline.ns;
    else if (pending->deadline.kind == SP_DEADLINE_DEFAULT)
        out->since = pending->until - sp_sec(5).ns;
}

/* What is known of the wait `wait` lies on the waiter's stack. Whoever makes a parked process
 * runnable owns it: so we do, read, and park it again. */
static void detail_read(struct sp_process *process, uint64_t wait, struct detail *out)
{
    struct sp__actor *actor = &process->actor;
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_relaxed);
    *out = (struct detail){ .kind = SP_WAIT_CALL };
    struct sp_process *self = sp__process_self();
    if (self != NULL && process == self) {
        if (self->pending != NULL)
            detail_fill(self->pending, out);
        return;
    }
    uint64_t wanted = (state | SP__ACTOR_QUEUED) & ~SP__ACTOR_RECEIVING;
    /* acq_rel: acquire pairs with the park: what the owner wrote before it is visible. */
    if ((state & (SP__ACTOR_QUEUED | SP__ACTOR_CLOSED)) ||
        !atomic_compare_exchange_strong_explicit(&actor->state, &state, wanted,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return;
    /* relaxed: it is ours, and so is its wait but for a completer, which leaves this alone. */
    if (atomic_load_explicit(&actor->wait, memory_order_relaxed) == wait &&
        process->pending != NULL)
        detail_fill(process->pending, out);
    if (!sp__actor_try_park(actor, (state & SP__ACTOR_RECEIVING) != 0))
        sp__scheduler_ready(actor);
}

/* "a waits for b (get), b waits for a (put)". Inside an epoch section. */
static void circle_text(struct sp_process *self, struct sp_process *first, struct sp__text *text)
{
    struct detail detail;
    char from[64];
    char to[64];
    detail_read(self, 0, &detail);
    sp__text_add(text, "%s waits for %s (%s)", sp__process_text(self, from),
                 sp__process_text(first, to), detail.operation == NULL ? "?" : detail.operation);
    struct edge edge;
    for (struct sp_process *at = first; at != self && !text->truncated; at = edge.to) {
        if (!edge_read(at, &edge))
            return;
        detail_read(at, edge.wait, &detail);
        sp__text_add(text, ", %s waits for %s (%s)", sp__process_text(at, from),
                     sp__process_text(edge.to, to),
                     detail.operation == NULL ? "?" : detail.operation);
        if (edge_is_for_child(&edge, self)) {
            sp__text_add(text, ", to which %s belongs", sp__process_text(self, from));
            return;
        }
    }
}

static void circle_tell(struct sp_process *self, struct sp_process *first)
{
    char buffer[480];
    struct sp__text text;
    sp__text_init(&text, buffer, sizeof(buffer));
    sp__process_enter();
    circle_text(self, first, &text);
    sp_pid to = sp__process_pid(first);
    struct sp__extra *extra = sp__process_extra(self);
    sp__process_leave();
    const struct sp__backend_ops *ops = sp__process_runtime(self)->ops;
    if (ops->circle != NULL)
        ops->circle(sp__process_runtime(self), buffer);
    sp__log(sp__process_runtime(self), SP_LOG_WARNING, "deadlock: %s", buffer);
    if (extra == NULL)
        return; /* the error itself is told all the same */
    struct detail detail;
    detail_read(self, 0, &detail);
    sp_reason_unref(extra->call_reason);
    extra->call_stage = SP__STAGE_DEADLOCKED;
    extra->call_server = to;
    extra->call_operation = detail.operation;
    extra->call_position = 0;
    extra->call_running_ns = 0;
    extra->call_reason = sp_reason_error(SP_ERR_DEADLOCK, "%s", buffer);
}

static bool deadlock_found(struct sp_process *self, struct sp_process *first)
{
    uint64_t sum;
    if (walk(self, first, &sum) == WALK_ENDS)
        return false;
    /* seq_cst: as every edge. Others may add a bit meanwhile. */
    atomic_fetch_or_explicit(&self->waits_slot, SP__WAITS_LOOKING, memory_order_seq_cst);
    bool closed = walk_is_certain(self, first);
    atomic_fetch_and_explicit(&self->waits_slot, ~SP__WAITS_LOOKING, memory_order_seq_cst);
    return closed;
}

static bool deadlock_closed(struct sp_process *self, struct sp_process *first)
{
    bool closed = deadlock_found(self, first);
    if (closed)
        circle_tell(self, first);
    return closed;
}

/* The process in a circle whose edge leads to us, or the parent we belong to. */
static bool deadlock_last(struct sp_process *self, struct sp_process *first, sp_pid *out_last)
{
    struct sp_process *at = first;
    for (uint32_t steps = 0; steps < DEADLOCK_STEPS_MAX; steps++) {
        struct edge edge;
        if (!edge_read(at, &edge))
            return false;
        if (edge.to == self || edge_is_for_child(&edge, self)) {
            *out_last = sp__process_pid(at);
            return true;
        }
        at = edge.to;
    }
    return false;
}

bool sp__deadlock_found(struct sp_process *self, uint64_t token, sp_pid *out_last)
{
    struct edge edge;
    /* relaxed: our own. */
    return atomic_load_explicit(&self->waits_token, memory_order_relaxed) == (uint32_t)token &&
           edge_read(self, &edge) && deadlock_found(self, edge.to) &&
           deadlock_last(self, edge.to, out_last);
}

void sp__deadlock_leave_to(struct sp_process *self, sp_pid last)
{
    /* seq_cst: as every edge. */
    atomic_fetch_and_explicit(&self->waits_slot, ~SP__WAITS_JUDGES, memory_order_seq_cst);
    edge_mark(sp__process_runtime(self), last);
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(sp__process_runtime(self), last);
    if (process != NULL)
        sp__actor_wake(&process->actor);
    sp__process_leave();
}

bool sp__deadlock_closed(struct sp_process *self, uint64_t token)
{
    struct edge edge;
    /* relaxed: our own. */
    if (atomic_load_explicit(&self->waits_token, memory_order_relaxed) != (uint32_t)token)
        return false;
    return edge_read(self, &edge) && !(edge.slot & SP__WAITS_DEFERRED) &&
           deadlock_closed(self, edge.to);
}

enum sp__circle sp__deadlock_glance(struct sp_process *self)
{
    struct edge edge;
    uint64_t before;
    uint64_t after;
    if (sp__actor_signalled(&self->actor))
        return SP__CIRCLE_UNSURE;
    if (!edge_read(self, &edge) || (edge.slot & SP__WAITS_DEFERRED))
        return SP__CIRCLE_NONE;
    enum walk closes = walk(self, edge.to, &before);
    if (closes == WALK_ENDS)
        return SP__CIRCLE_NONE;
    /* Whoever waits for us has sent its request before: we would have it. */
    if (closes == WALK_UNSURE || walk(self, edge.to, &after) != WALK_CLOSES || after != before ||
        edge_wait(self) == 0 || sp__mailbox_waiting(&self->actor))
        return SP__CIRCLE_UNSURE;
    circle_tell(self, edge.to);
    return SP__CIRCLE_CLOSED;
}

bool sp__deadlock_closed_by(struct sp_process *self, sp_pid to)
{
    sp__process_enter();
    struct sp_process *first = sp__process_lookup(sp__process_runtime(self), to);
    sp__process_leave();
    return first != NULL && deadlock_closed(self, first);
}

/* ---- the graph ---- */

static bool wait_read(struct sp_process *process, sp_pid pid, struct sp_wait *out)
{
    struct edge edge;
    struct detail detail;
    if (!edge_read(process, &edge))
        return false;
    detail_read(process, edge.wait, &detail);
    /* The instant of a call's deadline was rounded up by the coarse clock's step. */
    struct sp_runtime *runtime = sp__process_runtime(process);
    int64_t now = runtime->ops->now_coarse(runtime);
    if (detail.since > now)
        detail.since = now;
    *out = (struct sp_wait){ .from = pid,
                             .to = sp__process_pid(edge.to),
                             .kind = edge.slot & SP__WAITS_GROUP ? SP_WAIT_GROUP : detail.kind,
                             .operation = detail.operation,
                             .since = { detail.since },
                             .deferred = (edge.slot & SP__WAITS_DEFERRED) != 0 };
    return !(out->to.serial & SP__SERIAL_DEAD);
}

size_t sp_wait_list(size_t *cursor, struct sp_wait *waits, size_t max)
{
    struct sp_runtime *runtime = sp_runtime_current();
    size_t count = 0;
    if (runtime == NULL || *cursor == SIZE_MAX)
        return 0;
    sp__process_enter();
    uint32_t high = sp__slab_high(runtime->processes);
    size_t slot = *cursor;
    for (size_t looked = 0; slot < high && count < max && looked < WAIT_LIST_LOOK; looked++) {
        struct sp_process *process = sp__slab_get(runtime->processes, (uint32_t)slot);
        /* acquire: as in lookup. */
        uint64_t serial = atomic_load_explicit(&process->serial, memory_order_acquire);
        if (serial != 0 && !(serial & SP__SERIAL_DEAD) &&
            wait_read(process, (sp_pid){ serial, (uint32_t)slot, 0 }, &waits[count]))
            count++;
        slot++;
    }
    *cursor = slot >= high ? SIZE_MAX : slot;
    sp__process_leave();
    return count;
}
