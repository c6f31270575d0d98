/* The workers: queues, looking for work, sleeping, running, and what is left to do after a
 * switch of fibers.
 *
 * real.h has the drawing and the waking protocol, runtime/scheduler.h why the loop runs on a
 * fiber. Threads: workers, except sp__real_ready(), _wake_one(), _timer_earlier(): any.
 * Neighbours: thread.c (threads of their own), poller.h, watcher.h, fault.h.
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
    SCHEDULER_GLOBAL_BATCH = 64,
    /* A worker that falls asleep collects what ended processes left, so often at most: it makes
     * every core of the program execute a barrier, which takes some microseconds. */
    SCHEDULER_TIDY_NS = 1000000,
};

static struct sp__worker *worker_of(struct sp__context *context)
{
    return context->backend;
}

/* ---- waking ---- */

static struct sp__worker *worker_pop_idle(struct sp__real *real)
{
    sp__lock_lock(&real->idle_lock);
    struct sp__list *link = sp__list_pop_front(&real->idle);
    struct sp__worker *worker = NULL;
    if (link != NULL) {
        worker = sp__container_of(link, struct sp__worker, idle_link);
        atomic_fetch_sub_explicit(&real->idle_count, 1, memory_order_seq_cst);
        atomic_fetch_add_explicit(&real->searching, 1, memory_order_seq_cst);
        worker->searching = true;
        /* seq_cst: pairs with the sleeper, who takes `polling` and then reads the token. */
        atomic_store_explicit(&worker->token, 1, memory_order_seq_cst);
    }
    sp__lock_unlock(&real->idle_lock);
    return worker;
}

void sp__real_wake_one(struct sp__real *real)
{
    struct sp__worker *worker = worker_pop_idle(real);
    if (worker == NULL)
        return;
    if (atomic_load_explicit(&real->polling, memory_order_seq_cst) == worker)
        sp__poller_interrupt(real->poller);
    else
        sp__futex_wake(&worker->token, 1);
}

/* There is new work in a queue that others can take from. */
static void real_notify(struct sp__real *real)
{
    /* The work is visible before we read who sleeps: pairs with the fence in worker_sleep(). */
    sp__fence_full();
    if (atomic_load_explicit(&real->idle_count, memory_order_relaxed) != 0 &&
        atomic_load_explicit(&real->searching, memory_order_relaxed) == 0)
        sp__real_wake_one(real);
}

void sp__real_wake_all(struct sp__real *real)
{
    for (uint32_t i = 0; i < real->worker_count; i++)
        sp__real_wake_one(real);
}

void sp__real_timer_earlier(struct sp_runtime *runtime, uint32_t shard, int64_t expiry_ns)
{
    (void)shard;
    struct sp__real *real = sp__real_of(runtime);
    /* seq_cst: `next` of the shard was written before; pairs with worker_poll_sleep(). */
    if (expiry_ns < atomic_load_explicit(&real->polling_until, memory_order_seq_cst))
        sp__poller_interrupt(real->poller);
}

/* ---- queues ---- */

static void global_push(struct sp__real *real, struct sp__actor *const *actors, size_t count)
{
    sp__lock_lock(&real->global_lock);
    for (size_t i = 0; i < count; i++) {
        actors[i]->run_next = NULL;
        if (real->global_last == NULL)
            real->global_first = actors[i];
        else
            real->global_last->run_next = actors[i];
        real->global_last = actors[i];
    }
    atomic_fetch_add_explicit(&real->global_count, (uint32_t)count, memory_order_seq_cst);
    sp__lock_unlock(&real->global_lock);
}

static struct sp__actor *global_pop(struct sp__real *real)
{
    struct sp__actor *actor = real->global_first;
    if (actor == NULL)
        return NULL;
    real->global_first = actor->run_next;
    if (real->global_first == NULL)
        real->global_last = NULL;
    atomic_fetch_sub_explicit(&real->global_count, 1, memory_order_relaxed);
    return actor;
}

static void worker_push(struct sp__worker *worker, struct sp__actor *actor)
{
    void *spill[SP__RUN_QUEUE_SPILL];
    size_t spilled = sp__run_queue_push(&worker->queue, actor, spill);
    if (spilled != 0)
        global_push(worker->real, (struct sp__actor *const *)spill, spilled);
}

