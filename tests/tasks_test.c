/* Tasks and groups of them: results, failures, cancellation, and that nothing is left.
 * Acceptance cases 81, 82, 84. Their races are searched in sim_acceptance/tasks.c.
 */
#include "spawned/task.h"

#include "support/lab.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- tasks that the cases run ---- */

SP_TASK(twice, int, int);
static sp_err twice_run(const int *in, int *out)
{
    *out = 2 * *in;
    return *in < 0 ? SP_ERR_INVALID : SP_OK;
}
SP_ON_TASK(twice);

/* Waits at a gate; returns 1, or what the wait returned. */
SP_TASK(at_gate, gate_ref, int);
static sp_err at_gate_run(const gate_ref *gate, int *out)
{
    sp_empty in = { 0 };
    sp_empty passed;
    *out = 1;
    return gate_pass(*gate, &in, &passed, WORLD_PATIENCE);
}
SP_ON_TASK(at_gate);

/* Ends with error "boom", or by a fault. */
SP_TASK(dies, bool, int);
static sp_err dies_run(const bool *fault, int *out)
{
    *out = 1;
    if (*fault)
        abort();
    sp_exit_error(SP_ERR_IO, "boom");
}
SP_ON_TASK(dies);

/* A text that owns memory of the C library. */
struct text {
    char *bytes;
};
static _Atomic int texts;
static void text_destroy(struct text *text)
{
    free(text->bytes);
    atomic_fetch_sub(&texts, 1);
}
SP_TASK(makes_text, int, struct text);
static sp_err makes_text_run(const int *in, struct text *out)
{
    out->bytes = malloc(8);
    CHECK(out->bytes != NULL);
    memset(out->bytes, '0' + *in, 7);
    out->bytes[7] = '\0';
    atomic_fetch_add(&texts, 1);
    return SP_OK;
}
SP_ON_TASK_MOVED(makes_text, text_destroy);

/* Waits for a message for ever; returns what the wait returned. */
SP_TASK(waits, sp_pid, int);
static sp_err waits_run(const sp_pid *tell, int *out)
{
    struct sp_message *message;
    send_note(*tell, 1);
    *out = 0;
    sp_err err = sp_receive(sp_never(), &message);
    if (err == SP_OK)
        sp_message_free(message);
    return err;
}
SP_ON_TASK(waits);

static uint64_t processes(void)
{
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    return stats.processes;
}

/* Those that have ended, and whom nobody waited for, may be on their last step. */
static void expect_processes(uint64_t count)
{
    while (processes() != count)
        sp_yield(); /* the watchdog is the limit */
}

static waits_task begin_waiting(void)
{
    waits_task task;
    sp_pid self = sp_self();
    CHECK_OK(waits_spawn(&self, NULL, &task));
    CHECK_INT(expect_note(), 1);
    return task;
}

/* ---- one task ---- */

TEST(a_task_gives_its_result_to_its_owner_once)
{
    world_open(NULL);
    twice_task task;
    int in = 21;
    int out = 0;
    CHECK_OK(twice_spawn(&in, NULL, &task));
    in = 0; /* it was copied */
    CHECK_OK(twice_join(task, &out, WORLD_PATIENCE));
    CHECK_INT(out, 42);
    CHECK_ERR(twice_join(task, &out, WORLD_PATIENCE), SP_ERR_NOPROC);
    CHECK(sp_pid_is_none(sp_task_pid(task.task)));
    expect_nothing();
    world_close();
}

TEST(an_error_of_the_function_is_the_joins_and_writes_nothing)
{
    world_open(NULL);
    twice_task task;
    int out = 7;
    CHECK_OK(twice_spawn(&(int){ -1 }, NULL, &task));
    CHECK_ERR(twice_join(task, &out, WORLD_PATIENCE), SP_ERR_INVALID);
    CHECK_INT(out, 7);
    world_close();
}

static void expect_died(bool fault, const char *text)
{
    const struct sp_reason *reason;
    dies_task task;
    int out = 7;
    CHECK_OK(dies_spawn(&fault, NULL, &task));
    CHECK_ERR(sp_task_join(task.task, &dies_task_type, &out, WORLD_PATIENCE, &reason), SP_ERR_DIED);
    CHECK_CONTAINS(sp_reason_text(reason), text);
    sp_reason_unref(reason);
    CHECK_INT(out, 7);
}

