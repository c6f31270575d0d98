/* Supervisors: delayed restarts, and what is sent to a child meanwhile. The delays themselves are
 * tested in backoff_test.c; here they are as short as can be, or so long that they never end, and
 * what must not happen yet is held up by a gate. */
#include "support/supervision.h"
#include "support/test.h"

#include <stdatomic.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR sp_sec(3600)

static struct sp_supervisor_info info_of(sp_pid supervisor)
{
    struct sp_supervisor_info info;
    CHECK_OK(sp_supervisor_info(supervisor, sp_never(), &info));
    return info;
}

/* No restart that counts is allowed. */
static sp_pid supervise(const struct sp_child_spec *children, size_t count)
{
    return sv_supervisor(&(struct sp_supervisor_spec){
        .max_restarts = SP_RESTARTS_NONE, .children = children, .child_count = count });
}

static struct sp_child_spec backed_off(struct sp_child_spec child, sp_duration delay)
{
    child.backoff.min = delay;
    child.backoff.max = delay;
    return child;
}

/* The stand-in of a child named "svc", once it has the name. */
static sp_pid await_stand_in(sp_pid dead)
{
    probe_ref ref;
    while (probe_whereis("svc", &ref) != SP_OK || sp_pid_equal(ref.pid, dead))
        sp_yield();
    return ref.pid;
}

static void note(int number)
{
    probe_ref ref;
    CHECK_OK(probe_whereis("svc", &ref));
    CHECK_OK(probe_note(ref, &(struct probe_note){ number }));
}

static uint32_t mailbox_of(sp_pid pid)
{
    struct sp_process_info info;
    CHECK_OK(sp_process_info(pid, &info));
    return info.mailbox;
}

/* case 79: such restarts do not use the intensity up. */
TEST(case_79_delayed_restarts_do_not_count)
{
    sv_begin();
    struct sp_child_spec child = backed_off(sv_child("a"), sp_us(100));
    sp_pid supervisor = supervise(&child, 1);
    for (size_t i = 0; i < 20; i++) {
        sv_end_child(supervisor, "a", PROBE_CRASH);
        sv_await("+a", i + 2);
        sv_await_status(supervisor, "a", SP_CHILD_RUNNING);
    }
    CHECK_INT(info_of(supervisor).restarts, 0);
    CHECK_INT(sv_child_info(supervisor, "a").restarts, 20);
    sv_stop(supervisor);
    sv_end();
}

TEST(case_79_delayed_restarts_count_when_asked_to)
{
    sv_begin();
    struct sp_child_spec child = backed_off(sv_child("a"), sp_us(100));
    child.backoff.count_restarts = true;
    sp_pid supervisor = sv_supervisor(&(struct sp_supervisor_spec){
        .max_restarts = 2, .period = HOUR, .children = &child, .child_count = 1 });
    sp_monitor_ref ref = sv_watch(supervisor);
    for (size_t i = 0; i < 2; i++) {
        sv_end_child(supervisor, "a", PROBE_CRASH);
        sv_await("+a", i + 2);
        sv_await_status(supervisor, "a", SP_CHILD_RUNNING);
    }
    sv_act(sv_child_pid(supervisor, "a"), PROBE_CRASH);
    CHECK_STR(sv_reason(ref), "shutdown");
    sv_end();
}

/* case 79: failed starts wait, too, and grow the delay. */
TEST(case_79_failed_starts_are_tried_again)
{
    sv_begin();
    struct sp_child_spec child = sv_child_starting("a", "obefbo");
    child.backoff = (struct sp_backoff){ .min = sp_us(100), .max = sp_ms(1), .jitter = 0.5 };
    sp_pid supervisor = supervise(&child, 1);
    sv_end_child(supervisor, "a", PROBE_CRASH);
    CHECK_EVENTS("+a -a(boom) !a !a !a !a +a");
    sv_await_status(supervisor, "a", SP_CHILD_RUNNING);
    CHECK_INT(sv_child_info(supervisor, "a").restarts, 1);
    CHECK_INT(info_of(supervisor).restarts, 0);
    sv_stop(supervisor);
    sv_end();
}

static void ping_run(void *arg)
{
    probe_ref ref;
    struct probe_pong pong;
    (void)arg;
    CHECK_OK(probe_whereis("svc", &ref));
    CHECK_OK(probe_ping(ref, &(sp_empty){ 0 }, &pong, sp_never()));
    sv_record("pong%d", pong.starts);
}

