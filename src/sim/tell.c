/* The trace of a run that is told: what trace.c has to know of the run it is in.
 *
 * Threads: one. Neighbours: run.c, trace.c.
 */
#include "process/process.h"
#include "runtime/sim/node.h"
#include "sim/inside.h"
#include "sim/memory.h"
#include "sim/net_words.h"

#include <stdarg.h>

void sim_tell_step(struct sp_sim *s, struct sp__task *task)
{
    struct sim_trace_names names = { .node = task->host == NULL ? "" : sp__host_name(task->host),
                                     .main = "thread" };
    for (const struct sp_sim_node *node = s->nodes; node != NULL; node = node->next)
        if (task->kind == SP__TASK_MAIN && node == task->arg)
            names.main = node->name;
    bool inside = sim_memory_switch(false);
    sim_trace_step(s->plan->trace, s->world, task, &names, s->left);
    (void)sim_memory_switch(inside);
}

void sim_tell_stepped(struct sp_sim *s)
{
    if (s->draining)
        return;
    bool inside = sim_memory_switch(false);
    sim_trace_stepped(s->plan->trace, s->world);
    (void)sim_memory_switch(inside);
}

void sim_tell_aside(void *arg, struct sp__task *task)
{
    struct sp_sim *s = arg;
    if (s->draining)
        return;
    bool inside = sim_memory_switch(false);
    sim_trace_aside(s->plan->trace, task);
    (void)sim_memory_switch(inside);
}

void sim_tell_failed(struct sp_sim *s)
{
    bool inside = sim_memory_switch(false);
    sim_trace_end(s->plan->trace, s->world);
    (void)sim_memory_switch(inside);
}

void sim_tell_fault(struct sp_sim *s, const struct sim_choice *fault, const char *format, ...)
{
    struct sim_trace *trace = s->plan->trace;
    if (trace == NULL || trace->told_count == SIM_TOLD_MAX)
        return;
    struct sim_told *told = &trace->told[trace->told_count++];
    *told = (struct sim_told){ .event = trace->count,
                               .time_ns = sp__world_now(s->world),
                               .fault = *fault };
    va_list args;
    va_start(args, format);
    (void)vsnprintf(told->text, sizeof(told->text), format, args);
    va_end(args);
}

/* The task with this label. */
static const struct sp__task *tell_task(const struct sp_sim *s, uint64_t label)
{
    struct sp__list *tasks = sp__world_tasks(s->world);
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at)) {
        const struct sp__task *task = sp__container_of(at, struct sp__task, link);
        if (task->label == label)
            return task;
    }
    return NULL;
}

void sim_tell_network(struct sp_sim *s, const struct sim_choice *drawn)
{
    char name[SP__NET_TEXT_MAX];
    const struct sp__task *task = s->plan->trace == NULL ? NULL : tell_task(s, drawn->at);
    if (task == NULL)
        return;
    char text[SIM_NET_WORDS_MAX];
    if (task->kind == SP__TASK_NET && drawn->kind == SP__CHOICE_NET_READ) {
        struct sp__net_step step; /* a reader draws by the way on which it answers */
        sp__net_task_step(task, &step);
        sim_tell_fault(s, drawn, "%.60s > %.60s %s", step.to, step.from,
                       sim_net_words(drawn, text));
        return;
    }
    if (task->kind == SP__TASK_NET)
        sp__net_task_name(task, name);
    else
        sim_task_name(s, task, name);
    sim_tell_fault(s, drawn, "%.60s %.90s", name, sim_net_words(drawn, text));
}

void sim_tell_allocation(struct sp_sim *s, uint64_t task, uint64_t nth)
{
    char name[SIM_NAME_MAX];
    if (s->plan->trace == NULL)
        return;
    sim_task_name(s, sp__world_running(s->world), name);
    struct sim_choice fault = { .kind = SP__CHOICE_MEMORY, .at = task, .step = nth, .to = 1 };
    sim_tell_fault(s, &fault, "%.40s gets no memory at its allocation %llu", name,
                   (unsigned long long)nth + 1);
}
