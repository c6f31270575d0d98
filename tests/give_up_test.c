/* SP_OVERRUN_ABANDON: a handler that does not return, and what everybody else sees of its process.
 * docs/decisions/0037-giving-up.md.
 *
 * A handler here is stuck until the case opens a gate, so a case that goes on before shows that nobody
 * had to wait for it.
 */
#include "spawned/scheduling.h"

#include "spawned/exits.h"
#include "spawned/group.h"
#include "spawned/server.h"
#include "spawned/supervisor.h"
#include "spawned/sys.h"
#include "spawned/timer.h"
#include "support/puppet.h"

#include <dirent.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Where nothing is; not a constant, so that compilers do not look. */
static volatile uintptr_t nowhere = 8;

/* What a stuck handler does when the gate has opened. */
enum afterwards {
    THEN_RETURN,
    THEN_SEND,
    THEN_CALL,
    THEN_SPAWN,
    THEN_TIMER,
    THEN_EXIT,
    THEN_FAULT,
    THEN_SLEEP,
};

static struct {
    _Atomic bool open;
    _Atomic int reached;
    _Atomic int late; /* whatever came of what it did afterwards */
    _Atomic int terminated;
    _Atomic int deferred;
    _Atomic bool in_terminate;
    sp_pid sink;
    int pipe[2];
} gate;

SP_SERVER(stuck, struct sp_scheduling);
/** Computes until the gate opens. */
SP_CALL(stuck, spin, enum afterwards, int);
/** The same in the system. */
SP_CALL(stuck, block, sp_empty, int);
SP_CALL(stuck, ask, sp_empty, int);
SP_CAST(stuck, note, int);
/** Waits for an answer that never comes. */
SP_CALL(stuck, wait, sp_empty, int);
SP_CALL(stuck, defer, sp_empty, int);

static void late_process(void *arg)
{
    (void)arg;
    atomic_fetch_add(&gate.late, 1);
}

static void on_deferred(void *arg)
{
    (void)arg;
    /* It may wait, in its exit. */
    if (sp_sleep(sp_ms(1)))
        atomic_fetch_add(&gate.deferred, 1);
}

static sp_err stuck_init(int *state, const struct sp_scheduling *scheduling)
{
    (void)state;
    sp_err err = sp_defer(on_deferred, NULL);
    return err == SP_OK ? sp_scheduling_set(scheduling) : err;
}

static void spin_at_gate(void)
{
    atomic_fetch_add(&gate.reached, 1);
    while (!atomic_load(&gate.open))
        continue;
}

static sp_err stuck_on_spin(int *state, const enum afterwards *in, int *out)
{
    (void)state;
    *out = 1;
    spin_at_gate();
    struct note note = { .number = 7 };
    int answer;
    sp_timer timer;
    struct sp_timer_options at_once = { .after = sp_ms(0) };
    switch (*in) {
    case THEN_RETURN:
        return SP_OK;
    case THEN_SEND:
        sp_ignore(note_send(gate.sink, &note));
        break;
    case THEN_CALL:
        sp_ignore(stuck_ask((stuck_ref){ gate.sink }, &(sp_empty){ 0 }, &answer, sp_after_ms(1)));
        break;
    case THEN_SPAWN:
        sp_ignore(sp_spawn(late_process, NULL, NULL, NULL));
        break;
    case THEN_TIMER:
        sp_ignore(sp_timer_start(gate.sink, &note_type, &note, &at_once, &timer));
        break;
    case THEN_EXIT:
        sp_exit(sp_reason_error(SP_ERR_INVALID, "late"));
    case THEN_FAULT:
        *(volatile int *)nowhere = 1; /* NOLINT(performance-no-int-to-ptr) */
        break;
    case THEN_SLEEP:
        sp_sleep(sp_sec(3600));
        break;
    }
    sp_yield();
    atomic_fetch_add(&gate.late, 1); /* not reached */
    return SP_OK;
}

