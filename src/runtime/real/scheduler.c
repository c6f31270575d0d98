/* The workers: running, and what is left to do after a switch of fibers.
 *
 * real.h has the drawing, runtime/scheduler.h says why the loop runs on a fiber. A worker is touched
 * between sp__runner_enter() and sp__runner_leave() only: outside of a handler. Threads: runners.
 * Neighbours: search.c finds what to run, ready.c, runner.h, thread.c (threads of their own), fault.h.
 */
#include "runtime/real/real.h"

#include "runtime/fiber_switch.h"
#include "runtime/real/fault.h"
#include "runtime/recorder.h"
#include "runtime/real/search.h"

#include <sched.h>

/* To the back of the own queue, behind what waits there already; without a worker, of the
 * global one. */
static void runner_ready_last(struct sp__runner *runner, struct sp__actor *actor)
{
    struct sp__worker *worker = runner->worker;
    bool alone = false;
    if (actor->lane != SP__LANE_NORMAL) {
        sp__real_ready(actor);
        return;
    }
    if (worker == NULL) {
        sp__real_global_push(runner->real, &actor, 1);
    } else {
        alone = sp__runner_next(runner) == NULL && sp__run_queue_length(&worker->queue) == 0;
        sp__worker_push(worker, actor);
    }
    if (!alone)
        sp__real_notify(runner->real);
}

/* ---- running ---- */

static void context_after(struct sp__context *context);

/* Leave this fiber for `to`; what is left to do is in the context. Inlined, as is the switch, so
 * that the returns of the fiber left are still predicted when it goes on. */
__attribute__((always_inline)) static inline void context_switch(struct sp__context *context,
                                                                 struct sp__fiber *to)
{
    struct sp__fiber *from = context->fiber;
    context->fiber = to;
    sp__fiber_switch_inline(from, to);
    context = sp__context(); /* perhaps of another thread */
    if (context->after != SP__AFTER_NOTHING)
        context_after(context);
}

void sp__real_switch(struct sp__context *context, struct sp__fiber *to)
{
    context_switch(context, to);
}

struct sp__fiber *sp__real_fiber_take(struct sp__context *context)
{
    if (context->spare == NULL)
        context->spare = sp__fiber_cache_get(&context->fibers, sp__real_fiber, NULL);
    if (context->spare == NULL)
        return NULL;
    if (context->kind == SP__CONTEXT_WORKER && sp__runner_of(context)->loop != NULL) {
        struct sp__fiber *loop = sp__runner_of(context)->loop;
        sp__runner_of(context)->loop = NULL;
        return loop;
    }
    return sp__fiber_cache_get(&context->fibers, sp__real_fiber, NULL);
}

static void after_park(struct sp__actor *actor, bool receiving)
{
    if (!sp__actor_try_park(actor, receiving))
        sp__real_ready(actor);
}

/* Put back a fiber, and those whose faults led to it. */
static void context_drop(struct sp__context *context, struct sp__fiber *fiber)
{
    while (fiber != NULL) {
        struct sp__fiber *interrupted = sp__fiber_take_interrupted(fiber);
        sp__fiber_cache_put(&context->fibers, fiber);
        fiber = interrupted;
    }
    /* Where memory was short, it was used up; without one no fault is contained. */
    if (context->spare == NULL)
        context->spare = sp__fiber_cache_get(&context->fibers, sp__real_fiber, NULL);
}

/* The handler is left for the scheduler. */
static inline void runner_return(struct sp__runner *runner)
{
    if (__builtin_expect(sp__runner_enter(runner) == NULL, 0))
        sp__runner_settle(runner);
}

/* The running actor is no more. */
static void context_end_actor(struct sp__context *context)
{
    context->current = NULL;
    if (context->kind == SP__CONTEXT_THREAD)
        ((struct sp__thread *)context->backend)->actor = NULL;
    else if (context->kind == SP__CONTEXT_WORKER)
        runner_return(sp__runner_of(context));
}

