/* Every allocation of supervision fails once. Whatever was asked for then fails with an error, or
 * somebody ends and is dealt with as usual; no process is left behind, and no memory (which
 * the address sanitizer's leak check sees). Needs a build with SPAWNED_FAULT_INJECTION.
 */
#include "base/alloc.h"
#include "spawned/application.h"
#include "spawned/dynamic_supervisor.h"
#include "spawned/os_signal.h"
#include "support/supervision.h"
#include "support/test.h"

#ifdef SPAWNED_FAULT_INJECTION

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/** More steps than any of the operations has allocations. */
enum { STEPS_MAX = 2000 };

static size_t quiet_processes;

static void drop_messages(void)
{
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK)
        sp_message_free(message);
}

/** Calls `step` with its first, second, ... allocation failing, until none fails; then it must
 *  succeed. Allocations of all threads count. */
static void walk(sp_err (*step)(void))
{
    bool failed = true;
    sv_begin();
    quiet_processes = sv_processes();
    for (int n = 0; failed; n++) {
        CHECK(n < STEPS_MAX);
        sv_clear();
        sp__alloc_fail_after(n);
        sp_err err = step();
        failed = sp__alloc_failed();
        sp__alloc_fail_after(-1);
        sv_await_processes(quiet_processes);
        drop_messages();
        if (!failed)
            CHECK_OK(err);
    }
    sv_end();
}

/* Ends a process, though that needs memory too. */
static void end(sp_pid pid)
{
    sp_err err;
    while ((err = sp_stop(pid, sp_reason_shutdown(), sp_never())) == SP_ERR_NOMEM)
        sp_yield();
    CHECK(err == SP_OK || err == SP_ERR_NOPROC);
}

/* Waits until child a runs again, or the supervisor has not survived. */
static sp_err await_restart(sp_pid supervisor)
{
    for (;;) {
        struct sp_child_info info;
        sp_err err = sp_supervisor_get_child(supervisor, "a", sp_never(), &info);
        if (err == SP_OK && info.status == SP_CHILD_RUNNING && info.restarts > 0)
            return SP_OK;
        if (err != SP_OK && err != SP_ERR_NOMEM)
            return err;
        sp_yield();
    }
}

static sp_err crash_child(sp_pid supervisor)
{
    struct sp_child_info info;
    sp_err err = sp_supervisor_get_child(supervisor, "a", sp_never(), &info);
    if (err != SP_OK)
        return err;
    err = probe_act((probe_ref){ info.pid }, &(struct probe_command){ PROBE_CRASH });
    return err == SP_OK ? await_restart(supervisor) : err;
}

static sp_err administer(sp_pid supervisor)
{
    struct sp_child_spec late = sv_child("l");
    struct sp_child_info *children;
    struct sp_supervisor_info info;
    size_t count;
    sp_pid pid;
    sp_err err = sp_supervisor_start_child(supervisor, &late, sp_never(), &pid);
    if (err == SP_OK)
        err = sp_supervisor_which_children(supervisor, sp_never(), &children, &count);
    if (err == SP_OK) {
        sp_free(children);
        err = sp_supervisor_info(supervisor, sp_never(), &info);
    }
    if (err == SP_OK)
        err = sp_supervisor_terminate_child(supervisor, "l", sp_never());
    if (err == SP_OK)
        err = sp_supervisor_restart_child(supervisor, "l", sp_never(), &pid);
    if (err == SP_OK)
        err = sp_supervisor_terminate_child(supervisor, "l", sp_never());
    return err == SP_OK ? sp_supervisor_delete_child(supervisor, "l", sp_never()) : err;
}

static sp_err supervise(enum sp_strategy strategy, struct sp_backoff backoff)
{
    struct sp_child_spec leaf = sv_child("x");
    struct sp_supervisor_spec nested = { .children = &leaf, .child_count = 1 };
    struct sp_child_spec children[] = {
        sv_child("a"),
        { .id = "sub", .supervisor = &nested },
        sv_child("c"),
    };
    children[0].options.spawn.name = "svc";
    children[0].backoff = backoff;
    struct sp_supervisor_spec spec = { .strategy = strategy,
                                       .max_restarts = 100,
                                       .children = children,
                                       .child_count = COUNT(children) };
    sp_pid supervisor;
    sp_err err = sp_supervisor_start(&spec, NULL, &supervisor);
    if (err != SP_OK)
        return err;
    err = crash_child(supervisor);
    if (err == SP_OK)
        err = administer(supervisor);
    end(supervisor);
    return err;
}