TEST(case_81_a_join_gives_the_tasks_own_failure)
{
    world_open(NULL);
    expect_died(false, "boom");
    expect_died(true, "SIGABRT in dies");
    expect_nothing(); /* no DOWN, no EXIT */
    world_close();
}

TEST(case_82_a_join_that_was_too_early_leaves_nothing)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    at_gate_task task;
    int out = 0;
    CHECK_OK(at_gate_spawn(&gate, NULL, &task));
    CHECK_INT(expect_note(), GATE_ARRIVED);
    CHECK_ERR(at_gate_join(task, &out, sp_nowait()), SP_ERR_TIMEOUT);
    CHECK_OK(gate_open(gate, &(sp_empty){ 0 }));
    CHECK_OK(at_gate_join(task, &out, WORLD_PATIENCE)); /* it has finished meanwhile */
    CHECK_INT(out, 1);
    expect_nothing();
    world_close();
}

struct joining {
    twice_task task;
    at_gate_task gated;
    sp_err err;
    int out;
};

static void join_gated(void *arg)
{
    struct joining *joining = arg;
    joining->err = at_gate_join(joining->gated, &joining->out, WORLD_PATIENCE);
}

TEST(many_join_and_each_gets_the_result)
{
    enum { JOINERS = 20 };
    world_open(NULL);
    gate_ref gate = gate_begin();
    struct joining joining[JOINERS] = { { .out = 0 } };
    sp_pid puppets[JOINERS];
    at_gate_task task;
    int out = 0;
    CHECK_OK(at_gate_spawn(&gate, NULL, &task));
    CHECK_INT(expect_note(), GATE_ARRIVED);
    sp_pid pid = sp_task_pid(task.task);
    for (int i = 0; i < JOINERS; i++) {
        joining[i].gated = task;
        puppets[i] = puppet_start(NULL);
        puppet_tell(puppets[i], join_gated, &joining[i]);
    }
    for (int i = 0; i < JOINERS; i++) { /* all wait for it */
        struct sp_process_info info;
        do {
            sp_yield();
            CHECK_OK(sp_process_info(puppets[i], &info));
        } while (!sp_pid_equal(info.waits_for, pid));
    }
    CHECK_OK(sp_kill(puppets[1])); /* one dies while it waits */
    wait_gone(puppets[1]);
    CHECK_OK(gate_open(gate, &(sp_empty){ 0 }));
    for (int i = 2; i < JOINERS; i++)
        puppet_exit(puppets[i], NULL);
    puppet_do(puppets[0], join_gated, &joining[0]); /* again, and it has ended */
    for (int i = 0; i < JOINERS; i++) {
        if (i == 1)
            continue;
        CHECK_OK(joining[i].err);
        CHECK_INT(joining[i].out, 1);
    }
    CHECK_OK(at_gate_join(task, &out, WORLD_PATIENCE));
    CHECK_INT(out, 1);
    puppet_do(puppets[0], join_gated, &joining[0]);
    CHECK_ERR(joining[0].err, SP_ERR_NOPROC); /* after the owner's */
    world_close();
}

TEST(a_join_of_another_type_is_refused)
{
    world_open(NULL);
    twice_task task;
    int out = 0;
    CHECK_OK(twice_spawn(&(int){ 1 }, NULL, &task));
    CHECK_ERR(sp_task_join(task.task, &dies_task_type, &out, WORLD_PATIENCE, NULL), SP_ERR_INVALID);
    CHECK_OK(twice_join(task, &out, WORLD_PATIENCE));
    world_close();
}

static void own_and_return(void *arg)
{
    struct joining *joining = arg;
    CHECK_OK(twice_spawn(&(int){ 1 }, NULL, &joining->task));
}

