/* The pool of threads for blocking work. See blocking.h.
 *
 * A thread is in one of three states:
 *
 *   soon   it will look at the queue without being told to: it starts, was woken, or has only
 *          `done` of a job left
 *   busy   inside `run`, for who knows how long
 *   idle   asleep, on the stack `idle`
 *
 * A job that finds fewer queued than there are threads `soon` needs nobody else. Otherwise an
 * idle thread is woken, or a new one started, or it waits.
 *
 * A thread that ends joins the one that ended before it, and stop joins the last: so none is
 * detached, and none waits for long to be joined.
 *
 * Lock: pool->mutex guards everything but the threads' contexts; it is not held during a job.
 */
#include "runtime/real/blocking.h"

#include "base/alloc.h"
#include "runtime/real/clock.h"
#include "runtime/real/os_thread.h"

#include <errno.h>
#include <pthread.h>

#define BLOCKING_QUEUE_MAX 65536
#define BLOCKING_IDLE_NS (10 * SP_NS_PER_S)

struct blocking_thread {
    struct sp__context context;
    struct sp__blocking *pool;
    pthread_cond_t wake;
    bool woken;
    struct sp__list link; /* pool.idle */
};

struct sp__blocking {
    struct sp_runtime *runtime;
    uint32_t threads_max;
    uint32_t queue_max;
    int64_t idle_ns;
    pthread_mutex_t mutex;
    pthread_cond_t ended; /* the last thread has */
    struct sp__job *first;
    struct sp__job *last;
    struct sp__list idle; /* the last to fall asleep is first */
    uint32_t queued;
    uint32_t threads;
    uint32_t idle_count;
    uint32_t soon;
    uint32_t started; /* ever; spreads the threads over the timer shards */
    bool stopping;
    bool joinable; /* `last_ended` waits to be joined */
    pthread_t last_ended;
};

/* ---- waiting ---------------------------------------------------------------------- */

static sp_err blocking_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr))
        return SP_ERR_NOMEM;
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    return failed ? SP_ERR_NOMEM : SP_OK;
}

/* False: the deadline passed. May come back early. */
static bool blocking_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX)
        return pthread_cond_wait(cond, mutex) == 0;
    struct timespec until = { .tv_sec = deadline_ns / SP_NS_PER_S,
                              .tv_nsec = deadline_ns % SP_NS_PER_S };
    return pthread_cond_timedwait(cond, mutex, &until) != ETIMEDOUT;
}

/* ---- the threads ------------------------------------------------------------------ */

static struct sp__job *blocking_pop(struct sp__blocking *pool)
{
    struct sp__job *job = pool->first;
    if (job) {
        pool->first = job->next;
        pool->queued--;
    }
    return job;
}

/* Both halves of a job; the mutex is held before and after. */
static void blocking_run(struct sp__blocking *pool, struct blocking_thread *self,
                         struct sp__job *job)
{
    (void)pthread_mutex_unlock(&pool->mutex);
    job->run(job);
    (void)pthread_mutex_lock(&pool->mutex);
    pool->soon++;
    (void)pthread_mutex_unlock(&pool->mutex);
    sp__context_set(&self->context);
    job->done(job);
    sp__context_set(NULL);
    (void)pthread_mutex_lock(&pool->mutex);
    pool->soon--;
}

/* Sleep until there may be work. False: idle for too long. */
static bool blocking_idle(struct sp__blocking *pool, struct blocking_thread *self)
{
    self->woken = false;
    sp__list_push_front(&pool->idle, &self->link);
    pool->idle_count++;
    int64_t deadline_ns = sp__clock_monotonic_ns() + pool->idle_ns;
    while (!self->woken && blocking_cond_wait(&self->wake, &pool->mutex, deadline_ns))
        continue;
    if (self->woken) {
        pool->soon--;
        return true;
    }
    sp__list_remove(&self->link);
    pool->idle_count--;
    return false;
}

/* The last of the idle is to look at the queue. */
static void blocking_wake(struct sp__blocking *pool)
{
    struct sp__list *link = sp__list_pop_front(&pool->idle);
    struct blocking_thread *thread = sp__container_of(link, struct blocking_thread, link);
    pool->idle_count--;
    pool->soon++;
    thread->woken = true;
    (void)pthread_cond_signal(&thread->wake);
}

static void blocking_loop(struct sp__blocking *pool, struct blocking_thread *self)
{
    (void)pthread_mutex_lock(&pool->mutex);
    pool->soon--;
    for (;;) {
        struct sp__job *job = blocking_pop(pool);
        if (job)
            blocking_run(pool, self, job);
        else if (pool->stopping || !blocking_idle(pool, self))
            break;
    }
    (void)pthread_mutex_unlock(&pool->mutex);
}

static void blocking_thread_free(struct blocking_thread *thread)
{
    (void)pthread_cond_destroy(&thread->wake);
    sp__free(thread);
}

