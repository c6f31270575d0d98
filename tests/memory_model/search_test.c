/* runtime/real/search.c, lurk.c and ready.c: workers that look for work and fall asleep, against those who
 * make work; and a timer that comes earlier than the one a worker sleeps until.
 *
 * What must hold is one sentence: no worker sleeps while there is work. A worker of the model ends
 * with the first actor it finds, as if that ran for ever.
 */
#include "runtime/real/search.h"

#include "model.h"

#include "runtime/real/futex.h"
#include "runtime/recorder.h"
#include "runtime/watch.h"
#include "support/test.h"

enum { SEARCH_WORKERS = 3, SEARCH_ACTORS = 3 };

static struct {
    struct sp_runtime runtime;
    struct sp__real real;
    struct sp__worker workers[SEARCH_WORKERS];
    struct sp__runner runners[SEARCH_WORKERS];
    struct sp__actor actors[SEARCH_ACTORS];
    _Alignas(struct sp__timer_shard) char timers[sizeof(struct sp__timers) +
                                                 sizeof(struct sp__timer_shard)];
    struct sp__timer_node node;
    int made[SEARCH_ACTORS]; /* plain: written before an actor is made ready */
    int found[SEARCH_ACTORS];
    _Atomic int event; /* the poller was interrupted */
    int64_t sleeps_until;
    int64_t passes_ns; /* with each reading of the clock, each thread's own */
    int64_t clock_ns[SEARCH_WORKERS + 1];
} state;

/* ---- what is not checked here ---- */

_Thread_local struct sp__context *sp__context_current;

#if !defined(__x86_64__)
struct sp__context *sp__context(void)
{
    return sp__context_current;
}
#endif

static int64_t clock_now(struct sp_runtime *runtime)
{
    (void)runtime;
    return state.clock_ns[model_thread()] += state.passes_ns;
}

void sp__lock_slow(struct sp__lock *lock) SP__NO_THREAD_SAFETY
{
    (void)lock;
    model_wait();
}
void sp__lock_wake(struct sp__lock *lock)
{
    (void)lock;
}
void sp__recorder_add(struct sp__context *context, enum sp_record_kind kind, uint64_t other,
                      const char *what)
{
    (void)context;
    (void)kind;
    (void)other;
    (void)what;
}
void sp__watch_timer(struct sp__context *context, int64_t due_ns, int64_t now_ns)
{
    (void)context;
    (void)due_ns;
    (void)now_ns;
}

void sp__watch_idle(struct sp__context *context, bool idle)
{
    (void)context;
    (void)idle;
}

void sp__watcher_wake(struct sp__watcher *watcher)
{
    (void)watcher;
}
struct sp__worker *sp__runner_rest(struct sp__runner *runner)
{
    return runner->worker;
}
struct sp__worker *sp__runner_ask(struct sp__runner *runner)
{
    return runner->worker;
}
void sp__real_thread_wake(struct sp__thread *thread)
{
    (void)thread;
}
bool sp__epoch_collect(struct sp__epoch_thread *thread)
{
    (void)thread;
    return true;
}
void sp__scheduler_spin(unsigned spins)
{
    (void)spins;
    model_wait();
}

/* The only event is an interrupt, which nobody waits for. */
void sp__poller_harvest(struct sp__poller *poller, int64_t timeout_ns,
                        struct sp__poller_batch *out_batch)
{
    (void)poller;
    out_batch->count = 0;
    /* A nap is over at once. */
    if (timeout_ns == 0 || state.workers[model_thread() - 1].lurk.counted)
        return;
    state.sleeps_until = timeout_ns;
    while (atomic_load_explicit(&state.event, memory_order_acquire) == 0)
        model_sleep();
    atomic_store_explicit(&state.event, 0, memory_order_relaxed);
}

size_t sp__poller_dispatch(struct sp__poller *poller, const struct sp__poller_batch *batch)
{
    (void)poller;
    return (size_t)batch->count;
}

