#include "http/json.h"

#include "base/utf8.h"
#include "spawned/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* U+FFFD, for what is not UTF-8. */
#define JSON_REPLACEMENT "\xEF\xBF\xBD"

void sp__json_init(struct sp__json *json, size_t limit)
{
    sp__buf_init(&json->out, limit);
    json->err = SP_OK;
    json->comma = false;
}

void sp__json_finish(struct sp__json *json)
{
    sp__buf_finish(&json->out);
}

static void json_raw(struct sp__json *json, const char *bytes, size_t size)
{
    if (json->err == SP_OK)
        json->err = sp__buf_append(&json->out, bytes, size);
}

/* ---- text ---- */

/* Writes the one character at `s` and says how many bytes it had. */
static size_t json_character(struct sp__json *json, const unsigned char *s, size_t left)
{
    char text[8];
    size_t size = sp__utf8_size(s, left);
    if (size == 0) {
        json_raw(json, JSON_REPLACEMENT, sizeof(JSON_REPLACEMENT) - 1);
        return 1;
    }
    if (size == 1 && (s[0] < 0x20 || s[0] == 0x7F))
        json_raw(json, text, (size_t)snprintf(text, sizeof(text), "\\u%04x", s[0]));
    else if (s[0] == '"' || s[0] == '\\')
        json_raw(json, text, (size_t)snprintf(text, sizeof(text), "\\%c", s[0]));
    else
        json_raw(json, (const char *)s, size);
    return size;
}

static void json_quoted(struct sp__json *json, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t left = strlen(text);
    json_raw(json, "\"", 1);
    while (left > 0 && json->err == SP_OK) {
        size_t plain = 0;
        while (plain < left && s[plain] >= 0x20 && s[plain] < 0x7F && s[plain] != '"' &&
               s[plain] != '\\')
            plain++;
        json_raw(json, (const char *)s, plain);
        if (plain < left)
            plain += json_character(json, s + plain, left - plain);
        s += plain;
        left -= plain;
    }
    json_raw(json, "\"", 1);
}

/* ---- values ---- */

static void json_key(struct sp__json *json, const char *key)
{
    if (json->comma)
        json_raw(json, ",", 1);
    json->comma = true;
    if (key == NULL)
        return;
    json_quoted(json, key);
    json_raw(json, ":", 1);
}

void sp__json_open(struct sp__json *json, const char *key, char bracket)
{
    json_key(json, key);
    json_raw(json, &bracket, 1);
    json->comma = false;
}

void sp__json_close(struct sp__json *json, char bracket)
{
    json_raw(json, &bracket, 1);
    json->comma = true;
}

void sp__json_text(struct sp__json *json, const char *key, const char *text)
{
    if (text == NULL) {
        sp__json_null(json, key);
        return;
    }
    json_key(json, key);
    json_quoted(json, text);
}

void sp__json_uint(struct sp__json *json, const char *key, uint64_t value)
{
    char text[24];
    json_key(json, key);
    json_raw(json, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

void sp__json_bool(struct sp__json *json, const char *key, bool value)
{
    json_key(json, key);
    json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

void sp__json_null(struct sp__json *json, const char *key)
{
    json_key(json, key);
    json_raw(json, "null", 4);
}

void sp__json_ms(struct sp__json *json, const char *key, int64_t ns)
{
    char text[32];
    int64_t us = ns / SP_NS_PER_US;
    const char *minus = us < 0 ? "-" : "";
    uint64_t size = us < 0 ? (uint64_t)-us : (uint64_t)us;
    json_key(json, key);
    json_raw(json, text,
             (size_t)snprintf(text, sizeof(text), "%s%" PRIu64 ".%03" PRIu64, minus, size / 1000,
                              size % 1000));
}

const char *sp__json_pid_text(sp_pid pid, char text[SP_PID_TEXT_MAX])
{
    (void)snprintf(text, SP_PID_TEXT_MAX, "%" PRIu32 ".%" PRIu32 ".%" PRIu64, pid.node, pid.slot,
                   pid.serial);
    return text;
}

void sp__json_pid(struct sp__json *json, const char *key, sp_pid pid)
{
    char text[SP_PID_TEXT_MAX];
    if (sp_pid_is_none(pid)) {
        sp__json_null(json, key);
        return;
    }
    sp__json_text(json, key, sp__json_pid_text(pid, text));
}
