/* What the runtime counts itself, written: the counts of sp_stats, of ends, dead letters and waits; of messages
 * see metrics_messages.c. The heads of all families are here, where a family has no samples too.
 */
#include "observe/metrics.h"

#include "base/alloc.h"
#include "process/process.h"
#include "runtime/backend.h"
#include "runtime/real/os_usage.h"
#include "runtime/watch.h"
#include "spawned/dead_letter.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
    RUNTIME_SECTION = 1024, /* slots that are looked at in one section */
    RUNTIME_DEAD_MAX = 257, /* types of dead letters */
    RUNTIME_ENDS_MAX = 256, /* labels of processes that ended, of all threads */
};

const struct sp__written_buckets sp__metrics_times = { .low = UINT64_C(1) << 8,
                                                       .high = UINT64_C(1) << 34 };

void sp__metrics_each_watch(struct sp_runtime *runtime,
                            void (*fn)(void *arg, struct sp__watch *watch), void *arg)
{
    struct sp__meters *meters = sp__meters_of(runtime);
    struct sp__meter *meter = meters == NULL ? NULL : sp__meters_blocks(meters);
    for (; meter != NULL; meter = meter->next) {
        /* acquire: pairs with the release in attach. */
        struct sp__watch *watch = atomic_load_explicit(&meter->watch, memory_order_acquire);
        if (watch != NULL)
            fn(arg, watch);
    }
}

/* ---- the counts of sp_stats ---- */

struct runtime_count {
    struct sp__family_head head;
    size_t offset; /* of struct sp_stats */
};

#define RUNTIME_GAUGE(member, name, help)                                                 \
    {                                                                                     \
        { name, help, SP__METRIC_GAUGE, SP_UNIT_NONE }, offsetof(struct sp_stats, member) \
    }
#define RUNTIME_COUNTER(member, name, help)                                                 \
    {                                                                                       \
        { name, help, SP__METRIC_COUNTER, SP_UNIT_NONE }, offsetof(struct sp_stats, member) \
    }

static const struct runtime_count runtime_counts[] = {
    RUNTIME_GAUGE(processes, "spawned_processes", "Processes alive."),
    RUNTIME_COUNTER(spawned, "spawned_processes_started", "Processes started."),
    RUNTIME_COUNTER(exited, "spawned_processes_exited", "Processes ended."),
    RUNTIME_COUNTER(sent, "spawned_messages_sent", "Messages for which a send was tried."),
    RUNTIME_COUNTER(handled, "spawned_messages_handled", "Messages received or dispatched."),
    RUNTIME_GAUGE(queued, "spawned_messages_queued", "Messages in mailboxes."),
    RUNTIME_COUNTER(dead_noproc, "spawned_messages_dead",
                    "Messages to a process that was dead, or left behind by it."),
    RUNTIME_COUNTER(dropped_full, "spawned_messages_dropped_full",
                    "Messages that a full mailbox refused or discarded."),
    RUNTIME_COUNTER(dropped_stale, "spawned_messages_dropped_stale",
                    "Messages of timers that were cancelled."),
    RUNTIME_COUNTER(dropped_shed, "spawned_messages_dropped_shed",
                    "Messages that a process refused because it drains or is overloaded."),
    RUNTIME_COUNTER(late_replies, "spawned_replies_late", "Replies whose caller had given up."),
    RUNTIME_COUNTER(expired, "spawned_requests_expired",
                    "Requests skipped because their caller had given up."),
    RUNTIME_COUNTER(faults, "spawned_faults", "Faults contained."),
    RUNTIME_COUNTER(steals, "spawned_steals", "Processes taken from another worker's queue."),
    RUNTIME_COUNTER(parks, "spawned_parks", "Times a worker went to sleep."),
    RUNTIME_COUNTER(handoffs, "spawned_handoffs",
                    "Times a worker went on without the thread of a stuck handler."),
    RUNTIME_COUNTER(overruns, "spawned_overruns", "Handlers that passed their deadline."),
    RUNTIME_COUNTER(abandoned, "spawned_abandoned",
                    "Processes given up because a handler did not return."),
    RUNTIME_GAUGE(abandoned_left, "spawned_abandoned_left",
                  "Processes given up whose handler has not returned yet."),
    RUNTIME_COUNTER(polls, "spawned_poller_looks", "Looks for events of sockets."),
    RUNTIME_COUNTER(poll_events, "spawned_poller_events", "Events of sockets that were found."),
    RUNTIME_COUNTER(poll_wakes, "spawned_poller_wakes",
                    "Waits for events that were ended because of something else."),
    RUNTIME_COUNTER(starvations, "spawned_starvations", "Warnings of starvation."),
    RUNTIME_GAUGE(timers, "spawned_timers", "Timers armed."),
    RUNTIME_GAUGE(threads, "spawned_threads", "Threads that run processes."),
};

