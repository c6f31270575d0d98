/* Writing metrics as text: a family's head, then its samples.
 *
 *     # HELP shop_requests_total Requests.
 *     # TYPE shop_requests_total counter
 *     shop_requests_total{shop="a"} 17
 *
 * Text is collected in a buffer and handed on in pieces. After an error nothing more is written.
 * Labels' values may be anything: what the format needs escaped is escaped, what is not UTF-8 is replaced.
 *
 * Threads: the caller's. Neighbours: metrics.c and metrics_runtime.c write with it.
 * Source: Prometheus, Exposition formats, 0.0.4; OpenMetrics 1.0.
 */
#ifndef SPAWNED_OBSERVE_EXPOSITION_H
#define SPAWNED_OBSERVE_EXPOSITION_H

#include "spawned/metrics.h"

enum sp__metric_kind {
    SP__METRIC_COUNTER,
    SP__METRIC_GAUGE,
    SP__METRIC_HISTOGRAM,
};

/** The head of a family. */
struct sp__family_head {
    const char *name; /* without `_total` */
    const char *help; /* or NULL */
    enum sp__metric_kind kind;
    enum sp_metric_unit unit;
};

/** What was measured last in a written bucket. */
struct sp__exemplar {
    struct sp_exemplar trace;
    uint64_t value;
    int64_t wall_ns; /* 0: nothing yet */
};

/** Which buckets of a histogram are written, and their exemplars: at the bucket whose end is 2^n, or NULL. */
struct sp__written_buckets {
    uint64_t low;
    uint64_t high;
    const struct sp__exemplar *exemplars; /* 64, or NULL */
};

struct sp__exposition {
    enum sp_metrics_format format;
    sp_metrics_write_fn write;
    void *arg;
    sp_err err;
    size_t used;
    char buffer[4096];
};

/** Begin. */
void sp__expose_begin(struct sp__exposition *to, enum sp_metrics_format format,
                      sp_metrics_write_fn write, void *arg) SP_NONNULL_ARGS(1, 3);

/** The end: what the format has there. Errors: IO. */
SP_NODISCARD sp_err sp__expose_end(struct sp__exposition *to) SP_NONNULL;

/** A family begins. */
void sp__expose_family(struct sp__exposition *to, const struct sp__family_head *head) SP_NONNULL;

/** A sample of a counter or a gauge: nanoseconds, where the unit is seconds. */
void sp__expose_uint(struct sp__exposition *to, const struct sp__family_head *head,
                     const struct sp_label *labels, size_t count, uint64_t value)
    SP_NONNULL_ARGS(1, 2);
/** The same of a gauge that may be negative. */
void sp__expose_int(struct sp__exposition *to, const struct sp__family_head *head,
                    const struct sp_label *labels, size_t count, int64_t value)
    SP_NONNULL_ARGS(1, 2);

/** The samples of a histogram. */
void sp__expose_histogram(struct sp__exposition *to, const struct sp__family_head *head,
                          const struct sp_label *labels, size_t count,
                          const struct sp_histogram_values *values,
                          const struct sp__written_buckets *written) SP_NONNULL_ARGS(1, 2, 5, 6);

/** The exponent of the written bucket that a value is in. */
static inline unsigned sp__exemplar_slot(uint64_t value)
{
    return value == 0 ? 0 : 63 - (unsigned)__builtin_clzll(value);
}

#endif
