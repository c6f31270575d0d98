/* Text built in a caller's buffer: see text.h.
 *
 * Invariant: buffer[length] is zero and length < size; once `truncated`, nothing changes any more.
 */
#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char text_ellipsis[] = "...";

void sp__text_init(struct sp__text *text, char *buffer, size_t size)
{
    assert(size > 0);
    *text = (struct sp__text){ .buffer = buffer, .size = size };
    buffer[0] = '\0';
}

/* The buffer is full of what did fit: its end becomes the ellipsis, as much as there is place. */
static void text_truncate(struct sp__text *text)
{
    size_t dots = sizeof(text_ellipsis) - 1;
    if (dots > text->size - 1)
        dots = text->size - 1;
    text->truncated = true;
    text->length = text->size - 1;
    memcpy(text->buffer + text->length - dots, text_ellipsis, dots);
    text->buffer[text->length] = '\0';
}

void sp__text_addv(struct sp__text *text, const char *format, va_list args)
{
    size_t room = text->size - text->length;
    if (text->truncated)
        return;
    int needed = vsnprintf(text->buffer + text->length, room, format, args);
    if (needed < 0) /* the format cannot be converted: leave what was there */
        text->buffer[text->length] = '\0';
    else if ((size_t)needed < room)
        text->length += (size_t)needed;
    else
        text_truncate(text);
}

void sp__text_add(struct sp__text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sp__text_addv(text, format, args);
    va_end(args);
}

void sp__text_add_bytes(struct sp__text *text, const void *bytes, size_t size)
{
    size_t room = text->size - text->length - 1;
    size_t fitting = size < room ? size : room;
    if (text->truncated || size == 0)
        return;
    memcpy(text->buffer + text->length, bytes, fitting);
    text->length += fitting;
    text->buffer[text->length] = '\0';
    if (fitting < size)
        text_truncate(text);
}

static void text_add_escaped(struct sp__text *text, unsigned char c)
{
    if (c == '\n')
        sp__text_add(text, "\\n");
    else if (c == '\r')
        sp__text_add(text, "\\r");
    else if (c == '\t')
        sp__text_add(text, "\\t");
    else if (c == '"' || c == '\\')
        sp__text_add(text, "\\%c", c);
    else if (c < 0x20 || c > 0x7e)
        sp__text_add(text, "\\x%02x", c);
    else
        sp__text_add_bytes(text, &c, 1);
}

void sp__text_add_quoted(struct sp__text *text, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    sp__text_add(text, "\"");
    for (size_t i = 0; i < size && !text->truncated; i++)
        text_add_escaped(text, at[i]);
    sp__text_add(text, "\"");
}
