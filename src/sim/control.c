/* What the body of a test says: nodes, how long the world goes on, what must hold.
 *
 * Threads: one. Neighbours: inside.h, run.c.
 */
#include "base/alloc.h"
#include "process/process.h"
#include "process/signal.h"
#include "runtime/slab.h"
#include "sim/inside.h"
#include "sim/memory.h"

#include <stdio.h>

enum {
    CONTROL_STEPS_MAX = 1000000,
    CONTROL_DAY_S = 86400,
    /* After a failure the nodes are told to end, so that nothing is leaked. */
    CONTROL_DRAIN_STEPS = 100000,
};

/* ---- nodes ---- */

static int node_process(void *arg)
{
    struct sp_sim_node *node = arg;
    node->fn(node->arg);
    return 0;
}

static void node_log(void *context, enum sp_log_level level, const char *line)
{
    struct sp_sim_node *node = context;
    struct sp_sim *s = node->sim;
    if (s->crashed && level >= SP_LOG_WARNING)
        sim_fail(s, "%s: %s", node->name, line);
}

static void node_main(void *arg)
{
    struct sp_sim_node *node = arg;
    struct sp_runtime_options options = { .workers = 1, .log = node_log, .log_context = node };
    sp_ignore(sp_main(node_process, node, &options) == 0);
    node->ended = true;
}

struct sp_sim_node *sim_node_add(struct sp_sim *s, const char *name)
{
    bool inside = sim_memory_switch(false);
    struct sp_sim_node *node = sp__calloc(1, sizeof(*node));
    (void)sim_memory_switch(inside);
    if (node == NULL)
        sp_sim_fail(s, "the simulation has no memory for node %s", name);
    *node = (struct sp_sim_node){ .next = s->nodes, .sim = s };
    (void)snprintf(node->name, sizeof(node->name), "%s", name);
    s->nodes = node;
    return node;
}

void sim_node_start(struct sp_sim_node *node, void (*thread)(void *node))
{
    struct sp_sim *s = node->sim;
    uint64_t label = 0;
    for (const char *at = node->name; *at != '\0'; at++)
        label = sim_mix(label, (unsigned char)*at);
    node->thread = thread;
    node->host = sp__host_add(s->world, node->name);
    if (node->host == NULL || sp__world_main(s->world, node->host, label, thread, node) != SP_OK)
        sp_sim_fail(s, "the simulation has no memory for node %s", node->name);
}

sp_sim_node *sp_sim_start(sp_sim *s, const char *name, void (*fn)(void *arg), void *arg)
{
    struct sp_sim_node *node = sim_node_add(s, name);
    node->fn = fn;
    node->arg = arg;
    sim_node_start(node, node_main);
    return node;
}

bool sp_sim_ended(const sp_sim_node *node)
{
    return node->ended;
}

/* ---- what the body says ---- */

static int64_t control_limit(const struct sp_sim *s)
{
    int64_t limit = s->plan->test->options.virtual_time.ns;
    return limit == 0 ? sp_sec(CONTROL_DAY_S).ns : limit;
}

/* How the run came to a halt, if that is a failure. */
static void control_judge(struct sp_sim *s, enum sp__world_end end, bool all)
{
    if (end == SP__WORLD_STEPS)
        sim_fail(s, "still busy after %llu steps: a livelock, or .steps_max is too low",
                 (unsigned long long)sp__world_steps(s->world));
    for (struct sp_sim_node *node = s->nodes; node != NULL && all; node = node->next) {
        if (node->ended)
            continue;
        if (end == SP__WORLD_IDLE)
            sim_quiet(s); /* says more, where calls wait for each other */
        if (end == SP__WORLD_IDLE)
            sim_fail(s, "nothing can go on, but node %s has not ended: its main process waits",
                     node->name);
        else if (end == SP__WORLD_TIME)
            sim_fail(s, "node %s has not ended after %lld virtual seconds", node->name,
                     (long long)(sp__world_now(s->world) / SP_NS_PER_S));
    }
}

static void control_until(struct sp_sim *s, int64_t until, bool all)
{
    uint64_t max = s->plan->test->options.steps_max;
    uint64_t steps = sp__world_steps(s->world);
    max = max == 0 ? CONTROL_STEPS_MAX : max;
    enum sp__world_end end = sp__world_run(s->world, max > steps ? max - steps : 0, until);
    if (!s->result->failed)
        control_judge(s, end, all);
    if (s->result->failed)
        sim_leave(s);
}

void sp_sim_run(sp_sim *s)
{
    control_until(s, control_limit(s), true);
}

void sp_sim_run_for(sp_sim *s, sp_duration d)
{
    control_until(s, sp_time_add(sp_sim_now(s), d).ns, false);
}

void sp_sim_invariant(sp_sim *s, const char *name, bool (*holds)(sp_sim *s, void *arg), void *arg)
{
    if (s->invariant_count == SIM_INVARIANTS_MAX)
        sp_sim_fail(s, "more than %d invariants", SIM_INVARIANTS_MAX);
    s->invariants[s->invariant_count++] =
        (struct sim_invariant){ .name = name, .holds = holds, .arg = arg };
}

sp_time sp_sim_now(const sp_sim *s)
{
    return (sp_time){ sp__world_now(s->world) };
}

uint64_t sp_sim_steps(const sp_sim *s)
{
    return sp__world_steps(s->world);
}

/* ---- the end ---- */

static void drain_signal(struct sp_runtime *runtime)
{
    uint32_t high = sp__slab_high(runtime->processes);
    for (uint32_t slot = 0; slot < high; slot++) {
        struct sp_process *process = sp__slab_get(runtime->processes, slot);
        uint64_t serial = atomic_load_explicit(&process->serial, memory_order_relaxed);
        if (serial != 0 && !(serial & SP__SERIAL_DEAD) && !(process->flags & SP__PROCESS_FOREIGN))
            sp_ignore(sp__signal_send(process, SP__SIGNAL_EXIT, SP_PID_NONE, sp_reason_kill()));
    }
}

void sim_drain(struct sp_sim *s)
{
    s->draining = true;
    struct sp__list *tasks = sp__world_tasks(s->world);
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at)) {
        struct sp__task *task = sp__container_of(at, struct sp__task, link);
        if (task->kind != SP__TASK_TIMERS)
            continue;
        struct sp__context *context = sp__node_context(task->node);
        sp__context_set(context);
        sp__epoch_enter(&context->epoch);
        drain_signal(sp__node_runtime(task->node));
        sp__epoch_leave(&context->epoch);
        sp__context_set(NULL);
    }
    (void)sp__world_run(s->world, CONTROL_DRAIN_STEPS, INT64_MAX);
}
