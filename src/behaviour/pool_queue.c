/* Jobs that wait, and who may take them; see pool.h.
 *
 * Without keys there is one lane, and everybody with room is able to take its first job. With keys
 * a lane belongs to a worker, its owner. It is in the owner's `ready` if it has a job and no other
 * worker still holds an earlier one: so the order of a key outlives a change of owner.
 *
 * Lanes are dealt evenly, and one more worker takes its share from those who have most: of n
 * workers' keys, about one in n moves.
 *
 * Source: the hash of a key is the finalizer of splitmix64, S. Vigna.
 */
#include "base/alloc.h"
#include "behaviour/pool.h"

enum {
    /* Lanes for each worker that there may be, so that shares differ by an eighth at most. */
    LANES_PER_WORKER = 8,
    LANES_MIN = 64,
    LANES_MAX = 65536,
};

static bool queue_keyed(const struct sp__pool *pool)
{
    return pool->options.key != NULL;
}

/* ---- lanes ---- */

static uint32_t lanes_for(const struct sp__pool *pool)
{
    uint32_t count = LANES_MIN;
    while (count < LANES_PER_WORKER * pool->options.max && count < LANES_MAX)
        count *= 2;
    return queue_keyed(pool) ? count : 1;
}

sp_err sp__pool_queue_init(struct sp__pool *pool)
{
    sp__list_init(&pool->waiting);
    sp__list_init(&pool->spare.jobs);
    sp__list_init(&pool->able);
    pool->lane_count = lanes_for(pool);
    pool->lanes = sp__calloc(pool->lane_count, sizeof(*pool->lanes));
    if (pool->lanes == NULL)
        return SP_ERR_NOMEM;
    for (uint32_t i = 0; i < pool->lane_count; i++) {
        sp__list_init(&pool->lanes[i].jobs);
        sp__list_init(&pool->lanes[i].link);
    }
    return SP_OK;
}

