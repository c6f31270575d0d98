/* The workers: looking for work, sleeping, running, and what is left to do after a switch of
 * fibers.
 *
 * real.h has the drawing and the waking protocol, runtime/scheduler.h why the loop runs on a
 * fiber. A worker is touched between sp__runner_enter() and sp__runner_leave() only: outside of a
 * handler. Threads: runners. Neighbours: ready.c, runner.h, thread.c (threads of their own),
 * poller.h, watcher.h, fault.h.
 */
#include "runtime/real/real.h"

#include "runtime/fiber_switch.h"
#include "runtime/real/fault.h"
#include "runtime/real/futex.h"

#include <sched.h>

enum {
    /* How often `next` and new processes may go before the queue: a pair that plays ping-pong, or
     * one that spawns without end, must not starve the others, and 64 turns of it are some
     * microseconds. */
    SCHEDULER_STREAK_MAX = 64,
    /* A busy worker looks at timers, poller and global queue after so many turns at the latest, and
     * after so few that about so much time lies between: what it finds out is its pace. */
    SCHEDULER_LOOK_EVERY = 64,
    SCHEDULER_LOOK_EVERY_NS = 100000,
    /* Looking into the poller costs half a microsecond; 64 turns may be two. */
    SCHEDULER_POLL_EVERY_NS = 100000,
    /* A worker with so many ready ones fetches no more events before this much time has passed: the
     * system keeps them in order, while a run queue that overflows lets the later go first. */
    SCHEDULER_POLL_BELOW = 32,
    SCHEDULER_POLL_LATEST_NS = 4000000,
    /* Another worker is not woken for events that make less work than this: it would be there
     * when most is done, and would take a processor from whoever sent them. Unless there was
     * always more to do when it was done, for so long. */
    SCHEDULER_SHARE_NS = 250000,
    SCHEDULER_BUSY_NS = 1000000,
    /* What an event costs is a mean over about so many harvests, in which a single one (a worker
     * that lost its processor) counts so many times the mean at most. */
    SCHEDULER_COST_MEAN = 8,
    SCHEDULER_COST_MOST = 8,
    /* A worker that falls asleep collects what ended processes left, so often at most: it makes
     * every core of the program execute a barrier, which takes some microseconds. */
    SCHEDULER_TIDY_NS = 1000000,
};

/* To the back of the own queue, behind what waits there already; without a worker, of the
 * global one. */
static void runner_ready_last(struct sp__runner *runner, struct sp__actor *actor)
{
    struct sp__worker *worker = runner->worker;
    bool alone = false;
    if (worker == NULL) {
        sp__real_global_push(runner->real, &actor, 1);
    } else {
        alone = sp__runner_next(runner) == NULL && sp__run_queue_length(&worker->queue) == 0;
        sp__worker_push(worker, actor);
    }
    if (!alone)
        sp__real_notify(runner->real);
}

/* ---- looking for work ---- */

/* How many turns until the next look, by how long those until this one took. */
static void worker_set_pace(struct sp__worker *worker, bool busy, int64_t now)
{
    struct sp__runner *runner = worker->runner;
    int64_t elapsed = now - worker->looked_ns;
    if (!busy || worker->looked_ns == 0 || elapsed <= 0) {
        worker->pace = SCHEDULER_LOOK_EVERY;
    } else {
        int64_t pace = (int64_t)worker->pace * SCHEDULER_LOOK_EVERY_NS / elapsed;
        worker->pace = pace < 1                      ? 1
                       : pace > SCHEDULER_LOOK_EVERY ? SCHEDULER_LOOK_EVERY
                                                     : (unsigned)pace;
    }
    worker->looked_ns = busy ? now : 0;
    runner->look_at = atomic_load_explicit(&runner->turns, memory_order_relaxed) + worker->pace;
}

/* What the events of the last harvests cost, now that all they have brought about is done. */
static void worker_learn_cost(struct sp__worker *worker, int64_t now)
{
    if (worker->events == 0)
        return;
    int64_t mean = worker->event_ns;
    int64_t cost = (now - worker->harvested_ns) / (int64_t)worker->events;
    worker->events = 0;
    if (mean == 0)
        mean = cost;
    else if (cost > SCHEDULER_COST_MOST * mean)
        cost = SCHEDULER_COST_MOST * mean;
    worker->event_ns = mean + (cost - mean) / SCHEDULER_COST_MEAN + 1;
}

