/* Supervisors: start, stop, and what happens to children on the way. */
#include "support/supervision.h"
#include "support/test.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- children that are no servers ---- */

/* Ends when it is told to, trapping nothing. */
static void plain_run(void *arg)
{
    struct sp_message *message;
    (void)arg;
    while (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

static sp_pid plain_pid;

static sp_err plain_start(void *args, sp_pid *out_pid)
{
    (void)args;
    sp_err err = sp_spawn(plain_run, NULL, &(struct sp_spawn_options){ .link = true }, out_pid);
    plain_pid = *out_pid;
    sv_record("+plain");
    return err;
}

/* Traps, and ignores what it traps: a shutdown too. */
static sp_err stubborn_start(void *args, sp_pid *out_pid)
{
    (void)args;
    sp_err err = sp_spawn(plain_run, NULL,
                          &(struct sp_spawn_options){ .link = true, .trap_exit = true }, out_pid);
    plain_pid = *out_pid;
    return err;
}

/* Forgets to link. */
static sp_err loose_start(void *args, sp_pid *out_pid)
{
    (void)args;
    sp_err err = sp_spawn(plain_run, NULL, NULL, out_pid);
    plain_pid = *out_pid;
    sv_record("+loose");
    return err;
}

/* ---- cases ---- */

/* case 53 */
TEST(case_53_supervisor_defaults)
{
    sv_begin();
    struct sp_child_spec child = { .id = "a",
                                   .server = &probe_class,
                                   .args = &(struct probe_args){ .tag = 'a', .starts = "o" } };
    sp_pid supervisor =
        sv_supervisor(&(struct sp_supervisor_spec){ .children = &child, .child_count = 1 });
    struct sp_supervisor_info info;
    CHECK_OK(sp_supervisor_info(supervisor, sp_never(), &info));
    CHECK_INT(info.strategy, SP_ONE_FOR_ONE);
    CHECK_INT(info.max_restarts, 1);
    CHECK_INT(info.period.ns, sp_sec(5).ns);
    CHECK_INT(info.auto_shutdown, SP_AUTO_SHUTDOWN_NEVER);
    CHECK_INT(info.specs, 1);
    CHECK_INT(info.active, 1);
    CHECK_INT(info.workers, 1);
    CHECK_INT(info.supervisors, 0);

    struct sp_child_info a = sv_child_info(supervisor, "a");
    CHECK_STR(a.id, "a");
    CHECK_INT(a.status, SP_CHILD_RUNNING);
    CHECK_INT(a.restart, SP_RESTART_PERMANENT);
    CHECK_INT(a.type, SP_CHILD_WORKER);
    CHECK_INT(a.shutdown.kind, SP_DEADLINE_AFTER);
    CHECK_INT(a.shutdown.ns, sp_ms(5000).ns);
    CHECK_INT(a.restarts, 0);
    sv_stop(supervisor);
    sv_end();
}

TEST(supervisor_without_children_runs)
{
    sv_begin();
    sp_pid supervisor = sv_supervisor(&(struct sp_supervisor_spec){ 0 });
    struct sp_child_info *children;
    size_t count;
    CHECK_OK(sp_supervisor_which_children(supervisor, sp_never(), &children, &count));
    CHECK_INT(count, 0);
    CHECK_PTR(children, NULL);
    sv_stop(supervisor);
    sv_end();
}

/* Starts a supervisor over a, b and c, of which c fails; nothing may be left. */
static void start_midway(const char *c_starts, const char *reason)
{
    sv_begin();
    size_t before = sv_processes();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b"),
                                        sv_child_starting("c", c_starts), sv_child("d") };
    children[0].options.spawn.name = "name a";
    children[2].options.spawn.name = "name c";
    struct sp_server_options options = { .spawn.name = "top" };
    sp_pid supervisor, found;
    CHECK_ERR(sp_supervisor_start(&(struct sp_supervisor_spec){ .children = children,
                                                                .child_count = COUNT(children) },
                                  &options, &supervisor),
              SP_ERR_INITFAILED);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    CHECK(outcome.reason != NULL);
    CHECK_INT(sp_reason_kind(outcome.reason), SP_REASON_SHUTDOWN_WITH);
    CHECK_CONTAINS(sp_reason_text(outcome.reason), reason);
    CHECK_EVENTS("+a +b !c -b -a");
    CHECK_ERR(sp_whereis("name a", &found), SP_ERR_NOTFOUND);
    CHECK_ERR(sp_whereis("name c", &found), SP_ERR_NOTFOUND);
    CHECK_ERR(sp_whereis("top", &found), SP_ERR_NOTFOUND);
    sv_await_processes(before);
    sv_end();
}

/* case 54 */
TEST(case_54_start_fails_midway_by_exit)
{
    start_midway("b", "shutdown(failed_to_start_child(c, boom))");
}

/* case 54, with a fault in init */
TEST(case_54_start_fails_midway_by_fault)
{
    start_midway("f", "shutdown(failed_to_start_child(c, fault: SIGSEGV");
}

/* case 54, with an error from init */
TEST(case_54_start_fails_midway_by_error)
{
    start_midway("e", "shutdown(failed_to_start_child(c, ");
}

/* case 54, one level down */
TEST(case_54_nested_start_failure_names_the_way)
{
    sv_begin();
    struct sp_child_spec inner = sv_child_starting("x", "b");
    struct sp_supervisor_spec nested = { .children = &inner, .child_count = 1 };
    struct sp_child_spec outer[] = { sv_child("a"), { .id = "sub", .supervisor = &nested } };
    sp_pid supervisor;
    CHECK_ERR(sp_supervisor_start(
                  &(struct sp_supervisor_spec){ .children = outer, .child_count = COUNT(outer) },
                  NULL, &supervisor),
              SP_ERR_INITFAILED);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    CHECK_STR(sp_reason_text(outcome.reason),
              "shutdown(failed_to_start_child(sub, shutdown(failed_to_start_child(x, boom))))");
    CHECK_EVENTS("+a !x -a");
    sv_end();
}

TEST(supervisor_spec_that_is_wrong_starts_nothing)
{
    sv_begin();
    sp_pid supervisor;
    struct sp_child_spec twice[] = { sv_child("a"), sv_child("b"), sv_child("a") };
    struct sp_child_spec no_id[] = { sv_child("a"), { .server = &probe_class } };
    struct sp_child_spec significant[] = { sv_child("a"), sv_child("b") };
    significant[1].restart = SP_RESTART_TRANSIENT;
    significant[1].significant = true;
    const struct sp_supervisor_spec bad[] = {
        { .children = twice, .child_count = COUNT(twice) },
        { .children = no_id, .child_count = COUNT(no_id) },
        { .children = significant, .child_count = COUNT(significant) },
        { .child_count = 1 },
        { .max_restarts = SP_RESTARTS_MAX + 1 },
        { .period = { -1 } },
        { .strategy = (enum sp_strategy)3 },
        { .auto_shutdown = (enum sp_auto_shutdown)3 },
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        CHECK_ERR(sp_supervisor_start(&bad[i], NULL, &supervisor), SP_ERR_INVALID);
    CHECK_EVENTS("");
    sv_end();
}

TEST(supervisor_under_a_name_that_is_taken)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    struct sp_supervisor_spec spec = { .children = &child, .child_count = 1 };
    sp_pid first, second, existing = SP_PID_NONE;
    struct sp_server_options options = { .spawn.name = "top", .out_existing = &existing };
    CHECK_OK(sp_supervisor_start(&spec, &options, &first));
    CHECK_ERR(sp_supervisor_start(&spec, &options, &second), SP_ERR_EXISTS);
    CHECK(sp_pid_equal(existing, first));
    CHECK_EVENTS("+a");
    sv_stop(first);
    sv_end();
}

/* case 34: a child that declines keeps its spec, without a process. */
TEST(case_34_child_that_declines_keeps_its_spec)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child_starting("b", "i"),
                                        sv_child_starting("t", "i"), sv_child("c") };
    children[2].restart = SP_RESTART_TEMPORARY;
    sp_pid supervisor = sv_supervisor(
        &(struct sp_supervisor_spec){ .children = children, .child_count = COUNT(children) });
    CHECK_EVENTS("+a !b !t +c");
    struct sp_child_info b = sv_child_info(supervisor, "b");
    CHECK_INT(b.status, SP_CHILD_STOPPED);
    CHECK(sp_pid_is_none(b.pid));
    struct sp_child_info t;
    CHECK_ERR(sp_supervisor_get_child(supervisor, "t", sp_never(), &t), SP_ERR_NOTFOUND);
    sv_stop(supervisor);
    sv_end();
}

