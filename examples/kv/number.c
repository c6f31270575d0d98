/* Parsing and printing of numbers. See number.h. */
#include "number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool kv_int_parse(const char *text, size_t len, int64_t *out_value)
{
    if (len == 1 && text[0] == '0') {
        *out_value = 0;
        return true;
    }
    bool negative = len > 0 && text[0] == '-';
    size_t at = negative ? 1 : 0;
    if (len == at || len - at > 19 || text[at] < '1' || text[at] > '9')
        return false;
    uint64_t value = 0;
    for (; at < len; at++) {
        unsigned digit = (unsigned char)text[at] - (unsigned)'0';
        /* 19 digits cannot overflow 64 bits without a sign. */
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *out_value = (int64_t)(negative ? 0 - value : value);
    return true;
}

size_t kv_uint_format(char text[KV_INT_TEXT_MAX], uint64_t value)
{
    char reversed[KV_INT_TEXT_MAX];
    size_t n = 0;
    do {
        reversed[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < n; i++)
        text[i] = reversed[n - 1 - i];
    return n;
}

size_t kv_int_format(char text[KV_INT_TEXT_MAX], int64_t value)
{
    if (value >= 0)
        return kv_uint_format(text, (uint64_t)value);
    text[0] = '-';
    char digits[KV_INT_TEXT_MAX];
    size_t n = kv_uint_format(digits, 0 - (uint64_t)value);
    memcpy(text + 1, digits, n);
    return n + 1;
}

static bool float_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool kv_float_parse(const char *text, size_t len, long double *out_value)
{
    char copy[KV_FLOAT_TEXT_MAX];
    if (len == 0 || len >= sizeof(copy) || float_is_blank(text[0]))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *end;
    errno = 0;
    long double value = strtold(copy, &end);
    if (end != copy + len || isnan(value))
        return false;
    if (errno == ERANGE && (isinf(value) || fpclassify(value) == FP_ZERO))
        return false;
    *out_value = value;
    return true;
}

size_t kv_float_format(char text[KV_FLOAT_TEXT_MAX], long double value)
{
    if (isinf(value)) {
        const char *word = value > 0 ? "inf" : "-inf";
        memcpy(text, word, strlen(word));
        return strlen(word);
    }
    int printed = snprintf(text, KV_FLOAT_TEXT_MAX, "%.17Lf", value);
    if (printed < 0 || printed >= KV_FLOAT_TEXT_MAX)
        return 0;
    size_t len = (size_t)printed;
    while (text[len - 1] == '0')
        len--;
    if (text[len - 1] == '.')
        len--;
    if (len == 2 && text[0] == '-' && text[1] == '0') {
        text[0] = '0';
        len = 1;
    }
    return len;
}
