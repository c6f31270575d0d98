/* What `spawned top` looks at, and how it is drawn.
 *
 * Neighbours: top.c asks and takes the keys, top_view.c draws, terminal.c has the terminal.
 */
#ifndef SPAWNED_TOOL_TOP_H
#define SPAWNED_TOOL_TOP_H

#include "client.h"
#include "process.h"

#include <stdint.h>

enum { TOP_SEARCH_MAX = 64 };

struct top {
    const struct options *options;
    struct client *client;
    /* What is looked at. */
    const char *sort;
    bool reverse;
    bool frozen;
    bool typing; /* a text to search for */
    bool asked;  /* a key wants another look */
    size_t place;
    char search[TOP_SEARCH_MAX + 1];
    /* What was seen. */
    json_t *overview;
    json_t *page;
    json_t *before; /* {pid: handled} of the page before, or NULL */
    int64_t looked_ms;
    int64_t between_ms; /* from that page to this one */
    int64_t next_ms;
    int64_t delay_ms;
    const char *error; /* of the last look, or NULL */
    size_t rows;
    size_t columns;
};

/** How many processes the screen has rows for. */
size_t top_view_rows(const struct top *top);

/** Draw all of the screen. */
void top_draw(const struct top *top);

/** The same without a terminal's own ways: lines, all of them. */
void top_print(const struct top *top);

#endif
