/* Every allocation of the core fails once: what was asked for then fails with NOMEM, or the
 * process concerned ends with out_of_memory, and nothing is left behind (which the address
 * sanitizer's leak check sees). Needs a build with SPAWNED_FAULT_INJECTION.
 */
#include "base/alloc.h"
#include "spawned/exits.h"
#include "support/lab.h"
#include "support/rig.h"

#include <stdio.h>

#ifdef SPAWNED_FAULT_INJECTION

/** More steps than any of the operations has allocations. */
enum { STEPS_MAX = 500 };

/** Does something with the runtime of the case; may be called again and again. */
typedef sp_err (*nomem_step_fn)(void);

/** Calls `step` with its first, second, ... allocation failing, until none fails. Other threads
 *  may get the failure instead: their process ends, or what they did is done again. */
static void walk(nomem_step_fn step)
{
    bool failed = true;
    for (int n = 0; failed; n++) {
        CHECK(n < STEPS_MAX);
        sp__alloc_fail_after(n);
        sp_err err = step();
        failed = sp__alloc_failed();
        sp__alloc_fail_after(-1);
        if (!failed)
            CHECK_OK(err);
        else if (err != SP_OK && err != SP_ERR_DIED && err != SP_ERR_INITFAILED)
            CHECK_ERR(err, SP_ERR_NOMEM);
    }
}

/** Notices and messages of the step before. */
static void drop_messages(void)
{
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK)
        sp_message_free(message);
}

/** Joins, though joining needs memory too. */
static void wait_gone_anyhow(sp_pid pid)
{
    sp_err err;
    while ((err = sp_join(pid, WORLD_PATIENCE, NULL)) == SP_ERR_NOMEM)
        sp_yield();
    CHECK_OK(err);
}

static void quiet(void *arg)
{
    (void)arg;
}

static sp_err step_runtime(void)
{
    struct sp_runtime *runtime;
    sp_err err = sp_runtime_create(&(struct sp_runtime_options){ .workers = 2 }, &runtime);
    if (err != SP_OK)
        return err;
    err = sp_thread_attach(runtime);
    sp_thread_detach();
    sp_err stopped = sp_runtime_destroy(runtime, WORLD_PATIENCE, NULL);
    return err == SP_OK ? stopped : err;
}

TEST(nomem_in_a_runtimes_life)
{
    walk(step_runtime);
}

SP_SERVER(ward, int);

static sp_err ward_init(int *state, const int *args)
{
    *state = *args;
    return SP_OK;
}

static void ward_health(const int *state, struct sp_health *out)
{
    out->status = (enum sp_health_status) * state;
}

static void ward_format(const int *state, char *text, size_t size)
{
    (void)snprintf(text, size, "%d", *state);
}

SP_STATE(ward, int);
SP_ON_INIT(ward);
SP_ON_HEALTH(ward);
SP_ON_FORMAT(ward);
SP_CLASS(ward, .init = ward__init, .health = ward__health, .format = ward__format);

static sp_err step_health(void)
{
    struct sp_health_check check;
    struct sp_health_report report;
    ward_ref ward;
    sp_err err = ward_start(&(int){ SP_DEGRADED }, NULL, &ward);
    if (err != SP_OK)
        return err;
    err = sp_health(&(struct sp_health_options){ .limit = sp_sec(60) }, &check, 1, &report);
    if (err == SP_OK && report.status != SP_DEGRADED)
        err = report.asked == 0 ? SP_ERR_DIED : SP_ERR_INVALID; /* it may have got no memory */
    while (sp_kill(ward.pid) == SP_ERR_NOMEM)
        sp_yield();
    wait_gone_anyhow(ward.pid);
    return err;
}

TEST(nomem_when_health_is_asked_for)
{
    world_open(NULL);
    walk(step_health);
    world_close();
}

static sp_err step_sys(void)
{
    char text[8];
    ward_ref ward;
    sp_err err = ward_start(&(int){ SP_DEGRADED }, NULL, &ward);
    if (err != SP_OK)
        return err;
    err = sp_sys_suspend(ward.pid, WORLD_PATIENCE);
    if (err == SP_OK)
        err = sp_sys_state(ward.pid, text, sizeof(text), WORLD_PATIENCE);
    if (err == SP_OK)
        err = sp_sys_trace(ward.pid, NULL, WORLD_PATIENCE);
    while (sp_kill(ward.pid) == SP_ERR_NOMEM)
        sp_yield();
    wait_gone_anyhow(ward.pid);
    for (struct sp_message *message; sp_receive(sp_nowait(), &message) == SP_OK;)
        sp_message_free(message);
    return err;
}

