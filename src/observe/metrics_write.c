/* Writing all metrics, and which processes one by one. See metrics.h. */
#include "observe/metrics.h"

#include "base/alloc.h"
#include "process/busy.h"
#include "runtime/watch.h"
#include "spawned/process.h"

#include <string.h>

enum {
    METRICS_GAP_NS = 100000,
    METRICS_KINDS = 512,
    METRICS_KINDS_MAX = 65536,
};

/* ---- on and off ---- */

sp_err sp_metrics_start(struct sp_runtime *runtime, const struct sp_metrics_options *options)
{
    int64_t gap_ns = METRICS_GAP_NS;
    uint32_t kinds = METRICS_KINDS;
    if (options != NULL && options->sample_gap.ns != 0)
        gap_ns = options->sample_gap.ns < 0 ? 0 : options->sample_gap.ns;
    if (options != NULL && options->kinds_max != 0)
        kinds = options->kinds_max;
    if (kinds > METRICS_KINDS_MAX)
        return SP_ERR_INVALID;
    sp_err err = sp__busy_start(runtime);
    return err == SP_OK ? sp__watch_start(runtime, gap_ns, kinds) : err;
}

void sp_metrics_stop(struct sp_runtime *runtime)
{
    sp__watch_stop(runtime);
}

bool sp_metrics_started(struct sp_runtime *runtime)
{
    return sp__watch_started(runtime);
}

/* ---- processes one by one ---- */

/* Its place, or the count. */
static size_t watched_find(const struct sp__metrics *metrics, sp_pid pid)
    SP__REQUIRES(metrics->lock)
{
    size_t at = 0;
    while (at < metrics->watched_count && !sp_pid_equal(metrics->watched[at], pid))
        at++;
    return at;
}

void sp__metrics_unwatch(struct sp__metrics *metrics, sp_pid pid)
{
    sp__lock_lock(&metrics->lock);
    size_t at = watched_find(metrics, pid);
    if (at < metrics->watched_count)
        metrics->watched[at] = metrics->watched[--metrics->watched_count];
    sp__lock_unlock(&metrics->lock);
}

sp_err sp_metrics_watch(struct sp_runtime *runtime, sp_pid pid, bool on)
{
    struct sp__metrics *metrics;
    sp_err err = sp__metrics_get(runtime, &metrics);
    if (err != SP_OK)
        return err;
    if (!on) {
        sp__metrics_unwatch(metrics, pid);
        return SP_OK;
    }
    if (!sp_is_alive(pid))
        return SP_ERR_NOPROC;
    sp__lock_lock(&metrics->lock);
    if (watched_find(metrics, pid) == metrics->watched_count) {
        if (metrics->watched_count < SP__METRIC_WATCHED_MAX)
            metrics->watched[metrics->watched_count++] = pid;
        else
            err = SP_ERR_LIMIT;
    }
    sp__lock_unlock(&metrics->lock);
    return err;
}

size_t sp__metrics_watched(struct sp__metrics *metrics, sp_pid pids[SP__METRIC_WATCHED_MAX])
{
    sp__lock_lock(&metrics->lock);
    size_t count = metrics->watched_count;
    memcpy(pids, metrics->watched, count * sizeof(*pids));
    sp__lock_unlock(&metrics->lock);
    return count;
}

/* ---- the program's own ---- */

static void write_histogram(struct sp__exposition *to, struct sp__series *series,
                            struct sp_histogram_values *values)
{
    const struct sp__family *family = series->family;
    struct sp__exemplar exemplars[64];
    struct sp__written_buckets written = { .low = family->low, .high = family->high };
    sp__lock_lock(&series->lock);
    if (series->exemplars != NULL) {
        memcpy(exemplars, series->exemplars, sizeof(exemplars));
        written.exemplars = exemplars;
    }
    sp__lock_unlock(&series->lock);
    sp_histogram_read(sp__series_histogram(series), values);
    sp__expose_histogram(to, &family->head, series->labels, family->label_count, values, &written);
}

static void write_family(struct sp__exposition *to, struct sp__family *family,
                         struct sp_histogram_values *values)
{
    sp__expose_family(to, &family->head);
    /* acquire, both: pair with the releases in family_append(). */
    struct sp__series *series = atomic_load_explicit(&family->series, memory_order_acquire);
    for (; series != NULL; series = atomic_load_explicit(&series->next, memory_order_acquire)) {
        if (family->head.kind == SP__METRIC_HISTOGRAM)
            write_histogram(to, series, values);
        else if (family->head.kind == SP__METRIC_GAUGE)
            sp__expose_int(to, &family->head, series->labels, family->label_count,
                           (int64_t)sp__series_value(series));
        else
            sp__expose_uint(to, &family->head, series->labels, family->label_count,
                            sp__series_value(series));
    }
}

sp_err sp_metrics_write(struct sp_runtime *runtime, enum sp_metrics_format format,
                        sp_metrics_write_fn write, void *arg)
{
    struct sp__exposition *to = sp__malloc(sizeof(*to));
    struct sp_histogram_values *values = sp__malloc(sizeof(*values));
    sp_err err = SP_ERR_NOMEM;
    if (to == NULL || values == NULL)
        goto out;
    sp__expose_begin(to, format, write, arg);
    err = sp__metrics_write_runtime(runtime, to, values);
    if (err != SP_OK)
        goto out;
    struct sp__metrics *metrics = sp__metrics_of(runtime);
    struct sp__family *family = NULL;
    /* acquire, both: pair with the releases in family_get(). */
    if (metrics != NULL)
        family = atomic_load_explicit(&metrics->families, memory_order_acquire);
    for (; family != NULL; family = atomic_load_explicit(&family->next, memory_order_acquire))
        write_family(to, family, values);
    err = sp__expose_end(to);
out:
    sp__free(values);
    sp__free(to);
    return err;
}