TEST(when_the_owner_ends_its_tasks_do)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    uint64_t before = processes();
    struct joining joining = { .out = 0 };
    sp_pid puppet = puppet_start(NULL);
    puppet_do(puppet, own_and_return, &joining); /* one that has ended, */
    at_gate_task own;
    CHECK_OK(at_gate_spawn(&gate, NULL, &own)); /* one of somebody else */
    CHECK_INT(expect_note(), GATE_ARRIVED);
    puppet_exit(puppet, NULL);
    int out;
    CHECK_ERR(twice_join(joining.task, &out, WORLD_PATIENCE), SP_ERR_NOPROC);
    expect_processes(before + 1);
    CHECK(sp_is_alive(sp_task_pid(own.task)));
    CHECK_OK(sp_kill(sp_task_pid(own.task)));
    CHECK_ERR(at_gate_join(own, &out, WORLD_PATIENCE), SP_ERR_DIED);
    expect_processes(before);
    world_close();
}

static void own_a_waiting_one(void *arg)
{
    const gate_ref *gate = arg;
    CHECK_OK(at_gate_spawn(gate, NULL, &(at_gate_task){ .task.slot = 0 }));
}

TEST(a_task_that_waits_is_killed_with_its_owner)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    uint64_t before = processes();
    sp_pid puppet = puppet_start(NULL);
    puppet_do(puppet, own_a_waiting_one, &gate);
    CHECK_INT(expect_note(), GATE_ARRIVED);
    CHECK_INT(processes(), before + 2);
    CHECK_OK(sp_kill(puppet));
    expect_processes(before);
    world_close();
}

TEST(results_that_nobody_takes_are_destroyed)
{
    world_open(NULL);
    makes_text_task task;
    struct text text = { NULL };
    CHECK_OK(makes_text_spawn(&(int){ 1 }, NULL, &task));
    CHECK_OK(makes_text_join(task, &text, WORLD_PATIENCE)); /* moved */
    CHECK_STR(text.bytes, "1111111");
    text_destroy(&text);
    CHECK_OK(makes_text_spawn(&(int){ 2 }, NULL, &task));
    CHECK_OK(sp_task_detach(task.task));
    CHECK_ERR(sp_task_detach(task.task), SP_ERR_NOPROC);
    sp_task_group group;
    CHECK_OK(sp_task_group_open(NULL, &group));
    for (int i = 0; i < 5; i++)
        CHECK_OK(makes_text_add(group, &i));
    struct sp_task_done done;
    CHECK_OK(sp_task_group_next(group, NULL, NULL, &done, WORLD_PATIENCE));
    sp_task_group_close(group);
    world_close();
    CHECK_INT(atomic_load(&texts), 0);
}

/* ---- cancelling ---- */

TEST(a_cancelled_task_returns_from_its_wait)
{
    world_open(NULL);
    waits_task task = begin_waiting();
    int out;
    CHECK_OK(sp_task_cancel(task.task));
    CHECK_ERR(waits_join(task, &out, WORLD_PATIENCE), SP_ERR_CANCELLED);
    CHECK_ERR(sp_task_cancel(task.task), SP_ERR_NOPROC);
    world_close();
}

/* What each kind of wait says to a process that was cancelled. */
struct cancelled {
    gate_ref gate;
    sp_pid other;
    sp_err receive;
    sp_err call;
    sp_err join;
    sp_err shielded;
    bool slept;
    bool seen;
    bool seen_shielded;
};

static void wait_in_every_way(void *arg)
{
    struct cancelled *all = arg;
    struct sp_message *message;
    sp_empty out;
    CHECK_OK(sp_cancel(sp_self()));
    all->seen = sp_cancelled();
    all->receive = sp_receive(sp_never(), &message);
    all->call = gate_pass(all->gate, &(sp_empty){ 0 }, &out, WORLD_PATIENCE);
    all->join = sp_join(all->other, sp_never(), NULL);
    all->slept = sp_sleep(sp_sec(3600));
    bool before = sp_shield(true);
    CHECK(!before);
    all->seen_shielded = sp_cancelled();
    all->shielded = sp_receive(sp_nowait(), &message);
    CHECK(sp_shield(before));
    CHECK(sp_cancelled());
}

static void end_when_told(void *arg)
{
    struct cancelled *all = arg;
    wait_in_every_way(all);
    sp_exit(sp_reason_normal());
}

