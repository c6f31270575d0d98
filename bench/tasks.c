/* Workloads of tasks: what one costs over the work that it does.
 *
 * Neighbours: bench.h.
 */
#include "bench.h"

#include "spawned/task.h"

#include <stdlib.h>

enum {
    TASKS = 1000000,
    TASKS_AT_A_TIME = 64,
};

SP_TASK(bench_increment, uint32_t, uint32_t);
static sp_err bench_increment_run(const uint32_t *in, uint32_t *out)
{
    *out = *in + 1;
    return SP_OK;
}
SP_ON_TASK(bench_increment);

static void tasks_out(int64_t start_ns, uint64_t count)
{
    bench_out("ns_per_task", (double)(bench_now_ns() - start_ns) / (double)count);
}

static void task_join_run(const struct bench_options *options)
{
    uint64_t count = bench_size(options, TASKS);
    int64_t start_ns = bench_now_ns();
    for (uint64_t i = 0; i < count; i++) {
        bench_increment_task task;
        uint32_t in = (uint32_t)i;
        uint32_t out = 0;
        bench_must(bench_increment_spawn(&in, NULL, &task), "spawning");
        bench_must(bench_increment_join(task, &out, sp_never()), "joining");
        if (out != in + 1)
            bench_fail("a wrong result");
    }
    tasks_out(start_ns, count);
}

static void group_take(sp_task_group group, uint64_t *sum)
{
    struct sp_task_done done;
    uint32_t out;
    bench_must(bench_increment_next(group, &out, &done, sp_never()), "the next one");
    *sum += out;
}

/* At most 64 at a time: a result is taken for each that is added. */
static void task_group_run(const struct bench_options *options)
{
    uint64_t count = bench_size(options, TASKS);
    uint64_t sum = 0;
    sp_task_group group;
    bench_must(sp_task_group_open(NULL, &group), "a group");
    int64_t start_ns = bench_now_ns();
    for (uint64_t i = 0; i < count; i++) {
        bench_must(bench_increment_add(group, &(uint32_t){ (uint32_t)i }), "adding");
        if (i >= TASKS_AT_A_TIME)
            group_take(group, &sum);
    }
    for (uint64_t i = 0; i < TASKS_AT_A_TIME && i < count; i++)
        group_take(group, &sum);
    tasks_out(start_ns, count);
    if (sum != count * (count + 1) / 2)
        bench_fail("a wrong sum");
    sp_task_group_close(group);
}

static void parallel_map_run(const struct bench_options *options)
{
    uint64_t count = bench_size(options, TASKS);
    uint32_t *ins = calloc(count, sizeof(*ins));
    uint32_t *outs = calloc(count, sizeof(*outs));
    if (ins == NULL || outs == NULL)
        bench_must(SP_ERR_NOMEM, "the inputs");
    for (uint64_t i = 0; i < count; i++)
        ins[i] = (uint32_t)i;
    struct sp_task_map_options how = { .running_max = TASKS_AT_A_TIME };
    int64_t start_ns = bench_now_ns();
    bench_must(bench_increment_map(ins, count, outs, NULL, &how, sp_never()), "the map");
    tasks_out(start_ns, count);
    for (uint64_t i = 0; i < count; i++)
        if (outs[i] != ins[i] + 1)
            bench_fail("a wrong result");
    free(ins);
    free(outs);
}

const struct bench_workload bench_tasks[] = {
    { .name = "task_join",
      .about = "1,000,000 tasks, each joined before the next is spawned",
      .run = task_join_run },
    { .name = "task_group",
      .about = "1,000,000 tasks in a group, 64 at a time, each result taken",
      .run = task_group_run },
    { .name = "parallel_map",
      .about = "a map over 1,000,000 inputs, 64 at a time",
      .run = parallel_map_run },
    { .name = NULL },
};