TEST(nomem_when_a_server_is_looked_into)
{
    world_open(NULL);
    walk(step_sys);
    world_close();
}

static void no_line(void *context, const struct sp_log_record *record)
{
    (void)context;
    (void)record;
}

static sp_err step_log(void)
{
    struct sp_runtime *runtime;
    sp_err err = sp_runtime_create(
        &(struct sp_runtime_options){ .workers = 1, .log = { .fn = no_line, .rate = 5 } },
        &runtime);
    if (err != SP_OK)
        return err;
    err = sp_thread_attach(runtime);
    sp_log(SP_LOG_INFO, "without memory");
    if (err == SP_OK)
        err = sp_log_process_level(sp_self(), SP_LOG_DEBUG);
    if (err == SP_OK)
        err = sp_log_levels_parse(runtime, "warning,net=debug");
    sp_thread_detach();
    sp_err stopped = sp_runtime_destroy(runtime, WORLD_PATIENCE, NULL);
    return err == SP_OK ? stopped : err;
}

TEST(nomem_in_the_life_of_a_log)
{
    walk(step_log);
}

static sp_err step_spawn(void)
{
    int arg = 7;
    sp_monitor_ref ref;
    sp_pid pid;
    sp_err err = sp_spawn(
        quiet, &arg,
        &(struct sp_spawn_options){ .name = "n",
                                    .label = "quiet",
                                    .arg_size = sizeof arg,
                                    .link = true,
                                    .memory_max = 1 << 20,
                                    .scheduling = &(struct sp_scheduling){ .slice = sp_ms(1) },
                                    .out_monitor = &ref },
        &pid);
    if (err == SP_OK)
        wait_gone_anyhow(pid);
    drop_messages();
    sp_pid holder;
    CHECK_ERR(sp_whereis("n", &holder), SP_ERR_NOTFOUND);
    return err;
}

TEST(nomem_in_spawn)
{
    world_open(NULL);
    walk(step_spawn);
    world_close();
}

static sp_pid other;

static sp_err step_relations(void)
{
    sp_monitor_ref ref;
    sp_err err = sp_link(other);
    if (err != SP_OK)
        return err;
    sp_unlink(other);
    err = sp_monitor(other, &ref);
    if (err != SP_OK)
        return err;
    CHECK(sp_demonitor(ref, SP_DEMONITOR_FLUSH));
    err = sp_monitor_name("nobody", &ref);
    drop_messages();
    if (err != SP_OK)
        return err;
    return sp_signal(other, sp_reason_normal());
}

TEST(nomem_in_links_monitors_and_signals)
{
    world_open(NULL);
    other = puppet_start(NULL);
    walk(step_relations);
    puppet_expect_quiet(other);
    world_close();
}

static bool count_name(const char *name, sp_pid pid, void *arg)
{
    (void)name;
    (void)pid;
    ++*(int *)arg;
    return true;
}

static bool count_group(const char *group, size_t members, void *arg)
{
    (void)group;
    *(int *)arg += (int)members;
    return true;
}

static sp_err step_names(void)
{
    int count = 0;
    sp_err err = sp_register("n", other);
    if (err != SP_OK)
        return err;
    err = sp_registered_each(count_name, &count);
    CHECK_INT(count, err == SP_OK);
    CHECK_OK(sp_unregister("n"));
    CHECK_INT(sp_registered_count(), 0);
    return err;
}

static sp_err step_groups(void)
{
    int count = 0;
    struct note note = { 1, sp_self() };
    sp_err err = sp_group_join("g", other);
    if (err != SP_OK) {
        CHECK_INT(sp_group_count(), 0);
        return err;
    }
    err = sp_group_each(count_group, &count);
    CHECK_INT(count, err == SP_OK);
    struct sp_broadcast counts = { 0, 0 };
    if (err == SP_OK)
        err = sp_group_send("g", &note_type, &note, &counts);
    CHECK_OK(sp_group_leave("g", other));
    CHECK_INT(sp_group_count(), 0);
    return err;
}

static void gives_up(void *arg)
{
    (void)arg;
    sp_exit(sp_reason_killed());
}

/* The list of ends is made by the first that is not normal: without memory that one is missing. */
TEST(nomem_in_the_list_of_ends)
{
    for (int n = 0; n < 30; n++) {
        world_open(NULL);
        sp_pid pid;
        struct sp_exit last;
        sp__alloc_fail_after(n);
        sp_err err = sp_spawn(gives_up, NULL, NULL, &pid);
        if (err == SP_OK)
            wait_gone_anyhow(pid);
        bool failed = sp__alloc_failed();
        sp__alloc_fail_after(-1);
        size_t count = sp_exits_recent(world_runtime(), 0, &last, 1);
        CHECK(count == (err == SP_OK) || failed);
        CHECK(count == 0 || (sp_pid_equal(last.pid, pid) && last.seq == 1));
        world_close();
    }
}