/* A fair share of the global queue: one to run, the others to the own queue. */
static struct sp__actor *worker_take_global(struct sp__worker *worker)
{
    struct sp__real *real = worker->real;
    uint32_t count = atomic_load_explicit(&real->global_count, memory_order_relaxed);
    if (count == 0)
        return NULL;
    uint32_t share = count / real->worker_count + 1;
    if (share > SCHEDULER_GLOBAL_BATCH)
        share = SCHEDULER_GLOBAL_BATCH;
    struct sp__actor *taken[SCHEDULER_GLOBAL_BATCH];
    uint32_t got = 0;
    sp__lock_lock(&real->global_lock);
    while (got < share && (taken[got] = global_pop(real)) != NULL)
        got++;
    sp__lock_unlock(&real->global_lock);
    for (uint32_t i = 1; i < got; i++)
        worker_push(worker, taken[i]);
    return got != 0 ? taken[0] : NULL;
}

void sp__real_ready(struct sp__actor *actor)
{
    if (actor->bound != NULL) {
        sp__real_thread_wake(actor->bound->backend);
        return;
    }
    struct sp__real *real = sp__real_of(actor->runtime);
    struct sp__context *context = sp__context();
    if (context == NULL || context->kind != SP__CONTEXT_WORKER ||
        context->runtime != actor->runtime) {
        global_push(real, &actor, 1);
        real_notify(real);
        return;
    }
    struct sp__worker *worker = worker_of(context);
    struct sp__actor *before = worker->next;
    worker->next = actor;
    if (before != NULL) {
        worker_push(worker, before);
        real_notify(real);
    }
}

void sp__real_ready_new(struct sp__actor *actor)
{
    struct sp__context *context = sp__context();
    if (actor->bound != NULL || context == NULL || context->kind != SP__CONTEXT_WORKER ||
        !sp__young_stack_push(&worker_of(context)->young, actor))
        sp__real_ready(actor);
    else
        real_notify(worker_of(context)->real);
}

/* To the back of the own queue, behind what waits there already. */
static void worker_ready_last(struct sp__worker *worker, struct sp__actor *actor)
{
    bool alone = worker->next == NULL && sp__run_queue_length(&worker->queue) == 0;
    worker_push(worker, actor);
    if (!alone)
        real_notify(worker->real);
}

/* ---- looking for work ---- */

/* How many turns until the next look, by how long those until this one took. */
static void worker_set_pace(struct sp__worker *worker, bool busy, int64_t now)
{
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
    worker->turns_left = worker->pace;
}

/* Timers, and the poller if nobody is in it; a busy worker asks the system only now and then. */
static size_t worker_look(struct sp__worker *worker, bool busy)
{
    struct sp__real *real = worker->real;
    int64_t now = sp__now(real->runtime);
    worker_set_pace(worker, busy, now);
    size_t found = sp__timers_expire(real->runtime, now);
    if (busy && now - worker->polled_ns < SCHEDULER_POLL_EVERY_NS)
        return found;
    worker->polled_ns = now;
    struct sp__worker *nobody = NULL;
    if (atomic_compare_exchange_strong_explicit(&real->polling, &nobody, worker,
                                                memory_order_acquire, memory_order_relaxed)) {
        found += (size_t)sp__poller_wait(real->poller, 0);
        atomic_store_explicit(&real->polling, NULL, memory_order_release);
    }
    return found;
}

static struct sp__actor *worker_local(struct sp__worker *worker)
{
    if (worker->next_streak >= SCHEDULER_STREAK_MAX) {
        worker->next_streak = 0;
        struct sp__actor *waiting = sp__run_queue_pop(&worker->queue);
        if (waiting != NULL)
            return waiting;
    }
    struct sp__actor *actor = worker->next;
    worker->next = NULL;
    if (actor == NULL)
        actor = sp__young_stack_pop(&worker->young);
    if (actor != NULL) {
        worker->next_streak++;
        return actor;
    }
    worker->next_streak = 0;
    return sp__run_queue_pop(&worker->queue);
}

