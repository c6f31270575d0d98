/* Writing JSON into a buffer that grows.
 *
 *     sp__json_open(&json, NULL, '{');
 *     sp__json_text(&json, "name", name);
 *     sp__json_close(&json, '}');
 *
 * Inside an object every member has a key, inside an array none (NULL). The first error is kept
 * and what follows does nothing, so that it is looked at once, at the end. Whatever bytes a text
 * holds, what is written is UTF-8.
 *
 * Threads: none of its own. Neighbours: base/buf.h; the questions of api.h.
 */
#ifndef SPAWNED_HTTP_JSON_H
#define SPAWNED_HTTP_JSON_H

#include "base/buf.h"
#include "spawned/pid.h"

struct sp__json {
    struct sp__buf out;
    sp_err err; /* the first one */
    bool comma; /* before the next value */
};

/** Begin. `limit` bytes at most (0: memory alone decides). Context: any. */
void sp__json_init(struct sp__json *json, size_t limit) SP_NONNULL;
/** Free the buffer. Context: any. */
void sp__json_finish(struct sp__json *json) SP_NONNULL;

/** `bracket`: '{' or '['. Context: any. */
void sp__json_open(struct sp__json *json, const char *key, char bracket) SP_NONNULL_ARGS(1);
/** `bracket`: '}' or ']'. Context: any. */
void sp__json_close(struct sp__json *json, char bracket) SP_NONNULL;

/** NULL is written as null. Context: any. */
void sp__json_text(struct sp__json *json, const char *key, const char *text) SP_NONNULL_ARGS(1);
void sp__json_uint(struct sp__json *json, const char *key, uint64_t value) SP_NONNULL_ARGS(1);
void sp__json_bool(struct sp__json *json, const char *key, bool value) SP_NONNULL_ARGS(1);
void sp__json_null(struct sp__json *json, const char *key) SP_NONNULL_ARGS(1);
/** Milliseconds with three decimals. Units: nanoseconds. Context: any. */
void sp__json_ms(struct sp__json *json, const char *key, int64_t ns) SP_NONNULL_ARGS(1);
/** A pid as this API tells it, "0.17.4". Context: any. */
const char *sp__json_pid_text(sp_pid pid, char text[SP_PID_TEXT_MAX]) SP_NONNULL;

/** As text, "0.17.4"; none: null. Context: any. */
void sp__json_pid(struct sp__json *json, const char *key, sp_pid pid) SP_NONNULL_ARGS(1);

#endif
