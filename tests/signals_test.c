/* Exit signals: what ends a process, what its links see of it, and what it leaves behind.
 * Acceptance cases 1, 2, 3, 4, 6.
 */
#include "support/puppet.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

static sp_pid trapping_puppet(void)
{
    return puppet_start(&(struct sp_spawn_options){ .trap_exit = true });
}

/** A puppet and this process's monitor of it. */
static sp_pid watched_puppet(sp_monitor_ref *out_ref)
{
    return puppet_start(&(struct sp_spawn_options){ .out_monitor = out_ref });
}

static void order_exit_with(void *arg)
{
    sp_exit(*(const struct sp_reason **)arg);
}

static void deferred_note(void *arg)
{
    send_note(*(sp_pid *)arg, 7);
}

static void order_defer_note(void *arg)
{
    CHECK_OK(sp_defer(deferred_note, arg));
}

TEST(case_01_normal_exit_does_not_spread)
{
    world_open(NULL);
    sp_pid a = puppet_start(NULL);
    sp_pid b = puppet_start(NULL);
    CHECK_OK(puppet_link(a, b));
    puppet_exit(a, NULL);
    puppet_expect_quiet(b);
    CHECK(sp_is_alive(b));
    world_close();
}

TEST(case_02_abnormal_exit_spreads_with_the_same_reason)
{
    world_open(NULL);
    sp_monitor_ref of_b;
    sp_monitor_ref of_c;
    sp_pid a = puppet_start(NULL);
    sp_pid b = watched_puppet(&of_b);
    sp_pid c = watched_puppet(&of_c);
    CHECK_OK(puppet_link(a, b));
    CHECK_OK(puppet_link(b, c));
    sp_pid self = sp_self();
    puppet_do(b, order_defer_note, &self);
    puppet_exit(a, "boom");
    CHECK_INT(expect_note(), 7);
    expect_down(of_b, b, "boom");
    expect_down(of_c, c, "boom");
    expect_nothing();
    world_close();
}

TEST(case_02_the_cause_chain_names_who_died_first)
{
    world_open(NULL);
    sp_monitor_ref of_c;
    sp_pid a = puppet_start(NULL);
    sp_pid b = puppet_start(NULL);
    sp_pid c = watched_puppet(&of_c);
    CHECK_OK(puppet_link(a, b));
    CHECK_OK(puppet_link(b, c));
    puppet_exit(a, "boom");
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL);
    CHECK_STR(sp_reason_text(down->reason), "boom");
    CHECK_INT(sp_reason_kind(down->reason), SP_REASON_ERROR);
    CHECK(sp_pid_equal(sp_reason_process(down->reason), c));
    const struct sp_reason *of_b = sp_reason_cause(down->reason);
    CHECK(of_b != NULL && sp_pid_equal(sp_reason_process(of_b), b));
    const struct sp_reason *of_a = sp_reason_cause(of_b);
    CHECK(of_a != NULL && sp_pid_equal(sp_reason_process(of_a), a));
    CHECK_PTR(sp_reason_cause(of_a), NULL);
    CHECK(sp_reason_equal(of_a, down->reason));
    sp_message_free(message);
    world_close();
}

TEST(case_02_a_long_chain_keeps_its_newest_links_and_the_root)
{
    enum { LENGTH = 3 * SP_REASON_CHAIN_MAX };
    world_open(NULL);
    sp_pid first = puppet_start(NULL);
    sp_pid last = first;
    sp_monitor_ref of_last;
    for (int i = 0; i < LENGTH; i++) {
        sp_pid next = i + 1 < LENGTH ? puppet_start(NULL) : watched_puppet(&of_last);
        CHECK_OK(puppet_link(next, last));
        last = next;
    }
    puppet_exit(first, "boom");
    struct sp_message *message = expect_message();
    const struct sp_reason *at = sp_message_down(message)->reason;
    int links = 0;
    while (sp_reason_cause(at) != NULL) {
        at = sp_reason_cause(at);
        links++;
    }
    CHECK(links >= SP_REASON_CHAIN_MAX);
    CHECK(links <= SP_REASON_CHAIN_MAX + 1);
    CHECK(sp_pid_equal(sp_reason_process(at), first));
    sp_message_free(message);
    world_close();
}

