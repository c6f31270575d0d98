#include "runtime/sim/world.h"

#include "base/alloc.h"
#include "runtime/fiber_switch.h"
#include "runtime/real/fault.h"
#include "runtime/real/lanes.h"
#include "runtime/sim/net.h"

#include <string.h>

enum {
    WORLD_STEP_NS = 1000,
    WORLD_READY_MIN = 64,
    WORLD_PASSED_MAX = 8,     /* steps for which one of higher priority goes before another */
    WORLD_TIMERS_MAX = 64,    /* abstract time: of a node's timers so many may be the next */
    WORLD_COLLECT_STEPS = 16, /* what has ended is collected that often: a power of two */
};

/* Thread-local only so that two threads may have a world each; never read across a switch. */
static _Thread_local struct sp__world *world_current;

struct sp__world *sp__world_current(void)
{
    __asm__ volatile("" ::: "memory");
    return world_current;
}

/* ---- tasks ---- */

uint64_t sp__task_label(uint64_t parent, uint64_t child)
{
    uint64_t state = parent * UINT64_C(0x9e3779b97f4a7c15) + child;
    return sp__random_next(&state);
}

static bool world_reserve(struct sp__world *world)
{
    if (world->task_count < world->ready_capacity)
        return true;
    size_t capacity = world->ready_capacity == 0 ? WORLD_READY_MIN : 2 * world->ready_capacity;
    struct sp__task **ready = sp__realloc(world->ready, capacity * sizeof(struct sp__task *));
    if (ready == NULL)
        return false;
    world->ready = ready;
    struct sp__task **awake = sp__realloc(world->awake, capacity * sizeof(struct sp__task *));
    if (awake == NULL)
        return false;
    world->awake = awake;
    world->ready_capacity = capacity;
    return true;
}

struct sp__task *sp__task_new(struct sp__world *world, struct sp__node *node,
                              enum sp__task_kind kind, struct sp__task *parent)
{
    world->own_memory = true;
    struct sp__task *task = world_reserve(world) ? sp__malloc(sizeof(*task)) : NULL;
    world->own_memory = false;
    if (task == NULL)
        return NULL;
    uint64_t *count = parent == NULL ? &world->children : &parent->children;
    uint64_t label = sp__task_label(parent == NULL ? 0 : parent->label, ++*count);
    *task = (struct sp__task){
        .node = node, .kind = kind, .label = label, .host = node == NULL ? NULL : node->host
    };
    sp__list_push_back(&world->tasks, &task->link);
    world->task_count++;
    if (kind == SP__TASK_ACTOR)
        node->actors++;
    if (world->hooks.life != NULL)
        world->hooks.life(world->hooks.arg, task, true);
    return task;
}

static void ready_remove(struct sp__world *world, size_t index)
{
    world->ready[index]->ready = false;
    world->ready_count--;
    /* A handful, mostly: faster than a call. */
    for (size_t i = index; i < world->ready_count; i++)
        world->ready[i] = world->ready[i + 1];
}

void sp__task_unready(struct sp__world *world, struct sp__task *task)
{
    for (size_t i = 0; i < world->ready_count; i++)
        if (world->ready[i] == task) {
            ready_remove(world, i);
            return;
        }
}

void sp__node_left(struct sp__node *node)
{
    if (node->stopper != NULL && !sp__node_busy(node))
        sp__task_ready(node->world, node->stopper, SP__POINT_MAIN, node->stopper->label, NULL);
}

static void task_count_out(const struct sp__task *task)
{
    if (task->kind != SP__TASK_ACTOR)
        return;
    task->node->actors--;
    sp__node_left(task->node);
}

void sp__task_delete(struct sp__world *world, struct sp__task *moved_task)
{
    task_count_out(moved_task);
    if (world->hooks.life != NULL)
        world->hooks.life(world->hooks.arg, moved_task, false);
    if (moved_task->ready)
        sp__task_unready(world, moved_task);
    if (world->running == moved_task)
        world->running = NULL;
    sp__list_remove(&moved_task->link);
    world->task_count--;
    sp__free(moved_task);
}

void sp__task_ready(struct sp__world *world, struct sp__task *task, enum sp__point point,
                    uint64_t object, const char *what)
{
    if (task->ready)
        return;
    task->ready = true;
    task->point = point;
    task->object = object;
    task->what = what;
    world->ready[world->ready_count++] = task; /* room was made when it was born */
}

void sp__task_leave(struct sp__world *world, struct sp__fiber *from)
{
    struct sp__task *task = world->running;
    task->fiber = from;
    task->context = sp__context();
    sp__fiber_switch_inline(from, world->loop);
    sp__context_set(task->context);
}