static void worker_stop_searching(struct sp__worker *worker)
{
    if (!worker->searching)
        return;
    worker->searching = false;
    /* The last searcher that found work hands the search on. seq_cst: see real_notify(). */
    if (atomic_fetch_sub_explicit(&worker->real->searching, 1, memory_order_seq_cst) == 1)
        real_notify(worker->real);
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
            sp__count(&worker->context.counters.steals);
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
    struct sp__epoch_thread *epoch = &worker->context.epoch;
    if (!sp__epoch_waiting(epoch))
        return INT64_MAX;
    int64_t now = sp__now(worker->real->runtime);
    if (now < worker->tidy_at)
        return worker->tidy_at;
    worker->tidy_at = now + SCHEDULER_TIDY_NS;
    return sp__epoch_collect(epoch) ? INT64_MAX : worker->tidy_at;
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
    if (sp__timers_next(runtime->timers) >= until &&
        atomic_load_explicit(&worker->token, memory_order_seq_cst) == 0) {
        sp__count(&worker->context.counters.parks);
        sp__poller_wait(real->poller, worker_timeout(worker, until));
    }
    atomic_store_explicit(&real->polling_until, 0, memory_order_seq_cst);
    atomic_store_explicit(&real->polling, NULL, memory_order_release);
    sp__timers_expire(runtime, sp__now(runtime));
}

/* On its token. */
static void worker_futex_sleep(struct sp__worker *worker, int64_t tidy_at)
{
    sp__count(&worker->context.counters.parks);
    while (atomic_load_explicit(&worker->token, memory_order_acquire) == 0) {
        int64_t timeout = worker_timeout(worker, tidy_at);
        if (timeout == 0)
            break;
        sp__futex_wait(&worker->token, 0, timeout);
    }
}

static void worker_sleep(struct sp__worker *worker)
{
    struct sp__real *real = worker->real;
    if (worker->searching) {
        worker->searching = false;
        atomic_fetch_sub_explicit(&real->searching, 1, memory_order_seq_cst);
    }
    int64_t tidy_at = worker_tidy(worker);
    worker_list_idle(worker);
    /* We are listed before we look once more: pairs with the fence in real_notify(). */
    sp__fence_full();
    if (!real_has_work(real)) {
        struct sp__worker *nobody = NULL;
        if (atomic_compare_exchange_strong_explicit(&real->polling, &nobody, worker,
                                                    memory_order_seq_cst, memory_order_relaxed)) {
            worker_poll_sleep(worker, tidy_at);
        } else {
            worker_futex_sleep(worker, tidy_at);
        }
    }
    worker_unlist_idle(worker);
}

