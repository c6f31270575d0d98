/* Acceptance: timers, and what a state machine makes of them. */
#include "accept.h"

SP_MESSAGE(timer_tick, uint64_t);

static void returns(void *unused)
{
    (void)unused;
}

/* Ticks in the mailbox, now. */
static int ticks_now(uint64_t allowed)
{
    struct sp_message *message;
    int count = 0;
    for (; sp_receive(sp_nowait(), &message) == SP_OK; count++) {
        EXPECT(timer_tick_of(message) != NULL && *timer_tick_of(message) == allowed);
        sp_message_free(message);
    }
    return count;
}

/* ---- case 41: fired or cancelled, never both ---- */

static void case_41_main(void *unused)
{
    (void)unused;
    int cancelled = 0;
    for (uint64_t i = 0; i < 6; i++) {
        sp_timer timer;
        sp_duration left;
        const struct sp_timer_options options = { .after = sp_us(1 + (int64_t)sp_choose(3)) };
        EXPECT(sp_timer_start(sp_self(), &timer_tick_type, &(uint64_t){ 7 }, &options, &timer) ==
               SP_OK);
        for (uint32_t steps = sp_choose(4); steps > 0; steps--)
            sp_yield();
        sp_err err = sp_timer_cancel(timer, &left);
        EXPECT(err == SP_OK || err == SP_ERR_STALE);
        EXPECT(err != SP_OK || left.ns >= 0);
        cancelled += err == SP_OK;
        EXPECT(sp_timer_cancel(timer, &left) == SP_ERR_STALE);
    }
    sp_sleep(sp_ms(1));
    EXPECT(ticks_now(7) + cancelled == 6);
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    EXPECT(stats.timers == 0);
}
ACCEPT(case_41_fired_or_cancelled, case_41_main);
ACCEPT(case_41_fired_or_cancelled_in_abstract_time, case_41_main, .abstract_time = true);

/* ---- by somebody else, while it fires; and with its owner's end ---- */

static struct {
    sp_timer timer;
    sp_pid to;
    sp_err cancelled;
    int heard;
} foreign;

static void cancels(void *unused)
{
    (void)unused;
    foreign.cancelled = sp_timer_cancel(foreign.timer, NULL);
}

static void hears(void *unused)
{
    (void)unused;
    for (;;) {
        sp_message_free(accept_next());
        foreign.heard++;
    }
}

static void foreign_main(void *unused)
{
    (void)unused;
    memset(&foreign, 0, sizeof(foreign));
    foreign.to = accept_spawn("hearer", hears, NULL);
    const struct sp_timer_options options = { .after = sp_us(3) };
    EXPECT(sp_timer_start(foreign.to, &timer_tick_type, &(uint64_t){ 1 }, &options,
                          &foreign.timer) == SP_OK);
    sp_pid canceller = accept_spawn("canceller", cancels, NULL);
    bool kill = sp_choose(2) != 0;
    if (kill)
        sp_ignore(sp_kill(foreign.to));
    accept_join(canceller);
    accept_settle();
    EXPECT(foreign.heard + (foreign.cancelled == SP_OK) == 1 || kill);
    EXPECT(foreign.heard + (foreign.cancelled == SP_OK) <= 1);
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    EXPECT(stats.timers == 0);
}
ACCEPT(a_timer_of_another, foreign_main);

/* ---- a key: nothing stale after a cancel or a new setting ---- */

static void key_main(void *unused)
{
    (void)unused;
    uint64_t generation = 0;
    for (int i = 0; i < 5; i++) {
        if (sp_choose(3) == 2) {
            sp_ignore(sp_timer_cancel_key(1, NULL));
            generation = 0;
        } else {
            generation = (uint64_t)i + 1;
            const struct sp_timer_options options = { .after = sp_us(sp_choose(4)),
                                                      .period = sp_us(sp_choose(2) * 3),
                                                      .key = 1 };
            EXPECT(sp_timer_start(sp_self(), &timer_tick_type, &generation, &options, NULL) ==
                   SP_OK);
        }
        for (uint32_t steps = sp_choose(4); steps > 0; steps--)
            sp_yield();
        if (sp_choose(2) != 0)
            EXPECT(ticks_now(generation) == 0 || generation != 0);
    }
    sp_ignore(sp_timer_cancel_key(1, NULL));
    EXPECT(ticks_now(0) == 0);
    EXPECT(sp_timer_cancel_key(1, NULL) == SP_ERR_STALE);
}
ACCEPT(a_key_has_no_stale_tick, key_main);
ACCEPT(a_key_has_no_stale_tick_in_abstract_time, key_main, .abstract_time = true);

/* ---- a state machine: a timeout that was cancelled is never seen ---- */

SP_SERVER(lamp, sp_empty);
SP_CAST(lamp, press, sp_empty);
SP_CALL(lamp, read, sp_empty, int);
SP_EVENT(lamp, dim, uint64_t);

struct lamp {
    int entered;   /* the number of changes of state */
    int armed;     /* the one in which the state timeout was set */
    uint64_t dim;  /* the setting of the named timeout; 0: none */
    uint64_t dims; /* ever set */
    bool quiet;    /* an event timeout runs */
    int presses;
};

SP_STATEM(lamp, struct lamp);
struct lamp_state {
    SP_STATE_FIELDS(lamp);
    SP_STATE_CAST_FIELD(lamp, press);
    SP_STATE_CALL_FIELD(lamp, read);
    SP_STATE_CAST_FIELD(lamp, dim);
};
static const struct lamp_state lamp_off;
static const struct lamp_state lamp_lit;

