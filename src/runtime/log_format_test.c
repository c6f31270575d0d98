#include "runtime/log_format.h"
#include "support/test.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* 2026-11-23T06:30:00.123456Z */
#define NOON INT64_C(1795415400123456789)

static char buffer[8192];

static const struct sp_kv none[] = { { .type = SP_KV_END } };

static struct sp_log_record record_of(const char *text, const struct sp_kv *pairs)
{
    return (struct sp_log_record){ .level = SP_LOG_INFO,
                                   .wall_ns = NOON,
                                   .process = "",
                                   .module = "kv",
                                   .text = text,
                                   .pairs = pairs };
}

static const char *as_text(const struct sp_log_record *record, bool colours)
{
    struct sp__text text;
    sp__text_init(&text, buffer, sizeof(buffer));
    sp__log_format_text(&text, record, colours);
    return buffer;
}

static const char *as_json(const struct sp_log_record *record)
{
    struct sp__text text;
    sp__text_init(&text, buffer, sizeof(buffer));
    sp__log_format_json(&text, record);
    return buffer;
}

TEST(a_line_for_people_has_time_level_module_and_values)
{
    const struct sp_kv pairs[] = { sp_kv_int("n", -3),
                                   sp_kv_uint("big", UINT64_MAX),
                                   sp_kv_bool("up", true),
                                   sp_kv_double("share", 0.1),
                                   sp_kv_str("who", "bob"),
                                   sp_kv_str("note", "two words"),
                                   sp_kv_str("gone", NULL),
                                   sp_kv_str("empty", ""),
                                   sp_kv_pid("peer", (sp_pid){ 4, 17, 0 }),
                                   sp_kv_duration("took", sp_us(1500)),
                                   sp_kv_err("err", SP_ERR_TIMEOUT),
                                   { .type = SP_KV_END } };
    struct sp_log_record record = record_of("started", pairs);
    CHECK_STR(as_text(&record, false),
              "2026-11-23T06:30:00.123456Z info    kv: started n=-3 big=18446744073709551615 "
              "up=true share=0.1 who=bob note=\"two words\" gone=null empty=\"\" peer=<0.17.4> "
              "took=1.500000ms err=TIMEOUT\n");
    record = record_of("x", none);
    record.pid = (sp_pid){ 4, 17, 0 };
    record.process = "store";
    record.suppressed = 7;
    record.cut = true;
    record.level = SP_LOG_ERROR;
    CHECK_STR(as_text(&record, false),
              "2026-11-23T06:30:00.123456Z error   kv <0.17.4> (store): x ... suppressed=7\n");
    CHECK_CONTAINS(as_text(&record, true), "Z \033[31merror\033[0m   kv");
}

TEST(the_calendar_is_right)
{
    static const struct {
        int64_t second;
        const char *text;
    } days[] = { { 0, "1970-01-01T00:00:00.000000Z" },
                 { 951782400, "2000-02-29T00:00:00.000000Z" },
                 { 1709251199, "2024-02-29T23:59:59.000000Z" },
                 { 4107542400, "2100-03-01T00:00:00.000000Z" } };
    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        struct sp_log_record record = record_of("x", none);
        record.wall_ns = days[i].second * SP_NS_PER_S;
        as_text(&record, false);
        CHECK_MEM(buffer, days[i].text, strlen(days[i].text));
    }
}

/* Escape sequences, newlines, C1 controls, broken UTF-8: nothing gets to the terminal. */
TEST(a_line_stays_a_line)
{
    const struct sp_kv pairs[] = { sp_kv_str("k\ney", "a\nb\x1b[2J\"\\"),
                                   sp_kv_bytes("raw", "\0\xff\xc2\x9b", 4),
                                   { .type = SP_KV_END } };
    struct sp_log_record record = record_of("one\ntwo\x1b[31m \xc3\xa9 \xc2\x9b", pairs);
    record.module = "m\r";
    record.process = "p\x07";
    CHECK_CONTAINS(as_text(&record, false),
                   "m\\r (p\\x07): one\\ntwo\\x1b[31m \xc3\xa9 \\xc2\\x9b "
                   "\"k\\ney\"=\"a\\nb\\x1b[2J\\\"\\\\\" raw=\"\\x00\\xff\\xc2\\x9b\"\n");
    CHECK_STR(
        as_json(&record),
        "{\"time\":\"2026-11-23T06:30:00.123456Z\",\"level\":\"info\",\"module\":\"m\\u000d\","
        "\"message\":\"one\\u000atwo\\u001b[31m \xc3\xa9 \xc2\x9b\",\"process\":\"p\\u0007\","
        "\"fields\":{\"k\\u000aey\":\"a\\u000ab\\u001b[2J\\\"\\\\\","
        "\"raw\":\"\\u0000\xef\xbf\xbd\xc2\x9b\"}}\n");
}

