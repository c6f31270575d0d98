#include "runtime/log_format.h"

#include "base/utf8.h"
#include "spawned/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORMAT_LEVEL_WIDTH = 7,
    FORMAT_KEY_MAX = 60,   /* of a journal's field, which may have 64 */
    FORMAT_FILE_MAX = 256, /* of a path, which is not in the line's own bytes */
};

static const char format_hex[] = "0123456789abcdef";

/* ---- pieces ---- */

static void put(struct sp__text *text, const char *string)
{
    sp__text_add_bytes(text, string, strlen(string));
}

static void put_char(struct sp__text *text, char c)
{
    sp__text_add_bytes(text, &c, 1);
}

/* With zeros in front, to `width` digits. */
static void put_uint(struct sp__text *text, uint64_t value, unsigned width)
{
    char digits[20];
    unsigned count = 0;
    do {
        digits[sizeof(digits) - ++count] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0 || count < width);
    sp__text_add_bytes(text, digits + sizeof(digits) - count, count);
}

static void put_int(struct sp__text *text, int64_t value)
{
    if (value < 0)
        put_char(text, '-');
    put_uint(text, value < 0 ? UINT64_C(0) - (uint64_t)value : (uint64_t)value, 1);
}

static void put_hex(struct sp__text *text, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        put_char(text, format_hex[bytes[i] >> 4]);
        put_char(text, format_hex[bytes[i] & 15]);
    }
}

/* The shortest that reads back as the same, with a point whatever the locale says. */
static void put_double(struct sp__text *text, double value)
{
    char digits[40];
    (void)snprintf(digits, sizeof(digits), "%.15g", value);
    if (value == value && strtod(digits, NULL) != value)
        (void)snprintf(digits, sizeof(digits), "%.17g", value);
    for (char *c = digits; *c != '\0'; c++)
        if (*c == ',')
            *c = '.';
    put(text, digits);
}

/* Units: milliseconds, with what is behind the point. */
static void put_ms(struct sp__text *text, int64_t ns)
{
    uint64_t size = ns < 0 ? UINT64_C(0) - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0)
        put_char(text, '-');
    put_uint(text, size / SP_NS_PER_MS, 1);
    put_char(text, '.');
    put_uint(text, size % SP_NS_PER_MS, 6);
}

static void put_pid(struct sp__text *text, sp_pid pid)
{
    put_uint(text, pid.node, 1);
    put_char(text, '.');
    put_uint(text, pid.slot, 1);
    put_char(text, '.');
    put_uint(text, pid.serial, 1);
}

/* "2026-11-23T06:30:00.123456Z". Source of the calendar: H. Hinnant, "chrono-Compatible Low-Level
 * Date Algorithms" (2013), civil_from_days. */
void sp__log_put_time(struct sp__text *text, int64_t wall_ns)
{
    int64_t us = wall_ns < 0 ? 0 : wall_ns / SP_NS_PER_US;
    int64_t second = us / 1000000;
    int64_t days = second / 86400 + 719468;
    int64_t era = days / 146097;
    int64_t day_of_era = days % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* from March */
    int64_t year = year_of_era + era * 400 + (month >= 10);
    const uint64_t parts[] = { (uint64_t)year,
                               (uint64_t)(month < 10 ? month + 3 : month - 9),
                               (uint64_t)(day_of_year - (153 * month + 2) / 5 + 1),
                               (uint64_t)(second % 86400 / 3600),
                               (uint64_t)(second % 3600 / 60),
                               (uint64_t)(second % 60) };
    for (int i = 0; i < 6; i++) {
        put_uint(text, parts[i], i == 0 ? 4 : 2);
        put_char(text, "--T::."[i]);
    }
    put_uint(text, (uint64_t)(us % 1000000), 6);
    put_char(text, 'Z');
}

/* ---- text for people ---- */

/* Bytes of the character at `s` that a terminal may get as it is; 0: it is to be escaped. C1
 * controls are commands to some terminals. */
static size_t text_plain(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7F;
    if (s[0] == 0xC2 && left > 1 && s[1] < 0xA0)
        return 0;
    return sp__utf8_size(s, left);
}

static void text_escape(struct sp__text *text, unsigned char c)
{
    const char *short_one = strchr("\nn\rr\tt", c);
    put_char(text, '\\');
    if (c != '\0' && short_one != NULL) {
        put_char(text, short_one[1]);
        return;
    }
    put_char(text, 'x');
    put_char(text, format_hex[c >> 4]);
    put_char(text, format_hex[c & 15]);
}