static uint64_t stats_value(const struct sp_stats *stats, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)stats + offset);
}

static void write_stats(struct sp_runtime *runtime, struct sp__exposition *to)
{
    struct sp_stats stats;
    sp_runtime_stats(runtime, &stats);
    for (size_t i = 0; i < sizeof(runtime_counts) / sizeof(runtime_counts[0]); i++) {
        sp__expose_family(to, &runtime_counts[i].head);
        sp__expose_uint(to, &runtime_counts[i].head, NULL, 0,
                        stats_value(&stats, runtime_counts[i].offset));
    }
}

/* ---- memory ---- */

/* sp_alloc() bytes of all processes. */
static uint64_t memory_of_processes(struct sp_runtime *runtime)
{
    uint64_t sum = 0;
    uint32_t high = sp__slab_high(runtime->processes);
    for (uint32_t first = 0; first < high; first += RUNTIME_SECTION) {
        uint32_t end = high - first < RUNTIME_SECTION ? high : first + RUNTIME_SECTION;
        sp__process_enter(); /* keeps the extra parts */
        for (uint32_t slot = first; slot < end; slot++) {
            struct sp_process *process = sp__slab_get(runtime->processes, slot);
            /* acquire: as in lookup; then what it points to is complete. */
            uint64_t serial = atomic_load_explicit(&process->serial, memory_order_acquire);
            struct sp__extra *extra = atomic_load_explicit(&process->extra, memory_order_acquire);
            if (serial != 0 && !(serial & SP__SERIAL_DEAD) && extra != NULL)
                sum += atomic_load_explicit(&extra->memory, memory_order_relaxed);
        }
        sp__process_leave();
    }
    return sum;
}

static void write_memory(struct sp_runtime *runtime, struct sp__exposition *to)
{
    static const struct sp__family_head head = { "spawned_memory_bytes", "Memory held, by use.",
                                                 SP__METRIC_GAUGE, SP_UNIT_BYTES };
    uint64_t table = (uint64_t)sp__slab_high(runtime->processes) * sizeof(struct sp_process);
    sp__expose_family(to, &head);
    sp__expose_uint(to, &head, &(struct sp_label){ "use", "messages" }, 1,
                    sp__msg_pool_bytes(&runtime->messages));
    sp__expose_uint(to, &head, &(struct sp_label){ "use", "process_table" }, 1, table);
    sp__expose_uint(to, &head, &(struct sp_label){ "use", "process_arenas" }, 1,
                    memory_of_processes(runtime));
}

/* ---- the whole program ---- */

/* By the names that all programs use. */
struct runtime_usage {
    struct sp__family_head head;
    size_t offset;
};

static const struct runtime_usage runtime_usages[] = {
    { { "process_cpu_seconds", "Processor time of the program.", SP__METRIC_COUNTER,
        SP_UNIT_SECONDS },
      offsetof(struct sp__os_usage, cpu_ns) },
    { { "process_resident_memory_bytes", "Memory of the program that is in use.", SP__METRIC_GAUGE,
        SP_UNIT_BYTES },
      offsetof(struct sp__os_usage, resident_bytes) },
    { { "process_open_fds", "Descriptors that are open.", SP__METRIC_GAUGE, SP_UNIT_NONE },
      offsetof(struct sp__os_usage, open_files) },
    { { "process_max_fds", "Descriptors that may be open.", SP__METRIC_GAUGE, SP_UNIT_NONE },
      offsetof(struct sp__os_usage, max_files) },
};