/* ---- stop ---- */

static sp_pid orderly_pids[4];

struct orderly_args {
    size_t place;
};
SP_SERVER(orderly, struct orderly_args);

static sp_err orderly_init(struct orderly_args *self, const struct orderly_args *args)
{
    *self = *args;
    orderly_pids[args->place] = sp_self();
    return SP_OK;
}

/* Who comes after this one in the start order is dead by now; who came before lives. */
static void orderly_terminate(struct orderly_args *self, const struct sp_reason *reason)
{
    (void)reason;
    sv_record("-%zu", self->place);
    for (size_t i = 0; i < COUNT(orderly_pids); i++)
        if (sp_is_alive(orderly_pids[i]) != (i <= self->place))
            sv_record("overlap");
}

SP_STATE(orderly, struct orderly_args);
SP_ON_INIT(orderly);
SP_ON_TERMINATE(orderly);
SP_CLASS(orderly, .init = orderly__init, .terminate = orderly__terminate);

/* case 55 */
TEST(case_55_children_stop_in_reverse_each_dead_before_the_next)
{
    sv_begin();
    struct sp_child_spec children[4];
    static const struct orderly_args args[] = { { 0 }, { 1 }, { 2 }, { 3 } };
    static const char *const ids[] = { "a", "b", "c", "d" };
    for (size_t i = 0; i < COUNT(children); i++)
        children[i] = (struct sp_child_spec){ .id = ids[i],
                                              .server = &orderly_class,
                                              .args = &args[i],
                                              .options.spawn.trap_exit = true };
    sp_pid supervisor = sv_supervisor(
        &(struct sp_supervisor_spec){ .children = children, .child_count = COUNT(children) });
    sp_monitor_ref ref = sv_watch(supervisor);
    sv_stop(supervisor);
    CHECK_STR(sv_reason(ref), "shutdown");
    CHECK_EVENTS("-3 -2 -1 -0");
    sv_end();
}

