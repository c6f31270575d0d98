/* /api/exits, /api/dead-letters, /api/events: what has been. See request.h, docs/http-api.md. */
#include "base/alloc.h"
#include "http/request.h"
#include "spawned/dead_letter.h"
#include "spawned/exits.h"
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

/* What a list says before its entries: number of the last, and how many after `since` are gone. */
static void history_begin(struct sp__json *json, uint64_t since, uint64_t first, uint64_t last)
{
    sp__json_bool(json, "available", true);
    sp__json_uint(json, "last", last);
    sp__json_uint(json, "lost", first > since + 1 ? first - since - 1 : 0);
}

/* ---- exits ---- */

enum { HISTORY_NORMAL = 200, HISTORY_MAX = 1000 };

static void exit_write(struct sp__json *json, const struct sp_exit *one)
{
    sp__json_open(json, NULL, '{');
    sp__json_uint(json, "seq", one->seq);
    sp__json_ms(json, "t_ms", one->at.ns);
    sp__json_pid(json, "pid", one->pid);
    sp__json_text(json, "name", one->name[0] == '\0' ? NULL : one->name);
    sp__json_text(json, "label", one->label);
    sp__json_text(json, "kind", sp_reason_kind_text(one->kind));
    sp__json_text(json, "reason", one->reason);
    sp__json_text(json, "report", one->report[0] == '\0' ? NULL : one->report);
    sp__json_pid(json, "cause", one->cause);
    sp__json_pid(json, "parent", one->parent);
    sp__json_pid(json, "restarted", one->restarted);
    sp__json_ms(json, "age_ms", one->age.ns);
    sp__json_close(json, '}');
}

void sp__http_exit_counts(struct sp__json *json, struct sp_runtime *runtime)
{
    uint64_t counts[SP_REASON_OUT_OF_MEMORY + 1];
    sp_exits_count(runtime, counts, SP_REASON_OUT_OF_MEMORY + 1);
    sp__json_open(json, "exit_counts", '{');
    for (int kind = SP_REASON_KILL; kind <= SP_REASON_OUT_OF_MEMORY; kind++)
        sp__json_uint(json, sp_reason_kind_text((enum sp_reason_kind)kind), counts[kind]);
    sp__json_close(json, '}');
}

void sp__http_exits(struct sp__http_ask *ask, struct sp__json *json)
{
    uint64_t since = sp__http_number(ask, 0, 0, UINT64_MAX - 1);
    size_t limit = (size_t)sp__http_number(ask, 1, HISTORY_NORMAL, HISTORY_MAX);
    if (sp__http_refused(ask))
        return;
    struct sp_exit *exits = sp__malloc(SP_EXITS_KEPT * sizeof(*exits));
    if (exits == NULL) {
        sp__http_refuse_err(ask, SP_ERR_NOMEM);
        return;
    }
    size_t count = sp_exits_recent(ask->http->runtime, since, exits,
                                   limit < SP_EXITS_KEPT ? limit : SP_EXITS_KEPT);
    history_begin(json, since, count == 0 ? 0 : exits[0].seq,
                  count == 0 ? since : exits[count - 1].seq);
    sp__http_exit_counts(json, ask->http->runtime);
    sp__json_open(json, "exits", '[');
    for (size_t i = 0; i < count; i++)
        exit_write(json, &exits[i]);
    sp__json_close(json, ']');
    sp__free(exits);
}

/* ---- dead letters ---- */

enum { LETTERS_KEPT = 64, LETTERS_TYPES = 257 };

static void letter_write(struct sp__json *json, const struct sp_dead_letter *letter)
{
    sp__json_open(json, NULL, '{');
    sp__json_uint(json, "seq", letter->seq);
    sp__json_ms(json, "t_ms", letter->at.ns);
    sp__json_pid(json, "from", letter->from);
    sp__json_pid(json, "to", letter->to);
    sp__json_text(json, "operation", letter->type);
    sp__json_text(json, "reason", sp_dead_reason_text(letter->reason));
    sp__json_close(json, '}');
}

static void letter_counts(struct sp__json *json, const struct sp_dead_count *counts, size_t count)
{
    sp__json_open(json, "counts", '[');
    for (size_t i = 0; i < count; i++) {
        sp__json_open(json, NULL, '{');
        sp__json_text(json, "operation", counts[i].type);
        for (int reason = 0; reason < SP_DEAD_REASONS; reason++)
            sp__json_uint(json, sp_dead_reason_text((enum sp_dead_reason)reason),
                          counts[i].counts[reason]);
        sp__json_close(json, '}');
    }
    sp__json_close(json, ']');
}

