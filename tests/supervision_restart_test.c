/* Supervisors: who is restarted, when, how often, and when they give up. */
#include "support/supervision.h"
#include "support/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR sp_sec(3600)

/* A supervisor over `children` that may restart `max` times in an hour: the clock plays no part. */
static sp_pid supervise(enum sp_strategy strategy, uint32_t max,
                        const struct sp_child_spec *children, size_t count)
{
    return sv_supervisor(&(struct sp_supervisor_spec){ .strategy = strategy,
                                                       .max_restarts = max,
                                                       .period = HOUR,
                                                       .children = children,
                                                       .child_count = count });
}

static struct sp_supervisor_info info_of(sp_pid supervisor)
{
    struct sp_supervisor_info info;
    CHECK_OK(sp_supervisor_info(supervisor, sp_never(), &info));
    return info;
}

TEST(crashed_child_is_restarted_with_a_new_pid)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b") };
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, 5, children, COUNT(children));
    sp_pid a = sv_child_pid(supervisor, "a"), b = sv_child_pid(supervisor, "b");
    sv_end_child(supervisor, "a", PROBE_CRASH);
    CHECK_EVENTS("+a +b -a(boom) +a");
    CHECK(!sp_pid_equal(sv_child_pid(supervisor, "a"), a));
    CHECK(sp_pid_equal(sv_child_pid(supervisor, "b"), b));
    CHECK_INT(sv_child_info(supervisor, "a").restarts, 1);
    CHECK_INT(sv_child_info(supervisor, "b").restarts, 0);
    CHECK_CONTAINS(sv_log(), "child a");
    CHECK_CONTAINS(sv_log(), "ended: boom");
    sv_stop(supervisor);
    sv_end();
}

TEST(faulted_child_is_restarted)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, 5, &child, 1);
    sv_end_child(supervisor, "a", PROBE_SEGV);
    CHECK_EVENTS("+a -a(fault) +a");
    struct probe_pong pong;
    CHECK_OK(probe_ping((probe_ref){ sv_child_pid(supervisor, "a") }, &(sp_empty){ 0 }, &pong,
                        sp_never()));
    CHECK_INT(pong.starts, 2);
    sv_stop(supervisor);
    sv_end();
}

TEST(killed_child_is_restarted)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, 5, &child, 1);
    CHECK_OK(sp_kill(sv_child_pid(supervisor, "a")));
    CHECK_EVENTS("+a +a");
    sv_stop(supervisor);
    sv_end();
}

TEST(named_child_has_its_name_again_after_the_restart)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    child.options.spawn.name = "svc";
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, 100, &child, 1);
    for (size_t i = 0; i < 50; i++) {
        probe_ref ref;
        CHECK_OK(probe_whereis("svc", &ref));
        CHECK(sp_pid_equal(ref.pid, sv_child_pid(supervisor, "a")));
        sv_end_child(supervisor, "a", PROBE_CRASH);
        sv_await("+a", i + 2);
        sv_await_status(supervisor, "a", SP_CHILD_RUNNING);
    }
    sv_stop(supervisor);
    sv_end();
}

/* case 56 */
TEST(case_56_one_for_all)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b"), sv_child("c"),
                                        sv_child("d") };
    sp_pid supervisor = supervise(SP_ONE_FOR_ALL, 5, children, COUNT(children));
    sv_end_child(supervisor, "b", PROBE_CRASH);
    CHECK_EVENTS("+a +b +c +d -b(boom) -d -c -a +a +b +c +d");
    struct sp_supervisor_info info = info_of(supervisor);
    CHECK_INT(info.restarts_in_period, 1);
    CHECK_INT(info.restarts, 1);
    CHECK_INT(info.active, 4);
    CHECK_INT(sv_child_info(supervisor, "a").restarts, 1);
    sv_stop(supervisor);
    sv_end();
}