static void write_usage(struct sp_runtime *runtime, struct sp__exposition *to)
{
    struct sp__os_usage usage;
    if (!runtime->real)
        return; /* a simulated node has nothing of the kind */
    sp__os_usage_read_all(&usage);
    for (size_t i = 0; i < sizeof(runtime_usages) / sizeof(runtime_usages[0]); i++) {
        const struct runtime_usage *one = &runtime_usages[i];
        int64_t value = *(const int64_t *)(const void *)((const char *)&usage + one->offset);
        if (value < 0)
            continue; /* the system does not say */
        sp__expose_family(to, &one->head);
        sp__expose_uint(to, &one->head, NULL, 0, (uint64_t)value);
    }
}

/* ---- how processes ended, and were started again ---- */

struct runtime_ends {
    const char *process;
    uint64_t counts[SP__WATCH_REASONS];
    uint64_t restarts;
};

/* By name; what has no place is added to the last, `other`. */
struct runtime_ends_table {
    size_t count;
    struct runtime_ends ends[RUNTIME_ENDS_MAX + 1];
};

static struct runtime_ends *ends_of(struct runtime_ends_table *table, const char *process)
{
    size_t at = 0;
    while (at < table->count && strcmp(table->ends[at].process, process) != 0)
        at++;
    if (at == table->count && at < RUNTIME_ENDS_MAX)
        table->count++;
    else if (at == table->count)
        at = RUNTIME_ENDS_MAX;
    table->ends[at].process = at == RUNTIME_ENDS_MAX ? "other" : process;
    return &table->ends[at];
}

static void ends_add(void *arg, struct sp__watch *watch)
{
    for (uint32_t i = 0; i <= SP__WATCH_EXITS; i++) {
        const struct sp__watch_exits *exits = &watch->exits[i];
        /* relaxed: a text of the program. */
        const char *process = atomic_load_explicit(&exits->process, memory_order_relaxed);
        if (process == NULL && i < SP__WATCH_EXITS)
            return;
        struct runtime_ends *ends = ends_of(arg, process == NULL ? "other" : process);
        for (int reason = 0; reason < SP__WATCH_REASONS; reason++)
            ends->counts[reason] +=
                atomic_load_explicit(&exits->counts[reason], memory_order_relaxed);
        ends->restarts += atomic_load_explicit(&exits->restarts, memory_order_relaxed);
    }
}

static void write_ends_rows(const struct runtime_ends *ends, const struct sp__family_head *head,
                            struct sp__exposition *to)
{
    static const char *const reasons[SP__WATCH_REASONS] = {
        [SP_REASON_NORMAL] = "normal",
        [SP_REASON_SHUTDOWN] = "shutdown",
        [SP_REASON_SHUTDOWN_WITH] = "shutdown_with",
        [SP_REASON_KILL] = "kill",
        [SP_REASON_KILLED] = "killed",
        [SP_REASON_NOPROC] = "noproc",
        [SP_REASON_NOCONNECTION] = "noconnection",
        [SP_REASON_ERROR] = "error",
        [SP_REASON_FAULT] = "fault",
        [SP_REASON_OUT_OF_MEMORY] = "out_of_memory",
    };
    for (int reason = 0; reason < SP__WATCH_REASONS; reason++) {
        struct sp_label labels[] = { { "type", ends->process }, { "reason", reasons[reason] } };
        if (ends->counts[reason] != 0)
            sp__expose_uint(to, head, labels, 2, ends->counts[reason]);
    }
}