void sp__http_dead_letters(struct sp__http_ask *ask, struct sp__json *json)
{
    struct sp_dead_letter letters[LETTERS_KEPT];
    struct sp_dead_count counts[LETTERS_TYPES];
    uint64_t since = sp__http_number(ask, 0, 0, UINT64_MAX - 1);
    size_t limit = (size_t)sp__http_number(ask, 1, HISTORY_NORMAL, HISTORY_MAX);
    if (sp__http_refused(ask))
        return;
    struct sp_runtime *runtime = ask->http->runtime;
    size_t count =
        sp_dead_letters_recent(runtime, letters, limit < LETTERS_KEPT ? limit : LETTERS_KEPT);
    uint64_t last = count == 0 || letters[0].seq < since ? since : letters[0].seq;
    while (count > 0 && letters[count - 1].seq <= since) /* the newest is the first */
        count--;
    history_begin(json, since, count == 0 ? 0 : letters[count - 1].seq, last);
    size_t types = sp_dead_letters_count(runtime, counts, LETTERS_TYPES);
    letter_counts(json, counts, types < LETTERS_TYPES ? types : LETTERS_TYPES);
    sp__json_open(json, "dead_letters", '[');
    for (size_t i = count; i > 0; i--)
        letter_write(json, &letters[i - 1]);
    sp__json_close(json, ']');
}

/* ---- the flight recorder ---- */

enum {
    EVENTS_NORMAL = 200,
    EVENTS_MAX = 1000,
    EVENTS_ROOM = 32768, /* that are looked at at a time */
};

/* Which events. */
struct events_query {
    uint64_t since;
    size_t limit;
    sp_pid pid; /* that it did, or that were done to it; none: all */
};

/* An event that is told, and its duration in microseconds, -1: it is no slice, or not over. */
struct events_entry {
    struct sp_record record;
    int64_t duration_us;
};

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

/* Those of `records` that are asked for go to the end of a ring of `limit` entries. Returns how many
 * there have been. */
static size_t events_choose(const struct events_query *query, const struct sp_record *records,
                            size_t count, struct events_entry *ring, size_t chosen)
{
    for (size_t i = 0; i < count && query->limit > 0; i++) {
        if (!sp_pid_is_none(query->pid) && !sp_pid_equal(records[i].process, query->pid) &&
            !sp_pid_equal(records[i].other, query->pid))
            continue;
        ring[chosen % query->limit] =
            (struct events_entry){ records[i], event_duration(records, count, i) };
        chosen++;
    }
    return chosen;
}

/* The last `limit` after `since`, as a ring; `*out_last`: number of the last event there is. */
static size_t events_read(struct sp_runtime *runtime, const struct events_query *query,
                          struct sp_record *records, struct events_entry *ring, uint64_t *out_last)
{
    uint64_t cursor = query->since;
    size_t chosen = 0;
    size_t count;
    do {
        count = sp_recorder_read(runtime, &cursor, records, EVENTS_ROOM);
        chosen = events_choose(query, records, count, ring, chosen);
    } while (count == EVENTS_ROOM);
    *out_last = cursor;
    return chosen;
}

static void event_write(struct sp__json *json, const struct events_entry *entry)
{
    const struct sp_record *record = &entry->record;
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
    if (entry->duration_us < 0)
        sp__json_null(json, "duration_us");
    else
        sp__json_uint(json, "duration_us", (uint64_t)entry->duration_us);
    sp__json_close(json, '}');
}

static void events_write(struct sp__json *json, const struct events_query *query,
                         const struct events_entry *ring, size_t chosen, uint64_t last)
{
    size_t first = chosen > query->limit ? chosen - query->limit : 0;
    sp__json_bool(json, "available", true);
    sp__json_uint(json, "last", last);
    sp__json_open(json, "events", '[');
    for (size_t i = first; i < chosen; i++)
        event_write(json, &ring[i % query->limit]);
    sp__json_close(json, ']');
}

void sp__http_events(struct sp__http_ask *ask, struct sp__json *json)
{
    struct events_query query = { .since = sp__http_number(ask, 0, 0, UINT64_MAX) };
    uint64_t last;
    query.limit = (size_t)sp__http_number(ask, 1, EVENTS_NORMAL, EVENTS_MAX);
    query.pid = sp__http_pid(ask, 2);
    if (sp__http_refused(ask))
        return;
    struct sp_record *records = sp__malloc(EVENTS_ROOM * sizeof(*records));
    struct events_entry *ring = sp__malloc((query.limit + 1) * sizeof(*ring));
    if (records == NULL || ring == NULL) {
        sp__http_refuse_err(ask, SP_ERR_NOMEM);
    } else {
        size_t chosen = events_read(ask->http->runtime, &query, records, ring, &last);
        if (last == 0)
            history_nothing(json,
                            "nothing was recorded: sp_recorder_start() turns the recorder on");
        else
            events_write(json, &query, ring, chosen, last);
    }
    sp__free(ring);
    sp__free(records);
}