/* Inside quotes, these and the backslash are escaped as well. */
static void text_bytes(struct sp__text *text, const char *bytes, size_t size, bool quoted)
{
    const unsigned char *s = (const unsigned char *)bytes;
    for (size_t i = 0; i < size;) {
        size_t plain = text_plain(s + i, size - i);
        if (plain == 0)
            text_escape(text, s[i]);
        if (quoted && (s[i] == '"' || s[i] == '\\'))
            put_char(text, '\\');
        sp__text_add_bytes(text, s + i, plain);
        i += plain == 0 ? 1 : plain;
    }
}

/* Needs no quotes: one word of letters, digits and little else. */
static bool text_word(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c <= ' ' || c >= 0x7F || strchr("\"\\=", c) != NULL)
            return false;
    }
    return size > 0;
}

static void text_string(struct sp__text *text, const char *bytes, size_t size)
{
    bool word = text_word(bytes, size);
    if (!word)
        put_char(text, '"');
    text_bytes(text, bytes, size, !word);
    if (!word)
        put_char(text, '"');
}

static void text_value(struct sp__text *text, const struct sp_kv *pair)
{
    switch (pair->type) {
    case SP_KV_INT:
        put_int(text, pair->value.integer);
        break;
    case SP_KV_UINT:
        put_uint(text, pair->value.natural, 1);
        break;
    case SP_KV_DOUBLE:
        put_double(text, pair->value.real);
        break;
    case SP_KV_BOOL:
        put(text, pair->value.truth ? "true" : "false");
        break;
    case SP_KV_PID:
        put_char(text, '<');
        put_pid(text, pair->value.pid);
        put_char(text, '>');
        break;
    case SP_KV_DURATION:
        put_ms(text, pair->value.integer);
        put(text, "ms");
        break;
    case SP_KV_STR:
        if (pair->value.text.bytes == NULL)
            put(text, "null");
        else
            text_string(text, pair->value.text.bytes, pair->value.text.size);
        break;
    case SP_KV_END:
        break;
    }
}

static void text_key(struct sp__text *text, const char *key)
{
    put_char(text, ' ');
    text_string(text, key, strlen(key));
    put_char(text, '=');
}

/* The text and its values. */
static void text_said(struct sp__text *text, const struct sp_log_record *record)
{
    text_bytes(text, record->text, strlen(record->text), false);
    for (const struct sp_kv *pair = record->pairs; pair->type != SP_KV_END; pair++) {
        text_key(text, pair->key);
        text_value(text, pair);
    }
    if (record->cut)
        put(text, " ...");
}

static void text_level(struct sp__text *text, enum sp_log_level level, bool colours)
{
    static const char *const on[SP_LOG_OFF] = { [SP_LOG_DEBUG] = "\033[2m",
                                                [SP_LOG_INFO] = "\033[32m",
                                                [SP_LOG_WARNING] = "\033[33m",
                                                [SP_LOG_ERROR] = "\033[31m" };
    const char *name = sp_log_level_name(level);
    if (colours)
        put(text, on[level]);
    put(text, name);
    if (colours)
        put(text, "\033[0m");
    for (size_t i = strlen(name); i < FORMAT_LEVEL_WIDTH; i++)
        put_char(text, ' ');
}

static void text_who(struct sp__text *text, const struct sp_log_record *record)
{
    put_char(text, ' ');
    text_bytes(text, record->module, strlen(record->module), false);
    if (!sp_pid_is_none(record->pid)) {
        put(text, " <");
        put_pid(text, record->pid);
        put_char(text, '>');
    }
    if (record->process[0] != '\0') {
        put(text, " (");
        text_bytes(text, record->process, strlen(record->process), false);
        put_char(text, ')');
    }
    put(text, ": ");
}

void sp__log_format_text(struct sp__text *text, const struct sp_log_record *record, bool colours)
{
    sp__log_put_time(text, record->wall_ns);
    put_char(text, ' ');
    text_level(text, record->level, colours);
    text_who(text, record);
    text_said(text, record);
    if (record->suppressed != 0) {
        put(text, " suppressed=");
        put_uint(text, record->suppressed, 1);
    }
    if (record->traced) {
        put(text, " trace_id=");
        put_hex(text, record->trace_id, sizeof(record->trace_id));
        put(text, " span_id=");
        put_hex(text, record->span_id, sizeof(record->span_id));
    }
    put_char(text, '\n');
}

