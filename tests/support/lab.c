#include "support/lab.h"

#include <stdio.h>

/* ---- gate ---- */

enum { GATE_WAITING_MAX = 64 };

struct gate {
    sp_pid reports_to;
    bool is_open;
    int waiting;
    sp_request requests[GATE_WAITING_MAX];
};

SP_STATE(gate, struct gate);

static sp_err gate_init(struct gate *self, const sp_pid *reports_to)
{
    self->reports_to = *reports_to;
    return SP_OK;
}

static sp_err gate_on_pass(struct gate *self, const sp_empty *in, sp_empty *out)
{
    (void)in;
    (void)out;
    if (self->is_open)
        return SP_OK;
    CHECK(self->waiting < GATE_WAITING_MAX);
    CHECK_OK(sp_request_take(&self->requests[self->waiting++]));
    send_note(self->reports_to, GATE_ARRIVED);
    return SP_ERR_DEFERRED;
}

static void gate_on_open(struct gate *self, const sp_empty *in)
{
    (void)in;
    self->is_open = true;
    for (int i = 0; i < self->waiting; i++) {
        sp_err err = gate_pass_reply(self->requests[i], &(sp_empty){ 0 });
        CHECK(err == SP_OK || err == SP_ERR_STALE); /* its caller may be dead */
    }
    self->waiting = 0;
}

SP_ON_INIT(gate);
SP_ON_CALL(gate, pass);
SP_ON_CAST(gate, open);
SP_CLASS(gate, .init = gate__init);

gate_ref gate_begin(void)
{
    gate_ref ref;
    sp_pid self = sp_self();
    CHECK_OK(gate_start(&self, NULL, &ref));
    return ref;
}

/* ---- lab ---- */

struct lab {
    struct lab_args args;
    int64_t sum;
};

SP_STATE(lab, struct lab);

/** Write where nothing is. */
static void lab_write_nowhere(void)
{
    volatile uintptr_t nowhere = 64;
    *(volatile int *)nowhere = 1;
}

static void lab_wait_at_gate(struct lab *self)
{
    sp_ignore(gate_pass(self->args.gate, &(sp_empty){ 0 }, &(sp_empty){ 0 }, sp_never()));
}

static void lab_note(struct lab *self, int64_t number)
{
    sp_err err = note_send(self->args.reports_to, &(struct note){ number, sp_self() });
    CHECK(err == SP_OK || err == SP_ERR_NOPROC); /* the case may have ended */
}

static void lab_wait_for(struct lab *self, sp_pid pid)
{
    lab_note(self, LAB_WAITING);
    CHECK_OK(sp_join(pid, sp_never(), NULL));
}

static sp_err lab_init(struct lab *self, const struct lab_args *args)
{
    self->args = *args;
    if (args->how == LAB_FAILS)
        return args->init_err;
    if (args->how == LAB_EXITS)
        sp_exit_error(SP_OK, "init boom");
    if (args->how == LAB_FAULTS)
        lab_write_nowhere();
    if (args->how == LAB_WAITS)
        lab_wait_for(self, args->waits_for);
    if (args->continues)
        sp_server_continue();
    if (args->idle_after.ns != 0)
        sp_server_idle_after(args->idle_after);
    return SP_OK;
}

static void lab_terminate(struct lab *self, const struct sp_reason *reason)
{
    if (sp_pid_is_none(self->args.reports_to))
        return;
    struct farewell farewell;
    (void)snprintf(farewell.text, sizeof farewell.text, "%s", sp_reason_text(reason));
    sp_err err = farewell_send(self->args.reports_to, &farewell);
    CHECK(err == SP_OK || err == SP_ERR_NOPROC); /* the case may have ended */
    if (self->args.terminate_waits)
        lab_wait_at_gate(self);
    if (self->args.terminate_faults)
        lab_write_nowhere();
}

static void lab_continue(struct lab *self)
{
    lab_note(self, LAB_CONTINUED);
}

static void lab_timeout(struct lab *self)
{
    lab_note(self, LAB_TIMED_OUT);
}

static void lab_down(struct lab *self, const struct sp_down *down)
{
    (void)down;
    lab_note(self, LAB_DOWN);
}

static void lab_exit(struct lab *self, const struct sp_exit_notice *notice)
{
    (void)notice;
    lab_note(self, LAB_EXIT);
}

static void lab_message(struct lab *self, struct sp_message *message)
{
    CHECK(note_of(message) != NULL);
    lab_note(self, LAB_MESSAGE);
}

static sp_err lab_on_add(struct lab *self, const int64_t *in, int64_t *out)
{
    self->sum += *in;
    *out = self->sum;
    return SP_OK;
}

static sp_err lab_on_fail(struct lab *self, const sp_err *in, int64_t *out)
{
    (void)self;
    *out = 4711; /* never seen: the call fails */
    return *in;
}

