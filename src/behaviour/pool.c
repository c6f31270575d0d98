/* The pool's process: a server that keeps the messages it gets until a worker has done them; see
 * pool.h.
 *
 * Each message is one event; after it, or after several, sp__pool_deal() and its like bring everything
 * to where it should be, and the timer is set for when something comes by itself. While it starts and while it
 * ends, the pool takes its messages itself (pool_run_until), inside init and terminate.
 */
#include "behaviour/pool.h"

#include "base/alloc.h"
#include "process/dead_letter.h"
#include "process/timer.h"
#include "process/watched.h"
#include "runtime/log.h"

#include <string.h>

/* What a worker may take to end once the budget of a stop is used up. */
#define POOL_GRACE_SEC 1

/* Jobs and reports that are looked at together, if so many are there. */
enum { POOL_TOGETHER_MAX = 32 };

/* ---- jobs that are not done ---- */

static void pool_tell(struct sp__pool *pool, const struct sp_pool_lost *lost)
{
    if (pool->options.on_lost != NULL)
        pool->options.on_lost(lost, pool->options.arg);
}

static sp_err loss_err(enum sp_pool_loss why)
{
    switch (why) {
    case SP_POOL_LOST_FULL:
        return SP_ERR_FULL;
    case SP_POOL_LOST_EXPIRED:
    case SP_POOL_LOST_CALLER:
        return SP_ERR_TIMEOUT;
    case SP_POOL_LOST_SHUTDOWN:
        return SP_ERR_SHUTDOWN;
    case SP_POOL_LOST_NOMEM:
        return SP_ERR_NOMEM;
    case SP_POOL_LOST_DIED:
    case SP_POOL_LOST_STUCK:
    case SP_POOL_LOSSES:
        break;
    }
    return SP_ERR_DIED;
}

void sp__pool_lose(struct sp__pool *pool, struct sp__pool_job *moved_job, enum sp_pool_loss why,
                   const struct sp_reason *reason)
{
    struct sp_message *message = moved_job->message;
    if (moved_job->counted) {
        moved_job->counted = false;
        sp__process_took(sp__context(), sp__process_self(), message);
        sp__watched_took(sp__process_self(), message);
    }
    pool->info.lost[why]++;
    pool->losing = moved_job;
    sp__pool_job_answer(moved_job, loss_err(why), reason);
    pool_tell(pool,
              &(struct sp_pool_lost){ .why = why,
                                      .op = moved_job->op,
                                      .in = message == NULL ? NULL : sp__message_payload(message),
                                      .from = moved_job->from });
    pool->losing = NULL;
    sp__pool_job_unref(moved_job);
}

static void pool_refuse(struct sp__pool *pool, struct sp_message *message, enum sp_pool_loss why)
{
    sp__process_took(sp__context(), sp__process_self(), message);
    sp__watched_took(sp__process_self(), message);
    pool->info.refused++;
    pool->refusing = message;
    sp__reply_fail_message(message, loss_err(why), NULL);
    pool_tell(pool, &(struct sp_pool_lost){ .why = why,
                                            .op = sp__message_op(message),
                                            .in = sp__message_payload(message),
                                            .from = message->from });
    pool->refusing = NULL;
    sp__message_destroy(message);
}

static struct sp__pool_job *pool_oldest(const struct sp__pool *pool)
{
    struct sp__list *age = sp__list_first(&pool->waiting);
    return age == NULL ? NULL : sp__container_of(age, struct sp__pool_job, age);
}

static void pool_discard(struct sp__pool *pool, struct sp__pool_job *job, enum sp_pool_loss why)
{
    sp__pool_queue_remove(pool, job);
    sp__pool_lose(pool, job, why, NULL);
}

/* ---- after each event ---- */

static void pool_expire(struct sp__pool *pool)
{
    struct sp__pool_job *job;
    if (pool->options.begin_within.ns == 0)
        return;
    while ((job = pool_oldest(pool)) != NULL) {
        int64_t at = sp_time_add((sp_time){ job->accepted_ns }, pool->options.begin_within).ns;
        if (pool->now.ns < at) {
            sp__pool_look_at(pool, at);
            return;
        }
        pool_discard(pool, job, SP_POOL_LOST_EXPIRED);
    }
}

