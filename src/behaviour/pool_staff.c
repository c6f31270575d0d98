/* The workers of a pool: hiring, giving them jobs, and what becomes of their jobs when they go;
 * see pool.h.
 *
 *     STARTING ──ready──> RUNNING <──────> DRAINING ──holds nothing──> RETIRED ──ends──> gone
 *                            │ (a growing pool calls it back)
 *                            └──stuck──> GIVEN_UP ──ends──> gone
 *
 * Whoever ends by itself in one of the first three is replaced, as often as the window allows.
 */
#include "base/alloc.h"
#include "behaviour/pool.h"
#include "process/watched.h"
#include "runtime/log.h"

/* What could not be done for want of memory is tried again after this. */
#define STAFF_AGAIN_MS 10

static struct sp__pool_worker *worker_at(struct sp__list *link)
{
    return link == NULL ? NULL : sp__container_of(link, struct sp__pool_worker, link);
}

static struct sp__pool_worker *worker_of(struct sp__pool *pool, sp_pid pid)
{
    struct sp__pool_worker *worker = sp__map_get(&pool->by_pid, sp_pid_key(pid));
    return worker != NULL && sp_pid_equal(worker->pid, pid) ? worker : NULL;
}

static struct sp__pool_job *held_job(struct sp__list *link)
{
    return link == NULL ? NULL : sp__container_of(link, struct sp__pool_job, link);
}

static void staff_again(struct sp__pool *pool)
{
    sp__pool_look_at(pool, sp_time_add(pool->now, sp_ms(STAFF_AGAIN_MS)).ns);
}

/* ---- phases ---- */

/* Where workers of a phase are counted; NULL: nowhere. */
static uint32_t *phase_count(struct sp__pool *pool, enum sp__worker_phase phase)
{
    switch (phase) {
    case SP__WORKER_STARTING:
        return &pool->starting;
    case SP__WORKER_RUNNING:
        return &pool->running;
    case SP__WORKER_UNHEARD:
        return &pool->unheard;
    case SP__WORKER_DRAINING:
        return &pool->draining;
    case SP__WORKER_RETIRED:
        return &pool->retired;
    case SP__WORKER_GIVEN_UP:
        break;
    }
    return NULL;
}

static void worker_uncount(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    uint32_t *count = phase_count(pool, worker->phase);
    if (count != NULL)
        (*count)--;
}

static void worker_phase(struct sp__pool *pool, struct sp__pool_worker *worker,
                         enum sp__worker_phase phase)
{
    worker_uncount(pool, worker);
    worker->phase = phase;
    uint32_t *count = phase_count(pool, phase);
    if (count != NULL)
        (*count)++;
    sp__pool_able(pool, worker);
}

/* ---- hiring ---- */

static sp_err hire_spawn(struct sp__pool *pool, sp_pid *out_pid)
{
    struct sp__pool_def *def = pool->def;
    struct sp_spawn_options how = pool->options.worker;
    how.link = true;
    /* relaxed: who adds one has one. The worker's server drops it, if there comes to be one. */
    atomic_fetch_add_explicit(&def->refs, 1, memory_order_relaxed);
    sp_err err =
        sp__server_spawn(&def->class, def->args, def->users->args_size, &how, NULL, out_pid);
    if (err != SP_OK)
        sp__pool_def_unref(def);
    return err;
}

sp_err sp__pool_hire(struct sp__pool *pool)
{
    struct sp__pool_worker *worker = sp__calloc(1, sizeof(*worker));
    if (worker == NULL)
        return SP_ERR_NOMEM;
    sp__list_init(&worker->able);
    sp__list_init(&worker->ready);
    sp__list_init(&worker->held);
    sp__list_init(&worker->link);
    worker->window = pool->window_first;
    sp__list_push_back(&pool->workers, &worker->link);
    pool->starting++;
    sp_err err = hire_spawn(pool, &worker->pid);
    if (err == SP_OK) {
        err = sp__map_add(&pool->by_pid, sp_pid_key(worker->pid), worker);
        if (err == SP_OK)
            return SP_OK;
        sp_unlink(worker->pid);
        sp_ignore(sp_kill(worker->pid));
    }
    pool->starting--;
    sp__list_remove(&worker->link);
    sp__free(worker);
    return err;
}

void sp__pool_worker_ready(struct sp__pool *pool, sp_pid pid)
{
    struct sp__pool_worker *worker = worker_of(pool, pid);
    if (worker == NULL || worker->phase != SP__WORKER_STARTING)
        return;
    worker_phase(pool, worker, SP__WORKER_RUNNING);
    sp__pool_lanes_share(pool, worker);
}

