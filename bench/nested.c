/* Workloads of calls in handlers: what a server pays for being one that others may wait for.
 *
 * A plain process that nobody has joined does not look for circles before it waits, a server does:
 * the difference between their calls of the same server is the look, and the deadline that is inherited.
 */
#include "bench.h"

SP_SERVER(leaf, sp_empty);
SP_CALL(leaf, touch, int64_t, int64_t);

static sp_err leaf_on_touch(int64_t *self, const int64_t *in, int64_t *out)
{
    *self += *in;
    *out = *self;
    return SP_OK;
}

SP_STATE(leaf, int64_t);
SP_ON_CALL(leaf, touch);
SP_CLASS(leaf);

struct nested_job {
    leaf_ref leaf;
    int64_t calls;
};

/* Time of the calls. */
static int64_t nested_time(const struct nested_job *job)
{
    int64_t out;
    int64_t start_ns = bench_now_ns();
    for (int64_t i = 0; i < job->calls; i++)
        bench_must(leaf_touch(job->leaf, &(int64_t){ 1 }, &out, sp_never()), "calling");
    return bench_now_ns() - start_ns;
}

SP_SERVER(nester, sp_empty);
SP_CALL(nester, run, struct nested_job, int64_t);
SP_SERVER(renester, sp_empty);
SP_CALL(renester, run, struct nested_job, int64_t);

static sp_err nester_on_run(sp_empty *self, const struct nested_job *in, int64_t *out)
{
    (void)self;
    *out = nested_time(in);
    return SP_OK;
}

static sp_err renester_on_run(sp_empty *self, const struct nested_job *in, int64_t *out)
{
    return nester_on_run(self, in, out);
}

SP_STATE(nester, sp_empty);
SP_ON_CALL(nester, run);
SP_CLASS(nester);
SP_STATE(renester, sp_empty);
SP_ON_CALL(renester, run);
SP_CLASS(renester, .reentrancy = SP_REENTRANCY_CALL_CHAIN);

static void least(int64_t *least_ns, int64_t ns)
{
    if (*least_ns == 0 || ns < *least_ns)
        *least_ns = ns;
}

/* In turn, many short rounds, the quickest of each: what else the machine does meets few. */
static void deadlock_check_run(const struct bench_options *options)
{
    enum { ROUNDS = 200 };
    struct nested_job job = { .calls = (int64_t)bench_size(options, 2000) };
    int64_t plain_ns = 0;
    int64_t nested_ns = 0;
    int64_t reentrant_ns = 0;
    nester_ref nester;
    renester_ref renester;
    bench_must(leaf_start(NULL, NULL, &job.leaf), "starting");
    bench_must(nester_start(NULL, NULL, &nester), "starting");
    bench_must(renester_start(NULL, NULL, &renester), "starting");
    for (int i = 0; i < ROUNDS; i++) {
        int64_t ns = 0;
        least(&plain_ns, nested_time(&job));
        bench_must(nester_run(nester, &job, &ns, sp_never()), "nesting");
        least(&nested_ns, ns);
        bench_must(renester_run(renester, &job, &ns, sp_never()), "nesting");
        least(&reentrant_ns, ns);
    }
    double calls = (double)job.calls;
    bench_out("ns_per_plain_call", (double)plain_ns / calls);
    bench_out("ns_per_nested_call", (double)nested_ns / calls);
    bench_out("ns_per_check", (double)(nested_ns - plain_ns) / calls);
    bench_out("ns_per_reentrant_call", (double)reentrant_ns / calls);
}

const struct bench_workload bench_nested[] = {
    { .name = "deadlock_check",
      .about = "calls of a process, of a server (which looks for circles), of a reentrant one",
      .run = deadlock_check_run },
    { .name = NULL },
};