/* case 56: two that die together are one restart, if the second is seen dead on the way. */
TEST(case_56_siblings_that_died_meanwhile_count_once)
{
    sv_begin();
    sp_pid gate = sv_gate(0);
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b"), sv_child("c") };
    sv_args(&children[2])->terminate_gate = gate;
    sp_pid supervisor = supervise(SP_ONE_FOR_ALL, 5, children, COUNT(children));
    sp_pid a = sv_child_pid(supervisor, "a");
    sv_end_child(supervisor, "b", PROBE_CRASH);
    sv_gate_await(gate, 1); /* the supervisor waits for c */
    sv_act(a, PROBE_CRASH);
    CHECK_OK(sp_join(a, sp_never(), NULL));
    sv_gate_open(gate);
    CHECK_EVENTS("+a +b +c -b(boom) -a(boom) -c +a +b +c");
    CHECK_INT(info_of(supervisor).restarts, 1);
    sv_stop(supervisor);
    sv_stop(gate);
    sv_end();
}

/* case 57 */
TEST(case_57_rest_for_one)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b"), sv_child("c"),
                                        sv_child("d") };
    sp_pid supervisor = supervise(SP_REST_FOR_ONE, 5, children, COUNT(children));
    sp_pid a = sv_child_pid(supervisor, "a");
    sv_end_child(supervisor, "b", PROBE_CRASH);
    CHECK_EVENTS("+a +b +c +d -b(boom) -d -c +b +c +d");
    CHECK(sp_pid_equal(sv_child_pid(supervisor, "a"), a));
    CHECK_INT(info_of(supervisor).restarts, 1);
    sv_clear();
    sv_end_child(supervisor, "d", PROBE_CRASH);
    CHECK_EVENTS("-d(boom) +d");
    sv_clear();
    sv_end_child(supervisor, "a", PROBE_CRASH);
    CHECK_EVENTS("-a(boom) -d -c -b +a +b +c +d");
    sv_stop(supervisor);
    sv_end();
}

/* Temporary children are not restarted with a group either: they are gone. */
TEST(group_restart_forgets_temporary_children)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("t"), sv_child("c") };
    children[1].restart = SP_RESTART_TEMPORARY;
    sp_pid supervisor = supervise(SP_ONE_FOR_ALL, 5, children, COUNT(children));
    sv_end_child(supervisor, "c", PROBE_CRASH);
    CHECK_EVENTS("+a +t +c -c(boom) -t -a +a +c");
    struct sp_child_info info;
    CHECK_ERR(sp_supervisor_get_child(supervisor, "t", sp_never(), &info), SP_ERR_NOTFOUND);
    sv_stop(supervisor);
    sv_end();
}

/* A child stopped by hand comes back with its group. */
TEST(group_restart_starts_children_stopped_by_hand)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b") };
    sp_pid supervisor = supervise(SP_ONE_FOR_ALL, 5, children, COUNT(children));
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "b", sp_never()));
    sv_end_child(supervisor, "a", PROBE_CRASH);
    CHECK_EVENTS("+a +b -b -a(boom) +a +b");
    sv_stop(supervisor);
    sv_end();
}

/* case 58: the default, once restarted, ends on the second crash. */
TEST(case_58_default_intensity_ends_on_the_second_crash)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b"), sv_child("c") };
    sp_pid supervisor = sv_supervisor(
        &(struct sp_supervisor_spec){ .children = children, .child_count = COUNT(children) });
    sp_monitor_ref ref = sv_watch(supervisor);
    sv_end_child(supervisor, "b", PROBE_CRASH);
    sv_await("+b", 2);
    CHECK(sp_is_alive(supervisor));
    sv_end_child(supervisor, "b", PROBE_CRASH);
    CHECK_STR(sv_reason(ref), "shutdown");
    CHECK_EVENTS("+a +b +c -b(boom) +b -b(boom) -c -a");
    CHECK_CONTAINS(sv_log(), "more than 1 restarts in 5000 ms, the last of child b");
    sv_end();
}

