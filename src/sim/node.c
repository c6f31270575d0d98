/* Nodes of a run, and what befalls them: by a script (sim.h), or by chance (fault.c).
 *
 *   starts ──> runs ──> ended              its main function came back
 *                ├────> down ──> starts    it crashed; started again under a new label
 *                └────> stands still ──> runs
 *
 * What is asked for from inside a process happens when its step is over, since it may be its
 * own node's end: like everything that is planned for a moment, it is called on the loop.
 *
 * Threads: one. Neighbours: inside.h, control.c, runtime/sim/machine.h.
 */
#include "base/alloc.h"
#include "process/process.h"
#include "process/signal.h"
#include "runtime/slab.h"
#include "sim/inside.h"
#include "sim/memory.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- what is planned ---- */

void sim_at(struct sp_sim *s, int64_t at_ns, void (*fn)(struct sp_sim *s, void *arg), void *arg)
{
    bool inside = sim_memory_switch(false);
    s->asking = true;
    struct sim_later *later = sp__malloc(sizeof(*later));
    s->asking = false;
    (void)sim_memory_switch(inside);
    if (later == NULL) {
        sim_fail(s, "the simulation has no memory");
        return;
    }
    struct sim_later **place = &s->later;
    while (*place != NULL && (*place)->at <= at_ns)
        place = &(*place)->next;
    *later = (struct sim_later){ .next = *place, .at = at_ns, .fn = fn, .arg = arg };
    *place = later;
    sp__world_set_alarm(s->world, s->later->at);
}

void sim_later_run(void *arg)
{
    struct sp_sim *s = arg;
    while (s->later != NULL && s->later->at <= sp__world_now(s->world) && !s->result->failed) {
        struct sim_later later = *s->later;
        bool inside = sim_memory_switch(false);
        sp__free(s->later);
        (void)sim_memory_switch(inside);
        s->later = later.next;
        if (!s->draining)
            later.fn(s, later.arg);
    }
    sp__world_set_alarm(s->world, s->later == NULL ? INT64_MAX : s->later->at);
}

void sim_later_finish(struct sp_sim *s)
{
    while (s->later != NULL) {
        struct sim_later *later = s->later;
        s->later = later->next;
        sp__free(later);
    }
}

void sp_sim_at(sp_sim *s, sp_time at, void (*fn)(sp_sim *s, void *arg), void *arg)
{
    sim_at(s, at.ns, fn, arg);
}

/* Now, or, from a process, when its step is over. */
static void node_soon(struct sp_sim_node *node, void (*fn)(struct sp_sim *s, void *arg))
{
    struct sp_sim *s = node->sim;
    if (sp__world_running(s->world) == NULL)
        fn(s, node);
    else
        sim_at(s, sp__world_now(s->world), fn, node);
}

/* ---- a node's life ---- */

static int node_process(void *arg)
{
    struct sp_sim_node *node = arg;
    node->main = sp__world_running(node->sim->world)->label;
    node->fn(node->arg);
    return 0;
}

static void node_log(void *context, const struct sp_log_record *record)
{
    struct sp_sim_node *node = context;
    struct sp_sim *s = node->sim;
    char line[1000];
    if (s->crashed && record->level >= SP_LOG_WARNING)
        sim_fail(s, "%s: %s", node->name, sp_log_line(record, line, sizeof(line)));
}

static void node_restart(struct sp_sim *s, void *arg);

static void node_main(void *arg)
{
    struct sp_sim_node *node = arg;
    struct sp_runtime_options options = {
        .workers = 1, .log = { .fn = node_log, .context = node, .level = SP_LOG_WARNING }
    };
    sp_ignore(sp_main(node_process, node, &options) == 0);
    sim_node_ended(node);
}

void sim_node_ended(struct sp_sim_node *node)
{
    if (node->down)
        return; /* it was ended after its crash */
    node->ended = true;
    if (node->comes_back)
        sim_at(node->sim, sp__world_now(node->sim->world), node_restart, node);
}

static void node_begin(struct sp_sim_node *node)
{
    struct sp_sim *s = node->sim;
    node->ended = false;
    node->down = false;
    node->comes_back = false;
    uint64_t label = node->starts == 0 ? node->label : sim_mix(node->label, node->starts);
    node->starts++;
    if (sp__world_main(s->world, node->host, label, node->thread, node) != SP_OK)
        sim_fail(s, "the simulation has no memory for node %s", node->name);
}

