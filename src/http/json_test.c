/* What is written is JSON, whatever goes in. */
#include "http/json.h"

#include "spawned/time.h"
#include "support/test.h"

#include <string.h>

static const char *written(struct sp__json *json)
{
    CHECK_ERR(json->err, SP_OK);
    CHECK_ERR(sp__buf_append(&json->out, "", 1), SP_OK);
    return sp__buf_data(&json->out);
}

static void text_becomes(const char *text, const char *expected)
{
    struct sp__json json;
    sp__json_init(&json, 0);
    sp__json_text(&json, NULL, text);
    CHECK_STR(written(&json), expected);
    sp__json_finish(&json);
}

TEST(json_values_and_nesting)
{
    struct sp__json json;
    sp__json_init(&json, 0);
    sp__json_open(&json, NULL, '{');
    sp__json_uint(&json, "n", UINT64_MAX);
    sp__json_open(&json, "list", '[');
    sp__json_bool(&json, NULL, true);
    sp__json_null(&json, NULL);
    sp__json_open(&json, NULL, '{');
    sp__json_close(&json, '}');
    sp__json_close(&json, ']');
    sp__json_ms(&json, "ms", 1234567);
    sp__json_ms(&json, "minus", -1500 * SP_NS_PER_US);
    sp__json_pid(&json, "pid", (sp_pid){ .serial = 4, .slot = 17 });
    sp__json_pid(&json, "none", SP_PID_NONE);
    sp__json_close(&json, '}');
    CHECK_STR(written(&json), "{\"n\":18446744073709551615,\"list\":[true,null,{}],\"ms\":1.234,"
                              "\"minus\":-1.500,\"pid\":\"0.17.4\",\"none\":null}");
    sp__json_finish(&json);
}

TEST(json_text_is_escaped)
{
    text_becomes("plain", "\"plain\"");
    text_becomes("a\"b\\c\n\x01\x7f", "\"a\\\"b\\\\c\\u000a\\u0001\\u007f\"");
    text_becomes("</script><img src=x>", "\"</script><img src=x>\"");
}

TEST(json_text_is_utf8_whatever_it_was)
{
    text_becomes("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80",
                 "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"");
    text_becomes("\x80", "\"\xEF\xBF\xBD\"");
    text_becomes("a\xC3", "\"a\xEF\xBF\xBD\"");
    text_becomes("\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                 /* too long */
    text_becomes("\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""); /* surrogate */
    text_becomes("\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(json_keeps_the_first_error)
{
    struct sp__json json;
    sp__json_init(&json, 8);
    sp__json_text(&json, NULL, "longer than eight");
    CHECK_ERR(json.err, SP_ERR_TOOBIG);
    sp__json_uint(&json, NULL, 1);
    CHECK_ERR(json.err, SP_ERR_TOOBIG);
    sp__json_finish(&json);
}
