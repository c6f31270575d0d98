/* The output: one buffer, whose failure is remembered.
 *
 * Who reads it may end before we do (`spawned ps | head`): then writing goes nowhere, the command stops when it looks at
 * print_ok(), and ends with status 0. Any other failure is told.
 *
 * Threads: the only one.
 */
#ifndef SPAWNED_TOOL_PRINT_H
#define SPAWNED_TOOL_PRINT_H

#include "status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum print_color {
    PRINT_PLAIN,
    PRINT_BOLD,
    PRINT_DIM,
    PRINT_RED,
    PRINT_GREEN,
    PRINT_YELLOW,
    PRINT_CYAN,
    PRINT_REVERSE,
};

enum print_colors { PRINT_AUTO, PRINT_ALWAYS, PRINT_NEVER };

/** Colours on a terminal that has them, unless NO_COLOR is set; or as `colors` says. */
void print_init(enum print_colors colors);

/** What begins or ends a colour; empty where there are none. */
const char *print_sgr(enum print_color color);

/** Text of ours: what others gave goes through text.h first. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_bytes(const char *bytes, size_t size);

/** `clean` text, filled up with spaces to `columns`; or cut, where it is `text` of others. */
void print_cell(enum print_color color, const char *text, size_t columns);

/** As JSON: others' text is escaped, so that it is ASCII all through. */
void print_json(const json_t *value);
void print_json_line(const json_t *value);

/** Whether it is worth going on. Writes what was collected. */
bool print_ok(void);

/** Columns of the terminal, or 0: it is none. */
size_t print_columns(void);

/** The last: STATUS_OK, or STATUS_LOCAL and a message on standard error. */
enum status print_finish(void);

#endif