const char *sp_log_line(const struct sp_log_record *record, char *line, size_t size)
{
    struct sp__text text;
    if (size == 0)
        return line;
    sp__text_init(&text, line, size);
    text_said(&text, record);
    return line;
}

/* ---- JSON ---- */

static void json_string(struct sp__text *text, const char *bytes, size_t size)
{
    const unsigned char *s = (const unsigned char *)bytes;
    put_char(text, '"');
    for (size_t i = 0; i < size;) {
        size_t character = sp__utf8_size(s + i, size - i);
        if (character == 0) {
            put(text, "\xEF\xBF\xBD"); /* U+FFFD, for what is not UTF-8 */
        } else if (s[i] < 0x20 || s[i] == 0x7F) {
            put(text, "\\u00");
            put_char(text, format_hex[s[i] >> 4]);
            put_char(text, format_hex[s[i] & 15]);
        } else {
            if (s[i] == '"' || s[i] == '\\')
                put_char(text, '\\');
            sp__text_add_bytes(text, s + i, character);
        }
        i += character == 0 ? 1 : character;
    }
    put_char(text, '"');
}

static void json_text(struct sp__text *text, const char *string)
{
    json_string(text, string, strlen(string));
}

/* `name` is ours: without anything to escape. */
static void json_member(struct sp__text *text, const char *name)
{
    put(text, ",\"");
    put(text, name);
    put(text, "\":");
}

/* There is no number for these. */
static void json_double(struct sp__text *text, double value)
{
    bool finite = value - value == 0;
    if (!finite)
        put_char(text, '"');
    put_double(text, value);
    if (!finite)
        put_char(text, '"');
}

static void json_pid(struct sp__text *text, sp_pid pid)
{
    if (sp_pid_is_none(pid)) {
        put(text, "null");
        return;
    }
    put_char(text, '"');
    put_pid(text, pid);
    put_char(text, '"');
}

static void json_value(struct sp__text *text, const struct sp_kv *pair)
{
    if (pair->type == SP_KV_DOUBLE)
        json_double(text, pair->value.real);
    else if (pair->type == SP_KV_PID)
        json_pid(text, pair->value.pid);
    else if (pair->type == SP_KV_DURATION)
        put_ms(text, pair->value.integer);
    else if (pair->type == SP_KV_STR && pair->value.text.bytes != NULL)
        json_string(text, pair->value.text.bytes, pair->value.text.size);
    else
        text_value(text, pair); /* integers, truth, null */
}

static void json_fields(struct sp__text *text, const struct sp_kv *pairs)
{
    if (pairs->type == SP_KV_END)
        return;
    json_member(text, "fields");
    for (const struct sp_kv *pair = pairs; pair->type != SP_KV_END; pair++) {
        put_char(text, pair == pairs ? '{' : ',');
        json_text(text, pair->key);
        put_char(text, ':');
        json_value(text, pair);
    }
    put_char(text, '}');
}

static void json_ids(struct sp__text *text, const struct sp_log_record *record)
{
    json_member(text, "trace_id");
    put_char(text, '"');
    put_hex(text, record->trace_id, sizeof(record->trace_id));
    put_char(text, '"');
    json_member(text, "span_id");
    put_char(text, '"');
    put_hex(text, record->span_id, sizeof(record->span_id));
    put_char(text, '"');
}

static void json_where(struct sp__text *text, const struct sp_log_record *record)
{
    if (!sp_pid_is_none(record->pid)) {
        json_member(text, "pid");
        json_pid(text, record->pid);
    }
    if (record->process[0] != '\0') {
        json_member(text, "process");
        json_text(text, record->process);
    }
    if (record->file != NULL) {
        json_member(text, "file");
        json_string(text, record->file, strnlen(record->file, FORMAT_FILE_MAX));
        json_member(text, "line");
        put_int(text, record->line);
    }
}

void sp__log_format_json(struct sp__text *text, const struct sp_log_record *record)
{
    put(text, "{\"time\":\"");
    sp__log_put_time(text, record->wall_ns);
    put(text, "\",\"level\":\"");
    put(text, sp_log_level_name(record->level));
    put(text, "\",\"module\":");
    json_text(text, record->module);
    json_member(text, "message");
    json_text(text, record->text);
    json_where(text, record);
    json_fields(text, record->pairs);
    if (record->suppressed != 0) {
        json_member(text, "suppressed");
        put_uint(text, record->suppressed, 1);
    }
    if (record->traced)
        json_ids(text, record);
    if (record->cut) {
        json_member(text, "cut");
        put(text, "true");
    }
    put(text, "}\n");
}