/* ---- giving ---- */

static bool job_may_repeat(const struct sp__pool *pool, const struct sp__pool_job *job)
{
    return job->retry && job->attempts + 1 < pool->options.attempts_max;
}

static void held_remove(struct sp__pool *pool, struct sp__pool_worker *worker,
                        struct sp__pool_job *job)
{
    sp__list_remove(&job->link);
    pool->held--;
    if (--worker->held_count == 1)
        pool->ahead--;
    sp__pool_lane_left(pool, job->lane);
    sp__pool_able(pool, worker);
}

/* Out of its worker's hands, ahead of all others of its lane. */
static void held_return(struct sp__pool *pool, struct sp__pool_worker *worker,
                        struct sp__pool_job *job)
{
    held_remove(pool, worker, job);
    sp__pool_queue_return(pool, job);
}

/* It is not in the pool's mailbox any more. True: it was until now. */
static bool give_took(struct sp__pool_job *job)
{
    if (!job->counted)
        return false;
    job->counted = false;
    sp__process_took(sp__context(), sp__process_self(), job->message);
    sp__watched_took(sp__process_self(), job->message);
    return true;
}

/* It is after all: nobody took it. */
static void give_put_back(struct sp__pool_job *job)
{
    struct sp__context *context = sp__context();
    job->counted = true;
    sp__process_put_back(context, sp__process_self(), job->message);
    sp__watched_put_back(context, job->message);
}

/* False: not now. Whatever the send leads to, the books are right when it is called. */
static bool give(struct sp__pool *pool, struct sp__pool_worker *worker, struct sp__pool_job *job)
{
    struct sp__pool_carry carry = sp__pool_job_give(job, job_may_repeat(pool, job));
    sp__pool_queue_remove(pool, job);
    sp__list_push_back(&worker->held, &job->link);
    pool->held++;
    if (++worker->held_count == 1)
        worker->since_ns = pool->now.ns;
    else if (worker->held_count == 2)
        pool->ahead++;
    sp__pool_lane_took(pool, job->lane, worker);
    sp__pool_able(pool, worker);
    sp__pool_job_ref(job);
    bool took = give_took(job); /* once it is sent, its message is the worker's */
    sp_err err = sp_send(worker->pid, &sp__pool_carry_op.in, &carry);
    if (err == SP_OK) {
        pool->info.given++;
        return true;
    }
    if (took)
        give_put_back(job);
    (void)sp__pool_job_move(&carry, SP__JOB_GIVEN, SP__JOB_BACK);
    held_return(pool, worker, job);
    if (err != SP_ERR_NOPROC) {
        staff_again(pool);
        return false;
    }
    worker_phase(pool, worker, SP__WORKER_UNHEARD);
    sp__pool_lanes_leave(pool, worker);
    return true;
}

/* Behind the others, so that all get jobs before one gets its second. */
static void able_rotate(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    if (sp__list_linked(&worker->able)) {
        sp__list_remove(&worker->able);
        sp__list_push_back(&pool->able, &worker->able);
    }
}

/* The first job of its lane goes to the worker, or is lost. False: no more at the moment. */
static bool deal_one(struct sp__pool *pool, struct sp__pool_worker *worker,
                     struct sp__pool_job *job)
{
    int64_t at = INT64_MAX;
    if (job->call && sp__reply_expired(&job->to)) {
        sp__pool_queue_remove(pool, job);
        sp__pool_lose(pool, job, SP_POOL_LOST_CALLER, NULL);
        return true;
    }
    struct sp__bucket before = pool->bucket;
    if (!sp__bucket_take(&pool->bucket, pool->now, &at)) {
        sp__pool_look_at(pool, at);
        return false;
    }
    uint64_t given = pool->info.given;
    bool more = give(pool, worker, job);
    if (pool->info.given == given)
        pool->bucket = before;
    able_rotate(pool, worker);
    return more;
}

void sp__pool_deal(struct sp__pool *pool)
{
    for (bool more = pool->queued > 0; more;) {
        struct sp__list *link = sp__list_first(&pool->able);
        if (link == NULL)
            break;
        struct sp__pool_worker *worker = sp__container_of(link, struct sp__pool_worker, able);
        struct sp__pool_job *job = sp__pool_queue_next(pool, worker);
        more = job != NULL && deal_one(pool, worker, job);
    }
    /* Nobody who has a job now can be stuck before this. */
    if (pool->held > 0 && pool->options.stuck_after.ns != 0 && pool->stuck_at == INT64_MAX)
        pool->stuck_at = sp_time_add(pool->now, pool->options.stuck_after).ns;
    sp__pool_ahead_arm(pool);
}