static bool worker_wants_help(const struct sp__worker *worker, size_t events, int64_t now)
{
    return worker->event_ns == 0 || (int64_t)events * worker->event_ns > SCHEDULER_SHARE_NS ||
           now - worker->woke_ns > SCHEDULER_BUSY_NS;
}

/* Make ready whom the events are for. Others are woken only if there is work for them. */
static size_t worker_dispatch(struct sp__worker *worker, const struct sp__poller_batch *batch,
                              int64_t now)
{
    struct sp__runner *runner = worker->runner;
    runner->dispatching = true;
    size_t events = sp__poller_dispatch(worker->real->poller, batch);
    runner->dispatching = false;
    worker->eventful = events > 1;
    if (worker->events == 0)
        worker->harvested_ns = now;
    worker->events += (unsigned)events;
    /* relaxed: a look at the clock for the watcher. */
    atomic_store_explicit(&worker->real->polled_ns, now, memory_order_relaxed);
    if (events > 1 && worker_wants_help(worker, events, now))
        sp__real_notify(worker->real);
    return events;
}

/* Timers, and the poller if nobody is in it; a busy worker asks the system only now and then. */
static size_t worker_look(struct sp__worker *worker, bool busy)
{
    struct sp__real *real = worker->real;
    int64_t now = sp__now(real->runtime);
    worker_set_pace(worker, busy, now);
    if (!busy)
        worker_learn_cost(worker, now);
    size_t found = sp__timers_expire(real->runtime, now);
    int64_t every = sp__run_queue_length(&worker->queue) < SCHEDULER_POLL_BELOW
                        ? SCHEDULER_POLL_EVERY_NS
                        : SCHEDULER_POLL_LATEST_NS;
    /* Where single events come, the sleep that follows gets them just as well. */
    if (busy ? now - worker->polled_ns < every : !worker->eventful)
        return found;
    worker->polled_ns = now;
    struct sp__worker *nobody = NULL;
    if (atomic_compare_exchange_strong_explicit(&real->polling, &nobody, worker,
                                                memory_order_acquire, memory_order_relaxed)) {
        struct sp__poller_batch batch;
        sp__poller_harvest(real->poller, 0, &batch);
        found += worker_dispatch(worker, &batch, now);
        atomic_store_explicit(&real->polling, NULL, memory_order_release);
    }
    return found;
}

/* Take what is to run next, unless too much went before the queue in a row. */
static inline struct sp__actor *runner_local_next(struct sp__runner *runner)
{
    struct sp__actor *actor = sp__runner_next(runner);
    if (actor == NULL || runner->next_streak >= SCHEDULER_STREAK_MAX)
        return NULL;
    runner->next_streak++;
    /* relaxed: in the scheduler it is ours. */
    atomic_store_explicit(&runner->next, NULL, memory_order_relaxed);
    return actor;
}

static struct sp__actor *worker_local(struct sp__worker *worker)
{
    struct sp__runner *runner = worker->runner;
    if (runner->next_streak >= SCHEDULER_STREAK_MAX) {
        runner->next_streak = 0;
        struct sp__actor *waiting = sp__run_queue_pop(&worker->queue);
        if (waiting != NULL)
            return waiting;
    }
    struct sp__actor *actor = runner_local_next(runner);
    if (actor != NULL)
        return actor;
    actor = sp__young_stack_pop(&worker->young);
    if (actor != NULL) {
        runner->next_streak++;
        return actor;
    }
    runner->next_streak = 0;
    return sp__run_queue_pop(&worker->queue);
}

static void worker_stop_searching(struct sp__worker *worker)
{
    if (!worker->searching)
        return;
    worker->searching = false;
    /* The last searcher that found work hands the search on. seq_cst: see sp__real_notify(). */
    if (atomic_fetch_sub_explicit(&worker->real->searching, 1, memory_order_seq_cst) == 1)
        sp__real_notify(worker->real);
}