TEST(case_03_trapping_turns_the_signal_into_a_message)
{
    static const char *const reasons[] = { "boom", NULL };
    world_open(NULL);
    sp_pid b = trapping_puppet();
    for (size_t i = 0; i < 2; i++) {
        sp_pid a = puppet_start(NULL);
        CHECK_OK(puppet_link(b, a));
        puppet_exit(a, reasons[i]);
        puppet_expect_exit(b, a, reasons[i] == NULL ? "normal" : reasons[i]);
        puppet_expect_quiet(b);
    }
    CHECK(sp_is_alive(b));
    world_close();
}

static void order_trap(void *arg)
{
    bool *on = arg;
    *on = sp_trap_exit(*on);
}

TEST(trap_exit_says_what_it_was_and_can_be_undone)
{
    world_open(NULL);
    sp_monitor_ref of_b;
    sp_pid b = watched_puppet(&of_b);
    bool trap = true;
    puppet_do(b, order_trap, &trap);
    CHECK(!trap);
    puppet_do(b, order_trap, &trap); /* off again */
    CHECK(trap);
    sp_pid a = puppet_start(NULL);
    CHECK_OK(puppet_link(b, a));
    puppet_exit(a, "boom");
    expect_down(of_b, b, "boom");
    world_close();
}

TEST(case_04_kill_cannot_be_trapped_and_becomes_killed)
{
    world_open(NULL);
    sp_pid b = trapping_puppet();
    sp_pid c = trapping_puppet();
    CHECK_OK(puppet_link(c, b));
    sp_monitor_ref of_b;
    CHECK_OK(sp_monitor(b, &of_b));
    CHECK_OK(sp_kill(b));
    expect_down(of_b, b, "killed");
    puppet_expect_exit(c, b, "killed");
    CHECK(sp_is_alive(c));
    world_close();
}

/* sp_exit(kill) is the reason of the one who says it; to its links it is a reason like any
 * other, which can be trapped. Only the signal `kill` cannot. */
TEST(case_04_links_can_trap_an_exit_with_kill)
{
    world_open(NULL);
    sp_pid b = trapping_puppet();
    sp_pid a = puppet_start(NULL);
    CHECK_OK(puppet_link(b, a));
    const struct sp_reason *kill_reason = sp_reason_kill();
    puppet_tell(a, order_exit_with, &kill_reason);
    puppet_expect_exit(b, a, sp_reason_text(sp_reason_kill()));
    CHECK(sp_is_alive(b));
    world_close();
}

TEST(case_06_normal_sent_to_another_process)
{
    world_open(NULL);
    sp_pid b1 = puppet_start(NULL);
    sp_pid b2 = trapping_puppet();
    CHECK_OK(sp_signal(b1, sp_reason_normal()));
    CHECK_OK(sp_signal(b2, sp_reason_normal()));
    puppet_expect_quiet(b1);
    puppet_expect_exit(b2, sp_self(), "normal");
    puppet_expect_quiet(b2);
    world_close();
}

TEST(a_signal_ends_one_that_does_not_trap)
{
    world_open(NULL);
    sp_monitor_ref ref;
    sp_pid b = watched_puppet(&ref);
    CHECK_OK(sp_signal(b, sp_reason_error(SP_ERR_CLOSED, "asked")));
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL && down->ref.id == ref.id);
    CHECK_STR(sp_reason_text(down->reason), "asked");
    CHECK_INT(sp_reason_code(down->reason), SP_ERR_CLOSED);
    sp_message_free(message);
    world_close();
}

static void order_signal_self(void *arg)
{
    CHECK_OK(sp_signal(sp_self(), *(const struct sp_reason **)arg));
    sp_yield();
}

/* `normal` too: from oneself it is not ignored. */
TEST(a_process_can_signal_itself)
{
    world_open(NULL);
    sp_monitor_ref ref;
    const struct sp_reason *reasons[] = { sp_reason_error(SP_OK, "self"), sp_reason_normal() };
    for (size_t i = 0; i < 2; i++) {
        sp_pid b = watched_puppet(&ref);
        puppet_tell(b, order_signal_self, &reasons[i]);
        expect_down(ref, b, i == 0 ? "self" : "normal");
    }
    world_close();
}

TEST(signals_to_the_dead_say_so)
{
    world_open(NULL);
    sp_pid dead = dead_pid();
    CHECK_ERR(sp_signal(dead, sp_reason_error(SP_OK, "late")), SP_ERR_NOPROC);
    CHECK_ERR(sp_kill(dead), SP_ERR_NOPROC);
    CHECK_ERR(sp_kill(SP_PID_NONE), SP_ERR_NOPROC);
    CHECK_ERR(sp_stop(dead, NULL, WORLD_PATIENCE), SP_ERR_NOPROC);
    CHECK(!sp_is_alive(dead));
    world_close();
}