/* ---- threads of the program ---- */

static void main_fiber(void *arg)
{
    struct sp__world *world = arg;
    struct sp__task *task = world->running;
    struct sp__fiber *fiber = task->fiber;
    sp__context_set(NULL);
    task->fn(task->arg);
    world->spent = fiber;
    world->spent_of = NULL;
    sp__task_delete(world, task);
    sp__fiber_switch(fiber, world->loop);
    __builtin_unreachable();
}

sp_err sp__world_main(struct sp__world *world, struct sp__host *host, uint64_t label,
                      void (*fn)(void *arg), void *arg)
{
    sp_err err = SP_OK;
    if (world->mains == NULL)
        err = sp__fiber_pool_create(&(struct sp__fiber_options){ .stack_size = SP__SIM_MAIN_STACK },
                                    &world->mains);
    if (err != SP_OK)
        return err;
    struct sp__task *task = sp__task_new(world, NULL, SP__TASK_MAIN, world->running);
    if (task == NULL)
        return SP_ERR_NOMEM;
    task->label = sp__task_label(task->label, label);
    task->host = host;
    task->fn = fn;
    task->arg = arg;
    task->fiber = sp__fiber_get(world->mains, main_fiber, world);
    if (task->fiber == NULL) {
        sp__task_delete(world, task);
        return SP_ERR_NOMEM;
    }
    sp__task_ready(world, task, SP__POINT_MAIN, task->label, NULL);
    return SP_OK;
}

/* ---- the loop ---- */

/* When the world's clock is at the next timer of a node. */
static int64_t node_next_timer(const struct sp__node *node)
{
    return sp__clock_world(node->host, sp__timers_next(node->runtime->timers));
}

/* In abstract time what is armed is due. */
void sp__node_look_at_timers(struct sp__world *world, struct sp__node *node)
{
    int64_t next = sp__timers_next(node->runtime->timers);
    if (next == INT64_MAX)
        return;
    next = sp__clock_world(node->host, next);
    if (next <= world->now || (world->abstract && next != INT64_MAX))
        sp__task_ready(world, node->timers, SP__POINT_TIMERS, node->label, NULL);
}

/* What is under way is ready when it is due. */
static void world_look(struct sp__world *world)
{
    if (!sp__list_empty(&world->due))
        sp__net_look(world);
    for (struct sp__list *at = sp__list_first(&world->nodes); at != NULL;
         at = sp__list_next(&world->nodes, at))
        sp__node_look_at_timers(world, sp__container_of(at, struct sp__node, link));
}

/* When something happens if nobody does anything. */
static int64_t world_next(struct sp__world *world)
{
    int64_t next = sp__net_next(world);
    next = world->alarm < next ? world->alarm : next;
    for (struct sp__list *at = sp__list_first(&world->nodes); at != NULL;
         at = sp__list_next(&world->nodes, at)) {
        struct sp__node *node = sp__container_of(at, struct sp__node, link);
        if (node->host != NULL && node->host->paused)
            continue;
        int64_t one = node_next_timer(node);
        next = one < next ? one : next;
    }
    return next;
}

bool sp__world_expects(const struct sp__world *world)
{
    return world->alarm != INT64_MAX || world->paused != 0 || sp__net_next(world) != INT64_MAX;
}

static void step_to(struct sp__world *world, int64_t at)
{
    if (at != INT64_MAX && at > world->now)
        world->now = at;
}

/* Abstract time: one of those that are armed fires, alone. False: they do in their order. */
static bool step_timer_early(struct sp__world *world, struct sp__task *task)
{
    struct sp__node *node = task->node;
    struct sp__timer_armed armed[WORLD_TIMERS_MAX];
    size_t count = sp__timers_armed(node->runtime, armed, WORLD_TIMERS_MAX);
    uint32_t which =
        sp__world_draw(world, SP__CHOICE_TIMER, task->label, task->steps, (uint32_t)count);
    if (which == 0)
        return false;
    step_to(world, sp__clock_world(node->host, armed[which].due_ns));
    sp__context_set(&node->context);
    sp__timers_fire_one(node->runtime, armed[which].node);
    return true;
}

static void step_timers(struct sp__world *world, struct sp__task *task)
{
    struct sp__node *node = task->node;
    if (world->abstract && step_timer_early(world, task))
        return;
    step_to(world, node_next_timer(node)); /* abstract time */
    sp__context_set(&node->context);
    sp__timers_expire(node->runtime, sp__clock_now(node->host, world->now));
}

