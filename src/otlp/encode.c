#include "otlp/encode.h"

#include <stdio.h>
#include <string.h>

enum {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
    LENGTH_BYTES = 5, /* of a nested message */
};

/* Fields, by message. */
enum {
    REQUEST_RESOURCE_SPANS = 1,
    RESOURCE_SPANS_RESOURCE = 1,
    RESOURCE_SPANS_SCOPE_SPANS = 2,
    RESOURCE_ATTRIBUTES = 1,
    SCOPE_SPANS_SCOPE = 1,
    SCOPE_SPANS_SPANS = 2,
    SCOPE_NAME = 1,
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_TRACE_STATE = 3,
    SPAN_PARENT = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16,
    STATUS_MESSAGE = 2,
    STATUS_CODE = 3,
    PAIR_KEY = 1,
    PAIR_VALUE = 2,
    VALUE_STRING = 1,
    VALUE_INT = 3,
};

/* Values of enumerations. */
enum {
    KIND_INTERNAL = 1,
    KIND_SERVER = 2,
    CODE_OK = 1,
    CODE_ERROR = 2,
};

/* What could not be appended is remembered, so that the caller looks once. */
struct writer {
    struct sp__buf *buf;
    sp_err err;
};

/* ---- the format ---- */

static void put(struct writer *writer, const void *bytes, size_t size)
{
    if (writer->err == SP_OK)
        writer->err = sp__buf_append(writer->buf, bytes, size);
}

static void put_varint(struct writer *writer, uint64_t value)
{
    unsigned char bytes[10];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (unsigned char)(value | 0x80);
    bytes[size++] = (unsigned char)value;
    put(writer, bytes, size);
}

static void put_tag(struct writer *writer, unsigned field, unsigned wire)
{
    put_varint(writer, field << 3 | wire);
}

static void put_bytes(struct writer *writer, unsigned field, const void *bytes, size_t size)
{
    put_tag(writer, field, WIRE_BYTES);
    put_varint(writer, size);
    put(writer, bytes, size);
}

/* A text that is not UTF-8 would have the whole request refused: what is not ASCII becomes '?'. */
static void put_text(struct writer *writer, unsigned field, const char *text)
{
    char plain[SP_TRACE_STATE_MAX + 1];
    size_t size = strnlen(text, sizeof(plain));
    if (size == sizeof(plain))
        size--;
    for (size_t i = 0; i < size; i++)
        plain[i] = (char)((unsigned char)text[i] < 0x80 ? text[i] : '?');
    put_bytes(writer, field, plain, size);
}

static void put_fixed64(struct writer *writer, unsigned field, uint64_t value)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    put_tag(writer, field, WIRE_FIXED64);
    put(writer, bytes, sizeof(bytes));
}

static void put_fixed32(struct writer *writer, unsigned field, uint32_t value)
{
    unsigned char bytes[4];
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    put_tag(writer, field, WIRE_FIXED32);
    put(writer, bytes, sizeof(bytes));
}

/* Begins a nested message; returns where its length goes, for put_close(). */
static size_t put_open(struct writer *writer, unsigned field)
{
    static const char nothing[LENGTH_BYTES];
    put_tag(writer, field, WIRE_BYTES);
    size_t at = sp__buf_len(writer->buf);
    put(writer, nothing, sizeof(nothing));
    return at;
}

