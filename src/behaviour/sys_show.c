/* What a server's messages are, for who measures or traces it; see sys.h. */
#include "behaviour/server.h"
#include "behaviour/sys.h"
#include "process/send.h"

#include <stdio.h>
#include <string.h>

const struct sp_msg_type sp_sys_event_type = { .name = "sys_event",
                                               .size = sizeof(struct sp_sys_event) };

static struct sp__sys *show_self(struct sp_process *self)
{
    struct sp__extra *extra = self->extra;
    /* relaxed: the message was flagged by this process, which had it then. */
    return extra == NULL ? NULL : atomic_load_explicit(&extra->sys, memory_order_relaxed);
}

void sp__sys_show(struct sp_process *self, const struct sp__sys *sys)
{
    if (sys->measures || sys->trace.on)
        self->attention |= SP__ATTEND_SHOW;
    else
        self->attention &= (uint16_t)~SP__ATTEND_SHOW;
}

/* ---- the trace ---- */

/* Is there room at who is told? `out_gone`: it has ended. */
static bool trace_room(struct sp_process *self, const struct sp__sys_trace *trace, bool *out_gone)
{
    sp__process_enter();
    struct sp_process *to = sp__process_lookup(sp__process_runtime(self), trace->to);
    bool room = to != NULL && sp__mailbox_length(&to->actor) < trace->pending_max;
    *out_gone = to == NULL;
    sp__process_leave();
    return room;
}

static void trace_tell(struct sp_process *self, struct sp__sys *sys, struct sp_sys_event event)
{
    struct sp__sys_trace *trace = &sys->trace;
    bool gone;
    bool room = trace_room(self, trace, &gone);
    event.server = sp__process_pid(self);
    event.lost = trace->lost;
    if (room && sp__send_from(sp__process_runtime(self), event.server, trace->to,
                              &sp_sys_event_type, &event) == SP_OK)
        trace->lost = 0;
    else
        trace->lost++;
    if (gone)
        trace->on = false;
    sp__sys_show(self, sys);
}

static bool trace_wants(const struct sp__sys_trace *trace, const struct sp_message *message)
{
    return trace->on && trace->left != 0 &&
           (trace->operation[0] == '\0' || strcmp(trace->operation, message->type->name) == 0) &&
           (sp_pid_is_none(trace->from) || sp_pid_equal(trace->from, message->from));
}

void sp__sys_trace_end(struct sp_process *self, struct sp__sys *sys)
{
    if (!sys->trace.on)
        return;
    sys->trace.on = false;
    trace_tell(self, sys, (struct sp_sys_event){ .what = SP_SYS_ENDED, .at = sp_now() });
}

void sp__sys_trace_begin(struct sp_process *self, struct sp__sys *sys,
                         const struct sp__sys_trace *trace)
{
    sp__sys_trace_end(self, sys);
    sys->trace = *trace;
}

static struct sp_sys_event trace_event(enum sp_sys_what what, const struct sp__sys_span *span)
{
    return (struct sp_sys_event){ .what = what,
                                  .number = span->number,
                                  .operation = span->type->name,
                                  .from = span->from,
                                  .call = span->call,
                                  .at = { span->taken_ns } };
}

static void trace_handled(struct sp_process *self, struct sp__sys *sys,
                          const struct sp__sys_span *span, int64_t took_ns, sp_err result)
{
    struct sp_sys_event event = trace_event(SP_SYS_HANDLED, span);
    bool failed = result != SP_OK && result != SP_ERR_DEFERRED;
    if (!sys->trace.on)
        return; /* ended meanwhile */
    event.at.ns += took_ns;
    event.took = sp_ns(took_ns);
    event.result = result;
    if (!sys->trace.failed || failed) {
        sys->trace.left -= sys->trace.failed;
        trace_tell(self, sys, event);
    }
    if (sys->trace.left == 0)
        sp__sys_trace_end(self, sys);
}

/* ---- a message ---- */

void sp__sys_took(struct sp_process *self, struct sp_message *message, struct sp__sys_span *out)
{
    struct sp__sys *sys = show_self(self);
    message->flags &= (uint16_t)~SP__MESSAGE_SHOWN;
    if (sys == NULL)
        return; /* it was passed on to another process */
    *out = (struct sp__sys_span){ .type = message->type,
                                  .from = message->from,
                                  .taken_ns = sp_now().ns,
                                  .call = (message->flags & SP__MESSAGE_CALL) != 0 };
    if (!trace_wants(&sys->trace, message))
        return;
    out->number = ++sys->trace.number;
    if (sys->trace.failed)
        return;
    sys->trace.left--;
    trace_tell(self, sys, trace_event(SP_SYS_TAKEN, out));
}

static void show_measure(struct sp_sys_statistics *statistics, const struct sp__sys_span *span,
                         int64_t took_ns, sp_err result)
{
    statistics->handled++;
    statistics->failed += span->call && result != SP_OK && result != SP_ERR_DEFERRED;
    statistics->in_handlers.ns += took_ns;
    if (took_ns < statistics->longest.ns)
        return;
    statistics->longest.ns = took_ns;
    (void)snprintf(statistics->longest_operation, SP_SYS_NAME_MAX, "%s", span->type->name);
}

void sp__sys_handled(struct sp_process *self, const struct sp__sys_span *span, sp_err result)
{
    struct sp__sys *sys = show_self(self);
    int64_t took_ns = sp_now().ns - span->taken_ns;
    if (sys->measures)
        show_measure(&sys->statistics, span, took_ns, result);
    if (span->number != 0)
        trace_handled(self, sys, span, took_ns, result);
}
