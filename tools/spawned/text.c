/* Text of others on our terminal; see text.h. */
#include "text.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define TEXT_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */
#define TEXT_ELLIPSIS "\xE2\x80\xA6"

static bool text_utf8;

void text_init(void)
{
    setlocale(LC_CTYPE, "");
    text_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

bool text_is_utf8(void)
{
    return text_utf8;
}

/* ---- code points ---- */

/* Bytes that a sequence beginning like this has; 0: none begins like this. */
static size_t text_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

/* Reads a code point and goes on behind it; UINT32_MAX, and one byte on: it is none. */
static uint32_t text_next(const char **text)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char *at = (const unsigned char *)*text;
    size_t length = text_length(at[0]);
    *text += 1;
    if (length <= 1)
        return length == 1 ? at[0] : UINT32_MAX;
    uint32_t point = at[0] & (0xFFU >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) /* the terminating zero is none either */
            return UINT32_MAX;
        point = point << 6 | (at[i] & 0x3FU);
    }
    if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return UINT32_MAX;
    *text += length - 1;
    return point;
}

/* Those that turn the direction of what follows, or end a line for some. */
static bool text_misleads(uint32_t point)
{
    return point == 0x061C || point == 0x200E || point == 0x200F || point == 0xFEFF ||
           (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

/* Columns of a code point; -1: it is not to be shown. */
static int text_width(uint32_t point)
{
    if (point == UINT32_MAX || text_misleads(point) || (!text_utf8 && point > 0x7E))
        return -1;
    if (point >= 0x80 && point < 0xA0)
        return -1; /* control characters, whatever the locale says */
    return wcwidth((wchar_t)point);
}

/* ---- whole texts ---- */

static bool text_put(char *out, size_t size, size_t *at, const char *bytes, size_t count)
{
    if (*at + count >= size)
        return false;
    memcpy(out + *at, bytes, count);
    *at += count;
    out[*at] = '\0';
    return true;
}

/* Writes from `*text` while it fits, and sets it to where it stopped. */
static size_t text_copy(char *out, size_t size, size_t *at, const char **text, size_t columns)
{
    size_t used = 0;
    while (**text != '\0') {
        const char *begin = *text;
        const char *next = begin;
        int width = text_width(text_next(&next));
        const char *bytes = width >= 0 ? begin : text_utf8 ? TEXT_REPLACEMENT : "?";
        size_t count = width >= 0 ? (size_t)(next - begin) : strlen(bytes);
        size_t wide = width >= 0 ? (size_t)width : 1;
        if (used + wide > columns || !text_put(out, size, at, bytes, count))
            break;
        used += wide;
        *text = next;
    }
    return used;
}

size_t text_show(char *out, size_t size, const char *text, size_t columns)
{
    size_t at = 0;
    out[0] = '\0';
    const char *rest = text == NULL ? "" : text;
    size_t used = text_copy(out, size, &at, &rest, columns);
    if (*rest == '\0' || columns == 0)
        return used;
    /* Once more, with room for the mark. */
    at = 0;
    out[0] = '\0';
    rest = text;
    const char *mark = text_utf8 ? TEXT_ELLIPSIS : "~";
    size_t room = size > strlen(mark) ? size - strlen(mark) : 1;
    used = text_copy(out, room, &at, &rest, columns - 1);
    return text_put(out, size, &at, mark, strlen(mark)) ? used + 1 : used;
}

char *text_clean(const char *text)
{
    size_t at = 0;
    const char *rest = text == NULL ? "" : text;
    size_t size = strlen(rest) * strlen(TEXT_REPLACEMENT) + 1;
    char *out = malloc(size);
    if (out == NULL)
        return NULL;
    out[0] = '\0';
    text_copy(out, size, &at, &rest, SIZE_MAX);
    return out;
}

size_t text_columns(const char *clean)
{
    size_t columns = 0;
    while (*clean != '\0') {
        int width = text_width(text_next(&clean));
        columns += width > 0 ? (size_t)width : 0;
    }
    return columns;
}