TEST(nomem_in_names_and_groups)
{
    world_open(NULL);
    other = puppet_start(NULL);
    walk(step_names);
    walk(step_groups);
    world_close();
}

static sp_err step_timers(void)
{
    struct note note = { 1, sp_self() };
    sp_timer timer;
    sp_err err = sp_timer_start(sp_self(), &note_type, &note,
                                &(struct sp_timer_options){ .after = sp_sec(600) }, &timer);
    if (err != SP_OK)
        return err;
    err = sp_timer_start(sp_self(), &note_type, &note,
                         &(struct sp_timer_options){ .after = sp_sec(600), .key = 3 }, NULL);
    CHECK_OK(sp_timer_cancel(timer, NULL));
    if (err == SP_OK)
        CHECK_OK(sp_timer_cancel_key(3, NULL));
    return err;
}

TEST(nomem_in_timers)
{
    world_open(NULL);
    walk(step_timers);
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.timers, 0);
    world_close();
}

static sp_err step_server(void)
{
    lab_ref lab;
    struct lab_args args = { .reports_to = sp_self() };
    struct sp_server_options options = { .spawn = { .name = "lab" } };
    sp_err err = lab_start(&args, &options, &lab);
    if (err != SP_OK)
        return err;
    int64_t sum = 0;
    int64_t more = 1;
    struct sp_multi target = { .server = lab.pid, .out = &sum };
    err = lab_add(lab, &more, &sum, WORLD_PATIENCE);
    if (err == SP_OK)
        err = sp_server_multi_call(&lab_add_op, &more, &target, 1, WORLD_PATIENCE);
    if (err == SP_OK)
        err = target.err;
    if (err == SP_OK)
        err = lab_report(lab, &more);
    sp_err stopped = lab_stop(lab, WORLD_PATIENCE);
    while (stopped == SP_ERR_NOMEM)
        stopped = lab_stop(lab, WORLD_PATIENCE);
    CHECK(stopped == SP_OK || stopped == SP_ERR_NOPROC);
    drop_messages();
    return err;
}

TEST(nomem_in_servers)
{
    world_open(NULL);
    walk(step_server);
    world_close();
}

/* A server whose handler waits for another that calls it back. */
struct circle_path {
    sp_pid stations[2];
    int hops;
};
SP_SERVER(circle, sp_empty);
SP_CALL(circle, go, struct circle_path, int);

static sp_err circle_on_go(int *state, const struct circle_path *in, int *out)
{
    (*state)++;
    *out = in->hops;
    if (in->hops == 0)
        return SP_OK;
    struct circle_path rest = *in;
    rest.hops--;
    return circle_go((circle_ref){ in->stations[in->hops % 2] }, &rest, out, sp_after_sec(50));
}

SP_STATE(circle, int);
SP_ON_CALL(circle, go);
SP_CLASS(circle, .reentrancy = SP_REENTRANCY_CALL_CHAIN);

static sp_err step_reentrant(void)
{
    circle_ref refs[2];
    int started = 0;
    sp_err err = SP_OK;
    while (started < 2 && err == SP_OK) {
        err = circle_start(NULL, NULL, &refs[started]);
        started += err == SP_OK;
    }
    if (err == SP_OK) {
        struct circle_path path = { .stations = { refs[0].pid, refs[1].pid }, .hops = 3 };
        int out = 9;
        err = circle_go(refs[0], &path, &out, WORLD_PATIENCE);
        CHECK(err != SP_OK || out == 0);
    }
    while (started > 0) {
        while (sp_kill(refs[started - 1].pid) == SP_ERR_NOMEM)
            sp_yield();
        wait_gone_anyhow(refs[--started].pid);
    }
    drop_messages();
    return err;
}

/* ---- servers with readers ---- */

SP_SERVER(shelf, sp_empty);
SP_CALL(shelf, look, sp_empty, int);
SP_CALL(shelf, fill, int, int);

static sp_err shelf_on_look(const int *state, const sp_empty *in, int *out)
{
    (void)in;
    *out = *state;
    return SP_OK;
}

static sp_err shelf_on_fill(int *state, const int *in, int *out)
{
    *out = *state;
    *state = *in;
    return SP_OK;
}

SP_STATE(shelf, int);
SP_ON_READ(shelf, look);
SP_ON_CALL(shelf, fill);
SP_CLASS(shelf, SP_READERS(2));