TEST(nothing_of_this_works_on_a_thread_that_is_no_process)
{
    const struct sp_reason *reason;
    CHECK_ERR(sp_signal(SP_PID_NONE, sp_reason_normal()), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_kill(SP_PID_NONE), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_stop(SP_PID_NONE, NULL, sp_nowait()), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_join(SP_PID_NONE, sp_nowait(), &reason), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_defer(free, NULL), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_blocking(free, NULL, 0, sp_nowait()), SP_ERR_NOTCONTEXT);
    CHECK(sp_pid_is_none(sp_self()));
    CHECK(!sp_is_alive(SP_PID_NONE));
    CHECK_PTR(sp_runtime_current(), NULL);
}

/* ---- what runs on the way out ---- */

static atomic_int deferred_order[4];
static atomic_int deferred_count;

static void deferred_mark(void *arg)
{
    deferred_order[atomic_fetch_add(&deferred_count, 1)] = *(int *)arg;
}

static void order_defer_three(void *arg)
{
    static int numbers[] = { 1, 2, 3 };
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_OK(sp_defer(deferred_mark, &numbers[i]));
}

static void expect_three_deferred(void)
{
    CHECK_INT(deferred_count, 3);
    CHECK_INT(deferred_order[0], 3);
    CHECK_INT(deferred_order[1], 2);
    CHECK_INT(deferred_order[2], 1);
    deferred_count = 0;
}

/** Write where nothing is. */
static void order_fault(void *arg)
{
    (void)arg;
    volatile uintptr_t nowhere = 64;
    *(volatile int *)nowhere = 1;
}

TEST(deferred_functions_run_last_first_on_every_way_out)
{
    world_open(&(struct sp_runtime_options){ .workers = 1 });
    for (int way = 0; way < 5; way++) {
        sp_pid p = puppet_start(NULL);
        puppet_do(p, order_defer_three, NULL);
        if (way == 0)
            puppet_exit(p, NULL);
        else if (way == 1)
            puppet_exit(p, "boom");
        else if (way == 2)
            CHECK_OK(sp_kill(p));
        else if (way == 3)
            CHECK_OK(sp_stop(p, NULL, WORLD_PATIENCE));
        else
            puppet_tell(p, order_fault, NULL);
        wait_gone(p);
        expect_three_deferred();
    }
    world_close();
}

static void deferred_exit_again(void *arg)
{
    deferred_mark(arg);
    sp_exit_error(SP_OK, "second");
}

static void order_defer_exit_again(void *arg)
{
    static int numbers[] = { 1, 2, 3 };
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_OK(sp_defer(deferred_exit_again, &numbers[i]));
}

TEST(the_first_reason_wins_and_the_other_deferred_functions_still_run)
{
    world_open(NULL);
    sp_monitor_ref ref;
    sp_pid p = watched_puppet(&ref);
    puppet_do(p, order_defer_exit_again, NULL);
    puppet_exit(p, "first");
    expect_down(ref, p, "first");
    expect_three_deferred();
    world_close();
}

static void order_alloc_much(void *arg)
{
    (void)arg;
    for (;;)
        *(volatile char *)sp_alloc(1000) = 1;
}

TEST(over_its_quota_the_process_alone_ends_with_out_of_memory)
{
    world_open(NULL);
    sp_monitor_ref ref;
    sp_pid other = puppet_start(NULL);
    sp_pid p =
        puppet_start(&(struct sp_spawn_options){ .memory_max = 64 << 10, .out_monitor = &ref });
    puppet_tell(p, order_alloc_much, NULL);
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL && sp_pid_equal(down->pid, p));
    CHECK_INT(sp_reason_kind(down->reason), SP_REASON_OUT_OF_MEMORY);
    sp_message_free(message);
    puppet_expect_quiet(other);
    world_close();
}

static void order_try_alloc(void *arg)
{
    void **out = arg;
    void *small = sp_try_alloc(1000);
    CHECK(small != NULL);
    out[0] = sp_try_alloc(1 << 20);
    sp_free(small);
    out[1] = sp_try_alloc(60 << 10); /* fits again: what was freed does not count */
    sp_free(out[1]);
}

