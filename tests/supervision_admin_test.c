/* Supervisors: children that are added, stopped, started and looked at while they run. */
#include "support/supervision.h"
#include "support/test.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR sp_sec(3600)

static sp_pid supervise(const struct sp_child_spec *children, size_t count)
{
    return sv_supervisor(&(struct sp_supervisor_spec){
        .max_restarts = 5, .period = HOUR, .children = children, .child_count = count });
}

static struct sp_supervisor_info info_of(sp_pid supervisor)
{
    struct sp_supervisor_info info;
    CHECK_OK(sp_supervisor_info(supervisor, sp_never(), &info));
    return info;
}

static sp_err start(sp_pid supervisor, struct sp_child_spec child, sp_pid *out_pid)
{
    return sp_supervisor_start_child(supervisor, &child, sp_never(), out_pid);
}

/* case 68: a duplicate of one that runs. */
TEST(case_68_start_child_that_runs_says_who_it_is)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(&child, 1);
    sp_pid existing = SP_PID_NONE, pid = SP_PID_NONE;
    child.options.out_existing = &existing;
    CHECK_ERR(start(supervisor, child, &pid), SP_ERR_EXISTS);
    CHECK(sp_pid_equal(existing, sv_child_pid(supervisor, "a")));
    CHECK(sp_pid_is_none(pid));
    CHECK_EVENTS("+a");
    sv_stop(supervisor);
    sv_end();
}

/* case 68: a duplicate of one that is stopped. */
TEST(case_68_start_child_that_is_stopped_is_present)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(&child, 1);
    sp_pid pid;
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "a", sp_never()));
    CHECK_ERR(start(supervisor, sv_child("a"), &pid), SP_ERR_PRESENT);
    CHECK_EVENTS("+a -a");
    sv_stop(supervisor);
    sv_end();
}

/* case 68: a start that fails is the caller's affair alone. */
TEST(case_68_failing_start_child_touches_nobody)
{
    static const struct {
        const char *starts;
        sp_err err;
    } ways[] = {
        { "b", SP_ERR_INITFAILED },
        { "f", SP_ERR_INITFAILED },
        { "e", SP_ERR_INVALID },
    };
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(&child, 1);
    sp_pid a = sv_child_pid(supervisor, "a"), pid;
    for (size_t i = 0; i < COUNT(ways); i++) {
        struct sp_child_info info;
        CHECK_ERR(start(supervisor, sv_child_starting("x", ways[i].starts), &pid), ways[i].err);
        CHECK_ERR(sp_supervisor_get_child(supervisor, "x", sp_never(), &info), SP_ERR_NOTFOUND);
    }
    CHECK(sp_pid_equal(sv_child_pid(supervisor, "a"), a));
    CHECK_INT(info_of(supervisor).restarts, 0);
    CHECK_INT(info_of(supervisor).specs, 1);
    CHECK_INT(sv_count("-a"), 0);
    sv_stop(supervisor);
    sv_end();
}

TEST(start_child_under_a_name_that_is_taken_says_by_whom)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    child.options.spawn.name = "svc";
    sp_pid supervisor = supervise(&child, 1);
    sp_pid existing = SP_PID_NONE, pid;
    struct sp_child_spec other = sv_child("b");
    other.options.spawn.name = "svc";
    other.options.out_existing = &existing;
    CHECK_ERR(start(supervisor, other, &pid), SP_ERR_EXISTS);
    CHECK(sp_pid_equal(existing, sv_child_pid(supervisor, "a")));
    CHECK_INT(info_of(supervisor).specs, 1);
    sv_stop(supervisor);
    sv_end();
}

TEST(start_child_comes_last_and_is_supervised)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(&child, 1);
    sp_pid b;
    CHECK_OK(start(supervisor, sv_child("b"), &b));
    CHECK(sp_pid_equal(sv_child_pid(supervisor, "b"), b));
    sv_end_child(supervisor, "b", PROBE_CRASH);
    CHECK_EVENTS("+a +b -b(boom) +b");
    sv_stop(supervisor);
    CHECK_EVENTS("+a +b -b(boom) +b -b -a");
    sv_end();
}

