/* Tasks, groups of tasks, and many inputs. */
#include "torture.h"

#include "spawned/task.h"

SP_TASK(square, int, int);
static sp_err square_run(const int *in, int *out)
{
    *out = *in * *in;
    return *in < 0 ? SP_ERR_INVALID : SP_OK;
}
SP_ON_TASK(square);

SP_TASK(wait_long, int, int);
static sp_err wait_long_run(const int *in, int *out)
{
    *out = *in;
    return sp_sleep(sp_sec(600)) ? SP_OK : SP_ERR_CANCELLED;
}
SP_ON_TASK(wait_long);

static void part_task(void)
{
    square_task task;
    wait_long_task slow;
    int out = 0;
    if (DID(square_spawn(&(int){ 3 }, NULL, &task)) &&
        DID(square_join(task, &out, TORTURE_PATIENCE)))
        MUST(out == 9);
    if (!DID(wait_long_spawn(&(int){ 1 }, NULL, &slow)))
        return;
    if (!DID(sp_task_cancel(slow.task)))
        return;
    sp_err err = wait_long_join(slow, &out, TORTURE_PATIENCE);
    MUST(err != SP_OK && err != SP_ERR_TIMEOUT);
}

static void part_group(void)
{
    sp_task_group group;
    struct sp_task_done done = { .number = 0 };
    int out = 0;
    int started = 0;
    if (!DID(sp_task_group_open(&(struct sp_task_group_options){ .running_max = 2 }, &group)))
        return;
    for (int i = 0; i < 4; i++)
        started += DID(square_add(group, &i));
    if (started > 0 && DID(square_next(group, &out, &done, TORTURE_PATIENCE))) {
        MUST(done.err != SP_OK || out == (int)(done.number * done.number) ||
             started < 4); /* numbers are given to those that started */
        sp_reason_unref(done.reason);
        done.reason = NULL;
    }
    if (DID(sp_task_group_join_all(group, &done, TORTURE_PATIENCE)))
        sp_reason_unref(done.reason);
    sp_task_group_close(group);
}

static void part_race(void)
{
    sp_task_group group;
    int out = 0;
    if (!DID(sp_task_group_open(NULL, &group)))
        return;
    DID(wait_long_add(group, &(int){ 1 }));
    DID(square_add(group, &(int){ 5 }));
    /* Without the quick one the slow one is waited for. */
    sp_err err = square_race(group, &out, NULL, sp_after_sec(torture_strict() ? 15 : 1));
    if (torture_strict() || err != SP_ERR_TIMEOUT)
        DID(err);
    MUST(err != SP_OK || out == 25);
    sp_task_group_close(group); /* none outlives it */
}

static void part_map(void)
{
    int ins[6] = { 1, 2, 3, 4, 5, 6 };
    int outs[6] = { 0 };
    sp_err errs[6];
    sp_err err = square_map(ins, 6, outs, errs, NULL, TORTURE_PATIENCE);
    for (int i = 0; DID(err) && i < 6; i++)
        MUST(errs[i] != SP_OK || outs[i] == ins[i] * ins[i]);
}

static void part_scope(void)
{
    SP_SCOPE(scope, NULL);
    DID(square_add(scope, &(int){ 2 }));
}

void task_body(void *unused)
{
    (void)unused;
    part_task();
    part_group();
    part_race();
    part_map();
    part_scope();
}