static void begin_gate(void *arg)
{
    *(gate_ref *)arg = gate_begin();
}

TEST(every_wait_of_a_cancelled_process_ends_at_once)
{
    world_open(NULL);
    struct cancelled all = { .other = puppet_start(NULL) };
    puppet_do(all.other, begin_gate, &all.gate); /* tells that one who arrives */
    sp_pid pid;
    sp_monitor_ref ref;
    CHECK_OK(
        sp_spawn(end_when_told, &all, &(struct sp_spawn_options){ .out_monitor = &ref }, &pid));
    expect_down(ref, pid, "normal");
    CHECK(all.seen);
    CHECK_ERR(all.receive, SP_ERR_CANCELLED);
    CHECK_ERR(all.call, SP_ERR_CANCELLED);
    CHECK_ERR(all.join, SP_ERR_CANCELLED);
    CHECK(!all.slept);
    CHECK(!all.seen_shielded);
    CHECK_ERR(all.shielded, SP_ERR_TIMEOUT);
    world_close();
}

TEST(who_cannot_be_cancelled_says_so)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    CHECK_ERR(sp_cancel(lab.pid), SP_ERR_NOTSUP);
    CHECK_ERR(sp_cancel(sp_self()), SP_ERR_NOTSUP); /* an attached thread */
    CHECK_ERR(sp_cancel(dead_pid()), SP_ERR_NOPROC);
    CHECK(!sp_cancelled());
    world_close();
}

/* ---- groups ---- */

static sp_task_group group_of(int count)
{
    sp_task_group group;
    CHECK_OK(sp_task_group_open(NULL, &group));
    for (int i = 0; i < count; i++)
        CHECK_OK(twice_add(group, &i));
    return group;
}

TEST(next_gives_each_result_once_and_then_not_found)
{
    enum { COUNT = 100 };
    world_open(NULL);
    uint64_t before = processes();
    bool seen[COUNT] = { false };
    sp_task_group group = group_of(COUNT);
    struct sp_task_done done;
    int out;
    for (int i = 0; i < COUNT; i++) {
        CHECK_OK(twice_next(group, &out, &done, WORLD_PATIENCE));
        CHECK_OK(done.err);
        CHECK(done.number < COUNT && !seen[done.number]);
        seen[done.number] = true;
        CHECK_INT(out, 2 * (int)done.number);
    }
    CHECK_ERR(twice_next(group, &out, &done, WORLD_PATIENCE), SP_ERR_NOTFOUND);
    sp_task_group_close(group);
    CHECK_ERR(twice_next(group, &out, &done, WORLD_PATIENCE), SP_ERR_NOPROC);
    CHECK_INT(processes(), before); /* the group's own process, too */
    world_close();
}

TEST(next_goes_by_the_order_in_which_they_end)
{
    enum { COUNT = 5 };
    world_open(NULL);
    gate_ref gates[COUNT];
    sp_task_group group;
    CHECK_OK(sp_task_group_open(NULL, &group));
    for (int i = 0; i < COUNT; i++) {
        gates[i] = gate_begin();
        CHECK_OK(at_gate_add(group, &gates[i]));
        CHECK_INT(expect_note(), GATE_ARRIVED);
    }
    for (int i = COUNT; i-- > 0;) {
        struct sp_task_done done;
        CHECK_ERR(sp_task_group_next(group, NULL, NULL, &done, sp_nowait()), SP_ERR_TIMEOUT);
        CHECK_OK(gate_open(gates[i], &(sp_empty){ 0 }));
        CHECK_OK(sp_task_group_next(group, NULL, NULL, &done, WORLD_PATIENCE));
        CHECK_INT(done.number, i);
    }
    sp_task_group_close(group);
    world_close();
}

TEST(a_group_belongs_to_who_opened_it)
{
    world_open(NULL);
    sp_task_group group = group_of(1);
    struct sp_task_group_info info;
    CHECK_OK(sp_task_group_info(group, &info));
    struct sp_process_info process;
    CHECK_OK(sp_process_info(info.pid, &process));
    CHECK_STR(process.label, "task_group");
    CHECK_ERR(sp_task_join((sp_task){ group.serial, group.slot }, &twice_task_type, &(int){ 0 },
                           WORLD_PATIENCE, NULL),
              SP_ERR_NOPROC); /* a group is no task */
    sp_task_group_close(group);
    sp_task_group_close(group); /* a second time does nothing */
    CHECK_ERR(sp_task_group_cancel(group), SP_ERR_NOPROC);
    world_close();
}