/* Errors: NOMEM. */
static sp_err write_ends(struct sp_runtime *runtime, struct sp__exposition *to)
{
    static const struct sp__family_head exits = {
        "spawned_type_exits", "Processes that ended, by type and kind of reason.",
        SP__METRIC_COUNTER, SP_UNIT_NONE
    };
    static const struct sp__family_head restarts = {
        "spawned_type_restarts", "Processes that a supervisor started again, by type.",
        SP__METRIC_COUNTER, SP_UNIT_NONE
    };
    struct runtime_ends_table *table = sp__calloc(1, sizeof(*table));
    if (table == NULL)
        return SP_ERR_NOMEM;
    table->ends[RUNTIME_ENDS_MAX].process = "other";
    sp__metrics_each_watch(runtime, ends_add, table);
    sp__expose_family(to, &exits);
    for (size_t i = 0; i < table->count; i++)
        write_ends_rows(&table->ends[i], &exits, to);
    if (table->count == RUNTIME_ENDS_MAX)
        write_ends_rows(&table->ends[RUNTIME_ENDS_MAX], &exits, to);
    sp__expose_family(to, &restarts);
    for (size_t i = 0; i < table->count; i++)
        if (table->ends[i].restarts != 0)
            sp__expose_uint(to, &restarts, &(struct sp_label){ "type", table->ends[i].process }, 1,
                            table->ends[i].restarts);
    sp__free(table);
    return SP_OK;
}

/* Errors: NOMEM. */
static sp_err write_dead_letters(struct sp_runtime *runtime, struct sp__exposition *to)
{
    static const struct sp__family_head head = {
        "spawned_dead_letters", "Messages that nobody handled, by type of message and why.",
        SP__METRIC_COUNTER, SP_UNIT_NONE
    };
    struct sp_dead_count *counts = sp__calloc(RUNTIME_DEAD_MAX, sizeof(*counts));
    if (counts == NULL)
        return SP_ERR_NOMEM;
    size_t count = sp_dead_letters_count(runtime, counts, RUNTIME_DEAD_MAX);
    sp__expose_family(to, &head);
    for (size_t first = 0, end; first < count; first = end) {
        struct sp_dead_count *row = &counts[first];
        /* Several types may have one name: they come one after the other. */
        for (end = first + 1; end < count && strcmp(row->type, counts[end].type) == 0; end++)
            for (int why = 0; why < SP_DEAD_REASONS; why++)
                row->counts[why] += counts[end].counts[why];
        for (int why = 0; why < SP_DEAD_REASONS; why++) {
            struct sp_label labels[] = { { "message", row->type },
                                         { "reason",
                                           sp_dead_reason_text((enum sp_dead_reason)why) } };
            if (row->counts[why] != 0)
                sp__expose_uint(to, &head, labels, 2, row->counts[why]);
        }
    }
    sp__free(counts);
    return SP_OK;
}

/* ---- threads ---- */

static void write_threads(struct sp_runtime *runtime, struct sp__exposition *to)
{
    static const struct sp__family_head workers = { "spawned_workers", "Workers.", SP__METRIC_GAUGE,
                                                    SP_UNIT_NONE };
    static const struct sp__family_head idle = {
        "spawned_worker_idle_seconds", "Time that a worker's thread slept for want of work.",
        SP__METRIC_COUNTER, SP_UNIT_SECONDS
    };
    struct sp__meters *meters = sp__meters_of(runtime);
    struct sp__meter *meter = meters == NULL ? NULL : sp__meters_blocks(meters);
    int64_t now_ns = sp__now(runtime);
    sp__expose_family(to, &workers);
    sp__expose_uint(to, &workers, NULL, 0, runtime->options.workers);
    sp__expose_family(to, &idle);
    for (; meter != NULL; meter = meter->next) {
        char number[16];
        /* acquire: pairs with the release in attach. */
        struct sp__watch *watch = atomic_load_explicit(&meter->watch, memory_order_acquire);
        if (watch == NULL || meter->kind != SP__CONTEXT_WORKER)
            continue;
        (void)snprintf(number, sizeof(number), "%" PRIu32, meter->number);
        sp__expose_uint(to, &idle, &(struct sp_label){ "thread", number }, 1,
                        (uint64_t)sp__watch_idle_ns(watch, now_ns));
    }
}

