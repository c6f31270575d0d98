/* The last minutes of a node, one row a second.
 *
 * Rows are made by the endpoint's thread, and only while somebody looks: a minute after the last
 * question it stops, and begins anew, with the next number, at the next one.
 *
 * Threads: the endpoint's. Neighbours: thread.c samples, api_overview.c shows it.
 */
#ifndef SPAWNED_HTTP_SERIES_H
#define SPAWNED_HTTP_SERIES_H

#include "spawned/metrics.h"
#include "spawned/runtime.h"

enum {
    SP__HTTP_SERIES_ROWS = 300,
    SP__HTTP_SERIES_INTERVAL_MS = 1000,
    SP__HTTP_SERIES_LINGER_S = 60, /* after the last question */
};

/** What is not measured. */
#define SP__HTTP_SERIES_NULL INT64_MIN

/** The columns of a row, in their order. A: as it is at the end of the second; D: what came in it. */
#define SP__HTTP_SERIES_COLUMNS(A, D) \
    A(processes)                      \
    A(queued)                         \
    D(sent)                           \
    D(handled)                        \
    D(spawned)                        \
    D(exited)                         \
    D(dead)                           \
    D(dropped)                        \
    D(faults)                         \
    D(steals)                         \
    D(parks)                          \
    D(handoffs)                       \
    D(cpu_us)                         \
    D(busy_us)                        \
    A(queue_delay_p50_us)             \
    A(queue_delay_p90_us)             \
    A(queue_delay_p99_us)             \
    A(rss_bytes)

#define SP__HTTP_SERIES_MEMBER(name) int64_t name;

/** A row. */
struct sp__http_row {
    uint64_t seq; /* from 1 */
    int64_t at_ns;
    SP__HTTP_SERIES_COLUMNS(SP__HTTP_SERIES_MEMBER, SP__HTTP_SERIES_MEMBER)
};

struct sp__http_series {
    struct sp__http_row *rows; /* a ring: row n is at n % ROWS */
    uint64_t first;            /* number of the first row that is there; 0: none */
    uint64_t last;             /* of the last */
    struct sp__http_row base;  /* counts at the last sample */
    bool based;                /* there is one */
    bool watched;
    int64_t asked_ns;                     /* the last question */
    struct sp_histogram_values *delays;   /* until the last sample */
    struct sp_histogram_values *interval; /* room for those since */
};

/** Errors: NOMEM. Context: any. */
SP_NODISCARD sp_err sp__http_series_init(struct sp__http_series *series) SP_NONNULL;
void sp__http_series_finish(struct sp__http_series *series) SP_NONNULL;

/** Somebody looks. Context: the endpoint's thread. */
void sp__http_series_asked(struct sp__http_series *series) SP_NONNULL;

/** Nanoseconds until the next sample; INT64_MAX: nobody looks. Context: any. */
int64_t sp__http_series_next(const struct sp__http_series *series, int64_t now_ns) SP_NONNULL;

/** Take a sample where one is due. Context: the endpoint's thread. */
void sp__http_series_sample(struct sp__http_series *series, struct sp_runtime *runtime) SP_NONNULL;

/** The row of that number, or NULL. Context: the endpoint's thread. */
const struct sp__http_row *sp__http_series_row(const struct sp__http_series *series, uint64_t seq)
    SP_NONNULL;

#endif