static uint64_t queue_hash(uint64_t key)
{
    key = (key ^ (key >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    key = (key ^ (key >> 27)) * UINT64_C(0x94d049bb133111eb);
    return key ^ (key >> 31);
}

static struct sp__pool_lane *queue_lane(struct sp__pool *pool, const struct sp__pool_job *job)
{
    if (!queue_keyed(pool))
        return &pool->lanes[0];
    uint64_t key = pool->options.key(job->op, sp__message_payload(job->message), pool->options.arg);
    return &pool->lanes[queue_hash(key) & (pool->lane_count - 1)];
}

static void lane_update(struct sp__pool *pool, struct sp__pool_lane *lane)
{
    struct sp__pool_worker *owner = lane->owner;
    if (owner == NULL)
        return;
    bool ready = !sp__list_empty(&lane->jobs) && (lane->in_flight == 0 || lane->at == owner);
    if (ready == sp__list_linked(&lane->link))
        return;
    if (ready)
        sp__list_push_back(&owner->ready, &lane->link);
    else
        sp__list_remove(&lane->link);
    sp__pool_able(pool, owner);
}

static void lane_own(struct sp__pool *pool, struct sp__pool_lane *lane,
                     struct sp__pool_worker *owner)
{
    struct sp__pool_worker *before = lane->owner;
    if (before != NULL) {
        before->lanes--;
        if (sp__list_linked(&lane->link))
            sp__list_remove(&lane->link);
        sp__pool_able(pool, before);
    }
    lane->owner = owner;
    if (owner != NULL) {
        owner->lanes++;
        lane_update(pool, lane);
    }
}

void sp__pool_lane_took(struct sp__pool *pool, struct sp__pool_lane *lane,
                        struct sp__pool_worker *worker)
{
    lane->at = worker;
    lane->in_flight++;
    lane_update(pool, lane);
}

void sp__pool_lane_left(struct sp__pool *pool, struct sp__pool_lane *lane)
{
    if (--lane->in_flight == 0)
        lane->at = NULL;
    lane_update(pool, lane);
}

/* ---- sharing the lanes ---- */

void sp__pool_lanes_share(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    uint32_t quota = pool->lane_count / pool->running;
    for (uint32_t i = 0; queue_keyed(pool) && i < pool->lane_count; i++) {
        struct sp__pool_lane *lane = &pool->lanes[i];
        bool rich = lane->owner != NULL && lane->owner->lanes > quota && worker->lanes < quota;
        if (lane->owner == NULL || rich)
            lane_own(pool, lane, worker);
    }
}

static struct sp__pool_worker *worker_at(struct sp__list *link)
{
    return link == NULL ? NULL : sp__container_of(link, struct sp__pool_worker, link);
}

/* The next running worker behind `worker`, round and round. There is one. */
static struct sp__pool_worker *worker_behind(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    do {
        struct sp__list *link =
            worker == NULL ? NULL : sp__list_next(&pool->workers, &worker->link);
        worker = worker_at(link == NULL ? sp__list_first(&pool->workers) : link);
    } while (worker->phase != SP__WORKER_RUNNING);
    return worker;
}

void sp__pool_lanes_leave(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    struct sp__pool_worker *heir = NULL;
    if (!queue_keyed(pool))
        return;
    uint32_t most = pool->running == 0 ? 0 : pool->lane_count / pool->running + 1;
    for (uint32_t i = 0; worker->lanes > 0 && i < pool->lane_count; i++) {
        if (pool->lanes[i].owner != worker)
            continue;
        if (pool->running > 0) {
            do
                heir = worker_behind(pool, heir);
            while (heir->lanes >= most);
        }
        lane_own(pool, &pool->lanes[i], heir);
    }
}

/* ---- jobs ---- */

static struct sp__pool_job *job_aged(struct sp__list *age)
{
    return age == NULL ? NULL : sp__container_of(age, struct sp__pool_job, age);
}

void sp__pool_queue_add(struct sp__pool *pool, struct sp__pool_job *job)
{
    sp__list_push_back(&pool->waiting, &job->age); /* before the user's code, which may fault */
    pool->queued++;
    job->lane = queue_lane(pool, job);
    sp__list_push_back(&job->lane->jobs, &job->link);
    lane_update(pool, job->lane);
}

void sp__pool_queue_return(struct sp__pool *pool, struct sp__pool_job *job)
{
    struct sp__list *at = sp__list_first(&pool->waiting);
    while (at != NULL && job_aged(at)->number < job->number)
        at = sp__list_next(&pool->waiting, at);
    sp__list_insert_before(at == NULL ? &pool->waiting : at, &job->age);
    pool->queued++;
    sp__list_push_front(&job->lane->jobs, &job->link);
    lane_update(pool, job->lane);
}

void sp__pool_queue_remove(struct sp__pool *pool, struct sp__pool_job *job)
{
    sp__list_remove(&job->age);
    sp__list_remove(&job->link);
    pool->queued--;
    lane_update(pool, job->lane);
}

/* In a long queue a job is out of the caches when its turn comes: have the one behind it on its way
 * meanwhile, and of the next, which is here by now, what it points to. Inline, or gcc takes it for a
 * function without an effect. */
__attribute__((always_inline)) static inline void job_fetch_ahead(struct sp__pool_lane *lane,
                                                                  struct sp__list *first)
{
    struct sp__list *next = sp__list_next(&lane->jobs, first);
    if (next == NULL)
        return;
    const struct sp__pool_job *job = sp__container_of(next, struct sp__pool_job, link);
    __builtin_prefetch(job->message);
    const char *behind = (const char *)next->next - offsetof(struct sp__pool_job, link);
    for (size_t at = 0; at < sizeof(*job); at += SP__CACHE_LINE)
        __builtin_prefetch(behind + at); /* nothing is read: it may be the list's head */
}

struct sp__pool_job *sp__pool_queue_next(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    struct sp__pool_lane *lane = &pool->lanes[0];
    if (queue_keyed(pool)) {
        struct sp__list *ready = sp__list_first(&worker->ready);
        if (ready == NULL)
            return NULL;
        lane = sp__container_of(ready, struct sp__pool_lane, link);
    }
    struct sp__list *link = sp__list_first(&lane->jobs);
    if (link == NULL)
        return NULL;
    job_fetch_ahead(lane, link);
    return sp__container_of(link, struct sp__pool_job, link);
}

void sp__pool_able(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    bool able = worker->phase == SP__WORKER_RUNNING && worker->held_count < worker->window &&
                (!queue_keyed(pool) || !sp__list_empty(&worker->ready));
    if (able == sp__list_linked(&worker->able))
        return;
    if (able)
        sp__list_push_back(&pool->able, &worker->able);
    else
        sp__list_remove(&worker->able);
}

void sp__pool_queue_finish(struct sp__pool *pool)
{
    sp__pool_spare_finish(&pool->spare);
    sp__free(pool->lanes);
    pool->lanes = NULL;
}
