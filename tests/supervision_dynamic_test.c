/* Dynamic supervisors. */
#include "spawned/dynamic_supervisor.h"
#include "support/supervision.h"
#include "support/test.h"

#include <stdatomic.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR sp_sec(3600)

static sp_pid dynamic(struct sp_dynamic_supervisor_spec spec)
{
    sp_pid pid;
    if (spec.period.ns == 0)
        spec.period = HOUR;
    CHECK_OK(sp_dynamic_supervisor_start(&spec, NULL, &pid));
    return pid;
}

static sp_pid start(sp_pid supervisor, struct sp_child_spec child)
{
    sp_pid pid;
    CHECK_OK(sp_dynamic_supervisor_start_child(
        supervisor, &(struct sp_dynamic_child){ .spec = &child }, sp_never(), &pid));
    return pid;
}

static sp_err try_start(sp_pid supervisor, struct sp_child_spec child)
{
    sp_pid pid;
    return sp_dynamic_supervisor_start_child(
        supervisor, &(struct sp_dynamic_child){ .spec = &child }, sp_never(), &pid);
}

static struct sp_supervisor_info info_of(sp_pid supervisor)
{
    struct sp_supervisor_info info;
    CHECK_OK(sp_dynamic_supervisor_info(supervisor, sp_never(), &info));
    return info;
}

/* The only child there is. */
static struct sp_child_info only_child(sp_pid supervisor)
{
    struct sp_child_info *children, one;
    size_t count;
    CHECK_OK(sp_dynamic_supervisor_which_children(supervisor, sp_never(), &children, &count));
    CHECK_INT(count, 1);
    one = children[0];
    sp_free(children);
    return one;
}

static void await_specs(sp_pid supervisor, size_t count)
{
    while (info_of(supervisor).specs != count)
        sp_yield();
}

TEST(dynamic_defaults)
{
    sv_begin();
    sp_pid supervisor;
    CHECK_OK(
        sp_dynamic_supervisor_start(&(struct sp_dynamic_supervisor_spec){ 0 }, NULL, &supervisor));
    struct sp_supervisor_info info = info_of(supervisor);
    CHECK_INT(info.max_restarts, 1);
    CHECK_INT(info.period.ns, sp_sec(5).ns);
    CHECK_INT(info.specs, 0);
    struct sp_child_info *children;
    size_t count;
    CHECK_OK(sp_dynamic_supervisor_which_children(supervisor, sp_never(), &children, &count));
    CHECK_INT(count, 0);
    sv_stop(supervisor);
    sv_end();
}

TEST(dynamic_start_and_terminate_children)
{
    sv_begin();
    sp_pid supervisor = dynamic((struct sp_dynamic_supervisor_spec){ 0 });
    sp_pid a = start(supervisor, sv_child("a"));
    sp_pid b = start(supervisor, sv_child("b"));
    struct sp_child_info *children;
    size_t count;
    CHECK_OK(sp_dynamic_supervisor_which_children(supervisor, sp_never(), &children, &count));
    CHECK_INT(count, 2);
    CHECK_INT(sp_pid_equal(children[0].pid, a) + sp_pid_equal(children[1].pid, a), 1);
    CHECK_INT(sp_pid_equal(children[0].pid, b) + sp_pid_equal(children[1].pid, b), 1);
    CHECK_OK(sp_dynamic_supervisor_terminate_child(supervisor, a, sp_never()));
    CHECK(!sp_is_alive(a));
    CHECK_ERR(sp_dynamic_supervisor_terminate_child(supervisor, a, sp_never()), SP_ERR_NOTFOUND);
    CHECK_ERR(sp_dynamic_supervisor_terminate_child(supervisor, sp_self(), sp_never()),
              SP_ERR_NOTFOUND);
    CHECK(sp_pid_equal(only_child(supervisor).pid, b));
    CHECK_INT(info_of(supervisor).restarts, 0);
    sv_stop(supervisor);
    CHECK_EVENTS("+a +b -a -b");
    sv_end();
}

TEST(dynamic_limit_of_children)
{
    sv_begin();
    sp_pid supervisor = dynamic((struct sp_dynamic_supervisor_spec){ .max_children = 2 });
    sp_pid a = start(supervisor, sv_child("a"));
    start(supervisor, sv_child("b"));
    CHECK_ERR(try_start(supervisor, sv_child("c")), SP_ERR_LIMIT);
    CHECK_OK(sp_dynamic_supervisor_terminate_child(supervisor, a, sp_never()));
    start(supervisor, sv_child("c"));
    CHECK_ERR(try_start(supervisor, sv_child("d")), SP_ERR_LIMIT);
    sv_stop(supervisor);
    sv_end();
}

