/* /api/exits, /api/dead-letters, /api/events: what has been. See request.h, docs/http-api.md. */
#include "base/alloc.h"
#include "http/request.h"
#include "spawned/recorder.h"
#include "spawned/runtime.h"

#include <stdio.h>
#include <string.h>

/* The answer to what the endpoint does not show. */
static void history_nothing(struct sp__json *json, const char *why)
{
    sp__json_bool(json, "available", false);
    sp__json_text(json, "why", why);
}

void sp__http_exits(struct sp__http_ask *ask, struct sp__json *json)
{
    (void)ask;
    history_nothing(json, "this runtime keeps no list of exits");
}

void sp__http_dead_letters(struct sp__http_ask *ask, struct sp__json *json)
{
    (void)ask;
    history_nothing(json, "not shown here: sp_dead_letters_recent() has them");
}

/* ---- the flight recorder ---- */

enum {
    EVENTS_NORMAL = 200,
    EVENTS_MAX = 1000,
    EVENTS_ROOM = 32768, /* that are looked at at a time */
};

/* The last `limit` after `since`, at the beginning of `records`; returns how many. */
static size_t events_last(struct sp_runtime *runtime, uint64_t since, size_t limit,
                          struct sp_record *records)
{
    size_t kept = 0;
    for (;;) {
        size_t room = EVENTS_ROOM - kept;
        size_t count = sp_recorder_read(runtime, &since, records + kept, room);
        size_t all = kept + count;
        kept = all < limit ? all : limit;
        memmove(records, records + (all - kept), kept * sizeof(*records));
        if (count < room)
            return kept;
    }
}

/* Microseconds until the thread did something else; -1: it is no slice, or not over. */
static int64_t event_duration(const struct sp_record *records, size_t count, size_t i)
{
    const struct sp_record *at = &records[i];
    if (at->kind != SP_RECORD_RUN && at->kind != SP_RECORD_HANDLE)
        return -1;
    for (size_t k = i + 1; k < count; k++) {
        const struct sp_record *next = &records[k];
        bool ends = next->kind == SP_RECORD_RUN || next->kind == SP_RECORD_PARK ||
                    (at->kind == SP_RECORD_HANDLE && next->kind == SP_RECORD_HANDLE);
        if (next->thread == at->thread && ends)
            return (next->at.ns - at->at.ns) / 1000;
    }
    return -1;
}

static void event_write(struct sp__json *json, const struct sp_record *record, int64_t duration)
{
    char text[160];
    char other[SP_PID_TEXT_MAX];
    (void)snprintf(text, sizeof(text), "%s%s%s", record->what == NULL ? "" : record->what,
                   sp_pid_is_none(record->other) ? "" : ", ",
                   sp_pid_is_none(record->other) ? "" : sp_pid_format(record->other, other));
    sp__json_open(json, NULL, '{');
    sp__json_uint(json, "seq", record->order);
    sp__json_ms(json, "t_ms", record->at.ns);
    sp__json_uint(json, "worker", record->thread);
    sp__json_text(json, "kind", sp_record_name(record->kind));
    sp__json_pid(json, "pid", record->process);
    sp__json_text(json, "text", text);
    if (duration < 0)
        sp__json_null(json, "duration_us");
    else
        sp__json_uint(json, "duration_us", (uint64_t)duration);
    sp__json_close(json, '}');
}

void sp__http_events(struct sp__http_ask *ask, struct sp__json *json)
{
    uint64_t since = sp__http_number(ask, 0, 0, UINT64_MAX);
    size_t limit = (size_t)sp__http_number(ask, 1, EVENTS_NORMAL, EVENTS_MAX);
    if (sp__http_refused(ask))
        return;
    struct sp_record *records = sp__malloc(EVENTS_ROOM * sizeof(*records));
    if (records == NULL) {
        sp__http_refuse_err(ask, SP_ERR_NOMEM);
        return;
    }
    size_t count = events_last(sp_runtime_current(), since, limit, records);
    if (count == 0 && since == 0) {
        history_nothing(json, "nothing was recorded: sp_recorder_start() turns the recorder on");
    } else {
        sp__json_bool(json, "available", true);
        sp__json_uint(json, "last", count == 0 ? since : records[count - 1].order);
        sp__json_open(json, "events", '[');
        for (size_t i = 0; i < count; i++)
            event_write(json, &records[i], event_duration(records, count, i));
        sp__json_close(json, ']');
    }
    sp__free(records);
}