void sp__poller_interrupt(struct sp__poller *poller)
{
    (void)poller;
    atomic_store_explicit(&state.event, 1, memory_order_release);
}

/* ---- setup ---- */

static const struct sp__backend_ops search_ops = {
    .now = clock_now,
    .timer_earlier = sp__real_timer_earlier,
};

static void worker_setup(uint32_t index)
{
    struct sp__worker *worker = &state.workers[index];
    struct sp__runner *runner = &state.runners[index];
    sp__run_queue_init(&worker->queue);
    sp__young_stack_init(&worker->young);
    worker->index = index;
    worker->victim = index;
    worker->real = &state.real;
    worker->runner = runner;
    worker->seen_young.top = UINT64_MAX;
    runner->worker = worker;
    runner->real = &state.real;
    runner->context.runtime = &state.runtime;
    runner->context.kind = SP__CONTEXT_WORKER;
    runner->context.backend = runner;
}

static void search_setup_for(uint32_t workers)
{
    state.runtime.ops = &search_ops;
    state.runtime.real = true;
    state.runtime.backend = &state.real;
    state.runtime.timers = (struct sp__timers *)(void *)state.timers;
    state.real.runtime = &state.runtime;
    state.real.worker_count = workers;
    state.real.workers = state.workers;
    state.real.poller = (struct sp__poller *)(uintptr_t)&state.event;
    sp__list_init(&state.real.idle);
    state.runtime.timers->shard_count = 1;
    struct sp__timer_shard *shard = &state.runtime.timers->shards[0];
    sp__lock_init(&shard->lock);
    atomic_init(&shard->next, INT64_MAX);
    sp__wheel_init(&shard->wheel, 0);
    for (uint32_t i = 0; i < workers; i++)
        worker_setup(i);
    for (int i = 0; i < SEARCH_ACTORS; i++)
        state.actors[i].runtime = &state.runtime;
}

static void search_setup(void)
{
    search_setup_for(2);
}
/* What is new is fresh at first, and no more at the next look; worker 1 naps between the two. */
static void young_setup(void)
{
    search_setup_for(2);
    state.passes_ns = 30000;
    state.workers[1].lurk.nap_ns = 50000;
}
/* Worker 1 has napped, and is to find out that it may sleep. */
static void lurking_setup(void)
{
    young_setup();
    state.workers[1].lurk.counted = true;
    atomic_store_explicit(&state.real.lurking, 1, memory_order_relaxed);
}
/* The first thread is worker 0, which is busy, and so on. */
static void search_enter(int thread)
{
    sp__context_current = &state.runners[thread - 1].context;
}

/* ---- who makes work ---- */

static struct sp__actor *make(int number)
{
    state.made[number] = 1;
    return &state.actors[number];
}

/* As a thread without a worker does. */
static void make_global(void)
{
    struct sp__actor *actor = make(0);
    sp__real_global_push(&state.real, &actor, 1);
    sp__real_notify(&state.real);
}

/* As worker 0 does when what it ran yields. */
static void make_one(void)
{
    sp__worker_push(&state.workers[0], make(0));
    sp__real_notify(&state.real);
}

/* As a spawn does. */
static void make_young(void)
{
    MODEL_ASSERT(sp__young_stack_push(&state.workers[0].young, make(0)));
    sp__real_notify_new(&state.real);
}

static void stop(void)
{
    /* seq_cst: as the runtime's end does. */
    atomic_store_explicit(&state.real.stop, true, memory_order_seq_cst);
    sp__real_wake_all(&state.real);
}

static void arm(void)
{
    sp__timers_arm(&state.runtime, &state.node, SP__TIMER_ENTRY, 1000);
}

/* ---- workers ---- */