/* case 79: what is sent to the name during the delay is handled afterwards, in order; a call, too. */
TEST(case_79_messages_of_the_delay_are_handled_in_order)
{
    sv_begin();
    sp_pid gate = sv_gate(0);
    struct sp_child_spec child = backed_off(sv_child_starting("a", "ogo"), sp_us(100));
    child.options.spawn.name = "svc";
    sv_args(&child)->gate = gate;
    sp_pid supervisor = supervise(&child, 1);
    sp_pid before = sv_child_pid(supervisor, "a");
    sv_act(before, PROBE_CRASH);
    sp_pid stand_in = await_stand_in(before);
    sv_gate_await(gate, 1); /* the new one is in its init, and stays there */
    for (int i = 1; i <= 5; i++)
        note(i);
    CHECK_OK(sp_spawn(ping_run, NULL, NULL, NULL));
    while (mailbox_of(stand_in) < 6)
        sp_yield();
    note(6);
    CHECK_INT(sv_count("a=1"), 0);
    sv_gate_open(gate);
    sv_await("a=6", 1);
    sv_await("pong2", 1);
    sv_await_status(supervisor, "a", SP_CHILD_RUNNING);

    probe_ref ref;
    CHECK_OK(probe_whereis("svc", &ref));
    CHECK(sp_pid_equal(ref.pid, sv_child_pid(supervisor, "a")));
    CHECK(!sp_is_alive(stand_in));
    note(7);
    sv_await("a=7", 1);
    CHECK_CONTAINS(sv_events(0), "a=1 a=2 a=3 a=4 a=5");
    sv_stop(supervisor);
    sv_stop(gate);
    sv_end();
}

/* case 79: starts that fail lose nothing. */
TEST(case_79_messages_wait_through_failed_starts)
{
    sv_begin();
    sp_pid gate = sv_gate(0);
    struct sp_child_spec child = sv_child_starting("a", "obbbgo");
    child.backoff = (struct sp_backoff){ .min = sp_ms(1), .max = sp_ms(2) };
    child.options.spawn.name = "svc";
    sv_args(&child)->gate = gate;
    sp_pid supervisor = supervise(&child, 1);
    sp_pid before = sv_child_pid(supervisor, "a");
    sv_act(before, PROBE_CRASH);
    await_stand_in(before);
    note(1);
    sv_await("!a", 3);
    sv_gate_await(gate, 1);
    note(2);
    sv_gate_open(gate);
    sv_await("a=2", 1);
    CHECK_EVENTS("+a -a(boom) !a !a !a +a a=1 a=2");
    sv_stop(supervisor);
    sv_stop(gate);
    sv_end();
}

/* case 79: the stash has a bound; what is over it is dropped, and counted. */
TEST(case_79_stash_is_bounded)
{
    sv_begin();
    struct sp_stats before_stats, after_stats;
    sp_pid gate = sv_gate(0);
    struct sp_child_spec child = backed_off(sv_child_starting("a", "ogo"), sp_us(100));
    child.options.spawn.name = "svc";
    child.backoff.stash_max = 3;
    sv_args(&child)->gate = gate;
    sp_pid supervisor = supervise(&child, 1);
    sp_pid before = sv_child_pid(supervisor, "a");
    sv_act(before, PROBE_CRASH);
    await_stand_in(before);
    sv_gate_await(gate, 1);
    sp_runtime_stats(sp_runtime_current(), &before_stats);
    for (int i = 1; i <= 5; i++)
        note(i);
    sp_runtime_stats(sp_runtime_current(), &after_stats);
    CHECK_INT(after_stats.dropped_full - before_stats.dropped_full, 2);
    sv_gate_open(gate);
    sv_await_status(supervisor, "a", SP_CHILD_RUNNING);
    note(6);
    sv_await("a=6", 1);
    CHECK_EVENTS("+a -a(boom) +a a=1 a=2 a=3 a=6");
    sv_stop(supervisor);
    sv_stop(gate);
    sv_end();
}

/* Many senders that look the name up each time, restarts all the while: each sender's messages
 * are handled in its order, whoever handles them. */
enum { SENDERS = 4, ROUNDS = 30 };

struct sender_note {
    int sender;
    int number;
};
SP_SERVER(keeper, sp_empty);
SP_CAST(keeper, take, struct sender_note);
SP_CAST(keeper, die, sp_empty);

static _Atomic int keeper_last[SENDERS];
static _Atomic int keeper_taken;
static _Atomic int keeper_bad;

