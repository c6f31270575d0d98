/* Metrics: what a node does, in numbers, as Prometheus reads them.
 *
 * The runtime's own are there as soon as sp_metrics_start() was called: messages by type of process and operation, how
 * long handlers took, how long messages were under way, how processes ended. A program adds its own: a
 * counter only grows, a gauge goes up and down, a histogram says how often which value came.
 *
 *     struct sp_counter *requests;
 *     err = sp_counter_register(runtime, &(struct sp_metric_options){ .name = "shop_requests",
 *                                                                     .help = "Requests." }, &requests);
 *     sp_counter_add(requests, 1); // from any thread: a store to memory of the thread's own
 *
 * Each thread of the runtime has cells of its own, which are added up when somebody reads; threads that are not
 * attached share one cell, with an atomic instruction. What is read is at most a moment old, and counts
 * never go back.
 */
#ifndef SPAWNED_METRICS_H
#define SPAWNED_METRICS_H

#include "spawned/err.h"
#include "spawned/pid.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

struct sp_runtime;

/* ---- the runtime's own ---- */

/** Zero is the default everywhere. */
struct sp_metrics_options {
    /** Times are measured of some messages only: of each kind of message, about one in so long a
     *  time on each worker. Of those that come less often, all. Default 100 us; negative: all of all, which
     *  costs a look at the clock or three a message. */
    sp_duration sample_gap;
    /** Kinds of messages that are no operations of ordinary servers (type of process, and of message) that
     *  are told apart on a worker; what is over it is one kind, `other`. Default 512, at most 65,536. Of the
     *  first start only. */
    uint32_t kinds_max;
};

/** Begin to count. Once more changes `sample_gap` only. `options` NULL: all defaults.
 *  Errors: NOMEM, INVALID. Context: any thread. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_metrics_start(struct sp_runtime *runtime, const struct sp_metrics_options *options);

/** Stop. What was counted stays, and is still written; a program's own metrics go on.
 *  Context: any thread. */
SP_API SP_NONNULL void sp_metrics_stop(struct sp_runtime *runtime);

/** Does it count? Context: any thread. */
SP_API SP_NONNULL bool sp_metrics_started(struct sp_runtime *runtime);

/** Write metrics of this one process too, until it has ended or `on` is false: its mailbox, what it
 *  handled, its memory. Watching one twice is fine.
 *  Errors: LIMIT (64 are watched), NOPROC, NOMEM. Context: any thread. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_metrics_watch(struct sp_runtime *runtime, sp_pid pid, bool on);

/* ---- a program's own ---- */

/** Tells series of one metric apart. */
struct sp_label {
    const char *name; /**< letters, digits, `_`; not `le`, not beginning with `__` */
    const char *value;
};

/** What the values of a histogram or a gauge are. */
enum sp_metric_unit {
    SP_UNIT_NONE = 0,
    SP_UNIT_SECONDS, /**< values are nanoseconds, and written as seconds; the name ends in `_seconds` */
    SP_UNIT_BYTES, /**< the name ends in `_bytes` */
};

/** A series: all series of a name are of one kind and unit, with the same names of labels. */
struct sp_metric_options {
    const char
        *name; /**< letters, digits, `_` and `:`; a counter's is written with `_total` behind it */
    const char *help; /**< of the first one of the name; NULL: none */
    const struct sp_label *labels;
    size_t label_count; /**< at most 8 */
    enum sp_metric_unit unit;
    /** Series of this name, of the first one of the name; default 256. What is over it is one series whose
     *  labels have the value `other`, and is counted in spawned_metrics_series_refused_total. */
    uint32_t series_max;
    /** Histograms: where the buckets that are written begin and end; they go up by powers of two. Default
     *  1.024 us to 17 s for seconds, else 1 to 2^30. */
    uint64_t low;
    uint64_t high;
};

struct sp_counter;
struct sp_gauge;
struct sp_histogram;

/** A counter: made, or the one that was made with this name and these labels before.
 *  Errors: INVALID (a name, or not as the others of the name); EXISTS (the name is of another kind, or
 *  the runtime's own); LIMIT (8,191 series of all names together); NOMEM.
 *  Ownership: everything is copied; the counter is the runtime's, and lives as long.
 *  Context: any thread. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_counter_register(struct sp_runtime *runtime,
                                                          const struct sp_metric_options *options,
                                                          struct sp_counter **out_counter);
/** Add. Context: any thread. */
SP_API SP_NONNULL void sp_counter_add(struct sp_counter *counter, uint64_t by);
/** Its value. Context: any thread. */
SP_API SP_NONNULL uint64_t sp_counter_value(const struct sp_counter *counter);