/* ---- the journal ---- */

static void journal_field(struct sp__text *text, const char *name, const char *value)
{
    put(text, name);
    put_char(text, '=');
    put(text, value);
    put_char(text, '\n');
}

/* Bytes of any kind: with their size in front. */
static void journal_bytes(struct sp__text *text, const char *name, const char *bytes, size_t size)
{
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)size >> (8 * i));
    put(text, name);
    put_char(text, '\n');
    sp__text_add_bytes(text, length, sizeof(length));
    sp__text_add_bytes(text, bytes, size);
    put_char(text, '\n');
}

/* A field may have capital letters, digits and underscores: the key as near to that as can be,
 * behind "F_", so that no key is taken for one of the journal's own. */
static void journal_key(const char *key, char name[FORMAT_KEY_MAX])
{
    size_t size = 0;
    name[size++] = 'F';
    name[size++] = '_';
    for (; *key != '\0' && size < FORMAT_KEY_MAX - 1; key++) {
        char upper = *key >= 'a' && *key <= 'z' ? (char)(*key - 'a' + 'A') : *key;
        bool fine = (upper >= 'A' && upper <= 'Z') || (upper >= '0' && upper <= '9');
        name[size++] = fine ? upper : '_';
    }
    name[size] = '\0';
}

static void journal_pair(struct sp__text *text, const struct sp_kv *pair)
{
    char name[FORMAT_KEY_MAX];
    journal_key(pair->key, name);
    if (pair->type == SP_KV_STR && pair->value.text.bytes != NULL) {
        journal_bytes(text, name, pair->value.text.bytes, pair->value.text.size);
        return;
    }
    put(text, name);
    put_char(text, '=');
    if (pair->type == SP_KV_DURATION)
        put_ms(text, pair->value.integer);
    else if (pair->type == SP_KV_PID)
        put_pid(text, pair->value.pid);
    else
        text_value(text, pair);
    put_char(text, '\n');
}

/* As syslog(3) counts them. */
static const char *journal_priority(enum sp_log_level level)
{
    static const char *const priorities[SP_LOG_OFF] = {
        [SP_LOG_DEBUG] = "7", [SP_LOG_INFO] = "6", [SP_LOG_WARNING] = "4", [SP_LOG_ERROR] = "3"
    };
    return priorities[level];
}

static void journal_ids(struct sp__text *text, const struct sp_log_record *record)
{
    put(text, "TRACE_ID=");
    put_hex(text, record->trace_id, sizeof(record->trace_id));
    put(text, "\nSPAN_ID=");
    put_hex(text, record->span_id, sizeof(record->span_id));
    put_char(text, '\n');
}

void sp__log_format_journal(struct sp__text *text, const struct sp_log_record *record,
                            const char *identifier)
{
    journal_bytes(text, "MESSAGE", record->text, strlen(record->text));
    journal_field(text, "PRIORITY", journal_priority(record->level));
    journal_bytes(text, "SYSLOG_IDENTIFIER", identifier, strlen(identifier));
    journal_bytes(text, "SPAWNED_MODULE", record->module, strlen(record->module));
    if (!sp_pid_is_none(record->pid)) {
        put(text, "SPAWNED_PID=");
        put_pid(text, record->pid);
        put_char(text, '\n');
    }
    if (record->process[0] != '\0')
        journal_bytes(text, "SPAWNED_PROCESS", record->process, strlen(record->process));
    if (record->file != NULL) {
        journal_bytes(text, "CODE_FILE", record->file, strnlen(record->file, FORMAT_FILE_MAX));
        put(text, "CODE_LINE=");
        put_int(text, record->line);
        put_char(text, '\n');
    }
    for (const struct sp_kv *pair = record->pairs; pair->type != SP_KV_END; pair++)
        journal_pair(text, pair);
    if (record->suppressed != 0) {
        put(text, "SPAWNED_SUPPRESSED=");
        put_uint(text, record->suppressed, 1);
        put_char(text, '\n');
    }
    if (record->traced)
        journal_ids(text, record);
    if (record->cut)
        journal_field(text, "SPAWNED_CUT", "1");
}