static void work(void)
{
    struct sp__actor *actor = sp__runner_find(&state.runners[model_thread() - 1], false);
    if (actor == NULL)
        return;
    int number = (int)(actor - state.actors);
    MODEL_ASSERT(state.made[number] == 1);
    state.found[number]++;
    MODEL_ASSERT(state.found[number] == 1);
}

static bool work_is_left(void)
{
    if (atomic_load_explicit(&state.real.global_count, memory_order_relaxed) != 0)
        return true;
    for (uint32_t i = 0; i < state.real.worker_count; i++)
        if (sp__run_queue_length(&state.workers[i].queue) != 0 ||
            !sp__young_stack_empty(&state.workers[i].young))
            return true;
    return false;
}

static void nobody_sleeps_beside_work(void)
{
    bool sleeps = model_sleeps(2) || model_sleeps(3);
    MODEL_ASSERT(!sleeps || !work_is_left());
    MODEL_ASSERT(!sleeps || !atomic_load_explicit(&state.real.stop, memory_order_relaxed));
}

/* Worker 0 has work, worker 1 was woken for it and searches, worker 2 sleeps. */
static void hand_on_setup(void)
{
    search_setup_for(3);
    sp__worker_push(&state.workers[0], make(0));
    state.workers[1].searching = true;
    atomic_store_explicit(&state.real.searching, 1, memory_order_relaxed);
    sp__list_push_front(&state.real.idle, &state.workers[2].idle_link);
    atomic_store_explicit(&state.real.idle_count, 1, memory_order_relaxed);
    atomic_store_explicit(&state.real.polling, &state.workers[1], memory_order_relaxed);
}

/* More comes while worker 1 searches, so nobody is woken for it by who makes it. */
static void make_second(void)
{
    sp__worker_push(&state.workers[0], make(1));
    sp__real_notify(&state.real);
}
static void make_second_global(void)
{
    struct sp__actor *actor = make(1);
    sp__real_global_push(&state.real, &actor, 1);
    sp__real_notify(&state.real);
}

static void sleep_on(void)
{
    struct sp__worker *worker = &state.workers[2];
    while (atomic_load_explicit(&worker->token, memory_order_acquire) == 0)
        sp__futex_wait(&worker->token, 0, INT64_MAX);
}

static void nobody_sleeps_for_too_long(void)
{
    MODEL_ASSERT(!model_sleeps(2) || state.sleeps_until <= 1000);
}

#define SEARCH_MODEL(what, from, a, b, c, end)                                     \
    {                                                                              \
        .name = what, .state = &state, .state_size = sizeof(state), .setup = from, \
        .enter = search_enter, .threads = { a, b, c },                             \
        .thread_names = { "maker", "worker 1", "worker 2" }, .final = end,         \
    }

static const struct model one_global = SEARCH_MODEL(
    "search, global queue", search_setup, make_global, work, NULL, nobody_sleeps_beside_work);
static const struct model one_local = SEARCH_MODEL("search, own queue", search_setup, make_one,
                                                   work, NULL, nobody_sleeps_beside_work);
static const struct model one_young =
    SEARCH_MODEL("search, young", young_setup, make_young, work, NULL, nobody_sleeps_beside_work);
static const struct model lurking = SEARCH_MODEL("search, young while lurking", lurking_setup,
                                                 make_young, work, NULL, nobody_sleeps_beside_work);
static const struct model at_end =
    SEARCH_MODEL("search, stop", search_setup, stop, work, NULL, nobody_sleeps_beside_work);
static const struct model timer =
    SEARCH_MODEL("search, timer", search_setup, arm, work, NULL, nobody_sleeps_for_too_long);
static const struct model hand_on = SEARCH_MODEL("search, handed on", hand_on_setup, make_second,
                                                 work, sleep_on, nobody_sleeps_beside_work);
static const struct model hand_on_global =
    SEARCH_MODEL("search, handed on, global queue", hand_on_setup, make_second_global, work,
                 sleep_on, nobody_sleeps_beside_work);