/* Its run is a step without a context, its end another one with the node's. */
static void step_job(struct sp__world *world, struct sp__task *task)
{
    struct sp__job *job = task->job;
    if (task->steps == 1) {
        sp__context_set(NULL);
        job->run(job);
        sp__task_ready(world, task, SP__POINT_JOB, task->label, NULL);
        return;
    }
    struct sp__node *node = task->node;
    sp__context_set(&node->context);
    sp__task_delete(world, task);
    node->jobs--;
    sp__node_left(node);
    job->done(job);
}

static void step_main(struct sp__world *world, struct sp__task *task)
{
    sp__fiber_switch(world->loop, task->fiber);
    if (world->spent != NULL && world->spent_of == NULL) {
        sp__fiber_put(world->mains, world->spent);
        world->spent = NULL;
    }
}

/* Of an actor, on its fiber or on the node's. Inline, and all up to the loop: a processor predicts
 * returns by what was called last, on whatever stack, so each return between the switch and the
 * loop would be mispredicted, and one of the actor's with it. */
__attribute__((always_inline)) static inline void step_actor(struct sp__world *world,
                                                             struct sp__task *task)
{
    struct sp__node *node = task->node;
    struct sp__context *context = &node->context;
    sp__context_set(context);
    context->current = task->actor;
    /* Or the one that its turn left there, see `detach`. */
    struct sp__fiber *fiber = task->fiber != NULL ? task->fiber : task->actor->fiber;
    task->fiber = NULL;
    task->actor->fiber = NULL;
    if (fiber == NULL)
        fiber = sp__turn_fiber(world, task);
    if (fiber == NULL)
        return;
    context->fiber = fiber;
    sp__fiber_switch_inline(world->loop, fiber);
    context->fiber = NULL;
    if (world->spent != NULL || context->spare == NULL)
        sp__turn_tidy(world, node);
}

/* False: the task may have ended its runtime. */
static bool step_other(struct sp__world *world, struct sp__task *task)
{
    switch (task->kind) {
    case SP__TASK_MAIN:
        step_main(world, task);
        return false;
    case SP__TASK_JOB:
        step_job(world, task);
        break;
    case SP__TASK_TIMERS:
        step_timers(world, task);
        break;
    case SP__TASK_NET:
        sp__net_step(world, task);
        break;
    case SP__TASK_ACTOR:
        break;
    }
    return true;
}

__attribute__((always_inline)) static inline void world_step(struct sp__world *world,
                                                             struct sp__task *task)
{
    struct sp__node *node = task->node;
    bool lasts = true;
    task->steps++;
    world->running = task;
    if (task->kind == SP__TASK_ACTOR)
        step_actor(world, task);
    else
        lasts = step_other(world, task);
    world->running = NULL;
    if (lasts && node != NULL && world->steps % WORLD_COLLECT_STEPS == 0 &&
        sp__epoch_waiting(&node->context.epoch)) {
        sp__context_set(&node->context);
        sp_ignore(sp__epoch_collect(&node->context.epoch));
    }
    sp__context_set(NULL);
}

void sp__world_step(struct sp__world *world, struct sp__task *task)
{
    world_step(world, task);
}

/* Who could go on: all that are ready, but for those of machines that stand still. */
static struct sp__task **world_awake(struct sp__world *world, size_t *out_count)
{
    *out_count = world->ready_count;
    if (world->paused == 0)
        return world->ready;
    *out_count = 0;
    for (size_t i = 0; i < world->ready_count; i++)
        if (world->ready[i]->host == NULL || !world->ready[i]->host->paused)
            world->awake[(*out_count)++] = world->ready[i];
    return world->awake;
}

/* Does it wait for a turn, so that others can go before it? */
static bool task_waits_for_turn(const struct sp__task *task)
{
    return task->kind == SP__TASK_ACTOR &&
           (task->point == SP__POINT_TURN || task->point == SP__POINT_YIELD);
}

/* Is one of higher priority ready, and was it not passed over too often? */
static bool task_held_back(const struct sp__world *world, const struct sp__task *task)
{
    if (!task_waits_for_turn(task) || task->passed >= WORLD_PASSED_MAX)
        return false;
    enum sp__rank rank = sp__lane_rank(task->actor->lane);
    for (size_t i = 0; i < world->ready_count; i++) {
        const struct sp__task *other = world->ready[i];
        if (other->node == task->node && task_waits_for_turn(other) &&
            sp__lane_rank(other->actor->lane) > rank)
            return true;
    }
    return false;
}