static struct sp__actor *worker_find(struct sp__worker *worker)
{
    if (worker->turns_left == 0) {
        worker_look(worker, true);
        struct sp__actor *actor = worker_take_global(worker);
        if (actor != NULL)
            worker_push(worker, actor);
    }
    worker->turns_left--;
    for (;;) {
        struct sp__actor *actor = worker_local(worker);
        if (actor == NULL)
            actor = worker_take_global(worker);
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

/* A fiber to go on with, and always one to spare. NULL: only the spare is left. The one on which
 * the worker's loop was left, if there is one. */
static struct sp__fiber *context_fiber(struct sp__context *context)
{
    if (context->spare == NULL)
        context->spare = sp__fiber_cache_get(&context->fibers, sp__real_fiber, NULL);
    if (context->spare == NULL)
        return NULL;
    if (context->kind == SP__CONTEXT_WORKER && worker_of(context)->loop != NULL) {
        struct sp__fiber *loop = worker_of(context)->loop;
        worker_of(context)->loop = NULL;
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
    context->current = NULL;
    if (context->kind == SP__CONTEXT_THREAD)
        ((struct sp__thread *)context->backend)->actor = NULL;
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
        worker_ready_last(worker_of(context), actor);
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
__attribute__((always_inline)) static inline void worker_resume(struct sp__worker *worker,
                                                                struct sp__actor *actor)
{
    struct sp__context *context = &worker->context;
    struct sp__fiber *fiber = actor->fiber;
    actor->fiber = NULL;
    if (worker->loop == NULL) {
        worker->loop = context->fiber;
    } else {
        context->after = SP__AFTER_DROP;
        context->after_fiber = context->fiber;
    }
    context_switch(context, fiber);
}

__attribute__((always_inline)) static inline void worker_run(struct sp__worker *worker,
                                                             struct sp__actor *actor)
{
    struct sp__context *context = &worker->context;
    context->current = actor;
    if (actor->fiber != NULL) {
        worker_resume(worker, actor);
        return;
    }
    enum sp__turn turn = actor->turn(actor);
    /* The turn may have suspended: this may be another worker by now. */
    context = sp__context();
    context->current = NULL;
    if (turn == SP__TURN_YIELD)
        worker_ready_last(worker_of(context), actor);
    else if (turn == SP__TURN_IDLE && !sp__actor_try_park(actor, true))
        worker_ready_last(worker_of(context), actor);
}

static void worker_loop(void)
{
    for (;;) {
        struct sp__worker *worker = worker_of(sp__context());
        struct sp__actor *actor = worker_find(worker);
        if (actor != NULL) {
            worker_run(worker, actor);
            continue;
        }
        struct sp__context *context = &worker->context;
        context->after = SP__AFTER_DROP;
        context->after_fiber = context->fiber;
        context_switch(context, context->origin); /* this fiber ends here */
        __builtin_unreachable();
    }
}

void sp__real_fiber(void *unused)
{
    (void)unused;
    sp__real_after_switch();
    if (sp__context()->kind == SP__CONTEXT_WORKER)
        worker_loop();
    else
        sp__real_thread_loop();
}

/* Say whether this worker can run processes. */
static void worker_begun(struct sp__real *real, bool ready)
{
    if (!ready)
        atomic_store_explicit(&real->workers_failed, true, memory_order_relaxed);
    /* release: pairs with the acquire of who starts us. */
    atomic_fetch_add_explicit(&real->workers_begun, 1, memory_order_release);
    sp__futex_wake(&real->workers_begun, 1);
}

/* On the thread's own stack. NULL: the runtime stops. */
static struct sp__fiber *worker_next_fiber(struct sp__worker *worker)
{
    struct sp__context *context = &worker->context;
    if (atomic_load_explicit(&worker->real->stop, memory_order_acquire))
        return NULL;
    struct sp__fiber *to = context_fiber(context);
    if (to == NULL) {
        to = context->spare;
        context->spare = NULL;
    }
    return to;
}

void *sp__real_worker_main(void *arg)
{
    struct sp__worker *worker = arg;
    struct sp__real *real = worker->real;
    struct sp__context *context = &worker->context;
    sp__context_init(context, real->runtime, SP__CONTEXT_WORKER, worker->index);
    context->backend = worker;
    context->origin = sp__fiber_adopt();
    context->fiber = context->origin;
    struct sp__fiber *to = NULL;
    if (context->origin != NULL && sp__fault_thread_start(context) == SP_OK)
        to = context_fiber(context);
    worker_begun(real, to != NULL);
    /* Comes back when the runtime stops; or when there was no memory for another fiber, and then
     * the one that was left is there to go on with. */
    for (; to != NULL; to = worker_next_fiber(worker))
        context_switch(context, to);
    if (worker->loop != NULL)
        sp__fiber_cache_put(&context->fibers, worker->loop);
    if (context->spare != NULL)
        sp__fiber_cache_put(&context->fibers, context->spare);
    sp__fiber_release(context->origin);
    sp__fault_thread_end(context);
    sp__context_finish(context);
    atomic_fetch_sub_explicit(&real->workers_alive, 1, memory_order_release);
    return NULL;
}

/* ---- suspending; called by the running actor ---- */

/* The fiber of the actor that runs next, if it is suspended on one and nothing else is due: to go
 * there straight, not by way of the loop. It is the running one then. */
static struct sp__fiber *worker_next_suspended(struct sp__worker *worker)
{
    struct sp__actor *actor = worker->next;
    if (actor == NULL || actor->fiber == NULL || worker->searching ||
        worker->next_streak >= SCHEDULER_STREAK_MAX || worker->turns_left == 0)
        return NULL;
    worker->turns_left--;
    worker->next_streak++;
    worker->next = NULL;
    worker->context.current = actor;
    struct sp__fiber *fiber = actor->fiber;
    actor->fiber = NULL;
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
    if (!sp__actor_nothing_to_do(actor, receiving))
        return;
    context->current = NULL;
    struct sp__fiber *to = worker_next_suspended(worker_of(context));
    if (to == NULL)
        to = context_fiber(context);
    if (to == NULL) {
        context->current = actor;
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
    struct sp__fiber *to = context_fiber(context);
    if (to == NULL)
        return; /* no memory: it keeps the worker for one turn more */
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
    struct sp__fiber *to = context_fiber(context);
    if (to == NULL) {
        to = context->spare;
        context->spare = NULL; /* the fiber left becomes the next one */
    }
    if (to == NULL)
        to = context->origin; /* which finds the fiber left */
    if (context->kind == SP__CONTEXT_THREAD)
        ((struct sp__thread *)context->backend)->actor = NULL;
    context->after = SP__AFTER_DROP;
    context->after_fiber = context->fiber;
    context->current = NULL;
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
