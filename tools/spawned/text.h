/* Text of others on our terminal: names come from the node, and a node may be hostile.
 *
 * Whatever is not printable never gets through: control characters, escape sequences, bytes that are no
 * UTF-8, and marks that turn the direction of writing. Each becomes U+FFFD, or '?' where the locale is not
 * UTF-8, in which nothing but ASCII is written.
 *
 * Threads: the only one. text_init() comes first.
 */
#ifndef SPAWNED_TOOL_TEXT_H
#define SPAWNED_TOOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/** Takes the locale from the environment. */
void text_init(void);

/** Whether more than ASCII may be written. */
bool text_is_utf8(void);

/** What can be shown of `text`: at most `columns` on a terminal and `size` - 1 bytes, zero-terminated. What is cut ends with a
 *  mark. Returns the columns that it takes. NULL is the empty text. */
size_t text_show(char *out, size_t size, const char *text, size_t columns);

/** The same, without a limit of columns. Ownership: the caller's, free(); NULL: no memory. */
char *text_clean(const char *text);

/** Columns of what text_show() or text_clean() made. */
size_t text_columns(const char *clean);

#endif
