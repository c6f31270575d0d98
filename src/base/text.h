/* Text built in a caller's buffer: for inspection, reports and messages.
 *
 * Never writes behind the buffer, always ends in a zero, and shows that something is missing:
 * text that does not fit ends in "...". Nothing is added after that, so what one reads is
 * a beginning of the whole.
 *
 * Threads: none of its own. Neighbours: none.
 */
#ifndef SP_BASE_TEXT_H
#define SP_BASE_TEXT_H

#include "spawned/base.h"

#include <stdarg.h>

struct sp__text {
    char *buffer;
    size_t size; /* of buffer, with the zero */
    size_t length;
    bool truncated;
};

/** Starts an empty text in `buffer` of `size` bytes (at least 1).
 *  Ownership: borrows the buffer. Context: any. */
void sp__text_init(struct sp__text *text, char *buffer, size_t size) SP_NONNULL;

/** Adds printf-like.
 *  Context: any. */
void sp__text_add(struct sp__text *text, const char *format, ...) SP_NONNULL_ARGS(1, 2)
    SP_PRINTF(2, 3);

/** As sp__text_add() with a va_list.
 *  Context: any. */
void sp__text_addv(struct sp__text *text, const char *format, va_list args) SP_NONNULL_ARGS(1, 2)
    SP_PRINTF(2, 0);

/** Adds `size` bytes as they are; a zero byte among them ends what a C string shows.
 *  Context: any. */
void sp__text_add_bytes(struct sp__text *text, const void *bytes, size_t size) SP_NONNULL_ARGS(1);

/** Adds `size` bytes of a stranger's: in double quotes, everything but printable ASCII, the
 *  quote and the backslash as \xNN (or \n \r \t), so that a log line stays a line.
 *  Context: any. */
void sp__text_add_quoted(struct sp__text *text, const void *bytes, size_t size) SP_NONNULL_ARGS(1);

/** The text so far, zero-terminated. */
static inline const char *sp__text_str(const struct sp__text *text)
{
    return text->buffer;
}

#endif