static void lamp_set_dim(struct lamp *self)
{
    self->dim = ++self->dims;
    lamp_dim_after(sp_us(2 + sp_choose(3)), &self->dim);
}

static void lamp_off_press(struct lamp *self, const sp_empty *in)
{
    (void)in;
    self->presses++;
    self->quiet = false;
    lamp_next(&lamp_lit);
    if (sp_choose(2) != 0)
        lamp_set_dim(self);
}

static void lamp_lit_enter(struct lamp *self, const struct lamp_state *old)
{
    (void)old;
    self->armed = ++self->entered;
    sp_statem_state_timeout(sp_us(sp_choose(4)));
    self->quiet = sp_choose(2) != 0;
    if (self->quiet)
        sp_statem_event_timeout(sp_us(2));
}

static void lamp_lit_press(struct lamp *self, const sp_empty *in)
{
    (void)in;
    self->presses++;
    self->quiet = false; /* any event cancels it */
    if (sp_choose(2) != 0) {
        if (sp_choose(2) != 0)
            (void)lamp_dim_cancel(), self->dim = 0;
        lamp_next(&lamp_off);
        self->entered++;
    }
}

static void lamp_lit_timeout(struct lamp *self)
{
    EXPECT(lamp_in(&lamp_lit) && self->armed == self->entered);
    self->quiet = false;
    lamp_next(&lamp_off);
    self->entered++;
}

static void lamp_quiet(struct lamp *self)
{
    EXPECT(self->quiet);
    self->quiet = false;
}

static void lamp_on_dim(struct lamp *self, const uint64_t *setting)
{
    EXPECT(*setting == self->dim);
    self->dim = 0;
    self->quiet = false;
}

static void lamp_on_press(struct lamp *self, const sp_empty *in)
{
    (void)self;
    (void)in;
}

static sp_err lamp_on_read(struct lamp *self, const sp_empty *in, int *out)
{
    (void)in;
    self->quiet = false;
    *out = self->presses;
    return SP_OK;
}

static const struct lamp_state lamp_off = { .name = "off",
                                            .press = lamp_off_press,
                                            .event_timeout = lamp_quiet };
static const struct lamp_state lamp_lit = { .name = "lit",
                                            .enter = lamp_lit_enter,
                                            .press = lamp_lit_press,
                                            .state_timeout = lamp_lit_timeout,
                                            .event_timeout = lamp_quiet };

static sp_err lamp_init(struct lamp *self, const sp_empty *args,
                        const struct lamp_state **out_first)
{
    (void)self;
    (void)args;
    *out_first = &lamp_off;
    return SP_OK;
}
SP_STATEM_ON_INIT(lamp);
SP_STATEM_ON_CAST(lamp, press);
SP_STATEM_ON_CALL(lamp, read);
SP_STATEM_ON_EVENT(lamp, dim);
SP_STATEM_CLASS(lamp, .init = lamp__init);

static void presses(void *arg)
{
    for (int i = 0; i < 4; i++) {
        sp_ignore(lamp_press(*(lamp_ref *)arg, &(sp_empty){ 0 }));
        for (uint32_t steps = sp_choose(3); steps > 0; steps--)
            sp_yield();
    }
}

static void lamp_main(void *unused)
{
    static lamp_ref ref;
    (void)unused;
    EXPECT(lamp_start(&(sp_empty){ 0 }, NULL, &ref) == SP_OK);
    sp_pid one = accept_spawn("one", presses, &ref);
    sp_pid two = accept_spawn("two", presses, &ref);
    accept_join(one);
    accept_join(two);
    int count = 0;
    EXPECT(lamp_read(ref, &(sp_empty){ 0 }, &count, sp_never()) == SP_OK && count == 8);
    accept_join(accept_spawn(NULL, returns, NULL));
    EXPECT(lamp_stop(ref, sp_never()) == SP_OK);
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    EXPECT(stats.timers == 0);
}
ACCEPT(a_machine_sees_no_cancelled_timeout, lamp_main);
ACCEPT(a_machine_in_abstract_time, lamp_main, .abstract_time = true);

/* ---- the inactivity timeout of a server ---- */

SP_SERVER(idler, sp_empty);
SP_CAST(idler, poke, sp_empty);

static struct {
    bool armed;
    int timeouts;
    int pokes;
} idle;

static void idler_on_poke(int *state, const sp_empty *in)
{
    (void)state;
    (void)in;
    idle.armed = sp_choose(2) != 0;
    idle.pokes++;
    sp_server_idle_after(idle.armed ? sp_us(3) : sp_ns(0));
}
static void idler_timeout(int *state)
{
    (void)state;
    EXPECT(idle.armed);
    idle.armed = false;
    idle.timeouts++;
}
SP_STATE(idler, int);
SP_ON_CAST(idler, poke);
SP_ON_TIMEOUT(idler);
SP_CLASS(idler, .on_timeout = idler__timeout);

static void idle_main(void *unused)
{
    (void)unused;
    memset(&idle, 0, sizeof(idle));
    idler_ref ref;
    EXPECT(idler_start(&(sp_empty){ 0 }, NULL, &ref) == SP_OK);
    for (int i = 0; i < 5; i++) {
        EXPECT(idler_poke(ref, &(sp_empty){ 0 }) == SP_OK);
        for (uint32_t steps = sp_choose(5); steps > 0; steps--)
            sp_yield();
    }
    accept_settle();
    EXPECT(idle.pokes == 5 && idle.timeouts <= 5 && !idle.armed);
}
ACCEPT(an_inactivity_timeout_is_cancelled_by_a_message, idle_main);
