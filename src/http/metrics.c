/* /metrics: the counts of the runtime as Prometheus text. See request.h.
 *
 * Source: Prometheus exposition format, version 0.0.4.
 */
#include "http/metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

enum { METRICS_LINE_MAX = 256 };

/* A count of struct sp_stats. */
struct metrics_count {
    const char *name;
    const char *help;
    size_t offset;
    bool gauge; /* else a counter, which only grows */
};

#define METRICS_GAUGE(member, name, help)                   \
    {                                                       \
        name, help, offsetof(struct sp_stats, member), true \
    }
#define METRICS_COUNTER(member, name, help)                  \
    {                                                        \
        name, help, offsetof(struct sp_stats, member), false \
    }

static const struct metrics_count metrics_counts[] = {
    METRICS_GAUGE(processes, "spawned_processes", "Processes alive."),
    METRICS_COUNTER(spawned, "spawned_processes_started_total", "Processes started."),
    METRICS_COUNTER(exited, "spawned_processes_exited_total", "Processes ended."),
    METRICS_COUNTER(sent, "spawned_messages_sent_total", "Messages for which a send was tried."),
    METRICS_COUNTER(handled, "spawned_messages_handled_total", "Messages received or dispatched."),
    METRICS_GAUGE(queued, "spawned_messages_queued", "Messages in mailboxes."),
    METRICS_COUNTER(dead_noproc, "spawned_messages_dead_total",
                    "Messages to a process that was dead, or left behind by it."),
    METRICS_COUNTER(dropped_full, "spawned_messages_dropped_full_total",
                    "Messages that a full mailbox refused or discarded."),
    METRICS_COUNTER(dropped_stale, "spawned_messages_dropped_stale_total",
                    "Messages of timers that were cancelled."),
    METRICS_COUNTER(dropped_shed, "spawned_messages_dropped_shed_total",
                    "Messages that a process refused because it drains or is overloaded."),
    METRICS_COUNTER(late_replies, "spawned_replies_late_total",
                    "Replies whose caller had given up."),
    METRICS_COUNTER(faults, "spawned_faults_total", "Faults contained."),
    METRICS_COUNTER(steals, "spawned_steals_total", "Processes taken from another worker's queue."),
    METRICS_COUNTER(parks, "spawned_parks_total", "Times a worker went to sleep."),
    METRICS_COUNTER(handoffs, "spawned_handoffs_total",
                    "Times a worker went on without the thread of a stuck handler."),
    METRICS_GAUGE(timers, "spawned_timers", "Timers armed."),
    METRICS_GAUGE(threads, "spawned_threads", "Threads that run processes."),
};

static uint64_t metrics_value(const struct sp_stats *stats, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)stats + offset);
}

sp_err sp__http_metrics(struct sp_runtime *runtime, struct sp__buf *out)
{
    struct sp_stats stats;
    sp_err err = SP_OK;
    sp_runtime_stats(runtime, &stats);
    for (size_t i = 0; i < sizeof(metrics_counts) / sizeof(metrics_counts[0]); i++) {
        const struct metrics_count *one = &metrics_counts[i];
        char text[METRICS_LINE_MAX];
        int size = snprintf(text, sizeof(text), "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n",
                            one->name, one->help, one->name, one->gauge ? "gauge" : "counter",
                            one->name, metrics_value(&stats, one->offset));
        if (err == SP_OK)
            err = sp__buf_append(out, text, (size_t)size);
    }
    return err;
}