TEST(a_task_of_a_group_is_seen_beneath_it)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    sp_task_group group;
    struct sp_task_group_info info;
    sp_pid pids[64];
    size_t cursor = 0;
    int found = 0;
    CHECK_OK(sp_task_group_open(&(struct sp_task_group_options){ .name = "jobs" }, &group));
    CHECK_OK(at_gate_add(group, &gate));
    CHECK_INT(expect_note(), GATE_ARRIVED);
    CHECK_OK(sp_task_group_info(group, &info));
    sp_pid named;
    CHECK_OK(sp_whereis("jobs", &named));
    CHECK(sp_pid_equal(named, info.pid));
    CHECK_INT(info.running, 1);
    size_t count = sp_process_list(&cursor, pids, 64);
    for (size_t i = 0; i < count; i++) {
        struct sp_process_info process;
        if (sp_process_info(pids[i], &process) != SP_OK || !sp_pid_equal(process.parent, info.pid))
            continue;
        CHECK_STR(process.label, "at_gate");
        found++;
    }
    CHECK_INT(found, 1);
    sp_task_group_close(group);
    world_close();
}

TEST(no_more_run_than_the_group_allows)
{
    enum { COUNT = 50, MAX = 4 };
    world_open(NULL);
    sp_task_group group;
    struct sp_task_group_info info;
    CHECK_OK(sp_task_group_open(&(struct sp_task_group_options){ .running_max = MAX }, &group));
    for (int i = 0; i < COUNT; i++) {
        CHECK_OK(twice_add(group, &i));
        CHECK_OK(sp_task_group_info(group, &info));
        CHECK(info.running <= MAX);
    }
    CHECK_OK(sp_task_group_join_all(group, NULL, WORLD_PATIENCE));
    CHECK_OK(sp_task_group_info(group, &info));
    CHECK_INT(info.started, COUNT);
    CHECK_INT(info.finished + info.running, 0);
    sp_task_group_close(group);
    world_close();
}

TEST(join_all_tells_the_first_failure)
{
    world_open(NULL);
    sp_task_group group;
    struct sp_task_done failed;
    CHECK_OK(sp_task_group_open(NULL, &group));
    CHECK_OK(twice_add(group, &(int){ 1 }));
    CHECK_OK(dies_add(group, &(bool){ false }));
    CHECK_ERR(sp_task_group_join_all(group, &failed, WORLD_PATIENCE), SP_ERR_DIED);
    CHECK_INT(failed.number, 1);
    CHECK_CONTAINS(sp_reason_text(failed.reason), "boom");
    sp_reason_unref(failed.reason);
    sp_task_group_close(group);
    world_close();
}

TEST(join_all_ok_cancels_the_others)
{
    world_open(NULL);
    sp_task_group group;
    struct sp_task_done failed;
    sp_pid self = sp_self();
    CHECK_OK(sp_task_group_open(NULL, &group));
    for (int i = 0; i < 10; i++)
        CHECK_OK(waits_add(group, &self));
    for (int i = 0; i < 10; i++)
        CHECK_INT(expect_note(), 1);
    CHECK_OK(twice_add(group, &(int){ -1 }));
    CHECK_ERR(sp_task_group_join_all_ok(group, &failed, WORLD_PATIENCE), SP_ERR_INVALID);
    CHECK_INT(failed.number, 10);
    CHECK_ERR(twice_add(group, &(int){ 1 }), SP_ERR_CANCELLED);
    sp_task_group_close(group);
    world_close();
}

