/* The timeouts of state machines: which are cancelled by what, and their order. Nothing here
 * measures time.
 */
#include "spawned/statem.h"

#include "support/rig.h"

#include <string.h>

/** Long enough not to fire in a test. */
#define NEVER_IN_THIS_TEST sp_sec(600)

static void state_timeout_soon(struct rig *self, void *arg)
{
    (void)self;
    sp_statem_state_timeout(*(sp_duration *)arg);
}

TEST(statem_a_state_timeout_fires_in_its_state)
{
    world_open(NULL);
    sp_duration lengths[] = { { 0 }, { 1 }, sp_ms(1) };
    rig_ref rig = rig_begin(NULL);
    for (size_t i = 0; i < 3; i++) {
        rig_do(rig, state_timeout_soon, &lengths[i]);
        CHECK_INT(expect_note(), 1);
        rig_expect(rig, "state0");
    }
    world_close();
}

static void cancel_state_timeout(struct rig *self, void *arg)
{
    (void)self;
    *(bool *)arg = sp_statem_state_timeout_cancel();
}

static void cancel_event_timeout(struct rig *self, void *arg)
{
    (void)self;
    *(bool *)arg = sp_statem_event_timeout_cancel();
}

static void cancel_alarm(struct rig *self, void *arg)
{
    (void)self;
    *(bool *)arg = rig_stop_alarm();
}

TEST(statem_a_change_of_state_cancels_the_state_timeout)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    sp_duration later = NEVER_IN_THIS_TEST;
    bool ran = false;
    rig_do(rig, state_timeout_soon, &later);
    rig_do(rig, cancel_state_timeout, &ran);
    CHECK(ran);
    rig_do(rig, cancel_state_timeout, &ran);
    CHECK(!ran);
    rig_do(rig, state_timeout_soon, &later);
    rig_do(rig, rig_repeat, NULL); /* no change */
    rig_do(rig, rig_to_a, NULL);   /* no change either */
    rig_do(rig, cancel_state_timeout, &ran);
    CHECK(ran);
    rig_do(rig, state_timeout_soon, &later);
    rig_do(rig, rig_to_b, NULL);
    rig_do(rig, cancel_state_timeout, &ran);
    CHECK(!ran);
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.timers, 0);
    world_close();
}

static void state_timeout_for_b(struct rig *self, void *arg)
{
    sp_statem_state_timeout(*(sp_duration *)arg);
    rig_to_b(self, NULL);
}

TEST(statem_a_state_timeout_set_with_the_change_belongs_to_the_new_state)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    sp_duration lengths[] = { { 0 }, { 1 } };
    for (size_t i = 0; i < 2; i++) {
        rig_do(rig, state_timeout_for_b, &lengths[i]);
        CHECK_INT(expect_note(), 1);
        rig_expect(rig, "+ab0 state0");
        rig_do(rig, rig_to_a, NULL);
        rig_expect(rig, "+ba0");
    }
    world_close();
}

static void zero_timeouts_then_leave(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    sp_statem_state_timeout(sp_ns(0));
    rig_set_alarm(sp_ns(0), 5);
    sp_statem_event_timeout(sp_ns(0));
    rig_raise_order(rig_to_b, NULL);
}

/* The raised event goes first: it cancels the event timeout, its change the state timeout. */
TEST(statem_timeouts_of_zero_length_come_after_raised_events)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    rig_tell(rig, zero_timeouts_then_leave, NULL);
    rig_put_number(rig, 1);
    CHECK_INT(expect_note(), 5);
    rig_do(rig, rig_to_a, NULL);
    rig_expect(rig, "+ab0 b5 alarm5 +ba0 a1");
    expect_nothing();
    world_close();
}

static void zero_timeouts(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    sp_statem_event_timeout(sp_ns(0)); /* cancelled by the alarm, which is an event */
    rig_set_alarm(sp_ns(0), 5);
    sp_statem_state_timeout(sp_ns(0));
    sp_statem_event_timeout(sp_ns(0)); /* set anew: now the last, cancelled all the same */
}

TEST(statem_timeouts_of_zero_length_come_in_the_order_they_were_set)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    rig_tell(rig, zero_timeouts, NULL);
    rig_put_number(rig, 1);
    CHECK_INT(expect_note(), 5);
    CHECK_INT(expect_note(), 1);
    rig_expect(rig, "a5 alarm5 state0 a1");
    expect_nothing();
    world_close();
}

static void event_timeout_in(struct rig *self, void *arg)
{
    (void)self;
    sp_statem_event_timeout(*(sp_duration *)arg);
}

