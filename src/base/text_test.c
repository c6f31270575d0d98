/* Text in a bounded buffer: exact fits, visible truncation, quoting. */
#include "base/text.h"

#include "support/test.h"

#include <string.h>

TEST(text_add_concatenates)
{
    char buffer[64];
    struct sp__text text;
    sp__text_init(&text, buffer, sizeof(buffer));
    CHECK_STR(sp__text_str(&text), "");
    sp__text_add(&text, "%d-%s", 42, "x");
    sp__text_add_bytes(&text, "yz", 2);
    sp__text_add(&text, "!");
    CHECK_STR(sp__text_str(&text), "42-xyz!");
    CHECK_INT(text.length, 7);
    CHECK(!text.truncated);
}

TEST(text_that_fits_exactly_is_not_truncated)
{
    char buffer[6];
    struct sp__text text;
    sp__text_init(&text, buffer, sizeof(buffer));
    sp__text_add(&text, "abc");
    sp__text_add_bytes(&text, "de", 2);
    CHECK_STR(sp__text_str(&text), "abcde");
    sp__text_add_bytes(&text, "", 0);
    sp__text_add(&text, "%s", "");
    CHECK(!text.truncated);
}

TEST(text_that_does_not_fit_ends_in_dots_and_stays)
{
    char buffer[11];
    struct sp__text text;
    buffer[10] = 'g';
    sp__text_init(&text, buffer, 10);
    sp__text_add(&text, "abcd%s", "efghij");
    CHECK_STR(sp__text_str(&text), "abcdef...");
    CHECK(text.truncated);
    sp__text_add(&text, "more");
    sp__text_add_bytes(&text, "more", 4);
    sp__text_add_quoted(&text, "more", 4);
    CHECK_STR(sp__text_str(&text), "abcdef...");
    CHECK_INT(text.length, 9);
    CHECK_INT(buffer[10], 'g');
}

TEST(text_bytes_that_do_not_fit_end_in_dots)
{
    char buffer[8];
    struct sp__text text;
    sp__text_init(&text, buffer, sizeof(buffer));
    sp__text_add(&text, "ab");
    sp__text_add_bytes(&text, "cdefgh", 6);
    CHECK_STR(sp__text_str(&text), "abcd...");
    CHECK(text.truncated);
}

TEST(text_in_a_tiny_buffer_is_still_terminated)
{
    for (size_t size = 1; size <= 4; size++) {
        char buffer[4];
        struct sp__text text;
        sp__text_init(&text, buffer, size);
        sp__text_add(&text, "%s", "abcdefgh");
        CHECK(text.truncated);
        CHECK_INT(strlen(buffer), size - 1);
        CHECK_MEM(buffer, "...", size - 1);
    }
}

TEST(text_quoted_is_one_printable_line)
{
    char buffer[128];
    struct sp__text text;
    sp__text_init(&text, buffer, sizeof(buffer));
    sp__text_add_quoted(&text, "a\"b\\c\r\n\t\x01\x7f\xff\0z", 13);
    CHECK_STR(sp__text_str(&text), "\"a\\\"b\\\\c\\r\\n\\t\\x01\\x7f\\xff\\x00z\"");
    sp__text_init(&text, buffer, sizeof(buffer));
    sp__text_add_quoted(&text, NULL, 0);
    CHECK_STR(sp__text_str(&text), "\"\"");
}
