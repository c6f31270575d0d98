/* Fuzzer of the request parser: whatever comes, however it is cut, the same requests come out,
 * and memory stays within what the bytes that arrived can justify.
 *
 * The first two bytes of the input choose how the rest is cut into pieces.
 */
#include "resp_reader.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct resp_limits fuzz_limits = {
    .bulk_max = 4096,
    .args_max = 512,
    .line_max = 128,
    .request_max = 16384,
};

/* What a stream was read as: the requests, one after another, and how it ended. */
struct outcome {
    char *log;
    size_t len;
    size_t cap;
    enum resp_result last;
    char error[RESP_ERROR_MAX];
};

static void fuzz_require(bool condition)
{
    if (!condition)
        abort();
}

static void outcome_add(struct outcome *outcome, const void *data, size_t len)
{
    if (outcome->len + len > outcome->cap) {
        outcome->cap = (outcome->len + len) * 2 + 64;
        outcome->log = realloc(outcome->log, outcome->cap);
        fuzz_require(outcome->log != NULL);
    }
    if (len > 0)
        memcpy(outcome->log + outcome->len, data, len);
    outcome->len += len;
}

static void outcome_request(struct outcome *outcome, const struct resp_reader *reader,
                            const char *data)
{
    outcome_add(outcome, &reader->argc, sizeof(reader->argc));
    for (size_t i = 0; i < reader->argc; i++) {
        struct resp_span span = reader->span[i];
        fuzz_require(span.offset + span.len <= reader->used);
        outcome_add(outcome, &span.len, sizeof(span.len));
        outcome_add(outcome, data + span.offset, span.len);
    }
}

/* Reads what it can of the `len` bytes at `data`; returns how many were consumed. */
static size_t fuzz_consume(struct resp_reader *reader, char *data, size_t len,
                           struct outcome *outcome)
{
    size_t at = 0;
    while (at < len) {
        outcome->last = resp_read(reader, data + at, len - at);
        if (outcome->last != RESP_REQUEST)
            break;
        fuzz_require(reader->used > 0 && reader->used <= len - at);
        outcome_request(outcome, reader, data + at);
        at += reader->used;
    }
    return at;
}

/* Feeds the stream in pieces; each piece meets the unconsumed rest in a block of exactly that
 * size, so that a read past the end is seen. */
static void fuzz_feed(const uint8_t *data, size_t size, size_t piece, struct outcome *outcome)
{
    struct resp_reader reader;
    char *rest = NULL;
    size_t rest_len = 0;
    resp_reader_init(&reader, &fuzz_limits);
    outcome->last = RESP_MORE;
    for (size_t at = 0; at < size && outcome->last != RESP_BROKEN;) {
        size_t n = piece < size - at ? piece : size - at;
        char *buffer = malloc(rest_len + n);
        fuzz_require(buffer != NULL);
        if (rest_len > 0)
            memcpy(buffer, rest, rest_len);
        memcpy(buffer + rest_len, data + at, n);
        free(rest);
        size_t used = fuzz_consume(&reader, buffer, rest_len + n, outcome);
        rest_len = rest_len + n - used;
        rest = malloc(rest_len + 1);
        fuzz_require(rest != NULL);
        memcpy(rest, buffer + used, rest_len);
        free(buffer);
        at += n;
        /* The table of spans is paid for by bytes: an argument takes at least two, and the table
         * at most doubles. */
        fuzz_require(reader.span_max <= RESP_SPANS_INLINE || reader.span_max <= at + 2);
        piece = piece % 37 + 1;
    }
    memcpy(outcome->error, reader.error, sizeof(outcome->error));
    free(rest);
    resp_reader_finish(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t piece = 1 + (data[0] | (size_t)data[1] << 8) % 300;
    struct outcome whole = { 0 }, cut = { 0 };
    fuzz_feed(data + 2, size - 2, size, &whole);
    fuzz_feed(data + 2, size - 2, piece, &cut);
    fuzz_require(whole.len == cut.len);
    fuzz_require(whole.len == 0 || memcmp(whole.log, cut.log, whole.len) == 0);
    fuzz_require((whole.last == RESP_BROKEN) == (cut.last == RESP_BROKEN));
    fuzz_require(strcmp(whole.error, cut.error) == 0);
    free(whole.log);
    free(cut.log);
    return 0;
}
