/* /api/overview: the node and its last minutes. See request.h, docs/http-api.md. */
#include "http/request.h"
#include "runtime/core.h"
#include "spawned/trace.h"

#include <unistd.h>

static void overview_totals(struct sp__json *json, const struct sp_stats *stats)
{
    sp__json_open(json, "totals", '{');
    sp__json_uint(json, "processes", stats->processes);
    sp__json_uint(json, "spawned", stats->spawned);
    sp__json_uint(json, "exited", stats->exited);
    sp__json_uint(json, "sent", stats->sent);
    sp__json_uint(json, "handled", stats->handled);
    sp__json_uint(json, "queued", stats->queued);
    sp__json_uint(json, "dead_noproc", stats->dead_noproc);
    sp__json_uint(json, "dropped_full", stats->dropped_full);
    sp__json_uint(json, "dropped_stale", stats->dropped_stale);
    sp__json_uint(json, "dropped_shed", stats->dropped_shed);
    sp__json_uint(json, "late_replies", stats->late_replies);
    sp__json_uint(json, "faults", stats->faults);
    sp__json_uint(json, "steals", stats->steals);
    sp__json_uint(json, "parks", stats->parks);
    sp__json_uint(json, "timers", stats->timers);
    sp__json_uint(json, "handoffs", stats->handoffs);
    sp__json_uint(json, "threads", stats->threads);
    sp__json_uint(json, "polls", stats->polls);
    sp__json_uint(json, "poll_events", stats->poll_events);
    sp__json_uint(json, "poll_wakes", stats->poll_wakes);
    sp__json_uint(json, "abandoned", stats->abandoned);
    sp__json_uint(json, "abandoned_left", stats->abandoned_left);
    sp__json_close(json, '}');
}

static void overview_cell(struct sp__json *json, int64_t value)
{
    if (value == SP__HTTP_SERIES_NULL)
        sp__json_null(json, NULL);
    else
        sp__json_uint(json, NULL, (uint64_t)value);
}

static void overview_spans(struct sp__json *json, struct sp_runtime *runtime)
{
    struct sp_trace_stats stats;
    sp_trace_stats(runtime, &stats);
    sp__json_open(json, "spans", '{');
    sp__json_uint(json, "recorded", stats.recorded);
    sp__json_uint(json, "taken", stats.taken);
    sp__json_uint(json, "lost", stats.lost);
    sp__json_uint(json, "failed", stats.failed);
    sp__json_close(json, '}');
}

#define OVERVIEW_NAME(name) sp__json_text(json, NULL, #name);
#define OVERVIEW_CELL(name) overview_cell(json, row->name);

static void overview_row(struct sp__json *json, const struct sp__http_row *row)
{
    sp__json_open(json, NULL, '[');
    sp__json_uint(json, NULL, row->seq);
    sp__json_ms(json, NULL, row->at_ns);
    SP__HTTP_SERIES_COLUMNS(OVERVIEW_CELL, OVERVIEW_CELL)
    sp__json_close(json, ']');
}

static void overview_series(struct sp__http_ask *ask, struct sp__json *json, uint64_t since)
{
    const struct sp__http_series *series = &ask->http->series;
    sp__json_open(json, "series", '{');
    sp__json_ms(json, "interval_ms", SP__HTTP_SERIES_INTERVAL_MS * SP_NS_PER_MS);
    sp__json_uint(json, "last", series->last);
    sp__json_open(json, "columns", '[');
    sp__json_text(json, NULL, "seq");
    sp__json_text(json, NULL, "t_ms");
    SP__HTTP_SERIES_COLUMNS(OVERVIEW_NAME, OVERVIEW_NAME)
    sp__json_close(json, ']');
    sp__json_open(json, "rows", '[');
    uint64_t seq = since < series->first ? series->first : since + 1;
    for (; seq <= series->last && series->first != 0; seq++)
        overview_row(json, sp__http_series_row(series, seq));
    sp__json_close(json, ']');
    sp__json_close(json, '}');
}

void sp__http_overview(struct sp__http_ask *ask, struct sp__json *json)
{
    struct sp__http *http = ask->http;
    struct sp_stats stats;
    uint64_t since = sp__http_number(ask, 0, 0, INT64_MAX);
    sp__http_series_asked(&http->series);
    sp_runtime_stats(http->runtime, &stats);
    sp__json_uint(json, "pid", (uint64_t)getpid());
    sp__json_text(json, "version", SPAWNED_VERSION);
    sp__json_text(json, "program",
                  http->settings.program[0] == '\0' ? NULL : http->settings.program);
    sp__json_ms(json, "t_ms", sp_now().ns);
    sp__json_ms(json, "uptime_ms", sp_now().ns - http->started_ns);
    sp__json_uint(json, "workers", http->runtime->options.workers);
    sp__json_bool(json, "control", http->settings.control);
    sp__json_pid(json, "self", http->self);
    overview_totals(json, &stats);
    overview_spans(json, http->runtime);
    sp__http_exit_counts(json, http->runtime);
    overview_series(ask, json, since);
}
