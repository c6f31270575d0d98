#include "behaviour/sys.h"

#include "base/alloc.h"
#include "behaviour/server.h"
#include "process/deadlock.h"
#include "process/resource.h"

#include <string.h>

enum sys_kind {
    SYS_SUSPEND,
    SYS_RESUME,
    SYS_STATE,
    SYS_MEASURE,
    SYS_STATISTICS,
    SYS_TRACE,
    SYS_TRACE_STOP,
};

enum {
    SYS_TRACE_LIMIT = 100,
    SYS_TRACE_PENDING = 1024,
};

/* Of who asks until it is in the list, then the server's. */
struct sys_request {
    struct sp__list link;
    enum sys_kind kind;
    bool on;
    struct sp__reply_to to;
    struct sp__sys_trace trace;
    uint32_t size; /* of the text */
    char text[];
};

/* ---- the server ---- */

static void sys_come(struct sp__callback *callback)
{
    (void)callback;
    sp__process_self()->attention |= SP__ATTEND_SYS;
}

static struct sp__sys *sys_known(struct sp_process *process)
{
    /* acquire, both: pair with who allocated it, and the swap in sys_of(). */
    struct sp__extra *extra = atomic_load_explicit(&process->extra, memory_order_acquire);
    return extra == NULL ? NULL : atomic_load_explicit(&extra->sys, memory_order_acquire);
}

/* False: who asked has given up. */
static bool sys_answer(struct sys_request *moved_request, sp_err err, const void *out, size_t size)
{
    bool reached =
        sp__reply_reach(&moved_request->to, &(struct sp__reply){ .err = err,
                                                                 .out = err == SP_OK ? out : NULL,
                                                                 .out_size = (uint32_t)size });
    sp__free(moved_request);
    return reached;
}

