#include "observe/exposition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EXPOSITION_NUMBER_MAX = 48 };

static const char *const exposition_types[] = { "counter", "gauge", "histogram" };

/* ---- text ---- */

static void expose_flush(struct sp__exposition *to)
{
    if (to->err == SP_OK && to->used > 0 && !to->write(to->arg, to->buffer, to->used))
        to->err = SP_ERR_IO;
    to->used = 0;
}

static void expose_bytes(struct sp__exposition *to, const char *bytes, size_t size)
{
    while (size > 0 && to->err == SP_OK) {
        size_t room = sizeof(to->buffer) - to->used;
        size_t part = size < room ? size : room;
        memcpy(to->buffer + to->used, bytes, part);
        to->used += part;
        bytes += part;
        size -= part;
        if (to->used == sizeof(to->buffer))
            expose_flush(to);
    }
}

static void expose_text(struct sp__exposition *to, const char *text)
{
    expose_bytes(to, text, strlen(text));
}

/* Bytes that a character of UTF-8 has by its first, or 0: none begins so. */
static size_t utf8_size(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Is the second byte one that makes it longer than need be, a surrogate, or beyond the last? */
static bool utf8_is_bad(unsigned char first, unsigned char second)
{
    return (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
           (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
}

/* Bytes of the character of UTF-8 at `text`, or 0: it is none. Source: RFC 3629. */
static size_t utf8_length(const unsigned char *text)
{
    size_t length = utf8_size(text[0]);
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return length > 1 && utf8_is_bad(text[0], text[1]) ? 0 : length;
}

/* `quotes`: they are escaped too. */
static void expose_escaped(struct sp__exposition *to, const char *text, bool quotes)
{
    while (*text != '\0') {
        size_t length = utf8_length((const unsigned char *)text);
        if (*text == '\\')
            expose_text(to, "\\\\");
        else if (*text == '\n')
            expose_text(to, "\\n");
        else if (*text == '"' && quotes)
            expose_text(to, "\\\"");
        else if (length == 0)
            expose_text(to, "\xef\xbf\xbd"); /* U+FFFD */
        else
            expose_bytes(to, text, length);
        text += length == 0 ? 1 : length;
    }
}

/* ---- numbers ---- */

/* Nanoseconds as seconds, exactly, without zeros that say nothing. */
static void number_seconds(char text[EXPOSITION_NUMBER_MAX], uint64_t ns)
{
    int length = snprintf(text, EXPOSITION_NUMBER_MAX, "%" PRIu64 ".%09" PRIu64, ns / 1000000000,
                          ns % 1000000000);
    while (text[length - 1] == '0' && text[length - 2] != '.')
        text[--length] = '\0';
}

static void expose_number(struct sp__exposition *to, enum sp_metric_unit unit, uint64_t value)
{
    char text[EXPOSITION_NUMBER_MAX];
    if (unit == SP_UNIT_SECONDS)
        number_seconds(text, value);
    else
        (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    expose_text(to, text);
}

/* ---- samples ---- */

/* `le` NULL: none. */
static void expose_name(struct sp__exposition *to, const char *name, const char *suffix,
                        const struct sp_label *labels, size_t count, const char *le)
{
    const char *between = "{";
    expose_text(to, name);
    expose_text(to, suffix);
    for (size_t i = 0; i < count + (le != NULL); i++) {
        expose_text(to, between);
        expose_text(to, i < count ? labels[i].name : "le");
        expose_text(to, "=\"");
        expose_escaped(to, i < count ? labels[i].value : le, true);
        expose_text(to, "\"");
        between = ",";
    }
    expose_text(to, count + (le != NULL) > 0 ? "} " : " ");
}

void sp__expose_begin(struct sp__exposition *to, enum sp_metrics_format format,
                      sp_metrics_write_fn write, void *arg)
{
    to->format = format;
    to->write = write;
    to->arg = arg;
    to->err = SP_OK;
    to->used = 0;
}

sp_err sp__expose_end(struct sp__exposition *to)
{
    if (to->format == SP_METRICS_OPENMETRICS)
        expose_text(to, "# EOF\n");
    expose_flush(to);
    return to->err;
}

static void expose_head(struct sp__exposition *to, const char *what, const char *name,
                        const char *suffix)
{
    expose_text(to, "# ");
    expose_text(to, what);
    expose_text(to, " ");
    expose_text(to, name);
    expose_text(to, suffix);
    expose_text(to, " ");
}

void sp__expose_family(struct sp__exposition *to, const struct sp__family_head *head)
{
    bool open = to->format == SP_METRICS_OPENMETRICS;
    /* The older format names the sample, the newer the family. */
    const char *suffix = head->kind == SP__METRIC_COUNTER && !open ? "_total" : "";
    if (head->help != NULL) {
        expose_head(to, "HELP", head->name, suffix);
        expose_escaped(to, head->help, open);
        expose_text(to, "\n");
    }
    expose_head(to, "TYPE", head->name, suffix);
    expose_text(to, exposition_types[head->kind]);
    expose_text(to, "\n");
    if (!open || head->unit == SP_UNIT_NONE)
        return;
    expose_head(to, "UNIT", head->name, "");
    expose_text(to, head->unit == SP_UNIT_SECONDS ? "seconds\n" : "bytes\n");
}

void sp__expose_uint(struct sp__exposition *to, const struct sp__family_head *head,
                     const struct sp_label *labels, size_t count, uint64_t value)
{
    expose_name(to, head->name, head->kind == SP__METRIC_COUNTER ? "_total" : "", labels, count,
                NULL);
    expose_number(to, head->unit, value);
    expose_text(to, "\n");
}

void sp__expose_int(struct sp__exposition *to, const struct sp__family_head *head,
                    const struct sp_label *labels, size_t count, int64_t value)
{
    expose_name(to, head->name, "", labels, count, NULL);
    if (value < 0)
        expose_text(to, "-");
    expose_number(to, head->unit, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    expose_text(to, "\n");
}

/* ---- histograms ---- */

static void expose_hex(struct sp__exposition *to, const char *name, const uint8_t *bytes,
                       size_t size)
{
    static const char digits[] = "0123456789abcdef";
    expose_text(to, name);
    expose_text(to, "=\"");
    for (size_t i = 0; i < size; i++) {
        expose_bytes(to, &digits[bytes[i] >> 4], 1);
        expose_bytes(to, &digits[bytes[i] & 15], 1);
    }
    expose_text(to, "\"");
}

static void expose_exemplar(struct sp__exposition *to, const struct sp__exemplar *exemplar,
                            enum sp_metric_unit unit)
{
    char at[EXPOSITION_NUMBER_MAX];
    expose_text(to, " # {");
    expose_hex(to, "trace_id", exemplar->trace.trace_id, sizeof(exemplar->trace.trace_id));
    expose_text(to, ",");
    expose_hex(to, "span_id", exemplar->trace.span_id, sizeof(exemplar->trace.span_id));
    expose_text(to, "} ");
    expose_number(to, unit, exemplar->value);
    expose_text(to, " ");
    number_seconds(at, (uint64_t)exemplar->wall_ns);
    expose_text(to, at);
}

/* The newest exemplar of the values that a written bucket has and the one before it has not; `from` and `to_slot` are
 * exponents. NULL: none. */
static const struct sp__exemplar *exemplar_of(const struct sp__written_buckets *written,
                                              unsigned from, unsigned end)
{
    const struct sp__exemplar *newest = NULL;
    for (unsigned i = from; written->exemplars != NULL && i < end; i++) {
        const struct sp__exemplar *one = &written->exemplars[i];
        if (one->wall_ns != 0 && (newest == NULL || one->wall_ns > newest->wall_ns))
            newest = one;
    }
    return newest;
}

static void expose_bucket(struct sp__exposition *to, const struct sp__family_head *head,
                          const struct sp_label *labels, size_t label_count, const char *le,
                          uint64_t count, const struct sp__exemplar *exemplar)
{
    expose_name(to, head->name, "_bucket", labels, label_count, le);
    expose_number(to, SP_UNIT_NONE, count);
    if (exemplar != NULL && to->format == SP_METRICS_OPENMETRICS)
        expose_exemplar(to, exemplar, head->unit);
    expose_text(to, "\n");
}

/* What is below a power of two: the last such value is the bound of small numbers, the power itself that of times, of
 * which a nanosecond more or less is none. */
static void bound_text(char text[EXPOSITION_NUMBER_MAX], enum sp_metric_unit unit, unsigned power)
{
    if (unit == SP_UNIT_SECONDS)
        number_seconds(text, UINT64_C(1) << power);
    else
        (void)snprintf(text, EXPOSITION_NUMBER_MAX, "%" PRIu64 ".0", (UINT64_C(1) << power) - 1);
}

void sp__expose_histogram(struct sp__exposition *to, const struct sp__family_head *head,
                          const struct sp_label *labels, size_t count,
                          const struct sp_histogram_values *values,
                          const struct sp__written_buckets *written)
{
    unsigned first = sp__exemplar_slot(written->low);
    unsigned last = sp__exemplar_slot(written->high);
    unsigned slot = 0;
    uint64_t below = 0;
    uint32_t bucket = 0;
    for (unsigned power = first == 0 ? 1 : first; power <= last; power++) {
        char le[EXPOSITION_NUMBER_MAX];
        uint32_t end = sp_histogram_bucket(UINT64_C(1) << power);
        for (; bucket < end; bucket++)
            below += values->buckets[bucket];
        bound_text(le, head->unit, power);
        expose_bucket(to, head, labels, count, le, below, exemplar_of(written, slot, power));
        slot = power;
    }
    for (; bucket < SP_HISTOGRAM_BUCKETS; bucket++)
        below += values->buckets[bucket];
    expose_bucket(to, head, labels, count, "+Inf", below, exemplar_of(written, slot, 64));
    expose_name(to, head->name, "_sum", labels, count, NULL);
    expose_number(to, head->unit, values->sum);
    expose_text(to, "\n");
    expose_name(to, head->name, "_count", labels, count, NULL);
    expose_number(to, SP_UNIT_NONE, below);
    expose_text(to, "\n");
}