static void pool_scale(struct sp__pool *pool)
{
    int64_t look_at;
    struct sp__pool_load load = { .size = pool->target,
                                  .min = pool->options.min,
                                  .max = pool->options.max,
                                  .jobs = pool->queued + pool->held };
    if (pool->phase != SP__POOL_OPEN)
        return;
    uint32_t size =
        sp__resizer_judge(&pool->resizer, &pool->options.scaling, &load, pool->now, &look_at);
    sp__pool_look_at(pool, look_at);
    if (size > pool->target)
        pool->info.grown++;
    if (size < pool->target)
        pool->info.shrunk++;
    pool->target = size;
}

static const struct sp_op pool_tick_op;

static void pool_arm(struct sp__pool *pool)
{
    sp__pool_look_at(pool, pool->stuck_at);
    if (pool->look_at >= pool->armed_at)
        return; /* too early is harmless */
    int64_t after = pool->look_at - pool->now.ns;
    uint64_t key = (UINT64_C(1) << 63) | (uint64_t)(uintptr_t)&pool_tick_op;
    struct sp_timer_options options = { .after = sp_ns(after > 0 ? after : 1) };
    if (sp__timer_start_key(key, &pool_tick_op.in, &(sp_empty){ 0 }, &options, NULL) != SP_OK)
        sp_exit(sp_reason_out_of_memory());
    pool->armed_at = pool->look_at;
}

static void pool_settle(struct sp__pool *pool)
{
    if (pool->phase == SP__POOL_STARTING)
        return;
    if (pool->unsettled > 1)
        pool->now = sp_now();
    pool->unsettled = 0;
    pool->look_at = INT64_MAX;
    sp__pool_worker_stuck(pool);
    sp__pool_ahead_look(pool);
    pool_expire(pool);
    pool_scale(pool);
    sp__pool_staff(pool);
    sp__pool_deal(pool);
    pool_arm(pool);
    if (pool->phase == SP__POOL_OPEN && sp__pool_staff_lost(pool))
        sp_server_stop_self(sp__reason_with_cause(sp_reason_shutdown(), pool->failure));
}

/* ---- a new job ---- */

static bool pool_may_retry(const struct sp__pool *pool, const struct sp__pool_job *job)
{
    return pool->options.retry != NULL && job->op->in.destroy == NULL &&
           pool->options.retry(job->op, sp__message_payload(job->message), pool->options.arg);
}

/* The tick of a keyed timer that was cancelled meanwhile: it is dropped. */
static bool pool_stale(struct sp_message *message)
{
    struct sp_process *self = sp__process_self();
    if (!sp__timer_message_stale(self, message)) {
        sp__timer_message_taken(self, message);
        return false;
    }
    sp__mailbox_took(&self->actor);
    sp__dead_letter(SP_DEAD_STALE, message, sp_self());
    sp__message_destroy(message);
    return true;
}

static void pool_accept(struct sp__pool *pool, struct sp_message *message)
{
    if (pool_stale(message))
        return;
    bool open = !pool->refuses;
    struct sp__pool_job *job = open ? sp__pool_job_create(&pool->spare, message) : NULL;
    if (job == NULL) {
        pool_refuse(pool, message, open ? SP_POOL_LOST_NOMEM : SP_POOL_LOST_SHUTDOWN);
        return;
    }
    job->accepted_ns = pool->now.ns;
    job->number = pool->numbers++;
    pool->info.accepted++;
    sp__pool_queue_add(pool, job);
    job->retry = pool_may_retry(pool, job);
    if (pool->options.full == SP_POOL_REFUSE || pool->queued <= pool->options.queue_max)
        return;
    if (pool->unsettled != 0) {
        pool_settle(pool); /* those before it may have a worker */
        if (pool->queued <= pool->options.queue_max)
            return;
    }
    bool newest = pool->options.full == SP_POOL_DISCARD_NEWEST;
    pool_discard(pool, newest ? job : pool_oldest(pool), SP_POOL_LOST_FULL);
}

/* ---- operations of its own ---- */

static void pool_tick(void *state, const void *in)
{
    (void)in;
    ((struct sp__pool *)state)->armed_at = INT64_MAX;
}

static void pool_ready(void *state, const void *in)
{
    (void)in;
    sp__pool_worker_ready(state, sp_server_from());
}

static void pool_done(void *state, const void *in)
{
    (void)in;
    sp__pool_worker_done(state, sp_server_from());
}

static uint32_t pool_busy(const struct sp__pool *pool)
{
    uint32_t busy = 0;
    for (struct sp__list *at = sp__list_first(&pool->workers); at != NULL;
         at = sp__list_next(&pool->workers, at)) {
        const struct sp__pool_worker *worker = sp__container_of(at, struct sp__pool_worker, link);
        if (worker->phase == SP__WORKER_RUNNING && worker->held_count > 0)
            busy++;
    }
    return busy;
}