/* case 58: intensity 0. */
TEST(case_58_intensity_none_ends_on_the_first_crash)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, SP_RESTARTS_NONE, &child, 1);
    sp_monitor_ref ref = sv_watch(supervisor);
    sv_act(sv_child_pid(supervisor, "a"), PROBE_CRASH);
    CHECK_STR(sv_reason(ref), "shutdown");
    CHECK_EVENTS("+a -a(boom)");
    sv_end();
}

/* That it gave up, and because of whom, is in the cause. */
TEST(reason_of_a_supervisor_that_gives_up_has_a_cause)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, SP_RESTARTS_NONE, &child, 1);
    sp_pid a = sv_child_pid(supervisor, "a");
    sp_monitor_ref ref = sv_watch(supervisor);
    struct sp_message *message;
    sv_act(a, PROBE_CRASH);
    CHECK_OK(sp_receive(sp_never(), &message));
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL && down->ref.id == ref.id);
    CHECK(sp_reason_is_normal(down->reason));
    CHECK(sp_reason_equal(down->reason, sp_reason_shutdown()));
    const struct sp_reason *cause = sp_reason_cause(down->reason);
    CHECK(cause != NULL);
    CHECK_STR(sp_reason_text(cause), "boom");
    CHECK(sp_pid_equal(sp_reason_process(cause), a));
    sp_message_free(message);
    sv_end();
}

/* case 58: intensity 3 ends on the fourth. */
TEST(case_58_intensity_three_ends_on_the_fourth_crash)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, 3, &child, 1);
    sp_monitor_ref ref = sv_watch(supervisor);
    for (size_t i = 1; i <= 3; i++) {
        sv_end_child(supervisor, "a", PROBE_CRASH);
        sv_await("+a", i + 1);
        struct sp_supervisor_info info = info_of(supervisor);
        CHECK_INT(info.restarts_in_period, i);
        CHECK_INT(info.max_restarts, 3);
        CHECK(info.oldest_restart.ns >= 0);
    }
    sv_end_child(supervisor, "a", PROBE_CRASH);
    CHECK_STR(sv_reason(ref), "shutdown");
    sv_end();
}

/* The window slides: a restart that is older than the period is forgotten. How long the test lasts
 * does not matter, as long as it is more than the period. */
TEST(restarts_apart_by_more_than_the_period_go_on)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = sv_supervisor(&(struct sp_supervisor_spec){
        .max_restarts = 1, .period = sp_ms(1), .children = &child, .child_count = 1 });
    for (size_t i = 0; i < 10; i++) {
        sv_end_child(supervisor, "a", PROBE_CRASH);
        sv_await("+a", i + 2);
        sp_sleep(sp_ms(2));
    }
    CHECK_INT(info_of(supervisor).restarts, 10);
    sv_stop(supervisor);
    sv_end();
}

TEST(unlimited_restarts_never_give_up)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, SP_RESTARTS_UNLIMITED, &child, 1);
    for (size_t i = 0; i < 200; i++) {
        sv_end_child(supervisor, "a", PROBE_CRASH);
        sv_await("+a", i + 2);
        sv_await_status(supervisor, "a", SP_CHILD_RUNNING);
    }
    CHECK_INT(info_of(supervisor).restarts, 200);
    CHECK_INT(sv_child_info(supervisor, "a").restarts, 200);
    sv_stop(supervisor);
    sv_end();
}

/* ---- case 61 ---- */

#define ATTEMPTS 3

struct attempts {
    sp_pid gates[ATTEMPTS + 1];
    unsigned starts;
};
static struct attempts attempts;

static void attempt_run(void *arg)
{
    struct sp_message *message;
    (void)arg;
    sp_ignore(sp_receive(sp_never(), &message));
}

/* Succeeds once; every further start waits at its gate, and fails. */
static sp_err attempt_start(void *args, sp_pid *out_pid)
{
    struct attempts *all = args;
    unsigned attempt = all->starts++;
    sv_record("start%u", attempt);
    if (attempt == 0)
        return sp_spawn(attempt_run, NULL, &(struct sp_spawn_options){ .link = true }, out_pid);
    CHECK(attempt <= ATTEMPTS);
    sv_gate_pass(all->gates[attempt]);
    return SP_ERR_IO;
}

