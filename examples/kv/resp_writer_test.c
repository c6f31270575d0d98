#include "resp_writer.h"

#include "support/test.h"

#include <math.h>

static void check_out(struct resp_out *out, const char *expected)
{
    CHECK_INT(out->len, strlen(expected));
    CHECK_MEM(out->data, expected, strlen(expected));
    CHECK(!out->failed);
    resp_out_finish(out);
}

static void write_all(struct resp_out *out)
{
    resp_simple(out, "OK");
    resp_error(out, "ERR no");
    resp_int(out, -42);
    resp_bulk(out, "a\r\n", 3);
    resp_text(out, "");
    resp_bulk_int(out, INT64_MIN);
    resp_null(out);
    resp_null_array(out);
    resp_array(out, 2);
    resp_map(out, 3);
    resp_set(out, 4);
    resp_push(out, 5);
    resp_double(out, 1.5);
    resp_double(out, -INFINITY);
    resp_bool(out, true);
    resp_verbatim(out, "txt", "hi", 2);
}

TEST(writer_resp2)
{
    struct resp_out out;
    resp_out_init(&out, 2, 0);
    write_all(&out);
    check_out(
        &out,
        "+OK\r\n-ERR no\r\n:-42\r\n$3\r\na\r\n\r\n$0\r\n\r\n$20\r\n-9223372036854775808\r\n"
        "$-1\r\n*-1\r\n*2\r\n*6\r\n*4\r\n*5\r\n$3\r\n1.5\r\n$4\r\n-inf\r\n:1\r\n$2\r\nhi\r\n");
}

TEST(writer_resp3)
{
    struct resp_out out;
    resp_out_init(&out, 3, 0);
    write_all(&out);
    check_out(&out,
              "+OK\r\n-ERR no\r\n:-42\r\n$3\r\na\r\n\r\n$0\r\n\r\n$20\r\n-9223372036854775808\r\n"
              "_\r\n_\r\n*2\r\n%3\r\n~4\r\n>5\r\n,1.5\r\n,-inf\r\n#t\r\n=6\r\ntxt:hi\r\n");
}

TEST(writer_errors_stay_on_one_line)
{
    struct resp_out out;
    resp_out_init(&out, 2, 0);
    resp_errorf(&out, "ERR '%s'", "a\r\nb");
    check_out(&out, "-ERR 'a  b'\r\n");
}

TEST(writer_over_its_limit_fails_and_stays_failed)
{
    struct resp_out out;
    char big[2000];
    memset(big, 'x', sizeof(big));
    resp_out_init(&out, 2, 1000);
    resp_simple(&out, "OK");
    resp_bulk(&out, big, sizeof(big));
    CHECK(out.failed);
    size_t len = out.len;
    resp_simple(&out, "OK");
    CHECK_INT(out.len, len);
    resp_out_finish(&out);
    CHECK(!out.failed);
}