/* ---- getting back ---- */

static void job_lost(struct sp__pool *pool, struct sp__pool_worker *worker,
                     struct sp__pool_job *job, enum sp_pool_loss why,
                     const struct sp_reason *reason)
{
    held_remove(pool, worker, job);
    sp__pool_lose(pool, job, why, reason);
}

/* True: its worker is over with it, in one way or another. */
static bool job_collect(struct sp__pool *pool, struct sp__pool_worker *worker,
                        struct sp__pool_job *job)
{
    switch (sp__pool_job_phase(job)) {
    case SP__JOB_DONE:
        pool->info.finished++;
        held_remove(pool, worker, job);
        sp__pool_job_over(&pool->spare, job);
        return true;
    case SP__JOB_SKIPPED:
        pool->info.given--; /* it was not worked on */
        job_lost(pool, worker, job, SP_POOL_LOST_CALLER, NULL);
        return true;
    case SP__JOB_NOMEM:
        pool->info.given--;
        job_lost(pool, worker, job, SP_POOL_LOST_NOMEM, NULL);
        return true;
    case SP__JOB_GIVEN:
    case SP__JOB_STARTED:
    case SP__JOB_BACK:
        break;
    }
    return false;
}

/* What the worker is over with: always the first ones. */
void sp__pool_worker_collect(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    struct sp__pool_job *job;
    uint32_t done = 0;
    while ((job = held_job(sp__list_first(&worker->held))) != NULL &&
           job_collect(pool, worker, job))
        done++;
    if (done != 0)
        sp__pool_ahead_done(pool, worker, done);
}

void sp__pool_collect_all(struct sp__pool *pool)
{
    for (struct sp__list *at = sp__list_first(&pool->workers); at != NULL;
         at = sp__list_next(&pool->workers, at))
        sp__pool_worker_collect(pool, worker_at(at));
}

/* What it has not begun goes back, last first, so that the order stays. */
void sp__pool_worker_recall(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    struct sp__pool_job *job;
    while ((job = held_job(sp__list_last(&worker->held))) != NULL) {
        struct sp__pool_carry carry = sp__pool_job_carry(job);
        if (!sp__pool_job_move(&carry, SP__JOB_GIVEN, SP__JOB_BACK))
            break;
        pool->info.handed_over++;
        held_return(pool, worker, job);
    }
}

/* The worker is gone, or given up. */
static void worker_bereave(struct sp__pool *pool, struct sp__pool_worker *worker,
                           enum sp_pool_loss why, const struct sp_reason *reason)
{
    sp__pool_worker_recall(pool, worker);
    struct sp__pool_job *job;
    while ((job = held_job(sp__list_last(&worker->held))) != NULL) {
        struct sp__pool_carry carry = sp__pool_job_carry(job);
        if (!sp__pool_job_move(&carry, SP__JOB_STARTED, SP__JOB_BACK))
            break; /* it has done this one, and those before */
        job->attempts++;
        if (job->keep) {
            pool->info.handed_over++;
            held_return(pool, worker, job);
        } else {
            job_lost(pool, worker, job, why, reason);
        }
    }
    sp__pool_worker_collect(pool, worker);
}

/* ---- leaving ---- */

static void worker_free(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    (void)sp__map_remove(&pool->by_pid, sp_pid_key(worker->pid));
    if (sp__list_linked(&worker->able))
        sp__list_remove(&worker->able);
    if (sp__list_linked(&worker->link))
        sp__list_remove(&worker->link);
    sp__free(worker);
}

/* It holds nothing any more. */
static void worker_retire(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    sp_err err = sp_send(worker->pid, &sp__pool_retire_op.in, &(sp_empty){ 0 });
    worker_phase(pool, worker, SP__WORKER_RETIRED);
    if (err == SP_ERR_NOMEM)
        sp_ignore(sp_kill(worker->pid)); /* it has nothing to lose */
}

static void worker_drain(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    worker_phase(pool, worker, SP__WORKER_DRAINING);
    sp__pool_lanes_leave(pool, worker);
    sp__pool_worker_recall(pool, worker);
    sp__pool_worker_collect(pool, worker);
    if (worker->held_count == 0)
        worker_retire(pool, worker);
}