static struct sp__actor *worker_steal(struct sp__worker *worker)
{
    struct sp__real *real = worker->real;
    if (!worker->searching) {
        if (2 * atomic_load_explicit(&real->searching, memory_order_relaxed) >= real->worker_count)
            return NULL;
        atomic_fetch_add_explicit(&real->searching, 1, memory_order_seq_cst);
        worker->searching = true;
    }
    for (uint32_t i = 0; i < real->worker_count; i++) {
        worker->victim = (worker->victim + 1) % real->worker_count;
        if (worker->victim == worker->index)
            continue;
        struct sp__worker *victim = &real->workers[worker->victim];
        struct sp__actor *actor = sp__run_queue_steal(&worker->queue, &victim->queue);
        if (actor == NULL)
            actor = sp__young_stack_steal(&victim->young);
        if (actor != NULL) {
            sp__count(&worker->runner->context.counters.steals);
            return actor;
        }
    }
    return NULL;
}

static bool real_has_work(struct sp__real *real)
{
    if (atomic_load_explicit(&real->global_count, memory_order_seq_cst) != 0 ||
        atomic_load_explicit(&real->stop, memory_order_seq_cst))
        return true;
    for (uint32_t i = 0; i < real->worker_count; i++)
        if (sp__run_queue_length(&real->workers[i].queue) != 0 ||
            !sp__young_stack_empty(&real->workers[i].young))
            return true;
    return false;
}

/* ---- sleeping ---- */

static void worker_list_idle(struct sp__worker *worker)
{
    struct sp__real *real = worker->real;
    sp__lock_lock(&real->idle_lock);
    sp__list_push_front(&real->idle, &worker->idle_link);
    atomic_fetch_add_explicit(&real->idle_count, 1, memory_order_seq_cst);
    sp__lock_unlock(&real->idle_lock);
}

/* Awake by itself, or woken: off the list either way, the token used up. */
static void worker_unlist_idle(struct sp__worker *worker)
{
    struct sp__real *real = worker->real;
    sp__lock_lock(&real->idle_lock);
    if (atomic_load_explicit(&worker->token, memory_order_relaxed) == 0) {
        sp__list_remove(&worker->idle_link);
        atomic_fetch_sub_explicit(&real->idle_count, 1, memory_order_seq_cst);
    }
    atomic_store_explicit(&worker->token, 0, memory_order_relaxed);
    sp__lock_unlock(&real->idle_lock);
    sp__watcher_worker_woke(&real->watcher);
}

/* The last to fall asleep must not keep what waits for its grace period. Returns until when it
 * may sleep. */
static int64_t worker_tidy(struct sp__worker *worker)
{
    struct sp__runner *runner = worker->runner;
    struct sp__epoch_thread *epoch = &runner->context.epoch;
    if (!sp__epoch_waiting(epoch))
        return INT64_MAX;
    int64_t now = sp__now(worker->real->runtime);
    if (now < runner->tidy_at)
        return runner->tidy_at;
    runner->tidy_at = now + SCHEDULER_TIDY_NS;
    return sp__epoch_collect(epoch) ? INT64_MAX : runner->tidy_at;
}

static int64_t worker_timeout(struct sp__worker *worker, int64_t until)
{
    if (until == INT64_MAX)
        return INT64_MAX;
    int64_t timeout = until - sp__now(worker->real->runtime);
    return timeout < 0 ? 0 : timeout;
}

/* In the poller, until an event, the next timer, or an interrupt. */
static void worker_poll_sleep(struct sp__worker *worker, int64_t tidy_at)
{
    struct sp__real *real = worker->real;
    struct sp_runtime *runtime = real->runtime;
    int64_t until = sp__timers_next(runtime->timers);
    if (tidy_at < until)
        until = tidy_at;
    /* seq_cst: pairs with timer_earlier: either it sees until when we sleep, or we see its timer. */
    atomic_store_explicit(&real->polling_until, until, memory_order_seq_cst);
    struct sp__poller_batch batch;
    batch.count = 0;
    if (sp__timers_next(runtime->timers) >= until &&
        atomic_load_explicit(&worker->token, memory_order_seq_cst) == 0) {
        sp__count(&worker->runner->context.counters.parks);
        sp__poller_harvest(real->poller, worker_timeout(worker, until), &batch);
    }
    atomic_store_explicit(&real->polling_until, 0, memory_order_seq_cst);
    worker_unlist_idle(worker); /* or it would wake itself for what it makes ready */
    int64_t now = sp__now(runtime);
    worker->woke_ns = now;
    worker_dispatch(worker, &batch, now);
    atomic_store_explicit(&real->polling, NULL, memory_order_release);
    sp__timers_expire(runtime, now);
}