TEST(a_line_of_json_has_types)
{
    const struct sp_kv pairs[] = { sp_kv_int("n", INT64_MIN),
                                   sp_kv_bool("up", false),
                                   sp_kv_double("share", 1e300),
                                   sp_kv_double("nan", NAN),
                                   sp_kv_str("gone", NULL),
                                   sp_kv_pid("peer", (sp_pid){ 4, 17, 0 }),
                                   sp_kv_pid("nobody", SP_PID_NONE),
                                   sp_kv_duration("took_ms", sp_us(-1500)),
                                   { .type = SP_KV_END } };
    struct sp_log_record record = record_of("x", pairs);
    record.file = "src/kv.c";
    record.line = 12;
    record.pid = (sp_pid){ 4, 17, 0 };
    record.traced = true;
    memset(record.trace_id, 0xA5, sizeof(record.trace_id));
    memset(record.span_id, 0x01, sizeof(record.span_id));
    record.cut = true;
    CHECK_CONTAINS(as_json(&record),
                   "\"message\":\"x\",\"pid\":\"0.17.4\",\"file\":\"src/kv.c\",\"line\":12,"
                   "\"fields\":{\"n\":-9223372036854775808,\"up\":false,"
                   "\"share\":1e+300,\"nan\":\"nan\",\"gone\":null,"
                   "\"peer\":\"0.17.4\",\"nobody\":null,\"took_ms\":-1.500000},"
                   "\"trace_id\":\"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5\","
                   "\"span_id\":\"0101010101010101\",\"cut\":true}\n");
}

TEST(a_journal_gets_fields_that_it_takes)
{
    const struct sp_kv pairs[] = { sp_kv_str("who-is", "a\nb"),
                                   sp_kv_int("n", 5),
                                   { .type = SP_KV_END } };
    struct sp_log_record record = record_of("two\nlines", pairs);
    struct sp__text text;
    record.level = SP_LOG_WARNING;
    sp__text_init(&text, buffer, sizeof(buffer));
    sp__log_format_journal(&text, &record, "prog");
    static const char expected[] = "MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\nPRIORITY=4\n"
                                   "SYSLOG_IDENTIFIER\n\x04\0\0\0\0\0\0\0prog\n"
                                   "SPAWNED_MODULE\n\x02\0\0\0\0\0\0\0kv\n"
                                   "F_WHO_IS\n\x03\0\0\0\0\0\0\0a\nb\nF_N=5\n";
    CHECK_INT(text.length, sizeof(expected) - 1);
    CHECK_MEM(buffer, expected, sizeof(expected) - 1);
}

/* The worst that a slot can hold fits in what the writer reserves. */
TEST(the_longest_line_fits)
{
    enum { SIZE = 512 };
    static char worst[SIZE];
    static char room[SP__LOG_FORMAT_MAX(SIZE)];
    memset(worst, 1, sizeof(worst) - 1);
    struct sp_log_record record = record_of(worst, none);
    record.file = worst;
    struct sp__text text;
    sp__text_init(&text, room, sizeof(room));
    sp__log_format_json(&text, &record);
    CHECK(!text.truncated);
    CHECK_STR(room + text.length - 2, "}\n");
}

TEST(a_line_for_a_callback_ends_in_dots_when_it_is_too_long)
{
    struct sp_log_record record = record_of("a long line", none);
    char line[8];
    CHECK_STR(sp_log_line(&record, line, sizeof(line)), "a lo...");
}
