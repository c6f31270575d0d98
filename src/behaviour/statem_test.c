/* State machines: a door, a traffic light, and the order of things in tests/support/rig.h.
 * Timeouts are in statem_timeout_test.c.
 */
#include "spawned/statem.h"

#include "support/rig.h"

#include <string.h>

/** A deadline that is meant to pass. */
#define SHORTLY sp_after_ms(20)

/* ---- a door with a code lock ---- */

struct door_args {
    int code;
};
struct door_digit {
    int digit;
};
struct door_view {
    bool is_open;
    int wrong; /* digits in a row */
};

SP_SERVER(door, struct door_args);
SP_CALL(door, press, struct door_digit, struct door_view);
SP_CALL(door, look, sp_empty, struct door_view);
SP_CAST(door, shut, sp_empty);

struct door {
    int code; /* read from its end */
    int left; /* what is left of it */
    int wrong;
};

SP_STATEM(door, struct door);
struct door_state {
    SP_STATE_FIELDS(door);
    SP_STATE_CALL_FIELD(door, press);
    SP_STATE_CAST_FIELD(door, shut);
};
static const struct door_state door_locked, door_open;

static sp_err door_init(struct door *self, const struct door_args *args,
                        const struct door_state **out_first)
{
    self->code = args->code;
    *out_first = &door_locked;
    return args->code > 0 ? SP_OK : SP_ERR_INVALID;
}

static void door_view(const struct door *self, struct door_view *out)
{
    *out = (struct door_view){ .is_open = door_in(&door_open), .wrong = self->wrong };
}

static void door_locked_enter(struct door *self, const struct door_state *old)
{
    CHECK(old == NULL || old == &door_open);
    self->left = self->code;
    self->wrong = 0;
}

static sp_err door_locked_press(struct door *self, const struct door_digit *in,
                                struct door_view *out)
{
    if (self->left % 10 != in->digit) {
        self->left = self->code;
        self->wrong++;
    } else if ((self->left /= 10) == 0) {
        door_next(&door_open);
    }
    door_view(self, out); /* as it is now: the handler has not returned */
    return SP_OK;
}

static void door_open_shut(struct door *self, const sp_empty *in)
{
    (void)self;
    (void)in;
    door_next(&door_locked);
}

static const struct door_state door_locked = { .name = "locked",
                                               .enter = door_locked_enter,
                                               .press = door_locked_press };
static const struct door_state door_open = { .name = "open", .shut = door_open_shut };

static sp_err door_on_press(struct door *self, const struct door_digit *in, struct door_view *out)
{
    (void)self;
    (void)in;
    (void)out;
    return SP_ERR_REFUSED;
}

static sp_err door_on_look(struct door *self, const sp_empty *in, struct door_view *out)
{
    (void)in;
    door_view(self, out);
    return SP_OK;
}

static void door_on_shut(struct door *self, const sp_empty *in)
{
    (void)self;
    (void)in;
}

SP_ON_CALL(door, look); /* the same in every state: an ordinary operation */
SP_STATEM_ON_INIT(door);
SP_STATEM_ON_CALL(door, press);
SP_STATEM_ON_CAST(door, shut);
SP_STATEM_CLASS(door, .init = door__init);

static struct door_view press(door_ref door, int digit)
{
    struct door_view view;
    CHECK_OK(door_press(door, &(struct door_digit){ digit }, &view, WORLD_PATIENCE));
    return view;
}

static struct door_view look(door_ref door)
{
    struct door_view view;
    CHECK_OK(door_look(door, &(sp_empty){ 0 }, &view, WORLD_PATIENCE));
    return view;
}

TEST(statem_door_opens_with_the_code_and_shuts)
{
    world_open(NULL);
    door_ref door;
    CHECK_OK(door_start(&(struct door_args){ 321 }, NULL, &door));
    CHECK(!look(door).is_open);
    CHECK(!press(door, 1).is_open);
    CHECK_INT(press(door, 3).wrong, 1); /* from the beginning again */
    press(door, 1);
    press(door, 2);
    press(door, 3);
    CHECK(look(door).is_open);
    struct door_view view;
    CHECK_ERR(door_press(door, &(struct door_digit){ 1 }, &view, WORLD_PATIENCE), SP_ERR_REFUSED);
    CHECK_OK(door_shut(door, &(sp_empty){ 0 }));
    CHECK(!look(door).is_open);
    CHECK_INT(look(door).wrong, 0);              /* enter ran again */
    CHECK_OK(door_shut(door, &(sp_empty){ 0 })); /* already shut */
    CHECK(!look(door).is_open);
    CHECK_OK(door_stop(door, WORLD_PATIENCE));
    CHECK_ERR(door_look(door, &(sp_empty){ 0 }, &view, WORLD_PATIENCE), SP_ERR_NOPROC);
    world_close();
}

