/* Making actors runnable: the queues, and waking whoever can take from them.
 *
 * real.h has the drawing and the waking protocol. Threads: any. Neighbours: search.c.
 */
#include "runtime/real/futex.h"
#include "runtime/real/real.h"

enum {
    READY_GLOBAL_BATCH = 64,
};

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

void sp__real_notify(struct sp__real *real)
{
    /* The work is visible before we read who sleeps: pairs with the fence in worker_sleep(). */
    sp__fence_full();
    if (atomic_load_explicit(&real->idle_count, memory_order_relaxed) != 0 &&
        atomic_load_explicit(&real->searching, memory_order_relaxed) == 0)
        sp__real_wake_one(real);
}

void sp__real_notify_new(struct sp__real *real)
{
    /* As above: pairs with the fence in worker_sleep(), and so also with sp__lurk_until(). */
    sp__fence_full();
    if (atomic_load_explicit(&real->idle_count, memory_order_relaxed) != 0 &&
        atomic_load_explicit(&real->searching, memory_order_relaxed) == 0 &&
        atomic_load_explicit(&real->lurking, memory_order_relaxed) == 0)
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

/* ---- the global queue ---- */

void sp__real_global_push(struct sp__real *real, struct sp__actor *const *actors, size_t count)
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

struct sp__actor *sp__real_global_take(struct sp__worker *worker)
{
    struct sp__real *real = worker->real;
    uint32_t count = atomic_load_explicit(&real->global_count, memory_order_relaxed);
    if (count == 0)
        return NULL;
    uint32_t share = count / real->worker_count + 1;
    if (share > READY_GLOBAL_BATCH)
        share = READY_GLOBAL_BATCH;
    struct sp__actor *taken[READY_GLOBAL_BATCH];
    uint32_t got = 0;
    sp__lock_lock(&real->global_lock);
    while (got < share && (taken[got] = global_pop(real)) != NULL)
        got++;
    sp__lock_unlock(&real->global_lock);
    for (uint32_t i = 1; i < got; i++)
        sp__worker_push(worker, taken[i]);
    return got != 0 ? taken[0] : NULL;
}

/* ---- ready: what is rare is not inlined, so that the common way saves no registers ---- */

static SP_NOINLINE void ready_global(struct sp__real *real, struct sp__actor *actor)
{
    sp__real_global_push(real, &actor, 1);
    sp__real_notify(real);
}

/* There is new work in a queue of the runner's worker. Where that is the only worker, the only one
 * to wake is awake, and the fence is saved. */
static inline void ready_notify(struct sp__runner *runner)
{
    if (runner->real->worker_count > 1)
        sp__real_notify(runner->real);
}

/* Next; and what was to be next goes behind what is in the queue. */
static SP_NOINLINE void ready_before(struct sp__runner *runner, struct sp__actor *actor)
{
    struct sp__actor *place = sp__runner_place(runner);
    struct sp__worker *worker = sp__runner_enter(runner);
    if (worker == NULL) {
        ready_global(runner->real, actor);
    } else {
        struct sp__actor *before = sp__runner_next(runner);
        /* relaxed: between enter and leave it is ours. */
        atomic_store_explicit(&runner->next, actor, memory_order_relaxed);
        if (before != NULL) {
            sp__worker_push(worker, before);
            if (!runner->dispatching)
                ready_notify(runner);
        }
    }
    sp__runner_leave(runner, place);
}

/* It was set as next while the monitor was taking the worker. */
static SP_NOINLINE void ready_asked(struct sp__runner *runner)
{
    if (sp__runner_ask(runner) != NULL)
        return;
    struct sp__actor *actor = sp__runner_take_next(runner);
    if (actor != NULL)
        ready_global(runner->real, actor);
}

/* It waits elsewhere than in the queues: on its thread, or in a lane. */
static SP_NOINLINE void ready_elsewhere(struct sp__actor *actor)
{
    if (actor->lane == SP__LANE_BOUND) {
        sp__real_thread_wake(actor->bound->backend);
        return;
    }
    struct sp__real *real = sp__real_of(actor->runtime);
    struct sp__context *context = sp__context();
    bool high = actor->lane != SP__LANE_LOW;
    sp__lanes_push(&real->lanes, actor); /* which may run from here on */
    if (high && context != NULL && context->kind == SP__CONTEXT_WORKER &&
        context->runtime == real->runtime)
        sp__runner_look_next(sp__runner_of(context));
    sp__real_notify(real);
}

void sp__real_ready(struct sp__actor *actor)
{
    if (actor->lane != SP__LANE_NORMAL) {
        ready_elsewhere(actor);
        return;
    }
    struct sp__context *context = sp__context();
    if (context == NULL || context->kind != SP__CONTEXT_WORKER ||
        context->runtime != actor->runtime) {
        ready_global(sp__real_of(actor->runtime), actor);
        return;
    }
    struct sp__runner *runner = sp__runner_of(context);
    if (sp__runner_next(runner) != NULL)
        ready_before(runner, actor);
    else if (!sp__runner_set_next(runner, actor))
        ready_asked(runner);
}

void sp__real_ready_new(struct sp__actor *actor)
{
    struct sp__context *context = sp__context();
    if (actor->lane != SP__LANE_NORMAL || context == NULL || context->kind != SP__CONTEXT_WORKER) {
        sp__real_ready(actor);
        return;
    }
    struct sp__runner *runner = sp__runner_of(context);
    struct sp__actor *place = sp__runner_place(runner);
    struct sp__worker *worker = sp__runner_enter(runner);
    bool pushed = worker != NULL && sp__young_stack_push(&worker->young, actor);
    sp__runner_leave(runner, place);
    if (!pushed)
        sp__real_ready(actor);
    else if (runner->real->worker_count > 1)
        sp__real_notify_new(runner->real);
}
