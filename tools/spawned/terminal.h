/* The terminal while a command has all of it: keys without a newline, the other screen, no cursor.
 *
 * It is given back on every way out: terminal_close(), a signal that ends the program, one that stops it
 * (and taken again when it goes on), and a crash.
 *
 * Threads: the only one; the signal handlers of terminal.c.
 */
#ifndef SPAWNED_TOOL_TERMINAL_H
#define SPAWNED_TOOL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/** Keys that are no character. */
enum terminal_key {
    TERMINAL_NONE = 0,
    TERMINAL_RESIZED = 256,
    TERMINAL_ENDED, /* a signal says so, or the terminal is gone */
    TERMINAL_UP,
    TERMINAL_DOWN,
    TERMINAL_PAGE_UP,
    TERMINAL_PAGE_DOWN,
    TERMINAL_HOME,
    TERMINAL_END,
    TERMINAL_ESCAPE,
    TERMINAL_BACK,
    TERMINAL_OTHER,
};

/** Take it. False: standard input or output is no terminal. */
bool terminal_open(void);
void terminal_close(void);

void terminal_size(size_t *out_rows, size_t *out_columns);

/** The next key within `ms` milliseconds, or TERMINAL_NONE. Bytes of UTF-8 come one by one. */
int terminal_key(int ms);

/** Whether a key or a signal waits. */
bool terminal_pending(void);

/** The signal that ended it, or 0. */
int terminal_signal(void);

#endif