TEST(statem_door_init_can_fail)
{
    world_open(NULL);
    door_ref door = { SP_PID_NONE };
    struct sp_server_options options = { .spawn = { .name = "door" } };
    CHECK_ERR(door_start(&(struct door_args){ 0 }, &options, &door), SP_ERR_INVALID);
    CHECK_OK(door_start(&(struct door_args){ 1 }, &options, &door));
    CHECK_OK(door_whereis("door", &door));
    world_close();
}

/* ---- a traffic light: state timeouts and enter ---- */

SP_SERVER(light, sp_pid);
struct light {
    sp_pid reports_to;
};
SP_STATEM(light, struct light);
struct light_state {
    SP_STATE_FIELDS(light);
};
static const struct light_state light_red, light_green, light_yellow;

static sp_err light_init(struct light *self, const sp_pid *reports_to,
                         const struct light_state **out_first)
{
    self->reports_to = *reports_to;
    *out_first = &light_red;
    return SP_OK;
}

static void light_enter(struct light *self, const struct light_state *old)
{
    (void)old;
    sp_err err = note_send(self->reports_to, &(struct note){ sp_statem_name()[0], sp_self() });
    CHECK(err == SP_OK || err == SP_ERR_NOPROC);
    sp_statem_state_timeout(sp_us(100));
}

static void light_change(struct light *self)
{
    (void)self;
    light_next(light_in(&light_red)     ? &light_green
               : light_in(&light_green) ? &light_yellow
                                        : &light_red);
}

static const struct light_state light_red = { .name = "red",
                                              .enter = light_enter,
                                              .state_timeout = light_change };
static const struct light_state light_green = { .name = "green",
                                                .enter = light_enter,
                                                .state_timeout = light_change };
static const struct light_state light_yellow = { .name = "yellow",
                                                 .enter = light_enter,
                                                 .state_timeout = light_change };
SP_STATEM_ON_INIT(light);
SP_STATEM_CLASS(light, .init = light__init);

TEST(statem_light_goes_round)
{
    static const char cycle[] = "rgy";
    world_open(NULL);
    sp_pid self = sp_self();
    light_ref light;
    CHECK_OK(light_start(&self, NULL, &light));
    for (int i = 0; i < 30; i++)
        CHECK_INT(expect_note(), cycle[i % 3]);
    CHECK_OK(light_stop(light, WORLD_PATIENCE));
    world_close();
}

/* ---- enter ---- */

TEST(statem_enters_the_first_state_before_any_event)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL); /* checks it, and the event raised in init */
    rig_do(rig, rig_to_b, NULL);
    rig_expect(rig, "+ab0");
    rig_do(rig, rig_to_b, NULL); /* is there */
    rig_expect(rig, "");
    world_close();
}

static void to_b_then_c(struct rig *self, void *arg)
{
    rig_to_b(self, arg);
    CHECK(rig_in(&rig_a)); /* until the handler has returned */
    rig_to_c(self, arg);
}

TEST(statem_repeat_enters_again_and_the_last_next_counts)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    rig_do(rig, rig_to_b, NULL);
    rig_put_number(rig, 1);
    rig_do(rig, rig_repeat, NULL);
    rig_expect(rig, "+ab0 +bb0"); /* the postponed one is not due: no change */
    rig_do(rig, rig_to_a, NULL);
    rig_expect(rig, "+ba0 a1");
    rig_do(rig, to_b_then_c, NULL);
    rig_expect(rig, "+ac0");
    world_close();
}

/** The machine dies of this use of the library. */
static void expect_misuse(void (*fn)(struct rig *self, void *arg), const char *part)
{
    sp_monitor_ref ref;
    rig_ref rig = rig_begin(&(struct sp_server_options){ .spawn = { .out_monitor = &ref } });
    rig_tell(rig, fn, NULL);
    struct sp_message *message = expect_message();
    CHECK(farewell_of(message) != NULL);
    sp_message_free(message);
    message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL);
    CHECK_CONTAINS(sp_reason_text(down->reason), part);
    sp_message_free(message);
}

