/* Workloads of a runtime's end.
 *
 * Neighbours: bench.h.
 */
#include "bench.h"

struct bench_rester {
    uint64_t casts;
};
SP_SERVER(bench_rester, sp_empty);
SP_CAST(bench_rester, nudge, sp_empty);

static void bench_rester_on_nudge(struct bench_rester *self, const sp_empty *in)
{
    (void)in;
    self->casts++;
}
SP_STATE(bench_rester, struct bench_rester);
SP_ON_CAST(bench_rester, nudge);
SP_CLASS(bench_rester, .init = NULL);

/* Idle servers that nobody supervises, all of them told and ended by the runtime's end. */
static void shutdown_million_raw(const struct bench_options *options)
{
    uint64_t count = bench_size(options, 1000000);
    struct sp_runtime_options how = { .workers = options->workers };
    struct sp_runtime *runtime;
    struct sp_stop_report report;
    bench_must(sp_runtime_create(&how, &runtime), "the runtime");
    bench_must(sp_thread_attach(runtime), "attaching");
    for (uint64_t i = 0; i < count; i++)
        bench_must(bench_rester_start(&(sp_empty){ 0 }, NULL, NULL), "starting");
    sp_thread_detach();
    int64_t start_ns = bench_now_ns();
    bench_must(sp_runtime_destroy(runtime, sp_after_sec(40), &report), "the end");
    double took_ns = (double)(bench_now_ns() - start_ns);
    if (report.killed != 0)
        bench_fail("some were killed");
    bench_out("ms", took_ns / 1e6);
    bench_out("ns_per_process", took_ns / (double)count);
}

const struct bench_workload bench_stop[] = {
    { .name = "shutdown_million",
      .about = "the end of a runtime with 1,000,000 idle servers",
      .raw = shutdown_million_raw },
    { .name = NULL },
};
