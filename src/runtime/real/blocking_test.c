/* Tests of the pool of threads for blocking work, on a runtime that has nothing else. */
#include "runtime/real/blocking.h"

#include "runtime/real/clock.h"
#include "support/test.h"

#include <sched.h>
#include <semaphore.h>

struct blocking_fixture {
    struct sp_runtime runtime;
    struct sp__blocking *pool;
};

static void fixture_start(struct blocking_fixture *f, uint32_t threads_max)
{
    *f = (struct blocking_fixture){ 0 };
    sp__epoch_init(&f->runtime.epoch, true);
    sp__msg_pool_init(&f->runtime.messages, NULL);
    sp__list_init(&f->runtime.contexts);
    CHECK_OK(sp__fiber_pool_create(NULL, &f->runtime.fibers));
    CHECK_OK(sp__timers_create(2, 0, &f->runtime.timers));
    CHECK_OK(sp__blocking_create(&f->runtime, threads_max, &f->pool));
}

static void fixture_stop(struct blocking_fixture *f)
{
    CHECK(sp__blocking_stop(f->pool, INT64_MAX));
    struct sp__blocking_stats stats;
    sp__blocking_read(f->pool, &stats);
    CHECK_INT(stats.threads, 0);
    CHECK_INT(stats.idle, 0);
    CHECK_INT(stats.queued, 0);
    CHECK(sp__list_empty(&f->runtime.contexts)); /* every context was finished */
    sp__blocking_destroy(f->pool);
    sp__timers_destroy(f->runtime.timers);
    sp__fiber_pool_destroy(f->runtime.fibers);
    sp__msg_pool_finish(&f->runtime.messages);
    sp__epoch_finish(&f->runtime.epoch);
}

/* A job that says when it runs, and waits for leave to end. */
struct gate_job {
    struct sp__job job;
    struct gate *gate;
    int ran;
    int done;
};

struct gate {
    sem_t running;
    sem_t leave;
    sem_t done;
    struct sp_runtime *runtime;
    _Atomic int inside;
    _Atomic int inside_max;
};

static void gate_init(struct gate *gate, struct sp_runtime *runtime)
{
    *gate = (struct gate){ .runtime = runtime };
    CHECK_INT(sem_init(&gate->running, 0, 0), 0);
    CHECK_INT(sem_init(&gate->leave, 0, 0), 0);
    CHECK_INT(sem_init(&gate->done, 0, 0), 0);
}

static void gate_run(struct sp__job *job)
{
    struct gate_job *self = (struct gate_job *)job;
    struct gate *gate = self->gate;
    CHECK(sp__context() == NULL);
    int inside = atomic_fetch_add(&gate->inside, 1) + 1;
    int max = atomic_load(&gate->inside_max);
    while (max < inside && !atomic_compare_exchange_weak(&gate->inside_max, &max, inside))
        continue;
    sem_post(&gate->running);
    sem_wait(&gate->leave);
    atomic_fetch_sub(&gate->inside, 1);
    self->ran++;
}

static void gate_done(struct sp__job *job)
{
    struct gate_job *self = (struct gate_job *)job;
    struct sp__context *context = sp__context();
    CHECK(context != NULL);
    CHECK_PTR(context->runtime, self->gate->runtime);
    CHECK(context->current == NULL);
    sp__epoch_enter(&context->epoch);
    sp__epoch_leave(&context->epoch);
    CHECK_INT(self->ran, 1);
    self->done++;
    sem_post(&self->gate->done);
}

static void gate_jobs(struct gate *gate, struct gate_job *jobs, int count)
{
    for (int i = 0; i < count; i++)
        jobs[i] = (struct gate_job){ .job = { .run = gate_run, .done = gate_done }, .gate = gate };
}

static void gate_open(struct gate *gate, int times)
{
    for (int i = 0; i < times; i++)
        sem_post(&gate->leave);
}

static void gate_await(sem_t *semaphore, int times)
{
    for (int i = 0; i < times; i++)
        while (sem_wait(semaphore) != 0)
            continue;
}

static struct sp__blocking_stats stats_of(struct blocking_fixture *f)
{
    struct sp__blocking_stats stats;
    sp__blocking_read(f->pool, &stats);
    return stats;
}

TEST(blocking_jobs_below_the_limit_run_side_by_side_and_the_rest_waits)
{
    struct blocking_fixture f;
    fixture_start(&f, 4);
    struct gate gate;
    gate_init(&gate, &f.runtime);
    CHECK_INT(stats_of(&f).threads, 0);
    struct gate_job jobs[7];
    gate_jobs(&gate, jobs, 7);
    for (int i = 0; i < 7; i++)
        CHECK_OK(sp__blocking_submit(f.pool, &jobs[i].job));
    gate_await(&gate.running, 4); /* all four at once, or this waits for ever */
    CHECK_INT(stats_of(&f).threads, 4);
    CHECK_INT(stats_of(&f).queued, 3);
    gate_open(&gate, 7);
    gate_await(&gate.done, 7);
    for (int i = 0; i < 7; i++)
        CHECK_INT(jobs[i].done, 1);
    CHECK_INT(atomic_load(&gate.inside_max), 4);
    fixture_stop(&f);
}