static void to_bad_enter(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    rig_next(&rig_bad_enter);
}

static void negative_timeout(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    sp_statem_state_timeout(sp_ms(-1));
}

static void timeout_without_function(struct rig *self, void *arg)
{
    rig_to_c(self, arg);
    sp_statem_state_timeout(sp_ns(0));
}

static void first_in_handler(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    sp_statem_first(&rig_a);
}

TEST(statem_misuse_ends_the_machine_with_an_explanation)
{
    world_open(NULL);
    expect_misuse(to_bad_enter, "sp_statem_next() in enter of rig");
    expect_misuse(negative_timeout, "sp_statem_state_timeout()");
    expect_misuse(timeout_without_function, "state 'c' of rig has no state_timeout");
    expect_misuse(first_in_handler, "sp_statem_first() in a handler of rig");
    world_close();
}

static void next_in_puppet(void *arg)
{
    (void)arg;
    rig_next(&rig_a);
}

TEST(statem_functions_need_a_machine)
{
    world_open(NULL);
    CHECK_PTR(sp_statem_now(), NULL);
    CHECK_STR(sp_statem_name(), NULL);
    sp_monitor_ref ref;
    sp_pid p = puppet_start(&(struct sp_spawn_options){ .out_monitor = &ref });
    puppet_tell(p, next_in_puppet, NULL);
    expect_down(ref, p, "sp_statem_next() outside a state machine");
    world_close();
}

SP_SERVER(nowhere, sp_empty);
struct nowhere {
    int unused;
};
SP_STATEM(nowhere, struct nowhere);
struct nowhere_state {
    SP_STATE_FIELDS(nowhere);
};
static sp_err nowhere_init(struct nowhere *self, const sp_empty *args,
                           const struct nowhere_state **out_first)
{
    (void)self;
    (void)args;
    (void)out_first;
    return SP_OK;
}
SP_STATEM_ON_INIT(nowhere);
SP_STATEM_CLASS(nowhere, .init = nowhere__init);

TEST(statem_init_without_a_first_state_fails)
{
    world_open(NULL);
    CHECK_ERR(nowhere_start(&(sp_empty){ 0 }, NULL, NULL), SP_ERR_INITFAILED);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    CHECK_STR(sp_reason_text(outcome.reason), "init of nowhere names no first state");
    world_close();
}

/* ---- postponed events ---- */

TEST(statem_postponed_events_come_again_in_order)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    rig_do(rig, rig_to_b, NULL);
    for (int i = 1; i <= 4; i++)
        rig_put_number(rig, i);
    rig_do(rig, rig_to_c, NULL);
    rig_expect(rig, "+ab0 +bc0 c1 c3"); /* 2 and 4 are postponed once more */
    rig_put_number(rig, 5);
    rig_put_number(rig, 6);
    rig_do(rig, rig_to_b, NULL);
    rig_do(rig, rig_to_a, NULL);
    rig_expect(rig, "c5 +cb0 +ba0 a2 a4 a6");
    world_close();
}

/** Waits at the gate, then goes to a. */
TEST(statem_postponed_events_come_before_newer_ones_and_raised_before_them)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    rig_ref rig = rig_begin(NULL);
    rig_do(rig, rig_to_b, NULL);
    rig_put_number(rig, 1);
    rig_put_number(rig, 2);
    rig_tell(rig, rig_wait_and_to_a, &gate);
    CHECK_INT(expect_note(), GATE_ARRIVED);
    rig_put_number(rig, 3); /* in the mailbox when the state changes */
    CHECK_OK(gate_open(gate, &(sp_empty){ 0 }));
    rig_expect(rig, "+ab0 +ba0 m1 m2 a1 a2 a3");
    world_close();
}

static void postpone_and_to_a(struct rig *self, void *arg)
{
    bool *again = arg;
    if (*again) {
        rig_write(self, "again", 0);
        return;
    }
    *again = true;
    (void)sp_statem_postpone();
    rig_to_a(self, NULL);
}

TEST(statem_an_event_postponed_while_the_state_changes_comes_at_once)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    rig_do(rig, rig_to_b, NULL);
    rig_put_number(rig, 1);
    bool again = false;
    rig_tell(rig, postpone_and_to_a, &again);
    rig_expect(rig, "+ab0 +ba0 a1 again0");
    world_close();
}