int64_t sp__metrics_busy_ns(struct sp_runtime *runtime)
{
    struct sp__meters *meters = sp__meters_of(runtime);
    struct sp__meter *meter = meters == NULL ? NULL : sp__meters_blocks(meters);
    int64_t now_ns = sp__now(runtime);
    int64_t busy_ns = 0;
    bool watched = false;
    for (; meter != NULL; meter = meter->next) {
        /* acquire: pairs with the release in attach. */
        struct sp__watch *watch = atomic_load_explicit(&meter->watch, memory_order_acquire);
        if (watch == NULL || meter->kind != SP__CONTEXT_WORKER)
            continue;
        watched = true;
        busy_ns += now_ns - sp__watch_idle_ns(watch, now_ns);
    }
    return watched ? busy_ns : -1;
}

static void wakes_add(void *arg, struct sp__watch *watch)
{
    sp__histogram_sum(&watch->wakes, arg);
}

static void lateness_add(void *arg, struct sp__watch *watch)
{
    sp__histogram_sum(&watch->lateness, arg);
}

static void write_waits(struct sp_runtime *runtime, struct sp__exposition *to,
                        struct sp_histogram_values *values)
{
    static const struct sp__family_head wakes = {
        "spawned_run_queue_delay_seconds",
        "Time from a message to a waiting process until it handles it. Sampled.",
        SP__METRIC_HISTOGRAM, SP_UNIT_SECONDS
    };
    static const struct sp__family_head lateness = { "spawned_timer_lateness_seconds",
                                                     "How late timers fired.", SP__METRIC_HISTOGRAM,
                                                     SP_UNIT_SECONDS };
    memset(values, 0, sizeof(*values));
    sp__metrics_each_watch(runtime, wakes_add, values);
    sp__expose_family(to, &wakes);
    sp__expose_histogram(to, &wakes, NULL, 0, values, &sp__metrics_times);
    memset(values, 0, sizeof(*values));
    sp__metrics_each_watch(runtime, lateness_add, values);
    sp__expose_family(to, &lateness);
    sp__expose_histogram(to, &lateness, NULL, 0, values, &sp__metrics_times);
}

/* ---- what was lost, and put back ---- */

static uint64_t lost_of(const struct sp__histogram *histogram)
{
    return atomic_load_explicit(&histogram->lost, memory_order_relaxed);
}

static uint64_t lost_of_cells(const struct sp__watch_cell *cells, uint32_t count)
{
    uint64_t lost = 0;
    for (uint32_t i = 0; i < count; i++)
        /* acquire: pairs with the release in cell_claim(); the detail is complete. */
        if (atomic_load_explicit(&cells[i].type, memory_order_acquire) != NULL)
            lost += lost_of(&cells[i].detail->handler) + lost_of(&cells[i].detail->delay);
    return lost;
}

struct runtime_losses {
    uint64_t lost;
    uint64_t put_back;
};

static void losses_add(void *arg, struct sp__watch *watch)
{
    struct runtime_losses *losses = arg;
    losses->put_back += atomic_load_explicit(&watch->put_back, memory_order_relaxed);
    losses->lost += lost_of(&watch->wakes) + lost_of(&watch->lateness) +
                    lost_of(&watch->rest_detail.handler) + lost_of(&watch->rest_detail.delay);
    losses->lost +=
        lost_of_cells(watch->own, SP__WATCH_OWN) + lost_of_cells(watch->other, watch->mask + 1);
}