static void after_fault(struct sp__context *context, struct sp__actor *actor)
{
    context->current = actor;
    /* The fault took the spare; the exit runs user's code, which may fault again. */
    if (context->spare == NULL)
        context->spare = sp__fiber_cache_get(&context->fibers, sp__real_fiber, NULL);
    actor->runtime->on_fault(actor, sp__fault_of(context));
    /* The exit may have suspended: this may be another thread by now. Only now may the stacks
     * go, since what was deferred may point to them. */
    context = sp__context();
    context_end_actor(context);
    context_drop(context, sp__fiber_take_interrupted(context->fiber));
}

static void context_after(struct sp__context *context)
{
    struct sp__actor *actor = context->after_actor;
    enum sp__after after = context->after;
    context->after = SP__AFTER_NOTHING;
    switch (after) {
    case SP__AFTER_NOTHING:
        break;
    case SP__AFTER_PARK:
        after_park(actor, context->after_receiving);
        break;
    case SP__AFTER_READY:
        runner_ready_last(sp__runner_of(context), actor);
        break;
    case SP__AFTER_DROP:
        context_drop(context, context->after_fiber);
        break;
    case SP__AFTER_FAULT:
        after_fault(context, actor);
        break;
    }
}

void sp__real_after_switch(void)
{
    context_after(sp__context());
}

/* Go on with an actor that is suspended. Returns when one suspends again and needs a fiber for
 * the loop; where there is one already, this fiber ends here. */
__attribute__((always_inline)) static inline void runner_resume(struct sp__runner *runner,
                                                                struct sp__actor *actor)
{
    struct sp__context *context = &runner->context;
    struct sp__fiber *fiber = actor->fiber;
    actor->fiber = NULL;
    if (runner->loop == NULL) {
        runner->loop = context->fiber;
    } else {
        context->after = SP__AFTER_DROP;
        context->after_fiber = context->fiber;
    }
    context_switch(context, fiber);
}

/* A turn. Returns the runner of the thread it ended on. */
__attribute__((always_inline)) static inline struct sp__runner *runner_run(
    struct sp__runner *runner, struct sp__actor *actor)
{
    struct sp__context *context = &runner->context;
    context->current = actor;
    sp__record_run(context, actor);
    sp__runner_leave(runner, actor);
    if (actor->fiber != NULL) {
        runner_resume(runner, actor);
        return sp__runner_of(sp__context());
    }
    enum sp__turn turn = actor->turn(actor);
    /* The turn may have suspended: this may be another runner by now. */
    runner = sp__runner_of(sp__context());
    runner->context.current = NULL;
    runner_return(runner);
    if (turn == SP__TURN_YIELD)
        runner_ready_last(runner, actor);
    else if (turn == SP__TURN_IDLE && !sp__actor_try_park(actor, true))
        runner_ready_last(runner, actor);
    return runner;
}

static void runner_loop(void)
{
    struct sp__runner *runner = sp__runner_of(sp__context());
    for (;;) {
        bool look = !sp__runner_count_turn(runner);
        struct sp__actor *actor = look ? NULL : sp__runner_local_next(runner);
        if (actor == NULL)
            actor = sp__runner_find(runner, look);
        if (actor == NULL)
            break;
        runner = runner_run(runner, actor);
    }
    struct sp__context *context = &runner->context;
    context->after = SP__AFTER_DROP;
    context->after_fiber = context->fiber;
    context_switch(context, context->origin); /* this fiber ends here */
    __builtin_unreachable();
}

void sp__real_fiber(void *unused)
{
    (void)unused;
    sp__real_after_switch();
    if (sp__context()->kind == SP__CONTEXT_WORKER)
        runner_loop();
    else
        sp__real_thread_loop();
}

/* ---- suspending; called by the running actor ---- */

/* The fiber of the actor that runs next, if it is suspended on one and nothing else is due: to go
 * there straight, not by way of the loop. It is the running one then. */