TEST(of_a_race_the_losers_are_dead_when_it_is_over)
{
    world_open(NULL);
    sp_task_group group;
    sp_pid self = sp_self();
    int out = 0;
    CHECK_OK(sp_task_group_open(NULL, &group));
    uint64_t before = processes();
    for (int i = 0; i < 20; i++)
        CHECK_OK(waits_add(group, &self));
    for (int i = 0; i < 20; i++)
        CHECK_INT(expect_note(), 1);
    CHECK_OK(twice_add(group, &(int){ -5 })); /* one that fails, */
    CHECK_OK(twice_add(group, &(int){ 5 }));  /* one that wins */
    struct sp_task_done first;
    struct sp_task_failures failures = { .list = &first, .max = 1 };
    CHECK_OK(twice_race(group, &out, &failures, WORLD_PATIENCE));
    CHECK_INT(processes(), before);
    CHECK_INT(out, 10);
    CHECK(failures.count <= 1);
    sp_task_group_close(group);
    world_close();
}

TEST(a_race_that_all_lose_lists_all)
{
    enum { COUNT = 6 };
    world_open(NULL);
    sp_task_group group;
    int out = 7;
    CHECK_OK(sp_task_group_open(NULL, &group));
    for (int i = 1; i <= COUNT; i++)
        CHECK_OK(twice_add(group, &(int){ -i }));
    struct sp_task_done list[COUNT];
    struct sp_task_failures failures = { .list = list, .max = COUNT };
    CHECK_ERR(twice_race(group, &out, &failures, WORLD_PATIENCE), SP_ERR_LIMIT);
    CHECK_INT(failures.count, COUNT);
    uint64_t numbers = 0;
    for (int i = 0; i < COUNT; i++) {
        CHECK_ERR(list[i].err, SP_ERR_INVALID);
        numbers |= UINT64_C(1) << list[i].number;
    }
    CHECK_INT(numbers, (1 << COUNT) - 1);
    CHECK_ERR(twice_race(group, &out, NULL, WORLD_PATIENCE), SP_ERR_LIMIT); /* nobody is left */
    sp_task_group_close(group);
    world_close();
}

TEST(a_quorum_gives_so_many_and_ends_the_rest)
{
    world_open(NULL);
    sp_task_group group;
    sp_pid self = sp_self();
    int outs[3] = { 0 };
    uint64_t numbers[3];
    CHECK_OK(sp_task_group_open(NULL, &group));
    CHECK_OK(waits_add(group, &self));
    CHECK_INT(expect_note(), 1);
    for (int i = 1; i < 4; i++)
        CHECK_OK(twice_add(group, &i));
    CHECK_OK(sp_task_group_quorum(group, 3, &twice_task_type, outs, numbers, NULL, WORLD_PATIENCE));
    for (int i = 0; i < 3; i++)
        CHECK_INT(outs[i], 2 * (int)numbers[i]);
    struct sp_task_group_info info;
    CHECK_OK(sp_task_group_info(group, &info));
    CHECK_INT(info.running + info.finished, 0);
    sp_task_group_close(group);
    world_close();
}

TEST(a_groups_deadline_cancels_it)
{
    world_open(NULL);
    sp_task_group group;
    sp_pid self = sp_self();
    CHECK_OK(
        sp_task_group_open(&(struct sp_task_group_options){ .deadline = sp_after_ms(5) }, &group));
    CHECK_OK(waits_add(group, &self));
    CHECK_INT(expect_note(), 1);
    CHECK_ERR(sp_task_group_join_all(group, NULL, WORLD_PATIENCE), SP_ERR_CANCELLED);
    CHECK_ERR(twice_add(group, &(int){ 1 }), SP_ERR_CANCELLED);
    sp_task_group_close(group);
    world_close();
}

/* A task that opens a group of its own, with one that waits. */
SP_TASK(nests, sp_pid, int);
static sp_err nests_run(const sp_pid *tell, int *out)
{
    *out = 0;
    SP_SCOPE(inner, NULL);
    sp_err err = waits_add(inner, tell);
    return err == SP_OK ? sp_task_group_join_all(inner, NULL, sp_never()) : err;
}
SP_ON_TASK(nests);