TEST(blocking_queue_full_is_a_limit_and_the_job_is_not_taken)
{
    struct blocking_fixture f;
    fixture_start(&f, 1);
    sp__blocking_set_limits(f.pool, 2, SP_NS_PER_S);
    struct gate gate;
    gate_init(&gate, &f.runtime);
    struct gate_job jobs[4];
    gate_jobs(&gate, jobs, 4);
    CHECK_OK(sp__blocking_submit(f.pool, &jobs[0].job));
    gate_await(&gate.running, 1);
    CHECK_OK(sp__blocking_submit(f.pool, &jobs[1].job));
    CHECK_OK(sp__blocking_submit(f.pool, &jobs[2].job));
    CHECK_ERR(sp__blocking_submit(f.pool, &jobs[3].job), SP_ERR_LIMIT);
    gate_open(&gate, 3);
    gate_await(&gate.done, 3);
    CHECK_INT(jobs[3].ran, 0);
    /* There is room again. */
    gate_open(&gate, 1);
    CHECK_OK(sp__blocking_submit(f.pool, &jobs[3].job));
    gate_await(&gate.done, 1);
    fixture_stop(&f);
}

TEST(blocking_one_job_after_another_uses_one_thread)
{
    struct blocking_fixture f;
    fixture_start(&f, 64);
    struct gate gate;
    gate_init(&gate, &f.runtime);
    for (int i = 0; i < 1000; i++) {
        struct gate_job job;
        gate_jobs(&gate, &job, 1);
        gate_open(&gate, 1);
        CHECK_OK(sp__blocking_submit(f.pool, &job.job));
        gate_await(&gate.done, 1);
        CHECK_INT(stats_of(&f).threads, 1);
    }
    fixture_stop(&f);
}

TEST(blocking_idle_threads_end_and_come_again)
{
    struct blocking_fixture f;
    fixture_start(&f, 64);
    sp__blocking_set_limits(f.pool, 65536, 1);
    struct gate gate;
    gate_init(&gate, &f.runtime);
    for (int round = 0; round < 20; round++) {
        struct gate_job jobs[3];
        gate_jobs(&gate, jobs, 3);
        gate_open(&gate, 3);
        for (int i = 0; i < 3; i++)
            CHECK_OK(sp__blocking_submit(f.pool, &jobs[i].job));
        gate_await(&gate.done, 3);
        while (stats_of(&f).threads > 0) /* the case's watchdog looks after "never" */
            sched_yield();
    }
    fixture_stop(&f);
}

TEST(blocking_stop_runs_what_is_queued_and_takes_no_more)
{
    struct blocking_fixture f;
    fixture_start(&f, 2);
    struct gate gate;
    gate_init(&gate, &f.runtime);
    struct gate_job jobs[51];
    gate_jobs(&gate, jobs, 51);
    for (int i = 0; i < 50; i++)
        CHECK_OK(sp__blocking_submit(f.pool, &jobs[i].job));
    gate_open(&gate, 50);
    CHECK(sp__blocking_stop(f.pool, INT64_MAX));
    for (int i = 0; i < 50; i++)
        CHECK_INT(jobs[i].done, 1);
    CHECK_ERR(sp__blocking_submit(f.pool, &jobs[50].job), SP_ERR_SHUTDOWN);
    CHECK_INT(jobs[50].ran, 0);
    sp__blocking_destroy(f.pool);
    f.pool = NULL;
    sp__timers_destroy(f.runtime.timers);
    sp__fiber_pool_destroy(f.runtime.fibers);
    sp__msg_pool_finish(&f.runtime.messages);
    sp__epoch_finish(&f.runtime.epoch);
}

TEST(blocking_stop_with_a_stuck_job_gives_up_at_the_deadline)
{
    struct blocking_fixture f;
    fixture_start(&f, 64);
    struct gate gate;
    gate_init(&gate, &f.runtime);
    struct gate_job job;
    gate_jobs(&gate, &job, 1);
    CHECK_OK(sp__blocking_submit(f.pool, &job.job));
    gate_await(&gate.running, 1);
    CHECK(!sp__blocking_stop(f.pool, sp__clock_monotonic_ns() + 1000000));
    CHECK_INT(stats_of(&f).threads, 1);
    gate_open(&gate, 1);
    gate_await(&gate.done, 1);
    while (stats_of(&f).threads > 0)
        sched_yield();
    /* Nobody joined the thread after its end: stop may be asked again. */
    fixture_stop(&f);
}

TEST(blocking_submit_from_done_runs_too)
{
    struct blocking_fixture f;
    fixture_start(&f, 8);
    struct gate gate;
    gate_init(&gate, &f.runtime);
    enum { COUNT = 2000 };
    static struct gate_job jobs[COUNT];
    gate_jobs(&gate, jobs, COUNT);
    gate_open(&gate, COUNT);
    for (int i = 0; i < COUNT; i++)
        CHECK_OK(sp__blocking_submit(f.pool, &jobs[i].job));
    gate_await(&gate.done, COUNT);
    CHECK(stats_of(&f).threads <= 8);
    fixture_stop(&f);
}