static struct sp_pool_info pool_info(const struct sp__pool *pool)
{
    struct sp_pool_info info = pool->info;
    info.min = pool->options.min;
    info.max = pool->options.max;
    info.size = pool->running + pool->starting + pool->unheard;
    info.starting = pool->starting;
    info.busy = pool_busy(pool);
    info.leaving = pool->draining + pool->retired;
    info.queued = pool->queued;
    info.held = pool->held;
    return info;
}

static sp_err pool_on_info(void *state, const void *in, void *out)
{
    struct sp__pool *pool = state;
    (void)in;
    sp__pool_collect_all(pool);
    pool_settle(pool); /* what came before */
    *(struct sp_pool_info *)out = pool_info(pool);
    return SP_OK;
}

static sp_err pool_on_resize(void *state, const void *in, void *out)
{
    struct sp__pool *pool = state;
    const struct sp__pool_bounds *bounds = in;
    (void)out;
    if (pool->phase != SP__POOL_OPEN)
        return SP_ERR_SHUTDOWN;
    pool->options.min = bounds->min;
    pool->options.max = bounds->max;
    if (pool->target < bounds->min)
        pool->target = bounds->min;
    if (pool->target > bounds->max)
        pool->target = bounds->max;
    return SP_OK;
}

/* Answered when all is over. */
static sp_err pool_on_stop(void *state, const void *in, void *out)
{
    struct sp__pool *pool = state;
    (void)out;
    if (pool->asked || pool->phase != SP__POOL_OPEN)
        return SP_ERR_SHUTDOWN;
    sp_err err = sp_request_take(&pool->request);
    if (err != SP_OK)
        return err;
    pool->asked = true;
    pool->stop = *(const struct sp__pool_stop *)in;
    sp_server_stop_self(sp_reason_normal());
    return SP_ERR_DEFERRED;
}

/* Written out because they go past a full mailbox. */
#define POOL_CAST(text, fn)                                                        \
    {                                                                              \
        .in = { text, sizeof(sp_empty), SP__KIND_CAST | SP__KIND_RESERVED, NULL }, \
        .server = &sp__pool_class, .cast = fn                                      \
    }
#define POOL_CALL(text, In, Out, fn)                                         \
    {                                                                        \
        .in = { text, sizeof(In), SP__KIND_CALL | SP__KIND_RESERVED, NULL }, \
        .out_size = sizeof(Out), .server = &sp__pool_class, .call = fn       \
    }

static const struct sp_op pool_tick_op = POOL_CAST("tick", pool_tick);
const struct sp_op sp__pool_ready_op = POOL_CAST("ready", pool_ready);
const struct sp_op sp__pool_done_op = POOL_CAST("done", pool_done);
const struct sp_op sp__pool_info_op =
    POOL_CALL("info", sp_empty, struct sp_pool_info, pool_on_info);
const struct sp_op sp__pool_resize_op =
    POOL_CALL("resize", struct sp__pool_bounds, sp_empty, pool_on_resize);
const struct sp_op sp__pool_stop_op =
    POOL_CALL("stop", struct sp__pool_stop, struct sp_pool_info, pool_on_stop);

/* ---- messages ---- */

static bool message_is_job(const struct sp__pool *pool, const struct sp_message *message)
{
    uint8_t kind = message->type->kind;
    return (kind == SP__KIND_CALL || kind == SP__KIND_CAST) &&
           sp__message_op(message)->server == pool->def->users;
}

/* Jobs and reports come in numbers: several are taken before all is settled. */
static void pool_handle(struct sp__pool *pool, struct sp_message *message)
{
    struct sp_process *self = sp__process_self();
    bool job = message_is_job(pool, message);
    bool many = job || message->type == &sp__pool_done_op.in;
    if (pool->unsettled++ == 0 || pool->options.begin_within.ns != 0)
        pool->now = sp_now();
    if (job)
        pool_accept(pool, message);
    else
        sp_ignore(sp__server_handle(message, sp__server_default_run, NULL));
    if (many && pool->unsettled < POOL_TOGETHER_MAX && sp__process_has_next(self))
        self->attention |= SP__ATTEND_STEP; /* what comes next may not come here */
    else
        pool_settle(pool);
}

static struct sp_message *pool_next(struct sp_process *self)
{
    struct sp_message *message = self->saved == NULL ? sp__mailbox_take_direct(&self->actor) : NULL;
    if (message == NULL && sp__process_has_next(self))
        message = sp__process_next(self);
    return message;
}