struct sp_sim_node *sim_node_add(struct sp_sim *s, const char *name)
{
    bool inside = sim_memory_switch(false);
    struct sp_sim_node *node = sp__calloc(1, sizeof(*node));
    (void)sim_memory_switch(inside);
    if (node == NULL)
        sp_sim_fail(s, "the simulation has no memory for node %s", name);
    *node = (struct sp_sim_node){ .next = s->nodes, .sim = s };
    memcpy(node->name, name, strnlen(name, sizeof(node->name) - 1)); /* the rest is zero */
    s->nodes = node;
    return node;
}

void sim_node_start(struct sp_sim_node *node, void (*thread)(void *node))
{
    struct sp_sim *s = node->sim;
    for (const char *at = node->name; *at != '\0'; at++)
        node->label = sim_mix(node->label, (unsigned char)*at);
    node->thread = thread;
    node->host = sp__host_add(s->world, node->name);
    if (node->host == NULL)
        sp_sim_fail(s, "the simulation has no memory for node %s", node->name);
    node_begin(node);
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

bool sim_node_runs(const struct sp_sim_node *node)
{
    return !node->ended && !node->down;
}

/* ---- killing ---- */

void sim_kill_all(struct sp_runtime *runtime)
{
    uint32_t high = sp__slab_high(runtime->processes);
    for (uint32_t slot = 0; slot < high; slot++) {
        struct sp_process *process = sp__slab_get(runtime->processes, slot);
        uint64_t serial = atomic_load_explicit(&process->serial, memory_order_relaxed);
        if (serial != 0 && !(serial & SP__SERIAL_DEAD) && !(process->flags & SP__PROCESS_FOREIGN))
            sp_ignore(sp__signal_send(process, SP__SIGNAL_EXIT, SP_PID_NONE, sp_reason_kill()));
    }
}

struct sp__task *sim_task(struct sp_sim *s, uint64_t label)
{
    struct sp__list *tasks = sp__world_tasks(s->world);
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at)) {
        struct sp__task *task = sp__container_of(at, struct sp__task, link);
        if (task->label == label)
            return task;
    }
    return NULL;
}

/* Of a node whose main process has not begun nobody can be told from it yet. */
static bool task_is_main(const struct sp_sim *s, const struct sp__task *task)
{
    for (const struct sp_sim_node *node = s->nodes; node != NULL; node = node->next)
        if (node->host == task->host)
            return node->program == NULL && (node->main == 0 || node->main == task->label);
    return false;
}

bool sim_task_mortal(const struct sp_sim *s, const struct sp__task *task)
{
    if (task->kind != SP__TASK_ACTOR || task->node == NULL || task_is_main(s, task))
        return false;
    const struct sp_process *process = (const struct sp_process *)(const void *)task->actor;
    uint64_t serial = atomic_load_explicit(&process->serial, memory_order_relaxed);
    return serial != 0 && !(serial & SP__SERIAL_DEAD) && !(process->flags & SP__PROCESS_FOREIGN);
}

void sim_task_kill(struct sp__task *task)
{
    struct sp__context *before = sp__context();
    struct sp__context *context = sp__node_context(task->node);
    sp__context_set(context);
    sp__epoch_enter(&context->epoch);
    sp_ignore(sp__signal_send((struct sp_process *)(void *)task->actor, SP__SIGNAL_EXIT,
                              SP_PID_NONE, sp_reason_kill()));
    sp__epoch_leave(&context->epoch);
    sp__context_set(before);
}

void sim_task_name(const struct sp_sim *s, const struct sp__task *task, char name[SIM_NAME_MAX])
{
    char text[64];
    const char *found = "thread";
    if (task->kind == SP__TASK_TIMERS || task->kind == SP__TASK_JOB || task->kind == SP__TASK_NET) {
        static const char *const names[] = { [SP__TASK_TIMERS] = "timers",
                                             [SP__TASK_JOB] = "blocking job",
                                             [SP__TASK_NET] = "network" };
        found = names[task->kind];
    } else if (task->actor != NULL) {
        struct sp_process *process = (struct sp_process *)(void *)task->actor;
        found = sp__process_text(process, text);
        found = found[0] == '<' ? sp__process_label(process) : found;
    } else {
        for (const struct sp_sim_node *node = s->nodes; node != NULL; node = node->next)
            found = node == task->arg ? node->name : found;
    }
    (void)snprintf(name, SIM_NAME_MAX, "%.*s", SIM_NAME_MAX - 1, found);
}

