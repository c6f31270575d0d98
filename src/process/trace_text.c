/* The text `traceparent`: version, trace, span and flags in hexadecimal.
 *
 *     00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *
 * Threads: pure functions. Neighbours: spawned/trace.h.
 * Source: W3C Recommendation "Trace Context" (2021), 3.2 and 4.
 */
#include "spawned/trace.h"

#include <string.h>

enum {
    TEXT_LENGTH = SP_TRACE_PARENT_SIZE - 1,
    TEXT_TRACE = 3,
    TEXT_SPAN = 36,
    TEXT_FLAGS = 53,
    TEXT_FLAGS_KNOWN = 3, /* sampled, and that the trace's id is random */
    TEXT_LONGEST = 512,   /* of later versions */
};

/* `count` lower case digits. False: others are among them. */
static bool digits_read(const char *text, unsigned count, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++) {
        char digit = text[i];
        bool decimal = digit >= '0' && digit <= '9';
        if (!decimal && !(digit >= 'a' && digit <= 'f'))
            return false;
        value = value << 4 | (unsigned)(decimal ? digit - '0' : digit - 'a' + 10);
    }
    *out = value;
    return true;
}

static void digits_write(char *text, unsigned count, uint64_t value)
{
    for (unsigned i = count; i-- > 0; value >>= 4)
        text[i] = "0123456789abcdef"[value & 15];
}

/* Of the version of now; one of a later version begins like it, and may go on. */
static bool text_shape(const char *text, size_t length, uint64_t version)
{
    if (length < TEXT_LENGTH || length > TEXT_LONGEST || version == 0xff)
        return false;
    if (length > TEXT_LENGTH && (version == 0 || text[TEXT_LENGTH] != '-'))
        return false;
    return text[TEXT_TRACE - 1] == '-' && text[TEXT_SPAN - 1] == '-' && text[TEXT_FLAGS - 1] == '-';
}

sp_err sp_trace_parse(const char *text, struct sp_trace_context *out)
{
    size_t length = strnlen(text, TEXT_LONGEST + 1);
    uint64_t version;
    uint64_t flags;
    struct sp_trace_context context;
    if (length < TEXT_LENGTH || !digits_read(text, 2, &version) ||
        !text_shape(text, length, version) ||
        !digits_read(text + TEXT_TRACE, 16, &context.trace.high) ||
        !digits_read(text + TEXT_TRACE + 16, 16, &context.trace.low) ||
        !digits_read(text + TEXT_SPAN, 16, &context.span) ||
        !digits_read(text + TEXT_FLAGS, 2, &flags))
        return SP_ERR_INVALID;
    if ((context.trace.high | context.trace.low) == 0 || context.span == 0)
        return SP_ERR_INVALID;
    context.flags = (uint32_t)flags & TEXT_FLAGS_KNOWN;
    *out = context;
    return SP_OK;
}

const char *sp_trace_format(const struct sp_trace_context *context, char text[SP_TRACE_PARENT_SIZE])
{
    memcpy(text, "00-", 3);
    digits_write(text + TEXT_TRACE, 16, context->trace.high);
    digits_write(text + TEXT_TRACE + 16, 16, context->trace.low);
    text[TEXT_SPAN - 1] = '-';
    digits_write(text + TEXT_SPAN, 16, context->span);
    text[TEXT_FLAGS - 1] = '-';
    digits_write(text + TEXT_FLAGS, 2, context->flags & TEXT_FLAGS_KNOWN);
    text[TEXT_LENGTH] = '\0';
    return text;
}