TEST(a_worker_does_not_sleep_beside_work)
{
    model_must_hold(&one_global);
    model_must_hold(&one_local);
    model_must_hold(&one_young);
    model_must_hold(&lurking);
    model_must_hold(&at_end);
}

TEST(a_worker_does_not_sleep_past_a_timer)
{
    model_must_hold(&timer);
}

TEST(the_last_searcher_hands_the_search_on)
{
    model_must_hold(&hand_on);
    model_must_hold(&hand_on_global);
}

#define SPARED(in, what, on, to, because)               \
    {                                                   \
        { in, what, on, 0, memory_order_##to }, because \
    }
#define BY_FENCE "the full fence that follows, or came before, orders it"
#define BY_LOCK "a count, changed under the lock"

static const struct model_spared search_spared[] = {
    SPARED("sp__real_global_push", "add", "&real->global_count", acq_rel, BY_FENCE),
    SPARED("worker_sleep", "sub", "&real->searching", acq_rel, BY_FENCE),
    SPARED("lurk_count", "add", "&worker->real->lurking", acq_rel, "others are only not woken"),
    SPARED("lurk_count", "sub", "&worker->real->lurking", acq_rel, BY_FENCE),
    SPARED("worker_stop_searching", "sub", "&worker->real->searching", acq_rel, BY_FENCE),
    SPARED("worker_list_idle", "add", "&real->idle_count", acq_rel, BY_FENCE),
    SPARED("real_has_work", "load", "&real->global_count", acquire, BY_FENCE),
    SPARED("real_has_work", "load", "&real->stop", acquire, BY_FENCE),
    SPARED("worker_unlist_idle", "sub", "&real->idle_count", acq_rel, BY_LOCK),
    SPARED("worker_pop_idle", "sub", "&real->idle_count", acq_rel, BY_LOCK),
    SPARED("worker_pop_idle", "add", "&real->searching", acq_rel, BY_LOCK),
    SPARED("worker_steal", "add", "&real->searching", acq_rel,
           "who searches looks once more, behind a fence, before it sleeps"),
    SPARED("sp__timers_expire", "load", "&shard->next", relaxed, "the lock comes next"),
    SPARED("worker_find", "load", "&worker->real->stop", relaxed,
           "a worker that ends looks at nothing that was written for it"),
    SPARED("worker_poll_sleep", "store", "&real->polling", relaxed,
           "one worker of a model is in the poller"),
    SPARED(NULL, NULL, NULL, relaxed, NULL),
};

TEST(each_order_is_needed)
{
    static const struct model *const models[] = { &one_global, &one_local,      &one_young,
                                                  &lurking,    &at_end,         &timer,
                                                  &hand_on,    &hand_on_global, NULL };
    static const char *const files[] = { "search.c", "lurk.c",   "ready.c",
                                         "timers.c", "atomic.h", NULL };
    model_weaken_each(
        &(struct model_part){ .models = models, .files = files, .spared = search_spared });
}

/* The lost wake-up, from either side; and a timer that is slept through. */
TEST(planted_bugs_are_found_and_told)
{
    const struct model_fault no_fence_maker = { .function = "sp__fence_full",
                                                .operation = "fence",
                                                .thread = 1,
                                                .order = memory_order_relaxed };
    const struct model_fault no_fence_worker = { .function = "sp__fence_full",
                                                 .operation = "fence",
                                                 .thread = 2,
                                                 .order = memory_order_relaxed };
    model_must_find(&one_local, &no_fence_maker, "!sleeps || !work_is_left()");
    model_must_find(&one_local, &no_fence_worker, "!sleeps || !work_is_left()");
    model_must_find(&timer,
                    &(struct model_fault){ .function = "worker_poll_sleep",
                                           .operation = "store",
                                           .operand = "&real->polling_until",
                                           .order = memory_order_release },
                    "store &real->polling_until release");
}
