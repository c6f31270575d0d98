/* Looking at what runs: inspection, questions to a server, metrics, traces, the flight recorder. What they cannot be had
 * for is told, and what is looked at goes on. */
#include "torture.h"

#include "spawned/exits.h"
#include "spawned/inspect.h"
#include "spawned/metrics.h"
#include "spawned/recorder.h"
#include "spawned/server.h"
#include "spawned/sys.h"
#include "spawned/trace.h"
#include "spawned/wait_graph.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    ROWS = 8,
    EVENTS = 32,
    MONEY = 5,
};

SP_SERVER(purse, int);
SP_CALL(purse, pay, int, int);

static sp_err purse_init(int *self, const int *first)
{
    *self = *first;
    return SP_OK;
}

static sp_err purse_on_pay(int *self, const int *in, int *out)
{
    if (*in > *self)
        return SP_ERR_INVALID;
    *out = *self -= *in;
    return SP_OK;
}

static void purse_format(const int *self, char *text, size_t size)
{
    (void)snprintf(text, size, "%d coins", *self);
}

SP_STATE(purse, int);
SP_ON_INIT(purse);
SP_ON_CALL(purse, pay);
SP_ON_FORMAT(purse);
SP_CLASS(purse, .init = purse__init, .format = purse__format);

/* ---- inspection ---- */

static void part_inspect(sp_pid pid)
{
    static const enum sp_inspect_sort orders[] = { SP_INSPECT_TABLE, SP_INSPECT_NAME,
                                                   SP_INSPECT_MAILBOX, SP_INSPECT_UPTIME };
    static struct sp_inspect rows[ROWS];
    static struct sp_inspect_edge edges[ROWS];
    static struct sp_wait waits[ROWS];
    static struct sp_exit exits[ROWS];
    struct sp_inspect_page page;
    size_t total;
    sp_pid pids[ROWS];
    char site[SP_INSPECT_SITE_MAX];
    if (DID(sp_inspect(pid, &rows[0]))) {
        MUST(rows[0].kind == SP_PROCESS_SERVER);
        (void)sp_inspect_site(rows[0].spawned_at, site);
    }
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
        if (DID(sp_inspect_list(&(struct sp_inspect_query){ .sort = orders[i] }, rows, ROWS,
                                &page)))
            MUST(page.count >= 2 && page.total >= page.count);
    if (DID(sp_inspect_relations(pid, SP_RELATION_CHILD, pids, ROWS, &total)))
        MUST(total == 0);
    for (size_t cursor = 0; cursor != SIZE_MAX;) {
        bool cut = false;
        (void)sp_inspect_edges(&cursor, 0, edges, ROWS, &cut);
    }
    size_t cursor = 0;
    (void)sp_wait_list(&cursor, waits, ROWS);
    (void)sp_exits_recent(sp_runtime_current(), 0, exits, ROWS);
}

/* ---- questions to a server ---- */

/* Until the trace is at its end. True: that was told. */
static bool events_take(void)
{
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK) {
        const struct sp_sys_event *event = sp_sys_event_of(message);
        bool ended = event != NULL && event->what == SP_SYS_ENDED;
        sp_message_free(message);
        if (ended)
            return true;
    }
    return false;
}

static void part_sys(purse_ref purse)
{
    char text[32];
    int left;
    struct sp_sys_statistics statistics;
    if (DID(sp_sys_state(purse.pid, text, sizeof(text), TORTURE_PATIENCE)))
        MUST(strstr(text, " coins") != NULL);
    if (DID(sp_sys_suspend(purse.pid, TORTURE_PATIENCE)))
        while (sp_sys_resume(purse.pid, TORTURE_PATIENCE) == SP_ERR_NOMEM)
            sp_yield();
    bool measured = DID(sp_sys_measure(purse.pid, true, TORTURE_PATIENCE));
    bool traced = DID(sp_sys_trace(purse.pid, NULL, TORTURE_PATIENCE));
    bool paid = DID(purse_pay(purse, &(int){ 1 }, &left, TORTURE_PATIENCE));
    if (measured && DID(sp_sys_statistics(purse.pid, &statistics, TORTURE_PATIENCE)))
        MUST(!paid || statistics.handled == 1);
    if (traced && DID(sp_sys_trace_stop(purse.pid, TORTURE_PATIENCE)))
        MUST(events_take() || !torture_strict());
}