struct ask_job {
    rig_ref rig;
    sp_pid reports_to;
};

static void ask_and_report(void *arg)
{
    const struct ask_job *job = arg;
    int out = 0;
    sp_err err = rig_ask(job->rig, &(int){ 7 }, &out, WORLD_PATIENCE);
    CHECK_OK(note_send(job->reports_to,
                       &(struct note){ err == SP_OK ? out : -(int64_t)err, sp_self() }));
}

/** A call of another process that the rig in state b has postponed by now. */
static void postponed_ask(rig_ref rig)
{
    struct ask_job job = { rig, sp_self() };
    sp_pid asker;
    CHECK_OK(sp_spawn(ask_and_report, &job, &(struct sp_spawn_options){ .arg_size = sizeof job },
                      &asker));
    struct sp_process_info info;
    do {
        sp_yield();
        CHECK_OK(sp_process_info(rig.pid, &info));
    } while (info.mailbox == 0 || info.status != SP_STATUS_IDLE);
}

TEST(statem_a_postponed_call_is_answered_later)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    rig_do(rig, rig_to_b, NULL);
    postponed_ask(rig);
    rig_do(rig, rig_to_a, NULL);
    CHECK_INT(expect_note(), 7);
    rig_do(rig, rig_to_b, NULL);
    postponed_ask(rig);
    rig_do(rig, rig_to_c, NULL);
    CHECK_INT(expect_note(), -SP_ERR_ACCESS);
    world_close();
}

TEST(statem_a_postponed_call_whose_caller_gave_up_is_dropped)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    rig_do(rig, rig_to_b, NULL);
    int out = 0;
    CHECK_ERR(rig_ask(rig, &(int){ 7 }, &out, SHORTLY), SP_ERR_TIMEOUT);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    CHECK_INT(outcome.stage, SP_CALL_DEFERRED);
    rig_do(rig, rig_to_a, NULL);
    CHECK_OK(rig_ask(rig, &(int){ 8 }, &out, WORLD_PATIENCE));
    CHECK_INT(out, 8);
    struct sp_process_info info;
    CHECK_OK(sp_process_info(rig.pid, &info));
    CHECK_INT(info.mailbox, 0);
    expect_nothing();
    world_close();
}

TEST(statem_postponed_calls_fail_when_the_machine_ends)
{
    world_open(NULL);
    for (int killed = 0; killed < 2; killed++) {
        rig_ref rig = rig_begin(NULL);
        rig_do(rig, rig_to_b, NULL);
        postponed_ask(rig);
        if (killed) {
            CHECK_OK(sp_kill(rig.pid));
        } else {
            CHECK_OK(rig_stop(rig, WORLD_PATIENCE));
            expect_farewell("normal in b");
        }
        CHECK_INT(expect_note(), -SP_ERR_DIED);
    }
    expect_nothing();
    world_close();
}

TEST(statem_every_message_is_accounted_for)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    rig_do(rig, rig_to_b, NULL);
    for (int i = 0; i < 3; i++)
        rig_put_number(rig, i);
    rig_do(rig, rig_repeat, NULL);
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.queued, 3);
    CHECK_INT(stats.sent, stats.handled + stats.queued + stats.dead_noproc);
    CHECK_OK(sp_kill(rig.pid));
    wait_gone(rig.pid);
    do /* it is told before it is counted */
        sp_runtime_stats(world_runtime(), &stats);
    while (stats.dead_noproc < 3);
    CHECK_INT(stats.queued, 0);
    CHECK_INT(stats.sent, stats.handled + stats.dead_noproc);
    world_close();
}

TEST(statem_postponed_events_count_in_the_mailbox)
{
    world_open(NULL);
    rig_ref rig = rig_begin(&(struct sp_server_options){ .spawn = { .mailbox_max = 3 } });
    rig_do(rig, rig_to_b, NULL);
    for (int i = 1; i <= 2; i++) {
        rig_put_number(rig, i);
        rig_expect(rig, i == 1 ? "+ab0" : ""); /* it is handled: postponed */
    }
    struct sp_process_info info;
    CHECK_OK(sp_process_info(rig.pid, &info));
    CHECK_INT(info.mailbox, 2);
    rig_put_number(rig, 3);
    /* While it is handled it does not count; then it is postponed, too. */
    do {
        sp_yield();
        CHECK_OK(sp_process_info(rig.pid, &info));
    } while (info.mailbox != 3 || info.status != SP_STATUS_IDLE);
    CHECK_ERR(rig_put(rig, &(int){ 4 }), SP_ERR_FULL);
    world_close();
}

