#include "number.h"

#include "support/test.h"

#include <string.h>

static bool parses(const char *text, int64_t *value)
{
    return kv_int_parse(text, strlen(text), value);
}

TEST(int_parse_takes_only_the_canonical_form)
{
    static const char *const wrong[] = {
        "",
        "-",
        "+1",
        " 1",
        "1 ",
        "01",
        "-0",
        "-01",
        "1.0",
        "1e3",
        "0x1",
        "a",
        "--1",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
        "00",
        "1a",
    };
    int64_t value;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (parses(wrong[i], &value))
            FAIL("\"%s\" was taken for a number", wrong[i]);
    CHECK(parses("0", &value));
    CHECK_INT(value, 0);
    CHECK(parses("-1", &value));
    CHECK_INT(value, -1);
    CHECK(parses("9223372036854775807", &value));
    CHECK_INT(value, INT64_MAX);
    CHECK(parses("-9223372036854775808", &value));
    CHECK_INT(value, INT64_MIN);
}

TEST(int_format_is_what_parse_takes)
{
    static const int64_t values[] = { 0, 1, -1, 9, 10, 99, 100, -100, INT64_MAX, INT64_MIN };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[KV_INT_TEXT_MAX];
        int64_t back;
        CHECK(kv_int_parse(text, kv_int_format(text, values[i]), &back));
        CHECK_INT(back, values[i]);
    }
}

static void check_float(const char *text, const char *expected)
{
    char out[KV_FLOAT_TEXT_MAX];
    long double value;
    CHECK(kv_float_parse(text, strlen(text), &value));
    out[kv_float_format(out, value)] = '\0';
    CHECK_STR(out, expected);
}

TEST(float_format_drops_what_says_nothing)
{
    check_float("10.50", "10.5");
    check_float("3.0", "3");
    check_float("5.0e3", "5000");
    check_float("-0", "0");
    check_float("0x10", "16");
    check_float("0.1", "0.1");
    check_float("-1.25e-3", "-0.00125");
    check_float("inf", "inf");
    check_float("-inf", "-inf");
    check_float("1e20", "100000000000000000000");
}

TEST(float_parse_refuses_blanks_nan_and_rests)
{
    static const char *const wrong[] = { "", " 1", "1 ", "abc", "nan", "1x", "1e400000", "-" };
    long double value;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK(!kv_float_parse(wrong[i], strlen(wrong[i]), &value));
    CHECK(!kv_float_parse("1\0", 2, &value));
}

/* A long value with all its digits still fits the text. */
TEST(float_format_of_the_largest_fits)
{
    char out[KV_FLOAT_TEXT_MAX];
    long double value;
    CHECK(kv_float_parse("1e4900", 6, &value) == (sizeof(long double) > 8));
    if (sizeof(long double) > 8)
        CHECK_INT(kv_float_format(out, value), 4901);
}