/* Leave the pool, which may be gone when this returns. */
static void blocking_leave(struct sp__blocking *pool)
{
    (void)pthread_mutex_lock(&pool->mutex);
    bool joins = pool->joinable;
    pthread_t earlier = pool->last_ended;
    pool->last_ended = pthread_self();
    pool->joinable = true;
    pool->threads--;
    if (pool->threads == 0)
        (void)pthread_cond_broadcast(&pool->ended);
    (void)pthread_mutex_unlock(&pool->mutex);
    if (joins)
        (void)pthread_join(earlier, NULL);
}

static void *blocking_main(void *arg)
{
    struct blocking_thread *self = arg;
    struct sp__blocking *pool = self->pool;
    sp__context_init(&self->context, pool->runtime, SP__CONTEXT_FOREIGN, self->context.shard);
    sp__context_set(NULL);
    blocking_loop(pool, self);
    sp__context_set(&self->context);
    sp__context_finish(&self->context);
    blocking_thread_free(self);
    blocking_leave(pool);
    return NULL;
}

/* One thread more, with the mutex held: that is 20 us, and rare. */
static sp_err blocking_grow(struct sp__blocking *pool)
{
    struct blocking_thread *thread = sp__aligned_alloc(SP__CACHE_LINE, sizeof *thread);
    if (!thread)
        return SP_ERR_NOMEM;
    *thread = (struct blocking_thread){ .pool = pool };
    thread->context.shard = pool->started % pool->runtime->timers->shard_count;
    sp_err err = blocking_cond_init(&thread->wake);
    if (err) {
        sp__free(thread);
        return err;
    }
    pthread_t handle; /* the thread itself leaves it behind when it ends */
    err = sp__thread_create(&handle, blocking_main, thread);
    if (err) {
        blocking_thread_free(thread);
        return err;
    }
    pool->started++;
    pool->threads++;
    pool->soon++;
    return SP_OK;
}

/* ---- the pool --------------------------------------------------------------------- */

sp_err sp__blocking_create(struct sp_runtime *runtime, uint32_t threads_max,
                           struct sp__blocking **out)
{
    struct sp__blocking *pool = sp__calloc(1, sizeof *pool);
    if (!pool)
        return SP_ERR_NOMEM;
    pool->runtime = runtime;
    pool->threads_max = threads_max;
    pool->queue_max = BLOCKING_QUEUE_MAX;
    pool->idle_ns = BLOCKING_IDLE_NS;
    sp__list_init(&pool->idle);
    sp_err err = blocking_cond_init(&pool->ended);
    if (err) {
        sp__free(pool);
        return err;
    }
    if (pthread_mutex_init(&pool->mutex, NULL)) {
        (void)pthread_cond_destroy(&pool->ended);
        sp__free(pool);
        return SP_ERR_NOMEM;
    }
    *out = pool;
    return SP_OK;
}

void sp__blocking_set_limits(struct sp__blocking *pool, uint32_t queue_max, int64_t idle_ns)
{
    pool->queue_max = queue_max;
    pool->idle_ns = idle_ns;
}

/* Somebody to run the job that is about to be queued. */
static sp_err blocking_provide(struct sp__blocking *pool)
{
    if (pool->stopping)
        return SP_ERR_SHUTDOWN;
    if (pool->queued >= pool->queue_max)
        return SP_ERR_LIMIT;
    if (pool->queued < pool->soon)
        return SP_OK;
    if (pool->idle_count > 0) {
        blocking_wake(pool);
        return SP_OK;
    }
    if (pool->threads >= pool->threads_max)
        return SP_OK;
    sp_err err = blocking_grow(pool);
    return pool->threads > 0 ? SP_OK : err;
}

sp_err sp__blocking_submit(struct sp__blocking *pool, struct sp__job *job)
{
    (void)pthread_mutex_lock(&pool->mutex);
    sp_err err = blocking_provide(pool);
    if (!err) {
        job->next = NULL;
        if (pool->first)
            pool->last->next = job;
        else
            pool->first = job;
        pool->last = job;
        pool->queued++;
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return err;
}

bool sp__blocking_stop(struct sp__blocking *pool, int64_t deadline_ns)
{
    (void)pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    while (pool->idle_count > 0)
        blocking_wake(pool);
    while (pool->threads > 0 && blocking_cond_wait(&pool->ended, &pool->mutex, deadline_ns))
        continue;
    bool stopped = pool->threads == 0;
    bool joins = stopped && pool->joinable;
    pool->joinable = pool->joinable && !joins;
    pthread_t last = pool->last_ended;
    (void)pthread_mutex_unlock(&pool->mutex);
    if (joins)
        (void)pthread_join(last, NULL);
    return stopped;
}

void sp__blocking_destroy(struct sp__blocking *pool)
{
    if (!pool)
        return;
    (void)pthread_mutex_destroy(&pool->mutex);
    (void)pthread_cond_destroy(&pool->ended);
    sp__free(pool);
}

void sp__blocking_read(struct sp__blocking *pool, struct sp__blocking_stats *out)
{
    (void)pthread_mutex_lock(&pool->mutex);
    *out = (struct sp__blocking_stats){
        .threads = pool->threads,
        .idle = pool->idle_count,
        .queued = pool->queued,
    };
    (void)pthread_mutex_unlock(&pool->mutex);
}
