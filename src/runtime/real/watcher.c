#include "runtime/real/watcher.h"

#include "runtime/real/futex.h"
#include "runtime/real/os_thread.h"
#include "runtime/real/real.h"

enum {
    WATCHER_PERIOD_MS = 10,
    WATCHER_POLLER_NS = 500000,
    WATCHER_QUIET_ROUNDS = 5, /* with all workers idle, before it sleeps without a timeout */
};

static bool watcher_all_idle(struct sp__real *real)
{
    /* seq_cst: pairs with a worker that wakes: it counts itself out, then looks at `asleep`. */
    return atomic_load_explicit(&real->idle_count, memory_order_seq_cst) == real->worker_count;
}

static void watcher_sleep_long(struct sp__real *real)
{
    struct sp__watcher *watcher = &real->watcher;
    /* seq_cst: before the two loads below; pairs with wake and stop. */
    atomic_store_explicit(&watcher->asleep, 1, memory_order_seq_cst);
    /* Stop wakes us like a worker does. */
    if (watcher_all_idle(real) && atomic_load_explicit(&watcher->stop, memory_order_seq_cst) == 0 &&
        !sp__starter_waiting(&real->starter))
        sp__futex_wait(&watcher->asleep, 1, INT64_MAX);
    atomic_store_explicit(&watcher->asleep, 0, memory_order_relaxed);
}

/* Has nobody looked for events for a while? Then whoever should is in a long handler, and what
 * waits in its queue may have been left to it. */
static bool watcher_misses_poller(struct sp__real *real)
{
    /* relaxed, both: it is looked at again. */
    if (atomic_load_explicit(&real->polling, memory_order_relaxed) != NULL)
        return false;
    int64_t polled_ns = atomic_load_explicit(&real->polled_ns, memory_order_relaxed);
    return sp__now(real->runtime) - polled_ns > WATCHER_POLLER_NS;
}

/* Of a round. Units: nanoseconds. */
static int64_t watcher_period(struct sp__real *real)
{
    int64_t period = sp__handoff_period(real);
    int64_t slice = sp__slice_period(real);
    int64_t most = WATCHER_PERIOD_MS * SP_NS_PER_MS;
    period = period < slice ? period : slice;
    return period < most ? period : most;
}

/* After how many rounds it is to look for stuck handlers; 0: never. */
static uint64_t watcher_handoff_every(struct sp__real *real)
{
    int64_t period = sp__handoff_period(real);
    return period == INT64_MAX ? 0 : (uint64_t)(period / watcher_period(real));
}

static void watcher_look(struct sp__real *real, uint64_t round)
{
    uint64_t every = watcher_handoff_every(real);
    if (watcher_misses_poller(real))
        sp__real_wake_one(real);
    if (sp__slice_period(real) != INT64_MAX)
        sp__slice_look(real);
    sp__starvation_look(real);
    if (every != 0 && round % every == 0)
        sp__handoff_look(real);
}

static void *watcher_main(void *arg)
{
    struct sp__real *real = arg;
    struct sp__watcher *watcher = &real->watcher;
    const int64_t period_ns = watcher_period(real);
    unsigned quiet = 0;
    uint64_t round = 0;
    /* acquire: pairs with stop. */
    while (atomic_load_explicit(&watcher->stop, memory_order_acquire) == 0) {
        sp__starter_serve(real);
        quiet = watcher_all_idle(real) ? quiet + 1 : 0;
        if (quiet >= WATCHER_QUIET_ROUNDS) {
            watcher_sleep_long(real);
            quiet = 0;
            continue;
        }
        watcher_look(real, round++);
        sp__futex_wait(&watcher->stop, 0, period_ns);
    }
    return NULL;
}

sp_err sp__watcher_start(struct sp__real *real)
{
    return sp__thread_create(&real->watcher.thread, watcher_main, real);
}

void sp__watcher_wake(struct sp__watcher *watcher)
{
    if (atomic_exchange_explicit(&watcher->asleep, 0, memory_order_seq_cst) != 0)
        sp__futex_wake(&watcher->asleep, 1);
}

void sp__watcher_call(struct sp__watcher *watcher)
{
    /* Where it is about to sleep for a period and misses this, it comes after that. */
    sp__futex_wake(&watcher->stop, 1);
    sp__watcher_wake(watcher);
}

void sp__watcher_stop(struct sp__real *real)
{
    struct sp__watcher *watcher = &real->watcher;
    atomic_store_explicit(&watcher->stop, 1, memory_order_seq_cst);
    sp__futex_wake(&watcher->stop, 1);
    sp__watcher_wake(watcher);
    pthread_join(watcher->thread, NULL);
}