static void take_and_postpone(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    sp_request request;
    CHECK_OK(sp_request_take(&request));
    (void)sp_statem_postpone();
}

TEST(statem_a_taken_request_cannot_be_postponed)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    struct rig_order order = { take_and_postpone, NULL };
    CHECK_ERR(rig_run(rig, &order, &(sp_empty){ 0 }, WORLD_PATIENCE), SP_ERR_DIED);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    CHECK_STR(sp_reason_text(outcome.reason), "sp_statem_postpone() after sp_request_take()");
    world_close();
}

static void take_for_later(struct rig *self, void *arg)
{
    (void)self;
    CHECK_OK(sp_request_take(arg));
    rig_next(&rig_b);
}

static void answer_now(struct rig *self, void *arg)
{
    (void)self;
    CHECK_OK(rig_run_reply(*(sp_request *)arg, &(sp_empty){ 0 }));
}

struct later_job {
    rig_ref rig;
    sp_pid reports_to;
    sp_request *request;
};

static void run_later_and_report(void *arg)
{
    const struct later_job *job = arg;
    struct rig_order order = { take_for_later, job->request };
    sp_err err = rig_run(job->rig, &order, &(sp_empty){ 0 }, WORLD_PATIENCE);
    CHECK_OK(note_send(job->reports_to, &(struct note){ err, sp_self() }));
}

TEST(statem_a_call_can_be_answered_in_another_state)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    sp_request request = { SP_PID_NONE, 0 };
    struct later_job job = { rig, sp_self(), &request };
    CHECK_OK(sp_spawn(run_later_and_report, &job,
                      &(struct sp_spawn_options){ .arg_size = sizeof job }, NULL));
    struct rig_trace trace;
    do
        CHECK_OK(rig_trace(rig, &(sp_empty){ 0 }, &trace, WORLD_PATIENCE));
    while (trace.text[0] == 0);
    CHECK_STR(trace.text, "+ab0");
    expect_nothing();
    rig_do(rig, answer_now, &request);
    CHECK_INT(expect_note(), SP_OK);
    world_close();
}

/* ---- raised events ---- */

static void raise_two(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    rig_raise_mark(1);
    rig_raise_mark(2);
    rig_raise_order(rig_to_b, NULL);
    rig_raise_mark(3);
}

TEST(statem_raised_events_come_in_order_before_all_others)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    rig_tell(rig, raise_two, NULL);
    rig_put_number(rig, 9);
    rig_expect(rig, "m1 m2 +ab0 m3"); /* put came after: postponed in b */
    rig_do(rig, rig_to_a, NULL);
    rig_expect(rig, "+ba0 a9");
    world_close();
}

/* Raised events go before the mailbox, but not before signals. */
TEST(statem_a_machine_that_drives_itself_can_be_stopped)
{
    world_open(&(struct sp_runtime_options){ .workers = 1 });
    rig_ref rig = rig_begin(NULL);
    rig_do(rig, rig_run_wild, NULL);
    puppet_expect_quiet(puppet_start(NULL)); /* others get their turn */
    CHECK_OK(rig_stop(rig, WORLD_PATIENCE));
    expect_farewell("normal in a");
    rig = rig_begin(NULL);
    rig_do(rig, rig_run_wild, NULL);
    CHECK_OK(sp_kill(rig.pid));
    wait_gone(rig.pid);
    expect_nothing();
    world_close();
}

static void raise_many(struct rig *self, void *arg)
{
    (void)self;
    for (int i = 0; i < *(int *)arg; i++)
        rig_raise_order(rig_to_a, NULL);
}

TEST(statem_raised_events_are_bounded)
{
    world_open(NULL);
    struct sp_server_options options = { .spawn = { .mailbox_max = 10 } };
    rig_ref rig = rig_begin(&options);
    int count = 10;
    for (int i = 0; i < 3; i++)
        rig_do(rig, raise_many, &count);
    count++;
    struct rig_order order = { raise_many, &count };
    CHECK_ERR(rig_run(rig, &order, &(sp_empty){ 0 }, WORLD_PATIENCE), SP_ERR_DIED);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    CHECK_INT(sp_reason_code(outcome.reason), SP_ERR_LIMIT);
    world_close();
}