/* Take messages until `over`, or the instant has come. */
static void pool_run_until(struct sp__pool *pool, bool (*over)(const struct sp__pool *pool),
                           int64_t until)
{
    struct sp_process *self = sp__process_self();
    for (unsigned spins = 0; !over(pool);) {
        sp_ignore(sp__process_check(self));
        struct sp_message *message = pool_next(self);
        if (message != NULL)
            pool_handle(pool, message);
        else if (sp__mailbox_waiting(&self->actor))
            sp__scheduler_spin(spins++); /* a sender is about to link its message */
        else if (until != INT64_MAX && sp_now().ns >= until)
            break;
        else
            sp__process_park(self, true, until);
    }
}

static struct sp__pool *pool_self(void)
{
    return (struct sp__pool *)(void *)sp__server_self()->state;
}

static void pool_dispatch(void *extra, struct sp_message *moved_message)
{
    (void)extra;
    pool_handle(pool_self(), moved_message);
}

static bool pool_step(void *extra)
{
    struct sp_process *self = sp__process_self();
    struct sp__pool *pool = pool_self();
    (void)extra;
    self->attention &= (uint16_t)~SP__ATTEND_STEP;
    if (pool->unsettled != 0 && sp__process_has_next(self))
        self->attention |= SP__ATTEND_STEP;
    else if (pool->unsettled != 0)
        pool_settle(pool);
    return false;
}

static void pool_on_exit(void *state, const struct sp_exit_notice *notice)
{
    sp__pool_worker_ended(state, notice->pid, notice->reason);
}

/* ---- the beginning ---- */

static struct sp__pool_def *def_create(const struct sp__pool_start *start)
{
    const struct sp_server_class *users = start->users;
    struct sp__pool_def *def = sp__calloc(1, sizeof(*def) + users->args_size);
    if (def == NULL)
        return NULL;
    def->users = users;
    def->class = *users;
    def->class.hook = &sp__pool_worker_hook;
    def->class.hook_class = def;
    def->pool = sp_self();
    def->timed = start->options->stuck_after.ns != 0;
    def->args = start->args;
    if (users->args_size != 0 && start->args != NULL)
        def->args = memcpy(def->copy, start->args, users->args_size);
    atomic_init(&def->refs, 1);
    return def;
}

static sp_err pool_build(struct sp__pool *pool, const struct sp__pool_start *start)
{
    pool->options = *start->options;
    pool->look_at = pool->stuck_at = pool->armed_at = INT64_MAX;
    pool->target = pool->options.min;
    pool->bucket = sp__bucket_make(&pool->options.rate);
    sp__list_init(&pool->workers);
    sp__map_init(&pool->by_pid, (struct sp__hash_seed){ sp_random(), sp_random() });
    pool->def = def_create(start);
    if (pool->def == NULL)
        return SP_ERR_NOMEM;
    sp__pool_ahead_init(pool);
    sp_err err = sp__pool_queue_init(pool);
    if (err == SP_OK)
        err = sp__restart_window_init(&pool->window, pool->options.max_restarts,
                                      pool->options.period);
    return err;
}

static bool pool_is_up(const struct sp__pool *pool)
{
    return pool->starting == 0 || pool->failure != NULL;
}

static bool pool_is_empty(const struct sp__pool *pool)
{
    return sp__list_empty(&pool->workers);
}

/* A worker that declines ends with normal. */
static sp_err pool_failure(const struct sp__pool *pool)
{
    if (pool->failure == NULL)
        return SP_OK;
    if (sp_reason_is_normal(pool->failure))
        return SP_ERR_IGNORED;
    sp_err err = sp_reason_code(pool->failure);
    return err == SP_OK ? SP_ERR_INITFAILED : err;
}

static int64_t pool_grace(void)
{
    return sp_time_add(sp_now(), sp_sec(POOL_GRACE_SEC)).ns;
}

static sp_err pool_init(void *extra, const struct sp_server_class *class, void *state,
                        const void *args)
{
    struct sp__pool *pool = state;
    sp_err err = pool_build(pool, args);
    sp__mailbox_keeps(&sp__process_self()->actor); /* what it accepts, until a worker takes it */
    (void)extra;
    (void)class;
    for (uint32_t i = 0; err == SP_OK && i < pool->options.min; i++)
        err = sp__pool_hire(pool);
    if (err == SP_OK) {
        pool_run_until(pool, pool_is_up, INT64_MAX);
        err = pool_failure(pool);
    }
    if (err == SP_OK) {
        pool->phase = SP__POOL_OPEN;
        return SP_OK;
    }
    if (pool->def != NULL) {
        sp__pool_kill_all(pool, false);
        pool_run_until(pool, pool_is_empty, pool_grace());
    }
    return err;
}