TEST(try_alloc_over_the_quota_gives_null_and_freed_memory_does_not_count)
{
    world_open(NULL);
    sp_pid p = puppet_start(&(struct sp_spawn_options){ .memory_max = 64 << 10 });
    void *got[2] = { &got, NULL };
    puppet_do(p, order_try_alloc, got);
    CHECK_PTR(got[0], NULL);
    CHECK(got[1] != NULL);
    struct sp_process_info info;
    CHECK_OK(sp_process_info(p, &info));
    CHECK_INT(info.memory, 0);
    world_close();
}

TEST(a_fault_ends_the_process_alone_with_a_record)
{
    world_open(NULL);
    sp_monitor_ref ref;
    sp_pid other = puppet_start(NULL);
    sp_pid linked = trapping_puppet();
    sp_pid p = watched_puppet(&ref);
    CHECK_OK(puppet_link(linked, p));
    puppet_tell(p, order_fault, NULL);
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL && down->ref.id == ref.id);
    CHECK_INT(sp_reason_kind(down->reason), SP_REASON_FAULT);
    const struct sp_fault *fault = sp_reason_fault(down->reason);
    CHECK(fault != NULL);
    CHECK_INT(fault->signal, SIGSEGV);
    CHECK(!fault->stack_overflow);
    CHECK_INT((uintptr_t)fault->address, 64);
    CHECK(fault->handler != NULL);
    puppet_expect_exit(linked, p, sp_reason_text(down->reason));
    sp_message_free(message);
    puppet_expect_quiet(other);
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.faults, 1);
    world_close();
}

/* ---- stop and join ---- */

TEST(stop_ends_an_idle_process_even_one_that_traps)
{
    world_open(NULL);
    sp_monitor_ref ref;
    sp_pid p = puppet_start(&(struct sp_spawn_options){ .trap_exit = true, .out_monitor = &ref });
    CHECK_OK(sp_stop(p, sp_reason_error(SP_OK, "enough"), WORLD_PATIENCE));
    CHECK(!sp_is_alive(p));
    expect_down(ref, p, "enough");
    CHECK_ERR(sp_stop(p, NULL, WORLD_PATIENCE), SP_ERR_NOPROC);
    world_close();
}

static void own_stop(void *arg)
{
    sp_err *errs = arg;
    errs[0] = sp_stop(sp_self(), NULL, WORLD_PATIENCE);
    errs[1] = sp_join(sp_self(), WORLD_PATIENCE, NULL);
}

TEST(to_wait_for_oneself_is_a_deadlock)
{
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    sp_err errs[2];
    puppet_do(p, own_stop, errs);
    CHECK_ERR(errs[0], SP_ERR_DEADLOCK);
    CHECK_ERR(errs[1], SP_ERR_DEADLOCK);
    world_close();
}

TEST(join_gives_the_reason_or_times_out)
{
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    const struct sp_reason *reason = NULL;
    CHECK_ERR(sp_join(p, sp_nowait(), &reason), SP_ERR_TIMEOUT);
    CHECK_PTR(reason, NULL);
    CHECK_OK(sp_signal(p, sp_reason_shutdown()));
    CHECK_OK(sp_join(p, WORLD_PATIENCE, &reason));
    CHECK(reason != NULL);
    sp_reason_unref(reason);
    CHECK_OK(sp_join(p, WORLD_PATIENCE, &reason));
    CHECK_INT(sp_reason_kind(reason), SP_REASON_NOPROC);
    sp_reason_unref(reason);
    expect_nothing();
    world_close();
}

/* ---- pids ---- */

TEST(a_stale_pid_is_never_a_stranger)
{
    world_open(NULL);
    sp_pid old = puppet_start(NULL);
    puppet_exit(old, NULL);
    for (int i = 0; i < 1000; i++) {
        sp_pid next = dead_pid();
        CHECK(!sp_pid_equal(next, old));
    }
    CHECK(!sp_is_alive(old));
    CHECK_ERR(note_send(old, &(struct note){ 1, sp_self() }), SP_ERR_NOPROC);
    struct sp_process_info info;
    CHECK_ERR(sp_process_info(old, &info), SP_ERR_NOPROC);
    world_close();
}