static sp_err step_one_for_one(void)
{
    return supervise(SP_ONE_FOR_ONE, (struct sp_backoff){ 0 });
}

static sp_err step_one_for_all(void)
{
    return supervise(SP_ONE_FOR_ALL, (struct sp_backoff){ 0 });
}

static sp_err step_backoff(void)
{
    return supervise(SP_ONE_FOR_ONE, (struct sp_backoff){ .min = sp_us(100), .max = sp_us(100) });
}

TEST(nomem_in_one_for_one)
{
    walk(step_one_for_one);
}

TEST(nomem_in_one_for_all)
{
    walk(step_one_for_all);
}

TEST(nomem_in_backoff)
{
    walk(step_backoff);
}

static sp_err step_dynamic(void)
{
    struct sp_child_spec kind = sv_child("k");
    struct sp_dynamic_supervisor_spec spec = { .child = &kind, .max_restarts = 100 };
    struct probe_args args = { .tag = 'y', .starts = "o" };
    struct sp_dynamic_child with = { .args = &args, .args_size = sizeof(args) };
    struct sp_child_info *children;
    size_t count;
    sp_pid supervisor, k, y;
    sp_err err = sp_dynamic_supervisor_start(&spec, NULL, &supervisor);
    if (err != SP_OK)
        return err;
    err = sp_dynamic_supervisor_start_child(supervisor, &(struct sp_dynamic_child){ 0 }, sp_never(),
                                            &k);
    if (err == SP_OK)
        err = sp_dynamic_supervisor_start_child(supervisor, &with, sp_never(), &y);
    if (err == SP_OK)
        err = probe_act((probe_ref){ k }, &(struct probe_command){ PROBE_CRASH });
    if (err == SP_OK)
        err = sp_dynamic_supervisor_which_children(supervisor, sp_never(), &children, &count);
    if (err == SP_OK) {
        sp_free(children);
        err = sp_dynamic_supervisor_terminate_child(supervisor, y, sp_never());
    }
    end(supervisor);
    return err;
}

TEST(nomem_in_a_dynamic_supervisor)
{
    walk(step_dynamic);
}

static sp_err step_applications(void)
{
    static const char *const on_a[] = { "a", NULL };
    static const struct sp_application_setting settings[] = { { "k", "v" }, { "l", "w" } };
    struct sp_child_spec child = sv_child("a");
    struct sp_supervisor_spec top = { .children = &child, .child_count = 1 };
    const struct sp_application_spec specs[] = {
        { .name = "b", .supervisor = &top, .depends_on = on_a },
        { .name = "a", .supervisor = &top, .settings = settings, .setting_count = 2 },
    };
    char value[8];
    sp_err err = sp_application_start_all(specs, COUNT(specs), sp_never(), NULL);
    if (err == SP_OK)
        err = sp_application_setting("a", "k", value, sizeof(value));
    sp_err stopped;
    while ((stopped = sp_application_stop_all(sp_never())) == SP_ERR_NOMEM)
        sp_yield();
    CHECK_OK(stopped);
    return err;
}

TEST(nomem_in_applications)
{
    walk(step_applications);
}

static sp_err step_signals(void)
{
    sp_err err = sp_os_signal_subscribe(SP_OS_SIGNAL_KEEP, sp_never());
    sp_err left;
    while ((left = sp_os_signal_unsubscribe(sp_never())) == SP_ERR_NOMEM)
        sp_yield();
    CHECK_INT(left == SP_OK, err == SP_OK);
    return err;
}

TEST(nomem_in_signals)
{
    walk(step_signals);
}

#else

TEST(nomem_needs_fault_injection)
{
    SKIP("built without SPAWNED_FAULT_INJECTION");
}

#endif