TEST(dynamic_failing_start_leaves_nothing)
{
    sv_begin();
    sp_pid supervisor = dynamic((struct sp_dynamic_supervisor_spec){ 0 });
    CHECK_ERR(try_start(supervisor, sv_child_starting("a", "b")), SP_ERR_INITFAILED);
    CHECK_ERR(try_start(supervisor, sv_child_starting("b", "e")), SP_ERR_INVALID);
    CHECK_ERR(try_start(supervisor, sv_child_starting("c", "i")), SP_ERR_IGNORED);
    CHECK_ERR(try_start(supervisor, (struct sp_child_spec){ .id = "none" }), SP_ERR_INVALID);
    struct sp_child_spec significant = sv_child("d");
    significant.restart = SP_RESTART_TRANSIENT;
    significant.significant = true;
    CHECK_ERR(try_start(supervisor, significant), SP_ERR_INVALID);
    sp_pid pid;
    CHECK_ERR(sp_dynamic_supervisor_start_child(supervisor, &(struct sp_dynamic_child){ 0 },
                                                sp_never(), &pid),
              SP_ERR_INVALID);
    CHECK_INT(info_of(supervisor).specs, 0);
    CHECK_INT(info_of(supervisor).restarts, 0);
    sv_stop(supervisor);
    sv_end();
}

TEST(dynamic_kind_with_arguments_of_each)
{
    sv_begin();
    struct sp_child_spec kind = { .server = &probe_class,
                                  .options.spawn.trap_exit = true,
                                  .args = &(struct probe_args){ .tag = 'k', .starts = "o" },
                                  .args_size = sizeof(struct probe_args) };
    sp_pid supervisor =
        dynamic((struct sp_dynamic_supervisor_spec){ .child = &kind, .max_restarts = 5 });
    sp_pid k, x;
    struct probe_args args = { .tag = 'x', .starts = "o" };
    CHECK_OK(sp_dynamic_supervisor_start_child(supervisor, &(struct sp_dynamic_child){ 0 },
                                               sp_never(), &k));
    CHECK_OK(sp_dynamic_supervisor_start_child(
        supervisor, &(struct sp_dynamic_child){ .args = &args, .args_size = sizeof(args) },
        sp_never(), &x));
    args.tag = '?'; /* a copy was taken */
    sv_act(x, PROBE_CRASH);
    CHECK_EVENTS("+k +x -x(boom) +x");
    sv_stop(supervisor);
    sv_end();
}

TEST(dynamic_restart_gives_a_new_pid)
{
    sv_begin();
    sp_pid supervisor = dynamic((struct sp_dynamic_supervisor_spec){ .max_restarts = 5 });
    sp_pid a = start(supervisor, sv_child("a"));
    sv_act(a, PROBE_CRASH);
    CHECK_EVENTS("+a -a(boom) +a");
    struct sp_child_info now = only_child(supervisor);
    CHECK(!sp_pid_equal(now.pid, a));
    CHECK_STR(now.id, "a");
    CHECK_INT(now.restarts, 1);
    CHECK_INT(now.status, SP_CHILD_RUNNING);
    CHECK_ERR(sp_dynamic_supervisor_terminate_child(supervisor, a, sp_never()), SP_ERR_NOTFOUND);
    CHECK_OK(sp_dynamic_supervisor_terminate_child(supervisor, now.pid, sp_never()));
    sv_stop(supervisor);
    sv_end();
}

TEST(dynamic_forgets_what_is_not_restarted)
{
    sv_begin();
    sp_pid supervisor =
        dynamic((struct sp_dynamic_supervisor_spec){ .max_restarts = SP_RESTARTS_NONE });
    struct sp_child_spec transient = sv_child("a"), temporary = sv_child("b");
    transient.restart = SP_RESTART_TRANSIENT;
    temporary.restart = SP_RESTART_TEMPORARY;
    sv_act(start(supervisor, transient), PROBE_NORMAL);
    await_specs(supervisor, 0);
    sv_act(start(supervisor, temporary), PROBE_CRASH);
    await_specs(supervisor, 0);
    CHECK_EVENTS("+a -a(normal) +b -b(boom)");
    sv_stop(supervisor);
    sv_end();
}

/* case 58, case 61: the window is one for all children, and failed starts count. */
TEST(dynamic_intensity)
{
    sv_begin();
    sp_pid supervisor = dynamic((struct sp_dynamic_supervisor_spec){ .max_restarts = 3 });
    sp_monitor_ref ref = sv_watch(supervisor);
    start(supervisor, sv_child("a"));
    sv_act(start(supervisor, sv_child_starting("b", "ob")), PROBE_CRASH);
    CHECK_STR(sv_reason(ref), "shutdown");
    CHECK_EVENTS("+a +b -b(boom) !b !b !b -a");
    sv_end();
}

