#include "runtime/sim/machine.h"

#include "runtime/sim/disk.h"
#include "runtime/sim/net.h"

enum {
    /* To the ends of what crashed; whoever does not come to its end by then leaks. */
    HOST_CRASH_STEPS = 100000,
    CLOCK_DRIFT_MIN = -500000,
    CLOCK_DRIFT_MAX = 1000000,
    CLOCK_MILLION = 1000000,
};

void sp__host_pause(struct sp__host *host, bool paused)
{
    if (host->paused == paused)
        return;
    host->paused = paused;
    host->world->paused += paused ? 1U : -1U;
    sp__net_hold(host, paused);
}

bool sp__host_signal(struct sp__host *host, int signo)
{
    bool taken = false;
    struct sp__list *nodes = &host->world->nodes;
    for (struct sp__list *at = sp__list_first(nodes); at != NULL; at = sp__list_next(nodes, at)) {
        struct sp__node *node = sp__container_of(at, struct sp__node, link);
        if (node->host != host || node->notify == NULL)
            continue;
        sp__node_os_signal(node, signo);
        taken = true;
    }
    return taken;
}

bool sp__host_runs(const struct sp__host *host)
{
    struct sp__list *tasks = &host->world->tasks;
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at)) {
        const struct sp__task *task = sp__container_of(at, struct sp__task, link);
        if (task->kind == SP__TASK_MAIN && task->host == host)
            return true;
    }
    return false;
}

/* ---- crash ---- */

static struct sp__task *crash_ready(const struct sp__world *world, const struct sp__host *host)
{
    for (size_t i = 0; i < world->ready_count; i++)
        if (world->ready[i]->host == host)
            return world->ready[i];
    return NULL;
}

/* Nothing of it is ready: on to its next timer. False: there is none. */
static bool crash_wait(struct sp__world *world, struct sp__host *host)
{
    int64_t next = INT64_MAX;
    for (struct sp__list *at = sp__list_first(&world->nodes); at != NULL;
         at = sp__list_next(&world->nodes, at)) {
        struct sp__node *node = sp__container_of(at, struct sp__node, link);
        int64_t one = node->host != host
                          ? INT64_MAX
                          : sp__clock_world(host, sp__timers_next(node->runtime->timers));
        next = one < next ? one : next;
    }
    if (next == INT64_MAX)
        return false;
    world->now = next > world->now ? next : world->now;
    for (struct sp__list *at = sp__list_first(&world->nodes); at != NULL;
         at = sp__list_next(&world->nodes, at)) {
        struct sp__node *node = sp__container_of(at, struct sp__node, link);
        if (node->host == host)
            sp__node_look_at_timers(world, node);
    }
    return true;
}

static void crash_kill(struct sp__world *world, struct sp__host *host,
                       void (*end)(struct sp_runtime *runtime))
{
    for (struct sp__list *at = sp__list_first(&world->nodes); at != NULL;
         at = sp__list_next(&world->nodes, at)) {
        struct sp__node *node = sp__container_of(at, struct sp__node, link);
        if (node->host != host)
            continue;
        sp__context_set(&node->context);
        sp__epoch_enter(&node->context.epoch);
        end(node->runtime);
        sp__epoch_leave(&node->context.epoch);
        sp__context_set(NULL);
    }
}

/* Its threads and processes run to their ends; the others see nothing of it. A thread that was about
 * to become a process, or to start one, has not been killed: what is there when nobody can go on is. */
static void crash_run(struct sp__world *world, struct sp__host *host,
                      void (*end)(struct sp_runtime *runtime))
{
    struct sp__world_hooks hooks = world->hooks;
    int64_t now = world->now;
    world->hooks = (struct sp__world_hooks){ 0 };
    for (int steps = 0; steps < HOST_CRASH_STEPS && sp__host_runs(host); steps++) {
        struct sp__task *task = crash_ready(world, host);
        if (task == NULL) {
            crash_kill(world, host, end);
            task = crash_ready(world, host);
        }
        if (task != NULL) {
            sp__task_unready(world, task);
            sp__world_step(world, task);
        } else if (!crash_wait(world, host)) {
            break;
        }
    }
    world->now = now;
    world->hooks = hooks;
}