/* ---- the end ---- */

static bool pool_is_done(const struct sp__pool *pool)
{
    return pool->queued + pool->held == 0 ||
           pool->running + pool->starting + pool->draining + pool->unheard == 0;
}

/* What was sent before the stop is accepted, though the stop overtook it. */
static void pool_take_all(struct sp__pool *pool)
{
    struct sp_process *self = sp__process_self();
    sp__process_fetch_all(self);
    while (self->saved != NULL)
        pool_handle(pool, sp__process_next(self));
}

static void pool_drain(struct sp__pool *pool)
{
    int64_t until = pool->stop.until_ns;
    if (!pool->stop.given)
        until = sp__scheduler_instant(sp_runtime_current(), pool->options.drain, sp_after_sec(5));
    pool->phase = SP__POOL_DRAINING;
    pool_take_all(pool);
    pool->refuses = true;
    pool->now = sp_now();
    pool_settle(pool);
    pool_run_until(pool, pool_is_done, until);
}

/* All go; who is still at work is killed. */
static void pool_close(struct sp__pool *pool)
{
    struct sp__pool_job *job;
    pool->phase = SP__POOL_CLOSING;
    pool->refuses = true;
    pool->now = sp_now();
    sp__pool_dismiss_all(pool);
    while ((job = pool_oldest(pool)) != NULL)
        pool_discard(pool, job, SP_POOL_LOST_SHUTDOWN);
    sp__pool_kill_all(pool, true);
    pool_run_until(pool, pool_is_empty, pool_grace());
    sp__pool_kill_all(pool, false);
    pool_run_until(pool, pool_is_empty, pool_grace());
}

static void pool_report(struct sp__pool *pool)
{
    struct sp_pool_info info = pool_info(pool);
    uint64_t given_up = info.lost[SP_POOL_LOST_SHUTDOWN];
    if (given_up != 0 || info.held != 0)
        sp__log(sp_runtime_current(), SP_LOG_WARNING,
                "pool of %s: stopped with %llu jobs undone, %llu in workers that do not end",
                pool->def->users->name, (unsigned long long)given_up,
                (unsigned long long)info.held);
    if (pool->asked)
        sp_ignore(sp_request_reply(pool->request, &sp__pool_stop_op, &info));
}

/* Ends abnormally: jobs are not finished, only told. */
static void pool_terminate(void *state, const struct sp_reason *reason)
{
    struct sp__pool *pool = state;
    if (sp_reason_is_normal(reason))
        pool_drain(pool);
    pool_close(pool);
    pool_report(pool);
}

/* Also after a kill. A job whose loss was being told is dead like the others. */
static void pool_finish(void *extra)
{
    struct sp__pool *pool = pool_self();
    const struct sp_reason *reason = sp__process_self()->exit;
    struct sp__list *age;
    (void)extra;
    if (pool->def == NULL)
        return;
    while ((age = sp__list_pop_front(&pool->waiting)) != NULL) {
        struct sp__pool_job *job = sp__container_of(age, struct sp__pool_job, age);
        if (job->counted)
            sp__dead_letter(SP_DEAD_EXITED, job->message, sp_self());
        sp__pool_job_answer(job, SP_ERR_DIED, reason);
        sp__pool_job_unref(job);
    }
    sp__pool_staff_finish(pool, reason);
    struct sp__pool_job *losing = pool->losing;
    struct sp_message *refusing = pool->refusing;
    pool->losing = NULL;
    pool->refusing = NULL;
    if (losing != NULL)
        sp__pool_job_unref(losing);
    if (refusing != NULL)
        sp__message_destroy(refusing);
    sp__pool_queue_finish(pool);
    sp__pool_def_unref(pool->def);
    pool->def = NULL;
}

static const struct sp__server_hook pool_hook = {
    .init = pool_init,
    .dispatch = pool_dispatch,
    .step = pool_step,
    .finish = pool_finish,
    .any_operation = true,
};

const struct sp_server_class sp__pool_class = {
    .name = "pool",
    .state_size = sizeof(struct sp__pool),
    .args_size = sizeof(struct sp__pool_start),
    .terminate = pool_terminate,
    .on_exit = pool_on_exit,
    .hook = &pool_hook,
};