/* ---- notices and messages ---- */

static void watch(struct rig *self, void *arg)
{
    (void)self;
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(*(sp_pid *)arg, &ref));
}

static void link_to(struct rig *self, void *arg)
{
    (void)self;
    CHECK_OK(sp_link(*(sp_pid *)arg));
}

TEST(statem_notices_go_to_the_state_or_the_class_and_can_be_postponed)
{
    world_open(NULL);
    rig_ref rig = rig_begin(&(struct sp_server_options){ .spawn = { .trap_exit = true } });
    sp_pid dead = dead_pid();
    rig_do(rig, watch, &dead);
    CHECK_INT(expect_note(), LAB_DOWN);
    rig_do(rig, rig_to_b, NULL);
    rig_do(rig, watch, &dead);
    CHECK_INT(expect_note(), LAB_DOWN);
    rig_do(rig, rig_to_c, NULL);
    rig_do(rig, watch, &dead);
    rig_expect(rig, "anydown0 +ab0 bdown0 +bc0");
    rig_do(rig, rig_to_b, NULL);
    CHECK_INT(expect_note(), LAB_DOWN);
    rig_expect(rig, "+cb0 bdown0");
    sp_pid p = puppet_start(NULL);
    rig_do(rig, link_to, &p);
    puppet_exit(p, "boom");
    CHECK_INT(expect_note(), LAB_EXIT);
    send_note(rig.pid, 1);
    rig_do(rig, rig_to_a, NULL);
    send_note(rig.pid, 2);
    rig_expect(rig, "bnote1 +ba0 any2");
    world_close();
}

/* ---- ends ---- */

static void stop_self(struct rig *self, void *arg)
{
    sp_server_stop_self(sp_reason_error(SP_OK, "%s", (const char *)arg));
    rig_raise_mark(1);
    rig_to_b(self, NULL);
}

static void crash(struct rig *self, void *arg)
{
    (void)self;
    sp_exit_error(SP_OK, "%s", (const char *)arg);
}

TEST(statem_ends_like_any_server)
{
    static char reason[] = "boom";
    world_open(NULL);
    sp_monitor_ref ref;
    struct sp_server_options options = { .spawn = { .out_monitor = &ref } };
    rig_ref rig = rig_begin(&options);
    rig_do(rig, stop_self, reason);
    expect_farewell("boom in b");
    expect_down(ref, rig.pid, "boom");

    rig = rig_begin(&options);
    rig_do(rig, rig_to_c, NULL);
    rig_tell(rig, crash, reason);
    expect_farewell("boom in c");
    expect_down(ref, rig.pid, "boom");

    rig = rig_begin(&options);
    CHECK_OK(sp_stop(rig.pid, sp_reason_shutdown(), WORLD_PATIENCE));
    expect_farewell("shutdown in a");
    expect_down(ref, rig.pid, "shutdown");

    rig = rig_begin(&options);
    CHECK_OK(sp_kill(rig.pid));
    expect_down(ref, rig.pid, "killed");
    expect_nothing();
    world_close();
}

static void spin(struct rig *self, void *arg)
{
    int *left = arg;
    (void)self;
    if ((*left)-- == 0)
        return;
    rig_next(rig_in(&rig_a) ? &rig_b : &rig_a);
    rig_forget(self);
    rig_raise_order(spin, arg);
}

TEST(statem_many_quick_transitions)
{
    int left = sp_test_slow() ? 1000 : 100000;
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    rig_put_number(rig, 1);
    rig_tell(rig, spin, &left);
    struct rig_trace trace;
    CHECK_OK(rig_trace(rig, &(sp_empty){ 0 }, &trace, WORLD_PATIENCE));
    CHECK_INT(left, -1);
    CHECK_STR(trace.text, "+ba0"); /* an even number of changes, the last entered a */
    for (int i = 0; i < 1000; i++) {
        rig_put_number(rig, i);
        rig_tell(rig, rig_to_b, NULL);
        rig_tell(rig, rig_to_a, NULL);
    }
    CHECK_OK(rig_trace(rig, &(sp_empty){ 0 }, &trace, WORLD_PATIENCE));
    struct sp_process_info info;
    CHECK_OK(sp_process_info(rig.pid, &info));
    CHECK_INT(info.mailbox, 0);
    world_close();
}