static sp_err lab_on_wait(struct lab *self, const sp_pid *in, int64_t *out)
{
    lab_wait_for(self, *in);
    *out = 1;
    return SP_OK;
}

static void lab_on_wait_cast(struct lab *self, const sp_empty *in)
{
    (void)in;
    lab_wait_at_gate(self);
}

static sp_err lab_on_crash(struct lab *self, const sp_empty *in, sp_empty *out)
{
    (void)self;
    (void)in;
    (void)out;
    sp_exit_error(SP_OK, "boom");
}

static sp_err lab_on_fault(struct lab *self, const sp_empty *in, sp_empty *out)
{
    (void)self;
    (void)in;
    (void)out;
    lab_write_nowhere();
    return SP_OK;
}

static sp_err lab_on_leave(struct lab *self, const sp_empty *in, int64_t *out)
{
    (void)in;
    sp_server_stop_self(sp_reason_error(SP_OK, "enough"));
    *out = self->sum;
    return SP_OK;
}

static sp_err lab_on_defer(struct lab *self, const sp_pid *in, int64_t *out)
{
    (void)self;
    (void)out;
    sp_request request;
    CHECK_OK(sp_request_take(&request));
    CHECK_ERR(sp_request_take(&request), SP_ERR_NOTCONTEXT);
    CHECK_OK(lab_request_send(*in, &request));
    return SP_ERR_DEFERRED;
}

static sp_err lab_on_self_call(struct lab *self, const sp_empty *in, sp_err *out)
{
    (void)self;
    (void)in;
    int64_t sum;
    *out = lab_add((lab_ref){ sp_self() }, &(int64_t){ 1 }, &sum, sp_never());
    return SP_OK;
}

static sp_err lab_on_receive(struct lab *self, const sp_empty *in, sp_err *out)
{
    (void)self;
    (void)in;
    struct sp_message *message = NULL;
    *out = sp_receive(sp_nowait(), &message);
    sp_message_free(message);
    return SP_OK;
}

static sp_err lab_on_caller(struct lab *self, const sp_empty *in, sp_pid *out)
{
    (void)self;
    (void)in;
    *out = sp_server_from();
    return SP_OK;
}

static void lab_on_report(struct lab *self, const int64_t *in)
{
    lab_note(self, *in);
}

static sp_err lab_on_link(struct lab *self, const sp_pid *in, sp_empty *out)
{
    (void)self;
    (void)out;
    return sp_link(*in);
}

static sp_err lab_on_watch(struct lab *self, const sp_pid *in, sp_empty *out)
{
    (void)self;
    (void)out;
    sp_monitor_ref ref;
    return sp_monitor(*in, &ref);
}

static sp_err lab_on_idle(struct lab *self, const sp_duration *in, sp_empty *out)
{
    (void)self;
    (void)out;
    sp_server_idle_after(*in);
    return SP_OK;
}

SP_ON_INIT(lab);
SP_ON_TERMINATE(lab);
SP_ON_CONTINUE(lab);
SP_ON_TIMEOUT(lab);
SP_ON_DOWN(lab);
SP_ON_EXIT(lab);
SP_ON_MESSAGE(lab);
SP_ON_CALL(lab, add);
SP_ON_CALL(lab, fail);
SP_ON_CALL(lab, wait);
SP_ON_CAST(lab, wait_cast);
SP_ON_CALL(lab, crash);
SP_ON_CALL(lab, fault);
SP_ON_CALL(lab, leave);
SP_ON_CALL(lab, defer);
SP_ON_CALL(lab, self_call);
SP_ON_CALL(lab, receive);
SP_ON_CALL(lab, caller);
SP_ON_CAST(lab, report);
SP_ON_CALL(lab, link);
SP_ON_CALL(lab, watch);
SP_ON_CALL(lab, idle);
SP_CLASS(lab, .init = lab__init, .terminate = lab__terminate, .on_continue = lab__continue,
         .on_timeout = lab__timeout, .on_down = lab__down, .on_exit = lab__exit,
         .on_message = lab__message);

lab_ref lab_begin(const struct lab_args *args, const struct sp_server_options *options)
{
    struct lab_args mine = { 0 };
    if (args != NULL)
        mine = *args;
    mine.reports_to = sp_self();
    lab_ref ref;
    CHECK_OK(lab_start(&mine, options, &ref));
    return ref;
}

void expect_farewell(const char *text)
{
    struct sp_message *message = expect_message();
    const struct farewell *farewell = farewell_of(message);
    if (farewell == NULL)
        FAIL("expected a farewell, got message '%s'", sp_message_type(message)->name);
    CHECK_STR(farewell->text, text);
    sp_message_free(message);
}
