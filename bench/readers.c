/* Workloads of read-only operations: what a second worker brings, and what a read costs that does
 * nothing.
 */
#include "bench.h"

enum { READING_CLIENTS = 16, READING_READERS = 8, READING_NS = 1000 };

SP_SERVER(shelf, sp_empty);
SP_CALL(shelf, work, int64_t, int64_t);
SP_SERVER(shared_shelf, sp_empty);
SP_CALL(shared_shelf, work, int64_t, int64_t);

/* So much arithmetic as the client says. */
static sp_err reading_work(const int64_t *self, const int64_t *rounds, int64_t *out)
{
    uint64_t x = (uint64_t)*self + 1;
    for (int64_t i = 0; i < *rounds; i++)
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    *out = (int64_t)x;
    return SP_OK;
}

static sp_err shelf_on_work(const int64_t *self, const int64_t *in, int64_t *out)
{
    return reading_work(self, in, out);
}

static sp_err shared_shelf_on_work(const int64_t *self, const int64_t *in, int64_t *out)
{
    return reading_work(self, in, out);
}

SP_STATE(shelf, int64_t);
SP_ON_READ(shelf, work);
SP_CLASS(shelf);
SP_STATE(shared_shelf, int64_t);
SP_ON_READ(shared_shelf, work);
SP_CLASS(shared_shelf, SP_READERS(READING_READERS));

struct reading_job {
    sp_pid server;
    const struct sp_op *op;
    int64_t rounds;
    int64_t calls;
    sp_pid main;
};

static void reading_client(void *arg)
{
    const struct reading_job *job = arg;
    int64_t out;
    for (int64_t i = 0; i < job->calls; i++)
        bench_must(sp_server_call(job->server, job->op, &job->rounds, &out, sp_never()), "reading");
    bench_must(bench_done_send(job->main, &(struct bench_done){ 1 }), "telling");
}

/* Nanoseconds a read, of all clients together. */
static double reading_time(struct reading_job job)
{
    const struct sp_spawn_options options = { .arg_size = sizeof(job) };
    int64_t start_ns = bench_now_ns();
    for (int i = 0; i < READING_CLIENTS; i++)
        bench_must(sp_spawn(reading_client, &job, &options, NULL), "starting a client");
    bench_await(READING_CLIENTS);
    return (double)(bench_now_ns() - start_ns) / (double)(job.calls * READING_CLIENTS);
}

/* Rounds that take READING_NS here and now. */
static int64_t reading_rounds(void)
{
    enum { TRIED = 1000000 };
    int64_t out;
    volatile int64_t seen; /* or nothing would be computed */
    int64_t zero = 0;
    int64_t rounds = TRIED;
    int64_t least_ns = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        int64_t start_ns = bench_now_ns();
        sp_ignore(reading_work(&zero, &rounds, &out));
        seen = out;
        int64_t ns = bench_now_ns() - start_ns;
        least_ns = ns < least_ns ? ns : least_ns;
    }
    (void)seen;
    return (int64_t)((double)TRIED * READING_NS / (double)least_ns);
}

static void readonly_scaling_run(const struct bench_options *options)
{
    shelf_ref shelf;
    shared_shelf_ref shared;
    bench_must(shelf_start(NULL, NULL, &shelf), "starting");
    bench_must(shared_shelf_start(NULL, NULL, &shared), "starting");
    struct reading_job job = { .rounds = reading_rounds(),
                               .calls = (int64_t)bench_size(options, 320000) / READING_CLIENTS,
                               .main = sp_self() };
    struct reading_job alone = job;
    alone.server = shelf.pid;
    alone.op = &shelf_work_op;
    job.server = shared.pid;
    job.op = &shared_shelf_work_op;
    double alone_ns = reading_time(alone);
    double shared_ns = reading_time(job);
    bench_out("ns_per_read_alone", alone_ns);
    bench_out("ns_per_read", shared_ns);
    bench_out("times_as_many", alone_ns / shared_ns);
    alone.rounds = job.rounds = 0;
    bench_out("ns_per_empty_read_alone", reading_time(alone));
    bench_out("ns_per_empty_read", reading_time(job));
}

const struct bench_workload bench_readers[] = {
    { .name = "readonly_scaling",
      .about =
          "reads of 1 us by 16 clients, of a server that does them alone, and of one with readers",
      .run = readonly_scaling_run },
    { .name = NULL },
};