TEST(start_child_refuses_a_wrong_spec)
{
    sv_begin();
    sp_pid supervisor = supervise(NULL, 0), pid;
    struct sp_child_spec significant = sv_child("a");
    significant.restart = SP_RESTART_TRANSIENT;
    significant.significant = true;
    CHECK_ERR(start(supervisor, significant, &pid), SP_ERR_INVALID);
    CHECK_ERR(start(supervisor, (struct sp_child_spec){ .id = "a" }, &pid), SP_ERR_INVALID);
    struct sp_child_spec no_id = sv_child("a");
    no_id.id = NULL;
    CHECK_ERR(start(supervisor, no_id, &pid), SP_ERR_INVALID);
    CHECK_EVENTS("");
    sv_stop(supervisor);
    sv_end();
}

/* case 34 */
TEST(case_34_start_child_that_declines_is_kept)
{
    sv_begin();
    sp_pid supervisor = supervise(NULL, 0), pid = SP_PID_NONE;
    struct sp_child_spec temporary = sv_child_starting("t", "i");
    temporary.restart = SP_RESTART_TEMPORARY;
    CHECK_ERR(start(supervisor, sv_child_starting("a", "io"), &pid), SP_ERR_IGNORED);
    CHECK_ERR(start(supervisor, temporary, &pid), SP_ERR_IGNORED);
    CHECK(sp_pid_is_none(pid));
    CHECK_INT(info_of(supervisor).specs, 1);
    CHECK_INT(sv_child_info(supervisor, "a").status, SP_CHILD_STOPPED);
    CHECK_OK(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid));
    CHECK(sp_pid_equal(sv_child_pid(supervisor, "a"), pid));
    sv_stop(supervisor);
    sv_end();
}

TEST(terminate_child_keeps_the_spec_and_counts_no_restart)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b") };
    sp_pid supervisor = supervise(children, COUNT(children));
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "a", sp_never()));
    CHECK_EVENTS("+a +b -a");
    CHECK_INT(sv_child_info(supervisor, "a").status, SP_CHILD_STOPPED);
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "a", sp_never()));
    struct sp_supervisor_info info = info_of(supervisor);
    CHECK_INT(info.specs, 2);
    CHECK_INT(info.active, 1);
    CHECK_INT(info.restarts, 0);
    CHECK_INT(info.restarts_in_period, 0);
    sv_stop(supervisor);
    sv_end();
}

TEST(terminate_child_forgets_a_temporary_one)
{
    sv_begin();
    struct sp_child_spec child = sv_child("t");
    child.restart = SP_RESTART_TEMPORARY;
    sp_pid supervisor = supervise(&child, 1);
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "t", sp_never()));
    CHECK_ERR(sp_supervisor_terminate_child(supervisor, "t", sp_never()), SP_ERR_NOTFOUND);
    CHECK_INT(info_of(supervisor).specs, 0);
    sv_stop(supervisor);
    sv_end();
}

/* Whether the supervisor has heard of the crash or not when it is told: it does not run after. */
TEST(terminate_child_that_has_just_crashed)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b") };
    sp_pid supervisor =
        sv_supervisor(&(struct sp_supervisor_spec){ .max_restarts = SP_RESTARTS_UNLIMITED,
                                                    .children = children,
                                                    .child_count = COUNT(children) });
    for (int i = 0; i < 200; i++) {
        sp_pid pid;
        sv_act(sv_child_pid(supervisor, "a"), PROBE_CRASH);
        CHECK_OK(sp_supervisor_terminate_child(supervisor, "a", sp_never()));
        CHECK_INT(sv_child_info(supervisor, "a").status, SP_CHILD_STOPPED);
        CHECK_INT(info_of(supervisor).active, 1);
        CHECK_OK(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid));
    }
    CHECK_INT(sv_child_info(supervisor, "b").restarts, 0);
    sv_stop(supervisor);
    sv_end();
}