static sp_err stuck_on_block(int *state, const sp_empty *in, int *out)
{
    (void)state;
    (void)in;
    struct pollfd wait = { .fd = gate.pipe[0], .events = POLLIN };
    atomic_fetch_add(&gate.reached, 1);
    while (poll(&wait, 1, -1) != 1)
        continue;
    *out = 1;
    return SP_OK;
}

static sp_err stuck_on_ask(int *state, const sp_empty *in, int *out)
{
    (void)in;
    *out = *state;
    return SP_OK;
}

static void stuck_on_note(int *state, const int *in)
{
    *state += *in;
}

static sp_err stuck_on_wait(int *state, const sp_empty *in, int *out)
{
    (void)state;
    (void)in;
    *out = sp_sleep(sp_sec(3600));
    return SP_OK;
}

static sp_err stuck_on_defer(int *state, const sp_empty *in, int *out)
{
    (void)state;
    (void)in;
    (void)out;
    sp_request request;
    sp_err err = sp_request_take(&request);
    atomic_fetch_add(&gate.reached, 1);
    return err == SP_OK ? SP_ERR_DEFERRED : err;
}

static void stuck_terminate(int *state, const struct sp_reason *reason)
{
    (void)state;
    (void)reason;
    if (atomic_load(&gate.in_terminate))
        spin_at_gate();
    atomic_fetch_add(&gate.terminated, 1);
}

SP_STATE(stuck, int);
SP_ON_INIT(stuck);
SP_ON_CALL(stuck, spin);
SP_ON_CALL(stuck, block);
SP_ON_CALL(stuck, ask);
SP_ON_CAST(stuck, note);
SP_ON_CALL(stuck, wait);
SP_ON_CALL(stuck, defer);
SP_ON_TERMINATE(stuck);
SP_CLASS(stuck, .init = stuck__init, .terminate = stuck__terminate);

/* ---- the case ---- */

static void begin(void)
{
    memset(&gate, 0, sizeof(gate));
    world_open(&(struct sp_runtime_options){ .workers = 2, .stuck_after = sp_ms(1) });
    gate.sink = sp_self();
}

static stuck_ref stuck_begin(sp_duration abandon_after, const char *name)
{
    struct sp_scheduling scheduling = { .handler_deadline = sp_ms(2),
                                        .on_overrun = SP_OVERRUN_ABANDON,
                                        .abandon_after = abandon_after };
    struct sp_server_options options = { .spawn = { .name = name } };
    stuck_ref ref;
    CHECK_OK(stuck_start(&scheduling, &options, &ref));
    return ref;
}

static struct sp_stats stats_now(void)
{
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    return stats;
}

/* The gate opens; waits until what was given up has ended. */
static void finish(void)
{
    atomic_store(&gate.open, true);
    /* Its thread has the lowest priority by now: not in its way. */
    while (stats_now().abandoned_left != 0)
        sp_sleep(sp_ms(1));
}

/* A process that calls, and what it got. */
struct caller {
    stuck_ref server;
    enum { CALL_SPIN, CALL_ASK, CALL_DEFER, CALL_BLOCK, CALL_SEVERAL } what;
    enum afterwards then;
    sp_err err;
    sp_err code;   /* of the server's reason */
    sp_err others; /* of a call to several: the one that is well */
    stuck_ref well;
};

static void caller_run(void *arg)
{
    struct caller *caller = arg;
    int answer;
    int answers[2];
    struct sp_multi targets[] = { { .server = caller->server.pid, .out = &answers[0] },
                                  { .server = caller->well.pid, .out = &answers[1] } };
    struct sp_call_outcome outcome = { .reason = NULL };
    sp_empty none = { 0 };
    switch (caller->what) {
    case CALL_SPIN:
        caller->err = stuck_spin(caller->server, &caller->then, &answer, WORLD_PATIENCE);
        break;
    case CALL_ASK:
        caller->err = stuck_ask(caller->server, &none, &answer, WORLD_PATIENCE);
        break;
    case CALL_DEFER:
        caller->err = stuck_defer(caller->server, &none, &answer, WORLD_PATIENCE);
        break;
    case CALL_BLOCK:
        caller->err = stuck_block(caller->server, &none, &answer, WORLD_PATIENCE);
        break;
    case CALL_SEVERAL:
        CHECK_OK(sp_server_multi_call(&stuck_ask_op, &none, targets, 2, WORLD_PATIENCE));
        caller->err = targets[0].err;
        caller->others = targets[1].err;
        break;
    }
    sp_call_outcome(&outcome);
    caller->code = outcome.reason == NULL ? SP_OK : sp_reason_code(outcome.reason);
}