static void ask_run(void *arg)
{
    struct sp_child_info *children;
    size_t count;
    CHECK_OK(sp_supervisor_which_children(*(const sp_pid *)arg, sp_never(), &children, &count));
    CHECK_INT(count, 1);
    CHECK(sp_pid_is_none(children[0].pid));
    sv_record("%s", children[0].status == SP_CHILD_RESTARTING ? "restarting" : "wrong");
}

static uint32_t mailbox_of(sp_pid pid)
{
    struct sp_process_info info;
    CHECK_OK(sp_process_info(pid, &info));
    return info.mailbox;
}

/* case 61: each question is in the mailbox before an attempt fails, so it stands before the next
 * attempt; that one is held up until the question is answered. */
TEST(case_61_failed_restarts_count_and_the_supervisor_answers_in_between)
{
    sv_begin();
    for (size_t i = 0; i < COUNT(attempts.gates); i++)
        attempts.gates[i] = sv_gate(0);
    struct sp_child_spec child = { .id = "a", .start = attempt_start, .args = &attempts };
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, ATTEMPTS, &child, 1);
    sp_monitor_ref ref = sv_watch(supervisor);
    CHECK_OK(sp_kill(sv_child_pid(supervisor, "a")));
    for (unsigned i = 1; i <= ATTEMPTS; i++) {
        sv_gate_await(attempts.gates[i], 1);
        CHECK_OK(sp_spawn(ask_run, &supervisor,
                          &(struct sp_spawn_options){ .arg_size = sizeof(supervisor) }, NULL));
        while (mailbox_of(supervisor) == 0)
            sp_yield();
        sv_gate_open(attempts.gates[i]);
        sv_await("restarting", i);
    }
    CHECK_STR(sv_reason(ref), "shutdown");
    CHECK_INT(attempts.starts, 1 + ATTEMPTS);
    CHECK_INT(sv_count("restarting"), ATTEMPTS);
    CHECK_INT(sv_count("wrong"), 0);
    for (size_t i = 0; i < COUNT(attempts.gates); i++)
        sv_stop(attempts.gates[i]);
    sv_end();
}

/* case 61: in a group, what is started stays, and what waits is started with the one it waits for. */
TEST(case_61_failed_start_in_the_middle_of_a_group)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b"),
                                        sv_child_starting("c", "obbo"), sv_child("d") };
    sp_pid supervisor = supervise(SP_REST_FOR_ONE, 3, children, COUNT(children));
    sv_end_child(supervisor, "b", PROBE_CRASH);
    CHECK_EVENTS("+a +b +c +d -b(boom) -d -c +b !c !c +c +d");
    CHECK_INT(info_of(supervisor).restarts, 3);
    CHECK_INT(info_of(supervisor).active, 4);
    sv_stop(supervisor);
    sv_end();
}

TEST(case_61_failed_start_in_one_for_all_begins_anew)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child_starting("b", "obo"),
                                        sv_child("c") };
    sp_pid supervisor = supervise(SP_ONE_FOR_ALL, 5, children, COUNT(children));
    sv_end_child(supervisor, "c", PROBE_CRASH);
    CHECK_EVENTS("+a +b +c -c(boom) -b -a +a !b -a +a +b +c");
    CHECK_INT(info_of(supervisor).restarts, 2);
    sv_stop(supervisor);
    sv_end();
}

TEST(case_61_group_that_never_starts_ends_the_supervisor)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b"), sv_child_starting("c", "oe"),
                                        sv_child("d") };
    sp_pid supervisor = supervise(SP_REST_FOR_ONE, 3, children, COUNT(children));
    sp_monitor_ref ref = sv_watch(supervisor);
    sv_act(sv_child_pid(supervisor, "b"), PROBE_CRASH);
    CHECK_STR(sv_reason(ref), "shutdown");
    CHECK_EVENTS("+a +b +c +d -b(boom) -d -c +b !c !c !c -b -a");
    sv_end();
}