TEST(cancelling_a_group_cancels_those_beneath)
{
    world_open(NULL);
    uint64_t before = processes();
    sp_task_group group;
    sp_task_group child;
    sp_pid self = sp_self();
    CHECK_OK(sp_task_group_open(NULL, &group));
    CHECK_OK(sp_task_group_open(&(struct sp_task_group_options){ .parent = &group }, &child));
    for (int i = 0; i < 3; i++)
        CHECK_OK(nests_add(group, &self));
    CHECK_OK(waits_add(child, &self));
    for (int i = 0; i < 4; i++)
        CHECK_INT(expect_note(), 1);
    CHECK_OK(sp_task_group_cancel(group));
    CHECK_ERR(sp_task_group_join_all(child, NULL, WORLD_PATIENCE), SP_ERR_CANCELLED);
    CHECK_ERR(sp_task_group_join_all(group, NULL, WORLD_PATIENCE), SP_ERR_CANCELLED);
    sp_task_group_close(group);
    struct sp_task_group_info info;
    CHECK_OK(sp_task_group_info(child, &info)); /* it has a life of its own */
    sp_task_group_close(child);
    CHECK_INT(processes(), before);
    world_close();
}

TEST(a_group_whose_process_is_killed_loses_its_tasks)
{
    world_open(NULL);
    sp_task_group group;
    sp_pid self = sp_self();
    struct sp_task_group_info info;
    struct sp_task_done failed;
    CHECK_OK(sp_task_group_open(NULL, &group));
    CHECK_OK(waits_add(group, &self));
    CHECK_INT(expect_note(), 1);
    CHECK_OK(sp_task_group_info(group, &info));
    CHECK_OK(sp_kill(info.pid));
    CHECK_ERR(sp_task_group_join_all(group, &failed, WORLD_PATIENCE), SP_ERR_DIED);
    CHECK_STR(sp_reason_text(failed.reason), "killed");
    sp_reason_unref(failed.reason);
    CHECK_ERR(twice_add(group, &(int){ 1 }), SP_ERR_CANCELLED);
    sp_task_group_close(group);
    world_close();
}

/* ---- scopes ---- */

/* Adds to the number that is in its owner's frame. */
SP_TASK(adds, _Atomic int *, int);
static sp_err adds_run(_Atomic int *const *sum, int *out)
{
    for (int i = 0; i < 10; i++) {
        sp_yield();
        atomic_fetch_add(*sum, 1);
    }
    *out = 0;
    return SP_OK;
}
SP_ON_TASK(adds);

static bool early(_Atomic int *sum, bool leave)
{
    SP_SCOPE(scope, NULL);
    for (int i = 0; i < 8; i++)
        CHECK_OK(adds_add(scope, &sum));
    if (leave)
        return true;
    CHECK_OK(sp_task_group_join_all(scope, NULL, WORLD_PATIENCE));
    return false;
}

TEST(a_scope_is_left_when_its_tasks_are_dead)
{
    world_open(NULL);
    uint64_t before = processes();
    _Atomic int sum = 0;
    CHECK(!early(&sum, false));
    CHECK_INT(atomic_load(&sum), 80);
    CHECK(early(&sum, true)); /* a return waits for them, too */
    CHECK_INT(atomic_load(&sum), 160);
    CHECK_INT(processes(), before);
    world_close();
}

enum { BORROWED = 256 };

/* Writes to its owner's frame until it is killed, and looks that nobody else does. */
SP_TASK(borrows, unsigned char *, int);
static sp_err borrows_run(unsigned char *const *bytes, int *out)
{
    *out = 0;
    for (unsigned char value = 1; !sp_cancelled() || *out >= 0; value++) {
        memset(*bytes, value, BORROWED);
        sp_yield();
        for (int i = 0; i < BORROWED; i++)
            CHECK_INT((*bytes)[i], value);
    }
    return SP_OK;
}
SP_ON_TASK(borrows);

struct borrowing {
    sp_pid tell;
    bool exits;
};

static void borrow(void *arg)
{
    struct borrowing *how = arg;
    unsigned char bytes[BORROWED];
    unsigned char *frame = bytes;
    SP_SCOPE(scope, NULL);
    CHECK_OK(borrows_add(scope, &frame));
    for (int i = 0; i < 20; i++)
        sp_yield();
    send_note(how->tell, 2);
    if (how->exits)
        sp_exit_error(SP_OK, "on purpose");
    struct sp_message *message;
    sp_ignore(sp_receive(sp_never(), &message));
}