static void write_losses(struct sp_runtime *runtime, struct sp__exposition *to)
{
    static const struct sp__family_head put_back = {
        "spawned_messages_put_back",
        "Messages that were handled, or given to a worker of a pool, and are counted again.",
        SP__METRIC_COUNTER, SP_UNIT_NONE
    };
    static const struct sp__family_head lost = { "spawned_metrics_lost",
                                                 "Values that a histogram had no memory for.",
                                                 SP__METRIC_COUNTER, SP_UNIT_NONE };
    static const struct sp__family_head refused = {
        "spawned_metrics_series_refused", "Registrations over the limit of series of a name.",
        SP__METRIC_COUNTER, SP_UNIT_NONE
    };
    struct runtime_losses losses = { .lost = 0 };
    struct sp__metrics *metrics = sp__metrics_of(runtime);
    sp__metrics_each_watch(runtime, losses_add, &losses);
    if (metrics != NULL)
        losses.lost += sp__metrics_lost(metrics);
    sp__expose_family(to, &put_back);
    sp__expose_uint(to, &put_back, NULL, 0, losses.put_back);
    sp__expose_family(to, &lost);
    sp__expose_uint(to, &lost, NULL, 0, losses.lost);
    sp__expose_family(to, &refused);
    sp__expose_uint(
        to, &refused, NULL, 0,
        metrics == NULL ? 0 : atomic_load_explicit(&metrics->refused, memory_order_relaxed));
}

/* ---- processes one by one ---- */

/* What is written of one process. */
struct runtime_watched {
    struct sp__family_head head;
    uint64_t (*value)(const struct sp_process_info *info);
};

static uint64_t watched_mailbox(const struct sp_process_info *info)
{
    return info->mailbox;
}
static uint64_t watched_handled(const struct sp_process_info *info)
{
    return info->handled;
}
static uint64_t watched_memory(const struct sp_process_info *info)
{
    return info->memory;
}

static const struct runtime_watched runtime_watched[] = {
    { { "spawned_process_mailbox", "Messages in the mailbox of a watched process.",
        SP__METRIC_GAUGE, SP_UNIT_NONE },
      watched_mailbox },
    { { "spawned_process_messages", "Messages that a watched process has handled.",
        SP__METRIC_COUNTER, SP_UNIT_NONE },
      watched_handled },
    { { "spawned_process_memory_bytes", "Memory of a watched process.", SP__METRIC_GAUGE,
        SP_UNIT_BYTES },
      watched_memory },
};

static void write_watched(struct sp_runtime *runtime, struct sp__exposition *to)
{
    struct sp__metrics *metrics = sp__metrics_of(runtime);
    struct sp_process_info infos[SP__METRIC_WATCHED_MAX];
    sp_pid pids[SP__METRIC_WATCHED_MAX];
    size_t alive = 0;
    size_t count = metrics == NULL ? 0 : sp__metrics_watched(metrics, pids);
    for (size_t i = 0; i < count; i++) {
        sp_err err = sp_process_info(pids[i], &infos[alive]);
        if (err == SP_ERR_NOPROC)
            sp__metrics_unwatch(metrics, pids[i]);
        alive += err == SP_OK;
    }
    for (size_t i = 0; i < sizeof(runtime_watched) / sizeof(runtime_watched[0]) && alive > 0; i++) {
        sp__expose_family(to, &runtime_watched[i].head);
        for (size_t j = 0; j < alive; j++) {
            char pid[SP_PID_TEXT_MAX];
            struct sp_label labels[] = { { "pid", sp_pid_format(infos[j].pid, pid) },
                                         { "name", infos[j].name },
                                         { "type", infos[j].label } };
            sp__expose_uint(to, &runtime_watched[i].head, labels, 3,
                            runtime_watched[i].value(&infos[j]));
        }
    }
}

/* ---- all of it ---- */

sp_err sp__metrics_write_runtime(struct sp_runtime *runtime, struct sp__exposition *to,
                                 struct sp_histogram_values *values)
{
    write_stats(runtime, to);
    write_memory(runtime, to);
    write_usage(runtime, to);
    write_threads(runtime, to);
    write_waits(runtime, to, values);
    write_losses(runtime, to);
    write_watched(runtime, to);
    sp_err err = write_dead_letters(runtime, to);
    if (err == SP_OK)
        err = write_ends(runtime, to);
    if (err == SP_OK)
        err = sp__metrics_write_messages(runtime, to, values);
    return err;
}
