/* Reply encoder. See resp_writer.h. */
#include "resp_writer.h"

#include "number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WRITER_CAP_MIN = 256,
    WRITER_HEAD_MAX = KV_INT_TEXT_MAX + 3, /* type, number, \r\n */
    WRITER_ERROR_MAX = 512,
};

void resp_out_init(struct resp_out *out, int protocol, size_t max)
{
    *out = (struct resp_out){ .protocol = (uint8_t)protocol, .max = max };
}

void resp_out_finish(struct resp_out *out)
{
    free(out->data);
    resp_out_init(out, out->protocol, out->max);
}

/* Out of line: growing is rare, and the fast path of resp_reserve() stays small. */
SP_NOINLINE static bool writer_grow(struct resp_out *out, size_t len)
{
    size_t want = out->len + len;
    if (out->failed || want < len || (out->max != 0 && want > out->max)) {
        out->failed = true;
        return false;
    }
    size_t cap = out->cap < WRITER_CAP_MIN ? WRITER_CAP_MIN : out->cap;
    while (cap < want)
        cap = cap > SIZE_MAX / 2 ? want : cap * 2;
    char *data = realloc(out->data, cap);
    if (data == NULL) {
        out->failed = true;
        return false;
    }
    out->data = data;
    out->cap = cap;
    return true;
}

char *resp_reserve(struct resp_out *out, size_t len)
{
    if ((out->failed || len > out->cap - out->len) && !writer_grow(out, len))
        return NULL;
    return out->data + out->len;
}

void resp_raw(struct resp_out *out, const void *data, size_t len)
{
    char *to = len == 0 ? NULL : resp_reserve(out, len);
    if (to == NULL)
        return;
    memcpy(to, data, len);
    out->len += len;
}

static size_t writer_head(char *to, char type, int64_t number)
{
    to[0] = type;
    size_t n = 1 + kv_int_format(to + 1, number);
    to[n++] = '\r';
    to[n++] = '\n';
    return n;
}

static void writer_number(struct resp_out *out, char type, int64_t number)
{
    char *to = resp_reserve(out, WRITER_HEAD_MAX);
    if (to != NULL)
        out->len += writer_head(to, type, number);
}

static void writer_line(struct resp_out *out, char type, const char *text, size_t len)
{
    char *to = resp_reserve(out, len + 3);
    if (to == NULL)
        return;
    to[0] = type;
    memcpy(to + 1, text, len);
    memcpy(to + 1 + len, "\r\n", 2);
    out->len += len + 3;
}

void resp_simple(struct resp_out *out, const char *text)
{
    writer_line(out, '+', text, strlen(text));
}

void resp_error(struct resp_out *out, const char *text)
{
    writer_line(out, '-', text, strlen(text));
}

void resp_errorf(struct resp_out *out, const char *format, ...)
{
    char text[WRITER_ERROR_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(text))
        len = (int)sizeof(text) - 1;
    for (int i = 0; i < len; i++)
        if (text[i] == '\r' || text[i] == '\n')
            text[i] = ' ';
    writer_line(out, '-', text, (size_t)len);
}

void resp_int(struct resp_out *out, int64_t value)
{
    writer_number(out, ':', value);
}

void resp_bulk(struct resp_out *out, const void *data, size_t len)
{
    if (len > SIZE_MAX / 2) {
        out->failed = true;
        return;
    }
    char *to = resp_reserve(out, WRITER_HEAD_MAX + len + 2);
    if (to == NULL)
        return;
    size_t head = writer_head(to, '$', (int64_t)len);
    if (len != 0)
        memcpy(to + head, data, len);
    memcpy(to + head + len, "\r\n", 2);
    out->len += head + len + 2;
}

void resp_text(struct resp_out *out, const char *text)
{
    resp_bulk(out, text, strlen(text));
}

void resp_bulk_int(struct resp_out *out, int64_t value)
{
    char text[KV_INT_TEXT_MAX];
    resp_bulk(out, text, kv_int_format(text, value));
}

void resp_null(struct resp_out *out)
{
    if (out->protocol == 3)
        resp_raw(out, "_\r\n", 3);
    else
        resp_raw(out, "$-1\r\n", 5);
}

void resp_null_array(struct resp_out *out)
{
    if (out->protocol == 3)
        resp_raw(out, "_\r\n", 3);
    else
        resp_raw(out, "*-1\r\n", 5);
}

void resp_array(struct resp_out *out, size_t count)
{
    writer_number(out, '*', (int64_t)count);
}

void resp_map(struct resp_out *out, size_t pairs)
{
    if (out->protocol == 3)
        writer_number(out, '%', (int64_t)pairs);
    else
        resp_array(out, pairs * 2);
}

void resp_set(struct resp_out *out, size_t count)
{
    writer_number(out, out->protocol == 3 ? '~' : '*', (int64_t)count);
}

void resp_push(struct resp_out *out, size_t count)
{
    writer_number(out, out->protocol == 3 ? '>' : '*', (int64_t)count);
}

void resp_double(struct resp_out *out, double value)
{
    char text[64];
    int len;
    if (isinf(value))
        len = snprintf(text, sizeof(text), "%s", value > 0 ? "inf" : "-inf");
    else
        len = snprintf(text, sizeof(text), "%.17g", value);
    if (out->protocol == 3)
        writer_line(out, ',', text, (size_t)len);
    else
        resp_bulk(out, text, (size_t)len);
}

void resp_bool(struct resp_out *out, bool value)
{
    if (out->protocol == 3)
        resp_raw(out, value ? "#t\r\n" : "#f\r\n", 4);
    else
        resp_int(out, value);
}

void resp_verbatim(struct resp_out *out, const char *format, const void *data, size_t len)
{
    if (out->protocol != 3) {
        resp_bulk(out, data, len);
        return;
    }
    writer_number(out, '=', (int64_t)len + 4);
    resp_raw(out, format, 3);
    resp_raw(out, ":", 1);
    resp_raw(out, data, len);
    resp_raw(out, "\r\n", 2);
}
