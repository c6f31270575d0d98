/* The flight recorder's events, of all threads in order. See recorder.h. */
#include "base/alloc.h"
#include "runtime/backend.h"
#include "runtime/log.h"
#include "runtime/recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORDER_LOGGED = 8,
    RECORDER_LINE = 256,
};

static const char *const record_names[SP_RECORD_COUNT] = {
    [SP_RECORD_RUN] = "run",     [SP_RECORD_HANDLE] = "handle",   [SP_RECORD_SEND] = "send",
    [SP_RECORD_REPLY] = "reply", [SP_RECORD_PROCESS] = "process", [SP_RECORD_SPAWN] = "spawn",
    [SP_RECORD_EXIT] = "exit",   [SP_RECORD_NAME] = "name",       [SP_RECORD_YIELD] = "yield",
    [SP_RECORD_NET] = "net",     [SP_RECORD_FAULT] = "fault",     [SP_RECORD_PARK] = "park",
};

const char *sp_record_name(enum sp_record_kind kind)
{
    return kind < SP_RECORD_COUNT ? record_names[kind] : "unknown";
}

static int record_compare(const void *a, const void *b)
{
    const struct sp_record *one = a;
    const struct sp_record *other = b;
    if (one->order != other->order)
        return one->order < other->order ? -1 : 1;
    return (one->thread > other->thread) - (one->thread < other->thread);
}

/* All events after `since`, in order. NULL: none, or no memory. */
static struct sp_record *records_gather(struct sp_runtime *runtime, uint64_t since,
                                        size_t *out_count)
{
    const struct sp__record_ring *rings = sp__recorder_rings(runtime);
    struct sp__recorder_clock clock = sp__recorder_clock(runtime);
    size_t room = 0;
    *out_count = 0;
    for (const struct sp__record_ring *ring = rings; ring != NULL; ring = ring->next)
        room += (size_t)ring->mask + 1;
    struct sp_record *records = room == 0 ? NULL : sp__malloc(room * sizeof(*records));
    if (records == NULL)
        return NULL;
    size_t count = 0;
    for (const struct sp__record_ring *ring = rings; ring != NULL; ring = ring->next) {
        size_t end = count + sp__recorder_copy(ring, &clock, records + count);
        for (size_t i = count; i < end; i++)
            if (records[i].order > since)
                records[count++] = records[i];
    }
    qsort(records, count, sizeof(*records), record_compare);
    *out_count = count;
    return records;
}

size_t sp_recorder_read(struct sp_runtime *runtime, uint64_t *cursor, struct sp_record *records,
                        size_t max)
{
    size_t count;
    struct sp_record *all = records_gather(runtime, *cursor, &count);
    if (count > max)
        count = max;
    if (count > 0) {
        memcpy(records, all, count * sizeof(*records));
        *cursor = records[count - 1].order;
    }
    sp__free(all);
    return count;
}

void sp__recorder_last(struct sp__context *context, void (*line)(void *arg, const char *text),
                       void *arg)
{
    struct sp_runtime *runtime = context->runtime;
    /* acquire: as in add. */
    struct sp__record_ring *ring = atomic_load_explicit(&context->record, memory_order_acquire);
    struct sp_record *records =
        ring == NULL ? NULL : sp__malloc(((size_t)ring->mask + 1) * sizeof(*records));
    if (records == NULL)
        return;
    struct sp__recorder_clock clock = sp__recorder_clock(runtime);
    size_t count = sp__recorder_copy(ring, &clock, records);
    for (size_t i = count > RECORDER_LOGGED ? count - RECORDER_LOGGED : 0; i < count; i++) {
        const struct sp_record *record = &records[i];
        char process[SP_PID_TEXT_MAX];
        char other[SP_PID_TEXT_MAX];
        char text[RECORDER_LINE];
        bool concerns = !sp_pid_is_none(record->other);
        (void)snprintf(text, sizeof(text), "%.1f us ago: %s %s %s%s%s",
                       (double)(clock.ns - record->at.ns) / 1e3,
                       sp_pid_format(record->process, process), sp_record_name(record->kind),
                       record->what == NULL ? "" : record->what, concerns ? ", " : "",
                       concerns ? sp_pid_format(record->other, other) : "");
        line(arg, text);
    }
    sp__free(records);
}

static void recorder_log_line(void *arg, const char *text)
{
    sp__log(arg, SP_LOG_WARNING, "recorded %s", text);
}

void sp__recorder_log(struct sp__context *context)
{
    sp__recorder_last(context, recorder_log_line, context->runtime);
}