static sp_pid call_by_another(struct caller *caller)
{
    sp_pid pid;
    CHECK_OK(sp_spawn(caller_run, caller, NULL, &pid));
    return pid;
}

static void await_stuck(int count)
{
    while (atomic_load(&gate.reached) < count)
        sp_yield();
}

/* ---- cases ---- */

TEST(a_handler_that_computes_for_ever_is_given_up)
{
    begin();
    stuck_ref stuck = stuck_begin(sp_ms(1), "stuck");
    CHECK_OK(sp_group_join("crew", stuck.pid));
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(stuck.pid, &ref));
    struct caller caller = { .server = stuck, .what = CALL_SPIN };
    sp_pid pid = call_by_another(&caller);
    await_stuck(1);
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL && sp_pid_equal(down->pid, stuck.pid));
    CHECK_INT(sp_reason_code(down->reason), SP_ERR_ABANDONED);
    CHECK(strstr(sp_reason_text(down->reason), "spin") != NULL);
    sp_message_free(message);
    wait_gone(pid);
    CHECK_ERR(caller.err, SP_ERR_DIED);
    CHECK_ERR(caller.code, SP_ERR_ABANDONED);
    /* Its name is free, its pid dead, while the handler still computes. */
    sp_pid found;
    CHECK_ERR(sp_whereis("stuck", &found), SP_ERR_NOTFOUND);
    CHECK(!sp_is_alive(stuck.pid));
    CHECK_INT(sp_group_members("crew", NULL, 0), 0);
    CHECK_ERR(sp_kill(stuck.pid), SP_ERR_NOPROC);
    CHECK_ERR(stuck_note(stuck, &(int){ 1 }), SP_ERR_NOPROC);
    stuck_ref next = stuck_begin(sp_ms(1), "stuck");
    int answer = 1;
    CHECK_OK(stuck_ask(next, &(sp_empty){ 0 }, &answer, WORLD_PATIENCE));
    CHECK_INT(stats_now().abandoned, 1);
    CHECK_INT(stats_now().abandoned_left, 1);
    CHECK_INT(atomic_load(&gate.terminated) + atomic_load(&gate.deferred), 0);
    finish();
    CHECK_INT(atomic_load(&gate.deferred), 1);
    CHECK_INT(atomic_load(&gate.terminated), 0);
    world_close();
    CHECK_INT(atomic_load(&gate.terminated), 1); /* of the other */
}

TEST(a_handler_that_blocks_its_thread_is_given_up)
{
    begin();
    CHECK_INT(pipe(gate.pipe), 0);
    stuck_ref stuck = stuck_begin(sp_ms(1), NULL);
    struct caller caller = { .server = stuck, .what = CALL_BLOCK };
    wait_gone(call_by_another(&caller));
    CHECK_ERR(caller.err, SP_ERR_DIED);
    CHECK_INT(write(gate.pipe[1], "x", 1), 1);
    finish();
    close(gate.pipe[0]);
    close(gate.pipe[1]);
    world_close();
}