/* On its token. */
static void worker_futex_sleep(struct sp__worker *worker, int64_t tidy_at)
{
    sp__count(&worker->runner->context.counters.parks);
    while (atomic_load_explicit(&worker->token, memory_order_acquire) == 0) {
        int64_t timeout = worker_timeout(worker, tidy_at);
        if (timeout == 0)
            break;
        sp__futex_wait(&worker->token, 0, timeout);
    }
    worker_unlist_idle(worker);
    worker->woke_ns = sp__now(worker->real->runtime);
}

static void worker_sleep(struct sp__worker *worker)
{
    struct sp__real *real = worker->real;
    if (worker->searching) {
        worker->searching = false;
        atomic_fetch_sub_explicit(&real->searching, 1, memory_order_seq_cst);
    }
    int64_t tidy_at = worker_tidy(worker);
    sp__epoch_away(&worker->runner->context.epoch);
    worker_list_idle(worker);
    /* We are listed before we look once more: pairs with the fence in sp__real_notify(). */
    sp__fence_full();
    if (!real_has_work(real)) {
        struct sp__worker *nobody = NULL;
        if (atomic_compare_exchange_strong_explicit(&real->polling, &nobody, worker,
                                                    memory_order_seq_cst, memory_order_relaxed)) {
            worker_poll_sleep(worker, tidy_at);
        } else {
            worker_futex_sleep(worker, tidy_at);
        }
    } else {
        worker_unlist_idle(worker);
    }
}

/* Work for `worker`, whatever it takes. NULL: the runtime stops. */
static struct sp__actor *worker_find(struct sp__worker *worker)
{
    for (;;) {
        struct sp__actor *actor = worker_local(worker);
        if (actor == NULL)
            actor = sp__real_global_take(worker);
        if (actor == NULL && worker_look(worker, false) != 0)
            actor = worker_local(worker);
        if (actor == NULL)
            actor = worker_steal(worker);
        if (actor != NULL) {
            worker_stop_searching(worker);
            return actor;
        }
        if (atomic_load_explicit(&worker->real->stop, memory_order_acquire))
            return NULL;
        worker_sleep(worker);
    }
}

/* What a busy worker must not forget. */
static void worker_look_around(struct sp__worker *worker)
{
    worker_look(worker, true);
    struct sp__actor *actor = sp__real_global_take(worker);
    if (actor != NULL)
        sp__worker_push(worker, actor);
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

/* A turn begins, or not. False: something else is due before. */
static inline bool runner_count_turn(struct sp__runner *runner)
{
    /* relaxed: the monitor only looks whether it moves. Single writer, hence no read-modify-write. */
    unsigned turns = atomic_load_explicit(&runner->turns, memory_order_relaxed);
    if (turns == runner->look_at)
        return false;
    atomic_store_explicit(&runner->turns, turns + 1, memory_order_relaxed);
    return true;
}

/* NULL: the thread is to end. */
static SP_NOINLINE struct sp__actor *runner_find(struct sp__runner *runner, bool look)
{
    struct sp__worker *worker = runner->worker;
    if (worker == NULL)
        worker = sp__runner_rest(runner);
    else if (look)
        worker_look_around(worker);
    if (look)
        (void)runner_count_turn(runner);
    return worker == NULL ? NULL : worker_find(worker);
}

static void runner_loop(void)
{
    struct sp__runner *runner = sp__runner_of(sp__context());
    for (;;) {
        bool look = !runner_count_turn(runner);
        struct sp__actor *actor = look ? NULL : runner_local_next(runner);
        if (actor == NULL)
            actor = runner_find(runner, look);
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
    if (actor == NULL || actor->fiber == NULL || runner->next_streak >= SCHEDULER_STREAK_MAX ||
        !runner_count_turn(runner))
        return NULL;
    runner->next_streak++;
    /* relaxed: in the scheduler it is ours. */
    atomic_store_explicit(&runner->next, NULL, memory_order_relaxed);
    runner->context.current = actor;
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