TEST(restart_child_starts_it_again_and_counts_nothing)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(&child, 1), pid = SP_PID_NONE;
    CHECK_ERR(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid), SP_ERR_RUNNING);
    CHECK(sp_pid_is_none(pid));
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "a", sp_never()));
    CHECK_OK(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid));
    CHECK(sp_pid_equal(sv_child_pid(supervisor, "a"), pid));
    CHECK_INT(sv_child_info(supervisor, "a").restarts, 0);
    CHECK_INT(info_of(supervisor).restarts, 0);
    CHECK_EVENTS("+a -a +a");
    sv_stop(supervisor);
    sv_end();
}

TEST(restart_child_that_fails_stays_stopped)
{
    sv_begin();
    struct sp_child_spec child = sv_child_starting("a", "obeo");
    sp_pid supervisor = supervise(&child, 1), pid;
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "a", sp_never()));
    CHECK_ERR(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid), SP_ERR_INITFAILED);
    CHECK_ERR(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid), SP_ERR_INVALID);
    CHECK_INT(sv_child_info(supervisor, "a").status, SP_CHILD_STOPPED);
    CHECK_INT(info_of(supervisor).restarts, 0);
    CHECK_OK(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid));
    sv_stop(supervisor);
    sv_end();
}

TEST(delete_child_needs_a_stopped_one)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(&child, 1), pid;
    CHECK_ERR(sp_supervisor_delete_child(supervisor, "a", sp_never()), SP_ERR_RUNNING);
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "a", sp_never()));
    CHECK_OK(sp_supervisor_delete_child(supervisor, "a", sp_never()));
    CHECK_ERR(sp_supervisor_delete_child(supervisor, "a", sp_never()), SP_ERR_NOTFOUND);
    CHECK_OK(start(supervisor, sv_child("a"), &pid));
    sv_stop(supervisor);
    sv_end();
}

TEST(unknown_ids_are_not_found)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(&child, 1), pid;
    struct sp_child_info info;
    char longer[SP_CHILD_ID_MAX + 2];
    memset(longer, 'a', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    const char *const ids[] = { "b", "", "aa", longer };
    for (size_t i = 0; i < COUNT(ids); i++) {
        CHECK_ERR(sp_supervisor_terminate_child(supervisor, ids[i], sp_never()), SP_ERR_NOTFOUND);
        CHECK_ERR(sp_supervisor_restart_child(supervisor, ids[i], sp_never(), &pid),
                  SP_ERR_NOTFOUND);
        CHECK_ERR(sp_supervisor_delete_child(supervisor, ids[i], sp_never()), SP_ERR_NOTFOUND);
        CHECK_ERR(sp_supervisor_get_child(supervisor, ids[i], sp_never(), &info), SP_ERR_NOTFOUND);
    }
    CHECK_INT(info_of(supervisor).active, 1);
    sv_stop(supervisor);
    sv_end();
}

TEST(asking_what_is_no_supervisor)
{
    sv_begin();
    struct sp_child_spec child = sv_child("a");
    sp_pid supervisor = supervise(&child, 1), pid;
    sp_pid a = sv_child_pid(supervisor, "a");
    struct sp_supervisor_info info;
    struct sp_child_info *children;
    size_t count;
    CHECK_ERR(start(a, sv_child("b"), &pid), SP_ERR_BADCALL);
    CHECK_ERR(sp_supervisor_info(a, sp_never(), &info), SP_ERR_BADCALL);
    CHECK_ERR(sp_supervisor_which_children(a, sp_never(), &children, &count), SP_ERR_BADCALL);
    CHECK_ERR(sp_supervisor_terminate_child(a, "b", sp_never()), SP_ERR_BADCALL);
    sv_stop(supervisor);
    CHECK_ERR(start(supervisor, sv_child("b"), &pid), SP_ERR_NOPROC);
    CHECK_ERR(sp_supervisor_info(supervisor, sp_never(), &info), SP_ERR_NOPROC);
    CHECK_ERR(sp_supervisor_which_children(supervisor, sp_never(), &children, &count),
              SP_ERR_NOPROC);
    CHECK_ERR(sp_supervisor_terminate_child(supervisor, "b", sp_never()), SP_ERR_NOPROC);
    CHECK_ERR(sp_supervisor_delete_child(supervisor, "b", sp_never()), SP_ERR_NOPROC);
    CHECK_ERR(sp_supervisor_restart_child(supervisor, "b", sp_never(), &pid), SP_ERR_NOPROC);
    sv_end();
}