TEST(case_84_when_the_owner_of_a_scope_ends_its_tasks_are_dead_before)
{
    world_open(NULL);
    uint64_t before = processes();
    for (int i = 0; i < 20; i++) {
        struct borrowing how = { .tell = sp_self(), .exits = i % 2 != 0 };
        sp_monitor_ref ref;
        sp_pid pid;
        CHECK_OK(sp_spawn(borrow, &how, &(struct sp_spawn_options){ .out_monitor = &ref }, &pid));
        CHECK_INT(expect_note(), 2);
        if (!how.exits)
            CHECK_OK(sp_kill(pid));
        expect_down(ref, pid, how.exits ? "on purpose" : "killed");
        expect_processes(before);
    }
    world_close();
}

TEST(a_scope_that_could_not_be_opened_refuses_its_tasks)
{
    world_open(NULL);
    sp_pid taken = puppet_start(&(struct sp_spawn_options){ .name = "taken" });
    _Atomic int sum = 0;
    _Atomic int *at = &sum;
    SP_SCOPE(scope, &(struct sp_task_group_options){ .name = "taken" });
    CHECK_ERR(adds_add(scope, &at), SP_ERR_NOPROC);
    CHECK(sp_is_alive(taken));
    world_close();
}

/* ---- many inputs ---- */

TEST(a_map_gives_each_input_its_result)
{
    enum { COUNT = 20000 };
    world_open(NULL);
    uint64_t before = processes();
    int *ins = calloc(COUNT, sizeof(int));
    int *outs = calloc(COUNT, sizeof(int));
    sp_err *errs = calloc(COUNT, sizeof(sp_err));
    CHECK(ins != NULL && outs != NULL && errs != NULL);
    for (int i = 0; i < COUNT; i++)
        ins[i] = i % 1000 == 999 ? -1 : i;
    CHECK_ERR(twice_map(ins, COUNT, outs, errs, NULL, WORLD_PATIENCE), SP_ERR_INVALID);
    for (int i = 0; i < COUNT; i++) {
        CHECK_ERR(errs[i], ins[i] < 0 ? SP_ERR_INVALID : SP_OK);
        CHECK_INT(outs[i], 2 * ins[i]);
    }
    CHECK_INT(processes(), before);
    free(ins);
    free(outs);
    free(errs);
    world_close();
}

static void count_done(const struct sp_task_done *done, void *arg)
{
    int *seen = arg;
    CHECK(done->type == &twice_task_type);
    seen[done->number]++;
}

TEST(a_map_that_stops_at_a_failure_starts_no_more)
{
    enum { COUNT = 1000 };
    world_open(NULL);
    int ins[COUNT];
    int outs[COUNT];
    sp_err errs[COUNT];
    int seen[COUNT] = { 0 };
    for (int i = 0; i < COUNT; i++)
        ins[i] = i == 10 ? -1 : i;
    struct sp_task_map_options options = {
        .running_max = 1, .stop_on_failure = true, .on_done = count_done, .arg = seen
    };
    CHECK_ERR(twice_map(ins, COUNT, outs, errs, &options, WORLD_PATIENCE), SP_ERR_INVALID);
    for (int i = 0; i < COUNT; i++) {
        CHECK_ERR(errs[i], i < 10 ? SP_OK : i == 10 ? SP_ERR_INVALID : SP_ERR_CANCELLED);
        CHECK_INT(seen[i], i <= 10);
    }
    world_close();
}

TEST(a_map_past_its_deadline_ends_what_runs)
{
    world_open(NULL);
    uint64_t before = processes();
    sp_pid ins[3] = { sp_self(), sp_self(), sp_self() };
    int outs[3];
    sp_err errs[3];
    CHECK_ERR(waits_map(ins, 3, outs, errs, NULL, sp_after_ms(5)), SP_ERR_TIMEOUT);
    for (int i = 0; i < 3; i++)
        CHECK_ERR(errs[i], SP_ERR_CANCELLED);
    CHECK_INT(processes(), before);
    CHECK_OK(twice_map(NULL, 0, NULL, NULL, NULL, WORLD_PATIENCE)); /* no input, no work */
    world_close();
}
