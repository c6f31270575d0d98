#include "runtime/real/search.h"

#include "base/usdt.h"
#include "runtime/real/futex.h"
#include "runtime/recorder.h"
#include "runtime/watch.h"

enum {
    /* A busy worker looks at timers, poller and global queue after so many turns at the latest, and
     * after so few that about so much time lies between: what it finds out is its pace. */
    SEARCH_LOOK_EVERY = 64,
    SEARCH_LOOK_EVERY_NS = 100000,
    /* Looking into the poller costs half a microsecond; 64 turns may be two. */
    SEARCH_POLL_EVERY_NS = 100000,
    /* A worker with so many ready ones fetches no more events before this much time has passed: the
     * system keeps them in order, while a run queue that overflows lets the later go first. */
    SEARCH_POLL_BELOW = 32,
    SEARCH_POLL_LATEST_NS = 4000000,
    /* Another worker is not woken for events that make less work than this: it would be there
     * when most is done, and would take a processor from whoever sent them. Unless there was
     * always more to do when it was done, for so long. */
    SEARCH_SHARE_NS = 250000,
    SEARCH_BUSY_NS = 1000000,
    /* What an event costs is a mean over about so many harvests, in which a single one (a worker
     * that lost its processor) counts so many times the mean at most. */
    SEARCH_COST_MEAN = 8,
    SEARCH_COST_MOST = 8,
    /* A worker that falls asleep collects what ended processes left, so often at most: it makes
     * every core of the program execute a barrier, which takes some microseconds. */
    SEARCH_TIDY_NS = 1000000,
};

/* How many turns until the next look, by how long those until this one took. */
static void worker_set_pace(struct sp__worker *worker, bool busy, int64_t now)
{
    struct sp__runner *runner = worker->runner;
    int64_t elapsed = now - worker->looked_ns;
    if (!busy || worker->looked_ns == 0 || elapsed <= 0) {
        worker->pace = SEARCH_LOOK_EVERY;
    } else {
        int64_t pace = (int64_t)worker->pace * SEARCH_LOOK_EVERY_NS / elapsed;
        worker->pace = pace < 1 ? 1 : pace > SEARCH_LOOK_EVERY ? SEARCH_LOOK_EVERY : (unsigned)pace;
    }
    worker->looked_ns = busy ? now : 0;
    runner->paced_at = atomic_load_explicit(&runner->turns, memory_order_relaxed) + worker->pace;
    runner->look_at = runner->paced_at;
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
    else if (cost > SEARCH_COST_MOST * mean)
        cost = SEARCH_COST_MOST * mean;
    worker->event_ns = mean + (cost - mean) / SEARCH_COST_MEAN + 1;
}