void sp__pool_worker_done(struct sp__pool *pool, sp_pid pid)
{
    struct sp__pool_worker *worker = worker_of(pool, pid);
    if (worker == NULL)
        return;
    sp__pool_worker_collect(pool, worker);
    if (worker->phase == SP__WORKER_DRAINING && worker->held_count == 0)
        worker_retire(pool, worker);
}

/* Whoever was to go anyway is missed by nobody. */
static void staff_failed(struct sp__pool *pool, enum sp__worker_phase phase,
                         const struct sp_reason *reason)
{
    if (phase == SP__WORKER_RETIRED || phase == SP__WORKER_GIVEN_UP)
        return;
    pool->info.deaths++;
    if (phase != SP__WORKER_DRAINING)
        pool->missing++;
    sp_reason_unref(pool->failure);
    pool->failure = sp_reason_ref(reason);
}

void sp__pool_worker_ended(struct sp__pool *pool, sp_pid pid, const struct sp_reason *reason)
{
    struct sp__pool_worker *worker = worker_of(pool, pid);
    if (worker == NULL)
        return;
    enum sp__worker_phase phase = worker->phase;
    worker_phase(pool, worker, SP__WORKER_RETIRED);
    sp__pool_lanes_leave(pool, worker);
    worker_bereave(pool, worker, SP_POOL_LOST_DIED, reason);
    pool->retired--;
    worker_free(pool, worker);
    staff_failed(pool, phase, reason);
}

/* ---- stuck ---- */

/* When its first job will be, or was, for too long; INT64_MAX: it has none. */
static int64_t stuck_since(const struct sp__pool *pool, const struct sp__pool_worker *worker)
{
    const struct sp__pool_job *job = held_job(sp__list_first(&worker->held));
    if (job == NULL)
        return INT64_MAX;
    /* acquire: pairs with the store in pool_worker.c, so that the worker has taken what it takes
     * out of the job. 0: it has not begun. */
    int64_t begun = atomic_load_explicit(&job->begun_ns, memory_order_acquire);
    sp_time since = begun == 0 ? pool->now : (sp_time){ begun };
    return sp_time_add(since, pool->options.stuck_after).ns;
}

/* The kill comes through once it waits for something; the pool does not wait for that. */
static void worker_give_up(struct sp__pool *pool, struct sp__pool_worker *worker)
{
    char pid[SP_PID_TEXT_MAX];
    sp__log(sp_runtime_current(), SP_LOG_ERROR, "pool of %s: worker %s is stuck, and replaced",
            pool->def->users->name, sp_pid_format(worker->pid, pid));
    worker_phase(pool, worker, SP__WORKER_GIVEN_UP);
    sp__pool_lanes_leave(pool, worker);
    sp__list_remove(&worker->link);
    pool->info.deaths++;
    pool->missing++;
    worker_bereave(pool, worker, SP_POOL_LOST_STUCK, NULL);
    sp_ignore(sp_kill(worker->pid));
}

void sp__pool_worker_stuck(struct sp__pool *pool)
{
    if (pool->now.ns < pool->stuck_at)
        return;
    pool->stuck_at = INT64_MAX;
    for (struct sp__list *at = sp__list_first(&pool->workers), *next; at != NULL; at = next) {
        struct sp__pool_worker *worker = worker_at(at);
        next = sp__list_next(&pool->workers, at);
        sp__pool_worker_collect(pool, worker);
        int64_t since = stuck_since(pool, worker);
        if (since <= pool->now.ns)
            worker_give_up(pool, worker);
        else if (since < pool->stuck_at)
            pool->stuck_at = since;
    }
}

/* ---- as many as there should be ---- */

/* Of those who run, one that holds least; the newest of several. NULL: none runs. */
static struct sp__pool_worker *staff_spare(struct sp__pool *pool)
{
    struct sp__pool_worker *spare = NULL;
    struct sp__list *at = sp__list_last(&pool->workers);
    for (; at != NULL; at = sp__list_prev(&pool->workers, at)) {
        struct sp__pool_worker *worker = worker_at(at);
        if (worker->phase == SP__WORKER_RUNNING &&
            (spare == NULL || worker->held_count < spare->held_count))
            spare = worker;
        if (spare != NULL && spare->held_count == 0)
            break;
    }
    return spare;
}