/* ---- metrics ---- */

static bool text_take(void *arg, const char *text, size_t size)
{
    size_t *taken = arg;
    (void)text;
    *taken += size;
    return true;
}

static void part_metrics(struct sp_runtime *runtime)
{
    const struct sp_label labels[] = { { "kind", "torture" } };
    struct sp_counter *counter;
    struct sp_gauge *gauge;
    struct sp_histogram *histogram;
    struct sp_exemplar exemplar = { .trace_id = { 1 }, .span_id = { 2 } };
    struct sp_histogram_values *values = sp_alloc(sizeof(*values));
    size_t taken = 0;
    if (DID(sp_counter_register(
            runtime, &(struct sp_metric_options){ .name = "c", .labels = labels, .label_count = 1 },
            &counter)))
        sp_counter_add(counter, 1);
    if (DID(sp_gauge_register(runtime, &(struct sp_metric_options){ .name = "g" }, &gauge)))
        sp_gauge_set(gauge, 1);
    if (DID(sp_histogram_register(runtime, &(struct sp_metric_options){ .name = "h" },
                                  &histogram))) {
        sp_histogram_observe(histogram, 7);
        sp_histogram_observe_traced(histogram, 7000, &exemplar);
        if (values != NULL) {
            sp_histogram_read(histogram, values);
            (void)sp_histogram_quantile(values, 0.5);
        }
    }
    DID(sp_metrics_watch(runtime, sp_self(), true));
    if (DID(sp_metrics_write(runtime, SP_METRICS_OPENMETRICS, text_take, &taken)))
        MUST(taken > 1000);
    DID(sp_metrics_watch(runtime, sp_self(), false));
    sp_free(values);
}

/* ---- traces and events ---- */

static void part_trace(struct sp_runtime *runtime, purse_ref purse)
{
    static struct sp_trace_record records[EVENTS];
    int left;
    size_t count;
    char parent[SP_TRACE_PARENT_SIZE];
    struct sp_trace_context current;
    sp_trace_span span = sp_trace_span_start("torture");
    sp_trace_span_set(span, "key", "value");
    if (sp_trace_current(&current))
        (void)sp_trace_format(&current, parent);
    DID(purse_pay(purse, &(int){ 1 }, &left, TORTURE_PATIENCE));
    MUST(purse_pay(purse, &(int){ 1000 }, &left, TORTURE_PATIENCE) != SP_OK);
    sp_trace_span_end(span, SP_OK);
    DID(sp_trace_adopt("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b"));
    DID(purse_pay(purse, &(int){ 1 }, &left, TORTURE_PATIENCE));
    DID(sp_trace_adopt(NULL, NULL));
    while ((count = sp_trace_read(runtime, records, EVENTS)) > 0)
        sp_trace_release(records, count);
}

static void part_recorder(struct sp_runtime *runtime)
{
    static struct sp_record records[EVENTS];
    uint64_t cursor = 0;
    size_t taken = 0;
    (void)sp_recorder_read(runtime, &cursor, records, EVENTS);
    if (DID(sp_recorder_export(runtime, text_take, &taken)))
        MUST(taken > 2);
}

void observe_body(void *unused)
{
    (void)unused;
    struct sp_runtime *runtime = sp_runtime_current();
    purse_ref purse;
    sp_recorder_stop(runtime); /* of a lap that was ended in the middle */
    bool recorded = DID(sp_recorder_start(runtime, NULL));
    bool traced = DID(sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = 1 }));
    DID(sp_metrics_start(runtime, NULL));
    if (DID(purse_start(&(int){ MONEY }, NULL, &purse))) {
        part_inspect(purse.pid);
        part_sys(purse);
        part_metrics(runtime);
        if (traced)
            part_trace(runtime, purse);
        if (recorded)
            part_recorder(runtime);
        DID(purse_stop(purse, TORTURE_PATIENCE));
    }
    sp_metrics_stop(runtime);
    sp_trace_stop(runtime);
    sp_recorder_stop(runtime);
}
