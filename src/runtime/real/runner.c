/* The life of a runner's thread: start, rest, end. See runner.h.
 *
 *   created -> runs a worker <-> lost it: left behind -> spare -> ended -> joined and freed
 */
#include "runtime/real/runner.h"

#include "base/alloc.h"
#include "runtime/real/clock.h"
#include "runtime/real/fault.h"
#include "runtime/real/futex.h"
#include "runtime/real/os_thread.h"
#include "runtime/real/real.h"

enum {
    RUNNER_BEGUN = 1,
    RUNNER_FAILED = 2,
    /* A spare runner that nobody needs ends after so long, as a blocking thread does. */
    RUNNER_REST_S = 10,
    /* How often a spare one looks whether what it retired can be freed. */
    RUNNER_TIDY_NS = 1000000,
};

/* ---- running ---- */

static void runner_say(struct sp__runner *runner, uint32_t begun)
{
    /* release: pairs with the acquire of who created us. */
    atomic_store_explicit(&runner->begun, begun, memory_order_release);
    sp__futex_wake(&runner->begun, 1);
}

/* On the thread's own stack. NULL: the thread is to end. */
static struct sp__fiber *runner_next_fiber(struct sp__runner *runner)
{
    struct sp__context *context = &runner->context;
    if (runner->retired || atomic_load_explicit(&runner->real->stop, memory_order_acquire))
        return NULL;
    struct sp__fiber *to = sp__real_fiber_take(context);
    if (to == NULL) {
        to = context->spare;
        context->spare = NULL;
    }
    return to;
}

/* NULL: no memory. */
static struct sp__fiber *runner_begin(struct sp__runner *runner)
{
    struct sp__context *context = &runner->context;
    struct sp__worker *worker = runner->worker;
    sp__context_init(context, runner->real->runtime, SP__CONTEXT_WORKER,
                     worker != NULL ? worker->index : 0);
    if (worker == NULL) /* the stream of shard 0 is another's */
        context->random ^= sp__random_start(context->runtime->options.seed, (uintptr_t)runner);
    context->backend = runner;
    sp__probe_thread_start(&runner->id);
    context->origin = sp__fiber_adopt();
    context->fiber = context->origin;
    if (context->origin == NULL || sp__fault_thread_start(context) != SP_OK)
        return NULL;
    return sp__real_fiber_take(context);
}

/* To be joined; the count says when nothing of the runtime is touched any more. */
static void runner_end(struct sp__runner *runner)
{
    struct sp__real *real = runner->real;
    struct sp__context *context = &runner->context;
    if (runner->loop != NULL)
        sp__fiber_cache_put(&context->fibers, runner->loop);
    if (context->spare != NULL)
        sp__fiber_cache_put(&context->fibers, context->spare);
    sp__fiber_release(context->origin);
    sp__fault_thread_end(context);
    sp__context_finish(context);
    sp__lock_lock(&real->handoff_lock);
    sp__list_remove(&runner->link);
    sp__list_push_back(&real->ended, &runner->link);
    sp__lock_unlock(&real->handoff_lock);
    /* release: pairs with the acquire in stop. */
    atomic_fetch_sub_explicit(&real->runtime->worker_threads, 1, memory_order_release);
}

static void *runner_main(void *arg)
{
    struct sp__runner *runner = arg;
    struct sp__fiber *to = runner_begin(runner);
    if (to == NULL)
        runner_say(runner, RUNNER_FAILED);
    else if (runner->worker != NULL)
        runner_say(runner, RUNNER_BEGUN);
    /* Comes back when the thread is to end; or when there was no memory for another fiber, and
     * then the one that was left is there to go on with. */
    for (; to != NULL; to = runner_next_fiber(runner))
        sp__real_switch(&runner->context, to);
    runner_end(runner);
    return NULL;
}

/* ---- creating ---- */

static sp_err runner_await(struct sp__runner *runner)
{
    /* acquire: pairs with the release in runner_say(). */
    while (atomic_load_explicit(&runner->begun, memory_order_acquire) == 0)
        sp__futex_wait(&runner->begun, 0, INT64_MAX);
    bool failed = atomic_load_explicit(&runner->begun, memory_order_relaxed) == RUNNER_FAILED;
    return failed ? SP_ERR_NOMEM : SP_OK;
}

sp_err sp__runner_create(struct sp__real *real, struct sp__worker *worker)
{
    struct sp__runner *runner = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*runner));
    if (runner == NULL)
        return SP_ERR_NOMEM;
    *runner = (struct sp__runner){ .real = real, .worker = worker, .lost = worker == NULL };
    if (worker != NULL)
        worker->runner = runner;
    sp__lock_lock(&real->handoff_lock);
    sp__list_push_back(&real->runners, &runner->link);
    sp__lock_unlock(&real->handoff_lock);
    atomic_fetch_add_explicit(&real->runtime->worker_threads, 1, memory_order_relaxed);
    if (sp__thread_create(&runner->thread, runner_main, runner) == SP_OK)
        return runner_await(runner);
    atomic_fetch_sub_explicit(&real->runtime->worker_threads, 1, memory_order_relaxed);
    sp__lock_lock(&real->handoff_lock);
    sp__list_remove(&runner->link);
    sp__lock_unlock(&real->handoff_lock);
    sp__free(runner);
    return SP_ERR_LIMIT;
}