TEST(which_children_and_counts)
{
    sv_begin();
    struct sp_supervisor_spec nested = { 0 };
    struct sp_child_spec children[] = {
        sv_child("a"),
        { .id = "sub", .supervisor = &nested },
        sv_child("c"),
    };
    children[2].restart = SP_RESTART_TRANSIENT;
    sp_pid supervisor = supervise(children, COUNT(children)), pid;
    CHECK_OK(start(supervisor, sv_child("d"), &pid));
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "c", sp_never()));
    struct sp_child_info *list;
    size_t count;
    CHECK_OK(sp_supervisor_which_children(supervisor, sp_never(), &list, &count));
    static const char *const ids[] = { "a", "sub", "c", "d" };
    CHECK_INT(count, COUNT(ids));
    for (size_t i = 0; i < count; i++) {
        CHECK_STR(list[i].id, ids[i]);
        CHECK_INT(list[i].status, i == 2 ? SP_CHILD_STOPPED : SP_CHILD_RUNNING);
        CHECK_INT(sp_pid_is_none(list[i].pid), i == 2);
        CHECK_INT(list[i].type, i == 1 ? SP_CHILD_SUPERVISOR : SP_CHILD_WORKER);
        CHECK_INT(list[i].restart, i == 2 ? SP_RESTART_TRANSIENT : SP_RESTART_PERMANENT);
    }
    sp_free(list);
    struct sp_supervisor_info info = info_of(supervisor);
    CHECK_INT(info.specs, 4);
    CHECK_INT(info.active, 3);
    CHECK_INT(info.supervisors, 1);
    CHECK_INT(info.workers, 3);
    CHECK_INT(info.restarting, 0);
    CHECK_INT(info.max_restarts, 5);
    CHECK_INT(info.period.ns, HOUR.ns);
    sv_stop(supervisor);
    sv_end();
}

/* ---- children that wait for their restart: an hour, so that nothing happens by itself ---- */

static struct sp_child_spec waiting_child(const char *tag)
{
    struct sp_child_spec child = sv_child(tag);
    child.backoff = (struct sp_backoff){ .min = HOUR, .max = HOUR };
    return child;
}

TEST(child_that_waits_for_its_restart_is_shown_as_restarting)
{
    sv_begin();
    struct sp_child_spec child = waiting_child("a");
    sp_pid supervisor = supervise(&child, 1), pid;
    sv_act(sv_child_pid(supervisor, "a"), PROBE_CRASH);
    sv_await_status(supervisor, "a", SP_CHILD_RESTARTING);
    struct sp_child_info a = sv_child_info(supervisor, "a");
    CHECK(sp_pid_is_none(a.pid));
    CHECK(a.retry_in.ns > 0 && a.retry_in.ns <= HOUR.ns);
    CHECK_INT(info_of(supervisor).restarting, 1);
    CHECK_INT(info_of(supervisor).active, 0);
    CHECK_ERR(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid), SP_ERR_RUNNING);
    CHECK_ERR(sp_supervisor_delete_child(supervisor, "a", sp_never()), SP_ERR_RUNNING);
    CHECK_ERR(start(supervisor, sv_child("a"), &pid), SP_ERR_PRESENT);
    sv_stop(supervisor);
    CHECK_EVENTS("+a -a(boom)");
    sv_end();
}

