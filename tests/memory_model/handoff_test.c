/* runtime/real/runner.h and handoff.c: the monitor takes a worker from a handler that seems stuck, while
 * that makes another actor ready and comes to its end.
 *
 * The worker has one runner at any moment, and the actor is run once: it is next for who has the
 * worker, or in the global queue.
 */
#include "runtime/real/handoff.h"

#include "model.h"

#include "runtime/real/futex.h"
#include "runtime/real/clock.h"
#include "runtime/real/membarrier.h"
#include "runtime/real/real.h"
#include "support/test.h"

static struct {
    struct sp_runtime runtime;
    struct sp__real real;
    struct sp__worker worker;
    struct sp__runner stuck;
    struct sp__runner spare;
    struct sp__actor first; /* whose handler runs */
    struct sp__actor other;
    int made;
    int taken[3]; /* `other`, by the thread that took it; 0: at the end */
} state;

_Thread_local struct sp__context *sp__context_current;

#if !defined(__x86_64__)
struct sp__context *sp__context(void)
{
    return sp__context_current;
}
#endif

/* ---- what is not checked here ---- */

void sp__lock_slow(struct sp__lock *lock) SP__NO_THREAD_SAFETY
{
    (void)lock;
    model_wait();
}
void sp__lock_wake(struct sp__lock *lock)
{
    (void)lock;
}
void sp__membarrier(void)
{
    model_membarrier();
}
void sp__real_thread_wake(struct sp__thread *thread)
{
    (void)thread;
}
void sp__poller_interrupt(struct sp__poller *poller)
{
    (void)poller;
}
int64_t sp__clock_monotonic_ns(void)
{
    return 0;
}
/* It computes, and there are no system calls that would tell. */
int64_t sp__thread_cpu_ns(const struct sp__thread_id *id)
{
    (void)id;
    return 1000000000;
}
bool sp__thread_sleeps(const struct sp__thread_id *id)
{
    (void)id;
    return false;
}
void sp__thread_demote(const struct sp__thread_id *id, struct sp__priority *priority)
{
    (void)id;
    priority->demoted = true;
}
bool sp__thread_promote(struct sp__priority *priority)
{
    priority->demoted = false;
    return true;
}

/* ---- setup: the monitor's next look is the one that decides ---- */

static void runner_setup(struct sp__runner *runner, bool asymmetric)
{
    runner->real = &state.real;
    runner->context.runtime = &state.runtime;
    runner->context.kind = SP__CONTEXT_WORKER;
    runner->context.backend = runner;
    runner->context.epoch.asymmetric = asymmetric;
}

static void handoff_setup_with(bool asymmetric)
{
    state.runtime.real = true;
    state.runtime.backend = &state.real;
    state.runtime.epoch.asymmetric = asymmetric;
    state.runtime.options.stuck_after.ns = 1000;
    state.real.runtime = &state.runtime;
    state.real.worker_count = 1;
    state.real.workers = &state.worker;
    sp__list_init(&state.real.idle);
    sp__list_init(&state.real.runners);
    sp__list_init(&state.real.spares);
    sp__list_init(&state.real.ended);
    sp__run_queue_init(&state.worker.queue);
    sp__young_stack_init(&state.worker.young);
    runner_setup(&state.stuck, asymmetric);
    runner_setup(&state.spare, asymmetric);
    state.worker.real = &state.real;
    state.worker.runner = &state.stuck;
    state.stuck.worker = &state.worker;
    atomic_init(&state.stuck.running, &state.first);
    state.spare.spare = true;
    atomic_init(&state.spare.lost, 1);
    sp__list_push_front(&state.real.spares, &state.spare.spare_link);
    state.worker.sample =
        (struct sp__sample){ .runner = &state.stuck, .actor = &state.first, .looks = 1 };
    state.first.runtime = &state.runtime;
    state.other.runtime = &state.runtime;
}

static void handoff_setup(void)
{
    handoff_setup_with(true);
}
static void handoff_setup_symmetric(void)
{
    handoff_setup_with(false);
}
/* There is nobody to hand it to: what waits is taken out of the worker. */
static void handoff_setup_limit(void)
{
    handoff_setup_with(true);
    sp__list_pop_front(&state.real.spares);
    atomic_init(&state.runtime.worker_threads, 1000);
    state.real.report.limit_told = true;
}

static void handoff_setup_before(void)
{
    handoff_setup_with(true);
    atomic_init(&state.stuck.running, NULL);
}

static void handoff_enter(int thread)
{
    sp__context_current = thread == 3 ? &state.spare.context : &state.stuck.context;
}

/* ---- the three ---- */