static sp_err keeper_init(sp_empty *self, const sp_empty *args)
{
    (void)self;
    (void)args;
    sv_record("+k");
    return SP_OK;
}

/* relaxed: one incarnation at a time, and each ends before the next begins. */
static void keeper_on_take(sp_empty *self, const struct sender_note *in)
{
    (void)self;
    int last = atomic_exchange_explicit(&keeper_last[in->sender], in->number, memory_order_relaxed);
    if (in->number <= last)
        atomic_fetch_add_explicit(&keeper_bad, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&keeper_taken, 1, memory_order_relaxed);
}

static void keeper_on_die(sp_empty *self, const sp_empty *in)
{
    (void)self;
    (void)in;
    sp_exit_error(SP_OK, "told to");
}

SP_STATE(keeper, sp_empty);
SP_ON_INIT(keeper);
SP_ON_CAST(keeper, take);
SP_ON_CAST(keeper, die);
SP_CLASS(keeper, .init = keeper__init);

static _Atomic bool senders_stop;

static void sender_run(void *arg)
{
    struct sender_note out = { .sender = *(const int *)arg };
    /* relaxed: a flag that is only looked at. */
    while (!atomic_load_explicit(&senders_stop, memory_order_relaxed)) {
        keeper_ref ref;
        out.number++;
        if (keeper_whereis("keeper", &ref) == SP_OK)
            sp_ignore(keeper_take(ref, &out));
        sp_yield();
    }
    sv_record("sender");
}

TEST(messages_keep_their_order_over_many_restarts)
{
    sv_begin();
    struct sp_child_spec child = { .id = "k",
                                   .server = &keeper_class,
                                   .options.spawn.name = "keeper" };
    child.backoff = (struct sp_backoff){ .min = sp_us(200), .max = sp_us(200) };
    sp_pid supervisor = supervise(&child, 1);
    for (int i = 0; i < SENDERS; i++)
        CHECK_OK(
            sp_spawn(sender_run, &i, &(struct sp_spawn_options){ .arg_size = sizeof(i) }, NULL));
    for (size_t i = 0; i < ROUNDS; i++) {
        sv_await("+k", i + 1);
        sv_await_status(supervisor, "k", SP_CHILD_RUNNING);
        CHECK_OK(keeper_die((keeper_ref){ sv_child_pid(supervisor, "k") }, &(sp_empty){ 0 }));
    }
    sv_await("+k", ROUNDS + 1);
    atomic_store_explicit(&senders_stop, true, memory_order_relaxed);
    sv_await("sender", SENDERS);
    sv_stop(supervisor);
    CHECK_INT(keeper_bad, 0);
    CHECK(keeper_taken > 0);
    sv_end();
}

TEST(stash_can_be_left_out)
{
    sv_begin();
    struct sp_child_spec child = backed_off(sv_child("a"), HOUR);
    child.options.spawn.name = "svc";
    child.backoff.stash_max = SP_STASH_NONE;
    sp_pid supervisor = supervise(&child, 1);
    probe_ref ref;
    sv_act(sv_child_pid(supervisor, "a"), PROBE_CRASH);
    sv_await_status(supervisor, "a", SP_CHILD_RESTARTING);
    CHECK_ERR(probe_whereis("svc", &ref), SP_ERR_NOTFOUND);
    sv_stop(supervisor);
    sv_end();
}

static void lost_run(void *arg)
{
    probe_ref ref;
    struct probe_pong pong;
    (void)arg;
    CHECK_OK(probe_whereis("svc", &ref));
    sv_record("%s", sp_err_name(probe_ping(ref, &(sp_empty){ 0 }, &pong, sp_never())));
}

/* A restart that is called off ends the stand-in: calls that wait in it fail, the name is free. */
static void call_off(bool by_stop)
{
    sv_begin();
    struct sp_child_spec child = backed_off(sv_child("a"), HOUR);
    child.options.spawn.name = "svc";
    sp_pid supervisor = supervise(&child, 1);
    size_t processes = sv_processes();
    sp_pid before = sv_child_pid(supervisor, "a");
    sv_act(before, PROBE_CRASH);
    sp_pid stand_in = await_stand_in(before);
    CHECK_INT(sv_processes(), processes); /* the stand-in instead of the child */
    CHECK_OK(sp_spawn(lost_run, NULL, NULL, NULL));
    while (mailbox_of(stand_in) == 0)
        sp_yield();
    if (by_stop)
        sv_stop(supervisor);
    else
        CHECK_OK(sp_supervisor_terminate_child(supervisor, "a", sp_never()));
    probe_ref ref;
    CHECK(!sp_is_alive(stand_in));
    CHECK_ERR(probe_whereis("svc", &ref), SP_ERR_NOTFOUND);
    CHECK_EVENTS("+a -a(boom) DIED");
    if (!by_stop)
        sv_stop(supervisor);
    sv_end();
}

