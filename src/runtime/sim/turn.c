/* Actors of a node on fibers.
 *
 * A turn runs on the node's idle fiber; where it suspends, the fiber stays with the actor and
 * the next turn takes another one. The loop is never on any of them, so a fiber can be put back
 * by it, and an actor be parked while its own stack is still in use: nobody else runs.
 *
 * A fault goes the way of the real backend: the handler starts the spare fiber, which finds
 * SP__AFTER_FAULT in the context and runs the exit.
 *
 * Threads: the world's. Neighbours: world.c, runtime/real/fault.h.
 */
#include "runtime/fiber_switch.h"
#include "runtime/real/fault.h"
#include "runtime/sim/node.h"

#include <string.h>

enum {
    TURN_SCRIBBLE = 4096, /* bytes of a stack */
};

static void turn_fiber(void *unused);

static struct sp__fiber *turn_take_fiber(struct sp__node *node)
{
    struct sp__fiber *fiber = node->idle;
    node->idle = NULL;
    return fiber != NULL ? fiber : sp__fiber_cache_get(&node->context.fibers, turn_fiber, NULL);
}

static void turn_put_fiber(struct sp__node *node, struct sp__fiber *fiber)
{
    while (fiber != NULL) {
        struct sp__fiber *interrupted = sp__fiber_take_interrupted(fiber);
        sp__fiber_cache_put(&node->context.fibers, fiber);
        fiber = interrupted;
    }
}

/* Without a spare no fault is contained. */
static void turn_spare(struct sp__node *node)
{
    if (node->context.spare == NULL)
        node->context.spare = sp__fiber_cache_get(&node->context.fibers, turn_fiber, NULL);
}

static void turn_fault(struct sp__context *context)
{
    struct sp__actor *actor = context->after_actor;
    context->after = SP__AFTER_NOTHING;
    context->current = actor;
    turn_spare(context->backend);
    sp__sim_node(actor->runtime)->world->faults++;
    actor->runtime->on_fault(actor, sp__fault_of(context));
}

/* What a turn said, or a fault led to. */
static void turn_ended(struct sp__world *world, struct sp__task *task, enum sp__turn turn)
{
    if (turn == SP__TURN_DEAD)
        sp__task_delete(world, task);
    else if (turn == SP__TURN_YIELD || !sp__actor_try_park(task->actor, true))
        sp__sim_ready(task->actor);
}

/* What a stack has in it before it is used is not the program's business. */
static SP_NOINLINE void turn_scribble(unsigned char byte)
{
    unsigned char below[TURN_SCRIBBLE];
    memset(below, byte, sizeof(below));
    __asm__ volatile("" : : "r"(below) : "memory"); /* it is read, for all that is known */
}

static void turn_fiber(void *unused)
{
    (void)unused;
    for (;;) {
        struct sp__context *context = sp__context();
        struct sp__node *node = context->backend;
        struct sp__world *world = node->world;
        bool fault = context->after == SP__AFTER_FAULT;
        enum sp__turn turn = SP__TURN_DEAD;
        if (world->scribble != 0)
            turn_scribble(world->scribble);
        if (fault)
            turn_fault(context);
        else
            turn = world->running->actor->turn(world->running->actor);
        struct sp__fiber *self = context->fiber;
        context->current = NULL;
        turn_ended(world, world->running, turn);
        /* A fiber that others led to by faults is put back with them. */
        if (fault || node->idle != NULL) {
            world->spent = self;
            world->spent_of = node;
        } else {
            node->idle = self;
        }
        sp__fiber_switch_inline(self, world->loop);
    }
}

struct sp__fiber *sp__turn_fiber(struct sp__world *world, struct sp__task *task)
{
    struct sp__node *node = task->node;
    struct sp__fiber *fiber = turn_take_fiber(node);
    if (fiber != NULL)
        return fiber;
    /* No stack is to be had: the actor ends here, on the loop's. */
    task->actor->runtime->on_no_stack(task->actor);
    node->context.current = NULL;
    sp__task_delete(world, task);
    return NULL;
}