/* Who has the worker runs what is next. */
static void have_worker(struct sp__runner *runner, struct sp__worker *worker)
{
    worker->pace++;
    struct sp__actor *actor = sp__runner_next(runner);
    atomic_store_explicit(&runner->next, NULL, memory_order_relaxed);
    if (actor == NULL)
        return;
    MODEL_ASSERT(actor == &state.other && state.made == 1);
    state.taken[model_thread() == 3 ? 2 : 1]++;
}

static void handler_end(void)
{
    struct sp__worker *worker = sp__runner_enter(&state.stuck);
    if (worker != NULL)
        have_worker(&state.stuck, worker);
    else
        sp__runner_settle(&state.stuck);
}

static void handler(void)
{
    state.made = 1;
    sp__real_ready(&state.other);
    handler_end();
}

/* Comes from the scheduler, where it has used the worker. */
static void handler_begin(void)
{
    state.worker.pace++;
    sp__runner_leave(&state.stuck, &state.first);
    handler_end();
}

static void monitor(void)
{
    sp__handoff_look(&state.real);
}

static void spare(void)
{
    while (atomic_load_explicit(&state.spare.token, memory_order_acquire) == 0)
        model_sleep();
    struct sp__worker *worker = sp__runner_enter(&state.spare);
    MODEL_ASSERT(worker == &state.worker);
    have_worker(&state.spare, worker);
}

static void taken_once(void)
{
    for (struct sp__actor *at = state.real.global_first; at != NULL; at = at->run_next)
        state.taken[0]++;
    MODEL_ASSERT(state.taken[0] + state.taken[1] + state.taken[2] == state.made);
}

#define HANDOFF_MODEL(what, from, a, b, c)                                         \
    {                                                                              \
        .name = what, .state = &state, .state_size = sizeof(state), .setup = from, \
        .enter = handoff_enter, .threads = { a, b, c },                            \
        .thread_names = { "handler", "monitor", "spare" }, .final = taken_once,    \
    }

static const struct model ends =
    HANDOFF_MODEL("hand-off, the handler ends", handoff_setup, handler_end, monitor, spare);
static const struct model begins = HANDOFF_MODEL(
    "hand-off, the handler begins", handoff_setup_before, handler_begin, monitor, spare);
static const struct model makes =
    HANDOFF_MODEL("hand-off, the handler makes ready", handoff_setup, handler, monitor, spare);
static const struct model symmetric =
    HANDOFF_MODEL("hand-off, full barriers", handoff_setup_symmetric, handler, monitor, spare);
static const struct model limit =
    HANDOFF_MODEL("hand-off, nobody to hand it to", handoff_setup_limit, handler, monitor, NULL);

TEST(a_worker_has_one_runner_and_an_actor_is_run_once)
{
    model_must_hold(&ends);
    model_must_hold(&begins);
    model_must_hold(&makes);
    model_must_hold(&symmetric);
    model_must_hold(&limit);
}

#define SPARED(in, what, on, to, because)               \
    {                                                   \
        { in, what, on, 0, memory_order_##to }, because \
    }
#define BY_FENCE "the barrier that follows orders it"

static const struct model_spared handoff_spared[] = {
    SPARED("handoff_take", "store", "&runner->lost", release, BY_FENCE),
    SPARED("sp__runner_set_next", "exchange", "&runner->next", acq_rel, BY_FENCE),
    SPARED("sp__runner_enter", "exchange", "&runner->running", acq_rel, BY_FENCE),
    SPARED("handoff_take", "load", "&runner->running", relaxed,
           "the look before the barrier found the same handler"),
    SPARED("handoff_take", "store", "&runner->lost", relaxed,
           "where it is taken back, nothing was changed"),
    SPARED("sp__runner_take_next", "exchange", "&runner->next", acquire,
           "what it leaves behind is nothing"),
    SPARED(NULL, NULL, NULL, relaxed, NULL),
};

TEST(each_order_is_needed)
{
    static const struct model *const models[] = {
        &ends, &begins, &makes, &symmetric, &limit, NULL
    };
    static const char *const files[] = { "handoff.c", "runner.h", "runner.c", "atomic.h", NULL };
    model_weaken_each(
        &(struct model_part){ .models = models, .files = files, .spared = handoff_spared });
}

TEST(planted_bugs_are_found_and_told)
{
    /* Both take the worker for theirs. */
    model_must_find(&ends,
                    &(struct model_fault){ .function = "model_membarrier",
                                           .operation = "fence",
                                           .operand = "membarrier",
                                           .order = memory_order_relaxed },
                    "hand-off, the handler ends");
    /* The compiler moves the look at `lost` before the store of `next`: nobody runs the actor. */
    model_must_find(&makes,
                    &(struct model_fault){ .function = "sp__fence_light",
                                           .operation = "light fence",
                                           .order = memory_order_relaxed },
                    "hand-off, the handler makes ready");
}
