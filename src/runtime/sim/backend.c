/* The simulated backend: what a runtime takes from the outside world, from a world of ours.
 *
 * Threads: the world's. Neighbours: world.h, turn.c, runtime/backend.h.
 */
#include "base/alloc.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/machine.h"
#include "runtime/sim/node.h"
#include "runtime/scheduler.h"

#include <string.h>

enum {
    /* 2024-01-01 00:00:00 UTC, in seconds: where the wall clocks of a world begin. */
    BACKEND_WALL_START = 1704067200,
};

static uint32_t sim_cpus(void)
{
    return 1;
}

static int64_t sim_now(struct sp_runtime *runtime)
{
    struct sp__node *node = runtime->backend;
    return sp__clock_now(node == NULL ? NULL : node->host, sp__world_current()->now);
}

int64_t sp__world_wall(const struct sp__world *world, const struct sp__host *host)
{
    return BACKEND_WALL_START * SP_NS_PER_S + sp__clock_wall(host, world->now);
}

static int64_t sim_wall(struct sp_runtime *runtime)
{
    return sp__world_wall(sp__world_current(), sp__sim_node(runtime)->host);
}

static sp_err sim_entropy(struct sp_runtime *runtime, void *bytes, size_t size)
{
    struct sp__world *world = sp__world_current();
    memset(bytes, 0, size);
    if (world->hooks.entropy != NULL)
        world->hooks.entropy(world->hooks.arg, runtime->backend, bytes, size);
    return SP_OK;
}

/* ---- a node ---- */

static sp_err node_prepare(struct sp__node *node)
{
    struct sp__world *world = node->world;
    struct sp_runtime *runtime = node->runtime;
    node->host = world->running == NULL ? NULL : world->running->host;
    if (node->host == NULL)
        node->host = sp__host_add(world, "node");
    if (node->host == NULL)
        return SP_ERR_NOMEM;
    if (world->running != NULL)
        world->running->host = node->host;
    runtime->messages.passthrough = runtime->messages.passthrough || world->exact_memory;
    node->timers = sp__task_new(world, node, SP__TASK_TIMERS, world->running);
    if (node->timers == NULL)
        return SP_ERR_NOMEM;
    node->label = node->timers->label;
    sp_err err = sp__timers_create(1, sim_now(runtime), &runtime->timers);
    if (err != SP_OK)
        return err;
    struct sp__context *before = sp__context();
    sp__context_init(&node->context, runtime, SP__CONTEXT_WORKER, 0);
    node->context.backend = node;
    sp__point_act(&node->context, sp__sim_point);
    node->context.fault = world->fault.fault;
    err = sp__turn_prepare(node);
    sp__context_set(before);
    return err;
}

static void node_free(struct sp__node *node)
{
    struct sp_runtime *runtime = node->runtime;
    if (node->context.runtime != NULL) {
        struct sp__context *before = sp__context();
        if (!runtime->forgets)
            sp__turn_finish(node);
        sp__context_finish(&node->context);
        sp__context_set(before);
    }
    if (node->timers != NULL)
        sp__task_delete(node->world, node->timers);
    if (runtime->forgets)
        return;
    sp__timers_destroy(runtime->timers);
    runtime->timers = NULL;
    runtime->backend = NULL;
    sp__free(node);
}

static sp_err sim_start(struct sp_runtime *runtime)
{
    struct sp__node *node = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*node));
    if (node == NULL)
        return SP_ERR_NOMEM;
    memset(node, 0, sizeof(*node));
    node->world = sp__world_current();
    node->runtime = runtime;
    runtime->backend = node;
    runtime->forgets = node->world->forgets;
    sp_err err = node_prepare(node);
    if (err != SP_OK) {
        node_free(node);
        return err;
    }
    sp__list_push_back(&node->world->nodes, &node->link);
    return SP_OK;
}

/* Wakes who stops a node when its time is over; NULL: its machine is gone. */
static void stop_late(struct sp__timer_entry *entry)
{
    struct sp__node *node = sp__container_of(entry, struct sp__node, stop_timer);
    if (node->stopper != NULL)
        sp__task_ready(node->world, node->stopper, SP__POINT_MAIN, node->stopper->label, NULL);
}

/* Until the last job is done, the last thread has detached and the last actor has ended, the others
 * go on; actors that are only through with being told, whatever the time: answers to those
 * it leaves waiting are points. */