TEST(dynamic_child_that_waits_is_known_by_its_last_pid)
{
    sv_begin();
    sp_pid supervisor = dynamic((struct sp_dynamic_supervisor_spec){ .max_children = 1 });
    struct sp_child_spec child = sv_child("a");
    child.backoff = (struct sp_backoff){ .min = HOUR, .max = HOUR };
    sp_pid a = start(supervisor, child);
    sv_act(a, PROBE_CRASH);
    while (info_of(supervisor).restarting == 0)
        sp_yield();
    struct sp_child_info info = only_child(supervisor);
    CHECK_INT(info.status, SP_CHILD_RESTARTING);
    CHECK(sp_pid_equal(info.pid, a));
    CHECK(info.retry_in.ns > 0);
    CHECK_ERR(try_start(supervisor, sv_child("b")), SP_ERR_LIMIT);
    CHECK_OK(sp_dynamic_supervisor_terminate_child(supervisor, a, sp_never()));
    CHECK_INT(info_of(supervisor).specs, 0);
    sv_stop(supervisor);
    sv_end();
}

TEST(dynamic_delayed_restarts)
{
    sv_begin();
    sp_pid supervisor =
        dynamic((struct sp_dynamic_supervisor_spec){ .max_restarts = SP_RESTARTS_NONE });
    struct sp_child_spec child = sv_child_starting("a", "obbo");
    child.backoff = (struct sp_backoff){ .min = sp_us(100), .max = sp_us(400) };
    sv_act(start(supervisor, child), PROBE_CRASH);
    CHECK_EVENTS("+a -a(boom) !a !a +a");
    while (info_of(supervisor).active == 0)
        sp_yield();
    sv_act(only_child(supervisor).pid, PROBE_CRASH);
    CHECK_EVENTS("+a -a(boom) !a !a +a -a(boom) +a");
    sv_stop(supervisor);
    sv_end();
}

/* case 76: each waits in its terminate for all others, so one after another would never end but by
 * their budgets, and then with the reason `killed`. */
TEST(case_76_children_stop_at_the_same_time)
{
    enum { CHILDREN = 20 };
    sv_begin();
    sp_pid gate = sv_gate(CHILDREN);
    sp_pid supervisor = dynamic((struct sp_dynamic_supervisor_spec){ 0 });
    sp_monitor_ref refs[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        struct sp_child_spec child = sv_child("a");
        child.shutdown = sp_after_sec(3600);
        sv_args(&child)->terminate_gate = gate;
        refs[i] = sv_watch(start(supervisor, child));
    }
    sv_stop(supervisor);
    for (int i = 0; i < CHILDREN; i++)
        CHECK_STR(sv_reason(refs[i]), "shutdown");
    CHECK_INT(sv_count("-a"), CHILDREN);
    sv_stop(gate);
    sv_end();
}

static void stop_run(void *arg)
{
    sv_stop(*(const sp_pid *)arg);
    sv_record("stopped");
}

/* case 66, case 76: a short budget does not wait for a long one. */
TEST(case_76_each_child_has_its_own_budget)
{
    sv_begin();
    sp_pid gate = sv_gate(0);
    sp_pid supervisor = dynamic((struct sp_dynamic_supervisor_spec){ 0 });
    struct sp_child_spec patient = sv_child("p"), brief = sv_child("b"), brutal = sv_child("k");
    patient.shutdown = sp_never();
    brief.shutdown = sp_after_ms(50);
    brutal.shutdown = sp_nowait();
    sv_args(&patient)->terminate_gate = gate;
    sv_args(&brief)->terminate_gate = gate;
    start(supervisor, patient);
    sp_monitor_ref b = sv_watch(start(supervisor, brief));
    start(supervisor, sv_child("a"));
    sp_monitor_ref k = sv_watch(start(supervisor, brutal));
    CHECK_OK(sp_spawn(stop_run, &supervisor,
                      &(struct sp_spawn_options){ .arg_size = sizeof(supervisor) }, NULL));
    CHECK_STR(sv_reason(b), "killed");
    CHECK_STR(sv_reason(k), "killed");
    sv_await("-a", 1);
    CHECK(sp_is_alive(supervisor));
    sv_gate_open(gate);
    sv_await("stopped", 1);
    CHECK_INT(sv_count("-p"), 1);
    CHECK_INT(sv_count("-b"), 0);
    CHECK_INT(sv_count("-k"), 0);
    sv_stop(gate);
    sv_end();
}