TEST(terminate_child_calls_its_restart_off)
{
    sv_begin();
    struct sp_child_spec child = waiting_child("a");
    sp_pid supervisor = supervise(&child, 1), pid;
    sv_act(sv_child_pid(supervisor, "a"), PROBE_CRASH);
    sv_await_status(supervisor, "a", SP_CHILD_RESTARTING);
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "a", sp_never()));
    CHECK_INT(sv_child_info(supervisor, "a").status, SP_CHILD_STOPPED);
    CHECK_INT(sv_child_info(supervisor, "a").retry_in.ns, 0);
    CHECK_OK(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid));
    CHECK_EVENTS("+a -a(boom) +a");
    sv_stop(supervisor);
    sv_end();
}

/* The siblings of a group wait with the one that failed, and are let go with it. */
TEST(terminate_child_lets_its_waiting_group_go)
{
    sv_begin();
    struct sp_child_spec children[] = { sv_child("a"), waiting_child("b"), sv_child("c") };
    sp_pid supervisor = sv_supervisor(&(struct sp_supervisor_spec){
        .strategy = SP_ONE_FOR_ALL, .children = children, .child_count = COUNT(children) });
    sp_pid pid;
    sv_act(sv_child_pid(supervisor, "b"), PROBE_CRASH);
    sv_await_status(supervisor, "b", SP_CHILD_RESTARTING);
    CHECK_EVENTS("+a +b +c -b(boom) -c -a");
    CHECK_INT(info_of(supervisor).restarting, 3);
    CHECK_ERR(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid), SP_ERR_RUNNING);
    CHECK_OK(sp_supervisor_terminate_child(supervisor, "b", sp_never()));
    CHECK_INT(info_of(supervisor).restarting, 0);
    CHECK_INT(sv_child_info(supervisor, "a").status, SP_CHILD_STOPPED);
    CHECK_OK(sp_supervisor_restart_child(supervisor, "a", sp_never(), &pid));
    sv_stop(supervisor);
    sv_end();
}

/* A restart that was ordered before the child was deleted and added anew does not touch the new. */
TEST(stale_restart_does_not_reach_a_new_child_of_the_same_id)
{
    sv_begin();
    sp_pid supervisor = supervise(NULL, 0), pid;
    for (int i = 0; i < 50; i++) {
        struct sp_child_spec child = sv_child("a");
        child.backoff = (struct sp_backoff){ .min = sp_us(100), .max = sp_us(100) };
        CHECK_OK(start(supervisor, child, &pid));
        sv_act(pid, PROBE_CRASH);
        CHECK_OK(sp_join(pid, sp_never(), NULL));
        CHECK_OK(sp_supervisor_terminate_child(supervisor, "a", sp_never()));
        CHECK_OK(sp_supervisor_delete_child(supervisor, "a", sp_never()));
    }
    CHECK_OK(start(supervisor, sv_child("a"), &pid));
    CHECK_INT(info_of(supervisor).active, 1);
    CHECK(sp_pid_equal(sv_child_pid(supervisor, "a"), pid));
    sv_stop(supervisor);
    sv_end();
}

/* ---- answers do not wait for ever ---- */

TEST(question_to_a_supervisor_that_is_busy_times_out)
{
    sv_begin();
    sp_pid gate = sv_gate(0);
    struct sp_child_spec child = sv_child_starting("a", "og");
    sv_args(&child)->gate = gate;
    sp_pid supervisor = supervise(&child, 1), pid;
    struct sp_supervisor_info info;
    sv_act(sv_child_pid(supervisor, "a"), PROBE_CRASH);
    sv_gate_await(gate, 1); /* the supervisor waits for the init of a */
    CHECK_ERR(sp_supervisor_info(supervisor, sp_after_ms(10), &info), SP_ERR_TIMEOUT);
    struct sp_child_spec late = sv_child("x");
    CHECK_ERR(sp_supervisor_start_child(supervisor, &late, sp_after_ms(10), &pid), SP_ERR_TIMEOUT);
    sv_gate_open(gate);
    sv_await("+a", 2);
    sv_stop(supervisor);
    sv_stop(gate);
    sv_end();
}
