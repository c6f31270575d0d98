#include "base/utf8.h"

/* Bytes that a character has which begins with `first`; 0: none does. */
static size_t utf8_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* May `second` follow `first`? Not if it is too long, a surrogate, or beyond U+10FFFF. */
static bool utf8_second(unsigned char first, unsigned char second)
{
    unsigned char min = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char max = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    return second >= min && second <= max;
}

size_t sp__utf8_size(const unsigned char *s, size_t left)
{
    size_t size = utf8_length(s[0]);
    if (size == 0 || size > left || (size > 1 && !utf8_second(s[0], s[1])))
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return size;
}