bool sp_sim_kill(sp_sim_node *node, const char *name)
{
    struct sp_sim *s = node->sim;
    struct sp__list *tasks = sp__world_tasks(s->world);
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at)) {
        struct sp__task *task = sp__container_of(at, struct sp__task, link);
        char text[64];
        if (task->host != node->host || task->kind != SP__TASK_ACTOR || task->node == NULL)
            continue;
        if (strcmp(sp__process_text((struct sp_process *)(void *)task->actor, text), name) != 0)
            continue;
        sim_task_kill(task);
        return true;
    }
    return false;
}

/* ---- crash, stop, restart ---- */

void sim_node_crash(struct sp_sim_node *node, enum sp__net_gone how)
{
    struct sp_sim *s = node->sim;
    if (!sim_node_runs(node))
        return;
    bool draining = s->draining;
    node->down = true;
    node->main = 0;
    sim_owed_void(s, node->host);
    s->draining = true;
    sp__host_crash(node->host, how, sim_memory_started() ? NULL : sim_kill_all);
    s->draining = draining;
}

void sim_node_stop(struct sp_sim_node *node)
{
    if (sim_node_runs(node) && !sp__host_signal(node->host, SIGTERM))
        sim_node_crash(node, SP__NET_GONE_KILLED);
}

static void node_restart(struct sp_sim *s, void *arg)
{
    struct sp_sim_node *node = arg;
    (void)s;
    sim_node_crash(node, SP__NET_GONE_KILLED);
    sp__host_up(node->host);
    node_begin(node);
}

void sim_node_mend(struct sp_sim_node *node)
{
    sp__host_pause(node->host, false);
    sp__clock_drift(node->host, 0);
    sp__clock_freeze(node->host, false);
    if (node->down || (node->ended && node->stopped))
        node_restart(node->sim, node);
    else if (node->stopped && !node->ended)
        node->comes_back = true;
    node->stopped = false;
}

static void node_crash_soon(struct sp_sim *s, void *arg)
{
    (void)s;
    sim_node_crash(arg, SP__NET_GONE_KILLED);
}

static void node_power_off_soon(struct sp_sim *s, void *arg)
{
    (void)s;
    sim_node_crash(arg, SP__NET_GONE_DARK);
}

static void node_stop_soon(struct sp_sim *s, void *arg)
{
    (void)s;
    sim_node_stop(arg);
}

void sp_sim_crash(sp_sim_node *node)
{
    node_soon(node, node_crash_soon);
}

void sp_sim_power_off(sp_sim_node *node)
{
    node_soon(node, node_power_off_soon);
}

void sp_sim_stop(sp_sim_node *node)
{
    node_soon(node, node_stop_soon);
}

void sp_sim_restart(sp_sim_node *node)
{
    node_soon(node, node_restart);
}

/* ---- standing still, clocks, memory ---- */

void sp_sim_pause(sp_sim_node *node)
{
    sp__host_pause(node->host, true);
}

void sp_sim_resume(sp_sim_node *node)
{
    sp__host_pause(node->host, false);
}

void sp_sim_clock_step(sp_sim_node *node, sp_duration by)
{
    sp__clock_step(node->host, by.ns);
}

void sp_sim_clock_drift(sp_sim_node *node, int64_t ppm)
{
    sp__clock_drift(node->host, ppm);
}

void sp_sim_clock_freeze(sp_sim_node *node, bool frozen)
{
    sp__clock_freeze(node->host, frozen);
}

void sp_sim_fail_allocation(sp_sim_node *node, uint64_t successes)
{
    node->allocations_left = successes;
    node->allocation_fails = true;
    node->allocation_failed = false;
    sim_faults_watch_memory(node->sim);
}

bool sp_sim_allocation_failed(const sp_sim_node *node)
{
    return node->allocation_failed;
}

bool sim_node_allocates(struct sp_sim *s, const struct sp__host *host)
{
    for (struct sp_sim_node *node = s->nodes; node != NULL; node = node->next) {
        if (node->host != host || !node->allocation_fails)
            continue;
        if (node->allocations_left-- != 0)
            return false;
        node->allocation_fails = false;
        node->allocation_failed = true;
        return true;
    }
    return false;
}
