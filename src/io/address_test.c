#include "spawned/address.h"

#include "support/test.h"

#include <string.h>

static void check_same(const char *text)
{
    sp_address address;
    char out[SP_ADDRESS_TEXT_MAX];
    CHECK_OK(sp_address_parse(text, &address));
    CHECK_STR(sp_address_format(&address, out), text);
}

static void check_becomes(const char *text, const char *expected)
{
    sp_address address;
    char out[SP_ADDRESS_TEXT_MAX];
    CHECK_OK(sp_address_parse(text, &address));
    CHECK_STR(sp_address_format(&address, out), expected);
}

static void check_refused(const char *text)
{
    sp_address address;
    if (sp_address_parse(text, &address) != SP_ERR_INVALID)
        FAIL("'%s' was taken for an address", text);
}

TEST(address_text_survives_a_round_trip)
{
    check_same("127.0.0.1:7379");
    check_same("0.0.0.0:0");
    check_same("255.255.255.255:65535");
    check_same("[::]:80");
    check_same("[::1]:80");
    check_same("[1::]:80");
    check_same("[2001:db8::1:0:0:1]:443");
    check_same("[1:2:3:4:5:6:7:8]:1");
    check_same("[0:1:2:3:4:5:6:7]:1");
    check_same("[fe80::1%2]:9");
    check_same("unix:/run/kv.sock");
    check_same("unix:@kv");
}

TEST(address_ipv6_is_written_in_its_shortest_form)
{
    check_becomes("[0:0:0:0:0:0:0:1]:1", "[::1]:1");
    check_becomes("[1:0:0:2:0:0:0:3]:1", "[1:0:0:2::3]:1");
    check_becomes("[2001:DB8:0:0:1:0:0:1]:1", "[2001:db8::1:0:0:1]:1");
    check_becomes("[1:2:3:4:5:6:7::]:1", "[1:2:3:4:5:6:7:0]:1");
    check_becomes("[::ffff:10.1.2.3]:1", "[::ffff:a01:203]:1");
    check_becomes("[1:2:3:4:5:6:10.1.2.3]:1", "[1:2:3:4:5:6:a01:203]:1");
}

TEST(address_nonsense_is_refused)
{
    static const char *const bad[] = {
        "",
        ":",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1: 1",
        "127.0.0.1:1x",
        "127.0.0:1",
        "127.0.0.1.1:1",
        "256.0.0.1:1",
        "127.0.0.01:1",
        "1.2.3.:1",
        "localhost:80",
        "[::1]",
        "[::1]:",
        "[::1:80",
        "[]:80",
        "[:]:80",
        "[1]:80",
        "[:1]:80",
        "[1:]:80",
        "[1::2::3]:80",
        "[1:2:3:4:5:6:7]:80",
        "[1:2:3:4:5:6:7:8:9]:80",
        "[1:2:3:4:5:6:7:8::]:80",
        "[::1:2:3:4:5:6:7:8]:80",
        "[12345::]:80",
        "[g::]:80",
        "[:::1]:80",
        "[1:2:3:4:5:6:7:1.2.3.4]:80",
        "[::1.2.3]:80",
        "[::1.2.3.4:5]:80",
        "[1::2:]:80",
        "[fe80::1%]:80",
        "[fe80::1%eth0]:80",
        "[fe80::1%99999999999]:80",
        "unix:",
        "unix:@",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        check_refused(bad[i]);
}

TEST(address_unix_path_has_a_limit)
{
    char text[5 + SP_ADDRESS_PATH_MAX + 2] = "unix:";
    memset(text + 5, 'x', SP_ADDRESS_PATH_MAX);
    check_same(text);
    text[5 + SP_ADDRESS_PATH_MAX] = 'x';
    check_refused(text);
}

TEST(address_equality_looks_at_what_counts)
{
    sp_address a, b;
    CHECK_OK(sp_address_parse("127.0.0.1:1", &a));
    CHECK_OK(sp_address_parse("127.0.0.1:1", &b));
    CHECK(sp_address_equal(&a, &b));
    CHECK_OK(sp_address_parse("127.0.0.1:2", &b));
    CHECK(!sp_address_equal(&a, &b));
    CHECK_OK(sp_address_parse("[::1]:1", &b));
    CHECK(!sp_address_equal(&a, &b));
    CHECK_OK(sp_address_parse("[fe80::1%1]:1", &a));
    CHECK_OK(sp_address_parse("[fe80::1%2]:1", &b));
    CHECK(!sp_address_equal(&a, &b));
    CHECK_OK(sp_address_parse("unix:/a", &a));
    CHECK_OK(sp_address_parse("unix:/b", &b));
    CHECK(!sp_address_equal(&a, &b));
}

TEST(address_path_is_shown_printable)
{
    check_becomes("unix:/tmp/a\nb", "unix:/tmp/a?b");
}