TEST(child_that_declines_its_restart_stays_stopped)
{
    sv_begin();
    struct sp_child_spec child = sv_child_starting("a", "oi");
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, 5, &child, 1);
    sv_act(sv_child_pid(supervisor, "a"), PROBE_CRASH);
    sv_await("!a", 1);
    sv_await_status(supervisor, "a", SP_CHILD_STOPPED);
    CHECK_INT(sv_child_info(supervisor, "a").restarts, 0);
    sv_stop(supervisor);
    sv_end();
}

/* ---- restart types ---- */

static const struct {
    enum probe_action action;
    const char *event;
} ends[] = {
    { PROBE_NORMAL, "-a(normal)" },
    { PROBE_SHUTDOWN, "-a" },
    { PROBE_SHUTDOWN_WITH, "-a(shutdown(done))" },
};

/* case 63 */
TEST(case_63_transient_is_restarted_only_after_an_abnormal_end)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    child.restart = SP_RESTART_TRANSIENT;
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, 5, &child, 1);
    for (size_t i = 0; i < COUNT(ends); i++) {
        sp_pid pid;
        sv_end_child(supervisor, "a", ends[i].action);
        sv_await(ends[i].event, 1);
        sv_await_status(supervisor, "a", SP_CHILD_STOPPED);
        CHECK(sp_pid_is_none(sv_child_info(supervisor, "a").pid));
        CHECK_INT(sv_count("+a"), i + 1);
        CHECK_OK(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid));
    }
    CHECK_INT(info_of(supervisor).restarts, 0);
    sv_end_child(supervisor, "a", PROBE_CRASH);
    sv_await("+a", COUNT(ends) + 2);
    CHECK_INT(info_of(supervisor).restarts, 1);
    sv_stop(supervisor);
    sv_end();
}

/* case 65 */
TEST(case_65_permanent_is_restarted_always)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, 5, &child, 1);
    for (size_t i = 0; i < COUNT(ends); i++) {
        sv_end_child(supervisor, "a", ends[i].action);
        sv_await("+a", i + 2);
        CHECK_INT(sv_count(ends[i].event), 1);
        CHECK_INT(info_of(supervisor).restarts_in_period, i + 1);
    }
    sv_end_child(supervisor, "a", PROBE_CRASH);
    sv_await("+a", COUNT(ends) + 2);
    CHECK_INT(info_of(supervisor).restarts_in_period, COUNT(ends) + 1);
    sv_stop(supervisor);
    sv_end();
}

TEST(temporary_is_never_restarted_and_is_forgotten)
{
    static const enum probe_action all[] = { PROBE_NORMAL, PROBE_SHUTDOWN, PROBE_CRASH,
                                             PROBE_SEGV };
    sv_begin();
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, SP_RESTARTS_NONE, NULL, 0);
    for (size_t i = 0; i < COUNT(all); i++) {
        struct sp_child_spec child = sv_child("a");
        struct sp_child_info info;
        sp_pid pid;
        child.restart = SP_RESTART_TEMPORARY;
        CHECK_OK(sp_supervisor_start_child(supervisor, &child, sp_never(), &pid));
        sv_end_child(supervisor, "a", all[i]);
        while (sp_supervisor_get_child(supervisor, "a", sp_never(), &info) == SP_OK)
            sp_yield();
        CHECK_INT(sv_count("+a"), i + 1);
    }
    CHECK_INT(info_of(supervisor).restarts, 0);
    sv_stop(supervisor);
    sv_end();
}

/* ---- significant children ---- */

static sp_pid significant(enum sp_auto_shutdown mode, const struct sp_child_spec *children,
                          size_t count)
{
    return sv_supervisor(&(struct sp_supervisor_spec){ .auto_shutdown = mode,
                                                       .max_restarts = 5,
                                                       .period = HOUR,
                                                       .children = children,
                                                       .child_count = count });
}

