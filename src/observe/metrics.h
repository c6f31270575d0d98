/* The registry of a program's own metrics: families of series, whose cells are in runtime/meter.h.
 *
 *   sp__meters.registry -> families, oldest first -> series, oldest first
 *
 * Both lists only grow until the runtime's end, so that readers need no lock.
 *
 *   counter     sum of the cells, and the shared cell of threads that have none
 *   gauge       the same; setting it moves the shared one
 *   histogram   each cell holds a pointer to a histogram of the thread's own, made at its first value
 *
 * Threads: any; making series under `lock`. Neighbours: exposition.h, metrics_runtime.c, metrics_write.c.
 */
#ifndef SPAWNED_OBSERVE_METRICS_H
#define SPAWNED_OBSERVE_METRICS_H

#include "base/lock.h"
#include "observe/exposition.h"
#include "runtime/histogram.h"
#include "runtime/meter.h"

enum {
    SP__METRIC_LABELS_MAX = 8,
    SP__METRIC_SERIES_MAX = 256, /* of a name, by default */
    SP__METRIC_WATCHED_MAX = 64, /* pids */
};

struct sp__series {
    struct sp__series *_Atomic next;
    struct sp_runtime *runtime;
    const struct sp__family *family;
    uint32_t cell;
    bool refuses; /* the series of all that is over the family's limit */
    _Atomic uint64_t shared;
    struct sp__histogram *histogram; /* of threads without cells; or NULL: it is none */
    struct sp__lock lock;
    struct sp__exemplar *exemplars SP__GUARDED_BY(lock); /* 64, made by the first; or NULL */
    struct sp_label labels[SP__METRIC_LABELS_MAX];       /* names: the family's */
};

struct sp__family {
    struct sp__family *_Atomic next;
    struct sp__family_head head;
    uint32_t series_max;
    uint64_t low;
    uint64_t high;
    size_t label_count;
    char *label_names[SP__METRIC_LABELS_MAX];
    struct sp__series *_Atomic series;
    struct sp__series *last; /* under the registry's lock, as the rest */
    struct sp__series *other;
    uint32_t series_count;
};

struct sp__metrics {
    struct sp_runtime *runtime;
    struct sp__meters *meters;
    struct sp__lock lock;
    struct sp__family *_Atomic families;
    struct sp__family *last SP__GUARDED_BY(lock);
    uint32_t cells SP__GUARDED_BY(lock); /* given out */
    _Atomic uint64_t refused;            /* registrations that got a family's other series */
    sp_pid watched[SP__METRIC_WATCHED_MAX] SP__GUARDED_BY(lock);
    size_t watched_count SP__GUARDED_BY(lock);
};

/** The runtime's registry, made when missing. Errors: NOMEM. Context: any. */
SP_NODISCARD sp_err sp__metrics_get(struct sp_runtime *runtime, struct sp__metrics **out_metrics)
    SP_NONNULL;

/** The one there is, or NULL. Context: any. */
struct sp__metrics *sp__metrics_of(struct sp_runtime *runtime) SP_NONNULL;

/** Add what is in a histogram. Context: any. */
void sp__histogram_sum(const struct sp__histogram *histogram, struct sp_histogram_values *into)
    SP_NONNULL;

/** What a counter or a gauge has. Context: any. */
uint64_t sp__series_value(const struct sp__series *series) SP_NONNULL;

/** A series of a family of histograms as the public sees it. Context: any. */
const struct sp_histogram *sp__series_histogram(const struct sp__series *series) SP_NONNULL;

/** Write what the runtime counts itself; `values` is for its histograms. Errors: NOMEM; others are in `to`.
 *  Context: a process. */
SP_NODISCARD sp_err sp__metrics_write_runtime(struct sp_runtime *runtime, struct sp__exposition *to,
                                              struct sp_histogram_values *values) SP_NONNULL;

/** Its messages, by type. Errors, context: as above. */
SP_NODISCARD sp_err sp__metrics_write_messages(struct sp_runtime *runtime,
                                               struct sp__exposition *to,
                                               struct sp_histogram_values *values) SP_NONNULL;

/** Add the queue delays of all messages that were measured, in nanoseconds. Context: any. */
void sp__metrics_queue_delays(struct sp_runtime *runtime, struct sp_histogram_values *into)
    SP_NONNULL;

/** How long the workers' threads were not asleep for want of work, since messages were first watched, all of
 *  them together; less than zero: they never were. Units: nanoseconds. Context: any. */
int64_t sp__metrics_busy_ns(struct sp_runtime *runtime) SP_NONNULL;

/** What is written of histograms of times: 256 ns to 17 s. */
extern const struct sp__written_buckets sp__metrics_times;

struct sp__watch;

/** Call `fn` with each watch of the runtime, in no order. Context: any. */
void sp__metrics_each_watch(struct sp_runtime *runtime,
                            void (*fn)(void *arg, struct sp__watch *watch), void *arg)
    SP_NONNULL_ARGS(1, 2);

/** Values that the program's histograms had no memory for. Context: any. */
uint64_t sp__metrics_lost(struct sp__metrics *metrics) SP_NONNULL;

/** Copy the pids to be written one by one; returns how many. Context: any. */
size_t sp__metrics_watched(struct sp__metrics *metrics, sp_pid pids[SP__METRIC_WATCHED_MAX])
    SP_NONNULL;

/** This one has ended. Context: any. */
void sp__metrics_unwatch(struct sp__metrics *metrics, sp_pid pid) SP_NONNULL;

#endif