/* case 66: the budget passes, the child is killed, the supervisor goes on with the next. */
TEST(case_66_child_that_ignores_shutdown_is_killed)
{
    sv_begin();
    struct sp_child_spec children[] = {
        sv_child("a"),
        { .id = "stubborn", .start = stubborn_start, .shutdown = sp_after_ms(100) },
    };
    sp_pid supervisor = sv_supervisor(
        &(struct sp_supervisor_spec){ .children = children, .child_count = COUNT(children) });
    sp_monitor_ref ref = sv_watch(plain_pid);
    sv_stop(supervisor);
    CHECK_STR(sv_reason(ref), "killed");
    CHECK_EVENTS("+a -a");
    CHECK_CONTAINS(sv_log(), "child stubborn");
    CHECK_CONTAINS(sv_log(), "did not shut down within 100 ms");
    sv_end();
}

/* case 66: a terminate callback that lasts longer than the budget is cut short. */
TEST(case_66_terminate_that_does_not_return_is_killed)
{
    sv_begin();
    sp_pid gate = sv_gate(0);
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b") };
    children[1].shutdown = sp_after_ms(100);
    sv_args(&children[1])->terminate_gate = gate;
    sp_pid supervisor = sv_supervisor(
        &(struct sp_supervisor_spec){ .children = children, .child_count = COUNT(children) });
    sp_monitor_ref ref = sv_watch(sv_child_pid(supervisor, "b"));
    sv_stop(supervisor);
    CHECK_STR(sv_reason(ref), "killed");
    CHECK_EVENTS("+a +b -a");
    sv_stop(gate);
    sv_end();
}

/* case 66: brutal kill, no terminate callback. */
TEST(case_66_brutal_kill_runs_no_terminate)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b") };
    children[1].shutdown = sp_nowait();
    sp_pid supervisor = sv_supervisor(
        &(struct sp_supervisor_spec){ .children = children, .child_count = COUNT(children) });
    sp_monitor_ref ref = sv_watch(sv_child_pid(supervisor, "b"));
    sv_stop(supervisor);
    CHECK_STR(sv_reason(ref), "killed");
    CHECK_EVENTS("+a +b -a");
    sv_end();
}

static void stop_run(void *arg)
{
    sv_stop(*(const sp_pid *)arg);
    sv_record("stopped");
}

/* case 66: a budget without end. */
TEST(case_66_budget_without_end_waits)
{
    sv_begin();
    sp_pid gate = sv_gate(0);
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b") };
    children[1].shutdown = sp_never();
    sv_args(&children[1])->terminate_gate = gate;
    sp_pid supervisor = sv_supervisor(
        &(struct sp_supervisor_spec){ .children = children, .child_count = COUNT(children) });
    CHECK_OK(sp_spawn(stop_run, &supervisor,
                      &(struct sp_spawn_options){ .arg_size = sizeof(supervisor) }, NULL));
    sv_gate_await(gate, 1);
    CHECK(sp_is_alive(supervisor));
    CHECK_INT(sv_count("-a"), 0);
    sv_gate_open(gate);
    CHECK_EVENTS("+a +b -b -a stopped");
    sv_stop(gate);
    sv_end();
}

/* A child that has unlinked itself cannot hang the shutdown, nor escape it. */
TEST(shutdown_reaches_a_child_that_unlinked_itself)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b") };
    children[1].shutdown = sp_never();
    sp_pid supervisor = sv_supervisor(
        &(struct sp_supervisor_spec){ .children = children, .child_count = COUNT(children) });
    sp_pid b = sv_child_pid(supervisor, "b");
    sv_act(b, PROBE_UNLINK);
    sv_await("unlinked", 1);
    sv_stop(supervisor);
    CHECK_EVENTS("+a +b unlinked -b -a");
    sv_end();
}

