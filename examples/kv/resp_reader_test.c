#include "resp_reader.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

/* Reads `text` in one go, or byte by byte, and checks the arguments of the one request. */
static void check_request(const char *text, size_t len, const char *const *words, bool bytewise)
{
    struct resp_reader reader;
    char *data = malloc(len);
    enum resp_result result = RESP_MORE;
    memcpy(data, text, len);
    resp_reader_init(&reader, NULL);
    for (size_t n = bytewise ? 1 : len; n <= len && result == RESP_MORE; n++)
        result = resp_read(&reader, data, n);
    CHECK_INT(result, RESP_REQUEST);
    CHECK_INT(reader.used, len);
    size_t argc = 0;
    for (; words[argc] != NULL; argc++) {
        CHECK(argc < reader.argc);
        CHECK_INT(reader.span[argc].len, strlen(words[argc]));
        CHECK_MEM(data + reader.span[argc].offset, words[argc], strlen(words[argc]));
    }
    CHECK_INT(reader.argc, argc);
    resp_reader_finish(&reader);
    free(data);
}

static void check_both(const char *text, const char *const *words)
{
    check_request(text, strlen(text), words, false);
    check_request(text, strlen(text), words, true);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

TEST(reader_takes_arrays_of_bulk_strings)
{
    check_both("*1\r\n$4\r\nPING\r\n", WORDS("PING"));
    check_both("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n\r\n\r\n\r\n", WORDS("SET", "k", "\r\n\r\n"));
    check_both("*2\r\n$0\r\n\r\n$1\r\nx\r\n", WORDS("", "x"));
    check_both("*0\r\n", (const char *const[]){ NULL });
    check_both("*-1\r\n", (const char *const[]){ NULL });
    check_both("*9\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n"
               "$1\r\n8\r\n$1\r\n9\r\n",
               WORDS("1", "2", "3", "4", "5", "6", "7", "8", "9"));
}

TEST(reader_takes_inline_commands)
{
    check_both("PING\r\n", WORDS("PING"));
    check_both("PING\n", WORDS("PING"));
    check_both("  set  k\tv \r\n", WORDS("set", "k", "v"));
    check_both("\r\n", (const char *const[]){ NULL });
    check_both("   \n", (const char *const[]){ NULL });
    check_both("a \"b c\" 'd \"e'\r\n", WORDS("a", "b c", "d \"e"));
    check_both("\"\\x41\\n\\q\\\"\" '\\'' \"\"\r\n", WORDS("A\nq\"", "'", ""));
    check_both("ab\"cd\" e\r\n", WORDS("abcd", "e"));
}

static void check_broken(const char *text, const char *error)
{
    struct resp_reader reader;
    size_t len = strlen(text);
    for (size_t first = 1; first <= len; first++) {
        char *data = strdup(text);
        resp_reader_init(&reader, NULL);
        enum resp_result result = RESP_MORE;
        for (size_t n = first; n <= len && result == RESP_MORE; n++)
            result = resp_read(&reader, data, n);
        CHECK_INT(result, RESP_BROKEN);
        CHECK_STR(reader.error, error);
        CHECK_INT(resp_read(&reader, data, len), RESP_BROKEN);
        resp_reader_finish(&reader);
        free(data);
    }
}

TEST(reader_refuses_what_is_not_the_protocol)
{
    check_broken("*abc\r\n", "Protocol error: invalid multibulk length");
    check_broken("*\r\n", "Protocol error: invalid multibulk length");
    check_broken("*2147483648\r\n", "Protocol error: invalid multibulk length");
    check_broken("*99999999999999999999\r\n", "Protocol error: invalid multibulk length");
    check_broken("*1\r\nxPING\r\n", "Protocol error: expected '$', got 'x'");
    check_broken("*1\r\n\nPING\r\n", "Protocol error: expected '$', got ' '");
    check_broken("*1\r\n$-1\r\n", "Protocol error: invalid bulk length");
    check_broken("*1\r\n$x\r\n", "Protocol error: invalid bulk length");
    check_broken("*1\r\n$536870913\r\n", "Protocol error: invalid bulk length");
    check_broken("set \"a\r\n", "Protocol error: unbalanced quotes in request");
    check_broken("set 'a\r\n", "Protocol error: unbalanced quotes in request");
    check_broken("set \"a\"b\r\n", "Protocol error: unbalanced quotes in request");
    check_broken("set \"a\\\"\r\n", "Protocol error: unbalanced quotes in request");
}

static void check_long_line(const char *prefix, const char *error)
{
    struct resp_reader reader;
    struct resp_limits limits = { .line_max = 64 };
    char data[200];
    memset(data, '1', sizeof(data));
    memcpy(data, prefix, strlen(prefix));
    resp_reader_init(&reader, &limits);
    CHECK_INT(resp_read(&reader, data, strlen(prefix) + 30), RESP_MORE);
    CHECK_INT(resp_read(&reader, data, sizeof(data)), RESP_BROKEN);
    CHECK_STR(reader.error, error);
    resp_reader_finish(&reader);
}

TEST(reader_refuses_lines_without_end)
{
    check_long_line("*", "Protocol error: too big mbulk count string");
    check_long_line("*1\r\n$", "Protocol error: too big bulk count string");
    check_long_line("SET", "Protocol error: too big inline request");
}

TEST(reader_keeps_to_its_limits)
{
    struct resp_reader reader;
    struct resp_limits limits = { .bulk_max = 10, .args_max = 3, .request_max = 40 };
    char four[] = "*4\r\n", eleven[] = "*1\r\n$11\r\n";
    char large[] = "*3\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$10\r\n";
    resp_reader_init(&reader, &limits);
    CHECK_INT(resp_read(&reader, four, strlen(four)), RESP_BROKEN);
    resp_reader_init(&reader, &limits);
    CHECK_INT(resp_read(&reader, eleven, strlen(eleven)), RESP_BROKEN);
    CHECK_STR(reader.error, "Protocol error: invalid bulk length");
    resp_reader_init(&reader, &limits);
    CHECK_INT(resp_read(&reader, large, strlen(large)), RESP_BROKEN);
    CHECK_STR(reader.error, "Protocol error: too big request");
}

/* A peer that announces 2^31 - 1 arguments of 512 MiB gets no memory for saying so. */
TEST(reader_allocates_nothing_for_announcements)
{
    struct resp_reader reader;
    char data[] = "*2147483647\r\n$536870912\r\nabc";
    resp_reader_init(&reader, NULL);
    CHECK_INT(resp_read(&reader, data, strlen(data)), RESP_MORE);
    CHECK_INT(reader.span_max, RESP_SPANS_INLINE);
    CHECK_INT(reader.need, strlen("*2147483647\r\n$536870912\r\n") + 536870912 + 2);
    resp_reader_finish(&reader);
}

/* The cost of a byte does not depend on how many came before: the search for a line's end goes
 * on where it stopped. */
TEST(reader_resumes_where_it_stopped)
{
    struct resp_reader reader;
    char data[] = "*1\r\n$12\r\nhello";
    resp_reader_init(&reader, NULL);
    CHECK_INT(resp_read(&reader, data, 6), RESP_MORE);
    CHECK_INT(reader.used, 4);
    CHECK_INT(reader.scanned, 6);
    CHECK_INT(resp_read(&reader, data, strlen(data)), RESP_MORE);
    CHECK_INT(reader.used, 9);
    CHECK_INT(reader.need, 23);
    resp_reader_finish(&reader);
}

TEST(reader_reads_one_request_after_another)
{
    struct resp_reader reader;
    char data[] = "PING\r\n*1\r\n$4\r\nQUIT\r\n*2\r\n$4\r\nECHO\r\n$1\r\nx\r\nrest";
    static const size_t argc[] = { 1, 1, 2 };
    size_t at = 0;
    resp_reader_init(&reader, NULL);
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(resp_read(&reader, data + at, strlen(data) - at), RESP_REQUEST);
        CHECK_INT(reader.argc, argc[i]);
        at += reader.used;
    }
    CHECK_STR(data + at, "rest");
    CHECK_INT(resp_read(&reader, data + at, 4), RESP_MORE);
    CHECK_INT(resp_read(&reader, data + at, 0), RESP_MORE);
    resp_reader_finish(&reader);
}

/* A request of many arguments does not leave its table behind. */
TEST(reader_gives_large_tables_back)
{
    enum { ARGS = 5000 };
    struct resp_reader reader;
    char *data = malloc(ARGS * 7 + 32);
    size_t len = (size_t)sprintf(data, "*%d\r\n", ARGS);
    for (int i = 0; i < ARGS; i++)
        len += (size_t)sprintf(data + len, "$1\r\nx\r\n");
    resp_reader_init(&reader, NULL);
    CHECK_INT(resp_read(&reader, data, len), RESP_REQUEST);
    CHECK_INT(reader.argc, ARGS);
    char next[] = "PING\r\n";
    CHECK_INT(resp_read(&reader, next, strlen(next)), RESP_REQUEST);
    CHECK_INT(reader.span_max, RESP_SPANS_INLINE);
    resp_reader_finish(&reader);
    free(data);
}