/* Those of them that no higher priority holds back: at least one is left. */
static struct sp__task **world_by_priority(struct sp__world *world, struct sp__task **tasks,
                                           size_t *count)
{
    size_t left = 0;
    for (size_t i = 0; i < *count; i++) {
        bool held = task_held_back(world, tasks[i]);
        tasks[i]->passed = held ? tasks[i]->passed + 1 : tasks[i]->passed;
        if (!held)
            world->awake[left++] = tasks[i];
    }
    if (left == 0)
        return tasks; /* who holds them back is on a machine that stands still */
    *count = left;
    return world->awake;
}

/* Somebody goes on, unless a fault comes between. */
__attribute__((always_inline)) static inline bool world_go(struct sp__world *world,
                                                           struct sp__task **tasks, size_t count)
{
    const struct sp__world_hooks *hooks = &world->hooks;
    size_t index = hooks->choose == NULL ? 0 : hooks->choose(hooks->arg, tasks, count);
    struct sp__task *task = tasks[index];
    if (hooks->before != NULL && !hooks->before(hooks->arg, task))
        return false;
    task->passed = 0;
    if (tasks == world->ready && index < world->ready_count && world->ready[index] == task)
        ready_remove(world, index);
    else
        sp__task_unready(world, task);
    world->steps++;
    world->now += hooks->step == NULL ? WORLD_STEP_NS : hooks->step(hooks->arg, task);
    world_step(world, task);
    return true;
}

/* Nothing is ready: to what happens next. False: nothing does before `until_ns`. */
static bool world_jump(struct sp__world *world, int64_t until_ns, enum sp__world_end *out_end)
{
    int64_t next = world_next(world);
    *out_end = next == INT64_MAX ? SP__WORLD_IDLE : SP__WORLD_TIME;
    if (next == INT64_MAX)
        return false;
    if (next > until_ns) {
        world->now = until_ns > world->now ? until_ns : world->now;
        return false;
    }
    if (world->hooks.quiet != NULL)
        world->hooks.quiet(world->hooks.arg);
    *out_end = SP__WORLD_STOPPED;
    if (world->stop)
        return false;
    world->now = next > world->now ? next : world->now;
    return true;
}

static void world_ring(struct sp__world *world)
{
    world->alarm = INT64_MAX;
    if (world->hooks.alarm != NULL)
        world->hooks.alarm(world->hooks.arg);
}

enum sp__world_end sp__world_run(struct sp__world *world, uint64_t steps_max, int64_t until_ns)
{
    enum sp__world_end end;
    uint64_t last = steps_max > UINT64_MAX - world->steps ? UINT64_MAX : world->steps + steps_max;
    world->stop = false;
    while (!world->stop) {
        size_t count;
        world_look(world);
        struct sp__task **tasks = world_awake(world, &count);
        if (world->priorities && count > 1)
            tasks = world_by_priority(world, tasks, &count);
        if (count == 0 && world->alarm > world->now) {
            if (!world_jump(world, until_ns, &end))
                return end;
            continue;
        }
        if (world->now > until_ns)
            return SP__WORLD_TIME;
        if (world->alarm <= world->now) {
            world_ring(world);
            continue;
        }
        if (world->steps >= last)
            return SP__WORLD_STEPS;
        if (world_go(world, tasks, count) && world->hooks.stepped != NULL)
            world->hooks.stepped(world->hooks.arg);
    }
    return SP__WORLD_STOPPED;
}

void sp__world_stop(struct sp__world *world)
{
    world->stop = true;
}

void sp__world_halt(struct sp__world *world)
{
    struct sp__context *context = sp__context();
    world->stop = true;
    if (context != NULL && context->current != NULL) {
        sp__sim_point(context, SP__POINT_YIELD, 0, "halt");
        return;
    }
    sp__task_ready(world, world->running, SP__POINT_MAIN, 0, "halt");
    sp__task_leave(world, world->running->fiber);
}

uint32_t sp__world_draw(struct sp__world *world, enum sp__choice kind, uint64_t at, uint64_t nth,
                        uint32_t count)
{
    if (world->hooks.draw == NULL || count < 2)
        return 0;
    return world->hooks.draw(world->hooks.arg, kind, at, nth, count);
}

uint32_t sp__world_draw_here(struct sp__world *world, enum sp__choice kind, uint32_t count)
{
    struct sp__task *task = world->running;
    if (task == NULL)
        return sp__world_draw(world, kind, 0, world->draws++, count);
    return sp__world_draw(world, kind, task->label, task->draws++, count);
}

