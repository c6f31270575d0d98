#include "support/rig.h"

#include <stdio.h>
#include <string.h>

struct rig {
    sp_pid reports_to;
    bool endless;
    struct rig_trace trace;
};

SP_EVENT(rig, mark, int);
SP_EVENT(rig, alarm, int);
SP_EVENT(rig, order, struct rig_order);
struct rig_state {
    SP_STATE_FIELDS(rig);
    SP_STATE_CALL_FIELD(rig, run);
    SP_STATE_CAST_FIELD(rig, go);
    SP_STATE_CAST_FIELD(rig, put);
    SP_STATE_CALL_FIELD(rig, ask);
    SP_STATE_CAST_FIELD(rig, mark);
    SP_STATE_CAST_FIELD(rig, alarm);
    SP_STATE_CAST_FIELD(rig, order);
};

void rig_write(struct rig *self, const char *what, int number)
{
    size_t used = strlen(self->trace.text);
    (void)snprintf(self->trace.text + used, sizeof self->trace.text - used, "%s%s%d",
                   used == 0 ? "" : " ", what, number);
}

static sp_err rig_init(struct rig *self, const sp_pid *reports_to,
                       const struct rig_state **out_first)
{
    self->reports_to = *reports_to;
    *out_first = &rig_a;
    rig_mark_raise(&(int){ 0 });
    return SP_OK;
}

static void rig_terminate(struct rig *self, const struct sp_reason *reason)
{
    struct farewell farewell;
    (void)snprintf(farewell.text, sizeof farewell.text, "%s in %s", sp_reason_text(reason),
                   sp_statem_name());
    sp_err err = farewell_send(self->reports_to, &farewell);
    CHECK(err == SP_OK || err == SP_ERR_NOPROC);
}

static void rig_enter(struct rig *self, const struct rig_state *old)
{
    char text[8] = "+";
    strcat(strcat(text, old == NULL ? "" : old->name), rig_now()->name);
    rig_write(self, text, 0);
}

static void rig_timed_out(struct rig *self)
{
    rig_write(self, "state", 0);
    send_note(self->reports_to, RIG_STATE_TIMEOUT);
}

static void rig_silent(struct rig *self)
{
    rig_write(self, "event", 0);
    send_note(self->reports_to, RIG_EVENT_TIMEOUT);
}

static sp_err rig_on_run(struct rig *self, const struct rig_order *in, sp_empty *out)
{
    (void)out;
    in->fn(self, in->arg);
    return SP_OK;
}

static void rig_on_go(struct rig *self, const struct rig_order *in)
{
    in->fn(self, in->arg);
}

static void rig_on_order(struct rig *self, const struct rig_order *in)
{
    in->fn(self, in->arg);
}

static void rig_on_put(struct rig *self, const int *in)
{
    rig_write(self, rig_now()->name, *in);
}

static void rig_b_put(struct rig *self, const int *in)
{
    (void)self;
    (void)in;
    (void)sp_statem_postpone();
}

static void rig_c_put(struct rig *self, const int *in)
{
    if (*in % 2 == 0)
        (void)sp_statem_postpone();
    else
        rig_write(self, "c", *in);
}

static sp_err rig_on_ask(struct rig *self, const int *in, int *out)
{
    (void)self;
    *out = *in;
    return SP_OK;
}

static sp_err rig_b_ask(struct rig *self, const int *in, int *out)
{
    (void)self;
    (void)in;
    (void)out;
    return sp_statem_postpone();
}

static sp_err rig_c_ask(struct rig *self, const int *in, int *out)
{
    (void)self;
    (void)in;
    (void)out;
    return SP_ERR_ACCESS;
}

static sp_err rig_on_trace(struct rig *self, const sp_empty *in, struct rig_trace *out)
{
    (void)in;
    *out = self->trace;
    self->trace.text[0] = 0;
    return SP_OK;
}

static void rig_on_mark(struct rig *self, const int *in)
{
    if (self->endless)
        rig_mark_raise(in);
    else
        rig_write(self, "m", *in);
}

static void rig_on_alarm(struct rig *self, const int *in)
{
    rig_write(self, rig_now()->name, *in);
    rig_write(self, "alarm", *in);
    send_note(self->reports_to, *in);
}

static void rig_down(struct rig *self, const struct sp_down *down)
{
    (void)down;
    rig_write(self, "anydown", 0);
    send_note(self->reports_to, LAB_DOWN);
}

static void rig_b_down(struct rig *self, const struct sp_down *down)
{
    (void)down;
    rig_write(self, "bdown", 0);
    send_note(self->reports_to, LAB_DOWN);
}