TEST(all_callers_are_told_at_once)
{
    begin();
    stuck_ref stuck = stuck_begin(sp_ms(1), NULL);
    stuck_ref well = stuck_begin(sp_ms(1), NULL);
    struct caller callers[] = {
        { .server = stuck, .what = CALL_DEFER },
        { .server = stuck, .what = CALL_SPIN },
        { .server = stuck, .what = CALL_ASK },
        { .server = stuck, .what = CALL_ASK },
        { .server = stuck, .what = CALL_SEVERAL, .well = well },
    };
    enum { COUNT = sizeof(callers) / sizeof(callers[0]) };
    sp_pid pids[COUNT];
    pids[0] = call_by_another(&callers[0]);
    await_stuck(1); /* that one is taken */
    CHECK_OK(sp_sys_suspend(stuck.pid, WORLD_PATIENCE));
    for (int i = 1; i < COUNT; i++) {
        pids[i] = call_by_another(&callers[i]);
        while (stats_now().queued != (uint64_t)i)
            sp_yield();
    }
    CHECK_OK(stuck_note(stuck, &(int){ 1 }));
    CHECK_OK(sp_sys_resume(stuck.pid, WORLD_PATIENCE));
    for (int i = 0; i < COUNT; i++) {
        wait_gone(pids[i]);
        CHECK_ERR(callers[i].err, SP_ERR_DIED);
    }
    CHECK_ERR(callers[COUNT - 1].others, SP_OK);
    /* What was not a call is in the mailbox until the end. */
    uint64_t dead = stats_now().dead_noproc;
    CHECK(stats_now().queued >= 1);
    finish();
    while (stats_now().dead_noproc == dead)
        sp_sleep(sp_ms(1));
    world_close();
}

TEST(what_it_does_later_reaches_nobody)
{
    static const enum afterwards ways[] = { THEN_SEND, THEN_CALL,  THEN_SPAWN, THEN_TIMER,
                                            THEN_EXIT, THEN_FAULT, THEN_SLEEP, THEN_RETURN };
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        begin();
        stuck_ref well = stuck_begin(sp_ms(1), NULL);
        stuck_ref stuck = stuck_begin(sp_ms(1), NULL);
        if (ways[i] == THEN_CALL)
            gate.sink = well.pid;
        struct caller caller = { .server = stuck, .what = CALL_SPIN, .then = ways[i] };
        wait_gone(call_by_another(&caller));
        CHECK_ERR(caller.err, SP_ERR_DIED);
        finish();
        CHECK_INT(atomic_load(&gate.late), 0);
        CHECK_INT(stats_now().timers, 0);
        expect_nothing();
        world_close();
    }
}

TEST(one_that_waits_ends_in_good_order_instead)
{
    begin();
    stuck_ref stuck = stuck_begin(sp_sec(3600), NULL);
    int answer;
    CHECK_ERR(stuck_wait(stuck, &(sp_empty){ 0 }, &answer, WORLD_PATIENCE), SP_ERR_DIED);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    CHECK_ERR(sp_reason_code(outcome.reason), SP_ERR_TIMEOUT);
    CHECK_INT(stats_now().abandoned, 0);
    world_close();
}

TEST(without_any_time_one_that_waits_is_given_up_too)
{
    begin();
    stuck_ref stuck = stuck_begin(sp_ms(-1), NULL);
    int answer;
    CHECK_ERR(stuck_wait(stuck, &(sp_empty){ 0 }, &answer, WORLD_PATIENCE), SP_ERR_DIED);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    CHECK_ERR(sp_reason_code(outcome.reason), SP_ERR_ABANDONED);
    finish();
    CHECK_INT(stats_now().abandoned, 1);
    CHECK_INT(atomic_load(&gate.deferred), 1);
    world_close();
}

TEST(a_terminate_that_does_not_return_holds_nobody_up)
{
    begin();
    stuck_ref stuck = stuck_begin(sp_ms(1), "stuck");
    atomic_store(&gate.in_terminate, true);
    CHECK_OK(sp_stop(stuck.pid, sp_reason_shutdown(), WORLD_PATIENCE));
    CHECK_INT(stats_now().abandoned, 1);
    sp_pid found;
    CHECK_ERR(sp_whereis("stuck", &found), SP_ERR_NOTFOUND);
    finish();
    CHECK_INT(atomic_load(&gate.deferred), 1);
    world_close();
}

SP_SERVER(sleepy, sp_empty);

static sp_err sleepy_init(int *state, const sp_empty *args)
{
    (void)state;
    (void)args;
    spin_at_gate();
    return SP_OK;
}

