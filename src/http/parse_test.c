/* What the endpoint reads of a request: what is taken, and what is not. */
#include "http/parse.h"

#include "support/test.h"

#include <stdio.h>
#include <string.h>

static bool number(const char *text, uint64_t max, uint64_t *out)
{
    return sp__http_parse_number(&text, max, out) && *text == '\0';
}

TEST(numbers_are_decimal_and_have_a_bound)
{
    uint64_t value = 7;
    static const char *const wrong[] = {
        "",
        "-1",
        "+1",
        " 1",
        "1 ",
        "0x1",
        "1.0",
        "1e3",
        "18446744073709551616",
        "99999999999999999999999",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (number(wrong[i], UINT64_MAX, &value))
            FAIL("%s is a number", wrong[i]);
    CHECK(number("18446744073709551615", UINT64_MAX, &value));
    CHECK(value == UINT64_MAX);
    CHECK(number("00010", 10, &value));
    CHECK_INT(value, 10);
    CHECK(!number("11", 10, &value));
    CHECK(!number("5", 3, &value));
    CHECK(number("0", 0, &value));
    CHECK_INT(value, 0);
    CHECK(!number("1", 0, &value));
}

TEST(pids_have_three_parts)
{
    sp_pid pid;
    const char *text = "0.17.4/kill";
    CHECK(sp__http_parse_pid(&text, &pid));
    CHECK_STR(text, "/kill");
    CHECK(sp_pid_equal(pid, ((sp_pid){ .slot = 17, .serial = 4 })));
    static const char *const wrong[] = { "",
                                         ".",
                                         "0.1",
                                         "0.1.",
                                         "0..1",
                                         "<0.1.1>",
                                         "0.-1.1",
                                         "0,1,1",
                                         "4294967296.1.1",
                                         "0.4294967296.1",
                                         "0.1.18446744073709551616" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        text = wrong[i];
        if (sp__http_parse_pid(&text, &pid))
            FAIL("%s is a pid", wrong[i]);
        CHECK(text == wrong[i]);
    }
}

TEST(paths_match_as_a_whole)
{
    sp_pid pid = SP_PID_NONE;
    CHECK(sp__http_parse_path("/api/processes/*/kill", "/api/processes/0.2.3/kill", &pid));
    CHECK_INT(pid.slot, 2);
    CHECK(!sp__http_parse_path("/api/processes/*", "/api/processes/0.2.3/", &pid));
    CHECK(!sp__http_parse_path("/api/processes/*", "/api/processes/*", &pid));
    CHECK(!sp__http_parse_path("/healthz", "/health", &pid));
    CHECK(!sp__http_parse_path("/healthz", "/healthzz", &pid));
    CHECK(!sp__http_parse_path("/healthz", "", &pid));
}

static const char *host(const char *header)
{
    static char text[64];
    char *name;
    (void)snprintf(text, sizeof(text), "%s", header);
    return sp__http_parse_host(text, &name) ? name : NULL;
}

TEST(hosts_are_a_name_and_perhaps_a_port)
{
    CHECK_STR(host("localhost"), "localhost");
    CHECK_STR(host("localhost:8080"), "localhost");
    CHECK_STR(host("127.0.0.1:"), "127.0.0.1");
    CHECK_STR(host("[::1]:80"), "::1");
    CHECK_STR(host("[::1]"), "::1");
    CHECK_STR(host(""), "");
    CHECK(host("[::1") == NULL);
    CHECK(host("[::1]x") == NULL);
    CHECK(host("a:80x") == NULL);
    CHECK(host("a:123456") == NULL);
    CHECK(host("::1") == NULL);
    CHECK(host("a:80:80") == NULL);
}

TEST(origins_are_ours_when_they_are_the_host)
{
    static const char *const wrong[] = {
        "null",
        "",
        "http",
        "http://",
        "127.0.0.1:80",
        "ftp://127.0.0.1:80",
        "httpx://127.0.0.1:80",
        "http://127.0.0.1:80.evil.example",
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:81",
        "http://127.0.0.1:80/",
        "http://user@127.0.0.1:80",
    };
    CHECK(sp__http_parse_origin("http://127.0.0.1:80", "127.0.0.1:80"));
    CHECK(sp__http_parse_origin("https://INNER.example", "inner.example"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (sp__http_parse_origin(wrong[i], "127.0.0.1:80"))
            FAIL("%s is our origin", wrong[i]);
}