static sp_err step_readers(void)
{
    shelf_ref ref;
    int out = 9;
    sp_err err = shelf_start(NULL, NULL, &ref);
    if (err != SP_OK)
        return err;
    err = shelf_fill(ref, &(int){ 4 }, &out, WORLD_PATIENCE);
    CHECK(err != SP_OK || out == 0);
    if (err == SP_OK)
        err = shelf_look(ref, &(sp_empty){ 0 }, &out, WORLD_PATIENCE);
    CHECK(err != SP_OK || out == 4);
    while (sp_kill(ref.pid) == SP_ERR_NOMEM)
        sp_yield();
    wait_gone_anyhow(ref.pid);
    drop_messages();
    return err;
}

TEST(nomem_in_servers_with_readers)
{
    world_open(NULL);
    walk(step_readers);
    world_close();
}

TEST(nomem_in_reentrant_servers)
{
    world_open(NULL);
    walk(step_reentrant);
    world_close();
}

static sp_err step_memory(void)
{
    void *memory = sp_try_alloc(1000);
    if (memory == NULL)
        return SP_ERR_NOMEM;
    sp_free(memory);
    return sp_defer(quiet, NULL);
}

static sp_err step_reasons(void)
{
    const struct sp_reason *error = sp_reason_error(SP_ERR_IO, "%s", "boom");
    const struct sp_reason *shutdown = sp_reason_shutdown_with("%s", "done");
    bool missing = sp_reason_kind(error) == SP_REASON_OUT_OF_MEMORY ||
                   sp_reason_kind(shutdown) == SP_REASON_OUT_OF_MEMORY;
    sp_reason_unref(error);
    sp_reason_unref(shutdown);
    return missing ? SP_ERR_NOMEM : SP_OK;
}

static sp_err step_blocking(void)
{
    int data = 5;
    return sp_blocking(quiet, &data, sizeof data, WORLD_PATIENCE);
}

TEST(nomem_in_memory_reasons_and_blocking)
{
    world_open(NULL);
    walk(step_memory);
    walk(step_reasons);
    walk(step_blocking);
    world_close();
}

/* ---- state machines: they end with out_of_memory ---- */

static void set_everything(struct rig *self, void *arg)
{
    (void)self;
    (void)arg;
    sp_statem_state_timeout(sp_sec(600));
    sp_statem_event_timeout(sp_ns(0));
    rig_set_alarm(sp_sec(600), 1);
    rig_raise_mark(1);
}

static sp_err step_statem(void)
{
    rig_ref rig;
    sp_pid self = sp_self();
    sp_err err = rig_start(&self, NULL, &rig);
    if (err != SP_OK)
        return err;
    struct rig_order order = { set_everything, NULL };
    err = rig_run(rig, &order, &(sp_empty){ 0 }, WORLD_PATIENCE);
    if (err == SP_ERR_DIED) {
        struct sp_call_outcome outcome;
        sp_call_outcome(&outcome);
        if (outcome.reason != NULL)
            CHECK_INT(sp_reason_kind(outcome.reason), SP_REASON_OUT_OF_MEMORY);
    }
    while (sp_kill(rig.pid) == SP_ERR_NOMEM)
        sp_yield();
    wait_gone_anyhow(rig.pid);
    drop_messages();
    return err;
}

TEST(nomem_in_state_machines)
{
    world_open(NULL);
    walk(step_statem);
    world_close();
}

SP_TASK(nomem_task, int, int);
static sp_err nomem_task_run(const int *in, int *out)
{
    *out = *in;
    return SP_OK;
}
SP_ON_TASK(nomem_task);

static sp_err nomem_group(void)
{
    sp_task_group group;
    sp_err err = sp_task_group_open(NULL, &group);
    if (err != SP_OK)
        return err;
    for (int i = 0; i < 3 && err == SP_OK; i++)
        err = nomem_task_add(group, &i);
    if (err == SP_OK)
        err = sp_task_group_join_all(group, NULL, WORLD_PATIENCE);
    sp_task_group_close(group);
    return err;
}

static sp_err step_tasks(void)
{
    int ins[4] = { 1, 2, 3, 4 };
    int outs[4];
    nomem_task_task task;
    sp_err err = nomem_task_spawn(&ins[0], NULL, &task);
    if (err == SP_OK)
        err = nomem_task_join(task, &outs[0], WORLD_PATIENCE);
    if (err == SP_OK)
        err = nomem_group();
    if (err == SP_OK)
        err = nomem_task_map(ins, 4, outs, NULL, NULL, WORLD_PATIENCE);
    return err;
}

TEST(nomem_in_tasks)
{
    world_open(NULL);
    walk(step_tasks);
    world_close();
}

#else

TEST(nomem_needs_fault_injection)
{
    SKIP("built without SPAWNED_FAULT_INJECTION");
}

#endif