/* case 70 */
TEST(case_70_any_significant)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b"), sv_child("c") };
    children[0].restart = SP_RESTART_TRANSIENT;
    children[0].significant = true;
    sp_pid supervisor = significant(SP_AUTO_SHUTDOWN_ANY, children, COUNT(children));
    sp_monitor_ref ref = sv_watch(supervisor);
    sv_end_child(supervisor, "a", PROBE_CRASH);
    CHECK_EVENTS("+a +b +c -a(boom) +a");
    CHECK_INT(info_of(supervisor).active, 3);
    sv_act(sv_child_pid(supervisor, "a"), PROBE_NORMAL);
    CHECK_STR(sv_reason(ref), "shutdown");
    CHECK_EVENTS("+a +b +c -a(boom) +a -a(normal) -c -b");
    sv_end();
}

/* case 70: what the supervisor is told to stop is no end of its own. */
TEST(case_70_stopping_a_significant_child_by_hand_changes_nothing)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b") };
    children[0].restart = SP_RESTART_TRANSIENT;
    children[0].significant = true;
    sp_pid supervisor = significant(SP_AUTO_SHUTDOWN_ANY, children, COUNT(children));
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "a", sp_never()));
    CHECK_INT(info_of(supervisor).active, 1);
    sv_stop(supervisor);
    sv_end();
}

TEST(case_70_temporary_significant_child_ends_it_by_any_end)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b") };
    children[1].restart = SP_RESTART_TEMPORARY;
    children[1].significant = true;
    sp_pid supervisor = significant(SP_AUTO_SHUTDOWN_ANY, children, COUNT(children));
    sp_monitor_ref ref = sv_watch(supervisor);
    sv_act(sv_child_pid(supervisor, "b"), PROBE_CRASH);
    CHECK_STR(sv_reason(ref), "shutdown");
    CHECK_EVENTS("+a +b -b(boom) -a");
    sv_end();
}

/* case 71 */
TEST(case_71_all_significant)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b"), sv_child("c") };
    for (size_t i = 0; i < 2; i++) {
        children[i].restart = i == 0 ? SP_RESTART_TRANSIENT : SP_RESTART_TEMPORARY;
        children[i].significant = true;
    }
    sp_pid supervisor = significant(SP_AUTO_SHUTDOWN_ALL, children, COUNT(children));
    sp_monitor_ref ref = sv_watch(supervisor);
    sv_end_child(supervisor, "a", PROBE_NORMAL);
    sv_await_status(supervisor, "a", SP_CHILD_STOPPED);
    CHECK_INT(info_of(supervisor).active, 2);
    sv_act(sv_child_pid(supervisor, "b"), PROBE_NORMAL);
    CHECK_STR(sv_reason(ref), "shutdown");
    CHECK_EVENTS("+a +b +c -a(normal) -b(normal) -c");
    sv_end();
}

/* ---- nested supervisors ---- */

/* case 73 */
TEST(case_73_escalation_restarts_the_sub_supervisor)
{
    sv_begin();
    struct sp_child_spec workers[] = { sv_child("v"), sv_child("w") };
    struct sp_supervisor_spec sub = { .max_restarts = SP_RESTARTS_NONE,
                                      .children = workers,
                                      .child_count = COUNT(workers) };
    struct sp_child_spec child = { .id = "sub", .supervisor = &sub };
    sp_pid parent = supervise(SP_ONE_FOR_ONE, 5, &child, 1);
    sp_pid before = sv_child_pid(parent, "sub");
    sp_monitor_ref ref = sv_watch(before);
    sv_act(sv_child_pid(before, "w"), PROBE_CRASH);
    CHECK_STR(sv_reason(ref), "shutdown");
    CHECK_EVENTS("+v +w -w(boom) -v +v +w");
    sv_await_status(parent, "sub", SP_CHILD_RUNNING);
    CHECK(!sp_pid_equal(sv_child_pid(parent, "sub"), before));
    CHECK_INT(sv_child_info(parent, "sub").restarts, 1);
    CHECK_INT(info_of(parent).supervisors, 1);
    CHECK_INT(info_of(sv_child_pid(parent, "sub")).active, 2);
    sv_stop(parent);
    sv_end();
}