/* What is there of it vanishes. */
static void crash_forget(struct sp__world *world, const struct sp__host *host)
{
    struct sp__list *next;
    for (struct sp__list *at = sp__list_first(&world->nodes); at != NULL; at = next) {
        next = sp__list_next(&world->nodes, at);
        struct sp__node *node = sp__container_of(at, struct sp__node, link);
        if (node->host != host)
            continue;
        node->stopper = NULL; /* its thread may go before the actors it waits for */
        sp__list_remove(&node->link);
    }
    for (struct sp__list *at = sp__list_first(&world->tasks); at != NULL; at = next) {
        next = sp__list_next(&world->tasks, at);
        struct sp__task *task = sp__container_of(at, struct sp__task, link);
        if (task->host != host)
            continue;
        if (task->kind == SP__TASK_MAIN)
            sp__fiber_put(world->mains, task->fiber);
        sp__task_delete(world, task);
    }
}

static void crash_cut(struct sp__world *world, const struct sp__host *host, enum sp__net_gone how)
{
    for (struct sp__list *at = sp__list_first(&world->nodes); at != NULL;
         at = sp__list_next(&world->nodes, at)) {
        struct sp__node *node = sp__container_of(at, struct sp__node, link);
        if (node->host == host)
            sp__net_node_gone(node, how);
    }
}

void sp__host_crash(struct sp__host *host, enum sp__net_gone how,
                    void (*end)(struct sp_runtime *runtime))
{
    struct sp__world *world = host->world;
    sp__host_pause(host, false);
    crash_cut(world, host, how);
    if (end != NULL) {
        crash_kill(world, host, end);
        crash_run(world, host, end);
    }
    crash_forget(world, host);
    if (how == SP__NET_GONE_DARK)
        sp__disk_lose(host->disk);
}

/* ---- clocks ---- */

int64_t sp__clock_now(const struct sp__host *host, int64_t world_now)
{
    if (host == NULL)
        return world_now;
    const struct sp__clock *clock = &host->clock;
    int64_t passed = world_now - clock->since;
    if (clock->drift != 0)
        passed = (int64_t)((__int128)passed * (CLOCK_MILLION + clock->drift) / CLOCK_MILLION);
    return clock->base + passed;
}

int64_t sp__clock_wall(const struct sp__host *host, int64_t world_now)
{
    int64_t now = sp__clock_now(host, world_now);
    if (host == NULL)
        return now;
    return host->clock.frozen ? host->clock.stands : now + host->clock.offset;
}

int64_t sp__clock_world(const struct sp__host *host, int64_t at)
{
    if (host == NULL || at == INT64_MAX)
        return at;
    const struct sp__clock *clock = &host->clock;
    int64_t left = at - clock->base;
    if (left <= 0)
        return clock->since;
    if (clock->drift != 0) {
        int64_t rate = CLOCK_MILLION + clock->drift;
        left = (int64_t)(((__int128)left * CLOCK_MILLION + rate - 1) / rate);
    }
    return left > INT64_MAX - clock->since ? INT64_MAX : clock->since + left;
}

void sp__clock_step(struct sp__host *host, int64_t by_ns)
{
    host->clock.offset += by_ns;
    host->clock.stands += by_ns;
}

void sp__clock_drift(struct sp__host *host, int64_t ppm)
{
    struct sp__clock *clock = &host->clock;
    clock->base = sp__clock_now(host, host->world->now);
    clock->since = host->world->now;
    clock->drift = ppm < CLOCK_DRIFT_MIN ? CLOCK_DRIFT_MIN : ppm;
    clock->drift = clock->drift > CLOCK_DRIFT_MAX ? CLOCK_DRIFT_MAX : clock->drift;
}

void sp__clock_freeze(struct sp__host *host, bool frozen)
{
    host->clock.stands = sp__clock_wall(host, host->world->now);
    host->clock.frozen = frozen;
}