static bool sim_stop(struct sp_runtime *runtime, int64_t deadline_ns)
{
    struct sp__node *node = sp__sim_node(runtime);
    struct sp__world *world = node->world;
    struct sp__context *before = sp__context();
    bool timed = (node->jobs != 0 || node->foreign != 0) && deadline_ns != INT64_MAX;
    node->stopper = world->running;
    node->stop_timer.fire = stop_late;
    sp__context_set(&node->context);
    if (timed)
        sp__timers_arm(runtime, &node->stop_timer.node, SP__TIMER_ENTRY, deadline_ns);
    sp__context_set(before);
    while (sp__node_busy(node) &&
           ((node->jobs == 0 && node->foreign == 0) || sim_now(runtime) < deadline_ns))
        sp__task_leave(world, world->running->fiber);
    node->stopper = NULL;
    sp__context_set(&node->context);
    if (timed)
        (void)sp__timers_cancel(runtime, &node->stop_timer.node, NULL);
    sp__context_set(before);
    return !sp__node_busy(node);
}

static void sim_destroy(struct sp_runtime *runtime)
{
    struct sp__node *node = sp__sim_node(runtime);
    sp__list_remove(&node->link);
    node_free(node);
}

struct sp_runtime *sp__node_runtime(struct sp__node *node)
{
    return node->runtime;
}

struct sp__context *sp__node_context(struct sp__node *node)
{
    return &node->context;
}

static void sim_timer_earlier(struct sp_runtime *runtime, uint32_t shard, int64_t expiry_ns)
{
    /* The loop asks each wheel before each step. */
    (void)runtime;
    (void)shard;
    (void)expiry_ns;
}

/* ---- threads ---- */

/* A thread of its own makes no difference to what others can see: every step is a thread's. */
static sp_err sim_thread_start(struct sp_runtime *runtime, struct sp__actor *actor)
{
    (void)runtime;
    sp__sim_ready(actor);
    return SP_OK;
}

static sp_err sim_thread_attach(struct sp_runtime *runtime, struct sp__context **out_context)
{
    struct sp__node *node = sp__sim_node(runtime);
    struct sp__context *context = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*context));
    if (context == NULL)
        return SP_ERR_NOMEM;
    sp__context_init(context, runtime, SP__CONTEXT_FOREIGN, 0);
    context->backend = node->world->running;
    sp__point_act(context, sp__sim_point);
    node->foreign++;
    *out_context = context;
    return SP_OK;
}

static void sim_thread_detach(struct sp__context *context)
{
    struct sp__node *node = sp__sim_node(context->runtime);
    sp__context_finish(context);
    sp__free(context);
    node->foreign--;
    sp__node_left(node);
}

static sp_err sim_blocking(struct sp_runtime *runtime, struct sp__job *job)
{
    struct sp__node *node = sp__sim_node(runtime);
    struct sp__world *world = node->world;
    struct sp__task *task = sp__task_new(world, node, SP__TASK_JOB, world->running);
    if (task == NULL)
        return SP_ERR_LIMIT;
    task->job = job;
    node->jobs++;
    sp__task_ready(world, task, SP__POINT_JOB, task->label, NULL);
    return SP_OK;
}

/* ---- the system's signals ---- */

static sp_err sim_os_signals(struct sp_runtime *runtime, void (*notify)(void *arg, int signo),
                             void *arg)
{
    struct sp__node *node = sp__sim_node(runtime);
    if (notify != NULL && node->notify != NULL)
        return SP_ERR_EXISTS;
    node->notify = notify;
    node->notify_arg = arg;
    return SP_OK;
}

void sp__node_os_signal(struct sp__node *node, int signo)
{
    struct sp__context *before = sp__context();
    sp__context_set(&node->context);
    if (node->notify != NULL)
        node->notify(node->notify_arg, signo);
    sp__context_set(before);
}

static void sim_circle(struct sp_runtime *runtime, const char *text)
{
    const struct sp__world_hooks *hooks = &sp__sim_node(runtime)->world->hooks;
    if (hooks->circle != NULL)
        hooks->circle(hooks->arg, text);
}

const struct sp__backend_ops sp__backend_sim = {
    .circle = sim_circle,
    .name = "sim",
    .cpus = sim_cpus,
    .now = sim_now,
    .now_coarse = sim_now,
    .wall = sim_wall,
    .entropy = sim_entropy,
    .start = sim_start,
    .stop = sim_stop,
    .destroy = sim_destroy,
    .ready = sp__sim_ready,
    .park = sp__sim_park,
    .yield = sp__sim_yield,
    .detach = sp__sim_detach,
    .abandon = sp__sim_abandon,
    .timer_earlier = sim_timer_earlier,
    .thread_start = sim_thread_start,
    .thread_attach = sim_thread_attach,
    .thread_detach = sim_thread_detach,
    .blocking = sim_blocking,
    .os_signals = sim_os_signals,
    .io = &sp__io_sim,
    .file = &sp__file_sim,
};