static struct sp__fiber *runner_next_suspended(struct sp__runner *runner)
{
    struct sp__actor *actor = sp__runner_next(runner);
    if (actor == NULL || actor->fiber == NULL || runner->next_streak >= SP__RUNNER_STREAK_MAX ||
        !sp__runner_count_turn(runner))
        return NULL;
    runner->next_streak++;
    /* relaxed: in the scheduler it is ours. */
    atomic_store_explicit(&runner->next, NULL, memory_order_relaxed);
    runner->context.current = actor;
    sp__record_run(&runner->context, actor);
    struct sp__fiber *fiber = actor->fiber;
    actor->fiber = NULL;
    /* What is left to do for the actor that suspends touches no worker but through
     * sp__real_ready(). */
    sp__runner_leave(runner, actor);
    return fiber;
}

void sp__real_park(struct sp__actor *actor, bool receiving)
{
    struct sp__context *context = sp__context();
    if (context->kind != SP__CONTEXT_WORKER) {
        if (sp__actor_try_park(actor, receiving))
            sp__real_thread_wait(context->backend);
        return;
    }
    /* relaxed: only who looks more closely is decided. */
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_relaxed);
    if ((receiving || (state & (SP__ACTOR_SIGNAL | SP__ACTOR_WAKE))) &&
        !sp__actor_nothing_to_do(actor, receiving))
        return;
    struct sp__runner *runner = sp__runner_of(context);
    context->current = NULL;
    runner_return(runner);
    struct sp__fiber *to = runner_next_suspended(runner);
    if (to == NULL)
        to = sp__real_fiber_take(context);
    if (to == NULL) {
        context->current = actor;
        sp__runner_leave(runner, actor);
        actor->runtime->on_no_fiber(actor); /* ends the process with out_of_memory */
        __builtin_unreachable();
    }
    actor->fiber = context->fiber;
    context->after = SP__AFTER_PARK;
    context->after_actor = actor;
    context->after_receiving = receiving;
    context_switch(context, to);
}

void sp__real_yield(struct sp__actor *actor)
{
    struct sp__context *context = sp__context();
    if (context->kind != SP__CONTEXT_WORKER) {
        sched_yield();
        return;
    }
    struct sp__fiber *to = sp__real_fiber_take(context);
    if (to == NULL)
        return; /* no memory: it keeps the worker for one turn more */
    runner_return(sp__runner_of(context));
    actor->fiber = context->fiber;
    context->after = SP__AFTER_READY;
    context->after_actor = actor;
    context->current = NULL;
    context_switch(context, to);
}

void sp__real_detach(struct sp__actor *actor, struct sp__fiber **out_fiber)
{
    struct sp__context *context = sp__context();
    struct sp__fiber *to = sp__real_fiber_take(context);
    if (to == NULL) {
        actor->runtime->on_no_fiber(actor); /* ends the process with out_of_memory */
        __builtin_unreachable();
    }
    runner_return(sp__runner_of(context));
    *out_fiber = context->fiber;
    context->after = SP__AFTER_READY;
    context->after_actor = actor;
    context->current = NULL;
    context_switch(context, to);
}

void sp__real_abandon(struct sp__actor *actor)
{
    (void)actor;
    struct sp__context *context = sp__context();
    struct sp__fiber *to = sp__real_fiber_take(context);
    if (to == NULL) {
        to = context->spare;
        context->spare = NULL; /* the fiber left becomes the next one */
    }
    if (to == NULL)
        to = context->origin; /* which finds the fiber left */
    context_end_actor(context);
    context->after = SP__AFTER_DROP;
    context->after_fiber = context->fiber;
    context_switch(context, to);
    __builtin_unreachable();
}

void sp__scheduler_spin(unsigned spins)
{
    if (spins < 64)
        sp__cpu_relax();
    else
        sched_yield();
}