static void sys_hold(struct sp_process *self, struct sp__sys *sys, bool on)
{
    sys->suspended = on;
    /* relaxed, both: for who looks at it from outside. */
    if (on)
        atomic_fetch_or_explicit(&self->shared, SP__SHARED_SUSPENDED, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(&self->shared, ~(uint32_t)SP__SHARED_SUSPENDED,
                                  memory_order_relaxed);
}

/* Whoever was told TIMEOUT must not find it suspended. */
static void sys_suspend(struct sp_process *self, struct sp__sys *sys,
                        struct sys_request *moved_request)
{
    bool before = sys->suspended;
    sys_hold(self, sys, moved_request->kind == SYS_SUSPEND);
    if (!sys_answer(moved_request, SP_OK, NULL, 0))
        sys_hold(self, sys, before);
}

static void sys_state(struct sp_process *self, struct sp__sys *sys,
                      struct sys_request *moved_request)
{
    const struct sp__server *server = self->data;
    if (server->class->format == NULL || !(self->flags & SP__PROCESS_STARTED)) {
        (void)sys_answer(moved_request, SP_ERR_NOTSUP, NULL, 0);
        return;
    }
    sys->current = moved_request;
    server->class->format(server->state, moved_request->text, moved_request->size);
    sys->current = NULL;
    moved_request->text[moved_request->size - 1] = '\0';
    (void)sys_answer(moved_request, SP_OK, moved_request->text, moved_request->size);
}

static void sys_statistics(struct sp_process *self, struct sp__sys *sys,
                           struct sys_request *moved_request)
{
    struct sp_sys_statistics out = sys->statistics;
    out.mailbox = sp__mailbox_length(&self->actor);
    /* relaxed: the owner's own. */
    out.handled_ever = atomic_load_explicit(&self->handled, memory_order_relaxed);
    (void)sys_answer(moved_request, sys->measures ? SP_OK : SP_ERR_NOTFOUND, &out, sizeof(out));
}

static void sys_do(struct sp_process *self, struct sp__sys *sys, struct sys_request *moved_request)
{
    switch (moved_request->kind) {
    case SYS_SUSPEND:
    case SYS_RESUME:
        sys_suspend(self, sys, moved_request);
        return;
    case SYS_STATE:
        sys_state(self, sys, moved_request);
        return;
    case SYS_MEASURE:
        sys->measures = moved_request->on;
        sys->statistics = (struct sp_sys_statistics){ .since = sp_now() };
        break;
    case SYS_STATISTICS:
        sys_statistics(self, sys, moved_request);
        return;
    case SYS_TRACE:
        sp__sys_trace_begin(self, sys, &moved_request->trace);
        break;
    case SYS_TRACE_STOP:
        sp__sys_trace_end(self, sys);
        break;
    }
    sp__sys_show(self, sys);
    (void)sys_answer(moved_request, SP_OK, NULL, 0);
}

static struct sys_request *sys_pop(struct sp__sys *sys)
{
    sp__lock_lock(&sys->lock);
    struct sp__list *link = sp__list_pop_front(&sys->requests);
    sp__lock_unlock(&sys->lock);
    return link == NULL ? NULL : sp__container_of(link, struct sys_request, link);
}

/* What was given up by who asked is not done: nobody would know. */
static void sys_do_all(struct sp_process *self, struct sp__sys *sys)
{
    struct sys_request *request;
    self->attention &= (uint16_t)~SP__ATTEND_SYS;
    while ((request = sys_pop(sys)) != NULL)
        if (sp__reply_expired(&request->to))
            sp__free(request);
        else
            sys_do(self, sys, request);
}

/* Is there something that a suspended server does nevertheless? */
static bool sys_is_ended(const struct sp_process *self)
{
    return (self->attention & (SP__ATTEND_STOP | SP__ATTEND_DRAIN)) != 0;
}

void sp__sys_run(struct sp_process *self)
{
    struct sp__sys *sys = sys_known(self);
    sys_do_all(self, sys);
    while (sys->suspended && !sys_is_ended(self) && sp__process_check(self)) {
        if (self->attention & SP__ATTEND_SYS)
            sys_do_all(self, sys);
        else if (!sys_is_ended(self))
            sp__process_park(self, false, INT64_MAX);
    }
    if (sys->suspended) /* it is told to end, and does what that takes */
        sys_hold(self, sys, false);
}

void sp__sys_finish(struct sp_process *self)
{
    struct sp__sys *sys = sys_known(self);
    struct sys_request *request;
    if (sys == NULL)
        return;
    sp__lock_lock(&sys->lock);
    sys->closed = true;
    sp__lock_unlock(&sys->lock);
    if (sys->current != NULL)
        (void)sys_answer(sys->current, SP_ERR_DIED, NULL, 0);
    while ((request = sys_pop(sys)) != NULL)
        (void)sys_answer(request, SP_ERR_DIED, NULL, 0);
    sp__sys_trace_end(self, sys);
}

/* ---- asking ---- */

/* Made when it is asked for the first time; NULL: no memory. Inside a section. */
static struct sp__sys *sys_of(struct sp_process *process)
{
    struct sp__extra *extra = sp__process_extra(process);
    if (extra == NULL)
        return NULL;
    /* acquire: pairs with the swap. */
    struct sp__sys *sys = atomic_load_explicit(&extra->sys, memory_order_acquire);
    if (sys != NULL)
        return sys;
    struct sp__sys *made = sp__calloc(1, sizeof(*made));
    if (made == NULL)
        return NULL;
    sp__callback_init(&made->callback, sys_come);
    made->callback.anytime = true;
    sp__lock_init(&made->lock);
    sp__list_init(&made->requests);
    /* acq_rel: somebody else may ask at this moment. */
    if (atomic_compare_exchange_strong_explicit(&extra->sys, &sys, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    sp__free(made);
    return sys;
}

/* What the server has not come to yet; NULL: it has answered, or is about to. */
static struct sys_request *sys_take_back(struct sp__sys *sys, struct sp__reply_to to)
{
    struct sys_request *found = NULL;
    sp__lock_lock(&sys->lock);
    for (struct sp__list *at = sp__list_first(&sys->requests); at != NULL && found == NULL;
         at = sp__list_next(&sys->requests, at)) {
        struct sys_request *request = sp__container_of(at, struct sys_request, link);
        if (request->to.token == to.token && sp_pid_equal(request->to.caller, to.caller))
            found = request;
    }
    if (found != NULL)
        sp__list_remove(&found->link);
    sp__lock_unlock(&sys->lock);
    return found;
}

/* Ownership: the request is the server's on SP_OK. Inside a section. */
static sp_err sys_post(struct sp_process *process, struct sys_request *request)
{
    if (process->behaviour != &sp__server_behaviour)
        return SP_ERR_NOTSUP;
    struct sp__sys *sys = sys_of(process);
    if (sys == NULL)
        return SP_ERR_NOMEM;
    sp__lock_lock(&sys->lock);
    struct sp__reply_to to = request->to; /* once it is in the list, it may be gone */
    bool closed = sys->closed;
    if (!closed)
        sp__list_push_back(&sys->requests, &request->link);
    sp__lock_unlock(&sys->lock);
    if (closed)
        return SP_ERR_NOPROC;
    if (sp__callback_post(&process->actor, &sys->callback))
        return SP_OK;
    /* It ends. If it has not found the request yet, it will not. */
    return sys_take_back(sys, to) == NULL ? SP_OK : SP_ERR_NOPROC;
}

/* Nobody waits for it any more: it must not wait in the list of one whose handler does not return. */
static void sys_give_up(struct sp_process *self, sp_pid pid, struct sp__reply_to to)
{
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(sp__process_runtime(self), pid);
    struct sp__sys *sys = process == NULL ? NULL : sys_known(process);
    if (sys != NULL)
        sp__free(sys_take_back(sys, to));
    sp__process_leave();
}

/* Of who waits, on its stack: so that a question does not outlive who asked. */
struct sys_asked {
    struct sp__resource resource;
    sp_pid pid;
    struct sp__reply_to to;
};

static void asked_release(struct sp__resource *resource)
{
    const struct sys_asked *asked = sp__container_of(resource, struct sys_asked, resource);
    sys_give_up(sp__process_self(), asked->pid, asked->to);
}

/* Wait for what the server does about it. */
static sp_err sys_await(struct sp_process *self, sp_pid pid, struct sp__reply_to to, int64_t until)
{
    struct sys_asked asked = { .resource.release = asked_release, .pid = pid, .to = to };
    sp_err err = SP_ERR_DEADLOCK;
    sp__resource_add(self, &asked.resource);
    if (!sp__deadlock_closed(self, to.token) || !sp__wait_close(&self->actor, to.token))
        err = sp__process_wait(self, to.token, until);
    sp__resource_remove(&asked.resource);
    if (err != SP_OK && err != SP_ERR_NOTCONTEXT)
        sys_give_up(self, pid, to);
    return err;
}

/* Ownership: takes the request. */
static sp_err sys_ask(sp_pid pid, struct sys_request *moved_request, struct sp__pending_slot *slot,
                      sp_deadline deadline)
{
    struct sp_process *self = sp__process_self();
    sp__point(SP__POINT_PROCESS, sp__point_pid(pid), "sys");
    struct sp_runtime *runtime = sp__process_runtime(self);
    int64_t until = sp__scheduler_instant(runtime, deadline, sp_after_sec(5));
    struct sp__pending pending = { .slots = slot, .count = 1, .remaining = 1 };
    uint64_t token = sp__wait_open(&self->actor);
    struct sp__reply_to to = { .caller = sp__process_pid(self), .token = token };
    moved_request->to = to;
    sp__edge_begin(self, &pending, pid, token, SP_WAIT_SYS);
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(runtime, pid);
    sp_err err = process == NULL ? SP_ERR_NOPROC : sys_post(process, moved_request);
    sp__process_leave();
    if (err != SP_OK) {
        sp__wait_close(&self->actor, token);
        sp__free(moved_request);
    } else {
        err = sys_await(self, pid, to, until);
    }
    if (err == SP_ERR_NOTCONTEXT) /* it is no process any more */
        return err;
    sp__edge_end(self);
    return err == SP_OK ? slot->err : err;
}

/* Make a request, with room for a text. */
static sp_err sys_request(sp_pid pid, enum sys_kind kind, size_t size, struct sys_request **out)
{
    if (sp__process_self() == NULL)
        return SP_ERR_NOTCONTEXT;
    if (sp_pid_equal(pid, sp_self()))
        return SP_ERR_DEADLOCK;
    *out = sp__calloc(1, sizeof(**out) + size);
    if (*out == NULL)
        return SP_ERR_NOMEM;
    (*out)->kind = kind;
    (*out)->size = (uint32_t)size;
    return SP_OK;
}

static sp_err sys_simple(sp_pid pid, enum sys_kind kind, bool on, sp_deadline deadline)
{
    struct sys_request *request;
    struct sp__pending_slot slot = { .out = NULL };
    sp_err err = sys_request(pid, kind, 0, &request);
    if (err != SP_OK)
        return err;
    request->on = on;
    return sys_ask(pid, request, &slot, deadline);
}

sp_err sp_sys_suspend(sp_pid server, sp_deadline deadline)
{
    return sys_simple(server, SYS_SUSPEND, true, deadline);
}

sp_err sp_sys_resume(sp_pid server, sp_deadline deadline)
{
    return sys_simple(server, SYS_RESUME, true, deadline);
}

sp_err sp_sys_measure(sp_pid server, bool on, sp_deadline deadline)
{
    return sys_simple(server, SYS_MEASURE, on, deadline);
}

sp_err sp_sys_trace_stop(sp_pid server, sp_deadline deadline)
{
    return sys_simple(server, SYS_TRACE_STOP, true, deadline);
}

sp_err sp_sys_state(sp_pid server, char *text, size_t size, sp_deadline deadline)
{
    struct sys_request *request;
    if (size == 0 || size > SP_SYS_STATE_MAX)
        return SP_ERR_INVALID;
    struct sp__pending_slot slot = { .out = text, .out_size = (uint32_t)size };
    sp_err err = sys_request(server, SYS_STATE, size, &request);
    return err != SP_OK ? err : sys_ask(server, request, &slot, deadline);
}

sp_err sp_sys_statistics(sp_pid server, struct sp_sys_statistics *out, sp_deadline deadline)
{
    struct sys_request *request;
    struct sp__pending_slot slot = { .out = out, .out_size = sizeof(*out) };
    sp_err err = sys_request(server, SYS_STATISTICS, 0, &request);
    return err != SP_OK ? err : sys_ask(server, request, &slot, deadline);
}

sp_err sp_sys_trace(sp_pid server, const struct sp_sys_trace *trace, sp_deadline deadline)
{
    static const struct sp_sys_trace defaults = { .limit = 0 };
    const struct sp_sys_trace *how = trace == NULL ? &defaults : trace;
    const char *operation = how->operation == NULL ? "" : how->operation;
    struct sys_request *request;
    struct sp__pending_slot slot = { .out = NULL };
    if (how->limit > SP_SYS_TRACE_MAX || strlen(operation) >= SP_SYS_NAME_MAX)
        return SP_ERR_INVALID;
    sp_err err = sys_request(server, SYS_TRACE, 0, &request);
    if (err != SP_OK)
        return err;
    request->trace = (struct sp__sys_trace){
        .on = true,
        .failed = how->failed,
        .to = sp_pid_is_none(how->to) ? sp_self() : how->to,
        .from = how->from,
        .left = how->limit == 0 ? SYS_TRACE_LIMIT : how->limit,
        .pending_max = how->pending_max == 0 ? SYS_TRACE_PENDING : how->pending_max,
    };
    memcpy(request->trace.operation, operation, strlen(operation) + 1);
    return sys_ask(server, request, &slot, deadline);
}