SP_STATE(sleepy, int);
SP_ON_INIT(sleepy);
SP_CLASS(sleepy, .init = sleepy__init);

TEST(an_init_that_does_not_return_holds_nobody_up)
{
    begin();
    struct sp_scheduling scheduling = { .handler_deadline = sp_ms(2),
                                        .on_overrun = SP_OVERRUN_ABANDON,
                                        .abandon_after = sp_ms(1) };
    struct sp_server_options options = { .spawn = { .scheduling = &scheduling, .name = "sleepy" },
                                         .start_deadline = WORLD_PATIENCE };
    sleepy_ref ref;
    CHECK_ERR(sleepy_start(&(sp_empty){ 0 }, &options, &ref), SP_ERR_INITFAILED);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    CHECK(outcome.reason != NULL);
    CHECK_ERR(sp_reason_code(outcome.reason), SP_ERR_ABANDONED);
    sp_pid found;
    CHECK_ERR(sp_whereis("sleepy", &found), SP_ERR_NOTFOUND);
    finish();
    world_close();
}

TEST(a_process_that_was_killed_in_vain_is_given_up)
{
    begin();
    stuck_ref stuck = stuck_begin(sp_ms(1), NULL);
    struct caller caller = { .server = stuck, .what = CALL_SPIN };
    sp_pid pid = call_by_another(&caller);
    await_stuck(1);
    sp_ignore(sp_kill(stuck.pid));
    wait_gone(pid);
    CHECK_ERR(caller.code, SP_ERR_ABANDONED);
    finish();
    world_close();
}

TEST(its_supervisor_starts_another)
{
    begin();
    struct sp_scheduling scheduling = { .handler_deadline = sp_ms(2),
                                        .on_overrun = SP_OVERRUN_ABANDON,
                                        .abandon_after = sp_ms(1) };
    struct sp_child_spec child = { .id = "stuck",
                                   .server = &stuck_class,
                                   .args = &scheduling,
                                   .args_size = sizeof(scheduling),
                                   .options = { .spawn = { .name = "stuck" } } };
    struct sp_supervisor_spec spec = { .children = &child, .child_count = 1 };
    sp_pid supervisor;
    CHECK_OK(sp_supervisor_start(&spec, NULL, &supervisor));
    sp_pid first;
    CHECK_OK(sp_whereis("stuck", &first));
    struct caller caller = { .server = { first }, .what = CALL_SPIN };
    wait_gone(call_by_another(&caller));
    sp_pid second = first;
    while (sp_whereis("stuck", &second) != SP_OK || sp_pid_equal(first, second))
        sp_sleep(sp_ms(1));
    int answer = 1;
    CHECK_OK(stuck_ask((stuck_ref){ second }, &(sp_empty){ 0 }, &answer, WORLD_PATIENCE));
    CHECK_INT(stats_now().abandoned_left, 1);
    finish();
    world_close();
}

static int threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    int count = 0;
    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

TEST(a_runtime_that_ends_names_it_and_waits_no_longer_than_told)
{
    begin();
    world_close(); /* what the C library and sanitizers make at their first thread stays */
    int before = threads();
    struct sp_runtime *runtime;
    CHECK_OK(sp_runtime_create(&(struct sp_runtime_options){ .workers = 1 }, &runtime));
    CHECK_OK(sp_thread_attach(runtime));
    gate.sink = sp_self();
    stuck_ref stuck = stuck_begin(sp_ms(1), NULL);
    struct caller caller = { .server = stuck, .what = CALL_SPIN };
    wait_gone(call_by_another(&caller));
    sp_thread_detach();
    struct sp_stop_report report;
    CHECK_ERR(sp_runtime_destroy(runtime, sp_after_ms(20), &report), SP_ERR_TIMEOUT);
    CHECK_INT(report.stuck, 1);
    atomic_store(&gate.open, true); /* what is left of it goes on a thread of its own */
    while (threads() > before)
        (void)poll(NULL, 0, 1);
}
