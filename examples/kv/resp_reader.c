/* Incremental request parser. See resp_reader.h. */
#include "resp_reader.h"

#include "number.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    READER_SPANS_KEEP = 1024, /* a larger table is given back before the next request */
};

static size_t reader_limit(size_t value, size_t standard)
{
    return value != 0 ? value : standard;
}

void resp_reader_init(struct resp_reader *reader, const struct resp_limits *limits)
{
    const struct resp_limits none = { 0 };
    if (limits == NULL)
        limits = &none;
    memset(reader, 0, sizeof(*reader));
    reader->limits = (struct resp_limits){
        .bulk_max = reader_limit(limits->bulk_max, (size_t)512 << 20),
        .args_max = reader_limit(limits->args_max, INT32_MAX),
        .line_max = reader_limit(limits->line_max, (size_t)64 << 10),
        .request_max = reader_limit(limits->request_max, (size_t)1 << 30),
    };
    reader->span = reader->few;
    reader->span_max = RESP_SPANS_INLINE;
    reader->done = true;
}

void resp_reader_finish(struct resp_reader *reader)
{
    if (reader->span != reader->few)
        free(reader->span);
    reader->span = reader->few;
    reader->span_max = RESP_SPANS_INLINE;
}

static void reader_begin(struct resp_reader *reader)
{
    if (reader->span_max > READER_SPANS_KEEP)
        resp_reader_finish(reader);
    reader->argc = 0;
    reader->used = 0;
    reader->scanned = 0;
    reader->bulk_len = -1;
    reader->args_left = 0;
    reader->done = false;
}

static enum resp_result reader_broken(struct resp_reader *reader, const char *text)
{
    snprintf(reader->error, sizeof(reader->error), "Protocol error: %s", text);
    return RESP_BROKEN;
}

static enum resp_result reader_more(struct resp_reader *reader, size_t need)
{
    reader->need = need;
    return RESP_MORE;
}

static bool reader_span_add(struct resp_reader *reader, size_t offset, size_t len)
{
    if (reader->argc == reader->span_max) {
        size_t max = reader->span_max * 2;
        bool inside = reader->span == reader->few;
        struct resp_span *span = realloc(inside ? NULL : reader->span, max * sizeof(*span));
        if (span == NULL)
            return false;
        if (inside)
            memcpy(span, reader->few, sizeof(reader->few));
        reader->span = span;
        reader->span_max = max;
    }
    reader->span[reader->argc++] = (struct resp_span){ offset, len };
    return true;
}

/* Finds `end` in the line that begins at `used`. A line that is too long is refused whether
 * or not its end has arrived, so the result does not depend on how the bytes came. */
static enum resp_result reader_line(struct resp_reader *reader, const char *data, size_t len,
                                    char end, const char *too_big, size_t *out_end)
{
    size_t window = len - reader->used;
    if (window > reader->limits.line_max + 1)
        window = reader->limits.line_max + 1;
    size_t from = reader->scanned > reader->used ? reader->scanned : reader->used;
    size_t stop = reader->used + window;
    const char *found = from < stop ? memchr(data + from, end, stop - from) : NULL;
    if (found != NULL) {
        *out_end = (size_t)(found - data);
        return RESP_REQUEST;
    }
    if (window > reader->limits.line_max)
        return reader_broken(reader, too_big);
    reader->scanned = stop;
    return reader_more(reader, len + 1);
}

/* Reads the number of a length line: a type byte, digits, \r and one more byte. */
static enum resp_result reader_length(struct resp_reader *reader, const char *data, size_t len,
                                      const char *too_big, bool *out_valid, int64_t *out_value)
{
    size_t end;
    enum resp_result result = reader_line(reader, data, len, '\r', too_big, &end);
    if (result != RESP_REQUEST)
        return result;
    if (end + 2 > len)
        return reader_more(reader, end + 2);
    size_t digits = reader->used + 1;
    *out_valid = end >= digits && kv_int_parse(data + digits, end - digits, out_value);
    reader->used = end + 2;
    return RESP_REQUEST;
}

static enum resp_result reader_array_header(struct resp_reader *reader, const char *data,
                                            size_t len)
{
    bool valid;
    int64_t count;
    enum resp_result result =
        reader_length(reader, data, len, "too big mbulk count string", &valid, &count);
    if (result != RESP_REQUEST)
        return result;
    if (!valid || (count > 0 && (uint64_t)count > reader->limits.args_max))
        return reader_broken(reader, "invalid multibulk length");
    reader->args_left = count > 0 ? (uint64_t)count : 0;
    return RESP_REQUEST;
}