void sp__world_set_alarm(struct sp__world *world, int64_t at_ns)
{
    world->alarm = at_ns;
}

void sp__world_advance(struct sp__world *world, int64_t by_ns)
{
    world->now += by_ns;
}

void sp__world_set_exact_memory(struct sp__world *world)
{
    world->exact_memory = true;
}

bool sp__world_own_memory(const struct sp__world *world)
{
    return world->own_memory;
}

void sp__world_set_abstract(struct sp__world *world, bool abstract)
{
    world->abstract = abstract;
}

void sp__world_set_forgets(struct sp__world *world, bool forgets)
{
    world->forgets = forgets;
}

void sp__world_set_scribble(struct sp__world *world, unsigned char byte)
{
    world->scribble = byte;
}

int64_t sp__world_now(const struct sp__world *world)
{
    return world->now;
}

uint64_t sp__world_steps(const struct sp__world *world)
{
    return world->steps;
}

uint64_t sp__world_faults(struct sp__world *world)
{
    return world->faults;
}

struct sp__task *sp__world_running(const struct sp__world *world)
{
    return world->running;
}

struct sp__list *sp__world_tasks(struct sp__world *world)
{
    return &world->tasks;
}

/* ---- beginning and end ---- */

static sp_err world_prepare(struct sp__world *world)
{
    world->loop = sp__fiber_adopt();
    if (world->loop == NULL)
        return SP_ERR_NOMEM;
    sp_err err = sp__fault_install();
    if (err != SP_OK)
        return err;
    err = sp__fault_thread_start(&world->fault);
    if (err != SP_OK)
        sp__fault_uninstall();
    return err;
}

static void world_empty(struct sp__world *world)
{
    world->alarm = INT64_MAX;
    sp__list_init(&world->tasks);
    sp__list_init(&world->nodes);
    sp__net_init(world);
}

sp_err sp__world_create(const struct sp__world_hooks *hooks, struct sp__world **out)
{
    if (sp__world_current() != NULL)
        return SP_ERR_INVALID;
    struct sp__world *world = sp__aligned_alloc(_Alignof(struct sp__world), sizeof(*world));
    if (world == NULL)
        return SP_ERR_NOMEM;
    memset(world, 0, sizeof(*world));
    world->hooks = *hooks;
    world_empty(world);
    sp_err err = world_prepare(world);
    if (err != SP_OK) {
        sp__fiber_release(world->loop);
        sp__free(world);
        return err;
    }
    world_current = world;
    sp__backend_choose(&sp__backend_sim);
    *out = world;
    return SP_OK;
}

bool sp__world_restart(struct sp__world *world, const struct sp__world_hooks *hooks,
                       bool taken_back)
{
    if (!taken_back && (!sp__list_empty(&world->nodes) || !sp__net_finish(world) ||
                        !sp__list_empty(&world->tasks)))
        return false;
    if (!taken_back) {
        sp__free(world->ready);
        sp__free(world->awake);
        sp__fiber_pool_destroy(world->mains);
    }
    struct sp__fiber *loop = world->loop;
    struct sp__fault_thread *fault = world->fault.fault;
    memset(world, 0, sizeof(*world));
    world->hooks = *hooks;
    world->loop = loop;
    world->fault.fault = fault;
    world_empty(world);
    return true;
}

/* They may be deleted before the actors they wait for. */
static void world_forget_stoppers(struct sp__world *world)
{
    for (struct sp__list *at = sp__list_first(&world->nodes); at != NULL;
         at = sp__list_next(&world->nodes, at))
        sp__container_of(at, struct sp__node, link)->stopper = NULL;
}

void sp__world_destroy(struct sp__world *moved_world)
{
    struct sp__world *world = moved_world;
    world->hooks = (struct sp__world_hooks){ 0 };
    (void)sp__net_finish(world); /* what is open leaks, as said */
    world_forget_stoppers(world);
    for (struct sp__list *at; (at = sp__list_first(&world->tasks)) != NULL;) {
        struct sp__task *task = sp__container_of(at, struct sp__task, link);
        if (task->kind == SP__TASK_MAIN)
            sp__fiber_put(world->mains, task->fiber);
        sp__task_delete(world, task);
    }
    sp__fault_thread_end(&world->fault);
    sp__fault_uninstall();
    sp__fiber_pool_destroy(world->mains);
    sp__fiber_release(world->loop);
    sp__free(world->ready);
    sp__free(world->awake);
    sp__free(world);
    world_current = NULL;
    sp__backend_choose(NULL);
}
