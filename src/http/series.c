#include "http/series.h"

#include "base/alloc.h"
#include "observe/metrics.h"
#include "runtime/real/os_usage.h"

#include <string.h>

sp_err sp__http_series_init(struct sp__http_series *series)
{
    *series = (struct sp__http_series){ .rows = NULL };
    series->rows = sp__calloc(SP__HTTP_SERIES_ROWS, sizeof(*series->rows));
    series->delays = sp__calloc(1, sizeof(*series->delays));
    series->interval = sp__calloc(1, sizeof(*series->interval));
    if (series->rows != NULL && series->delays != NULL && series->interval != NULL)
        return SP_OK;
    sp__http_series_finish(series);
    return SP_ERR_NOMEM;
}

void sp__http_series_finish(struct sp__http_series *series)
{
    sp__free(series->rows);
    sp__free(series->delays);
    sp__free(series->interval);
    *series = (struct sp__http_series){ .rows = NULL };
}

static int64_t series_delay(const struct sp_histogram_values *values, double q)
{
    if (values->count == 0)
        return SP__HTTP_SERIES_NULL; /* nothing was measured */
    return (int64_t)(sp_histogram_quantile(values, q) + 500) / 1000;
}

/* The delays that came since the last sample; they are read while they change. */
static void series_read_delays(struct sp__http_series *series, struct sp_runtime *runtime,
                               struct sp__http_row *row)
{
    struct sp_histogram_values *now = series->interval;
    struct sp_histogram_values *before = series->delays;
    memset(now, 0, sizeof(*now));
    if (sp_metrics_started(runtime))
        sp__metrics_queue_delays(runtime, now);
    uint64_t count = 0;
    for (size_t i = 0; i < SP_HISTOGRAM_BUCKETS; i++) {
        uint64_t all = now->buckets[i];
        now->buckets[i] = all > before->buckets[i] ? all - before->buckets[i] : 0;
        before->buckets[i] = all;
        count += now->buckets[i];
    }
    now->count = count;
    row->queue_delay_p50_us = series_delay(now, 0.5);
    row->queue_delay_p90_us = series_delay(now, 0.9);
    row->queue_delay_p99_us = series_delay(now, 0.99);
}

static int64_t series_busy_us(struct sp_runtime *runtime)
{
    int64_t busy_ns = sp_metrics_started(runtime) ? sp__metrics_busy_ns(runtime) : -1;
    return busy_ns < 0 ? SP__HTTP_SERIES_NULL : busy_ns / 1000;
}

/* Everything as a count since the start. */
static struct sp__http_row series_read(struct sp_runtime *runtime)
{
    struct sp__os_usage usage;
    sp__os_usage_read(&usage);
    struct sp_stats stats;
    sp_runtime_stats(runtime, &stats);
    return (struct sp__http_row){
        .at_ns = sp_now().ns,
        .processes = (int64_t)stats.processes,
        .queued = (int64_t)stats.queued,
        .sent = (int64_t)stats.sent,
        .handled = (int64_t)stats.handled,
        .spawned = (int64_t)stats.spawned,
        .exited = (int64_t)stats.exited,
        .dead = (int64_t)stats.dead_noproc,
        .dropped = (int64_t)(stats.dropped_full + stats.dropped_stale + stats.dropped_shed),
        .faults = (int64_t)stats.faults,
        .steals = (int64_t)stats.steals,
        .parks = (int64_t)stats.parks,
        .handoffs = (int64_t)stats.handoffs,
        .cpu_us = usage.cpu_ns < 0 ? SP__HTTP_SERIES_NULL : usage.cpu_ns / 1000,
        .busy_us = series_busy_us(runtime),
        .rss_bytes = usage.resident_bytes < 0 ? SP__HTTP_SERIES_NULL : usage.resident_bytes,
    };
}

/* Counts that are read while they change may seem to go back by one. */
static int64_t series_less(int64_t now, int64_t before)
{
    if (now == SP__HTTP_SERIES_NULL || before == SP__HTTP_SERIES_NULL)
        return SP__HTTP_SERIES_NULL;
    return now > before ? now - before : 0;
}

#define SERIES_SAME(name) row.name = now->name;
#define SERIES_LESS(name) row.name = series_less(now->name, series->base.name);

static void series_add(struct sp__http_series *series, const struct sp__http_row *now)
{
    struct sp__http_row row = { .seq = ++series->last, .at_ns = now->at_ns };
    SP__HTTP_SERIES_COLUMNS(SERIES_SAME, SERIES_LESS)
    series->rows[row.seq % SP__HTTP_SERIES_ROWS] = row;
    if (series->first == 0)
        series->first = row.seq;
    if (series->last - series->first >= SP__HTTP_SERIES_ROWS)
        series->first = series->last - SP__HTTP_SERIES_ROWS + 1;
}

void sp__http_series_asked(struct sp__http_series *series)
{
    series->watched = true;
    series->asked_ns = sp_now().ns;
}

int64_t sp__http_series_next(const struct sp__http_series *series, int64_t now_ns)
{
    if (!series->watched)
        return INT64_MAX;
    if (!series->based)
        return 0;
    int64_t due = series->base.at_ns + SP__HTTP_SERIES_INTERVAL_MS * SP_NS_PER_MS;
    return due > now_ns ? due - now_ns : 0;
}

void sp__http_series_sample(struct sp__http_series *series, struct sp_runtime *runtime)
{
    int64_t now_ns = sp_now().ns;
    if (series->watched && now_ns - series->asked_ns > SP__HTTP_SERIES_LINGER_S * SP_NS_PER_S) {
        series->watched = false;
        series->based = false;
        series->first = 0;
    }
    if (sp__http_series_next(series, now_ns) != 0)
        return;
    struct sp__http_row now = series_read(runtime);
    series_read_delays(series, runtime, &now);
    if (series->based)
        series_add(series, &now);
    series->base = now;
    series->based = true;
}

const struct sp__http_row *sp__http_series_row(const struct sp__http_series *series, uint64_t seq)
{
    if (series->first == 0 || seq < series->first || seq > series->last)
        return NULL;
    return &series->rows[seq % SP__HTTP_SERIES_ROWS];
}