static enum resp_result reader_bulk_header(struct resp_reader *reader, const char *data, size_t len)
{
    size_t start = reader->used;
    bool valid;
    int64_t bulk_len;
    enum resp_result result =
        reader_length(reader, data, len, "too big bulk count string", &valid, &bulk_len);
    if (result != RESP_REQUEST)
        return result;
    if (data[start] != '$') {
        char c = data[start];
        if (c == '\r' || c == '\n' || c == '\0')
            c = ' ';
        char text[] = "expected '$', got '?'";
        text[sizeof(text) - 3] = c;
        return reader_broken(reader, text);
    }
    if (!valid || bulk_len < 0 || (uint64_t)bulk_len > reader->limits.bulk_max)
        return reader_broken(reader, "invalid bulk length");
    if ((size_t)bulk_len + 2 > reader->limits.request_max ||
        reader->used > reader->limits.request_max - 2 - (size_t)bulk_len)
        return reader_broken(reader, "too big request");
    reader->bulk_len = bulk_len;
    return RESP_REQUEST;
}

/* The arguments after the header. The two bytes after each are skipped unseen. */
static enum resp_result reader_bulks(struct resp_reader *reader, const char *data, size_t len)
{
    while (reader->args_left > 0) {
        if (reader->bulk_len < 0) {
            enum resp_result result = reader_bulk_header(reader, data, len);
            if (result != RESP_REQUEST)
                return result;
        }
        size_t size = (size_t)reader->bulk_len;
        if (len - reader->used < size + 2)
            return reader_more(reader, reader->used + size + 2);
        if (!reader_span_add(reader, reader->used, size))
            return RESP_NOMEM;
        reader->used += size + 2;
        reader->bulk_len = -1;
        reader->args_left--;
    }
    reader->done = true;
    return RESP_REQUEST;
}

static bool inline_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int inline_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The line under way: `from` reads, `to` writes behind it. */
struct inline_line {
    char *data;
    size_t from;
    size_t to;
    size_t end;
};

/* One byte inside double quotes; `from` is at it. */
static void inline_escaped(struct inline_line *line)
{
    char *data = line->data;
    size_t left = line->end - line->from;
    char c = data[line->from];
    if (c == '\\' && left >= 4 && data[line->from + 1] == 'x' &&
        inline_hex(data[line->from + 2]) >= 0 && inline_hex(data[line->from + 3]) >= 0) {
        int high = inline_hex(data[line->from + 2]);
        data[line->to++] = (char)(high * 16 + inline_hex(data[line->from + 3]));
        line->from += 4;
        return;
    }
    if (c == '\\' && left >= 2) {
        static const char letters[] = "nrtba", values[] = "\n\r\t\b\a";
        c = data[line->from + 1];
        const char *letter = c != '\0' ? strchr(letters, c) : NULL;
        c = letter != NULL ? values[letter - letters] : c;
        line->from++;
    }
    data[line->to++] = c;
    line->from++;
}

/* A quoted part; `from` is after the opening quote. False: no end, or text right after it. */
static bool inline_quoted(struct inline_line *line, char quote)
{
    char *data = line->data;
    while (line->from < line->end && data[line->from] != quote) {
        if (quote == '"') {
            inline_escaped(line);
            continue;
        }
        if (data[line->from] == '\\' && line->from + 1 < line->end && data[line->from + 1] == '\'')
            line->from++;
        data[line->to++] = data[line->from++];
    }
    if (line->from == line->end)
        return false;
    line->from++;
    return line->from == line->end || inline_is_blank(data[line->from]);
}

/* One word, quotes included. False: unbalanced quotes. */
static bool inline_word(struct inline_line *line)
{
    while (line->from < line->end) {
        char c = line->data[line->from];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            return true;
        line->from++;
        if (c == '"' || c == '\'')
            return inline_quoted(line, c);
        line->data[line->to++] = c;
    }
    return true;
}

static enum resp_result reader_inline(struct resp_reader *reader, char *data, size_t len)
{
    size_t end;
    enum resp_result result = reader_line(reader, data, len, '\n', "too big inline request", &end);
    if (result != RESP_REQUEST)
        return result;
    struct inline_line line = { .data = data, .end = end };
    if (end > 0 && data[end - 1] == '\r')
        line.end--;
    for (;;) {
        while (line.from < line.end && inline_is_blank(data[line.from]))
            line.from++;
        if (line.from == line.end)
            break;
        size_t start = line.to;
        if (!inline_word(&line))
            return reader_broken(reader, "unbalanced quotes in request");
        if (!reader_span_add(reader, start, line.to - start))
            return RESP_NOMEM;
    }
    reader->used = end + 1;
    reader->done = true;
    return RESP_REQUEST;
}

enum resp_result resp_read(struct resp_reader *reader, char *data, size_t len)
{
    if (reader->error[0] != '\0')
        return RESP_BROKEN;
    if (reader->done)
        reader_begin(reader);
    if (len == 0)
        return reader_more(reader, 1);
    if (reader->args_left == 0) {
        if (data[0] != '*')
            return reader_inline(reader, data, len);
        enum resp_result result = reader_array_header(reader, data, len);
        if (result != RESP_REQUEST)
            return result;
    }
    return reader_bulks(reader, data, len);
}