void sp__runners_reap(struct sp__real *real)
{
    for (;;) {
        sp__lock_lock(&real->handoff_lock);
        struct sp__list *link = sp__list_pop_front(&real->ended);
        sp__lock_unlock(&real->handoff_lock);
        if (link == NULL)
            return;
        struct sp__runner *runner = sp__container_of(link, struct sp__runner, link);
        pthread_join(runner->thread, NULL);
        sp__free(runner);
    }
}

/* ---- resting ---- */

void sp__runners_dismiss(struct sp__real *real)
{
    sp__lock_lock(&real->handoff_lock);
    for (struct sp__list *link; (link = sp__list_pop_front(&real->spares)) != NULL;) {
        struct sp__runner *runner = sp__container_of(link, struct sp__runner, spare_link);
        runner->spare = false;
        /* release: as in sp__runner_give(). */
        atomic_store_explicit(&runner->token, 1, memory_order_release);
        sp__futex_wake(&runner->token, 1);
    }
    sp__lock_unlock(&real->handoff_lock);
}

void sp__runner_give(struct sp__runner *spare, struct sp__worker *worker)
{
    sp__list_remove(&spare->spare_link);
    spare->spare = false;
    spare->worker = worker;
    /* relaxed, both: the token hands them over. */
    atomic_store_explicit(&spare->lost, 0, memory_order_relaxed);
    atomic_store_explicit(&spare->next, sp__runner_take_next(worker->runner), memory_order_relaxed);
    spare->context.shard = worker->index;
    worker->runner = spare;
    /* release: pairs with the acquire in rest_wait(); hands the worker over, too. */
    atomic_store_explicit(&spare->token, 1, memory_order_release);
}

/* False: it is not to rest but to end. */
static bool rest_begin(struct sp__runner *runner)
{
    struct sp__real *real = runner->real;
    sp__lock_lock(&real->handoff_lock);
    bool rests = !runner->retired && !atomic_load_explicit(&real->stop, memory_order_acquire);
    if (rests) {
        atomic_store_explicit(&runner->token, 0, memory_order_relaxed);
        runner->spare = true;
        sp__list_push_front(&real->spares, &runner->spare_link);
    }
    sp__lock_unlock(&real->handoff_lock);
    return rests;
}

static void rest_wait(struct sp__runner *runner)
{
    struct sp__epoch_thread *epoch = &runner->context.epoch;
    int64_t until = sp__clock_monotonic_ns() + RUNNER_REST_S * SP_NS_PER_S;
    /* acquire: pairs with the release in sp__runner_give(). */
    while (atomic_load_explicit(&runner->token, memory_order_acquire) == 0) {
        /* What it retired must not wait for its next worker. */
        bool tidy = !sp__epoch_waiting(epoch) || sp__epoch_collect(epoch);
        sp__epoch_away(epoch); /* nobody waits to see it outside */
        int64_t left = until - sp__clock_monotonic_ns();
        if (left <= 0)
            return;
        sp__futex_wait(&runner->token, 0, tidy || left < RUNNER_TIDY_NS ? left : RUNNER_TIDY_NS);
    }
}

struct sp__worker *sp__runner_rest(struct sp__runner *runner)
{
    struct sp__real *real = runner->real;
    if (!rest_begin(runner))
        return NULL;
    if (atomic_load_explicit(&runner->begun, memory_order_relaxed) == 0)
        runner_say(runner, RUNNER_BEGUN);
    rest_wait(runner);
    sp__lock_lock(&real->handoff_lock);
    if (runner->spare) {
        sp__list_remove(&runner->spare_link);
        runner->spare = false;
    }
    runner->retired = runner->worker == NULL;
    sp__lock_unlock(&real->handoff_lock);
    return runner->worker;
}

struct sp__worker *sp__runner_ask(struct sp__runner *runner)
{
    struct sp__real *real = runner->real;
    if (runner->worker == NULL)
        return NULL;
    sp__lock_lock(&real->handoff_lock);
    if (runner->worker->runner != runner)
        runner->worker = NULL;
    sp__lock_unlock(&real->handoff_lock);
    return runner->worker;
}

void sp__runner_settle(struct sp__runner *runner)
{
    struct sp__real *real = runner->real;
    sp__lock_lock(&real->handoff_lock);
    runner->behind = false;
    if (runner->priority.demoted && !sp__thread_promote(&runner->priority))
        runner->retired = true;
    sp__lock_unlock(&real->handoff_lock);
}