static void put_close(struct writer *writer, size_t at)
{
    if (writer->err != SP_OK)
        return;
    unsigned char *bytes = (unsigned char *)sp__buf_data(writer->buf) + at;
    size_t size = sp__buf_len(writer->buf) - at - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++)
        bytes[i] = (unsigned char)((size >> (7 * i) & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
}

/* ---- pairs ---- */

static void put_pair(struct writer *writer, unsigned field, const char *key, const char *value)
{
    size_t pair = put_open(writer, field);
    put_text(writer, PAIR_KEY, key);
    size_t any = put_open(writer, PAIR_VALUE);
    put_text(writer, VALUE_STRING, value);
    put_close(writer, any);
    put_close(writer, pair);
}

static void put_number(struct writer *writer, unsigned field, const char *key, int64_t value)
{
    size_t pair = put_open(writer, field);
    put_text(writer, PAIR_KEY, key);
    size_t any = put_open(writer, PAIR_VALUE);
    put_tag(writer, VALUE_INT, WIRE_VARINT);
    put_varint(writer, (uint64_t)value);
    put_close(writer, any);
    put_close(writer, pair);
}

/* Big-endian, as they are written. */
static void put_id(struct writer *writer, unsigned field, const uint64_t *words, size_t count)
{
    unsigned char bytes[16];
    for (size_t i = 0; i < 8 * count; i++)
        bytes[i] = (unsigned char)(words[i / 8] >> (56 - 8 * (i % 8)));
    put_bytes(writer, field, bytes, 8 * count);
}

/* ---- a span ---- */

static void span_operation(struct writer *writer, const struct sp_trace_record *record)
{
    char pid[SP_PID_TEXT_MAX];
    put_pair(writer, SPAN_ATTRIBUTES, "rpc.system", "spawned");
    put_pair(writer, SPAN_ATTRIBUTES, "rpc.service", record->service);
    put_pair(writer, SPAN_ATTRIBUTES, "rpc.method", record->name);
    if (!sp_pid_is_none(record->from))
        put_pair(writer, SPAN_ATTRIBUTES, "spawned.from", sp_pid_format(record->from, pid));
    put_number(writer, SPAN_ATTRIBUTES, "spawned.queue_ns", record->queued.ns);
}

static void span_attributes(struct writer *writer, const struct sp_trace_record *record)
{
    char pid[SP_PID_TEXT_MAX];
    if (record->kind == SP_TRACE_OPERATION)
        span_operation(writer, record);
    put_pair(writer, SPAN_ATTRIBUTES, "spawned.pid", sp_pid_format(record->pid, pid));
    put_pair(writer, SPAN_ATTRIBUTES, "spawned.outcome", sp_trace_outcome_name(record->outcome));
    for (const struct sp_trace_attribute *one = record->attributes; one != NULL; one = one->next)
        if (one->text != NULL)
            put_pair(writer, SPAN_ATTRIBUTES, one->key, one->text);
        else
            put_number(writer, SPAN_ATTRIBUTES, one->key, one->number);
}

static void span_status(struct writer *writer, const struct sp_trace_record *record)
{
    bool good = record->outcome == SP_TRACE_OK;
    size_t status = put_open(writer, SPAN_STATUS);
    if (!good)
        put_text(writer, STATUS_MESSAGE,
                 record->outcome == SP_TRACE_ERROR ? sp_err_text(record->err)
                                                   : sp_trace_outcome_name(record->outcome));
    put_tag(writer, STATUS_CODE, WIRE_VARINT);
    put_varint(writer, good ? CODE_OK : CODE_ERROR);
    put_close(writer, status);
}

static void put_span(struct writer *writer, const struct sp__otlp_resource *resource,
                     const struct sp_trace_record *record)
{
    char name[SP_TRACE_VALUE_MAX + 1];
    const uint64_t trace[2] = { record->context.trace.high, record->context.trace.low };
    bool first = record->parent == 0 && record->kind == SP_TRACE_OPERATION;
    size_t span = put_open(writer, SCOPE_SPANS_SPANS);
    put_id(writer, SPAN_TRACE_ID, trace, 2);
    put_id(writer, SPAN_SPAN_ID, &record->context.span, 1);
    if (record->state != NULL)
        put_text(writer, SPAN_TRACE_STATE, record->state);
    if (record->parent != 0)
        put_id(writer, SPAN_PARENT, &record->parent, 1);
    if (record->kind == SP_TRACE_OPERATION)
        snprintf(name, sizeof(name), "%s/%s", record->service, record->name);
    else
        snprintf(name, sizeof(name), "%s", record->name);
    put_text(writer, SPAN_NAME, name);
    put_tag(writer, SPAN_KIND, WIRE_VARINT);
    put_varint(writer, first ? KIND_SERVER : KIND_INTERNAL);
    put_fixed64(writer, SPAN_START, (uint64_t)(record->start.ns + resource->epoch_ns));
    put_fixed64(writer, SPAN_END, (uint64_t)(record->end.ns + resource->epoch_ns));
    span_attributes(writer, record);
    span_status(writer, record);
    put_fixed32(writer, SPAN_FLAGS, record->context.flags);
    put_close(writer, span);
}

/* ---- the request ---- */

static void put_resource(struct writer *writer, const struct sp__otlp_resource *resource)
{
    size_t at = put_open(writer, RESOURCE_SPANS_RESOURCE);
    put_pair(writer, RESOURCE_ATTRIBUTES, "service.name", resource->service);
    put_pair(writer, RESOURCE_ATTRIBUTES, "telemetry.sdk.name", "spawned");
    put_pair(writer, RESOURCE_ATTRIBUTES, "telemetry.sdk.language", "c");
    for (size_t i = 0; i < resource->attribute_count; i++) {
        char key[SP_TRACE_VALUE_MAX + 1];
        const char *equals = strchr(resource->attributes[i], '=');
        snprintf(key, sizeof(key), "%.*s", (int)(equals - resource->attributes[i]),
                 resource->attributes[i]);
        put_pair(writer, RESOURCE_ATTRIBUTES, key, equals + 1);
    }
    put_close(writer, at);
}

sp_err sp__otlp_encode(struct sp__buf *out, const struct sp__otlp_resource *resource,
                       const struct sp_trace_record *records, size_t count)
{
    struct writer writer = { .buf = out, .err = SP_OK };
    size_t all = put_open(&writer, REQUEST_RESOURCE_SPANS);
    put_resource(&writer, resource);
    size_t spans = put_open(&writer, RESOURCE_SPANS_SCOPE_SPANS);
    size_t scope = put_open(&writer, SCOPE_SPANS_SCOPE);
    put_text(&writer, SCOPE_NAME, "spawned");
    put_close(&writer, scope);
    for (size_t i = 0; i < count; i++)
        put_span(&writer, resource, &records[i]);
    put_close(&writer, spans);
    put_close(&writer, all);
    return writer.err;
}
