/* Servers, and a state machine. */
#include "torture.h"

#include "spawned/server.h"
#include "spawned/statem.h"

/* ---- a server ---- */

SP_SERVER(sums, int);
SP_CALL(sums, add, int, int);
SP_CALL(sums, late, int, int);
SP_CAST(sums, reset, int);

struct sums {
    int sum;
    bool holds;
    sp_request held;
};

static sp_err sums_init(struct sums *self, const int *first)
{
    *self = (struct sums){ .sum = *first };
    sp_server_continue();
    return SP_OK;
}

static void sums_continue(struct sums *self)
{
    self->sum += 1;
}

static sp_err sums_on_add(struct sums *self, const int *in, int *out)
{
    self->sum += *in;
    *out = self->sum;
    return SP_OK;
}

/* Answered by the next cast. */
static sp_err sums_on_late(struct sums *self, const int *in, int *out)
{
    (void)in;
    (void)out;
    sp_err err = sp_request_take(&self->held);
    self->holds = err == SP_OK;
    return err == SP_OK ? SP_ERR_DEFERRED : err;
}

static void sums_on_reset(struct sums *self, const int *in)
{
    self->sum = *in;
    if (self->holds)
        sp_ignore(sums_late_reply(self->held, in));
    self->holds = false;
}

static void sums_terminate(struct sums *self, const struct sp_reason *reason)
{
    (void)reason;
    if (self->holds)
        sp_request_drop(self->held);
}

SP_STATE(sums, struct sums);
SP_ON_INIT(sums);
SP_ON_CONTINUE(sums);
SP_ON_TERMINATE(sums);
SP_ON_CALL(sums, add);
SP_ON_CALL(sums, late);
SP_ON_CAST(sums, reset);
SP_CLASS(sums, .init = sums__init, .on_continue = sums__continue, .terminate = sums__terminate);

/* Who asks for what comes late; the other casts. */
static void resets(void *arg)
{
    sums_ref sums = *(sums_ref *)arg;
    for (int i = 0; i < 200 && sums_reset(sums, &(int){ 9 }) != SP_ERR_NOPROC; i++)
        (void)sp_sleep(sp_ms(1));
}

static void part_late(sums_ref sums)
{
    sp_pid helper;
    int answer = 0;
    if (!DID(sp_spawn(resets, &sums, &(struct sp_spawn_options){ .arg_size = sizeof(sums) },
                      &helper)))
        return;
    /* Without memory the helper may be gone; then nobody answers, which is no fault. */
    sp_err err = sums_late(sums, &(int){ 0 }, &answer, sp_after_sec(2));
    if (torture_strict() || err != SP_ERR_TIMEOUT)
        (void)DID(err);
    MUST(err != SP_OK || answer == 9);
    while (sp_kill(helper) == SP_ERR_NOMEM)
        sp_yield();
}

static void part_server(void)
{
    sums_ref sums;
    int sum = 0;
    struct sp_server_options options = { .spawn = { .name = torture_name() } };
    if (!DID(sums_start(&(int){ 0 }, &options, &sums)))
        return;
    for (int i = 1; i < 4; i++)
        if (DID(sums_reset(sums, &(int){ 10 })) && DID(sums_add(sums, &i, &sum, TORTURE_PATIENCE)))
            MUST(sum == 10 + i);
    int outs[2] = { 0, 0 };
    struct sp_multi targets[2] = { { .server = sums.pid, .out = &outs[0] },
                                   { .server = sums.pid, .out = &outs[1] } };
    if (DID(sums_reset(sums, &(int){ 1 })) &&
        DID(sp_server_multi_call(&sums_add_op, &(int){ 1 }, targets, 2, TORTURE_PATIENCE)) &&
        targets[0].err == SP_OK && targets[1].err == SP_OK)
        MUST(outs[0] + outs[1] == 5);
    part_late(sums);
    DID(sums_stop(sums, TORTURE_PATIENCE));
}

/* ---- a state machine: on for a moment, then off ---- */

SP_SERVER(lamp, int);
SP_CALL(lamp, press, int, int);
SP_CALL(lamp, lit, sp_empty, bool);

struct lamp {
    int presses;
};

SP_STATEM(lamp, struct lamp);
SP_EVENT(lamp, blink, int);
struct lamp_state {
    SP_STATE_FIELDS(lamp);
    SP_STATE_CALL_FIELD(lamp, press);
    SP_STATE_CAST_FIELD(lamp, blink);
};
static const struct lamp_state lamp_off, lamp_on;

static sp_err lamp_init(struct lamp *self, const int *first, const struct lamp_state **out_first)
{
    self->presses = *first;
    *out_first = &lamp_off;
    return SP_OK;
}

static sp_err lamp_off_press(struct lamp *self, const int *in, int *out)
{
    self->presses += *in;
    *out = self->presses;
    lamp_blink_raise(&(int){ 1 });
    lamp_next(&lamp_on);
    return SP_OK;
}

static void lamp_on_enter(struct lamp *self, const struct lamp_state *old)
{
    (void)self;
    (void)old;
    sp_statem_state_timeout(sp_ms(2));
    sp_statem_event_timeout(sp_sec(100));
}

/* Pressed while it is on: once it is off. */
static sp_err lamp_on_press(struct lamp *self, const int *in, int *out)
{
    (void)self;
    (void)in;
    (void)out;
    return sp_statem_postpone();
}

static void lamp_on_timeout(struct lamp *self)
{
    (void)self;
    lamp_next(&lamp_off);
}

static void lamp_on_blink(struct lamp *self, const int *in)
{
    (void)self;
    (void)in;
}

static const struct lamp_state lamp_off = { .name = "off", .press = lamp_off_press };
static const struct lamp_state lamp_on = { .name = "on",
                                           .enter = lamp_on_enter,
                                           .press = lamp_on_press,
                                           .state_timeout = lamp_on_timeout,
                                           .blink = lamp_on_blink };

/* Everywhere else. */
static sp_err lamp_on_lit(struct lamp *self, const sp_empty *in, bool *out)
{
    (void)self;
    (void)in;
    *out = lamp_in(&lamp_on);
    return SP_OK;
}

SP_ON_CALL(lamp, lit);
SP_STATEM_ON_INIT(lamp);
SP_STATEM_ON_CALL(lamp, press);
SP_STATEM_ON_EVENT(lamp, blink);
SP_STATEM_CLASS(lamp, .init = lamp__init);

static void part_machine(void)
{
    lamp_ref lamp;
    int presses = 0;
    bool lit = false;
    if (!DID(lamp_start(&(int){ 0 }, NULL, &lamp)))
        return;
    for (int i = 1; i <= 3; i++)
        if (DID(lamp_press(lamp, &(int){ 1 }, &presses, TORTURE_PATIENCE)))
            MUST(presses <= i);
    MUST(!torture_strict() || presses == 3);
    DID(lamp_lit(lamp, &(sp_empty){ 0 }, &lit, TORTURE_PATIENCE));
    DID(lamp_stop(lamp, TORTURE_PATIENCE));
}

void server_body(void *unused)
{
    (void)unused;
    part_server();
    part_machine();
    /* Stopped with the runtime. */
    sums_ref sums;
    lamp_ref lamp;
    DID(sums_start(&(int){ 0 }, NULL, &sums));
    DID(lamp_start(&(int){ 0 }, NULL, &lamp));
}
