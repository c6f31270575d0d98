/* The flight recorder's events as a trace in JSON. See recorder.h.
 *
 * A thread is a row. A process that goes on begins a slice, a message that is handled one within it; both
 * end where the next begins, or where the thread sleeps. Everything else is an instant.
 */
#include "base/alloc.h"
#include "runtime/backend.h"
#include "base/text.h"
#include "runtime/recorder.h"

#include <string.h>

enum {
    TRACE_LINE = 512,
    TRACE_NAME = 128,
};

struct trace {
    sp_recorder_write_fn write;
    void *arg;
    bool good;
    bool first;
    int64_t begin_ns; /* of the trace */
};

static void trace_write(struct trace *trace, const struct sp__text *line)
{
    const char *text = sp__text_str(line);
    trace->good = trace->good && trace->write(trace->arg, text, strlen(text));
}

static void line_begin(struct trace *trace, struct sp__text *line, char buffer[TRACE_LINE])
{
    sp__text_init(line, buffer, TRACE_LINE);
    sp__text_add(line, "%s\n", trace->first ? "" : ",");
    trace->first = false;
}

/* What stands between quotes in JSON; long names are cut. */
static void line_string(struct sp__text *line, const char *text)
{
    for (size_t i = 0; text[i] != '\0' && i < TRACE_NAME; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == '"' || byte == '\\' || byte >= 0x7f)
            sp__text_add(line, "\\u%04x", byte);
        else
            sp__text_add(line, "%c", byte);
    }
}

static void trace_thread(struct trace *trace, const struct sp__record_ring *ring)
{
    char buffer[TRACE_LINE];
    struct sp__text line;
    line_begin(trace, &line, buffer);
    sp__text_add(&line,
                 "{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":%u,"
                 "\"args\":{\"name\":\"%s %u\"}}",
                 ring->number, ring->worker ? "worker" : "thread", ring->number);
    trace_write(trace, &line);
}

static void line_head(struct trace *trace, struct sp__text *line, const char *phase,
                      const struct sp_record *record)
{
    char pid[SP_PID_TEXT_MAX];
    sp__text_add(line, "{\"ph\":\"%s\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"name\":\"", phase,
                 record->thread, (double)(record->at.ns - trace->begin_ns) / 1e3);
    if (record->kind != SP_RECORD_RUN && record->kind != SP_RECORD_HANDLE)
        sp__text_add(line, "%s ", sp_record_name(record->kind));
    line_string(line, record->what != NULL ? record->what : sp_record_name(record->kind));
    sp__text_add(line, "\",\"args\":{\"process\":\"%s\"", sp_pid_format(record->process, pid));
    if (!sp_pid_is_none(record->other))
        sp__text_add(line, ",\"other\":\"%s\"", sp_pid_format(record->other, pid));
}

static void trace_slice(struct trace *trace, const struct sp_record *record, int64_t end_ns)
{
    char buffer[TRACE_LINE];
    struct sp__text line;
    line_begin(trace, &line, buffer);
    line_head(trace, &line, "X", record);
    sp__text_add(&line, "},\"dur\":%.3f}", (double)(end_ns - record->at.ns) / 1e3);
    trace_write(trace, &line);
}

static void trace_instant(struct trace *trace, const struct sp_record *record)
{
    char buffer[TRACE_LINE];
    struct sp__text line;
    line_begin(trace, &line, buffer);
    line_head(trace, &line, "i", record);
    sp__text_add(&line, "},\"s\":\"t\"}");
    trace_write(trace, &line);
}

/* Where the slice that begins at `i` ends. */
static int64_t slice_end(const struct sp_record *records, size_t count, size_t i, int64_t now_ns)
{
    bool handles = records[i].kind == SP_RECORD_HANDLE;
    for (size_t k = i + 1; k < count; k++)
        if (records[k].kind == SP_RECORD_RUN || records[k].kind == SP_RECORD_PARK ||
            (handles && records[k].kind == SP_RECORD_HANDLE))
            return records[k].at.ns;
    return now_ns;
}

static void trace_ring(struct trace *trace, const struct sp_record *records, size_t count,
                       int64_t now_ns)
{
    for (size_t i = 0; i < count && trace->good; i++) {
        bool slice = records[i].kind == SP_RECORD_RUN || records[i].kind == SP_RECORD_HANDLE;
        if (slice)
            trace_slice(trace, &records[i], slice_end(records, count, i, now_ns));
        else
            trace_instant(trace, &records[i]);
    }
}

static sp_err trace_rings(struct trace *trace, struct sp_runtime *runtime)
{
    const struct sp__record_ring *rings = sp__recorder_rings(runtime);
    for (const struct sp__record_ring *ring = rings; ring != NULL; ring = ring->next) {
        struct sp_record *records = sp__malloc(((size_t)ring->mask + 1) * sizeof(*records));
        if (records == NULL)
            return SP_ERR_NOMEM;
        struct sp__recorder_clock clock = sp__recorder_clock(runtime);
        size_t count = sp__recorder_copy(ring, &clock, records);
        trace_thread(trace, ring);
        trace_ring(trace, records, count, clock.ns);
        sp__free(records);
    }
    return SP_OK;
}

sp_err sp_recorder_export(struct sp_runtime *runtime, sp_recorder_write_fn write, void *arg)
{
    static const char begin[] = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
    static const char end[] = "\n]}\n";
    struct trace trace = { .write = write, .arg = arg, .first = true };
    if (sp__recorder_rings(runtime) != NULL)
        trace.begin_ns = runtime->recorder->ns_0;
    trace.good = write(arg, begin, sizeof(begin) - 1);
    sp_err err = trace_rings(&trace, runtime);
    if (err == SP_OK && trace.good)
        trace.good = write(arg, end, sizeof(end) - 1);
    return err == SP_OK && !trace.good ? SP_ERR_IO : err;
}
