/* How many jobs a worker is given ahead of the one it is in; see pool.h.
 *
 *     window  1 -> 2 -> 4 -> 8 -> 16      while a whole window is worked off within AHEAD_NS
 *               <-   <-   <-   <-         where it takes four times as long
 *             1 <------------------       no job was done within AHEAD_PATIENCE_NS: what has not
 *                                         begun is taken back
 *
 * A job given ahead saves its worker the wait for the next one, and the pool a message for each. It
 * would wait behind a long one while another worker has nothing to do; hence the small window where
 * jobs are long, and the look at those who hold more than one. A window that the user chose stays, and
 * nothing is taken back: the look only finds what is done and was not told yet.
 */
#include "behaviour/pool.h"

#define AHEAD_NS INT64_C(50000)
#define AHEAD_PATIENCE_NS INT64_C(1000000)
#define AHEAD_PATIENCE_MAX_NS (1000 * AHEAD_PATIENCE_NS)

/* What is given cannot expire, and a token is used up when it is given. */
static bool ahead_able(const struct sp_pool_options *options)
{
    return options->begin_within.ns == 0 && options->rate.per.ns == 0;
}

void sp__pool_ahead_init(struct sp__pool *pool)
{
    uint32_t window = pool->options.window;
    pool->adapts = window == 0 && ahead_able(&pool->options);
    pool->window_first = window == 0 ? 1 : window;
    pool->ahead_at = INT64_MAX;
    pool->patience_ns = AHEAD_PATIENCE_NS;
    uint32_t most = pool->adapts ? SP__POOL_WINDOW_MAX : pool->window_first;
    pool->def->tell_every = most < 2 ? 1 : most / 2;
}

static void ahead_resize(struct sp__pool *pool, struct sp__pool_worker *worker, uint32_t window)
{
    worker->window = window;
    sp__pool_able(pool, worker);
}

/* Neither number is large: a window, and a time that is not more than a job's and its wait. */
static void ahead_adapt(struct sp__pool *pool, struct sp__pool_worker *worker, uint32_t done)
{
    int64_t elapsed = pool->now.ns - worker->since_ns;
    int64_t allowed = AHEAD_NS * done / worker->window;
    if (elapsed <= allowed && worker->window < SP__POOL_WINDOW_MAX)
        ahead_resize(pool, worker, 2 * worker->window);
    else if (elapsed / 4 > allowed && worker->window > 1)
        ahead_resize(pool, worker, worker->window / 2);
}

void sp__pool_ahead_done(struct sp__pool *pool, struct sp__pool_worker *worker, uint32_t done)
{
    if (pool->adapts)
        ahead_adapt(pool, worker, done);
    worker->since_ns = pool->now.ns;
    pool->patience_ns = AHEAD_PATIENCE_NS;
}

void sp__pool_ahead_arm(struct sp__pool *pool)
{
    if (pool->ahead != 0 && pool->ahead_at == INT64_MAX)
        pool->ahead_at = sp_time_add(pool->now, sp_ns(pool->patience_ns)).ns;
    sp__pool_look_at(pool, pool->ahead_at);
}

/* A worker that did nothing since the last look, though it has more to do. */
static void ahead_take_back(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    if (!pool->adapts || pool->now.ns - worker->since_ns < AHEAD_PATIENCE_NS)
        return;
    worker->window = 1;
    sp__pool_worker_recall(pool, worker);
}

void sp__pool_ahead_look(struct sp__pool *pool)
{
    if (pool->now.ns < pool->ahead_at)
        return;
    pool->ahead_at = INT64_MAX;
    if (pool->patience_ns < AHEAD_PATIENCE_MAX_NS)
        pool->patience_ns *= 2; /* until somebody has done something */
    struct sp__list *at = pool->ahead == 0 ? NULL : sp__list_first(&pool->workers);
    for (; at != NULL; at = sp__list_next(&pool->workers, at)) {
        struct sp__pool_worker *worker = sp__container_of(at, struct sp__pool_worker, link);
        if (worker->held_count < 2)
            continue;
        sp__pool_worker_collect(pool, worker);
        if (worker->held_count > 1)
            ahead_take_back(pool, worker);
    }
}