static bool staff_call_back(struct sp__pool *pool)
{
    struct sp__list *at = pool->draining == 0 ? NULL : sp__list_first(&pool->workers);
    for (; at != NULL; at = sp__list_next(&pool->workers, at)) {
        struct sp__pool_worker *worker = worker_at(at);
        if (worker->phase != SP__WORKER_DRAINING)
            continue;
        worker_phase(pool, worker, SP__WORKER_RUNNING);
        sp__pool_lanes_share(pool, worker);
        return true;
    }
    return false;
}

/* May one more be started in place of one that ended? */
static bool staff_may_restart(struct sp__pool *pool)
{
    sp_duration oldest;
    if (pool->window.times == NULL)
        return true;
    if (sp__restart_window_count(&pool->window, pool->now, &oldest) < pool->window.max)
        return true;
    if (pool->window.max > 0)
        sp__pool_look_at(pool, sp_time_add(pool->now, pool->window.period).ns - oldest.ns + 1);
    return false;
}

/* Those who are missing come first. False: not now. */
static bool staff_hire(struct sp__pool *pool)
{
    bool instead = pool->missing > 0;
    if (instead && !staff_may_restart(pool))
        return false;
    if (instead)
        (void)sp__restart_window_add(&pool->window, pool->now);
    if (sp__pool_hire(pool) != SP_OK) {
        staff_again(pool);
        return false;
    }
    if (instead) {
        pool->missing--;
        pool->info.restarts++;
    }
    return true;
}

static uint32_t staff_size(const struct sp__pool *pool)
{
    return pool->running + pool->starting + pool->unheard;
}

/* There is never more than `max` of them, those who leave included. */
static bool staff_grow(struct sp__pool *pool)
{
    if (staff_call_back(pool))
        return true;
    uint32_t all = staff_size(pool) + pool->draining + pool->retired;
    return all < pool->options.max && staff_hire(pool);
}

void sp__pool_staff(struct sp__pool *pool)
{
    while (pool->phase < SP__POOL_CLOSING && staff_size(pool) < pool->target)
        if (!staff_grow(pool))
            break;
    if (staff_size(pool) >= pool->target)
        pool->missing = 0;
    while (pool->phase < SP__POOL_CLOSING && staff_size(pool) > pool->target) {
        struct sp__pool_worker *spare = staff_spare(pool);
        if (spare == NULL)
            break;
        worker_drain(pool, spare);
    }
}

bool sp__pool_staff_lost(struct sp__pool *pool)
{
    return staff_size(pool) + pool->draining == 0 && pool->missing > 0 && !staff_may_restart(pool);
}

/* ---- the end ---- */

void sp__pool_dismiss_all(struct sp__pool *pool)
{
    for (struct sp__list *at = sp__list_first(&pool->workers); at != NULL;
         at = sp__list_next(&pool->workers, at)) {
        struct sp__pool_worker *worker = worker_at(at);
        if (worker->phase != SP__WORKER_RETIRED && worker->phase != SP__WORKER_DRAINING)
            worker_drain(pool, worker);
    }
}

void sp__pool_kill_all(struct sp__pool *pool, bool busy_only)
{
    for (struct sp__list *at = sp__list_first(&pool->workers); at != NULL;
         at = sp__list_next(&pool->workers, at))
        if (!busy_only || worker_at(at)->held_count > 0)
            sp_ignore(sp_kill(worker_at(at)->pid));
}

/* A worker that goes on to its end answers for what it has begun, unless it might be repeated. */
static void staff_finish_job(struct sp__pool_job *job, const struct sp_reason *reason)
{
    struct sp__pool_carry carry = sp__pool_job_carry(job);
    bool mine = sp__pool_job_move(&carry, SP__JOB_GIVEN, SP__JOB_BACK) ||
                (job->keep && sp__pool_job_move(&carry, SP__JOB_STARTED, SP__JOB_BACK));
    if (mine)
        sp__pool_job_answer(job, SP_ERR_DIED, reason);
    sp__pool_job_unref(job);
}

void sp__pool_staff_finish(struct sp__pool *pool, const struct sp_reason *reason)
{
    uint32_t cursor = 0;
    sp__map_item item;
    while (sp__map_next(&pool->by_pid, &cursor, &item)) {
        struct sp__pool_worker *worker = item.value;
        struct sp__list *link;
        while ((link = sp__list_pop_front(&worker->held)) != NULL)
            staff_finish_job(held_job(link), reason);
    }
    for (cursor = 0; sp__map_next(&pool->by_pid, &cursor, &item);)
        sp__free(item.value);
    sp__map_finish(&pool->by_pid);
    sp_reason_unref(pool->failure);
    pool->failure = NULL;
    sp__restart_window_finish(&pool->window);
}