/* Not even one that is dead already, of which the supervisor has heard nothing. */
TEST(shutdown_passes_a_child_that_unlinked_itself_and_died)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b") };
    sp_pid supervisor = sv_supervisor(
        &(struct sp_supervisor_spec){ .children = children, .child_count = COUNT(children) });
    sp_pid b = sv_child_pid(supervisor, "b");
    sv_act(b, PROBE_UNLINK);
    sv_act(b, PROBE_CRASH);
    CHECK_OK(sp_join(b, sp_never(), NULL));
    sv_stop(supervisor);
    CHECK_EVENTS("+a +b unlinked -b(boom) -a");
    sv_end();
}

/* case 74 */
TEST(case_74_killing_a_supervisor_takes_its_children_along)
{
    sv_begin();
    size_t before = sv_processes();
    struct sp_child_spec inner = sv_child("x");
    struct sp_supervisor_spec nested = { .children = &inner, .child_count = 1 };
    struct sp_child_spec children[] = {
        sv_child("a"),
        { .id = "plain", .start = plain_start },
        { .id = "sub", .supervisor = &nested },
    };
    sp_pid supervisor = sv_supervisor(
        &(struct sp_supervisor_spec){ .children = children, .child_count = COUNT(children) });
    sp_monitor_ref top = sv_watch(supervisor);
    sp_monitor_ref plain = sv_watch(plain_pid);
    sp_monitor_ref a = sv_watch(sv_child_pid(supervisor, "a"));
    sp_monitor_ref sub = sv_watch(sv_child_pid(supervisor, "sub"));
    CHECK_OK(sp_kill(supervisor));
    CHECK_STR(sv_reason(top), "killed");
    CHECK_STR(sv_reason(plain), "killed");
    CHECK_STR(sv_reason(a), "killed");
    CHECK_STR(sv_reason(sub), "killed");
    sv_await("-a(killed)", 1);
    sv_await("-x", 1); /* its own supervisor has shut it down */
    sv_await_processes(before);
    sv_end();
}

TEST(start_function_that_does_not_link_is_linked)
{
    sv_begin();
    struct sp_child_spec child = { .id = "loose", .start = loose_start };
    sp_pid supervisor =
        sv_supervisor(&(struct sp_supervisor_spec){ .children = &child, .child_count = 1 });
    CHECK_EVENTS("+loose");
    CHECK_OK(sp_kill(plain_pid));
    CHECK_EVENTS("+loose +loose");
    sp_monitor_ref ref = sv_watch(sv_child_pid(supervisor, "loose"));
    CHECK_OK(sp_kill(supervisor));
    CHECK_STR(sv_reason(ref), "killed");
    sv_end();
}

static sp_err fail_start(void *args, sp_pid *out_pid)
{
    (void)out_pid;
    return *(const sp_err *)args;
}

TEST(start_function_error_is_the_reason)
{
    sv_begin();
    sp_err with = SP_ERR_ADDRINUSE;
    struct sp_child_spec child = {
        .id = "f", .start = fail_start, .args = &with, .args_size = sizeof(with)
    };
    sp_pid supervisor;
    CHECK_ERR(
        sp_supervisor_start(&(struct sp_supervisor_spec){ .children = &child, .child_count = 1 },
                            NULL, &supervisor),
        SP_ERR_INITFAILED);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    CHECK_STR(sp_reason_text(outcome.reason), "shutdown(failed_to_start_child(f, ADDRINUSE))");
    sv_end();
}

/* What the spec points to may go when the start has returned: the restart uses the copy. */
TEST(supervisor_keeps_its_own_copy_of_the_spec)
{
    sv_begin();
    char id[] = "a";
    struct probe_args args = { .tag = 'a', .starts = "o" };
    struct sp_child_spec child = { .id = id,
                                   .server = &probe_class,
                                   .args = &args,
                                   .args_size = sizeof(args),
                                   .options.spawn.trap_exit = true };
    struct sp_supervisor_spec spec = { .children = &child, .child_count = 1 };
    sp_pid supervisor = sv_supervisor(&spec);
    memset(id, '?', 1);
    memset(&args, 0, sizeof(args));
    memset(&child, 0, sizeof(child));
    memset(&spec, 0, sizeof(spec));
    sv_end_child(supervisor, "a", PROBE_CRASH);
    CHECK_EVENTS("+a -a(boom) +a");
    sv_stop(supervisor);
    sv_end();
}