/* case 73: its reason is `shutdown`, which is not abnormal. */
TEST(case_73_transient_sub_supervisor_stays_down)
{
    sv_begin();
    struct sp_child_spec worker = sv_child("w");
    struct sp_supervisor_spec sub = { .max_restarts = SP_RESTARTS_NONE,
                                      .children = &worker,
                                      .child_count = 1 };
    struct sp_child_spec child = { .id = "sub",
                                   .supervisor = &sub,
                                   .restart = SP_RESTART_TRANSIENT };
    sp_pid parent = supervise(SP_ONE_FOR_ONE, 5, &child, 1);
    sv_act(sv_child_pid(sv_child_pid(parent, "sub"), "w"), PROBE_CRASH);
    sv_await_status(parent, "sub", SP_CHILD_STOPPED);
    CHECK_EVENTS("+w -w(boom)");
    CHECK_INT(info_of(parent).restarts, 0);
    sv_stop(parent);
    sv_end();
}

TEST(tree_of_three_levels_stops_from_the_leaves)
{
    sv_begin();
    struct sp_child_spec leaves[] = { sv_child("x"), sv_child("y") };
    struct sp_supervisor_spec low = { .children = leaves, .child_count = COUNT(leaves) };
    struct sp_child_spec middle_children[] = { sv_child("m"), { .id = "low", .supervisor = &low } };
    struct sp_supervisor_spec middle = { .children = middle_children,
                                         .child_count = COUNT(middle_children) };
    struct sp_child_spec top[] = { sv_child("a"),
                                   { .id = "middle", .supervisor = &middle },
                                   sv_child("z") };
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, 1, top, COUNT(top));
    sv_stop(supervisor);
    CHECK_EVENTS("+a +m +x +y +z -z -y -x -m -a");
    sv_end();
}

/* A crash does not get past a supervisor that can deal with it. */
TEST(crash_stays_below_the_supervisor_that_restarts_it)
{
    sv_begin();
    struct sp_child_spec leaf = sv_child("x");
    struct sp_supervisor_spec low = {
        .max_restarts = 3, .period = HOUR, .children = &leaf, .child_count = 1
    };
    struct sp_child_spec top[] = { sv_child("a"), { .id = "low", .supervisor = &low } };
    sp_pid supervisor = supervise(SP_ONE_FOR_ALL, 1, top, COUNT(top));
    sp_pid low_pid = sv_child_pid(supervisor, "low");
    for (size_t i = 0; i < 3; i++) {
        sv_end_child(low_pid, "x", PROBE_CRASH);
        sv_await("+x", i + 2);
        sv_await_status(low_pid, "x", SP_CHILD_RUNNING);
    }
    CHECK_INT(info_of(supervisor).restarts, 0);
    CHECK(sp_pid_equal(sv_child_pid(supervisor, "low"), low_pid));
    CHECK_INT(sv_count("-a"), 0);
    sv_stop(supervisor);
    sv_end();
}

/* Strangers that link themselves to a supervisor and die do not disturb it. */
static void stranger_run(void *arg)
{
    sp_pid supervisor = *(const sp_pid *)arg;
    CHECK_OK(sp_signal(supervisor, sp_reason_error(SP_OK, "go away")));
    CHECK_OK(sp_link(supervisor));
    sp_exit_error(SP_OK, "not your child");
}

TEST(end_of_a_stranger_is_ignored)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(SP_ONE_FOR_ONE, SP_RESTARTS_NONE, &child, 1);
    sp_pid stranger;
    CHECK_OK(sp_spawn(stranger_run, &supervisor,
                      &(struct sp_spawn_options){ .arg_size = sizeof(supervisor) }, &stranger));
    CHECK_OK(sp_join(stranger, sp_never(), NULL));
    CHECK_INT(info_of(supervisor).active, 1);
    CHECK_EVENTS("+a");
    sv_stop(supervisor);
    sv_end();
}
