/* Workloads of pools: what a job costs by way of a pool, how its workers share work, and a pool that
 * grows under load and shrinks after it.
 *
 * The producer casts as fast as the pool takes jobs (SP_POOL_CAST), so that none is refused.
 * A run fails unless each job was done exactly once.
 *
 * Neighbours: bench.h.
 */
#include "bench.h"

#include "spawned/pool.h"

#include <stdatomic.h>
#include <time.h>

enum {
    POOL_JOBS = 500000,
    POOL_LONG_JOBS = 50000,
    POOL_LONG_NS = 10000,
    POOL_GROWN_MAX = 16,
};

struct bench_hand_args {
    _Atomic uint64_t *done;
};
struct bench_hand {
    _Atomic uint64_t *done;
};
struct bench_job {
    int64_t ns; /* of computing */
};
SP_SERVER(bench_hand, struct bench_hand_args);
SP_CAST(bench_hand, job, struct bench_job);
SP_POOL(bench_hand);
SP_POOL_CAST(bench_hand, job);

static sp_err bench_hand_init(struct bench_hand *self, const struct bench_hand_args *args)
{
    self->done = args->done;
    return SP_OK;
}

static int64_t hand_cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void bench_hand_on_job(struct bench_hand *self, const struct bench_job *in)
{
    int64_t until_ns = in->ns == 0 ? 0 : hand_cpu_ns() + in->ns;
    while (until_ns != 0 && hand_cpu_ns() < until_ns)
        continue;
    /* relaxed: only the count matters. */
    atomic_fetch_add_explicit(self->done, 1, memory_order_relaxed);
}

SP_STATE(bench_hand, struct bench_hand);
SP_ON_INIT(bench_hand);
SP_ON_CAST(bench_hand, job);
SP_CLASS(bench_hand, .init = bench_hand__init);

/* Gives it `jobs`, and ends it; what it took from the first to its end, in ns. */
static double pool_feed(const struct sp_pool_options *how, uint64_t jobs, int64_t job_ns,
                        struct sp_pool_info *out_info)
{
    static _Atomic uint64_t done;
    struct bench_hand_args args = { &done };
    struct bench_job job = { job_ns };
    bench_hand_pool pool;
    atomic_store_explicit(&done, 0, memory_order_relaxed);
    bench_must(bench_hand_pool_start(&args, how, &pool), "the pool");
    int64_t start_ns = bench_now_ns();
    for (uint64_t i = 0; i < jobs; i++)
        bench_must(bench_hand_job_wait(pool.jobs, &job, sp_never()), "a job");
    bench_must(bench_hand_pool_stop(pool, sp_after_sec(60), out_info), "stopping");
    double took = (double)(bench_now_ns() - start_ns);
    if (out_info->finished != jobs || out_info->accepted != jobs ||
        atomic_load_explicit(&done, memory_order_relaxed) != jobs)
        bench_fail("jobs are missing");
    return took;
}

static void pool_scale_run(const struct bench_options *options)
{
    uint64_t jobs = bench_size(options, POOL_JOBS);
    uint64_t long_jobs = jobs < POOL_LONG_JOBS ? jobs : POOL_LONG_JOBS;
    struct sp_pool_options how = { .min = options->workers };
    struct sp_pool_info info;
    bench_out("ns_job", pool_feed(&how, jobs, 0, &info) / (double)jobs);
    how.window = 16;
    bench_out("ns_job_window_16", pool_feed(&how, jobs, 0, &info) / (double)jobs);
    how.window = 0;
    /* 1: each worker of the runtime does nothing but jobs. */
    bench_out("share_of_work",
              (double)long_jobs * POOL_LONG_NS /
                  (pool_feed(&how, long_jobs, POOL_LONG_NS, &info) * options->workers));
    how.min = 1;
    how.max = POOL_GROWN_MAX;
    how.scaling = (struct sp_pool_scaling){ .cooldown = sp_ms(1), .shrink_after = sp_ms(1) };
    bench_out("ns_job_growing", pool_feed(&how, jobs, 0, &info) / (double)jobs);
    bench_out("grown", (double)info.grown);
}

const struct bench_workload bench_pools[] = {
    { .name = "pool_scale",
      .about =
          "500,000 jobs of nothing and 50,000 of 10 us by a pool of as many as there are workers",
      .run = pool_scale_run },
    { .name = NULL },
};
