/* What a line of the log costs who logs it: off, gone through to the level of its module, and written.
 *
 * Neighbours: bench.h.
 */
#include "bench.h"

#include <fcntl.h>
#include <unistd.h>

enum {
    LOG_ROUNDS = 20,
    LOG_BURST = 16384, /* lines that the ring takes without a look at the disk */
};

/* Nanoseconds of one line, in the best of some rounds; between them the ring is emptied. */
static void log_measure(const char *metric, struct sp_runtime *runtime, enum sp_log_level level)
{
    int64_t best_ns = INT64_MAX;
    for (int round = 0; round < LOG_ROUNDS; round++) {
        bench_must(sp_log_flush(runtime, sp_never()), "flushing");
        int64_t start_ns = bench_now_ns();
        for (int i = 0; i < LOG_BURST; i++)
            sp_log(level, "a line of the benchmark", sp_kv_int("i", i), sp_kv_str("who", "bench"));
        int64_t took_ns = bench_now_ns() - start_ns;
        if (took_ns < best_ns)
            best_ns = took_ns;
    }
    bench_out(metric, (double)best_ns / LOG_BURST);
}

static void log_run(const struct bench_options *options)
{
    struct sp_runtime *runtime;
    struct sp_log_stats stats;
    int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct sp_runtime_options create = {
        .workers = options->workers,
        .log = { .sink = SP_LOG_FD, .fd = sink, .lines_max = 4 * LOG_BURST },
    };
    bench_must(sp_runtime_create(&create, &runtime), "creating");
    bench_must(sp_thread_attach(runtime), "attaching");
    log_measure("off_ns", runtime, SP_LOG_DEBUG);
    log_measure("written_ns", runtime, SP_LOG_INFO);
    bench_must(sp_log_level_set(runtime, "other", SP_LOG_DEBUG), "a level");
    log_measure("off_in_its_module_ns", runtime, SP_LOG_DEBUG);
    sp_log_stats_read(runtime, &stats);
    bench_out("lost", (double)stats.lost);
    sp_thread_detach();
    bench_must(sp_runtime_destroy(runtime, sp_never(), NULL), "the end");
    (void)close(sink);
}

const struct bench_workload bench_log[] = {
    { .name = "observe_log",
      .about = "a line of the log: off, on, off in its module",
      .raw = log_run },
    { .name = NULL },
};