/** A gauge.
 *  Errors: as sp_counter_register(). Ownership: as there. Context: any thread. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_gauge_register(struct sp_runtime *runtime,
                                                        const struct sp_metric_options *options,
                                                        struct sp_gauge **out_gauge);
/** Add; less than zero: take away. Context: any thread. */
SP_API SP_NONNULL void sp_gauge_add(struct sp_gauge *gauge, int64_t by);
/** Set. What is added meanwhile by others may be lost. Context: any thread. */
SP_API SP_NONNULL void sp_gauge_set(struct sp_gauge *gauge, int64_t value);
/** Its value. Context: any thread. */
SP_API SP_NONNULL int64_t sp_gauge_value(const struct sp_gauge *gauge);

/** A histogram.
 *  Errors: as sp_counter_register(); INVALID also where `low` is not below `high`.
 *  Ownership: as there. Context: any thread. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_histogram_register(struct sp_runtime *runtime,
                                                            const struct sp_metric_options *options,
                                                            struct sp_histogram **out_histogram);
/** Count a value. Where there is no memory for the first of its size on a thread, it is not counted, but
 *  in spawned_metrics_lost_total.
 *  Units: nanoseconds for SP_UNIT_SECONDS. Context: any thread. */
SP_API SP_NONNULL void sp_histogram_observe(struct sp_histogram *histogram, uint64_t value);

/** A trace that a value of a histogram is an example of. */
struct sp_exemplar {
    uint8_t trace_id[16];
    uint8_t span_id[8];
};

/** As sp_histogram_observe(); the trace is written with the bucket as an exemplar, where the format has
 *  them, until a later one takes its place. Context: any thread. */
SP_API SP_NONNULL void sp_histogram_observe_traced(struct sp_histogram *histogram, uint64_t value,
                                                   const struct sp_exemplar *exemplar);

/* ---- histograms as values ---- */

/** Buckets of a histogram: exact below 64, then 32 for each power of two. So a value is known
 *  within 1/32 of itself, whatever its size. */
#define SP_HISTOGRAM_BUCKETS 1920

/** What was in a histogram at a moment. May be added up, over time and over nodes. */
struct sp_histogram_values {
    uint64_t count;
    uint64_t sum; /**< of the values as they were */
    uint64_t max;
    uint64_t buckets[SP_HISTOGRAM_BUCKETS];
};

/** Read all of it. Context: any thread. */
SP_API SP_NONNULL void sp_histogram_read(const struct sp_histogram *histogram,
                                         struct sp_histogram_values *out_values);
/** Add `from` to `into`. Context: any. */
SP_API SP_NONNULL void sp_histogram_merge(struct sp_histogram_values *into,
                                          const struct sp_histogram_values *from);
/** The value that a part `q` (0 to 1) of the values do not exceed: the upper end of its bucket, so at most 1/32 too
 *  large, and never more than the largest value. 0 of an empty one. Context: any. */
SP_API SP_NONNULL uint64_t sp_histogram_quantile(const struct sp_histogram_values *values,
                                                 double q);
/** The bucket of a value. Context: any. */
SP_API uint32_t sp_histogram_bucket(uint64_t value);
/** The largest value of a bucket. Context: any. */
SP_API uint64_t sp_histogram_bucket_high(uint32_t bucket);

/* ---- reading ---- */

/** How metrics are written. */
enum sp_metrics_format {
    SP_METRICS_PROMETHEUS = 0, /**< text/plain; version=0.0.4 */
    SP_METRICS_OPENMETRICS,    /**< application/openmetrics-text; version=1.0.0: with exemplars */
};

/** Takes a piece of text. False: no more, the writing ends. */
typedef bool (*sp_metrics_write_fn)(void *arg, const char *text, size_t size);

/** Write all metrics, the runtime's and the program's.
 *  Errors: NOMEM; IO (`write` said false).
 *  Source: Prometheus, Exposition formats, 0.0.4; OpenMetrics 1.0.
 *  Context: process; `write` may suspend. Takes time in proportion to the table of processes: some ms for a
 *  million. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 3) sp_err
    sp_metrics_write(struct sp_runtime *runtime, enum sp_metrics_format format,
                     sp_metrics_write_fn write, void *arg);

SP_EXTERN_C_END

#endif