TEST(statem_an_event_timeout_fires_in_silence_only)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    sp_duration lengths[] = { { 0 }, { 1 }, sp_ms(1) };
    for (size_t i = 0; i < 3; i++) {
        rig_do(rig, event_timeout_in, &lengths[i]);
        CHECK_INT(expect_note(), 2);
        rig_expect(rig, "event0");
    }
    sp_duration later = NEVER_IN_THIS_TEST;
    bool ran = false;
    rig_do(rig, event_timeout_in, &later);
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.timers, 1);
    rig_do(rig, cancel_event_timeout, &ran); /* this is an event: it was cancelled before */
    CHECK(!ran);
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.timers, 0);
    world_close();
}

struct alarm_job {
    sp_duration after;
    int number;
};

static void alarm_in(struct rig *self, void *arg)
{
    const struct alarm_job *job = arg;
    (void)self;
    rig_set_alarm(job->after, job->number);
}

/** Both in one handler: the timeout cannot come before the new state. */
static void alarm_in_and_to_c(struct rig *self, void *arg)
{
    alarm_in(self, arg);
    rig_to_c(self, NULL);
}

TEST(statem_a_named_timeout_outlives_the_state)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    rig_do(rig, alarm_in_and_to_c, &(struct alarm_job){ sp_ms(2), 8 });
    CHECK_INT(expect_note(), 8);
    rig_expect(rig, "+ac0 c8 alarm8");
    world_close();
}

TEST(statem_a_named_timeout_is_replaced_or_cancelled)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    bool ran = false;
    rig_do(rig, alarm_in, &(struct alarm_job){ NEVER_IN_THIS_TEST, 1 });
    rig_do(rig, alarm_in, &(struct alarm_job){ sp_us(1), 2 });
    CHECK_INT(expect_note(), 2);
    rig_do(rig, cancel_alarm, &ran);
    CHECK(!ran);
    rig_do(rig, alarm_in, &(struct alarm_job){ NEVER_IN_THIS_TEST, 3 });
    rig_do(rig, cancel_alarm, &ran);
    CHECK(ran);
    rig_expect(rig, "a2 alarm2");
    expect_nothing();
    world_close();
}

/** Sets both once the next order is in the mailbox: so their ticks come behind it. */
static void wait_and_set(struct rig *self, void *arg)
{
    (void)self;
    CHECK_OK(gate_pass(*(gate_ref *)arg, &(sp_empty){ 0 }, &(sp_empty){ 0 }, sp_never()));
    rig_set_alarm(sp_us(1), 4);
    sp_statem_state_timeout(sp_us(1));
}

/** When both have fired, cancels one and leaves the state of the other. */
static void leave_when_ticked(struct rig *self, void *arg)
{
    struct sp_stats stats;
    do {
        sp_yield();
        sp_runtime_stats(sp_runtime_current(), &stats);
    } while (stats.timers > 0);
    (void)rig_stop_alarm();
    rig_to_b(self, arg);
}

/* Both ticks lie in the mailbox when they are cancelled: neither is delivered. */
TEST(statem_a_cancelled_timeout_is_not_delivered_from_the_mailbox)
{
    world_open(NULL);
    rig_ref rig = rig_begin(NULL);
    for (int i = 0; i < 20; i++) {
        gate_ref gate = gate_begin();
        rig_tell(rig, wait_and_set, &gate);
        CHECK_INT(expect_note(), GATE_ARRIVED);
        rig_tell(rig, leave_when_ticked, NULL);
        CHECK_OK(gate_open(gate, &(sp_empty){ 0 }));
        rig_do(rig, rig_to_a, NULL); /* by now it waits in b, or is there */
        rig_expect(rig, "+ab0 +ba0");
    }
    expect_nothing();
    world_close();
}

TEST(statem_timeouts_pass_a_full_mailbox)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    rig_ref rig = rig_begin(&(struct sp_server_options){ .spawn = { .mailbox_max = 2 } });
    rig_do(rig, alarm_in, &(struct alarm_job){ sp_ms(1), 6 });
    rig_tell(rig, rig_wait_and_to_a, &gate);
    int64_t first = expect_note(); /* the alarm, or the gate's */
    if (first == 6) {
        CHECK_INT(expect_note(), GATE_ARRIVED);
    } else {
        CHECK_INT(first, GATE_ARRIVED);
        rig_put_number(rig, 1);
        sp_ignore(rig_put(rig, &(int){ 2 })); /* full, if the tick is not there yet */
        struct sp_stats stats;
        do /* until it is */
            sp_runtime_stats(world_runtime(), &stats);
        while (stats.timers > 0);
    }
    CHECK_OK(gate_open(gate, &(sp_empty){ 0 }));
    if (first != 6)
        CHECK_INT(expect_note(), 6);
    CHECK_OK(rig_stop(rig, WORLD_PATIENCE)); /* when its handler has returned */
    expect_farewell("normal in a");
    world_close();
}