static bool worker_wants_help(const struct sp__worker *worker, size_t events, int64_t now)
{
    return worker->event_ns == 0 || (int64_t)events * worker->event_ns > SEARCH_SHARE_NS ||
           now - worker->woke_ns > SEARCH_BUSY_NS;
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
    int64_t every = sp__run_queue_length(&worker->queue) < SEARCH_POLL_BELOW
                        ? SEARCH_POLL_EVERY_NS
                        : SEARCH_POLL_LATEST_NS;
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

static struct sp__actor *worker_local(struct sp__worker *worker)
{
    struct sp__runner *runner = worker->runner;
    if (runner->next_streak >= SP__RUNNER_STREAK_MAX) {
        runner->next_streak = 0;
        struct sp__actor *waiting = sp__run_queue_pop(&worker->queue);
        if (waiting != NULL)
            return waiting;
    }
    struct sp__actor *actor = sp__runner_local_next(runner);
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

/* What runs next where some have another priority. */
static SP_NOINLINE struct sp__actor *worker_by_priority(struct sp__worker *worker)
{
    struct sp__real *real = worker->real;
    struct sp__runner *runner = worker->runner;
    int64_t now = sp__now(real->runtime);
    const unsigned normal = 1U << SP__RANK_NORMAL;
    unsigned waiting = sp__lanes_waiting(&real->lanes);
    if (sp__runner_next(runner) != NULL || !sp__young_stack_empty(&worker->young) ||
        sp__run_queue_length(&worker->queue) != 0 ||
        atomic_load_explicit(&real->global_count, memory_order_relaxed) != 0)
        waiting |= normal;
    sp__share_settle(&worker->share, now);
    while (waiting != 0) {
        enum sp__rank rank =
            sp__share_choose(&worker->share, waiting, now, real->runtime->options.aging.ns);
        struct sp__actor *actor = NULL;
        if (rank != SP__RANK_NORMAL)
            actor = sp__lanes_pop(&real->lanes, rank);
        else if ((actor = worker_local(worker)) == NULL)
            actor = sp__real_global_take(worker);
        if (actor != NULL) {
            /* Between two turns of the higher ones, or after one that went before them. */
            if (worker->share.charged || (waiting >> SP__RANK_HIGH) != 0)
                sp__runner_look_next(runner);
            return actor;
        }
        waiting &= ~(1U << rank); /* others were faster */
        worker->share.charged = false;
    }
    return NULL;
}

static inline struct sp__actor *worker_next(struct sp__worker *worker)
{
    return sp__lanes_empty(&worker->real->lanes) && !worker->share.charged
               ? worker_local(worker)
               : worker_by_priority(worker);
}

static void worker_stop_searching(struct sp__worker *worker)
{
    bool lurked = sp__lurk_end(worker);
    bool last = false;
    if (worker->searching) {
        worker->searching = false;
        /* seq_cst: see sp__real_notify(). */
        last = atomic_fetch_sub_explicit(&worker->real->searching, 1, memory_order_seq_cst) == 1;
    }
    /* The last searcher that found work hands the search on. */
    if (last || lurked)
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
            actor = sp__lurk_steal(worker, victim);
        if (actor != NULL) {
            sp__count(&worker->runner->context.counters.steals);
            SP__USDT2(steal, worker->index, worker->victim);
            return actor;
        }
    }
    return NULL;
}

/* Is there anything to take? `young`: new processes, too. */
static bool real_has_work(struct sp__real *real, bool young)
{
    if (atomic_load_explicit(&real->global_count, memory_order_seq_cst) != 0 ||
        !sp__lanes_empty(&real->lanes) || atomic_load_explicit(&real->stop, memory_order_seq_cst))
        return true;
    for (uint32_t i = 0; i < real->worker_count; i++)
        if (sp__run_queue_length(&real->workers[i].queue) != 0 ||
            (young && !sp__young_stack_empty(&real->workers[i].young)))
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
    } else {
        worker->lurk.woken = true;
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
    runner->tidy_at = now + SEARCH_TIDY_NS;
    return sp__epoch_collect(epoch) ? INT64_MAX : runner->tidy_at;
}

static int64_t worker_timeout(struct sp__worker *worker, int64_t until)
{
    if (until == INT64_MAX)
        return INT64_MAX;
    int64_t timeout = until - sp__now(worker->real->runtime);
    return timeout < 0 ? 0 : timeout;
}

/* In the poller, until an event, the next timer, an interrupt, or an instant. */
static void worker_poll_sleep(struct sp__worker *worker, int64_t latest)
{
    struct sp__real *real = worker->real;
    struct sp_runtime *runtime = real->runtime;
    int64_t until = sp__timers_next(runtime->timers);
    if (latest < until)
        until = latest;
    /* seq_cst: pairs with timer_earlier: either it sees until when we sleep, or we see its timer. */
    atomic_store_explicit(&real->polling_until, until, memory_order_seq_cst);
    struct sp__poller_batch batch;
    batch.count = 0;
    if (sp__timers_next(runtime->timers) >= until &&
        atomic_load_explicit(&worker->token, memory_order_seq_cst) == 0) {
        sp__count(&worker->runner->context.counters.parks);
        sp__record(&worker->runner->context, SP_RECORD_PARK, 0, NULL);
        SP__USDT2(park, worker->index, 0);
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

/* On its token, until an instant at the latest. */
static void worker_futex_sleep(struct sp__worker *worker, int64_t latest)
{
    sp__count(&worker->runner->context.counters.parks);
    sp__record(&worker->runner->context, SP_RECORD_PARK, 0, NULL);
    SP__USDT2(park, worker->index, 1);
    while (atomic_load_explicit(&worker->token, memory_order_acquire) == 0) {
        int64_t timeout = worker_timeout(worker, latest);
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
    int64_t nap_until = sp__lurk_until(worker);
    int64_t until = nap_until < tidy_at ? nap_until : tidy_at;
    sp__epoch_away(&worker->runner->context.epoch);
    worker_list_idle(worker);
    /* We are listed before we look once more: pairs with the fence in sp__real_notify(). */
    sp__fence_full();
    if (!real_has_work(real, nap_until == INT64_MAX)) {
        struct sp__worker *nobody = NULL;
        sp__watched_idle(&worker->runner->context, true);
        if (atomic_compare_exchange_strong_explicit(&real->polling, &nobody, worker,
                                                    memory_order_seq_cst, memory_order_relaxed)) {
            worker_poll_sleep(worker, until);
        } else {
            worker_futex_sleep(worker, until);
        }
        sp__watched_idle(&worker->runner->context, false);
    } else {
        worker_unlist_idle(worker);
    }
}

/* Work for `worker`, whatever it takes. NULL: the runtime stops. */
static struct sp__actor *worker_find(struct sp__worker *worker)
{
    for (;;) {
        struct sp__actor *actor = worker_next(worker);
        if (actor == NULL)
            actor = sp__real_global_take(worker);
        if (actor == NULL && worker_look(worker, false) != 0)
            actor = worker_next(worker);
        if (actor == NULL)
            actor = worker_steal(worker);
        if (actor != NULL) {
            worker_stop_searching(worker);
            return actor;
        }
        if (atomic_load_explicit(&worker->real->stop, memory_order_acquire))
            return NULL;
        if (!sp__lurk_spin(worker))
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

struct sp__actor *sp__runner_find(struct sp__runner *runner, bool look)
{
    struct sp__worker *worker = runner->worker;
    unsigned turns = atomic_load_explicit(&runner->turns, memory_order_relaxed);
    bool paced = (int)(runner->paced_at - turns) <= 0;
    if (look)
        runner->look_at = runner->paced_at;
    if (worker == NULL)
        worker = sp__runner_rest(runner);
    else if (look && paced)
        worker_look_around(worker);
    if (look)
        (void)sp__runner_count_turn(runner);
    return worker == NULL ? NULL : worker_find(worker);
}