static void rig_c_down(struct rig *self, const struct sp_down *down)
{
    (void)self;
    (void)down;
    (void)sp_statem_postpone();
}

static void rig_exit(struct rig *self, const struct sp_exit_notice *notice)
{
    (void)notice;
    send_note(self->reports_to, LAB_EXIT);
}

static void rig_message(struct rig *self, struct sp_message *message)
{
    rig_write(self, "any", (int)note_of(message)->number);
}

static void rig_b_message(struct rig *self, struct sp_message *message)
{
    rig_write(self, "bnote", (int)note_of(message)->number);
}

static void rig_bad_enter_enter(struct rig *self, const struct rig_state *old)
{
    (void)self;
    (void)old;
    rig_next(&rig_a);
}

const struct rig_state rig_a = {
    .name = "a", .enter = rig_enter, .state_timeout = rig_timed_out, .event_timeout = rig_silent
};
const struct rig_state rig_b = { .name = "b",
                                 .enter = rig_enter,
                                 .state_timeout = rig_timed_out,
                                 .event_timeout = rig_silent,
                                 .put = rig_b_put,
                                 .ask = rig_b_ask,
                                 .down = rig_b_down,
                                 .message = rig_b_message };
const struct rig_state rig_c = {
    .name = "c", .enter = rig_enter, .put = rig_c_put, .ask = rig_c_ask, .down = rig_c_down
};
const struct rig_state rig_bad_enter = { .name = "bad", .enter = rig_bad_enter_enter };

SP_ON_TERMINATE(rig);
SP_ON_DOWN(rig);
SP_ON_EXIT(rig);
SP_ON_MESSAGE(rig);
SP_ON_CALL(rig, trace);
SP_STATEM_ON_INIT(rig);
SP_STATEM_ON_CALL(rig, run);
SP_STATEM_ON_CAST(rig, go);
SP_STATEM_ON_CAST(rig, put);
SP_STATEM_ON_CALL(rig, ask);
SP_STATEM_ON_EVENT(rig, mark);
SP_STATEM_ON_EVENT(rig, alarm);
SP_STATEM_ON_EVENT(rig, order);
SP_STATEM_CLASS(rig, .init = rig__init, .terminate = rig__terminate, .on_down = rig__down,
                .on_exit = rig__exit, .on_message = rig__message);

/* ---- for cases ---- */

rig_ref rig_begin(const struct sp_server_options *options)
{
    rig_ref rig;
    sp_pid self = sp_self();
    CHECK_OK(rig_start(&self, options, &rig));
    rig_expect(rig, "+a0 m0");
    return rig;
}

void rig_do(rig_ref rig, void (*fn)(struct rig *self, void *arg), void *arg)
{
    CHECK_OK(rig_run(rig, &(struct rig_order){ fn, arg }, &(sp_empty){ 0 }, WORLD_PATIENCE));
}

void rig_tell(rig_ref rig, void (*fn)(struct rig *self, void *arg), void *arg)
{
    CHECK_OK(rig_go(rig, &(struct rig_order){ fn, arg }));
}

void rig_put_number(rig_ref rig, int number)
{
    CHECK_OK(rig_put(rig, &number));
}

void rig_expect(rig_ref rig, const char *text)
{
    struct rig_trace trace;
    CHECK_OK(rig_trace(rig, &(sp_empty){ 0 }, &trace, WORLD_PATIENCE));
    CHECK_STR(trace.text, text);
}

/* ---- orders ---- */

void rig_to_a(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    rig_next(&rig_a);
}

void rig_to_b(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    rig_next(&rig_b);
}

void rig_to_c(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    rig_next(&rig_c);
}

void rig_repeat(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    sp_statem_repeat();
}

void rig_wait_and_to_a(struct rig *self, void *arg)
{
    CHECK_OK(gate_pass(*(gate_ref *)arg, &(sp_empty){ 0 }, &(sp_empty){ 0 }, sp_never()));
    rig_to_a(self, NULL);
    rig_raise_mark(1);
    rig_raise_mark(2);
}

void rig_run_wild(struct rig *self, void *arg)
{
    (void)arg;
    self->endless = true;
    rig_raise_mark(1);
}

void rig_forget(struct rig *self)
{
    self->trace.text[0] = 0;
}

void rig_raise_mark(int number)
{
    rig_mark_raise(&number);
}

void rig_raise_order(void (*fn)(struct rig *self, void *arg), void *arg)
{
    rig_order_raise(&(struct rig_order){ fn, arg });
}

void rig_set_alarm(sp_duration after, int number)
{
    rig_alarm_after(after, &number);
}

bool rig_stop_alarm(void)
{
    return rig_alarm_cancel();
}