TEST(spawn_refuses_what_it_cannot_do)
{
    world_open(&(struct sp_runtime_options){ .workers = 1, .processes_max = 3 });
    sp_pid a = puppet_start(&(struct sp_spawn_options){ .name = "a" });
    sp_pid b = SP_PID_NONE;
    CHECK_ERR(sp_spawn(free, NULL, &(struct sp_spawn_options){ .name = "a" }, &b), SP_ERR_EXISTS);
    CHECK_ERR(sp_spawn(free, NULL, &(struct sp_spawn_options){ .name = "" }, &b), SP_ERR_INVALID);
    char long_name[SP_NAME_MAX + 2];
    for (size_t i = 0; i < sizeof long_name; i++)
        long_name[i] = i + 1 < sizeof long_name ? 'x' : 0;
    CHECK_ERR(sp_spawn(free, NULL, &(struct sp_spawn_options){ .name = long_name }, &b),
              SP_ERR_INVALID);
    CHECK(sp_pid_is_none(b));
    sp_pid c = puppet_start(NULL); /* this process, a, c */
    CHECK_ERR(sp_spawn(free, NULL, NULL, &b), SP_ERR_LIMIT);
    puppet_exit(c, NULL);
    while (sp_spawn(free, NULL, NULL, &b) == SP_ERR_LIMIT)
        sp_yield(); /* its place is free in a moment */
    CHECK(sp_is_alive(a));
    world_close();
}

TEST(every_process_can_be_listed_and_looked_at)
{
    world_open(NULL);
    sp_pid named = puppet_start(&(struct sp_spawn_options){ .name = "worker", .trap_exit = true });
    sp_pid plain = puppet_start(&(struct sp_spawn_options){ .label = "plain" });
    CHECK_OK(puppet_link(named, plain));
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(named, &ref));

    sp_pid pids[8];
    size_t cursor = 0;
    CHECK_INT(sp_process_list(&cursor, pids, 8), 3);
    CHECK(cursor == SIZE_MAX);

    puppet_do(named, order_trap, &(bool){ true }); /* it is idle, or about to be */
    struct sp_process_info info;
    CHECK_OK(sp_process_info(named, &info));
    CHECK(sp_pid_equal(info.pid, named));
    CHECK_STR(info.name, "worker");
    CHECK(info.trap_exit);
    CHECK_INT(info.links, 1);
    CHECK_INT(info.watchers, 1);
    CHECK(sp_pid_equal(info.parent, sp_self()));
    CHECK(sp_pid_is_none(info.waits_for));
    CHECK_OK(sp_process_info(plain, &info));
    CHECK_STR(info.name, "");
    CHECK_STR(info.label, "plain");
    CHECK(!info.trap_exit);
    world_close();
}

TEST(reasons_compare_by_what_they_say)
{
    const struct sp_reason *boom = sp_reason_error(SP_ERR_IO, "boom %d", 1);
    const struct sp_reason *same = sp_reason_error(SP_ERR_IO, "boom 1");
    const struct sp_reason *other = sp_reason_error(SP_ERR_IO, "bang");
    const struct sp_reason *bye = sp_reason_shutdown_with("done %s", "here");
    CHECK(sp_reason_equal(boom, same));
    CHECK(!sp_reason_equal(boom, other));
    CHECK(!sp_reason_equal(boom, bye));
    CHECK_STR(sp_reason_text(boom), "boom 1");
    CHECK_INT(sp_reason_code(boom), SP_ERR_IO);
    CHECK_INT(sp_reason_kind(bye), SP_REASON_SHUTDOWN_WITH);
    CHECK_CONTAINS(sp_reason_text(bye), "done here");
    CHECK(sp_reason_is_normal(sp_reason_normal()));
    CHECK(sp_reason_is_normal(sp_reason_shutdown()));
    CHECK(sp_reason_is_normal(bye));
    CHECK(!sp_reason_is_normal(boom));
    CHECK(!sp_reason_is_normal(sp_reason_killed()));
    CHECK(!sp_reason_is_normal(sp_reason_noproc()));
    CHECK_STR(sp_reason_text(sp_reason_normal()), "normal");
    CHECK_STR(sp_reason_text(sp_reason_shutdown()), "shutdown");
    CHECK_STR(sp_reason_text(sp_reason_killed()), "killed");
    CHECK_STR(sp_reason_text(sp_reason_noproc()), "noproc");
    CHECK_STR(sp_reason_text(sp_reason_noconnection()), "noconnection");
    CHECK_PTR(sp_reason_fault(boom), NULL);
    sp_reason_unref(boom);
    sp_reason_unref(same);
    sp_reason_unref(other);
    sp_reason_unref(bye);
    sp_reason_unref(NULL);
}