/* case 74 */
TEST(case_74_killing_a_dynamic_supervisor_takes_its_children_along)
{
    sv_begin();
    size_t before = sv_processes();
    sp_pid supervisor = dynamic((struct sp_dynamic_supervisor_spec){ 0 });
    sp_monitor_ref refs[10];
    for (size_t i = 0; i < COUNT(refs); i++)
        refs[i] = sv_watch(start(supervisor, sv_child("a")));
    CHECK_OK(sp_kill(supervisor));
    for (size_t i = 0; i < COUNT(refs); i++)
        CHECK_STR(sv_reason(refs[i]), "killed");
    sv_await_processes(before);
    CHECK_INT(sv_count("-a(killed)"), COUNT(refs));
    sv_end();
}

TEST(dynamic_supervisor_as_a_child)
{
    sv_begin();
    struct sp_child_spec kind = sv_child("k");
    struct sp_dynamic_supervisor_spec pool = { .child = &kind, .max_restarts = SP_RESTARTS_NONE };
    struct sp_child_spec children[] = {
        sv_child("a"),
        { .id = "pool", .dynamic = &pool, .options.spawn.name = "pool" },
    };
    sp_pid top = sv_supervisor(
        &(struct sp_supervisor_spec){ .children = children, .child_count = COUNT(children) });
    sp_pid k, found;
    sp_pid before = sv_child_pid(top, "pool");
    CHECK_OK(
        sp_dynamic_supervisor_start_child(before, &(struct sp_dynamic_child){ 0 }, sp_never(), &k));
    CHECK_INT(sv_child_info(top, "pool").type, SP_CHILD_SUPERVISOR);
    sv_act(k, PROBE_CRASH);
    while (sp_pid_equal(sv_child_info(top, "pool").pid, before) ||
           sv_child_info(top, "pool").status != SP_CHILD_RUNNING)
        sp_yield();
    CHECK_OK(sp_whereis("pool", &found));
    CHECK(sp_pid_equal(found, sv_child_pid(top, "pool")));
    CHECK_INT(info_of(found).specs, 0); /* it begins without children */
    sv_stop(top);
    CHECK_EVENTS("+a +k -k(boom) -a");
    sv_end();
}

/* ---- many ---- */

SP_SERVER(tiny, sp_empty);
SP_CAST(tiny, leave, sp_empty);

static sp_err tiny_init(sp_empty *self, const sp_empty *args)
{
    (void)self;
    (void)args;
    return SP_OK;
}

static void tiny_on_leave(sp_empty *self, const sp_empty *in)
{
    (void)self;
    (void)in;
    sp_exit_error(SP_OK, "left");
}

SP_STATE(tiny, sp_empty);
SP_ON_INIT(tiny);
SP_ON_CAST(tiny, leave);
SP_CLASS(tiny, .init = tiny__init);

/* A hundred thousand start, half of them die and are forgotten, a part is restarted, and the rest
 * is stopped. */
TEST(dynamic_a_hundred_thousand_children)
{
    sv_begin();
    const size_t count = sp_test_slow() ? 3000 : 100000;
    size_t before = sv_processes();
    struct sp_child_spec kind = { .server = &tiny_class, .restart = SP_RESTART_TEMPORARY };
    struct sp_child_spec lasting = { .server = &tiny_class };
    sp_pid supervisor = dynamic((struct sp_dynamic_supervisor_spec){
        .child = &kind, .max_restarts = SP_RESTARTS_UNLIMITED });
    sp_pid *pids = sp_alloc(count * sizeof(*pids));
    for (size_t i = 0; i < count; i++) {
        const struct sp_dynamic_child child = { .spec = i % 10 == 1 ? &lasting : NULL };
        CHECK_OK(sp_dynamic_supervisor_start_child(supervisor, &child, sp_never(), &pids[i]));
    }
    CHECK_INT(info_of(supervisor).active, count);
    for (size_t i = 0; i < count; i += 2)
        CHECK_OK(tiny_leave((tiny_ref){ pids[i] }, &(sp_empty){ 0 }));
    await_specs(supervisor, count / 2);
    for (size_t i = 1; i < count; i += 10)
        CHECK_OK(tiny_leave((tiny_ref){ pids[i] }, &(sp_empty){ 0 }));
    while (info_of(supervisor).restarts < count / 10)
        sp_yield();
    CHECK_INT(info_of(supervisor).specs, count / 2);
    sv_stop(supervisor);
    sv_await_processes(before);
    sv_end();
}