void sp__turn_tidy(struct sp__world *world, struct sp__node *node)
{
    struct sp__fiber *spent = world->spent;
    world->spent = NULL;
    if (spent != NULL)
        turn_put_fiber(world->spent_of, spent);
    turn_spare(node);
}

sp_err sp__turn_prepare(struct sp__node *node)
{
    turn_spare(node);
    return node->context.spare == NULL ? SP_ERR_NOMEM : SP_OK;
}

void sp__turn_finish(struct sp__node *node)
{
    turn_put_fiber(node, node->idle);
    turn_put_fiber(node, node->context.spare);
    node->idle = NULL;
    node->context.spare = NULL;
}

/* ---- what the running actor asks for ---- */

static uint64_t turn_object(struct sp__actor *actor)
{
    return actor->runtime->actor_object(actor);
}

void sp__sim_ready(struct sp__actor *actor)
{
    struct sp__node *node = sp__sim_node(actor->runtime);
    struct sp__world *world = node->world;
    struct sp__task *task = actor->bound != NULL ? actor->bound->backend : actor->task;
    if (task == NULL) {
        task = sp__task_new(world, node, SP__TASK_ACTOR, world->running);
        if (task == NULL) {
            /* There is no way to fail here, and the simulation itself has no memory. */
            __builtin_trap();
        }
        task->actor = actor;
        actor->task = task;
    }
    if (actor->lane != SP__LANE_NORMAL && actor->lane != SP__LANE_BOUND)
        world->priorities = true;
    sp__task_ready(world, task, SP__POINT_TURN, turn_object(actor), NULL);
}

/* Let the loop go on; back when the world has chosen this task again. */
static void turn_leave(struct sp__context *context)
{
    struct sp__world *world = sp__world_current();
    struct sp__actor *actor = context->current;
    if (world->hooks.aside != NULL)
        world->hooks.aside(world->hooks.arg, world->running);
    if (context->kind == SP__CONTEXT_FOREIGN) {
        sp__task_leave(world, world->running->fiber);
        return;
    }
    actor->fiber = context->fiber;
    context->current = NULL;
    sp__task_leave(world, context->fiber);
}

void sp__sim_park(struct sp__actor *actor, bool receiving)
{
    struct sp__context *context = sp__context();
    if (!sp__actor_nothing_to_do(actor, receiving))
        return;
    if (!sp__actor_try_park(actor, receiving))
        sp__sim_ready(actor);
    turn_leave(context);
}

static void turn_aside(struct sp__context *context, enum sp__point kind, uint64_t object,
                       const char *what)
{
    struct sp__world *world = sp__world_current();
    struct sp__task *task = world->running;
    sp__task_ready(world, task, kind, object, what);
    turn_leave(context);
}

void sp__sim_yield(struct sp__actor *actor)
{
    turn_aside(sp__context(), SP__POINT_YIELD, turn_object(actor), "yield");
}

void sp__sim_detach(struct sp__actor *actor, struct sp__fiber **out_fiber)
{
    struct sp__context *context = sp__context();
    struct sp__world *world = sp__world_current();
    struct sp__fiber *self = context->fiber;
    sp__task_ready(world, world->running, SP__POINT_YIELD, turn_object(actor), "put aside");
    if (world->hooks.aside != NULL)
        world->hooks.aside(world->hooks.arg, world->running);
    *out_fiber = self;
    context->current = NULL;
    sp__fiber_switch_inline(self, world->loop);
}

void sp__sim_point(struct sp__context *context, enum sp__point kind, uint64_t object,
                   const char *what)
{
    /* The loop itself (timers, ends of jobs) does all of its step at once. Who is dead for everybody
     * else still has points: whom it left waiting is told in any order, see sim_stop(). */
    if (context->current != NULL && !sp__epoch_inside(&context->epoch))
        turn_aside(context, kind, object, what);
}

void sp__sim_abandon(struct sp__actor *actor)
{
    struct sp__context *context = sp__context();
    struct sp__node *node = sp__sim_node(actor->runtime);
    struct sp__world *world = node->world;
    struct sp__fiber *self = context->fiber;
    context->current = NULL;
    sp__task_delete(world, world->running);
    world->spent = self;
    world->spent_of = node;
    sp__fiber_switch(self, world->loop);
    __builtin_unreachable();
}
