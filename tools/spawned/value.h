/* What an answer says: members that may be missing, or of another type than the schema's.
 *
 * Nothing that a node answers makes these fail: what is not there is NULL, 0 or empty.
 */
#ifndef SPAWNED_TOOL_VALUE_H
#define SPAWNED_TOOL_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { VALUE_TEXT_MAX = 24 };

/** Text of others, or NULL. Borrowed. */
const char *value_text(const json_t *object, const char *key);
double value_number(const json_t *object, const char *key);
bool value_is_null(const json_t *object, const char *key);

/** A list's length; 0 where it is none. */
size_t value_count(const json_t *object, const char *key);

/** For people, in few columns: "1234", "12.3k", "4.5M". Returns `out`. */
const char *value_format_count(char out[VALUE_TEXT_MAX], double number);
/** "512", "4.0K", "1.5M". */
const char *value_format_bytes(char out[VALUE_TEXT_MAX], double bytes);
/** "12.3ms", "4.5s", "2m03s", "5h12m", "3d04h". */
const char *value_format_ms(char out[VALUE_TEXT_MAX], double ms);

/** A name for a process: its registered name and its label, or what there is. Cleaned: it may be
 *  printed. Returns `out`. */
const char *value_name(char *out, size_t size, const json_t *process);

#endif
