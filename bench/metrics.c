/* Workloads of metrics: what they cost while they are on, and a scrape of a million processes.
 *
 * Neighbours: bench.h; messages.c and calls.c have the work that is measured.
 */
#include "bench.h"

#include "spawned/metrics.h"

#include <stdlib.h>

enum {
    METRICS_ROUNDS = 16,
    METRICS_RING = 503,
    METRICS_PROCESSES = 1000000,
    METRICS_SCRAPES = 9,
};

/* ---- on and off ---- */

static double metrics_pingpong(int64_t size)
{
    return bench_players(2, size) / (double)size;
}

static double metrics_ring(int64_t size)
{
    return bench_players(METRICS_RING, size) / (double)size;
}

static double metrics_call(int64_t size)
{
    return bench_calls_ns(size / 2) / (double)(size / 2);
}

static int metrics_compare(const void *a, const void *b)
{
    const double *one = a;
    const double *other = b;
    return (*one > *other) - (*one < *other);
}

static double metrics_median(double values[METRICS_ROUNDS])
{
    qsort(values, METRICS_ROUNDS, sizeof(*values), metrics_compare);
    return (values[METRICS_ROUNDS / 2 - 1] + values[METRICS_ROUNDS / 2]) / 2;
}

struct metrics_work {
    double (*ns)(int64_t size);
    const char *off;
    const char *on;
    const char *percent;
};

/* One round: off and on, or on and off, one after the other. */
static double metrics_timed(const struct metrics_work *work, int64_t size, bool on)
{
    if (on)
        bench_must(sp_metrics_start(sp_runtime_current(), NULL), "metrics");
    double ns = work->ns(size);
    sp_metrics_stop(sp_runtime_current());
    return ns;
}

static void metrics_pairs(const struct metrics_work *work, int64_t size)
{
    double off[METRICS_ROUNDS];
    double on[METRICS_ROUNDS];
    double ratio[METRICS_ROUNDS];
    (void)work->ns(size);
    for (int i = 0; i < METRICS_ROUNDS; i++) {
        bool first = i % 2 == 0;
        double one = metrics_timed(work, size, first);
        double other = metrics_timed(work, size, !first);
        on[i] = first ? one : other;
        off[i] = first ? other : one;
        ratio[i] = on[i] / off[i];
    }
    bench_out(work->off, metrics_median(off));
    bench_out(work->on, metrics_median(on));
    bench_out(work->percent, (metrics_median(ratio) - 1) * 100);
}

static void metrics_cost_run(const struct bench_options *options)
{
    static const struct metrics_work works[] = {
        { metrics_pingpong, "pingpong_ns_off", "pingpong_ns_on", "pingpong_percent" },
        { metrics_ring, "ring_ns_off", "ring_ns_on", "ring_percent" },
        { metrics_call, "call_ns_off", "call_ns_on", "call_percent" },
    };
    int64_t size = (int64_t)bench_size(options, 400000);
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
        metrics_pairs(&works[i], size);
}

/* ---- a scrape ---- */

SP_SERVER(scraped, sp_empty);
SP_CALL(scraped, ask, int64_t, int64_t);

static sp_err scraped_on_ask(sp_empty *self, const int64_t *in, int64_t *out)
{
    (void)self;
    *out = *in;
    return SP_OK;
}

SP_STATE(scraped, sp_empty);
SP_ON_CALL(scraped, ask);
SP_CLASS(scraped, .init = NULL);

static bool metrics_take(void *arg, const char *text, size_t size)
{
    (void)text;
    *(size_t *)arg += size;
    return true;
}

static void metrics_scrape_run(const struct bench_options *options)
{
    uint64_t count = bench_size(options, METRICS_PROCESSES);
    double best_ns = 0;
    size_t bytes = 0;
    bench_must(sp_metrics_start(sp_runtime_current(), NULL), "metrics");
    for (uint64_t i = 0; i < count; i++) {
        scraped_ref ref;
        int64_t out;
        bench_must(scraped_start(&(sp_empty){ 0 }, NULL, &ref), "starting");
        if (i % 100 == 0)
            bench_must(scraped_ask(ref, &(int64_t){ 1 }, &out, sp_never()), "asking");
    }
    for (int i = 0; i < METRICS_SCRAPES; i++) {
        int64_t start_ns = bench_now_ns();
        bytes = 0;
        bench_must(
            sp_metrics_write(sp_runtime_current(), SP_METRICS_PROMETHEUS, metrics_take, &bytes),
            "a scrape");
        double ns = (double)(bench_now_ns() - start_ns);
        if (best_ns == 0 || ns < best_ns)
            best_ns = ns;
    }
    bench_out("scrape_ms", best_ns / 1e6);
    bench_out("bytes", (double)bytes);
}

const struct bench_workload bench_metrics[] = {
    { .name = "observe_metrics",
      .about = "pingpong, ring and calls with metrics off and on, in turn",
      .run = metrics_cost_run },
    { .name = "observe_scrape",
      .about = "all metrics as text, of a million processes",
      .run = metrics_scrape_run },
    { .name = NULL },
};