TEST(stash_ends_when_the_child_is_terminated)
{
    call_off(false);
}

TEST(stash_ends_with_the_supervisor)
{
    call_off(true);
}

/* Killed: nobody tells the stand-in, but its link does. */
TEST(stash_ends_with_a_supervisor_that_is_killed)
{
    sv_begin();
    struct sp_child_spec child = backed_off(sv_child("a"), HOUR);
    child.options.spawn.name = "svc";
    size_t processes = sv_processes();
    sp_pid supervisor = supervise(&child, 1);
    sp_pid before = sv_child_pid(supervisor, "a");
    sv_act(before, PROBE_CRASH);
    sp_monitor_ref ref = sv_watch(await_stand_in(before));
    CHECK_OK(sp_kill(supervisor));
    CHECK_STR(sv_reason(ref), "killed");
    sv_await_processes(processes);
    sv_end();
}

/* Somebody took the name while the child was down: the restart fails, and is tried again. */
static void thief_run(void *arg)
{
    struct sp_message *message;
    (void)arg;
    while (sp_register("svc", sp_self()) != SP_OK)
        sp_yield();
    sv_record("taken");
    sp_ignore(sp_receive(sp_never(), &message));
}

TEST(name_taken_by_another_fails_the_restart)
{
    sv_begin();
    struct sp_child_spec child = backed_off(sv_child("a"), sp_ms(2));
    child.options.spawn.name = "svc";
    child.backoff.stash_max = SP_STASH_NONE;
    sp_pid supervisor = supervise(&child, 1), thief;
    CHECK_OK(sp_spawn(thief_run, NULL, NULL, &thief));
    for (size_t i = 2; sv_count("taken") == 0; i++) {
        sv_act(sv_child_pid(supervisor, "a"), PROBE_CRASH);
        while (sv_count("taken") == 0 && sv_count("+a") < i)
            sp_yield();
    }
    sv_await_status(supervisor, "a", SP_CHILD_RESTARTING);
    CHECK_OK(sp_kill(thief));
    sv_await_status(supervisor, "a", SP_CHILD_RUNNING);
    probe_ref ref;
    CHECK_OK(probe_whereis("svc", &ref));
    CHECK(sp_pid_equal(ref.pid, sv_child_pid(supervisor, "a")));
    sv_stop(supervisor);
    sv_end();
}

/* A group waits for the delay of the one that failed, stopped. */
TEST(group_waits_with_the_child_that_is_delayed)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), backed_off(sv_child("b"), sp_ms(1)),
                                        sv_child("c") };
    sp_pid supervisor =
        sv_supervisor(&(struct sp_supervisor_spec){ .strategy = SP_REST_FOR_ONE,
                                                    .max_restarts = SP_RESTARTS_NONE,
                                                    .children = children,
                                                    .child_count = COUNT(children) });
    sv_end_child(supervisor, "b", PROBE_CRASH);
    CHECK_EVENTS("+a +b +c -b(boom) -c +b +c");
    CHECK_INT(info_of(supervisor).restarts, 0);
    sv_stop(supervisor);
    sv_end();
}

/* Another child of the group dies during the delay: the group is restarted for that one, at once,
 * and the order of it is of no further use. */
TEST(group_restart_overtakes_a_delay)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), backed_off(sv_child("b"), HOUR),
                                        sv_child("c") };
    sp_pid supervisor =
        sv_supervisor(&(struct sp_supervisor_spec){ .strategy = SP_REST_FOR_ONE,
                                                    .max_restarts = 1,
                                                    .children = children,
                                                    .child_count = COUNT(children) });
    sv_end_child(supervisor, "b", PROBE_CRASH);
    sv_await_status(supervisor, "b", SP_CHILD_RESTARTING);
    sv_end_child(supervisor, "a", PROBE_CRASH);
    CHECK_EVENTS("+a +b +c -b(boom) -c -a(boom) +a +b +c");
    CHECK_INT(info_of(supervisor).restarting, 0);
    CHECK_INT(info_of(supervisor).active, 3);
    sv_stop(supervisor);
    sv_end();
}
